"""SIP sockets: UDP datagrams and TCP or TLS streams in one shape, names resolved, strangers dropped before anything is parsed."""

import asyncio
import contextlib
import errno
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import structlog

from pbx.address import BadValue
from pbx.admission import Congestion, SourceTrust
from pbx.locate import NameUnknown, Wanted, is_address, locate
from pbx.message import AnyMessage, build
from pbx.resolver import Resolver
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.tcp_wire import Address, TcpWire, Undelivered, plain_address
from pbx.tls import TlsContexts
from pbx.transactions import Hop

log = structlog.get_logger()

UDP_PING_S = 20.0
"""Many a NAT forgets a datagram's way after half a minute."""

FREE_PORT_ATTEMPTS = 20
STUN_COOKIE = b"\x21\x12\xa4\x42"
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("II")  # linux/sock_diag.h: bytes that wait to be read, and how many may
MAX_PENDING = 1000
OnBytes = Callable[[bytes, Hop], None]


class SipPortTaken(Exception):
    """The configured SIP port cannot be had. The message says what to do."""


class _UdpWire(asyncio.DatagramProtocol):
    def __init__(self, on_bytes: Callable[[bytes, Address], None], counts: Counter[str]) -> None:
        self._on_bytes = on_bytes
        self._counts = counts
        self._transport: asyncio.DatagramTransport | None = None
        self._family = socket.AF_INET
        self._sock: socket.socket | None = None
        self._closed = asyncio.get_running_loop().create_future()

    async def open(self, sock: socket.socket) -> None:
        """Send and receive by a bound socket, which is ours from now on."""
        self._family, self._sock = sock.family, sock
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)

    @property
    def crowded(self) -> bool:
        """Does so much wait unread that it may soon be lost? Where the kernel does not tell: never."""
        try:
            waiting, most = _MEMINFO.unpack(self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size) if self._sock else b"")
        except (OSError, struct.error):
            return False
        return bool(waiting > most // 2)

    async def send(self, data: bytes, peer: Address, *, name: str = "", anew_port: int | None = None) -> None:
        self.send_now(data, peer)

    def send_now(self, data: bytes, peer: Address) -> None:
        """Raises ``OSError``."""
        if self._transport is not None and not self._transport.is_closing():
            host = f"::ffff:{peer[0]}" if self._family is socket.AF_INET6 and ":" not in peer[0] else peer[0]
            try:
                self._transport.sendto(data, (host, peer[1]))
            except ValueError:
                # That is how uvloop says it.
                raise OSError(errno.EAFNOSUPPORT, "the address is not of the family that our own is of") from None

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


@dataclass(frozen=True, slots=True)
class Located:
    """Where the PBX is, as who we are seen there (an address of ours), and how long that holds; None: always."""

    hops: list[Hop]
    own_host: str
    lasts_s: float | None


class SipSockets:
    """The sockets of one trunk. ``on_unreachable(message, words)`` is told when a message could not be sent, ``on_lost(hop, words)`` when a
    connection to or from a peer is over. ``knows(host)``: may it keep a connection open? Raises ``TlsUnusable``.
    """

    def __init__(
        self,
        settings: SipTrunkSettings,
        *,
        on_bytes: OnBytes,
        on_unreachable: Callable[[AnyMessage, str], None],
        on_lost: Callable[[Hop, str], None],
        knows: Callable[[str], bool],
        counts: Counter[str],
        random: Random,
    ) -> None:
        self._settings = settings
        self._on_bytes = on_bytes
        self._on_unreachable = on_unreachable
        self._on_lost = on_lost
        self._knows = knows
        self._counts = counts
        self._random = random
        self._draw = random.getrandbits(64)
        self._congestion = Congestion()
        self.trust = SourceTrust(settings.trusted, anybody=settings.takes_strangers)
        self._tls = TlsContexts(settings.tls, counts) if SipTransport.TLS in settings.transports else None
        self._wires: dict[str, TcpWire | _UdpWire] = {}
        self._resolver = Resolver(settings.name_servers, time.monotonic)
        self._ping: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> dict[str, int]:
        """Bind; the local port of each transport. Raises ``SipPortTaken``."""
        settings = self._settings
        try:
            sockets = _bound_together(settings)
        except OSError as error:
            raise SipPortTaken(
                f"The SIP port {settings.bind_port} on {settings.bind_host} cannot be opened ({error.strerror or error}): "
                "another program has it, or the address is not this machine's. Choose another bind_port."
            ) from None
        for transport, sock in sockets.items():
            wire = self._wires[transport] = _UdpWire(self._arrived, self._counts) if transport == "udp" else self._stream_wire(transport)
            await wire.open(sock)
        if settings.tls.accept_any_certificate and self._tls is not None:
            log.warning("sip_certificates_unchecked", trunk=settings.name, advice="anybody on the way to the PBX can listen and dial")
        return {transport: int(sock.getsockname()[1]) for transport, sock in sockets.items()}

    def _stream_wire(self, transport: str) -> TcpWire:
        settings = self._settings
        return TcpWire(
            lambda data, peer: self._arrived(data, peer, transport),
            self.trust.allows,
            self._counts,
            on_lost=lambda peer, words: self._on_lost(Hop(transport, *peer), words),
            knows=self._knows,
            random=self._random,
            tls=self._tls if transport == SipTransport.TLS else None,
            names=(settings.server, settings.sip_domain),
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._ping is not None:
            self._ping.cancel()
        for wire in self._wires.values():
            await wire.close()

    def overrun(self, now: float) -> bool:
        """Do messages come faster than they are read, and have for a while? To be asked often."""
        crowded = any(wire.crowded for wire in self._wires.values() if isinstance(wire, _UdpWire))
        return self._congestion.lasts(crowded, now)

    async def locate_server(self) -> Located:
        """Find the PBX's addresses, trust them, and find our own address towards the first. Raises ``NameUnknown``, ``OSError``."""
        settings = self._settings
        transport = None if settings.find_transport else str(settings.transport)
        wanted = Wanted(settings.server, settings.port, transport, [str(known) for known in settings.transports], self._families)
        hops, names = await locate(wanted, self._resolver, Random(self._draw))
        self.trust.resolved(hop.host for hop in hops)
        found = Located(hops, address_towards(hops[0].host, hops[0].port), self._resolver.lasts_s(names) if names else None)
        if settings.keepalive_s > 0:
            self._ping_from_now_on([(hop.host, hop.port) for hop in hops if hop.transport == "udp"])
        return found

    @property
    def _families(self) -> tuple[socket.AddressFamily, ...]:
        if self._settings.bind_host == "::":
            return socket.AF_INET, socket.AF_INET6
        return (socket.AF_INET6,) if ":" in self._settings.bind_host else (socket.AF_INET,)

    def _ping_from_now_on(self, peers: list[Address]) -> None:
        """Keep the way through a NAT open (RFC 5626, section 3.5.1): who is no SIP phone and sees an empty line ignores it."""
        if self._ping is not None:
            self._ping.cancel()
        wire = self._wires.get(SipTransport.UDP)
        if isinstance(wire, _UdpWire) and peers:
            with contextlib.suppress(OSError):
                wire.send_now(b"\r\n\r\n", peers[0])
            delay_s = UDP_PING_S * self._random.uniform(0.8, 1.0)
            self._ping = asyncio.get_running_loop().call_later(delay_s, self._ping_from_now_on, peers)

    def send(self, message: AnyMessage, hop: Hop) -> None:
        """Put a message on its way. What fails is told by ``on_unreachable``, never raised."""
        if len(self._tasks) >= MAX_PENDING:
            self._counts["dropped_unsent"] += 1
            return
        wire = self._wires.get(hop.transport)
        if isinstance(wire, _UdpWire) and is_address(hop.host):
            # A datagram to an address waits for nothing; where it fails, the task below fails alike and tells.
            with contextlib.suppress(BadValue, OSError):
                wire.send_now(build(message), (hop.host, hop.port))
                return
        task: asyncio.Task[None] = asyncio.create_task(self._deliver(message, hop), name="sip-send")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: AnyMessage, hop: Hop) -> None:
        try:
            data = build(message)
            wire = self._wires.get(hop.transport)
            if wire is None:
                raise NameUnknown(f"this line does not speak {hop.transport.upper()}")
            await wire.send(data, (await self._address(hop.host), hop.port), name=hop.host, anew_port=hop.anew_port)
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

    def _arrived(self, data: bytes, peer: Address, transport: str = SipTransport.UDP) -> None:
        if not self.trust.allows(peer[0]):
            self._counts["dropped_untrusted"] += 1
            return
        if not data.strip(b"\r\n\x00") or (data[0] < 4 and data[4:8] == STUN_COOKIE):
            self._counts["keepalives"] += 1
            return
        self._on_bytes(data, Hop(str(transport), *peer))

    async def _address(self, host: str) -> str:
        if is_address(host):
            return host
        found = await self._resolver.addresses(host, self._families)
        if not found:
            raise NameUnknown(f"the name {host[:60]} is unknown: check it, or the name server")
        return found[0]


def _bound_together(settings: SipTrunkSettings) -> dict[str, socket.socket]:
    """A socket for each transport. UDP and TCP have one port, as a Contact without transport means both. Raises ``OSError``."""
    kinds = {str(known): socket.SOCK_DGRAM if known is SipTransport.UDP else socket.SOCK_STREAM for known in settings.transports}
    for attempt in range(FREE_PORT_ATTEMPTS):
        sockets: dict[str, socket.socket] = {}
        port = settings.bind_port
        try:
            for transport, kind in sorted(kinds.items()):
                own = settings.bind_port + 1 if settings.bind_port else 0
                apart = transport == SipTransport.TLS and len(kinds) > 1
                sockets[transport] = sock = _bound(settings.bind_host, own if apart else port, kind)
                port = port if apart else int(sock.getsockname()[1])
        except OSError:
            for sock in sockets.values():
                sock.close()
            if settings.bind_port or len(kinds) == 1 or attempt == FREE_PORT_ATTEMPTS - 1:
                raise
        else:
            return sockets
    raise AssertionError("unreachable")


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket bound to this address, listening where it is of streams; ``::`` takes IPv4 too, and that alone on a machine without IPv6.

    Raises ``OSError``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host == "::" and not _has_ipv6():
        family, host = socket.AF_INET, "0.0.0.0"
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


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def address_towards(host: str, port: int) -> str:
    """Our own address as the routing table chooses it; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])
