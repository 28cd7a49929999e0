"""Where a request really comes from, when a proxy stands between."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(names: Sequence[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(name, strict=False) for name in names)


def is_within(address: str, among: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in among)


def origin_of(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address of the client: the last hop of ``X-Forwarded-For`` that none of our own proxies added, or the peer itself.

    What stands further left was written by strangers and is worth nothing.
    """
    address = peer
    for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not is_within(address, trusted):
            break
        address = hop
    return address
