"""Claims: presence over several nodes is right within 5 s of whatever dies, leaves no ghost, and of two who accept a call one has it.

Two nodes with their bus, presence and call control (no media: a call is what it is without sound), one in this process and one in a child,
and a real Redis of their own, at the product's own times. The child or the Redis is killed with -9, the Redis is frozen and brought to its
memory limit. Right is what each node sees of all people: of a node that cannot be reached nobody. Meanwhile notices are said on a topic of
one person twenty times a second, and what that person's node hears is counted: none may be lost or come twice.

In a round of the race both nodes ask within 3 ms (seeded) to accept a call that one of them has; the history of who was told what is
checked whole.
"""

import asyncio
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

import structlog
from msgspec import Struct

from api.nodes.nodes import Nodes, call_id_of
from benchmarks.cluster import Redis
from benchmarks.report import Options, Row
from rooms import events as ev
from rooms.agent import AgentState
from rooms.effects import Notify
from rooms.switchboard import CallPolicy, NotPossible, Switchboard
from signaling import messages as wire
from signaling.bus import BusState, Said
from signaling.grants import Grant
from signaling.redis_bus import RedisBus, RedisBusSettings
from signaling.refusal import Refusal

_PEOPLE = 100
_PROBE = "person:probe"
_GIVE_UP_S = 90.0


class _Calls:
    """Call control of a node."""

    def __init__(self, node: str) -> None:
        self.switchboard = Switchboard(CallPolicy(ring_s=1e9))
        self.nodes: Nodes
        self._node = node
        self._loop = asyncio.get_running_loop()

    def feed(self, event: ev.Event) -> None:
        effects = self.switchboard.handle(event, self._loop.time())
        for identity in {identity for effect in effects if isinstance(effect, Notify) for identity in effect.agents}:
            self.nodes.on_engaged(identity, self.switchboard.engagement(identity))

    def calls_of(self, identity: str) -> list[wire.CallState]:
        return []

    async def perform(self, grant: Grant, request: wire.AnyRequest) -> Struct | None:
        try:
            match request:
                case wire.Accept(call_id=call_id):
                    self.feed(ev.CallAccepted(call_id, grant.identity))
                case wire.HangUp(call_id=call_id):
                    self.feed(ev.HangUpRequested(call_id, grant.identity))
        except NotPossible as error:
            raise Refusal(error.code, str(error)) from None
        return None

    def ring(self, agents: list[str]) -> str:
        call_id = call_id_of(self._node)
        legs = tuple((agent, f"{call_id}-{agent}") for agent in agents)
        self.feed(ev.CallArrived(call_id, f"{call_id}-phone", "pbx", "+34600111222", "", "900", legs))
        return call_id


