"""Test calls through lines: what is told of them, and that nothing of them is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from api.line_trial import INSIDE, LineTrial, LineTried, TrialState, TrialTimes
from api.phone_legs import PhoneLegs
from api.rtp_ports import RtpPorts
from media.messages import AnyMediaEvent, QualitySampled
from media.settings import MediaSettings
from media.worker import MediaWorker
from pbx.loopback import LoopbackTimes, LoopbackTrunk
from pbx.trunk import Rang, TrunkEvent
from rooms.audio import PCMA
from signaling.refusal import Refusal
from tests.kit.phone_trunk import PhoneTrunk
from tests.kit.rtp_phone import RtpPhone

QUICK = LoopbackTimes(ring_s=0.01, answer_s=0.02, refuse_s=0.01, longest_s=60.0)
WITHIN_S = 30.0


class Lines:
    """A demo line, a PBX with one phone and the media plane, of which only test calls hear."""

    def __init__(self, worker: MediaWorker, phone: RtpPhone, times: TrialTimes) -> None:
        self.worker, self.strange = worker, 0
        self.demo = LoopbackTrunk(self.on_trunk, name="demo", times=QUICK)
        trunks = {"demo": self.demo, "pbx": PhoneTrunk(phone, self.on_trunk)}
        self.phones = PhoneLegs(worker, trunks, RtpPorts("127.0.0.1", 0, 0), public_host="127.0.0.1")  # type: ignore[arg-type]
        self.trial = LineTrial(worker, self.phones, trunks, times)  # type: ignore[arg-type]

        self._came = asyncio.Event()

    def on_trunk(self, event: TrunkEvent) -> None:
        self.strange += not self.trial.hear_trunk(event)
        self._came.set()

    async def told(self, number: str, trunk: str = "demo") -> list[LineTried]:
        async with asyncio.timeout(WITHIN_S):
            return [step async for step in self.trial.call(trunk, number)]

    async def left(self) -> list[object]:
        """When the line has confirmed that we hung up."""
        async with asyncio.timeout(WITHIN_S):
            while self.demo.lines()[0].calls:
                self._came.clear()
                await self._came.wait()
        return [self.worker.gauges["rooms"], self.worker.gauges["legs"], self.strange]


@pytest.fixture
def times() -> TrialTimes:
    return TrialTimes(ring_s=WITHIN_S, listen_s=WITHIN_S, enough=2)


@pytest.fixture
async def phone() -> AsyncIterator[RtpPhone]:
    async with RtpPhone(PCMA) as phone:
        yield phone


@pytest.fixture
async def lines(times: TrialTimes, phone: RtpPhone) -> AsyncIterator[Lines]:
    made: list[Lines] = []

    def on_media(event: AnyMediaEvent) -> None:
        made[0].trial.hear_media(event)

    async with MediaWorker(MediaSettings(quality_interval_s=0.2), on_media) as worker:
        made.append(Lines(worker, phone, times))
        async with made[0].demo:
            yield made[0]


async def test_who_answers_and_speaks_is_heard_and_hears_us(lines: Lines, phone: RtpPhone) -> None:
    steps = await lines.told("600", "pbx")
    assert [step.state for step in steps[:2]] == [TrialState.DIALLING, TrialState.ANSWERED]
    last = steps[-1]
    assert (last.state, last.cause, last.line, last.codec) == (TrialState.HEARD, "completed", "pbx", "pcma")
    assert last.heard_s >= 2 and last.packets > 0 and last.loudest_dbfs is not None and last.loudest_dbfs > -30.0
    assert last.answered_s is not None and last.answered_s <= last.after_s
    assert phone.arrivals and await lines.left() == [0, 0, 0]


@pytest.mark.parametrize("times", [TrialTimes(listen_s=1.0)])
async def test_who_answers_and_sends_nothing_is_silent(lines: Lines, phone: RtpPhone) -> None:
    phone.speaking = False
    last = (await lines.told("600", "pbx"))[-1]
    assert (last.state, last.heard_s, last.packets) == (TrialState.SILENT, 0, 0)
    assert await lines.left() == [0, 0, 0]


async def test_the_line_inside_the_server_says_that_it_is_one(lines: Lines) -> None:
    steps = await lines.told("601")
    assert [step.state for step in steps] == [TrialState.DIALLING, TrialState.RINGING, TrialState.HEARD]
    assert steps[-1].detail == INSIDE and steps[-1].rang_s is not None and await lines.left() == [0, 0, 0]


@pytest.mark.parametrize(("number", "cause", "sip"), [("603", "busy", 486), ("699", "not_found", 404)])
async def test_why_nobody_answered_is_told(lines: Lines, number: str, cause: str, sip: int) -> None:
    last = (await lines.told(number))[-1]
    assert (last.state, last.cause, last.sip, last.answered_s) == (TrialState.REFUSED, cause, sip, None)
    assert last.detail and await lines.left() == [0, 0, 0]


@pytest.mark.parametrize("times", [TrialTimes(ring_s=0.3)])
async def test_nobody_rings_for_ever(lines: Lines) -> None:
    last = (await lines.told("604"))[-1]
    assert (last.state, last.cause) == (TrialState.REFUSED, "no_answer") and last.detail
    assert await lines.left() == [0, 0, 0]


async def test_who_stops_listening_hangs_up_and_meanwhile_no_other_is_made(lines: Lines) -> None:
    async with aclosing(lines.trial.call("demo", "604")) as steps:
        assert (await anext(steps)).state is TrialState.DIALLING
        assert (await anext(steps)).state is TrialState.RINGING
        with pytest.raises(Refusal) as caught:
            await lines.told("601")
        assert caught.value.code == "busy"
    assert await lines.left() == [0, 0, 0]
    assert (await lines.told("603"))[-1].cause == "busy"


async def test_a_line_that_is_not_there_is_refused(lines: Lines) -> None:
    with pytest.raises(Refusal) as caught:
        await anext(lines.trial.call("other", "601"))
    assert caught.value.code == "unknown_line"


async def test_what_is_about_others_is_left_to_them(lines: Lines) -> None:
    assert not lines.trial.hear_trunk(Rang("somebody's"))
    assert not lines.trial.hear_media(QualitySampled(room_id="somebody's", legs=()))
