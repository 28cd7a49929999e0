"""The keys of people, in files beside the database and outside its backups: whoever's key is destroyed here is forgotten there too.

Each node appends to a book of its own (``NODE.keys``) and reads the books of all. A record is 128 bytes long, so that none ever lies across
two sectors of a disk, and is destroyed or wrapped anew in place; what was destroyed leaves its id and nothing else. The ids of what was
destroyed are in the file ``destroyed`` too, in their order, so that every process finds within a second what another one has destroyed.
A record that was cut off by a kill was never acknowledged; it is passed over, and the next one takes its place.

In memory are those that are not on the disk yet, the last ones used, and of all others where they lie (``api/privacy/key_index.py``):
every call has a key, and a server runs for years.

Keys lie wrapped by AES-256-GCM under a key derived (HKDF, RFC 5869) from the newest master key. The secret of handles is derived from the
first master key there ever was, kept wrapped in the file ``handles``, and stays the same when the master key is changed: else nobody would
be found again who is in the database already.
"""

import fcntl
import hashlib
import os
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.privacy.key_index import KeyIndex

log = structlog.get_logger()

KEY_BYTES = 32
KEY_ID_BYTES = 9
HANDLE_LETTERS = 26
_NONCE_BYTES = 12
_LIVE, _DESTROYED = 1, 2
_MAGIC = b"K1"
_FIELDS = Struct(f"<2sBx4s{KEY_ID_BYTES}s{HANDLE_LETTERS}s{_NONCE_BYTES}s{KEY_BYTES + 16}s21x")
"""Magic, state, master key, id, handle, nonce, wrapped key."""
_CHECK = Struct("<I")
_RECORD_BYTES = _FIELDS.size + _CHECK.size
_SUFFIX = ".keys"
_DESTROYED_FILE = "destroyed"
_HANDLES_FILE = "handles"
_NOBODY = b"-" * HANDLE_LETTERS
_CIPHERS = 1_024
"""Keys that are at hand, of 2.5 kB each; others are unwrapped again, in microseconds."""
_AT_HAND = 4_096
"""Records that are at hand, of half a kilobyte each with their handles; others are read again, mostly from the system's memory."""
_READ_AT_ONCE = 8_192
_OFFSET_BITS = 48
"""Of a place: the rest of it is the number of the book."""
_LOOK_EVERY_S = 1.0
_REWRAPPED_AT_ONCE = 1_000


class KeysUnavailable(Exception):
    """The books cannot be read or written, or the master key is another one. Says what to do."""


