"""RTCP as bytes: SR, RR, SDES (CNAME), BYE, PLI, XR and compounds of them. RFC 3550 section 6, RFC 4585 section 6.3.1, RFC 3611.

Nothing here raises on bytes from the network: a malformed compound is ``None`` and the caller counts it; packet types we do not
use are skipped.
"""

from dataclasses import dataclass
from struct import Struct

_COMMON = Struct("!BBH")
_BLOCK = Struct("!IIIIII")
_SENDER = Struct("!QIII")
_WORD = Struct("!I")

_XR_HEAD = Struct("!BBH")
_LONG = Struct("!Q")
_DELAY = Struct("!III")
_VOIP = Struct("!IBBBBHHHHbbBBBBBBBBHHH")

SR, RR, SDES, BYE, PSFB, XR = 200, 201, 202, 203, 206, 207
_REFERENCE_TIME, _DELAYS, _VOIP_METRICS = 4, 5, 7
_NOT_MEASURED = 127
_PLI_FORMAT = 1
_CNAME = 1
_NTP_EPOCH_OFFSET_S = 2_208_988_800
MAX_BLOCKS = 31


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one source.

    ``fraction_lost``: 0-1, since its previous report. ``cumulative_lost``: packets, may be negative (duplicates). ``highest_sequence``:
    extended, 32 bits. ``jitter``: RTP clock units. ``last_report``: middle 32 bits of the NTP time of our last SR, 0 = none.
    ``delay``: since it arrived, in 1/65536 s.
    """

    ssrc: int
    fraction_lost: float
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_report: int = 0
    delay: int = 0

    def to_bytes(self) -> bytes:
        fraction = max(0, min(255, int(self.fraction_lost * 256)))
        lost = max(-0x800000, min(0x7FFFFF, self.cumulative_lost)) & 0xFFFFFF
        highest, jitter = self.highest_sequence & 0xFFFFFFFF, min(self.jitter, 0xFFFFFFFF)
        return _BLOCK.pack(self.ssrc, fraction << 24 | lost, highest, jitter, self.last_report, min(self.delay, 0xFFFFFFFF))


@dataclass(frozen=True, slots=True)
class SenderReport:
    """``ntp``: 64-bit NTP time (see ``ntp_time``) of the moment that ``timestamp`` (RTP clock) stands for."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        counts = _SENDER.pack(self.ntp, self.timestamp & 0xFFFFFFFF, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF)
        return framed(SR, len(self.blocks), _WORD.pack(self.ssrc) + counts + _blocks_bytes(self.blocks))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        return framed(RR, len(self.blocks), _WORD.pack(self.ssrc) + _blocks_bytes(self.blocks))


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """The canonical name of one source (RFC 3550, section 6.5.1); the other items are skipped."""

    ssrc: int
    cname: str

    def to_bytes(self) -> bytes:
        name = self.cname.encode()[:255]
        chunk = _WORD.pack(self.ssrc) + bytes((_CNAME, len(name))) + name + b"\0"
        return framed(SDES, 1, chunk + bytes(-len(chunk) % 4))


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]
    reason: str = ""

    def to_bytes(self) -> bytes:
        body = b"".join(map(_WORD.pack, self.ssrcs))
        if self.reason:
            reason = self.reason.encode()[:255]
            body += bytes((len(reason),)) + reason
        return framed(BYE, len(self.ssrcs), body + bytes(-len(body) % 4))


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI: the sender of ``media_ssrc`` shall send a whole picture."""

    sender_ssrc: int
    media_ssrc: int

    def to_bytes(self) -> bytes:
        return framed(PSFB, _PLI_FORMAT, _WORD.pack(self.sender_ssrc) + _WORD.pack(self.media_ssrc))


@dataclass(frozen=True, slots=True)
class ReferenceDelay:
    """Of a DLRR block: the far end's reference time as ``ssrc`` gave it (middle 32 bits), and the 1/65536 s since it arrived."""

    ssrc: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class VoipMetrics:
    """How one source sounds to its receiver (RFC 3611, section 4.7); None is "not measured".

    ``loss``, ``discard``: fractions 0-1 since its start; ``burst_density``, ``gap_density``: those within bursts and gaps, as ``g_min``
    parts them. Durations and delays in ms; ``r`` 0-100, ``mos_lq`` and ``mos_cq`` 1-5. ``buffer_ms``: nominal jitter buffer.
    """

    ssrc: int
    loss: float = 0.0
    discard: float = 0.0
    burst_density: float = 0.0
    gap_density: float = 0.0
    burst_ms: int = 0
    gap_ms: int = 0
    round_trip_ms: int = 0
    end_system_ms: int = 0
    signal_dbm: int | None = None
    noise_dbm: int | None = None
    echo_return_loss_db: int | None = None
    g_min: int = 16
    r: int | None = None
    mos_lq: float | None = None
    mos_cq: float | None = None
    concealment: int = 0
    """Bits 7-6: 0 unspecified, 1 none, 2 enhanced, 3 standard concealment; bits 5-4: jitter buffer, 3 adaptive, 2 fixed."""
    buffer_ms: int = 0
    buffer_most_ms: int = 0

    def to_bytes(self) -> bytes:
        return _XR_HEAD.pack(_VOIP_METRICS, 0, 8) + _VOIP.pack(
            self.ssrc,
            *map(_share, (self.loss, self.discard, self.burst_density, self.gap_density)),
            *map(_short, (self.burst_ms, self.gap_ms, self.round_trip_ms, self.end_system_ms)),
            *map(_level, (self.signal_dbm, self.noise_dbm)),
            _NOT_MEASURED if self.echo_return_loss_db is None else max(0, min(126, self.echo_return_loss_db)),
            self.g_min,
            _NOT_MEASURED if self.r is None else max(0, min(100, self.r)),
            _NOT_MEASURED,
            *map(_score, (self.mos_lq, self.mos_cq)),
            self.concealment,
            0,
            *map(_short, (self.buffer_ms, self.buffer_most_ms, self.buffer_most_ms)),
        )


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """RFC 3611. ``reference_ntp``: the sender's 64-bit time, for a receiver that sends no SR to learn its round trip by (section 4.4)."""

    ssrc: int
    reference_ntp: int | None = None
    delays: tuple[ReferenceDelay, ...] = ()
    voip: tuple[VoipMetrics, ...] = ()

    def to_bytes(self) -> bytes:
        body = _WORD.pack(self.ssrc)
        if self.reference_ntp is not None:
            body += _XR_HEAD.pack(_REFERENCE_TIME, 0, 2) + _LONG.pack(self.reference_ntp)
        if self.delays:
            body += _XR_HEAD.pack(_DELAYS, 0, 3 * len(self.delays))
            body += b"".join(_DELAY.pack(d.ssrc, d.last_report, min(d.delay, 0xFFFFFFFF)) for d in self.delays)
        return framed(XR, 0, body + b"".join(metrics.to_bytes() for metrics in self.voip))


