"""The live board: every running call with both ways of its legs and the hop that is bad, told to supervisors once a second.

One notice a second on one topic, with what changed in it, however many calls there are; of nothing new every two seconds. A page that
missed one sees the gap in the
sequence numbers and asks for everything anew; a page that is no longer there is forgotten when it does not ask again. Watching is
a supervisor's right, looked at each time it is asked for. Who has teams sees the calls of these teams alone: each set of teams is a topic
of its own.

**Several nodes.** A node whose board is watched wants to know of the calls of all others, and says so as often as its pages do. Who is
wanted tells once a second what changed, numbered, at most ``MOST_TOLD`` calls, the longest waiting first; whoever misses a number wants
everything anew. Calls of a node that is gone leave the boards.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, Self

from msgspec import Struct, structs

from api.call_alerts import CallAlerts
from api.quality_alerts import OF_AGENTS
from media.messages import Fault, LegSample
from rooms.queues.figures import Figures
from signaling.messages import BoardAlert, BoardCall, BoardChanged, BoardLeg, BoardNode, BoardNow, CallState, HelpState, Notice
from signaling.topics import board_of, person

MOST_CALLS = 500
"""Calls on a board, and of one node; of more only the number is told."""
MOST_TOLD = 200
"""Calls of which other nodes are told in one second."""
WATCHED_S = 90.0
"""So long after it asked a page is told; pages ask again in time."""
_EVERY_S = 1.0
BEAT_S = 2.0
"""At least so often whoever watches is told something: a page that hears nothing knows that it shows what was."""


class Teller(Protocol):
    """What the board asks of ``signaling.hub.Hub``."""

    def publish(self, topic: str, notice: Notice) -> None: ...

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...


class ToldCall(Struct, frozen=True, array_like=True):
    """A call of another node, and in which teams its agent is."""

    call: BoardCall
    teams: list[str]


class BoardSummary(Struct, frozen=True):
    """What a node tells others of its calls: all (``whole``), or what changed since the number before. ``more``: it is silent about."""

    number: int
    whole: bool
    calls: list[ToldCall]
    gone: list[str]
    more: int
    load: float = 0.0
    alerts: list[BoardAlert] = []


class Nodes(Protocol):
    """What the board asks of ``api.nodes.nodes.Nodes``."""

    @property
    def others(self) -> tuple[str, ...]: ...

    def want_board(self, node: str, whole: bool) -> None: ...

    def tell_board(self, node: str, summary: BoardSummary) -> None: ...


@dataclass(slots=True)
class _Elsewhere:
    """What is known of another node's calls."""

    number: int
    calls: dict[str, ToldCall]
    more: int
    load: float = 0.0
    alerts: tuple[BoardAlert, ...] = ()


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
    told_s: float = 0.0
    alerts: list[BoardAlert] = field(default_factory=list)