class KeyBook:
    """``folder`` None: in memory only, for tests. ``masters``: 32 bytes each, the newest first; that one wraps, all of them unwrap.

    ``mirror``: a second folder that is written the same way, on another disk. ``clock``: monotonic seconds. ``at_hand``: so many records
    that are on the disk are kept in memory as well. May be used by several threads; ``sync``, ``destroy`` and ``rewrap`` wait for the disk,
    and what is not at hand is read from it. Raises ``KeysUnavailable``; ValueError for keys of another length.
    """

    def __init__(
        self,
        folder: Path | None,
        node: str,
        masters: Sequence[bytes],
        *,
        mirror: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[int], bytes] = os.urandom,
        at_hand: int = _AT_HAND,
    ) -> None:
        if not masters or any(len(master) != KEY_BYTES for master in masters):
            raise ValueError(f"personal data needs at least one master key, each of {KEY_BYTES} bytes")
        self._masters = {_master_id(master): AESGCM(_derived(master, b"wrap")) for master in masters}
        self._newest = _master_id(masters[0])
        self._folder = folder
        self._mirror = mirror
        self._name = f"{node}{_SUFFIX}"
        self._clock = clock
        self._draw = draw
        self._most_at_hand = at_hand
        self._records: OrderedDict[bytes, bytes] = OrderedDict()
        """The last ones used, as they lie in their books."""
        self._of_handle: dict[str, bytes] = {}
        """Ids of keys among those and the unsaved."""
        self._by_id = KeyIndex()
        self._by_handle = KeyIndex()
        self._named: list[str] = []
        """Books, by their numbers."""
        self._count = 0
        self._destroyed: set[bytes] = set()
        self._unsaved: dict[bytes, bytes] = {}
        """Of keys that are on no disk yet, or never will be: in memory only."""
        self._ciphers: dict[bytes, AESGCM] = {}
        self._read_to: dict[str, int] = {}
        self._destroyed_to = 0
        self._looked_at = clock()
        self._change = threading.RLock()
        self._files = threading.RLock()
        """Held by who writes files; ``_change`` never while waiting for a disk."""
        self.damaged = 0
        """So many records were not whole."""
        self.unknown = 0
        """So often a key was wanted that is in no book: a folder that is not shared, or not all of it."""
        self.mirror_failed = 0
        self.not_looked = 0
        self.not_read = 0
        """So often a record could not be read from its book."""
        self.mark = draw(KEY_ID_BYTES).hex()
        """Tells this folder of keys from every other; its mirror is the same."""
        if folder is None:
            self.handle_secret = _derived(masters[-1], b"handles")
            return
        with _in_words():
            for place in (folder, mirror):
                if place is not None:
                    place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if mirror is not None:
                self._agree(mirror)
            self.handle_secret = self._kept_handle_secret(_derived(masters[-1], b"handles"))
            self._read_books()
            self._read_destroyed()

    @property
    def counts(self) -> dict[str, float]:
        keys = {"keys_unknown": self.unknown, "keys_damaged": self.damaged}
        return {**keys, "mirror_failed": self.mirror_failed, "not_looked": self.not_looked, "keys_not_read": self.not_read}

    @property
    def gauges(self) -> dict[str, float]:
        return {"keys": self._count, "keys_unsaved": len(self._unsaved) if self._folder is not None else 0}

    @property
    def dirty(self) -> bool:
        """Are there keys that are not on the disk yet?"""
        return bool(self._unsaved) and self._folder is not None

    def for_sealing(self, handle: str) -> tuple[bytes, AESGCM]:
        """The id and the key of this handle, drawn now where it has none that can be used. Never fails: nothing that happens waits for a
        disk that is sick."""
        self._look()
        found = self._found(handle)
        if found is not None:
            return found
        with self._change:
            known = self._known(handle)  # another thread may have been quicker
            if known is not None:
                return known
            key_id, key = self._draw(KEY_ID_BYTES), self._draw(KEY_BYTES)
            self._unsaved[key_id] = self._wrapped(key_id, handle.encode(), key)
            self._of_handle[handle] = key_id
            self._count += 1
            return key_id, self._at_hand(key_id, AESGCM(key))

    def for_opening(self, key_id: bytes) -> AESGCM | None:
        """None: it was destroyed, or is in no book (counted in ``unknown``). Raises ``KeysUnavailable``."""
        self._look()
        with _in_words():
            cipher = self._cipher(key_id)
        if cipher is None and key_id not in self._destroyed:
            self._read_news()
            with _in_words():
                cipher = self._cipher(key_id)
            if cipher is None and key_id not in self._destroyed:
                self.unknown += 1
                if self.unknown == 1:
                    log.error("privacy.key_unknown", folder=str(self._folder), detail="All nodes share one folder of keys.")
        return cipher

    def handle_of(self, key_id: bytes) -> str | None:
        """Whose key it is; None: it was destroyed, or is in no book. Raises ``KeysUnavailable``."""
        if self.for_opening(key_id) is None:
            return None
        with _in_words():
            record = self._record(key_id)
        return None if record is None else _handle(record).decode()

    def sync(self) -> None:
        """Returns when every key that was drawn is on the disk. Raises ``KeysUnavailable``: then some are not."""
        if not self._unsaved or self._folder is None:
            return
        with self._files, _in_words():
            with self._change:
                records = dict(self._unsaved)
            if not records:
                return
            with _locked(self._folder / self._name) as book:
                self._read_on(self._name, book)
                begin = os.lseek(book, self._read_to.get(self._name, 0), os.SEEK_SET)
                _write(book, b"".join(records.values()))
                self._read_to[self._name] = os.lseek(book, 0, os.SEEK_CUR)
                self._follow(self._name, book)
            with self._change:
                for at, (key_id, record) in enumerate(records.items()):
                    self._lies_at(self._name, begin + at * _RECORD_BYTES, record)
                    if self._unsaved.pop(key_id, None) is not None:
                        self._remember(record)
        self._settle()

    def destroy(self, handles: Iterable[str]) -> int:
        """Returns when the keys of these handles are gone from every book; how many there were.

        Raises ``KeysUnavailable``: some may be left, so do it again.
        """
        unwanted = {handle.encode() for handle in handles}
        with self._files, _in_words():
            self._read_news()
            gone = {_key_id(record) for record in self._all_of(unwanted)}
            if self._folder is not None:
                if gone:
                    self._tell_destroyed(gone)
                for name in self._books():
                    gone |= self._destroy_in(name, unwanted)
            self._forget(gone)
        return len(gone)

    def keys_of(self, handles: Iterable[str]) -> dict[bytes, str]:
        """The ids of all keys of these handles, in every book, each with its handle."""
        with self._files, _in_words():
            self._read_news()
            return {_key_id(record): _handle(record).decode() for record in self._all_of({handle.encode() for handle in handles})}

    def rewrap(self) -> int:
        """Wrap every key under the newest master key that is not yet; how many there were.

        Raises ``KeysUnavailable`` where one was wrapped under a key that is none of ours; the others are done then.
        """
        if self._folder is None:
            return 0
        with self._files, _in_words():
            changed = self._rewrap_file(_HANDLES_FILE)
            return changed + sum(self._rewrap_file(name) for name in self._books())

    # ------------------------------------------------------------------ one key

    def _found(self, handle: str) -> tuple[bytes, AESGCM] | None:
        """The first key of this handle that can be used."""
        known = self._known(handle)
        if known is not None:
            return known
        try:
            for record in self._saved_of(handle.encode()):
                with suppress(KeysUnavailable), self._change:
                    if _key_id(record) in self._destroyed:
                        continue
                    cipher = self._ciphers.get(_key_id(record)) or AESGCM(self._unwrapped(record))
                    self._remember(record)
                    self._of_handle[handle] = _key_id(record)
                    return _key_id(record), self._at_hand(_key_id(record), cipher)
                log.error("privacy.key_unusable", detail="Its master key is in neither setting, or it was altered in its book.")
        except OSError as error:  # then they have another key from now on
            self.not_read += 1
            log.error("privacy.key_unread", detail=error.strerror)
        return None

    def _known(self, handle: str) -> tuple[bytes, AESGCM] | None:
        """What is at hand of this handle, with nothing read from a disk."""
        with self._change:
            key_id = self._of_handle.get(handle, b"")
            record = self._unsaved.get(key_id) or self._records.get(key_id)
            if record is None:
                return None
            return key_id, self._ciphers.get(key_id) or self._at_hand(key_id, AESGCM(self._unwrapped(record)))

    def _cipher(self, key_id: bytes) -> AESGCM | None:
        cipher = self._ciphers.get(key_id)
        if cipher is not None:
            return cipher
        record = self._record(key_id)
        if record is None:
            return None
        with self._change:
            return None if key_id in self._destroyed else self._at_hand(key_id, AESGCM(self._unwrapped(record)))

    # ------------------------------------------------------------------ one record

    def _record(self, key_id: bytes) -> bytes | None:
        """None: it was destroyed, or is in no book that was read. Raises OSError."""
        with self._change:
            record = self._unsaved.get(key_id) or self._records.get(key_id)
            if record is not None or key_id in self._destroyed:
                return record
        for place in self._by_id.find(key_id):
            record = self._read_at(place)
            if _is_whole(record) and _key_id(record) == key_id:
                if _state(record) == _DESTROYED:
                    self._forget([key_id])
                    return None
                with self._change:
                    if key_id in self._destroyed:
                        return None
                    self._remember(record)
                return record
        return None

    def _saved_of(self, handle: bytes) -> Iterator[bytes]:
        """Of every key of this handle that is on the disk, in the order in which they were read. Raises OSError."""
        for place in self._by_handle.find(handle):
            record = self._read_at(place)
            if _is_whole(record) and _state(record) == _LIVE and _handle(record) == handle and _key_id(record) not in self._destroyed:
                yield record

    def _all_of(self, handles: Collection[bytes]) -> list[bytes]:
        """Of every key of these handles. Raises OSError."""
        with self._change:
            unsaved = [record for record in self._unsaved.values() if _handle(record) in handles]
        return [record for handle in handles for record in self._saved_of(handle)] + unsaved

    def _read_at(self, place: int) -> bytes:
        assert self._folder is not None
        book = os.open(self._folder / self._named[place >> _OFFSET_BITS], os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(book, _RECORD_BYTES, place & ((1 << _OFFSET_BITS) - 1))
        finally:
            os.close(book)

    def _lies_at(self, name: str, offset: int, record: bytes) -> None:
        if name not in self._named:
            self._named.append(name)
        place = self._named.index(name) << _OFFSET_BITS | offset
        self._by_id.add(_key_id(record), place)
        self._by_handle.add(_handle(record), place)

    def _settle(self) -> None:
        self._by_id.settle()
        self._by_handle.settle()

    def _remember(self, record: bytes) -> None:
        self._records[_key_id(record)] = record
        self._records.move_to_end(_key_id(record))
        if len(self._records) > self._most_at_hand:
            key_id, oldest = self._records.popitem(last=False)
            self._forget_handle(key_id, oldest)

    def _forget_handle(self, key_id: bytes, record: bytes) -> None:
        handle = _handle(record).decode()
        if self._of_handle.get(handle) == key_id:
            del self._of_handle[handle]

    def _at_hand(self, key_id: bytes, cipher: AESGCM) -> AESGCM:
        self._ciphers[key_id] = cipher
        if len(self._ciphers) > _CIPHERS:
            del self._ciphers[next(iter(self._ciphers))]
        return cipher

    def _wrapped(self, key_id: bytes, handle: bytes, key: bytes) -> bytes:
        nonce = self._draw(_NONCE_BYTES)
        wrapped = self._masters[self._newest].encrypt(nonce, key, key_id + handle)
        return _checked(_FIELDS.pack(_MAGIC, _LIVE, self._newest, key_id, handle, nonce, wrapped))

    def _unwrapped(self, record: bytes) -> bytes:
        _, _, master_id, key_id, handle, nonce, wrapped = _FIELDS.unpack_from(record)
        master = self._masters.get(master_id)
        if master is None:
            raise KeysUnavailable(
                f"Keys of people were wrapped under master key {master_id.hex()}, which is not among privacy.key and privacy.previous_keys."
            )
        try:
            return master.decrypt(nonce, wrapped, key_id + handle)
        except InvalidTag:
            raise KeysUnavailable("A key of a person was altered in its book: restore the folder of keys from its mirror.") from None

    def _forget(self, gone: Iterable[bytes]) -> None:
        with self._change:
            for key_id in gone:
                if key_id not in self._destroyed and (key_id in self._unsaved or next(self._by_id.find(key_id), None) is not None):
                    self._count -= 1
                self._destroyed.add(key_id)
                self._ciphers.pop(key_id, None)
                for records in (self._records, self._unsaved):
                    record = records.pop(key_id, None)
                    if record is not None:
                        self._forget_handle(key_id, record)

    # ------------------------------------------------------------------ what others write

    def _look(self) -> None:
        """What have others destroyed?"""
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_S and self._folder is not None:
            self._looked_at = now
            try:
                self._read_destroyed()
            except OSError as error:  # then they are gone from the books all the same
                self.not_looked += 1
                log.error("privacy.destroyed_unread", detail=error.strerror)

    def _read_destroyed(self) -> None:
        assert self._folder is not None
        with suppress(FileNotFoundError):
            path = self._folder / _DESTROYED_FILE
            if path.stat().st_size - self._destroyed_to >= KEY_ID_BYTES:
                with path.open("rb") as file:
                    file.seek(self._destroyed_to)
                    body = file.read()
                whole = len(body) - len(body) % KEY_ID_BYTES
                self._destroyed_to += whole
                self._forget(body[at : at + KEY_ID_BYTES] for at in range(0, whole, KEY_ID_BYTES))

    def _read_news(self) -> None:
        if self._folder is not None:
            with _in_words():
                self._read_books()

    def _books(self) -> list[str]:
        assert self._folder is not None
        return sorted(path.name for path in self._folder.glob(f"*{_SUFFIX}"))

    def _read_books(self) -> None:
        assert self._folder is not None
        for name in self._books():
            path = self._folder / name
            if path.stat().st_size - self._read_to.get(name, 0) >= _RECORD_BYTES:
                with path.open("rb") as book:
                    self._read_on(name, book.fileno())

    def _read_on(self, name: str, book: int) -> None:
        """Read the whole records that came since."""
        while True:
            begin = self._read_to.get(name, 0)
            some = list(_records(book, begin, _READ_AT_ONCE))
            with self._change:
                if self._read_to.get(name, 0) == begin:  # else another thread was quicker
                    for at, record in some:
                        self._read_record(name, at, record)
                    self._read_to[name] = begin + len(some) * _RECORD_BYTES
            self._settle()
            if len(some) < _READ_AT_ONCE:
                return

    def _read_record(self, name: str, offset: int, record: bytes) -> None:
        if not _is_whole(record):
            self.damaged += 1
            log.warning("privacy.key_damaged")
        elif _state(record) == _DESTROYED:
            self._destroyed.add(_key_id(record))
        elif _key_id(record) not in self._destroyed:
            self._lies_at(name, offset, record)
            self._count += 1

    # ------------------------------------------------------------------ destroying and rewrapping in place

    def _destroy_in(self, name: str, unwanted: set[bytes]) -> set[bytes]:
        assert self._folder is not None
        with _locked(self._folder / name) as book:
            gone: dict[int, bytes] = {}
            for at, record in _records(book):
                if _is_whole(record) and _state(record) == _LIVE and _handle(record) in unwanted:
                    gone[at] = _key_id(record)
            tombs = {at: _tomb(key_id) for at, key_id in gone.items()}
            if tombs:
                _overwrite(book, tombs)
            if self._mirror is not None:
                self._follow(name, book, must=True)
                with _locked(self._mirror / name) as copy:  # also what an earlier try could not destroy there
                    _overwrite(
                        copy, {at: own for (at, own), (_, other) in zip(_records(book), _records(copy), strict=False) if own != other}
                    )
        return set(gone.values())

    def _tell_destroyed(self, gone: set[bytes]) -> None:
        """First of all, so that no other process opens anything with them that is still half there after a kill."""
        assert self._folder is not None
        with _locked(self._folder / _DESTROYED_FILE) as file:
            size = os.fstat(file).st_size
            os.lseek(file, size - size % KEY_ID_BYTES, os.SEEK_SET)
            _write(file, b"".join(sorted(gone)))

    def _rewrap_file(self, name: str) -> int:
        assert self._folder is not None
        changed, begin = 0, 0
        while True:
            with _locked(self._folder / name) as book:
                some = [(at, record) for at, record in _records(book, begin, _REWRAPPED_AT_ONCE)]
                if not some:
                    return changed
                begin = some[-1][0] + _RECORD_BYTES
                anew = {at: self._anew(record) for at, record in some if self._is_of_before(record)}
                if not anew:
                    continue
                _overwrite(book, anew)
                if self._mirror is not None:
                    self._follow(name, book, must=True)
                    with _locked(self._mirror / name) as copy:
                        _overwrite(copy, anew)
            with self._change:
                self._records.update({_key_id(record): record for record in anew.values() if _key_id(record) in self._records})
            changed += len(anew)

    def _is_of_before(self, record: bytes) -> bool:
        return _is_whole(record) and _state(record) == _LIVE and _FIELDS.unpack_from(record)[2] != self._newest

    def _anew(self, record: bytes) -> bytes:
        return self._wrapped(_key_id(record), _handle(record), self._unwrapped(record))

    # ------------------------------------------------------------------ the handles' secret and the mirror

    def _kept_handle_secret(self, first: bytes) -> bytes:
        """The one in the file; ``first`` where there is none, which is in it then."""
        assert self._folder is not None
        with _locked(self._folder / _HANDLES_FILE) as file:
            record = os.pread(file, _RECORD_BYTES, 0)
            if not _is_whole(record):
                if self._books():
                    raise KeysUnavailable(
                        f"{self._folder} holds keys of people, but no file {_HANDLES_FILE}, without which nobody is found:"
                        " restore it from the mirror or a copy of that folder."
                    )
                record = self._wrapped(bytes.fromhex(self.mark), _NOBODY, first)
                _overwrite(file, {0: record})
            self._follow(_HANDLES_FILE, file)
        self.mark = _key_id(record).hex()
        return self._unwrapped(record)

    def _follow(self, name: str, book: int, *, must: bool = False) -> None:
        """Let the mirror have what it lacks; ``must``: raise OSError where it cannot."""
        if self._mirror is None:
            return
        try:
            with _locked(self._mirror / name) as copy:
                size = os.fstat(copy).st_size
                begin = size - size % _RECORD_BYTES
                body = os.pread(book, max(0, os.fstat(book).st_size - begin), begin)
                if body:
                    os.lseek(copy, begin, os.SEEK_SET)
                    _write(copy, body)
        except OSError as error:
            if must:
                raise
            self.mirror_failed += 1
            log.error("privacy.mirror_behind", detail=error.strerror)

    def _agree(self, mirror: Path) -> None:
        """Each has what only the other had, and what was destroyed in one is destroyed in both."""
        assert self._folder is not None
        names = {path.name for place in (self._folder, mirror) for path in place.glob(f"*{_SUFFIX}")}
        for name in sorted(names | {_HANDLES_FILE}):
            if not (self._folder / name).exists() and not (mirror / name).exists():
                continue
            with _locked(self._folder / name) as here, _locked(mirror / name) as there:
                _copy_missing(there, here)
                _copy_missing(here, there)


def _copy_missing(source: int, target: int) -> None:
    own = dict(_records(target))
    missing = {at: record for at, record in _records(source) if _counts_more(record, own.get(at))}
    if missing:
        _overwrite(target, missing)


def _counts_more(record: bytes, own: bytes | None) -> bool:
    if not _is_whole(record):
        return False
    return own is None or not _is_whole(own) or (_state(record) == _DESTROYED and _state(own) == _LIVE)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, made where there is none, which no other process changes meanwhile."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        new = os.fstat(file).st_size == 0
        yield file
        if new:
            _sync_folder(path.parent)
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: int, body: bytes) -> None:
    """Where the file stands. All of it is on the disk, or OSError is raised and the file is as long as before."""
    begin = os.lseek(file, 0, os.SEEK_CUR)
    try:
        if os.write(file, body) != len(body):
            raise OSError(28, "No space left on device")
        os.fsync(file)
    except OSError:
        os.ftruncate(file, begin)
        raise


