"""A PBX that registers here, over real sockets: another trunk of ours plays it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from pbx import tcp_wire
from pbx.sip_settings import RegistrarSettings, SipTlsSettings, SipTransport
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, Confirmed, HungUp
from rooms.causes import Cause, EndReason
from tests.kit.certificate import self_signed
from tests.kit.trunk_bench import sip_bench

BYE = Cause(EndReason.COMPLETED)
ACCOUNT = {"extension": "200", "auth_id": "auth-200", "password": "secret", "domain": "us.test"}


@pytest.mark.parametrize("transport", [SipTransport.UDP, SipTransport.TCP, SipTransport.TLS])
@pytest.mark.parametrize("bind_host", ["127.0.0.1", "::"])
async def test_it_registers_is_called_and_calls(transport: SipTransport, bind_host: str, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    tls = SipTlsSettings(certificate, certificate, key)
    shared = {"transport": transport, "tls": tls, **ACCOUNT}
    async with sip_bench("", 0, bind_host=bind_host, registrar=RegistrarSettings(), **shared) as us:
        assert isinstance(us.trunk, SipTrunk)
        port = us.trunk.local_address[1]
        async with sip_bench("127.0.0.1", port, **shared) as pbx:
            await pbx.ready()
            await us.ready()
            assert us.trunk.local_address == ("127.0.0.1", port)
            us.trunk.dial("out", "600", "Ana", us.endpoint())
            arrived = await pbx.event(Arrived)
            assert arrived.called == "600"
            pbx.trunk.answer(arrived.leg_id, pbx.endpoint())
            await us.event(Answered)
            us.trunk.hang_up("out", BYE)
            await pbx.event(HungUp)
            pbx.trunk.dial("in", "100", "Clara", pbx.endpoint())
            arrived = await us.event(Arrived)
            us.trunk.answer(arrived.leg_id, us.endpoint())
            await us.event(Confirmed)
        await us.event(HungUp)
        assert not us.trunk.status.ready


async def test_strangers_keep_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may register from anywhere may connect from anywhere; but not many at once, and not for long without registering."""
    monkeypatch.setattr(tcp_wire, "STRANGER_S", 60.0)
    monkeypatch.setattr(tcp_wire, "MAX_STRANGERS", 3)
    async with sip_bench("", 0, transport=SipTransport.TCP, registrar=RegistrarSettings(), **ACCOUNT) as us:
        assert isinstance(us.trunk, SipTrunk)
        port = us.trunk.local_address[1]
        counts = us.trunk.counts["pbx"]
        patient = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        with suppress(ConnectionError):
            assert await asyncio.wait_for(patient[3][0].read(), 30) == b""
        assert (counts["tcp_strangers"], counts["tcp_refused_full"]) == (0, 1)
        monkeypatch.setattr(tcp_wire, "STRANGER_S", 0.5)
        monkeypatch.setattr(tcp_wire, "MAX_STRANGERS", 6)
        short = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, _ in short:
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 30) == b""
        assert (counts["tcp_strangers"], counts["tcp_refused_full"]) == (3, 1)
        for _, writer in patient + short:
            writer.close()
        monkeypatch.setattr(tcp_wire, "STRANGER_S", 4.0)  # a machine that stops for less does not keep it from registering
        async with sip_bench("127.0.0.1", port, transport=SipTransport.TCP, **ACCOUNT) as pbx:
            await pbx.ready()
            loop = asyncio.get_running_loop()
            passed = asyncio.Event()
            loop.call_later(4.2, passed.set)
            await passed.wait()
            us.trunk.dial("out", "600", "Ana", us.endpoint())
            await pbx.event(Arrived)
            assert counts["tcp_strangers"] == 3, "who registered stays"


async def test_strangers_begin_few_handshakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tcp_wire, "MAX_STRANGERS", 3)
    certificate, key = self_signed(tmp_path)
    shared = {"transport": SipTransport.TLS, "tls": SipTlsSettings(certificate, certificate, key), **ACCOUNT}
    async with sip_bench("", 0, registrar=RegistrarSettings(), **shared) as us:
        assert isinstance(us.trunk, SipTrunk)
        strangers = [await asyncio.open_connection("127.0.0.1", us.trunk.local_address[1]) for _ in range(4)]
        with suppress(ConnectionError):
            assert await asyncio.wait_for(strangers[3][0].read(), 30) == b""
        assert us.trunk.counts["pbx"]["tcp_refused_full"] == 1
        for _, writer in strangers:
            writer.close()
