"""The contacts of this server itself as a CRM: who has the number, and the calls with them, here and as the PBX reports them."""

import time
from collections.abc import Awaitable, Callable, Collection
from uuid import NAMESPACE_URL, uuid5

from api.backends.context import BUILT_IN
from api.backends.lookup import ContextLookup
from api.backends.protocols import (
    Activity,
    CallerKey,
    Capability,
    ContactDraft,
    ContactRef,
    Health,
    Kind,
)
from api.card_numbers import without_cards_in
from api.privacy.vault import Vault
from api.store.centre import CentreStore, EarlierCall
from api.store.contacts import Contact, ContactStore, ReportedRow
from pbx.numbers import spellings

REMEMBERED_S = 90 * 86_400.0


class BuiltinCrm:
    """Satisfies of ``CrmBackend`` what it can: calls and notes are kept with the calls here. ``region``: whose national spellings a PBX may
    use. Its activities are ``call_in``, ``call_out`` and ``call_missed``; the title says with whom."""

    id = f"{BUILT_IN}crm"
    kind = Kind.CRM
    capabilities = frozenset({Capability.LOOKUP, Capability.HISTORY, Capability.CREATE})

    def __init__(self, contacts: ContactStore, calls: CentreStore, region: str, now: Callable[[], float] = time.time) -> None:
        self._contacts = contacts
        self._calls = calls
        self._region = region
        self._now = now

    async def health(self) -> Health:
        await self._contacts.by_number("", 1)
        return Health(True)

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        if key.e164 and not key.withheld:
            found = await self._contacts.by_number(key.e164, limit)
        else:
            found = await self._contacts.by_email(key.email, limit) if key.email else []
        return [self._ref(contact) for contact in found]

    async def timeline(self, contact: ContactRef, *, limit: int = 10) -> list[Activity]:
        numbers = {spelling for number in contact.numbers for spelling in spellings(number, self._region)}
        since = self._now() - REMEMBERED_S
        here = [_call_here(call) for call in await self._calls.calls_with(numbers, since, limit)] if numbers else []
        there = [_call_there(row) for row in await self._contacts.calls_of(Contact(contact.id, numbers=contact.numbers), limit)]
        return sorted([*here, *there], key=lambda activity: -activity.at)[:limit]

    async def create_contact(self, draft: ContactDraft, *, idem: str) -> ContactRef:
        contact_id = uuid5(NAMESPACE_URL, f"centralita:contact:{idem}").hex
        known = await self._contacts.contact(contact_id)
        if known is None:
            draft = without_cards_in(draft, "name", "company")
            first, _, last = draft.name.strip().partition(" ")
            numbers = (draft.number,) if draft.number else ()
            known = Contact(contact_id, first, last, draft.company, draft.email, numbers, language=draft.language)
            await self._contacts.add(known, "backend", self._now(), "call")
        return self._ref(known)

    def _ref(self, contact: Contact) -> ContactRef:
        return ContactRef(
            self.id,
            contact.contact_id,
            f"{contact.first} {contact.last}".strip() or contact.company,
            company=contact.company,
            email=contact.email,
            numbers=contact.numbers,
            language=contact.language,
            vip=contact.vip,
            lead_score=contact.lead_score,
            value=contact.value,
            url=f"/contacts#{contact.contact_id}",
        )


def _call_here(call: EarlierCall) -> Activity:
    return Activity(call.started_at, _kind(call.direction, call.answered_at is not None), call.agent)


def _call_there(row: ReportedRow) -> Activity:
    return Activity(row.started_at or row.received_at, _kind(row.direction, row.answered), row.agent or row.queue)


def _kind(direction: str, answered: bool) -> str:
    return "call_out" if direction == "out" else "call_in" if answered else "call_missed"


def renewing(
    context: ContextLookup, vault: Vault, tell_nodes: Callable[[str, Collection[str], str], None]
) -> Callable[[Collection[str], Collection[str], str], Awaitable[None]]:
    """What is to be told of contacts that changed (numbers, addresses, contact): nobody is shown them as they were, here or at another
    node, in memory or in Redis, and in calls with them they are asked for anew."""

    async def changed(numbers: Collection[str], emails: Collection[str], contact_id: str) -> None:
        handles = {*map(vault.number, numbers), *map(vault.email, emails)}
        tell_nodes(BuiltinCrm.id, handles, contact_id)
        await context.renew(BuiltinCrm.id, handles, contact_id)

    return changed
