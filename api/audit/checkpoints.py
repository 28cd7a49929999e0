"""Checkpoints: signed words of how far the audit had come, kept elsewhere. A chain alone does not tell that its end was cut off.

Each node appends to a file of its own in one folder, ``NODE.checkpoints``: a line is the signature, a space and the checkpoint as JSON.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from api.audit.keys import AuditKeys, is_signed

SUFFIX = ".checkpoints"


class Checkpoint(msgspec.Struct, frozen=True):
    """At ``at`` (seconds since the epoch) entry ``seq`` was the newest, with this digest. ``pruned``: all up to and with it were taken
    away by policy."""

    seq: int
    digest: str
    at: float
    node: str
    key_id: str
    pruned: bool = False


def line_of(checkpoint: Checkpoint, keys: AuditKeys) -> str:
    """As it stands in a file or a log, without a line end."""
    told = msgspec.json.encode(checkpoint)
    return f"{keys.sign(told)} {told.decode()}"


def read_line(line: str, public: Mapping[str, str]) -> Checkpoint:
    """``public``: ``AuditKeys.public``. Raises ValueError with what is wrong with it."""
    signature, _, told = line.partition(" ")
    try:
        checkpoint = msgspec.json.decode(told, type=Checkpoint)
    except msgspec.MsgspecError:
        raise ValueError("is no checkpoint") from None
    if checkpoint.key_id not in public:
        raise ValueError(f"is signed under key {checkpoint.key_id}, which is not among audit.key and audit.previous_keys")
    if not is_signed(public[checkpoint.key_id], signature, told.encode()):
        raise ValueError("was changed")
    return checkpoint


class CheckpointFile:
    """This node's. ``folder`` is made where it is not there."""

    def __init__(self, folder: Path, node: str, keys: AuditKeys) -> None:
        self._path = folder / f"{node}{SUFFIX}"
        self._node = node
        self._keys = keys

    def append(self, seq: int, digest: str, at: float, *, pruned: bool = False) -> str:
        """One more line, on the disk when this returns it. Raises OSError."""
        line = line_of(Checkpoint(seq, digest, at, self._node, self._keys.newest, pruned), self._keys)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0) as file:
            file.write(line.encode() + b"\n")
            os.fsync(file.fileno())
        return line


def read_folder(folder: Path, public: Mapping[str, str]) -> tuple[list[Checkpoint], list[str]]:
    """All that are good, and in words those that are not. Raises OSError."""
    found: list[Checkpoint] = []
    faults: list[str] = []
    for place, line in _lines(folder):
        try:
            found.append(read_line(line, public))
        except ValueError as error:
            faults.append(f"{place} {error}")
    return found, faults


def _lines(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            yield f"line {number} of {path.name}", line
