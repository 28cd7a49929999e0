"""Rooms and chat as pages have them: a real hub, real Socket.IO clients, a real database."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct
from sqlalchemy import text

from api.attachments import Attachments
from api.chat import Chat
from api.guarded_routes import guarded, identified
from api.guest_routes import GuestRoutes
from api.nodes.nodes import Nodes
from api.page_requests import InRooms
from api.past_rooms import PastRooms
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_questions import AnyRoomQuestion
from api.room_requests import RoomRequests
from api.rooms import RoomEvent, Rooms
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.room_rows import Attachment, message_entry
from api.store.spool import Spool
from rooms.chat import Message
from rooms.house import HousePolicy
from rooms.refusals import NotPossible
from rooms.sealed import device_id_of
from signaling import messages as wire
from signaling.bus import MemoryBus
from signaling.grants import Grant, VideoGrant
from signaling.invitations import Invitations
from signaling.refusal import Refusal
from tests.kit.hub import Client, RunningHub, running_hub
from tests.kit.vaults import VAULT

LARGEST = 1_000
KEEP_S = 1_000.0


async def colleagues() -> list[wire.KnownPerson]:
    return [wire.KnownPerson("ana", "Ana", "agent"), wire.KnownPerson("eva", "Eva", "supervisor")]


class Talk:
    """``hub`` with rooms behind it. ``events``: what webhooks would tell."""

    def __init__(
        self,
        hub: RunningHub,
        store: Store,
        rooms: Rooms,
        in_rooms: InRooms,
        owners: RoomOwners,
        files: Attachments,
        links: Invitations,
        folder: Path,
    ) -> None:
        self.hub, self.store, self.rooms, self.folder = hub, store, rooms, folder
        self.events: list[RoomEvent] = []
        self._in_rooms = in_rooms
        self._owners = owners
        self._files = files
        self.links = links
        self.url = ""
        self.past: PastRooms
        self.notes: list[tuple[str, str, str, str]] = []
        self.later_s = 0.0

    async def perform(self, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> Struct | None:
        assert isinstance(request, wire.RoomRequest | wire.ChatRequest | AnyRoomQuestion)
        try:
            return await self._in_rooms(grant, request)
        except NotPossible as error:
            raise Refusal(error.code, str(error), error.retry_after_s) from None

    async def client(self, identity: str, *, guest_of: str = "") -> Client:
        """Signed in as an agent, or as a customer who may be in one room."""
        token = self.token(identity, guest_of=guest_of)
        client = await self.hub.client(identity, token=token)
        await client.told("session.snapshot")
        return client

    def token(self, identity: str, *, guest_of: str = "") -> str:
        if not guest_of:
            return self.hub.token(identity)
        video = VideoGrant(room=guest_of, room_join=True)
        return self.hub.tokens.issue(identity, identity.title(), "customer", video=video).token

    async def serve_http(self, stack: AsyncExitStack) -> None:
        async def identify(token: str) -> Grant:
            return self.hub.tokens.verify(token)

        @web.middleware
        async def refusals(request: web.Request, handler: Any) -> web.StreamResponse:
            try:
                response: web.StreamResponse = await handler(request)
            except Refusal as refusal:
                return web.json_response({"code": refusal.code}, status=403)
            return response

        app = web.Application(middlewares=[refusals, identified(identify), guarded(lambda grant, permission, code: None)])
        self._files.add_to(app)
        GuestRoutes(self._owners.check_link, self.links, self.hub.tokens).add_to(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"


async def no_media(identity: str, request: wire.MediaRequest) -> Struct | None:
    raise AssertionError("these rooms are written in")


def nothing_to_record(room_id: str, action: str, who: str, host: bool) -> None:
    raise AssertionError("these rooms are written in")


async def nothing_to_bar(link_id: str, by: str) -> None:
    """The tokens of these tests belong to no link's sessions."""


