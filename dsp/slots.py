"""Which row of the arrays belongs to which leg: rows are handed out from the bottom, so that the used ones stay together.

Stages compute with rows ``[:used]`` of their state; what lies above costs nothing. Linux commits no memory to rows that were never used.
"""

import heapq

from dsp.lanes import LANES, tiles


class Slots:
    """``capacity`` rows, rounded up to whole tiles."""

    def __init__(self, capacity: int) -> None:
        self.capacity = tiles(capacity) * LANES
        self._free = list(range(self.capacity))
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def used(self) -> int:
        """Rows up to the last taken one, in whole tiles."""
        return tiles(max(self._taken, default=-1) + 1) * LANES

    def take(self) -> int | None:
        """The lowest free row; None when all are taken."""
        if not self._free:
            return None
        row = heapq.heappop(self._free)
        self._taken.add(row)
        return row

    def free(self, row: int) -> None:
        """Give a row back. Raises KeyError for one that is not taken."""
        self._taken.remove(row)
        heapq.heappush(self._free, row)
