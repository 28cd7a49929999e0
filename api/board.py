"""The live board: every running call with both ways of its legs and the hop that is bad, told to supervisors once a second.

One notice a second on one topic, with what changed in it, however many calls there are. A page that missed one sees the gap in the
sequence numbers and asks for everything anew; a page that is no longer there is forgotten when it does not ask again. Watching is
a supervisor's right, looked at each time it is asked for. Who has teams sees the calls of these teams alone: each set of teams is a topic
of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from media.messages import Fault, LegSample
from signaling.messages import BoardCall, BoardChanged, BoardLeg, BoardNow, CallState, Notice
from signaling.topics import board_of

MOST_CALLS = 500
"""Calls on the board; of more only the number is told."""
WATCHED_S = 90.0
"""So long after it asked a page is told; pages ask again in time."""
_EVERY_S = 1.0


class Teller(Protocol):
    """What the board asks of ``signaling.hub.Hub``."""

    def publish(self, topic: str, notice: Notice) -> None: ...

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...


@dataclass(slots=True)
class _Call:
    state: CallState
    legs: list[BoardLeg] = field(default_factory=list)
    hop: str = ""
    cause: str = "good"


@dataclass(slots=True)
class _View:
    """What supervisors of the same teams see. ``watchers``: until when each is told; ``shown``: calls that they have on their boards."""

    watchers: dict[str, float] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)


class Board:
    """``async with``: tells once a second, while anybody watches. ``now()``: seconds since the epoch, ``clock()``: of the event loop."""

    def __init__(self, *, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._now, self._clock = now, clock
        self._teller: Teller | None = None
        self._calls: dict[str, _Call] = {}
        self._unseen: set[str] = set()
        """Calls beyond ``MOST_CALLS``."""
        self._changed: dict[str, None] = {}
        self._views: dict[frozenset[str], _View] = {}
        self._teams_of: Callable[[str], frozenset[str]] = lambda identity: frozenset()
        self._task: asyncio.Task[None] | None = None

    def meet(self, teller: Teller) -> None:
        """By whom pages are told: the hub."""
        self._teller = teller

    def know_teams(self, teams_of: Callable[[str], frozenset[str]]) -> None:
        """Who says in which teams an agent is."""
        self._teams_of = teams_of

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell_on(), name="live-board")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def call(self, state: CallState) -> None:
        """A call as it now stands; one that ended leaves the board."""
        known = self._calls.get(state.call_id)
        if state.ended_at is not None:
            self._unseen.discard(state.call_id)
            self._calls.pop(state.call_id, None)
            self._changed.pop(state.call_id, None)
        elif known is not None:
            known.state = state
            self._changed[state.call_id] = None
        elif len(self._calls) < MOST_CALLS:
            self._calls[state.call_id] = _Call(state)
            self._unseen.discard(state.call_id)
            self._changed[state.call_id] = None
        elif len(self._unseen) < MOST_CALLS * 20:
            self._unseen.add(state.call_id)

    def quality(self, call_id: str, sides: Sequence[tuple[str, LegSample]], faults: Sequence[Fault]) -> None:
        """A call's last second. ``sides``: (``agent`` or ``phone``, sample)."""
        known = self._calls.get(call_id)
        if known is None:
            return
        known.legs = [_board_leg(side, sample) for side, sample in sides]
        known.hop, known.cause = (faults[0].hop, faults[0].cause) if faults else ("", "good")
        self._changed[call_id] = None

    def watch(self, identity: str, teams: frozenset[str] = frozenset()) -> BoardNow:
        """Everything that who has these teams may see, and from now on what changes."""
        for others, view in self._views.items():
            if others != teams and view.watchers.pop(identity, None) is not None and self._teller is not None:
                self._teller.unsubscribe(identity, board_of(others))
        view = self._views.setdefault(teams, _View())
        if self._teller is not None and identity not in view.watchers:
            self._teller.subscribe(identity, board_of(teams))
        view.watchers[identity] = self._clock() + WATCHED_S
        seen = self._seen_by(teams)
        view.shown |= seen
        calls = [_board_call(call) for call_id, call in self._calls.items() if call_id in seen]
        return BoardNow(at=self._now(), total=self._total(teams, seen), calls=calls)

    def _seen_by(self, teams: frozenset[str]) -> set[str]:
        if not teams:
            return set(self._calls)
        return {call_id for call_id, call in self._calls.items() if teams & self._teams_of(call.state.agent)}

    def _total(self, teams: frozenset[str], seen: set[str]) -> int:
        """Calls beyond the board's room are counted for who sees all: whose they are is not kept."""
        return len(seen) if teams else len(self._calls) + len(self._unseen)

    def tell(self) -> None:
        """What changed since the last time, to who watches."""
        now = self._clock()
        for teams, view in tuple(self._views.items()):
            for identity in [identity for identity, until in view.watchers.items() if until <= now]:
                del view.watchers[identity]
                if self._teller is not None:
                    self._teller.unsubscribe(identity, board_of(teams))
            if view.watchers:
                self._tell_view(teams, view)
            else:
                del self._views[teams]
        self._changed.clear()

    def _tell_view(self, teams: frozenset[str], view: _View) -> None:
        """A call may come into sight, and out of it, by who has it now."""
        seen = self._seen_by(teams)
        calls = [
            _board_call(call)
            for call_id, call in self._calls.items()
            if call_id in seen and (call_id in self._changed or call_id not in view.shown)
        ]
        gone = sorted(view.shown - seen)
        view.shown = seen
        if self._teller is not None and (calls or gone):
            changed = BoardChanged(at=self._now(), total=self._total(teams, seen), calls=calls, gone=gone)
            self._teller.publish(board_of(teams), changed)

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self.tell()


def _board_call(call: _Call) -> BoardCall:
    state = call.state
    return BoardCall(
        call_id=state.call_id,
        direction=state.direction,
        state=state.state,
        number=state.number,
        name=state.name,
        agent=state.agent,
        held=state.held or state.held_by_other,
        started_at=state.started_at,
        answered_at=state.answered_at,
        legs=call.legs,
        hop=call.hop,
        cause=call.cause,
        recording=state.recording,
    )


def _board_leg(side: str, sample: LegSample) -> BoardLeg:
    return BoardLeg(
        side=side,
        codec=sample.codec,
        round_trip_ms=sample.round_trip_ms,
        loss=sample.loss,
        jitter_ms=sample.jitter_ms,
        mos=sample.mos,
        scale=sample.scale,
        cause=sample.cause,
        far_loss=sample.hop_loss,
        far_jitter_ms=sample.far_jitter_ms,
        far_mos=sample.far_mos,
        far_scale=sample.far_scale,
        far_cause=sample.far_cause,
    )
