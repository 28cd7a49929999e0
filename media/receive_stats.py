"""What arrived of one RTP source, as RFC 3550 counts it: appendix A.1 (sequence), A.3 (loss), A.8 (jitter).

Pure: sequence numbers, timestamps and arrival times are arguments. One object per SSRC.
"""

from typing import NamedTuple

from dsp.mos import BurstRatio
from media.rtcp import ReportBlock, SenderReport, middle_of_ntp

MAX_DROPOUT = 3_000
MAX_MISORDER = 100
_TURN = 1 << 16
_WINDOW = 64
_WINDOW_MASK = (1 << _WINDOW) - 1
_OLDEST = 1 << (_WINDOW - 1)
_LONGEST_TRANSIT_CHANGE_S = 5.0


class Interval(NamedTuple):
    """Packets between two looks. ``lost`` is never below 0 here, ``loss`` is 0-1."""

    packets: int
    expected: int
    lost: int
    loss: float


class Intervals:
    """What is told of a source's counters: since the last look, since the last report. Beside whatever counts, in Python or compiled."""

    ssrc: int
    clock_rate: int
    packets: int
    restarts: int
    jitter_s: float
    _looked: tuple[int, int, int]
    _reported: tuple[int, int, int]
    _report: tuple[int, float] | None

    @property
    def highest_sequence(self) -> int:
        """Extended highest sequence number received."""
        raise NotImplementedError

    @property
    def expected(self) -> int:
        """Packets from the first to the highest sequence number since the (last) start of the source."""
        raise NotImplementedError

    @property
    def lost(self) -> int:
        """Packets lost since the start; negative when duplicates outnumber losses (RFC 3550, A.3)."""
        return self.expected - self.packets

    @property
    def loss(self) -> float:
        """Fraction lost since the start, 0-1."""
        return max(0, self.lost) / self.expected if self.expected else 0.0

    def heard(self, report: SenderReport, arrival_s: float) -> None:
        """Remember a sender report of this source, for LSR and DLSR."""
        self._report = (middle_of_ntp(report.ntp), arrival_s)

    def interval(self) -> Interval:
        """What came since the previous call of this method; the report blocks have an interval of their own."""
        expected, packets = self._since(self._looked)
        self._looked = (self.restarts, self.expected, self.packets)
        lost = max(0, expected - packets)
        return Interval(packets, expected, lost, lost / expected if expected > 0 else 0.0)

    def report_block(self, now_s: float) -> ReportBlock:
        """The block for our next SR or RR, and the start of its next interval."""
        expected, packets = self._since(self._reported)
        self._reported = (self.restarts, self.expected, self.packets)
        lost = max(0, expected - packets)
        last_report, delay = 0, 0
        if self._report is not None:
            last_report, heard_s = self._report
            delay = int((now_s - heard_s) * 65_536)
        return ReportBlock(
            self.ssrc,
            lost / expected if expected > 0 else 0.0,
            self.lost,
            self.highest_sequence,
            int(self.jitter_s * self.clock_rate),
            last_report,
            delay,
        )

    def _since(self, mark: tuple[int, int, int]) -> tuple[int, int]:
        """A source that started anew counts from zero."""
        restarts, expected, packets = mark
        return (self.expected - expected, self.packets - packets) if restarts == self.restarts else (self.expected, self.packets)


class ReceiveStats(Intervals):
    """Counters of one source.

    ``probation``: how many packets in sequence prove a source (RFC 3550 suggests 2); 1, the default, believes the first, which is right
    behind SRTP or a source lock. ``clock_rate``: RTP clock in Hz.
    """

    def __init__(self, ssrc: int, clock_rate: int, *, probation: int = 1) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.packets = 0  # since the (last) start of the source, duplicates included, as RFC 3550 counts
        self.duplicates = 0
        self.reordered = 0
        self.refused = 0
        self.restarts = 0
        self.jitter_s = 0.0
        self._wanted = self._probation = probation
        self._started = False
        self._highest = 0
        self._cycles = 0
        self._base = 0
        self._bad = -1
        self._reported = self._looked = (0, 0, 0)
        self._arrival_s = 0.0
        self._timestamp: int | None = None
        self._seen = _WINDOW_MASK
        self._burst_ratio = BurstRatio()
        self._report: tuple[int, float] | None = None

    def received(self, sequence: int, timestamp: int, arrival_s: float, *, timed: bool = True) -> bool:
        """Count a packet; False when its sequence number is not believed (probation, or a jump that is no restart yet).

        ``timed`` is False for packets whose timestamp does not say when they were sent (RFC 4733 events): they leave jitter alone.
        """
        if self._probation:
            if not self._proven(sequence):
                self.refused += 1
                return False
            self._start(sequence)
        delta = (sequence - self._highest) & 0xFFFF
        if delta < MAX_DROPOUT:
            if delta:
                if sequence < self._highest:
                    self._cycles += _TURN
                self._highest = sequence
                self._advance(delta)
            else:
                self._mark(0)
        elif delta <= _TURN - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) & 0xFFFF
                self.refused += 1
                return False
            self.restarts += 1
            self._start(sequence)  # two in sequence: the sender started anew and did not say so
            self._mark(0)
        else:
            self._mark(_TURN - delta)
        self.packets += 1
        if timed:
            self._time(timestamp, arrival_s)
        return True

    @property
    def highest_sequence(self) -> int:
        """Extended highest sequence number received."""
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        return self.highest_sequence - self._base + 1 if self._started else 0

    @property
    def burst_ratio(self) -> float:
        """Mean length of the runs of lost packets over the mean that random loss of the same rate would give (ITU-T G.107, BurstR).

        1 is random loss. Over packets older than 64, by when nothing useful can still come.
        """
        return max(1.0, self._burst_ratio.value or 1.0)

    def _start(self, sequence: int) -> None:
        self._started = True
        self._base = self._highest = sequence
        self._cycles = 0
        self._bad = -1
        self.packets = 0
        self._timestamp = None
        self._seen = _WINDOW_MASK - 1  # what came before the start was not lost

    def _proven(self, sequence: int) -> bool:
        follows = sequence == (self._highest + 1) & 0xFFFF
        self._probation = (self._probation if follows else self._wanted) - 1
        self._highest = sequence
        return self._probation == 0

    def _advance(self, steps: int) -> None:
        """Move the window of the newest 64 on, settling what leaves it."""
        if steps == 1:
            self._burst_ratio.count(lost=not self._seen & _OLDEST)
            self._seen = (self._seen << 1 | 1) & _WINDOW_MASK
            return
        for _ in range(min(steps, _WINDOW)):
            self._burst_ratio.count(lost=not self._seen & _OLDEST)
            self._seen = self._seen << 1 & _WINDOW_MASK
        if steps > _WINDOW:
            self._burst_ratio.count(lost=True, packets=steps - _WINDOW)
        self._seen |= 1

    def _mark(self, age: int) -> None:
        bit = 1 << age
        if age >= _WINDOW or self._seen & bit:
            if age < _WINDOW and self.packets:
                self.duplicates += 1
            elif age >= _WINDOW:
                self.reordered += 1
        else:
            self._seen |= bit
            self.reordered += age > 0

    def _time(self, timestamp: int, arrival_s: float) -> None:
        if self._timestamp is not None:
            sent = ((timestamp - self._timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            change_s = abs(arrival_s - self._arrival_s - sent / self.clock_rate)
            if change_s < _LONGEST_TRANSIT_CHANGE_S:  # a jump of the sender's clock is no jitter
                self.jitter_s += (change_s - self.jitter_s) / 16
        self._timestamp = timestamp
        self._arrival_s = arrival_s
