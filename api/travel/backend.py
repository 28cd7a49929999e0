"""The built-in bookings as a booking backend of call context: whose trips are these, what is unpaid, and where to look."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from api.backends.protocols import BookingCard, CallerKey, Capability, ContactRef, Health, Kind
from api.store.contacts import Contact, ContactStore
from api.store.errors import StoreUnavailable
from api.store.travel_bookings import BookingStore, Trip
from api.travel import reference
from api.travel.booking import LIVING
from api.travel.programme import stages_of

BUILTIN_BOOKING = "builtin-booking"
_MOST_READ = 100


class BuiltinBooking:
    """A ``BookingBackend``. Raises ``StoreUnavailable``, of which its guard makes a fault. ``now``: seconds since the epoch.

    A title is in the customer's language, where that is known to be Spanish.
    """

    id = BUILTIN_BOOKING
    kind = Kind.BOOKING
    capabilities = frozenset({Capability.LOOKUP, Capability.HISTORY})

    def __init__(self, store: BookingStore, contacts: ContactStore, now: Callable[[], float]) -> None:
        self._store = store
        self._contacts = contacts
        self._now = now

    async def health(self) -> Health:
        try:
            await self._store.newest(1)
        except StoreUnavailable as error:
            return Health(False, str(error))
        return Health(True, "built in")

    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        """Who named a booking is its customer; else whose number or address it is."""
        if key.booking_ref and (trip := await self._store.trip(reference.read(key.booking_ref))) is not None:
            contact = await self._contacts.contact(trip.booking.contact_id)
            if contact is not None:
                return [_ref(contact)]
        found: Sequence[Contact] = ()
        if key.e164 and not key.withheld:
            found = await self._contacts.by_number(key.e164, limit)
        if not found and key.email:
            found = await self._contacts.by_email(key.email, limit)
        return [_ref(each) for each in found]

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        """Those that run or are to come, the next first; then the others, the latest first."""
        now = self._now()
        trips = await self._store.of_contacts([customer.id], _MOST_READ)
        coming = [trip for trip in trips if trip.booking.state_at(now) in LIVING and trip.departure.ends_at > now]
        others = [trip for trip in trips if trip not in coming]
        return [_card(trip, customer.language, now) for trip in (*reversed(coming), *others)][:limit]


def _ref(contact: Contact) -> ContactRef:
    name = " ".join(filter(None, (contact.first, contact.last))) or contact.company
    who = (BUILTIN_BOOKING, contact.contact_id, name, contact.company, contact.email, contact.numbers)
    known = {name: getattr(contact, name) for name in ("language", "vip", "lead_score", "value")}
    return ContactRef(*who, **known, url=f"/bookings#contact/{contact.contact_id}")


def _card(trip: Trip, language: str, now: float) -> BookingCard:
    booking = trip.booking
    return BookingCard(
        BUILTIN_BOOKING,
        booking.reference,
        booking.reference,
        trip.tour.title_es if language == "es" else trip.tour.title_en,
        str(booking.state_at(now)),
        trip.departure.starts_at,
        trip.departure.ends_at,
        Decimal(booking.paid_cents) / 100,
        Decimal(booking.due_at(now)) / 100,
        booking.currency,
        f"/bookings#{booking.reference}",
        zone=trip.departure.zone,
        stages=stages_of(trip.tour.programme, trip.departure, language),
    )
