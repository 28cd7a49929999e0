"""The parts of appointments, put together for a server."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from api.after.wiring import After
from api.appointments.demo import seed
from api.appointments.desk import AppointmentDesk
from api.appointments.messages import CustomerMessages
from api.appointments.rooms import AppointmentRooms, Perform
from api.appointments.routes import AppointmentRoutes, BookingRoutes
from api.appointments.settings import AppointmentSettings
from api.appointments.views import AppointmentViews
from api.appointments.work import AppointmentWork
from api.happenings import Happenings
from api.leading import Leads
from api.privacy.consents import Consents
from api.privacy.vault import Vault
from api.store import Store


@dataclass(frozen=True, slots=True)
class Appointments:
    """``work`` is to be entered when everything else is there."""

    desk: AppointmentDesk
    views: AppointmentViews
    work: AppointmentWork
    store: Store
    note: Callable[..., None]
    now: Callable[[], float]

    async def seed(self, professionals: Iterable[str]) -> None:
        """For a demo."""
        await seed(self.store.appointments, professionals, self.now())

    @property
    def counts(self) -> Mapping[str, float]:
        return self.desk.counts | self.work.counts

    def add_to(self, app: web.Application, teams_of: Callable[[str], Awaitable[frozenset[str]]]) -> None:
        """Their routes."""
        BookingRoutes(self.desk, self.views).add_to(app)
        AppointmentRoutes(self.desk, self.store.appointments, self.views, teams_of, self.note).add_to(app)


def make_appointments(
    settings: AppointmentSettings,
    store: Store,
    vault: Vault,
    perform: Perform,
    happenings: Happenings,
    after: After,
    note: Callable[..., None],
    consents: Consents,
    *,
    sender: str,
    now: Callable[[], float],
    leads: Leads,
) -> Appointments:
    """``perform`` does what pages ask; ``note`` writes down what was changed; ``sender``: of e-mail; ``leads``: is it for this node to
    look what time brings?"""
    rooms = AppointmentRooms(store.appointments, store.people, perform, now=now)
    desk = AppointmentDesk(store.appointments, store.people, store.contacts, vault, rooms, happenings, consents, settings, now=now)
    messages = CustomerMessages(desk, after.notifier, after.templates, sender=sender)
    work = AppointmentWork(desk, store.appointments, messages.send, now=now, leads=leads)
    desk.meet(work.look)
    return Appointments(desk, AppointmentViews(desk, store.appointments), work, store, note, now)
