"""What is done to recordings that are over: those that a crash interrupted are signed as they are, old and unwanted ones are erased.

Everything here may be repeated, and goes on where a crash interrupted it.
"""

import fcntl
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from media.recording import manifest
from media.recording.file import forget_key, measure
from media.recording.keys import KeyRing
from media.recording.manifest import Checkpoint

SUFFIX = ".rec"
ERASED = "erased"


class StillRunning(ValueError):
    """Somebody writes this recording."""


def erase(path: Path, ring: KeyRing, *, at_unix_s: float, who: tuple[str, ...], reason: str) -> Checkpoint | None:
    """Erase a recording: the manifest says so and who wanted it, the key is overwritten, and what nobody can open any more is removed.

    The manifest stays, as evidence. None where it was erased already. Raises StillRunning; OSError.
    """
    checkpoint = None
    if path.exists() and is_being_written(path):
        raise StillRunning("it is being recorded: end that first")
    if not is_erased(path):
        checkpoint = manifest.append(path, ring, ERASED, at_unix_s=at_unix_s, who=who, details={"reason": reason})
    with suppress(FileNotFoundError):  # nobody wrote it, or another program erases it too
        forget_key(path)
        path.unlink()
    return checkpoint


def is_erased(path: Path) -> bool:
    """Does its manifest say so? Raises ValueError where a line of it is none."""
    try:
        return any(entry.what == ERASED for entry in manifest.entries(path))
    except FileNotFoundError:
        return False


def expire(folder: Path, ring: KeyRing, keep_s: float, now_unix_s: float, held: Collection[str] = ()) -> Iterator[tuple[Path, Checkpoint]]:
    """Erase what was last written to more than ``keep_s`` ago, and tell which these were; so long after that the manifest goes too.
    ``held``: names of files that stay whatever their age."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if path.name not in held and now_unix_s - path.stat().st_mtime > keep_s:
                checkpoint = erase(path, ring, at_unix_s=now_unix_s, who=(), reason="its time was over")
                if checkpoint is not None:
                    yield path, checkpoint
        except (FileNotFoundError, ValueError):  # removed meanwhile; or still written, or damaged, which is left for whoever checks it
            continue
    for path in folder.glob(f"*{manifest.SUFFIX}"):
        recording = path.with_suffix(SUFFIX)
        if not recording.exists() and now_unix_s - path.stat().st_mtime > keep_s and is_erased(recording):
            path.unlink(missing_ok=True)


def sign_interrupted(folder: Path, ring: KeyRing, now_unix_s: float) -> Iterator[tuple[Path, Checkpoint]]:
    """Recordings that no living process writes and whose manifest knows no end get one, ``interrupted``; tell which these were."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if not is_being_written(path) and not any(entry.what in ("ended", "interrupted") for entry in manifest.entries(path)):
                chunks, digest = measure(path)
                details: dict[str, str | int | float] = {"chunks": chunks, "digest": digest.hex()}
                yield path, manifest.append(path, ring, "interrupted", at_unix_s=now_unix_s, details=details)
        except (FileNotFoundError, ValueError):  # removed meanwhile; or damaged, which is left for whoever checks it to see
            continue


def is_being_written(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
