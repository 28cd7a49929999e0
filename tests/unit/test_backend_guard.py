"""What stands between us and a backend: time, places, tries and rests."""

import asyncio
from collections.abc import Awaitable
from random import Random
from typing import Any

import msgspec
import pytest

from api.backends.breaker import BreakerLimits
from api.backends.guard import BackendLimits, Guard
from api.backends.protocols import BackendFault, CallerKey, Capability, ContactRef, FaultCause, Health, Kind
from api.store.errors import StoreUnavailable

ANA = CallerKey("+34600111222", "600111222")


class Crm:
    """Answers what it is told to, one thing after the other; the last again and again."""

    id = "crm"
    kind = Kind.CRM
    capabilities = frozenset({Capability.LOOKUP})

    def __init__(self, *answers: Exception | list[ContactRef] | None) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.let_go = asyncio.Event()

    async def health(self) -> Health:
        return Health(True)

    async def find(self) -> list[ContactRef]:
        """None: only once it is let go."""
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if answer is None:
                await self.let_go.wait()
        finally:
            self.at_once -= 1
        return answer or []


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guard(crm: Crm, clock: Clock | None = None, **limits: Any) -> Guard[Crm]:
    return Guard(crm, BackendLimits(**{"pause_s": 0.0, **limits}), clock or Clock(), Random(1))


async def fault_of(asking: Awaitable[object]) -> BackendFault:
    with pytest.raises(BackendFault) as caught:
        await asking
    return caught.value


async def settled() -> None:
    """Everybody is where they have to wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def gone(cause: FaultCause = "unreachable", retry_after_s: float | None = None) -> BackendFault:
    return BackendFault(cause, "As told.", retry_after_s=retry_after_s)


async def test_a_read_is_tried_once_more_and_a_write_is_not() -> None:
    known = [ContactRef("crm", "7", "Ana")]
    crm = Crm(gone(), known)
    guarded = guard(crm)
    assert await guarded.read(lambda b: b.find()) == known
    assert (crm.asked, guarded.counts["retried"], guarded.counts["ok"]) == (2, 1, 1)
    failing = Crm(gone())
    assert (await fault_of(guard(failing).write(lambda b: b.find()))).cause == "unreachable"
    assert failing.asked == 1


@pytest.mark.parametrize("cause", ["refused", "invalid", "too_large"])
async def test_what_would_come_to_the_same_is_not_tried_again(cause: FaultCause) -> None:
    crm = Crm(gone(cause))
    assert (await fault_of(guard(crm).read(lambda b: b.find()))).cause == cause
    assert crm.asked == 1


async def test_who_hangs_is_given_up() -> None:
    crm = Crm(None)
    fault = await fault_of(guard(crm, hard_s=0.01).read(lambda b: b.find()))
    assert (fault.cause, crm.asked, crm.at_once) == ("slow", 1, 0)


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (StoreUnavailable("away"), "unreachable"),
        (ConnectionResetError(), "unreachable"),
        (msgspec.DecodeError("no JSON"), "invalid"),
        (KeyError("name"), "invalid"),
    ],
)
async def test_whatever_an_adapter_raises_is_a_fault_of_its_backend(raised: Exception, cause: str) -> None:
    assert (await fault_of(guard(Crm(raised), tries=1).read(lambda b: b.find()))).cause == cause


async def test_no_more_than_so_many_ask_at_once_and_no_more_than_so_many_wait() -> None:
    crm = Crm(None)
    guarded = guard(crm, at_once=2, most_waiting=3, tries=1)
    asking = [asyncio.create_task(guarded.read(lambda b: b.find())) for _ in range(5)]
    await settled()
    fault = await fault_of(guarded.read(lambda b: b.find()))
    assert (fault.cause, guarded.state.asked_now) == ("slow", 2)
    crm.let_go.set()
    assert await asyncio.gather(*asking) == [[]] * 5
    assert crm.most_at_once == 2


async def test_who_fails_again_and_again_is_let_alone_without_being_asked() -> None:
    clock = Clock()
    crm = Crm(gone(), gone(), gone(), [])
    guarded = guard(crm, clock, tries=1, breaker=BreakerLimits(failures=3, open_s=60, probes=1))
    for _ in range(3):
        await fault_of(guarded.read(lambda b: b.find()))
    fault = await fault_of(guarded.read(lambda b: b.find()))
    assert (fault.cause, fault.retry_after_s, crm.asked) == ("open", 60.0, 3)
    assert (guarded.state.breaker, guarded.state.wait_s) == ("open", 60.0)
    clock.now = 60.0
    assert await guarded.read(lambda b: b.find()) == []
    assert guarded.state.breaker == "closed"
    assert guarded.state.last_fault == "unreachable: As told."


async def test_who_went_away_says_nothing_about_the_backend() -> None:
    crm = Crm(None)
    guarded = guard(crm, breaker=BreakerLimits(failures=1))
    asking = asyncio.create_task(guarded.read(lambda b: b.find()))
    await settled()
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert (guarded.state.breaker, guarded.state.asked_now) == ("closed", 0)


async def test_a_wish_to_be_let_alone_is_obeyed() -> None:
    clock = Clock()
    crm = Crm(gone("rate_limited", 30.0), [])
    guarded = guard(crm, clock)
    assert (await fault_of(guarded.read(lambda b: b.find()))).retry_after_s == 30.0
    clock.now = 29.0
    assert (await fault_of(guarded.read(lambda b: b.find()))).cause == "rate_limited"
    assert (crm.asked, guarded.state.breaker, guarded.state.wait_s) == (1, "closed", 1.0)
    clock.now = 30.0
    assert await guarded.read(lambda b: b.find()) == []


async def test_it_is_asked_no_more_than_so_often() -> None:
    clock = Clock()
    crm = Crm([])
    guarded = guard(crm, clock, per_s=2.0, burst=3, hard_s=0.1)
    for _ in range(3):
        await guarded.read(lambda b: b.find())
    assert (await fault_of(guarded.read(lambda b: b.find()))).retry_after_s == 0.5
    clock.now = 0.5
    assert await guarded.read(lambda b: b.find()) == []
    assert crm.asked == 4
