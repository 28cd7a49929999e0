"""Appointments as customers and the house handle them, over a real database and in a time of the test's own; rooms are told by events."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.after.outbox import Outbox
from api.appointments import wire
from api.appointments.backend import BuiltinAppointments
from api.appointments.desk import CUSTOMER, LETTERS, AppointmentDesk
from api.appointments.messages import CustomerMessages
from api.appointments.rooms import AppointmentRooms
from api.appointments.settings import AppointmentSettings
from api.appointments.states import Step
from api.appointments.views import AppointmentViews
from api.appointments.work import AppointmentWork
from api.backends.protocols import CallerKey
from api.happenings import Happening, Happenings
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from api.privacy.consents import Consents
from api.rooms import RoomEvent
from api.settings.email import EmailSection
from api.store import Store
from api.store.appointments import CalendarRow, ServiceRow
from api.store.contacts import Contact
from rooms.membership import Member, MemberState, Role, Room, RoomKind, Schedule
from signaling.grants import Grant
from signaling.messages import AnyRequest, CreateRoom, EndRoom, LinkToRoom, RoomLink, RoomState
from signaling.refusal import Refusal
from tests.kit.mail_server import MailServer
from tests.kit.vaults import VAULT

MADRID = "Europe/Madrid"
MONDAY = datetime(2026, 11, 23, tzinfo=ZoneInfo(MADRID)).timestamp()
HOUR = 3600.0
HOURS = f'[hours]\nzone = "{MADRID}"\n[hours.weekly]\nmonday-friday = ["09:00-14:00"]\n'


class Office:
    """``now``: seconds since the epoch. ``rooms``: those that were made, by id, with what was asked; ``full``: none can be made."""

    def __init__(self, store: Store) -> None:
        self.now = MONDAY
        self.store = store
        self.rooms: dict[str, CreateRoom] = {}
        self.made = 0
        self.full = False
        self.told: list[Happening] = []
        self.sent: list[tuple[str, str]] = []
        self.consents = Consents(store.consents, store.contacts, VAULT, note=lambda kind, who, what, handle: None, now=lambda: self.now)
        happenings = Happenings()
        happenings.listen(self.told.append)
        settings = AppointmentSettings(region="ES", site="https://t.example")
        rooms = AppointmentRooms(store.appointments, store.people, self._perform, now=lambda: self.now)
        self.desk = AppointmentDesk(
            store.appointments, store.people, store.contacts, VAULT, rooms, happenings, self.consents, settings, now=lambda: self.now
        )
        self.pages: list[tuple[str, str, str]] = []
        self.desk.meet_pages(lambda topic, notice: self.pages.append((topic, notice.state, notice.room_id)))
        self.views = AppointmentViews(self.desk, store.appointments)
        self.work = AppointmentWork(self.desk, store.appointments, self.send, now=lambda: self.now)

    async def _perform(self, grant: Grant, request: AnyRequest) -> object:
        """A house of rooms, as it answers."""
        if self.full:
            raise Refusal("rooms_full", "The server has as many rooms as it can hold: close some.", 60.0)
        if isinstance(request, CreateRoom):
            self.made += 1
            room_id = f"room{self.made}"
            self.rooms[room_id] = request
            return RoomState(
                room_id=room_id, kind="consultation", name=request.name, metadata="", state="planned", capacity=8, locked=False,
                waiting_room=True, encrypted=False, starts_at=None, ends_at=None, expires_at=None, members=[],
            )  # fmt: skip
        if isinstance(request, LinkToRoom):
            return RoomLink(room_id=request.room_id, link_id="l", token=f"link.{request.room_id}", expires_at=0.0)
        assert isinstance(request, EndRoom)
        del self.rooms[request.room_id]
        return None

    async def send(self, of: object, kind: str) -> None:
        self.sent.append((getattr(of, "appointment_id", ""), kind))

    async def settled(self) -> None:
        """Everything is done that is due."""
        self.work.look()
        await self.work.do_due()

    def wanted(self, hour: float = 9.0, **more: object) -> wire.AppointmentWanted:
        fields = {"name": "Luz", "email": "luz@example.org", "language": "es", "zone": MADRID, "consent": "Yes"} | more
        return wire.AppointmentWanted("visas", MONDAY + hour * HOUR, **fields)  # type: ignore[arg-type]

    def kinds(self) -> list[str]:
        return [str(each.kind) for each in self.told]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Store.open(f"sqlite:///{tmp_path}/desk.sqlite3", vault=VAULT) as store:
        for identity in ("ana", "bea"):
            await store.people.save_user(identity, name=identity.title(), role="agent", password_hash="x")
            await store.appointments.keep_calendar(CalendarRow(identity, HOURS, ("es",) if identity == "ana" else ("es", "en")))
        await store.appointments.keep_service(ServiceRow("visas", "Visas", "Visados"))
        yield Office(store)


async def test_an_appointment_has_no_number_of_a_card(office: Office) -> None:
    made = await office.desk.book(
        office.wanted(name="Luz 4111111111111111", note="I pay with 4111 1111 1111 1111", consent="4111111111111111"), CUSTOMER
    )
    assert made.consent == "•••• 1111"
    assert (made.name, made.note) == ("Luz •••• 1111", "I pay with •••• 1111")


async def refused(code: str, work: object) -> None:
    with pytest.raises(Refusal) as caught:
        await work  # type: ignore[misc]
    assert caught.value.code == code


async def test_a_booking_has_a_number_a_token_and_a_room_of_its_time(office: Office) -> None:
    made = await office.desk.book(office.wanted(note="two children"), CUSTOMER)
    assert len(made.number) == 8 and set(made.number) <= set(LETTERS)
    assert (await office.desk.of_token(made.token)).appointment_id == made.appointment_id
    asked = office.rooms[made.room_id]
    assert (asked.starts_at, asked.ends_at, asked.early_s, asked.late_s) == (made.start_at, made.end_at, 600.0, 900.0)
    assert asked.name == f"Visados · {made.number}" and made.link == f"link.{made.room_id}"
    own = await office.views.own(made)
    assert (own.with_name, own.opens_at, own.token) == ("Ana", made.start_at - 600, "") and "DTSTART:20261123T080000Z" in own.calendar
    assert office.kinds() == ["appointment.booked"] and office.told[0].person == VAULT.email("luz@example.org")
    await refused("unknown_appointment", office.desk.of_token("x" * 32))
    assert not await office.consents.given([made.person], "survey"), "silence is no"
    asked = await office.desk.book(office.wanted(10.0, email="eva@example.org", survey="You may ask me."), CUSTOMER)
    assert await office.consents.given([asked.person], "survey")


async def test_what_cannot_be_booked_is_refused_with_its_reason(office: Office) -> None:
    book = office.desk.book
    await refused("consent_needed", book(office.wanted(consent=" "), CUSTOMER))
    await refused("bad_contact", book(office.wanted(email=""), CUSTOMER))
    await refused("bad_contact", book(office.wanted(email="a@b\r\nBcc: c@d.es"), CUSTOMER))
    await refused("bad_contact", book(office.wanted(email="", number="12"), CUSTOMER))
    await refused("bad_message", book(office.wanted(zone="Mars/Base"), CUSTOMER))
    await refused("unknown_service", book(wire.AppointmentWanted("tours", MONDAY, "Luz", "es", MADRID, consent="Yes"), CUSTOMER))
    await refused("consent_needed", book(office.wanted(consent="\x00"), CUSTOMER))
    await refused("bad_contact", book(office.wanted(name="\x00\u202e \n"), CUSTOMER))
    for zone in ("../etc/passwd", "America", "", "\x00"):
        await refused("bad_message", book(office.wanted(zone=zone), CUSTOMER))
    for hour in (8.5, 9.1, 14.0):
        await refused("slot_gone", book(office.wanted(hour), CUSTOMER))
    for hour in (9.0, 9.5, 10.0):
        await book(office.wanted(hour), CUSTOMER)
    await refused("too_many_appointments", book(office.wanted(11.0), CUSTOMER))
    assert (await book(office.wanted(11.0), "ana")).made_by == "ana", "the house may book more for them"
    for hour in (9.0, 9.5, 10.0, 10.5, 11.0, 11.5):
        await office.desk.take(await book(office.wanted(hour, email="eva@example.org"), CUSTOMER), Step.CANCEL, CUSTOMER)
    await refused("too_many_appointments", book(office.wanted(12.0, email="eva@example.org"), CUSTOMER))
    office.now += 24 * HOUR
    assert await book(office.wanted(33.0, email="eva@example.org"), CUSTOMER)


async def test_sent_twice_it_is_booked_once_and_another_wish_under_the_same_key_is_refused(office: Office) -> None:
    twice = await asyncio.gather(*(office.desk.book(office.wanted(idem="k"), CUSTOMER) for _ in range(2)))
    assert len({each.appointment_id for each in twice}) == 1 and office.kinds() == ["appointment.booked"]
    await refused("idem_reused", office.desk.book(office.wanted(10.0, idem="k"), CUSTOMER))


async def test_whoever_has_less_to_do_gets_it_and_a_time_that_is_gone_has_neighbours(office: Office) -> None:
    first = await office.desk.book(office.wanted(), "lea")
    second = await office.desk.book(office.wanted(), "lea")
    assert [first.professional, second.professional] == ["ana", "bea"]
    await refused("slot_gone", office.desk.book(office.wanted(), "lea"))
    near = await office.desk.near("visas", first.start_at, language="es", professional=office.desk.public("ana"), zone=MADRID)
    assert {slot.professional for slot in near.same_professional} == {"ana"} and {slot.professional for slot in near.same_day} == {"bea"}
    assert {slot.professional for slot in await office.desk.slots("visas", MONDAY, MONDAY + 24 * HOUR, language="en")} == {"bea"}


async def test_a_known_customer_is_their_contact_and_of_two_it_is_neither(office: Office) -> None:
    for contact_id in ("c1", "c2"):
        await office.store.contacts.add(
            Contact(contact_id, contact_id, numbers=("+34600111222",), email=f"{contact_id}@example.org"), "t", 0.0
        )
    known = await office.desk.book(office.wanted(email="c1@example.org"), CUSTOMER)
    assert (known.contact_id, known.person) == ("c1", VAULT.person("contact", "c1"))
    either = await office.desk.book(office.wanted(10.0, email="", number="600 111 222"), CUSTOMER)
    assert (either.contact_id, either.person) == ("", VAULT.number("+34600111222"))


async def test_a_move_has_a_new_room_and_link_and_a_cancellation_none(office: Office) -> None:
    made = await office.desk.book(office.wanted(), CUSTOMER)
    moved = await office.desk.move(made, MONDAY + 9.5 * HOUR, "", CUSTOMER)
    assert (moved.professional, moved.state) == ("ana", "moved") and list(office.rooms) == [moved.room_id]
    assert office.rooms[moved.room_id].starts_at == moved.start_at and moved.link
    await refused("appointment_changed", office.desk.move(made, MONDAY + 11 * HOUR, "", CUSTOMER))
    confirmed = await office.desk.take(moved, Step.CONFIRM, CUSTOMER)
    gone = await office.desk.take(confirmed, Step.CANCEL, CUSTOMER)
    assert gone.state == "cancelled" and office.rooms == {}
    await refused("appointment_over", office.desk.take(gone, Step.CONFIRM, CUSTOMER))
    assert office.kinds() == ["appointment.booked", "appointment.moved", "appointment.cancelled"]
    office.now = MONDAY + 10 * HOUR
    late = await office.desk.book(office.wanted(10.5), CUSTOMER)
    office.now = late.start_at
    await refused("too_late", office.desk.take(late, Step.CANCEL, CUSTOMER))


async def test_a_full_house_of_rooms_keeps_nobody_from_booking_and_the_room_comes_later(office: Office) -> None:
    office.full = True
    made = await office.desk.book(office.wanted(), CUSTOMER)
    await office.settled()
    assert made.link == "" and office.sent == []
    office.full = False
    await office.settled()
    assert office.sent == [(made.appointment_id, "booked")]
    await office.settled()
    assert len(office.sent) == 1


async def test_of_two_nodes_at_once_and_after_a_long_sleep_each_reminder_goes_once(office: Office) -> None:
    office.now = MONDAY - 50 * HOUR
    made = await office.desk.book(office.wanted(), CUSTOMER)
    await office.settled()
    for office.now in (made.start_at - 24 * HOUR, made.start_at - 23 * HOUR, made.start_at - 1800.0, made.start_at - 60.0):
        await office.settled()
    assert [kind for _, kind in office.sent] == ["booked", "reminder-86400", "reminder-3600"]
    asleep = await office.desk.book(office.wanted(33.0), CUSTOMER)
    office.now = asleep.start_at - 30 * HOUR
    moved = await office.desk.move(asleep, MONDAY + 33.5 * HOUR, "", CUSTOMER)
    office.now = moved.start_at - 600.0
    both = [AppointmentWork(office.desk, office.store.appointments, office.send, now=lambda: office.now) for _ in range(2)]
    for work in both:
        work.look()
    await asyncio.gather(*(work.do_due() for work in both))
    assert {kind for who, kind in office.sent if who == moved.appointment_id} == {"moved", "reminder-3600"}
    assert office.kinds().count("appointment.due") == 3, "told once for each, by whichever node"


async def test_who_never_came_is_a_no_show_after_the_grace_and_may_still_come_late(office: Office) -> None:
    made = await office.desk.book(office.wanted(), CUSTOMER)
    office.now = made.start_at - HOUR
    await office.settled()
    office.now = made.start_at + 899
    await office.settled()
    assert "appointment.no_show" not in office.kinds()
    office.now += 2
    await office.settled()
    await office.settled()
    assert office.kinds().count("appointment.no_show") == 1
    assert [kind for _, kind in office.sent] == ["booked", "reminder-3600", "missed"]
    found = await office.desk.happened(made.appointment_id, Step.ARRIVE, "room")
    assert found is not None and found.state == "arrived"


def room_of(room_id: str, **who: MemberState) -> Room:
    room = Room(room_id, RoomKind.CONSULTATION, "", "ana", 0.0, 8, waiting_room=True, schedule=Schedule(0.0, 1.0))
    for identity, state in who.items():
        role = Role.GUEST if identity.startswith("guest") else Role.HOST
        room.members[identity] = Member(identity, identity, role, state=state)
    return room


async def test_rooms_tell_who_is_there_and_how_it_ended(office: Office) -> None:
    held, let_down, called_off = [await office.desk.book(office.wanted(hour), CUSTOMER) for hour in (9.0, 9.5, 10.0)]
    office.now = held.start_at
    hear = office.work.hear
    office.work.hear_people(room_of(held.room_id, ana=MemberState.IN, guest=MemberState.WAITING))
    await office.settled()
    assert (await office.desk.appointment(held.appointment_id)).state == "arrived"
    assert office.pages[-1] == ("person:ana", "arrived", held.room_id), "their page is told at once"
    both = room_of(held.room_id, ana=MemberState.IN, guest=MemberState.IN)
    hear(RoomEvent("1", "participant_joined", both, office.now, "guest"))
    office.work.hear_people(room_of(let_down.room_id, guest=MemberState.WAITING))
    office.now = let_down.start_at + 1.0
    for each, why in ((held, "finished"), (let_down, "empty"), (called_off, "cancelled")):
        hear(RoomEvent("2", "room_finished", room_of(each.room_id), office.now, reason=why))
    hear(RoomEvent("3", "room_finished", room_of("a room of nobody's appointment"), office.now))
    await office.settled()
    states = [(await office.desk.appointment(each.appointment_id)).state for each in (held, let_down, called_off)]
    assert states == ["done", "cancelled", "cancelled"]
    steps = await office.store.appointments.steps(held.appointment_id)
    assert [(step.step, step.who) for step in steps] == [("book", "customer"), ("arrive", "room"), ("begin", "room"), ("end", "room")]
    assert [kind for kind in office.kinds() if kind not in ("appointment.booked", "appointment.due")] == [
        "appointment.done",
        "appointment.cancelled",
        "appointment.cancelled",
    ]
    assert {kind for who, kind in office.sent if who == let_down.appointment_id} >= {"sorry"}
    assert {kind for who, kind in office.sent if who == called_off.appointment_id} >= {"cancelled"}


async def test_what_a_caller_has_booked_is_in_the_context_of_their_call(office: Office) -> None:
    """Contacts and strangers, by number in any of our forms; what is to come first, and of nobody else anything."""
    backend = BuiltinAppointments(office.store.appointments, office.store.contacts, VAULT, lambda: office.now)
    key = CallerKey("+34600111222", "600111222")
    assert (await backend.health()).ok and await backend.find_customers(key) == []
    later = await office.desk.book(office.wanted(10.0, number="600 111 222"), CUSTOMER)
    first = await office.desk.book(office.wanted(9.0, number="+34600111222"), CUSTOMER)
    gone = await office.desk.take(await office.desk.book(office.wanted(9.5, number="600111222"), CUSTOMER), Step.CANCEL, CUSTOMER)
    await office.desk.book(office.wanted(11.0, name="Eva", email="", number="600999888"), CUSTOMER)
    (stranger,) = await backend.find_customers(key)
    assert (stranger.name, stranger.numbers, stranger.language) == ("Luz", ("+34600111222",), "es")
    cards = await backend.bookings_for(stranger)
    assert [card.ref for card in cards] == [first.number, later.number, gone.number] and cards[0].title == "Visados"
    contact = Contact("c1", "Luz", numbers=("+34600111222",))
    await office.store.contacts.add(contact, "t", 0.0)
    (known,) = await backend.find_customers(key)
    assert known.id == "c1" and len(await backend.bookings_for(known)) == 3, "also what was booked before they were a contact"
    assert await backend.find_customers(CallerKey("+34600111222", "x", withheld=True)) == []


async def test_a_customer_gets_letters_with_a_calendar_that_follows_each_move(office: Office) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(MailServer().serving())
        email = EmailSection(host="127.0.0.1", port=server.port, tls="none", sender="citas@example.com")
        outbox = Outbox(office.store.outbox, office.store.writer.put_lines, VAULT, now=asyncio.get_running_loop().time)
        notifier = await stack.enter_async_context(Notifier(outbox, VAULT, email))
        await stack.enter_async_context(outbox)
        messages = CustomerMessages(office.desk, notifier, Templates(), sender=email.sender)
        office.send = messages.send  # type: ignore[method-assign]
        office.work = AppointmentWork(office.desk, office.store.appointments, messages.send, now=lambda: office.now)
        made = await office.desk.book(office.wanted(), CUSTOMER)
        await office.settled()
        await server.came(1)
        moved = await office.desk.move(made, MONDAY + 10 * HOUR, "", CUSTOMER)
        await office.settled()
        await server.came(2)
        await office.desk.take(moved, Step.CANCEL, "ana")
        await office.settled()
        await office.settled()
        await server.came(3)
        files = [next(letter.iter_attachments()) for letter in server.letters]
        assert [file.get_content_type() for file in files] == ["text/calendar"] * 3
        calendars = [str(file.get_content()) for file in files]
        assert [re.findall(r"METHOD:(\w+)|SEQUENCE:(\d)", each) for each in calendars] == [
            [("REQUEST", ""), ("", "0")],
            [("REQUEST", ""), ("", "2")],
            [("CANCEL", ""), ("", "3")],
        ]
        assert len({re.findall(r"UID:(\S+)", each)[0] for each in calendars}) == 1
        body = server.letters[1].get_body(("plain",))
        assert body is not None and f"https://t.example/consultation#{moved.link}" in body.get_content()
        assert server.letters[2]["Subject"] == "Su cita del lunes 23 de noviembre se ha cancelado: Visados"
        assert f"https://t.example/book#{made.token}" in body.get_content()
