"""One recording on disk: a head, then chunks under AES-256-GCM, each bound to its file, its place and everything before it.

    head   magic (8), file id (16), id of the wrapping key (8), the file's own key, wrapped (40);
           in a file that is a person's (magic of version 2): bytes (2) of their half of the key, sealed, which follows
    chunk  bytes (4), number (4), last (1), of the file whose id begins so (8); ciphertext with its tag of 16 bytes

Theory. The key is drawn for this file alone, so the chunk's number can be the nonce (NIST SP 800-38D, section 8.2.1). The associated data
are file id, number, last-flag and the hash chain over all chunks before. What is altered, cut, swapped or taken from another file does
not open. The clear bytes before a chunk are believed by nobody: they only let the reader say what happened.

A chunk goes to the kernel in one write: after ``kill -9`` everything up to the last whole chunk can be read, and a file without a chunk
marked last says that it ended early. From the file alone, a crash and a cut at the end look alike: the manifest tells them apart.
A write that failed is never tried again, since that could use a nonce twice.
"""

import fcntl
import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from media.recording.keys import KEY_BYTES, KEY_ID_BYTES, WRAPPED_BYTES, KeyRing, PersonKey

FILE_ID_BYTES = 16
_MAGIC = b"CTRREC1\n"
_MAGIC_OF_PERSON = b"CTRREC2\n"
_HEAD = Struct("!8s16s8s40s")
_SEALED = Struct("!H")
_FRAME = Struct("!IIB8s")
_BOUND = Struct("!16sIB32s")
_KEY_OFFSET = 24
_LONGEST_CHUNK = 1 << 26
_LONGEST_SEALED = 1_024


class Ending(StrEnum):
    """How a file ends: as its writer wanted; before that; or where it was altered."""

    COMPLETE = "complete"
    EARLY = "early"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Chunks:
    """The contents up to the end, or to the first fault, which ``detail`` names. ``digest``: the hash chain over ``contents``."""

    file_id: bytes
    contents: tuple[bytes, ...]
    digest: bytes
    ending: Ending
    detail: str


class ChunkWriter:
    """A new file at ``path``, readable by its owner alone. ``file_id`` and ``data_key`` are drawn by the caller, for this file alone.

    ``person``: whose it is; without their key nobody opens it.

    Raises OSError, here and in ``write``; the file then ends with its last whole chunk, and nothing more can be written.
    """

    def __init__(self, path: Path, ring: KeyRing, *, file_id: bytes, data_key: bytes, person: PersonKey | None = None) -> None:
        if len(file_id) != FILE_ID_BYTES or len(data_key) != KEY_BYTES:
            raise ValueError(f"a file id has {FILE_ID_BYTES} bytes and a key {KEY_BYTES}")
        self.path, self.file_id = path, file_id
        self.chunks = 0
        self.digest = _first_digest(file_id)
        self._cipher = AESGCM(data_key if person is None else person.with_half(data_key))
        self._whole_bytes = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as we live: so others see that it is being written
        self._open = True
        head = _HEAD.pack(_MAGIC if person is None else _MAGIC_OF_PERSON, file_id, ring.newest, ring.wrap(data_key))
        self._append(head if person is None else head + _SEALED.pack(len(person.sealed)) + person.sealed.encode("ascii"))

    def write(self, content: bytes, *, last: bool = False) -> None:
        """One more chunk; behind the ``last`` one the file is on the disk itself and closed."""
        sealed = self._cipher.encrypt(_nonce(self.chunks), content, _BOUND.pack(self.file_id, self.chunks, last, self.digest))
        self._append(_FRAME.pack(len(sealed), self.chunks, last, self.file_id[:8]) + sealed)
        self.digest = hashlib.sha256(self.digest + sealed).digest()
        self.chunks += 1
        if last:
            try:
                os.fdatasync(self._file)
            finally:
                self.close()

    def close(self) -> None:
        """Let go of the file as it is. Idempotent."""
        if self._open:
            self._open = False
            os.close(self._file)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            try:
                os.ftruncate(self._file, self._whole_bytes)
            finally:
                self.close()
            raise
        self._whole_bytes += len(data)


def read_chunks(path: Path, ring: KeyRing) -> Chunks:
    """Everything that can be believed. Raises OSError; ValueError for what is no recording, and UnknownKey."""
    data = path.read_bytes()
    head = _parse_head(data)
    data_key = ring.with_person(ring.unwrap(head.key_id, head.wrapped), head.sealed)
    return _open_chunks(memoryview(data)[head.size :], head.file_id, data_key)


