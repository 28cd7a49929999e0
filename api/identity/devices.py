"""With what and from where somebody signs in."""

import hashlib
import ipaddress
from dataclasses import dataclass

_LONGEST_NAME = 200
_LONGEST_ADDRESS = 64
# In this order: each browser also calls itself what those behind it are, and so do systems.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("CrOS", "ChromeOS")),
    *(("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux")),
)


@dataclass(frozen=True, slots=True)
class Device:
    """``name``: what it calls itself (``User-Agent``); ``token``: the secret in its cookie by which it is known again; ``address``."""

    address: str
    name: str = ""
    token: str = ""

    @property
    def digest(self) -> str:
        """Stands for the token, which is not kept."""
        return hashlib.sha256(self.token.encode()).hexdigest() if self.token else ""

    @property
    def place(self) -> str:
        """The network it is in: the IPv4 /24, the IPv6 /48. A line that is given another address now and then stays where it was."""
        try:
            address = ipaddress.ip_address(self.address.split("%")[0])
        except ValueError:
            return self.shown_address
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))

    @property
    def shown_name(self) -> str:
        """Printable, and not as long as strangers like."""
        return _printable(self.name)[:_LONGEST_NAME]

    @property
    def kind(self) -> str:
        """``Firefox, Windows``: what its person would call it. Where it is none that we know, what it calls itself."""
        program, system = (next((name for mark, name in marks if mark in self.name), "") for marks in (_PROGRAMS, _SYSTEMS))
        return f"{program}, {system}" if program and system else self.shown_name

    @property
    def shown_address(self) -> str:
        return _printable(self.address)[:_LONGEST_ADDRESS]


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
