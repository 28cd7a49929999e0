"""Where in the books the key of an id, or of a handle, lies: about 25 bytes of memory a key, however many years of calls there are.

A log-structured index: what came last is in a table, the rest in sorted runs, each at least four times as long as the next newer one
(O'Neil et al., The Log-Structured Merge-Tree, 1996). It knows fingerprints only, so who asks reads the record and looks whose it is.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_RECENT = 4_096
_LONGER = 4
_Run = tuple[NDArray[np.uint64], NDArray[np.uint64]]
"""Fingerprints, sorted, and the place of each."""


class KeyIndex:
    """Places, up to 63 bits each, by names of bytes. May be used by several threads; ``find`` waits for nobody.

    ``at_once``: so many are moved into a run.
    """

    def __init__(self, at_once: int = _RECENT) -> None:
        self._at_once = at_once
        self._recent: dict[int, tuple[int, ...]] = {}
        self._runs: Sequence[_Run] = ()
        """The oldest and longest first."""
        self._change = threading.Lock()
        self._merging = threading.Lock()

    def add(self, name: bytes, place: int) -> None:
        mark = _fingerprint(name)
        with self._change:
            self._recent[mark] = (*self._recent.get(mark, ()), place)

    def find(self, name: bytes) -> Iterator[int]:
        """Where the record of this name may be, the oldest place first; of most names that were never added, none."""
        mark = _fingerprint(name)
        recent = self._recent.get(mark, ())  # before the runs: what moves there meanwhile is found once more, and not missed
        wanted = np.uint64(mark)
        for marks, places in self._runs:
            at = int(np.searchsorted(marks, wanted))
            while at < len(marks) and marks[at] == wanted:
                yield int(places[at])
                at += 1
        yield from recent

    def settle(self) -> None:
        """Move what came last into the runs where it is much: some milliseconds, seconds once in millions of keys, and nobody waits."""
        if len(self._recent) < self._at_once or not self._merging.acquire(blocking=False):
            return
        try:
            with self._change:
                recent = dict(self._recent)
            runs, new = list(self._runs), _run_of(recent)
            while runs and len(runs[-1][0]) < _LONGER * len(new[0]):
                new = _merged(runs.pop(), new)
            with self._change:
                self._runs = (*runs, new)
                self._recent = {mark: left for mark, places in self._recent.items() if (left := places[len(recent.get(mark, ())) :])}
        finally:
            self._merging.release()


def _fingerprint(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def _run_of(recent: dict[int, tuple[int, ...]]) -> _Run:
    pairs = [(mark, place) for mark, places in recent.items() for place in places]
    return _sorted(np.array([mark for mark, _ in pairs], np.uint64), np.array([place for _, place in pairs], np.uint64))


def _merged(older: _Run, newer: _Run) -> _Run:
    return _sorted(np.concatenate([older[0], newer[0]]), np.concatenate([older[1], newer[1]]))


def _sorted(marks: NDArray[np.uint64], places: NDArray[np.uint64]) -> _Run:
    order = np.argsort(marks, kind="stable")
    return marks[order], places[order]
