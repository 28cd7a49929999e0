"""Events posted to a receiver that does not always take them."""

import asyncio
import base64
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp import web

from api.happenings import Happening
from api.rooms import RoomEvent
from api.store import Store
from api.webhook_endpoint import Endpoint
from api.webhook_settings import WebhookSettings
from api.webhooks import Webhooks
from rooms.causes import Cause, EndReason
from rooms.membership import Room, RoomKind
from rooms.record import CallRecord, CallState
from signaling.refusal import Refusal
from tests.kit.vaults import vault_of

SECRET = "a secret that receivers have too: 0123456789"
NOW = 1_800_000_000.0


class Receiver:
    """Answers with ``statuses`` in turn, then 200. ``posts``: headers and body of each."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._came = asyncio.Condition()

    async def _post(self, request: web.Request) -> web.Response:
        async with self._came:
            self.posts.append((dict(request.headers), await request.read()))
            self._came.notify_all()
        status = self._statuses.pop(0) if self._statuses else 200
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:9/"} if status == 307 else {})

    async def came(self, count: int) -> None:
        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(lambda: len(self.posts) >= count)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/hook", self._post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/hooks.sqlite3", vault=vault_of(tmp_path)) as store:
        yield store


def settings(*urls: str, **more: Any) -> WebhookSettings:
    return WebhookSettings(urls=urls, key="travel", secret=SECRET, **({"allow_private": True, "first_retry_s": 0.01} | more))


def clock() -> float:
    return NOW + asyncio.get_running_loop().time()


def event(event_id: str = "e1") -> RoomEvent:
    room = Room("r", RoomKind.MEETING, "Viaje", "eva", NOW, 8, "{}")
    return RoomEvent(event_id, "participant_joined", room, NOW, "tom", "Tom")


async def settled(store: Store) -> None:
    async with asyncio.timeout(30):
        while await store.webhooks.waiting():
            pass


async def test_an_event_is_posted_until_it_is_taken_and_signed_each_time(store: Store) -> None:
    async with Receiver(500, 307).serving() as receiver:
        hooks = Webhooks(store.webhooks, settings(receiver.url), now=clock)
        async with hooks:
            hooks.tell_room(event())
            await receiver.came(3)
            await settled(store)
        assert len({(headers["ce-id"], body) for headers, body in receiver.posts}) == 1, "the same event each time"
        headers, body = receiver.posts[-1]
        assert msgspec.json.decode(body) == {
            "event": "participant_joined",
            "id": "e1",
            "createdAt": int(NOW),
            "room": {
                **{"sid": "r", "name": "Viaje", "metadata": "{}", "numParticipants": 0, "maxParticipants": 8},
                "creationTime": int(NOW),
            },
            "participant": {"identity": "tom", "name": "Tom"},
        }
        assert headers["Content-Type"] == "application/webhook+json"
        assert (headers["ce-id"], headers["ce-type"], headers["ce-specversion"]) == ("e1", "centralita.participant_joined", "1.0")
        assert headers["ce-source"] == "/centralita" and headers["ce-time"].endswith("+00:00")
        claims = jwt.decode(headers["Authorization"], SECRET, algorithms=["HS256"], options={"verify_nbf": False, "verify_exp": False})
        assert claims["iss"] == "travel" and claims["sha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert 0 < claims["exp"] - clock() <= 300
        assert hooks.counts == {"taken": 1, "put_off": 2}


async def test_what_was_not_taken_is_posted_after_a_restart(store: Store) -> None:
    async with Receiver(503).serving() as receiver:
        async with Webhooks(store.webhooks, settings(receiver.url, first_retry_s=3600.0), now=clock) as hooks:
            hooks.tell_room(event())
            await receiver.came(1)
            async with asyncio.timeout(30):
                while not hooks.counts["put_off"]:
                    await store.webhooks.waiting()
        assert await store.webhooks.waiting() == {receiver.url: 1}
        async with Webhooks(store.webhooks, settings(receiver.url), now=lambda: clock() + 4_000.0):
            await receiver.came(2)
            await settled(store)
    assert [headers["ce-id"] for headers, _ in receiver.posts] == ["e1", "e1"]


@pytest.mark.parametrize("url", ["{url}", "http://localhost:{port}/hook"])
async def test_nothing_is_sent_into_a_private_network(store: Store, url: str) -> None:
    async with Receiver().serving() as receiver:
        address = url.format(url=receiver.url, port=receiver.url.split(":")[2].split("/")[0])
        async with Webhooks(store.webhooks, settings(address, allow_private=False, first_retry_s=3600.0), now=clock) as hooks:
            hooks.tell_room(event())
            async with asyncio.timeout(30):
                while not hooks.counts["put_off"]:
                    await store.webhooks.waiting()
    assert receiver.posts == []


async def test_an_old_event_is_given_up_and_a_full_outbox_takes_no_more(store: Store) -> None:
    async with Receiver(500).serving() as receiver:
        async with Webhooks(store.webhooks, settings(receiver.url, give_up_s=0.0), now=clock) as hooks:
            hooks.tell_room(event())
            await receiver.came(1)
            await settled(store)
        assert hooks.counts == {"given_up": 1}
        async with Webhooks(store.webhooks, settings(receiver.url, most_waiting=0), now=clock) as hooks:
            hooks.tell_room(event("e2"))
        assert hooks.counts == {"dropped": 1}


async def test_a_call_is_told_once_per_step(store: Store) -> None:
    async with Receiver().serving() as receiver:
        async with Webhooks(store.webhooks, settings(receiver.url), now=clock) as hooks:
            ended = Cause(EndReason.COMPLETED)
            for answered, over, cause in ((None, None, None), (None, None, None), (2.0, None, None), (2.0, 9.0, ended)):
                state = CallState.ENDED if over else CallState.LIVE if answered else CallState.RINGING
                record = CallRecord("c", "in", "+34600111222", "", "900", "ana", state, 1.0, answered, over, cause, ())
                hooks.tell_call(record, lambda at: NOW + at)
            await receiver.came(3)
            await settled(store)
        told = [msgspec.json.decode(body) for _, body in receiver.posts]
        assert sorted(each["id"] for each in told) == ["c-call_answered", "c-call_ended", "c-call_started"]
        last = next(each["call"] for each in told if each["event"] == "call_ended")
        assert (last["answeredAt"], last["endedAt"], last["reason"]) == (NOW + 2.0, NOW + 9.0, "completed")


# --- order ----------------------------------------------------------------------------------------------------


class Choosy(Receiver):
    """Refuses each event of ``refuses`` so many times, or until it has taken another one of this name."""

    def __init__(self, **refuses: int | str) -> None:
        super().__init__()
        self.refuses = refuses
        self.refused = 0

    async def _post(self, request: web.Request) -> web.Response:
        name = request.headers["ce-id"]
        match self.refuses.get(name, 0):
            case str(other) if other not in (headers["ce-id"] for headers, _ in self.posts):
                pass
            case int(left) if left > 0:
                self.refuses[name] = left - 1
            case _:
                return await super()._post(request)
        self.refused += 1
        return web.Response(status=503)

    def taken(self, subject: str) -> list[str]:
        return [headers["ce-id"] for headers, _ in self.posts if headers["ce-subject"] == subject]


def of_room(room_id: str, number: int) -> RoomEvent:
    room = Room(room_id, RoomKind.MEETING, "Viaje", "eva", NOW, 8, "{}")
    return RoomEvent(f"{room_id}{number}", "participant_joined", room, NOW, "tom", "Tom")


async def test_events_of_one_room_keep_their_order_and_hold_up_no_other_room(store: Store) -> None:
    async with Choosy(a0="c4", a2=1, b1=1).serving() as receiver:
        async with Webhooks(store.webhooks, settings(receiver.url, longest_retry_s=0.2), now=clock) as hooks:
            for number in range(5):
                for room_id in "abc":
                    hooks.tell_room(of_room(room_id, number))
            await receiver.came(15)
            await settled(store)
        assert isinstance(receiver, Choosy)
        for room_id in "abc":
            assert receiver.taken(room_id) == [f"{room_id}{number}" for number in range(5)]
        # The first room's first event was taken only after the third room's last: nobody waited for it.
        numbers = {headers["ce-id"]: headers["ce-sequence"] for headers, _ in receiver.posts}
        assert sorted(numbers, key=lambda name: numbers[name]) == [f"{room}{number}" for number in range(5) for room in "abc"]
        assert hooks.counts == {"taken": 15, "put_off": receiver.refused} and receiver.refused >= 3


async def test_one_node_at_a_time_posts_to_a_receiver(store: Store) -> None:
    async with Choosy().serving() as receiver:
        async with Webhooks(store.webhooks, settings(receiver.url), now=clock, node="one") as one:
            one.tell_room(of_room("a", 0))
            await receiver.came(1)
            async with Webhooks(store.webhooks, settings(receiver.url), now=clock, node="two") as two:
                two.tell_room(of_room("b", 0))
                await receiver.came(2)
                await settled(store)
                assert (one.counts["taken"], two.counts["taken"]) == (2, 0)
        async with Webhooks(store.webhooks, settings(receiver.url), now=clock, node="two") as two:  # the other has let go of it
            two.tell_room(of_room("b", 1))
            await receiver.came(3)
            await settled(store)
        assert two.counts["taken"] == 1


async def test_a_dead_receiver_is_cut_off_with_a_reason_and_resumed_by_an_administrator(store: Store) -> None:
    later = [0.0]
    async with Choosy(a0=10**6).serving() as receiver:
        patience = settings(receiver.url, first_retry_s=0.01, give_up_s=1_000.0)
        async with Webhooks(store.webhooks, patience, now=lambda: clock() + later[0]) as hooks:

            async def until(state: str) -> tuple[Endpoint, int]:
                async with asyncio.timeout(30):
                    while (found := (await hooks.endpoints())[0])[0].state != state:
                        pass
                return found

            hooks.tell_room(of_room("a", 0))
            failing, waiting = await until("failing")
            assert (failing.fault, waiting) == ("it answered 503", 1)
            later[0] = 1_001.0
            cut_off, _ = await until("cut off")
            await settled(store)
            assert cut_off.failing_since is not None and cut_off.cut_off_at is not None
            hooks.tell_room(of_room("a", 1))
            async with asyncio.timeout(30):
                while not hooks.counts["dropped"]:
                    await store.webhooks.waiting()
            assert receiver.posts == [] and hooks.counts["given_up"] == 1
            assert await hooks.resume(receiver.url) and not await hooks.resume("https://nobody.example")
            assert (await hooks.endpoints())[0][0].state == "well"
            hooks.tell_room(of_room("a", 2))
            await receiver.came(1)
            async with asyncio.timeout(30):
                while (await hooks.endpoints())[0][0].taken_at is None:
                    pass


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.loopback.test_webhooks import Store, Webhooks, clock, of_room, settings
from tests.kit.vaults import vault_of

async def main():
    never = settings(sys.argv[3], first_retry_s=3600.0)
    async with Store.open(sys.argv[2], vault=vault_of(Path(sys.argv[4]))) as store, Webhooks(store.webhooks, never, now=clock) as hooks:
        for number in range(4):
            hooks.tell_room(of_room("a", number))
        while (await store.webhooks.waiting()).get(sys.argv[3]) != 4 or not hooks.counts["put_off"]:
            await asyncio.sleep(0.01)
        print("kept", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_was_kept_survives_kill_and_comes_in_order(store: Store, tmp_path: Path) -> None:
    async with Choosy(a0=1).serving() as receiver:
        root, url = str(Path(__file__).parents[2]), f"sqlite:///{tmp_path}/hooks.sqlite3"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, root, url, receiver.url, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(120):  # it imports the whole program first
                while (line := await process.stdout.readline()) != b"kept\n":
                    assert line, "it ended by itself"
        finally:
            process.kill()
            await process.communicate()
        async with Webhooks(store.webhooks, settings(receiver.url), now=lambda: clock() + 4_000.0):
            await receiver.came(4)
            await settled(store)
        assert [headers["ce-id"] for headers, _ in receiver.posts] == ["a0", "a1", "a2", "a3"]


async def test_what_was_told_can_be_had_again_behind_a_cursor_and_posted_once_more(store: Store, tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        kept = settings(receiver.url, keep_s=3_600.0, structured=True)
        async with Webhooks(store.webhooks, kept, now=clock) as hooks:
            for number in range(3):
                hooks.tell_room(of_room("a", number))
            missed = Happening("call.missed", "c1", NOW, {"caller": "+34600111222"}, happening_id="c1-call.missed")
            for _ in range(2):
                hooks.hear(missed)
            hooks.hear(Happening("call.ended", "c1", NOW, {}))
            await receiver.came(4)
            await settled(store)
            first, cursor = await hooks.told(0, 3)
            rest, last = await hooks.told(cursor, 3)
            assert [event.id for event in (*first, *rest)] == ["a0", "a1", "a2", "c1-call.missed"] and (cursor, last) == (3, 4)
            assert await hooks.told(last, 3) == ([], 4)
            assert msgspec.json.decode(rest[0].data)["facts"] == {"caller": "+34600111222"}
            assert {headers["Content-Type"] for headers, _ in receiver.posts} == {"application/cloudevents+json"}
            posted = {body["id"]: body for body in (msgspec.json.decode(body) for _, body in receiver.posts)}
            assert {**posted["c1-call.missed"], "cursor": 4} == msgspec.json.decode(msgspec.json.encode(rest[0]))
            assert await hooks.replay(receiver.url, 2, 10) == (2, 4)
            await receiver.came(6)
            assert sorted(msgspec.json.decode(body)["id"] for _, body in receiver.posts[-2:]) == ["a2", "c1-call.missed"]
            with pytest.raises(Refusal, match="This address is not"):
                await hooks.replay("https://nobody.example", 0, 10)
            await store.webhooks.told.prune(NOW + 1e9)
            hooks.tell_room(of_room("a", 9))
            await receiver.came(7)
            with pytest.raises(Refusal) as gone:
                await hooks.told(1, 10)
            assert gone.value.code == "cursor_gone" and (await hooks.told(4, 10))[1] == 5
        assert not await asyncio.to_thread(
            lambda: any(b"+34600111222" in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        )
