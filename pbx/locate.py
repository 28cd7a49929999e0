"""Where the SIP service of a name is (RFC 3263): NAPTR for the transport, SRV for hosts and ports, addresses last.

What was written down wins: an address is taken as it is, a port means no SRV, a transport no NAPTR.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Protocol

from pbx.address import default_port
from pbx.transactions import Hop

_SERVICES = {"SIPS+D2T": "tls", "SIP+D2T": "tcp", "SIP+D2U": "udp"}
_PREFIXES = {"tls": "_sips._tcp.", "tcp": "_sip._tcp.", "udp": "_sip._udp."}
MAX_HOSTS = 8


@dataclass(frozen=True, slots=True)
class Naptr:
    """RFC 3403, section 4.1. ``replacement`` has no dot at its end."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """RFC 2782. An empty ``host``: the service is decidedly not there."""

    priority: int
    weight: int
    port: int
    host: str


class NameUnknown(Exception):
    """A name under which nothing was found. The message says what to check."""


class Names(Protocol):
    """``pbx.resolver.Resolver``. Its questions may raise ``NoAnswer``."""

    async def naptr(self, name: str) -> tuple[Naptr, ...]: ...

    async def srv(self, name: str) -> tuple[Srv, ...]: ...

    async def addresses(self, name: str, families: Sequence[socket.AddressFamily]) -> tuple[str, ...]: ...


class NoAnswer(Exception):
    """No name server answered, or none could."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``port`` 0 and ``transport`` None: whatever the name's owner offers. ``speaks``: the transports that we have."""

    server: str
    port: int = 0
    transport: str | None = None
    speaks: Sequence[str] = ("tls", "tcp", "udp")
    families: Sequence[socket.AddressFamily] = (socket.AF_INET, socket.AF_INET6)


async def locate(wanted: Wanted, names: Names, random: Random) -> tuple[list[Hop], list[str]]:
    """Addresses in the order in which they are tried, and every name that was asked for. Raises ``NameUnknown``.

    The same records and the same state of ``random`` give the same order: who is registered at one of several equals stays there.
    """
    transport = wanted.transport or ("udp" if "udp" in wanted.speaks else wanted.speaks[0])
    if is_address(wanted.server):
        return [Hop(transport, wanted.server.strip("[]"), wanted.port or default_port(transport))], []
    if wanted.port:
        return await _at(transport, [(wanted.server, wanted.port)], wanted, names, random), [wanted.server]
    asked: list[str] = []
    for service, name in await _services(wanted, names, asked):
        records = await _srv(name, names, asked)
        if records:
            hosts = [(record.host, record.port) for record in in_order(records, random) if record.host][:MAX_HOSTS]
            if not hosts:
                raise NameUnknown(
                    f"the name {wanted.server[:60]} says that there is no SIP over {service.upper()}: choose another transport"
                )
            return await _at(service, hosts, wanted, names, random), [*asked, *(host for host, _ in hosts)]
    return await _at(transport, [(wanted.server, default_port(transport))], wanted, names, random), [*asked, wanted.server]


async def _services(wanted: Wanted, names: Names, asked: list[str]) -> list[tuple[str, str]]:
    """Transports to try and the SRV name of each (section 4.1)."""
    if wanted.transport is not None:
        return [(wanted.transport, _PREFIXES[wanted.transport] + wanted.server)]
    asked.append(wanted.server)
    try:
        records = await names.naptr(wanted.server)
    except NoAnswer:
        records = ()
    offered = sorted((record for record in records if record.flags.lower() == "s"), key=lambda record: (record.order, record.preference))
    known = [(_SERVICES[record.service.upper()], record.replacement) for record in offered if record.service.upper() in _SERVICES]
    usable = [(transport, name) for transport, name in known if transport in wanted.speaks]
    return usable or [(transport, _PREFIXES[transport] + wanted.server) for transport in wanted.speaks]


async def _srv(name: str, names: Names, asked: list[str]) -> tuple[Srv, ...]:
    asked.append(name)
    try:
        return await names.srv(name)
    except NoAnswer:
        return ()


async def _at(transport: str, hosts: Sequence[tuple[str, int]], wanted: Wanted, names: Names, random: Random) -> list[Hop]:
    """IPv4 first: media has one address, most often one of those. Name servers rotate their answers, which changes nothing here."""
    hops = []
    for host, port in hosts:
        found = sorted(await names.addresses(host, wanted.families))
        random.shuffle(found)
        hops += [Hop(transport, address, port) for address in sorted(found, key=lambda address: ":" in address)]
    if not hops:
        raise NameUnknown(f"the name {wanted.server[:60]} is unknown: check it, or the name server")
    return hops


def in_order(records: Sequence[Srv], random: Random) -> list[Srv]:
    """By priority; among equals drawn by weight, those of weight 0 seldom (RFC 2782)."""
    left = sorted(records, key=lambda record: (record.priority, record.weight, record.host, record.port))
    drawn = []
    while left:
        among = [record for record in left if record.priority == left[0].priority]
        at = random.randint(0, sum(record.weight for record in among))
        for record in among:
            at -= record.weight
            if at <= 0:
                break
        drawn.append(record)
        left.remove(record)
    return drawn


@lru_cache(maxsize=256)
def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]").split("%")[0])
    except ValueError:
        return False
    return True
