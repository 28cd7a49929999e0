"""A browser's offer read, and our answer to it: SDP for ICE-lite, BUNDLE and DTLS-SRTP (RFC 8829, 8839, 8842, 8843, 9429).

Pure. ``aiortc.sdp`` parses; what an offer may cost is bounded before that, and every refusal says whose fault it is and what to do.
The first audio line is answered, and in a consultation the video lines of its BUNDLE; other media lines are refused the way SDP means it,
with port 0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiortc import sdp as aiortc_sdp

from media.dtls import FINGERPRINT_ALGORITHMS
from media.messages import MediaRefusal
from media.video.lines import SlotSources, VideoLine, answer_attributes, payload_types, read_lines
from rooms.audio import KNOWN_CODECS, AudioCodec, Direction

MAX_OFFER_BYTES = 61_440
"""Room for 1,000 candidates, which nobody needs: we learn addresses from checks and never read them."""
MAX_MEDIA_LINES = 16
_MAX_KEPT_LINES = 400
LONGEST_PACKET_MS = 120
"""So long may packets be that we are sent (RFC 6716, section 3.2.5; we hold all codecs to it)."""
_TELEPHONE_EVENT = "telephone-event"
# The attributes we act upon. The others never reach the parser: it is quadratic in some of them.
_SESSION_ATTRIBUTES = ("group:BUNDLE", "fingerprint:", "setup:", "ice-ufrag:", "ice-pwd:")
_MEDIA_ATTRIBUTES = ("mid:", "fingerprint:", "setup:", "ice-ufrag:", "ice-pwd:")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_AUDIO_ATTRIBUTES = (*_MEDIA_ATTRIBUTES, "rtpmap:", "fmtp:", "ptime:", "maxptime:", "rtcp-mux", *_DIRECTIONS)
_KINDS = frozenset(("audio", "video", "application", "text", "message", "image"))
_MID = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,32}")
_PACKET_TIME = re.compile(r"^a=(ptime|maxptime):([1-9][0-9]{1,2})\s*$", re.MULTILINE)
_ICE_FRAGMENT = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
# What aiortc's parser raises on lines it cannot read; it checks with bare asserts and tuple unpacking.
_PARSER_FAULTS = (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration)


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One ``m=`` line as it must come back in the answer."""

    kind: str
    protocol: str
    formats: str
    mid: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What we need of an offer. ``codecs``: those of ours it names, with the browser's payload types and parameters, in its order.

    ``events``: (clock rate in Hz, payload type) of RFC 4733 telephone events. ``direction`` is seen from the browser. ``setup`` is
    ``actpass``, ``active`` or ``passive``. ``fingerprints``: (algorithm, value), only algorithms we can check.
    """

    lines: tuple[MediaLine, ...]
    audio: int
    bundled: bool
    direction: Direction
    codecs: tuple[AudioCodec, ...]
    events: tuple[tuple[int, int], ...]
    fragment: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    video: dict[int, VideoLine] = field(default_factory=dict)
    """Video lines that can be answered, by index; all in the audio's BUNDLE."""
    packet_ms: int = 20
    """How long it wants our packets of audio to be, and no longer than it takes (``ptime``, ``maxptime``; RFC 8866, section 6.4)."""
    candidates: int = 0
    """How many candidates it came with; mDNS names, private and loopback addresses among them are nobody's to try."""

    def event_payload_type(self, clock_rate: int) -> int | None:
        """The telephone-event payload type for a codec of this clock (RFC 4733 wants the same clock), else any, else None."""
        found = dict(reversed(self.events))
        return found.get(clock_rate, self.events[0][1] if self.events else None)


@dataclass(frozen=True, slots=True)
class OpusPreferences:
    """What we ask the browser's Opus encoder to do (RFC 7587, section 7). ``max_average_bitrate``: bit/s, None = its own choice."""

    fec: bool = True
    dtx: bool = False
    max_average_bitrate: int | None = None

    @property
    def fmtp(self) -> str:
        parts = ["minptime=10", f"useinbandfec={int(self.fec)}"]
        if self.dtx:
            parts.append("usedtx=1")
        if self.max_average_bitrate is not None:
            parts.append(f"maxaveragebitrate={self.max_average_bitrate}")
        return ";".join(parts)


