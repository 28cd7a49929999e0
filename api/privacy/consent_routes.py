"""The register of consents by HTTP: what a contact, or whoever has a number, agreed to, and what they say now."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from api.audit.looks import about
from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.privacy.consents import PURPOSES, Consents, Purpose, SaidConsent
from api.privacy.vault import Vault
from api.store.contacts import ContactStore
from pbx.numbers import NotANumber, parse_number
from signaling.refusal import Refusal

Number = Annotated[str, Meta(min_length=1, max_length=64)]


class ConsentsWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """``number``: in any spelling."""

    number: Number


class SaidByNumber(SaidConsent, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What whoever has this number says to a purpose."""

    number: Number
    purpose: Purpose


class ConsentRoutes:
    """``region``: the country of numbers without one."""

    def __init__(self, consents: Consents, contacts: ContactStore, vault: Vault, region: str) -> None:
        self._consents, self._contacts, self._vault, self._region = consents, contacts, vault, region

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/contacts/{contact_id}/consents", self._list, allow_head=False)
        app.router.add_put("/api/v1/contacts/{contact_id}/consents/{purpose}", self._say)
        app.router.add_post("/api/v1/consents/search", self._search)
        app.router.add_post("/api/v1/consents", self._say_by_number)

    async def _list(self, request: web.Request) -> web.Response:
        return json_answer({"consents": await self._consents.of(await self._handles(request.match_info["contact_id"]))})

    async def _say(self, request: web.Request) -> web.Response:
        said = await body_of(request, SaidConsent)
        purpose = next((known for known in PURPOSES if known == request.match_info["purpose"]), None)
        handles = await self._handles(request.match_info["contact_id"])
        if purpose is None or len(handles) == 0:
            raise web.HTTPNotFound
        await self._consents.say(handles, purpose, said, grant_of(request).identity, means="rest")
        return json_answer({"consents": await self._consents.of(handles)})

    async def _search(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, ConsentsWanted)
        handles = await self._consents.handles_of_number(self._e164(wanted.number))
        about(request, handles[0])
        return json_answer({"consents": await self._consents.of(handles)})

    async def _say_by_number(self, request: web.Request) -> web.Response:
        said = await body_of(request, SaidByNumber)
        handle = self._vault.number(self._e164(said.number))
        about(request, handle)
        await self._consents.say(handle, said.purpose, said, grant_of(request).identity, means="rest")
        return json_answer({"consents": await self._consents.of([handle])})

    async def _handles(self, contact_id: str) -> list[str]:
        contact = await self._contacts.contact(contact_id)
        return self._consents.handles_of(contact) if contact is not None else []

    def _e164(self, number: str) -> str:
        try:
            e164 = parse_number(number, self._region).e164
        except NotANumber as error:
            raise Refusal("bad_message", str(error)) from None
        if e164 is None:
            raise Refusal("bad_message", "This is no number by which somebody outside is known.")
        return e164
