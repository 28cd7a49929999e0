"""All browsers of a worker on one UDP port number: an ICE-lite agent (RFC 8445, section 2.5) and the way from a datagram to its peer.

Demultiplexing (RFC 7983): STUN Binding requests are found by our fragment in their USERNAME and believed by their MESSAGE-INTEGRITY.
Everything else is taken only from addresses that passed such a check. A stranger's ClientHello or fatal alert, which would end a
handshake in progress, therefore never reaches DTLS (OWASP ASVS 5.0, 17.2.6), and nobody is answered who did not prove the password,
so the port amplifies nothing. Media goes its own way (``media/wire``), from addresses that passed such a check. Browsers that come by
TCP are among them (``media/ice_tcp.py``).
"""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aioice.ice import get_host_addresses

from media import stun
from media.dtls import Certificate
from media.ice_link import IceLink
from media.ice_tcp import INNER_HOST, TcpPort
from media.messages import MediaRefusal
from media.peer import Peer, PeerTimes, PortCounters
from media.reach import announced
from media.transport import PacketSink, StateSink
from media.wire import Address, PythonWire, Wire, WireSocket

_SWEEP_S = 0.5
_FAILURES_PER_S = 20
_MAX_SOURCES = 1_024
_PORT_ATTEMPTS = 16
_RECEIVE_BUFFER_BYTES = 4 << 20
_EXPEDITED_FORWARDING = 0xB8  # DSCP 46, RFC 3246


@dataclass(frozen=True, slots=True)
class IceSettings:
    """``hosts``: local addresses to listen on, each with its own socket and the same port number (0 = any free one).

    ``public_hosts``: what the answers announce instead, where a 1:1 NAT stands before us. Never the wildcard address: a browser on this
    machine may ask 127.0.0.1 from another of its addresses, and the answer must come from the address that was asked.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 0
    public_hosts: tuple[str, ...] = ()
    tcp: bool = False
    """Also take browsers by TCP, on the same addresses and port number (RFC 6544)."""
    max_peers: int = 1_000
    times: PeerTimes = field(default_factory=PeerTimes)


def local_addresses() -> tuple[str, ...]:
    """This machine's addresses that a browser may reach, the loopback one last; link-local ones are left out."""
    found = [host for host in get_host_addresses(use_ipv4=True, use_ipv6=True) if not ipaddress.ip_address(host).is_link_local]
    return (*found, "127.0.0.1")


