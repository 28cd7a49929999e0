"""The timer behind a pure core."""

import asyncio
from collections.abc import Callable

import pytest

from api.deadline_timer import DeadlineTimer
from rooms.deadlines import Deadlines


class Core:
    """Deadlines a, b, ... ; ``rang``: which came, in order. ``fault``: what happens at each. ``now``: its clock, the loop's without one."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self.deadlines: Deadlines[tuple[str]] = Deadlines()
        self.rang: list[str] = []
        self.fault: Exception | None = None
        self.empty = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.now = now or self.loop.time
        self.timer = DeadlineTimer(self.deadlines.next, self.now, self.expire)

    def expire(self) -> None:
        key = self.deadlines.pop_due(self.now())
        while key is not None:
            self.rang.append(key[0])
            key = self.deadlines.pop_due(self.now())
        if self.deadlines.next() is None:
            self.empty.set()
        if self.fault is not None:
            raise self.fault


async def test_every_deadline_rings_once_in_order_though_they_were_set_otherwise() -> None:
    core = Core()
    for name, in_s in (("c", 0.03), ("a", -1.0), ("b", 0.01)):
        core.deadlines.set((name,), core.loop.time() + in_s)
        core.timer.arm()
    await asyncio.wait_for(core.empty.wait(), 30)
    assert core.rang == ["a", "b", "c"]


async def test_a_fault_at_one_deadline_does_not_silence_the_next() -> None:
    now_s, faults = 0.0, list[object]()

    def on_fault(loop: object, context: dict[str, object]) -> None:
        nonlocal now_s
        now_s += 0.02  # the second is not due before the first has rung, however long that took
        faults.append(context["exception"])

    core = Core(lambda: now_s)
    core.loop.set_exception_handler(on_fault)
    core.fault = ValueError("at this one")
    core.deadlines.set(("a",), 0.0)
    core.deadlines.set(("b",), 0.02)
    core.timer.arm()
    await asyncio.wait_for(core.empty.wait(), 30)
    assert core.rang == ["a", "b"] and faults == [core.fault, core.fault]


@pytest.mark.parametrize("armed_again", [False, True])
async def test_a_closed_timer_rings_no_more(armed_again: bool) -> None:
    core = Core()
    core.deadlines.set(("a",), core.loop.time())
    core.timer.arm()
    core.timer.close()
    if armed_again:
        core.timer.arm()
    done = core.loop.create_future()
    core.loop.call_later(0.0, core.loop.call_soon, done.set_result, None)
    await done
    assert core.rang == []
