"""Calls that were, and those that run, over HTTP: looked for, and one with its way, its measured seconds and its signalling.

For whom ``api/guarded_routes.py`` says; who supervises teams finds the calls of these alone. Whose key may not read contacts sees of
numbers the last two digits.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct, structs

from api.audit.looks import about
from api.bodies import json_answer
from api.call_traces import TracedPath, TracedRung, read_traces, traced
from api.guarded_routes import grant_of
from api.logs import redact
from api.query_words import known_word, whole_number
from api.record_routes import instant
from api.store import Store
from api.store.call_history import Sought
from api.store.rows import Row
from pbx.ladder import Ladder
from pbx.numbers import number_of_caller
from signaling.grants import Grant, Permission, Resource, allows, demand
from signaling.refusal import Refusal

T = TypeVar("T", bound=Struct)
MOST_FOUND = 200
MOST_SAMPLES = 10_000
"""Of one answer: ask again behind its last second."""
_LONGEST_WORD = 80


class HistoryCall(Struct, frozen=True):
    """Times in seconds since the epoch. ``mos_*``, ``quality_hop``, ``quality_cause``: of the direction that sounded worst."""

    call_id: str
    direction: str
    caller: str
    caller_name: str
    called: str
    agent: str
    answered_by: str
    state: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    end_reason: str | None
    talk_s: float
    hold_s: float
    waited_s: float
    queue: str
    entry: str
    language: str
    vip: bool
    transfers: int
    mos_scale: str | None
    mos_min: float | None
    mos_p10: float | None
    mos_p50: float | None
    quality_hop: str | None
    quality_cause: str | None


class HistoryPage(Struct, frozen=True):
    """``next``: the cursor of the page after; None: there is none."""

    calls: list[HistoryCall]
    next: str | None


class HistoryLeg(Struct, frozen=True):
    """``headset`` to ``family``: of an agent's, as ``LegMeans`` has them."""

    leg_id: str
    kind: str
    party: str
    trunk: str
    codec: str
    came: str
    opened_at: float
    answered_at: float | None
    ended_at: float | None
    end_reason: str | None
    end_sip: int | None
    end_detail: str | None
    mos_min: float | None
    mos_mean: float | None
    headset: str
    connection: str
    way: str
    family: str


class HistoryEvent(Struct, frozen=True):
    seq: int
    at: float
    what: str
    party: str
    leg_id: str
    by: str
    detail: str


class HistoryVisit(Struct, frozen=True):
    queue: str
    joined_at: float
    left_at: float
    outcome: str
    agent: str
    offers: int
    in_time: bool


class HistoryDetail(Struct, frozen=True):
    """A call with its legs, what happened, and the queues that it waited in."""

    call: HistoryCall
    legs: list[HistoryLeg]
    events: list[HistoryEvent]
    visits: list[HistoryVisit]


class QualitySecond(Struct, frozen=True):
    """A leg's second, as ``LegSample`` has it: what came from it, and (``hop_loss``, ``far_*``) what it heard of us.

    ``kind``: ``peer`` (a browser), ``phone`` or ``demo``. ``fault_*`` where the call's worst fault of this second was one of this leg.
    """

    leg_id: str
    kind: str
    at: float
    codec: str
    loss: float | None
    jitter_ms: float | None
    round_trip_ms: float | None
    level_dbfs: float | None
    concealed_ms: float
    mos: float | None
    scale: str
    cause: str
    hop_loss: float | None
    far_jitter_ms: float | None
    far_mos: float | None
    far_scale: str
    far_cause: str
    fault_hop: str | None
    fault_cause: str | None


class SignallingRung(TracedRung, frozen=True, kw_only=True):
    """A SIP message, and of which leg."""

    leg_id: str


class SignallingPath(TracedPath, frozen=True, kw_only=True):
    """The way that a browser's packets took from then on, and of which leg."""

    leg_id: str


class Signalling(Struct, frozen=True):
    """``kept``: is any message known? None is of calls by the demo line. ``left_out``: messages beyond what is kept of a leg."""

    kept: bool
    rungs: list[SignallingRung]
    left_out: int
    paths: list[SignallingPath]


