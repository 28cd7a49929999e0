"""How a backend that nobody made an adapter for is asked: which requests, and what stands where in answers; see ``docs/backends.md``."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, model_validator

from api.backends.backend_section import HttpBackendSection
from api.backends.protocols import Stage
from api.backends.rest_reading import BadPointer, Pointer, Rule
from api.backends.rest_template import BadTemplate, Template, names_in
from api.settings.section import Section


def _template(value: object) -> object:
    if isinstance(value, str):
        try:
            Template.read(value)
        except BadTemplate as error:
            raise ValueError(str(error)) from None
    return value


def _pointer(value: object) -> object:
    if isinstance(value, str):
        try:
            Pointer.read(value)
        except BadPointer as error:
            raise ValueError(str(error)) from None
    return value


def _body(value: object) -> object:
    try:
        names_in(value)
    except BadTemplate as error:
        raise ValueError(str(error)) from None
    return value


def _path(value: object) -> object:
    if isinstance(value, str) and (not value.startswith("/") or "?" in value or "#" in value):
        raise ValueError("begins with / and has neither ? nor #: what is asked for stands in query")
    return _template(value)


TemplateText = Annotated[str, BeforeValidator(_template), Field(max_length=2_000)]
PointerText = Annotated[str, BeforeValidator(_pointer), Field(max_length=500)]
PathText = Annotated[str, BeforeValidator(_path), Field(max_length=2_000)]
Body = Annotated[Any, BeforeValidator(_body)]


def _rule(value: object) -> object:
    """A pointer alone, or several, is a rule too."""
    if isinstance(value, str):
        return {"at": (value,)}
    return {"at": tuple(value)} if isinstance(value, list | tuple) else value


class RuleSection(Section):
    """Where a value stands, and what it means."""

    at: Annotated[tuple[PointerText, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
    words: dict[str, str] = Field(default_factory=dict)
    """Ours for theirs."""
    default: str = ""
    form: Annotated[str, Field(min_length=1, max_length=64)] = "iso"
    """Of a time: ``iso``, ``seconds``, ``milliseconds``, or like ``%d/%m/%Y %H:%M``."""
    zone: str = "UTC"
    """Of times that say none."""

    @model_validator(mode="after")
    def _known_zone(self) -> Self:
        if self.zone not in available_timezones():
            raise ValueError(f"zone {self.zone!r} is none: give one like Europe/Madrid")
        return self

    def rule(self) -> Rule:
        return Rule(tuple(Pointer.read(at) for at in self.at), self.words, self.default, self.form, ZoneInfo(self.zone))


RuleText = Annotated[RuleSection, BeforeValidator(_rule)]

_CALLER = frozenset({"e164", "digits", "national", "raw", "email", "booking_ref", "limit"})
_PERSON = frozenset({"id", "name", "email", "company", "limit"})
_CALL = frozenset(
    {"call_id", "direction", "number", "agent", "queue", "started_at", "answered_at", "ended_at", "wrap_up_code", "note"}
    | {"recording_url", "language", "duration_s", "answered", "contact_id"}
)
_DRAFT = frozenset({"call_id", "contact_id", "number", "title", "text", "category", "priority"})
_MARK = frozenset({"mark"})
STAGE_FIELDS = frozenset(Stage.__struct_fields__) - {"starts_at", "ends_at"}


class RequestSection(Section):
    """One request. ``query`` and ``body``: texts with places to fill."""

    places: ClassVar[frozenset[str]] = frozenset()
    method: Literal["GET", "POST", "PUT", "PATCH"] = "GET"
    path: PathText
    query: dict[str, TemplateText] = Field(default_factory=dict)
    """Whatever is not known is left out."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]] = Field(
        default_factory=dict
    )
    body: Body = None
    """JSON."""

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        strange = sorted(self.names - self.places)
        if strange:
            raise ValueError(f"knows no {', '.join(f'{{{name}}}' for name in strange)}: there are {', '.join(sorted(self.places))}")
        if self.method == "GET" and self.body is not None:
            raise ValueError("has a body, which GET has not: say method")
        return self

    @property
    def names(self) -> frozenset[str]:
        query = frozenset[str]().union(*(Template.read(text).names for text in self.query.values()))
        return Template.read(self.path).names | query | names_in(self.body)


class FindSection(RequestSection):
    """A request that is answered by a list. ``none``: statuses that say that nobody is known."""

    items: PointerText = ""
    none: tuple[Annotated[int, Field(ge=400, le=499)], ...] = ()
    fields: dict[str, RuleText]
    url: TemplateText = ""
    """Of the page there of what was found, with ``{id}``."""
    required: ClassVar[frozenset[str]] = frozenset()
    optional: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        if strange := sorted(self.fields.keys() - self.required - self.optional):
            raise ValueError(f"has no field {', '.join(strange)}: there are {', '.join(sorted(self.required | self.optional))}")
        if missing := sorted(self.required - self.fields.keys()):
            raise ValueError(f"fields needs {', '.join(missing)}")
        if self.url and (strange := sorted(Template.read(self.url).names - {"id"})):
            raise ValueError(f"url knows only {{id}}, not {', '.join(strange)}")
        return self

    def rules(self) -> Mapping[str, Rule]:
        return {name: section.rule() for name, section in self.fields.items()}


