"""Call detail records over HTTP, page by page as they are read, for whom ``api/guarded_routes.py`` says; each export is in the audit."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast, get_args

from aiohttp import web

from api.audit.audit import Audit
from api.guarded_routes import grant_of
from api.record_lines import CONTENT_TYPE, Form, Kind, Line, agent_state_line, body, call_line, event_line, head, leg_line, visit_line
from api.store import Store, StoreUnavailable
from api.store.records import RecordStore, Wanted
from signaling.refusal import Refusal

SETTLED_S = 10.0
"""So long after its end a call is complete: its last second of quality has come."""
_CALLS = 200
_CALLS_WITH_EVENTS = 25
"""Of a page; each has a thousand entries at most."""


async def exported(records: RecordStore, kind: Kind, wanted: Wanted, now: float) -> AsyncIterator[list[Line]]:
    """Complete records in order, a page at a time. Raises ``StoreUnavailable``."""
    if kind == "agent_state":
        await records.number_agent_states()
        while states := await records.agent_states(wanted, _CALLS):
            yield [agent_state_line(row) for row in states]
            wanted = replace(wanted, after=states[-1]["record_seq"])
        return
    await records.number_calls(now - SETTLED_S)
    span = await records.span(wanted)
    while calls := await records.calls(wanted, span, _CALLS_WITH_EVENTS if kind == "event" else _CALLS):
        places = {row["call_id"]: row["record_seq"] for row in calls}
        if kind == "call":
            yield [call_line(row) for row in calls]
        elif kind == "leg":
            of_legs = await records.legs_of(places)
            yield [leg_line(row, place) for call_id, place in places.items() for row in of_legs.get(call_id, [])]
        elif kind == "visit":
            of_visits = await records.visits_of(places)
            yield [visit_line(row, place) for call_id, place in places.items() for row in of_visits.get(call_id, [])]
        else:
            of_events = await records.events_of(places)
            yield [event_line(row, place) for call_id, place in places.items() for row in of_events.get(call_id, [])]
        wanted = replace(wanted, after=calls[-1]["record_seq"])


def form_of(query: Mapping[str, str]) -> Form:
    """CSV or JSON lines. Raises ``Refusal`` (``bad_message``)."""
    form = query.get("format", "jsonl")
    if form not in get_args(Form):
        raise Refusal("bad_message", f"format is one of {', '.join(get_args(Form))}.")
    return cast(Form, form)


def wanted_of(query: Mapping[str, str]) -> tuple[Kind, Form, Wanted]:
    """What is asked for in words. Raises ``Refusal`` (``bad_message``), saying what is wrong."""
    kind, form = query.get("kind", "call"), form_of(query)
    if kind not in get_args(Kind):
        raise Refusal("bad_message", f"kind is one of {', '.join(get_args(Kind))}.")
    since = query.get("since", "0")
    if not since.isascii() or not since.isdigit() or len(since) > 18:
        raise Refusal("bad_message", "since is the cursor of the last record that you have, a whole number.")
    begun_from, begun_before = (instant(name, query.get(name, "")) for name in ("from", "to"))
    wanted = Wanted(int(since), begun_from, begun_before, query.get("agent", ""), queue=query.get("queue", ""))
    return cast(Kind, kind), form, wanted


def instant(name: str, text: str) -> float | None:
    """Seconds since the epoch; None where nothing is said. Raises ``Refusal`` (``bad_message``)."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Refusal(
            "bad_message", f"{name} is a day or an instant as 2026-11-22 or 2026-11-22T09:30:00+01:00; without an offset UTC."
        ) from None


class RecordRoutes:
    """``now``: seconds since the epoch."""

    def __init__(self, store: Store, audit: Audit, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._audit = audit
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/calls/records", self._export, allow_head=False)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        grant = grant_of(request)
        kind, form, wanted = wanted_of(request.query)
        if grant.teams:
            wanted = replace(wanted, people=frozenset(await self._store.people.identities_in(grant.teams)))
        self._audit.note("records_exported", grant.identity, detail=asked_words(kind, form, wanted))
        return await streamed(request, kind, form, self._pages(kind, form, wanted))

    async def _pages(self, kind: Kind, form: Form, wanted: Wanted) -> AsyncIterator[bytes]:
        first = head(kind, form)
        async for page in exported(self._store.records, kind, wanted, self._now()):
            yield first + body(kind, form, page)
            first = b""
        yield first


async def streamed(request: web.Request, name: str, form: Form, pages: AsyncIterator[bytes]) -> web.StreamResponse:
    """An answer as its pages come. The first is read before it begins, so that what is wrong is told as such; what breaks later on cuts the
    connection."""
    first = await anext(pages)
    file_name = f'attachment; filename="{name}.{form}"'
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "Content-Disposition": file_name})
    response.content_type, response.charset = CONTENT_TYPE[form], "utf-8"
    await response.prepare(request)
    await response.write(first)
    try:
        async for page in pages:
            if page:
                await response.write(page)
    except StoreUnavailable:
        if request.transport is not None:
            request.transport.abort()
    with suppress(ConnectionError):
        await response.write_eof()
    return response


def asked_words(kind: Kind, form: Form, wanted: Wanted) -> str:
    """What was exported, for the audit."""
    spans = (("behind", wanted.after or ""), ("from", wanted.begun_from), ("to", wanted.begun_before))
    whom = (("agent", wanted.agent), ("queue", wanted.queue))
    return " ".join([f"{kind} as {form}", *(f"{name} {value}" for name, value in (*spans, *whom) if value not in (None, ""))])
