"""What happens that others care for: told once by whoever sees it, heard by rules, webhooks, surveys and after-call work.

A happening is past: nothing that hears of it can change it, and no fault of a hearer reaches who told it. Hearers are quick: work that
takes longer is put into the outbox or a queue of their own.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import uuid4

import structlog

from rooms.flows.conditions import FactValue

log = structlog.get_logger()

_MOST_WAITING = 10_000


class Kind(StrEnum):
    """Stable words: rules and receivers of webhooks go by them. ``docs/automation.md`` says which facts each has."""

    CALL_ENDED = "call.ended"
    CALL_MISSED = "call.missed"
    CALL_WAITED = "call.waited"
    QUALITY_BAD = "quality.bad"
    CALLER_ARRIVED = "caller.arrived"
    CONSULTATION_ENDED = "consultation.ended"
    APPOINTMENT_BOOKED = "appointment.booked"
    APPOINTMENT_MOVED = "appointment.moved"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_NO_SHOW = "appointment.no_show"
    APPOINTMENT_DUE = "appointment.due"
    APPOINTMENT_DONE = "appointment.done"
    BOOKING_INITIATED = "booking.initiated"
    BOOKING_RESERVED = "booking.reserved"
    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_FAILED = "booking.failed"
    BOOKING_EXPIRED = "booking.expired"
    TICKET_OPENED = "ticket.opened"
    TICKET_CHANGED = "ticket.changed"
    TICKET_ESCALATED = "ticket.escalated"
    TICKET_CLOSED = "ticket.closed"
    SURVEY_ANSWERED = "survey.answered"
    VOICEMAIL_LEFT = "voicemail.left"


@dataclass(frozen=True, slots=True)
class Happening:
    """``kind``: one of ``Kind``. ``subject``: what it is about (the id of a call, ticket, booking ...). ``at``: seconds since the epoch.

    ``facts``: what rules may ask; numbers of customers stand in them as E.164. ``person``: the customer's handle
    (``api/privacy/vault.py``), where one is known. ``happening_id``: where the same can be told twice, whoever tells it gives the same one
    each time. ``caused_by``: the rules whose acts brought it about, the last one last.
    """

    kind: str
    subject: str
    at: float
    facts: Mapping[str, FactValue]
    call_id: str = ""
    person: str = ""
    happening_id: str = field(default_factory=lambda: uuid4().hex)
    caused_by: tuple[str, ...] = ()


Hearer = Callable[[Happening], None]


class Happenings:
    """One per process. ``counts``: happenings by kind, and what was lost."""

    def __init__(self) -> None:
        self._hearers: list[Hearer] = []
        self._waiting: deque[Happening] = deque()
        self._telling = False
        self.counts: Counter[str] = Counter()

    def listen(self, hearer: Hearer) -> None:
        """``hearer`` is told of everything from now on, in the order in which it happened."""
        self._hearers.append(hearer)

    def tell(self, happening: Happening) -> None:
        """Never raises. What a hearer tells meanwhile comes after what it is being told."""
        if len(self._waiting) >= _MOST_WAITING:
            self.counts["dropped"] += 1
            return
        self._waiting.append(happening)
        if self._telling:
            return
        self._telling = True
        try:
            while self._waiting:
                self._tell(self._waiting.popleft())
        finally:
            self._telling = False

    def _tell(self, happening: Happening) -> None:
        self.counts[happening.kind] += 1
        for hearer in self._hearers:
            try:
                hearer(happening)
            except Exception as error:  # its fault is neither the teller's nor the next hearer's
                self.counts["faults"] += 1
                log.exception("happening.hearer_failed", kind=happening.kind, error=type(error).__name__)
