"""How much of REST one network address and one person may use, and which addresses may come at all.

An hourly quota is a sliding window of two counters; a rate per minute is a token bucket with its burst. Both keep a few numbers per caller,
whatever the quota, and of ``remembered`` callers at most: the longest idle are forgotten. (The ``limits`` package has no bursts, keeps the
time of every hit and bounds no number of keys.) Callers are told where they stand in ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset``
(seconds until the quota is whole again), and ``Retry-After`` where they are refused.

Where several nodes share the work a caller's requests at all of them are counted together (``api/shared_limits.py``); each node counts its
own besides, refuses by that without asking anybody, and goes on with it while the others are not to be reached.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.guarded_routes import caller_of, refusal_of
from signaling.addresses import Network, is_within, networks
from signaling.grants import Role
from signaling.limits import TokenBucket, network_of
from signaling.refusal import Refusal

_HOUR_S = 3_600.0
MINUTE_S = 60.0
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


def rates_of_roles(per_hour: Mapping[str, int], person: Rates, program: Rates) -> dict[str, Rates]:
    """What each role may do: by the minute, people are people, and programs ask for all those who call at once."""
    return {role: replace(program if role == Role.SERVICE else person, per_hour=most) for role, most in per_hour.items()}


@dataclass(frozen=True, slots=True)
class RestLimitSettings:
    """``public``: of an address, for what needs no sign-in. ``person``: by role. ``allow`` and ``deny``: networks; the first wins.

    Addresses of ``allow`` are not counted; who comes from ``deny`` is refused.
    """

    public: Rates = Rates(100)
    address: Rates = Rates(2_000, 100, 20)
    person: Mapping[str, Rates] = field(default_factory=lambda: rates_of_roles(PER_HOUR, Rates(0, 60, 30), Rates(0, 600, 100)))
    allow: tuple[Network, ...] = networks(("127.0.0.0/8", "::1/128"))
    deny: tuple[Network, ...] = ()
    remembered: int = 10_000


@dataclass(frozen=True, slots=True)
class Quota:
    """What is counted: the requests of ``who``. ``whose``: how they are told of it."""

    kind: str
    who: str
    rates: Rates
    whose: str


@dataclass(frozen=True, slots=True)
class Standing:
    """``limit`` requests an hour, of which ``remaining`` are left; ``reset_s`` until all are. ``wait_s``: 0.0 when admitted."""

    limit: int
    remaining: int
    reset_s: float
    wait_s: float
    whose: str = ""

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

    __slots__ = ("_bucket", "_rates", "_whose", "_window")

    def __init__(self, quota: Quota, now: float) -> None:
        rates = self._rates = quota.rates
        self._whose = quota.whose
        self._window = SlidingWindow(rates.per_hour, _HOUR_S, now)
        self._bucket = None if rates.per_minute is None else TokenBucket(rates.per_minute / MINUTE_S, rates.burst, now)

    def look(self, now: float) -> Standing:
        """How one more request would fare."""
        wait_s = self._window.wait(now)
        if wait_s == 0.0 and self._bucket is not None:
            wait_s = self._bucket.wait(now)
        return self._standing(wait_s, now)

    def take(self, now: float) -> Standing:
        """One more request. A refusal costs nothing."""
        wait_s = self.look(now).wait_s
        if wait_s == 0.0:
            self._window.take(now)
            if self._bucket is not None:
                self._bucket.take(now)
        return self._standing(wait_s, now)

    def _standing(self, wait_s: float, now: float) -> Standing:
        return Standing(self._rates.per_hour, self._window.left(now), self._window.reset_s(now), wait_s, self._whose)


class SharedQuotas(Protocol):
    """Counts over all nodes."""

    async def take(self, quotas: Sequence[Quota]) -> list[Standing] | None:
        """One more request of each, or of none where one of them refuses it. None: nobody counts there just now."""


class RestLimits:
    """``clock``: monotonic seconds. ``shared``: where there are other nodes."""

    def __init__(self, settings: RestLimitSettings, clock: Callable[[], float], shared: SharedQuotas | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._shared = shared
        self._accounts: OrderedDict[tuple[str, str], _Account] = OrderedDict()

    def is_denied(self, address: str) -> bool:
        return is_within(address, self._settings.deny) and not self._is_trusted(address)

    def of_address(self, address: str) -> Quota | None:
        """Of all that comes from there; None where it is not counted."""
        return self._of_network("address", address, self._settings.address, "your network")

    def of_public(self, address: str) -> Quota | None:
        """Of what nobody signed in for."""
        return self._of_network("public", address, self._settings.public, "your network without a sign-in")

    def of_person(self, identity: str, role: str) -> Quota:
        return Quota("person", identity, self._settings.person.get(role, self._settings.public), "you")

    def take(self, quota: Quota) -> Standing:
        """One more request, counted here alone."""
        now = self._clock()
        return self._account(quota, now).take(now)

    async def take_everywhere(self, address: Quota | None, own: Quota | None) -> Standing | None:
        """One more request, over all nodes, of this address and of its caller; None where neither is counted.

        The address was counted here before.
        """
        quotas = [quota for quota in (address, own) if quota is not None]
        if self._shared is not None and quotas:
            now = self._clock()
            here = None if own is None else self._account(own, now).look(now)
            if here is not None and here.wait_s > 0.0:
                return here
            found = await self._shared.take(quotas)
            if found is not None:
                refused = max(found, key=lambda standing: standing.wait_s)
                if refused.wait_s == 0.0 and own is not None:
                    self.take(own)
                return refused if refused.wait_s > 0.0 else found[-1]
        return None if own is None else self.take(own)

    def _of_network(self, kind: str, address: str, rates: Rates, whose: str) -> Quota | None:
        return None if self._is_trusted(address) else Quota(kind, network_of(address), rates, whose)

    def _is_trusted(self, address: str) -> bool:
        return is_within(address, self._settings.allow)

    def _account(self, quota: Quota, now: float) -> _Account:
        key = (quota.kind, quota.who)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(quota, now)
            if len(self._accounts) > self._settings.remembered:
                self._accounts.popitem(last=False)
        self._accounts.move_to_end(key)
        return account


_STANDING = web.RequestKey("standing", Standing)


def standing_headers(request: web.Request) -> Mapping[str, str]:
    """What a response tells its caller of their quota."""
    standing = request.get(_STANDING)
    return {} if standing is None else standing.headers


def limited_by_address(limits: RestLimits, address_of: Callable[[web.Request], str]) -> Middleware:
    """Refuses denied addresses anything, and those who ask this node for too much REST."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = address_of(request)
        if limits.is_denied(address):
            raise Refusal("address_denied", "This server's settings let nobody come from your network.")
        quota = limits.of_address(address) if _is_counted(request) else None
        if quota is not None:
            _note(request, limits.take(quota))
        return await handler(request)

    return limited


def limited_by_caller(limits: RestLimits, address_of: Callable[[web.Request], str]) -> Middleware:
    """To stand between ``identified`` and the guard. Whoever wants to sign out may, however much they asked for before."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _is_counted(request):
            address, caller, own = address_of(request), caller_of(request), None
            if request.path != "/api/v1/sign-out" and refusal_of(request) is None:
                own = limits.of_public(address) if caller is None else limits.of_person(caller.identity, caller.role)
            standing = await limits.take_everywhere(limits.of_address(address), own)
            if standing is not None:
                _note(request, standing)
        return await handler(request)

    return limited


def _is_counted(request: web.Request) -> bool:
    """Pages and their files are cached, Socket.IO has limits of its own, probes are part of the house."""
    return request.path.startswith("/api/") and not request.path.startswith("/api/v1/health/")


def _note(request: web.Request, standing: Standing) -> None:
    request[_STANDING] = standing
    if standing.wait_s > 0.0:
        message = f"Too many requests from {standing.whose}: wait {math.ceil(standing.wait_s)} s."
        raise Refusal("too_many_requests", message, standing.wait_s)
