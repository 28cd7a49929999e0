"""What 3CX asks and reports by its CRM template (``pbx/threecx/crm_template.py``): who calls, contacts, finished calls and chats.

The PBX's parser is fed what it wants: nobody found is an empty list and no error, a searched number comes back as it was written, and each
contact has an address of its own to open. What it asks while a telephone rings is answered within half a second or not at all.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import asdict

from api.bodies import body_of, json_answer
from api.contacts import Contacts, NewContact, Text
from api.guarded_routes import grant_of
from api.store import StoreUnavailable
from api.store.contacts import Contact
from pbx.threecx.reports import BadReport, filled
from signaling.refusal import Refusal

LOOKUP_WITHIN_S = 0.5
LARGEST_CHAT = 2 * 1024 * 1024
Long = Annotated[str, Meta(max_length=LARGEST_CHAT)]


class LookUpNumber(Struct, frozen=True):
    number: Text = ""


class LookUpEmail(Struct, frozen=True):
    email: Text = ""


class SearchContacts(Struct, frozen=True):
    q: Text = ""


class CallReport(Struct, frozen=True):
    """``started``: ISO 8601, UTC. ``duration``: hh:mm:ss. ``type``: Inbound, Missed, Outbound, Notanswered."""

    type: Text = ""
    number: Text = ""
    name: Text = ""
    agent: Text = ""
    agent_email: Text = ""
    queue: Text = ""
    duration: Text = ""
    started: Text = ""
    entity: Text = ""


class ChatReport(Struct, frozen=True):
    messages: Long = ""
    number: Text = ""
    email: Text = ""
    name: Text = ""
    agent_email: Text = ""
    queue: Text = ""
    started: Text = ""
    ended: Text = ""
    entity: Text = ""


class Hit(Struct, frozen=True):
    """``matched``: the number that was searched, as it was written; else the contact's own. ``url``: opens the contact."""

    id: str
    url: str
    first: str
    last: str
    company: str
    email: str
    matched: str


class PbxContextRoutes:
    """``base_url``: where people's browsers reach us, without a slash at the end; empty: where the PBX reached us. ``within_s``: so long
    the database may take to know who calls."""

    def __init__(self, contacts: Contacts, base_url: str = "", *, within_s: float = LOOKUP_WITHIN_S) -> None:
        self._contacts = contacts
        self._within_s = within_s
        self._base_url = base_url

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/pbx/lookup", self._look_up)
        app.router.add_post("/pbx/lookup-email", self._look_up_email)
        app.router.add_post("/pbx/search", self._search)
        app.router.add_post("/pbx/contacts", self._create)
        app.router.add_post("/pbx/calls", self._report_call)
        app.router.add_post("/pbx/chats", self._report_chat)

    async def _look_up(self, request: web.Request) -> web.Response:
        number = filled((await body_of(request, LookUpNumber)).number)
        async with _in_time(self._within_s):
            found = await self._contacts.lookup(number)
        return self._hits(request, [] if found is None else [found], number)

    async def _look_up_email(self, request: web.Request) -> web.Response:
        email = filled((await body_of(request, LookUpEmail)).email)
        async with _in_time(self._within_s):
            found = await self._contacts.lookup_email(email)
        return self._hits(request, [] if found is None else [found])

    async def _search(self, request: web.Request) -> web.Response:
        words = filled((await body_of(request, SearchContacts)).q)
        return self._hits(request, await self._contacts.search(words))

    async def _create(self, request: web.Request) -> web.Response:
        sent = await body_of(request, NewContact)
        first, last, number, email, company = map(filled, (sent.first, sent.last, sent.number, sent.email, sent.company))
        new = NewContact(first, last, number, email, company)
        made = await self._contacts.create(new, grant_of(request).identity, "pbx")
        return self._hits(request, [made], new.number)

    async def _report_call(self, request: web.Request) -> web.Response:
        report = await body_of(request, CallReport)
        return await _kept(self._contacts.report_call(asdict(report)))

    async def _report_chat(self, request: web.Request) -> web.Response:
        report = await body_of(request.clone(client_max_size=LARGEST_CHAT), ChatReport)
        return await _kept(self._contacts.report_chat(asdict(report)))

    def _hits(self, request: web.Request, found: Sequence[Contact], matched: str = "") -> web.Response:
        base = self._base_url or f"{request.scheme}://{request.host}"
        hits = [
            Hit(
                id=each.contact_id,
                url=f"{base}/contacts#{each.contact_id}",
                first=each.first,
                last=each.last,
                company=each.company,
                email=each.email,
                matched=matched or (each.numbers[0] if each.numbers else ""),
            )
            for each in found
        ]
        return json_answer({"hits": hits})


@asynccontextmanager
async def _in_time(within_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise StoreUnavailable("The database is slower than a telephone rings.") from None


async def _kept(report: Awaitable[None]) -> web.Response:
    """202: it is safe, and is no news where it came before."""
    try:
        await report
    except BadReport as error:
        raise Refusal("bad_message", f"The report cannot be kept: {error}.") from None
    return web.Response(status=202)
