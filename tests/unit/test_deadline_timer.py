"""The timer behind a pure core, on a loop whose time passes only when it is told to."""

import asyncio

import pytest

from api.deadline_timer import DeadlineTimer
from rooms.deadlines import Deadlines


class Core:
    """Deadlines a, b, ... ; ``rang``: which came, in order. ``fault``: what happens at each."""

    def __init__(self) -> None:
        self.deadlines: Deadlines[tuple[str]] = Deadlines()
        self.rang: list[str] = []
        self.fault: Exception | None = None
        self.empty = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.timer = DeadlineTimer(self.deadlines.next, self.loop.time, self.expire)

    def expire(self) -> None:
        key = self.deadlines.pop_due(self.loop.time())
        while key is not None:
            self.rang.append(key[0])
            key = self.deadlines.pop_due(self.loop.time())
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
    core, faults = Core(), list[object]()
    core.loop.set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    core.fault = ValueError("at this one")
    core.deadlines.set(("a",), core.loop.time())
    core.deadlines.set(("b",), core.loop.time() + 0.02)
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
