"""The contact centre's plan over HTTP: reading, changing, checking and trying it; for whom ``api/guarded_routes.py`` says."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from api.bodies import body_of, json_answer
from api.centre.picture import picture_of
from api.centre.plan_documents import LARGEST_DOCUMENT, MOST_DOCUMENTS, NAMES_SAID, is_document
from api.centre.plan_faults import PlanBroken
from api.centre.plan_folder import FolderState
from api.centre.plan_trial import TriedCall, try_call
from api.centre.plans import Changes, Plans
from api.guarded_routes import grant_of
from api.query_words import digits, whole_number
from signaling.refusal import Refusal, TextFault

LARGEST_PLAN = 4 * 1024 * 1024
MOST_VERSIONS = 200

Text = Annotated[str, Meta(max_length=LARGEST_DOCUMENT)]
Comment = Annotated[str, Meta(max_length=500)]
Documents = Annotated[dict[str, Text | None], Meta(max_length=MOST_DOCUMENTS)]


class PlanNow(Struct, frozen=True):
    """``faults``: of the newest version, where this server cannot read it and goes on with one before. ``folder``: where there is one."""

    version: int
    documents: dict[str, str]
    faults: list[TextFault]
    folder: FolderState | None


class PlanChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What documents say from now on, by name, changed together; null: it is there no more.

    ``based_on``: the version that you have seen.
    """

    documents: Documents
    comment: Comment = ""
    based_on: int | None = None


class DocumentChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The same of one document."""

    text: Text
    comment: Comment = ""
    based_on: int | None = None


class PlanDocument(Struct, frozen=True):
    name: str
    text: str
    version: int


class PlanCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """The plan as it would be with these changes."""

    documents: Documents = {}


class PlanTrial(Struct, frozen=True, forbid_unknown_fields=True):
    """A call in the plan as it would be with these changes."""

    call: TriedCall
    documents: Documents = {}


class Restored(Struct, frozen=True, forbid_unknown_fields=True):
    comment: Comment = ""


class PlanRoutes:
    """``folder`` tells how it stands with the folder that is watched, where there is one. ``region``: whose national forms of numbers are
    understood."""

    def __init__(self, plans: Plans, folder: Callable[[], FolderState | None], *, region: str) -> None:
        self._plans = plans
        self._folder = folder
        self._region = region

    def add_to(self, app: web.Application) -> None:
        router = app.router
        router.add_get("/api/v1/centre/documents", self._now_in_force, allow_head=False)
        router.add_put("/api/v1/centre/documents", self._put_all)
        router.add_get("/api/v1/centre/documents/{name:.+}", self._document, allow_head=False)
        router.add_put("/api/v1/centre/documents/{name:.+}", self._put_one)
        router.add_delete("/api/v1/centre/documents/{name:.+}", self._remove)
        router.add_get("/api/v1/centre/versions", self._versions, allow_head=False)
        router.add_get("/api/v1/centre/versions/{version}", self._version, allow_head=False)
        router.add_post("/api/v1/centre/versions/{version}/restore", self._restore)
        router.add_post("/api/v1/centre/check", self._check)
        router.add_post("/api/v1/centre/picture", self._picture)
        router.add_post("/api/v1/centre/try", self._try)

    async def _now_in_force(self, _request: web.Request) -> web.Response:
        plans = self._plans
        return _tagged(json_answer(PlanNow(plans.version, dict(plans.documents), list(plans.faults), self._folder())), plans.version)

    async def _document(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        text = self._plans.documents.get(name)
        if text is None:
            raise web.HTTPNotFound
        return _tagged(json_answer(PlanDocument(name, text, self._plans.version)), self._plans.version)

    async def _put_all(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, PlanChange, LARGEST_PLAN)
        return await self._put(request, wanted.documents, wanted.comment, wanted.based_on)

    async def _put_one(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, DocumentChange, LARGEST_PLAN)
        return await self._put(request, {request.match_info["name"]: wanted.text}, wanted.comment, wanted.based_on)

    async def _remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._plans.documents:
            raise web.HTTPNotFound
        return await self._put(request, {name: None}, "", None)

    async def _put(self, request: web.Request, changes: Changes, comment: str, based_on: int | None) -> web.Response:
        _refuse_strangers(changes)
        seen = _seen(request)
        try:
            made = await self._plans.put(
                changes, by=grant_of(request).identity, comment=comment, based_on=seen if seen is not None else based_on
            )
        except Refusal as refusal:
            if seen is None or refusal.code != "plan_overtaken":
                raise
            raise Refusal("plan_changed", refusal.message) from None
        return _tagged(json_answer(made), made.version)

    async def _versions(self, request: web.Request) -> web.Response:
        before = digits(request.query.get("cursor", "0"), "cursor", 9)
        limit = whole_number(request.query, "limit", MOST_VERSIONS, 50)
        found = await self._plans.versions(limit + 1, before or None)
        return json_answer({"versions": found[:limit], "next": str(found[limit - 1].version) if len(found) > limit else None})

    async def _version(self, request: web.Request) -> web.Response:
        version = digits(request.match_info["version"], "The version", 9)
        return json_answer({"version": version, "documents": await self._plans.of_version(version)})

    async def _restore(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Restored)
        version = digits(request.match_info["version"], "The version", 9)
        return json_answer(await self._plans.restore(version, by=grant_of(request).identity, comment=wanted.comment))

    async def _check(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, PlanCheck, LARGEST_PLAN)
        _refuse_strangers(wanted.documents)
        try:
            await self._plans.check(wanted.documents)
        except PlanBroken as broken:
            return json_answer({"faults": broken.faults})
        return json_answer({"faults": []})

    async def _picture(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, PlanCheck, LARGEST_PLAN)
        _refuse_strangers(wanted.documents)
        return json_answer(picture_of(await self._plans.check(wanted.documents), self._plans.version))

    async def _try(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, PlanTrial, LARGEST_PLAN)
        _refuse_strangers(wanted.documents)
        plan = await self._plans.check(wanted.documents)
        return json_answer(await asyncio.to_thread(try_call, plan, wanted.call, region=self._region, now=time.time()))


def _tagged(response: web.Response, version: int) -> web.Response:
    response.headers[hdrs.ETAG] = f'"{version}"'
    return response


def _seen(request: web.Request) -> int | None:
    """The version that ``If-Match`` names; None where it is not sent."""
    tag = request.headers.get(hdrs.IF_MATCH)
    return None if tag is None else digits(tag.strip('"'), "If-Match", 9)


def _refuse_strangers(changes: Changes) -> None:
    strange = sorted(name for name in changes if not is_document(name))
    if strange:
        raise PlanBroken([TextFault(name[:80], 0, f"This is no document: {NAMES_SAID}.") for name in strange])