@asynccontextmanager
async def talking(folder: Path, *, policy: HousePolicy | None = None) -> AsyncIterator[Talk]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(f"sqlite:///{folder}/rooms.sqlite3", vault=VAULT))
        hub = await stack.enter_async_context(running_hub())
        spool = Spool(folder / "chat.spool", VAULT)
        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, spool, first_retry_s=0.01, longest_retry_s=0.01))
        loop = asyncio.get_running_loop()

        def now() -> float:
            return 1_800_000_000.0 + loop.time()

        heard: list[RoomEvent] = []
        rooms = Rooms(store.rooms, writes, now=now, policy=policy, on_event=heard.append, on_over=lambda room_id: chat.forget(room_id))
        chat = Chat(rooms, store.rooms)
        bus = MemoryBus(topics=100, kept=10)
        owners = RoomOwners(bus, Nodes(bus), rooms, store.rooms)
        past = PastRooms(
            store.past_rooms,
            store.rooms,
            writes,
            folder / "attachments",
            keep_s=KEEP_S,
            note=lambda kind, who, *, by="", detail="": talk.notes.append((kind, who, by, detail)),
            forget=chat.forget,
            now=lambda: now() + talk.later_s,
        )
        kept_in = folder / "attachments"
        files = Attachments(store.rooms, owners.is_member, past, kept_in, "s" * 32, now=now, largest=LARGEST, together=LARGEST)
        links = Invitations("s" * 32)
        keys = RoomKeys(rooms, store.room_keys)
        requests = RoomRequests(rooms, chat, files, links, past, keys, owners, colleagues, no_media, nothing_to_record, nothing_to_bar)
        talk = Talk(hub, store, rooms, requests.perform, owners, files, links, folder)
        talk.events, talk.past = heard, past
        hub.line.perform = talk.perform
        hub.line.there = rooms.on_there
        rooms.meet(hub.hub, owners)
        owners.meet(hub.hub, talk.perform)
        await stack.enter_async_context(rooms)
        await stack.enter_async_context(chat)
        yield talk


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with talking(tmp_path) as talk:
        yield talk


async def room_of(client: Client, **wanted: Any) -> str:
    """A room that this client has made and is in."""
    made = await client.ask("room.create", wanted)
    room_id: str = made["ok"]["room_id"]
    if wanted.get("kind", "meeting") in ("meeting", "consultation"):
        assert "ok" in await client.ask("room.join", {"room_id": room_id})
    return room_id


def code(answer: dict[str, Any]) -> str:
    refused: str = answer["error"]["code"]
    return refused


async def seen(client: Client, type_: str, **values: Any) -> dict[str, Any]:
    return await client.seen(type_, **values)


async def test_a_guest_waits_is_let_in_writes_and_is_put_out(talk: Talk) -> None:
    eva = await talk.client("eva")
    room_id = await room_of(eva, kind="consultation", waiting_room=True)
    tom = await talk.client("tom", guest_of=room_id)
    assert tom.notices[0]["lines"] == [] and "presence" not in tom.notices[0]["seen"], "a guest hears nothing of the house"
    assert code(await tom.ask("chat.message", {"room_id": room_id, "message_id": "m0", "text": "Hola"})) == "unknown_room"
    joined = (await tom.ask("room.join", {"room_id": room_id}))["ok"]
    assert (joined["waiting"], joined["room"], joined["queue"]["ahead"]) == (True, None, 0)
    assert [one["identity"] for one in (await seen(eva, "room.waiting"))["waiting"]] == ["tom"]
    assert code(await tom.ask("room.admit", {"room_id": room_id, "identity": "tom"})) == "not_host"
    assert await eva.ask("room.admit", {"room_id": room_id, "identity": "tom"}) == {"ok": {}}
    state = await seen(tom, "room.state")
    assert [(one["identity"], one["role"]) for one in state["members"]] == [("eva", "host"), ("tom", "guest")]
    sent = (await tom.ask("chat.message", {"room_id": room_id, "message_id": "m1", "text": "<b>Hola</b>"}))["ok"]
    assert (sent["position"], sent["text"]) == (1, "<b>Hola</b>")
    assert (await seen(eva, "chat.message"))["sender"] == "tom"
    assert await eva.ask("room.kick", {"room_id": room_id, "identity": "tom"}) == {"ok": {}}
    assert (await seen(tom, "room.exit"))["reason"] == "removed"
    assert code(await tom.ask("room.join", {"room_id": room_id})) == "removed"
    assert code(await tom.ask("chat.history", {"room_id": room_id})) == "unknown_room"
    words = [(event.event, event.identity) for event in talk.events]
    assert words == [
        ("room_started", ""), ("participant_joined", "eva"), ("participant_joined", "tom"), ("participant_left", "tom"),
    ]  # fmt: skip


