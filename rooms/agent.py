"""What an agent is doing, told by six facts.

An agent's state follows from facts that change independently: is a signalling connection up, does the person take calls, is a call
theirs, does a call ring. A table of transitions between states would have to remember those facts anyway (a page that reloads in mid-call
is on call before and after, but what is it after the call?), so the table is one of facts, first row that holds:

    a call is theirs                on_call       (also while the page reloads: the leg is anchored in the server)
    no signalling connection        offline
    a call rings                    ringing
    works on the last call          wrap_up       (so long after one from a queue)
    is in a consultation            consulting    (their capacity is one conversation, of whatever kind)
    does not take calls             break         (with the reason that the person gives; or not to be disturbed, or all are forwarded)
    else                            available

With several nodes the connection may be to another one, and so may the call be (``elsewhere``).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class AgentState(StrEnum):
    OFFLINE = "offline"
    AVAILABLE = "available"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"
    CONSULTING = "consulting"
    BREAK = "break"


def agent_state(*, on_call: bool, connected: bool, ringing: bool, wrapping_up: bool, consulting: bool, willing: bool) -> AgentState:
    """The table above."""
    facts = (
        (on_call, AgentState.ON_CALL),
        (not connected, AgentState.OFFLINE),
        (ringing, AgentState.RINGING),
        (wrapping_up, AgentState.WRAP_UP),
        (consulting, AgentState.CONSULTING),
        (not willing, AgentState.BREAK),
    )
    return next((state for holds, state in facts if holds), AgentState.AVAILABLE)


@dataclass(frozen=True, slots=True)
class WrapUp:
    """An agent's timed work after a call from a queue, until ``until_s``. Each wish for more time adds ``step_s``, up to ``most_s`` in all.
    ``required``: one of ``codes`` has to be said. ``due``: the time is over and only that is missing."""

    call_id: str
    queue: str
    began_s: float
    until_s: float
    step_s: float
    most_s: float
    codes: tuple[str, ...] = ()
    required: bool = False
    due: bool = False

    @property
    def more_s(self) -> float:
        """By so much it can still be made longer."""
        return max(0.0, self.began_s + self.most_s - self.until_s)


@dataclass(frozen=True, slots=True)
class FinishedWork:
    """Work that its agent has said to be done at ``ended_s``, with ``code``, and may take up again until ``until_s``."""

    wrap_up: WrapUp
    code: str
    ended_s: float
    until_s: float


@dataclass(slots=True)
class Agent:
    """``calls`` holds the calls of this person, in order: True where it is theirs, False where it only rings."""

    identity: str
    connected: bool = False
    willing: bool = True
    reason: str = ""
    """Of a break."""
    calls: dict[str, bool] = field(default_factory=dict)
    elsewhere: AgentState | None = None
    """``ringing``, ``on_call`` or ``wrap_up`` while, or after, a call of another node has this person."""
    wrap_up: WrapUp | None = None
    """The work on their last call, until it is done."""
    finished: FinishedWork | None = None
    """That work while it can still be taken up again."""
    consulting: bool = False
    """Is in a consultation, at whatever node."""
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
        wrapping_up = self.wrap_up is not None or self.elsewhere is AgentState.WRAP_UP
        return agent_state(
            on_call=self.on_call,
            connected=self.connected,
            ringing=ringing,
            wrapping_up=wrapping_up,
            consulting=self.consulting,
            willing=willing,
        )

    @property
    def why(self) -> str:
        """Why they take no calls, where they do not."""
        return "" if self.state is not AgentState.BREAK else self.reason or ("withdrawn" if self.withdrawn else "")

    @property
    def worth_keeping(self) -> bool:
        """Is there anything to remember about this person?"""
        return (
            self.connected
            or not self.willing
            or self.withdrawn
            or bool(self.calls)
            or self.elsewhere is not None
            or self.wrap_up is not None
            or self.finished is not None
            or self.consulting
        )


class AgentChange(NamedTuple):
    """From ``at_s`` on this person is in this state; until the next change."""

    identity: str
    at_s: float
    state: AgentState
    reason: str = ""
