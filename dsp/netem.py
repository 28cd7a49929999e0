"""A bad network as a function: when does each packet arrive, if at all? Pure and seeded; the caller carries packets and clock.

A packet goes through the parts of a path in this order:

    loss ─▶ bottleneck: stalls, foreign traffic, rate, bounded queue ─▶ delay and jitter ─▶ held back and overtaken ─▶ doubled

**Loss** is the chain of Gilbert and Elliott: a good and a bad state, each with its own loss. ``loss`` and ``burst`` are its short form
(Gilbert): all is lost in the bad state and nothing in the good one; leaving the bad state with 1 / burst makes the mean burst ``burst``
long, entering it with loss / (burst (1 - loss)) makes the long-run loss ``loss``.

**The bottleneck** sends one packet after another at ``rate_kbps`` and drops what would wait longer than ``queue_ms``. It stands still for
an exponential time of mean ``stall_ms`` every ``stall_every_s`` (radio links; a busy Wi-Fi channel), and shares its queue with foreign
traffic that fills it to ``bloat_ms`` and gives way again, in the sawtooth of a transfer (bufferbloat).

**Jitter** is exponential with mean ``jitter_ms``; ``jitter_correlation`` is that of neighbouring packets (a Gaussian copula). It keeps
the order unless ``ordered`` is false.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Any

_NORMAL = NormalDist()
_DOUBLE_S = 0.001
_JITTER_MOST = 5.0  # of its mean
_OVERHEAD_BYTES = 40  # IPv4, UDP, RTP


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Chances per packet: ``to_bad`` and ``to_good`` of changing state, ``loss_bad`` and ``loss_good`` of loss in them (Elliott 1963)."""

    to_bad: float
    to_good: float
    loss_bad: float = 1.0
    loss_good: float = 0.0

    def __post_init__(self) -> None:
        chances = (self.to_bad, self.to_good, self.loss_bad, self.loss_good)
        if not all(0.0 <= chance <= 1.0 for chance in chances):
            raise ValueError(f"chances are fractions, not {chances}")
        if self.to_bad and not self.to_good:
            raise ValueError("a bad state that is entered and never left is no network")

    @classmethod
    def from_loss(cls, loss: float, burst: float) -> "GilbertElliott":
        """Raises ValueError where no such chain exists."""
        if not 0 <= loss < 1:
            raise ValueError(f"loss, reorder and duplicate are fractions, not {loss}")
        if burst < 1:
            raise ValueError("a burst is at least one packet")
        if loss / (burst * (1 - loss)) > 1:
            raise ValueError(f"a loss of {loss} needs bursts longer than {burst} packets")
        return cls(loss / (burst * (1 - loss)), 1 / burst)

    @property
    def share_bad(self) -> float:
        """The share of packets that meet the bad state."""
        return self.to_bad / (self.to_bad + self.to_good) if self.to_bad else 0.0

    @property
    def loss(self) -> float:
        """The long-run loss."""
        return self.share_bad * self.loss_bad + (1 - self.share_bad) * self.loss_good


