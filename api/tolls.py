"""Dialled numbers are watched over: each call to a public number is asked for, counted and priced. The rules stand in ``pbx/toll.py``.

Every refusal is in the audit. A person whose calls are stopped is told of in the program's log, the metrics and a webhook.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, time

import structlog
from msgspec import Struct

from api.audit.audit import Audit
from api.store.rows import Dialled
from pbx.numbers import NotANumber, Number
from pbx.routing import DialPlan
from pbx.toll import Spent, TollRefused, TollWatch
from rooms.record import CallRecord, LegRecord
from signaling.refusal import Refusal

log = structlog.get_logger()
_DAYS = 30
_MOST_RESTORED = 200_000


class SuspendedCaller(Struct, frozen=True):
    """Times in seconds since the epoch; minutes and money of the last 24 hours."""

    identity: str
    why: str
    since: float
    until: float
    minutes: float
    cost: float


class Tolls:
    """``now``: seconds since the epoch. ``hours``: of work, by the machine's local time; None: all are. ``on_suspended(who,
    why)`` tells whom it concerns."""

    def __init__(
        self,
        watch: TollWatch,
        plan: DialPlan,
        price: Callable[[str, float], float | None],
        *,
        now: Callable[[], float],
        hours: tuple[time, time] | None = None,
        audit: Audit,
        on_suspended: Callable[[str, str], None],
    ) -> None:
        self._watch, self._plan, self._price = watch, plan, price
        self._now, self._hours = now, hours
        self._audit, self._on_suspended = audit, on_suspended

    async def restore(self, dialled: Callable[[float, int], Awaitable[list[Dialled]]]) -> None:
        """Count what was called before this start. ``dialled(since, limit)``: answered outgoing calls, the oldest first."""
        for call in await dialled(self._now() - _DAYS * 86_400, _MOST_RESTORED):
            number = self.number(call.called)
            if number is not None and number.e164 is not None:
                talk_s = call.ended_at - call.answered_at
                self._watch.restore([Spent(call.agent, number.region, call.ended_at, talk_s, call.cost or 0.0)])

    def ask(self, who: str, number: Number, *, confirmed: bool = False) -> None:
        """May this person call this number now? ``confirmed``: they said so before. Raises ``Refusal`` with what to do."""
        now = self._now()
        try:
            self._watch.ask(who, number, now, off_hours=self._off_hours(now), confirmed=confirmed)
        except TollRefused as refused:
            self._audit.note("call.refused", who, detail=refused.code)
            if refused.suspended:
                self._audit.note("call.suspended", who, detail=refused.suspended)
                log.warning("calls.suspended", who=who, why=refused.suspended)
                self._on_suspended(who, refused.suspended)
            raise Refusal(refused.code, str(refused), refused.retry_after_s) from None

    def objection(self, number: Number) -> str | None:
        """Why this number is called by nobody here, in words; None where it may be. Nothing is counted."""
        return self._watch.objection(number)

    def ask_forward(self, who: str, dialled: str) -> None:
        """May a call be led on to this number, as this person wished? What is to be confirmed was when that was set. Raises ``Refusal``."""
        number = self.number(dialled)
        if number is not None:
            self.ask(who, number, confirmed=True)

    def began(self, leg_id: str, who: str, dialled: str) -> None:
        """A leg that was asked for is dialled on this account."""
        number = self.number(dialled)
        if number is not None:
            self._watch.began(leg_id, who, number, self._now())

    def answered(self, leg_id: str) -> None:
        """Of a leg that is in no call's record; so is ``over``."""
        self._watch.answered(leg_id, self._now())

    def over(self, leg_id: str) -> None:
        self._watch.ended(leg_id, self._now())

    def heard(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        """A call as it was just recorded: each leg that we dialled counts."""
        for leg in record.legs:
            if leg.by and leg.kind == "phone":
                if leg.answered_s is not None:
                    self._watch.answered(leg.leg_id, to_epoch(leg.answered_s))
                if leg.ended_s is not None:
                    self._watch.ended(leg.leg_id, to_epoch(leg.ended_s))

    def cost(self, leg: LegRecord) -> float | None:
        """Of a leg that we dialled and that is over; None where it was not answered or nobody knows."""
        if leg.kind != "phone" or not leg.by or leg.answered_s is None or leg.ended_s is None:
            return None
        number = self.number(leg.party)
        return None if number is None or number.e164 is None else self._price(number.e164, leg.ended_s - leg.answered_s)

    def suspended(self) -> list[SuspendedCaller]:
        """Whose calls to public numbers are stopped."""
        now = self._now()
        held = self._watch.suspensions(now)
        return [SuspendedCaller(who, each.why, each.since, each.until, *self._watch.spent(who, now)) for who, each in held.items()]

    def lift(self, who: str, by: str) -> bool:
        """Let this person call again; False where nothing was stopped."""
        lifted = self._watch.lift(who)
        if lifted:
            self._audit.note("call.lifted", who, by=by)
        return lifted

    def number(self, dialled: str) -> Number | None:
        """What was written so towards the PBX; None for what is no number."""
        try:
            return self._plan.read_back(dialled)
        except NotANumber:
            return None

    def _off_hours(self, now: float) -> bool:
        if self._hours is None:
            return False
        begin, end = self._hours
        at = datetime.fromtimestamp(now).time()  # noqa: DTZ006 - of the house where the telephones are
        return not (begin <= at < end if begin <= end else at >= begin or at < end)
