"""Video lines of an offer, and of our answer (RFC 8829, 8852, 8853, 4588, 4585). Pure; an attribute that cannot be read is left out.

A browser offers; each line that sends is one picture of its own (camera or screen, perhaps in several simulcast layers), each that
receives is a place for one picture of somebody else. We take VP8 and H.264 (constrained baseline, packetization-mode 1).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from media.video.extensions import OURS
from rooms.audio import Direction

_MOST_LINES_KEPT = 120
"""Attribute lines of one media section that are looked at."""
_MOST_LAYERS = 3
_MOST_SSRCS = 16
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_KEPT = ("mid:", "rtpmap:", "fmtp:", "rtcp-fb:", "extmap:", "rid:", "simulcast:", "ssrc:", "ssrc-group:", "rtcp-mux", "rtcp-rsize")
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
_DIRECTIONS = tuple(Direction)
CLOCK_HZ = 90_000


class VideoFormat(NamedTuple):
    """``name``: ``vp8`` or ``h264``. ``repair``: the payload type of its retransmissions (RFC 4588), or None."""

    name: str
    payload_type: int
    repair: int | None
    fmtp: str
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VideoLine:
    """``direction`` as the browser sees it. ``layers``: rids of what it sends, the lowest first; empty: one stream.

    ``extensions``: ids by URI, ours only. ``ssrcs``: what it announces for media, not for repair.
    """

    mid: str
    direction: Direction
    formats: tuple[VideoFormat, ...]
    extensions: dict[str, int]
    layers: tuple[str, ...]
    ssrcs: tuple[int, ...]
    reduced_size: bool


class SlotSources(NamedTuple):
    """Our SSRCs on a line that the browser receives: the picture's and its repair's."""

    ssrc: int
    repair: int


def read_lines(sdp: str) -> dict[int, VideoLine]:
    """The video lines that can be answered, by their index among all media lines."""
    found: dict[int, VideoLine] = {}
    for index, section in enumerate(_sections(sdp)):
        if section[0].startswith("m=video "):
            line = _line(section)
            if line is not None:
                found[index] = line
    return found


def _sections(sdp: str) -> Iterator[list[str]]:
    section: list[str] = []
    for text in sdp.splitlines():
        if text.startswith("m="):
            if section:
                yield section
            section = [text]
        elif section and len(section) < _MOST_LINES_KEPT and text.startswith("a=") and text[2:].startswith((*_KEPT, *_DIRECTIONS)):
            section.append(text)
    if section:
        yield section


def _line(section: list[str]) -> VideoLine | None:
    attributes: dict[str, list[str]] = {}
    direction = Direction.SENDRECV
    for text in section[1:]:
        name, _, value = text[2:].partition(":")
        if name in _DIRECTIONS:
            direction = Direction(name)
        attributes.setdefault(name, []).append(value)
    formats = _formats(section[0].split(" ")[3:], attributes)
    mid = attributes.get("mid", [""])[0]
    if not formats or not mid or "rtcp-mux" not in attributes:
        return None
    repairs = {words[2] for words in _words(attributes, "ssrc-group") if words[0] == "FID" and len(words) == 3}
    ssrcs = dict.fromkeys(int(words[0]) for words in _words(attributes, "ssrc") if words[0].isdecimal() and words[0] not in repairs)
    return VideoLine(
        mid=mid,
        direction=direction,
        formats=formats,
        extensions=_extensions(attributes),
        layers=_layers(attributes) if direction.sends else (),
        ssrcs=tuple(ssrcs)[:_MOST_SSRCS],
        reduced_size="rtcp-rsize" in attributes,
    )


def _words(attributes: dict[str, list[str]], name: str) -> Iterator[list[str]]:
    return (words for value in attributes.get(name, ()) if (words := value.split()))


def _formats(offered: list[str], attributes: dict[str, list[str]]) -> tuple[VideoFormat, ...]:
    names = {words[0]: words[1].lower() for words in _words(attributes, "rtpmap") if len(words) > 1}
    parameters = {words[0]: words[1] for words in _words(attributes, "fmtp") if len(words) > 1}
    feedback: dict[str, list[str]] = {}
    for words in _words(attributes, "rtcp-fb"):
        feedback.setdefault(words[0], []).append(" ".join(words[1:]))
    found: dict[str, VideoFormat] = {}
    for number in offered:
        name, fmtp = names.get(number, "").partition("/")[0], parameters.get(number, "")
        if not number.isdecimal() or int(number) > 127 or name in found or not _is_ours(names.get(number, ""), fmtp):
            continue
        repair = next((other for other in offered if names.get(other) == "rtx/90000" and parameters.get(other) == f"apt={number}"), None)
        agreed = tuple(wish for wish in _FEEDBACK if wish in feedback.get(number, ()) or wish in feedback.get("*", ()))
        found[name] = VideoFormat(name, int(number), int(repair) if repair is not None else None, fmtp, agreed)
    return tuple(found.values())


def _is_ours(name: str, fmtp: str) -> bool:
    if name == "vp8/90000":
        return True
    return name == "h264/90000" and "packetization-mode=1" in fmtp and "profile-level-id=42" in fmtp.lower()


def _extensions(attributes: dict[str, list[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for words in _words(attributes, "extmap"):
        number = words[0].partition("/")[0]
        if len(words) > 1 and words[1] in OURS and number.isdecimal() and 1 <= int(number) <= 14:
            found[words[1]] = int(number)
    return found


def _layers(attributes: dict[str, list[str]]) -> tuple[str, ...]:
    """The rids that ``a=simulcast:send`` names; browsers list the lowest first when pages do."""
    for words in _words(attributes, "simulcast"):
        if words[0] == "send" and len(words) > 1:
            named = [layer.split(",")[0].lstrip("~") for layer in words[1].split(";")]
            known = {rid[0] for rid in _words(attributes, "rid") if len(rid) > 1 and rid[1] == "send"}
            return tuple(name for name in named if name in known and _RID.fullmatch(name))[:_MOST_LAYERS]
    return ()


def answer_attributes(line: VideoLine, sources: SlotSources, cname: str) -> list[str]:
    """What our answer says of a line beside its transport. ``sources``: ours, told where the browser receives."""
    out = [f"a={line.direction.mirrored}", f"a=mid:{line.mid}", "a=rtcp-mux"]
    if line.reduced_size:
        out.append("a=rtcp-rsize")
    for each in line.formats:
        out.append(f"a=rtpmap:{each.payload_type} {each.name.upper()}/{CLOCK_HZ}")
        out += [f"a=rtcp-fb:{each.payload_type} {wish}" for wish in each.feedback]
        if each.fmtp:
            out.append(f"a=fmtp:{each.payload_type} {each.fmtp}")
        if each.repair is not None:
            out += [f"a=rtpmap:{each.repair} rtx/{CLOCK_HZ}", f"a=fmtp:{each.repair} apt={each.payload_type}"]
    out += [f"a=extmap:{number} {uri}" for uri, number in line.extensions.items()]
    if line.layers:
        out += [f"a=rid:{rid} recv" for rid in line.layers]
        out.append(f"a=simulcast:recv {';'.join(line.layers)}")
    if line.direction.receives:
        out.append(f"a=msid:{cname} {line.mid}")
        repaired = any(each.repair is not None for each in line.formats)
        if repaired:
            out.append(f"a=ssrc-group:FID {sources.ssrc} {sources.repair}")
        # Browsers take the first that is described for the picture.
        out += [f"a=ssrc:{ssrc} cname:{cname}" for ssrc in (sources if repaired else sources[:1])]
    return out


def payload_types(formats: Iterable[VideoFormat]) -> str:
    """The formats of an ``m=`` line."""
    return " ".join(str(number) for each in formats for number in (each.payload_type, each.repair) if number is not None)