class Board:
    """``async with``: tells once a second, while anybody watches. ``now()``: seconds since the epoch, ``clock()``: of the event loop.

    ``node``: this one's name; ``load()``: as ``BoardNode`` has it. ``queues()``: how they stand, looked at once a second.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        clock: Callable[[], float],
        node: str = "",
        load: Callable[[], float] = lambda: 0.0,
        queues: Callable[[], Mapping[str, Figures]] = dict,
    ) -> None:
        self._now, self._clock = now, clock
        self._node, self._load, self._queues = node, load, queues
        self.alerts = CallAlerts(now)
        self.alerts.on_help = self._tell_help
        self._teller: Teller | None = None
        self._calls: dict[str, _Call] = {}
        self._unseen: set[str] = set()
        """Calls beyond ``MOST_CALLS``."""
        self._changed: dict[str, None] = {}
        self._views: dict[frozenset[str], _View] = {}
        self._teams_of: Callable[[str], frozenset[str]] = lambda identity: frozenset()
        self._nodes: Nodes | None = None
        self._elsewhere: dict[str, _Elsewhere] = {}
        self._wanted_by: dict[str, float] = {}
        """Until when each of the other nodes wants to know of our calls."""
        self._untold: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._number = 0
        self._task: asyncio.Task[None] | None = None

    def meet(self, teller: Teller) -> None:
        """By whom pages are told: the hub."""
        self._teller = teller

    def meet_nodes(self, nodes: Nodes) -> None:
        """By whom other nodes are told, and of whom they are."""
        self._nodes = nodes

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
        """A running call as it now stands."""
        known = self._calls.get(state.call_id)
        if known is not None:
            known.state = state
            self._change(state.call_id)
        elif len(self._calls) < MOST_CALLS:
            self._calls[state.call_id] = _Call(state)
            self._unseen.discard(state.call_id)
            self._change(state.call_id)
        elif len(self._unseen) < MOST_CALLS * 20:
            self._unseen.add(state.call_id)

    def over(self, call_id: str) -> None:
        """A call has ended and leaves the board."""
        self._unseen.discard(call_id)
        known = self._calls.pop(call_id, None)
        self._changed.pop(call_id, None)
        if known is not None:
            self.alerts.over(call_id)
        if self._wanted_by and known is not None:
            self._untold.pop(call_id, None)
            self._gone[call_id] = None

    def quality(self, call_id: str, sides: Sequence[tuple[str, LegSample]], faults: Sequence[Fault]) -> None:
        """A call's last second. ``sides``: (``agent`` or ``phone``, sample)."""
        known = self._calls.get(call_id)
        if known is None:
            return
        known.legs = [_board_leg(side, sample) for side, sample in sides]
        known.hop, known.cause = (faults[0].hop, faults[0].cause) if faults else ("", "good")
        self.alerts.heard(call_id, sides)
        self._change(call_id)

    def _change(self, call_id: str) -> None:
        self._changed[call_id] = None
        if self._wanted_by:
            self._untold[call_id] = None

    def watch(self, identity: str, teams: frozenset[str] = frozenset()) -> BoardNow:
        """Everything that who has these teams may see, and from now on what changes."""
        for others, view in self._views.items():
            if others != teams and view.watchers.pop(identity, None) is not None and self._teller is not None:
                self._teller.unsubscribe(identity, board_of(others))
        view = self._views.setdefault(teams, _View())
        if self._teller is not None and identity not in view.watchers:
            self._teller.subscribe(identity, board_of(teams))
        view.watchers[identity] = self._clock() + WATCHED_S
        for node in self._nodes.others if self._nodes is not None else ():
            self._want(node)
        seen, total = self._seen_by(teams, view.shown)
        view.shown |= seen
        view.told_s, view.alerts = self._clock(), self._alerts_of(seen, teams)
        return BoardNow(at=self._now(), total=total, calls=self._shown(seen), nodes=self._loads(), alerts=view.alerts)

    def _seen_by(self, teams: frozenset[str], shown: set[str]) -> tuple[set[str], int]:
        """What who has these teams sees, of which what they saw goes on before new ones, and how many calls there are.

        Calls of which nothing is known are counted for who sees all: whose they are is not kept.
        """
        own = (call_id for call_id, call in self._calls.items() if not teams or teams & self._teams_of(call.state.agent))
        visible = [*own, *self._seen_elsewhere(teams)]
        total = len(visible)
        if not teams:
            total += len(self._unseen) + sum(known.more for known in self._elsewhere.values())
        visible.sort(key=lambda call_id: call_id not in shown)
        return set(visible[:MOST_CALLS]), total

    def _seen_elsewhere(self, teams: frozenset[str]) -> Iterator[str]:
        for known in self._elsewhere.values():
            for call_id, told in known.calls.items():
                if not teams or not teams.isdisjoint(told.teams):
                    yield call_id

    def _shown(self, wanted: set[str]) -> list[BoardCall]:
        calls = [_board_call(call) for call_id, call in self._calls.items() if call_id in wanted]
        for known in self._elsewhere.values():
            calls += [told.call for call_id, told in known.calls.items() if call_id in wanted]
        return calls

    def tell(self) -> None:
        """What changed since the last time, to who watches, here and on other nodes."""
        now = self._clock()
        self.alerts.look_at(self._queues())
        self._tell_nodes(now)
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
        seen, total = self._seen_by(teams, view.shown)
        calls = self._shown({call_id for call_id in seen if call_id in self._changed or call_id not in view.shown})
        gone = sorted(view.shown - seen)
        view.shown = seen
        now, alerts = self._clock(), self._alerts_of(seen, teams)
        if self._teller is not None and (calls or gone or alerts != view.alerts or now - view.told_s >= BEAT_S):
            told = alerts if alerts != view.alerts else None
            view.told_s, view.alerts = now, alerts
            changed = BoardChanged(at=self._now(), total=total, calls=calls, gone=gone, nodes=self._loads(), alerts=told)
            self._teller.publish(board_of(teams), changed)

    def _alerts_of(self, seen: set[str], teams: frozenset[str]) -> list[BoardAlert]:
        """Those of these calls, of queues, and of agents of these teams."""
        known = [self.alerts.open, *(other.alerts for other in self._elsewhere.values())]
        return as_one(alert for some in known for alert in some if _concerns(alert, seen, teams))

    def own_alerts(self, teams: frozenset[str]) -> list[BoardAlert]:
        """What who has these teams is told of this node."""
        seen, _ = self._seen_by(teams, set())
        return [alert for alert in self.alerts.open if _concerns(alert, seen, teams)]

    def see(self, alert_id: str, by: str, until: float | None, teams: frozenset[str]) -> bool:
        """Who has these teams sees to an alert of this node, or puts it off ``until`` then. Is it open, and are they told of it?"""
        told = any(alert.alert_id == alert_id for alert in self.own_alerts(teams))
        return told and self.alerts.see(alert_id, by, until)

    def seen_elsewhere(self, alert_id: str, by: str, until: float | None) -> None:
        """Other nodes were told so: their own word comes within a second, and nobody is to be told again meanwhile."""
        for known in self._elsewhere.values():
            known.alerts = tuple(_seen(alert, by, until) if alert.alert_id == alert_id else alert for alert in known.alerts)

    # ------------------------------------------------------------------ what agents say

    def help(self, agent: str, on: bool | None) -> HelpState:
        """Somebody wants a supervisor, no longer does, or asks how that stands. Their pages are told whenever it changes."""
        if on is not None:
            self.alerts.ask_help(agent, on, self._teams_of(agent))
            if on:
                self._tell_help(agent)
        return HelpState(*self.alerts.help_of(agent))

    def report(self, agent: str, call_id: str, what: str) -> None:
        """What somebody says of the sound of a call of theirs."""
        self.alerts.report(agent, call_id, what, self._teams_of(agent))

    def _tell_help(self, agent: str) -> None:
        if self._teller is not None:
            self._teller.publish(person(agent), HelpState(*self.alerts.help_of(agent)))

    def _loads(self) -> list[BoardNode]:
        own = BoardNode(self._node, len(self._calls) + len(self._unseen), self._load())
        others = [BoardNode(name, len(known.calls) + known.more, known.load) for name, known in sorted(self._elsewhere.items())]
        return [own, *others]

    # ------------------------------------------------------------------ several nodes

    def _want(self, node: str) -> None:
        if self._nodes is not None:
            self._nodes.want_board(node, node not in self._elsewhere)

    def on_wanted(self, node: str, whole: bool) -> None:
        """Another node's board is watched."""
        self._wanted_by[node] = self._clock() + WATCHED_S
        if whole and self._nodes is not None:
            summary = BoardSummary(self._number, True, self._told(self._calls), [], len(self._unseen), self._load(), list(self.alerts.open))
            self._nodes.tell_board(node, summary)

    def on_told(self, node: str, summary: BoardSummary) -> None:
        """What another node says of its calls."""
        known = self._elsewhere.get(node)
        if summary.whole:
            known = self._elsewhere[node] = _Elsewhere(summary.number, {}, 0)
        elif known is None:
            return  # all of it was asked for, and is on its way
        elif summary.number != known.number + 1:
            del self._elsewhere[node]
            self._want(node)
            return
        known.number, known.more = summary.number, summary.more
        known.load, known.alerts = summary.load, tuple(summary.alerts)
        for told in summary.calls:
            if told.call.call_id in known.calls or len(known.calls) < MOST_CALLS:
                known.calls[told.call.call_id] = told
                self._changed[told.call.call_id] = None
        for call_id in summary.gone:
            known.calls.pop(call_id, None)

    def on_node(self, node: str, there: bool) -> None:
        """Another node came, or is gone."""
        self._elsewhere.pop(node, None)
        self._wanted_by.pop(node, None)
        if there and any(view.watchers for view in self._views.values()):
            self._want(node)

    def _tell_nodes(self, now: float) -> None:
        for node in [node for node, until in self._wanted_by.items() if until <= now]:
            del self._wanted_by[node]
        if self._wanted_by and self._nodes is not None:
            told = tuple(islice(self._untold, MOST_TOLD))
            self._number += 1
            summary = BoardSummary(
                self._number, False, self._told(told), list(self._gone), len(self._unseen), self._load(), list(self.alerts.open)
            )
            for node in self._wanted_by:
                self._nodes.tell_board(node, summary)
            for call_id in told:
                del self._untold[call_id]
        else:
            self._untold.clear()
        self._gone.clear()

    def _told(self, call_ids: Iterable[str]) -> list[ToldCall]:
        calls = [self._calls[call_id] for call_id in call_ids]
        return [ToldCall(_board_call(call), sorted(self._teams_of(call.state.agent))) for call in calls]

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self.tell()


