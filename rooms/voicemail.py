"""One caller's message, from the tone to its end: when it is recorded, what ends it, and whether anything was said. Pure; time is ``now``.

Theory. What is told of the tone, the recording and the voice comes from elsewhere and may come late or never, so every state has an end of
its own:

    TONE --it was heard, or did not end in time--> TAKING: from here on what the caller says is kept
    TONE --the key that refuses--> OVER: nothing was begun, and there is nothing
    TAKING --a key, silence, the longest time--> KEEPING: the recording is being closed
    TAKING --the key that refuses--> KEEPING, and what was said is erased: it counts as nothing
    TAKING, KEEPING --the recording is over, broke, or nobody says so--> OVER

The recording is over by itself when the caller hangs up, and breaks with the worker that writes it: what there is then is what there is.
Who said nothing for ``least_s`` left no message. While a word lasts, silence does not count; it does from the end of the last one.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Outcome(StrEnum):
    TAKEN = "taken"
    EMPTY = "empty"
    FAILED = "failed"


class MessageState(Enum):
    TONE = auto()
    TAKING = auto()
    KEEPING = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """``least_s`` of speech are a message. ``quiet_s`` of silence behind it end it, ``begin_s`` without a word too.

    Nobody waits longer than ``tone_s`` for the tone's end, and than ``keep_s`` for the recording's.
    """

    max_s: float = 120.0
    least_s: float = 1.0
    quiet_s: float = 5.0
    begin_s: float = 8.0
    tone_s: float = 2.0
    keep_s: float = 2.0


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Let the caller hear that it is their turn; ``tone_over`` follows."""


@dataclass(frozen=True, slots=True)
class Record:
    """Keep what the caller says, and tell when their voice comes and goes."""


@dataclass(frozen=True, slots=True)
class StopRecording:
    """``why``, for the manifest."""

    why: str


@dataclass(frozen=True, slots=True)
class Settle:
    """The last act."""

    outcome: Outcome
    duration_s: float


MessageAct = PlayTone | Record | StopRecording | Settle
END_KEY, REFUSE_KEY = "#", "*"


class Message:
    """``deadline``: when ``expire`` is to be called next, None once it is over."""

    def __init__(self, limits: MessageLimits, now: float) -> None:
        self._limits = limits
        self.state = MessageState.TONE
        self.deadline: float | None = now + limits.tone_s
        self._begun_s = now
        self._ended_s: float | None = None
        self.is_there = False
        """Is there a recording, of which something may be left?"""
        self.refused = False
        """Did the caller say that nothing is to be kept?"""
        self._spoken_s = 0.0
        self._speaks_since: float | None = None

    def begin(self) -> list[MessageAct]:
        return [PlayTone()]

    def tone_over(self, now: float) -> list[MessageAct]:
        if self.state is not MessageState.TONE:
            return []
        self.state, self._begun_s = MessageState.TAKING, now
        self.deadline = now + min(self._limits.begin_s, self._limits.max_s)
        return [Record()]

    def there(self) -> None:
        """The recording's file is there."""
        self.is_there = True

    def voice(self, speaks: bool, spoken_s: float, now: float) -> list[MessageAct]:
        """The caller begins to speak or is quiet again; ``spoken_s``: how long they spoke until now, all in all."""
        if self.state is not MessageState.TAKING:
            return []
        self._spoken_s, self._speaks_since = spoken_s, now if speaks else None
        last_s = self._begun_s + self._limits.max_s
        self.deadline = last_s if speaks else min(last_s, now + self._limits.quiet_s)
        return []

    def digit(self, key: str, now: float) -> list[MessageAct]:
        if key == REFUSE_KEY:
            self.refused = self.refused or self.state is not MessageState.OVER
            return self._over(now) if self.state is MessageState.TONE else self._stop("the caller does not want it kept", now)
        return self._stop("the caller pressed a key", now) if key == END_KEY else []

    def closed(self, now: float) -> list[MessageAct]:
        """The recording is over and whole."""
        self.is_there = True
        return self._over(now)

    def broke(self, now: float) -> list[MessageAct]:
        """There is no recording, or no more of it than there is."""
        return self._over(now)

    def expire(self, now: float) -> list[MessageAct]:
        if self.deadline is None or now < self.deadline:
            return []
        if self.state is MessageState.TONE:
            return self.tone_over(now)
        if self.state is MessageState.TAKING:
            longest = now >= self._begun_s + self._limits.max_s
            return self._stop("it had its longest time" if longest else "the caller said no more", now)
        return self._over(now)

    def _stop(self, why: str, now: float) -> list[MessageAct]:
        if self.state is not MessageState.TAKING:
            return []
        self.state, self._ended_s = MessageState.KEEPING, now
        self.deadline = now + self._limits.keep_s
        return [StopRecording(why)]

    def _over(self, now: float) -> list[MessageAct]:
        if self.state is MessageState.OVER:
            return []
        ended_s = now if self._ended_s is None else self._ended_s
        if self._speaks_since is not None:
            self._spoken_s += ended_s - self._speaks_since
        self.state, self.deadline = MessageState.OVER, None
        return [Settle(self._outcome(), max(0.0, ended_s - self._begun_s))]

    def _outcome(self) -> Outcome:
        if self.refused:
            return Outcome.EMPTY
        if not self.is_there:
            return Outcome.FAILED
        return Outcome.TAKEN if self._spoken_s >= self._limits.least_s else Outcome.EMPTY
