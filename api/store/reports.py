"""Sums for reports, read from the records of calls, agents and consultations; what they mean stands in ``api/reports/figures.py``.

Each row is of a ``slot`` (a quarter of an hour since the epoch, or 0 where no time is asked for), a queue and an agent; so that any group
of these is the sum of its rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Float, Integer, Select, and_, case, cast, exists, func, literal, literal_column, or_, select

from api.store.call_history import is_bad
from api.store.record_tables import agent_states
from api.store.report_tables import consultation_steps
from api.store.rows import QUARTER_S, Row
from api.store.schema import calls, legs, node_runs, sessions
from api.store.statements import Statements

_LOOK_BACK_S = 86_400.0
"""A state that began longer before a period is none of it: nobody is on one call for a day, but a process may have died."""
_LATER_CALL = calls.alias("later_call")
_LATER_RUN = node_runs.alias("later_run")


Trait = Literal["agent", "queue", "trunk", "phone_codec", "browser_codec", "headset", "connection", "way", "family", "device", "place"]
"""``headset`` to ``family``: of an agent's leg (``LegMeans``). ``device``: what an agent's browser and system are; ``place``: the network
that they signed in from (IPv4 /24, IPv6 /48)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``since`` to before ``until``. ``timed``: by quarters of an hour. ``people``: of these agents alone; None: of all."""

    since: float
    until: float
    timed: bool = False
    queue: str = ""
    people: frozenset[str] | None = None


class ReportStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def calls(self, asked: Asked, mos_steps: int) -> Sequence[Row]:
        """How many calls there were and how they sounded: ``step`` is the median MOS times ``mos_steps``, None where none was measured."""
        agent = _agent()
        step = cast(func.round(calls.c.mos_p50 * mos_steps), Integer).label("step")
        outgoing = case((and_(calls.c.direction == "out", calls.c.answered_at.is_not(None)), 1), else_=0)
        by = (_slot(asked, calls.c.started_at), calls.c.queue, agent.label("who"), calls.c.mos_scale, step)
        query = select(
            *by,
            func.count().label("calls"),
            func.sum(outgoing).label("outgoing"),
            func.sum(case((calls.c.quality_cause.is_not(None), 1), else_=0)).label("measured"),
            func.sum(case((is_bad(), 1), else_=0)).label("bad"),
        )
        return await self._grouped(_of(query, asked, agent), by)

    async def again(self, asked: Asked, within_s: float) -> Sequence[Row]:
        """Answered incoming calls (``judged``), and after how many of them (``again``) the same number called within ``within_s``."""
        agent, later = _agent(), _LATER_CALL.c
        soon = and_(later.started_at > calls.c.started_at, later.started_at <= calls.c.started_at + within_s)
        came = exists().where(later.person == calls.c.person, later.direction == "in", later.call_id != calls.c.call_id, soon)
        by = (_slot(asked, calls.c.started_at), calls.c.queue, agent.label("who"))
        query = select(*by, func.count().label("judged"), func.sum(case((came, 1), else_=0)).label("again"))
        query = query.where(calls.c.direction == "in", calls.c.answered_at.is_not(None), agent != "", calls.c.person != "")
        return await self._grouped(_of(query, asked, agent), by)

    async def states(self, asked: Asked) -> Sequence[Row]:
        """Seconds of each agent in each state, of those that began less than a day before ``since``. A state ends with the next one, with
        the run of the node that wrote it, or with the period."""
        state = agent_states.c
        after = select(func.min(_LATER_RUN.c.started_at)).where(
            _LATER_RUN.c.node == node_runs.c.node, _LATER_RUN.c.started_at > node_runs.c.started_at
        )
        stopped = func.coalesce(node_runs.c.ended_at, after.scalar_subquery(), literal(asked.until))
        later = func.lead(state.at).over(partition_by=state.identity, order_by=state.at)
        known = select(
            state.identity, state.state, state.at, func.coalesce(later, literal(asked.until)).label("later"), stopped.label("stop")
        )
        known = known.select_from(agent_states.outerjoin(node_runs, node_runs.c.boot_id == state.boot_id))
        known = known.where(state.at >= asked.since - _LOOK_BACK_S, state.at < asked.until)
        if asked.people is not None:
            known = known.where(state.identity.in_(asked.people))
        spans = known.subquery()
        ended = case((spans.c.stop < spans.c.later, spans.c.stop), else_=spans.c.later)
        begun = case((spans.c.at < asked.since, literal(asked.since)), else_=spans.c.at)
        lasted = case((ended > begun, ended - begun), else_=0.0)
        query = select(spans.c.identity, spans.c.state, func.sum(lasted).label("seconds"))
        return [dict(row) for row in await self._rows(query.group_by(spans.c.identity, spans.c.state))]

    async def _grouped(self, query: Select[Any], by: Sequence[ColumnElement[Any]]) -> Sequence[Row]:
        return [dict(row) for row in await self._rows(query.group_by(*by))]

    # ------------------------------------------------------------------ what is different about bad calls

    async def shares(self, asked: Asked, trait: Trait) -> Sequence[Row]:
        """Of calls that were measured: how many there were with each value of a trait, and how many of these were ``bad``."""
        query, value = _traits(trait)
        bad = func.count(func.distinct(case((is_bad(), calls.c.call_id), else_=None))).label("bad")
        query = query.add_columns(value.label("value"), func.count(func.distinct(calls.c.call_id)).label("calls"), bad)
        query = _of(query.where(calls.c.quality_cause.is_not(None), value.is_not(None), value != ""), asked, _agent())
        return [dict(row) for row in await self._rows(query.group_by(literal_column("value")).order_by(literal_column("value")))]

    async def bad_with(self, asked: Asked, trait: Trait, values: Collection[str], limit: int) -> Sequence[Row]:
        """The bad calls with one of these values, the newest first."""
        query, value = _traits(trait)
        shown = (calls.c[name] for name in ("call_id", "started_at", "queue", "mos_p10", "quality_hop", "quality_cause"))
        query = query.add_columns(*shown, _agent().label("who")).where(is_bad(), value.in_(values)).distinct()
        query = _of(query, asked, _agent()).order_by(calls.c.started_at.desc(), calls.c.call_id).limit(limit)
        return [dict(row) for row in await self._rows(query)]

    # ------------------------------------------------------------------ consultations

    async def funnel(self, since: float, until: float) -> Sequence[Row]:
        """Of consultations whose link was made between these: each one's steps and when each was taken first."""
        made = consultation_steps.alias("made")
        of_cohort = and_(made.c.room_id == consultation_steps.c.room_id, made.c.step == "link_made", made.c.at >= since, made.c.at < until)
        query = select(consultation_steps).where(exists().where(of_cohort))
        return [dict(row) for row in await self._rows(query.order_by(consultation_steps.c.room_id, consultation_steps.c.at))]


