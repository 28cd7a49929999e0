"""Who calls: facts about a caller, asked for beside the call and never waited for.

What was found a moment ago is there when the call arrives; what comes within the deadline is told to the call while it goes on; what comes
later, or fails, is not known. A lookup that hangs or fails costs its own facts and nothing else.
"""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import structlog

from rooms.flows.conditions import Facts, FactValue

log = structlog.get_logger()
DEADLINE_S = 0.8
_FRESH_S = 60.0
_REMEMBERED = 2_000
_MOST_ASKED = 200
OnFacts = Callable[[Facts], None]


class CallerLookup(Protocol):
    """Who knows something of callers beside the backends: ``EarlierCalls``. ``name``: for figures."""

    name: str

    async def look_up(self, caller: str) -> Facts:
        """What is known of this number (E.164): ``last_agent``, ``missed_calls``, ...; what is not known is left out. May raise, and may be
        cancelled."""
        ...


@dataclass(slots=True)
class _Asking:
    """Lookups of one caller that are under way. ``hearers``: of every call of theirs that arrived meanwhile."""

    hearers: list[OnFacts]
    found: dict[str, FactValue] = field(default_factory=dict)


class Callers:
    """``async with``: owns the tasks that look up; leaving ends them. ``clock``: monotonic seconds. Everything is bounded and counted."""

    def __init__(self, lookups: Sequence[CallerLookup], *, clock: Callable[[], float], deadline_s: float = DEADLINE_S) -> None:
        self._lookups = lookups
        self._clock = clock
        self._deadline_s = deadline_s
        self._known: OrderedDict[str, tuple[float, Facts]] = OrderedDict()
        self._asking: dict[str, _Asking] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def peek(self, caller: str) -> Facts | None:
        """What was found a moment ago; None where nothing was asked."""
        at, facts = self._known.get(caller, (-math.inf, {}))
        return facts if self._clock() - at < _FRESH_S else None

    def ask(self, caller: str, on_facts: OnFacts) -> None:
        """Look this caller (E.164) up; ``on_facts`` hears what each lookup found, as it comes. Returns at once."""
        asking = self._asking.get(caller)
        if asking is not None:
            if asking.found:
                on_facts(dict(asking.found))
            asking.hearers.append(on_facts)
            return
        if len(self._asking) >= _MOST_ASKED:
            self.counts["refused"] += 1
            return
        self._asking[caller] = asking = _Asking([on_facts])
        task = asyncio.create_task(self._ask_all(caller, asking), name="look-up-caller")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_all(self, caller: str, asking: _Asking) -> None:
        try:
            answered = await asyncio.gather(*(self._look_up(lookup, caller, asking) for lookup in self._lookups))
        finally:
            del self._asking[caller]
        if all(answered):  # else the next call of theirs may find out more
            self._known[caller] = self._clock(), asking.found
            self._known.move_to_end(caller)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    async def _look_up(self, lookup: CallerLookup, caller: str, asking: _Asking) -> bool:
        """Did it answer?"""
        try:
            async with asyncio.timeout(self._deadline_s):
                facts = await lookup.look_up(caller)
        except TimeoutError:
            self.counts[f"{lookup.name}_late"] += 1
            return False
        except Exception as error:  # noqa: BLE001 - whatever somebody's lookup raises is its own fault and no call's
            self.counts[f"{lookup.name}_failed"] += 1
            log.warning("caller.lookup_failed", lookup=lookup.name, error=type(error).__name__)
            return False
        self.counts[f"{lookup.name}_{'found' if facts else 'unknown'}"] += 1
        if facts:
            asking.found |= facts
            for hearer in asking.hearers:
                hearer(facts)
        return True
