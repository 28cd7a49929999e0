"""SIP over TCP and TLS on real sockets: certificates, lost connections, keep-alive, peers that are slow or deaf."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.demo_call.process import free_port
from pbx import tcp_wire
from pbx.message import Request, parse_message, respond
from pbx.message import build as build_message
from pbx.sip_settings import SipTlsSettings, SipTransport
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Arrived, StatusChanged
from rooms.causes import Cause, EndReason
from tests.kit.certificate import Authority, self_signed
from tests.kit.trunk_bench import TrunkBench, sip_bench

WITHIN_S = 30.0
OPTIONS = (
    b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:%d;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
    b"From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class StreamPbx:
    """A registrar on a stream: says yes to what is asked, keeps what it was told in ``requests`` and whom it talks to in ``writers``."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self.pings = 0
        self.answers_pings = True
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head == b"\r\n\r\n":
                    self.pings += 1
                    if self.answers_pings:
                        writer.write(b"\r\n")
                    continue
                message = parse_message(head)
                if isinstance(message, Request):
                    writer.write(build_message(respond(message, 200, to_tag="pbx")))
                    self.requests.put_nowait(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def asked(self) -> Request:
        return await asyncio.wait_for(self.requests.get(), WITHIN_S)

    async def finish(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def stream_pbx(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[StreamPbx, int]]:
    pbx = StreamPbx()
    server = await asyncio.start_server(pbx.take, "127.0.0.1", 0, ssl=tls)
    try:
        yield pbx, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await pbx.finish()
        await server.wait_closed()


def server_side(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def counts_of(bench: TrunkBench) -> Callable[[str], int]:
    assert isinstance(bench.trunk, SipTrunk)
    counts = bench.trunk.counts[bench.trunk.name]
    return lambda name: counts.get(name, 0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def fault_of(bench: TrunkBench) -> str:
    while "cannot be reached" not in (detail := (await bench.event(StatusChanged, WITHIN_S)).status.detail):
        pass
    return detail


async def test_registers_over_tls_with_server_name_and_says_so_in_via_and_contact(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_side(*authority.sign("sip:pbx.test"))
    asked: list[str | None] = []
    context.sni_callback = lambda tls, name, _: asked.append(name)
    async with (
        stream_pbx(context) as (pbx, port),
        sip_bench("127.0.0.1", port, domain="pbx.test", transport=SipTransport.TLS, tls=SipTlsSettings(authority.file)) as bench,
    ):
        register = await pbx.asked()
        assert register.top_via.transport == "TLS" and ";transport=tls" in (register.get("Contact") or "")
        await bench.ready()
        assert asked == ["pbx.test"] and "(TLS)" in bench.trunk.status.detail


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "words"),
    [
        (
            ("other.test", "pbx.other.test"),
            False,
            True,
            "the PBX's certificate is for other.test, pbx.other.test, not 127.0.0.1 or pbx.test",
        ),
        (("*.test",), False, True, "is for *.test, not"),
        (("pbx.test",), True, True, "the PBX's certificate has expired"),
        (("pbx.test",), False, False, "is not trusted (unable to get local issuer certificate): give the certificate of the authority"),
    ],
)
async def test_a_certificate_that_is_not_the_pbxs_is_a_status(
    tmp_path: Path, names: tuple[str, ...], expired: bool, trusted: bool, words: str
) -> None:
    authority = Authority(tmp_path)
    context = server_side(*authority.sign(*names, expired=expired))
    tls = SipTlsSettings(authority.file if trusted else None)
    async with (
        stream_pbx(context) as (pbx, port),
        sip_bench("127.0.0.1", port, domain="pbx.test", transport=SipTransport.TLS, tls=tls) as bench,
    ):
        assert words in await fault_of(bench)
        assert counts_of(bench)("tls_handshakes_failed") == 1 and pbx.requests.empty()


async def test_any_certificate_is_taken_where_that_is_asked_for(tmp_path: Path) -> None:
    tls = SipTlsSettings(accept_any_certificate=True)
    async with (
        stream_pbx(server_side(*self_signed(tmp_path))) as (_, port),
        sip_bench("127.0.0.1", port, domain="pbx.test", transport=SipTransport.TLS, tls=tls) as bench,
    ):
        await bench.ready()


async def test_a_pbx_that_wants_a_certificate_of_ours_is_named(tmp_path: Path) -> None:
    """With TLS 1.3 that is when our side of the handshake is over, and asyncio's servers then hang up without a word."""
    authority = Authority(tmp_path)
    context = server_side(*authority.sign("pbx.test"))
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    shared = {"domain": "pbx.test", "transport": SipTransport.TLS}
    async with stream_pbx(context) as (_, port):
        async with sip_bench("127.0.0.1", port, tls=SipTlsSettings(authority.file), **shared) as bench:
            assert "perhaps it demands a certificate of ours (tls_certificate, tls_key)" in await fault_of(bench)
        ours = authority.sign("ours.test", file="ours")
        async with sip_bench("127.0.0.1", port, tls=SipTlsSettings(authority.file, *ours), **shared) as bench:
            await bench.ready()


async def test_a_pbx_without_tls_is_named(tmp_path: Path) -> None:
    async with stream_pbx() as (pbx, port), sip_bench("127.0.0.1", port, transport=SipTransport.TLS) as bench:
        # It takes our hello for the start of a message and waits: what it says is no TLS.
        await until(lambda: bool(pbx.writers))
        pbx.writers[0].write(b"SIP/2.0 400 Bad Request\r\n\r\n")
        assert "speaks no TLS: check port" in await fault_of(bench)


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("old.test")
    tls = SipTlsSettings(authority.file, certificate, key)
    reading = ssl.create_default_context(cafile=str(authority.file))
    reading.check_hostname = False
    async with sip_bench("127.0.0.1", free_port(), register=False, keepalive_s=0.0, transport=SipTransport.TLS, tls=tls) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        for name in ("old.test", "new.test"):
            authority.sign(name)
            _, writer = await asyncio.open_connection("127.0.0.1", bench.trunk.local_address[1], ssl=reading, server_hostname="x")
            shown = writer.get_extra_info("ssl_object").getpeercert()
            assert shown["subjectAltName"] == (("DNS", name),)
            writer.close()


async def test_who_connects_shows_a_certificate_where_it_must(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("127.0.0.1")
    tls = SipTlsSettings(authority.file, certificate, key, demand_certificate=True)
    calling = ssl.create_default_context(cafile=str(authority.file))
    async with sip_bench("127.0.0.1", free_port(), register=False, keepalive_s=0.0, transport=SipTransport.TLS, tls=tls) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        port = bench.trunk.local_address[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=calling)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
        writer.close()
        assert counts_of(bench)("tls_handshakes_failed") == 1
        calling.load_cert_chain(*authority.sign("127.0.0.1", file="caller"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=calling)
        writer.write((OPTIONS % (5061, 1)).replace(b"/TCP", b"/TLS"))
        assert b"SIP/2.0 200" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
        writer.close()


async def test_a_lost_connection_is_registered_over_anew_at_once() -> None:
    async with stream_pbx() as (pbx, port), sip_bench("127.0.0.1", port, transport=SipTransport.TCP) as bench:
        first = await pbx.asked()
        await bench.ready()
        pbx.writers[0].close()
        second = await pbx.asked()
        assert (second.method, second.call_id) == ("REGISTER", first.call_id) and second.cseq[0] > first.cseq[0]
        assert len(pbx.writers) == 2


@pytest.mark.parametrize("answers", [True, False])
async def test_who_stops_answering_pings_loses_the_connection(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    monkeypatch.setattr(tcp_wire, "PING_S", 0.05)
    monkeypatch.setattr(tcp_wire, "PONG_S", 10.0 if answers else 0.05)  # an answer may be late, and where none ever comes that is no fault
    async with stream_pbx() as (pbx, port), sip_bench("127.0.0.1", port, transport=SipTransport.TCP) as bench:
        pbx.answers_pings = answers
        await pbx.asked()
        await until(lambda: pbx.pings >= 3)
        assert len(pbx.writers) == 1
        if answers:
            pbx.answers_pings = False
            monkeypatch.setattr(tcp_wire, "PONG_S", 0.3)
            await pbx.asked()
            assert counts_of(bench)("tcp_pongs_missing") == 1


async def test_a_trickling_sender_has_no_more_time_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_wire, "HALF_MESSAGE_S", 0.2)
    async with sip_bench("127.0.0.1", free_port(), register=False, keepalive_s=0.0, transport=SipTransport.TCP) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.trunk.local_address[1])
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()
        assert counts_of(bench)("tcp_half_messages") == 1


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_wire, "UNREAD_S", 0.1)
    async with sip_bench("127.0.0.1", free_port(), register=False, keepalive_s=0.0, transport=SipTransport.TCP) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        loop = asyncio.get_running_loop()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", bench.trunk.local_address[1]))
            with pytest.raises((ConnectionError, TimeoutError)):
                async with asyncio.timeout(WITHIN_S):
                    for number in range(1_000_000):
                        await loop.sock_sendall(deaf, OPTIONS % (5060, number))
        assert counts_of(bench)("tcp_unread") == 1


async def test_an_answer_whose_connection_has_gone_takes_a_new_one_to_the_via() -> None:
    async with sip_bench("127.0.0.1", free_port(), register=False, keepalive_s=0.0, transport=SipTransport.TCP) as bench:
        await bench.ready()
        assert isinstance(bench.trunk, SipTrunk)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        async def again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while b"SIP/2.0 486" not in (head := await reader.readuntil(b"\r\n\r\n")):
                pass
            answered.set_result(head)
            writer.close()

        server = await asyncio.start_server(again, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", bench.trunk.local_address[1])
        invite = OPTIONS.replace(b"OPTIONS", b"INVITE").replace(b"Content-Length", b"Contact: <sip:x@127.0.0.1>\r\nContent-Length")
        writer.write(invite % (server.sockets[0].getsockname()[1], 1))
        arrived = await bench.event(Arrived, WITHIN_S)
        writer.transport.abort()
        await until(lambda: counts_of(bench)("tcp_connections_lost") == 1)
        bench.trunk.hang_up(arrived.leg_id, Cause(EndReason.BUSY))
        await asyncio.wait_for(answered, WITHIN_S)
        server.close()
        await server.wait_closed()