async def test_a_guest_reaches_no_room_but_theirs_by_any_request(talk: Talk) -> None:
    eva = await talk.client("eva")
    mine, other = await room_of(eva), await room_of(eva)
    tom = await talk.client("tom", guest_of=mine)
    named = {
        "room_id": other,
        "identity": "eva",
        "to_room": mine,
        "message_id": "m",
        "link_id": "l",
        "locked": True,
        "raised": True,
        "emoji": "x",
        "on": True,
    }
    named |= {"position": 1, "name": "x.txt", "content_type": "text/plain", "size": 1, "text": "x", "epoch": 1}
    named |= device("tom") | {"announcement": "YQ", "packages": {}}
    named |= {"peer_id": "p", "sdp": "x", "tiles": [], "action": "start", "microphone": True, "camera": True, "number": "+34600111222"}
    named |= {"backend": "b", "id": "b1", "share_id": "s", "line_id": "c"}
    for kind in wire.AnyRequest.__args__:  # type: ignore[attr-defined]
        if issubclass(kind, wire.RoomRequest | wire.ChatRequest) and "room_id" in kind.__struct_fields__:
            known = {name: value for name, value in named.items() if name in kind.__struct_fields__}
            assert code(await tom.ask(str(kind.__struct_config__.tag), known)) == "forbidden", kind
    assert code(await tom.ask("room.create", {})) == "forbidden"


async def test_captions_are_told_to_all_and_others_words_are_written_by_hosts_alone(talk: Talk) -> None:
    eva = await talk.client("eva")
    room_id = await room_of(eva, kind="consultation")
    tom = await talk.client("tom", guest_of=room_id)
    assert "ok" in await tom.ask("room.join", {"room_id": room_id})
    line = {"room_id": room_id, "line_id": "c1", "text": "Mi tarjeta es 4111 1111 1111 1111", "lang": "es-ES"}
    assert await tom.ask("caption.say", line) == {"ok": {}}
    heard = await seen(eva, "caption.said")
    assert (heard["by"], heard["speaker"], heard["lang"], heard["done"]) == ("tom", "tom", "es-ES", False)
    assert heard["text"] == "Mi tarjeta es •••• 1111"
    assert code(await tom.ask("caption.say", line | {"speaker": "eva"})) == "not_host"
    assert await eva.ask("caption.say", line | {"text": "Claro", "speaker": "tom", "done": True}) == {"ok": {}}
    heard = await seen(tom, "caption.said", by="eva")
    assert (heard["speaker"], heard["text"], heard["done"]) == ("tom", "Claro", True)
    assert code(await eva.ask("caption.say", line | {"speaker": "ana"})) == "not_member"
    assert code(await eva.ask("caption.say", line | {"lang": "no language"})) == "bad_message"
    group = await room_of(eva, kind="group", invited=[{"identity": "ana"}])
    assert code(await eva.ask("caption.say", line | {"room_id": group})) == "no_bridge"
    assert "Mi tarjeta" not in str((await eva.ask("chat.history", {"room_id": room_id}))["ok"]), "nothing of it is kept"
    sealed = await room_of(eva, kind="consultation", encrypted=True)
    assert code(await eva.ask("caption.say", line | {"room_id": sealed})) == "encrypted"


async def test_a_message_sent_twice_is_one_and_changes_are_told(talk: Talk) -> None:
    eva, ana = await talk.client("eva"), await talk.client("ana")
    room_id = await room_of(eva, kind="group", invited=[{"identity": "ana"}])
    said = {"room_id": room_id, "message_id": "m1", "text": "Hola"}
    first, again = await asyncio.gather(eva.ask("chat.message", said), eva.ask("chat.message", said))
    assert first == again
    edited = await eva.ask("chat.edit", {"room_id": room_id, "message_id": "m1", "text": "Adiós"})
    assert edited["ok"]["revision"] == 1
    assert "ok" in await ana.ask("chat.react", {"room_id": room_id, "message_id": "m1", "emoji": "👍"})
    assert "ok" in await ana.ask("chat.read", {"room_id": room_id, "position": 1})
    assert "ok" in await ana.ask("typing.indicator", {"room_id": room_id, "on": True})
    assert (await seen(eva, "typing.indicator"))["people"] == ["ana"]
    assert (await seen(eva, "chat.read"))["position"] == 1
    assert "ok" in await eva.ask("chat.delete", {"room_id": room_id, "message_id": "m1"})
    assert [(each["revision"], each["text"]) for each in await ana.told("chat.message", 4)] == [
        (0, "Hola"),
        (1, "Adiós"),
        (2, "Adiós"),
        (3, ""),
    ]
    assert "ok" in await eva.ask("reaction", {"room_id": room_id, "emoji": "🎉"})
    assert (await seen(ana, "reaction"))["emoji"] == "🎉"


