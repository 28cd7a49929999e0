"""How long to wait before the next try of something that failed: longer each time, up to a bound, and anew after a success."""


def doubling(first_s: float, longest_s: float, failures: int) -> float:
    """Seconds to wait after one more failure than ``failures``."""
    return min(longest_s, first_s * 2.0 ** min(failures, 30))


class Patience:
    """For one thing that is tried again and again."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    @property
    def wait_s(self) -> float:
        """Until the next try."""
        return doubling(self._first_s, self._longest_s, max(0, self._failures - 1))

    def tried(self, succeeded: bool) -> None:
        self._failures = 0 if succeeded else self._failures + 1