@dataclass(frozen=True, slots=True)
class LocalSide:
    """Our half of the answer. ``candidates``, and ``tcp_candidates`` for who cannot use UDP: (address, port), most wanted first.

    ``setup``: ``active`` or ``passive``.

    ``version`` counts the answers of this session (RFC 3264, section 8). ``video``: our sources on each video line, by mid; lines
    that are not named are refused.
    """

    fragment: str
    password: str
    fingerprint: str
    candidates: tuple[tuple[str, int], ...]
    ssrc: int
    cname: str
    setup: str = "active"
    session_id: int = 1
    version: int = 1
    opus: OpusPreferences = OpusPreferences()
    tcp_candidates: tuple[tuple[str, int], ...] = ()
    video: Mapping[str, SlotSources] = field(default_factory=dict)


def read_offer(sdp: str) -> Offer:
    """Read and check an offer. Raises MediaRefusal, whose code is stable and whose message says what to change."""
    kept = _kept(sdp)
    session = _parse(kept)
    bundle = {str(mid) for group in session.group for mid in group.items}
    usable = (i for i, media in enumerate(session.media) if media.kind == "audio" and (media.port or media.rtp.muxId in bundle))
    index = next(usable, None)
    if index is None:
        raise MediaRefusal("no_audio", "The offer has no audio line: the page must add a microphone track or an audio transceiver first.")
    audio = session.media[index]
    transport = _transport(session, audio, bundle)
    if not audio.rtcp_mux:
        raise MediaRefusal(
            "no_rtcp_mux", "The offer's audio line has no a=rtcp-mux: the browser must use rtcpMuxPolicy 'require', its default."
        )
    fragment, password = _credentials(transport)
    fingerprints, setup = _dtls(transport)
    codecs, events = _formats(audio)
    if not codecs:
        ours = ", ".join(KNOWN_CODECS)
        raise MediaRefusal("no_shared_codec", f"The offer's audio line has none of our codecs ({ours}): the page must not remove them.")
    lines = tuple(_line(media) for media in session.media)
    bundled = lines[index].mid in bundle
    return Offer(
        lines=lines,
        audio=index,
        bundled=bundled,
        direction=Direction(audio.direction or "sendrecv"),
        codecs=codecs,
        events=events,
        fragment=fragment,
        password=password,
        fingerprints=fingerprints,
        setup=setup,
        packet_ms=_packet_ms(kept, index),
        candidates=sdp.count("\na=candidate:"),
        video={number: line for number, line in read_lines(sdp).items() if bundled and line.mid in bundle and number < len(lines)},
    )


def _packet_ms(sdp: str, index: int) -> int:
    """Of the media line ``index``: what it wants, 20 ms where it does not say so, and no more than it takes."""
    line = re.split(r"^m=", sdp, flags=re.MULTILINE)[index + 1]
    found = {name: int(number) for name, number in _PACKET_TIME.findall(line)}
    return min(found.get("ptime", 20), found.get("maxptime", 120))


def _kept(sdp: str) -> str:
    if len(sdp) > MAX_OFFER_BYTES:
        raise MediaRefusal(
            "sdp_too_large", f"The offer has {len(sdp)} characters, we read at most {MAX_OFFER_BYTES}: this is no softphone's offer."
        )
    lines_of_media = sdp.count("\nm=") + sdp.startswith("m=")
    if lines_of_media > MAX_MEDIA_LINES:
        raise MediaRefusal(
            "too_many_media_lines",
            f"The offer has {lines_of_media} media lines, we take at most {MAX_MEDIA_LINES}: "
            "close unused transceivers or start a new connection.",
        )
    kept: list[str] = []
    wanted: tuple[str, ...] = _SESSION_ATTRIBUTES
    for line in sdp.splitlines():
        if line.startswith("m="):
            wanted = _AUDIO_ATTRIBUTES if line.startswith("m=audio ") else _MEDIA_ATTRIBUTES
            kept.append(line)
        elif line.startswith("a=") and line.startswith(wanted, 2):
            kept.append(line)
    if len(kept) > _MAX_KEPT_LINES:
        raise MediaRefusal("sdp_too_large", f"The offer has more than {_MAX_KEPT_LINES} lines that matter: this is no softphone's offer.")
    return "\r\n".join(kept)


