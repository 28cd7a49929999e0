"""The SIP trunk and a real phone, baresip, both registered at kamailio."""

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.demo_call.baresip import PhoneSettings, phone
from api.demo_call.kamailio import Kamailio, kamailio
from pbx.sip_settings import SipTransport
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Rang, Reagreed, Refused
from rooms.audio import G722, PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.trunk_bench import TrunkBench, sip_bench

BYE = Cause(EndReason.COMPLETED)


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Kamailio]:
    async with kamailio(tmp_path / "kamailio", {"auth-100": "pw100", "400": "pw400"}) as running:
        yield running


@pytest.fixture(params=[SipTransport.UDP, SipTransport.TCP])
async def bench(request: pytest.FixtureRequest, pbx: Kamailio) -> AsyncIterator[TrunkBench]:
    settings = {"domain": "pbx.test", "auth_id": "auth-100", "password": "pw100", "transport": request.param}
    async with sip_bench(pbx.host, pbx.port, **settings) as opened:
        await opened.ready()
        yield opened


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(48_000)
        wav.writeframes(bytes(2 * 48_000))
    return path


def settings(pbx: Kamailio, silence: Path, *, answers: bool = True, codecs: tuple[str, ...] = ("g722", "pcma")) -> PhoneSettings:
    return PhoneSettings("400", "pw400", (pbx.host, pbx.port), codecs, silence, answers=answers)


async def test_we_dial_it_answers_we_hold_and_hang_up(bench: TrunkBench, pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence)) as ben:
        bench.trunk.dial("a", "400", "Agent Ana", bench.endpoint())
        await bench.event(Rang)
        remote = (await bench.event(Answered)).remote
        assert isinstance(remote, RtpEndpoint) and remote.codecs[0] == G722 and remote.dtmf_payload_type == 101
        await ben.event("CALL_ESTABLISHED")
        for held in (True, False):
            bench.trunk.hold("a", held)
            remote = (await bench.event(Reagreed)).remote
            assert isinstance(remote, RtpEndpoint) and remote.direction.sends is not held
        bench.trunk.hang_up("a", BYE)
        await ben.event("CALL_CLOSED")


async def test_it_holds_us_and_hangs_up(bench: TrunkBench, pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence, codecs=("pcma",))) as ben:
        bench.trunk.dial("a", "400", "Agent Ana", bench.endpoint())
        remote = (await bench.event(Answered)).remote
        assert isinstance(remote, RtpEndpoint) and remote.codecs == (PCMA,)
        await ben.event("CALL_ESTABLISHED")
        for held in (True, False):
            await ben.hold(held)
            remote = (await bench.event(Reagreed)).remote
            assert isinstance(remote, RtpEndpoint) and remote.direction.receives is not held
        await ben.hang_up()
        assert (await bench.event(HungUp)).cause.reason is EndReason.COMPLETED


async def test_it_dials_us(bench: TrunkBench, pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence)) as ben:
        await ben.dial("100")
        arrived = await bench.event(Arrived)
        assert (arrived.caller, arrived.called) == ("400", "100")
        bench.trunk.ring(arrived.leg_id)
        await ben.event("CALL_RINGING")
        bench.trunk.answer(arrived.leg_id, bench.endpoint((PCMA,)))
        await bench.event(Confirmed)
        await ben.event("CALL_ESTABLISHED")
        bench.trunk.hang_up(arrived.leg_id, BYE)
        await ben.event("CALL_CLOSED")


async def test_we_refuse_it_with_our_reason(bench: TrunkBench, pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence)) as ben:
        await ben.dial("100")
        bench.trunk.hang_up((await bench.event(Arrived)).leg_id, Cause(EndReason.BUSY))
        closed = await ben.event("CALL_CLOSED")
        assert "486" in str(closed.get("param"))


async def test_we_give_up_while_it_rings(bench: TrunkBench, pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence, answers=False)) as ben:
        bench.trunk.dial("a", "400", "Agent Ana", bench.endpoint())
        await bench.event(Rang)
        bench.trunk.hang_up("a", Cause(EndReason.GAVE_UP))
        assert (await bench.event(Refused)).cause.reason is EndReason.GAVE_UP
        await ben.event("CALL_CLOSED")


async def test_closing_the_trunk_ends_the_call(pbx: Kamailio, silence: Path, tmp_path: Path) -> None:
    async with phone(tmp_path / "phone", settings(pbx, silence)) as ben:
        async with sip_bench(pbx.host, pbx.port, domain="pbx.test", auth_id="auth-100", password="pw100") as bench:
            await bench.ready()
            bench.trunk.dial("a", "400", "Agent Ana", bench.endpoint())
            await bench.event(Answered)
            await ben.event("CALL_ESTABLISHED")
        await ben.event("CALL_CLOSED")
