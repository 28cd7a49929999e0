"""The backends over HTTP: how each stands, what it cost, and trying one out; for whom ``api/guarded_routes.py`` says."""

from collections.abc import Callable, Mapping
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.audit.looks import about
from api.backends.guard import GuardState
from api.backends.registry import Backends
from api.backends.trial import tried
from api.bodies import body_of, json_answer
from api.privacy.vault import Vault
from signaling.refusal import Refusal


class BackendStatus(Struct, frozen=True):
    title: str
    state: GuardState


class BackendsStatus(Struct, frozen=True):
    """``cache``: what is kept of their answers; ``hit_ratio`` of all that was looked for since the server's start."""

    backends: list[BackendStatus]
    cache: dict[str, float]


class TryBackend(Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[str, Meta(min_length=1, max_length=64)]


class BackendRoutes:
    """``region``: ISO country whose national numbers are understood. ``cache``: its figures."""

    def __init__(self, backends: Backends, cache: Callable[[], Mapping[str, float]], vault: Vault, region: str) -> None:
        self._backends = backends
        self._cache = cache
        self._vault = vault
        self._region = region

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/backends", self._list, allow_head=False)
        app.router.add_post("/api/v1/backends/{backend_id}/try", self._try)

    async def _list(self, request: web.Request) -> web.Response:
        shown = [BackendStatus(self._backends.titles[state.backend], state) for state in self._backends.states]
        return json_answer(BackendsStatus(shown, dict(self._cache())))

    async def _try(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, TryBackend)
        guard = self._backends.guards.get(request.match_info["backend_id"])
        if guard is None:
            raise Refusal("unknown_backend", "There is no backend of this id: GET /api/v1/backends shows which there are.")
        trial = await tried(guard, wanted.number, self._region)
        about(request, self._vault.number(trial.number))
        return json_answer(trial)