class IcePort:
    """One port for all peers; ``async with`` binds and releases it. ``certificate`` is made once and serves all peers.

    ``wire`` carries its datagrams; it outlives the port.
    """

    def __init__(self, settings: IceSettings, certificate: Certificate | None = None, *, wire: Wire | None = None) -> None:
        self.settings = settings
        self.certificate = certificate or Certificate.create()
        self.wire = wire or PythonWire()
        self.port = 0
        self.counted = PortCounters()
        self._sides: list[_Side] = []
        self._tcp: TcpPort | None = None
        self._links: dict[str, IceLink] = {}
        self._peers: dict[Peer, IceLink] = {}
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        sockets, listeners = _bind_all(self.settings.hosts, self.settings.port, tcp=self.settings.tcp)
        self.port = sockets[0].getsockname()[1]
        for sock in sockets:
            await self._add(_Side(self), sock)
        if listeners:
            await self._listen(listeners)
        self._sweep()
        return self

    async def _add(self, side: "_Side", sock: socket.socket) -> None:
        side.socket = await self.wire.open(sock, side.received)
        self._sides.append(side)

    async def _listen(self, listeners: list[socket.socket]) -> None:
        inner = _bind(INNER_HOST, 0)
        side = _TcpSide(self)
        tcp = self._tcp = side.tcp = TcpPort(inner.getsockname(), side.gone, most=self.settings.max_peers)
        await self._add(side, inner)
        for listener in listeners:
            await tcp.listen(listener)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for peer in list(self._peers):
            peer.close()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._tcp is not None:
            await self._tcp.close()
        for side in self._sides:
            side.socket.close()
        for side in self._sides:
            await side.socket.wait_closed()

    @property
    def counters(self) -> PortCounters:
        counters = self.counted
        counters.unsent = sum(side.socket.unsent for side in self._sides)
        counters.socket_errors = sum(side.socket.errors for side in self._sides)
        if self._tcp is not None:
            tcp = self._tcp.counters
            counters.tcp_accepted, counters.tcp_refused = tcp.accepted, tcp.refused
            counters.tcp_malformed, counters.tcp_unsent = tcp.malformed, tcp.unsent
        return counters

    @property
    def candidates(self) -> tuple[tuple[str, int], ...]:
        """What answers announce: (address, port)."""
        return tuple((host, self.port) for host in announced(self.settings.hosts, self.settings.public_hosts))

    @property
    def tcp_candidates(self) -> tuple[tuple[str, int], ...]:
        """The same for TCP."""
        return self.candidates if self._tcp is not None else ()

    @property
    def tcp_count(self) -> int:
        """Connections by TCP."""
        return len(self._tcp) if self._tcp is not None else 0

    @property
    def peer_count(self) -> int:
        return len(self._peers)

    def open_peer(self, on_rtp: PacketSink, on_rtcp: PacketSink, on_state: StateSink) -> Peer:
        """A place for one browser; its ``answer`` comes next. Raises MediaRefusal when all ``max_peers`` places are taken."""
        if len(self._peers) >= self.settings.max_peers:
            raise MediaRefusal("too_many_peers", f"All {self.settings.max_peers} media places of this worker are taken: try again later.")
        peer = Peer(self, on_rtp, on_rtcp, on_state, self.settings.times)
        self._peers[peer] = peer.link
        self._links[peer.link.credentials.fragment] = peer.link
        return peer

    # --- what a peer asks of the port ----------------------------------------------------------------------------------------------

    def renew(self, link: IceLink) -> None:
        """Give a link new credentials beside its old ones (ICE restart)."""
        dropped = link.credentials if link.previous is not None else None
        link.restart()
        if dropped is not None:
            self._links.pop(dropped.fragment, None)
        self._links[link.credentials.fragment] = link

    def release(self, peer: Peer) -> None:
        link = self._peers.pop(peer, None)
        if link is not None:
            for credentials in (link.credentials, link.previous):
                if credentials is not None:
                    self._links.pop(credentials.fragment, None)

    def own(self, task: "asyncio.Task[None]") -> None:
        """Keep a peer's task until it ends; leaving the port waits for it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- datagrams -----------------------------------------------------------------------------------------------------------------

    def stun_received(self, side: "_Side", datagram: bytes, address: Address) -> None:
        fragment = stun.local_fragment(datagram)
        if fragment is None:
            self.counted.malformed += 1  # or an indication, or an answer to a question we never asked
            return
        link = self._links.get(fragment)
        if link is None:
            self.counted.unknown_fragment += 1
            return
        now_s = time.monotonic()
        origin = side.origin(address)
        if self._failures and self._is_limited(origin[0], now_s):
            self.counted.limited += 1
            return
        credentials = link.credentials if fragment == link.credentials.fragment else link.previous
        if credentials is None:
            return
        password = credentials.password.encode()
        check = stun.read_check(datagram, password)
        if check is None:
            self.counted.bad_integrity += 1
            self._failed(origin[0], now_s)
            return
        self.counted.checks += 1
        if check.role_conflict:
            self.counted.role_conflicts += 1
            side.socket.send(stun.refuse_role(check, password), address)
        elif self._may_use(side, address, link, now_s):
            side.socket.send(stun.accept(check, origin, password), address)
            self._retire_previous(link, credentials is link.credentials)
            side.links[address] = link
            side.socket.assign(address, link.path)
            link.validated(side, address, check.nominates, now_s)

    def _may_use(self, side: "_Side", address: Address, link: IceLink, now_s: float) -> bool:
        """Whether an address is free for this link. A peer cannot take the address of another that is alive, even with a spoofed source."""
        owner = side.links.get(address)
        if owner is None or owner is link:
            return True
        if owner.heard_s is not None and now_s - max(owner.heard_s, owner.path.heard_s) < self.settings.times.lost_s:
            self.counted.contested += 1
            return False
        owner.addresses.pop((side, address), None)
        return True

    def _retire_previous(self, link: IceLink, uses_new: bool) -> None:
        if uses_new and link.previous is not None:
            self._links.pop(link.previous.fragment, None)
            link.previous = None

    def _is_limited(self, source: str, now_s: float) -> bool:
        since_s, count = self._failures.get(source, (now_s, 0))
        return count >= _FAILURES_PER_S and now_s - since_s < 1

    def _failed(self, source: str, now_s: float) -> None:
        since_s, count = self._failures.pop(source, (now_s, 0))
        self._failures[source] = (since_s, count + 1) if now_s - since_s < 1 else (now_s, 1)
        if len(self._failures) > _MAX_SOURCES:
            self._failures.popitem(last=False)

    def _sweep(self) -> None:
        now_s = time.monotonic()
        for peer in list(self._peers):
            self.counted.expired_peers += peer.look(now_s)
        while self._failures and now_s - next(iter(self._failures.values()))[0] >= 1:
            self._failures.popitem(last=False)
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)


class _Side:
    """One local address of the port, and the addresses that passed a check there."""

    socket: WireSocket

    def __init__(self, port: IcePort) -> None:
        self.links: dict[Address, IceLink] = {}
        self._port = port

    def received(self, datagram: bytes, address: Address) -> None:
        """What is no media of a known address."""
        link = self.links.get(address)
        first = datagram[0] if datagram else 255
        if first < 4:
            self._port.stun_received(self, datagram, address)
        elif link is None:
            self._port.counted.strangers += 1
        elif 19 < first < 64:
            link.queue_dtls(datagram)
        else:
            self._port.counted.malformed += 1

    def forget(self, address: Address) -> None:
        self.links.pop(address, None)
        self.socket.assign(address, None)

    def origin(self, address: Address) -> tuple[str, int]:
        """Who that is to the world: without an IPv6 scope."""
        return address[0].partition("%")[0], address[1]


class _TcpSide(_Side):
    """The inner address that all TCP connections end at."""

    tcp: TcpPort

    def forget(self, address: Address) -> None:
        super().forget(address)
        self.tcp.drop(address)

    def origin(self, address: Address) -> tuple[str, int]:
        return self.tcp.origin(address)

    def gone(self, address: Address) -> None:
        """A connection ended: its browser has to come another way."""
        link = self.links.get(address)
        if link is not None:
            link.forget(self, address)
        super().forget(address)


def _bind_all(hosts: tuple[str, ...], port: int, *, tcp: bool = False) -> tuple[list[socket.socket], list[socket.socket]]:
    """One UDP socket per host under one port number, and with ``tcp`` one that listens. Raises MediaRefusal when that cannot be."""
    for attempt in range(_PORT_ATTEMPTS):
        with contextlib.ExitStack() as stack:
            wanted = port
            try:
                sockets: list[socket.socket] = []
                for host in hosts:
                    sockets.append(stack.enter_context(_bind(host, wanted)))
                    wanted = sockets[0].getsockname()[1]
                listeners = [stack.enter_context(_bind(host, wanted, socket.SOCK_STREAM)) for host in hosts if tcp]
            except OSError as error:
                if port or attempt == _PORT_ATTEMPTS - 1:
                    raise MediaRefusal(
                        "port_unavailable",
                        f"Port {wanted or 'any'} cannot be opened on {', '.join(hosts)} ({error.strerror or error}): stop the program "
                        "that has it, or set another media port or other media addresses.",
                    ) from None
            else:
                stack.pop_all()
                return sockets, listeners
    raise AssertionError("the last attempt returns or raises")


def _bind(host: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a successor listens while its predecessor's connections fade
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
