"""The agents that call control knows of, and which of them may be rung."""

from rooms.agent import Agent, AgentChange, AgentState
from rooms.causes import Cause, EndReason
from rooms.handling import Handling, Reach
from rooms.move import Target

_OFFLINE = (AgentState.OFFLINE, "")


class People:
    """Agents by identity. Who is offline, willing and without a call is forgotten: nothing distinguishes them from a stranger."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}
        self._handling: dict[str, Handling] = {}
        self._noted: dict[str, tuple[AgentState, str]] = {}
        """State and reason as last told by ``changes``, of those who are not offline."""
        self._touched: dict[str, None] = {}
        self.touched: dict[str, None] = {}
        """Whose state may have changed since this was last looked at (``rooms/distribution.py``)."""

    def __contains__(self, identity: str) -> bool:
        return identity in self._agents

    def get(self, identity: str) -> Agent:
        """The agent; one who was not known is offline and willing. Not remembered until something is changed by ``enter``."""
        return self._agents.get(identity) or Agent(identity)

    def enter(self, identity: str) -> Agent:
        """The agent, to be changed."""
        self._touch(identity)
        return self._agents.setdefault(identity, Agent(identity))

    def _touch(self, identity: str) -> None:
        self._touched[identity] = self.touched[identity] = None

    def tidy(self, identity: str) -> None:
        """Forget the agent when there is nothing to remember."""
        agent = self._agents.get(identity)
        if agent is not None and not agent.worth_keeping:
            del self._agents[identity]

    def release(self, identity: str, call_id: str, now: float) -> None:
        """A call no longer concerns this agent."""
        self._touch(identity)
        agent = self._agents.get(identity)
        if agent is not None and agent.calls.pop(call_id, False):
            agent.free_since_s = now
        self.tidy(identity)

    def changes(self, now: float) -> tuple[AgentChange, ...]:
        """Whose state is another one than when this was last asked; each once."""
        if not self._touched:
            return ()
        changed = []
        for identity in self._touched:
            agent = self.get(identity)
            stands, before = (agent.state, agent.why), self._noted.get(identity, _OFFLINE)
            if stands != before:
                changed.append(AgentChange(identity, now, *stands))
                self._noted[identity] = stands
            if stands == _OFFLINE:
                self._noted.pop(identity, None)
        self._touched.clear()
        return tuple(changed)

    def known(self) -> tuple[str, ...]:
        """Of whom there is anything to remember."""
        return tuple(self._agents)

    def connected(self) -> tuple[str, ...]:
        """Who has a telephone page open, at whatever node."""
        return tuple(agent.identity for agent in self._agents.values() if agent.connected)

    def available(self, called: str, limit: int) -> tuple[str, ...]:
        """Identities that may be rung now, longest free first. Where ``called`` is the identity of one of them, only that one."""
        if called in self._agents:
            return (called,) if self._agents[called].state is AgentState.AVAILABLE else ()
        free = [agent for agent in self._agents.values() if agent.state is AgentState.AVAILABLE]
        return tuple(agent.identity for agent in sorted(free, key=lambda agent: agent.free_since_s)[:limit])

    # ------------------------------------------------------------------ calls to one person

    def handle(self, identity: str, handling: Handling) -> None:
        """From now on this person's calls are handled so."""
        if handling == Handling():
            self._handling.pop(identity, None)
        else:
            self._handling[identity] = handling
        self.enter(identity).withdrawn = handling.withdrawn
        self.tidy(identity)

    def handling(self, identity: str) -> Handling:
        return self._handling.get(identity) or Handling()

    def is_known(self, identity: str) -> bool:
        """Is a call for this name one for a person?"""
        return identity in self._agents or identity in self._handling

    def reach(self, identity: str, hops: int, most_hops: int) -> Reach:
        """Where a call to this person goes now, by the table of ``rooms/handling.py``; ``hops``: how often it was led on before."""
        by = ""
        while (leads := self._leads(identity)) is not None:
            if isinstance(leads, Cause):
                return Reach(Target(agent=identity), hops, by, leads)
            hops += 1
            if hops > most_hops:
                looped = Cause(EndReason.FAILED, 482, f"The call was led on more than {most_hops} times: look at who forwards to whom.")
                return Reach(leads, hops, by, looped)
            by = identity
            if not leads.agent:
                return Reach(leads, hops, by)
            identity = leads.agent
        return Reach(Target(agent=identity), hops, by)

    def _leads(self, identity: str) -> Target | Cause | None:
        handling, agent = self.handling(identity), self.get(identity)
        busy = Cause(EndReason.BUSY, 486, "This person is in a call, or wants none now.")
        nobody = Cause(EndReason.NOBODY_AVAILABLE, 480, "Nobody is available.")
        match agent.state:
            case _ if handling.always is not None:
                return handling.always
            case AgentState.ON_CALL | AgentState.RINGING | AgentState.CONSULTING:
                return handling.busy or busy
            case AgentState.OFFLINE:
                return handling.offline or nobody
            case AgentState.BREAK:
                return handling.busy or (busy if handling.do_not_disturb else nobody)
        return None
