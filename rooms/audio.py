"""What two sides agreed about a leg's audio, as plain data.

The PBX side negotiates it (SDP, RFC 3264), the media plane carries it out, call control passes it on unread. It lives here because
``pbx`` and ``media`` never import one another.
"""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Direction of audio, seen from the side that described it (RFC 3264, section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def mirrored(self) -> "Direction":
        """The same direction seen from the other side."""
        return _MIRROR.get(self, self)

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)


_MIRROR = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """One ``rtpmap`` line. ``name`` is lower case: ``opus``, ``g722``, ``pcma``, ``pcmu``.

    ``clock_rate`` is the RTP clock in Hz, which for G.722 is 8000 although it samples at 16 kHz (RFC 3551, section 4.5.2).
    """

    name: str
    payload_type: int
    clock_rate: int
    channels: int = 1
    fmtp: str = ""


@dataclass(frozen=True, slots=True)
class RtpEndpoint:
    """Where one side wants its RTP and in which codecs, most wanted first. In an answer the first codec is the one spoken.

    ``signalled_from``: the IP address its SIP messages come from, "" where not known. RTP is believed from there too when ``host`` is a
    private address, which behind a NAT is not the one that its packets come from.
    """

    host: str
    port: int
    codecs: tuple[AudioCodec, ...]
    dtmf_payload_type: int | None = None
    direction: Direction = Direction.SENDRECV
    ptime_ms: int = 20
    signalled_from: str = ""
    reports: frozenset[str] = frozenset()
    """Which extended RTCP reports it asks for (``a=rtcp-xr``, RFC 3611): ``voip-metrics``, ``rcvr-rtt``."""


@dataclass(frozen=True, slots=True)
class DemoEndpoint:
    """The far end of the demo line: no network, a programme inside the server: ``echo``, ``speech`` or ``dtmf``."""

    programme: str


Endpoint = RtpEndpoint | DemoEndpoint

OPUS = AudioCodec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1")
G722 = AudioCodec("g722", 9, 8_000)
PCMA = AudioCodec("pcma", 8, 8_000)
PCMU = AudioCodec("pcmu", 0, 8_000)
KNOWN_CODECS: dict[str, AudioCodec] = {codec.name: codec for codec in (OPUS, G722, PCMA, PCMU)}
