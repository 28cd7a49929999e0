"""Backends say that something changed: what was kept of that person is dropped, and who is in a call with them sees it anew.

Each event is signed with a secret that this backend has alone (``backends.event_secrets``), and is taken once. What is forged, stale or
comes again is refused; how often is counted, and stands in the audit at most once a minute for each backend.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.audit.audit import Audit
from api.backends.lookup import ContextLookup
from api.backends.protocols import CallerKey
from api.backends.signature import BadSignature, ReplayWindow
from api.backends.signed_requests import refusal_of, signed_body
from api.bodies import json_answer
from pbx.numbers import number_of_caller
from signaling.refusal import Refusal

MOST_BYTES = 16_384
_TOLD_EVERY_S = 60.0
_Text = Annotated[str, Meta(max_length=256)]


class BackendEvent(Struct, frozen=True):
    """Whom it is about, in any of these ways. ``number`` in any form; ``contact``: its id there, of somebody on the line."""

    number: _Text = ""
    email: _Text = ""
    contact: _Text = ""


class BackendEventRoutes:
    """``secrets``: by the backend's id. ``tell_nodes``: the others, of whom it is. ``now``: seconds since the epoch. ``counts``: events by
    what became of them."""

    def __init__(
        self,
        context: ContextLookup,
        secrets: Mapping[str, str],
        audit: Audit,
        region: str,
        *,
        tell_nodes: Callable[[str, Collection[str], str], None] = lambda backend, handles, contact: None,
        now: Callable[[], float],
    ) -> None:
        self._context = context
        self._secrets = {backend: secret.encode() for backend, secret in secrets.items()}
        self._windows = {backend: ReplayWindow() for backend in secrets}
        self._audit = audit
        self._region = region
        self._tell_nodes = tell_nodes
        self._now = now
        self._refused: dict[str, Counter[str]] = {backend: Counter() for backend in secrets}
        self._told_at: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/backends/{backend_id}/events", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        backend = request.match_info["backend_id"]
        if backend not in self._secrets:
            raise Refusal("unknown_backend", "There is no backend of this id that posts events: see backends.event_secrets.")
        try:
            body = await signed_body(request, self._windows[backend], [self._secrets[backend]], self._now(), MOST_BYTES)
        except BadSignature as bad:
            self._refuse(backend, bad.reason)
            raise refusal_of(bad) from None
        try:
            event = msgspec.json.decode(body, type=BackendEvent)
        except msgspec.MsgspecError as error:
            self.counts["unreadable"] += 1
            raise Refusal("bad_message", f"The event cannot be read: {error}") from None
        handles = self._context.handles_of(self._key(event))
        self._tell_nodes(backend, handles, event.contact)
        await self._context.renew(backend, handles, event.contact)
        self.counts["taken"] += 1
        return json_answer({}, 202)

    def _key(self, event: BackendEvent) -> CallerKey:
        return CallerKey(number_of_caller(event.number, self._region).e164, event.number, email=event.email or None)

    def _refuse(self, backend: str, reason: str) -> None:
        self.counts[reason] += 1
        refused, now = self._refused[backend], self._now()
        refused[reason] += 1
        if now - self._told_at.get(backend, -_TOLD_EVERY_S) >= _TOLD_EVERY_S:
            self._told_at[backend] = now
            self._audit.note("backend_events_refused", backend, detail=dict(refused))
            refused.clear()
