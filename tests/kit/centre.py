"""A contact centre in small: one number, a menu, two queues, a voicemail box, and agents who can do some of it."""

from collections.abc import Mapping

from rooms import events as ev
from rooms.centre_plan import CentrePlan, NumberEntry
from rooms.effects import Effect, FindTarget, PlayOnce
from rooms.flows import flow as kinds
from rooms.flows.flow import Flow, Step
from rooms.move import Target
from rooms.queues.queue_plan import QueuePlan, SkillNeed, Strategy
from rooms.switchboard import CallPolicy
from tests.kit.calls import Desk

SALES = QueuePlan(
    "sales",
    needs=(SkillNeed("sales"),),
    max_wait_s=120.0,
    ring_s=15.0,
    wrap_up_s=30.0,
    wrap_up_codes=("sold", "lost"),
    announce_every_s=30.0,
    call_back_after_s=20.0,
    music="music/sales",
    max_waiting=2,
)
HELP = QueuePlan("help", strategy=Strategy.RING_ALL, ring_s=10.0, announce_every_s=0.0, wait_without_agents=True)
MENU = (
    kinds.Menu(name="menu", say=("which",), choices={"1": "sales", "2": "help", "3": "leave", "4": "boss", "5": "ask", "6": "later"}),
    kinds.Queue(name="sales", queue="sales", full="leave", nobody="leave", timeout="help", call_back="bye"),
    kinds.Queue(name="help", queue="help"),
    kinds.Voicemail(name="leave", say=("voicemail-greeting",), box="sales", taken="bye", empty="bye"),
    kinds.Transfer(name="boss", agent="eva", ring_s=20.0, busy="number", no_answer="sales"),
    kinds.Transfer(name="number", number="600333444", ring_s=20.0, no_answer="sales"),
    kinds.Webhook(name="ask", webhook="crm", ok="sales", failed="help"),
    kinds.CallBack(name="later", queue="sales", kept="bye", refused="sales"),
    kinds.HangUp(name="bye", say=("goodbye",)),
)


def flow(*steps: Step, name: str = "main") -> Flow:
    """One that begins with the first of its steps."""
    return Flow(name, ("es", "en"), "es", steps[0].name, {step.name: step for step in steps})


def plan(
    *queues: QueuePlan,
    flows: Mapping[str, Flow] | None = None,
    entries: tuple[NumberEntry, ...] = (NumberEntry("*", "main", label="Main"),),
) -> CentrePlan:
    return CentrePlan(1, flows or {"main": flow(*MENU)}, {queue.name: queue for queue in queues or (SALES, HELP)}, {}, entries)


ENTRY = NumberEntry("*", "main", label="Main")


def comes(call_id: str = "c", caller: str = "+34600111222", *, private: bool = False, **facts: str | float | bool) -> ev.CallArrived:
    """Somebody calls a number of the centre."""
    return ev.CallArrived(
        call_id, f"{call_id}-phone", "pbx", caller, "Luz", "900", (), private=private, entry=ENTRY, facts=facts, epoch_s=1_800_000_000.0
    )


class Centre(Desk):
    """A switchboard that is run by a plan. Sales: Ana and Bea; help: everybody."""

    def __init__(self, of: CentrePlan | None = None, policy: CallPolicy | None = None, agents: tuple[str, ...] = ("ana", "bea")) -> None:
        super().__init__(policy)
        self.at(0, ev.PlanChanged(of or plan()))
        for agent in ("ana", "bea"):
            self.at(0, ev.AgentSkilled(agent, {"sales": 1}))
        for agent in agents:
            self.at(0, ev.AgentConnected(agent))

    def queue(self, now: float, call_id: str = "c", key: str = "1", **facts: str | float | bool) -> list[Effect]:
        """Somebody calls and presses a key at once."""
        return [*self.at(now, comes(call_id, **facts)), *self.at(now, ev.DigitHeard(f"{call_id}-phone", key))]

    def until(self, now: float) -> list[Effect]:
        """Every deadline in its moment, up to then."""
        effects: list[Effect] = []
        while (at_s := self.switchboard.next_deadline()) is not None and at_s <= now:
            effects += self.wait_until(at_s)
        return effects

    def said(self) -> list[str]:
        """What callers were told, in order."""
        return [effect.sound for effect in self.all(PlayOnce)]

    def find(self, now: float, target: Target | None) -> list[Effect]:
        """What was last sought is reached there."""
        sought = self.all(FindTarget)[-1]
        return self.at(now, ev.TargetFound(sought.call_id, target))
