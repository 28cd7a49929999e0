"""The line without SIP beside the emulated 3CX: calls both ways, with sound in G.711 on our side and PCM on the PBX's."""

import asyncio
import struct
from collections.abc import AsyncIterator
from random import Random

import pytest

from pbx.threecx import g711
from pbx.threecx.call_control import CallControl
from pbx.threecx.double import Double
from pbx.threecx.double.directory import Reaction, Refusing
from pbx.threecx.event_feed import EventFeed
from pbx.threecx.pcm import FRAME_BYTES, key_tone
from pbx.threecx.pcm_port import PcmPort
from pbx.threecx.session import PbxSession
from pbx.threecx.settings import ThreeCxSettings
from pbx.threecx.sound_line import SoundLine
from pbx.trunk import Answered, Arrived, Confirmed, DigitArrived, HungUp, Rang, Refused, StatusChanged, TransferProgressed
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.trunk_bench import TrunkBench

LOUD = struct.pack("<h", 8_000) * (FRAME_BYTES // 2)


class Phone:
    """Where our media plane would be: says one loud sample again and again, and waits for sound."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.frames = 0
        self.port: PcmPort

    async def open(self) -> "Phone":
        self.port = await PcmPort.open("127.0.0.1", self._on_frame, Random(1))
        return self

    @property
    def endpoint(self) -> RtpEndpoint:
        return RtpEndpoint("127.0.0.1", self.port.number, (PCMA,), 101)

    def talk_with(self, remote: RtpEndpoint) -> None:
        self.port.partner = (remote.host, remote.port)
        self.port.send(LOUD)

    def _on_frame(self, frame: bytes) -> None:
        self.frames += 1
        self.port.send(LOUD)
        if self.frames >= 10 and any(frame):
            self.heard.set()


class Bench(TrunkBench):
    def __init__(self) -> None:
        super().__init__()
        self.line = SoundLine(self.on_event, host="127.0.0.1", random=Random(2))
        self.trunk = self.line


@pytest.fixture
async def pbx() -> AsyncIterator[Double]:
    async with Double() as pbx:
        pbx.directory.dns["200"].reaction = Reaction(answer_after_s=0.02)
        yield pbx


@pytest.fixture
async def bench(pbx: Double) -> AsyncIterator[Bench]:
    bench = Bench()
    settings = ThreeCxSettings((pbx.url,), "870", "demo-secret", first_retry_s=0.01, longest_retry_s=0.05)
    async with PbxSession(settings) as session:
        control, line = CallControl(session), bench.line
        feed = EventFeed(session, control, on_event=line.on_book_event, on_digits=line.on_digits, on_state=line.on_state)
        line.meet(session, control)
        async with feed, line:
            await bench.ready()
            yield bench
    assert not bench.line.lines()[0].calls


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    phone = await Phone().open()
    yield phone
    phone.port.close()


async def test_a_call_is_dialled_and_both_hear(pbx: Double, bench: Bench, phone: Phone) -> None:
    bench.line.dial("leg-1", "201", "", phone.endpoint)
    await bench.event(Rang)
    with pbx.acting():
        pbx.calls.answer(pbx.calls.of("201")[0])
    answered = await bench.event(Answered)
    assert answered.remote.codecs == (PCMA,)
    phone.talk_with(answered.remote)
    async with asyncio.timeout(30):
        await phone.heard.wait()
    bench.line.refer("leg-1", "201", replaces="leg-0")
    assert (await bench.event(TransferProgressed)).status == 501
    bench.line.hang_up("leg-1", Cause(EndReason.COMPLETED))
    await bench.line.__aexit__()  # done when all is done that was begun
    assert not pbx.calls.legs
    (audio,) = (each for each in pbx.audio.values() if each.posted)
    assert g711.decode("pcma", g711.encode("pcma", LOUD))[:2] in bytes(audio.posted)


async def test_a_call_from_outside_rings_here_and_is_talked_with(pbx: Double, bench: Bench, phone: Phone) -> None:
    with pbx.acting():
        caller = pbx.calls.arrive("+34600111222", "+34910000000", name="Eva")
    arrived = await bench.event(Arrived)
    assert (arrived.caller, arrived.caller_name, arrived.trunk) == ("+34600111222", "Eva", "3cx-sound")
    bench.line.ring(arrived.leg_id)
    bench.line.answer(arrived.leg_id, phone.endpoint)
    await bench.event(Confirmed)
    assert isinstance(arrived.remote, RtpEndpoint)
    phone.talk_with(arrived.remote)
    async with asyncio.timeout(30):
        await phone.heard.wait()
    with pbx.acting():
        pbx.calls.press(caller, "5")
    assert (await bench.event(DigitArrived)).digit == "5"
    with pbx.acting():
        pbx.calls.drop(caller)
    assert (await bench.event(HungUp)).cause.reason is EndReason.COMPLETED


async def test_a_call_is_handed_over_when_somebody_took_it_and_stays_where_nobody_did(pbx: Double, bench: Bench, phone: Phone) -> None:
    pbx.directory.dns["201"].reaction = Reaction(refuse=Refusing.BUSY)
    with pbx.acting():
        pbx.calls.arrive("+34600111222", "+34910000000")
    arrived = await bench.event(Arrived)
    assert not bench.line.can_refer(arrived.leg_id)
    bench.line.answer(arrived.leg_id, phone.endpoint)
    await bench.event(Confirmed)
    assert bench.line.can_refer(arrived.leg_id)
    for target, outcome in (("201", 480), ("200", 200)):
        bench.line.refer(arrived.leg_id, target)
        assert [(await bench.event(TransferProgressed)).status for _ in range(2)] == [180, outcome]
    bench.line.hang_up(arrived.leg_id, Cause(EndReason.COMPLETED))
    await bench.line.__aexit__()
    assert not pbx.calls.of("870") and len(pbx.calls.of("200")) == 1  # the caller talks on with them


async def test_refusals_are_told_in_words(pbx: Double, bench: Bench, phone: Phone) -> None:
    pbx.directory.dns["201"].reaction = Reaction(refuse=Refusing.BUSY)
    bench.line.dial("leg-1", "201", "", phone.endpoint)
    refused = await bench.event(Refused)
    assert refused.cause.reason in (EndReason.NO_ANSWER, EndReason.FAILED, EndReason.UNREACHABLE) and refused.cause.detail
    bench.line.dial("leg-2", "299", "", phone.endpoint)
    assert "299" in (await bench.event(Refused)).cause.detail


async def test_a_line_that_is_down_says_so(pbx: Double, bench: Bench) -> None:
    assert bench.line.status.ready
    pbx.directory.principals.clear()
    pbx.restart()
    changed = await bench.event(StatusChanged)
    assert not changed.status.ready
    assert bench.line.status.detail


def test_a_key_is_two_tones_and_a_pause() -> None:
    frames = key_tone("5")
    assert len(frames) == 8 and all(len(frame) == FRAME_BYTES for frame in frames) and any(frames[0]) and not any(frames[-1])
