"""All browsers of a worker on one UDP port number: an ICE-lite agent (RFC 8445, section 2.5) and the way from a datagram to its peer.

Demultiplexing (RFC 7983): STUN Binding requests are found by our fragment in their USERNAME and believed by their MESSAGE-INTEGRITY.
Everything else is taken only from addresses that passed such a check. A stranger's ClientHello or fatal alert, which would end a
handshake in progress, therefore never reaches DTLS (OWASP ASVS 5.0, 17.2.6), and nobody is answered who did not prove the password,
so the port amplifies nothing. The path of a media packet is synchronous: datagram, unprotect, ``on_rtp``.
"""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aioice.ice import get_host_addresses

from media import stun
from media.dtls import Certificate
from media.ice_link import Address, IceLink
from media.messages import MediaRefusal
from media.peer import Peer, PeerTimes
from media.transport import PacketSink, StateSink

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
    max_peers: int = 1_000
    times: PeerTimes = field(default_factory=PeerTimes)


@dataclass(slots=True)
class PortCounters:
    """What the port saw and dropped, in datagrams. ``strangers``: no check ever passed from their address."""

    checks: int = 0
    strangers: int = 0
    unknown_fragment: int = 0
    bad_integrity: int = 0
    limited: int = 0
    contested: int = 0
    role_conflicts: int = 0
    malformed: int = 0
    unsent: int = 0
    socket_errors: int = 0
    expired_peers: int = 0


def local_addresses() -> tuple[str, ...]:
    """This machine's addresses that a browser may reach, the loopback one last; link-local ones are left out."""
    found = [host for host in get_host_addresses(use_ipv4=True, use_ipv6=True) if not ipaddress.ip_address(host).is_link_local]
    return (*found, "127.0.0.1")


class IcePort:
    """One port for all peers; ``async with`` binds and releases it. ``certificate`` is made once and serves all peers."""

    def __init__(self, settings: IceSettings, certificate: Certificate | None = None) -> None:
        self.settings = settings
        self.certificate = certificate or Certificate.create()
        self.counters = PortCounters()
        self.port = 0
        self._wires: list[_Wire] = []
        self._links: dict[str, IceLink] = {}
        self._peers: dict[Peer, IceLink] = {}
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        sockets = _bind_all(self.settings.hosts, self.settings.port)
        self.port = sockets[0].getsockname()[1]
        for sock in sockets:
            _, wire = await loop.create_datagram_endpoint(lambda: _Wire(self), sock=sock)
            self._wires.append(wire)
        self._sweep()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for peer in list(self._peers):
            peer.close()
        while self._tasks:
            await asyncio.wait(self._tasks)
        for wire in self._wires:
            wire.close()
        for wire in self._wires:
            await wire.closed.wait()

    @property
    def candidates(self) -> tuple[tuple[str, int], ...]:
        """What answers announce: (address, port)."""
        return tuple((host, self.port) for host in self.settings.public_hosts or self.settings.hosts)

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

    def stun_received(self, wire: "_Wire", datagram: bytes, address: Address) -> None:
        fragment = stun.local_fragment(datagram)
        if fragment is None:
            self.counters.malformed += 1  # or an indication, or an answer to a question we never asked
            return
        link = self._links.get(fragment)
        if link is None:
            self.counters.unknown_fragment += 1
            return
        now_s = time.monotonic()
        if self._failures and self._is_limited(address[0], now_s):
            self.counters.limited += 1
            return
        credentials = link.credentials if fragment == link.credentials.fragment else link.previous
        if credentials is None:
            return
        password = credentials.password.encode()
        check = stun.read_check(datagram, password)
        if check is None:
            self.counters.bad_integrity += 1
            self._failed(address[0], now_s)
            return
        self.counters.checks += 1
        if check.role_conflict:
            self.counters.role_conflicts += 1
            wire.send(stun.refuse_role(check, password), address)
        elif self._may_use(wire, address, link, now_s):
            wire.send(stun.accept(check, _plain(address), password), address)
            self._retire_previous(link, credentials is link.credentials)
            wire.links[address] = link
            link.validated(wire, address, check.nominates, now_s)

    def _may_use(self, wire: "_Wire", address: Address, link: IceLink, now_s: float) -> bool:
        """Whether an address is free for this link. A peer cannot take the address of another that is alive, even with a spoofed source."""
        owner = wire.links.get(address)
        if owner is None or owner is link:
            return True
        if owner.heard_s is not None and now_s - owner.heard_s < self.settings.times.lost_s:
            self.counters.contested += 1
            return False
        owner.addresses.pop((wire, address), None)
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
            self.counters.expired_peers += peer.look(now_s)
        while self._failures and now_s - next(iter(self._failures.values()))[0] >= 1:
            self._failures.popitem(last=False)
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)


class _Wire(asyncio.DatagramProtocol):
    """One socket of the port and the addresses that passed a check on it."""

    def __init__(self, port: IcePort) -> None:
        self._port = port
        self.counters = port.counters
        self.links: dict[Address, IceLink] = {}
        self.closed = asyncio.Event()
        self._transport: Any = None
        self._paused = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        link = self.links.get(addr)
        first = data[0] if data else 255
        if first < 4:
            self._port.stun_received(self, data, addr)
        elif link is None:
            self.counters.strangers += 1
        elif 127 < first < 192:
            link.on_media(data, time.monotonic())
        elif 19 < first < 64:
            link.queue_dtls(data)
        else:
            self.counters.malformed += 1

    def send(self, datagram: bytes, address: Address) -> None:
        if self._paused or self._transport.is_closing():
            self.counters.unsent += 1
            return
        self._transport.sendto(datagram, address)

    def forget(self, address: Address) -> None:
        self.links.pop(address, None)

    def pause_writing(self) -> None:
        self._paused = True  # the kernel's buffer and the loop's are full: late media is worth nothing

    def resume_writing(self) -> None:
        self._paused = False

    def error_received(self, exc: Exception) -> None:
        self.counters.socket_errors += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def close(self) -> None:
        self._transport.close()


def _plain(address: Address) -> tuple[str, int]:
    """Without an IPv6 scope."""
    return address[0].partition("%")[0], address[1]


def _bind_all(hosts: tuple[str, ...], port: int) -> list[socket.socket]:
    """One socket per host under one port number. Raises MediaRefusal when that cannot be."""
    for attempt in range(_PORT_ATTEMPTS):
        with contextlib.ExitStack() as stack:
            wanted = port
            try:
                sockets = []
                for host in hosts:
                    sockets.append(stack.enter_context(_bind(host, wanted)))
                    wanted = sockets[0].getsockname()[1]
            except OSError as error:
                if port or attempt == _PORT_ATTEMPTS - 1:
                    raise MediaRefusal(
                        "port_unavailable",
                        f"UDP port {wanted or 'any'} cannot be opened on {', '.join(hosts)} ({error.strerror or error}): stop the program "
                        "that has it, or set another media port or other media addresses.",
                    ) from None
            else:
                stack.pop_all()
                return sockets
    raise AssertionError("the last attempt returns or raises")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
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
