"""How much goes by: bytes of the last second, as bit/s. Pure."""

from collections import deque

_WINDOW_S = 1.0


class ByteRate:
    """Holds what was added within the window, and nothing older once it is looked at or added to."""

    def __init__(self) -> None:
        self._added: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, size: int, now_s: float) -> None:
        """So many bytes go by now."""
        self._added.append((now_s, size))
        self._bytes += size
        self._trim(now_s)

    @property
    def latest_bits_per_s(self) -> float:
        """As it was when something was last added or asked for."""
        return 8 * self._bytes / _WINDOW_S

    def bits_per_s(self, now_s: float) -> float:
        self._trim(now_s)
        return self.latest_bits_per_s

    def _trim(self, now_s: float) -> None:
        while self._added and self._added[0][0] < now_s - _WINDOW_S:
            self._bytes -= self._added.popleft()[1]
