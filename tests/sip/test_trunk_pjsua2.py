"""The line that pjsua2 signals for, at a real PBX: kamailio with digest, another agent behind it, and a process that is killed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from api.demo_call.kamailio import Kamailio, kamailio
from pbx.pjsua2_trunk import Pjsua2Trunk, Pjsua2Unfit
from pbx.sdes import SrtpMode
from pbx.sip_settings import RegistrarSettings, SipTransport, SipTrunkSettings
from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    DigitArrived,
    HungUp,
    Rang,
    Reagreed,
    Refused,
    StatusChanged,
    TransferAsked,
    TransferProgressed,
)
from rooms.audio import G722, PCMA, Direction, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.trunk_bench import TrunkBench, sip_bench

USERS = {"auth-100": "pw100", "300": "pw300", "400": "pw400"}
BYE = Cause(EndReason.COMPLETED)


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Kamailio]:
    async with kamailio(tmp_path / "kamailio", USERS) as running:
        yield running


@asynccontextmanager
async def pjsua2_bench(pbx: Kamailio, **more: object) -> AsyncIterator[TrunkBench]:
    bench = TrunkBench()
    line = {"server": pbx.host, "port": pbx.port, "domain": "pbx.test", "bind_host": "127.0.0.1", **more}
    settings = SipTrunkSettings(extension="100", auth_id="auth-100", **{"password": "pw100", **line})  # type: ignore[arg-type]
    try:
        async with Pjsua2Trunk(settings, bench.on_event) as bench.trunk:
            yield bench
    finally:
        bench.close()


def direction(event: Reagreed) -> Direction:
    assert isinstance(event.remote, RtpEndpoint)
    return event.remote.direction


@pytest.mark.parametrize("transport", [SipTransport.UDP, SipTransport.TCP])
async def test_it_registers_calls_is_called_holds_and_hands_over(pbx: Kamailio, transport: SipTransport) -> None:
    async with AsyncExitStack() as stack:
        ana = await stack.enter_async_context(pjsua2_bench(pbx, transport=transport))
        bea = await stack.enter_async_context(sip_bench(pbx.host, pbx.port, domain="pbx.test", extension="300", password="pw300"))
        await ana.ready()
        await bea.ready()

        ana.trunk.dial("a", "300", "Agent Ana", ana.endpoint((G722, PCMA)))
        there = (await bea.event(Arrived)).leg_id
        bea.trunk.ring(there)
        await ana.event(Rang)
        bea.trunk.answer(there, bea.endpoint((PCMA,)))
        answered = await ana.event(Answered)
        assert isinstance(answered.remote, RtpEndpoint) and [codec.name for codec in answered.remote.codecs] == ["pcma"]
        ana.trunk.hold("a", True)
        assert direction(await bea.event(Reagreed)) is Direction.SENDONLY
        ana.trunk.hold("a", False)
        assert direction(await bea.event(Reagreed)) is Direction.SENDRECV
        bea.trunk.hold(there, True)
        while direction(await ana.event(Reagreed)) is not Direction.SENDONLY:
            pass
        bea.trunk.hold(there, False)
        assert direction(await ana.event(Reagreed)) is Direction.SENDRECV
        for digit in "7#":
            ana.trunk.send_digit("a", digit)
            assert (await bea.event(DigitArrived)).digit == digit
        bea.trunk.send_digit(there, "5")
        assert (await ana.event(DigitArrived)).digit == "5"
        assert ana.trunk.can_refer("a")
        ana.trunk.refer("a", "400")
        assert (await bea.event(TransferAsked)).target == "400"
        bea.trunk.transfer_progress(there, 200)
        while (await ana.event(TransferProgressed)).status != 200:
            pass
        bea.trunk.hang_up(there, BYE)
        assert (await ana.event(HungUp)).cause.reason is EndReason.COMPLETED

        bea.trunk.dial("b", "100", "Bea", bea.endpoint())
        arrived = await ana.event(Arrived)
        assert (arrived.caller, arrived.caller_name, arrived.called) == ("300", "Bea", "100")
        ana.trunk.ring(arrived.leg_id)
        await bea.event(Rang)
        ana.trunk.answer(arrived.leg_id, ana.endpoint((PCMA,)))
        assert (await ana.event(Confirmed)).leg_id == arrived.leg_id
        bea.trunk.hang_up("b", BYE)
        await ana.event(HungUp)
    assert not ana.trunk.status.ready


async def test_its_process_is_killed_and_started_again(pbx: Kamailio) -> None:
    async with AsyncExitStack() as stack:
        ana = await stack.enter_async_context(pjsua2_bench(pbx))
        bea = await stack.enter_async_context(sip_bench(pbx.host, pbx.port, domain="pbx.test", extension="300", password="pw300"))
        await ana.ready()
        await bea.ready()
        ana.trunk.dial("a", "300", "Ana", ana.endpoint())
        bea.trunk.answer((await bea.event(Arrived)).leg_id, bea.endpoint((PCMA,)))
        await ana.event(Answered)
        assert isinstance(ana.trunk, Pjsua2Trunk) and ana.trunk._process is not None
        ana.trunk._process.kill()
        assert (await ana.event(HungUp)).cause.reason is EndReason.FAILED
        assert "started again" in (await ana.event(StatusChanged)).status.detail
        ana.trunk.dial("b", "300", "Ana", ana.endpoint())
        assert (await ana.event(Refused)).cause.reason is EndReason.UNREACHABLE
        await ana.ready()
        ana.trunk.dial("c", "300", "Ana", ana.endpoint())
        bea.trunk.answer((await bea.event(Arrived)).leg_id, bea.endpoint((PCMA,)))
        await ana.event(Answered)
        assert ana.trunk.counts == {"pbx": {"processes_died": 1}}


async def test_more_calls_than_the_build_carries_are_refused_before_the_pbx_hears_of_them(pbx: Kamailio) -> None:
    async with pjsua2_bench(pbx, password="wrong", register=False) as ana:
        await ana.ready()
        most = ana.trunk.lines()[0].most_calls
        for number in range(most + 1):
            ana.trunk.dial(f"leg{number}", "400", "", ana.endpoint())
        refused = await ana.event(Refused)
        assert refused.leg_id == f"leg{most}" and "as many as this build" in refused.cause.detail
        assert {(await ana.event(Refused)).cause.reason for _ in range(most)} == {EndReason.FORBIDDEN}


@pytest.mark.parametrize(
    ("more", "words"),
    [({"transport": SipTransport.TLS}, "TLS"), ({"srtp": SrtpMode.OFFERED}, "srtp"), ({"registrar": RegistrarSettings()}, "register")],
)
def test_what_it_cannot_do_is_said_at_the_start(more: dict[str, object], words: str) -> None:
    with pytest.raises(Pjsua2Unfit, match=words):
        Pjsua2Trunk(SipTrunkSettings(server="pbx.test", extension="100", **more), lambda event: None)  # type: ignore[arg-type]