class NetworkEmulator:
    """One direction of a path; the module's text says what the settings mean.

    ``loss``, ``reorder``, ``duplicate`` and ``jitter_correlation`` are fractions, ``burst`` is in packets (>= 1; 1 / (1 - loss) is random
    loss); ``chain`` stands in place of ``loss`` and ``burst``. A reordered packet is held back by ``reorder_ms``. ``rate_kbps`` counts
    40 bytes of headers per packet; None is no limit. Raises ValueError for figures that no path has.
    """

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        burst: float = 1.0,
        chain: GilbertElliott | None = None,
        delay_ms: float = 0.0,
        jitter_ms: float = 0.0,
        jitter_correlation: float = 0.0,
        ordered: bool = True,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        reorder_ms: float = 30.0,
        rate_kbps: float | None = None,
        queue_ms: float = math.inf,
        stall_ms: float = 0.0,
        stall_every_s: float = 10.0,
        bloat_ms: float = 0.0,
        bloat_period_s: float = 4.0,
    ) -> None:
        if not (0 <= reorder <= 1 and 0 <= duplicate <= 1 and 0 <= jitter_correlation < 1):
            raise ValueError(f"reorder, duplicate and correlation are fractions, not {reorder}, {duplicate}, {jitter_correlation}")
        if min(delay_ms, jitter_ms, reorder_ms, queue_ms, stall_ms, bloat_ms) < 0:
            raise ValueError("delays cannot be negative")
        if (rate_kbps is not None and rate_kbps <= 0) or min(stall_every_s, bloat_period_s) <= 0:
            raise ValueError("rates and periods are positive")
        self.chain = chain or GilbertElliott.from_loss(loss, burst)
        self._random = random.Random(seed)
        self._loss_random = random.Random(f"{seed} loss")
        self._bad = self._random.random() < self.chain.share_bad
        self._delay_s, self._jitter_s, self._hold_s = delay_ms / 1000, jitter_ms / 1000, reorder_ms / 1000
        self._reorder, self._duplicate, self._ordered = reorder, duplicate, ordered
        self._correlation, self._course = jitter_correlation, 0.0
        self._bottleneck = _Bottleneck(seed, rate_kbps, queue_ms / 1000, stall_ms / 1000, stall_every_s, bloat_ms / 1000, bloat_period_s)
        self._latest_s = 0.0
        self.sent = self.lost = self.dropped = self.reordered = self.duplicated = 0

    @classmethod
    def preset(cls, name: str, seed: int) -> "NetworkEmulator":
        """One of ``PRESETS``. Raises KeyError for other names."""
        return cls(seed, **PRESETS[name])

    def fates(self, now_s: float, size: int) -> list[float]:
        """Delivery times of a packet of ``size`` bytes sent at ``now_s`` (never earlier than the last): none when lost, two when doubled.

        Every packet draws the same number of random values, so that one setting's change leaves the others' course as it was.
        """
        self.sent += 1
        chance, jitter, reorder, duplicate = (self._random.random() for _ in range(4))
        lost = self._loss_random.random() < (self.chain.loss_bad if self._bad else self.chain.loss_good)
        self._bad = chance >= self.chain.to_good if self._bad else chance < self.chain.to_bad
        jitter_s = self._jitter_s * self._exponential(jitter)
        if lost:
            self.lost += 1
            return []
        sent_s = self._bottleneck.passed_s(now_s, size)
        if sent_s is None:
            self.dropped += 1
            return []
        arrival_s = sent_s + self._delay_s + jitter_s
        if reorder < self._reorder:
            self.reordered += 1
            arrival_s += self._hold_s
        elif self._ordered:
            arrival_s = self._latest_s = max(arrival_s, self._latest_s)
        if duplicate < self._duplicate:
            self.duplicated += 1
            return [arrival_s, arrival_s + _DOUBLE_S]
        return [arrival_s]

    def _exponential(self, uniform: float) -> float:
        """An exponential variate of mean 1, cut at five times the mean, correlated with the one before."""
        if self._correlation:
            fresh = _NORMAL.inv_cdf(min(max(uniform, 1e-9), 1 - 1e-9))
            self._course = self._correlation * self._course + math.sqrt(1 - self._correlation**2) * fresh
            uniform = min(_NORMAL.cdf(self._course), 1 - 1e-9)
        return min(_JITTER_MOST, -math.log(1.0 - uniform))


class _Bottleneck:
    """The slowest link: when has it passed a packet on?"""

    def __init__(
        self,
        seed: int,
        rate_kbps: float | None,
        queue_s: float,
        stall_s: float,
        stall_every_s: float,
        bloat_s: float,
        bloat_period_s: float,
    ) -> None:
        self._random = random.Random(f"{seed} stalls")
        self._bloat_random = random.Random(f"{seed} bloat")
        self._s_per_byte = 0.008 / rate_kbps if rate_kbps else 0.0
        self._queue_s, self._stall_s, self._stall_every_s = queue_s, stall_s, stall_every_s
        self._bloat_s, self._bloat_period_s = bloat_s, bloat_period_s
        self._free_s = -math.inf
        self._stall_at_s: float | None = None
        self._tooth_s, self._tooth_length_s, self._tooth_height_s = -math.inf, 0.0, 0.0

    def passed_s(self, now_s: float, size: int) -> float | None:
        """None: the queue was full."""
        self._stand_still(now_s)
        waits_until_s = max(now_s, self._free_s)
        foreign_s = self._foreign_s(now_s)
        if waits_until_s + foreign_s - now_s > self._queue_s:
            return None
        self._free_s = waits_until_s + self._s_per_byte * (size + _OVERHEAD_BYTES)
        return self._free_s + foreign_s

    def _stand_still(self, now_s: float) -> None:
        if not self._stall_s:
            return
        if self._stall_at_s is None:
            self._stall_at_s = now_s + self._random.expovariate(1 / self._stall_every_s)
        while self._stall_at_s <= now_s:
            until_s = self._stall_at_s + self._random.expovariate(1 / self._stall_s)
            self._free_s = max(self._free_s, until_s)
            self._stall_at_s = until_s + self._random.expovariate(1 / self._stall_every_s)

    def _foreign_s(self, now_s: float) -> float:
        """Foreign traffic in the queue: rises over a tooth's length, then gives way at once."""
        if not self._bloat_s:
            return 0.0
        while now_s >= self._tooth_s + self._tooth_length_s:
            self._tooth_s = max(self._tooth_s + self._tooth_length_s, now_s - 2 * self._bloat_period_s)
            self._tooth_length_s = self._bloat_period_s * (0.5 + self._bloat_random.random())
            self._tooth_height_s = self._bloat_s * (0.5 + 0.5 * self._bloat_random.random())
        return self._tooth_height_s * (now_s - self._tooth_s) / self._tooth_length_s


