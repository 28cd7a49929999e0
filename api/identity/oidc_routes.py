"""HTTP of signing in by another issuer: away to it, back from it, and the session for the page that waits.

A failure on the way back sends the browser to the page of accounts with the refusal's code, for there a person looks.
"""

from aiohttp import web

from api.bodies import body_of, json_answer
from api.identity.accounts import Accounts
from api.identity.oidc import OidcClient
from api.identity.routes import IdentityRoutes
from signaling.refusal import Refusal

_COOKIE = "centralita_oidc"
_PATH = "/api/v1/oidc"
PAGE = "/account"


class OidcRoutes:
    """``device_of`` and the cookie of the device are ``devices``'."""

    def __init__(self, client: OidcClient, accounts: Accounts, devices: IdentityRoutes, *, https: bool) -> None:
        self._client = client
        self._accounts = accounts
        self._devices = devices
        self._https = https

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/oidc/start", self._start, allow_head=False)
        app.router.add_get("/api/v1/oidc/callback", self._callback, allow_head=False)
        app.router.add_post("/api/v1/oidc/session", self._session)

    async def _start(self, _request: web.Request) -> web.Response:
        try:
            address, cookie = await self._client.begin()
        except Refusal as refusal:
            return self._go(f"{PAGE}#refused={refusal.code}")
        response = self._go(address)
        # Lax: the way back is a navigation that begins at the issuer.
        response.set_cookie(_COOKIE, cookie, max_age=600, path=_PATH, httponly=True, samesite="Lax", secure=self._https)
        return response

    async def _callback(self, request: web.Request) -> web.Response:
        try:
            _, cookie = await self._client.arrive(request.query, request.cookies.get(_COOKIE, ""))
        except Refusal as refusal:
            self._accounts.log.note("sign_in_refused", "", device=self._devices.device_of(request), detail=f"by issuer: {refusal.code}")
            response = self._go(f"{PAGE}#refused={refusal.code}")
            response.del_cookie(_COOKIE, path=_PATH)
            return response
        response = self._go(f"{PAGE}#arrived")
        response.set_cookie(_COOKIE, cookie, max_age=60, path=_PATH, httponly=True, samesite="Strict", secure=self._https)
        return response

    async def _session(self, request: web.Request) -> web.Response:
        """For the page of accounts, once: the body is ``{}``, so no form of another site can ask for it."""
        await body_of(request, dict[str, str])
        device = self._devices.named_device_of(request)
        session = await self._accounts.sign_in_by_issuer(self._client.arrived(request.cookies.get(_COOKIE, "")), device)
        response = json_answer(session)
        response.del_cookie(_COOKIE, path=_PATH)
        self._devices.remember(device, response)
        return response

    def _go(self, address: str) -> web.Response:
        return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
