"""A file on the disk under a person's key: drawn for it alone, and sealed by the vault in the file's head.

    head    magic (8), bytes (2) of the sealed key, which follows
    pieces  of 65,536 bytes under AES-256-GCM, each with its tag of 16 bytes; the last one is shorter and bound to be the last

The key is of this file alone, so the piece's number can be the nonce (NIST SP 800-38D, section 8.2.1).
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.privacy.vault import ERASED, Vault

PIECE_BYTES = 65_536
_MAGIC = b"CTRFIL1\n"
_LENGTH = Struct("!H")
_TAG_BYTES = 16
_MORE, _LAST = b"\0", b"\1"


class Forgotten(Exception):
    """Whose file it was has been erased, or it was altered: nobody reads it any more."""


class SealedFile:
    """Writes a new one. ``half``: as ``Vault.half`` gives it. Raises OSError."""

    def __init__(self, file: BinaryIO, half: tuple[str, str]) -> None:
        key, sealed = half
        self._file = file
        self._cipher = AESGCM(bytes.fromhex(key))
        self._number = 0
        self._waiting = b""
        file.write(_MAGIC + _LENGTH.pack(len(sealed)) + sealed.encode("ascii"))

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= PIECE_BYTES:
            self._piece(self._waiting[:PIECE_BYTES], _MORE)
            self._waiting = self._waiting[PIECE_BYTES:]

    def end(self) -> None:
        """Behind the last byte; without it the file does not open to its end."""
        self._piece(self._waiting, _LAST)

    def _piece(self, data: bytes, which: bytes) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number), data, which))
        self._number += 1


def pieces_of(path: Path, vault: Vault) -> Iterator[bytes]:
    """What is in it; a file that was never sealed as it stands. Raises OSError; ``Forgotten``; ``KeysUnavailable``."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
        if head != _MAGIC:
            yield head
            while piece := file.read(PIECE_BYTES):
                yield piece
            return
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        key = vault.open(file.read(length).decode("ascii"))
        if key == ERASED:
            raise Forgotten("whose file it was has been erased")
        yield from _opened(file, AESGCM(bytes.fromhex(key)))


def _opened(file: BinaryIO, cipher: AESGCM) -> Iterator[bytes]:
    number, sealed = 0, file.read(PIECE_BYTES + _TAG_BYTES)
    while True:
        which = _LAST if len(sealed) < PIECE_BYTES + _TAG_BYTES else _MORE
        try:
            yield cipher.decrypt(_nonce(number), sealed, which)
        except InvalidTag:
            raise Forgotten("the file was altered or cut off") from None
        if which == _LAST:
            return
        number, sealed = number + 1, file.read(PIECE_BYTES + _TAG_BYTES)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
