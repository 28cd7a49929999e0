"""What a rule's acts come to with the facts at hand, in words and as data. Pure: nothing is done here."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from api.happenings import Happening
from api.notify.message import filled, one_line
from rooms.flows.conditions import Facts
from rooms.rules.rule import CUSTOMER, Act, ActKind, in_language

SUPERVISORS = "supervisors"
"""As a team: whoever supervises."""


class ToBeDone(Struct, frozen=True):
    """One act, ready. ``why_not``: it comes to nothing, because of this. ``to``: as in ``rooms.rules.rule.Act``, or found out."""

    act: str
    to: str = ""
    team: str = ""
    title: str = ""
    text: str = ""
    language: str = ""
    number: str = ""
    due_at: float | None = None
    priority: str = "normal"
    values: dict[str, str | float | bool] = {}
    why_not: str = ""

    @property
    def worded(self) -> str:
        """For the history: what, to whom, and the words."""
        whom = self.to or self.team
        said = " / ".join(filter(None, (self.title, self.text)))
        changes = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        words = " ".join(filter(None, (self.act, f"to {whom}" if whom else "", f"({said or changes})" if said or changes else "")))
        return f"{words}: not done, {self.why_not}" if self.why_not else words


def to_be_done(act: Act, happening: Happening, *, can: Callable[[str], bool], ticketing: Callable[[str], str]) -> ToBeDone:
    """``can(channel)``: is there a server for e-mail, a provider for SMS? ``ticketing(id)``: the ticketing of this id, the first where it
    is empty; empty: there is none."""
    facts = happening.facts
    language, number = str(facts.get("language", "")), number_of(facts)
    made = ToBeDone(
        act=act.kind.value,
        to=act.to,
        team=act.team,
        title=one_line(filled(in_language(act.title, language), facts)),
        text=filled(in_language(act.text, language), facts),
        language=language,
        number=number,
        due_at=None if act.due_s is None else happening.at + act.due_s,
        priority=act.priority,
        values=dict(act.values),
        why_not=_why_not(act, number, facts, can),
    )
    if act.kind is ActKind.EMAIL and act.to == CUSTOMER and "email" in facts:
        return replace(made, to=str(facts["email"]))
    if act.kind is ActKind.SMS and act.to == CUSTOMER and number:
        return replace(made, to=number)
    if act.kind is ActKind.TICKET:
        backend = ticketing(act.to)
        return replace(made, to=backend, why_not="" if backend else "there is no such ticketing")
    return made


def _why_not(act: Act, number: str, facts: Facts, can: Callable[[str], bool]) -> str:
    of_customer = act.kind in (ActKind.NOTE, ActKind.UPDATE) or (act.to == CUSTOMER and act.kind in (ActKind.EMAIL, ActKind.SMS))
    if of_customer and not number and "email" not in facts:
        return "nobody knows whose number it is"
    if act.kind is ActKind.SMS and act.to == CUSTOMER and not number:
        return "there is no number"
    if act.kind in (ActKind.EMAIL, ActKind.SMS) and not can(act.kind.value):
        return f"nothing is set up to send {act.kind.value} by"
    return ""


def number_of(facts: Facts) -> str:
    """The customer's, where it is one in full."""
    name = "called" if facts.get("direction") == "out" else "caller"
    for value in (facts.get(name, ""), facts.get("number", "")):
        if isinstance(value, str) and value.startswith("+"):
            return value
    return ""
