"""Campaigns and the list of who does not want to be called, over HTTP; for whom ``api/guarded_routes.py`` says."""

from aiohttp import web
from msgspec import Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.outbound.campaigns import Campaigns, NewCampaign, NewEntries, Report
from api.outbound.do_not_call import DoNotCall, NewUnwanted
from api.store.outbound import CampaignRow
from signaling.grants import Grant, Permission, Resource, demand
from signaling.refusal import Refusal


class Running(Struct, frozen=True, forbid_unknown_fields=True):
    running: bool


class OutboundRoutes:
    """A campaign of a team is for its people, and for who is in no team."""

    def __init__(self, campaigns: Campaigns, unwanted: DoNotCall) -> None:
        self._campaigns = campaigns
        self._unwanted = unwanted

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/campaigns", self._list, allow_head=False)
        app.router.add_post("/api/v1/campaigns", self._make)
        app.router.add_put("/api/v1/campaigns/{campaign_id}/running", self._run)
        app.router.add_post("/api/v1/campaigns/{campaign_id}/entries", self._add)
        app.router.add_post("/api/v1/campaigns/{campaign_id}/next", self._next)
        app.router.add_post("/api/v1/campaign-entries/{entry_id}/outcome", self._report)
        app.router.add_get("/api/v1/do-not-call", self._unwanted_list, allow_head=False)
        app.router.add_post("/api/v1/do-not-call", self._unwanted_add)
        app.router.add_delete("/api/v1/do-not-call/{number}", self._unwanted_remove)

    async def _list(self, request: web.Request) -> web.Response:
        grant = grant_of(request)
        return json_answer({"campaigns": [each for each in await self._campaigns.all() if _concerns(grant, each.campaign)]})

    async def _make(self, request: web.Request) -> web.Response:
        grant, new = grant_of(request), await body_of(request, NewCampaign)
        demand(grant, Permission.CAMPAIGNS_MANAGE, Resource(teams=frozenset({new.team})))
        return json_answer(await self._campaigns.make(new, grant.identity), 201)

    async def _run(self, request: web.Request) -> web.Response:
        row, wanted = await self._led(request), await body_of(request, Running)
        return json_answer(await self._campaigns.run(row.campaign_id, running=wanted.running))

    async def _add(self, request: web.Request) -> web.Response:
        row, new = await self._led(request), await body_of(request, NewEntries)
        return json_answer(await self._campaigns.add(row.campaign_id, new, grant_of(request).identity))

    async def _next(self, request: web.Request) -> web.Response:
        grant, row = grant_of(request), await self._campaigns.get(request.match_info["campaign_id"])
        if not _concerns(grant, row):
            raise Refusal("forbidden", "This campaign is another team's.")
        return json_answer(await self._campaigns.next(row.campaign_id, grant.identity))

    async def _report(self, request: web.Request) -> web.Response:
        report = await body_of(request, Report)
        return json_answer(await self._campaigns.report(request.match_info["entry_id"], report, grant_of(request).identity))

    async def _unwanted_list(self, request: web.Request) -> web.Response:
        newest, entries = await self._unwanted.newest()
        return json_answer({"numbers": newest, "entries": entries})

    async def _unwanted_add(self, request: web.Request) -> web.Response:
        new = await body_of(request, NewUnwanted)
        return json_answer(await self._unwanted.add(new, grant_of(request).identity), 201)

    async def _unwanted_remove(self, request: web.Request) -> web.Response:
        if not await self._unwanted.remove(request.match_info["number"], grant_of(request).identity):
            raise web.HTTPNotFound
        return web.Response(status=204)

    async def _led(self, request: web.Request) -> CampaignRow:
        """The campaign, for who leads it. Raises ``Refusal``."""
        row = await self._campaigns.get(request.match_info["campaign_id"])
        demand(grant_of(request), Permission.CAMPAIGNS_MANAGE, Resource(teams=frozenset({row.team})))
        return row


def _concerns(grant: Grant, row: CampaignRow) -> bool:
    return not row.team or not grant.teams or row.team in grant.teams
