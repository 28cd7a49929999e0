"""The SIP trunk at a real PBX: kamailio as registrar and record-routing proxy with digest, SIPp and baresip as the phones behind it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from api.demo_call.kamailio import Kamailio, kamailio
from pbx.sip_settings import SipTlsSettings, SipTransport
from pbx.trunk import Answered, Arrived, Confirmed, DigitArrived, HungUp, Rang, Reagreed, Refused, StatusChanged
from rooms.audio import G722, PCMA, Direction, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.certificate import Authority
from tests.kit.sipp import sipp
from tests.kit.trunk_bench import TrunkBench, sip_bench

USERS = {"auth-100": "pw100", "300": "pw300", "400": "pw400"}
BYE = Cause(EndReason.COMPLETED)


@pytest.fixture(params=[SipTransport.UDP, SipTransport.TCP])
async def transport(request: pytest.FixtureRequest) -> SipTransport:
    chosen: SipTransport = request.param
    return chosen


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Kamailio]:
    async with kamailio(tmp_path / "kamailio", USERS) as running:
        yield running


@pytest.fixture
async def bench(pbx: Kamailio, transport: SipTransport) -> AsyncIterator[TrunkBench]:
    """A trunk registered as extension 100, whose Auth ID is another."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            sip_bench(pbx.host, pbx.port, domain="pbx.test", auth_id="auth-100", password="pw100", transport=transport)
        )
        await opened.ready()
        yield opened


async def test_registers_with_an_auth_id_and_unregisters_on_leaving(pbx: Kamailio, transport: SipTransport, tmp_path: Path) -> None:
    async with sip_bench(pbx.host, pbx.port, domain="pbx.test", auth_id="auth-100", password="pw100", transport=transport) as bench:
        await bench.ready()
        assert "extension 100" in bench.trunk.status.detail
    assert not bench.trunk.status.ready
    # Nobody is registered any more: the proxy itself refuses the call.
    async with sip_bench(pbx.host, pbx.port, domain="pbx.test", extension="300", password="pw300", transport=transport) as other:
        await other.ready()
        other.trunk.dial("a", "100", "", other.endpoint())
        assert (await other.event(Refused)).cause.reason is EndReason.NOT_FOUND


async def test_registers_and_is_called_over_tls(tmp_path: Path) -> None:
    """The PBX knows us by its own connection to us, checked on both sides."""
    authority = Authority(tmp_path)
    ours = SipTlsSettings(authority.file, *authority.sign("127.0.0.1", file="ours"))
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(
            kamailio(tmp_path / "kamailio", USERS, certificate=authority.sign("sip:pbx.test", file="pbx"))
        )
        line = {"domain": "pbx.test", "transport": SipTransport.TLS, "tls": ours}
        ana = await stack.enter_async_context(sip_bench(pbx.host, pbx.tls_port, auth_id="auth-100", password="pw100", **line))
        bea = await stack.enter_async_context(sip_bench(pbx.host, pbx.tls_port, extension="300", password="pw300", **line))
        await ana.ready()
        await bea.ready()
        bea.trunk.dial("a", "100", "Bea", bea.endpoint())
        arrived = await ana.event(Arrived)
        ana.trunk.answer(arrived.leg_id, ana.endpoint((PCMA,)))
        await ana.event(Confirmed)
        await bea.event(Answered)
        bea.trunk.hang_up("a", BYE)
        assert (await ana.event(HungUp)).cause.reason is EndReason.COMPLETED


async def test_a_wrong_password_is_said_once_and_not_hammered(pbx: Kamailio, transport: SipTransport) -> None:
    async with sip_bench(pbx.host, pbx.port, domain="pbx.test", auth_id="auth-100", password="wrong", transport=transport) as bench:
        status = (await bench.event(StatusChanged)).status
        while "failed" not in status.detail:
            status = (await bench.event(StatusChanged)).status
        assert not status.ready and "refuses the user name or the password" in status.detail and "10 min" in status.detail
        bench.trunk.dial("a", "400", "", bench.endpoint())
        assert (await bench.event(Refused)).cause.reason is EndReason.FORBIDDEN


