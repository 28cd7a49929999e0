"""What is known of a call in the moment in which it arrives: where the plan leads it, who calls, and in what language to answer."""

from collections.abc import Callable

import structlog

from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.centre.callers import Callers
from pbx.numbers import Number, number_of_caller
from rooms.causes import Cause, EndReason
from rooms.centre_plan import Arrival, CentrePlan, NumberEntry
from rooms.flows.conditions import Facts, FactValue

log = structlog.get_logger()

_LANGUAGES = {
    "es": ("AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GQ", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV", "UY", "VE"),
    "en": ("AG", "AU", "BB", "BS", "CA", "GB", "GG", "GI", "IE", "IM", "JE", "JM", "NZ", "TT", "US"),
}
"""In which countries (ISO codes) most people speak one of our languages."""
_LANGUAGE_OF = {country: language for language, countries in _LANGUAGES.items() for country in countries}
_BLOCKED = Cause(EndReason.FORBIDDEN, 603, "This caller is on the list of those whose calls are not taken.")


class Arrivals:
    """``plan`` gives the plan in force; ``learn(call_id, facts)`` hears what is found out of a caller while the call goes on already.
    ``context``: finds out who it is, for flows and for whoever answers.

    ``region``: ISO country whose national forms of numbers are understood. ``now``: seconds since the epoch.
    """

    def __init__(
        self,
        plan: Callable[[], CentrePlan | None],
        callers: Callers,
        context: ContextLookup,
        learn: Callable[[str, Facts], None],
        *,
        region: str,
        now: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._callers = callers
        self._context = context
        self._learn = learn
        self._region = region
        self._now = now

    def receive(self, call_id: str, called: str, caller: str, *, private: bool = False) -> Arrival:
        """How this call is received. ``called`` and ``caller`` as the line wrote them. Never waits for anybody."""
        plan, shown = self._plan(), "" if private else caller
        arrival = Arrival() if plan is None else arrive(plan, called, shown, region=self._region, epoch_s=self._now())
        if arrival.refused is not None:
            log.info("call.blocked", call_id=call_id)
            return arrival
        # What is written down in the plan says more than what is looked up.
        listed: Facts = {"vip": True} if "vip" in arrival.facts else {}

        def learned(facts: Facts) -> None:
            if arrival.entry is not None and facts:
                self._learn(call_id, {**facts, **listed})

        e164 = number_of_caller(shown, self._region).e164
        known = self._context.peek(e164) if e164 and arrival.entry is not None else {}
        self._context.begin(call_id, CallerKey(e164, shown, withheld=private), learned)
        if e164 is None or arrival.entry is None:
            return arrival
        earlier = self._callers.peek(e164)
        if earlier is None:
            self._callers.ask(e164, learned)
        return Arrival(plan, arrival.entry, {**arrival.facts, **known, **(earlier or {}), **listed})


def arrive(plan: CentrePlan, called: str, caller: str, *, region: str, epoch_s: float) -> Arrival:
    """The same as far as nobody needs to be asked. Without an entry nothing is known of the caller. Numbers as anybody writes them."""
    who, dialled = number_of_caller(caller, region), number_of_caller(called, region)
    known_as = who.e164 or who.extension or ""
    if plan.callers.is_blocked(known_as, who.region):
        return Arrival(plan, refused=_BLOCKED)
    number = dialled.e164 or dialled.extension or called
    entry = plan.entry(number, known_as, also_called=(called,), country=who.region, epoch_s=epoch_s)
    return Arrival(plan) if entry is None else Arrival(plan, entry, _facts(plan, entry, dialled, who))


def _facts(plan: CentrePlan, entry: NumberEntry, dialled: Number, who: Number) -> Facts:
    known_as = who.e164 or who.extension or ""
    language = entry.language or plan.callers.languages.get(who.region, "") or _LANGUAGE_OF.get(who.region, "")
    facts: dict[str, FactValue] = {
        "called": dialled.e164 or dialled.extension or dialled.raw,
        "caller": known_as,
        "country": who.region,
        "withheld": not known_as,
        "kind": who.kind.value,
        "entry": entry.label,
        "language": language,
    }
    if plan.callers.is_vip(known_as, who.region):
        facts["vip"] = True
    return {name: value for name, value in facts.items() if value != ""}
