"""How much of REST one network address and one person may use, and which addresses may come at all.

An hourly quota is a sliding window of two counters; a rate per minute is a token bucket with its burst. Both keep a few numbers per caller,
whatever the quota, and of ``remembered`` callers at most: the longest idle are forgotten. (The ``limits`` package has no bursts, keeps the
time of every hit and bounds no number of keys.) Callers are told where they stand in ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``
(seconds until the quota is whole again), and ``Retry-After`` where they are refused.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.guarded_routes import caller_of
from signaling.addresses import Network, is_within, networks
from signaling.grants import Role
from signaling.limits import TokenBucket, network_of
from signaling.refusal import Refusal

_HOUR_S = 3_600.0
_MINUTE_S = 60.0
PER_HOUR: Mapping[str, int] = MappingProxyType(
    {
        Role.CUSTOMER: 1_000,
        Role.AGENT: 1_000,
        Role.PROFESSIONAL: 5_000,
        Role.SUPERVISOR: 5_000,
        Role.SERVICE: 10_000,
        Role.ADMIN: 10_000,
    }
)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one caller may do. None: no bound of that kind."""

    per_hour: int
    per_minute: float | None = None
    burst: int = 1


@dataclass(frozen=True, slots=True)
class RestLimitSettings:
    """``public``: of an address, for what needs no sign-in. ``person``: by role. ``allow`` and ``deny``: networks; the first wins.

    Addresses of ``allow`` are not counted; who comes from ``deny`` is refused.
    """

    public: Rates = Rates(100)
    address: Rates = Rates(2_000, 100, 20)
    person: Mapping[str, Rates] = field(default_factory=lambda: {role: Rates(most, 60, 10) for role, most in PER_HOUR.items()})
    allow: tuple[Network, ...] = networks(("127.0.0.0/8", "::1/128"))
    deny: tuple[Network, ...] = ()
    remembered: int = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """``limit`` requests an hour, of which ``remaining`` are left; ``reset_s`` until all are. ``wait_s``: 0.0 when admitted."""

    limit: int
    remaining: int
    reset_s: float
    wait_s: float

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.reset_s)),
        }


class SlidingWindow:
    """At most ``most`` in ``length_s``: those of this window, and of those before it the share that is no longer ago than that."""

    __slots__ = ("_before", "_index", "_length_s", "_most", "_now")

    def __init__(self, most: int, length_s: float, now: float) -> None:
        self._most = most
        self._length_s = length_s
        self._index = math.floor(now / length_s)
        self._now = 0
        self._before = 0

    def wait(self, now: float) -> float:
        """0.0 when one more may come, else the seconds until then."""
        share = self._turn(now)
        if self._before * (1 - share) + self._now + 1 <= self._most:
            return 0.0
        if self._now + 1 <= self._most:
            return (1 - (self._most - 1 - self._now) / self._before - share) * self._length_s
        return (1 - share + 1 - (self._most - 1) / self._now) * self._length_s

    def take(self, now: float) -> None:
        self._turn(now)
        self._now += 1

    def left(self, now: float) -> int:
        share = self._turn(now)
        return max(0, math.floor(self._most - self._before * (1 - share) - self._now))

    def reset_s(self, now: float) -> float:
        """Until all may come again."""
        share = self._turn(now)
        windows = 2 if self._now else 1 if self._before else 0
        return max(0.0, windows - share) * self._length_s

    def _turn(self, now: float) -> float:
        """How much of this window is over, 0-1."""
        index = math.floor(now / self._length_s)
        if index > self._index:
            self._before = self._now if index == self._index + 1 else 0
            self._index, self._now = index, 0
        return min(1.0, max(0.0, now / self._length_s - self._index))


class _Account:
    """Of one caller."""

    __slots__ = ("_bucket", "_rates", "_window")

    def __init__(self, rates: Rates, now: float) -> None:
        self._rates = rates
        self._window = SlidingWindow(rates.per_hour, _HOUR_S, now)
        self._bucket = None if rates.per_minute is None else TokenBucket(rates.per_minute / _MINUTE_S, rates.burst, now)

    def take(self, now: float) -> Standing:
        """One more request. A refusal costs nothing."""
        wait_s = self._window.wait(now)
        if wait_s == 0.0 and self._bucket is not None:
            wait_s = self._bucket.take(now)
        if wait_s == 0.0:
            self._window.take(now)
        return Standing(self._rates.per_hour, self._window.left(now), self._window.reset_s(now), wait_s)


class RestLimits:
    """``clock``: monotonic seconds."""

    def __init__(self, settings: RestLimitSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._accounts: OrderedDict[tuple[str, str], _Account] = OrderedDict()

    def is_denied(self, address: str) -> bool:
        return is_within(address, self._settings.deny) and not self._is_trusted(address)

    def of_address(self, address: str) -> Standing | None:
        """One more request of this address; None where it is not counted."""
        return None if self._is_trusted(address) else self._take("address", network_of(address), self._settings.address)

    def of_public(self, address: str) -> Standing | None:
        """One more that nobody signed in for."""
        return None if self._is_trusted(address) else self._take("public", network_of(address), self._settings.public)

    def of_person(self, identity: str, role: str) -> Standing:
        return self._take("person", identity, self._settings.person.get(role, self._settings.public))

    def _is_trusted(self, address: str) -> bool:
        return is_within(address, self._settings.allow)

    def _take(self, kind: str, who: str, rates: Rates) -> Standing:
        now, key = self._clock(), (kind, who)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(rates, now)
            if len(self._accounts) > self._settings.remembered:
                self._accounts.popitem(last=False)
        self._accounts.move_to_end(key)
        return account.take(now)


_STANDING = web.RequestKey("standing", Standing)


def standing_headers(request: web.Request) -> Mapping[str, str]:
    """What a response tells its caller of their quota."""
    standing = request.get(_STANDING)
    return {} if standing is None else standing.headers


def limited_by_address(limits: RestLimits, address_of: Callable[[web.Request], str]) -> Middleware:
    """Refuses denied addresses anything, and those who ask for too much REST."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = address_of(request)
        if limits.is_denied(address):
            raise Refusal("address_denied", "This server's settings let nobody come from your network.")
        if _is_counted(request):
            _note(request, limits.of_address(address), "your network")
        return await handler(request)

    return limited


def limited_by_caller(limits: RestLimits, address_of: Callable[[web.Request], str]) -> Middleware:
    """To stand after the guard, which knows whose request it is. Whoever wants to sign out may, however much they asked for before."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _is_counted(request) and request.path != "/api/sign-out":
            caller = caller_of(request)
            if caller is None:
                _note(request, limits.of_public(address_of(request)), "your network without a sign-in")
            else:
                _note(request, limits.of_person(caller.identity, caller.role), "you")
        return await handler(request)

    return limited


def _is_counted(request: web.Request) -> bool:
    """Pages and their files are cached, Socket.IO has limits of its own, probes are part of the house."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/health/")


def _note(request: web.Request, standing: Standing | None, whose: str) -> None:
    if standing is None:
        return
    request[_STANDING] = standing
    if standing.wait_s > 0.0:
        raise Refusal("too_many_requests", f"Too many requests from {whose}: wait {math.ceil(standing.wait_s)} s.", standing.wait_s)
