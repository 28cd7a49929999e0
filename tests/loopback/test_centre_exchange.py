"""The contact centre at the exchange: pages are told of queues and of the work after a call, and call-backs outlive the server."""

import asyncio
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from api.store.call_back_tables import call_backs, wrap_ups
from pbx import trunk as line
from rooms import events as ev
from rooms.agent import AgentState
from rooms.centre_plan import Arrival, CentrePlan
from rooms.flows import flow as kinds
from rooms.queues.queue_plan import QueuePlan
from signaling.messages import QueuesChanged, WrapUpState
from tests.kit.centre import ENTRY, flow
from tests.kit.exchange_bench import TIMES, WITHIN_S, ExchangeBench, exchange_bench

QUEUE = QueuePlan("help", wrap_up_s=30.0, wrap_up_codes=("booked",), titles={"es": "Ayuda"})
LED = CentrePlan(1, {"main": flow(kinds.Queue(name="queue", queue="help"))}, {"help": QUEUE}, {}, (ENTRY,), break_reasons=("lunch",))
BACK = CentrePlan(
    1, {"main": flow(kinds.CallBack(name="back", queue="help", kept="end", refused="end"), kinds.HangUp(name="end"))}, {"help": QUEUE}
)

PATIENT = replace(TIMES, patience_s=60.0, longest_s=120.0)


def led(call_id: str, event: line.Arrived) -> Arrival:
    return Arrival(None, ENTRY, {"caller": "+34600111222"})


async def told_of_work(bench: ExchangeBench) -> WrapUpState:
    """Waits until Ana was told of her work after a call; what she was told last."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := [notice for _, notice in bench.told.notices if isinstance(notice, WrapUpState)]):
            bench.told._came.clear()
            await bench.told._came.wait()
    return found[-1]


async def test_a_call_from_a_queue_and_the_work_after_it(tmp_path: Path) -> None:
    engaged: list[AgentState | None] = []
    async with exchange_bench(tmp_path, times=PATIENT, receive=led, on_engaged=lambda identity, state: engaged.append(state)) as bench:
        bench.exchange.feed(ev.PlanChanged(LED))
        bench.exchange.feed(ev.AgentConnected("ana"))
        assert bench.exchange.queues.watch("ana").break_reasons == ["lunch"]
        bench.demo.call("601", "", "900")
        ringing = await bench.told.call("ana", "ringing")
        assert ringing.came == "queue" and ringing.centre is not None and (ringing.centre.queue, ringing.centre.entry) == ("help", "Main")
        bench.exchange.queues.tell()
        shown = [notice for topic, notice in bench.told.notices if isinstance(notice, QueuesChanged) and topic == "queues"][-1]
        assert [(queue.name, queue.titles, queue.waiting, queue.offered) for queue in shown.queues] == [("help", {"es": "Ayuda"}, 1, 1)]
        bench.exchange.feed(ev.CallAccepted(ringing.call_id, "ana"))
        bench.exchange.feed(ev.HangUpRequested(ringing.call_id, "ana"))
        work = await told_of_work(bench)
        assert (work.call_id, work.codes, work.ends_at is not None, work.more_s) == (ringing.call_id, ["booked"], True, 60)
        assert engaged[-1] is AgentState.WRAP_UP and bench.exchange.wrap_up("ana") == work
        bench.exchange.feed(ev.WrapUpFinished("ana", ringing.call_id, ""))
        done = await told_of_work(bench)
        assert done.ends_at is None and done.undo_until is not None and engaged[-1] is None and bench.exchange.wrap_up("ana") == done
        bench.exchange.feed(ev.WrapUpTakenBack("ana", ringing.call_id))
        assert (await told_of_work(bench)).ends_at is not None and engaged[-1] is AgentState.WRAP_UP
        bench.exchange.feed(ev.WrapUpFinished("ana", ringing.call_id, "booked"))
        done = await told_of_work(bench)
        assert (done.ends_at, done.code, engaged[-1]) == (None, "booked", None)
        await bench.ended(ringing.call_id)
    async with exchange_bench(tmp_path) as bench:  # what could still be taken back when the server stopped was written down by that
        rows = await bench.store._rows(select(wrap_ups))
        assert [(row["agent"], row["queue"], row["code"]) for row in rows] == [("ana", "help", "booked")]


async def test_who_is_to_be_called_back_is_known_after_a_restart(tmp_path: Path) -> None:
    async with exchange_bench(tmp_path, times=PATIENT, receive=led) as bench:
        bench.exchange.feed(ev.PlanChanged(BACK))
        bench.demo.call("601", "", "900")
        await asyncio.wait_for(bench.exchange.no_calls(), WITHIN_S)
        (kept,) = bench.exchange.queues.watch("ana").call_backs
        assert (kept.queue, kept.number, kept.state, kept.tries) == ("help", "+34600111222", "waiting", 0)
    async with exchange_bench(tmp_path) as bench:
        await bench.exchange.restore()
        bench.exchange.feed(ev.PlanChanged(BACK))
        (again,) = bench.exchange.queues.watch("ana").call_backs
        assert (again.call_back_id, again.number) == (kept.call_back_id, kept.number) and abs(again.since - kept.since) < 0.01
        bench.exchange.feed(ev.AgentConnected("ana"))
        assert (await bench.told.call("ana", "ringing")).came == "call_back"
        bench.exchange.feed(ev.AgentDisconnected("ana"))
        bench.exchange.feed(ev.CallBackCancelled(kept.call_back_id))
        await bench.store.flush()
        rows = await bench.store._rows(select(call_backs).order_by(call_backs.c.seq))
        assert [(row["seq"], row["outcome"]) for row in rows] == [(0, ""), (1, "cancelled")]
    async with exchange_bench(tmp_path) as bench:
        await bench.exchange.restore()
        assert not bench.switchboard.call_backs()
