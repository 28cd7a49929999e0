"""The audit over HTTP, for administrators. Who reads it, and who checks it, stands in it too."""

from aiohttp import web
from msgspec import Struct

from api.audit.audit import Audit
from api.audit.lines import AuditLine, audit_line
from api.bodies import json_answer
from api.guarded_routes import grant_of
from api.query_words import digits
from api.store.audit import AuditWanted

_LARGEST_PAGE = 500
_USUAL_PAGE = 100


class AuditPage(Struct, frozen=True):
    """``next``: the cursor of what comes after, also where there is no ``more`` yet."""

    entries: list[AuditLine]
    next: str
    more: bool


class AuditState(Struct, frozen=True):
    """``faults``: what was done to the chain, in words, by place; none: it is whole. ``public_keys``: what checks checkpoints, by id."""

    entries: int
    faults: list[str]
    public_keys: dict[str, str]


class AuditRoutes:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/audit", self._read, allow_head=False)
        app.router.add_get("/api/v1/audit/faults", self._check, allow_head=False)

    async def _read(self, request: web.Request) -> web.Response:
        after = digits(request.query.get("cursor", "0"), "cursor", 15)
        limit = min(digits(request.query.get("limit", str(_USUAL_PAGE)), "limit", 15), _LARGEST_PAGE)
        wanted = AuditWanted(after, **{name: request.query.get(name, "") for name in ("kind", "who", "what", "subject")})
        self._audit.note("audit_read", grant_of(request).identity, detail=wanted.words)
        entries = await self._audit.entries(wanted, limit)
        return json_answer(
            AuditPage([audit_line(entry) for entry in entries], str(entries[-1].seq if entries else after), len(entries) == limit)
        )

    async def _check(self, request: web.Request) -> web.Response:
        entries, faults = await self._audit.checked()
        self._audit.note("audit_verified", grant_of(request).identity, detail=f"{entries} entries, {len(faults)} faults")
        return json_answer(AuditState(entries, faults, self._audit.public_keys))
