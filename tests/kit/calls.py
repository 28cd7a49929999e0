"""A switchboard with calls at a chosen point of their life, and words to speak with it: time is an integer."""

from typing import TypeVar

from rooms import events as ev
from rooms.agent import AgentChange
from rooms.causes import Cause, EndReason
from rooms.effects import CloseLeg, CloseRoom, Effect, JoinBridge, Notify, Play, SetGains
from rooms.entries import Entry, QueueVisit
from rooms.move import Target
from rooms.record import CallView
from rooms.switchboard import CallPolicy, Switchboard

E = TypeVar("E")

BEA = Target(agent="bea")
NUMBER = Target(number="600333444", trunk="pbx")

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
        self.entries: list[Entry] = []
        self.visits: list[QueueVisit] = []
        self.states: list[AgentChange] = []

    def at(self, now: float, event: ev.Event) -> list[Effect]:
        return self._kept(self.switchboard.handle(event, now), now)

    def wait_until(self, now: float) -> list[Effect]:
        return self._kept(self.switchboard.expire(now), now)

    def _kept(self, new: list[Effect], now: float) -> list[Effect]:
        self.effects += new
        self.entries += self.switchboard.entries
        self.visits += self.switchboard.visits
        self.states += self.switchboard.agent_changes(now)
        return new

    def all(self, kind: type[E]) -> list[E]:
        """Every effect of this kind so far, in order."""
        return only(self.effects, kind)

    def hears(self, leg_id: str) -> str:
        """What this leg hears now: the legs it hears, and the sound it is played."""
        joined: list[str] = []
        rooms: dict[str, str] = {}
        gains: dict[tuple[str, str], float] = {}
        sound: str | None = None
        for effect in self.effects:
            match effect:
                case JoinBridge(leg_id=joining, room_id=room_id):
                    joined.append(joining)
                    rooms[joining] = room_id
                case CloseRoom(room_id=room_id):
                    joined = [leg for leg in joined if rooms[leg] != room_id]
                case CloseLeg(leg_id=leaving) if leaving in joined:
                    joined.remove(leaving)
                case SetGains(gains=entries):
                    gains |= {(hears, speaks): gain for hears, speaks, gain in entries}
                case Play(leg_id=plays, sound=played) if plays == leg_id:
                    sound = played
        room = [leg for leg in joined if rooms[leg] == rooms[leg_id]] if leg_id in joined else []
        heard = sorted(speaks for speaks in room if speaks != leg_id and gains.get((leg_id, speaks), 1.0))
        return " ".join([*heard, *([sound] if sound else [])])

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


def consulting(target: Target = BEA) -> Desk:
    """As ``live_in``; Ana asked the target first at 10, who answered at 12: the leg is ``c-1``."""
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", target, ask=True))
    if target.agent:
        desk.at(12, ev.CallAccepted("c", target.agent))
        desk.at(12, ev.LegConnected("c-1"))
    else:
        desk.at(12, ev.LegAnswered("c-1"))
    return desk


def sent(target: Target = NUMBER) -> Desk:
    """As ``live_in``; Ana gave the call away at 10, and the target's leg ``c-1`` is being called."""
    desk = live_in()
    desk.at(10, ev.TransferRequested("c", "ana", target, ask=False))
    return desk


def parked() -> Desk:
    """As ``live_in``; Ana parked the call at 10."""
    desk = live_in()
    desk.at(10, ev.ParkRequested("c", "ana"))
    return desk
