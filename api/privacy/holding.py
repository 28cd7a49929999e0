"""Legal holds: nothing of whoever is held is erased, neither on request nor by age."""

from collections.abc import Callable
from uuid import uuid4

from api.privacy.asking import WhoAsked, handle_asked, person_asked
from api.privacy.erasure import Erasure
from api.privacy.vault import Vault
from api.store import Store
from api.store.legal_holds import LegalHold


class Holding:
    """``note`` is the audit's: kind, by whom, hold, handle, detail. ``region``: the country of numbers without one. ``now``: seconds since
    the epoch. Everything raises ``StoreUnavailable`` when the database or the books of keys are away."""

    def __init__(
        self, store: Store, vault: Vault, *, note: Callable[[str, str, str, str, str], None], region: str, now: Callable[[], float]
    ) -> None:
        self._store, self._vault, self._erasure = store, vault, store.part(Erasure)
        self._note, self._region, self._now = note, region, now

    async def place(self, asked: WhoAsked, by: str) -> LegalHold:
        """Raises ``Refusal`` where nobody is named."""
        await self._store.settle()
        person = await person_asked(self._erasure, asked, self._region)
        hold = LegalHold(uuid4().hex, asked.reason, by, self._now())
        await self._store.legal_holds.place(hold, person.handles, person.ids.get("call", frozenset()))
        self._note("person_held", by, "", handle_asked(self._vault, asked, self._region), asked.reason)
        return hold

    async def lift(self, hold_id: str, by: str) -> bool:
        """False where none of this id is in force."""
        if not await self._store.legal_holds.lift(hold_id, by, self._now()):
            return False
        self._note("hold_lifted", by, hold_id, "", "")
        return True

    async def every(self) -> list[LegalHold]:
        """The newest first."""
        return await self._store.legal_holds.every()
