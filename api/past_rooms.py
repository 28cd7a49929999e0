"""Rooms that are over: read by who was in them for a set time, then erased, as is what was written long ago in rooms that go on.

Rooms of another node are erased too: the database is one. Files lie on the node that took them, so each looks through its own folder for
those that no message has any more.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import structlog

from api.chat import chat_message
from api.leading import Leads, alone
from api.store import StoreUnavailable
from api.store.acknowledged import AcknowledgedWrites
from api.store.past_rooms import Erased, PastRoomStore
from api.store.rooms import RoomStore
from signaling import messages as wire
from signaling.refusal import Refusal

log = structlog.get_logger()
_LOOK_EVERY_S = 3_600.0
_UNKNOWN_S = 3_600.0
"""A younger file may be of an upload whose message is still to come."""


class Note(Protocol):
    def __call__(self, kind: str, who: str, *, by: str = "", detail: str = "") -> None:
        """Write into the audit."""
        ...


class PastRooms:
    """``async with``: looks after what is due at once and every ``look_every_s``. ``keep_s``: what was written is erased so long after its
    room's end, or after it was sent where the room goes on, by the node that ``leads``; None keeps it. ``forget``: of this room's chat
    nothing may be at hand any more.
    """

    def __init__(
        self,
        store: PastRoomStore,
        chat: RoomStore,
        writes: AcknowledgedWrites,
        folder: Path,
        *,
        keep_s: float | None,
        note: Note,
        forget: Callable[[str], None],
        leads: Leads = alone,
        look_every_s: float = _LOOK_EVERY_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._chat = chat
        self._writes = writes
        self._folder = folder
        self._keep_s = keep_s
        self._note = note
        self._forget = forget
        self._leads = leads
        self._look_every_s = look_every_s
        self._now = now
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_looking(), name="past-rooms")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ------------------------------------------------------------------ reading

    async def listed(self, identity: str, before: float | None, limit: int) -> wire.PastRoomList:
        """Raises ``StoreUnavailable``."""
        await self._writes.written()  # one may have ended a moment ago
        found = await self._store.of(identity, before=before, limit=limit + 1)
        shown = [
            wire.PastRoom(
                room_id=room.room_id,
                kind=room.kind,
                name=room.name,
                encrypted=room.encrypted,
                began_at=room.created_at,
                ended_at=room.ended_at,
                reason=room.reason,
            )
            for room in found[:limit]
        ]
        return wire.PastRoomList(rooms=shown, more=len(found) > limit)

    async def readable(self, room_id: str, identity: str) -> bool:
        """Is it over, and may this person read it? Raises ``StoreUnavailable``."""
        await self._writes.written()
        return await self._store.readable(room_id, identity)

    async def history(self, room_id: str, identity: str, *, before: int | None, after: int | None, limit: int) -> wire.ChatPage:
        """A page of messages, in order. Raises ``Refusal``, ``StoreUnavailable``."""
        if not await self.readable(room_id, identity):
            raise Refusal("unknown_room", "There is no such room, or you were not in it.")
        found = await self._chat.history(room_id, before=before, after=after, limit=limit + 1)
        page = found[:limit] if after is not None else found[-limit:]
        files = await self._chat.attachments(name for message in page for name in message.attachments)
        read = await self._chat.marks(room_id)
        return wire.ChatPage(messages=[chat_message(message, files) for message in page], more=len(found) > limit, read=read)

    # ------------------------------------------------------------------ erasing

    async def erase_person(self, identity: str, by: str) -> int:
        """Everything that this person wrote in rooms, and that they were there. How many messages it was. Raises ``StoreUnavailable``.

        Pages that show it already do so until they are loaded again.
        """
        await self._writes.written()
        erased = await self._store.erase_person(identity, self._now())
        await self._settle(erased)
        self._note("chat_erased", identity, by=by, detail=_words(erased))
        return erased.messages

    async def look_after(self) -> None:
        """Erase what is due. Raises OSError, ``StoreUnavailable``."""
        if self._keep_s is not None and await self._leads():
            before = self._now() - self._keep_s
            while (erased := await self._store.erase_ended(before)).rooms:
                await self._settle(erased)
                self._note("rooms_erased", "", detail=_words(erased))
            erased = await self._store.erase_said(before, self._now())
            if erased.messages:
                await self._settle(erased)
                self._note("chat_erased", "", detail=_words(erased))
        lost = await self._store.unknown_files(await asyncio.to_thread(self._old_files))
        await asyncio.to_thread(self._unlink, lost)

    async def _settle(self, erased: Erased) -> None:
        for room_id in erased.rooms:
            self._forget(room_id)
        await asyncio.to_thread(self._unlink, erased.files)
        log.info("rooms.erased", rooms=len(erased.rooms), messages=erased.messages, files=len(erased.files))

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look_after()
            except (OSError, StoreUnavailable) as error:
                hint = "look after the disk of the attachments' folder, and the database"
                log.error("past_rooms.neglected", fault=str(error), hint=hint)
            await asyncio.sleep(self._look_every_s)

    # -- in threads

    def _old_files(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [path.name for path in self._folder.iterdir() if path.stat().st_mtime < time.time() - _UNKNOWN_S]

    def _unlink(self, names: "tuple[str, ...] | set[str]") -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)


def _words(erased: Erased) -> str:
    return f"{len(erased.rooms)} rooms, {erased.messages} messages, {len(erased.files)} files"
