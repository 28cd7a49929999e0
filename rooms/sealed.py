"""The outside of what pages encrypt for one another: all that a server knows of it. Pure.

A room's key counts in *epochs*: a new one for each change of the devices that may read. A sealed message is
``1.EPOCH.DEVICE.NONCE.WORDS.SIGNATURE``, its parts in base64url without padding (RFC 4648, section 5): 96 bits of nonce, AES-256-GCM, and
64 bytes of ECDSA over P-256. A device is called by the hash of its public keys, so that nobody can give it others.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

_FORM = re.compile(r"1\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{32})\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{86}")
_POINT_BYTES = 65
"""An uncompressed point of P-256 (SEC 1, section 2.3.3)."""


@dataclass(frozen=True, slots=True)
class Sealed:
    epoch: int
    device_id: str


def sealed(cipher: str) -> Sealed | None:
    """By which device, for which epoch; None for what is no sealed message."""
    found = _FORM.fullmatch(cipher)
    return Sealed(int(found.group(1)), found.group(2)) if found else None


def device_id_of(sign_key: str, wrap_key: str) -> str | None:
    """What a device with these public keys is called; None where they are none."""
    try:
        points = [urlsafe_b64decode(key + "=" * (-len(key) % 4)) for key in (sign_key, wrap_key)]
    except ValueError:
        return None
    if any(len(point) != _POINT_BYTES or point[0] != 4 for point in points):
        return None
    return urlsafe_b64encode(hashlib.sha256(b"".join(points)).digest()[:24]).decode()
