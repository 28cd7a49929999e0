"""The worker's clock, with time as an argument: no drift, short stalls made up for, long ones skipped and counted."""

import asyncio
from itertools import pairwise

import pytest

from media import ticker as ticker_module
from media.ticker import Ticker


class StalledClock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    thread_time = monotonic


async def test_ticks_come_every_twenty_milliseconds_by_schedule() -> None:
    seen: list[tuple[float, float, int]] = []
    done = asyncio.Event()

    def tick(tick_s: float, now_s: float) -> None:
        seen.append((tick_s, now_s, ticker.skipped))
        if len(seen) == 10:
            done.set()

    async with Ticker(tick) as ticker:
        await asyncio.wait_for(done.wait(), 30)
        assert ticker.ticks >= 10 and ticker.late_ms(0.5) >= 0.0
    for (last_s, _, skipped), (tick_s, now_s, now_skipped) in pairwise(seen):
        left_out = now_skipped - skipped  # none, unless the machine was busy for longer than five ticks
        assert tick_s - last_s == pytest.approx(0.02 * (1 + left_out), abs=1e-6)
        assert not left_out or now_s - last_s > 0.12
    assert all(now_s >= tick_s - 0.002 for tick_s, now_s, _ in seen)


async def test_a_long_stall_skips_whole_ticks_and_a_short_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StalledClock()
    monkeypatch.setattr(ticker_module, "time", clock)
    seen: list[float] = []
    async with Ticker(lambda tick_s, now_s: seen.append(round(tick_s - 100.0, 3))) as ticker:
        clock.now_s = 100.085  # 65 ms late: three ticks are made up for
        for _ in range(4):
            ticker._fire()
        assert (seen, ticker.skipped) == ([0.02, 0.04, 0.06, 0.08], 0)
        clock.now_s = 101.105
        ticker._fire()
        assert (seen[-1], ticker.skipped) == (1.1, 50)
        assert ticker.late_ms(1.0) == pytest.approx(65.0, abs=0.1)


async def test_how_full_it_is_is_the_work_of_all_but_one_of_twenty_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, works_s = StalledClock(), [0.004] * 96 + [0.05] * 4
    monkeypatch.setattr(ticker_module, "time", clock)
    done: list[float] = []

    def work(tick_s: float, now_s: float) -> None:
        clock.now_s += works_s[len(done) % 100]
        done.append(tick_s)

    async with Ticker(work) as ticker:
        for _ in range(24):
            ticker._fire()
        assert ticker.share == 0.0, "too little is known"
        while len(done) < 100:
            ticker._fire()
        assert ticker.share == pytest.approx(0.2)
        works_s[:] = [0.018] * 100
        while len(done) < 200:
            ticker._fire()
        assert ticker.share == pytest.approx(0.9)
