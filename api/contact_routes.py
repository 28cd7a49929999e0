"""Contacts over HTTP, for people and their programs; for whom ``api/guarded_routes.py`` says."""

from aiohttp import hdrs, web

from api.bodies import body_of, json_answer
from api.contacts import Contacts, Correction, NewContact, Treatment
from api.guarded_routes import grant_of
from api.store.contacts import Contact
from signaling.refusal import Refusal

LONGEST_QUERY = 200


class ContactRoutes:
    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/contacts", self._search, allow_head=False)
        app.router.add_post("/api/v1/contacts", self._create)
        app.router.add_get("/api/v1/contacts/{contact_id}", self._card, allow_head=False)
        app.router.add_put("/api/v1/contacts/{contact_id}/treatment", self._treat)
        app.router.add_put("/api/v1/contacts/{contact_id}", self._correct)

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
        return self._marked(json_answer(card), card.contact)

    async def _correct(self, request: web.Request) -> web.Response:
        """``If-Match`` is the ``ETag`` of the contact as its author saw it: of two who correct it neither undoes the other's work."""
        wanted = await body_of(request, Correction)
        seen = request.headers.get(hdrs.IF_MATCH, "").strip('"')
        if not seen:
            raise web.HTTPPreconditionRequired
        contact = await self._contacts.correct(request.match_info["contact_id"], wanted, seen, grant_of(request).identity)
        if contact is None:
            raise web.HTTPPreconditionFailed
        return self._marked(json_answer(contact), contact)

    def _marked(self, answer: web.Response, contact: Contact) -> web.Response:
        answer.headers[hdrs.ETAG] = f'"{self._contacts.mark(contact)}"'
        return answer

    async def _treat(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Treatment)
        contact = await self._contacts.treat(request.match_info["contact_id"], wanted, grant_of(request).identity)
        if contact is None:
            raise web.HTTPNotFound
        return json_answer(contact)
