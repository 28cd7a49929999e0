"""A day of a small contact centre as it is kept, whose figures a hand can reckon."""

from api.store import Store
from media.messages import Fault
from rooms.agent import AgentChange, AgentState
from rooms.causes import Cause, EndReason
from rooms.effects import KeepWrapUp
from rooms.entries import QueueVisit
from rooms.record import CallRecord, CallState, CallTally, LegRecord
from tests.loopback.test_call_history import sample

DONE = Cause(EndReason.COMPLETED)
NUMBER, OTHER = "+34600111222", "+34911222333"
BEGIN = 1_700_000_000.0 - 1_700_000_000.0 % 86_400
"""Midnight in UTC."""
TEAMS = {"ana": frozenset({"hotels"}), "bea": frozenset({"hotels", "flights"})}


def kept_call(
    call_id: str, agent: str, at: float, lasts_s: float, *, number: str = NUMBER, queue: str = "sales", hold_s: float = 0.0
) -> CallRecord:
    """An incoming call from a queue, answered by ``agent`` after 10 s; without a queue one that ``agent`` dialled."""
    direction = "in" if queue else "out"
    phone = LegRecord(f"{call_id}-phone", "phone", number, "pbx", at, at + 10, at + 10 + lasts_s, DONE)
    legs = (phone, LegRecord(f"{call_id}-{agent}", "agent", agent, "", at, at + 10, at + 10 + lasts_s, DONE))
    tally = CallTally(answered_by=agent if queue else "", queue=queue, talk_s=lasts_s, hold_s=hold_s)
    caller, called = (number, "900") if queue else (agent, number)
    return CallRecord(call_id, direction, caller, "", called, agent, CallState.ENDED, at, at + 10, at + 10 + lasts_s, DONE, legs, tally)


def visit(call_id: str, at: float, waited_s: float, outcome: str, agent: str = "", **more: bool) -> QueueVisit:
    leg_id = f"{call_id}-{agent}" if agent else ""
    in_time = more.get("in_time", False)
    return QueueVisit(call_id, 1, "sales", at, at, at + waited_s, outcome, agent, leg_id, 1, in_time, more.get("short", False))


async def put_day(store: Store) -> None:
    """Of the hour at ``BEGIN``: three calls of Ana and Bea from sales (one held for 20 s, one that sounded bad), one of Ana's that she
    dialled, one caller who gave up and one who did so at once. Two days later one of the callers calls again."""

    def same(at_s: float) -> float:
        return at_s

    calls = [
        kept_call("c1", "ana", BEGIN + 60, 100.0, hold_s=20.0),
        kept_call("c2", "ana", BEGIN + 400, 60.0, number=OTHER),
        kept_call("c3", "bea", BEGIN + 3_700, 50.0, number=OTHER.replace("333", "444")),
        kept_call("c4", "ana", BEGIN + 1_000, 30.0, queue=""),
        kept_call("c5", "bea", BEGIN + 2 * 86_400, 30.0, number=OTHER),
    ]
    for call in calls:
        store.put_call(call, same)
    for call_id, mos, cause in (("c1", 4.2, "good"), ("c2", 2.0, "loss"), ("c3", 4.0, "good")):
        at = next(call.started_s for call in calls if call.call_id == call_id)
        for second in range(3):
            faults = [Fault(f"{call_id}-phone", "phone_to_us", cause, 30.0)] if cause != "good" else []
            store.put_quality(call_id, at + 20 + second, [sample(f"{call_id}-phone", mos, cause)], faults)
    store.put_visits(
        [
            visit("c1", BEGIN + 60, 10.0, "served", "ana", in_time=True),
            visit("c2", BEGIN + 400, 40.0, "served", "ana"),
            visit("c3", BEGIN + 3_700, 10.0, "served", "bea", in_time=True),
            visit("c6", BEGIN + 500, 90.0, "abandoned"),
            visit("c7", BEGIN + 500, 2.0, "abandoned", short=True),
        ],
        same,
    )
    store.put_wrap_up(KeepWrapUp("c1", "ana", "sales", "booked", BEGIN + 170, BEGIN + 200), same)
    states = [
        AgentChange("ana", BEGIN - 600, AgentState.AVAILABLE),
        AgentChange("ana", BEGIN + 600, AgentState.ON_CALL),
        AgentChange("ana", BEGIN + 1_200, AgentState.BREAK, "lunch"),
        AgentChange("ana", BEGIN + 1_800, AgentState.OFFLINE),
        AgentChange("bea", BEGIN + 3_000, AgentState.ON_CALL),
        AgentChange("bea", BEGIN + 4_200, AgentState.OFFLINE),
    ]
    store.put_agent_changes(states, same)
    await store.flush()
