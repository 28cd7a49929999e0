"""Bookings as people make, find and change them; holds that are over are given back by a loop, and told."""

import time
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from typing import Self

import structlog
from msgspec import Struct

from api.card_numbers import has_card_number
from api.happenings import Happening, Happenings, Kind
from api.leading import Leads, Rounds, alone
from api.privacy.vault import Vault
from api.store.contacts import Contact, ContactStore
from api.store.errors import StoreUnavailable
from api.store.travel_bookings import BookingStep, BookingStore, Kept, Mark, Trip
from api.travel import booking as core
from api.travel import reference
from api.travel.booking import Booking, Departure, Step
from api.travel.wire import Because, BookingView, Customer, MovedTo, NewBooking, Payment, Resized, booking_view
from pbx.numbers import number_of_caller
from rooms.flows.conditions import Facts
from signaling.refusal import Refusal

log = structlog.get_logger()
MOST_FOUND = 50
_NEWEST = 12
_MOST_CONTACTS = 20
_MOST_TRAVELLERS = 500
_LOOK_EVERY_S = 10.0
_TOLD = {
    Step.INITIATE: Kind.BOOKING_INITIATED,
    Step.RESERVE: Kind.BOOKING_RESERVED,
    Step.CONFIRM: Kind.BOOKING_CONFIRMED,
    Step.CANCEL: Kind.BOOKING_CANCELLED,
    Step.FAIL: Kind.BOOKING_FAILED,
    Step.EXPIRE: Kind.BOOKING_EXPIRED,
}


class Asked(Struct, frozen=True):
    """Who asks. ``key``, ``fingerprint``: see ``Mark``. ``revision``: the only one that is to be changed."""

    by: str
    key: str = ""
    fingerprint: str = ""
    revision: int | None = None


