"""RTCP feedback of video as bytes: NACK, FIR, REMB and transport-wide arrival times.

RFC 4585 section 6.2.1, RFC 5104 section 4.3.1, draft-alvestrand-rmcat-remb-03, draft-holmer-rmcat-transport-wide-cc-extensions-01
section 3.1; PLI is in ``media/rtcp.py``. Nothing here raises on bytes from the network.
"""

from dataclasses import dataclass
from struct import Struct

from media.rtcp import PSFB, PictureLoss, Report, framed, packets, parse_one

RTPFB = 205
_NACK_FORMAT, _TRANSPORT_FORMAT = 1, 15
_FIR_FORMAT, _APPLICATION_FORMAT = 4, 15
_TWO_WORDS = Struct("!II")
_NACK_ITEM = Struct("!HH")
_FIR_ITEM = Struct("!IB3x")
_TRANSPORT = Struct("!IIHHI")
_HALF = Struct("!H")
_DELTA = Struct("!h")
_REMB = b"REMB"
_TICK_S = 0.000_25
_REFERENCE_S = 0.064
_MOST_STATUSES = 4_096


@dataclass(frozen=True, slots=True)
class Nack:
    """``sequences``: numbers (16 bits) of packets of ``media_ssrc`` that are missing."""

    sender_ssrc: int
    media_ssrc: int
    sequences: tuple[int, ...]

    def to_bytes(self) -> bytes:
        items: list[tuple[int, int]] = []
        for sequence in self.sequences:
            ahead = (sequence - items[-1][0]) & 0xFFFF if items else 0
            if items and 1 <= ahead <= 16:
                items[-1] = (items[-1][0], items[-1][1] | 1 << (ahead - 1))
            else:
                items.append((sequence, 0))
        body = _TWO_WORDS.pack(self.sender_ssrc, self.media_ssrc) + b"".join(_NACK_ITEM.pack(*item) for item in items)
        return framed(RTPFB, _NACK_FORMAT, body)


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """``requests``: (SSRC, command number); a number seen before is a repetition and asks for nothing new."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]

    def to_bytes(self) -> bytes:
        items = b"".join(_FIR_ITEM.pack(ssrc, number) for ssrc, number in self.requests)
        return framed(PSFB, _FIR_FORMAT, _TWO_WORDS.pack(self.sender_ssrc, 0) + items)


@dataclass(frozen=True, slots=True)
class MaximumBitrate:
    """REMB: what a receiver can take of these sources together, bit/s."""

    sender_ssrc: int
    bitrate: int
    ssrcs: tuple[int, ...]

    def to_bytes(self) -> bytes:
        exponent = max(0, self.bitrate.bit_length() - 18)
        rate = len(self.ssrcs) << 24 | exponent << 18 | self.bitrate >> exponent
        words = b"".join(word.to_bytes(4, "big") for word in (rate, *self.ssrcs))
        return framed(PSFB, _APPLICATION_FORMAT, _TWO_WORDS.pack(self.sender_ssrc, 0) + _REMB + words)


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets of consecutive transport-wide numbers arrived, from ``base`` (16 bits) on, in s on the receiver's clock; None: not yet.

    ``count`` (8 bits) numbers these messages. Times are exact to 250 µs and the clock wraps after 12 days.
    """

    sender_ssrc: int
    media_ssrc: int
    base: int
    arrivals_s: tuple[float | None, ...]
    count: int

    def to_bytes(self) -> bytes:
        """The statuses as vectors of seven two-bit symbols. Arrivals more than 8 s apart are told as not arrived."""
        reference = int(next((arrival for arrival in self.arrivals_s if arrival is not None), 0.0) / _REFERENCE_S)
        before = reference * 256
        symbols: list[int] = []
        deltas: list[bytes] = []
        for arrival_s in self.arrivals_s:
            ticks = round(arrival_s / _TICK_S) - before if arrival_s is not None else None
            if ticks is None or not -0x8000 <= ticks <= 0x7FFF:
                symbols.append(0)
                continue
            before += ticks
            small = 0 <= ticks <= 255
            symbols.append(1 if small else 2)
            deltas.append(bytes((ticks,)) if small else _DELTA.pack(ticks))
        head = _TRANSPORT.pack(self.sender_ssrc, self.media_ssrc, self.base, len(symbols), (reference & 0xFFFFFF) << 8 | self.count & 0xFF)
        body = head + _vectors(symbols) + b"".join(deltas)
        padding = -len(body) % 4
        if not padding:
            return framed(RTPFB, _TRANSPORT_FORMAT, body)
        whole = framed(RTPFB, _TRANSPORT_FORMAT, body + bytes(padding - 1) + bytes((padding,)))
        return bytes((whole[0] | 0x20,)) + whole[1:]


