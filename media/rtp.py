"""RTP headers and telephone events as bytes: RFC 3550 section 5.1, RFC 5761 section 4, RFC 4733 section 2.3.

This is the hot path: nothing here raises on bytes from the network. A malformed packet is ``None``, and the caller counts it.
"""

from struct import Struct
from typing import NamedTuple

HEADER_BYTES = 12
MAX_PACKET_BYTES = 1_350
"""Longest RTP packet we send or accept: what SRTP's trailer leaves of an Ethernet frame (1500 - IPv6 40 - UDP 8 - trailer 100)."""

COMFORT_NOISE = 13
"""Static payload type of RFC 3389; some phones send it unasked. It says only that the far end is silent."""

_HEADER = Struct("!BBHII")
_EVENT = Struct("!BBH")
_VERSION_2 = 0x80
_SIMPLE = _VERSION_2  # no padding, no extension, no CSRC
DIGITS = "0123456789*#ABCD"


class RtpHeader(NamedTuple):
    """One packet's header and where its payload lies: ``packet[payload_start:payload_end]``.

    ``sequence`` is 16 bits, ``timestamp`` and ``ssrc`` 32 bits, unsigned.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload_start: int
    payload_end: int


def parse(packet: bytes) -> RtpHeader | None:
    """The header of an RTP packet, CSRCs and extensions skipped, padding taken off; None when it is malformed (RFC 3550, 5.1 and A.1)."""
    size = len(packet)
    if size < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    if first == _SIMPLE:
        return RtpHeader(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, HEADER_BYTES, size)
    bounds = _payload_bounds(packet, first, size)
    if bounds is None:
        return None
    return RtpHeader(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, bounds[0], bounds[1])


def _payload_bounds(packet: bytes, first: int, size: int) -> tuple[int, int] | None:
    if first >> 6 != 2:
        return None
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        padding = packet[-1]
        if padding == 0:
            return None
        end -= padding
    return (start, end) if start <= end else None


def is_rtcp(packet: bytes) -> bool:
    """Whether a packet on a shared port is RTCP: its second byte is 192-223 (RFC 5761, section 4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223


def build(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False) -> bytes:
    """A packet without extensions. ``sequence`` and ``timestamp`` may be unwrapped; they are cut to 16 and 32 bits."""
    second = payload_type | 0x80 if marker else payload_type
    return _HEADER.pack(_VERSION_2, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def rewrite(
    packet: bytes,
    header: RtpHeader,
    *,
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    marker: bool | None = None,
) -> bytes:
    """The same payload under another header. CSRCs, extensions (their ids differ per peer) and padding are left behind."""
    if header.marker if marker is None else marker:
        payload_type |= 0x80
    return (
        _HEADER.pack(_VERSION_2, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        + packet[header.payload_start : header.payload_end]
    )


def sequence_difference(later: int, earlier: int) -> int:
    """How far ``later`` is ahead of ``earlier`` on the 16-bit circle, -32768..32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_difference(later: int, earlier: int) -> int:
    """How far ``later`` is ahead of ``earlier`` on the 32-bit circle, in RTP clock units, -2**31..2**31-1."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class Unwrapper:
    """Turns a counter of ``bits`` bits that wraps into an integer that does not, each value nearest to the newest one.

    Starts one turn above zero, so that what came just before the first value stays positive.
    """

    __slots__ = ("_half", "_mask", "_newest")

    def __init__(self, bits: int = 16) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self._newest: int | None = None

    def unwrap(self, value: int) -> int:
        newest = self._newest
        if newest is None:
            self._newest = value + self._mask + 1
            return self._newest
        unwrapped = newest + ((value - newest + self._half) & self._mask) - self._half
        if unwrapped > newest:
            self._newest = unwrapped
        return unwrapped


class TelephoneEvent(NamedTuple):
    """One RFC 4733 report. ``duration`` is in RTP clock units since the packet's timestamp, ``volume`` in -dBm0 (0-63)."""

    digit: str
    end: bool
    duration: int
    volume: int = 10


def build_event(event: TelephoneEvent) -> bytes:
    """The four payload bytes of RFC 4733, section 2.3. ``digit`` is one of ``DIGITS``."""
    return _EVENT.pack(DIGITS.index(event.digit), (0x80 if event.end else 0) | (event.volume & 0x3F), min(event.duration, 0xFFFF))


def parse_event(payload: bytes) -> TelephoneEvent | None:
    """The first event of a payload; None when it is too short or no DTMF digit (flash and tones are not ours)."""
    if len(payload) < 4:
        return None
    code, flags, duration = _EVENT.unpack_from(payload)
    if code >= len(DIGITS):
        return None
    return TelephoneEvent(DIGITS[code], flags > 0x7F, duration, flags & 0x3F)
