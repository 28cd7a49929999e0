"""Trying a backend out: what it answers to a number, how long that takes, and what is wrong. Nothing is kept, and nobody else is asked."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from api.backends.context import MOST_ACTIVITIES, MOST_CARDS, MOST_CONTACTS, about_caller
from api.backends.guard import Guard
from api.backends.protocols import (
    Activity,
    BackendFault,
    BookingBackend,
    BookingCard,
    CallerKey,
    Capability,
    ContactRef,
    CrmBackend,
    Kind,
    TicketBackend,
    TicketCard,
)
from pbx.numbers import number_of_caller
from signaling.refusal import Refusal

_Ask = Callable[[Guard[Any], CallerKey, dict[str, Any]], Awaitable[None]]


class Trial(Struct, frozen=True):
    """What came of it. ``cause`` empty: it answered; else why it did not, and ``said`` in words. Cards are of the first contact alone."""

    backend: str
    number: str
    took_ms: float
    cause: str = ""
    said: str = ""
    contacts: list[ContactRef] = []
    bookings: list[BookingCard] = []
    activities: list[Activity] = []
    tickets: list[TicketCard] = []


async def tried(guard: Guard[Any], number: str, region: str) -> Trial:
    """Ask it for this number, as anybody writes it. Raises ``Refusal`` where that is none."""
    e164 = number_of_caller(number, region).e164
    if e164 is None:
        raise Refusal("not_a_number", "This is no telephone number: write it as in +34 600 111 222.")
    key, began = CallerKey(e164, number), time.perf_counter()
    by_kind: dict[Kind, _Ask] = {Kind.CRM: _crm, Kind.BOOKING: _booking, Kind.TICKETING: _ticketing}
    found: dict[str, Any] = {}
    try:
        await by_kind[guard.backend.kind](guard, key, found)
    except BackendFault as fault:
        found |= {"cause": fault.cause, "said": fault.said}
    return Trial(guard.backend.id, e164, round(1_000 * (time.perf_counter() - began), 1), **found)


async def _crm(guard: Guard[CrmBackend], key: CallerKey, found: dict[str, Any]) -> None:
    found["contacts"] = contacts = await guard.read(lambda backend: backend.find_contacts(key, limit=MOST_CONTACTS))
    about_caller(key, contacts)
    if contacts and Capability.HISTORY in guard.backend.capabilities:
        found["activities"] = await guard.read(lambda backend: backend.timeline(contacts[0], limit=MOST_ACTIVITIES))


async def _booking(guard: Guard[BookingBackend], key: CallerKey, found: dict[str, Any]) -> None:
    found["contacts"] = contacts = await guard.read(lambda backend: backend.find_customers(key, limit=MOST_CONTACTS))
    about_caller(key, contacts)
    if contacts:
        found["bookings"] = await guard.read(lambda backend: backend.bookings_for(contacts[0], limit=MOST_CARDS))


async def _ticketing(guard: Guard[TicketBackend], key: CallerKey, found: dict[str, Any]) -> None:
    found["tickets"] = tickets = await guard.read(lambda backend: backend.open_tickets(key, limit=MOST_CARDS))
    about_caller(key, tickets)
