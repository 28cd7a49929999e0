"""Appointments as they are booked, moved, cancelled and kept: what customers and the house may do, and what others are told of it."""

import asyncio
import hashlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
from msgspec.structs import replace

from api.appointments import wire
from api.appointments.rooms import AppointmentRooms
from api.appointments.settings import AppointmentSettings
from api.appointments.slots import Alternatives, Service, Slot, Taken, WorkCalendar, alternatives, free_slots, least_busy
from api.appointments.states import OPEN, STANDING, Step
from api.card_numbers import without_card_numbers
from api.happenings import Happening, Happenings, Kind
from api.privacy.consents import Consents, SaidConsent
from api.privacy.vault import Vault
from api.store.appointments import Appointment, AppointmentStore, CalendarRow, ServiceRow, SlotTaken
from api.store.contacts import ContactStore
from api.store.people import PeopleStore
from pbx.numbers import number_of_caller
from rooms.calendar import Calendar
from rooms.calendar_reading import read_calendars
from rooms.document import DocumentError
from rooms.flows.conditions import FactValue
from signaling import topics
from signaling.appointment_messages import AppointmentChanged
from signaling.refusal import Refusal

log = structlog.get_logger()

CUSTOMER, CLOCK, ROOM = "customer", "clock", "room"
"""Who takes a step and is nobody of the house."""
LETTERS = "ABCDEFGHJKMNPQRTUVWXY346789"
"""Of confirmation numbers: none that looks like another (0 O, 1 I L, 2 Z, 5 S)."""
_NUMBER_LETTERS = 8
_TOKEN_BYTES = 24
_DAY_S = 86_400.0
_LONGEST_LOOK_S = 45 * _DAY_S
_NEAR_S = 7 * _DAY_S
_MOST_OF_CUSTOMER = 100
_DAILY = 2
"""So many times what one may have to come, one may book within a day."""
_EMAIL = re.compile(r"[^\s@<>,;:\"\\\x00-\x1f]{1,64}@[^\s@<>,;:\"\\\x00-\x1f]+\.[^\s@<>,;:\"\\\x00-\x1f]{2,63}")
_TOLD = {
    Step.MOVE: Kind.APPOINTMENT_MOVED,
    Step.CANCEL: Kind.APPOINTMENT_CANCELLED,
    Step.LAPSE: Kind.APPOINTMENT_CANCELLED,
    Step.MISS: Kind.APPOINTMENT_NO_SHOW,
    Step.END: Kind.APPOINTMENT_DONE,
}


