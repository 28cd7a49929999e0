"""The recordings of this node's calls, on record: which file is whose, what consent it has, how it ended, and its manifest's checkpoint.

What the media plane tells becomes rows of the store. A checkpoint lies thus beside the call and not beside the file, so that whoever cuts
entries off a manifest, or takes a whole recording away, is found out.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from api.privacy.sealed_rows import handle_in_room, is_customer
from api.store import Store, StoredRecording
from media import messages as media

log = structlog.get_logger()

_MOST_RUNNING = 4_096


class RecordingBook:
    """Times are seconds since the epoch. ``on_cut`` hears of each recording that its worker's death cut short,
    ``on_unwanted(recording_id, by, why)`` of each that is to be erased, once it is over."""

    def __init__(
        self, store: Store, on_cut: Callable[[], None] = lambda: None, on_unwanted: Callable[[str, str, str], None] = lambda *told: None
    ) -> None:
        self._store = store
        self.on_cut = on_cut
        self.on_unwanted = on_unwanted
        self._unwanted: dict[str, tuple[str, str]] = {}
        self._rows: dict[str, StoredRecording] = {}
        self._asked: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> set[str]:
        """Ids of recordings that were wanted and of whose end nothing was told yet."""
        return set(self._rows)

    def expect(self, recording_id: str, call_id: str, agent: str, consent: str, at: float) -> None:
        """The media plane is about to be asked for it."""
        while len(self._rows) >= _MOST_RUNNING:  # of which nothing was told for ever
            self._drop(next(iter(self._rows)))
        self._rows[recording_id] = StoredRecording(recording_id, call_id, agent, consent, started_at=at)
        self._asked.add(recording_id)
        self._idle.clear()

    def half(self, number: str, call_id: str) -> tuple[str, str]:
        """Of the file's key, drawn now, and the same sealed: under the key of who has this number, or of this call where nobody has one."""
        vault = self._store.vault
        return vault.half(vault.number(number) if is_customer(number) else vault.person("call", call_id))

    def half_of_guest(self, room_id: str, identity: str) -> tuple[str, str]:
        """The same of who speaks in a room."""
        vault = self._store.vault
        return vault.half(handle_in_room(vault, room_id, identity))

    def granted(self, recording_id: str) -> None:
        """The media plane will do it, and tell what becomes of it."""
        self._asked.discard(recording_id)

    def not_begun(self, recording_id: str) -> None:
        """The media plane refused."""
        row = self._rows.get(recording_id)
        if row is not None and not row.file:
            self._drop(recording_id)

    def call_over(self, call_id: str) -> None:
        """What the media plane was asked for and took too long to answer will not begin any more."""
        for recording_id in [name for name in self._asked if self._rows[name].call_id == call_id]:
            self._drop(recording_id)

    def started(self, event: media.RecordingStarted) -> None:
        self._asked.discard(event.recording_id)
        row = self._rows.get(event.recording_id)
        if row is not None:
            row = self._rows[event.recording_id] = replace(row, file=event.file)
            self._store.put_recording(row)

    def stopped(self, event: media.RecordingStopped, at: float) -> None:
        self._ended(event, at, packets=event.packets, lost=event.lost, entries=event.entries, digest=event.digest)

    def failed(self, event: media.RecordingFailed, at: float) -> None:
        log.error("recording.broke", call_id=event.room_id, file=event.file, detail=event.detail)
        self._ended(event, at, entries=event.entries, digest=event.digest, fault=event.detail)
        if event.worker_died:
            self.on_cut()

    def unwanted(self, recording_id: str, by: str, why: str = "there was no consent") -> None:
        """It is not to be kept. ``by``: whoever says so, empty: we ourselves."""
        if recording_id in self._rows:
            self._unwanted[recording_id] = (by, why)
        else:
            self.on_unwanted(recording_id, by, why)

    async def settled(self, within_s: float) -> None:
        """Until nothing runs any more, or so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), within_s)

    def _ended(self, event: media.RecordingStopped | media.RecordingFailed, at: float, **told: int | str) -> None:
        row = self._rows.get(event.recording_id)
        if row is None:
            return
        unwanted = self._unwanted.get(event.recording_id)
        self._drop(event.recording_id)
        if event.file:
            self._store.put_recording(replace(row, file=event.file, ended_at=at, **told))  # type: ignore[arg-type]
            if unwanted is not None:
                self.on_unwanted(event.recording_id, *unwanted)

    def _drop(self, recording_id: str) -> None:
        del self._rows[recording_id]
        self._asked.discard(recording_id)
        self._unwanted.pop(recording_id, None)
        if not self._rows:
            self._idle.set()
