"""REST about receivers of webhooks: how it stands with each, and to post to one again that was cut off."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.query_words import whole_number
from api.store import StoreUnavailable
from api.webhooks import Webhooks
from signaling.refusal import Refusal

MOST_EVENTS = 1_000


class Receiver(Struct, frozen=True):
    """``state``: ``well``, ``failing`` or ``cut off``: then nothing is kept for it. ``fault``: why it took nothing the last time."""

    url: str
    state: str
    waiting: int
    taken_at: float | None
    failing_since: float | None
    failures: int
    fault: str
    retry_at: float
    cut_off_at: float | None


class Resumed(Struct, frozen=True, forbid_unknown_fields=True):
    url: str


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """Post to ``url`` once more what is behind the cursor ``after``; ``limit`` events at most."""

    url: str
    after: Annotated[int, Meta(ge=0, lt=2**62)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_EVENTS)] = MOST_EVENTS


class WebhookRoutes:
    def __init__(self, webhooks: Webhooks, audit: Audit) -> None:
        self._webhooks, self._audit = webhooks, audit

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/webhooks", self._list, allow_head=False)
        app.router.add_post("/api/v1/webhooks/resume", self._resume)
        app.router.add_get("/api/v1/events", self._events, allow_head=False)
        app.router.add_post("/api/v1/webhooks/replay", self._replay)

    async def _list(self, _request: web.Request) -> web.Response:
        try:
            found = await self._webhooks.endpoints()
        except StoreUnavailable:
            raise _away() from None
        receivers = [
            Receiver(
                url=one.url,
                state=one.state,
                waiting=waiting,
                taken_at=one.taken_at,
                failing_since=one.failing_since,
                failures=one.failures,
                fault=one.fault,
                retry_at=one.retry_at,
                cut_off_at=one.cut_off_at,
            )
            for one, waiting in found
        ]
        return json_answer({"receivers": receivers})

    async def _events(self, request: web.Request) -> web.Response:
        asked = request.query
        limit = whole_number(asked, "limit", MOST_EVENTS, 100)
        try:
            events, cursor = await self._webhooks.told(_cursor(asked.get("cursor", "0")), limit)
        except StoreUnavailable:
            raise _away() from None
        self._audit.note("events_read", grant_of(request).identity, detail=f"{len(events)} up to {cursor}")
        return json_answer({"events": events, "next": str(cursor), "more": len(events) == limit})

    async def _replay(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Replay)
        try:
            posted, cursor = await self._webhooks.replay(wanted.url, wanted.after, wanted.limit)
        except StoreUnavailable:
            raise _away() from None
        self._audit.note("events_replayed", grant_of(request).identity, detail=f"{posted} up to {cursor}")
        return json_answer({"posted": posted, "cursor": cursor}, 202)

    async def _resume(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Resumed)
        try:
            resumed = await self._webhooks.resume(wanted.url)
        except StoreUnavailable:
            raise _away() from None
        if not resumed:
            raise Refusal("unknown_receiver", "Nothing was ever posted to this address, or it is not in webhooks.urls.")
        return web.Response(status=204)


def _cursor(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Refusal("bad_message", "cursor is the next of an answer before.")
    return int(text)


def _away() -> Refusal:
    return Refusal("store_unavailable", "The database does not answer: try again soon.", 5.0)
