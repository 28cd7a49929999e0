"""What is said about the person in a call: who it is, what they booked, what is open, and what is written about them.

Whoever a call rings for, or whose it is, hears ``context.partial`` each time that something more is known; nobody waits for it. All text
that comes from other systems is text, never markup.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from signaling.message_bases import Id, Notice, Request

BackendId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
RemoteId = Annotated[str, Meta(min_length=1, max_length=256)]
NoteText = Annotated[str, Meta(max_length=20_000)]


class ContextContact(Struct, frozen=True):
    """Somebody whom a backend knows. ``lead_score``: 0-1; ``value``: of what they bought; ``url``: of their page there, or empty."""

    backend: str
    id: str
    name: str
    company: str = ""
    email: str = ""
    numbers: list[str] = field(default_factory=list)
    language: str = ""
    vip: bool = False
    lead_score: float | None = None
    value: float | None = None
    url: str = ""


class ContextOrigin(Struct, frozen=True):
    """Where a field came from: which backend, its id there, and how old the answer was; null: asked just now."""

    backend: str
    id: str
    age_s: float | None = None


class ContextBooking(Struct, frozen=True):
    """``paid`` and ``due`` as decimal numbers in ``currency``."""

    backend: str
    id: str
    ref: str
    title: str
    state: str
    starts_at: float | None
    ends_at: float | None
    paid: str
    due: str
    currency: str
    url: str = ""


class ContextTicket(Struct, frozen=True):
    backend: str
    id: str
    title: str
    state: str
    priority: str = ""
    due_at: float | None = None
    updated_at: float | None = None
    url: str = ""
    open: bool = True


class ContextActivity(Struct, frozen=True):
    backend: str
    at: float
    kind: str
    title: str
    url: str = ""


class ContextPart(Struct, frozen=True):
    """How it stands with one backend: ``asked``, ``slow`` (it is waited for), ``here``, ``none`` (it knows nobody), ``unasked`` (it has
    nobody to be asked about yet), or why it is away: ``late`` (given up), ``unreachable``, ``refused``, ``invalid``, ``too_large``,
    ``rate_limited``, ``open`` (let alone, having failed too often). ``said``: what it said; ``age_s``: how old what is shown is.

    ``can``: what may be done there: ``ticket``, ``write_note``, ...
    """

    backend: str
    kind: str
    title: str
    state: str
    said: str = ""
    age_s: float | None = None
    can: list[str] = field(default_factory=list)


class NoteNow(Struct, frozen=True):
    """The note of a call as it stands. ``taken`` false: somebody else wrote meanwhile, and this is theirs; nothing was lost or written."""

    call_id: str
    text: str = ""
    revision: int = 0
    by: str = ""
    at: float | None = None
    taken: bool = True


class ContextPartial(Notice, frozen=True, tag="context.partial"):
    """All that is known so far, complete each time. ``choices``: several may be meant; ``context.choose`` says who it is. ``chosen``:
    somebody said so. ``withheld``: there is no number to look for."""

    call_id: str
    contact: ContextContact | None = None
    choices: list[ContextContact] = field(default_factory=list)
    chosen: bool = False
    withheld: bool = False
    bookings: list[ContextBooking] = field(default_factory=list)
    tickets: list[ContextTicket] = field(default_factory=list)
    activities: list[ContextActivity] = field(default_factory=list)
    parts: list[ContextPart] = field(default_factory=list)
    whole: bool = False
    """Nothing more is waited for."""
    origin: dict[str, ContextOrigin] = field(default_factory=dict)
    """Of each field of ``contact``, by its name; ``numbers/0`` is the first number."""


class GetContext(Request, frozen=True, tag="context.get"):
    """Tell me again of a call of mine, also one that is over and that I still work on. Result: ``{}``; ``context.partial`` follows."""

    call_id: Id


class ChooseContact(Request, frozen=True, tag="context.choose"):
    """This one of the ``choices`` is on the line. Result: ``{}``; ``context.partial`` follows."""

    call_id: Id
    backend: BackendId
    id: RemoteId


class WriteNote(Request, frozen=True, tag="note.write"):
    """The whole note of a call of mine. ``revision``: of the note that was changed (0: there was none). Result: ``NoteNow``."""

    call_id: Id
    text: NoteText
    revision: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class GetNote(Request, frozen=True, tag="note.get"):
    """The note of a call of mine as it stands. Result: ``NoteNow``."""

    call_id: Id


class MakeTicket(Request, frozen=True, tag="ticket.make"):
    """Make a ticket of a call of mine. ``backend`` empty: the first that makes tickets. Result: ``{}``; ``ticket.written`` follows."""

    call_id: Id
    title: Annotated[str, Meta(min_length=1, max_length=256)]
    text: NoteText = ""
    backend: Annotated[str, Meta(max_length=64)] = ""
    category: Annotated[str, Meta(max_length=64)] = ""
    priority: Literal["low", "normal", "high", "urgent"] = "normal"


class CloseTicket(Request, frozen=True, tag="ticket.close"):
    """This ticket of the caller's is done. Result: ``{}``; ``ticket.written`` follows."""

    call_id: Id
    backend: BackendId
    id: RemoteId


class TicketWritten(Notice, frozen=True, tag="ticket.written"):
    """How it stands with a ticket that was made or closed. ``id`` empty until the backend said it. ``state``: ``waiting`` (kept here, sent
    in a moment), ``done``, ``retrying`` (the backend is away: it is tried again), ``failed`` (a person has to look)."""

    call_id: str
    what: Literal["make", "close"]
    backend: str
    id: str
    title: str
    state: str
    said: str = ""
    url: str = ""