def _overwrite(file: int, records: dict[int, bytes]) -> None:
    for at, record in records.items():
        if os.pwrite(file, record, at) != len(record):
            raise OSError(28, "No space left on device")
    os.fsync(file)


def _records(file: int, begin: int = 0, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Whole ones with their places."""
    size = os.fstat(file).st_size - begin if most is None else most * _RECORD_BYTES
    body = os.pread(file, max(0, size), begin)
    for at in range(0, len(body) - len(body) % _RECORD_BYTES, _RECORD_BYTES):
        yield begin + at, body[at : at + _RECORD_BYTES]


def _checked(body: bytes) -> bytes:
    return body + _CHECK.pack(zlib.crc32(body))


def _is_whole(record: bytes) -> bool:
    return len(record) == _RECORD_BYTES and record[:2] == _MAGIC and _CHECK.pack(zlib.crc32(record[:-4])) == record[-4:]


def _tomb(key_id: bytes) -> bytes:
    nothing = bytes(HANDLE_LETTERS)
    return _checked(_FIELDS.pack(_MAGIC, _DESTROYED, bytes(4), key_id, nothing, bytes(_NONCE_BYTES), bytes(KEY_BYTES + 16)))


def _state(record: bytes) -> int:
    return record[2]


def _key_id(record: bytes) -> bytes:
    return bytes(_FIELDS.unpack_from(record)[3])


def _handle(record: bytes) -> bytes:
    return bytes(_FIELDS.unpack_from(record)[4])


def _master_id(master: bytes) -> bytes:
    return hashlib.sha256(b"centralita privacy key id" + master).digest()[:4]


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"centralita privacy " + purpose).derive(master)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeysUnavailable(
            f"The keys of people cannot be read or written ({error.strerror}): see to the folder of keys and the disk it is on."
        ) from error
