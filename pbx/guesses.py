"""Who tries passwords at us: each source that gives a wrong one is not listened to for a while, ever longer, and is told nothing.

    wrong once: 1 s of silence, then 2, 4 and 8 s; from the fifth in a row on: 10 min, doubling up to a day. A right one forgets them.

Who shares its address with a PBX that is registered, behind one NAT, is silent for half a minute at most, because the PBX is silent with
it. Asking without credentials is no guess, but is bounded too, for each source and for all of them. The table is bounded: the source that
was quiet longest is forgotten first.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

from pbx.admission import RateLimit

MAX_SOURCES = 4096
BLOCKED_FROM = 5
BLOCK_S = 600.0
LONGEST_BLOCK_S = 86_400.0
LONGEST_SHARED_S = 30.0
ASKS_PER_S = 2.0
ALL_ASKS_PER_S = 50.0


@dataclass(slots=True)
class _Source:
    wrong: int = 0
    wrong_at: float = 0.0
    silent_until: float = 0.0
    asks: RateLimit = field(default_factory=lambda: RateLimit(ASKS_PER_S))


class Guesses:
    """By address; of IPv6 by the network of a site (/64). ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._all = RateLimit(ALL_ASKS_PER_S)

    def hears(self, host: str, now: float, *, shared: bool = False) -> bool:
        """Is what comes from there looked at? Counts it as one of few per second. ``shared``: a PBX is registered from there."""
        source = self._source(host)
        if shared:
            return now >= min(source.silent_until, source.wrong_at + LONGEST_SHARED_S)
        return now >= source.silent_until and source.asks.allows(now) and self._all.allows(now)

    def wrong(self, host: str, now: float) -> float:
        """A wrong name or password came from there; for how many seconds it is silenced."""
        source = self._source(host)
        source.wrong += 1
        source.wrong_at = now
        if source.wrong < BLOCKED_FROM:
            silence_s = 2.0 ** (source.wrong - 1)
        else:
            silence_s = min(BLOCK_S * 2.0 ** min(source.wrong - BLOCKED_FROM, 20), LONGEST_BLOCK_S)
        source.silent_until = now + silence_s
        return silence_s

    def right(self, host: str) -> None:
        """Whoever is there knows the password."""
        self._sources.pop(_site(host), None)

    def _source(self, host: str) -> _Source:
        site = _site(host)
        source = self._sources.setdefault(site, _Source())
        self._sources.move_to_end(site)
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        return source


def _site(host: str) -> str:
    address = ipaddress.ip_address(host.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False)) if address.ipv4_mapped is None else str(address.ipv4_mapped)
    return str(address)
