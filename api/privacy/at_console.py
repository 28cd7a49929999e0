"""Erasure and holds at the console of a server's machine, beside a running server or without one: the same work as over REST.

What a running server told pages in the last minutes is its own: it is not reached from here, and the proof says that it stays. Of what
programs remember otherwise nothing can be read any more, because the key is gone.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from api.audit.wiring import note_at_once
from api.past_rooms import PastRooms
from api.privacy.asking import WhoAsked
from api.privacy.forgetting import Forgetting, ForgottenProof
from api.privacy.holding import Holding
from api.privacy.wiring import open_vault
from api.recording_shelf import RecordingShelf
from api.settings.tree import Settings
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.legal_holds import LegalHold
from api.store.spool import Spool

_STAYS_AT_SERVERS = "What a running server told pages in the last hour stays until that is over: an erasure over REST ends that too."


@dataclass
class _Console:
    """``noted``: for the audit (kind, by, subject, handle, detail), written when the work ends, however it does."""

    settings: Settings
    store: Store
    noted: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    @property
    def holding(self) -> Holding:
        region = self.settings.dialing.region
        return Holding(self.store, self.store.vault, note=lambda *told: self.noted.append(told), region=region, now=time.time)

    def note(self, kind: str, who: str, *, by: str = "", detail: str = "") -> None:
        self.noted.append((kind, by or who, who if by else "", "", detail))

    async def write_down(self) -> None:
        for kind, by, subject, handle, detail in self.noted:
            await note_at_once(self.settings, self.store, kind, by, subject_handle=handle, detail=" ".join(filter(None, (subject, detail))))


@asynccontextmanager
async def _console(settings: Settings) -> AsyncIterator[_Console]:
    async with Store.open(settings.store_url, vault=open_vault(settings), node="console") as store:
        console = _Console(settings, store)
        try:
            yield console
        finally:
            await console.write_down()


async def forget(settings: Settings, asked: WhoAsked, by: str) -> ForgottenProof:
    """Raises ``Refusal`` and ``StoreUnavailable`` as ``Forgetting.forget``."""
    async with AsyncExitStack() as stack:
        console = await stack.enter_async_context(_console(settings))
        store, files = console.store, settings.server.data_dir / "attachments"
        spool = Spool(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "chat.spool", store.vault)
        writes = await stack.enter_async_context(AcknowledgedWrites(store.rooms, spool))
        shelf = None
        if settings.keeps_recordings:
            shelf = RecordingShelf(store, settings.recordings_folder, settings.recording_keys())
        work = Forgetting(
            store,
            store.vault,
            recordings=shelf,
            written=PastRooms(store.past_rooms, store.rooms, writes, files, keep_s=None, note=console.note, forget=lambda room_id: None),
            drop=_nothing_to_drop,
            forget_said=_nothing_said,
            settle=_nothing_waits,
            note=lambda kind, by, handle, detail: console.noted.append((kind, by, "", handle, detail)),
            region=settings.dialing.region,
            now=time.time,
        )
        proof = await work.forget(asked, by)
        return replace(proof, stays=(*proof.stays, _STAYS_AT_SERVERS))


async def place(settings: Settings, asked: WhoAsked, by: str) -> LegalHold:
    """Raises ``Refusal`` and ``StoreUnavailable``."""
    async with _console(settings) as console:
        return await console.holding.place(asked, by)


async def lift(settings: Settings, hold_id: str, by: str) -> LegalHold:
    """Raises ``LookupError`` where none of this id is in force, and ``StoreUnavailable``."""
    async with _console(settings) as console:
        if not await console.holding.lift(hold_id, by):
            raise LookupError("No hold of this id is in force: `centralita privacy holds` prints them.")
        return next(hold for hold in await console.holding.every() if hold.hold_id == hold_id)


async def every(settings: Settings) -> list[LegalHold]:
    """The newest first. Raises ``StoreUnavailable``."""
    async with _console(settings) as console:
        return await console.holding.every()


async def _nothing_to_drop(handles: Collection[str]) -> None:
    """What is kept under these handles opens no more."""


async def _nothing_waits() -> None:
    """Nothing happens here; what waits at a running server is sealed under a key that it draws anew."""


async def _nothing_said() -> bool:
    """Here nobody is told anything; what servers say, the proof has."""
    return True
