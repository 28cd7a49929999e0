"""The keys of recordings: each file has one of its own, and lies wrapped (RFC 3394) by the newest key of the ring in the file's head.

From each key of the ring two are derived (HKDF, RFC 5869), so that one never serves two purposes: one wraps, one signs manifests. The
signature is Ed25519 (RFC 8032) and no HMAC, so that an auditor can check with the public key alone, which neither opens nor forges.

What a person says opens with their key too (``PersonKey``): where that was destroyed no copy of the file opens any more, whoever holds the
ring.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

KEY_BYTES = 32
KEY_ID_BYTES = 8
WRAPPED_BYTES = KEY_BYTES + 8


class UnknownKey(ValueError):
    """A file was wrapped or signed under a key that is not in the ring, or its person's key was destroyed."""


class PersonKey(NamedTuple):
    """The second half of a file's key, drawn for it alone. ``sealed``: the same under the key of a person, as it stands in the head."""

    half: bytes
    sealed: str

    def with_half(self, data_key: bytes) -> bytes:
        """The key under which the chunks are."""
        return _joined(data_key, self.half)


def _never(sealed: str) -> str:
    """No person's key is known here."""
    return ""


class KeyRing:
    """``keys``: 32 bytes each, the newest first; that one wraps and signs, all of them open and verify. Raises ValueError for others.

    ``open_sealed`` gives what a person's half was before it was sealed, in hexadecimal digits; empty: their key was destroyed.
    """

    def __init__(self, keys: Sequence[bytes], open_sealed: Callable[[str], str] = _never) -> None:
        self._open_sealed = open_sealed
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"recordings need at least one key, each of {KEY_BYTES} bytes")
        self._wrapping = {_key_id(key): _derived(key, b"wrap") for key in keys}
        self._signing = {_key_id(key): Ed25519PrivateKey.from_private_bytes(_derived(key, b"sign")) for key in keys}
        self.newest = _key_id(keys[0])

    @property
    def public_keys(self) -> dict[bytes, Ed25519PublicKey]:
        """What an auditor needs to check manifests, by key id."""
        return {key_id: key.public_key() for key_id, key in self._signing.items()}

    def wrap(self, data_key: bytes) -> bytes:
        """The 40 bytes that a file's key becomes under the newest key."""
        return aes_key_wrap(self._wrapping[self.newest], data_key)

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """Raises UnknownKey; ValueError when the wrapped key was altered."""
        if key_id not in self._wrapping:
            raise UnknownKey(f"the recording was made under key {key_id.hex()}, which is not among media.recording.key and previous_keys")
        try:
            return aes_key_unwrap(self._wrapping[key_id], wrapped)
        except InvalidUnwrap:
            raise ValueError("the wrapped key in the head of the file was altered") from None

    def with_person(self, data_key: bytes, sealed: str) -> bytes:
        """The key under which the chunks are: ``data_key`` itself in a file that is nobody's. Raises UnknownKey."""
        if not sealed:
            return data_key
        half = self._open_sealed(sealed)
        if half == sealed or len(half) != 2 * KEY_BYTES:
            raise UnknownKey("the key of the person in this recording was destroyed, or is not known here")
        return _joined(data_key, bytes.fromhex(half))

    def sign(self, message: bytes) -> bytes:
        """64 bytes under the newest key."""
        return self._signing[self.newest].sign(message)


def is_signed(public_key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        public_key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _joined(data_key: bytes, half: bytes) -> bytes:
    return hmac.digest(data_key, b"centralita recording person" + half, "sha256")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"centralita recording key id" + key).digest()[:KEY_ID_BYTES]


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"centralita recording " + purpose).derive(key)
