"""Several PBXs as one line: which of them has each call, and where a call goes whose PBX fails. Sans-IO: it commands trunks, told the time.

A call we dial:

    TRYING --ringing--> PLACED --answer--> SETTLED
    TRYING --nothing at all for silent_s; 503 or 408; not to be sent--> TRYING at the next PBX; after the last one it is refused
    TRYING --any other refusal--> refused      (the PBX, or a person behind it, said no: nobody else is asked)
    TRYING --we hang up--> PLACED              (what comes after is the outcome, whatever it is)

A call that comes in is SETTLED from the start. A PBX that was left is told to cancel and is not listened to any more: its late 200 gets
ACK and BYE from its own trunk, and nobody hears of it.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Protocol

from pbx.timers import Timer, Timers
from pbx.trunk import (
    Answered,
    Arrived,
    HungUp,
    LineStatus,
    OnTrunkEvent,
    Rang,
    Refused,
    StatusChanged,
    TransferAsked,
    TransferProgressed,
    Trunk,
    TrunkEvent,
    TrunkStatus,
)
from pbx.trunk_choice import Candidate, Choice
from pbx.trunk_health import FailoverSettings, HealthState
from rooms.causes import Cause, EndReason

ELSEWHERE = frozenset({408, 503})
"""Refusals that are about the PBX and not about the call (RFC 3263, section 4.3)."""

MAX_REFERRERS = 1000


class LineTrunk(Trunk, Protocol):
    """The trunk of one PBX."""

    def proceeds(self, leg_id: str) -> bool:
        """Has the PBX said anything yet to this call of ours?"""


@dataclass(slots=True)
class Member:
    """One PBX of several: its trunk, and what is known of it. Both carry the same name."""

    trunk: LineTrunk
    candidate: Candidate

    @property
    def full(self) -> bool:
        return any(line.full for line in self.trunk.lines())


class _Stage(Enum):
    TRYING = auto()
    PLACED = auto()
    SETTLED = auto()


@dataclass(slots=True)
class _Call:
    """``place`` dials it on a trunk; ``left``: the PBXs that it can still go to."""

    member: Member
    stage: _Stage = _Stage.SETTLED
    place: Callable[[Trunk], None] | None = None
    left: list[Member] = field(default_factory=list)
    urgent: bool = False
    silence: Timer | None = None

    def quiet(self) -> None:
        if self.silence is not None:
            self.silence.cancel()


class Failover:
    """``emit`` gets what the trunks tell: calls under the ``name`` of the whole, the state of each PBX under its own."""

    def __init__(
        self,
        name: str,
        settings: FailoverSettings,
        members: Sequence[Member],
        emit: OnTrunkEvent,
        *,
        timers: Timers,
        counts: Counter[str],
    ) -> None:
        self._name = name
        self._settings = settings
        self._members = {member.candidate.name: member for member in members}
        self._choice = Choice(member.candidate for member in members)
        self._emit = emit
        self._timers = timers
        self._counts = counts
        self._calls: dict[str, _Call] = {}
        self._referrers: OrderedDict[str, Member] = OrderedDict()

    # -- commands --

    def dial(self, leg_id: str, place: Callable[[Trunk], None], *, beside: str = "", urgent: bool = False) -> None:
        """Place a call at the PBX whose turn it is. ``beside``: a leg at whose PBX it is tried first. ``urgent``: full ones count too."""
        order = [self._members[candidate.name] for candidate in self._choice.order()]
        near = self.trunk_of(beside)
        order.sort(key=lambda member: near is not None and member.trunk is not near)
        call = self._calls[leg_id] = _Call(order[0], _Stage.TRYING, place, order, urgent)
        self._next(leg_id, call, Cause(EndReason.UNREACHABLE, 503, "Every PBX carries as many calls as it may: try again soon."))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        call = self._calls.get(leg_id)
        if call is None:
            return
        call.quiet()
        if call.stage is _Stage.SETTLED:
            del self._calls[leg_id]
        call.stage = _Stage.PLACED
        call.member.trunk.hang_up(leg_id, cause)

    def trunk_of(self, leg_id: str) -> LineTrunk | None:
        """The trunk that has this call now."""
        call = self._calls.get(leg_id)
        member = call.member if call is not None else self._referrers.get(leg_id)
        return member.trunk if member is not None else None

    def refer(self, leg_id: str, target: str, replaces: str) -> None:
        """Hand a call over at its PBX. Another PBX's call cannot take its place there: that is refused at once."""
        trunk = self.trunk_of(leg_id)
        if trunk is None:
            return
        if replaces and self.trunk_of(replaces) is not trunk:
            self._timers.start(0.0, lambda: self._emit(TransferProgressed(leg_id, 481)))
            return
        trunk.refer(leg_id, target, replaces=replaces)

    def lines(self) -> list[LineStatus]:
        """Each PBX, with what share of new calls it takes where that is not all of its own."""
        return [
            replace(line, status=_told(member), share=member.candidate.health.share)
            for member in self._members.values()
            for line in member.trunk.lines()
        ]

    # -- what trunks tell --

    def seen(self, name: str) -> None:
        """A PBX answered something. Counts while its trunk is ready: one that answers and does not register us has no calls for us."""
        member = self._members[name]
        if member.trunk.status.ready:
            self._healthy(member)

    def heard(self, name: str, event: TrunkEvent) -> None:
        """An event of one PBX's trunk."""
        member = self._members[name]
        if isinstance(event, StatusChanged):
            self._status_changed(member, event)
            return
        if isinstance(event, Arrived):
            self._calls[event.leg_id] = _Call(member)
            self._emit(replace(event, trunk=self._name))
            return
        call = self._calls.get(event.leg_id)
        if call is None or call.member is not member:
            # What a PBX says of a call that went elsewhere is its own trunk's business.
            self._counts["events_of_left_calls"] += 1
            return
        if isinstance(event, Refused):
            self._refused(call, event)
            return
        if isinstance(event, Rang | Answered):
            call.quiet()
            call.stage = _Stage.SETTLED if isinstance(event, Answered) else _Stage.PLACED
            self._healthy(member)
        elif isinstance(event, HungUp):
            del self._calls[event.leg_id]
        elif isinstance(event, TransferAsked):
            # Whoever asks may hang up before the transfer is done, and is told its outcome all the same.
            self._referrers[event.leg_id] = member
            if len(self._referrers) > MAX_REFERRERS:
                self._referrers.popitem(last=False)
        self._emit(event)

    def _status_changed(self, member: Member, event: StatusChanged) -> None:
        health = member.candidate.health
        # Before the first answer there is nothing to lose: no PBX has answered at our own start.
        lost = not event.status.ready and health.state is not HealthState.NEW
        if health.failed(self._timers.now) if lost else event.status.ready and health.seen(self._timers.now):
            self._counts["share_changes"] += 1
        self._emit(StatusChanged(event.trunk, _told(member)))

    def _refused(self, call: _Call, event: Refused) -> None:
        call.quiet()
        if call.stage is _Stage.TRYING and event.cause.reason is EndReason.UNREACHABLE and event.cause.sip in ELSEWHERE:
            self._failed(call.member)
            self._next(event.leg_id, call, event.cause)
            return
        del self._calls[event.leg_id]
        self._emit(event)

    # -- the way of a call --

    def _next(self, leg_id: str, call: _Call, cause: Cause) -> None:
        """Try the next PBX that has room; refused for ``cause`` where there is none."""
        call.left = [member for member in call.left if call.urgent or not member.full]
        if not call.left or call.place is None:
            del self._calls[leg_id]
            # Never inside the command that it is the outcome of.
            self._timers.start(0.0, lambda: self._emit(Refused(leg_id, cause)))
            return
        call.member = call.left.pop(0)
        if call.left:
            # The last PBX has all the time that SIP gives it: there is nothing better to do than to wait.
            call.silence = self._timers.start(self._settings.silent_s, lambda: self._silent(leg_id, call))
        call.place(call.member.trunk)

    def _silent(self, leg_id: str, call: _Call) -> None:
        if call.stage is not _Stage.TRYING or call.member.trunk.proceeds(leg_id):
            return
        self._counts["silent_calls"] += 1
        cause = Cause(EndReason.UNREACHABLE, 408, "The PBX does not answer.")
        left = call.member
        self._failed(left)
        self._next(leg_id, call, cause)
        left.trunk.hang_up(leg_id, cause)

    def _healthy(self, member: Member) -> None:
        if member.candidate.health.seen(self._timers.now):
            self._share_changed(member)

    def _failed(self, member: Member) -> None:
        self._counts["failed_over"] += 1
        if member.candidate.health.failed(self._timers.now):
            self._share_changed(member)

    def _share_changed(self, member: Member) -> None:
        self._counts["share_changes"] += 1
        self._emit(StatusChanged(member.candidate.name, _told(member)))


def _told(member: Member) -> TrunkStatus:
    """The trunk's own words, and what failover makes of it."""
    status, health = member.trunk.status, member.candidate.health
    if health.state is HealthState.NEW:
        # The trunk knows before its event has told us: it is ready once calls go to it.
        return replace(status, ready=False)
    if health.state is HealthState.DOWN:
        words = f"It takes no new calls while another PBX does, until it has answered for {health.rest_s:.0f} s."
        return TrunkStatus(False, f"{status.detail} {words}")
    if 0 < health.share < 1:
        return TrunkStatus(
            status.ready, f"{status.detail} It takes {health.share * 100:.0f} % of its new calls until it has proved itself."
        )
    return status
