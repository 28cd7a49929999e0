"""How much goes by: bytes of one second, as bit/s. Pure."""

from collections import deque

_WINDOW_S = 1.0


class ByteRate:
    """Holds what was added within the window, and nothing older once it is looked at or added to.

    ``ago_s``: the window is the second that ended so long ago, not the last one.
    """

    def __init__(self, ago_s: float = 0.0) -> None:
        self._ago_s = ago_s
        self._young: deque[tuple[float, int]] = deque()
        self._added: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, size: int, now_s: float) -> None:
        """So many bytes go by now."""
        self._young.append((now_s, size))
        self._trim(now_s)

    @property
    def latest_bits_per_s(self) -> float:
        """As it was when something was last added or asked for."""
        return 8 * self._bytes / _WINDOW_S

    def bits_per_s(self, now_s: float) -> float:
        self._trim(now_s)
        return self.latest_bits_per_s

    def _trim(self, now_s: float) -> None:
        end_s = now_s - self._ago_s
        while self._young and self._young[0][0] <= end_s:
            self._bytes += self._young[0][1]
            self._added.append(self._young.popleft())
        while self._added and self._added[0][0] < end_s - _WINDOW_S:
            self._bytes -= self._added.popleft()[1]
