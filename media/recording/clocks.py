"""When what one side sent was meant to be heard and seen, sound and pictures on one clock. Pure.

Theory. Sender reports set each source's RTP time beside one wall clock of the sender (RFC 3550, section 6.4.1): what has the same wall time
belongs together. From that clock to the recording's leads what every receiver of one stream does (``media/recording/timeline.py``), here
for all streams of a sender together: the lower envelope of how late their packets came. A source of which no report came is placed by its
own packets' arrivals.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.recording.records import RecordingEvent
from media.rtp import Unwrapper, timestamp_difference

_BLOCK_S = 10.0
_LEAST_PACKETS = 50
_NEIGHBOURS = 2
Seconds = NDArray[np.float64]


class Sent(NamedTuple):
    """Packets of one source: RTP times unwrapped, and when they came, both in the order of their numbers."""

    ssrc: int
    clock_hz: int
    timestamps: NDArray[np.int64]
    came_s: Seconds


class SenderClocks:
    """``events``: of the recording; ``sent``: everything that this sender sent, by which the distance of the two clocks is found."""

    def __init__(self, events: Iterable[RecordingEvent], sent: Sequence[Sent]) -> None:
        self._reports: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
        for event in events:
            if event.name == "clock":
                told = event.details
                report = (event.at_s, int(told["timestamp"]), int(str(told["ntp"]), 16) / 2**32)
                self._reports[int(told["ssrc"])].append(report)
        known = [(wall_s, run.came_s) for run in sent if (wall_s := self._wall_s(run)) is not None]
        self._late: tuple[Seconds, Seconds] | None = None
        if known:
            walls_s = np.concatenate([wall_s for wall_s, _ in known])
            self._late = envelope(walls_s, np.concatenate([came_s for _, came_s in known]) - walls_s)

    def starts_s(self, run: Sent) -> Seconds | None:
        """When each packet was meant to be seen or heard; None where no report tells."""
        wall_s = self._wall_s(run)
        if wall_s is None or self._late is None:
            return None
        return wall_s + np.interp(wall_s, *self._late)

    def _wall_s(self, run: Sent) -> Seconds | None:
        reports = self._reports.get(run.ssrc)
        if not reports or not len(run.timestamps):
            return None
        unwrapper = Unwrapper(32)
        told = np.array([unwrapper.unwrap(timestamp) for _, timestamp, _ in reports], np.int64)
        at_s = np.array([report[0] for report in reports])
        near = int(np.argmin(np.abs(at_s - run.came_s[0])))
        first = int(run.timestamps[0])
        told += first - timestamp_difference(first & 0xFFFFFFFF, reports[near][1]) - int(told[near])
        ahead_s = np.array([report[2] for report in reports]) - told / run.clock_hz
        sent_s = run.timestamps / run.clock_hz
        return sent_s + np.interp(sent_s, *_ordered(told / run.clock_hz, _smooth(ahead_s)))


def _smooth(values: Seconds) -> Seconds:
    """A running median: a report that was made late says nothing about the clock."""
    return np.array([np.median(values[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 1]) for i in range(len(values))])


def _ordered(x: Seconds, y: Seconds) -> tuple[Seconds, Seconds]:
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def envelope(sent_s: Seconds, late_s: Seconds) -> tuple[Seconds, Seconds]:
    """The least lateness of each block of ten seconds, as corners of straight lines: when it was sent, how late it came."""
    blocks = ((sent_s - sent_s.min()) // _BLOCK_S).astype(int)
    counts = np.bincount(blocks)
    used = np.flatnonzero(counts > _LEAST_PACKETS)
    if len(used) < 2:
        return np.array([sent_s.min()]), np.array([late_s.min()])
    fastest = [found[np.argmin(late_s[found])] for found in (np.flatnonzero(blocks == block) for block in used)]
    return _ordered(sent_s[fastest], late_s[fastest])
