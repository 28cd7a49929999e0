"""Complete records of calls and of what agents did, each with its place in one order, so that a reader gets each once and misses none.

A record is complete some seconds after its end, when nothing about it comes any more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, case, exists, func, literal, or_, select

from api.store.call_back_tables import wrap_ups
from api.store.places import Places
from api.store.record_tables import agent_states, call_events, queue_visits
from api.store.rows import QUARTER_S, Row
from api.store.schema import calls, legs, quality, recordings

_WORK_S = 3_600.0
"""An agent's work after a call that is not over by then was lost with the server's process."""
_LATER_STATE = agent_states.alias("later")


@dataclass(frozen=True, slots=True)
class Wanted:
    """``after``: behind this place. ``begun_from`` and ``begun_before``: seconds since the epoch. ``agent``: who took part, or was rung;
    ``people``: one of these, None: anybody. ``queue``: in which it waited."""

    after: int = 0
    begun_from: float | None = None
    begun_before: float | None = None
    agent: str = ""
    people: frozenset[str] | None = None
    queue: str = ""


class RecordStore(Places):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ places

    async def number_calls(self, ended_before: float) -> None:
        """Give every call its place that had ended by then, with the agents' work after it, and has none."""
        done = exists().where(wrap_ups.c.call_id == queue_visits.c.call_id, wrap_ups.c.agent == queue_visits.c.agent)
        at_work = exists().where(queue_visits.c.call_id == calls.c.call_id, queue_visits.c.wraps_up, ~done)
        over = or_(~at_work, calls.c.ended_at <= ended_before - _WORK_S)
        complete = and_(calls.c.record_seq.is_(None), calls.c.ended_at <= ended_before, over)
        await self._give_places(calls.c.record_seq, complete, (calls.c.ended_at, calls.c.call_id))

    async def number_agent_states(self) -> None:
        """Give every state its place that is over and has none."""
        over = exists().where(_LATER_STATE.c.identity == agent_states.c.identity, _LATER_STATE.c.at > agent_states.c.at)
        await self._give_places(
            agent_states.c.record_seq, and_(agent_states.c.record_seq.is_(None), over), (agent_states.c.at, agent_states.c.identity)
        )

    # ------------------------------------------------------------------ pages

    async def span(self, wanted: Wanted) -> tuple[int, int]:
        """The places between which all calls are that began in the time that is wanted; (1, 0): there are none."""
        ends = func.min(calls.c.record_seq).label("first"), func.max(calls.c.record_seq).label("last")
        found = (await self._rows(_begun(select(*ends), wanted)))[0]
        return (1, 0) if found["first"] is None else (found["first"], found["last"])

    async def calls(self, wanted: Wanted, span: tuple[int, int], limit: int) -> list[Row]:
        """Complete calls in order, each with its recordings, queues and the agents' work after it."""
        query = _begun(select(calls), wanted).where(calls.c.record_seq.between(max(span[0], wanted.after + 1), span[1]))
        of_call = and_(legs.c.call_id == calls.c.call_id, legs.c.kind == "agent")
        if wanted.agent:
            query = query.where(exists().where(of_call, legs.c.party == wanted.agent))
        if wanted.people is not None:
            query = query.where(exists().where(of_call, legs.c.party.in_(wanted.people)))
        if wanted.queue:
            query = query.where(exists().where(queue_visits.c.call_id == calls.c.call_id, queue_visits.c.queue == wanted.queue))
        found = [dict(row) for row in await self._rows(query.order_by(calls.c.record_seq).limit(limit))]
        call_ids = [row["call_id"] for row in found]
        recorded = await self._of(recordings, recordings.c.started_at, call_ids)
        visits = await self.visits_of(call_ids)
        worked = await self._of(wrap_ups, wrap_ups.c.began_at, call_ids)
        for row in found:
            call_id = row["call_id"]
            row["recordings"] = [each["recording_id"] for each in recorded.get(call_id, [])]
            row["queues"] = list(dict.fromkeys(each["queue"] for each in visits.get(call_id, [])))
            row["wrap_up_codes"] = [each["code"] for each in worked.get(call_id, []) if each["code"]]
            row["wrap_up_s"] = sum(each["ended_at"] - each["began_at"] for each in worked.get(call_id, []))
        return found

    async def legs_of(self, call_ids: Collection[str]) -> Mapping[str, list[Row]]:
        """Legs by call, oldest first, each with the quality that was measured at it."""
        scores = select(quality.c.leg_id, func.min(quality.c.mos).label("mos_min"), func.avg(quality.c.mos).label("mos_mean"))
        scores = scores.where(quality.c.call_id.in_(list(call_ids))).group_by(quality.c.leg_id)
        heard = {row["leg_id"]: (row["mos_min"], row["mos_mean"]) for row in await self._rows(scores)}
        found = await self._of(legs, legs.c.opened_at, call_ids)
        for leg in (leg for of_call in found.values() for leg in of_call):
            leg["mos_min"], leg["mos_mean"] = heard.get(leg["leg_id"], (None, None))
        return found

    async def events_of(self, call_ids: Collection[str]) -> Mapping[str, list[Row]]:
        """Entries of their journals by call, in order."""
        return await self._of(call_events, call_events.c.seq, call_ids)

    async def visits_of(self, call_ids: Collection[str]) -> Mapping[str, list[Row]]:
        """Stays in queues by call, in order."""
        return await self._of(queue_visits, queue_visits.c.visit, call_ids)

    async def _of(self, table: Table, order: ColumnElement[Any], call_ids: Collection[str] | Any) -> dict[str, list[Row]]:
        of_calls: dict[str, list[Row]] = {}
        for row in await self._rows(select(table).where(table.c.call_id.in_(list(call_ids))).order_by(order, *table.primary_key)):
            of_calls.setdefault(row["call_id"], []).append(dict(row))
        return of_calls

    async def agent_states(self, wanted: Wanted, limit: int) -> list[Row]:
        """What agents did, each state that is over, in order; ``ended_at``: when the next began."""
        ended_at = (
            select(func.min(_LATER_STATE.c.at))
            .where(_LATER_STATE.c.identity == agent_states.c.identity, _LATER_STATE.c.at > agent_states.c.at)
            .scalar_subquery()
        )
        query = select(agent_states, ended_at.label("ended_at")).where(agent_states.c.record_seq > wanted.after)
        if wanted.begun_from is not None:
            query = query.where(agent_states.c.at >= wanted.begun_from)
        if wanted.begun_before is not None:
            query = query.where(agent_states.c.at < wanted.begun_before)
        if wanted.agent:
            query = query.where(agent_states.c.identity == wanted.agent)
        if wanted.people is not None:
            query = query.where(agent_states.c.identity.in_(wanted.people))
        return [dict(row) for row in await self._rows(query.order_by(agent_states.c.record_seq).limit(limit))]

    # ------------------------------------------------------------------ statistics

    async def queue_statistics(
        self, first: int, last: int, size: int, queue: str, *, by_agent: bool = False, people: Collection[str] | None = None
    ) -> list[Row]:
        """What each queue did in each interval of ``size`` quarters of an hour, from quarter ``first`` to before ``last``: of the callers
        who joined it then, whatever became of them later. Without the queues and intervals in which nobody came. ``size`` 0: of all that
        time together. ``by_agent``: a row for each who served them, and one of ''. ``people``: of whom these served alone."""
        visit, served = queue_visits.c, queue_visits.c.outcome == "served"
        slot, waited_s = (visit.quarter // size if size else literal(0)).label("slot"), visit.left_at - visit.since
        by = (visit.queue, slot, *((visit.agent,) if by_agent else ()))
        work_s = (
            select(func.sum(wrap_ups.c.ended_at - wrap_ups.c.began_at))
            .where(wrap_ups.c.call_id == visit.call_id, wrap_ups.c.agent == visit.agent, wrap_ups.c.queue == visit.queue)
            .scalar_subquery()
        )
        query = (
            select(
                *by,
                func.count().label("offered"),
                _count(served).label("answered"),
                _count(visit.in_time).label("in_time"),
                _count(visit.outcome == "abandoned").label("abandoned"),
                _count(visit.short).label("short"),
                _count(visit.outcome.in_(("timeout", "overflowed", "closed"))).label("overflowed"),
                _count(visit.outcome.in_(("full", "nobody"))).label("turned_away"),
                _count(visit.outcome == "call_back").label("called_back"),
                func.sum(waited_s).label("wait_s"),
                func.sum(case((served, waited_s), else_=0.0)).label("answered_wait_s"),
                func.max(waited_s).label("longest_wait_s"),
                func.coalesce(func.sum(legs.c.ended_at - legs.c.answered_at), 0.0).label("talk_s"),
                func.coalesce(func.sum(case((served, work_s), else_=None)), 0.0).label("wrap_up_s"),
                func.coalesce(func.sum(calls.c.hold_s), 0.0).label("hold_s"),
            )
            .select_from(
                queue_visits.outerjoin(legs, and_(legs.c.leg_id == visit.leg_id, served)).outerjoin(
                    calls, and_(calls.c.call_id == visit.call_id, served)
                )
            )
            .where(visit.quarter >= first, visit.quarter < last)
            .group_by(*by)
            .order_by(slot, visit.queue, *by[2:])
        )
        if people is not None:
            query = query.where(served, visit.agent.in_(people))
        return [dict(row) for row in await self._rows(query.where(visit.queue == queue) if queue else query)]

    async def first_visits(self) -> Mapping[str, float]:
        """Since when anybody waited in each queue, seconds since the epoch to a quarter of an hour."""
        query = select(queue_visits.c.queue, func.min(queue_visits.c.quarter).label("quarter")).group_by(queue_visits.c.queue)
        return {row["queue"]: row["quarter"] * QUARTER_S for row in await self._rows(query)}


def _count(holds: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((holds, 1), else_=0))


def _begun(query: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.begun_from is not None:
        query = query.where(calls.c.started_at >= wanted.begun_from)
    if wanted.begun_before is not None:
        query = query.where(calls.c.started_at < wanted.begun_before)
    return query
