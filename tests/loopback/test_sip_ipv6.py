"""SIP over IPv6, beside IPv4 on the same sockets (RFC 3261, RFC 5118); keep-alive by datagrams; requests too large for one."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvloop

from api.demo_call.process import free_port
from pbx import transport as transport_module
from pbx.message import parse_message
from pbx.sip_settings import SipTlsSettings, SipTransport
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Refused, StatusChanged
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.certificate import Authority
from tests.kit.trunk_bench import sip_bench

WITHIN_S = 30.0
OPTIONS = (
    "OPTIONS sip:100@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:x@{host}>;tag=1\r\nTo: <sip:100@{host}>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
QUIET = {"register": False, "keepalive_s": 0.0}


@pytest.mark.parametrize("transport", list(SipTransport))
def test_a_call_over_ipv6_in_the_servers_own_loop(transport: SipTransport, tmp_path: Path) -> None:
    """uvloop's transports and TLS are not asyncio's; other tests have those."""
    uvloop.run(_call_over_ipv6(transport, tmp_path))


async def _call_over_ipv6(transport: SipTransport, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = SipTlsSettings(authority.file, *authority.sign("::1"), demand_certificate=True)
    near_port, far_port = free_port(), free_port()
    shared = {**QUIET, "transport": transport, "tls": tls}
    async with (
        sip_bench("[::1]", near_port, extension="200", bind_host="::", bind_port=far_port, **shared) as far,
        sip_bench("::1", far_port, bind_host="::1", bind_port=near_port, **shared) as near,
    ):
        await far.ready()
        await near.ready()
        # What cannot be dialled is told at once: uvloop's handle for that moment is no timer.
        for leg_id in ("none", "nothing"):
            near.trunk.dial(leg_id, "", "Ana", near.endpoint())
        for _ in range(2):
            await near.event(Refused, WITHIN_S)
        near.trunk.dial("a", "200", "Ana", RtpEndpoint("::1", 4000, (PCMA,), 101))
        arrived = await far.event(Arrived, WITHIN_S)
        assert isinstance(arrived.remote, RtpEndpoint) and arrived.remote.host == arrived.remote.signalled_from == "::1"
        far.trunk.answer(arrived.leg_id, RtpEndpoint("::1", 4002, (PCMA,), 101))
        await far.event(Confirmed, WITHIN_S)
        assert isinstance(remote := (await near.event(Answered, WITHIN_S)).remote, RtpEndpoint) and remote.host == "::1"
        # The way back is to the Contact: [::1] and the port that was opened for both families.
        far.trunk.hang_up(arrived.leg_id, Cause(EndReason.COMPLETED))
        await near.event(HungUp, WITHIN_S)


@pytest.mark.parametrize("transport", [SipTransport.UDP, SipTransport.TCP])
def test_an_address_of_the_other_family_is_a_status_in_the_servers_own_loop(transport: SipTransport) -> None:
    async def register() -> str:
        async with sip_bench("::1", free_port(), bind_host="127.0.0.1", transport=transport) as bench:
            while "cannot be reached" not in (words := (await bench.event(StatusChanged, WITHIN_S)).status.detail):
                pass
            return words

    assert "check address, port and transport" in uvloop.run(register())


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_has_ipv6", lambda: False)
    with transport_module._bound("::", 0, socket.SOCK_DGRAM) as sock:
        assert sock.family is socket.AF_INET


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_one_socket_for_both_families(host: str) -> None:
    async with sip_bench("127.0.0.1", free_port(), bind_host="::", trusted=("::1", "127.0.0.1"), **QUIET) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as friend:
            friend.setblocking(False)
            friend.bind((host, 0))
            shown = f"[{host}]" if ":" in host else host
            friend.sendto(OPTIONS.format(host=shown).encode(), (host, bench.trunk.local_address[1]))
            answer = parse_message(await asyncio.wait_for(loop.sock_recv(friend, 4096), WITHIN_S))
            via = answer.top_via
            assert (via.params["received"], via.params["rport"]) == (host, str(friend.getsockname()[1])) and via.host == host


async def test_the_way_to_the_pbx_is_kept_open_by_empty_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "UDP_PING_S", 0.02)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pbx:
        pbx.setblocking(False)
        pbx.bind(("127.0.0.1", 0))
        async with sip_bench("127.0.0.1", pbx.getsockname()[1]):
            seen = [await asyncio.wait_for(loop.sock_recv(pbx, 4096), WITHIN_S) for _ in range(4)]
    assert seen.count(b"\r\n\r\n") >= 3


async def test_a_large_request_takes_tcp_where_the_pbx_listens_there_too() -> None:
    near_port, far_port = free_port(), free_port()
    async with (
        sip_bench("127.0.0.1", near_port, extension="200", bind_port=far_port, large_by_tcp=True, **QUIET) as far,
        sip_bench("127.0.0.1", far_port, bind_port=near_port, large_by_tcp=True, **QUIET) as near,
    ):
        await far.ready()
        await near.ready()
        near.trunk.dial("a", "200" + "0" * 900, "Ana", near.endpoint())
        arrived = await far.event(Arrived, WITHIN_S)
        far.trunk.answer(arrived.leg_id, far.endpoint())
        await near.event(Answered, WITHIN_S)
        near.trunk.hang_up("a", Cause(EndReason.COMPLETED))
        await far.event(HungUp, WITHIN_S)
