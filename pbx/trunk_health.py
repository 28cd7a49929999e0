"""Whether one PBX of several takes new calls, and what share of them: hysteresis, so that a PBX that comes and goes takes none.

    NEW --seen--> 100 %                                                   (nothing speaks against it yet)
    DOWN --seen for rest_s--> 5 % --seen for step_s--> 20 % --seen for step_s--> 50 % --seen for step_s--> 100 %
    any --failed--> DOWN

*Seen* is an answer of the PBX: to OPTIONS, to a registration, to a call. A span counts as healthy when an answer stands at its beginning
and another one at its end or later, with no failure between: silence proves nothing, so time alone never brings a PBX back.
*Failed* is a call without any answer, refused with 503 or 408 or not to be sent, a lost registration, or OPTIONS without an answer.

One failure is enough to fall, and only ``rest_s`` of health lets it return. Each fall doubles that rest up to ``longest_rest_s``, unless
the PBX had all of its calls for ``steady_s`` before: a PBX that works for a minute and fails again is asked ever more rarely, and between
two falls at least one rest passes.
"""

from dataclasses import dataclass
from enum import StrEnum, auto


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """``silent_s``: a call without any provisional answer for so long goes to the next PBX."""

    silent_s: float = 2.0
    rest_s: float = 10.0
    longest_rest_s: float = 600.0
    step_s: float = 30.0
    steady_s: float = 900.0


class HealthState(StrEnum):
    NEW = auto()
    DOWN = auto()
    TWENTIETH = auto()
    FIFTH = auto()
    HALF = auto()
    ALL = auto()


S = HealthState

# State -> (share of new calls, the state after it was seen to be healthy, whether its span is the rest after a fall).
_TABLE: dict[HealthState, tuple[float, HealthState, bool]] = {
    S.NEW: (0.0, S.ALL, False),
    S.DOWN: (0.0, S.TWENTIETH, True),
    S.TWENTIETH: (0.05, S.FIFTH, False),
    S.FIFTH: (0.2, S.HALF, False),
    S.HALF: (0.5, S.ALL, False),
    S.ALL: (1.0, S.ALL, False),
}


class TrunkHealth:
    """The health of one PBX. ``now`` is monotonic seconds."""

    def __init__(self, settings: FailoverSettings) -> None:
        self._settings = settings
        self._falls = 0
        self._since: float | None = None
        self.state = HealthState.NEW

    @property
    def share(self) -> float:
        """What part of the calls that would be its own it takes (0-1)."""
        return _TABLE[self.state][0]

    @property
    def rest_s(self) -> float:
        """How long it must be healthy, after its last fall, before it takes a call."""
        return min(self._settings.rest_s * 2.0 ** min(self._falls - 1, 30), self._settings.longest_rest_s)

    def seen(self, now: float) -> bool:
        """It answered something. True where its share changed."""
        _, following, resting = _TABLE[self.state]
        if self._since is None and self.state is not HealthState.NEW:
            self._since = now
            return False
        span_s = self.rest_s if resting else self._settings.step_s
        if following is self.state or (self._since is not None and now - self._since < span_s):
            return False
        self.state = following
        self._since = now
        return True

    def failed(self, now: float) -> bool:
        """It failed a call, or is not there. True where its share changed."""
        since, self._since = self._since, None
        if self.state is HealthState.DOWN:
            return False
        if self.state is HealthState.ALL and since is not None and now - since >= self._settings.steady_s:
            self._falls = 0
        self._falls += 1
        before, self.state = self.share, HealthState.DOWN
        return before > 0.0