async def test_nobody_reads_the_number_of_a_card(talk: Talk) -> None:
    eva, card = await talk.client("eva"), "4111 1111 1111 1111"
    room_id = await room_of(eva, name=f"Pay {card}", metadata=card)
    said = await eva.ask("chat.message", {"room_id": room_id, "message_id": "m1", "text": f"it is {card} 12/27"})
    assert said["ok"]["text"] == "it is •••• 1111 12/27"
    edited = await eva.ask("chat.edit", {"room_id": room_id, "message_id": "m1", "text": card})
    assert edited["ok"]["text"] == "•••• 1111"
    rooms = (await eva.ask("room.list"))["ok"]["rooms"]
    assert [(room["name"], room["metadata"]) for room in rooms] == [("Pay •••• 1111", "•••• 1111")]


async def test_a_page_that_opens_sees_its_rooms_what_is_unread_and_who_waits(talk: Talk) -> None:
    eva, ana = await talk.client("eva"), await talk.client("ana")
    group = await room_of(eva, kind="group", invited=[{"identity": "ana"}])
    silent = await room_of(eva, kind="direct", invited=[{"identity": "ana"}])
    for at in range(3):
        await eva.ask("chat.message", {"room_id": group, "message_id": f"m{at}", "text": f"{at}"})
    await ana.ask("chat.message", {"room_id": group, "message_id": "mine", "text": "mine"})
    await ana.ask("chat.read", {"room_id": group, "position": 1})
    gists = {each["room_id"]: each for each in (await ana.ask("chat.overview"))["ok"]["rooms"]}
    assert (gists[group]["last"]["text"], gists[group]["read"], gists[group]["unread"]) == ("mine", 1, 2)
    assert (gists[silent]["last"], gists[silent]["unread"]) == (None, 0)
    meeting = await room_of(eva, waiting_room=True, invited=[{"identity": "ana"}])
    assert (await seen(ana, "room.invited"))["room"]["room_id"] == meeting
    tom = await talk.client("tom", guest_of=meeting)
    await tom.ask("room.join", {"room_id": meeting})
    hers, his = (await eva.ask("room.list"))["ok"], (await ana.ask("room.list"))["ok"]
    assert [(each["room_id"], [one["identity"] for one in each["waiting"]]) for each in hers["waiting"]] == [(meeting, ["tom"])]
    assert ([each["room_id"] for each in his["invitations"]], his["waiting"]) == ([meeting], [])
    assert "ok" in await ana.ask("room.join", {"room_id": meeting})
    assert (await ana.ask("room.list"))["ok"]["invitations"] == []
    assert [each["name"] for each in (await ana.ask("people.list"))["ok"]["people"]] == ["Ana", "Eva"]
    assert code(await tom.ask("people.list")) == "forbidden"


