"""What an agent is doing, told by four facts.

An agent's state follows from facts that change independently: is a signalling connection up, does the person take calls, is a call
theirs, does a call ring. A table of transitions between states would have to remember those facts anyway (a page that reloads in mid-call
is on call before and after, but what is it after the call?), so the table is one of facts, first row that holds:

    a call is theirs                on_call       (also while the page reloads: the leg is anchored in the server)
    no signalling connection        offline
    a call rings                    ringing
    does not take calls             break         (with the reason that the person gives; or not to be disturbed, or all are forwarded)
    else                            available

With several nodes the connection may be to another one, and so may the call be (``elsewhere``).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class AgentState(StrEnum):
    OFFLINE = "offline"
    AVAILABLE = "available"
    RINGING = "ringing"
    ON_CALL = "on_call"
    BREAK = "break"


def agent_state(*, on_call: bool, connected: bool, ringing: bool, willing: bool) -> AgentState:
    """The table above."""
    facts = (
        (on_call, AgentState.ON_CALL),
        (not connected, AgentState.OFFLINE),
        (ringing, AgentState.RINGING),
        (not willing, AgentState.BREAK),
    )
    return next((state for holds, state in facts if holds), AgentState.AVAILABLE)


@dataclass(slots=True)
class Agent:
    """``calls`` holds the calls of this person, in order: True where it is theirs, False where it only rings."""

    identity: str
    connected: bool = False
    willing: bool = True
    calls: dict[str, bool] = field(default_factory=dict)
    elsewhere: AgentState | None = None
    """``ringing`` or ``on_call`` while a call of another node has this person."""
    withdrawn: bool = False
    """Does not want to be disturbed, or has all calls forwarded."""
    free_since_s: float = 0.0

    @property
    def own_call(self) -> str | None:
        """The call that is theirs; there is one at most."""
        return next((call_id for call_id, own in self.calls.items() if own), None)

    @property
    def on_call(self) -> bool:
        return self.own_call is not None or self.elsewhere is AgentState.ON_CALL

    @property
    def state(self) -> AgentState:
        ringing = bool(self.calls) or self.elsewhere is AgentState.RINGING
        willing = self.willing and not self.withdrawn
        return agent_state(on_call=self.on_call, connected=self.connected, ringing=ringing, willing=willing)

    @property
    def worth_keeping(self) -> bool:
        """Is there anything to remember about this person?"""
        return self.connected or not self.willing or self.withdrawn or bool(self.calls) or self.elsewhere is not None
