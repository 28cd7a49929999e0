"""The live board: every running call with both ways of its legs and the hop that is bad, told to supervisors once a second.

One notice a second on one topic, with what changed in it, however many calls there are. A page that missed one sees the gap in the
sequence numbers and asks for everything anew; a page that is no longer there is forgotten when it does not ask again. Watching is
a supervisor's right, looked at each time it is asked for.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from media.messages import Fault, LegSample
from signaling.messages import BoardCall, BoardChanged, BoardLeg, BoardNow, CallState, Notice
from signaling.topics import BOARD

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


class Board:
    """``async with``: tells once a second, while anybody watches. ``now()``: seconds since the epoch, ``clock()``: of the event loop."""

    def __init__(self, *, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._now, self._clock = now, clock
        self._teller: Teller | None = None
        self._calls: dict[str, _Call] = {}
        self._unseen: set[str] = set()
        """Calls beyond ``MOST_CALLS``."""
        self._changed: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._watchers: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def meet(self, teller: Teller) -> None:
        """By whom pages are told: the hub."""
        self._teller = teller

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
            if self._calls.pop(state.call_id, None) is not None:
                self._changed.pop(state.call_id, None)
                self._gone[state.call_id] = None
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

    def watch(self, identity: str) -> BoardNow:
        """Everything, and from now on what changes, for who may see it."""
        if self._teller is not None and identity not in self._watchers:
            self._teller.subscribe(identity, BOARD)
        self._watchers[identity] = self._clock() + WATCHED_S
        return BoardNow(at=self._now(), total=self._total, calls=[_board_call(call) for call in self._calls.values()])

    @property
    def _total(self) -> int:
        return len(self._calls) + len(self._unseen)

    def tell(self) -> None:
        """What changed since the last time, to who watches."""
        now, teller = self._clock(), self._teller
        for identity in [identity for identity, until in self._watchers.items() if until <= now]:
            del self._watchers[identity]
            if teller is not None:
                teller.unsubscribe(identity, BOARD)
        if teller is not None and self._watchers and (self._changed or self._gone):
            calls = [_board_call(self._calls[call_id]) for call_id in self._changed]
            teller.publish(BOARD, BoardChanged(at=self._now(), total=self._total, calls=calls, gone=list(self._gone)))
        self._changed.clear()
        self._gone.clear()

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
