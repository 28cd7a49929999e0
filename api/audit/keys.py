"""The keys of the audit: one chains its entries, one signs its checkpoints.

Both are derived (HKDF, RFC 5869) from the key of the settings, so that one never serves two purposes. Entries are chained by HMAC-SHA-256
(RFC 2104), which costs a microsecond: who has the database alone makes no entry that fits. Checkpoints are signed by Ed25519 (RFC 8032), so
that an auditor checks them with the public half, which forges nothing.
"""

import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.store.audit import AuditEntry, AuditEvent

KEY_BYTES = 32
_KEY_ID_BYTES = 4


class AuditKeys:
    """``keys``: 32 bytes each, the newest first; that one chains and signs, all of them verify. Raises ValueError for others."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"the audit needs at least one key, each of {KEY_BYTES} bytes")
        self._chaining = {_key_id(key): _derived(key, b"chain") for key in keys}
        self._signing = {_key_id(key): Ed25519PrivateKey.from_private_bytes(_derived(key, b"sign")) for key in keys}
        self.newest = _key_id(keys[0])

    def chained(self, previous: str, seq: int, event: AuditEvent) -> AuditEntry:
        """The entry that this event becomes behind the one with the digest ``previous``."""
        return AuditEntry(seq, event, self.newest, previous, _digest(self._chaining[self.newest], self.newest, previous, seq, event))

    def digest_of(self, entry: AuditEntry, *, seq: int | None = None) -> str | None:
        """What its digest must be, ``seq``: if it stood there; None where its key is not known here."""
        key = self._chaining.get(entry.key_id)
        return None if key is None else _digest(key, entry.key_id, entry.previous, entry.seq if seq is None else seq, entry.event)

    def sign(self, message: bytes) -> str:
        """128 hexadecimal digits under the newest key."""
        return self._signing[self.newest].sign(message).hex()

    @property
    def public(self) -> dict[str, str]:
        """What an auditor needs to check checkpoints, by key id: 64 hexadecimal digits each."""
        return {key_id: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex() for key_id, key in self._signing.items()}


def is_signed(public: str, signature: str, message: bytes) -> bool:
    """Did whoever has the other half of this public key sign it?"""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _digest(key: bytes, key_id: str, previous: str, seq: int, event: AuditEvent) -> str:
    return hmac.digest(key, msgspec.json.encode((key_id, previous, seq, event)), "sha256").hex()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"centralita audit key id" + key).hexdigest()[: 2 * _KEY_ID_BYTES]


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"centralita audit " + purpose).derive(key)
