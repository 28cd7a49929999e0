"""A bad network as a function: when does each packet arrive, if at all? Pure and seeded; the caller carries packets and clock.

Loss is Gilbert's two-state chain: in the good state packets pass, in the bad one they are lost. Leaving the bad state with probability
1 / burst makes the mean burst ``burst`` long; entering it with loss / (burst * (1 - loss)) makes the long-run loss ``loss``.
"""

import math
import random


class NetworkEmulator:
    """One direction of a path.

    ``loss``, ``reorder`` and ``duplicate`` are fractions of packets, ``burst`` the mean length of a loss in packets (>= 1; 1/(1-loss) is
    random loss). ``delay_ms`` is the path's delay, ``jitter_ms`` the mean of an exponential delay on top, which keeps the order;
    a reordered packet is held back by ``reorder_ms`` and overtaken. Raises ValueError for figures that no such path has.
    """

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        burst: float = 1.0,
        delay_ms: float = 0.0,
        jitter_ms: float = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        reorder_ms: float = 30.0,
    ) -> None:
        if not (0 <= loss < 1 and 0 <= reorder <= 1 and 0 <= duplicate <= 1):
            raise ValueError(f"loss, reorder and duplicate are fractions, not {loss}, {reorder}, {duplicate}")
        if min(delay_ms, jitter_ms, reorder_ms) < 0 or burst < 1:
            raise ValueError("delays cannot be negative, and a burst is at least one packet")
        if loss and loss / (burst * (1 - loss)) > 1:
            raise ValueError(f"a loss of {loss} needs bursts longer than {burst} packets")
        self._random = random.Random(seed)
        self._enter = loss / (burst * (1 - loss))
        self._leave = 1 / burst
        self._bad = self._random.random() < loss
        self._delay_s, self._jitter_s, self._hold_s = delay_ms / 1000, jitter_ms / 1000, reorder_ms / 1000
        self._reorder, self._duplicate = reorder, duplicate
        self._latest_s = 0.0
        self.sent = self.lost = self.reordered = self.duplicated = 0

    def fates(self, now_s: float, size: int) -> list[float]:
        """Delivery times of a packet of ``size`` bytes sent at ``now_s``: none when lost, two when duplicated.

        Every packet draws the same number of random values, so that one setting's change leaves the others' course as it was.
        """
        self.sent += 1
        chance, jitter, reorder, duplicate = (self._random.random() for _ in range(4))
        lost = self._bad
        self._bad = chance >= self._leave if self._bad else chance < self._enter
        if lost:
            self.lost += 1
            return []
        arrival_s = now_s + self._delay_s + self._jitter_s * self._exponential(jitter)
        if reorder < self._reorder:
            self.reordered += 1
            arrival_s += self._hold_s
        else:
            arrival_s = self._latest_s = max(arrival_s, self._latest_s)
        if duplicate < self._duplicate:
            self.duplicated += 1
            return [arrival_s, arrival_s + 0.001]
        return [arrival_s]

    def _exponential(self, uniform: float) -> float:
        """An exponential variate of mean 1, cut at five times the mean."""
        return min(5.0, -math.log(1.0 - uniform))
