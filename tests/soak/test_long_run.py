"""Ten minutes and more, by hand (`make soak`): what only time shows."""

import asyncio
from pathlib import Path

from api.demo_call import measure, report, scene
from api.demo_call.plan import Plan


async def test_ten_minutes_of_calls_stay_good(tmp_path: Path) -> None:
    """Sixty calls through one server, one browser and one phone, transcoded: the last are as good as the first."""
    plan = Plan("opus", "pcma", repeat=30)
    played = await asyncio.wait_for(scene.play(plan, tmp_path, lambda _: None), 1_800)
    found = measure.figures(played)
    rows = report.rows(plan, found, measure.timings(played), [])
    assert [row for row in rows if row.holds is False] == []
    for each in found:
        scores = each.values[measure.band_of(plan)]
        assert len(scores) == 30
        assert sum(scores[-10:]) / 10 > sum(scores[:10]) / 10 - 0.1
        assert min(scores) > 3.0
