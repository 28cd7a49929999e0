"""How a queue is run: whom it needs, in what order it serves, how long it keeps somebody waiting, and how it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Strategy(StrEnum):
    """Which of the free agents who may take a caller is offered it. That a caller's last agent is waited for stands beside any of them."""

    LONGEST_IDLE = "longest_idle"
    FEWEST_CALLS = "fewest_calls"
    """Who took the fewest since signing in; who comes later begins with the fewest of those there."""
    SKILL_FIRST = "skill_first"
    """Whose levels in the skills that are needed are highest together; of several the longest idle."""
    RING_ALL = "ring_all"
    """All of them at once; who answers first has it."""


@dataclass(frozen=True, slots=True)
class SkillNeed:
    """An agent must have ``skill`` at ``level`` or above.

    ``relax``: pairs (after so many seconds of waiting, this level is enough), 0: not needed any more.
    """

    skill: str
    level: int = 1
    relax: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.skill or self.level < 1:
            raise ValueError("A need names its skill and a level of 1 or more.")
        if any(after_s <= 0 or level < 0 for after_s, level in self.relax):
            raise ValueError(f"The need of {self.skill!r} is relaxed after more than 0 s, to a level of 0 or more.")

    def level_after(self, waited_s: float) -> int:
        """The level that is enough for somebody who has waited for ``waited_s``."""
        return next((level for after_s, level in sorted(self.relax, reverse=True) if waited_s >= after_s), self.level)


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """Times in seconds; the rule of priorities stands in ``rooms/queues/queues.py``.

    ``priority``: of all who wait here, against other queues. ``ageing_s``: having waited so long is worth one step of priority.
    ``max_waiting``: who comes when so many wait is told that it is full. ``max_wait_s``: after that the caller is led on, 0: never.
    ``sticky_s``: so long the last agent of a caller is waited for, if signed in; 0: not. ``ring_s``: how long an offer rings, and how long
    who refused somebody is passed over for that one. ``wrap_up_s``: timed work after a call, one of ``wrap_up_codes`` being
    ``wrap_up_required`` or not. ``announce_every_s``: 0: never. ``call_back_after_s``: when it is first offered to be called back on
    ``call_back_key``, 0: never.

    ``service_level_s``: who is answered within that is answered in time; who gives up within ``short_abandon_s`` is not counted.
    ``wait_without_agents``: may somebody wait here while nobody who could take them is signed in? ``titles``: by language.
    """

    name: str
    strategy: Strategy = Strategy.LONGEST_IDLE
    needs: tuple[SkillNeed, ...] = ()
    priority: int = 0
    ageing_s: float = 60.0
    max_waiting: int = 100
    max_wait_s: float = 0.0
    sticky_s: float = 0.0
    ring_s: float = 20.0
    wrap_up_s: float = 0.0
    wrap_up_codes: tuple[str, ...] = ()
    wrap_up_required: bool = False
    music: str = ""
    announce_every_s: float = 30.0
    announce_position: bool = True
    announce_wait: bool = True
    call_back_after_s: float = 0.0
    call_back_key: str = "1"
    service_level_s: float = 20.0
    short_abandon_s: float = 5.0
    wait_without_agents: bool = False
    titles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.ageing_s <= 0 or self.ring_s <= 0 or self.service_level_s <= 0:
            raise ValueError(f"Queue {self.name!r}: ageing_s, ring_s and service_level_s are more than 0.")
        if self.max_waiting < 1:
            raise ValueError(f"Queue {self.name!r}: max_waiting is 1 or more.")
