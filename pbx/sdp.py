"""Session descriptions of audio calls (RFC 4566/8866) and what they mean in offer and answer (RFC 3264).

Reading is tolerant where phones differ and bounded where they attack: 16 kB, 32 media lines. ``BadSdp``: it cannot be read (400).
``NoCommonAudio``: it can, but nothing in it suits us (488).
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pbx.sdes import Crypto, SrtpMode, Unusable, first_usable, write_crypto
from rooms.audio import KNOWN_CODECS, AudioCodec, Direction, RtpEndpoint

MAX_BYTES = 16_384
MAX_MEDIA_LINES = 32
MAX_FORMATS = 64
"""Of one media line; more than any phone has codecs."""

_STATIC = {"0": ("pcmu", 8000, 1), "8": ("pcma", 8000, 1), "9": ("g722", 8000, 1)}  # RFC 3551, table 4
_RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9_.-]+)/([0-9]{1,6})(?:/([0-9]{1,2}))?")
_RTCP = re.compile(r"([0-9]{1,5})(?: +IN +IP[46] +(\S+))?")
_PACKET_TIME = re.compile(r"[1-9][0-9]{1,2}")
EXTENDED_REPORTS = frozenset(("voip-metrics", "rcvr-rtt"))
_COMFORT_NOISE = "13"
_PLAIN, _SECURE = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF")
_DIRECTIONS = frozenset(direction.value for direction in Direction)


class BadSdp(Exception):
    """Not a session description, or one beyond bounds."""


class NoCommonAudio(Exception):
    """A session description without audio that we can speak. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One ``m=`` block. ``host`` is its own ``c=`` or else the session's. Attributes may hold keys and are not printed."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str | None
    attributes: tuple[tuple[str, str], ...] = field(repr=False)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """``version``: the origin's session id and version, which tell whether anything changed."""

    version: tuple[str, str]
    media: tuple[MediaLine, ...]
    attributes: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AudioLine:
    """The audio line that is used, at ``index``, and the peer's key where it is to be encrypted."""

    index: int
    endpoint: RtpEndpoint
    protocol: str
    crypto: Crypto | None


@dataclass(frozen=True, slots=True)
class OurAudio:
    """An audio line of ours: ``crypto`` are the keys that we offer, or the one that we answer with."""

    protocol: str = "RTP/AVP"
    crypto: tuple[Crypto, ...] = ()


@dataclass(slots=True)
class _Block:
    head: str
    host: str | None = None
    attributes: list[tuple[str, str]] = field(default_factory=list)


def parse_sdp(body: bytes) -> SessionDescription:
    """Read a session description. Raises ``BadSdp``."""
    if len(body) > MAX_BYTES:
        raise BadSdp("a session description larger than 16 kB")
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    if lines[0].strip() != "v=0":
        raise BadSdp("a session description that does not begin with v=0")
    blocks = [_Block("")]
    version = ("", "")
    for line in lines[1:]:
        kind, equals, value = line.partition("=")
        if not equals or len(kind) != 1:
            raise BadSdp("a line of the session description that is no line")
        value = value.strip()
        if kind == "m":
            if len(blocks) > MAX_MEDIA_LINES:
                raise BadSdp(f"more than {MAX_MEDIA_LINES} media lines")
            blocks.append(_Block(value))
        elif kind == "c":
            blocks[-1].host = _connection(value)
        elif kind == "a":
            name, _, text = value.partition(":")
            blocks[-1].attributes.append((name.lower(), text.strip()))
        elif kind == "o":
            version = _origin(value)
    session = blocks[0]
    return SessionDescription(version, tuple(_media(block, session.host) for block in blocks[1:]), tuple(session.attributes))


def _origin(value: str) -> tuple[str, str]:
    fields = value.split()
    if len(fields) != 6:
        raise BadSdp("an origin without six fields")
    return fields[1], fields[2]


def _connection(value: str) -> str:
    fields = value.split()
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in ("IP4", "IP6"):
        raise BadSdp("a connection line that names no internet address")
    return fields[2].split("/")[0]


def _media(block: _Block, session_host: str | None) -> MediaLine:
    fields = block.head.split()
    if len(fields) < 4:
        raise BadSdp("a media line without port, protocol or format")
    digits = fields[1].split("/")[0]
    if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) > 65535:
        raise BadSdp("a media line with an impossible port")
    formats = tuple(dict.fromkeys(fields[3:]))[:MAX_FORMATS]
    return MediaLine(fields[0], int(digits), fields[2], formats, block.host or session_host, tuple(block.attributes))


class _Unfit(Exception):
    """A media line that cannot be used; the message says why, as the end of a sentence."""


