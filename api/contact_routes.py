"""Contacts over HTTP, for people and their programs; for whom ``api/guarded_routes.py`` says."""

from aiohttp import web

from api.bodies import body_of, json_answer
from api.contacts import Contacts, NewContact
from api.guarded_routes import grant_of
from signaling.refusal import Refusal

LONGEST_QUERY = 200


class ContactRoutes:
    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/contacts", self._search, allow_head=False)
        app.router.add_post("/api/contacts", self._create)
        app.router.add_get("/api/contacts/{contact_id}", self._card, allow_head=False)

    async def _search(self, request: web.Request) -> web.Response:
        words = request.query.get("q", "")
        if len(words) > LONGEST_QUERY:
            raise Refusal("bad_message", f"Search for {LONGEST_QUERY} characters at most.")
        return json_answer({"contacts": await self._contacts.search(words)})

    async def _create(self, request: web.Request) -> web.Response:
        new = await body_of(request, NewContact)
        return json_answer(await self._contacts.create(new, grant_of(request).identity))

    async def _card(self, request: web.Request) -> web.Response:
        card = await self._contacts.card(request.match_info["contact_id"])
        if card is None:
            raise web.HTTPNotFound
        return json_answer(card)
