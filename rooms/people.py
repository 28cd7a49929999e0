"""The agents that call control knows of, and which of them may be rung."""

from rooms.agent import Agent, AgentState


class People:
    """Agents by identity. Who is offline, willing and without a call is forgotten: nothing distinguishes them from a stranger."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._agents

    def get(self, identity: str) -> Agent:
        """The agent; one who was not known is offline and willing. Not remembered until something is changed by ``enter``."""
        return self._agents.get(identity) or Agent(identity)

    def enter(self, identity: str) -> Agent:
        """The agent, to be changed."""
        return self._agents.setdefault(identity, Agent(identity))

    def tidy(self, identity: str) -> None:
        """Forget the agent when there is nothing to remember."""
        agent = self._agents.get(identity)
        if agent is not None and not agent.worth_keeping:
            del self._agents[identity]

    def release(self, identity: str, call_id: str, now: float) -> None:
        """A call no longer concerns this agent."""
        agent = self._agents.get(identity)
        if agent is not None and agent.calls.pop(call_id, False):
            agent.free_since_s = now
        self.tidy(identity)

    def available(self, called: str, limit: int) -> tuple[str, ...]:
        """Identities that may be rung now, longest free first. Where ``called`` is the identity of one of them, only that one."""
        if called in self._agents:
            return (called,) if self._agents[called].state is AgentState.AVAILABLE else ()
        free = [agent for agent in self._agents.values() if agent.state is AgentState.AVAILABLE]
        return tuple(agent.identity for agent in sorted(free, key=lambda agent: agent.free_since_s)[:limit])
