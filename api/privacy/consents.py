"""What customers agreed to, purpose by purpose: who was asked what, when, and what they said. The newest word counts; silence is no."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.privacy.vault import Vault
from api.store.consents import Consent, ConsentStore
from api.store.contacts import ContactStore

Purpose = Literal["survey"]
PURPOSES: tuple[Purpose, ...] = ("survey",)
"""``survey``: to be asked how a call or a consultation was."""


class SaidConsent(Struct, frozen=True, forbid_unknown_fields=True):
    """``wording``: what the customer was asked."""

    given: bool
    wording: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Consents:
    """``note`` is the audit's. ``now``: seconds since the epoch. Everything raises ``StoreUnavailable`` when the database is away."""

    def __init__(
        self, store: ConsentStore, vault: Vault, *, note: Callable[[str, str, str, str], None], now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._vault, self._note = store, vault, note
        self._now = now

    async def given(self, handles: Sequence[str], purpose: Purpose) -> bool:
        """Did whoever has one of these handles agree, and not take it back?"""
        said = await self._store.said(handles, purpose)
        return bool(said) and said[0].given

    async def say(self, handle: str, purpose: Purpose, said: SaidConsent, by: str = "") -> None:
        """``by``: who notes it; empty: the customer does."""
        await self._store.add(handle, Consent(purpose, said.given, said.wording, self._now(), by))
        self._note("consent_given" if said.given else "consent_taken_back", by, purpose, handle)

    async def of_contact(self, contact_id: str) -> list[Consent]:
        """All they said, the newest first."""
        return await self._store.said([self._vault.person("contact", contact_id)])


class ConsentRoutes:
    def __init__(self, consents: Consents, contacts: ContactStore, vault: Vault) -> None:
        self._consents, self._contacts, self._vault = consents, contacts, vault

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/contacts/{contact_id}/consents", self._list, allow_head=False)
        app.router.add_put("/api/v1/contacts/{contact_id}/consents/{purpose}", self._say)

    async def _list(self, request: web.Request) -> web.Response:
        return json_answer({"consents": await self._consents.of_contact(request.match_info["contact_id"])})

    async def _say(self, request: web.Request) -> web.Response:
        said = await body_of(request, SaidConsent)
        contact_id, purpose = request.match_info["contact_id"], request.match_info["purpose"]
        if purpose not in PURPOSES or await self._contacts.contact(contact_id) is None:
            raise web.HTTPNotFound
        await self._consents.say(self._vault.person("contact", contact_id), purpose, said, grant_of(request).identity)
        return json_answer({"consents": await self._consents.of_contact(contact_id)})
