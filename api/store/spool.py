"""A file that takes what the database does not take now: one JSON line per row, on the disk before it is acknowledged."""

import os
from pathlib import Path

import msgspec

from api.store.errors import StoreUnavailable
from api.store.room_rows import Entry


class Spool:
    """``largest``: bytes. Survives the process and the machine's power; a last line that was cut off was never acknowledged."""

    def __init__(self, path: Path, *, largest: int = 64 * 1024 * 1024) -> None:
        self._path = path
        self._largest = largest

    def read(self) -> list[Entry]:
        """What is in it, in order."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Entry) for line in lines[:-1] if line]

    def append(self, entries: list[Entry]) -> None:
        """Returns when they are on the disk. Raises ``StoreUnavailable`` when it is full."""
        body = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
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
