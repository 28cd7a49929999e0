"""Backends that nobody made an adapter for: asked by HTTP and JSON as the settings say (``api/backends/rest_settings.py``).

A backend that finds by a part of a number names others too: who has numbers, but not the caller's, is left out. Every write carries a mark
that is the same for the same write, in a header and wherever the settings put it; where they say how what was written already is found,
that is asked for first.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from api.backends.http import BackendHttp, HttpAnswer
from api.backends.marks import mark_of
from api.backends.protocols import (
    Activity,
    BackendFault,
    BookingCard,
    CallerKey,
    CallLog,
    Capability,
    ContactDraft,
    ContactRef,
    Health,
    Kind,
    RecordingLink,
    RemoteRef,
    Stage,
    TicketCard,
    TicketDraft,
)
from api.backends.rest_reading import Pointer, Rule
from api.backends.rest_settings import (
    STAGE_FIELDS,
    FindBookings,
    FindPeople,
    FindSection,
    KnownSection,
    RequestSection,
    RestSection,
    WriteSection,
)
from api.backends.rest_template import Template, Value, Values, filled
from api.backends.stages import MOST_STAGES, known_zone
from pbx.numbers import national_part

_MOST_LOOKED_AT = 500
_LOOKED_FOR = frozenset({"e164", "digits", "national", "raw", "email", "booking_ref", "id"})
"""Where none of those that a question has is known, it would be about everybody."""


class _Rest:
    """``region``: ISO country whose national forms of numbers it has."""

    kind: Kind
    able: ClassVar[Mapping[str, Capability]]
    """What each request of the settings makes it able to."""

    def __init__(self, section: RestSection, http: BackendHttp, region: str) -> None:
        self.id = section.id
        self._section = section
        self._http = http
        self._region = region
        self.capabilities = frozenset(able for name, able in self.able.items() if getattr(section, name) is not None)

    async def health(self) -> Health:
        if self._section.health is None:
            return Health(True, "It has no request for that.")
        try:
            (await self._http.ask("GET", self._section.health)).demand()
        except BackendFault as fault:
            return Health(False, fault.said)
        return Health(True)

    async def _found(self, section: FindSection | None, values: Values) -> list[Any]:
        """The items of the answer; none where what is looked for is not known."""
        if section is None or Template.read(section.path).missing(values):
            return []
        about = section.names & _LOOKED_FOR
        if about and all(values[name] in (None, "") for name in about):
            return []
        answer = await self._asked(section, values)
        if answer.status in section.none:
            return []
        return Pointer.read(section.items).list(answer.demand().json())[:_MOST_LOOKED_AT]

    async def _asked(self, section: RequestSection, values: Values, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        query = {name: Template.read(text) for name, text in section.query.items()}
        return await self._http.ask(
            section.method,
            Template.read(section.path).path(values),
            params={name: text.text(values) for name, text in query.items() if not text.missing(values)},
            headers={**section.headers, **(headers or {})},
            json=filled(section.body, values) if section.body is not None else None,
        )

    async def _people(self, section: FindPeople | None, key: CallerKey, limit: int) -> list[ContactRef]:
        found = []
        for item in await self._found(section, _of_caller(key, limit)):
            rules = section.rules() if section is not None else {}
            numbers = rules["numbers"].numbers(item, self._region) if "numbers" in rules else ()
            if key.e164 is None or key.withheld or not numbers or key.e164 in numbers:
                found.append(self._person(section, rules, item, numbers))
        return found[:limit]

    def _person(self, section: FindSection | None, rules: Mapping[str, Rule], item: Any, numbers: tuple[str, ...]) -> ContactRef:
        id = _needed(rules, "id", item)
        score = _read(rules, "lead_score").number(item)
        return ContactRef(
            backend=self.id,
            id=id,
            name=_needed(rules, "name", item),
            company=_read(rules, "company").text(item),
            email=_read(rules, "email").text(item),
            numbers=numbers,
            language=_read(rules, "language").text(item)[:2].lower(),
            vip=_read(rules, "vip").truth(item),
            lead_score=min(max(score, 0.0), 1.0) if score is not None else None,
            value=_read(rules, "value").number(item),
            url=_page(section, id),
        )

    async def _write(self, section: WriteSection | None, values: Values, idem: str) -> RemoteRef:
        """Raises ``BackendFault`` where it is not among what the settings say."""
        if section is None:
            raise BackendFault("refused", "The settings do not say how that is written there.")
        values = {**values, "mark": mark_of(idem)}
        known = await self._known(section.known, values)
        if known is not None:
            return RemoteRef(self.id, known, _page(section, known))
        header = self._section.idempotency_header
        answer = (await self._asked(section, values, {header: mark_of(idem)} if header else None)).demand()
        id = _one(section.id, answer.json()) if answer.body.strip() else ""
        return RemoteRef(self.id, id, _page(section, id) if id else "")

    async def _known(self, section: KnownSection | None, values: Values) -> str | None:
        if section is None:
            return None
        answer = await self._asked(section, values)
        if answer.status in section.none:
            return None
        for item in Pointer.read(section.items).list(answer.demand().json()):
            if id := _one(section.id, item):
                return id
        return None


class RestCrm(_Rest):
    """A ``CrmBackend``."""

    kind = Kind.CRM
    able: ClassVar[Mapping[str, Capability]] = {
        "find_contacts": Capability.LOOKUP,
        "timeline": Capability.HISTORY,
        "log_call": Capability.LOG,
        "create_contact": Capability.CREATE,
        "write_note": Capability.WRITE_NOTE,
    }

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return await self._people(self._section.find_contacts, key, limit)

    async def timeline(self, contact: ContactRef, *, limit: int = 10) -> list[Activity]:
        section = self._section.timeline
        rules = section.rules() if section is not None else {}
        found = []
        for item in await self._found(section, _of_person(contact, limit)):
            if (at := rules["at"].time(item)) is not None:
                found.append(Activity(at, _read(rules, "kind").text(item), rules["title"].text(item)))
        return sorted(found, key=lambda activity: -activity.at)[:limit]

    async def log_call(self, contact: ContactRef | None, call: CallLog, *, idem: str) -> RemoteRef:
        duration_s = call.ended_at - call.answered_at if call.ended_at is not None and call.answered_at is not None else 0.0
        values: dict[str, Value] = {name: getattr(call, name) for name in CallLog.__struct_fields__}
        values |= {"duration_s": round(duration_s), "answered": call.answered_at is not None}
        return await self._write(self._section.log_call, values | {"contact_id": contact.id if contact is not None else None}, idem)

    async def create_contact(self, draft: ContactDraft, *, idem: str) -> ContactRef:
        values = {name: getattr(draft, name) for name in ContactDraft.__struct_fields__}
        made = await self._write(self._section.create_contact, values, idem)
        numbers = (draft.number,) if draft.number else ()
        return ContactRef(self.id, made.id, draft.name, draft.company, draft.email, numbers, draft.language, url=made.url)

    async def write_note(self, contact: ContactRef, text: str, *, idem: str) -> RemoteRef:
        return await self._write(self._section.write_note, {"id": contact.id, "text": text}, idem)


class RestBooking(_Rest):
    """A ``BookingBackend``."""

    kind = Kind.BOOKING
    able: ClassVar[Mapping[str, Capability]] = {"find_customers": Capability.LOOKUP, "bookings_for": Capability.HISTORY}

    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return await self._people(self._section.find_customers, key, limit)

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        section = self._section.bookings_for
        rules = section.rules() if section is not None else {}
        items = await self._found(section, _of_person(customer, limit))
        return [self._booking(section, rules, item) for item in items][:limit]

    def _booking(self, section: FindSection | None, rules: Mapping[str, Rule], item: Any) -> BookingCard:
        id = _needed(rules, "id", item)
        return BookingCard(
            backend=self.id,
            id=id,
            ref=_read(rules, "ref").text(item),
            title=_needed(rules, "title", item),
            state=_read(rules, "state").text(item),
            starts_at=_read(rules, "starts_at").time(item),
            ends_at=_read(rules, "ends_at").time(item),
            paid=_read(rules, "paid").money(item),
            due=_read(rules, "due").money(item),
            currency=_read(rules, "currency").text(item)[:3].upper(),
            url=_page(section, id),
            number=next(iter(_read(rules, "number").numbers(item, self._region)), ""),
            zone=_read(rules, "zone").text(item),
            remark=_read(rules, "remark").text(item),
            stages=_stages(self._section.bookings_for, item),
        )


class RestTicketing(_Rest):
    """A ``TicketBackend``."""

    kind = Kind.TICKETING
    able: ClassVar[Mapping[str, Capability]] = {
        "open_tickets": Capability.LOOKUP,
        "create_ticket": Capability.TICKET,
        "add_note": Capability.WRITE_NOTE,
        "attach": Capability.ATTACH,
    }

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        section = self._section.open_tickets
        rules = section.rules() if section is not None else {}
        found = [self._ticket(section, rules, item) for item in await self._found(section, _of_caller(key, _MOST_LOOKED_AT))]
        return [card for card in found if card.open and (not card.number or card.number == key.e164)][:limit]

    def _ticket(self, section: FindSection | None, rules: Mapping[str, Rule], item: Any) -> TicketCard:
        id = _needed(rules, "id", item)
        return TicketCard(
            backend=self.id,
            id=id,
            title=_needed(rules, "title", item),
            state=_read(rules, "state").text(item),
            priority=_read(rules, "priority").text(item),
            due_at=_read(rules, "due_at").time(item),
            updated_at=_read(rules, "updated_at").time(item),
            url=_page(section, id),
            open="open" not in rules or rules["open"].truth(item),
            number=next(iter(_read(rules, "number").numbers(item, self._region)), ""),
        )

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef:
        values = {name: getattr(draft, name) for name in TicketDraft.__struct_fields__}
        return await self._write(self._section.create_ticket, values, idem)

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None:
        await self._write(self._section.add_note, {"id": ticket.id, "text": text, "internal": internal}, idem)

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None:
        values: dict[str, Value] = {"id": ticket.id, "url": link.url, "title": link.title, "expires_at": link.expires_at}
        await self._write(self._section.attach, values, idem)

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None:
        section = self._section.set_open
        state = (section.opened if open else section.closed) if section is not None else ""
        await self._write(section, {"id": ticket.id, "open": open, "state": state}, idem)


def _of_caller(key: CallerKey, limit: int) -> dict[str, Value]:
    number = key.e164 if not key.withheld else None
    return {
        "e164": number,
        "digits": number.removeprefix("+") if number else None,
        "national": national_part(number) if number else None,
        "raw": key.raw if not key.withheld else None,
        "email": key.email,
        "booking_ref": key.booking_ref,
        "limit": limit,
    }


def _of_person(contact: ContactRef, limit: int) -> dict[str, Value]:
    return {"id": contact.id, "name": contact.name, "email": contact.email, "company": contact.company, "limit": limit}


def _stages(section: FindBookings | None, booking: Any) -> tuple[Stage, ...]:
    if section is None or section.stages is None:
        return ()
    rules, at = section.stages.rules(), Pointer.read(section.stages.items)
    found = [item for value in at.all(booking) for item in (value if isinstance(value, list) and "*" not in at.parts else [value])]
    return tuple(_stage(rules, item) for item in found[:MOST_STAGES])


def _stage(rules: Mapping[str, Rule], item: Any) -> Stage:
    """Without times the zones that are said are those of nothing."""
    zones = {name: zone if known_zone(zone := _read(rules, name).text(item)) else "" for name in ("zone", "end_zone")}
    starts, starts_at, zone = _read(rules, "starts").place_time(item, zones["zone"])
    ends, ends_at, end_zone = _read(rules, "ends").place_time(item, zones["end_zone"] or zones["zone"])
    times: dict[str, Any] = {"starts": starts, "starts_at": starts_at, "zone": zone, "ends": ends, "ends_at": ends_at, "end_zone": end_zone}
    texts: dict[str, Any] = {name: _read(rules, name).text(item) for name in _STAGE_TEXTS}
    price = _read(rules, "price").money(item) if _read(rules, "price").text(item) else None
    return Stage(**texts, **times, price=price)


_STAGE_TEXTS = STAGE_FIELDS - {"starts", "ends", "zone", "end_zone", "price"}
_NOTHING = Rule(())


def _read(rules: Mapping[str, Rule], name: str) -> Rule:
    return rules.get(name, _NOTHING)


def _needed(rules: Mapping[str, Rule], name: str, item: Any) -> str:
    said = rules[name].text(item)
    if not said:
        raise BackendFault("invalid", f"Its answer names one without {name}: look at fields.{name} in the settings.")
    return said


def _one(pointer: str, document: Any) -> str:
    return Rule((Pointer.read(pointer),)).text(document)


def _page(section: FindSection | WriteSection | None, id: str) -> str:
    return Template.read(section.url).path({"id": id}) if section is not None and section.url and id else ""
