"""An agent's own day: their calls since it began, and nobody else's."""

from pathlib import Path

from api.agent_day import LONGEST_S, day_of
from api.store import Store
from signaling.messages import DayCall
from tests.kit.vaults import VAULT
from tests.loopback.test_call_history import record

NOW = 1_000_000.0


async def test_a_day_has_ones_own_calls_since_it_began(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=VAULT) as store:
        for call_id, agent, at in (("a", "ana", NOW - 60), ("b", "ana", NOW - 7_200), ("c", "ben", NOW - 60), ("old", "ana", NOW - 90_000)):
            store.put_call(record(call_id, agent, at), lambda at_s: at_s)
        await store.flush()
        both = (await day_of(store, "ana", NOW - 10_000, NOW)).calls
        assert [call.started_at for call in both] == [NOW - 7_200, NOW - 60]
        assert isinstance(both[0], DayCall) and both[0].ended_at >= both[0].started_at
        assert [call.started_at for call in (await day_of(store, "ana", NOW - 100, NOW)).calls] == [NOW - 60]
        assert len((await day_of(store, "ana", 0.0, NOW)).calls) == 3, "a day is not for ever, and 25 h are one"
        assert (await day_of(store, "ana", 0.0, NOW + LONGEST_S)).calls == []
        assert (await day_of(store, "eva", 0.0, NOW)).calls == []
