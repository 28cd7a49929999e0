"""Supervisors in other people's calls: who may, and what the audit says of it.

A right is asked for when it is used, and again when the call comes to another agent or the supervisor's session ends: who may not any more
is put out. The log has one entry for each begin, change of mode, taking over and end, with whose call it is, never a number; what is
refused for want of a right is written there by who asks for it (``api/identity/accounts.py``), at whatever node.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rooms import events as ev
from rooms.causes import Cause, EndReason
from rooms.monitor import MonitorMode
from rooms.record import CallView
from rooms.switchboard import Switchboard
from signaling.grants import Grant, Permission, Resource, allows, demand
from signaling.messages import Monitor, TakeOver
from signaling.refusal import Refusal

_PERMISSION = {
    MonitorMode.LISTEN: Permission.CALL_LISTEN,
    MonitorMode.WHISPER: Permission.CALL_WHISPER,
    MonitorMode.BARGE: Permission.CALL_BARGE,
}


@dataclass(slots=True)
class _Watch:
    """One supervisor in one call. ``agent``: whose call it is, or was last. ``grant``: with what right; none is needed by the agent who
    stayed when the call was taken over."""

    agent: str
    mode: str
    since_s: float
    grant: Grant | None = None


class Supervision:
    """``feed`` tells call control. ``teams_of``: in which teams an agent is. ``note(kind, whose call, by whom, detail)`` writes in the log.
    ``has_ended``: is this session over? ``clock``: seconds."""

    def __init__(
        self,
        switchboard: Switchboard,
        feed: Callable[[ev.Event], None],
        *,
        teams_of: Callable[[str], frozenset[str]],
        note: Callable[[str, str, str, str], None],
        has_ended: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._switchboard = switchboard
        self._feed = feed
        self._teams_of = teams_of
        self._note = note
        self._has_ended = has_ended
        self._clock = clock
        self._watches: dict[tuple[str, str], _Watch] = {}
        """By call and supervisor."""

    # ------------------------------------------------------------------ what pages ask

    def monitor(self, grant: Grant, request: Monitor) -> None:
        """Raises ``Refusal`` and ``NotPossible``."""
        mode = MonitorMode(request.mode)
        demand(grant, _PERMISSION[mode], self._of(self._agent_of(request.call_id)))
        self._feed(ev.MonitorRequested(request.call_id, grant.identity, mode))
        watch = self._watches.get((request.call_id, grant.identity))
        if watch is not None:
            watch.grant = grant

    def take_over(self, grant: Grant, request: TakeOver) -> None:
        """Raises ``Refusal`` and ``NotPossible``."""
        call_id, agent = request.call_id, self._agent_of(request.call_id)
        demand(grant, Permission.CALL_TAKE_OVER, self._of(agent))
        self._feed(ev.TakeOverRequested(call_id, grant.identity, request.agent_stays))
        if agent != grant.identity:
            self._note("call.taken_over", agent, grant.identity, call_id)

    def _of(self, agent: str) -> Resource:
        return Resource(owner=agent, teams=self._teams_of(agent))

    def _agent_of(self, call_id: str) -> str:
        """Whose call it is, or was last."""
        record = self._switchboard.record(call_id)
        if record is None:
            raise Refusal("unknown_call", "There is no such call: it may just have ended.")
        return record.agent

    # ------------------------------------------------------------------ what becomes of it

    def hear(self, view: CallView) -> None:
        """Somebody is shown a call as it now stands for them."""
        key = (view.call_id, view.agent)
        watch = self._watches.get(key)
        if not view.mode:
            if watch is not None:
                del self._watches[key]
                self._over(view, watch)
            return
        agent = self._agent_of(view.call_id)
        if watch is None or watch.mode != view.mode:
            since_s, grant = (self._clock(), None) if watch is None else (watch.since_s, watch.grant)
            self._watches[key] = _Watch(agent, view.mode, since_s, grant)
            self._note("call.monitored", agent, view.agent, f"{view.mode} {view.call_id}")
        elif watch.agent != agent:
            watch.agent = agent
            # The effects of what brought that about come first.
            asyncio.get_running_loop().call_soon(self._check, key)

    def _over(self, view: CallView, watch: _Watch) -> None:
        why = view.came if view.owned else view.cause.reason.value if view.cause is not None else ""
        self._note("call.monitor_ended", watch.agent, view.agent, f"{why} {view.call_id} after {self._clock() - watch.since_s:.0f} s")

    def _check(self, key: tuple[str, str]) -> None:
        watch = self._watches.get(key)
        if watch is not None and watch.grant is not None:
            may = allows(watch.grant, _PERMISSION[MonitorMode(watch.mode)], self._of(watch.agent))
            if not may or self._has_ended(watch.grant.session_id):
                self._note("forbidden", key[1], key[1], f"call.monitor {watch.mode} {key[0]}")
                self._feed(ev.MonitorEnded(*key, Cause(EndReason.FORBIDDEN, detail="You may not monitor this call any more.")))

    def look_again(self, identity: str) -> None:
        """A session of this person's has ended."""
        for key in [key for key in self._watches if key[1] == identity]:
            self._check(key)
