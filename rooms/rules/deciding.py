"""Which rules do something about what has happened, and why the others do not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from rooms.flows.conditions import Condition, Facts
from rooms.rules.rule import Rule

MOST_DEEP = 3
"""What rules bring about may set off others, which may set off others, and no more."""


class Outcome(StrEnum):
    DOES = "does"
    OFF = "off"
    UNMET = "unmet"
    OWN = "own"
    """It was brought about by this very rule."""
    DEEP = "deep"
    TOO_OFTEN = "too_often"


@dataclass(frozen=True, slots=True)
class Decision:
    """``why``: for a person; empty where it does something."""

    rule: Rule
    outcome: Outcome
    why: str = ""


def decide(rules: Iterable[Rule], kind: str, facts: Facts, caused_by: tuple[str, ...], done_lately: Callable[[str], int]) -> list[Decision]:
    """Of every rule that is about such a happening. ``caused_by``: the rules that brought it about. ``done_lately(rule)``: how often it did
    something within the last hour."""
    return [_decided(rule, facts, caused_by, done_lately) for rule in rules if rule.on == kind]


def _decided(rule: Rule, facts: Facts, caused_by: tuple[str, ...], done_lately: Callable[[str], int]) -> Decision:
    if not rule.enabled:
        return Decision(rule, Outcome.OFF, "It is switched off.")
    unmet = next((condition for condition in rule.conditions if not condition.holds(facts)), None)
    if unmet is not None:
        return Decision(rule, Outcome.UNMET, _worded(unmet, facts))
    if rule.name in caused_by:
        return Decision(rule, Outcome.OWN, "It brought this about itself.")
    if len(caused_by) >= MOST_DEEP:
        return Decision(rule, Outcome.DEEP, f"{len(caused_by)} rules set one another off already: {', '.join(caused_by)}.")
    if done_lately(rule.name) >= rule.most_per_hour:
        return Decision(rule, Outcome.TOO_OFTEN, f"It did something {rule.most_per_hour} times within an hour.")
    return Decision(rule, Outcome.DOES)


def _worded(condition: Condition, facts: Facts) -> str:
    wanted = " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in condition.values)
    known = facts.get(condition.fact, "")
    is_now = f"it is {str(known).lower() if isinstance(known, bool) else known}" if known != "" else "it is not known"
    return f"{condition.fact} {condition.comparison.value} {wanted}: {is_now}."
