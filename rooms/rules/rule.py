"""A rule: on what it is looked at, what has to hold, and what is done then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rooms.flows.conditions import Condition
from rooms.rules.schedule import Schedule

ON_SCHEDULE, ON_WEBHOOK = "schedule", "webhook"
CUSTOMER = "customer"
"""In place of an address: whoever the happening is about."""


class ActKind(StrEnum):
    WEBHOOK = "webhook"
    """Post the facts to one of the plan's ``webhooks`` (``to``)."""
    TICKET = "ticket"
    TASK = "task"
    """Something to be done for the customer, by somebody or a team (``to``, ``team``), within ``due_s``."""
    NOTE = "note"
    """At the CRM, with whoever the number belongs to."""
    EMAIL = "email"
    SMS = "sms"
    TELL = "tell"
    """On the desks of a person or a team."""
    UPDATE = "update"
    """Of the contact whose number it is: ``vip``, ``language``, ``lead_score``."""


def in_language(texts: Mapping[str, str], language: str) -> str:
    """A text in this language, else as it is for all, else in another one."""
    return texts.get(language) or texts.get("") or texts.get("en") or next(iter(texts.values()), "")


@dataclass(frozen=True, slots=True)
class Act:
    """``title`` and ``text``: by language, with ``{name}`` for facts; "" is whichever language. ``to``: a person, an address, a number, a
    backend or a webhook, by ``kind``. ``values``: what an update sets."""

    kind: ActKind
    to: str = ""
    team: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    due_s: float | None = None
    priority: str = "normal"
    values: Mapping[str, str | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """``on``: the kind of happening, ``schedule`` or ``webhook``. ``most_per_hour``: it does no more. ``secret``: of its webhook.
    ``title``: by language, as an act's."""

    name: str
    on: str
    conditions: tuple[Condition, ...] = ()
    acts: tuple[Act, ...] = ()
    enabled: bool = True
    most_per_hour: int = 60
    schedule: Schedule | None = None
    secret: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
