"""Files that take what the database does not take now: one JSON line per row, sealed as there, on the disk before it is acknowledged."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar, cast

import msgspec
from msgspec import Raw, Struct, structs

from api.privacy.key_book import KeysUnavailable
from api.privacy.personal import open_row, seal_row
from api.privacy.vault import Vault
from api.store.audit import AuditEvent
from api.store.errors import StoreUnavailable
from api.store.room_rows import Entry
from api.store.rows import CallRows, Line, Record, Row, StoredRecording, StoredVoicemail

T = TypeVar("T")
_PIECE = 512 * 1024


class _Lines(Generic[T]):
    """``largest``: bytes. Survives the process and the machine's power; a last line that was cut off was never acknowledged.

    Lines are sealed by who gives them; their keys are on the disk before them.
    """

    def __init__(self, path: Path, vault: Vault, kind: type[T], largest: int) -> None:
        self._path = path
        self._vault = vault
        self._kind = kind
        self._largest = largest

    def read(self) -> list[T]:
        """What is in it, in order."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=self._kind) for line in lines[:-1] if line]

    def piece(self, at: int) -> tuple[list[T], int]:
        """What is in it from byte ``at`` on, in order, some hundred kilobytes at most, and where it goes on: there, at its end."""
        try:
            with self._path.open("rb") as file:
                file.seek(at)
                body = file.read(_PIECE)
                while body and b"\n" not in body and (more := file.read(_PIECE)):
                    body += more
        except FileNotFoundError:
            return [], at
        whole = body[: body.rfind(b"\n") + 1]
        return [msgspec.json.decode(line, type=self._kind) for line in whole.split(b"\n") if line], at + len(whole)

    @property
    def size(self) -> int:
        """In bytes."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, entries: Sequence[T]) -> None:
        """Returns when they are on the disk. Raises ``StoreUnavailable`` when it is full."""
        body = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        try:
            self._vault.sync()
        except KeysUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        try:
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0) as file:
                size = file.tell()
                if size + len(body) > self._largest:
                    raise StoreUnavailable("The database is away and the file that stands in for it is full: see why the database is away.")
                try:
                    written = file.write(body)
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)
                    raise
                if written != len(body):
                    file.truncate(size)
                    raise StoreUnavailable("The database is away and the disk is full.")
        except OSError as error:
            raise StoreUnavailable(f"The database is away, and {self._path.name} cannot be written: {error.strerror}.") from error

    def clear(self) -> None:
        """All of it is in the database."""
        self._path.unlink(missing_ok=True)


class Spool:
    """Of what is acknowledged: rooms and chat."""

    def __init__(self, path: Path, vault: Vault, *, largest: int = 64 * 1024 * 1024) -> None:
        self._lines = _Lines(path, vault, Entry, largest)
        self._vault = vault

    def read(self) -> list[Entry]:
        """What is in it, in order."""
        return [structs.replace(entry, row=open_row(self._vault, entry.table, entry.row)) for entry in self._lines.read()]

    def append(self, entries: Iterable[Entry]) -> None:
        """Returns when they are on the disk. Raises ``StoreUnavailable`` when it is full."""
        self._lines.append([structs.replace(entry, row=seal_row(self._vault, entry.table, entry.row)) for entry in entries])

    def clear(self) -> None:
        """All of it is in the database."""
        self._lines.clear()


class AuditSpool(_Lines[AuditEvent]):
    """Of the audit, which has nothing to be sealed."""

    def __init__(self, path: Path, vault: Vault, *, largest: int = 64 * 1024 * 1024) -> None:
        super().__init__(path, vault, AuditEvent, largest)


class _Spooled(Struct, frozen=True):
    kind: Literal["call", "recording", "voicemail", "line"]
    body: Raw


_KINDS = {"call": CallRows, "recording": StoredRecording, "voicemail": StoredVoicemail, "line": Line}


class RecordSpool:
    """Of records of calls and lines of what happened: a second place beside the writer's memory, and the only one of what does not fit
    there."""

    def __init__(self, path: Path, vault: Vault, *, largest: int = 256 * 1024 * 1024) -> None:
        self._lines = _Lines(path, vault, _Spooled, largest)
        self._vault = vault

    def read(self, at: int) -> tuple[list[Record | Line], int]:
        """What is in it from byte ``at`` on, in order, a piece of it, and where it goes on: there, at its end."""
        lines, following = self._lines.piece(at)
        found = (cast(Record | Line, msgspec.json.decode(line.body, type=_KINDS[line.kind])) for line in lines)
        return [_each_row(open_row, self._vault, row) for row in found], following

    @property
    def size(self) -> int:
        """In bytes."""
        return self._lines.size

    def append(self, rows: Iterable[Record | Line]) -> None:
        """Returns when they are on the disk. Raises ``StoreUnavailable`` when it is full."""
        sealed = (_each_row(seal_row, self._vault, row) for row in rows)
        self._lines.append([_Spooled(_kind(row), Raw(msgspec.json.encode(row))) for row in sealed])

    def clear(self) -> None:
        """All of it is in the database."""
        self._lines.clear()


def _each_row(change: Callable[[Vault, str, Row], Row], vault: Vault, record: Record | Line) -> Record | Line:
    """A record with each of its rows sealed, or opened."""
    match record:
        case CallRows():
            legs = tuple(change(vault, "legs", leg) for leg in record.legs)
            return CallRows(record.call_id, record.ended, change(vault, "calls", record.call), legs)
        case StoredVoicemail():
            changed = change(vault, "voicemails", asdict(record))
            return replace(record, caller=changed["caller"], caller_name=changed["caller_name"])
        case Line():
            return Line(record.table, change(vault, record.table, record.row))
    return record


def _kind(row: Record | Line) -> Literal["call", "recording", "voicemail", "line"]:
    match row:
        case CallRows():
            return "call"
        case StoredRecording():
            return "recording"
        case StoredVoicemail():
            return "voicemail"
        case Line():
            return "line"
