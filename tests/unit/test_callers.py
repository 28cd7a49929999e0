"""Who calls: looked up beside the call, bounded by time and number, and never waited for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.centre.callers import Callers
from rooms.flows.conditions import Facts

ANA = "+34600111222"


class Known:
    """A lookup whose answer a test gives when it likes."""

    def __init__(self, name: str, facts: Facts | None = None, error: Exception | None = None) -> None:
        self.name = name
        self.facts = facts or {}
        self.error = error
        self.answer = asyncio.Event()
        self.asked = 0
        self._changed = asyncio.Event()

    async def look_up(self, caller: str) -> Facts:
        self.asked += 1
        self._changed.set()
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return self.facts

    async def was_asked(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.asked < times:
                self._changed.clear()
                await self._changed.wait()


class Calls:
    """What each call learned, and a wait for so many words."""

    def __init__(self) -> None:
        self.learned: list[Facts] = []
        self._came = asyncio.Event()

    def hear(self, facts: Facts) -> None:
        self.learned.append(facts)
        self._came.set()

    async def heard(self, count: int) -> list[Facts]:
        async with asyncio.timeout(30):
            while len(self.learned) < count:
                self._came.clear()
                await self._came.wait()
        return self.learned


@pytest.fixture
async def lookups() -> list[Known]:
    return [Known("contacts", {"vip": True}), Known("calls", {"last_agent": "ana"})]


@pytest.fixture
async def clock() -> list[float]:
    return [0.0]


@pytest.fixture
async def callers(lookups: list[Known], clock: list[float]) -> AsyncIterator[Callers]:
    async with Callers(lookups, clock=lambda: clock[0], deadline_s=30.0) as callers:
        yield callers


async def test_each_answer_is_told_as_it_comes_and_then_known_for_a_minute(
    callers: Callers, lookups: list[Known], clock: list[float]
) -> None:
    call, other = Calls(), Calls()
    assert callers.peek(ANA) is None
    callers.ask(ANA, call.hear)
    lookups[1].answer.set()
    assert await call.heard(1) == [{"last_agent": "ana"}]
    assert callers.peek(ANA) is None
    callers.ask(ANA, other.hear)
    assert other.learned == [{"last_agent": "ana"}], "a second call of theirs hears what is known already"
    lookups[0].answer.set()
    assert await call.heard(2) == await other.heard(2) == [{"last_agent": "ana"}, {"vip": True}]
    await until_idle(callers)
    assert [lookup.asked for lookup in lookups] == [1, 1]
    clock[0] = 59.0
    assert callers.peek(ANA) == {"vip": True, "last_agent": "ana"}
    clock[0] = 60.0
    assert callers.peek(ANA) is None


async def until_idle(callers: Callers) -> None:
    await asyncio.wait_for(asyncio.gather(*callers._tasks), 30)


async def test_one_that_fails_or_hangs_costs_its_own_facts_alone(clock: list[float]) -> None:
    good, bad, late = Known("good", {"vip": True}), Known("bad", error=RuntimeError("broken")), Known("late", {"known": True})
    good.answer.set(), bad.answer.set()
    call = Calls()
    async with Callers([bad, late, good], clock=lambda: clock[0], deadline_s=0.01) as callers:
        callers.ask(ANA, call.hear)
        await until_idle(callers)
        assert call.learned == [{"vip": True}]
        assert callers.counts == {"good_found": 1, "bad_failed": 1, "late_late": 1}
        assert callers.peek(ANA) is None, "the next call of theirs asks again"


async def test_more_than_can_be_asked_at_once_are_not_asked(callers: Callers, lookups: list[Known]) -> None:
    for number in range(250):
        callers.ask(f"+346000000{number:02}", lambda facts: None)
    assert callers.counts["refused"] == 50
    await lookups[0].was_asked(200)
    for lookup in lookups:
        lookup.answer.set()
    await until_idle(callers)
    assert lookups[0].asked == lookups[1].asked == 200


async def test_what_is_under_way_ends_with_the_server(lookups: list[Known]) -> None:
    async with Callers(lookups, clock=lambda: 0.0) as callers:
        callers.ask(ANA, lambda facts: None)
        await lookups[0].was_asked(1)
    assert not callers._tasks
