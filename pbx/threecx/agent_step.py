"""Whether an agent takes calls, in step here and in 3CX. Pure.

Both sides may be changed by the person: here they take a break, there they choose a profile or log out of the queues. What 3CX shows is
asked for now and then, and what we write may be shown late. So the rule needs the last agreement, not only the two sides of now:

    who changed since the agreement       what follows
    ------------------------------------  --------------------------------------------------------------------------
    nobody                                nothing
    we                                    write it to 3CX
    3CX                                   take it; the other of its two words (profile, queues) is written to match
    both, to the same                     agreed
    both, to different things             ours counts: it is what the person sees before them, and it is newer than the last look

In 3CX a change of the profile counts before one of the queue log-in. What was written is awaited for ``confirm_s``: until then 3CX showing
the old value is not a change. After that what it shows counts: it did not take ours. More than ``most_changes`` within ``window_s`` is a
quarrel of two programs: then only ours is written, nothing is taken, until a window has passed without.
"""

from collections import deque
from dataclasses import dataclass, replace

from pbx.threecx.directory import LOGGED_IN, LOGGED_OUT


@dataclass(frozen=True, slots=True)
class Words:
    """Which profile means what. ``queues``: is the queue log-in kept in step too?"""

    available: str = "Available"
    away: str = "Away"
    queues: bool = True

    def takes(self, profile: str) -> bool:
        return profile.casefold() == self.available.casefold()


@dataclass(frozen=True, slots=True)
class Shown:
    """What 3CX shows of a person."""

    profile: str
    queue_status: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """Let it be so here. ``reason``: the profile, where it is one that takes no calls."""

    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """Write this to 3CX; what is empty stays as it is."""

    profile: str = ""
    queue_status: str = ""


class AgentStep:
    """One person. ``look`` is called with every look at 3CX and whenever the person changes here; times in seconds."""

    def __init__(self, words: Words, *, confirm_s: float = 60.0, most_changes: int = 6, window_s: float = 60.0) -> None:
        self._words = words
        self._confirm_s, self._most_changes, self._window_s = confirm_s, most_changes, window_s
        self._agreed: bool | None = None
        self._theirs: Shown | None = None
        self._awaited: Shown | None = None
        self._awaited_until_s = 0.0
        self._taken: deque[float] = deque(maxlen=most_changes)
        self.quarrels = 0

    def look(self, ours: bool, theirs: Shown, now: float) -> list[Take | Write]:
        """What to do. ``ours``: does the person take calls here?"""
        if self._awaited is not None:
            if self._matches(theirs, self._awaited):
                self._awaited = None
                self._theirs = theirs
            elif now < self._awaited_until_s and theirs == self._theirs:
                if ours is self._agreed:
                    return []  # not yet shown
            elif now >= self._awaited_until_s:
                self._awaited = self._theirs = None  # it did not take ours: what it shows counts
            else:
                self._awaited = None
        before, self._theirs = self._theirs, theirs
        word = self._word(before, theirs)
        if self._agreed is None:
            return self._begin(ours, theirs, now)
        if ours is not self._agreed:
            self._agreed = ours
            return self._write(ours, theirs, now)
        if word is None:
            return []
        quarrel = self._quarrel(now)
        self._taken.append(now)
        if word is self._agreed:  # the other of its two words is to match
            return [] if quarrel else self._write(word, theirs, now)
        if quarrel:
            return self._write(ours, theirs, now)
        self._agreed = word
        return [Take(word, "" if self._words.takes(theirs.profile) else theirs.profile), *self._write(word, theirs, now)]

    def _begin(self, ours: bool, theirs: Shown, now: float) -> list[Take | Write]:
        """The first look: who takes no calls on either side takes none, for a restart of ours must not bring anybody back from a break. In
        3CX nothing is changed for who takes calls here: what they do about its queues is their own affair until they say something."""
        willing = self._words.takes(theirs.profile)
        self._agreed = ours and willing
        if not ours:
            return self._write(False, theirs, now) if willing else []
        return [] if willing else [Take(False, theirs.profile)]

    def _word(self, before: Shown | None, after: Shown) -> bool | None:
        """What 3CX says by what has changed there; None where nothing has."""
        if before is None or before.profile != after.profile:
            return self._words.takes(after.profile)
        if self._words.queues and before.queue_status != after.queue_status and after.queue_status:
            return after.queue_status == LOGGED_IN and self._words.takes(after.profile)
        return None

    def _write(self, available: bool, theirs: Shown, now: float) -> list[Take | Write]:
        """What 3CX lacks to show this. A profile that takes no calls stays the one that the person chose."""
        profile = ""
        if self._words.takes(theirs.profile) is not available:
            profile = self._words.available if available else self._words.away
        status = LOGGED_IN if available else LOGGED_OUT
        queue_status = status if self._words.queues and theirs.queue_status not in ("", status) else ""
        if not (profile or queue_status):
            self._awaited = None
            return []
        self._awaited = replace(theirs, profile=profile or theirs.profile, queue_status=queue_status or theirs.queue_status)
        self._awaited_until_s = now + self._confirm_s
        return [Write(profile, queue_status)]

    def _matches(self, shown: Shown, awaited: Shown) -> bool:
        queues = not self._words.queues or shown.queue_status == awaited.queue_status
        return shown.profile.casefold() == awaited.profile.casefold() and queues

    def _quarrel(self, now: float) -> bool:
        quarrel = len(self._taken) == self._most_changes and now - self._taken[0] < self._window_s
        if quarrel:
            self.quarrels += 1
        return quarrel
