"""Two whole nodes and a real Redis: people of both, calls of both, and what happens when one part is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.identity.sessions import Ended
from api.node_health import NodeFigures, NodesHealth
from api.nodes.questions import AskTimes
from api.routes import PartHealth
from signaling.bus import BusState
from tests.kit.bus import HURRY
from tests.kit.hub import Client
from tests.kit.node import Node, running_node, until
from tests.kit.redis_server import RedisServer
from tests.loopback.test_alerts import call
from tests.loopback.test_call_history import sample


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
async def pair(server: RedisServer, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    async with running_node(server.url, "one", tmp_path) as one, running_node(server.url, "two", tmp_path) as two:
        await until(lambda: one.nodes.others == ("two",) and two.nodes.others == ("one",))
        yield one, two


async def ringing(client: Client, count: int = 1) -> str:
    """The id of the newest call that rings at this page."""
    async with asyncio.timeout(30):
        while True:
            ids = list(dict.fromkeys(notice["call_id"] for notice in await client.told("call.state") if notice["state"] == "ringing"))
            if len(ids) >= count:
                return str(ids[-1])
            await client.told("call.state", len([notice for notice in client.notices if notice["type"] == "call.state"]) + 1)


def has_calls(*call_ids: str) -> Callable[[dict[str, Any]], bool]:
    return lambda notice: [call["call_id"] for call in notice["calls"]] == [*call_ids]


async def test_a_call_rings_at_people_of_both_nodes_and_is_commanded_from_either(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana, bea = await one.client("ana"), await two.client("bea")
    await one.sees(ana="available", bea="available")
    one.ring()
    call_id = await ringing(bea)
    assert call_id.endswith("-one") and call_id == await ringing(ana)
    await two.sees(ana="ringing", bea="ringing")
    assert await bea.ask("call.accept", {"call_id": call_id}) == {"ok": {}}
    assert (await ana.seen("call.state", call_id=call_id, state="ended"))["reason"] == "answered_elsewhere"
    await two.sees(ana="available", bea="on_call")
    answer = await ana.ask("call.accept", {"call_id": call_id})
    assert answer["error"]["code"] == "ended", "she is told what became of it"
    answer = await bea.ask("call.dial", {"number": "600"})
    assert answer["error"]["code"] == "on_call", "on her own node too"
    assert await bea.ask("call.hang_up", {"call_id": call_id}) == {"ok": {}}
    await one.sees(bea="available")


async def test_of_two_who_accept_at_once_on_two_nodes_one_has_the_call(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana, bea = await one.client("ana"), await two.client("bea")
    for round_ in range(1, 21):
        for node in pair:
            await node.sees(ana="available", bea="available")
        owner = pair[round_ % 2]
        owner.ring()
        call_id = await ringing(ana, round_)
        assert call_id == await ringing(bea, round_)
        answers = await asyncio.gather(*(page.ask("call.accept", {"call_id": call_id}) for page in (ana, bea)))
        won = ["ok" in answer for answer in answers]
        assert sorted(won) == [False, True]
        assert [answer["error"]["code"] for answer in answers if "error" in answer] == ["ended"]
        winner = (ana, bea)[won.index(True)]
        assert "ok" in await winner.ask("call.hang_up", {"call_id": call_id})


async def test_a_page_that_connects_to_another_node_sees_its_call(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana = await one.client("ana")
    one.ring("ana")
    call_id = await ringing(ana)
    await two.sees(ana="ringing")
    elsewhere = await two.client("ana")
    assert [notice["code"] for notice in await ana.told("session.closing")] == ["taken_over"], "one telephone each"
    await two.sees(ana="ringing")
    await elsewhere.seen("session.snapshot", has_calls(call_id))
    assert await elsewhere.ask("call.decline", {"call_id": call_id}) == {"ok": {}}


async def test_a_break_has_a_reason_and_holds_on_every_node(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana, bea = await one.client("ana"), await two.client("bea")
    await one.sees(ana="available", bea="available")
    now = (await ana.ask("presence.watch", {}))["ok"]["people"]
    assert {someone["identity"]: someone["state"] for someone in now} == {"ana": "available", "bea": "available"}
    assert await bea.ask("presence.set", {"available": False, "reason": "lunch"}) == {"ok": {}}
    await one.sees(bea="break")
    assert one.bench.switchboard.available_agents() == ("ana",)
    lunch = {"identity": "bea", "reason": "lunch", "presence": "online"}
    await ana.seen("presence.changed", lambda notice: any(lunch.items() <= someone.items() for someone in notice["people"]))


def figures(node: Node) -> NodeFigures:
    async def well() -> bool:
        return True

    async def parts() -> dict[str, PartHealth]:
        return {"calls": PartHealth(True, node.bus.node)}

    return NodeFigures(lambda: 7, lambda: 3, lambda: {"workers": 2, "workers_up": 1}, lambda: False, "SQLite", well, parts)


async def test_a_node_that_does_not_say_how_it_is_is_seen_as_silent(server: RedisServer, tmp_path: Path) -> None:
    times = AskTimes(health_s=0.1)
    async with running_node(server.url, "one", tmp_path, times=times) as one, running_node(server.url, "two", tmp_path) as two:
        await until(lambda: one.nodes.others == ("two",) and two.nodes.others == ("one",))
        (silent,) = await NodesHealth(one.nodes, one.bus, figures(one), "a build").others()
        assert (silent.node, silent.health) == ("two", None)


async def test_each_node_is_asked_how_it_is(pair: tuple[Node, Node]) -> None:
    one, two = pair
    seen = NodesHealth(one.nodes, one.bus, figures(one), "a build")
    NodesHealth(two.nodes, two.bus, figures(two), "another", now=lambda: time.time() + 100.0)
    (there,) = await seen.others()
    assert there.health is not None
    assert (there.health.node, there.health.build, there.health.parts["calls"].detail) == ("two", "another", "two")
    assert there.clock_off_s == pytest.approx(100.0, abs=20.0)
    own = await seen.own()
    assert (own.calls, own.pages, own.workers, own.workers_up, own.stopping) == (7, 3, 2, 1, False)
    assert own.redis is not None and own.redis.ready and own.database.ready


async def test_what_was_ended_or_changed_on_one_node_is_told_to_the_other(pair: tuple[Node, Node]) -> None:
    one, two = pair
    told: asyncio.Queue[Sequence[Ended]] = asyncio.Queue()
    two.nodes.hear_revoked(told.put_nowait)
    ended = [Ended("a session", "ana", 1_800_000_000.5)]
    one.nodes.tell_revoked(ended)
    async with asyncio.timeout(30):
        assert await told.get() == ended
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def planned() -> None:
        heard.put_nowait("a plan")

    async def renewed(backend: str, handles: Collection[str], contact: str) -> None:
        heard.put_nowait(f"{backend} {' '.join(handles)} {contact}")

    two.nodes.hear_planned(planned)
    two.nodes.hear_renewed(renewed)
    two.nodes.hear_skilled(heard.put)
    one.nodes.tell_planned()
    one.nodes.tell_skilled("ana")
    one.nodes.tell_renewed("crm", {"b", "a"}, "7")
    async with asyncio.timeout(30):
        assert {await heard.get() for _ in range(3)} == {"a plan", "ana", "crm a b 7"}


async def test_a_dead_node_leaves_no_ghost_and_its_calls_leave_the_pages(server: RedisServer, tmp_path: Path) -> None:
    async with running_node(server.url, "one", tmp_path, lease_s=4.0) as one:
        ana = await one.client("ana")
        async with running_node(server.url, "two", tmp_path) as two:
            await two.client("bea")
            await two.sees(ana="available")
            two.ring("ana")
            call_id = await ringing(ana)
            await one.sees(ana="ringing", bea="available")
            known = len(ana.notices)
            two.bus.send = two.nodes._say = lambda *words: None  # type: ignore[method-assign]  # it dies without a goodbye
            await one.sees(ana="available", bea="offline")
            await ana.seen("session.snapshot", after=known, calls=[])
            answer = await ana.ask("call.accept", {"call_id": call_id})
            assert answer["error"]["code"] == "unknown_call"


async def test_without_redis_each_keeps_its_own_and_says_so(server: RedisServer, tmp_path: Path) -> None:
    async with running_node(server.url, "one", tmp_path, **HURRY) as one, running_node(server.url, "two", tmp_path, **HURRY) as two:
        await _parted_and_together(server, one, two)


async def _parted_and_together(server: RedisServer, one: Node, two: Node) -> None:
    ana = await one.client("ana")
    await two.client("bea")
    await one.sees(ana="available", bea="available")
    one.ring("ana")
    call_id = await ringing(ana)
    server.kill()
    await one.is_(BusState.ALONE)
    await ana.seen("node.state", alone=True)
    await one.sees(ana="ringing", bea="offline")
    assert await ana.ask("call.accept", {"call_id": call_id}) == {"ok": {}}
    assert one.state("ana") == "on_call"
    together, known = asyncio.Event(), len(ana.notices)

    async def hear() -> None:
        together.set()

    one.nodes.hear_together(hear)
    server.start()
    await two.sees(ana="on_call", bea="available")
    await one.sees(ana="on_call", bea="available")
    await ana.seen("node.state", after=known, alone=False)
    await asyncio.wait_for(together.wait(), 30)
    await ana.seen("session.snapshot", has_calls(call_id), after=known)


async def test_a_supervisor_sees_the_calls_of_all_nodes(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana, sue = await one.client("ana"), await two.client("sue", role="supervisor", phone=False)
    await one.sees(ana="available")
    one.ring("ana")
    call_id = await ringing(ana)
    assert "ok" in await sue.ask("board.watch", {})
    ringing_at_ana = {"call_id": call_id, "agent": "ana", "state": "ringing"}
    await sue.seen("board.changed", lambda notice: any(ringing_at_ana.items() <= call.items() for call in notice["calls"]))


async def test_a_supervisor_of_another_node_monitors_a_call_where_it_is(pair: tuple[Node, Node]) -> None:
    one, two = pair
    ana, sue, bea = await one.client("ana"), await two.client("sue", role="supervisor", phone=False), await two.client("bea")
    call_id = (await ana.ask("call.dial", {"number": "600"}))["ok"]["call_id"]
    await until(lambda: (call := one.bench.switchboard.call(call_id)) is not None and call.state == "live")
    refused = await bea.ask("call.monitor", {"call_id": call_id, "mode": "listen"})
    assert refused["error"]["code"] == "forbidden"
    assert await sue.ask("call.monitor", {"call_id": call_id, "mode": "whisper"}) == {"ok": {}}
    await sue.seen("call.state", call_id=call_id, mode="whisper", came="monitor", state="live")
    await two.sees(sue="on_call")
    (view,) = one.bench.switchboard.calls_of("ana")
    assert [(each.identity, each.mode) for each in view.monitors] == [("sue", "whisper")]
    assert (await sue.ask("call.dial", {"number": "600"}))["error"]["code"] == "on_call", "on her own node too"
    assert await sue.ask("call.hang_up", {"call_id": call_id}) == {"ok": {}}
    await two.sees(sue="offline")
    kinds = [(kind, whose, by) for kind, whose, by, _ in one.log]
    assert kinds == [("call.monitored", "ana", "sue"), ("call.monitor_ended", "ana", "sue")] and two.log == []
    assert await ana.ask("call.hang_up", {"call_id": call_id}) == {"ok": {}}


async def test_an_alert_is_seen_to_at_the_node_that_has_it_from_any(pair: tuple[Node, Node], server: RedisServer) -> None:
    one, two = pair
    ours, theirs = one.bench.exchange.board, two.bench.exchange.board
    ours.call(call())
    for _ in range(3):
        ours.quality("c1", [("phone", replace(sample("c1-phone", 4.2, "good"), loss=0.0, jitter_ms=45.0))], [])
    nobody, others = frozenset[str](), frozenset({"others"})
    ((alert,), whole) = await two.nodes.alerts_elsewhere(nobody)
    assert ((alert.kind, alert.acknowledged_by), whole) == (("jitter", ""), True)
    assert await two.nodes.alerts_elsewhere(others) == ([], True)
    await until(lambda: len(theirs.watch("eva").alerts) == 1)
    assert await two.nodes.see_alert(alert.alert_id, "eva", None, others) == (False, True), "another team's"
    assert await two.nodes.see_alert(alert.alert_id, "eva", None, nobody) == (True, True)
    assert [each.acknowledged_by for each in theirs.watch("eva").alerts] == ["eva"], "at once"
    assert await two.nodes.see_alert(alert.alert_id, "luz", 9e9, nobody) == (True, True)
    assert [(each.acknowledged_by, each.snoozed_by) for each in ours.alerts.open] == [("eva", "luz")]
    assert await two.nodes.see_alert("wait:tours", "eva", None, nobody) == (False, True)
    server.kill()
    await two.is_(BusState.ALONE)
    assert await two.nodes.see_alert(alert.alert_id, "ana", None, nobody) == (False, False), "it says that it could not ask"
    assert (await two.nodes.alerts_elsewhere(nobody))[1] is False
    assert [each.acknowledged_by for each in ours.alerts.open] == ["eva"]