def _parse(sdp: str) -> aiortc_sdp.SessionDescription:
    try:
        return aiortc_sdp.SessionDescription.parse(sdp)
    except _PARSER_FAULTS:
        raise MediaRefusal("sdp_malformed", "The offer is not SDP that we can read: send what createOffer() gave, unchanged.") from None


def _line(media: aiortc_sdp.MediaDescription) -> MediaLine:
    mid = media.rtp.muxId or None
    if media.kind not in _KINDS or (mid is not None and not _MID.fullmatch(mid)):
        raise MediaRefusal(
            "sdp_malformed", "The offer has a media line of an unknown kind or a bad mid: send what createOffer() gave, unchanged."
        )
    return MediaLine(media.kind, media.profile, " ".join(map(str, media.fmt)), mid)


def _transport(session: aiortc_sdp.SessionDescription, audio: aiortc_sdp.MediaDescription, bundle: set[str]) -> aiortc_sdp.MediaDescription:
    """The media line that describes the audio's transport: itself, or, in a BUNDLE, the one that speaks for all (RFC 8843, section 7.1)."""
    if audio.rtp.muxId in bundle:
        described = (media for media in session.media if media.rtp.muxId in bundle and media.ice is not None and media.ice.usernameFragment)
        return audio if audio.ice is not None and audio.ice.usernameFragment else next(described, audio)
    return audio


def _credentials(audio: aiortc_sdp.MediaDescription) -> tuple[str, str]:
    ice = audio.ice
    fragment, password = (ice.usernameFragment or "", ice.password or "") if ice is not None else ("", "")
    if not _ICE_FRAGMENT.fullmatch(fragment) or not _ICE_PASSWORD.fullmatch(password):
        raise MediaRefusal("no_ice", "The offer's audio line has no valid ice-ufrag and ice-pwd: send what createOffer() gave, unchanged.")
    return fragment, password


def _dtls(audio: aiortc_sdp.MediaDescription) -> tuple[tuple[tuple[str, str], ...], str]:
    found = audio.dtls.fingerprints if audio.dtls is not None else []
    fingerprints = tuple((f.algorithm.lower(), f.value) for f in found if f.algorithm.lower() in FINGERPRINT_ALGORITHMS)
    if audio.dtls is None or not fingerprints or "SAVP" not in audio.profile:
        raise MediaRefusal(
            "no_dtls",
            "The offer has no DTLS fingerprint (sha-256, sha-384 or sha-512) with a setup role for its audio: "
            "unencrypted media is not accepted, use a browser that speaks DTLS-SRTP.",
        )
    return fingerprints, aiortc_sdp.DTLS_ROLE_SETUP[audio.dtls.role]


def _formats(audio: aiortc_sdp.MediaDescription) -> tuple[tuple[AudioCodec, ...], tuple[tuple[int, int], ...]]:
    codecs: list[AudioCodec] = []
    events: list[tuple[int, int]] = []
    by_type = {codec.payloadType: codec for codec in audio.rtp.codecs}
    for payload_type in audio.fmt:
        offered = by_type.get(payload_type)
        name = offered.mimeType.partition("/")[2].lower() if offered else _STATIC_NAMES.get(payload_type, "")
        known = KNOWN_CODECS.get(name)
        if offered is not None and name == _TELEPHONE_EVENT:
            events.append((offered.clockRate, payload_type))
        elif known is None or any(codec.name == name for codec in codecs):
            continue
        elif offered is None or offered.clockRate == known.clock_rate:
            fmtp = aiortc_sdp.parameters_to_sdp(offered.parameters) if offered else ""
            codecs.append(AudioCodec(name, payload_type, known.clock_rate, known.channels, fmtp))
    return tuple(codecs), tuple(events)


_STATIC_NAMES = {codec.payload_type: codec.name for codec in KNOWN_CODECS.values() if codec.payload_type < 96}


