"""What is different about the bad calls of a period, and which calls these are: asked of the records, told by ``outliers.py``.

Nothing is kept for it alone: agents, queues, trunks, codecs, headsets and ways of packets stand with calls and their legs; browser,
system and network are of the agent's session. Site and carrier are names that the settings give to networks. None of these is a customer's.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from msgspec import Struct

from api.reports.outliers import Group, Outlier, outliers
from api.reports.period import Period
from api.store.reports import Asked, ReportStore, Trait
from signaling.refusal import Refusal

Network = IPv4Network | IPv6Network
Dimension = Literal[
    "agent",
    "queue",
    "site",
    "carrier",
    "network",
    "browser",
    "system",
    "headset",
    "connection",
    "way",
    "family",
    "browser_codec",
    "phone_codec",
    "trunk",
]
MOST_CALLS = 50
_KNOWN = 40
"""Letters of a device that we know: ``Chrome, Windows``. A name that a browser gave itself is longer, and put together as ``other``."""


class Differences(Struct, frozen=True):
    """``calls``, ``bad``: that were measured. ``tested``, ``too_few``: see ``outliers.Found``."""

    since: float
    until: float
    zone: str
    calls: int
    bad: int
    tested: int
    too_few: int
    outliers: list[Outlier]


class BadCall(Struct, frozen=True):
    """``who``: the agent. Where and why it was bad: ``quality_hop``, ``quality_cause``."""

    call_id: str
    started_at: float
    who: str
    queue: str
    mos_p10: float | None
    quality_hop: str | None
    quality_cause: str | None


@dataclass(frozen=True, slots=True)
class _Way:
    """A dimension: of which trait it is made, and how. '' : of none."""

    trait: Trait
    value: Callable[[str], str]


class DifferenceFinder:
    """``sites``: networks by the name of the office that has them. ``carriers``: by that of who carries them."""

    def __init__(self, store: ReportStore, sites: Mapping[str, Sequence[Network]], carriers: Mapping[str, Sequence[Network]]) -> None:
        self._store = store
        same = str
        self._ways: dict[Dimension, _Way] = {
            "agent": _Way("agent", same),
            "queue": _Way("queue", same),
            "site": _Way("place", lambda place: _name_of(place, sites)),
            "carrier": _Way("place", lambda place: _name_of(place, carriers)),
            "network": _Way("place", same),
            "browser": _Way("device", lambda device: _of_device(device, 0)),
            "system": _Way("device", lambda device: _of_device(device, 1)),
            "headset": _Way("headset", same),
            "connection": _Way("connection", same),
            "way": _Way("way", same),
            "family": _Way("family", same),
            "browser_codec": _Way("browser_codec", same),
            "phone_codec": _Way("phone_codec", same),
            "trunk": _Way("trunk", same),
        }

    async def find(self, of: Period, people: frozenset[str] | None) -> Differences:
        asked = Asked(of.since, of.until, people=people)
        totals = await self._store.calls(asked, 1)
        groups = [group for name, way in self._ways.items() for group in await self._groups(asked, name, way)]
        found = await asyncio.to_thread(outliers, groups)
        calls, bad = sum(row["measured"] for row in totals), sum(row["bad"] for row in totals)
        return Differences(of.since, of.until, of.zone, calls, bad, found.tested, found.too_few, found.outliers)

    async def _groups(self, asked: Asked, name: Dimension, way: _Way) -> list[Group]:
        sums: dict[str, tuple[int, int]] = {}
        for row in await self._store.shares(asked, way.trait):
            value = way.value(row["value"])
            calls, bad = sums.get(value, (0, 0))
            sums[value] = (calls + row["calls"], bad + row["bad"])
        return [Group(name, value, *counts) for value, counts in sorted(sums.items()) if value]

    async def calls(self, of: Period, people: frozenset[str] | None, dimension: str, value: str) -> list[BadCall]:
        """The newest bad calls with this value. Raises ``Refusal``."""
        way = next((way for name, way in self._ways.items() if name == dimension), None)
        if way is None:
            raise Refusal("bad_message", f"dimension is one of {', '.join(self._ways)}.")
        asked = Asked(of.since, of.until, people=people)
        values = [row["value"] for row in await self._store.shares(asked, way.trait) if way.value(row["value"]) == value]
        rows = await self._store.bad_with(asked, way.trait, values, MOST_CALLS) if values else []
        return [BadCall(**row) for row in rows]


def _name_of(place: str, named: Mapping[str, Sequence[Network]]) -> str:
    """Of the smallest of these networks that a place is within: who carries a country carries an office's network too."""
    try:
        network = ip_network(place)
    except ValueError:
        return ""
    found = [(each.prefixlen, name) for name, networks in named.items() for each in networks if _within(network, each)]
    return max(found)[1] if found else ""


def _within(network: Network, outer: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(outer, IPv4Network):
        return network.subnet_of(outer)
    return isinstance(network, IPv6Network) and isinstance(outer, IPv6Network) and network.subnet_of(outer)


def _of_device(device: str, part: int) -> str:
    parts = device.split(", ")
    return parts[part] if len(parts) == 2 and len(device) <= _KNOWN else "other"
