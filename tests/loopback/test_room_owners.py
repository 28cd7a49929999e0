"""Rooms over two whole nodes with one Redis and one database: commands and chat from either, and what happens when their node is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.store.errors import StoreFenced
from api.store.room_rows import message_entry
from rooms.chat import Message
from signaling.bus import BusState
from tests.kit.bus import HURRY
from tests.kit.hub import Client
from tests.kit.node import Node, running_node, until
from tests.kit.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
async def pair(server: RedisServer, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    async with running_node(server.url, "one", tmp_path) as one, running_node(server.url, "two", tmp_path) as two:
        await until(lambda: one.nodes.others == ("two",) and two.nodes.others == ("one",))
        yield one, two


async def ok(client: Client, event: str, **payload: Any) -> Any:
    answer = await client.ask(event, payload)
    assert "ok" in answer, answer
    return answer["ok"]


async def refused(client: Client, event: str, **payload: Any) -> str:
    answer = await client.ask(event, payload)
    code: str = answer["error"]["code"]
    return code


async def seen(client: Client, type_: str, **values: Any) -> dict[str, Any]:
    return await client.seen(type_, **values)


def members(state: dict[str, Any]) -> dict[str, str]:
    return {one["identity"]: one["state"] for one in state["members"]}


async def say(client: Client, room_id: str, number: int) -> int:
    position: int = (await ok(client, "chat.message", room_id=room_id, message_id=f"m{number}", text=str(number)))["position"]
    return position


async def words(client: Client, room_id: str) -> list[str]:
    return [message["text"] for message in (await ok(client, "chat.history", room_id=room_id))["messages"]]


async def test_a_room_is_one_from_both_nodes(pair: tuple[Node, Node]) -> None:
    one, two = pair
    eva, tom = await one.client("eva"), await two.client("tom")
    group = (await ok(eva, "room.create", kind="group", invited=[{"identity": "tom"}]))["room_id"]
    assert members(await seen(tom, "room.state", room_id=group)) == {"eva": "in", "tom": "in"}
    assert one.owners.held == 1 and two.owners.held == 0
    said = await asyncio.gather(*(say(client, group, 2 * number + turn) for number in range(5) for turn, client in enumerate((eva, tom))))
    assert sorted(said) == list(range(1, 11)), "one order"
    told = [[(each["seq"], each["text"]) for each in await client.told("chat.message", 10)] for client in (eva, tom)]
    assert told[0] == told[1], "and both hear it in that order, under the same numbers"
    assert await words(tom, group) == await words(eva, group) == [text for _, text in told[0]]
    edited = await ok(tom, "chat.edit", room_id=group, message_id="m1", text="uno")
    assert (await seen(eva, "chat.message", message_id="m1", revision=1))["text"] == edited["text"] == "uno"
    await ok(tom, "chat.read", room_id=group, position=3)
    assert (await seen(eva, "chat.read"))["identity"] == "tom"
    await ok(tom, "typing.indicator", room_id=group, on=True)
    await seen(eva, "typing.indicator", people=["tom"])
    assert await refused(tom, "room.kick", room_id=group, identity="eva") == "not_host", "its node decides"
    (listed,) = (await ok(tom, "room.list"))["rooms"]
    assert listed["room_id"] == group
    await ok(eva, "room.end", room_id=group)
    assert (await seen(tom, "room.exit", room_id=group))["reason"] == "ended"
    assert await refused(tom, "chat.read", room_id=group, position=4) == "room_over"
    assert (await words(tom, group))[-1] == told[0][-1][1], "it is read as it was"


async def test_two_who_write_to_one_another_at_once_from_two_nodes_share_one_room(pair: tuple[Node, Node]) -> None:
    one, two = pair
    eva, tom = await one.client("eva"), await two.client("tom")
    made = await asyncio.gather(
        ok(eva, "room.create", kind="direct", invited=[{"identity": "tom"}]),
        ok(tom, "room.create", kind="direct", invited=[{"identity": "eva"}]),
    )
    assert made[0]["room_id"] == made[1]["room_id"]
    assert one.owners.held + two.owners.held == 1


async def test_a_page_that_comes_back_at_another_node_misses_nothing(pair: tuple[Node, Node]) -> None:
    one, two = pair
    eva, tom = await one.client("eva"), await two.client("tom")
    meeting = (await ok(eva, "room.create", invited=[{"identity": "tom"}]))["room_id"]
    for client in (eva, tom):
        await ok(client, "room.join", room_id=meeting)
    await say(eva, meeting, 1)
    topic = f"room:{meeting}"
    seq = (await seen(tom, "chat.message", message_id="m1"))["seq"]
    await tom.socket.disconnect()
    await seen(
        eva,
        "room.state",
        members=[{**one_, "state": "away"} if one_["identity"] == "tom" else one_ for one_ in (await seen(tom, "room.state"))["members"]],
    )
    await say(eva, meeting, 2)
    back = await one.client("tom", seen={topic: seq})
    assert [each["text"] for each in await back.told("chat.message")] == ["2"]
    third = await two.client("tom", phone=False)
    snapshot = await third.seen("session.snapshot", lambda notice: len(notice["rooms"]) == 1)
    assert members(snapshot["rooms"][0]) == {"eva": "in", "tom": "in"} and snapshot["seen"][topic] > seq
    await say(eva, meeting, 3)
    await seen(third, "chat.message", message_id="m3")


async def test_somebody_is_moved_to_a_room_of_another_node(pair: tuple[Node, Node]) -> None:
    one, two = pair
    eva, tom = await one.client("eva"), await two.client("tom")
    elsewhere = await two.client("eva", phone=False)
    here = (await ok(eva, "room.create", invited=[{"identity": "tom"}]))["room_id"]
    there = (await ok(elsewhere, "room.create"))["room_id"]
    assert one.owners.held == two.owners.held == 1
    for client in (eva, tom):
        await ok(client, "room.join", room_id=here)
    await ok(tom, "room.leave", room_id=here)
    assert await refused(eva, "room.move", room_id=here, identity="tom", to_room=there) == "not_member"
    await ok(tom, "room.join", room_id=here)
    await ok(eva, "room.move", room_id=here, identity="tom", to_room=there)
    assert members(await seen(tom, "room.state", room_id=there)) == {"tom": "in"}
    await seen(tom, "room.exit", room_id=here, reason="moved")


async def test_a_room_outlives_its_node_with_all_that_was_acknowledged(server: RedisServer, tmp_path: Path) -> None:
    life = {"lease_s": 4.0}
    async with running_node(server.url, "two", tmp_path, **life) as two, running_node(server.url, "one", tmp_path, **life) as one:
        await until(lambda: two.nodes.others == ("one",))
        await _killed_and_taken_over(one, two)


async def _killed_and_taken_over(one: Node, two: Node) -> None:
    eva, tom, ana = await one.client("eva"), await two.client("tom"), await one.client("ana")
    room = (await ok(eva, "room.create", invited=[{"identity": "tom"}, {"identity": "ana"}], waiting_room=True))["room_id"]
    for client in (eva, tom, ana):
        await ok(client, "room.join", room_id=room)
    said = [await say(client, room, number) for number, client in enumerate((eva, tom, ana))]
    before = await seen(tom, "chat.message", message_id="m2")
    await _die(one)
    await until(lambda: two.owners.held == 1)
    state = await seen(tom, "room.state", members=_members(eva="away", tom="in", ana="away"))
    assert state["seq"] > before["seq"]
    assert await words(tom, room) == ["0", "1", "2"]
    assert await say(tom, room, 3) == said[-1] + 1
    assert (await two.client("eva")).notices[0]["rooms"][0]["room_id"] == room
    await seen(tom, "room.state", members=_members(eva="in", tom="in", ana="away"))
    late = Message(room, "late", 4, "ana", "Ana", 0.0, "too late")
    with pytest.raises(StoreFenced):
        await one.rooms.keep(message_entry(late))
    assert one.rooms.house.room(room) is None and one.owners.held == 0
    assert await words(tom, room) == ["0", "1", "2", "3"]


async def test_without_redis_each_goes_on_with_its_own_rooms(server: RedisServer, tmp_path: Path) -> None:
    async with running_node(server.url, "one", tmp_path, **HURRY) as one, running_node(server.url, "two", tmp_path, **HURRY) as two:
        eva, tom = await one.client("eva"), await two.client("tom")
        group = (await ok(eva, "room.create", kind="group", invited=[{"identity": "tom"}]))["room_id"]
        await say(tom, group, 1)
        server.kill()
        for node in (one, two):
            await node.is_(BusState.ALONE)
        await say(eva, group, 2)
        own = (await ok(tom, "room.create", kind="group", invited=[{"identity": "eva"}]))["room_id"]
        await say(tom, own, 9)
        assert await refused(tom, "chat.history", room_id=group) == "room_unreachable"
        server.start()
        for node in (one, two):
            await node.is_(BusState.TOGETHER)
        await until(lambda: one.nodes.others == ("two",) and two.nodes.others == ("one",))
        assert await words(tom, group) == ["1", "2"]
        assert await words(eva, own) == ["9"]
        assert one.owners.held == two.owners.held == 1, "each kept its own"
        await _brought_up_to_date(one, two)
        assert await say(tom, group, 3) == 3
        await seen(eva, "chat.message", message_id="m3")


async def _brought_up_to_date(*nodes: Node) -> None:
    """Until every page there has what it missed: what is said while it is given that stands in it, and is not told besides."""
    await until(
        lambda: (
            len({node.bus._generation for node in nodes}) == 1
            and all(page.live for node in nodes for pages in node.hub._people.values() for page in pages)
        )
    )


async def _die(node: Node) -> None:
    """Without a goodbye, and with everything it had in its memory: as if it were paused."""
    node.bus.send = node.nodes._say = lambda *words: None  # type: ignore[method-assign]
    node.bus._task.cancel()  # type: ignore[union-attr]


def _members(**states: str) -> Any:
    """Equal to what pages are told of members who stand so."""

    class _Members:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, list) and {one["identity"]: one["state"] for one in other} == states

    return _Members()
