"""What customers wait for and say afterwards, and what agents look up, put together for a server: tickets, surveys, articles."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from aiohttp import web

from api.after.wiring import After
from api.appointments.states import State as AppointmentState
from api.audit.audit import Audit
from api.backends.wiring import Backends
from api.happenings import Happenings
from api.knowledge.articles import Articles
from api.knowledge.routes import ArticleRoutes
from api.leading import Leading
from api.metrics import Metrics
from api.privacy.consent_routes import ConsentRoutes
from api.privacy.consents import Consents
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import Store
from api.surveys.post import SurveyPost
from api.surveys.routes import SurveyRoutes
from api.surveys.surveys import Surveys, SurveySettings, Whom
from api.tickets.backend import BuiltinTickets
from api.tickets.demo import seed
from api.tickets.routes import TicketRoutes
from api.tickets.tickets import Note, Tickets
from rooms.calendar import Calendar
from signaling.grants import PERMISSIONS, Permission, Role
from signaling.invitations import Invitation

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServiceDesk:
    tickets: Tickets
    surveys: Surveys
    articles: Articles
    consents: Consents
    store: Store
    vault: Vault
    note: Note
    region: str
    link_of: Callable[[str], Invitation]

    def add_to(self, app: web.Application) -> None:
        """Their routes."""
        TicketRoutes(self.tickets, self.store.people.teams_of, partial(_staff, self.store)).add_to(app)
        SurveyRoutes(self.surveys, lambda kind, who, what: self.note(kind, who, what, ""), self.link_of).add_to(app)
        ConsentRoutes(self.consents, self.store.contacts, self.vault, self.region).add_to(app)
        ArticleRoutes(self.articles).add_to(app)


_MET = frozenset({AppointmentState.UNDER_WAY, AppointmentState.DONE})
"""Who did not come, or whose appointment was cancelled, is not asked how it was."""


@asynccontextmanager
async def open_service_desk(
    settings: Settings,
    store: Store,
    vault: Vault,
    audit: Audit,
    happenings: Happenings,
    backends: Backends,
    after: After,
    metrics: Metrics,
    consents: Consents,
    *,
    calendars: Callable[[], Mapping[str, Calendar]],
    leading: Leading,
    link_of: Callable[[str], Invitation],
) -> AsyncIterator[ServiceDesk]:
    """``calendars``: those of the plan in force. ``leading``: which node does what one is enough for. ``link_of`` reads links
    to consultations."""

    async def of_room(room_id: str) -> Whom | None:
        appointment = await store.appointments.of_room(room_id)
        if appointment is None or appointment.state not in _MET:
            return None
        contact_id = appointment.contact_id
        found = await store.contacts.by_number(appointment.e164, 2) if appointment.e164 and not contact_id else []
        if len(found) == 1:
            contact_id = found[0].contact_id
        return Whom(contact_id, appointment.e164, appointment.email, appointment.language, appointment.appointment_id)

    async def exists(identity: str) -> bool:
        return await store.people.user(identity) is not None

    await store.articles.index_again()
    async with AsyncExitStack() as stack:
        tickets = Tickets(
            store.tickets,
            store.contacts,
            vault,
            happenings,
            lambda: settings.tickets.rules(calendars()),
            region=settings.dialing.region,
            exists=exists,
            note=audit.note,
            leads=leading.of("tickets"),
            now=time.time,
        )
        if settings.demo.enabled and settings.demo.travel and await seed(store, vault, settings.tickets.rules(calendars()), time.time()):
            log.info("service_desk.seeded")
        await stack.enter_async_context(tickets)
        if settings.backends.builtin:
            backends.add(BuiltinTickets(tickets), title="Centralita")
        surveys = Surveys(
            store.surveys,
            store.contacts,
            vault,
            happenings,
            SurveySettings(
                tuple(section.rule() for section in settings.surveys.rules),
                settings.token_secret(),
                settings.server.public_url.rstrip("/"),
                settings.media.prompts.language,
            ),
            consents=consents,
            post=SurveyPost(after.notifier, after.templates),
            of_room=of_room,
            leads=leading.of("surveys"),
            now=time.time,
        )
        await stack.enter_async_context(surveys)
        metrics.watch_surveys(lambda: surveys.counts)
        yield ServiceDesk(
            tickets, surveys, Articles(store.articles, now=time.time), consents, store, vault, audit.note, settings.dialing.region, link_of
        )


async def _staff(store: Store) -> dict[str, frozenset[str]]:
    """Who may work on tickets, and of which teams they are."""
    able = {role.value for role in Role if Permission.TICKETS_WRITE in PERMISSIONS[role] and role is not Role.SERVICE}
    return {user.identity: user.teams for user in await store.people.users() if user.role in able and not user.disabled}