def measure(path: Path) -> tuple[int, bytes]:
    """How many whole chunks follow one another, and the hash chain over them and all that follows: without any key, for whoever checks a
    signature. Raises OSError; ValueError for what is no recording.
    """
    data = path.read_bytes()
    head = _parse_head(data)
    digest, chunks = _first_digest(head.file_id), 0
    rest = memoryview(data)[head.size :]
    while len(rest) >= _FRAME.size:
        size, number, _, _ = _FRAME.unpack_from(rest)
        sealed = rest[_FRAME.size : _FRAME.size + size]
        if number != chunks or len(sealed) < size:
            break
        digest, chunks = hashlib.sha256(digest + sealed).digest(), chunks + 1
        rest = rest[_FRAME.size + size :]
    return chunks, hashlib.sha256(digest + rest).digest() if rest else digest


def rewrap(path: Path, ring: KeyRing) -> bool:
    """Put the file's key under the newest key of the ring; False where it is already. The chunks stay, and so does the time of the last
    one, from which its retention counts. Raises as reading does."""
    written = path.stat()
    with path.open("r+b") as file:
        head = _parse_head(file.read(_HEAD.size + _SEALED.size + _LONGEST_SEALED))
        if head.key_id == ring.newest:
            return False
        renewed = ring.newest + ring.wrap(ring.unwrap(head.key_id, head.wrapped))
        file.seek(_KEY_OFFSET)
        file.write(renewed)  # within one sector: after a power cut it is the old or the new one
        file.flush()
        os.fdatasync(file.fileno())
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    return True


def forget_key(path: Path) -> None:
    """Overwrite the file's wrapped key: nobody can open it any more, whatever key they hold. Raises OSError."""
    with path.open("r+b") as file:
        file.seek(_KEY_OFFSET + KEY_ID_BYTES)
        file.write(bytes(WRAPPED_BYTES))
        file.flush()
        os.fdatasync(file.fileno())


class _Head(NamedTuple):
    file_id: bytes
    key_id: bytes
    wrapped: bytes
    sealed: str
    size: int


def _parse_head(data: bytes) -> _Head:
    size, sealed = _HEAD.size, ""
    of_person = data.startswith(_MAGIC_OF_PERSON)
    if of_person and len(data) >= size + _SEALED.size:
        begin = size + _SEALED.size
        size = begin + _SEALED.unpack_from(data, size)[0]
        sealed = data[begin:size].decode("ascii", "replace")
    if len(data) < size or not (of_person or data.startswith(_MAGIC)):
        raise ValueError("this is no recording, or one that ended before its first chunk")
    _, file_id, key_id, wrapped = _HEAD.unpack_from(data)
    return _Head(file_id, key_id, wrapped, sealed, size)


def _open_chunks(data: memoryview, file_id: bytes, data_key: bytes) -> Chunks:
    cipher = AESGCM(data_key)
    contents: list[bytes] = []
    digest, last = _first_digest(file_id), False

    def ended(ending: Ending, detail: str) -> Chunks:
        return Chunks(file_id, tuple(contents), digest, ending, detail)

    while data:
        expected = len(contents)
        if last:
            return ended(Ending.ALTERED, f"{len(data)} bytes follow the last chunk")
        if len(data) < _FRAME.size:
            return ended(Ending.EARLY, f"chunk {expected} is incomplete")
        size, number, flag, owner = _FRAME.unpack_from(data)
        if owner != file_id[:8]:
            return ended(Ending.ALTERED, f"chunk {expected} is of another recording")
        if number != expected:
            return ended(Ending.ALTERED, f"chunk {number} stands where chunk {expected} belongs")
        if size > _LONGEST_CHUNK:
            return ended(Ending.ALTERED, f"chunk {expected} was altered")
        sealed = data[_FRAME.size : _FRAME.size + size]
        if len(sealed) < size:
            return ended(Ending.EARLY, f"chunk {expected} is incomplete")
        try:
            contents.append(cipher.decrypt(_nonce(number), sealed, _BOUND.pack(file_id, number, flag, digest)))
        except InvalidTag:
            return ended(Ending.ALTERED, f"chunk {expected} was altered")
        digest, last = hashlib.sha256(digest + sealed).digest(), bool(flag)
        data = data[_FRAME.size + size :]
    if not last:
        return ended(Ending.EARLY, f"nothing follows chunk {len(contents) - 1}, which is not the last" if contents else "it has no chunk")
    return ended(Ending.COMPLETE, "")


def _first_digest(file_id: bytes) -> bytes:
    return hashlib.sha256(_MAGIC + file_id).digest()


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
