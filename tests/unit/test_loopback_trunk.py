"""The demo line's own manners; what it shares with SIP is in the conformance suite."""

import asyncio

import pytest

from pbx import loopback
from pbx.loopback import DEMO_NUMBERS, LoopbackTimes, LoopbackTrunk
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Refused, TransferProgressed, TrunkEvent
from rooms.audio import PCMU, DemoEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason

OFFER = RtpEndpoint("127.0.0.1", 4000, (PCMU,))
AT_ONCE = LoopbackTimes(0.0, 0.0, 0.0, 10.0, 10.0)


class Heard:
    def __init__(self) -> None:
        self.events: asyncio.Queue[TrunkEvent] = asyncio.Queue()

    async def next(self, kind: type[TrunkEvent]) -> TrunkEvent:
        async with asyncio.timeout(30):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event


@pytest.mark.parametrize(("number", "programme"), [("600", "echo"), ("601", "speech"), ("602", "dtmf")])
async def test_numbers_have_their_programmes(number: str, programme: str) -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        line.dial("a", number, "ana", OFFER)
        answered = await heard.next(Answered)
    assert isinstance(answered, Answered) and answered.remote == DemoEndpoint(programme)
    assert number in DEMO_NUMBERS


async def test_call_me_arrives_with_speech_and_is_confirmed() -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        leg_id = line.call("+34600111222", "Clara", "100")
        arrived = await heard.next(Arrived)
        assert arrived == Arrived(leg_id, "demo", "+34600111222", "Clara", "100", DemoEndpoint("speech"), verified=True)
        line.answer(leg_id, OFFER)
        assert await heard.next(Confirmed) == Confirmed(leg_id, DemoEndpoint("speech"))


async def test_605_hangs_up_and_sends_a_customer_to_the_contact_centre() -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        line.dial("a", "605", "ana", OFFER)
        refused = await heard.next(Refused)
        assert isinstance(refused, Refused) and (refused.leg_id, refused.cause.reason) == ("a", EndReason.COMPLETED)
        arrived = await heard.next(Arrived)
        assert isinstance(arrived, Arrived) and (arrived.caller, arrived.called) == ("+34600111222", "610")


async def test_a_demo_call_ends_by_itself_in_the_end() -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=LoopbackTimes(0.0, 0.0, 0.0, 10.0, 0.01)) as line:
        line.dial("a", "601", "ana", OFFER)
        ended = await heard.next(HungUp)
    assert isinstance(ended, HungUp) and ended.cause.reason is EndReason.COMPLETED


async def test_more_calls_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "MAX_CALLS", 2)
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        for leg_id in "abc":
            line.dial(leg_id, "604", "ana", OFFER)
        refused = await heard.next(Refused)
        assert isinstance(refused, Refused) and (refused.leg_id, refused.cause.sip) == ("c", 503)


async def test_leaving_forgets_what_was_to_come() -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=LoopbackTimes(0.0, 0.0, 0.0, 0.01, 0.01)) as line:
        line.dial("a", "603", "ana", OFFER)
        line.call("1", "x")
        line.dial("b", "604", "ana", OFFER)
        line.hang_up("b", Cause(EndReason.GAVE_UP))
    await asyncio.sleep(0.03)
    assert heard.events.empty()


@pytest.mark.parametrize(("target", "told"), [("601", [100, 180, 200]), ("603", [100, 486]), ("999", [100, 404]), ("604", [100, 180])])
async def test_the_far_end_obeys_when_it_is_asked_to_transfer(target: str, told: list[int]) -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        assert not line.can_refer("a")
        line.dial("a", "600", "ana", OFFER)
        await heard.next(Answered)
        assert line.can_refer("a")
        line.refer("a", target)
        assert [await heard.next(TransferProgressed) for _ in told] == [TransferProgressed("a", status) for status in told]


async def test_the_far_end_takes_the_place_of_another_call_that_talks() -> None:
    heard = Heard()
    async with LoopbackTrunk(heard.events.put_nowait, times=AT_ONCE) as line:
        for leg_id in "ab":
            line.dial(leg_id, "600", "ana", OFFER)
            await heard.next(Answered)
        line.refer("a", "", replaces="nobody")
        assert await heard.next(TransferProgressed) == TransferProgressed("a", 481)
        line.refer("a", "", replaces="b")
        assert [await heard.next(TransferProgressed) for _ in range(2)] == [TransferProgressed("a", 100), TransferProgressed("a", 200)]
