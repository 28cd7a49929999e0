"""Consultations behind a real hub: who gets in by a link and who does not, who is heard, and how they end; the media plane is real."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import ClientSession, web
from msgspec import Struct

from api.attachments import Attachments
from api.chat import Chat
from api.consultation_checks import ConsultationChecks
from api.consultation_recordings import ConsultationRecordings
from api.consultation_routes import ConsultationRoutes
from api.consultations import Consultations
from api.guest_routes import GuestRoutes
from api.metrics import Metrics
from api.nodes import Nodes
from api.past_rooms import PastRooms
from api.recording_book import RecordingBook
from api.recording_shelf import RecordingShelf
from api.rest_limits import Rates, RestLimits, RestLimitSettings
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_questions import AnyRoomQuestion
from api.room_requests import RoomRequests
from api.rooms import RoomEvent, Rooms
from api.routes import make_app, make_runner
from api.store import StoredRecording
from api.store.acknowledged import AcknowledgedWrites
from api.store.audit import AuditWanted
from api.store.spool import Spool
from media import messages as media
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.worker import MediaWorker
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
from tests.kit.hub import Client
from tests.kit.leg_bench import level_at
from tests.kit.media_desk import ToneTrack, listen
from tests.kit.people import Signing, known_by, signing
from tests.kit.vaults import VAULT
from tests.kit.video_peer import VideoPeer, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")
SECRET = "a secret for tests, long enough: 0123456789"
KEY = bytes(range(32))


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
        self.shelf: RecordingShelf
        self.consulting: list[tuple[str, bool]] = []
        self.folder: Path
        """Of recordings."""
        self.answers: list[tuple[str, str, bool]] = []
        """Who agreed to be recorded, or not: room, identity, answer."""
        self.sampled = asyncio.Event()
        """A second of a test before a consultation was measured."""
        self._stack = stack

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


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack, AsyncExitStack() as clients:
        found = Door(clients)
        found.signing = await stack.enter_async_context(signing(tmp_path, found.tokens, now=lambda: found.now))
        identity, store = found.signing.identity, found.signing.store
        metrics = await stack.enter_async_context(Metrics())
        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, Spool(tmp_path / "spool", VAULT)))

        book = RecordingBook(store)

        def told(event: media.AnyMediaEvent) -> None:
            filmed.on_media_event(event)
            if found.checks.hear_media(event):
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
        found.worker = await stack.enter_async_context(MediaWorker(MediaSettings(recording=kept), told))
        found.consultations = await stack.enter_async_context(Consultations(found.worker, gone_s=0.05))
        found.checks = await stack.enter_async_context(ConsultationChecks(found.worker))
        shown, legs_of = found.consultations.show_recording, found.consultations.legs
        possible = ConsultationRecordingPolicy(possible=True)
        found.folder = kept.folder
        made = ConsultationRecordings(
            possible, found.worker, book, legs_of=legs_of, show=shown, on_answer=lambda *answer: found.answers.append(answer)
        )
        filmed = await stack.enter_async_context(made)
        policy = HousePolicy(consultation_capacity=3, away_s=0.2)
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
        )
        guests = GuestRoutes(owners.check_link, found.links, found.tokens, touch=identity.sessions.touch)
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


def code(answer: dict[str, Any]) -> str:
    refused: str = answer["error"]["code"]
    return refused


async def both(door: Door, **wanted: object) -> tuple[Client, dict[str, Any]]:
    """A consultation in which Eva is already, and its link."""
    eva, made = await door.staff(), await door.make(**wanted)
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]})
    return eva, made


async def test_only_who_may_make_rooms_makes_a_consultation(door: Door) -> None:
    link = await door.make()
    async with ClientSession() as http:
        for token, status in (
            (door.tokens.issue("ana", "Ana", "professional").token, 201),
            (door.tokens.issue("app", "App", "service").token, 201),
            (door.tokens.issue("cli", "Cli", "customer").token, 403),
            (link["token"], 401),
            ("", 401),
        ):
            async with http.post(f"{door.url}/api/v1/consultations", json={}, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == status, token
        async with http.post(
            f"{door.url}/api/v1/consultations",
            json={"starts_at": door.now, "ends_at": door.now - 1},
            headers={"Authorization": f"Bearer {door.tokens.issue('ana', 'Ana', 'agent').token}"},
        ) as answer:
            assert (await answer.json())["error"]["code"] == "bad_message"


async def test_without_a_link_of_ours_nobody_gets_in_and_it_names_nobody(door: Door) -> None:
    made = await door.make(name="Japan")
    head, body, signature = made["token"].split(".")
    claims = base64.urlsafe_b64decode(body + "==")
    assert b"eva" not in claims.lower() and b"Japan" not in claims
    someone = await door.guest()
    session = door.tokens.issue("ana", "Ana", "agent").token
    foreign = Invitations("another secret that is long enough 123").issue(made["room_id"], door.now + 60).token
    for token in (session, f"{head}.{body}.{signature[:-4]}AAAA", "x", foreign):
        assert code(await someone.come(token, "Tom")) == "link_invalid"
    assert code(await someone.come(door.links.issue("none", door.now + 60).token, "Tom")) == "unknown_room"
    unknown = door.links.issue(made["room_id"], door.now + 60).token
    assert code(await someone.come(unknown, "Tom")) == "link_revoked", "its room knows nothing of it"
    with pytest.raises(Refusal, match="not one of this server"):
        door.tokens.verify(made["token"])
    door.ahead += 7_201
    assert code(await someone.come(made["token"], "Tom")) == "link_expired"
    assert door.rest() == (0, 0, 0)


async def test_guests_come_neither_too_early_nor_too_late_and_are_told_when(door: Door) -> None:
    starts = door.now + 3_600
    made = await door.make(starts_at=starts, ends_at=starts + 1_800)
    tom = await door.guest()
    told = await tom.come(made["token"], "Tom")
    assert (told["hosts"], told["role"]) == (["Eva"], "customer")
    refused = (await tom.ask("room.join"))["error"]
    assert refused["code"] == "too_early" and refused["retry_after"] == pytest.approx(3_000, abs=5), "ten minutes before"
    eva = await door.staff()
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]}), "a host may prepare"
    door.ahead += 3_001
    await tom.come(made["token"], "Tom")
    assert (await tom.ask("room.join"))["ok"]["room"]["starts_at"] == starts
    door.ahead += 10_000
    late = await door.guest()
    assert code(await late.come(made["token"], "Luz")) == "link_expired", "a link lives as long as its appointment"
    other = await door.make(starts_at=door.now + 60, ends_at=door.now + 120)
    again = await door.staff()
    assert "ok" in await again.ask("room.end", {"room_id": other["room_id"]})
    assert code(await late.come(other["token"], "Luz")) == "room_cancelled"


async def test_who_waits_is_heard_by_nobody_until_a_host_says_so(door: Door) -> None:
    eva, made = await both(door, waiting_room=True)
    tom = await door.guest()
    await tom.come(made["token"], "Tom")
    joined = (await tom.ask("room.join"))["ok"]
    assert joined["waiting"] and joined["room"] is None
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("room.microphone", {"on": True}),
        ("room.watch", {"tiles": []}),
        ("room.offer", {"peer_id": "p", "sdp": "x"}),
    )
    for request, fields in asked:
        assert code(await tom.ask(request, **fields)) == "unknown_room"
    assert door.rest() == (0, 0, 0)
    (waiting,) = (await eva.told("room.waiting"))[-1]["waiting"]
    assert "ok" in await eva.ask("room.admit", {"room_id": made["room_id"], "identity": waiting["identity"]})
    assert [one["name"] for one in (await tom.hear("room.state"))["members"]] == ["Eva", "Tom"]
    assert (await tom.ask("room.microphone", on=False))["ok"]["people"] == [
        {"identity": tom.person, "microphone": False, "tracks": [], "consent": ""}
    ]


async def test_a_consultation_has_its_limit_its_people_and_its_end(door: Door) -> None:
    eva, made = await both(door)
    tom, luz, ivo = await door.guest(VideoPeer([], 0)), await door.guest(), await door.guest()
    await tom.join(made["token"], "Tom")
    await tom.offer()
    await luz.join(made["token"], "Luz")
    await ivo.come(made["token"], "Ivo")
    assert code(await ivo.ask("room.join")) == "room_full"
    await luz.ask("room.microphone", on=False)
    await tom.hears_of(lambda people: not people[luz.person]["microphone"] and people[tom.person]["microphone"])
    assert door.rest() == (1, 1, 2)
    assert "ok" in await luz.ask("room.leave")
    await tom.hears_of(lambda people: set(people) == {tom.person})
    assert "ok" in await eva.ask("room.kick", {"room_id": made["room_id"], "identity": tom.person})
    assert (await tom.hear("room.exit"))["reason"] == "removed"
    assert code(await tom.ask("room.microphone", on=True)) == "unknown_room" and code(await tom.ask("room.join")) == "removed"
    assert "ok" in await ivo.ask("room.join")
    assert "ok" in await eva.ask("room.end", {"room_id": made["room_id"]})
    assert (await ivo.hear("room.exit"))["reason"] == "ended"
    assert code(await luz.come(made["token"], "Luz")) == "room_over"
    async with door.consultations:
        pass  # until what was closed is closed
    assert door.rest() == (0, 0, 0)


async def test_a_link_taken_back_puts_out_who_came_by_it_at_once(door: Door) -> None:
    eva, made = await both(door)
    other = (await eva.ask("room.link", {"room_id": made["room_id"]}))["ok"]
    tom, luz = await door.guest(), await door.guest()
    await tom.join(made["token"], "Tom")
    await luz.join(other["token"], "Luz")
    assert "ok" in await eva.ask("room.unlink", {"room_id": made["room_id"], "link_id": made["link_id"]})
    assert (await tom.hear("room.exit"))["reason"] == "revoked"
    assert (await tom.hear("session.closing"))["code"] == "token_revoked"
    await tom.client.ended()
    assert code(await tom.come(made["token"], "Tom")) == "link_revoked"
    await luz.hears_of(lambda people: set(people) == {luz.person})
    assert ("link_revoked", "eva", made["link_id"][:8]) in await door.log()


async def test_a_guest_goes_on_in_the_open_connection(door: Door) -> None:
    _, made = await both(door)
    tom = await door.guest()
    await tom.join(made["token"], "Tom")
    for _ in range(6):
        door.ahead += 400
        renewed = (await tom.client.ask("session.refresh"))["ok"]
        assert (renewed["identity"], renewed["role"]) == (tom.person, "customer")
    assert "ok" in await tom.ask("room.microphone", on=True)
    assert code(await tom.client.ask("call.dial", {"number": "600"})) == "forbidden"


async def test_a_page_is_told_what_was_wrong_and_goes_on(door: Door) -> None:
    eva, made = await both(door)
    tom = await door.guest()
    await tom.join(made["token"], "Tom")
    tile = {"identity": "x", "track": "camera", "height": 1}
    asked: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("room.offer", {"peer_id": "p", "sdp": "nonsense"}, "no_audio"),
        ("room.offer", {"peer_id": "p", "sdp": "x", "tracks": {"0": "desktop"}}, "bad_message"),
        ("room.watch", {"tiles": [tile | {"height": -1}]}, "bad_message"),
        ("room.watch", {"tiles": [tile] * 17}, "bad_message"),
        ("room.microphone", {"on": "yes"}, "bad_message"),
    )
    for request, fields, refused in asked:
        assert code(await tom.ask(request, **fields)) == refused, fields
    assert "ok" in await tom.ask("room.watch", tiles=[tile])
    meeting = (await eva.ask("room.create", {}))["ok"]["room_id"]
    await eva.ask("room.join", {"room_id": meeting})
    assert code(await eva.ask("room.microphone", {"room_id": meeting, "on": True})) == "no_bridge"


async def test_another_page_of_ones_own_takes_the_seat_over(door: Door) -> None:
    """A reload has the same seat and the same leg; the connection of before does not get it back by itself."""
    _, made = await both(door)
    first = await door.guest(VideoPeer([], 0), device="d" * 16)
    await first.join(made["token"], "Tom")
    await first.offer("one")
    legs = door.consultations.legs(made["room_id"])
    second = await door.guest(VideoPeer([], 0), device="d" * 16)
    await second.join(made["token"], "Tom")
    await second.offer("two")
    assert second.person == first.person and door.consultations.legs(made["room_id"]) == legs == {first.person: legs[first.person]}
    assert code(await first.ask("room.offer", peer_id="one", sdp="x")) == "taken_over"
    (room,) = (await second.client.ask("room.list"))["ok"]["rooms"]
    assert [one["name"] for one in room["members"]] == ["Eva", "Tom"]
    assert door.consulting == [], "guests take no calls anyway"


async def test_media_goes_on_while_the_signalling_is_away_and_the_seat_is_kept(door: Door) -> None:
    eva, made = await both(door)
    tom = await door.guest(VideoPeer([], 0))
    await tom.join(made["token"], "Tom")
    await tom.offer()
    leg = door.consultations.legs(made["room_id"])
    await tom.client.socket.disconnect()

    def stands(notices: list[dict[str, Any]]) -> list[str]:
        return [one["state"] for one in notices[-1]["members"]]

    states = 1
    while stands(told := await eva.told("room.state", states)) != ["in", "away"]:
        states = len(told) + 1
    assert door.consultations.legs(made["room_id"]) == leg and door.rest() == (1, 1, 1)
    await tom.connect()
    while stands(told := await eva.told("room.state", states)) != ["in", "in"]:
        states = len(told) + 1
    assert door.consultations.legs(made["room_id"]) == leg
    await tom.client.socket.disconnect()
    states = len(told) + 1
    while stands(told := await eva.told("room.state", states)) != ["in"]:
        states = len(told) + 1
    assert door.consultations.people == 0, "nobody came back in time"


async def test_who_closes_the_page_while_another_one_is_open_is_out(door: Door) -> None:
    """Their telephone page keeps them connected, so it is the lost connection of their sound that tells."""
    eva, made = await both(door)
    desk = await door.staff()
    page = await door.guest(VideoPeer([], 0))
    page.room_id = made["room_id"]
    await page.connect(door.tokens.issue("eva", "Eva", "agent").token)
    await page.offer()
    assert page.peer is not None and door.consulting == [("eva", True)]
    await page.client.socket.disconnect()
    await page.peer.connection.close()
    exits = await desk.told("room.exit", within_s=40)
    assert exits[0]["reason"] == "left"
    assert (await eva.told("room.exit"))[0]["room_id"] == made["room_id"]
    assert door.consulting == [("eva", True), ("eva", False)]


async def test_who_loses_the_media_worker_is_asked_to_connect_anew(door: Door) -> None:
    _, made = await both(door)
    tom = await door.guest(VideoPeer([], 0))
    await tom.join(made["token"], "Tom")
    await tom.offer("one")
    await door.worker.perform(media.CloseRoom(room_id=made["room_id"]))
    door.consultations.on_media_event(media.RoomLost(room_id=made["room_id"], detail="its worker died"))
    asked = await tom.hear("room.reoffer")
    assert (asked["peer_id"], asked["anew"]) == ("one", True)
    door.consultations.take(made["room_id"])
    assert (await tom.hear("room.reoffer", lambda told: not told["peer_id"]))["topic"].endswith(made["room_id"]), "from another node"
    again = await door.guest(VideoPeer([], 0))
    again.client, again.room_id, tom.client = tom.client, tom.room_id, again.client
    await again.offer("two")
    assert door.rest() == (1, 1, 1)


async def test_rooms_hear_nothing_of_one_another(door: Door) -> None:
    _, made = await both(door)
    other = await door.make()
    frames = recorded_vp8(160, 120, 60_000)
    tom, luz, ivo = await door.guest(VideoPeer([("", frames)], 1)), await door.guest(VideoPeer([], 1)), await door.guest()
    await tom.join(made["token"], "Tom")
    await luz.join(made["token"], "Luz")
    await ivo.join(other["token"], "Ivo")
    await tom.offer()
    await luz.offer()
    assert tom.peer is not None and luz.peer is not None
    tom.peer.begin()
    await luz.peer.see(0, frames=5)
    (place,) = (await luz.hear("room.shown", lambda told: bool(told["places"])))["places"]
    assert (place["identity"], place["track"]) == (tom.person, "camera")
    await ivo.ask("room.watch", tiles=[{"identity": tom.person, "track": "camera", "height": 360}])
    people = (await ivo.ask("room.microphone", on=False))["ok"]["people"]
    assert [person["identity"] for person in people] == [ivo.person]
    heard = {notice.get("room_id") for notice in ivo.client.notices if notice["type"].startswith("room.")}
    assert heard == {other["room_id"]}


async def test_nobody_is_recorded_who_did_not_agree_and_all_see_that_it_is_recorded(door: Door) -> None:
    low = recorded_vp8(160, 120, 60_000)
    eva, made = await both(door)
    room = {"room_id": made["room_id"]}
    tom, luz = await door.guest(VideoPeer([("", low)], 0)), await door.guest(VideoPeer([("", low)], 0))
    for someone, name in ((tom, "Tom"), (luz, "Luz")):
        await someone.join(made["token"], name)
        await someone.offer()
        assert someone.peer is not None
        someone.peer.begin()
    assert code(await tom.ask("room.record", action="start")) == "not_host"
    assert code(await tom.ask("room.record", action="agree")) == "wrong_state"
    assert list(door.folder.iterdir()) == []
    assert "ok" in await eva.ask("room.record", {**room, "action": "start"})
    asked = await tom.hear("room.media", lambda told: told["recording"] == "recording")
    assert {person["identity"]: person["consent"] for person in asked["people"]} == {tom.person: "asked", luz.person: "asked"}
    assert tom.peer is not None
    await tom.peer.sent(4)
    assert list(door.folder.iterdir()) == [], "nothing of who was not asked yet"
    assert "ok" in await tom.ask("room.record", action="agree") and "ok" in await luz.ask("room.record", action="refuse")
    await luz.hears_of(lambda people: (people[tom.person]["consent"], people[luz.person]["consent"]) == ("given", "refused"))
    await tom.peer.sent(14)
    assert "ok" in await eva.ask("room.record", {**room, "action": "pause"})
    await luz.hear("room.media", lambda told: told["recording"] == "paused")
    assert "ok" in await eva.ask("room.record", {**room, "action": "resume"})
    await tom.peer.sent(8)
    assert "ok" in await eva.ask("room.record", {**room, "action": "stop"})
    await luz.hear("room.media", lambda told: told["recording"] == "off")
    (part,) = await ended(door, made["room_id"])
    assert (part.agent, part.consent, part.fault, part.lost) == ("eva", "given", "", 0)
    assert [path.name for path in door.folder.glob("*.rec")] == [part.file], "of Luz, who refused, there never was a file"
    room_id = made["room_id"]
    assert door.answers == [(room_id, "eva", True), (room_id, tom.person, True), (room_id, luz.person, False)]
    film = await door.shelf.watch(made["room_id"], "webm", "boss")
    with av.open(io.BytesIO(film.body)) as container:
        assert [stream.metadata["title"] for stream in container.streams] == ["Tom, camera", "Tom, voice"]
        assert sum(1 for _ in container.decode(video=0)) >= 6
    assert "ok" in await tom.ask("room.record", action="refuse"), "he thinks better of it"
    async with asyncio.timeout(30):
        while (await door.shelf.parts_of(made["room_id"]))[0].erased_at is None:  # noqa: ASYNC110 - the shelf tells nobody
            await asyncio.sleep(0.02)


async def ended(door: Door, room_id: str) -> list[StoredRecording]:
    """The parts of a recording, once all are over."""
    async with asyncio.timeout(30):
        while not (parts := await door.shelf.parts_of(room_id)) or any(part.ended_at is None for part in parts):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return parts


async def test_a_connection_is_tried_before_one_comes_in_and_hosts_see_what_came_of_it(door: Door) -> None:
    """The test's peer speaks and hears itself; who waits is told the truth, and the host, who is in another place, who waits and how."""
    eva, made = await door.staff(), await door.make(waiting_room=True)
    async with BrowserPeer(ToneTrack(1_000)) as peer:
        tom = await door.guest()
        await tom.come(made["token"], "Tom")
        answer = await tom.ask("room.check", peer_id="test", sdp=await peer.offer())
        await peer.accept(answer["ok"]["sdp"])
        sound, rate_hz = await listen(peer, 75)
        assert level_at(sound[rate_hz:], 1_000, rate_hz) > 0.05, "what it says comes back"
        await asyncio.wait_for(door.sampled.wait(), 30)
        checked = (await tom.ask("room.checked", microphone=True, camera=False, heard=True, loss=0.0, round_trip_ms=2.0))["ok"]
    assert checked["verdict"] in ("good", "fair", "poor") and checked["mos"] and (checked["camera"], checked["heard"]) == (False, True)
    joined = (await tom.ask("room.join"))["ok"]
    assert joined["waiting"] and joined["queue"]["ahead"] == 0
    assert joined["queue"]["hosts"] == [{"name": "Eva", "here": False, "told": True}]
    told = (await eva.told("room.waiting"))[-1]["waiting"]
    assert [(one["name"], one["checked"]["verdict"]) for one in told] == [("Tom", checked["verdict"])]
    assert [one["name"] for one in (await eva.ask("room.list", {}))["ok"]["waiting"][0]["waiting"]] == ["Tom"]
    assert "ok" in await eva.ask("room.join", {"room_id": made["room_id"]})
    assert (await tom.hear("room.queue", lambda queue: queue["hosts"][0]["here"]))["ahead"] == 0
    assert door.checks.running == 0
