"""What personal data is sealed with before it is written anywhere: AES-256-GCM under a key per person, and handles to find people by.

A *handle* is a keyed hash (BLAKE2b, RFC 7693) of a number, an address or an id. It may stand in columns to be compared with, and in no log.
The words of a text have handles of their beginnings, so that people can be looked for by name. Whoever has the database alone sees which
rows belong together and how long texts are, and nothing else.
"""

import base64
import hashlib
import os
import re
import unicodedata
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidTag

from api.privacy.key_book import KEY_BYTES, KEY_ID_BYTES, KeyBook

ERASED = ""
"""What is read where the key was destroyed."""
_MARK = "~1"
"""Sealed texts begin with it; what follows is base64: the key's id, the nonce, the text's bytes and their tag."""
BEGINNING_LETTERS = len(_MARK) + 4 * KEY_ID_BYTES // 3
"""So many of a sealed text tell which key it is under: nine bytes are twelve letters of base64."""
_NONCE_BYTES = 12
_HEAD_BYTES = KEY_ID_BYTES + _NONCE_BYTES
_LEAST_BYTES = _HEAD_BYTES + 16
_HANDLES = 16_384
"""Handles that are at hand; others are made again."""
_WORD = re.compile(r"[^\W_]+")
_FIRST_LETTERS, _LAST_LETTERS = 3, 12
_MOST_WORDS = 64


class Vault:
    """One for each process. All calls are synchronous and take microseconds, but for ``sync``, ``erase`` and ``rewrap``, which wait for the
    disk; those and ``open`` of a key that is not at hand raise ``KeysUnavailable``."""

    def __init__(self, book: KeyBook) -> None:
        self._book = book
        self._hashed = lru_cache(_HANDLES)(self._hash)

    @classmethod
    def in_memory(cls) -> "Vault":
        """Its keys go with it."""
        return cls(KeyBook(None, "memory", [os.urandom(KEY_BYTES)]))

    # ------------------------------------------------------------------ handles

    def number(self, e164: str) -> str:
        """Of a telephone number."""
        return self._hashed(b"number", e164)

    def email(self, text: str) -> str:
        """Of an address, however it is written."""
        return self._hashed(b"email", text.strip().casefold())

    def person(self, kind: str, id: str) -> str:
        """Of whoever we know by an id of our own: ``person("contact", contact_id)``."""
        return self._hashed(b"person", f"{kind}\0{id}")

    def words(self, text: str) -> list[str]:
        """Handles of the beginnings (3 letters and more) of each word, accents and case folded: to be kept beside the text."""
        beginnings = {
            word[:end] for word in _words(text) for end in range(min(_FIRST_LETTERS, len(word)), min(_LAST_LETTERS, len(word)) + 1)
        }
        return sorted(self._hash(b"word", beginning) for beginning in beginnings)

    def sought(self, text: str) -> list[str]:
        """One handle for each word that somebody looks for: found is what has all of them among its ``words``."""
        return [self._hash(b"word", word[:_LAST_LETTERS]) for word in _words(text)]

    def _hash(self, purpose: bytes, text: str) -> str:
        digest = hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._book.handle_secret, person=purpose
        ).digest()
        return base64.b32encode(digest).decode("ascii").rstrip("=").lower()

    # ------------------------------------------------------------------ texts

    def seal(self, handle: str, text: str) -> str:
        """Under the handle's own key, which is drawn at first use. Nothing stays nothing.

        What is sealed must not be committed before ``sync`` has returned.
        """
        if not text:
            return ""
        key_id, cipher = self._book.for_sealing(handle)
        nonce = os.urandom(_NONCE_BYTES)
        return (
            _MARK + b2a_base64(key_id + nonce + cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), None), newline=False).decode()
        )

    def handle_of(self, sealed: str) -> str | None:
        """Under whose key it is; None: nobody's, or that was destroyed."""
        body = _body(sealed)
        return None if body is None else self._book.handle_of(body[:KEY_ID_BYTES])

    def beginnings(self, handles: Iterable[str]) -> dict[str, str]:
        """With what every text begins that is sealed under a key of these handles, each with its handle. Reads the books."""
        keys = self._book.keys_of(handles)
        return {_MARK + b2a_base64(key_id, newline=False).decode(): handle for key_id, handle in keys.items()}

    def open(self, sealed: str) -> str:
        """The text; ``ERASED`` where its key was destroyed. What is not sealed comes back as it stands."""
        body = _body(sealed)
        if body is None:
            return sealed
        cipher = self._book.for_opening(body[:KEY_ID_BYTES])
        if cipher is None:
            return ERASED
        try:
            return cipher.decrypt(body[KEY_ID_BYTES:_HEAD_BYTES], body[_HEAD_BYTES:], None).decode("utf-8", "surrogatepass")
        except InvalidTag:
            return sealed

    def half(self, handle: str) -> tuple[str, str]:
        """32 bytes in hexadecimal digits, drawn now, and the same sealed: for what is encrypted elsewhere and is to be lost with them."""
        drawn = os.urandom(KEY_BYTES).hex()
        return drawn, self.seal(handle, drawn)

    def erase(self, handles: Iterable[str]) -> int:
        """Destroy their keys, in every book and its mirror; how many there were."""
        self._hashed.cache_clear()  # numbers and names are in it
        return self._book.destroy(handles)

    # ------------------------------------------------------------------ the books

    @property
    def mark(self) -> str:
        """Tells the folder of its keys from every other."""
        return self._book.mark

    @property
    def counts(self) -> dict[str, float]:
        return self._book.counts

    @property
    def gauges(self) -> dict[str, float]:
        return self._book.gauges

    @property
    def dirty(self) -> bool:
        """Were keys drawn that are not on the disk yet?"""
        return self._book.dirty

    def sync(self) -> None:
        """Returns when every key is on the disk; at once when all are."""
        self._book.sync()

    def rewrap(self) -> int:
        """Put every key under the newest master key; how many there were."""
        return self._book.rewrap()


def is_sealed(text: str) -> bool:
    """Does it look so? Whoever writes seals everything, whatever it looks like."""
    return text.startswith(_MARK)


def _body(sealed: str) -> bytes | None:
    """What is after the mark: the key's id, the nonce and the sealed text; None where it is none."""
    if not is_sealed(sealed):
        return None
    try:
        body = a2b_base64(sealed[len(_MARK) :], strict_mode=True)
    except ValueError:
        return None
    return body if len(body) >= _LEAST_BYTES else None


def _words(text: str) -> list[str]:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))
    return _WORD.findall(plain)[:_MOST_WORDS]
