"""Consultations behind a real hub and a real media plane, with what it takes to come to one; the demo line rings telephones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from msgspec import Struct

from api.attachments import Attachments
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.guard import BackendLimits
from api.backends.lookup import ContextLookup
from api.backends.protocols import Kind
from api.backends.registry import Backends
from api.chat import Chat
from api.consultation_checks import ConsultationChecks
from api.consultation_phones import ConsultationPhones
from api.consultation_recordings import ConsultationRecordings
from api.consultation_routes import ConsultationRoutes
from api.consultations import Consultations
from api.guest_routes import Booked, GuestRoutes
from api.itineraries import Itineraries
from api.metrics import Metrics
from api.nodes.nodes import Nodes
from api.page_requests import route_of
from api.past_rooms import PastRooms
from api.phone_legs import PhoneLegs
from api.recording_book import RecordingBook
from api.recording_shelf import RecordingShelf
from api.rest_limits import Rates, RestLimits, RestLimitSettings
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_questions import AnyRoomQuestion
from api.room_requests import RoomRequests
from api.rooms import RoomEvent, Rooms
from api.routes import make_app, make_runner
from api.rtp_ports import RtpPorts
from api.sound_checks import SoundChecks
from api.store.acknowledged import AcknowledgedWrites
from api.store.audit import AuditWanted
from api.store.spool import Spool
from api.tolls import Tolls
from media import messages as media
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.worker import MediaWorker
from pbx.loopback import LoopbackTimes, LoopbackTrunk
from pbx.rates import RateTable
from pbx.routing import DialPlan, NumberStyle, Routing
from pbx.toll import TollBounds, TollWatch
from pbx.trunk import TrunkEvent
from rooms import membership_events as ev
from rooms.house import HousePolicy
from rooms.policy import ConsultationRecordingPolicy
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling.bus import MemoryBus
from signaling.grants import Grant, Role
from signaling.hub import Hub, HubSettings
from signaling.invitations import Invitations
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.consultation_guest import ConsultationGuest, guest
from tests.kit.context import NUMBER, FakeBackend, ana
from tests.kit.hub import Client
from tests.kit.media_desk import UNTOUCHED
from tests.kit.people import Signing, known_by, signing
from tests.kit.vaults import VAULT
from tests.kit.video_peer import VideoPeer

SECRET = "a secret for tests, long enough: 0123456789"
KEY = bytes(range(32))


PLAN = DialPlan("ES", NumberStyle("plus"), "")
RATES = RateTable()
QUICK = LoopbackTimes(ring_s=0.01, answer_s=0.02, refuse_s=0.01)
QUICK = LoopbackTimes(ring_s=0.01, answer_s=0.02, refuse_s=0.01)


@dataclass(frozen=True)
class _Booking:
    name: str
    e164: str


@dataclass(frozen=True)
class _Contact:
    e164: str
    email: str = ""


class Door:
    """``now``: seconds since the epoch of everything here, ``ahead`` of where they would be."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.ahead = 0.0
        self.tokens = TokenIssuer(SECRET, clock=lambda: self.now)
        self.links = Invitations(SECRET, clock=lambda: self.now)
        self.url = ""
        self.signing: Signing
        self.rooms: Rooms
        self.worker: MediaWorker
        self.consultations: Consultations
        self.checks: ConsultationChecks
        self.sounds: SoundChecks
        self.phones: ConsultationPhones
        self.watch = TollWatch(PLAN.rules, TollBounds(), RATES.cost)
        self.shelf: RecordingShelf
        self.consulting: list[tuple[str, bool]] = []
        self.folder: Path
        """Of recordings."""
        self.answers: list[tuple[str, str, bool]] = []
        """Who agreed to be recorded, or not: room, identity, answer."""
        self.sampled = asyncio.Event()
        """A second of a test before a consultation was measured."""
        self.trips = FakeBackend("trips", Kind.BOOKING, ana("trips"))
        """What the customer of each consultation has booked."""
        self.context: ContextLookup
        self.known = True
        """Do appointments say who booked them?"""
        self._stack = stack

    async def contacted(self, room_id: str) -> _Contact | None:
        return _Contact(NUMBER) if self.known else None

    async def booked(self, room_id: str) -> Booked | None:
        """As if each consultation had been booked with the demo line's number that echoes."""
        return _Booking("Luz", "600")

    @property
    def now(self) -> float:
        return 1_800_000_000.0 + asyncio.get_running_loop().time() + self.ahead

    async def staff(self, identity: str = "eva", role: str = "agent") -> Client:
        """A signed-in page."""
        client = Client(await self._stack.enter_async_context(ClientSession()))
        self._stack.push_async_callback(client.socket.disconnect)
        await client.connect(self.url, {"token": self.tokens.issue(identity, identity.title(), role).token, "phone": False})
        await client.told("session.snapshot")
        return client

    async def guest(self, peer: VideoPeer | None = None, *, device: str = "") -> ConsultationGuest:
        return await self._stack.enter_async_context(guest(self.url, peer, device=device))

    async def make(self, **wanted: object) -> dict[str, Any]:
        """A consultation of Eva's and a link to it: ``room_id``, ``link_id``, ``token``."""
        token = self.tokens.issue("eva", "Eva", "agent").token
        async with ClientSession() as http:
            answer = await http.post(
                f"{self.url}/api/v1/consultations", json={"waiting_room": False, **wanted}, headers={"Authorization": f"Bearer {token}"}
            )
            made: dict[str, Any] = await answer.json()
            return made

    async def log(self) -> list[tuple[str, str, str]]:
        await self.signing.identity.log.written()
        entries = await self.signing.identity.log.entries(AuditWanted(), 100)
        return [(entry.event.kind, entry.event.who, entry.event.detail) for entry in entries]

    def rest(self) -> tuple[float, float, int]:
        """What is open: rooms and legs of the media plane, people of consultations."""
        return self.worker.gauges["rooms"], self.worker.gauges["legs"], self.consultations.people


