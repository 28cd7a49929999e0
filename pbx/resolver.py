"""Questions to the domain name system, answered from memory while the answers hold (RFC 1035, 2308); the one file that knows dnspython."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from pbx.address import BadValue, split_host
from pbx.locate import Naptr, NoAnswer, Srv

RESOLVE_S = 5.0
"""So long name servers are asked,"""

SYSTEM_WITHIN_S = 5.0
"""and so long after them the system's own resolver."""

SHORTEST_S = 5.0
LONGEST_S = 3600.0
LONGEST_NEGATIVE_S = 300.0
SYSTEM_S = 60.0
"""What the system's own resolver says holds as long: it does not tell."""

MAX_KEPT = 256
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Kept:
    records: tuple[object, ...]
    until: float


class Resolver:
    """``servers``: name servers to ask, each with its port or without; none: the system's. ``now`` tells monotonic seconds.

    Time to live is obeyed between 5 s and an hour, for what does not exist up to 5 minutes. While no server answers, an old answer is
    better than none.
    """

    def __init__(self, servers: Sequence[str], now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._resolver = _resolver(servers)

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        """Raises ``NoAnswer``; so below."""
        return await self._ask(
            name,
            "NAPTR",
            lambda r: Naptr(r.order, r.preference, r.flags.decode("latin-1"), r.service.decode("latin-1"), _text(r.replacement)),
        )

    async def srv(self, name: str) -> tuple[Srv, ...]:
        return await self._ask(name, "SRV", lambda r: Srv(r.priority, r.weight, r.port, _text(r.target)))

    async def addresses(self, name: str, families: Sequence[socket.AddressFamily]) -> tuple[str, ...]:
        """Addresses in the order of ``families``: what the name servers say, else what this machine itself knows (its hosts file)."""
        found: tuple[str, ...] = ()
        if "." in name.strip("."):
            for family in families:
                kind = "A" if family is socket.AF_INET else "AAAA"
                try:
                    found += await self._ask(name, kind, lambda r: str(r.address))
                except NoAnswer:
                    continue
        return found or await self._of_this_machine(name, families)

    def lasts_s(self, names: Sequence[str]) -> float:
        """How long all that is known under these names holds."""
        now = self._now()
        left = [kept.until - now for (name, _), kept in self._kept.items() if name in names and kept.records]
        return min([max(SHORTEST_S, seconds) for seconds in left], default=SYSTEM_S)

    async def _of_this_machine(self, name: str, families: Sequence[socket.AddressFamily]) -> tuple[str, ...]:
        key = (name, "system")
        kept = self._kept.get(key)
        if kept is not None and kept.until > self._now():
            return tuple(str(record) for record in kept.records)
        found: list[str] = []
        try:
            async with asyncio.timeout(SYSTEM_WITHIN_S):
                entries = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
            for family in families:
                found += [str(entry[4][0]) for entry in entries if entry[0] == family]
        except (OSError, TimeoutError, UnicodeError):
            return ()
        records = tuple(dict.fromkeys(found))
        self._keep(key, records, SYSTEM_S)
        return records

    async def _ask(self, name: str, kind: str, read: Callable[..., R]) -> tuple[R, ...]:
        key = (name, kind)
        kept = self._kept.get(key)
        if kept is not None and kept.until > self._now():
            return kept.records  # type: ignore[return-value]
        try:
            records, ttl_s = await self._query(name, kind, read)
        except NoAnswer:
            if kept is None:
                raise
            records, ttl_s = kept.records, SHORTEST_S  # type: ignore[assignment]
        self._keep(key, records, min(max(ttl_s, SHORTEST_S), LONGEST_S if records else LONGEST_NEGATIVE_S))
        return records

    async def _query(self, name: str, kind: str, read: Callable[..., R]) -> tuple[tuple[R, ...], float]:
        if self._resolver is None:
            raise NoAnswer
        try:
            answer = await self._resolver.resolve(
                name, kind, raise_on_no_answer=False, search=False, lifetime=RESOLVE_S, backend=dns.asyncbackend.get_backend("asyncio")
            )
            return tuple(read(record) for record in answer.rrset or ()), float(answer.chaining_result.minimum_ttl)
        except dns.resolver.NXDOMAIN as error:
            ttls = [response.resolve_chaining().minimum_ttl for response in error.responses().values()]  # type: ignore[no-untyped-call]
            return (), float(min(ttls, default=0))
        except (dns.exception.DNSException, OSError, UnicodeError):
            # Silence, SERVFAIL, an answer that is none, a name that can be none.
            raise NoAnswer from None

    def _keep(self, key: tuple[str, str], records: tuple[object, ...], lasts_s: float) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = _Kept(records, self._now() + lasts_s)


def _resolver(servers: Sequence[str]) -> dns.asyncresolver.Resolver | None:
    if not servers:
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return None
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port or 53) for host, port in map(split_server, servers)]
    return resolver


def split_server(text: str) -> tuple[str, int | None]:
    """An address with its port or without. Raises ``BadValue``."""
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    host, port = split_host(text)
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        raise BadValue(f"{text[:60]} is no address") from None
    return host, port


def _text(name: object) -> str:
    return str(name).rstrip(".")
