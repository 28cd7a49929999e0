"""What an agent is doing, told by four facts.

An agent's state follows from facts that change independently: is a signalling connection up, does the person take calls, is a call
theirs, does a call ring. A table of transitions between states would have to remember those facts anyway (a page that reloads in mid-call
is on call before and after, but what is it after the call?), so the table is one of facts, first row that holds:

    a call is theirs                on_call       (also while the page reloads: the leg is anchored in the server)
    no signalling connection        offline
    a call rings                    ringing
    does not take calls             unavailable
    else                            available
"""

from dataclasses import dataclass, field
from enum import StrEnum


class AgentState(StrEnum):
    OFFLINE = "offline"
    AVAILABLE = "available"
    RINGING = "ringing"
    ON_CALL = "on_call"
    UNAVAILABLE = "unavailable"


@dataclass(slots=True)
class Agent:
    """``calls`` holds the calls of this person, in order: True where it is theirs, False where it only rings."""

    identity: str
    connected: bool = False
    willing: bool = True
    calls: dict[str, bool] = field(default_factory=dict)
    free_since_s: float = 0.0

    @property
    def own_call(self) -> str | None:
        """The call that is theirs; there is one at most."""
        return next((call_id for call_id, own in self.calls.items() if own), None)

    @property
    def state(self) -> AgentState:
        facts = (
            (self.own_call is not None, AgentState.ON_CALL),
            (not self.connected, AgentState.OFFLINE),
            (bool(self.calls), AgentState.RINGING),
            (not self.willing, AgentState.UNAVAILABLE),
        )
        return next((state for holds, state in facts if holds), AgentState.AVAILABLE)

    @property
    def worth_keeping(self) -> bool:
        """Is there anything to remember about this person?"""
        return self.connected or not self.willing or bool(self.calls)