def _traits(trait: Trait) -> tuple[Select[Any], ColumnElement[str]]:
    """Calls, and the column of a trait; a call has several values of it where it had several such legs."""
    match trait:
        case "agent":
            return select().select_from(calls), _agent()
        case "queue":
            return select().select_from(calls), calls.c.queue
        case "trunk" | "phone_codec":
            kind, column = "phone", legs.c.trunk if trait == "trunk" else legs.c.codec
        case "browser_codec":
            kind, column = "agent", legs.c.codec
        case "headset" | "connection" | "way" | "family":
            kind, column = "agent", legs.c[trait]
        case "device" | "place":
            return select().select_from(calls), _signed_in(sessions.c.device if trait == "device" else sessions.c.place)
    return select().select_from(calls.join(legs, and_(legs.c.call_id == calls.c.call_id, legs.c.kind == kind))), column


def _signed_in(column: ColumnElement[str]) -> ColumnElement[str]:
    """Of the last session that an agent had begun when the call did, and that had not been ended."""
    goes_on = or_(sessions.c.ended_at.is_(None), sessions.c.ended_at >= calls.c.started_at)
    query = select(column).where(sessions.c.identity == _agent(), sessions.c.created_at <= calls.c.started_at, goes_on)
    return query.order_by(sessions.c.created_at.desc()).limit(1).correlate(calls).scalar_subquery()


def _agent() -> ColumnElement[str]:
    """Who answered a call; of one that was dialled, who did."""
    return case((calls.c.direction == "out", calls.c.agent), else_=calls.c.answered_by)


def _slot(asked: Asked, at: ColumnElement[float]) -> ColumnElement[int]:
    return (cast(func.floor(cast(at, Float) / QUARTER_S), Integer) if asked.timed else literal(0)).label("slot")


def _of(query: Select[Any], asked: Asked, agent: ColumnElement[str]) -> Select[Any]:
    query = query.where(calls.c.started_at >= asked.since, calls.c.started_at < asked.until)
    if asked.people is not None:
        query = query.where(agent.in_(asked.people))
    return query.where(calls.c.queue == asked.queue) if asked.queue else query