def choose_codecs(offer: Offer, order: tuple[str, ...]) -> tuple[AudioCodec, ...]:
    """The codecs both sides have, in our order, under the browser's payload types. Raises MediaRefusal when there is none."""
    offered = {codec.name: codec for codec in offer.codecs}
    chosen = tuple(offered[name] for name in dict.fromkeys(order) if name in offered)
    if not chosen:
        raise MediaRefusal(
            "no_shared_codec",
            f"We wanted {', '.join(order)} and the browser offered {', '.join(offered)}: allow one more codec on either side.",
        )
    return chosen


def write_answer(offer: Offer, codecs: tuple[AudioCodec, ...], local: LocalSide) -> str:
    """Our answer: ``codecs`` (see ``choose_codecs``) on the first audio line, the video lines of ``local``, every other line refused."""
    host, _ = local.candidates[0]
    address = f"IN IP{6 if ':' in host else 4} {host}"
    out = ["v=0", f"o=- {local.session_id} {local.version} {address}", "s=-", "t=0 0", "a=ice-lite"]
    video = {index: line for index, line in offer.video.items() if line.mid in local.video}
    if offer.bundled:
        taken = [str(line.mid) for index, line in enumerate(offer.lines) if index == offer.audio or index in video]
        out.append(f"a=group:BUNDLE {' '.join(taken)}")
    out.append("a=msid-semantic: WMS *")
    for index, line in enumerate(offer.lines):
        if index == offer.audio:
            out += _audio_section(offer, line, codecs, local, address)
        elif index in video:
            out += [f"m=video {local.candidates[0][1]} {line.protocol} {payload_types(video[index].formats)}", f"c={address}"]
            out += answer_attributes(video[index], local.video[video[index].mid], local.cname)
            out += [*_transport_attributes(local), *_candidates(local)]
        else:
            out += [f"m={line.kind} 0 {line.protocol} {line.formats}", f"c={address}", "a=inactive"]
            if line.mid is not None:
                out.append(f"a=mid:{line.mid}")
    return "\r\n".join(out) + "\r\n"


def _audio_section(offer: Offer, line: MediaLine, codecs: tuple[AudioCodec, ...], local: LocalSide, address: str) -> list[str]:
    direction = offer.direction.mirrored
    formats = [str(codec.payload_type) for codec in codecs] + [str(payload_type) for _, payload_type in offer.events]
    out = [f"m=audio {local.candidates[0][1]} {line.protocol} {' '.join(formats)}", f"c={address}", f"a={direction}"]
    if line.mid is not None:
        out.append(f"a=mid:{line.mid}")
    out += ["a=rtcp-mux", *_transport_attributes(local)]
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        name = codec.name if codec.name == "opus" else codec.name.upper()
        out.append(f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}")
        if codec.name == "opus":
            out.append(f"a=fmtp:{codec.payload_type} {local.opus.fmtp}")
    for clock_rate, payload_type in offer.events:
        out += [f"a=rtpmap:{payload_type} {_TELEPHONE_EVENT}/{clock_rate}", f"a=fmtp:{payload_type} 0-15"]
    out += ["a=ptime:20", f"a=maxptime:{LONGEST_PACKET_MS}"]
    if direction.sends:
        out += [f"a=msid:{local.cname} audio", f"a=ssrc:{local.ssrc} cname:{local.cname}", f"a=ssrc:{local.ssrc} msid:{local.cname} audio"]
    out += _candidates(local)
    return out


def _transport_attributes(local: LocalSide) -> list[str]:
    return [
        f"a=ice-ufrag:{local.fragment}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{local.setup}",
    ]


def _candidates(local: LocalSide) -> list[str]:
    """Host candidates of component 1, and the end of them.

    RFC 8445, section 5.1.2: type preference 126; RFC 6544, section 4.2: a lower one by TCP, where passive ones have direction preference 4.
    """
    out = []
    for index, (host, port) in enumerate(local.candidates):
        priority = 126 << 24 | (65_535 - index) << 8 | 255
        out.append(f"a=candidate:{index + 1} 1 udp {priority} {host} {port} typ host")
    for index, (host, port) in enumerate(local.tcp_candidates):
        priority = 90 << 24 | (4 << 13 | 8_191 - index) << 8 | 255
        out.append(f"a=candidate:{len(local.candidates) + index + 1} 1 tcp {priority} {host} {port} typ host tcptype passive")
    return [*out, "a=end-of-candidates"]