class AppointmentDesk:
    """``changed`` is called when there may be something to send or to make. ``now``: seconds since the epoch.

    Everything raises ``Refusal`` for what cannot be, and ``StoreUnavailable`` when the database is away.
    """

    def __init__(
        self,
        store: AppointmentStore,
        people: PeopleStore,
        contacts: ContactStore,
        vault: Vault,
        rooms: AppointmentRooms,
        happenings: Happenings,
        consents: Consents,
        settings: AppointmentSettings,
        *,
        now: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._store = store
        self._people = people
        self._contacts = contacts
        self._vault = vault
        self._rooms = rooms
        self._happenings = happenings
        self._consents = consents
        self._now = now
        self._changed = changed
        self._publish: Callable[[str, AppointmentChanged], None] = lambda topic, notice: None
        self.counts: Counter[str] = Counter()

    def meet(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def meet_pages(self, publish: Callable[[str, AppointmentChanged], None]) -> None:
        """Who tells pages, by topic."""
        self._publish = publish

    # ------------------------------------------------------------------ what there is to choose

    async def service(self, service_id: str, *, active: bool = False) -> ServiceRow:
        """``active``: one that customers may book."""
        found = next((each for each in await self._store.services() if each.service_id == service_id), None)
        if found is None or (active and not found.active):
            raise Refusal("unknown_service", "There is no such service, or it is not given any more.")
        return found

    async def slots(self, service_id: str, begin: float, end: float, *, language: str = "", professional: str = "") -> list[Slot]:
        """Free ones. ``professional``: as ``public`` names them."""
        if not begin <= end <= begin + _LONGEST_LOOK_S:
            raise Refusal("bad_message", "Ask for the free times of 45 days at most.")
        service = await self.service(service_id, active=True)
        return await self._free(service, begin, end, language, professional)

    async def near(self, service_id: str, start: float, *, language: str, professional: str, zone: str) -> Alternatives:
        """What is free near a time that is gone."""
        service = await self.service(service_id, active=True)
        free = await self._free(service, start - _NEAR_S, start + _NEAR_S, language, "")
        whose = {self.public(slot.professional): slot.professional for slot in free}.get(professional, professional)
        return alternatives(Slot(start, start + 60.0 * service.length_min, whose), free, checked_zone(zone))

    def public(self, professional: str) -> str:
        """What stands for somebody of the house where anybody may look: names to sign in by are no concern of theirs."""
        return self._vault.person("professional", professional)

    async def names(self, professionals: Iterable[str]) -> dict[str, str]:
        """What these people are called."""
        wanted = set(professionals)
        return {user.identity: user.name for user in await self._people.users() if user.identity in wanted}

    async def calendars(self) -> list[WorkCalendar]:
        """Of everybody who gives appointments and may sign in."""
        there = {user.identity for user in await self._people.users() if not user.disabled}
        rows = [row for row in await self._store.calendars() if row.professional in there]
        away: dict[str, list[tuple[float, float]]] = {}
        for absence in await self._store.absences(self._now() - _DAY_S) if rows else ():
            away.setdefault(absence.professional, []).append((absence.from_at, absence.until_at))
        return [work_calendar(row, tuple(away.get(row.professional, ()))) for row in rows]

    async def _free(self, service: ServiceRow, begin: float, end: float, language: str, professional: str) -> list[Slot]:
        calendars = await self._giving(service, language, professional)
        taken = await self._store.taken([calendar.professional for calendar in calendars], begin, end)
        found: list[Slot] = []
        for calendar in calendars:  # a fortnight of one is a millisecond, and calls go on meanwhile
            found += free_slots(terms(service), [calendar], taken, begin, end, self._now(), language=language)
            await asyncio.sleep(0)
        return sorted(found)

    async def _giving(self, service: ServiceRow, language: str, professional: str) -> list[WorkCalendar]:
        calendars = [calendar for calendar in await self.calendars() if calendar.gives(terms(service), language)]
        return [each for each in calendars if not professional or professional in (each.professional, self.public(each.professional))]

    # ------------------------------------------------------------------ booking

    async def book(self, wanted: wire.AppointmentWanted, by: str) -> Appointment:
        """``by``: ``CUSTOMER``, or somebody of the house on a customer's behalf. Codes: ``slot_gone``, ``unknown_service``,
        ``consent_needed``, ``bad_contact``, ``too_many_appointments``, ``idem_reused``."""
        now = self._now()
        service = await self.service(wanted.service_id, active=True)
        if by == CUSTOMER and not plain(wanted.consent):
            raise Refusal("consent_needed", "Agree to what is done with what you give us: nothing is booked without it.")
        draft = await self._draft(wanted, service, by, now)
        if by == CUSTOMER and await self._has_enough(draft):
            known = await self._asked_before(draft)
            if known is not None:
                return known
            raise Refusal(
                "too_many_appointments", "You have as many appointments to come as one may have: cancel one that you do not need."
            )
        calendars = {each.professional: each for each in await self._giving(service, wanted.language, wanted.professional)}
        for slot in await self._choice(service, calendars, wanted.start_at, frozenset()):
            mine = _at(draft, slot)
            try:
                made = await self._store.book(mine, calendars[slot.professional].takes(slot.start_s, slot.end_s - slot.start_s))
            except SlotTaken:
                continue
            if made.appointment_id != mine.appointment_id:
                return _same(made, wanted)
            self.counts["booked"] += 1
            if wording := plain(wanted.survey):
                asked = SaidConsent(True, wording, wanted.language)
                if by == CUSTOMER:
                    await self._consents.say(made.person, "survey", asked, about=made.appointment_id)
                else:
                    await self._consents.say(made.person, "survey", asked, by, means="agent", about=made.appointment_id)
            self._tell(Kind.APPOINTMENT_BOOKED, made)
            return await self._with_room(made, service)
        known = await self._asked_before(draft)
        if known is not None:
            return _same(known, wanted)
        self.counts["gone"] += 1
        raise Refusal("slot_gone", "This time has just gone: choose another one.")

    async def _choice(
        self, service: ServiceRow, calendars: dict[str, WorkCalendar], start: float, own: frozenset[tuple[str, int]]
    ) -> list[Slot]:
        """Who could take it, whoever has the least to do first. ``own``: cells that would become free by it."""
        taken: Taken = await self._store.taken(list(calendars), start, start + 60.0 * service.length_min)
        others = {who: {cell for cell in found if (who, cell) not in own} for who, found in taken.items()}
        return least_busy(free_slots(terms(service), calendars.values(), others, start, start + 1.0, self._now()), others)

    async def _draft(self, wanted: wire.AppointmentWanted, service: ServiceRow, by: str, now: float) -> Appointment:
        name, email, written = " ".join(plain(wanted.name).split()), wanted.email.strip(), wanted.number.strip()
        e164 = (number_of_caller(written, self.settings.region).e164 or "") if written else ""
        if not name:
            raise Refusal("bad_contact", "Give a name.")
        if email and not _EMAIL.fullmatch(email):
            raise Refusal("bad_contact", "This is no e-mail address.")
        if written and not e164:
            raise Refusal("bad_contact", "This is no telephone number: write it with its country, such as +34 600 111 222.")
        if not (email or e164):
            raise Refusal("bad_contact", "Give an e-mail address or a telephone number, so that we can reach you.")
        contact_id = await self._contact(e164, email)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        person = self._vault.person("contact", contact_id) if contact_id else self._vault.number(e164) if e164 else self._vault.email(email)
        return Appointment(
            appointment_id=uuid4().hex,
            number="".join(secrets.choice(LETTERS) for _ in range(_NUMBER_LETTERS)),
            service_id=service.service_id,
            professional="",
            start_at=wanted.start_at,
            end_at=wanted.start_at + 60.0 * service.length_min,
            state="booked",
            language=wanted.language,
            zone=checked_zone(wanted.zone),
            person=person,
            number_key=self._vault.number(e164) if e164 else "",
            email_key=self._vault.email(email) if email else "",
            name=without_card_numbers(name),
            e164=e164,
            email=email,
            note=without_card_numbers(plain(wanted.note)),
            token_hash=hashed(token),
            token=token,
            idem=hashed(f"{by}\0{wanted.idem}") if wanted.idem else uuid4().hex,
            consent=without_card_numbers(plain(wanted.consent)),
            made_at=now,
            made_by=by,
            set_at=now,
            contact_id=contact_id,
        )

    async def _contact(self, e164: str, email: str) -> str:
        """The one contact whom number or address name; nobody where they name none, or several."""
        found = {each.contact_id for each in await self._contacts.by_number(e164, 2)} if e164 else set()
        found |= {each.contact_id for each in await self._contacts.by_email(email, 2)} if email else set()
        return found.pop() if len(found) == 1 else ""

    async def _has_enough(self, draft: Appointment) -> bool:
        """Appointments to come; and bookings of one day, whatever became of them, so that nobody has us write to a stranger all day."""
        theirs = await self._store.of_customer(draft.number_key, draft.email_key, "", _MOST_OF_CUSTOMER)
        standing = sum(each.state in OPEN and each.end_at > draft.made_at for each in theirs)
        lately = sum(each.made_at > draft.made_at - _DAY_S for each in theirs)
        return standing >= self.settings.most_per_customer or lately >= _DAILY * self.settings.most_per_customer

    async def _asked_before(self, draft: Appointment) -> Appointment | None:
        return await self._store.of_idem(draft.idem)

    # ------------------------------------------------------------------ what becomes of it

    async def of_token(self, token: str) -> Appointment:
        """The customer's own."""
        found = await self._store.of_token(hashed(token))
        if found is None or not found.token:
            raise Refusal("unknown_appointment", "There is no appointment at this link: see whether it is whole.")
        return found

    async def appointment(self, appointment_id: str) -> Appointment:
        found = await self._store.appointment(appointment_id)
        if found is None:
            raise Refusal("unknown_appointment", "There is no such appointment.")
        return found

    async def move(self, before: Appointment, start: float, professional: str, by: str) -> Appointment:
        """To another time or to somebody else; ``professional`` empty: with the same one, or else whoever is free."""
        self._check_standing(before, by)
        service = await self.service(before.service_id)
        calendars = {each.professional: each for each in await self._giving(service, before.language, professional)}
        calendar = {each.professional: each for each in await self.calendars()}.get(before.professional)
        held = calendar.takes(before.start_at, before.end_at - before.start_at) if calendar is not None else range(0)
        own = frozenset((before.professional, cell) for cell in held)
        choice = await self._choice(service, calendars, start, own)
        for slot in sorted(choice, key=lambda slot: slot.professional != before.professional):
            cells = calendars[slot.professional].takes(slot.start_s, slot.end_s - slot.start_s)
            try:
                moved = await self._store.move(before, slot.professional, slot.start_s, slot.end_s, cells, at=self._now(), who=by)
            except SlotTaken:
                continue
            if moved is None:
                raise Refusal("appointment_changed", "This appointment was changed meanwhile: look at it again.")
            self.counts["moved"] += 1
            await self._rooms.end(before.room_id, before.professional)
            self._tell(Kind.APPOINTMENT_MOVED, moved)
            if moved.professional != before.professional:
                self._show(before, "left")
            return await self._with_room(moved, service)
        raise Refusal("slot_gone", "This time has just gone: choose another one.")

    async def take(self, before: Appointment, step: Step, by: str) -> Appointment:
        """A step that somebody asks for; a move is no such step."""
        if by == CUSTOMER or step in (Step.CONFIRM, Step.CANCEL):
            self._check_standing(before, by)
        if step is Step.MISS and self._now() < before.start_at:
            raise Refusal("too_early", "This appointment has not begun: nobody has missed it yet.", before.start_at - self._now())
        taken = await self.happened(before.appointment_id, step, by)
        if taken is None:
            raise Refusal("appointment_over", "This cannot be done any more with this appointment: look at it again.")
        return taken

    async def happened(self, appointment_id: str, step: Step, by: str) -> Appointment | None:
        """None where it means nothing (any more): rooms and clocks may tell late, and twice."""
        taken = await self._store.take_step(appointment_id, step, at=self._now(), who=by)
        if taken is None:
            return None
        self.counts[step] += 1
        if step is Step.CANCEL or (step is Step.END and by != ROOM):
            await self._rooms.end(taken.room_id, taken.professional)
        if step in _TOLD:
            self._tell(_TOLD[step], taken)
        self._show(taken, taken.state)
        self._changed()
        return taken

    def _check_standing(self, of: Appointment, by: str) -> None:
        if of.state not in STANDING:
            raise Refusal("appointment_over", "This cannot be done any more with this appointment: look at it again.")
        if by == CUSTOMER and self._now() >= of.start_at:
            raise Refusal("too_late", "This appointment has begun: come in by your link, or call us.")

    async def make_room(self, of: Appointment) -> bool:
        """Where it is not made yet. False: not now."""
        return await self._rooms.make(of, await self.service(of.service_id))

    async def _with_room(self, made: Appointment, service: ServiceRow) -> Appointment:
        if await self._rooms.make(made, service):
            made = await self._store.appointment(made.appointment_id) or made
        self._show(made, made.state)
        self._changed()
        return made

    def due(self, of: Appointment) -> None:
        """Its customer is being reminded."""
        self._tell(Kind.APPOINTMENT_DUE, of)

    def _show(self, of: Appointment, state: str) -> None:
        self._publish(topics.person(of.professional), AppointmentChanged(of.appointment_id, state, of.start_at, of.room_id))

    def _tell(self, kind: Kind, of: Appointment) -> None:
        facts: dict[str, FactValue] = {
            "appointment": of.appointment_id,
            "confirmation": of.number,
            "name": of.name,
            "service": of.service_id,
            "professional": of.professional,
            "language": of.language,
            "starts_at": of.start_at,
            "number": of.e164,
            "email": of.email,
            "state": of.state,
        }
        told_as = f"{kind}:{of.appointment_id}:{of.revision}:{of.state}"
        self._happenings.tell(Happening(kind, of.appointment_id, self._now(), facts, person=of.person, happening_id=told_as))


def plain(text: str) -> str:
    """Without control characters and those that turn the direction of what stands beside them."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n").strip()


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def checked_zone(name: str) -> str:
    """Raises ``Refusal`` for what is no time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder of zones, or no name at all
        raise Refusal("bad_message", "This is no time zone: write one like Europe/Madrid.") from None
    return name


def terms(service: ServiceRow) -> Service:
    """What a service asks of slots."""
    return Service(
        service.service_id,
        60.0 * service.length_min,
        60.0 * service.step_min,
        frozenset(service.professionals),
        frozenset(service.languages),
        frozenset(service.skills),
    )


def work_calendar(row: CalendarRow, away: tuple[tuple[float, float], ...]) -> WorkCalendar:
    hours, breaks = hours_of(row.hours)
    return WorkCalendar(
        row.professional,
        hours,
        breaks,
        away,
        buffer_s=60.0 * row.buffer_min,
        notice_s=60.0 * row.notice_min,
        horizon_s=_DAY_S * row.horizon_days,
        languages=frozenset(row.languages),
        skills=frozenset(row.skills),
    )


@lru_cache(512)
def hours_of(text: str) -> tuple[Calendar, Calendar | None]:
    """Hours and breaks. Raises ``Refusal`` saying where the text is wrong."""
    try:
        found = read_calendars(text, "hours")
    except DocumentError as error:
        raise Refusal("bad_calendar", str(error)[:500]) from None
    if "hours" not in found or set(found) - {"hours", "breaks"}:
        raise Refusal("bad_calendar", "Give the calendar [hours] and, where there are breaks, [breaks], and no other.")
    return found["hours"], found.get("breaks")


def _at(draft: Appointment, slot: Slot) -> Appointment:
    return replace(draft, professional=slot.professional, start_at=slot.start_s, end_at=slot.end_s)


def _same(made: Appointment, wanted: wire.AppointmentWanted) -> Appointment:
    """What was booked by the same words before."""
    if made.service_id != wanted.service_id or (made.revision == 0 and made.start_at != wanted.start_at):
        raise Refusal("idem_reused", "Something else was booked under this key: draw a new one for another appointment.")
    return made
