"""A client of the emulated 3CX that does nothing by itself: one request, one answer."""

from typing import Any

import aiohttp

from pbx.threecx.double import Double

FORM = {"client_id": "870", "client_secret": "demo-secret", "grant_type": "client_credentials"}


class Client:
    """A client of the simplest kind, which does nothing by itself."""

    def __init__(self, pbx: Double, http: aiohttp.ClientSession) -> None:
        self.pbx = pbx
        self.http = http
        self.token = ""

    async def sign_in(self, **changes: str) -> dict[str, Any]:
        async with self.http.post(f"{self.pbx.url}/connect/token", data=FORM | changes) as response:
            body: dict[str, Any] = await response.json() | {"status": response.status}
        self.token = body.get("access_token", self.token)
        return body

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.http.get(f"{self.pbx.url}/callcontrol{path}", headers=self.headers, **more) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: object = None, **more: Any) -> tuple[int, str]:
        sent = more or {"json": {} if body is None else body}
        async with self.http.post(f"{self.pbx.url}/callcontrol{path}", headers=self.headers, **sent) as response:
            return response.status, await response.text()

    def events(self) -> Any:
        return self.http.ws_connect(f"{self.pbx.url}/callcontrol/ws", headers=self.headers)