def audio_of(session: SessionDescription, srtp: SrtpMode = SrtpMode.OFF, *, keys_on_plain: bool = True) -> AudioLine:
    """The audio line to use: the first that can be encrypted where ``srtp`` is wanted, else the first.

    Its codecs are those that we know in the peer's order, with the peer's payload numbers. ``keys_on_plain``: believe keys on an RTP/AVP
    line too, which is how many phones offer encryption to those who may not know it. Raises ``NoCommonAudio``.
    """
    found, why = [], "no audio line in it"
    for index, line in enumerate(session.media):
        if line.kind == "audio":
            try:
                found.append(_audio_line(session, index, line, srtp, keys_on_plain))
            except _Unfit as unfit:
                why = str(unfit)
    if not found:
        raise NoCommonAudio(f"The session description cannot be used: {why}.")
    return next((line for line in found if line.crypto is not None), found[0])


def _audio_line(session: SessionDescription, index: int, line: MediaLine, srtp: SrtpMode, keys_on_plain: bool) -> AudioLine:
    if line.port == 0:
        raise _Unfit("its audio line is switched off (port 0)")
    if line.protocol not in _PLAIN and line.protocol not in _SECURE:
        raise _Unfit(f"its audio wants {line.protocol[:24]}, which is not spoken here: choose RTP/AVP or RTP/SAVP at the PBX")
    crypto = _crypto(line, srtp, keys_on_plain)
    codecs = _codecs(line)
    if not codecs:
        raise _Unfit("it offers no codec that we speak (Opus, G.722, G.711): allow one of them at the PBX")
    return AudioLine(index, _endpoint(session, line, codecs), line.protocol, crypto)


def _crypto(line: MediaLine, srtp: SrtpMode, keys_on_plain: bool) -> Crypto | None:
    """The key to take, None where the line goes in clear."""
    secure = line.protocol in _SECURE
    if srtp is SrtpMode.OFF and secure:
        raise _Unfit(f"its audio wants {line.protocol}, and encryption is off here: allow plain RTP at the PBX, or set srtp here")
    if srtp is not SrtpMode.OFF and (secure or keys_on_plain):
        try:
            return first_usable(line.all("crypto"))
        except Unusable as unusable:
            if secure:
                raise _Unfit(f"it has no key for {line.protocol} that can be used: {unusable}") from None
    if srtp is SrtpMode.REQUIRED:
        raise _Unfit("its audio is not encrypted, which is required here: allow SRTP (SDES) at the PBX")
    return None


def _endpoint(session: SessionDescription, line: MediaLine, codecs: tuple[AudioCodec, ...]) -> RtpEndpoint:
    if line.host is None:
        raise _Unfit("it says no address (no c= line)")
    try:
        unspecified = ipaddress.ip_address(line.host.replace("%", "/")).is_unspecified  # an interface of theirs says nothing here
    except ValueError:
        raise _Unfit("its address is a name, and a number is needed") from None
    direction = _direction(line, session)
    if unspecified:
        # The hold of RFC 2543: send nothing to us (RFC 3264, section 8.4).
        direction = Direction.SENDONLY if direction.sends else Direction.INACTIVE
    events = _events(line)
    endpoint = RtpEndpoint(
        line.host,
        line.port,
        codecs,
        events[0][0] if events else None,
        direction,
        _ptime(line),
        reports=_extended_reports(session, line),
        rtcp_port=_rtcp_port(line),
        rtcp_mux=bool(line.all("rtcp-mux")),
        comfort_noise=_COMFORT_NOISE in line.formats,
        events=events,
    )
    return endpoint.speaking(codecs)


def _rtcp_port(line: MediaLine) -> int:
    """``a=rtcp`` (RFC 3605), of the host that RTP goes to; 0 where it says nothing, or another host, to which we would have no reason."""
    for text in line.all("rtcp"):
        matched = _RTCP.fullmatch(text)
        if matched is not None and matched.group(2) in (None, line.host) and 1_024 <= int(matched.group(1)) <= 65_535:
            return int(matched.group(1))
    return 0


def _extended_reports(session: SessionDescription, line: MediaLine) -> frozenset[str]:
    """Which RTCP extended reports the peer wants (RFC 3611, section 5.1), of those that we know."""
    texts = line.all("rtcp-xr") + [text for name, text in session.attributes if name == "rtcp-xr"]
    return frozenset(word for text in texts for word in re.split("[ =]", text) if word in EXTENDED_REPORTS)


def _direction(line: MediaLine, session: SessionDescription) -> Direction:
    for attributes in (line.attributes, session.attributes):
        for name, _ in attributes:
            if name in _DIRECTIONS:
                return Direction(name)
    return Direction.SENDRECV


def _ptime(line: MediaLine) -> int:
    """Milliseconds that the peer wants packets to last: 20 where it does not say so, and no more than its ``maxptime``."""
    most = [int(text) for text in line.all("maxptime") if _PACKET_TIME.fullmatch(text)]
    wanted = [int(text) for text in line.all("ptime") if _PACKET_TIME.fullmatch(text)]
    return min(wanted[0] if wanted else 20, *most[:1], 200)


def _maps(line: MediaLine) -> dict[str, tuple[str, int, int]]:
    """Payload number -> (lower-case name, clock, channels), static numbers filled in."""
    maps = {number: known for number, known in _STATIC.items() if number in line.formats}
    for text in line.all("rtpmap"):
        matched = _RTPMAP.match(text)
        if matched is not None and int(matched.group(1)) < 128:
            maps[str(int(matched.group(1)))] = (matched.group(2).lower(), int(matched.group(3)), int(matched.group(4) or 1))
    return maps


