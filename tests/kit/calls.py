"""A switchboard with calls at a chosen point of their life, and words to speak with it: time is an integer."""

from typing import TypeVar

from rooms import events as ev
from rooms.causes import Cause, EndReason
from rooms.effects import Effect, Notify
from rooms.record import CallView
from rooms.switchboard import CallPolicy, Switchboard

E = TypeVar("E")

DONE = Cause(EndReason.COMPLETED)
GAVE_UP = Cause(EndReason.GAVE_UP, 487)
GONE = Cause(EndReason.MEDIA_LOST)


def dialed(call_id: str = "c", agent: str = "ana") -> ev.CallDialed:
    return ev.CallDialed(call_id, agent, f"{call_id}-{agent}", f"{call_id}-phone", "600", "pbx")


def arrived(call_id: str = "c", *agents: str) -> ev.CallArrived:
    pairs = tuple((agent, f"{call_id}-{agent}") for agent in agents)
    return ev.CallArrived(call_id, f"{call_id}-phone", "pbx", "+34600111222", "Luz", "900", pairs)


class Desk:
    """Collects every effect; ``at(now, event)`` returns those of this event."""

    def __init__(self, policy: CallPolicy | None = None) -> None:
        self.switchboard = Switchboard(policy)
        self.effects: list[Effect] = []

    def at(self, now: float, event: ev.Event) -> list[Effect]:
        new = self.switchboard.handle(event, now)
        self.effects += new
        return new

    def wait_until(self, now: float) -> list[Effect]:
        new = self.switchboard.expire(now)
        self.effects += new
        return new

    def all(self, kind: type[E]) -> list[E]:
        """Every effect of this kind so far, in order."""
        return only(self.effects, kind)

    def shown(self, agent: str) -> CallView:
        """What this agent was last shown."""
        return next(effect.view for effect in reversed(self.effects) if isinstance(effect, Notify) and agent in effect.agents)


def only(effects: list[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def ringing_out() -> Desk:
    """Ana dialled at 0, her media is up at 1, the phone rings at 2."""
    desk = Desk()
    desk.at(0, dialed())
    desk.at(1, ev.LegConnected("c-ana"))
    desk.at(2, ev.LegRang("c-phone"))
    return desk


def live_out() -> Desk:
    """As above, answered at 5."""
    desk = ringing_out()
    desk.at(5, ev.LegAnswered("c-phone"))
    return desk


def ringing_in(*agents: str) -> Desk:
    """A call arrived at 0 and rings at these agents'."""
    desk = Desk()
    for agent in agents:
        desk.at(0, ev.AgentConnected(agent))
    desk.at(0, arrived("c", *agents))
    return desk


def live_in() -> Desk:
    """Ana accepted at 5 and her media is up at 6; it rang at Bea's too."""
    desk = ringing_in("ana", "bea")
    desk.at(5, ev.CallAccepted("c", "ana"))
    desk.at(6, ev.LegConnected("c-ana"))
    return desk