class Bookings:
    """``async with``: writes down every ``look_every_s`` which holds are over, where this node ``leads``. ``now``: seconds since the epoch.

    ``region``: the country of numbers without one. Everything raises ``StoreUnavailable`` when the database is away.
    """

    def __init__(
        self,
        store: BookingStore,
        contacts: ContactStore,
        vault: Vault,
        happenings: Happenings,
        region: str,
        *,
        leads: Leads = alone,
        look_every_s: float = _LOOK_EVERY_S,
        now: Callable[[], float] = time.time,
        chance: Random | None = None,
    ) -> None:
        self._store = store
        self._contacts = contacts
        self._vault = vault
        self._happenings = happenings
        self._region = region
        self.rounds = Rounds("booking-holds", leads, self.look, _neglected, every_s=look_every_s)
        self._now = now
        self._chance = chance or SystemRandom()

    async def __aenter__(self) -> Self:
        await self.rounds.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.rounds.__aexit__(*exc_info)

    # ------------------------------------------------------------------ finding

    async def find(self, text: str) -> list[BookingView]:
        """By a reference, a number in any spelling, or words of a customer's name; without any of it what was changed last."""
        if not text.strip():
            return await self._views(await self._store.newest(_NEWEST))
        if sought := reference.read(text):
            trip = await self._store.trip(sought)
            if trip is not None:
                return await self._views([trip])
        e164 = number_of_caller(text, self._region).e164
        found = await self._contacts.by_number(e164, _MOST_CONTACTS) if e164 else []
        found = found or await self._contacts.search(text, _MOST_CONTACTS)
        return await self._views(await self._store.of_contacts([each.contact_id for each in found], MOST_FOUND) if found else [])

    async def of_contact(self, contact_id: str) -> list[BookingView]:
        return await self._views(await self._store.of_contacts([contact_id], MOST_FOUND))

    async def of_departure(self, departure_id: str) -> list[BookingView]:
        return await self._views(await self._store.of_departure(departure_id, _MOST_TRAVELLERS))

    async def get(self, sought: str) -> BookingView:
        """Raises ``Refusal``."""
        trip = await self._store.trip(reference.read(sought))
        if trip is None:
            raise Refusal("unknown_booking", "There is no booking with this reference: see whether it is written right.")
        return (await self._views([trip]))[0]

    async def steps(self, sought: str) -> list[BookingStep]:
        return await self._store.steps(sought)

    # ------------------------------------------------------------------ steps

    async def make(self, new: NewBooking, asked: Asked) -> tuple[BookingView, bool]:
        """And whether it was made now, and not before under the same key. Raises ``Refusal``."""
        contact = await self._contacts.contact(new.contact_id)
        if contact is None:
            raise Refusal("unknown_contact", "There is no such customer: make the contact first.")
        now, mark = self._now(), self._mark(asked, new.note)
        while True:
            drawn = reference.draw(self._chance)

            def act(departure: Departure, taken: int, drawn: str = drawn) -> Sequence[tuple[Step, Booking]]:
                wish = core.initiate(drawn, new.contact_id, departure, new.seats, now)
                wanted = [(Step.RESERVE, core.reserve(wish, departure, taken, now))] if new.reserve else []
                return [(Step.INITIATE, wish), *wanted]

            try:
                kept = await self._store.add(new.departure_id, mark, act)
            except Refusal as refusal:
                if refusal.code == "reference_taken":
                    continue
                raise
            await self._tell(kept)
            return await self.get(kept.booking.reference), kept.step is not None

    async def reserve(self, sought: str, because: Because, asked: Asked) -> BookingView:
        """Seats for a wish, or again for one whose hold is over."""
        now = self._now()

        def act(found: Booking, where: Departure, taken: int) -> Booking:
            return core.reserve(found, where, taken, now)

        return await self._step(sought, Step.RESERVE, self._mark(asked, because.reason), act)

    async def pay(self, sought: str, payment: Payment, asked: Asked) -> BookingView:
        """Note that money came."""
        now, mark = self._now(), self._mark(asked, cents=payment.cents, method=payment.method, paper=payment.paper)
        return await self._step(sought, Step.PAY, mark, lambda found, *_: core.pay(found, payment.cents, payment.currency, now))

    async def refund(self, sought: str, payment: Payment, asked: Asked) -> BookingView:
        """Note that money went back."""
        now, mark = self._now(), self._mark(asked, cents=-payment.cents, method=payment.method, paper=payment.paper)
        return await self._step(sought, Step.REFUND, mark, lambda found, *_: core.refund(found, payment.cents, payment.currency, now))

    async def confirm(self, sought: str, because: Because, asked: Asked) -> BookingView:
        now = self._now()
        return await self._step(sought, Step.CONFIRM, self._mark(asked, because.reason), lambda found, *_: core.confirm(found, now))

    async def cancel(self, sought: str, because: Because, asked: Asked) -> BookingView:
        now = self._now()
        return await self._step(sought, Step.CANCEL, self._mark(asked, because.reason), lambda found, *_: core.cancel(found, now))

    async def fail(self, sought: str, because: Because, asked: Asked) -> BookingView:
        now = self._now()
        return await self._step(sought, Step.FAIL, self._mark(asked, because.reason), lambda found, *_: core.fail(found, now))

    async def move(self, sought: str, to: MovedTo, asked: Asked) -> BookingView:
        now = self._now()

        def act(found: Booking, where: Departure, taken: int) -> Booking:
            return core.move(found, where, taken, now)

        return await self._step(sought, Step.MOVE, self._mark(asked, to.reason), act, to.departure_id)

    async def resize(self, sought: str, to: Resized, asked: Asked) -> BookingView:
        now = self._now()

        def act(found: Booking, where: Departure, taken: int) -> Booking:
            return core.resize(found, where, to.seats, taken, now)

        return await self._step(sought, Step.RESIZE, self._mark(asked, to.reason), act)

    async def look(self) -> int:
        """Write down which holds are over, and tell it; how many there were."""
        now = self._now()
        expired = await self._store.expire(now)
        for booking in expired:
            await self._tell_of(Step.EXPIRE, booking)
        await self._store.forget_keys(now)
        return len(expired)

    # ------------------------------------------------------------------ parts of these

    def _mark(self, asked: Asked, said: str = "", *, cents: int = 0, method: str = "", paper: str = "") -> Mark:
        if has_card_number(said) or has_card_number(paper):
            raise Refusal("card_number", "There is a card's number in this text: it must not be kept. Write what stands on the receipt.")
        return Mark(asked.by, self._now(), said, cents, method, paper, asked.key, asked.fingerprint, asked.revision)

    async def _step(
        self, sought: str, step: Step, mark: Mark, act: Callable[[Booking, Departure, int], Booking], departure_id: str = ""
    ) -> BookingView:
        kept = await self._store.change(reference.read(sought), step, mark, act, departure_id=departure_id)
        await self._tell(kept)
        return await self.get(kept.booking.reference)

    async def _tell(self, kept: Kept) -> None:
        for booking in kept.expired:
            await self._tell_of(Step.EXPIRE, booking)
        if kept.step is not None:
            await self._tell_of(kept.step, kept.booking)

    async def _tell_of(self, step: Step, booking: Booking) -> None:
        """What has happened is told, also where the database that knows the customer has gone away meanwhile."""
        kind, now = _TOLD.get(step), self._now()
        if kind is None:
            return
        try:
            contact = await self._contacts.contact(booking.contact_id)
        except StoreUnavailable:
            contact = None
        facts: Facts = {
            "reference": booking.reference,
            "departure": booking.departure_id,
            "seats": float(booking.seats),
            "price": booking.price_cents / 100,
            "paid": booking.paid_cents / 100,
            "due": booking.due_at(now) / 100,
            "currency": booking.currency,
            "number": contact.numbers[0] if contact is not None and contact.numbers else "",
            "language": contact.language if contact is not None else "",
            "vip": contact is not None and contact.vip,
        }
        person, told = self._vault.person("contact", booking.contact_id), f"{booking.reference} {booking.revision}"
        self._happenings.tell(Happening(kind, booking.reference, now, facts, person=person, happening_id=told))

    async def _views(self, trips: Sequence[Trip]) -> list[BookingView]:
        now = self._now()
        known = {each.contact_id: each for each in await self._contacts.some({trip.booking.contact_id for trip in trips})}
        return [booking_view(trip, _customer(trip.booking.contact_id, known), now) for trip in trips]


def _neglected(fault: StoreUnavailable) -> None:
    log.error("bookings.neglected", fault=str(fault), hint="seats come back all the same; look after the database")


def _customer(contact_id: str, known: dict[str, Contact]) -> Customer:
    contact = known.get(contact_id)
    if contact is None:
        return Customer(contact_id)
    name = " ".join(filter(None, (contact.first, contact.last))) or contact.company
    return Customer(contact_id, name, contact.numbers[0] if contact.numbers else "", contact.language, contact.vip)