Report = SenderReport | ReceiverReport | SourceDescription | Bye | PictureLoss | ExtendedReport


def build(*reports: Report) -> bytes:
    """A compound packet. RFC 3550 section 6.1 wants it to begin with an SR or RR and to hold a CNAME."""
    return b"".join(report.to_bytes() for report in reports)


def framed(packet_type: int, count: int, body: bytes) -> bytes:
    """One RTCP packet; ``body`` is whole words."""
    return _COMMON.pack(0x80 | count, packet_type, len(body) // 4) + body


def _blocks_bytes(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(block.to_bytes() for block in blocks)


def parse(packet: bytes) -> list[Report] | None:
    """The packets of a compound that we know, in order; None when any of it is malformed (RFC 3550, A.2)."""
    reports: list[Report] = []
    split = packets(packet)
    if split is None:
        return None
    for packet_type, count, body in split:
        found = parse_one(packet_type, count, body)
        if found is None:
            return None
        reports.extend(found)
    return reports


def packets(compound: bytes) -> list[tuple[int, int, bytes]] | None:
    """Type, count or format, and body without padding of each packet of a compound; None when it is malformed."""
    found: list[tuple[int, int, bytes]] = []
    position, size = 0, len(compound)
    if size < 4 or size % 4:
        return None
    while position < size:
        first, packet_type, words = _COMMON.unpack_from(compound, position)
        end = position + 4 * (words + 1)
        if first >> 6 != 2 or end > size:
            return None
        body_end = end
        if first & 0x20:
            padding = compound[end - 1]
            if padding == 0 or end != size or padding > end - position - 4:
                return None
            body_end -= padding
        found.append((packet_type, first & 0x1F, compound[position + 4 : body_end]))
        position = end
    return found


def parse_one(packet_type: int, count: int, body: bytes) -> list[Report] | None:
    """One packet of a compound as ``packets`` split it; empty when it is none of ours, None when malformed."""
    if packet_type == SR:
        if len(body) < 24 + 24 * count:
            return None
        ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
        return [SenderReport(_word(body, 0), ntp, timestamp, packets, octets, _parse_blocks(body, 24, count))]
    if packet_type == RR:
        return [ReceiverReport(_word(body, 0), _parse_blocks(body, 4, count))] if len(body) >= 4 + 24 * count else None
    if packet_type == SDES:
        return _parse_descriptions(body, count)
    if packet_type == BYE:
        return _parse_bye(body, count)
    if packet_type == PSFB and count == _PLI_FORMAT:
        return [PictureLoss(_word(body, 0), _word(body, 4))] if len(body) >= 8 else None
    if packet_type == XR:
        return _parse_extended(body)
    return []


def _word(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "big")


def _parse_blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for position in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, position)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, (loss >> 24) / 256, lost, highest, jitter, last_report, delay))
    return tuple(blocks)


