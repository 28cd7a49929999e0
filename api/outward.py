"""Where requests of ours may lead: names are looked up at each connection, and nothing inside is reached unless that is allowed."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

INSIDE = "its address is of a private network"
_WRAPPING = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""Of translators (RFC 6052) and of long ago (RFC 4291, section 2.5.5.1)."""
_CLOUD_KEYS = ip_address("fd00:ec2::254")


class InsideError(OSError):
    """The address is of a private network, and that is not allowed."""

    def __init__(self) -> None:
        super().__init__(INSIDE)


def outward_session(*, allow_private: bool, at_once: int, within_s: float) -> ClientSession:
    """A session that reaches nothing of a private network unless that is allowed, keeps no cookies and asks no proxy of the environment."""
    connector = TCPConnector(resolver=_Resolver(allow_private), limit=at_once, use_dns_cache=False)
    return ClientSession(connector=connector, timeout=ClientTimeout(total=within_s), cookie_jar=DummyCookieJar(), trust_env=False)


def refuse_inside(url: str, *, allow_private: bool) -> None:
    """An address in numbers is never looked up, so that the session's resolver does not see it. Raises ``InsideError``."""
    if may_not_be_reached(urlsplit(url).hostname or "", allow_private=allow_private):
        raise InsideError


class _Resolver(AbstractResolver):
    """Looks where a name leads before anything is sent there, at each connection: a name may lead elsewhere every time."""

    def __init__(self, allow_private: bool) -> None:
        self._inner = ThreadedResolver()
        self._allow_private = allow_private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if any(may_not_be_reached(each["host"], allow_private=self._allow_private) for each in found):
            raise InsideError
        return found

    async def close(self) -> None:
        await self._inner.close()


def may_not_be_reached(host: str, *, allow_private: bool) -> bool:
    """Is this an address that requests of ours do not go to? Links that machines have by themselves, where clouds keep their keys
    (169.254.169.254), and those of nobody or of many are never meant."""
    return is_inside(host) and (not allow_private or _is_never_meant(host))


def is_inside(host: str) -> bool:
    """Is this an address that is not of the public network? A name is none yet."""
    address = _address(host)
    return address is not None and (not address.is_global or address.is_multicast)


def _is_never_meant(host: str) -> bool:
    address = _address(host)
    if address is None:
        return False
    return address.is_link_local or address.is_multicast or address.is_unspecified or address == _CLOUD_KEYS


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """None: a name. An IPv4 address that one of IPv6 only wraps is that itself."""
    try:
        address = ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour
    if wrapped is None and any(address in network for network in _WRAPPING):
        wrapped = IPv4Address(int(address) & 0xFFFF_FFFF)
    return wrapped or address