class _Pages:
    """Stands where the hub does: nobody reads."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus

    def publish(self, topic: str, notice: wire.Notice) -> None:
        self._bus.publish(topic, notice)

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...

    def bring_up_to_date(self, seen: object, identity: str = "") -> None: ...

    def make_way(self, identity: str) -> None: ...


class _Node:
    """``async with``: running, with ``people`` signed in. ``heard``: numbers of the probes that came."""

    def __init__(self, url: str, name: str, people: list[str]) -> None:
        self._settings = RedisBusSettings(url=url, node=name)
        self._people = people
        self.heard: list[int] = []
        self.said = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.bus = RedisBus(self._settings)
        self.bus.listen(self._deliver, lambda seen: None)
        self.calls = _Calls(self.bus.node)
        self.nodes = self.calls.nodes = Nodes(self.bus)
        await self._stack.enter_async_context(self.bus)
        self.nodes.meet(self.calls, _Pages(self.bus), self.calls.perform)
        await self._stack.enter_async_context(self.nodes)
        for identity in self._people:
            self.nodes.on_phone(identity, True)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def _deliver(self, said: Said) -> None:
        if said.topic == _PROBE:
            self.heard.append(int(said.line.frame.split(b'"detail":"', 1)[1].split(b'"', 1)[0]))

    async def probe(self) -> None:
        """Say something twenty times a second."""
        while True:
            self.bus.publish(_PROBE, wire.LineState(trunk=str(self.said), ready=True, detail=str(self.said)))
            self.said += 1
            await asyncio.sleep(0.05)

    def sees(self, people: list[str]) -> bool:
        """Exactly these?"""
        return {someone.identity for someone in self.nodes.attendance.everybody() if someone.phones} == set(people)


async def _took_s(holds: Callable[[], bool], give_up_s: float = _GIVE_UP_S) -> float:
    """Seconds until it holds, or until it is given up."""
    begun_s = time.monotonic()
    for _ in iter(holds, True):
        if time.monotonic() > begun_s + give_up_s:
            break
        await asyncio.sleep(0.005)
    return time.monotonic() - begun_s


def _child(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.presence_convergence", url, str(os.getpid())])


async def _be_two(url: str, parent: int) -> None:
    async with _Node(url, "two", _names("b")):
        await _took_s(lambda: os.getppid() != parent, give_up_s=math.inf)


def _names(first: str) -> list[str]:
    return [f"{first}{number}" for number in range(_PEOPLE)]


async def _faults(pause_s: float) -> list[Row]:
    ours, theirs = _names("a"), _names("b")
    rows: list[Row] = []

    def right(case: str, seconds: float, one: _Node, people: list[str]) -> None:
        ghosts = sum(someone.phones > 0 and someone.identity not in people for someone in one.nodes.attendance.everybody())
        rows.append(Row(case, f"presence of {2 * _PEOPLE} people right", seconds, "s", goal="<= 5"))
        rows.append(Row(case, "ghosts", ghosts, "people", goal="<= 0"))

    with Redis() as redis:
        two = _child(redis.url)
        async with _Node(redis.url, "one", ours) as one:
            probing = asyncio.create_task(one.probe())
            await _took_s(lambda: one.sees(ours + theirs))
            two.kill()
            right("a node killed with -9", await _took_s(lambda: one.sees(ours)), one, ours)
            two.wait()
            two = _child(redis.url)
            await _took_s(lambda: one.sees(ours + theirs))
            redis.kill()
            right("Redis killed with -9: alone", await _took_s(lambda: one.sees(ours)), one, ours)
            redis.start()
            right("Redis back, empty", await _took_s(lambda: one.sees(ours + theirs)), one, ours + theirs)
            redis.send(signal.SIGSTOP)
            right(f"Redis frozen for {pause_s:g} s: alone", await _took_s(lambda: one.sees(ours)), one, ours)
            await asyncio.sleep(pause_s)
            redis.send(signal.SIGCONT)
            right("Redis thawed", await _took_s(lambda: one.sees(ours + theirs)), one, ours + theirs)
            redis.limit_memory()
            await _took_s(lambda: one.bus.memory_full)
            two.kill()
            right("a node killed, Redis at its memory limit", await _took_s(lambda: one.sees(ours)), one, ours)
            two.wait()
            two = _child(redis.url)
            await _took_s(lambda: one.sees(ours + theirs))
            probing.cancel()
            await _took_s(lambda: one.bus.state is BusState.TOGETHER and one.said - 1 in one.heard)
        two.kill()
        two.wait()
    case = f"{one.said} notices during all this"
    rows.append(Row(case, "not told to their person", len(set(range(one.said)) - set(one.heard)), "notices", goal="<= 0"))
    rows.append(Row(case, "told twice", len(one.heard) - len(set(one.heard)), "notices", goal="<= 0"))
    return rows


async def _accept(node: _Node, name: str, call_id: str, after_s: float) -> str:
    """``ok``, or the code of the refusal."""
    await asyncio.sleep(after_s)
    try:
        await node.nodes.perform(_grant(name), wire.Accept(call_id=call_id))
    except Refusal as refusal:
        return refusal.code
    return "ok"


def _grant(name: str) -> Grant:
    return Grant(identity=name, name=name, role="agent", token_id="", issued_at=0, expires_at=0, signed_in_at=0)


def _both_are_free(nodes: tuple[_Node, ...]) -> bool:
    states = {node.calls.switchboard.agent_state(name) for node in nodes for name in ("ana", "bea")}
    return states == {AgentState.AVAILABLE}


async def _races(rounds: int) -> list[Row]:
    """History: (call, who was answered what, whose the call was then, where it was)."""
    history: list[tuple[str, dict[str, str], str, str]] = []
    chance, spent_s = random.Random(5), 0.0
    with Redis() as redis:
        async with _Node(redis.url, "one", ["ana"]) as one, _Node(redis.url, "two", ["bea"]) as two:
            for number in range(rounds):
                await _took_s(lambda: _both_are_free((one, two)))
                owner, at = ((one, "ana"), (two, "bea"))[number % 2]
                call_id = owner.calls.ring(["ana", "bea"])
                begun_s = time.monotonic()
                sides = ((one, "ana"), (two, "bea"))
                asked = (_accept(node, name, call_id, chance.choice((0.0, chance.uniform(0.0, 0.003)))) for node, name in sides)
                answers = dict(zip(("ana", "bea"), await asyncio.gather(*asked), strict=True))
                spent_s += time.monotonic() - begun_s
                view = owner.calls.switchboard.call(call_id)
                has = view.agent if view is not None else ""
                history.append((call_id, answers, has, at))
                if has:
                    await owner.calls.perform(_grant(has), wire.HangUp(call_id=call_id))
    wrong = [call_id for call_id, said, has, _ in history if sorted(said.values()) != ["ended", "ok"] or said.get(has) != "ok"]
    away = sum(has != at for _, _, has, at in history)
    case = f"{rounds} calls accepted by two agents within 3 ms, each on a node of their own"
    return [
        Row(case, "without exactly one winner, or with a loser who was not told", len(wrong), "rounds", goal="<= 0"),
        Row(case, "in the history", len({call_id for call_id, *_ in history}), "rounds", goal=f">= {rounds}"),
        Row(case, "won from the other node", away, "rounds"),
        Row(case, "from the click to both answers", 1000 * spent_s / rounds, "ms"),
    ]


def run(options: Options) -> list[Row]:
    _hush()
    wanted = options.only or ("faults", "races")
    rows: list[Row] = []
    if "faults" in wanted:
        rows += asyncio.run(_faults(1.0 if options.quick else 60.0))
    if "races" in wanted:
        rows += asyncio.run(_races(20 if options.quick else 1_000))
    return rows


def _hush() -> None:
    """What dies here does so on purpose."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


if __name__ == "__main__":
    _hush()
    asyncio.run(_be_two(sys.argv[1], int(sys.argv[2])))