def _parse_descriptions(body: bytes, count: int) -> list[Report] | None:
    found: list[Report] = []
    position = 0
    for _ in range(count):
        if position + 5 > len(body):
            return None
        ssrc, position, start = _word(body, position), position + 4, position
        while position < len(body) and body[position]:
            if position + 2 > len(body) or position + 2 + body[position + 1] > len(body):
                return None
            if body[position] == _CNAME:
                name = body[position + 2 : position + 2 + body[position + 1]]
                found.append(SourceDescription(ssrc, name.decode("utf-8", "replace")))
            position += 2 + body[position + 1]
        if position >= len(body):
            return None
        position = start + (position - start) // 4 * 4 + 4  # one to four null bytes end a chunk on a word
    return found


def _parse_bye(body: bytes, count: int) -> list[Report] | None:
    if len(body) < 4 * count:
        return None
    ssrcs = tuple(_word(body, 4 * i) for i in range(count))
    rest = body[4 * count :]
    if rest and 1 + rest[0] > len(rest):
        return None
    return [Bye(ssrcs, rest[1 : 1 + rest[0]].decode("utf-8", "replace") if rest else "")]


def _parse_extended(body: bytes) -> list[Report] | None:
    if len(body) < 4:
        return None
    reference: int | None = None
    delays: list[ReferenceDelay] = []
    voip: list[VoipMetrics] = []
    position = 4
    while position < len(body):
        if position + 4 > len(body):
            return None
        kind, _, words = _XR_HEAD.unpack_from(body, position)
        start, position = position + 4, position + 4 + 4 * words
        if position > len(body):
            return None
        if kind == _REFERENCE_TIME and words == 2:
            (reference,) = _LONG.unpack_from(body, start)
        elif kind == _DELAYS and words % 3 == 0:
            delays += [ReferenceDelay(*_DELAY.unpack_from(body, at)) for at in range(start, position, 12)]
        elif kind == _VOIP_METRICS and words == 8:
            voip.append(_parse_voip(body, start))
    return [ExtendedReport(_word(body, 0), reference, tuple(delays), tuple(voip))]


def _parse_voip(body: bytes, start: int) -> VoipMetrics:
    ssrc, loss, discard, burst, gap, *rest = _VOIP.unpack_from(body, start)
    burst_ms, gap_ms, trip_ms, end_ms, signal, noise, echo, g_min, r, _, lq, cq, config, _, nominal, most, _ = rest
    return VoipMetrics(
        ssrc,
        loss / 256,
        discard / 256,
        burst / 256,
        gap / 256,
        burst_ms,
        gap_ms,
        trip_ms,
        end_ms,
        None if signal == _NOT_MEASURED else signal,
        None if noise == _NOT_MEASURED else noise,
        None if echo == _NOT_MEASURED else echo,
        g_min,
        r if r <= 100 else None,
        lq / 10 if 10 <= lq <= 50 else None,
        cq / 10 if 10 <= cq <= 50 else None,
        config,
        nominal,
        most,
    )


def _share(fraction: float) -> int:
    return max(0, min(255, int(fraction * 256)))


def _short(value: int) -> int:
    return max(0, min(65_535, value))


def _level(dbm: int | None) -> int:
    return _NOT_MEASURED if dbm is None else max(-128, min(126, dbm))


def _score(mos: float | None) -> int:
    return _NOT_MEASURED if mos is None else max(10, min(50, round(mos * 10)))


def ntp_time(unix_s: float) -> int:
    """64-bit NTP time (32.32 fixed point) of a Unix time. For round trips any steady clock serves, as long as it is always the same."""
    return int((unix_s + _NTP_EPOCH_OFFSET_S) * 4_294_967_296) & 0xFFFFFFFFFFFFFFFF


def middle_of_ntp(ntp: int) -> int:
    """The middle 32 bits: the form in which reports quote a time, 1/65536 s."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip_s(block: ReportBlock | ReferenceDelay, now_ntp: int) -> float | None:
    """Round trip of a report about us that arrived at ``now_ntp`` (64 bits, the clock of our SRs and XRs); RFC 3550, section 6.4.1.

    None when the far end has no SR or reference time of ours yet, or when the sum is negative or above 60 s: a lying or restarted far end.
    """
    if block.last_report == 0:
        return None
    trip = (middle_of_ntp(now_ntp) - block.last_report - block.delay) & 0xFFFFFFFF
    return trip / 65_536 if trip < 60 * 65_536 else (0.0 if trip > 0xFFFFFFFF - 655 else None)
