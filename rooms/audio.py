"""What two sides agreed about a leg's audio, as plain data.

The PBX side negotiates it (SDP, RFC 3264), the media plane carries it out, call control passes it on unread. It lives here because
``pbx`` and ``media`` never import one another.
"""

from dataclasses import dataclass, field, replace
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


class SrtpSuite(StrEnum):
    """How packets are encrypted and authenticated, by its name in SDP (RFC 4568, section 6.2; RFC 6188; RFC 7714); the strongest first."""

    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES_256_CM_HMAC_SHA1_80 = "AES_256_CM_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    @property
    def key_bytes(self) -> int:
        """Length of the master key with the master salt behind it."""
        return _KEY_BYTES[self]


_KEY_BYTES = {
    SrtpSuite.AEAD_AES_256_GCM: 32 + 12,
    SrtpSuite.AEAD_AES_128_GCM: 16 + 12,
    SrtpSuite.AES_256_CM_HMAC_SHA1_80: 32 + 14,
    SrtpSuite.AES_CM_128_HMAC_SHA1_80: 16 + 14,
    SrtpSuite.AES_CM_128_HMAC_SHA1_32: 16 + 14,
}


REPLAY_WINDOW_PACKETS = 128


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """What one side protects its packets with. ``key``: master key and master salt; it is never printed.

    ``window_packets``: so far behind the newest a packet may come and is still taken for new (``WSH``).
    """

    suite: SrtpSuite
    key: bytes = field(repr=False)
    window_packets: int = REPLAY_WINDOW_PACKETS


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """``sent`` protects what we send, ``received`` what the far end sends."""

    sent: SrtpKey
    received: SrtpKey


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
    srtp: SrtpKeys | None = None
    """What both sides now protect their packets with; None: they go in clear. Only agreements have it, never what we announce ourselves."""
    rtcp_port: int = 0
    """Where its RTCP goes; 0: the port behind ``port`` (RFC 3550, section 11)."""
    rtcp_mux: bool = False
    """It takes RTCP on ``port`` itself (RFC 5761); agreed where both sides say so."""
    comfort_noise: bool = False
    """How the background sounds is told in pauses (RFC 3389, payload type 13, for codecs of 8 kHz). It is always taken."""
    preferred: tuple[str, ...] = ()
    """Names of codecs in the order in which this line speaks them, where its settings say so: ``codecs`` are in that order too."""
    events: tuple[tuple[int, int], ...] = ()
    """Telephone events as announced: payload type and clock in Hz. ``dtmf_payload_type`` is the one that goes with the first codec."""

    @property
    def dtmf_clock_hz(self) -> int:
        """The clock in which durations of ``dtmf_payload_type`` count."""
        return dict(self.events).get(self.dtmf_payload_type or -1, 8_000)

    def speaking(self, codecs: tuple[AudioCodec, ...]) -> "RtpEndpoint":
        """The same with these codecs, and the telephone events of the first one's clock (RFC 4733, section 2.5.1.2), else any."""
        fit = [number for number, clock_hz in self.events if clock_hz == codecs[0].clock_rate]
        number = fit[0] if fit else self.dtmf_payload_type
        if (codecs, number) == (self.codecs, self.dtmf_payload_type):
            return self  # as it mostly is, and a copy of so many fields costs more than all else here
        return replace(self, codecs=codecs, dtmf_payload_type=number)


@dataclass(frozen=True, slots=True)
class DemoEndpoint:
    """The far end of the demo line: no network, a programme inside the server: ``echo``, ``speech`` or ``dtmf``."""

    programme: str


@dataclass(frozen=True, slots=True)
class BrowserEndpoint:
    """The far end is a browser of somebody who is not of the house: its offers come by signalling, and its leg is anchored meanwhile."""


Endpoint = RtpEndpoint | DemoEndpoint | BrowserEndpoint

OPUS = AudioCodec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1")
G722 = AudioCodec("g722", 9, 8_000)
PCMA = AudioCodec("pcma", 8, 8_000)
PCMU = AudioCodec("pcmu", 0, 8_000)
KNOWN_CODECS: dict[str, AudioCodec] = {codec.name: codec for codec in (OPUS, G722, PCMA, PCMU)}