async def test_history_comes_page_by_page_and_survives_a_restart(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        eva = await talk.client("eva")
        room_id = await room_of(eva, kind="direct", invited=[{"identity": "ana"}])
        assert await room_of(eva, kind="direct", invited=[{"identity": "ana"}]) == room_id
        for at in range(5):
            await eva.ask("chat.message", {"room_id": room_id, "message_id": f"m{at}", "text": f"{at}"})
        await eva.ask("chat.read", {"room_id": room_id, "position": 4})
    async with talking(tmp_path) as talk:
        ana = await talk.client("ana")
        assert [room["room_id"] for room in (await ana.ask("room.list"))["ok"]["rooms"]] == [room_id]
        assert talk.events == [], "nobody joined: they are where they were"
        page = (await ana.ask("chat.history", {"room_id": room_id, "limit": 2}))["ok"]
        assert ([each["text"] for each in page["messages"]], page["more"], page["read"]) == (["3", "4"], True, {"eva": 4})
        page = (await ana.ask("chat.history", {"room_id": room_id, "before": 4, "limit": 3}))["ok"]
        assert ([each["text"] for each in page["messages"]], page["more"]) == (["0", "1", "2"], False)
        page = (await ana.ask("chat.history", {"room_id": room_id, "after": 4}))["ok"]
        assert [each["text"] for each in page["messages"]] == ["4"]
        said = (await ana.ask("chat.message", {"room_id": room_id, "message_id": "n", "text": "x"}))["ok"]
        assert said["position"] == 6


async def test_a_guest_comes_by_a_link_until_it_is_taken_back(talk: Talk) -> None:
    async with AsyncExitStack() as stack:
        await talk.serve_http(stack)
        http = await stack.enter_async_context(ClientSession())

        async def enter(link: str, device: str) -> dict[str, Any]:
            async with http.post(f"{talk.url}/api/v1/guests", json={"link": link, "name": "Tom", "device": device}) as response:
                answer: dict[str, Any] = await response.json()
                return answer

        eva = await talk.client("eva")
        room_id, other = await room_of(eva, waiting_room=True), await room_of(eva)
        link = (await eva.ask("room.link", {"room_id": room_id}))["ok"]
        assert b"eva" not in base64.urlsafe_b64decode(link["token"].split(".")[1] + "==")
        first, again, second = [await enter(link["token"], device * 16) for device in ("a", "a", "b")]
        assert first["identity"] == again["identity"] != second["identity"] and first["role"] == "customer"
        tom = await talk.hub.client("tom", token=first["token"])
        assert (await tom.ask("room.join", {"room_id": room_id}))["ok"]["waiting"] is True
        assert code(await tom.ask("room.join", {"room_id": other})) == code(await tom.ask("room.link", {"room_id": other})) == "forbidden"
        assert code(await tom.ask("room.link", {"room_id": room_id})) == "not_host"
        known = (await eva.ask("room.links", {"room_id": room_id}))["ok"]["links"]
        assert [(each["link_id"], each["expires_at"]) for each in known] == [(link["link_id"], link["expires_at"])]
        assert code(await tom.ask("room.links", {"room_id": room_id})) == "not_host"
        assert "ok" in await eva.ask("room.unlink", {"room_id": room_id, "link_id": link["link_id"]})
        assert (await enter(link["token"], "c" * 16))["code"] == "link_revoked"
        assert (await enter(talk.links.issue("none", talk.rooms.now() + 60).token, "c" * 16))["code"] == "unknown_room"
        last = (await eva.ask("room.link", {"room_id": room_id}))["ok"]
        assert "ok" in await eva.ask("room.end", {"room_id": room_id})
        assert (await enter(last["token"], "c" * 16))["code"] == "room_over"


async def test_what_was_acknowledged_while_the_database_was_away_is_in_the_history(talk: Talk) -> None:
    eva = await talk.client("eva")
    room_id = await room_of(eva)
    await eva.ask("chat.message", {"room_id": room_id, "message_id": "m0", "text": "0"})
    async with talk.store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE messages RENAME TO messages_away"))
    for at in (1, 2):
        assert (await eva.ask("chat.message", {"room_id": room_id, "message_id": f"m{at}", "text": f"{at}"}))["ok"]["position"] == at + 1
    assert code(await eva.ask("chat.history", {"room_id": room_id})) == "store_unavailable"
    async with talk.store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE messages_away RENAME TO messages"))
    async with asyncio.timeout(30):
        while len((await eva.ask("chat.history", {"room_id": room_id}))["ok"]["messages"]) < 3:
            pass


def device(label: str, person: str = "") -> dict[str, str]:
    """A device as a page makes it. ``person``: whose it is; by default the label's."""

    def text(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    drawn = [ec.derive_private_key(int.from_bytes((label + each).encode()), ec.SECP256R1()) for each in "sw"]
    sign, wrap = (text(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)) for key in drawn)
    name = device_id_of(sign, wrap)
    said = json.dumps(["centralita device 1", person or label, name, sign, wrap], separators=(",", ":")).encode()
    numbers = decode_dss_signature(drawn[0].sign(said, ec.ECDSA(SHA256())))
    signature = text(b"".join(number.to_bytes(32) for number in numbers))
    return {"device_id": str(name), "label": label, "sign_key": sign, "wrap_key": wrap, "signature": signature}


def sealed_by(of: dict[str, str], epoch: int) -> str:
    return f"1.{epoch}.{of['device_id']}.{'n' * 16}.{'w' * 40}.{'s' * 86}"


def new_key(room_id: str, epoch: int, by: dict[str, str], *readers: dict[str, str]) -> dict[str, Any]:
    packages = {each["device_id"]: "key-for." + each["device_id"] for each in readers}
    announced = {"announcement": "YQ", "signature": "s" * 86}
    return {"room_id": room_id, "epoch": epoch, "device_id": by["device_id"], "packages": packages, **announced}


async def test_an_encrypted_room_takes_only_what_is_under_the_key_of_those_who_are_in(talk: Talk) -> None:
    eva, ana, tom = await talk.client("eva"), await talk.client("ana"), await talk.client("tom")
    hers, his, other = device("eva"), device("ana"), device("elsewhere", "ana")
    room_id = await room_of(eva, kind="group", encrypted=True, invited=[{"identity": "ana"}])
    said = {"room_id": room_id, "message_id": "m"}
    for words in ({"text": "Hola"}, {"cipher": "Hola"}, {"text": "Hola", "cipher": sealed_by(hers, 1)}, {}):
        assert code(await eva.ask("chat.message", said | words)) == "encrypted"
    off_the_curve = hers["wrap_key"][:-4] + "AAAA"
    lame = hers | {"wrap_key": off_the_curve, "device_id": device_id_of(hers["sign_key"], off_the_curve)}
    for wrong in (his, his | {"sign_key": hers["sign_key"]}, hers | {"signature": his["signature"]}, hers | {"signature": "A" * 86}, lame):
        assert code(await eva.ask("device.add", wrong)) == "bad_device"
    for client, owned in ((eva, hers), (ana, his)):
        assert "ok" in await client.ask("device.add", owned)
        assert "ok" in await client.ask("device.add", owned), "said twice it is one"
    assert code(await eva.ask("chat.message", said | {"cipher": sealed_by(hers, 1)})) == "keys_outdated"
    asked = {"room_id": room_id, "device_id": his["device_id"]}
    state = (await ana.ask("room.keys", asked))["ok"]
    assert (state["epoch"], state["current"], [each["identity"] for each in state["devices"]]) == (0, False, ["eva", "ana"])
    assert code(await eva.ask("room.keys", asked)) == "unknown_device", "not hers"
    assert code(await eva.ask("room.key", new_key(room_id, 1, hers, hers))) == "keys_outdated", "somebody is missing"
    assert code(await eva.ask("room.key", new_key(room_id, 1, hers, hers, his, device("tom")))) == "keys_outdated"
    assert "ok" in await eva.ask("room.key", new_key(room_id, 1, hers, hers, his))
    assert code(await ana.ask("room.key", new_key(room_id, 1, his, hers, his))) == "keys_outdated", "the first counts"
    assert (await seen(ana, "room.key"))["epoch"] == 1
    state = (await ana.ask("room.keys", asked))["ok"]
    assert [each["package"] for each in state["epochs"]] == ["key-for." + his["device_id"]] and state["current"]
    assert code(await eva.ask("chat.message", said | {"cipher": sealed_by(his, 1)})) == "keys_outdated", "not her device"
    assert "ok" in await eva.ask("chat.message", said | {"cipher": sealed_by(hers, 1)})
    assert code(await ana.ask("chat.react", {"room_id": room_id, "message_id": "m", "emoji": "👍"})) == "encrypted"
    assert code(await eva.ask("chat.edit", said | {"text": "Hola"})) == "encrypted"
    assert "ok" in await ana.ask("device.add", other)
    again = said | {"message_id": "n", "cipher": sealed_by(hers, 1)}
    assert code(await eva.ask("chat.message", again)) == "keys_outdated", "a device came"
    assert "ok" in await eva.ask("room.key", new_key(room_id, 2, hers, hers, his, other))
    assert "ok" in await ana.ask("device.remove", {"device_id": other["device_id"]})
    assert code(await eva.ask("chat.message", again | {"cipher": sealed_by(hers, 2)})) == "keys_outdated", "a device went"
    assert "ok" in await ana.ask("room.leave", {"room_id": room_id})
    assert code(await ana.ask("room.keys", asked)) == "unknown_room"
    assert "ok" in await eva.ask("room.key", new_key(room_id, 3, hers, hers))
    assert "ok" in await eva.ask("chat.message", again | {"cipher": sealed_by(hers, 3)})
    assert [each["label"] for each in (await ana.ask("device.list"))["ok"]["devices"]] == ["ana"]
    wanted = {"room_id": room_id, "name": "plan.txt", "content_type": "text/plain", "size": 4}
    assert code(await eva.ask("chat.attach", wanted)) == "encrypted"
    assert "ok" in await eva.ask("chat.attach", wanted | {"name": "sealed", "content_type": "application/octet-stream"})
    assert code(await tom.ask("room.key", new_key(room_id, 4, hers, hers))) == "unknown_room"
    plain = await room_of(eva, kind="group")
    assert code(await eva.ask("room.keys", {"room_id": plain, "device_id": hers["device_id"]})) == "not_encrypted"
    assert code(await eva.ask("chat.message", {"room_id": plain, "message_id": "p", "cipher": sealed_by(hers, 3)})) == "not_encrypted"
    meeting = await room_of(tom, encrypted=True)
    assert code(await tom.ask("room.link", {"room_id": meeting})) == "encrypted", "guests have no keys"


async def test_a_file_goes_to_members_alone_as_a_download(talk: Talk) -> None:
    async with AsyncExitStack() as stack:
        await talk.serve_http(stack)
        http = await stack.enter_async_context(ClientSession())
        eva, ana = await talk.client("eva"), await talk.client("ana")
        room_id = await room_of(eva, kind="group", invited=[{"identity": "ana"}])
        wanted = {"room_id": room_id, "name": "../..\\<plan>.txt", "content_type": "text/plain", "size": 4}
        ticket = (await eva.ask("chat.attach", wanted))["ok"]
        plain = {"Content-Type": "text/plain"}
        async with http.post(talk.url + ticket["url"], data=b"longer", headers=plain) as response:
            assert (await response.json())["code"] == "upload_refused"
        async with http.post(talk.url + ticket["url"][:-3] + "AAA", data=b"plan", headers=plain) as response:
            assert (await response.json())["code"] == "upload_refused"
        async with http.post(talk.url + ticket["url"], data=b"plan", headers=plain) as response:
            assert response.status == 201
        async with http.post(talk.url + ticket["url"], data=b"evil", headers=plain) as response:
            assert (await response.json())["code"] == "upload_refused"
        message = {"room_id": room_id, "message_id": "m", "attachments": [ticket["attachment_id"]]}
        assert code(await ana.ask("chat.message", message)) == "unknown_attachment", "another one's file is not hers to send"
        assert [file["name"] for file in (await eva.ask("chat.message", message))["ok"]["attachments"]] == ["plan.txt"]
        address = f"{talk.url}/api/v1/attachments/{ticket['attachment_id']}"
        async with http.get(address, headers={"Authorization": f"Bearer {talk.token('ana')}"}) as response:
            assert (response.status, await response.read()) == (200, b"plan")
            assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''plan.txt"
        async with http.get(address, headers={"Authorization": f"Bearer {talk.token('tom')}"}) as response:
            assert (response.status, (await response.json())["code"]) == (403, "unknown_attachment")
        large = (await eva.ask("chat.attach", wanted | {"size": LARGEST - 3}))["ok"]
        async with http.post(talk.url + large["url"], data=b"x" * (LARGEST - 3), headers=plain) as response:
            assert (await response.json())["code"] == "files_full"
        (kept,) = (talk.folder / "attachments").iterdir()
        assert kept.name != "plan.txt" and kept.suffix == "" and b"plan" not in kept.read_bytes()


@pytest.mark.parametrize(
    ("refused", "asked"),
    [("bad_type", {"content_type": "text/html"}), ("bad_type", {"content_type": "image/svg+xml"}), ("too_large", {"size": LARGEST + 1})],
)
async def test_what_may_not_be_uploaded(talk: Talk, refused: str, asked: dict[str, Any]) -> None:
    eva = await talk.client("eva")
    wanted = {"room_id": await room_of(eva), "name": "a", "content_type": "text/plain", "size": 1}
    assert code(await eva.ask("chat.attach", wanted | asked)) == refused


async def test_who_loses_the_connection_is_away_and_then_out(tmp_path: Path) -> None:
    async with talking(tmp_path, policy=HousePolicy(away_s=0.1)) as talk:
        eva, ana = await talk.client("eva"), await talk.client("ana")
        room_id = await room_of(eva, invited=[{"identity": "ana"}])
        await ana.ask("room.join", {"room_id": room_id})
        await ana.socket.disconnect()
        states = [[one["state"] for one in notice["members"]] for notice in await eva.told("room.state", 4)]
        assert states == [["in"], ["in", "in"], ["in", "away"], ["in"]]


# --- rooms that are over ------------------------------------------------------------------------------------------------------------------


async def over(talk: Talk) -> tuple[Client, Client, str]:
    """Eva and Ana wrote in a room with a file, Tom was put out of it; it is over."""
    eva, ana, tom = [await talk.client(name) for name in ("eva", "ana", "tom")]
    invited = [{"identity": "ana"}, {"identity": "tom"}]
    room_id = await room_of(eva, name="Lisbon", invited=invited)
    for client in (ana, tom):
        assert "ok" in await client.ask("room.join", {"room_id": room_id})
    await eva.ask("chat.message", {"room_id": room_id, "message_id": "m1", "text": "The flight is at nine"})
    await ana.ask("chat.message", {"room_id": room_id, "message_id": "m2", "text": "Thank you"})
    await ana.ask("chat.react", {"room_id": room_id, "message_id": "m1", "emoji": "👍", "on": True})
    await eva.ask("room.kick", {"room_id": room_id, "identity": "tom"})
    assert "ok" in await eva.ask("room.end", {"room_id": room_id})
    assert code(await tom.ask("chat.history", {"room_id": room_id})) == "unknown_room", "a host put him out"
    return eva, ana, room_id


async def test_a_room_that_is_over_is_read_by_who_was_in_it_until_its_time_is_up(talk: Talk) -> None:
    eva, ana, room_id = await over(talk)
    (past,) = (await ana.ask("room.past"))["ok"]["rooms"]
    assert (past["room_id"], past["name"], past["reason"]) == (room_id, "Lisbon", "finished")
    page = (await ana.ask("chat.history", {"room_id": room_id}))["ok"]
    assert [message["text"] for message in page["messages"]] == ["The flight is at nine", "Thank you"]
    assert (await ana.ask("room.past", {"before": past["ended_at"]}))["ok"] == {"rooms": [], "more": False}
    lou = await talk.client("lou")
    assert code(await lou.ask("chat.history", {"room_id": room_id})) == "unknown_room"
    assert code(await eva.ask("chat.message", {"room_id": room_id, "message_id": "m3", "text": "late"})) == "room_over"
    await talk.past.look_after()
    assert "ok" in await ana.ask("chat.history", {"room_id": room_id}), "its time is not up"
    talk.later_s = KEEP_S + 1
    await talk.past.look_after()
    assert code(await ana.ask("chat.history", {"room_id": room_id})) == "unknown_room"
    assert (await ana.ask("room.past"))["ok"]["rooms"] == []
    assert talk.notes == [("rooms_erased", "", "", "1 rooms, 2 messages, 0 files")]
    await talk.past.look_after()
    assert len(talk.notes) == 1, "what is erased is not erased again"
    assert await remains(talk, "flight", "Lisbon", room_id) == []


async def test_old_messages_of_a_room_that_goes_on_are_erased_and_the_next_one_counts_on(talk: Talk) -> None:
    eva = await talk.client("eva")
    room_id = await room_of(eva, kind="group", name="Hotels")
    for number in range(3):
        await eva.ask("chat.message", {"room_id": room_id, "message_id": f"m{number}", "text": f"old {number}"})
    talk.later_s = KEEP_S + 60
    await talk.past.look_after()
    page = (await eva.ask("chat.history", {"room_id": room_id}))["ok"]
    assert [(message["position"], message["text"]) for message in page["messages"]] == [(3, "")]
    said = (await eva.ask("chat.message", {"room_id": room_id, "message_id": "new", "text": "new"}))["ok"]
    assert said["position"] == 4
    assert talk.notes == [("chat_erased", "", "", "1 rooms, 3 messages, 0 files")]
    assert await remains(talk, "old 0", "old 2") == []


async def test_what_a_person_wrote_is_erased_on_request_and_their_name_with_it(talk: Talk) -> None:
    eva, _, room_id = await over(talk)
    group = await room_of(eva, kind="group", invited=[{"identity": "ana"}])
    file = Attachment("f", group, "ana", "passport.pdf", "application/pdf", 3, "a" * 32, 1.0)
    await talk.store.rooms.add_attachment(file)
    folder = talk.folder / "attachments"
    folder.mkdir()
    (folder / file.file).write_bytes(b"pdf")
    await eva.ask("chat.message", {"room_id": group, "message_id": "m", "text": "mine stays"})
    assert await talk.past.erase_person("ana", "root") == 1
    page = (await eva.ask("chat.history", {"room_id": room_id}))["ok"]
    assert [(m["sender"], m["name"], m["text"], m["reactions"]) for m in page["messages"]] == [
        ("eva", "Eva", "The flight is at nine", {}),
        ("", "", "", {}),
    ]
    assert [m["text"] for m in (await eva.ask("chat.history", {"room_id": group}))["ok"]["messages"]] == ["mine stays"]
    assert not list(folder.iterdir()) and await talk.store.rooms.attachment("f") is None
    assert talk.notes == [("chat_erased", "ana", "root", "1 rooms, 1 messages, 1 files")]
    assert await remains(talk, "Thank you", "passport") == []
    # Who has the message in memory still, and changes it, brings nothing back.
    await talk.store.rooms.keep([message_entry(Message(room_id, "m2", 2, "ana", "Ana", 1.0, text="Thank you", revision=7))])
    assert await remains(talk, "Thank you") == []


async def remains(talk: Talk, *words: str) -> list[str]:
    """Which of these are in any table of rooms."""
    tables = ("rooms", "room_people", "messages", "read_marks", "attachments")
    async with talk.store._engine.connect() as connection:
        kept = "".join([repr((await connection.execute(text(f"SELECT * FROM {table}"))).all()) for table in tables])
    return [word for word in words if word in kept]