def _formats_parameters(line: MediaLine, number: str) -> str:
    for text in line.all("fmtp"):
        of, _, parameters = text.partition(" ")
        if of == number:
            return parameters.strip()
    return ""


def _codecs(line: MediaLine) -> tuple[AudioCodec, ...]:
    maps = _maps(line)
    found = []
    for number in line.formats:
        name, clock, channels = maps.get(number, ("", 0, 0))
        known = KNOWN_CODECS.get(name)
        if known is not None and (known.clock_rate, known.channels) == (clock, channels):
            found.append(AudioCodec(name, int(number), clock, channels, _formats_parameters(line, number)))
    return tuple(found)


def _events(line: MediaLine) -> tuple[tuple[int, int], ...]:
    """Payload numbers and clocks of RFC 4733 events."""
    maps = _maps(line)
    return tuple((int(number), maps[number][1]) for number in line.formats if number in maps and maps[number][0] == "telephone-event")


def write_sdp(lines: Sequence[OurAudio | MediaLine], endpoint: RtpEndpoint, session_id: int, version: int) -> bytes:
    """Our description: the same ``endpoint`` on each audio line of ours, the others refused in their places (RFC 3264, section 6)."""
    written = _session_lines(endpoint.host, session_id, version)
    for line in lines:
        if isinstance(line, OurAudio):
            written += _audio_lines(endpoint, line)
        else:
            written.append(f"m={line.kind} 0 {line.protocol} {' '.join(line.formats)}")
    return ("\r\n".join(written) + "\r\n").encode()


def _session_lines(host: str, session_id: int, version: int) -> list[str]:
    address = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    return ["v=0", f"o=- {session_id} {version} {address}", "s=-", f"c={address}", "t=0 0"]


def _audio_lines(endpoint: RtpEndpoint, line: OurAudio) -> list[str]:
    numbers = [str(codec.payload_type) for codec in endpoint.codecs] + [str(number) for number, _ in endpoint.events]
    hums = endpoint.comfort_noise and any(codec.clock_rate == 8_000 for codec in endpoint.codecs)
    numbers += [_COMFORT_NOISE] if hums else []
    lines = [f"m=audio {endpoint.port} {line.protocol} {' '.join(numbers)}", *map(write_crypto, line.crypto)]
    for codec in endpoint.codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        spelled = codec.name if codec.name == "opus" else codec.name.upper()
        lines.append(f"a=rtpmap:{codec.payload_type} {spelled}/{codec.clock_rate}{channels}")
        if codec.fmtp:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
    for number, clock_hz in endpoint.events:
        lines += [f"a=rtpmap:{number} telephone-event/{clock_hz}", f"a=fmtp:{number} 0-15"]
    if hums:
        lines.append(f"a=rtpmap:{_COMFORT_NOISE} CN/8000")
    if endpoint.rtcp_mux:
        lines.append("a=rtcp-mux")
    if endpoint.reports:
        lines.append("a=rtcp-xr:" + " ".join(word for word in ("voip-metrics", "rcvr-rtt=all") if word.split("=")[0] in endpoint.reports))
    return [*lines, f"a=ptime:{endpoint.ptime_ms}", f"a={endpoint.direction}"]


def offered_events(endpoint: RtpEndpoint) -> tuple[tuple[int, int], ...]:
    """Telephone events for an offer: one for each clock of its codecs (RFC 4733, section 2.5.1.2), and that of 8 kHz, which is all that
    many phones know, whatever the codec beside it.
    """
    if endpoint.dtmf_payload_type is None:
        return ()
    taken = {codec.payload_type for codec in endpoint.codecs}
    numbers = (number for number in range(endpoint.dtmf_payload_type, 128) if number not in taken)
    return tuple(zip(numbers, sorted({8_000, *(codec.clock_rate for codec in endpoint.codecs)}), strict=False))


def renumbered(ours: RtpEndpoint, offered: RtpEndpoint, *, direction: Direction, comfort_noise: bool) -> RtpEndpoint:
    """Our codecs as an answer: those that were offered too, in our order, under the peer's payload numbers. Raises ``NoCommonAudio``."""
    numbers = {codec.name: codec.payload_type for codec in offered.codecs}
    codecs = tuple(
        codec if codec.payload_type == numbers[codec.name] else replace(codec, payload_type=numbers[codec.name])
        for codec in ours.codecs
        if codec.name in numbers
    )
    if not codecs:
        raise NoCommonAudio("The phone offers none of the codecs that this call may use.")
    number = offered.speaking(codecs).dtmf_payload_type
    events = tuple(event for event in offered.events if event[0] == number)
    return replace(
        ours,
        codecs=codecs,
        dtmf_payload_type=number,
        direction=direction,
        events=events,
        reports=ours.reports & offered.reports,
        rtcp_mux=ours.rtcp_mux and offered.rtcp_mux,
        comfort_noise=comfort_noise and offered.comfort_noise,
    )
