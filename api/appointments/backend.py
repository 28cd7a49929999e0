"""Appointments as a booking backend of call context: what whoever calls has booked, the next first."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from api.appointments.states import OPEN
from api.backends.protocols import BookingCard, CallerKey, Capability, ContactRef, Health, Kind
from api.privacy.vault import Vault
from api.store.appointments import Appointment, AppointmentStore
from api.store.contacts import Contact, ContactStore
from api.store.errors import StoreUnavailable

BUILTIN_APPOINTMENTS = "builtin-appointments"
_MOST_READ = 100


class BuiltinAppointments:
    """A ``BookingBackend``. Raises ``StoreUnavailable``, of which its guard makes a fault. ``now``: seconds since the epoch.

    Customers are contacts; who has booked and is none is known by their number or address alone.
    """

    id = BUILTIN_APPOINTMENTS
    kind = Kind.BOOKING
    capabilities = frozenset({Capability.LOOKUP, Capability.HISTORY})

    def __init__(self, store: AppointmentStore, contacts: ContactStore, vault: Vault, now: Callable[[], float]) -> None:
        self._store = store
        self._contacts = contacts
        self._vault = vault
        self._now = now

    async def health(self) -> Health:
        try:
            await self._store.services()
        except StoreUnavailable as error:
            return Health(False, str(error))
        return Health(True, "built in")

    async def find_customers(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        found: Sequence[Contact] = ()
        if key.e164 and not key.withheld:
            found = await self._contacts.by_number(key.e164, limit)
        if not found and key.email:
            found = await self._contacts.by_email(key.email, limit)
        if found:
            return [_contact(each) for each in found]
        number_key = self._vault.number(key.e164) if key.e164 and not key.withheld else ""
        email_key = self._vault.email(key.email) if key.email else ""
        booked = await self._store.of_customer(number_key, email_key, "", _MOST_READ)
        strangers = {each.person: each for each in reversed(booked) if not each.contact_id and each.name}
        return [_stranger(each) for each in strangers.values()][:limit]

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        """Those that are to come, the next first; then the others, the latest first."""
        found = {each.appointment_id: each for each in await self._store.of_person(customer.id, _MOST_READ)}
        for number in customer.numbers:
            theirs = await self._store.of_customer(self._vault.number(number), "", "", _MOST_READ)
            found |= {each.appointment_id: each for each in theirs if each.contact_id in ("", customer.id)}
        names = {each.service_id: each.name(customer.language) for each in await self._store.services()}
        latest = sorted(found.values(), key=lambda each: -each.start_at)
        coming = [each for each in latest if each.state in OPEN and each.end_at > self._now()]
        others = [each for each in latest if each not in coming]
        return [_card(each, names.get(each.service_id, each.service_id)) for each in (*reversed(coming), *others)][:limit]


def _contact(contact: Contact) -> ContactRef:
    name = " ".join(filter(None, (contact.first, contact.last))) or contact.company
    who = (BUILTIN_APPOINTMENTS, contact.contact_id, name, contact.company, contact.email, contact.numbers)
    return ContactRef(*who, language=contact.language, vip=contact.vip)


def _stranger(of: Appointment) -> ContactRef:
    numbers = (of.e164,) if of.e164 else ()
    return ContactRef(BUILTIN_APPOINTMENTS, of.person, of.name, email=of.email, numbers=numbers, language=of.language)


def _card(of: Appointment, title: str) -> BookingCard:
    nothing = Decimal(0)
    return BookingCard(
        BUILTIN_APPOINTMENTS, of.appointment_id, of.number, title, of.state, of.start_at, of.end_at, nothing, nothing, "", "/appointments"
    )
