"""A person's own data over HTTP, for administrators: handed to them, held, forgotten; and what is kept of people at all."""

import time
from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.card_numbers import without_cards_in
from api.guarded_routes import grant_of
from api.privacy.access import SubjectAccess
from api.privacy.asking import WhoAsked, handle_asked, person_asked
from api.privacy.erasure import Erasure
from api.privacy.forgetting import Forgetting
from api.privacy.holding import Holding
from api.privacy.personal import HARMLESS, PERSONAL
from api.privacy.vault import Vault
from api.store import Store
from api.store.legal_holds import LegalHold


class LegalHolds(Struct, frozen=True):
    holds: list[LegalHold]


class KeptTable(Struct, frozen=True):
    """``data_class``: ``sensitive``, ``internal``, or ``public`` where it is of no customer. ``sealed``: columns that open with a person's
    key alone; ``found_by``: columns by which people are found there, as pseudonyms."""

    table: str
    purpose: str
    data_class: str
    sealed: tuple[str, ...]
    found_by: tuple[str, ...]


class ProcessingRecord(Struct, frozen=True):
    """What is kept of customers, why, and how it is kept (GDPR article 30)."""

    tables: list[KeptTable]


def processing_record() -> ProcessingRecord:
    kept = [
        KeptTable(name, each.purpose, each.data_class.value, each.sealed, (*each.handles, *filter(None, [each.contact])))
        for name, each in PERSONAL.items()
    ]
    return ProcessingRecord(kept + [KeptTable(name, why, "public", (), ()) for name, why in HARMLESS.items()])


class PrivacyRoutes:
    """``region``: the country of numbers without one. ``now``: seconds since the epoch."""

    def __init__(
        self, store: Store, vault: Vault, forgetting: Forgetting, audit: Audit, region: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._vault, self._forgetting, self._audit = vault, forgetting, audit
        self._holding = Holding(store, vault, note=self._note_hold, region=region, now=now)
        self._erasure, self._access = store.part(Erasure), store.part(SubjectAccess)
        self._region, self._now = region, now

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/privacy/copies", self._copy)
        app.router.add_post("/api/v1/privacy/erasures", self._forget)
        app.router.add_get("/api/v1/privacy/holds", self._list, allow_head=False)
        app.router.add_post("/api/v1/privacy/holds", self._hold)
        app.router.add_delete("/api/v1/privacy/holds/{hold_id}", self._lift)
        app.router.add_get("/api/v1/privacy/record", self._record, allow_head=False)

    async def _copy(self, request: web.Request) -> web.Response:
        asked = await _asked(request)
        await self._store.settle()
        copy = await self._access.copy_for(await person_asked(self._erasure, asked, self._region), self._now())
        self._note("person_copied", request, asked)
        answer = json_answer(copy)
        answer.headers["Content-Disposition"] = 'attachment; filename="personal-data.json"'
        return answer

    async def _forget(self, request: web.Request) -> web.Response:
        return json_answer(await self._forgetting.forget(await _asked(request), grant_of(request).identity))

    async def _list(self, request: web.Request) -> web.Response:
        return json_answer(LegalHolds(await self._holding.every()))

    async def _hold(self, request: web.Request) -> web.Response:
        return json_answer(await self._holding.place(await _asked(request), grant_of(request).identity), status=201)

    async def _lift(self, request: web.Request) -> web.Response:
        if not await self._holding.lift(request.match_info["hold_id"], grant_of(request).identity):
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def _record(self, request: web.Request) -> web.Response:
        return json_answer(processing_record())

    def _note_hold(self, kind: str, by: str, hold_id: str, handle: str, detail: str) -> None:
        self._audit.note(kind, by, hold_id, subject_handle=handle, detail=detail)

    def _note(self, kind: str, request: web.Request, asked: WhoAsked) -> None:
        handle = handle_asked(self._vault, asked, self._region)
        self._audit.note(kind, grant_of(request).identity, subject_handle=handle, detail=asked.reason)


async def _asked(request: web.Request) -> WhoAsked:
    return without_cards_in(await body_of(request, WhoAsked), "reason")
