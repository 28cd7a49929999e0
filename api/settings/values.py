"""Values that settings of several sections are made of, and what is said of those that are none."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from api.settings.section import split_text

_CODECS = ("opus", "g722", "pcma", "pcmu")
_MOST_WORKERS = 256
_KEY = re.compile(r"[0-9a-fA-F]{64}")


def _codecs(value: object) -> object:
    """``auto``, or codecs in the order they are wanted."""
    if value == "auto":
        return value
    names = split_text(value)
    if not isinstance(names, list | tuple) or not names or any(name not in _CODECS for name in names):
        raise ValueError(f'give "auto", or a list of {", ".join(_CODECS)} in the order they are wanted')
    return tuple(names)


def _networks(value: object) -> object:
    names = split_text(value)
    for name in names if isinstance(names, list | tuple) else ():
        ipaddress.ip_network(str(name))
    return names


def _addresses(value: object) -> object:
    """Addresses that can be bound and announced: numbers, and of one machine."""
    hosts = split_text(value)
    for host in hosts if isinstance(hosts, list | tuple) else ():
        try:
            address = ipaddress.ip_address(str(host))
        except ValueError:
            raise ValueError("give IP addresses, not names: browsers and phones are told them as they stand") from None
        if address.is_multicast:
            raise ValueError("a multicast address is that of no machine: name those that browsers reach, as in 192.0.2.10,2001:db8::10")
    return hosts


def _origins(value: object) -> object:
    """Names of sites: nothing else may come into a page's policy."""
    names = split_text(value)
    for name in names if isinstance(names, tuple | list) else ():
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", str(name)):
            raise ValueError(f"{name!r} is no site: give https://host or https://host:port, in small letters and without a path")
    return names


def _workers(value: object) -> object:
    """``auto``, or a number, also where there is only text."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number != "auto" and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST_WORKERS):
        raise ValueError(f'give "auto", or a number of processes from 0 to {_MOST_WORKERS}')
    return number


Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Quota = Annotated[int, Field(ge=1, le=10_000_000)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]
CodecPolicy = Annotated[str | tuple[str, ...], BeforeValidator(_codecs)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Workers = Annotated[int | Literal["auto"], BeforeValidator(_workers)]
Language = Annotated[str, Field(pattern=r"^(en|es)$")]
SoundName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


def check_keys(what: str, *keys: SecretStr) -> None:
    """``what``: the words for one of them. Raises ``ValueError`` for one that is set and is no key."""
    if any(key.get_secret_value() and not _KEY.fullmatch(key.get_secret_value()) for key in keys):
        raise ValueError(f"{what} is 64 hexadecimal digits: make one with `openssl rand -hex 32`")


def check_pem(certificate: Path | None, key: Path | None, *others: Path | None) -> None:
    """Raises ``ValueError`` for a pair that is none, and for files that are not there."""
    if (certificate is None) != (key is None):
        raise ValueError("tls_certificate and tls_key belong together: give both, or neither")
    for path in (certificate, key, *others):
        if path is not None and not path.is_file():
            raise ValueError(f"{path} does not exist or is no file: give the path of the PEM file")
