"""What is done to recordings that are over: old ones go, those that a crash interrupted are signed as they are. Both may be repeated."""

import fcntl
from pathlib import Path

from media.recording import manifest
from media.recording.file import measure
from media.recording.keys import KeyRing

SUFFIX = ".rec"


def expire(folder: Path, keep_s: float, now_unix_s: float) -> int:
    """Remove what was last written to more than ``keep_s`` ago, manifests last, and tell how many recordings that were."""
    removed = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if now_unix_s - path.stat().st_mtime > keep_s:
                path.unlink()
                removed += 1
        except FileNotFoundError:  # another worker was faster
            continue
    for path in folder.glob(f"*{manifest.SUFFIX}"):
        if not path.with_suffix(SUFFIX).exists():
            path.unlink(missing_ok=True)
    return removed


def sign_interrupted(folder: Path, ring: KeyRing, now_unix_s: float) -> int:
    """Recordings that no living process writes and whose manifest knows no end get one, ``interrupted``; tell how many."""
    signed = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if not _is_being_written(path) and not any(entry.what in ("ended", "interrupted") for entry in manifest.entries(path)):
                chunks, digest = measure(path)
                details: dict[str, str | int | float] = {"chunks": chunks, "digest": digest.hex()}
                manifest.append(path, ring, "interrupted", at_unix_s=now_unix_s, details=details)
                signed += 1
        except (FileNotFoundError, ValueError):  # removed meanwhile; or damaged, which is left for whoever checks it to see
            continue
    return signed


def _is_being_written(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
