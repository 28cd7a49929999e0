"""Who may talk to us at all, and how much: the PBX's own addresses, and a bounded rate of new calls."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class UnknownNetwork(ValueError):
    """A configured address or network that is none."""


class SourceTrust:
    """``trusted``: addresses or networks from the settings. ``resolved`` replaces those that the PBX's name stands for.

    ``anybody``: a PBX may register from anywhere, so that who is heard is decided later, by what they say (``pbx.registrar``).
    """

    def __init__(self, trusted: Iterable[str] = (), *, anybody: bool = False) -> None:
        self._anybody = anybody
        self._fixed = [_network(text) for text in trusted]
        self._resolved: frozenset[str] = frozenset()

    def resolved(self, addresses: Iterable[str]) -> None:
        self._resolved = frozenset(_plain(address) for address in addresses)

    def allows(self, host: str) -> bool:
        plain = _plain(host)
        if self._anybody or plain in self._resolved:
            return True
        if not self._fixed:
            return False
        address = ipaddress.ip_address(plain)
        return any(address in network for network in self._fixed)


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UnknownNetwork(f"{text!r} is neither an address nor a network: write 10.0.0.5 or 10.0.0.0/24 in trusted") from None


@lru_cache(maxsize=1024)
def _plain(host: str) -> str:
    """Without an IPv6 zone, and an IPv4-mapped address as IPv4."""
    address = ipaddress.ip_address(host.split("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class Congestion:
    """Something was crowded each time it was looked at, for longer than ``longest_s``: that does not pass by itself.

    What is late for a moment, or lost, is sent again by who called, half a second later and again, and is carried then; to refuse it would
    be worse. Where it goes on, all that is sent again only adds to it.
    """

    def __init__(self, longest_s: float = 2.0) -> None:
        self._longest_s = longest_s
        self._since: float | None = None

    def lasts(self, crowded: bool, now: float) -> bool:
        if not crowded:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since > self._longest_s


class RateLimit:
    """A token bucket: ``per_s`` on average, twice that at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, 2 * per_s)
        self._tokens = self._most
        self._at = 0.0

    def allows(self, now: float) -> bool:
        """Take one, where there is one."""
        if not self.has_room(now):
            return False
        self.take(now)
        return True

    def has_room(self, now: float) -> bool:
        return self._tokens + (now - self._at) * self._per_s >= 1.0

    def take(self, now: float) -> None:
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_s) - 1.0
        self._at = now
