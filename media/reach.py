"""Which of our addresses are announced, and where media is sent only because somebody named the address.

A browser's address is learnt from its own checks, so its offer cannot make us send anywhere. A phone's is taken from its session
description: without a rule, whoever may call could have us send to this machine's own services, to its network's link-local ones (a
cloud's metadata service among them), to a whole multicast group, or to the name server of somebody else.
"""

import ipaddress
from collections.abc import Collection, Iterable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
"""Where clouds tell a machine its secrets: AWS and most others, AWS by IPv6, Alibaba, Oracle."""


_LEAST_PORT = 1_024
_SIP_PORTS = (5060, 5061)
"""Below, and on these, servers listen and no phone: names, clocks, management, signalling."""


def may_send_to(host: str, port: int, local_host: str, signalled_from: str = "", own: Collection[str] = ()) -> bool:
    """May media go to ``host`` because it was named? To the machine itself, of which ``own`` are addresses, only from its own loopback,

    or when that is who signals; and nowhere to a port where servers listen.
    """
    address = _plain(host)
    if port < _LEAST_PORT or port in _SIP_PORTS:
        return False
    if address is None or address in _METADATA or address.is_multicast or address.is_link_local or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv4Address) and address.is_reserved:  # class E, and the broadcast address in it
        return False
    if address.is_loopback:
        return any(near is not None and near.is_loopback for near in (_plain(local_host), _plain(signalled_from)))
    return address == _plain(signalled_from) or address not in [_plain(each) for each in (local_host, *own)]


def is_address(host: str) -> bool:
    """An address to send to, not a name and not the unspecified one, which means hold (RFC 2543)."""
    address = _plain(host)
    return address is not None and not address.is_unspecified


def announced(hosts: Iterable[str], public_hosts: Iterable[str]) -> tuple[str, ...]:
    """What is told to browsers: ``public_hosts`` stand for the ``hosts`` of their family; a global address of the other one needs none.

    Nothing else: behind a NAT private and loopback addresses are nobody's business.
    """
    public = tuple(public_hosts)
    if not public:
        return tuple(hosts)
    families = {ipaddress.ip_address(host).version for host in public}
    own = (host for host in hosts if (address := _plain(host)) is not None and address.version not in families and address.is_global)
    return (*public, *own)


def _plain(host: str) -> IpAddress | None:
    """An address, of ``::ffff:192.0.2.1`` the one within; None for what is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
