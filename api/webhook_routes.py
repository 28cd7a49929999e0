"""REST about receivers of webhooks: how it stands with each, and to post to one again that was cut off."""

from aiohttp import web
from msgspec import Struct

from api.bodies import body_of, json_answer
from api.store import StoreUnavailable
from api.webhooks import Webhooks
from signaling.refusal import Refusal


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


class WebhookRoutes:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/webhooks", self._list, allow_head=False)
        app.router.add_post("/api/webhooks/resume", self._resume)

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

    async def _resume(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Resumed)
        try:
            resumed = await self._webhooks.resume(wanted.url)
        except StoreUnavailable:
            raise _away() from None
        if not resumed:
            raise Refusal("unknown_receiver", "Nothing was ever posted to this address, or it is not in webhooks.urls.")
        return web.Response(status=204)


def _away() -> Refusal:
    return Refusal("store_unavailable", "The database does not answer: try again soon.", 5.0)
