"""SIP over streams, TCP and TLS: connections that are opened when needed, reused for everything towards the same peer, and watched.

Who does not answer a keep-alive, does not read, does not finish a message or a handshake loses the connection (RFC 5626, section 4.4.1).
An address that takes no connection is left alone for a while (``pbx.backoff``).
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import cast

import structlog

from pbx.backoff import Backoff
from pbx.framing import StreamBroken, StreamFramer
from pbx.locate import is_address
from pbx.tls import TlsContexts, TlsUnusable, WrongCertificate, words_of

log = structlog.get_logger()

MAX_CONNECTIONS = 64
MAX_UNSENT_BYTES = 262_144
UNREAD_BYTES = 16_384
KERNEL_UNSENT_BYTES = 65_536
HALF_MESSAGE_S = 30.0
UNREAD_S = 30.0
VANISHED_MS = 30_000
CONNECT_S = 10.0
PING_S = 30.0
PONG_S = 10.0
STRANGER_S = 30.0
MAX_STRANGERS = 16
"""Connections at once from addresses that nobody knows yet, and how long each has to become known: by a registration."""

PATIENCE_S = 2.0
"""A message waits as long for its address to be due again; beyond that it has failed."""

GOODBYE_S = 1.0
Address = tuple[str, int]


class Undelivered(ConnectionError):
    """A message that could not be sent. The text says why and what to do."""


class TcpConnection(asyncio.Protocol):
    """One connection, whoever opened it. ``names``: those that the peer's certificate must be for, where it has to show one."""

    def __init__(self, wire: "TcpWire", *, accepted: bool, names: tuple[str, ...]) -> None:
        self._wire = wire
        self._names = names
        self._framer = StreamFramer()
        self._patience: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._ping: asyncio.TimerHandle | None = None
        self._pong: asyncio.TimerHandle | None = None
        self._answers_pings = False
        self._heard = False
        self.accepted = accepted
        self.refused: WrongCertificate | None = None
        self.transport: asyncio.Transport | None = None
        self.peer: Address = ("", 0)
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self.transport = transport = cast(asyncio.Transport, transport)
        self.peer = plain_address(transport.get_extra_info("peername"))
        self.since = asyncio.get_running_loop().time()
        try:
            self._wire.check_certificate(transport.get_extra_info("ssl_object"), self._names, accepted=self.accepted)
        except WrongCertificate as error:
            self.refused = error
            transport.abort()
            return
        if not self._wire.welcome(self):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=UNREAD_BYTES)
        if not self.accepted:
            self._ping_later()

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        if self.transport.is_closing():
            return
        self._heard = True
        try:
            messages = self._framer.feed(data)
        except StreamBroken as broken:
            for message in broken.before:
                self._wire.on_bytes(message, self.peer)
            self._end("tcp_broken_streams")
            return
        self._watch_pongs()
        if self._framer.pings:
            self._framer.pings = 0
            self.transport.write(b"\r\n")
        self._watch_half_messages(new=bool(messages))
        for message in messages:
            self._wire.on_bytes(message, self.peer)

    def pause_writing(self) -> None:
        self._unread = asyncio.get_running_loop().call_later(UNREAD_S, self._end, "tcp_unread")

    def resume_writing(self) -> None:
        _cancel(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._patience, self._unread, self._ping, self._pong):
            _cancel(timer)
        self._wire.gone(self, self._words(exc))

    def _words(self, exc: Exception | None) -> str:
        """Why it ended. With TLS 1.3 a certificate of ours is refused when our side of the handshake is over."""
        if isinstance(exc, ssl.SSLError):
            return words_of(exc)
        if self._wire.speaks_tls and not self.accepted and not self._heard:
            return (
                "it closed the connection right after the TLS handshake: perhaps it demands a certificate of ours (tls_certificate, "
                "tls_key), or does not accept the one that it was shown"
            )
        return "the connection was closed at the other side"

    def _watch_half_messages(self, *, new: bool) -> None:
        """A message has its time from its first byte on: who sends one byte at a time gets no more."""
        if new or not self._framer.partial:
            _cancel(self._patience)
            self._patience = None
        if self._framer.partial and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(HALF_MESSAGE_S, self._end, "tcp_half_messages")

    # -- keep-alive of connections that we opened --

    def _ping_later(self) -> None:
        self._ping = asyncio.get_running_loop().call_later(PING_S * self._wire.random.uniform(0.8, 1.0), self._ping_now)

    def _ping_now(self) -> None:
        assert self.transport is not None
        self.transport.write(b"\r\n\r\n")
        # A PBX without RFC 5626 never answers: it is believed to only once it did.
        if self._pong is None:  # else it waits for an answer already, and the first that is missing ends it
            self._pong = asyncio.get_running_loop().call_later(PONG_S, self._unanswered)
        self._ping_later()

    def _watch_pongs(self) -> None:
        """Whatever comes after a ping is a sign of life; a lone CRLF is the answer of a PBX that knows pings."""
        if self._pong is not None:
            self._pong.cancel()
            self._pong = None
            self._answers_pings |= self._framer.take_pong()

    def _unanswered(self) -> None:
        if self._answers_pings:
            self._end("tcp_pongs_missing")

    def _end(self, count: str) -> None:
        self._wire.counts[count] += 1
        if self.transport is not None:
            self.transport.abort()


