"""How much one client may do: token bucket, admission by address, back-off of guesses. Pure: ``now`` is monotonic seconds.

A token bucket holds at most ``burst`` tokens and gains ``rate`` of them per second; each act takes one. So a client may do
``burst`` things at once and ``rate`` per second for ever, and the wait until the next token is known exactly.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass


class TokenBucket:
    """One client's allowance."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate_per_s: float, burst: float, now: float) -> None:
        self._rate = rate_per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> float:
        """0.0 when granted, else the seconds until the next token. A refusal costs nothing."""
        wait = self.wait(now)
        if wait == 0.0:
            self._level -= 1.0
        return wait

    def wait(self, now: float) -> float:
        """What ``take`` would say."""
        self._refill(now)
        return 0.0 if self._level >= 1.0 else (1.0 - self._level) / self._rate

    def is_full(self, now: float) -> bool:
        self._refill(now)
        return self._level >= self._burst

    def _refill(self, now: float) -> None:
        self._level = min(self._burst, self._level + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """What one network address may do: ``burst`` new connections at once, ``rate_per_s`` on and on, ``open_at_once`` of them open."""

    rate_per_s: float = 5.0
    burst: float = 50.0
    open_at_once: int = 100
    remembered: int = 10_000


class AddressGate:
    """Admits connections by the address they come from. Remembers ``remembered`` addresses at most: the longest idle are forgotten."""

    def __init__(self, limits: AddressLimits) -> None:
        self._limits = limits
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._open: dict[str, int] = {}

    def admit(self, address: str, now: float) -> float:
        """0.0 when admitted (then ``release`` must follow), else the seconds to wait."""
        who = network_of(address)
        if self._open.get(who, 0) >= self._limits.open_at_once:
            return 1.0 / self._limits.rate_per_s
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = TokenBucket(self._limits.rate_per_s, self._limits.burst, now)
        self._buckets.move_to_end(who)
        while len(self._buckets) > self._limits.remembered:
            self._buckets.popitem(last=False)
        wait = bucket.take(now)
        if wait == 0.0:
            self._open[who] = self._open.get(who, 0) + 1
        return wait

    def release(self, address: str) -> None:
        """A connection that was admitted has ended."""
        who = network_of(address)
        left = self._open[who] - 1
        if left:
            self._open[who] = left
        else:
            del self._open[who]


class Backoff:
    """Slows down guessing: ``free`` failures cost nothing, each further one doubles the wait, from 1 s up to ``longest_s``.

    A success forgets the failures, and so does a quiet ``longest_s``. Bounded: the longest untouched keys are forgotten first.
    """

    def __init__(self, *, free: int = 5, longest_s: float = 300.0, remembered: int = 10_000) -> None:
        self._free = free
        self._longest_s = longest_s
        self._remembered = remembered
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until this key may try again; 0.0 now."""
        count, last = self._failures.get(key, (0, now))
        if now - last > self._longest_s + self._delay(count):
            del self._failures[key]
            return 0.0
        return max(0.0, last + self._delay(count) - now)

    def failed(self, key: str, now: float) -> None:
        count, _ = self._failures.get(key, (0, now))
        self._failures[key] = (count + 1, now)
        self._failures.move_to_end(key)
        while len(self._failures) > self._remembered:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Its failures are forgotten."""
        self._failures.pop(key, None)

    def forgiven(self, key: str) -> None:
        """One failure was none."""
        count, last = self._failures.get(key, (1, 0.0))
        if count > 1:
            self._failures[key] = (count - 1, last)
        else:
            self._failures.pop(key, None)

    def _delay(self, count: int) -> float:
        return 0.0 if count < self._free else min(self._longest_s, 2.0 ** min(count - self._free, 30))


def network_of(address: str) -> str:
    """Whom we hold responsible for an address: itself, and for IPv6 its /64, which one subscriber has whole (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
