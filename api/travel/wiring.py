"""The parts of the built-in bookings, put together for a server."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from api.audit.audit import Audit
from api.backends.wiring import Backends
from api.happenings import Happenings
from api.leading import Leads
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import Store
from api.travel.backend import BuiltinBooking
from api.travel.bookings import Bookings
from api.travel.demo import seed
from api.travel.routes import TravelRoutes
from api.travel.tours import Tours

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Travel:
    bookings: Bookings
    routes: TravelRoutes


@asynccontextmanager
async def open_travel(
    settings: Settings,
    store: Store,
    vault: Vault,
    audit: Audit,
    happenings: Happenings,
    backends: Backends,
    *,
    leads: Leads,
) -> AsyncIterator[Travel]:
    """To be entered before the first call can arrive. ``leads``: is it for this node to look which holds are over?"""
    if settings.demo.enabled and settings.demo.travel and await seed(store.travel, store.bookings, store.contacts, time.time()):
        log.info("travel.seeded")
    bookings = Bookings(store.bookings, store.contacts, vault, happenings, settings.dialing.region, leads=leads)
    tours = Tours(store.travel, bookings.look)
    backend = BuiltinBooking(store.bookings, store.contacts, time.time)
    if settings.backends.builtin:
        backends.add(backend)
    async with bookings:
        yield Travel(bookings, TravelRoutes(tours, bookings, vault, audit))
