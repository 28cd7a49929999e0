"""What the media plane asks of the packet path. All callbacks run on the event loop and must not block."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from media.receive_stats import ReceiveStats
from media.recording.records import Records
from media.sender import RtpSender
from media.srtp import SrtpSessions
from rooms.audio import AudioCodec

Address = tuple[Any, ...]
"""(host, port), for IPv6 with flow and scope behind them, as sockets tell it."""
DatagramSink = Callable[[bytes, Address], None]
PacketSink = Callable[[bytes, float], None]
FORMER_KEY_S = 5.0
"""How long packets are taken that were protected under a key before it was renewed: they were on their way."""


@dataclass(slots=True)
class PathCounters:
    """Packets dropped: ``early`` came, ``unsent`` were to leave before keys or address were there (or too long); ``refused`` by SRTP

    (forged, replayed, too many SSRCs).
    """

    early: int = 0
    refused: int = 0
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class Forward:
    """What a path shall do by itself: audio of ``codec_in`` that ``received`` believes goes through ``sender`` to ``target``, the same

    audio under the payload type of ``codec_out``. Everything else, another SSRC included, is handed over. What came is put into ``said``,
    what left into ``heard``, each at once and as the side of that name; ``copies`` gets what came at ``take``.
    """

    target: "Path"
    codec_in: AudioCodec
    codec_out: AudioCodec
    received: ReceiveStats
    sender: RtpSender
    said: Records | None = None
    heard: Records | None = None
    copies: PacketSink | None = None


class Put(Protocol):
    """What takes audio in (``media.playout.Playout.put``)."""

    def __call__(
        self, sequence: int, timestamp: int, marker: bool, payload: bytes, arrival_s: float, *, ssrc: int | None = None
    ) -> None: ...


class Place(NamedTuple):
    """A row among those of ``put``, which takes in packets of many rows at once (``media.intake.Intake.put``)."""

    put: Callable[[bytes, bytes, bytes], None]
    row: int


@dataclass(frozen=True, slots=True)
class Play:
    """Audio of ``payload_type`` that ``received`` believes goes to ``put``, its sequence numbers less ``omitted``. ``place``: the same,

    for those who have packets of many.
    """

    put: Put
    payload_type: int
    received: ReceiveStats
    omitted: int = 0
    place: Place | None = None


class WireSocket(Protocol):
    """One UDP socket. Datagrams of an assigned address that can be RTP or RTCP (first byte 128-191) go to its path, all others to

    ``on_datagram``. ``unsent`` and ``errors`` count what the kernel did not take and what it complained about.
    """

    unsent: int
    errors: int

    def send(self, datagram: bytes, address: Address) -> bool:
        """False, and counted, when it cannot be sent now."""
        ...

    def assign(self, address: Address, path: "Path | None") -> None:
        """Whose packets come from there; None: nobody's any more."""
        ...

    def close(self) -> None:
        """No callback comes after it. Idempotent."""
        ...

    async def wait_closed(self) -> None: ...


class Path(Protocol):
    """The packets of one far end, in and out. ``urgent``: hand them over as they come; else they may wait for ``Wire.take``.

    ``urgent_reports``: the same of RTCP. Round trips do not suffer when it waits, because it comes with the time of its arrival; pictures
    that were asked for again do.
    """

    urgent: bool
    urgent_reports: bool

    @property
    def counters(self) -> PathCounters: ...

    @property
    def heard_s(self) -> float:
        """Monotonic time of the newest audio that was not handed over: forwarded, or played; 0 when there was none."""
        ...

    def secure(self, sessions: SrtpSessions | None) -> None:
        """From now on what comes is verified and what leaves is protected; None: both go in clear.

        What was on its way under the session before is still taken for ``FORMER_KEY_S``.
        """
        ...

    def direct(self, sock: WireSocket | None, address: Address | None) -> None:
        """Where packets leave, and to whom."""
        ...

    def send_rtp(self, packet: bytes) -> None: ...

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        """``send_rtp`` of the next frame of this stream."""
        ...

    def send_rtcp(self, packet: bytes) -> None: ...

    def forward(self, forward: Forward | None) -> None:
        """What to forward from now on, None: hand over everything. What was handed over before comes first."""
        ...

    def play(self, play: Play | None) -> None:
        """Where audio goes that nobody else need look at, at ``Wire.take``; None: hand it over too."""
        ...

    def remembered(self) -> list[tuple[bytes, float]]:
        """What was forwarded in the last second without being handed over, with its time of arrival, oldest first; it is then forgotten."""
        ...

    def close(self) -> None:
        """No callback comes after it. Idempotent."""
        ...


class Wire(Protocol):
    """``async with``; all sockets must be closed before it is left. ``name``: ``python`` or ``c``."""

    name: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def open(self, sock: socket.socket, on_datagram: DatagramSink) -> WireSocket:
        """Take over a bound socket. Raises OSError when it cannot be used."""
        ...

    def path(self, on_packet: PacketSink, *, secure: bool) -> Path:
        """A far end whose plain RTP and RTCP packets go to ``on_packet(packet, arrival_s)``. ``secure``: nothing passes without keys."""
        ...

    def sender(self, ssrc: int, sequence: int, timestamp: int, clock_rate_hz: int = 8_000) -> RtpSender:
        """An outgoing stream that ``Forward`` can name."""
        ...

    def receive_stats(self, ssrc: int, clock_rate: int) -> ReceiveStats:
        """Counters that ``Forward`` can name."""
        ...

    def records(self, start_s: float, most_records: int) -> Records:
        """Records that ``Forward`` can name."""
        ...

    def take(self) -> None:
        """Hand over now what waits for the tick."""
        ...

    def cork(self) -> None:
        """What is sent from now on may wait until ``uncork``, to leave together."""
        ...

    def uncork(self) -> None: ...

    @property
    def counters(self) -> dict[str, int]:
        """What legs would have counted (``media.leg.COUNTERS``) had they seen what was forwarded without being handed over, and more."""
        ...
