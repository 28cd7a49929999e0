"""The outbox over HTTP: what waits, what nobody takes and why, and to have it tried again or dropped."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.after.outbox import Outbox
from api.audit.audit import Audit
from api.bodies import json_answer
from api.guarded_routes import grant_of
from api.query_words import whole_number
from api.store.outbox import DEAD, DONE, DROPPED, WAITING, OutboxEntry
from signaling.refusal import Refusal

STATES = (DEAD, WAITING, DONE, DROPPED)
MOST_SHOWN = 500
Limit = Annotated[int, Meta(ge=1, le=MOST_SHOWN)]


class OutboxPage(Struct, frozen=True):
    """The oldest first. ``counts``: how many are in each state. ``next``: the cursor of the page after; None: there is none."""

    entries: list[OutboxEntry]
    counts: dict[str, int]
    next: str | None


class OutboxRoutes:
    def __init__(self, outbox: Outbox, audit: Audit) -> None:
        self._outbox, self._audit = outbox, audit

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/outbox", self._list, allow_head=False)
        app.router.add_post("/api/v1/outbox/{entry_id}/retry", self._retry)
        app.router.add_delete("/api/v1/outbox/{entry_id}", self._drop)

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        state = asked.get("state", DEAD)
        if state not in STATES:
            raise Refusal("bad_message", f"'state' is one of {', '.join(STATES)}.")
        limit = whole_number(asked, "limit", MOST_SHOWN, 100)
        call_id = asked.get("call", "")
        found = await self._outbox.of_call(call_id) if call_id else await self._outbox.entries(state, limit + 1, asked.get("cursor", ""))
        return json_answer(
            OutboxPage(found[:limit], await self._outbox.waiting(), found[limit - 1].entry_id if len(found) > limit else None)
        )

    async def _retry(self, request: web.Request) -> web.Response:
        entry_id = request.match_info["entry_id"]
        if not await self._outbox.retry(entry_id):
            raise Refusal("unknown_entry", "There is no such dead letter: it may have been tried again or dropped already.")
        self._audit.note("outbox_retried", grant_of(request).identity, entry_id)
        return web.Response(status=204)

    async def _drop(self, request: web.Request) -> web.Response:
        entry_id = request.match_info["entry_id"]
        if not await self._outbox.drop(entry_id):
            raise Refusal("unknown_entry", "There is nothing of this id to be dropped: it was delivered, or is being delivered now.")
        self._audit.note("outbox_dropped", grant_of(request).identity, entry_id)
        return web.Response(status=204)