class FindPeople(FindSection):
    places = _CALLER
    required = frozenset({"id", "name"})
    optional = frozenset({"company", "email", "numbers", "language", "vip", "lead_score", "value"})


class FindActivities(FindSection):
    places = _PERSON
    required = frozenset({"at", "title"})
    optional = frozenset({"kind"})


class StagesSection(Section):
    """Where the parts of a booking stand in it: flights, nights, transfers. Times are those of the places, in ``zone`` and ``end_zone``."""

    items: PointerText
    fields: dict[str, RuleText]

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        if strange := sorted(self.fields.keys() - STAGE_FIELDS):
            raise ValueError(f"has no field {', '.join(strange)}: there are {', '.join(sorted(STAGE_FIELDS))}")
        return self

    def rules(self) -> Mapping[str, Rule]:
        return {name: section.rule() for name, section in self.fields.items()}


class FindBookings(FindSection):
    places = _PERSON
    required = frozenset({"id", "title"})
    optional = frozenset({"ref", "state", "starts_at", "ends_at", "paid", "due", "currency", "number", "zone", "remark"})
    stages: StagesSection | None = None


class FindTickets(FindSection):
    places = _CALLER
    required = frozenset({"id", "title"})
    optional = frozenset({"state", "priority", "due_at", "updated_at", "open", "number"})


class KnownSection(RequestSection):
    """What was written already: asked for before the same is written again. ``id``: of the first of ``items``."""

    places = _MARK
    items: PointerText = ""
    none: tuple[Annotated[int, Field(ge=400, le=499)], ...] = ()
    id: PointerText = "/id"


class WriteSection(RequestSection):
    """Something that is written. ``id``: where the answer names what was made; ``{mark}`` is the same for the same write."""

    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    id: PointerText = "/id"
    known: KnownSection | None = None
    url: TemplateText = ""


class LogCall(WriteSection):
    places = _CALL | _MARK


class CreateContact(WriteSection):
    places = frozenset({"name", "number", "email", "company", "language"}) | _MARK


class WriteNote(WriteSection):
    places = frozenset({"id", "text"}) | _MARK


class CreateTicket(WriteSection):
    places = _DRAFT | _MARK


class AddNote(WriteSection):
    places = frozenset({"id", "text", "internal"}) | _MARK


class Attach(WriteSection):
    places = frozenset({"id", "url", "title", "expires_at"}) | _MARK


class SetOpen(WriteSection):
    places = frozenset({"id", "open", "state"}) | _MARK
    opened: str = "open"
    closed: str = "closed"
    """What ``{state}`` is."""


class AuthSection(Section):
    """How it is shown who we are; the secret itself stands in ``backends.secrets`` by the backend's id."""

    type: Literal["none", "header", "basic", "oauth2", "hmac"] = "none"
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "Authorization"
    prefix: Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,32}$")] = ""
    """Of the header's value, as in ``Bearer ``."""
    user: str = ""
    """``basic``: the name; ``oauth2``: ``client_id``; ``hmac``: the name of the secret, where the backend wants one."""
    token_url: str = ""
    scope: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.type in ("basic", "oauth2") and not self.user:
            raise ValueError(f"{self.type} needs user")
        if self.type == "oauth2" and not self.token_url:
            raise ValueError("oauth2 needs token_url")
        return self


class RestSection(HttpBackendSection):
    """A backend that is asked as this says."""

    type: Literal["rest"]
    kind: Literal["crm", "booking", "ticketing"]
    auth: AuthSection = AuthSection()
    idempotency_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = "Idempotency-Key"
    """Goes with every write; the same for the same. Empty: none."""
    health: Annotated[str, Field(pattern=r"^/[^?#]*$")] | None = None
    """A path that answers 200 while it is well."""
    find_contacts: FindPeople | None = None
    timeline: FindActivities | None = None
    log_call: LogCall | None = None
    create_contact: CreateContact | None = None
    write_note: WriteNote | None = None
    find_customers: FindPeople | None = None
    bookings_for: FindBookings | None = None
    open_tickets: FindTickets | None = None
    create_ticket: CreateTicket | None = None
    add_note: AddNote | None = None
    attach: Attach | None = None
    set_open: SetOpen | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        meant = REQUESTS[self.kind]
        strange = sorted({name for names in REQUESTS.values() for name in names if getattr(self, name) is not None} - set(meant))
        if strange:
            raise ValueError(f"is a {self.kind}, of which nobody asks {', '.join(strange)}: there are {', '.join(meant)}")
        if getattr(self, meant[0]) is None:
            raise ValueError(f"needs {meant[0]}")
        if self.kind == "booking" and self.bookings_for is None:
            raise ValueError("needs bookings_for")
        self._fits_address(self.auth.token_url)
        return self

    @property
    def secret_needed(self) -> bool:
        return self.auth.type != "none"


REQUESTS: Mapping[str, tuple[str, ...]] = {
    "crm": ("find_contacts", "timeline", "log_call", "create_contact", "write_note"),
    "booking": ("find_customers", "bookings_for"),
    "ticketing": ("open_tickets", "create_ticket", "add_note", "attach", "set_open"),
}
