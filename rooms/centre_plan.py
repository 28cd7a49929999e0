"""The plan of the contact centre: which number leads into which flow, and everything that flows name. One version of it is one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rooms.calendar import Calendar
from rooms.causes import Cause
from rooms.flows.conditions import Facts
from rooms.flows.flow import Flow
from rooms.queues.queue_plan import QueuePlan
from rooms.rules.rule import Rule

ANY = "*"
WITHHELD = "withheld"
"""A caller who does not want to be known."""


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """Calls to ``pattern`` go through ``flow``.

    ``pattern``: a number as E.164 (``+34911234567``), as the PBX sends it (``911234567``, ``600``), the beginning of some (``+3491*``), or
    ``*``. ``callers``: from these alone, each an E.164 number, the beginning of some (``+44*``), a country (``GB``) or ``withheld``;
    empty: from anybody. ``calendar``: only while it is ``during`` there; empty: always. ``language``: of who has no other.
    """

    pattern: str
    flow: str
    language: str = ""
    label: str = ""
    callers: tuple[str, ...] = ()
    calendar: str = ""
    during: str = "open"


@dataclass(frozen=True, slots=True)
class VoicemailBox:
    """Where messages are kept, for so many days. ``titles``: by language. ``agents``: who is told of new ones and may hear them, besides
    everybody in one of ``teams``; ``email``: addresses that are told."""

    name: str
    titles: Mapping[str, str] = field(default_factory=dict)
    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    keep_days: int = 30
    email: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowWebhook:
    """Another program that flows may ask. ``secret``: the name under which the settings hold what signs the question; empty: nothing."""

    name: str
    url: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class CallerRules:
    """Lists of callers, written as in ``NumberEntry.callers``. ``blocked`` are refused, ``vip`` are known as such. ``languages``: in which
    somebody is spoken to who calls from a country (ISO code)."""

    blocked: tuple[str, ...] = ()
    vip: tuple[str, ...] = ()
    languages: Mapping[str, str] = field(default_factory=dict)

    def is_blocked(self, caller: str, country: str) -> bool:
        return is_listed(self.blocked, caller, country)

    def is_vip(self, caller: str, country: str) -> bool:
        return is_listed(self.vip, caller, country)


@dataclass(frozen=True, slots=True)
class CentrePlan:
    """``version`` counts up."""

    version: int = 0
    flows: Mapping[str, Flow] = field(default_factory=dict)
    queues: Mapping[str, QueuePlan] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    entries: tuple[NumberEntry, ...] = ()
    boxes: Mapping[str, VoicemailBox] = field(default_factory=dict)
    webhooks: Mapping[str, FlowWebhook] = field(default_factory=dict)
    break_reasons: tuple[str, ...] = ()
    callers: CallerRules = CallerRules()
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def entry(
        self, called: str, caller: str, *, also_called: tuple[str, ...] = (), country: str = "", epoch_s: float = 0.0
    ) -> NumberEntry | None:
        """Where a call begins: the entry that says most of the number dialled, then of the caller, then of the time; of equals the first.

        ``called`` and ``caller`` as E.164 or extension, ``caller`` empty where withheld; ``also_called``: other ways to write the number
        dialled, as the PBX sent it. ``country``: ISO code of the caller's. None: the call is for no flow.
        """
        best: tuple[int, int, int] | None = None
        found: NumberEntry | None = None
        for entry in self.entries:
            of_number = max(_match(entry.pattern, number) for number in (called, *also_called))
            of_caller = max((_caller_match(each, caller, country) for each in entry.callers), default=0)
            of_time = self._time_match(entry, epoch_s)
            if min(of_number, of_caller, of_time) >= 0 and (best is None or (of_number, of_caller, of_time) > best):
                best, found = (of_number, of_caller, of_time), entry
        return found

    def _time_match(self, entry: NumberEntry, epoch_s: float) -> int:
        if not entry.calendar:
            return 0
        calendar = self.calendars.get(entry.calendar)
        return 1 if calendar is not None and calendar.is_open(epoch_s) == entry.during else -1


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a call that arrives is received. Without ``entry`` it rings as if there were no contact centre; ``refused``: not at all.
    ``flow``: the one that it goes through, where that is none of the plan."""

    plan: CentrePlan | None = None
    entry: NumberEntry | None = None
    facts: Facts = field(default_factory=dict)
    refused: Cause | None = None
    flow: Flow | None = None


def is_listed(callers: tuple[str, ...], caller: str, country: str) -> bool:
    """Is this caller one of those? ``caller`` as E.164, empty where withheld."""
    return any(_caller_match(each, caller, country) >= 0 for each in callers)


_EXACT = 1_000


def _match(pattern: str, number: str) -> int:
    """How much a pattern says of a number: -1 where it is for others."""
    if pattern.endswith(ANY):
        return len(pattern) - 1 if number.startswith(pattern[:-1]) else -1
    return _EXACT if number and number == pattern else -1


def _caller_match(pattern: str, caller: str, country: str) -> int:
    if pattern == WITHHELD:
        return -1 if caller else _EXACT
    if pattern.isalpha():
        return 1 if country == pattern else -1
    found = _match(pattern, caller) if caller else -1
    return found + 1 if found >= 0 else -1