class TcpWire:
    """``on_bytes(message, peer)`` gets whole messages; ``trusts(host)`` decides who may connect and ``knows(host)`` who may stay;
    ``on_lost(peer, words)`` hears of each connection that is over. ``tls``: speak TLS, and only with whom shows a certificate for one of
    ``names``.
    """

    def __init__(
        self,
        on_bytes: Callable[[bytes, Address], None],
        trusts: Callable[[str], bool],
        counts: Counter[str],
        *,
        on_lost: Callable[[Address, str], None],
        knows: Callable[[str], bool],
        random: Random,
        tls: TlsContexts | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.on_bytes = on_bytes
        self.counts = counts
        self.random = random
        self._trusts = trusts
        self._on_lost = on_lost
        self._knows = knows
        self._tls = tls
        self._names = names
        self._backoff = Backoff(random)
        self._connections: dict[Address, TcpConnection] = {}
        self._opening: dict[Address, asyncio.Task[None]] = {}
        self._taking: dict[asyncio.Task[None], str] = {}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._closing = False
        self._emptied = asyncio.Event()

    @property
    def speaks_tls(self) -> bool:
        return self._tls is not None

    async def open(self, listener: socket.socket) -> None:
        """Take connections on a listening socket, which is ours from now on."""
        listener.setblocking(False)
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener), name="sip-tcp-accept")

    async def send(self, data: bytes, peer: Address, *, name: str = "", anew_port: int | None = None) -> None:
        """Send on the connection to this peer, opening one where there is none: to ``anew_port`` where the peer's own port was that of a
        connection that it had opened. ``name``: what the peer was called, as one more that its certificate may be for.

        Raises ``OSError`` and ``TimeoutError``; what a person should read comes as ``Undelivered``.
        """
        connection = self._connections.get(peer)
        if connection is None:
            peer = (peer[0], anew_port or peer[1])
            if peer not in self._connections:
                await self._connect(peer, name)
            connection = self._connections.get(peer)
        transport = connection.transport if connection is not None else None
        if transport is None or transport.is_closing():
            raise Undelivered("the connection has just closed")
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.counts["tcp_unread"] += 1
            transport.abort()
            raise Undelivered("the PBX does not read what we send")
        transport.write(data)

    # -- opening --

    async def _connect(self, peer: Address, name: str) -> None:
        task = self._opening.get(peer)
        if task is None:
            task = asyncio.create_task(self._open_to(peer, name), name="sip-tcp-connect")
            self._opening[peer] = task
            task.add_done_callback(lambda _: self._opening.pop(peer, None))
        await asyncio.shield(task)

    async def _open_to(self, peer: Address, name: str) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._backoff.wait_s(peer, loop.time())
        if wait_s > PATIENCE_S:
            raise Undelivered(
                f"it took no connection so far, and is left alone for {wait_s:.0f} s more, so that it does not block this server"
            )
        await asyncio.sleep(wait_s)
        self._backoff.tried(peer, loop.time())
        names = (*self._names, name) if name else self._names
        async with asyncio.timeout(CONNECT_S):
            sock = await _connected(peer)
        if self._tls is None:
            await loop.create_connection(lambda: TcpConnection(self, accepted=False, names=names), sock=sock)
        else:
            await self._shake_hands(self._tls, sock, names)

    async def _shake_hands(self, tls: TlsContexts, sock: socket.socket, names: tuple[str, ...]) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: TcpConnection(self, accepted=False, names=names),
                sock=sock,
                ssl=tls.outgoing(),
                server_hostname=_server_name(names),
                ssl_handshake_timeout=CONNECT_S,
                ssl_shutdown_timeout=GOODBYE_S,
            )
        except OSError as error:
            self.counts["tls_handshakes_failed"] += 1
            raise Undelivered(words_of(error)) from None
        if connection.refused is not None:
            self.counts["tls_handshakes_failed"] += 1
            raise Undelivered(words_of(connection.refused))

    # -- taking --

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError:
                # No file descriptor is left, for one: what is open goes on, and one may come free.
                self.counts["tcp_accepts_failed"] += 1
                await asyncio.sleep(1.0)
                continue
            host = plain_address(address)[0]
            if not self._trusts(host):
                self.counts["dropped_untrusted"] += 1
                sock.close()
            elif len(self._connections) + len(self._taking) >= MAX_CONNECTIONS or self._too_strange(host):
                self.counts["tcp_refused_full"] += 1
                sock.close()
            else:
                task = asyncio.create_task(self._take(sock), name="sip-tcp-take")
                self._taking[task] = host
                task.add_done_callback(self._taking.__delitem__)

    def _too_strange(self, host: str) -> bool:
        """Handshakes begun and not finished must not keep out those whom we know."""
        return not self._knows(host) and sum(not self._knows(other) for other in self._taking.values()) >= MAX_STRANGERS

    async def _take(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        def connection() -> TcpConnection:
            return TcpConnection(self, accepted=True, names=self._names)

        _watch(sock)
        try:
            if self._tls is None:
                await loop.connect_accepted_socket(connection, sock)
            else:
                await loop.connect_accepted_socket(
                    connection, sock, ssl=self._tls.incoming(), ssl_handshake_timeout=CONNECT_S, ssl_shutdown_timeout=GOODBYE_S
                )
        except OSError as error:
            self.counts["tls_handshakes_failed"] += 1
            log.warning("sip_tls_refused", reason=words_of(error))
        except TlsUnusable:
            # We have no certificate to show: only connections of our own making carry anything.
            self.counts["tls_handshakes_failed"] += 1
            sock.close()

    # -- what connections tell --

    def check_certificate(self, tls_object: object, names: tuple[str, ...], *, accepted: bool) -> None:
        """Raises ``WrongCertificate``. Who connects to us shows a certificate only where we demand it."""
        if self._tls is None or tls_object is None:
            return
        certificate = tls_object.getpeercert()  # type: ignore[attr-defined]
        if certificate or not accepted:
            self._tls.check(certificate or {}, names)

    def welcome(self, connection: TcpConnection) -> bool:
        """Take a connection in; False beyond the bound."""
        if self._closing or len(self._connections) >= MAX_CONNECTIONS:
            self.counts["tcp_refused_full"] += 1
            return False
        if connection.accepted and not self._knows(connection.peer[0]):
            if sum(self._is_strange(other) for other in self._connections.values()) >= MAX_STRANGERS:
                self.counts["tcp_refused_full"] += 1
                return False
            asyncio.get_running_loop().call_later(STRANGER_S, self._weed, connection)
        self._connections[connection.peer] = connection
        return True

    def _is_strange(self, connection: TcpConnection) -> bool:
        return connection.accepted and not self._knows(connection.peer[0])

    def _weed(self, connection: TcpConnection) -> None:
        """Its time to become known is over."""
        if connection.transport is not None and not connection.transport.is_closing() and self._is_strange(connection):
            self.counts["tcp_strangers"] += 1
            connection.transport.abort()

    def gone(self, connection: TcpConnection, words: str) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
            if not connection.accepted:
                self._backoff.ended(connection.peer, asyncio.get_running_loop().time() - connection.since)
            if not self._closing:
                self.counts["tcp_connections_lost"] += 1
                self._on_lost(connection.peer, words)
        if not self._connections:
            self._emptied.set()

    async def close(self) -> None:
        self._closing = True
        # What was taken in a moment ago begins, and so owns its socket, before it is told to end.
        await asyncio.sleep(0)
        tasks: set[asyncio.Task[None]] = {*self._opening.values(), *self._taking}
        if self._accepting is not None:
            tasks.add(self._accepting)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._listener is not None:
            self._listener.close()
        if self._connections:
            await self._part()

    async def _part(self) -> None:
        self._emptied.clear()
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._emptied.wait(), GOODBYE_S)
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.abort()


async def _connected(peer: Address) -> socket.socket:
    """A connected socket. Raises ``OSError``."""
    sock = socket.socket(socket.AF_INET6 if ":" in peer[0] else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, peer)
        _watch(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _watch(sock: socket.socket) -> None:
    """Let the kernel notice a peer that vanished without a word, also one that never heard of RFC 5626, and hold little for a deaf one."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_UNSENT_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)


def _server_name(names: tuple[str, ...]) -> str:
    """What SNI says (RFC 6066, section 3): the first that is a name and no address; empty: nothing."""
    return next((name for name in names if not is_address(name)), "")


def plain_address(address: tuple[str | int, ...]) -> Address:
    """Host and port as we write them: IPv4 that came through a socket of both families is IPv4 again."""
    host = str(address[0])
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return host, int(address[1])


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
