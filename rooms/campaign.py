"""Preview campaigns: whom a person may call next and when, and what follows from how it went. Pure.

Theory. An entry is one number of a campaign, with why we may call it. It is shown to a person before it is called, and the person calls: no
machine dials ahead. Who has it on the screen has it reserved for a while; then it falls back by itself.

    OPEN --REACHED, REFUSED, WRONG_NUMBER--> DONE
    OPEN --NO_ANSWER, BUSY--> OPEN again after ``retry_s``; DONE after ``most_attempts``
    OPEN --LATER--> OPEN again at the time that was agreed, which is no attempt
    OPEN --SKIPPED--> OPEN again after ``retry_s``: nobody was called

Called is only at hours that are allowed where the number lives, in each of the time zones that it may lie in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

LONGEST_LATER_S = 90 * 86_400.0


class Outcome(StrEnum):
    REACHED = "reached"
    REFUSED = "refused"
    """Does not want to be called: nobody of us calls this number again without being asked twice."""
    WRONG_NUMBER = "wrong_number"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    LATER = "later"
    SKIPPED = "skipped"


class EntryState(StrEnum):
    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class CallingHours:
    """``days``: 1 is Monday, 7 Sunday. ``begin`` and ``end``: minutes after midnight, where the number lives; ``end`` is the first that is
    too late."""

    days: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    begin: int = 9 * 60
    end: int = 21 * 60

    def __post_init__(self) -> None:
        if not self.days <= frozenset(range(1, 8)) or not self.days:
            raise ValueError("days are 1 (Monday) to 7 (Sunday), at least one of them")
        if not 0 <= self.begin < self.end <= 24 * 60:
            raise ValueError("calling hours begin before they end, within one day")

    def allow(self, epoch_s: float, zones: Iterable[tzinfo]) -> bool:
        """May somebody who lives in any one of these zones be called now?"""
        return all(self._allow(datetime.fromtimestamp(epoch_s, zone)) for zone in zones)

    def _allow(self, there: datetime) -> bool:
        return there.isoweekday() in self.days and self.begin <= there.hour * 60 + there.minute < self.end


@dataclass(frozen=True, slots=True)
class Tries:
    """How often an entry is tried, and after how long again."""

    most: int = 3
    retry_s: float = 4 * 3_600.0

    def after(self, outcome: Outcome, attempts: int, now_s: float, later_s: float | None = None) -> tuple[EntryState, int, float]:
        """The state of an entry that was tried ``attempts`` times before, how often it was tried now, and when it is due again.

        ``later_s``: the time that was agreed, of ``LATER``. Raises ValueError where that is past or too far away. Times are seconds since
        the epoch.
        """
        if outcome is Outcome.LATER:
            if later_s is None or not now_s < later_s <= now_s + LONGEST_LATER_S:
                raise ValueError("say when to call again: a time to come, within 90 days")
            return EntryState.OPEN, attempts, later_s
        if outcome is Outcome.SKIPPED:
            return EntryState.OPEN, attempts, now_s + self.retry_s
        tried = attempts + 1
        again = outcome in (Outcome.NO_ANSWER, Outcome.BUSY) and tried < self.most
        return (EntryState.OPEN, tried, now_s + self.retry_s) if again else (EntryState.DONE, tried, now_s)