class CallHistoryRoutes:
    """``region``: the country of numbers without one. ``to_epoch``: of the ladder's times."""

    def __init__(self, store: Store, ladder: Ladder, region: str, to_epoch: Callable[[float], float]) -> None:
        self._store = store
        self._ladder = ladder
        self._region = region
        self._to_epoch = to_epoch

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/calls", self._search, allow_head=False)
        app.router.add_get("/api/v1/calls/{call_id}", self._call, allow_head=False)
        app.router.add_get("/api/v1/calls/{call_id}/quality", self._quality, allow_head=False)
        app.router.add_get("/api/v1/calls/{call_id}/signalling", self._signalling, allow_head=False)

    async def _search(self, request: web.Request) -> web.Response:
        grant, query = grant_of(request), request.query
        limit = whole_number(query, "limit", MOST_FOUND, 50)
        sought = self._sought(query)
        if sought.person:
            about(request, sought.person)
        if grant.teams:
            sought = replace(sought, people=frozenset(await self._store.people.identities_in(grant.teams)))
        rows = await self._store.history.search(sought, limit + 1)
        found = [_shown(row, HistoryCall, grant) for row in rows[:limit]]
        more = f"{found[-1].started_at!r}_{found[-1].call_id}" if len(rows) > limit else None
        return json_answer(HistoryPage(found, more))

    async def _call(self, request: web.Request) -> web.Response:
        row = await self._reached(request)
        call_id, grant, records = row["call_id"], grant_of(request), self._store.records
        detail = HistoryDetail(
            _shown(row, HistoryCall, grant),
            [_shown(leg, HistoryLeg, grant) for leg in (await records.legs_of([call_id])).get(call_id, [])],
            [_shown(event, HistoryEvent, grant) for event in (await records.events_of([call_id])).get(call_id, [])],
            [_shown(visit, HistoryVisit, grant) for visit in (await records.visits_of([call_id])).get(call_id, [])],
        )
        return json_answer(detail)

    async def _quality(self, request: web.Request) -> web.Response:
        row, grant = await self._reached(request), grant_of(request)
        after = _second(request.query.get("after", "0"), "after")
        samples = await self._store.history.samples(row["call_id"], after, MOST_SAMPLES)
        return json_answer({"samples": [_shown(sample, QualitySecond, grant) for sample in samples]})

    async def _signalling(self, request: web.Request) -> web.Response:
        row, grant = await self._reached(request), grant_of(request)
        legs = (await self._store.records.legs_of([row["call_id"]])).get(row["call_id"], [])
        # What waits to be written is looked at first: what is written meanwhile is then told twice, and not never.
        said = [(leg["leg_id"], rung) for leg in legs for rung in self._ladder.of(leg["leg_id"])[0]]
        left_out = sum(self._ladder.of(leg["leg_id"])[1] for leg in legs)
        kept, ways, more = read_traces(await self._store.history.traces(row["call_id"]))
        found = {(leg_id, rung): None for leg_id, rungs in kept.items() for rung in rungs}
        found |= {(leg_id, traced(rung, self._to_epoch)): None for leg_id, rung in said}
        rungs = sorted((_rung(leg_id, rung, grant) for leg_id, rung in found), key=lambda rung: rung.at)
        paths = [SignallingPath(**structs.asdict(way), leg_id=leg_id) for leg_id, of_leg in ways.items() for way in of_leg]
        return json_answer(Signalling(bool(rungs), rungs, left_out + more, paths))

    async def _reached(self, request: web.Request) -> Row:
        """The call of the address, where its caller may see it. Raises ``Refusal``."""
        row = await self._store.history.call(request.match_info["call_id"])
        if row is None:
            raise Refusal("unknown_call", "There is no record of this call.")
        grant = grant_of(request)
        if grant.teams:
            legs = (await self._store.records.legs_of([row["call_id"]])).get(row["call_id"], [])
            agents = {leg["party"] for leg in legs if leg["kind"] == "agent"} - {""}
            teams = [await self._store.people.teams_of(agent) for agent in sorted(agents)]
            demand(grant, Permission.RECORDS_EXPORT, Resource(teams=frozenset().union(*teams)))
        return row

    def _sought(self, query: Mapping[str, str]) -> Sought:
        agent, queue, number = (_word(query, name) for name in ("agent", "queue", "number"))
        person = ""
        if number:
            e164 = number_of_caller(number, self._region).e164
            person = self._store.vault.number(e164 or number)
        return Sought(
            person=person,
            agent=agent,
            queue=queue,
            begun_from=instant("from", query.get("from", "")),
            begun_before=instant("to", query.get("to", "")),
            bad=known_word(query, "bad", ("true", "false"), "false") == "true",
            before=_place(query.get("cursor", "")),
        )


def _rung(leg_id: str, rung: TracedRung, grant: Grant) -> SignallingRung:
    if not _sees_numbers(grant):
        headers = tuple((name, redact(value)) for name, value in rung.headers)
        rung = structs.replace(rung, line=redact(rung.line), headers=headers, described=tuple(map(redact, rung.described)))
    return SignallingRung(**structs.asdict(rung), leg_id=leg_id)


def _word(query: Mapping[str, str], name: str) -> str:
    word = query.get(name, "").strip()
    if len(word) > _LONGEST_WORD:
        raise Refusal("bad_message", f"{name} has {_LONGEST_WORD} characters at most.")
    return word


def _place(text: str) -> tuple[float, str] | None:
    """A cursor that an answer had as ``next``. Raises ``Refusal``."""
    if not text:
        return None
    at, _, call_id = text.partition("_")
    return _second(at, "cursor"), call_id


def _second(text: str, name: str) -> float:
    """Seconds since the epoch. Raises ``Refusal``."""
    try:
        return msgspec.json.decode(text.encode(), type=float)
    except msgspec.DecodeError:
        raise Refusal("bad_message", f"{name} is of an answer before, as it was there.") from None


def _sees_numbers(grant: Grant) -> bool:
    return allows(grant, Permission.CONTACTS_READ)


_NUMBERS = ("caller", "called", "party", "by", "ended_by", "detail", "end_detail")


def _shown(row: Mapping[str, Any], kind: type[T], grant: Grant) -> T:
    values: dict[str, Any] = {name: row[name] for name in kind.__struct_fields__}
    if not _sees_numbers(grant):
        values |= {name: redact(values[name]) for name in _NUMBERS if values.get(name)}
        if values.get("caller_name"):
            values["caller_name"] = ""
    return kind(**values)
