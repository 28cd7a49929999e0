"""The manifest beside a recording: who was recorded, when, with what consent, what the file was at its end, and who listened to it.

Lines are only ever appended; each is its signature, a space and an entry as JSON, which names the hash of the line before it. So no line
can be altered, left out, moved or taken from another recording. The last lines could be cut off unseen, as with every such chain: whoever
appends gets a ``Checkpoint`` to keep elsewhere (the call's record), and ``faults`` compares with it. Whoever checks needs the public keys
alone, neither the keys of the contents nor those that sign.

People and legs are named by what the system calls them, never by a telephone number: the manifest is not encrypted.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from media.recording.file import measure
from media.recording.keys import KeyRing, is_signed

SUFFIX = ".manifest"
_NO_LINE = hashlib.sha256(b"").hexdigest()
_NUMBER = re.compile(r"\+?[\d\s()./-]{7,}")


class Entry(msgspec.Struct, frozen=True):
    """``what``: ``begun``, ``ended``, ``interrupted`` (found after a crash), ``listened``, ``watched``, ``exported``, ``erased``.

    ``previous``: SHA-256 of the line before; ``key_id``: under which this one is signed.
    """

    file_id: str
    number: int
    what: str
    at_unix_s: float
    who: tuple[str, ...]
    details: dict[str, str | int | float]
    previous: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long a manifest was, and the hash of its last line."""

    entries: int
    digest: str


def append(
    recording: Path,
    ring: KeyRing,
    what: str,
    *,
    at_unix_s: float,
    who: tuple[str, ...] = (),
    details: Mapping[str, str | int | float] | None = None,
) -> Checkpoint:
    """One more entry, on the disk when this returns. ``recording``: path of the recording. Raises OSError; ValueError for a number."""
    refuse_numbers(who)
    path = recording.with_suffix(SUFFIX)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]  # what a crash tore was never told to anybody
        lines = whole.splitlines()
        entry = Entry(
            file_id=recording.stem,
            number=len(lines),
            what=what,
            at_unix_s=at_unix_s,
            who=who,
            details=dict(details or {}),
            previous=_digest(lines),
            key_id=ring.newest.hex(),
        )
        told = msgspec.json.encode(entry)
        line = ring.sign(told).hex().encode() + b" " + told
        file.seek(len(whole))
        file.truncate()
        file.write(line + b"\n")
        file.flush()
        os.fdatasync(file.fileno())
    return Checkpoint(len(lines) + 1, _digest([line]))


def entries(recording: Path) -> list[Entry]:
    """What stands in the manifest, believed or not. Raises OSError; ValueError where a line is none."""
    return [msgspec.json.decode(line.partition(b" ")[2], type=Entry) for line in _lines(recording)[0]]


def checkpoint(recording: Path) -> Checkpoint:
    """How the manifest stands now, believed or not. Raises OSError."""
    lines = _lines(recording)[0]
    return Checkpoint(len(lines), _digest(lines))


def faults(recording: Path, public_keys: Mapping[bytes, Ed25519PublicKey], checkpoint: Checkpoint | None = None) -> list[str]:
    """Everything that is wrong with a recording or its manifest, in words; empty when all is well. Raises OSError."""
    lines, torn = _lines(recording)
    found = ["the last line of the manifest is incomplete"] if torn else []
    signed: list[Entry] = []
    for number, line in enumerate(lines):
        entry = _signed(line, public_keys)
        if isinstance(entry, str):
            found.append(f"entry {number} {entry}")
            continue
        signed.append(entry)
        if entry.file_id != recording.stem:
            found.append(f"entry {number} is of another recording")
        elif entry.number != number:
            found.append(f"entry {entry.number} stands where entry {number} belongs")
        elif entry.previous != _digest(lines[:number]):
            found.append(f"entry {number} does not follow what stands before it")
    if checkpoint is not None:
        found += _since(lines, checkpoint)
    return found + _file_faults(recording, signed)


def refuse_numbers(who: tuple[str, ...]) -> None:
    """Raises ValueError where somebody is named by a telephone number."""
    if any(_NUMBER.fullmatch(name) for name in who):
        raise ValueError("a telephone number cannot stand in a manifest, which is not encrypted: name the leg or the person")


def _lines(recording: Path) -> tuple[list[bytes], bool]:
    data = recording.with_suffix(SUFFIX).read_bytes()
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), end < len(data)


def _digest(lines: list[bytes]) -> str:
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _NO_LINE


def _signed(line: bytes, public_keys: Mapping[bytes, Ed25519PublicKey]) -> Entry | str:
    """The entry, or what is wrong with it."""
    signature, _, told = line.partition(b" ")
    try:
        entry = msgspec.json.decode(told, type=Entry)
        key = public_keys.get(bytes.fromhex(entry.key_id))
        if key is None:
            return "is signed under a key that is not known"
        return entry if is_signed(key, bytes.fromhex(signature.decode("ascii")), told) else "was altered"
    except ValueError:
        return "was altered"


def _since(lines: list[bytes], checkpoint: Checkpoint) -> list[str]:
    if len(lines) < checkpoint.entries:
        return [f"{checkpoint.entries - len(lines)} entries were cut from the end: there were {checkpoint.entries} once"]
    if _digest(lines[: checkpoint.entries]) != checkpoint.digest:
        return [f"entry {checkpoint.entries - 1} is another than it was once"]
    return []


def _file_faults(recording: Path, signed: list[Entry]) -> list[str]:
    if signed and signed[-1].what == "erased":
        return ["the recording was erased, but its file is there"] if recording.exists() else []
    if not recording.exists():
        return ["the recording is gone, and nothing is signed about who took it"]
    ended = [entry for entry in signed if entry.what in ("ended", "interrupted")]
    if not ended:
        return ["the recording is still running, or its server died: nothing is signed yet about how it ended"]
    chunks, digest = measure(recording)
    expected = int(ended[-1].details["chunks"])
    if chunks < expected:
        return [f"the recording was cut: it has {chunks} whole chunks and had {expected}"]
    if digest.hex() != ended[-1].details["digest"]:
        return ["the recording was altered after it ended"]
    return []
