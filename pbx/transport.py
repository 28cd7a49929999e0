"""SIP sockets: UDP datagrams and TCP or TLS streams in one shape, names resolved, strangers dropped before anything is parsed."""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from random import Random

import structlog

from pbx.address import BadValue
from pbx.admission import SourceTrust
from pbx.message import AnyMessage, build
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.tcp_wire import Address, TcpWire, Undelivered, plain_address
from pbx.tls import TlsContexts
from pbx.transactions import Hop

log = structlog.get_logger()

RESOLVE_S = 5.0
NAME_HOLDS_S = 60.0
MAX_PENDING = 1000
OnBytes = Callable[[bytes, Hop], None]


class SipPortTaken(Exception):
    """The configured SIP port cannot be had. The message says what to do."""


class NameUnknown(Exception):
    """A host name that does not resolve."""


class _UdpWire(asyncio.DatagramProtocol):
    def __init__(self, on_bytes: Callable[[bytes, Address], None], counts: Counter[str]) -> None:
        self._on_bytes = on_bytes
        self._counts = counts
        self._transport: asyncio.DatagramTransport | None = None
        self._family = socket.AF_INET
        self._closed = asyncio.get_running_loop().create_future()

    async def open(self, sock: socket.socket) -> None:
        """Send and receive by a bound socket, which is ours from now on."""
        self._family = sock.family
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)

    async def send(self, data: bytes, peer: Address, *, name: str = "", anew_port: int | None = None) -> None:
        if self._transport is not None and not self._transport.is_closing():
            host = f"::ffff:{peer[0]}" if self._family is socket.AF_INET6 and ":" not in peer[0] else peer[0]
            self._transport.sendto(data, (host, peer[1]))

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._on_bytes(data, plain_address(addr))

    def error_received(self, exc: Exception) -> None:
        # An ICMP "port unreachable" does not say for which message: the transaction's own timer tells.
        self._counts["udp_errors"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._closed


class SipSockets:
    """The sockets of one trunk. ``on_unreachable(message, words)`` is told when a message could not be sent, ``on_lost(hop)`` when a
    connection to or from a peer is over. Raises ``TlsUnusable``.
    """

    def __init__(
        self,
        settings: SipTrunkSettings,
        *,
        on_bytes: OnBytes,
        on_unreachable: Callable[[AnyMessage, str], None],
        on_lost: Callable[[Hop], None],
        counts: Counter[str],
        random: Random,
    ) -> None:
        self._settings = settings
        self._on_bytes = on_bytes
        self._on_unreachable = on_unreachable
        self._on_lost = on_lost
        self._counts = counts
        self._random = random
        self.trust = SourceTrust(settings.trusted, anybody=settings.takes_strangers)
        self._tls = TlsContexts(settings.tls, counts) if settings.transport is SipTransport.TLS else None
        self._wire: TcpWire | _UdpWire | None = None
        self._names: dict[str, tuple[float, list[str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Bind; the local port. Raises ``SipPortTaken``."""
        settings = self._settings
        stream = settings.transport is not SipTransport.UDP
        try:
            sock = _bound(settings.bind_host, settings.bind_port, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        except OSError as error:
            raise SipPortTaken(
                f"The SIP port {settings.bind_port} on {settings.bind_host} cannot be opened ({error.strerror or error}): "
                "another program has it, or the address is not this machine's. Choose another bind_port."
            ) from None
        port = int(sock.getsockname()[1])
        self._wire = self._stream_wire() if stream else _UdpWire(self._arrived, self._counts)
        await self._wire.open(sock)
        if settings.tls.accept_any_certificate and self._tls is not None:
            log.warning("sip_certificates_unchecked", trunk=settings.name, advice="anybody on the way to the PBX can listen and dial")
        return port

    def _stream_wire(self) -> TcpWire:
        settings = self._settings
        return TcpWire(
            self._arrived,
            self.trust.allows,
            self._counts,
            on_lost=lambda peer: self._on_lost(Hop(settings.transport, *peer)),
            random=self._random,
            tls=self._tls,
            names=(settings.server, settings.sip_domain),
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._wire is not None:
            await self._wire.close()

    async def locate_server(self) -> str:
        """Resolve the PBX's name, trust what it stands for, and find our own address towards it. Raises ``NameUnknown``, ``OSError``."""
        addresses = await self._resolve(self._settings.server)
        return address_towards(addresses[0], self._settings.server_port)

    def send(self, message: AnyMessage, hop: Hop) -> None:
        """Put a message on its way. What fails is told by ``on_unreachable``, never raised."""
        if len(self._tasks) >= MAX_PENDING:
            self._counts["dropped_unsent"] += 1
            return
        task: asyncio.Task[None] = asyncio.create_task(self._deliver(message, hop), name="sip-send")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: AnyMessage, hop: Hop) -> None:
        try:
            data = build(message)
            host = (await self._resolve(hop.host))[0]
            assert self._wire is not None
            await self._wire.send(data, (host, hop.port), name=hop.host, anew_port=hop.anew_port)
        except BadValue:
            self._counts["refused_to_send"] += 1
            self._on_unreachable(message, "the message would have carried control characters")
        except NameUnknown as error:
            self._on_unreachable(message, str(error))
        except Undelivered as error:
            self._on_unreachable(message, str(error))
        except TimeoutError:
            self._on_unreachable(message, "the connection could not be opened in time: check address, port and firewall")
        except OSError as error:
            self._on_unreachable(message, f"{error.strerror or error}".lower() + ": check address, port and transport")

    def _arrived(self, data: bytes, peer: Address) -> None:
        if not self.trust.allows(peer[0]):
            self._counts["dropped_untrusted"] += 1
            return
        if not data.strip(b"\r\n\x00"):
            self._counts["keepalives"] += 1
            return
        self._on_bytes(data, Hop(self._settings.transport, peer[0], peer[1]))

    async def _resolve(self, host: str) -> list[str]:
        try:
            addresses = [str(ipaddress.ip_address(host))]
        except ValueError:
            addresses = await self._look_up(host)
        if host == self._settings.server:
            self.trust.resolved(addresses)
        return addresses

    async def _look_up(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        known = self._names.get(host)
        if known is not None and loop.time() - known[0] < NAME_HOLDS_S:
            return known[1]
        family = socket.AF_INET6 if ":" in self._settings.bind_host else socket.AF_INET
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError, UnicodeError):
            raise NameUnknown(f"the name {host[:60]} is unknown: check it, or the name server") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(self._names) > 100:
            self._names.clear()
        self._names[host] = (loop.time(), addresses)
        return addresses


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket bound to this address, listening where it is of streams; ``::`` takes IPv4 too. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind is socket.SOCK_STREAM:
            sock.listen(64)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def address_towards(host: str, port: int) -> str:
    """Our own address as the routing table chooses it; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])
