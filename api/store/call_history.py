"""Calls as supervisors look for them: by number, agent, queue, time and how they sounded, and one call with all its measured seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select

from api.store.record_tables import call_traces, queue_visits
from api.store.rows import Row
from api.store.schema import calls, legs, quality
from api.store.statements import Statements

BAD_MOS = 3.1
"""A call is bad of which a tenth of its seconds sounded worse, or in which nothing arrived."""
_MOST_TRACES = 400
_SHOWN = (
    *("call_id", "direction", "caller", "caller_name", "called", "agent", "answered_by", "state", "started_at", "answered_at", "ended_at"),
    *("end_reason", "talk_s", "hold_s", "waited_s", "queue", "entry", "language", "vip", "transfers"),
    *("mos_scale", "mos_min", "mos_p10", "mos_p50", "quality_hop", "quality_cause"),
)
_MEASURED = (
    *("leg_id", "kind", "at", "codec", "loss", "jitter_ms", "round_trip_ms", "level_dbfs", "concealed_ms", "mos", "scale", "cause"),
    *("hop_loss", "far_jitter_ms", "far_mos", "far_scale", "far_cause", "fault_hop", "fault_cause"),
)


def is_bad() -> ColumnElement[bool]:
    """See ``BAD_MOS``. Neither true nor false of a call that was not measured."""
    return or_(calls.c.mos_p10 < BAD_MOS, calls.c.quality_cause == "silent")


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for; empty: anything. ``person``: the handle of a number; ``people``: one of these agents, None: anybody. ``before``:
    behind this call of the page before, by when it began and its id. Times in seconds since the epoch."""

    person: str = ""
    agent: str = ""
    queue: str = ""
    begun_from: float | None = None
    begun_before: float | None = None
    bad: bool = False
    people: frozenset[str] | None = None
    before: tuple[float, str] | None = None


class CallHistoryStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def search(self, sought: Sought, limit: int) -> Sequence[Row]:
        """Calls, the newest first; those that run are among them."""
        query = select(*(calls.c[name] for name in _SHOWN))
        of_agent = and_(legs.c.call_id == calls.c.call_id, legs.c.kind == "agent")
        if sought.person:
            of_person = exists().where(legs.c.call_id == calls.c.call_id, legs.c.person == sought.person)
            query = query.where(or_(calls.c.person == sought.person, of_person))
        if sought.agent:
            query = query.where(or_(calls.c.agent == sought.agent, exists().where(of_agent, legs.c.party == sought.agent)))
        if sought.people is not None:
            query = query.where(exists().where(of_agent, legs.c.party.in_(sought.people)))
        if sought.queue:
            query = query.where(exists().where(queue_visits.c.call_id == calls.c.call_id, queue_visits.c.queue == sought.queue))
        if sought.begun_from is not None:
            query = query.where(calls.c.started_at >= sought.begun_from)
        if sought.begun_before is not None:
            query = query.where(calls.c.started_at < sought.begun_before)
        if sought.bad:
            query = query.where(is_bad())
        if sought.before is not None:
            at, call_id = sought.before
            query = query.where(or_(calls.c.started_at < at, and_(calls.c.started_at == at, calls.c.call_id > call_id)))
        return [dict(row) for row in await self._rows(query.order_by(calls.c.started_at.desc(), calls.c.call_id).limit(limit))]

    async def call(self, call_id: str) -> Row | None:
        """One of them."""
        found = await self._rows(select(*(calls.c[name] for name in _SHOWN)).where(calls.c.call_id == call_id))
        return dict(found[0]) if found else None

    async def traces(self, call_id: str) -> Sequence[Row]:
        """What went over the wire of its legs, in order."""
        columns = [call_traces.c[name] for name in ("leg_id", "kind", "number", "left_out", "body")]
        query = select(*columns).where(call_traces.c.call_id == call_id)
        return [dict(row) for row in await self._rows(query.order_by(call_traces.c.at, call_traces.c.number).limit(_MOST_TRACES))]

    async def samples(self, call_id: str, after: float, limit: int) -> Sequence[Row]:
        """The seconds of its legs that were measured behind ``after``, in order."""
        query = select(*(quality.c[name] for name in _MEASURED)).where(quality.c.call_id == call_id, quality.c.at > after)
        return [dict(row) for row in await self._rows(query.order_by(quality.c.at, quality.c.leg_id).limit(limit))]
