"""What agents can, over HTTP; for whom ``api/guarded_routes.py`` says. Who supervises teams reaches their agents alone."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.bodies import body_of, json_answer
from api.centre.skills import Skills
from api.guarded_routes import grant_of
from signaling.grants import Permission, Resource, demand

Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
Level = Annotated[int, Meta(ge=1, le=100)]


class WantedSkills(Struct, frozen=True, forbid_unknown_fields=True):
    """``skills``: levels by name. ``queues``: whose calls this person takes; none: of all whose needs are met."""

    skills: Annotated[dict[Name, Level], Meta(max_length=100)]
    queues: Annotated[list[Name], Meta(max_length=100)] = []


class SkillRoutes:
    """``teams_of`` says in which teams an agent is."""

    def __init__(self, skills: Skills, teams_of: Callable[[str], Awaitable[frozenset[str]]]) -> None:
        self._skills = skills
        self._teams_of = teams_of

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/agents/{identity}/skills", self._read, allow_head=False)
        app.router.add_put("/api/v1/agents/{identity}/skills", self._write)

    async def _read(self, request: web.Request) -> web.Response:
        return json_answer(await self._skills.of(await self._whose(request)))

    async def _write(self, request: web.Request) -> web.Response:
        who, wanted = await self._whose(request), await body_of(request, WantedSkills)
        return json_answer(await self._skills.give(who, wanted.skills, wanted.queues, by=grant_of(request).identity))

    async def _whose(self, request: web.Request) -> str:
        who = request.match_info["identity"]
        demand(grant_of(request), Permission.SKILLS_MANAGE, Resource(owner=who, teams=await self._teams_of(who)))
        return who