def _concerns(alert: BoardAlert, seen: set[str], teams: frozenset[str]) -> bool:
    """Is it of these calls, of a queue, or the word of an agent of these teams?"""
    if alert.kind in OF_AGENTS:
        return not teams or not teams.isdisjoint(alert.teams)
    return not alert.call_id or alert.call_id in seen


def as_one(alerts: Iterable[BoardAlert]) -> list[BoardAlert]:
    """Each alert once: a queue may be in trouble at several nodes, and who sees to it at one does at all."""
    merged: dict[str, BoardAlert] = {}
    for alert in alerts:
        other = merged.setdefault(alert.alert_id, alert)
        if other is not alert:
            later = max(other, alert, key=lambda each: each.snoozed_until)
            merged[alert.alert_id] = structs.replace(
                other,
                since=min(other.since, alert.since),
                acknowledged_by=other.acknowledged_by or alert.acknowledged_by,
                snoozed_by=later.snoozed_by,
                snoozed_until=later.snoozed_until,
            )
    return list(merged.values())


def _seen(alert: BoardAlert, by: str, until: float | None) -> BoardAlert:
    if until is None:
        return structs.replace(alert, acknowledged_by=by)
    return structs.replace(alert, snoozed_by=by, snoozed_until=until)


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
        monitors=state.monitors,
        queue=state.centre.queue if state.centre is not None else "",
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
        level_dbfs=sample.level_dbfs,
    )


def machine_load() -> float:
    """Of this machine, as ``BoardNode`` has it."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)