class TraceReplay:
    """A recorded path: the n-th packet takes the n-th of ``transits_s`` (None: lost); after the last it begins again.

    The same call as the emulator's, so that either can stand in a path. Raises ValueError for an empty recording.
    """

    def __init__(self, transits_s: Sequence[float | None]) -> None:
        if not transits_s:
            raise ValueError("a recording without packets")
        self._transits_s = tuple(transits_s)
        self.sent = self.lost = 0

    @classmethod
    def from_arrivals(cls, arrivals_s: Mapping[int, float], interval_s: float, *, delay_s: float = 0.0) -> "TraceReplay":
        """From arrival times by packet number, packets having been sent every ``interval_s``; the fastest is made to take ``delay_s``."""
        if not arrivals_s:
            raise ValueError("a recording without packets")
        first = min(arrivals_s)
        transits_s = {number: arrival_s - (number - first) * interval_s for number, arrival_s in arrivals_s.items()}
        fastest_s = min(transits_s.values())
        numbers = range(first, max(arrivals_s) + 1)
        return cls([transits_s[number] - fastest_s + delay_s if number in transits_s else None for number in numbers])

    def fates(self, now_s: float, size: int) -> list[float]:
        """As ``NetworkEmulator.fates``; ``size`` makes no difference."""
        transit_s = self._transits_s[self.sent % len(self._transits_s)]
        self.sent += 1
        if transit_s is None:
            self.lost += 1
            return []
        return [now_s + transit_s]


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "good": {"delay_ms": 10, "jitter_ms": 0.5},
        "3cx_remote": {"loss": 0.003, "burst": 1.3, "delay_ms": 25, "jitter_ms": 3, "jitter_correlation": 0.5, "reorder": 0.001},
        "dsl_bufferbloat": {"delay_ms": 20, "jitter_ms": 1, "rate_kbps": 1_000, "queue_ms": 800, "bloat_ms": 350, "bloat_period_s": 5},
        "wifi_busy": {"loss": 0.01, "burst": 1.5, "delay_ms": 5, "jitter_ms": 4, "stall_ms": 60, "stall_every_s": 1.5},
        "lte_calm": {"delay_ms": 30, "jitter_ms": 6, "jitter_correlation": 0.6, "stall_ms": 40, "stall_every_s": 5},
        "lte_driving": {
            "loss": 0.005,
            "burst": 4,
            "delay_ms": 35,
            "jitter_ms": 12,
            "jitter_correlation": 0.9,
            "rate_kbps": 600,
            "queue_ms": 2_500,
            "stall_ms": 500,
            "stall_every_s": 15,
        },
        "congested": {
            "loss": 0.03,
            "burst": 3,
            "delay_ms": 40,
            "jitter_ms": 20,
            "jitter_correlation": 0.95,
            "rate_kbps": 95,
            "queue_ms": 900,
            "stall_ms": 120,
            "stall_every_s": 3,
        },
        "satellite": {"loss": 0.002, "burst": 2, "delay_ms": 280, "jitter_ms": 8, "jitter_correlation": 0.7},
        "reordering": {"delay_ms": 30, "jitter_ms": 10, "reorder": 0.03, "reorder_ms": 45, "duplicate": 0.01},
    }
)
"""Named paths, as settings of ``NetworkEmulator``; drawn from what such links are known to do, not fitted to one recording."""
