"""What a booking system, a CRM or a ticketing has to know how to do, and the words in which all of them answer.

Numbers are E.164, times seconds since the epoch, money in the named currency (ISO 4217), exact. Text is text: whatever markup a backend
sends is shown as it stands. Every call may raise ``BackendFault`` and nothing else; ``api/backends/guard.py`` sees to that, and to how long
it may take. Nobody of the call path waits for any of this.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct

FaultCause = Literal["slow", "unreachable", "refused", "invalid", "too_large", "rate_limited", "open"]
"""``refused``: it says no (credentials, a request that it does not take). ``invalid``: its answer is none, or about somebody else.
``open``: it failed so often that it is let alone for a while."""


class Kind(StrEnum):
    CRM = "crm"
    BOOKING = "booking"
    TICKETING = "ticketing"


class Capability(StrEnum):
    LOOKUP = "lookup"
    HISTORY = "history"
    LOG = "log"
    TICKET = "ticket"
    ATTACH = "attach"
    CREATE = "create"
    WRITE_NOTE = "write_note"


class BackendFault(Exception):
    """A backend did not do what was asked. ``said``: whose fault it is and what it said, without numbers, names or keys.

    ``retry_after_s``: as it wishes. ``retryable``: the same may succeed later by itself.
    """

    def __init__(self, cause: FaultCause, said: str, *, retry_after_s: float | None = None, retryable: bool | None = None) -> None:
        super().__init__(f"{cause}: {said}")
        self.cause: FaultCause = cause
        self.said = said
        self.retry_after_s = retry_after_s
        self.retryable = cause not in ("refused", "invalid", "too_large") if retryable is None else retryable


class Health(Struct, frozen=True):
    """``said``: for an administrator: what it is (name, version), or what is wrong with it."""

    ok: bool
    said: str = ""


class CallerKey(Struct, frozen=True):
    """Whom to look for. ``raw``: the number as the line wrote it; ``e164`` None where that is none. ``withheld``: nobody is looked for by
    number."""

    e164: str | None
    raw: str
    email: str | None = None
    booking_ref: str | None = None
    withheld: bool = False


class ContactRef(Struct, frozen=True):
    """Somebody a backend knows. ``numbers``: E.164, those of theirs that it named: an answer to a number that is not among them is about
    somebody else and is refused; without any nobody vouches that it is theirs, so that it is offered as a choice only.

    ``lead_score``: 0-1. ``value``: of what they bought. ``language``: ISO 639-1, empty: not known. ``url``: of their page there.
    """

    backend: str
    id: str
    name: str
    company: str = ""
    email: str = ""
    numbers: tuple[str, ...] = ()
    language: str = ""
    vip: bool = False
    lead_score: float | None = None
    value: float | None = None
    url: str = ""


class Activity(Struct, frozen=True):
    """Something that happened with a contact. ``kind``: ``call``, ``mail``, ``note``, ``meeting``, ... as the backend names it."""

    at: float
    kind: str
    title: str
    url: str = ""


class Stage(Struct, frozen=True):
    """One part of a trip: a flight, nights at a hotel. ``kind``: ``flight``, ``train``, ``hotel``, ``transfer``, ``activity``, ``other``.

    ``starts``, ``ends``: what a clock on the wall shows there, ``2026-12-05T07:35``, or the day alone; empty: not known. ``zone``,
    ``end_zone``: of those places (IANA), where they are known; ``starts_at``, ``ends_at`` are then the moments (s since the epoch).
    ``carrier`` and ``number``: of a flight or train; ``place``: of all else. ``price``: where it has its own. ``note``: for customers.
    """

    kind: str
    title: str = ""
    starts: str = ""
    ends: str = ""
    zone: str = ""
    end_zone: str = ""
    starts_at: float | None = None
    ends_at: float | None = None
    origin: str = ""
    destination: str = ""
    carrier: str = ""
    number: str = ""
    place: str = ""
    state: str = ""
    price: Decimal | None = None
    currency: str = ""
    note: str = ""


class BookingCard(Struct, frozen=True):
    """A trip or what else was booked. ``due``: what is still to be paid. ``number``: of who booked it, where the backend says so: one that
    is not the caller's is refused. ``zone``: where it begins (IANA). ``remark``: for the house alone. ``stages``: the trip, part by part,
    where the backend tells."""

    backend: str
    id: str
    ref: str
    title: str
    state: str
    starts_at: float | None
    ends_at: float | None
    paid: Decimal
    due: Decimal
    currency: str
    url: str = ""
    number: str = ""
    zone: str = ""
    remark: str = ""
    stages: tuple[Stage, ...] = ()


class TicketCard(Struct, frozen=True):
    """A matter that is dealt with. ``due_at``: until when, where that was promised. ``number``: as with ``BookingCard``."""

    backend: str
    id: str
    title: str
    state: str
    priority: str = ""
    due_at: float | None = None
    updated_at: float | None = None
    url: str = ""
    open: bool = True
    number: str = ""


class RemoteRef(Struct, frozen=True):
    """What was written there: its id and its page."""

    backend: str
    id: str
    url: str = ""


class CallLog(Struct, frozen=True):
    """A call that is over. ``direction``: ``in`` or ``out``. ``number``: the other side's."""

    call_id: str
    direction: str
    number: str
    agent: str
    queue: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    wrap_up_code: str = ""
    note: str = ""
    recording_url: str = ""
    language: str = ""


class TicketDraft(Struct, frozen=True):
    """A ticket to be made. ``contact_id``: at the backend that gets it, where known."""

    call_id: str
    contact_id: str | None
    number: str
    title: str
    text: str
    category: str = ""
    priority: str = "normal"


class ContactDraft(Struct, frozen=True):
    name: str
    number: str = ""
    email: str = ""
    company: str = ""
    language: str = ""


class RecordingLink(Struct, frozen=True):
    """A signed address at which a recording can be heard until ``expires_at``."""

    url: str
    title: str
    expires_at: float


class Backend(Protocol):
    """One backend. ``id`` is unique among those of this server; a property suffices, as it does for the others."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    async def health(self) -> Health:
        """Is it there, and does it take our credentials?"""
        ...


class CrmBackend(Backend, Protocol):
    """Who somebody is, and what was spoken with them. ``idem``: the same write with the same key is done once."""

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        """None, one or many are all right: nobody is guessed."""
        ...

    async def timeline(self, contact: ContactRef, *, limit: int = 10) -> list[Activity]:
        """The newest first."""
        ...

    async def log_call(self, contact: ContactRef | None, call: CallLog, *, idem: str) -> RemoteRef: ...

    async def create_contact(self, draft: ContactDraft, *, idem: str) -> ContactRef: ...

    async def write_note(self, contact: ContactRef, text: str, *, idem: str) -> RemoteRef: ...


class BookingBackend(Backend, Protocol):
    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]: ...

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        """Those that run or are to come first, then the latest."""
        ...


class TicketBackend(Backend, Protocol):
    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]: ...

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef: ...

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None: ...

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None: ...

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None: ...


def can(backend: Backend, wanted: Iterable[Capability]) -> bool:
    """Has it all of these?"""
    return backend.capabilities.issuperset(wanted)
