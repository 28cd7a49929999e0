"""A call tried in a plan without a telephone: where its number leads, what is known of the caller, and which way they go."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from api.centre.arrivals import arrive
from media.prompt_texts import TEXTS
from rooms.centre_plan import CentrePlan
from rooms.flows.conditions import FactValue
from rooms.flows.dry_run import Script, dry_run
from signaling.refusal import Refusal

Word = Annotated[str, Meta(max_length=128)]
Known = Annotated[dict[Word, FactValue], Meta(max_length=100)]


class TriedCall(Struct, frozen=True, forbid_unknown_fields=True):
    """``caller`` empty: withheld. ``at``: seconds since the epoch, null: now. ``facts``: what would be found out about the caller.

    ``presses``: what the caller presses, one text of digits for each time they are asked, ``-`` for nothing; one that begins with ``!`` is
    pressed into what is said. ``outcomes``: of steps that wait for somebody else, by the step's name or kind, where it is not the usual
    one; ``answers``: facts that a webhook answers, by its step.
    """

    called: Word
    caller: Word = ""
    at: Annotated[float, Meta(ge=0, le=4e9)] | None = None
    facts: Known = {}
    presses: Annotated[list[Word], Meta(max_length=100)] = []
    outcomes: Annotated[dict[Word, Word], Meta(max_length=100)] = {}
    answers: Annotated[dict[Word, Known], Meta(max_length=100)] = {}


class TriedWay(Struct, frozen=True):
    """``flow`` empty: the number leads into none, and the call rings at everybody. ``refused``: why it is not taken at all.

    ``lines``: what the caller hears, where they are led and how it ends.
    """

    flow: str
    entry: str
    refused: str
    facts: Mapping[str, FactValue]
    lines: list[str]


def try_call(plan: CentrePlan, call: TriedCall, *, region: str, now: float) -> TriedWay:
    """``region``: as in ``Arrivals``. Raises ``Refusal`` for what cannot happen."""
    at = now if call.at is None else call.at
    arrival = arrive(plan, call.called, call.caller, region=region, epoch_s=at)
    entry = arrival.entry
    if entry is None:
        return TriedWay("", "", arrival.refused.detail if arrival.refused is not None else "", {}, [])
    facts = {**arrival.facts, **call.facts, **{name: arrival.facts[name] for name in ("caller", "called", "vip") if name in arrival.facts}}
    script = Script(at, facts, presses=tuple(call.presses), outcomes=call.outcomes, answers=call.answers)
    try:
        lines = dry_run(plan.flows[entry.flow], plan, script, TEXTS)
    except ValueError as error:
        raise Refusal("bad_message", str(error)) from None
    return TriedWay(entry.flow, entry.label, "", facts, lines)