Feedback = Report | Nack | FullIntraRequest | MaximumBitrate | TransportFeedback


def parse(packet: bytes) -> list[Feedback] | None:
    """All packets of a compound that we know, reports included, in order; None when any of it is malformed."""
    found: list[Feedback] = []
    split = packets(packet)
    if split is None:
        return None
    for packet_type, count, body in split:
        some = _parse_one(packet_type, count, body)
        if some is None:
            return None
        found.extend(some)
    return found


def _parse_one(packet_type: int, count: int, body: bytes) -> "list[Feedback] | list[Report] | None":
    if packet_type == RTPFB and count == _NACK_FORMAT:
        return _parse_nack(body)
    if packet_type == RTPFB and count == _TRANSPORT_FORMAT:
        return _parse_transport(body)
    if packet_type == PSFB and count == _FIR_FORMAT:
        return _parse_fir(body)
    if packet_type == PSFB and count == _APPLICATION_FORMAT:
        return _parse_remb(body)
    return parse_one(packet_type, count, body)


def _parse_nack(body: bytes) -> list[Feedback] | None:
    if len(body) < 12 or len(body) % 4:
        return None
    sender, media = _TWO_WORDS.unpack_from(body)
    sequences: list[int] = []
    for position in range(8, len(body), 4):
        first, following = _NACK_ITEM.unpack_from(body, position)
        sequences.append(first)
        sequences += [(first + bit + 1) & 0xFFFF for bit in range(16) if following >> bit & 1]
    return [Nack(sender, media, tuple(sequences))]


def _parse_fir(body: bytes) -> list[Feedback] | None:
    if len(body) < 16 or len(body) % 8:
        return None
    sender, _ = _TWO_WORDS.unpack_from(body)
    return [FullIntraRequest(sender, tuple(_FIR_ITEM.unpack_from(body, position) for position in range(8, len(body), 8)))]


def _parse_remb(body: bytes) -> list[Feedback] | None:
    if body[8:12] != _REMB:
        return []
    if len(body) < 16 or len(body) != 16 + 4 * body[12]:
        return None
    sender, _ = _TWO_WORDS.unpack_from(body)
    rate = int.from_bytes(body[13:16], "big")
    ssrcs = tuple(int.from_bytes(body[position : position + 4], "big") for position in range(16, len(body), 4))
    return [MaximumBitrate(sender, (rate & 0x3FFFF) << (rate >> 18), ssrcs)]


def _parse_transport(body: bytes) -> list[Feedback] | None:
    if len(body) < 16:
        return None
    sender, media, base, wanted, last = _TRANSPORT.unpack_from(body)
    read = _symbols(body, wanted) if wanted <= _MOST_STATUSES else None
    if read is None:
        return None
    symbols, position = read
    reference = last >> 8
    now = (reference - 0x1000000 if reference & 0x800000 else reference) * 256
    arrivals: list[float | None] = []
    for symbol in symbols:
        if symbol not in (1, 2):
            arrivals.append(None)
            continue
        if position + symbol > len(body):
            return None
        now += body[position] if symbol == 1 else _DELTA.unpack_from(body, position)[0]
        position += symbol
        arrivals.append(now * _TICK_S)
    return [TransportFeedback(sender, media, base, tuple(arrivals), last & 0xFF)]


def _symbols(body: bytes, wanted: int) -> tuple[list[int], int] | None:
    """The status of each packet and where the deltas begin."""
    symbols: list[int] = []
    position = 16
    while len(symbols) < wanted:
        if position + 2 > len(body):
            return None
        (chunk,) = _HALF.unpack_from(body, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, wanted - len(symbols))
            if not chunk & 0x1FFF:
                return None
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return symbols[:wanted], position


def _vectors(symbols: list[int]) -> bytes:
    out = []
    for start in range(0, len(symbols), 7):
        chunk = 0xC000
        for index, symbol in enumerate(symbols[start : start + 7]):
            chunk |= symbol << (12 - 2 * index)
        out.append(_HALF.pack(chunk))
    return b"".join(out)


__all__ = ["Feedback", "FullIntraRequest", "MaximumBitrate", "Nack", "PictureLoss", "TransportFeedback", "parse"]
