"""Reads the audit from its beginning and says what was done to it, and where.

Each entry's digest covers its number, everything it says, and the digest of the one before. So an entry that was changed does not fit its
digest; one that was moved fits under another number, by which renumbering after something was taken out or put in is told from change; and
what is missing leaves a gap. What was cut off the end leaves nothing: that is told by checkpoints alone.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from api.audit.checkpoints import Checkpoint
from api.audit.keys import AuditKeys
from api.store.audit import FIRST_DIGEST, AuditEntry, AuditEvent

_FAR = 16
"""So many places an entry may have been moved by what was taken out or put in, to be recognised."""
_MOST_LOST = 1_000
"""Of entries that fit nowhere so many are looked at closely."""
_MOST_PAIRED = 200


class ChainCheck:
    """``read`` pages of entries, oldest first, then ask ``faults``. ``checkpoints``: good ones, in any order."""

    def __init__(self, keys: AuditKeys, checkpoints: Sequence[Checkpoint] = ()) -> None:
        self._keys = keys
        self._marks = {mark.seq: mark for mark in sorted(checkpoints, key=lambda mark: mark.at)}
        pruned = max((mark for mark in checkpoints if mark.pruned), key=lambda mark: mark.seq, default=None)
        self._seq, self._digest = (pruned.seq, pruned.digest) if pruned is not None else (0, FIRST_DIGEST)
        self._whole = True
        """Did the entry before fit?"""
        self._recent: deque[int] = deque(maxlen=_FAR)
        """Places whose entries fit: what else says that it belongs there is a copy."""
        self._keyed = False
        self._shift = 0
        self._furthest = self._seq
        self._gaps: list[tuple[int, int]] = []
        self._moved: list[tuple[int, int]] = []
        """Where an entry stands, and where it belongs."""
        self._lost: list[AuditEntry] = []
        self._more_lost: list[int] = []
        self._unfollowed: list[int] = []
        self._strange: dict[str, list[int]] = {}
        self._unlike: list[Checkpoint] = []
        self.entries = 0

    def read(self, entries: Iterable[AuditEntry]) -> None:
        for entry in entries:
            self._read(entry)

    def _read(self, entry: AuditEntry) -> None:
        self.entries += 1
        follows = entry.seq == self._seq + 1
        if not follows:
            self._gaps.append((self._seq + 1, entry.seq - 1))
        fits = self._fits(entry, follows)
        if fits:
            self._recent.append(entry.seq)
            self._furthest = max(self._furthest, entry.seq)
            if follows and self._whole and entry.key_id and entry.previous != self._digest:
                self._unfollowed.append(entry.seq)
            mark = self._marks.get(entry.seq)
            if mark is not None and mark.digest != entry.digest:
                self._unlike.append(mark)
        self._seq, self._digest, self._whole = entry.seq, entry.digest, fits

    def _fits(self, entry: AuditEntry, follows: bool) -> bool:
        if not entry.key_id:
            return self._fits_unkeyed(entry, follows)
        self._keyed = True
        digest = self._keys.digest_of(entry)
        if digest is None:
            self._strange.setdefault(entry.key_id, []).append(entry.seq)
            return False
        if digest == entry.digest:
            return True
        self._look_for_place(entry)
        return False

    def _fits_unkeyed(self, entry: AuditEntry, follows: bool) -> bool:
        """Of before there was a key; where the one before is missing or does not fit it cannot be checked."""
        if not self._keyed and (not follows or not self._whole or entry.digest == unkeyed(self._digest, entry.seq, entry.event)):
            return True
        self._more_lost.append(entry.seq)
        return False

    def _look_for_place(self, entry: AuditEntry) -> None:
        if len(self._lost) >= _MOST_LOST:
            self._more_lost.append(entry.seq)
            return
        for shift in (self._shift, *(sign * by for by in range(1, _FAR + 1) for sign in (1, -1))):
            place = entry.seq + shift
            if shift and place not in self._recent and self._keys.digest_of(entry, seq=place) == entry.digest:
                self._shift = shift
                self._moved.append((entry.seq, place))
                self._furthest = max(self._furthest, place)
                return
        self._lost.append(entry)

    def faults(self) -> list[str]:
        """What was done to it, in words, by place; empty: it is whole."""
        swapped = self._swapped()
        paired = {seq for pair in swapped for seq in pair}
        changed = sorted(entry.seq for entry in self._lost if entry.seq not in paired) + self._more_lost
        found = [(first, f"{_span(first, last)} missing") for first, last in self._gaps]
        found += [(first, f"entries {first} and {second} were swapped") for first, second in swapped]
        found += self._told_moved(changed)
        found += [(first, f"{_span(first, last, 'was', 'were')} changed, or put there by somebody else") for first, last in _runs(changed)]
        found += [(seq, f"entry {seq} does not follow the one before it") for seq in self._unfollowed]
        for key_id, places in self._strange.items():
            found += [
                (first, f"{_span(first, last)} under key {key_id}, which is not among audit.key and audit.previous_keys")
                for first, last in _runs(places)
            ]
        return [words for _, words in sorted(found)] + self._ends()

    def _swapped(self) -> list[tuple[int, int]]:
        """Pairs whose words fit at one another's place, whether their digests went with them or not."""
        pairs, lost = [], self._lost[:_MOST_PAIRED]
        for at, one in enumerate(lost):
            for other in lost[at + 1 :]:
                if self._belongs(one, other) and self._belongs(other, one):
                    pairs.append((one.seq, other.seq))
        return pairs

    def _belongs(self, entry: AuditEntry, place: AuditEntry) -> bool:
        as_it_is = self._keys.digest_of(entry, seq=place.seq) == entry.digest
        return as_it_is or self._keys.digest_of(replace(place, event=entry.event)) == place.digest

    def _told_moved(self, changed: list[int]) -> list[tuple[int, str]]:
        """Takes those that were put in out of ``changed``."""
        belongs = dict(self._moved)
        neighbours = [(place, other) for place, other in self._moved if place < other and belongs.get(other) == place]
        found = [(first, f"entries {first} and {second} were swapped") for first, second in neighbours]
        apart = {place for pair in neighbours for place in pair}
        moved = [(place, other - place) for place, other in self._moved if place not in apart]
        for shift, run in groupby(moved, key=itemgetter(1)):
            places = [place for place, _ in run]
            rest = f"those behind renumbered, up to {places[-1]}"
            if shift > 0:
                found.append((places[0], f"{_span(places[0], places[0] + shift - 1, 'was', 'were')} taken out, and {rest}"))
                continue
            put = [place for place in range(places[0] + shift, places[0]) if place in changed]
            for place in put:
                changed.remove(place)
            found.append((places[0] + shift, f"{_span(places[0] + shift, places[0] - 1, 'was', 'were')} put between, and {rest}"))
        return found

    def _ends(self) -> list[str]:
        found = []
        if self._unlike:
            mark = min(self._unlike, key=lambda mark: mark.seq)
            good = max((seq for seq in self._marks if seq < mark.seq), default=0)
            found.append(f"entry {mark.seq} is not the one that {_signed(mark)}: behind entry {good} the chain was cut and written anew")
        last = max(self._marks, default=0)
        if last > self._furthest:
            gone = _span(self._furthest + 1, last, "was", "were")
            found.append(f"{gone} cut off the end: entry {last} is the one that {_signed(self._marks[last])}")
        return found


def unkeyed(previous: str, seq: int, event: AuditEvent) -> str:
    """The digest of an entry of before there was a key: SHA-256 over the digest before it and everything it said."""
    said = asdict(event)
    values = [said[name] for name in ("at", "kind", "who", "by", "address", "device", "detail")]
    told = json.dumps([previous, seq, *values], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def _signed(mark: Checkpoint) -> str:
    return f"{mark.node} signed at {datetime.fromtimestamp(mark.at, UTC).isoformat(timespec='seconds')}"


def _span(first: int, last: int, one: str = "is", several: str = "are") -> str:
    return f"entry {first} {one}" if first == last else f"entries {first} to {last} {several}"


def _runs(places: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in sorted(places):
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