@asynccontextmanager
async def consultation_door(tmp_path: Path) -> AsyncIterator[Door]:
    """Everything behind it runs until it is left."""
    async with AsyncExitStack() as stack, AsyncExitStack() as clients:
        found = Door(clients)
        found.signing = await stack.enter_async_context(signing(tmp_path, found.tokens, now=lambda: found.now))
        identity, store = found.signing.identity, found.signing.store
        metrics = await stack.enter_async_context(Metrics())
        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, Spool(tmp_path / "spool", VAULT)))

        book = RecordingBook(store)

        def told(event: media.AnyMediaEvent) -> None:
            filmed.on_media_event(event)
            found.phones.hear_media(event)
            if found.sounds.hear_media(event):
                if isinstance(event, media.QualitySampled) and any(leg.packets and leg.mos for leg in event.legs):
                    found.sampled.set()
            else:
                found.consultations.on_media_event(event)
            match event:
                case media.RecordingStarted():
                    book.started(event)
                case media.RecordingStopped():
                    book.stopped(event, found.now)

        def on_event(event: RoomEvent) -> None:
            found.consultations.on_room_event(event)
            found.phones.on_room_event(event)
            itineraries.on_room_event(event)

        async def perform(grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> Struct | None:
            assert isinstance(request, wire.RoomRequest | wire.ChatRequest | AnyRoomQuestion)
            try:
                return await requests.perform(grant, request)
            except NotPossible as error:
                raise Refusal(error.code, str(error), error.retry_after_s) from None
            except media.MediaRefusal as error:
                raise Refusal(error.code, str(error)) from None

        async def renew(grant: Grant) -> wire.Session:
            return guests.renew(grant) if grant.role == Role.CUSTOMER else await identity.accounts.renew(grant)

        async def snapshot(grant: Grant) -> wire.Snapshot:
            rooms = found.rooms.states_for(grant.identity)
            return wire.Snapshot(1, "test", found.now, grant.identity, grant.name, grant.role, True, False, [], [], [], rooms)

        async def no_parts() -> dict[str, Any]:
            return {}

        kept = RecordingSettings(tmp_path / "recordings", (KEY,))
        found.shelf = await stack.enter_async_context(RecordingShelf(store, kept.folder, kept.keys))
        book.on_unwanted = found.shelf.erase_soon
        found.worker = await stack.enter_async_context(MediaWorker(MediaSettings(recording=kept, voice=UNTOUCHED), told))
        found.consultations = await stack.enter_async_context(Consultations(found.worker, gone_s=0.05))
        found.sounds = await stack.enter_async_context(SoundChecks(found.worker, ("opus",)))
        found.checks = ConsultationChecks(found.sounds)

        def on_trunk(event: TrunkEvent) -> None:
            found.phones.hear_trunk(event)

        trunks = {name: LoopbackTrunk(on_trunk, name=name, times=QUICK) for name in ("demo", "pbx")}
        legs = PhoneLegs(found.worker, trunks, RtpPorts("127.0.0.1", 0, 0), public_host="127.0.0.1")
        routing = Routing(PLAN, demo_trunk="demo", pbx_trunk="pbx")
        phones = ConsultationPhones(
            found.consultations, legs, trunks, lambda number: route_of(routing, number), booked=found.booked, inside="demo"
        )
        found.phones = await stack.enter_async_context(phones)
        tolls = Tolls(
            found.watch,
            PLAN,
            RATES.cost,
            now=lambda: found.now,
            audit=identity.log,
            on_suspended=lambda who, why: None,
        )
        backends = Backends()
        backends.add(found.trips, BackendLimits(soft_s=0.0, hard_s=60.0, pause_s=0.0, tries=1))
        cache = await stack.enter_async_context(AnswerCache(VAULT, CacheTimes()))
        found.context = await stack.enter_async_context(ContextLookup(backends, cache, VAULT))
        itineraries = Itineraries(found.context, found.contacted)
        found.context.meet(
            lambda who, context: itineraries.hear(who, context) and None,
            lambda who, call_id, handle: identity.log.note("caller_shown", who, itineraries.room_of(call_id), handle),
        )
        shown, legs_of = found.consultations.show_recording, found.consultations.legs
        possible = ConsultationRecordingPolicy(possible=True)
        found.folder = kept.folder
        made = ConsultationRecordings(
            possible, found.worker, book, legs_of=legs_of, show=shown, on_answer=lambda *answer: found.answers.append(answer)
        )
        filmed = await stack.enter_async_context(made)
        policy = HousePolicy(consultation_capacity=3, away_s=5.0)
        found.rooms = rooms = Rooms(store.rooms, writes, now=lambda: found.now, policy=policy, on_event=on_event, checked=found.checks.of)
        chat = Chat(rooms, store.rooms)
        bus = MemoryBus(topics=100, kept=10)
        nodes = Nodes(bus)
        owners = RoomOwners(bus, nodes, rooms, store.rooms)

        def on_there(who: str, there: bool) -> None:
            nodes.on_there(who, there)
            rooms.on_there(who, there)

        folder = tmp_path / "files"
        past = PastRooms(store.past_rooms, store.rooms, writes, folder, keep_s=None, note=identity.log.note, forget=chat.forget)
        files = Attachments(store.rooms, owners.is_member, past, folder, "s" * 32, now=lambda: found.now, largest=1, together=1)
        requests = RoomRequests(
            rooms,
            chat,
            files,
            found.links,
            past,
            RoomKeys(rooms, store.room_keys),
            owners,
            identity.users.colleagues,
            found.consultations.perform,
            filmed.request,
            identity.accounts.bar_link,
            checks=found.checks,
            phones=found.phones,
            itineraries=itineraries,
            mute=found.consultations.mute,
        )
        guests = GuestRoutes(
            owners.check_link, found.links, found.tokens, touch=identity.sessions.touch, booked=found.booked, rings=lambda: True
        )
        hub = Hub(
            HubSettings(sweep_s=0.02),
            verify=identity.sessions.verify,
            renew=renew,
            perform=perform,
            on_presence=lambda who, there: None,
            on_there=on_there,
            snapshot=snapshot,
        )
        identity.sessions.meet(in_call=found.consultations.has, on_ended=hub.recheck)
        rooms.meet(hub, owners)
        owners.meet(hub, perform)
        found.consultations.meet(
            hub.publish,
            lambda room_id, who: rooms.feed(ev.LeaveWanted(room_id, who)),
            filmed.seated,
            lambda who, consulting: found.consulting.append((who, consulting)),
        )
        filmed.meet(rooms.name_of)
        found.phones.meet(rooms, hub.publish, tolls, identity.log.note)
        itineraries.meet(hub.publish, identity.log.note, rooms.house.member)
        for trunk in trunks.values():
            await stack.enter_async_context(trunk)
        await stack.enter_async_context(rooms)
        await stack.enter_async_context(chat)
        bounds = RestLimits(RestLimitSettings(person={}, public=Rates(100_000), address=Rates(100_000)), lambda: 0.0)
        app = make_app(known_by(found.tokens), metrics, no_parts, limits=bounds)
        hub.attach(app)
        guests.add_to(app)
        ConsultationRoutes(perform).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await stack.enter_async_context(hub)
        yield found
