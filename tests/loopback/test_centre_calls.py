"""Calls that arrive in the contact centre: each goes the way of the plan in force when it came, whatever becomes of the plan meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from api.backends.builtin_crm import BuiltinCrm
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.lookup import ContextLookup
from api.backends.registry import Backends
from api.centre.arrivals import Arrivals
from api.centre.caller_lookups import EarlierCalls
from api.centre.callers import Callers
from api.centre.plan_faults import PlanBroken
from api.centre.plan_reading import PlanReader
from api.centre.plans import Plans
from api.centre.prompts import prompts_of
from api.privacy.vault import Vault
from api.settings.prompts import PromptsSection
from api.store.contacts import Contact
from pbx.loopback import LoopbackTimes
from pbx.trunk import Arrived, DigitArrived
from rooms.centre_plan import Arrival, CentrePlan
from rooms.events import AgentConnected, FactsLearned, PlanChanged
from tests.kit.exchange_bench import ExchangeBench, exchange_bench

PATIENT = LoopbackTimes(ring_s=0.0, answer_s=0.0, patience_s=60.0, longest_s=60.0)
NUMBERS = '[[entries]]\nnumber = "911 234 567"\nflow = "main"\n[callers]\nblocked = ["600 999 000"]\n'
FLOW = """
languages = ["en"]
[steps.who]
kind = "choose"
when = [{ fact = "vip", is = true, go = "important" }]
otherwise = "ask"
[steps.ask]
kind = "menu"
say = "welcome"
choices = { 1 = "end" }
wait_s = 60
[steps.end]
kind = "hang_up"
reason = "REASON"
[steps.important]
kind = "hang_up"
reason = "completed"
"""


class Desk:
    """A bench whose calls arrive by a plan. ``calls``: the ids drawn, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.legs: dict[str, str] = {}
        self._came = asyncio.Event()
        self.ended: set[str] = set()

    bench: ExchangeBench
    context: ContextLookup
    plans: Plans
    arrivals: Arrivals

    async def put(self, reason: str) -> None:
        await self.plans.put({"numbers": NUMBERS, "flows/main": FLOW.replace("REASON", reason)}, by="boss")

    async def take(self, plan: CentrePlan) -> None:
        self.bench.exchange.feed(PlanChanged(plan))

    def receive(self, call_id: str, event: Arrived) -> Arrival:
        self.calls.append(call_id)
        self.legs[call_id] = event.leg_id
        arrival = self.arrivals.receive(call_id, event.called, event.caller, private=event.private)
        self._came.set()
        return arrival

    async def arrives(self, caller: str, called: str = "911234567") -> str:
        """Let this caller call; the call's id."""
        count = len(self.calls)
        self.bench.demo.call(caller, "", called)
        async with asyncio.timeout(30):
            while len(self.calls) == count:
                self._came.clear()
                await self._came.wait()
        return self.calls[-1]

    def press(self, call_id: str, digit: str) -> None:
        self.bench.exchange.on_trunk_event(DigitArrived(self.legs[call_id], digit))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk()
    async with AsyncExitStack() as stack:
        bench = desk.bench = await stack.enter_async_context(exchange_bench(tmp_path, times=PATIENT, receive=desk.receive))
        centre = bench.store.centre
        callers = await stack.enter_async_context(Callers([EarlierCalls(centre, "ES")], clock=time.monotonic, deadline_s=30.0))
        backends, vault = Backends(), Vault.in_memory()
        backends.add(BuiltinCrm(bench.store.contacts, centre, "ES"))
        cache = await stack.enter_async_context(AnswerCache(vault, CacheTimes()))
        desk.context = await stack.enter_async_context(ContextLookup(backends, cache, vault))
        desk.plans = Plans(centre, PlanReader(region="ES", prompts=prompts_of(PromptsSection())).read, desk.take)
        await stack.enter_async_context(desk.plans)
        desk.arrivals = Arrivals(
            lambda: desk.plans.plan,
            callers,
            desk.context,
            lambda call_id, facts: bench.exchange.feed(FactsLearned(call_id, facts)),
            region="ES",
            now=bench.exchange.now,
        )
        yield desk


async def test_a_plan_changed_in_mid_call_is_that_of_the_next_call_and_a_broken_one_of_none(desk: Desk) -> None:
    await desk.put("busy")
    first = await desk.arrives("+34600111333")
    await desk.put("declined")
    with pytest.raises(PlanBroken) as caught:
        await desk.put("no reason")
    assert [(fault.document, fault.line) for fault in caught.value.faults] == [("flows/main", 14)]
    second = await desk.arrives("+34600111444")
    for call_id in (first, second):
        desk.press(call_id, "1")
    assert (await desk.bench.ended(first), await desk.bench.ended(second)) == ("busy", "declined")
    assert desk.bench.left_over() == {}


async def test_who_is_known_goes_their_own_way_from_the_second_call_on(desk: Desk) -> None:
    await desk.bench.store.contacts.add(Contact("1", "Clara", numbers=("+34600111222",), vip=True), "boss", 1.0)
    await desk.put("busy")
    first = await desk.arrives("600111222")
    await asyncio.wait_for(asyncio.gather(*desk.context._tasks), 30)
    desk.press(first, "1")
    assert await desk.bench.ended(first) == "busy", "what was found out late waits for nobody"
    assert await desk.bench.ended(await desk.arrives("0034600111222")) == "completed"


async def test_a_blocked_caller_is_refused_and_leaves_nothing(desk: Desk) -> None:
    await desk.put("busy")
    desk.bench.exchange.feed(AgentConnected("ana"))
    for called in ("911234567", "ana"):
        await desk.arrives("+34600999000", called)
    await asyncio.wait_for(desk.bench.exchange.no_calls(), 30)
    assert [await desk.bench.store.call(call_id) for call_id in desk.calls] == [None, None]
    assert desk.bench.told.notices == [] and desk.bench.left_over() == {}


async def test_who_calls_a_person_goes_through_no_flow(desk: Desk) -> None:
    await desk.plans.put({"numbers": NUMBERS.replace("911 234 567", "*"), "flows/main": FLOW.replace("REASON", "busy")}, by="boss")
    desk.bench.exchange.feed(AgentConnected("ana"))
    call_id = await desk.arrives("+34600111333", "ana")
    assert (await desk.bench.told.call("ana", "ringing")).call_id == call_id