async def test_a_call_comes_in_is_held_sends_digits_and_ends(bench: TrunkBench, pbx: Kamailio, tmp_path: Path) -> None:
    async with sipp(tmp_path / "sipp", "calls_hold_info_bye.xml", target=f"{pbx.host}:{pbx.port}") as caller:
        arrived = await bench.event(Arrived)
        assert (arrived.caller, arrived.caller_name, arrived.called) == ("300", "Clara Caller", "100")
        bench.trunk.ring(arrived.leg_id)
        bench.trunk.answer(arrived.leg_id, bench.endpoint((PCMA,)))
        assert (await bench.event(Confirmed)).leg_id == arrived.leg_id
        directions = []
        for _ in range(4):
            remote = (await bench.event(Reagreed)).remote
            assert isinstance(remote, RtpEndpoint)
            directions.append(remote.direction)
        assert directions == [Direction.SENDONLY, Direction.INACTIVE, Direction.SENDONLY, Direction.SENDRECV]
        assert [(await bench.event(DigitArrived)).digit for _ in range(2)] == ["7", "#"]
        assert (await bench.event(HungUp)).cause.reason is EndReason.COMPLETED
        await caller.passed()


async def test_a_caller_gives_up(bench: TrunkBench, pbx: Kamailio, tmp_path: Path) -> None:
    async with sipp(tmp_path / "sipp", "gives_up.xml", target=f"{pbx.host}:{pbx.port}") as caller:
        arrived = await bench.event(Arrived)
        bench.trunk.ring(arrived.leg_id)
        hung_up = await bench.event(HungUp)
        assert (hung_up.leg_id, hung_up.cause.reason) == (arrived.leg_id, EndReason.GAVE_UP)
        await caller.passed()


async def test_a_call_without_offer_gets_ours(bench: TrunkBench, pbx: Kamailio, tmp_path: Path) -> None:
    async with sipp(tmp_path / "sipp", "calls_without_offer.xml", target=f"{pbx.host}:{pbx.port}") as caller:
        arrived = await bench.event(Arrived)
        assert arrived.remote is None
        bench.trunk.answer(arrived.leg_id, bench.endpoint((G722, PCMA)))
        remote = (await bench.event(Confirmed)).remote
        assert isinstance(remote, RtpEndpoint) and remote.codecs[0].name == "pcma" and remote.dtmf_payload_type == 101
        bench.trunk.hang_up(arrived.leg_id, BYE)
        await caller.passed()


async def test_a_phone_is_busy(tmp_path: Path, transport: SipTransport) -> None:
    async with (
        sipp(tmp_path / "sipp", "is_busy.xml", transport="t1" if transport is SipTransport.TCP else "u1") as called,
        sip_bench("127.0.0.1", called.port, register=False, keepalive_s=0.0, transport=transport) as bench,
    ):
        bench.trunk.dial("a", "200", "Agent Ana", bench.endpoint())
        await bench.event(Rang)
        assert (await bench.event(Refused)).cause.reason is EndReason.BUSY
        await called.passed()


async def test_a_phone_answers_holds_and_hangs_up(tmp_path: Path, transport: SipTransport) -> None:
    async with (
        sipp(tmp_path / "sipp", "answers_holds_hangs_up.xml", transport="t1" if transport is SipTransport.TCP else "u1") as called,
        sip_bench("127.0.0.1", called.port, register=False, keepalive_s=0.0, transport=transport) as bench,
    ):
        bench.trunk.dial("a", "200", "Agent Ana", bench.endpoint())
        answered = (await bench.event(Answered)).remote
        assert isinstance(answered, RtpEndpoint) and [codec.name for codec in answered.codecs] == ["pcma"]
        for direction in (Direction.SENDONLY, Direction.SENDRECV):
            remote = (await bench.event(Reagreed)).remote
            assert isinstance(remote, RtpEndpoint) and remote.direction is direction
        assert (await bench.event(HungUp)).cause.reason is EndReason.COMPLETED
        await called.passed()


async def test_a_phone_is_held_gets_digits_and_hangs_up(tmp_path: Path, transport: SipTransport) -> None:
    async with (
        sipp(tmp_path / "sipp", "is_held.xml", transport="t1" if transport is SipTransport.TCP else "u1") as called,
        sip_bench("127.0.0.1", called.port, register=False, keepalive_s=0.0, transport=transport) as bench,
    ):
        bench.trunk.dial("a", "200", "Agent Ana", bench.endpoint())
        await bench.event(Answered)
        bench.trunk.hold("a", True)
        await bench.event(Reagreed)
        bench.trunk.hold("a", False)
        await bench.event(Reagreed)
        for digit in "5#":
            bench.trunk.send_digit("a", digit)
        await bench.event(HungUp)
        await called.passed()
