"""Rooms of a server and what is written in them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.appointments.backend import BuiltinAppointments
from api.appointments.settings import AppointmentSettings
from api.appointments.wiring import Appointments, make_appointments
from api.attachments import Attachments
from api.chat import Chat
from api.consultation_news import ConsultationNews
from api.guest_routes import GuestRoutes
from api.past_rooms import PastRooms
from api.reports.funnel import FunnelSteps
from api.room_owners import RoomOwners
from api.rooms import RoomEvent, Rooms
from api.settings.tree import Settings
from api.store.acknowledged import AcknowledgedWrites
from api.store.spool import Spool
from api.wiring.calls import Calls
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground
from rooms.house import HousePolicy
from rooms.membership import Room, RoomKind
from signaling.invitations import Invitations


@dataclass(frozen=True, slots=True)
class Talk:
    """Rooms and what is written in them. ``rooms`` and ``chat`` are entered when the hub is there, which tells people of them."""

    writes: AcknowledgedWrites
    rooms: Rooms
    owners: RoomOwners
    chat: Chat
    past: PastRooms
    attachments: Attachments
    links: Invitations
    guests: GuestRoutes
    appointments: Appointments | None
    funnel: FunnelSteps


@asynccontextmanager
async def open_talk(settings: Settings, ground: Ground, cluster: Cluster, calls: Calls) -> AsyncIterator[Talk]:
    store, now = ground.store.rooms, calls.exchange.now
    files = settings.server.data_dir / "attachments"
    days = settings.chat.retention_days
    async with AcknowledgedWrites(store, Spool(settings.server.data_dir / "chat.spool", ground.vault)) as writes:

        def on_room_event(event: RoomEvent) -> None:
            calls.consultations.on_room_event(event)
            calls.phones.on_room_event(event)
            calls.itineraries.on_room_event(event)
            calls.webhooks.tell_room(event)
            if appointments is not None:
                appointments.work.hear(event)
            news.hear(event)
            funnel.hear(event)

        def on_waiting(room: Room) -> None:
            funnel.waiting(room)
            if appointments is not None:
                appointments.work.hear_people(room)

        appointments = _appointments(settings, ground, cluster, now)
        funnel = FunnelSteps(ground.store.writer, now)
        news = ConsultationNews(ground.happenings, ground.store.appointments.of_room)
        policy = HousePolicy(consultation_capacity=settings.consultations.most_people)

        def on_taken(room_id: str) -> None:
            room = rooms.house.room(room_id)
            if room is not None and room.kind is RoomKind.CONSULTATION:
                calls.consultations.take(room_id)
                calls.itineraries.take(room_id)

        def on_lost(room_id: str) -> None:
            calls.consultations.lose(room_id)
            calls.itineraries.lose(room_id)
            chat.forget(room_id)

        rooms = Rooms(
            store,
            writes,
            now=now,
            policy=policy,
            on_event=on_room_event,
            on_over=lambda room_id: chat.forget(room_id),
            on_taken=on_taken,
            on_lost=on_lost,
            checked=calls.checks.of,
            on_waiting=on_waiting,
        )
        chat = Chat(rooms, store)
        owners = RoomOwners(cluster.bus, cluster.nodes, rooms, store)
        keep_s = None if days is None else days * 86_400.0
        past = PastRooms(
            ground.store.past_rooms,
            store,
            writes,
            files,
            keep_s=keep_s,
            note=ground.audit.note,
            forget=chat.forget,
            leads=ground.leading.of("past-rooms"),
        )
        attachments = Attachments(
            store,
            owners.is_member,
            past,
            files,
            settings.token_secret(),
            now=now,
            largest=settings.chat.largest_file,
            together=settings.chat.all_files,
        )
        secrets_before = [secret.get_secret_value() for secret in settings.security.previous_secrets]
        links = Invitations(settings.token_secret(), previous=secrets_before)
        guests = GuestRoutes(
            owners.check_link,
            links,
            ground.tokens,
            relays=ground.relays.of,
            touch=ground.identity.sessions.touch,
            booked=ground.store.appointments.of_room,
            site=_site(settings),
            rings=lambda: calls.phones.possible,
            opened=funnel.opened,
        )
        async with news, past:
            yield Talk(writes, rooms, owners, chat, past, attachments, links, guests, appointments, funnel)


def _appointments(settings: Settings, ground: Ground, cluster: Cluster, now: Callable[[], float]) -> Appointments | None:
    section = settings.appointments
    if not section.enabled:
        return None
    handled = AppointmentSettings(
        region=settings.dialing.region,
        site=_site(settings),
        company=section.company,
        reminders_s=tuple(60.0 * lead for lead in section.reminders_min),
        grace_s=60.0 * section.no_show_min,
        most_per_customer=section.most_per_customer,
    )
    if settings.backends.builtin:
        store = ground.store
        ground.backends.add(BuiltinAppointments(store.appointments, store.contacts, ground.vault, now))
    return make_appointments(
        handled,
        ground.store,
        ground.vault,
        cluster.nodes.perform,
        ground.happenings,
        ground.after,
        ground.audit.note,
        ground.consents,
        sender=settings.email.sender,
        now=now,
        leads=ground.leading.of("appointments"),
    )


def _site(settings: Settings) -> str:
    """Where customers find our pages."""
    return settings.server.public_url.rstrip("/") or f"http://localhost:{settings.server.port}"
