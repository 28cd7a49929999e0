"""The queues of this node and who is to be called back, told to those who look at them, once a second where something has changed.

A notice is complete, so that a page that missed one needs nothing but the next. Queues are each node's own: with several nodes a page sees
those of the node it is connected to.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from api.views import EpochClock
from rooms.call_back import CallBackView
from rooms.queues.figures import Figures
from rooms.switchboard import Switchboard
from signaling.messages import CallBackState, Notice, QueueFigures, QueuesChanged, QueuesNow
from signaling.topics import QUEUES

WATCHED_S = 90.0
"""So long after it asked a page is told; pages ask again in time."""
_EVERY_S = 1.0


class Teller(Protocol):
    """What the board of queues asks of ``signaling.hub.Hub``."""

    def publish(self, topic: str, notice: Notice) -> None: ...

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...


class QueueBoard:
    """``async with``: tells once a second, while anybody watches. ``now()``: seconds since the epoch; ``time()``: of call control."""

    def __init__(self, switchboard: Switchboard, *, now: Callable[[], float], time: Callable[[], float], clock: EpochClock) -> None:
        self._switchboard = switchboard
        self._now, self._time, self._clock = now, time, clock
        self._teller: Teller | None = None
        self._watchers: dict[str, float] = {}
        self._told: tuple[list[QueueFigures], list[CallBackState]] = ([], [])
        self._task: asyncio.Task[None] | None = None

    def meet(self, teller: Teller) -> None:
        """By whom pages are told: the hub."""
        self._teller = teller

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tell_on(), name="queue-board")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def watch(self, identity: str) -> QueuesNow:
        """All of it now, and from now on what changes."""
        if self._teller is not None and identity not in self._watchers:
            self._teller.subscribe(identity, QUEUES)
        self._watchers[identity] = self._time() + WATCHED_S
        queues, call_backs = self._seen()
        plan = self._switchboard.plan
        return QueuesNow(at=self._now(), queues=queues, call_backs=call_backs, break_reasons=list(plan.break_reasons))

    def tell(self) -> None:
        """What changed since the last time, to who watches."""
        now = self._time()
        for identity in [identity for identity, until_s in self._watchers.items() if until_s <= now]:
            del self._watchers[identity]
            if self._teller is not None:
                self._teller.unsubscribe(identity, QUEUES)
        if not self._watchers or self._teller is None:
            return
        seen = self._seen()
        if seen != self._told:
            self._told = seen
            self._teller.publish(QUEUES, QueuesChanged(at=self._now(), queues=seen[0], call_backs=seen[1]))

    def _seen(self) -> tuple[list[QueueFigures], list[CallBackState]]:
        now = self._time()
        figures = self._switchboard.queue_figures(now)
        return (
            [self._figures(one, now) for one in figures.values()],
            [self._call_back(view) for view in self._switchboard.call_backs()],
        )

    def _figures(self, figures: Figures, now: float) -> QueueFigures:
        plan = self._switchboard.plan.queues.get(figures.queue)
        titles = plan.titles if plan is not None else {}
        return QueueFigures(
            name=figures.queue,
            titles=dict(titles),
            waiting=figures.waiting,
            longest_since=round(self._clock.at(now - figures.longest_s)) if figures.waiting else None,
            agents=figures.signed_in,
            available=figures.available,
            offered=figures.offered,
            served=figures.served,
            abandoned=figures.abandoned,
            short_abandoned=figures.short_abandoned,
            in_time=figures.in_time,
            service_level=figures.service_level,
            wait_s=figures.wait_s,
            handle_s=figures.handle_s,
        )

    def _call_back(self, view: CallBackView) -> CallBackState:
        back, at = view.call_back, self._clock.at
        return CallBackState(
            call_back_id=back.call_back_id,
            queue=back.queue,
            number=back.number,
            name=back.name,
            language=back.language,
            since=at(back.since_s),
            tries=back.tries,
            next_at=self._clock.at_or_none(back.next_s),
            state=view.state.value,
            agent=view.agent,
        )

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self.tell()
