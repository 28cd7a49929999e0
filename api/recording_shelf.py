"""The files of recordings: listened to, watched, erased, checked and looked after, with every step in the manifest and in the store.

Reading and rendering a recording takes seconds of a core, so it is done in a few threads of its own, and who comes when they are busy is
told to wait. What is heard exists in memory only: nothing of a call lies on the disk in clear.
"""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, TypeVar

import structlog

from api.store import Store, StoredRecording, StoreUnavailable
from media.recording import manifest
from media.recording.export import Peaks, write_mixed_opus, write_mixed_wav, write_opus, write_wav
from media.recording.file import Ending
from media.recording.film import write_films
from media.recording.keys import KeyRing
from media.recording.manifest import Checkpoint
from media.recording.records import Recorded, read_recording
from media.recording.retention import SUFFIX, StillRunning, erase, expire, is_being_written, is_erased, sign_interrupted
from signaling.refusal import Refusal

log = structlog.get_logger()
T = TypeVar("T")

_FILE = re.compile(r"[0-9a-f]{32}\.rec")
_THREADS = 2
_WAITING = 8
_LONGEST_S = 4 * 3_600.0
"""Longer ones take more memory than a request may: they are exported by command."""
_LARGEST_FILM_BYTES = 256 * 1_024 * 1_024
"""The same of films, of which memory holds their recordings and themselves: an hour of two at 250 kbit/s."""
_LOOK_EVERY_S = 3_600.0
_AT_A_TIME = 500
_WRITTEN_WITHIN_S = 3.0
"""How long a database that is busy is waited for to know of the last recordings. One that is away is not."""
_CLOSED_WITHIN_S = 0.5
"""So long after a recording's or its worker's end its file is closed."""
_TRIES = 20


class Form(NamedTuple):
    write: Callable[[Recorded, BinaryIO], Peaks | None]
    content_type: str
    ending: str


FORMS = {
    "wav": Form(write_wav, "audio/wav", "wav"),
    "opus": Form(write_opus, "audio/ogg", "opus"),
    "mix": Form(write_mixed_opus, "audio/ogg", "opus"),
    "mono": Form(write_mixed_wav, "audio/wav", "wav"),
}
"""How a recording can be had: both sides side by side as they sounded, the same as they were sent, both in one small file, or in one as
they sounded."""


FILMS = {"webm": "video/webm", "mkv": "video/matroska", "mp4": "video/mp4"}
"""The same with the pictures of a consultation, as they were sent: media types by form."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording as a file of sound, or of sound and pictures."""

    body: bytes
    content_type: str
    file_name: str


class RecordingShelf:
    """``async with``: looks after the folder at once and every ``look_every_s``. ``keep_s``: recordings are erased so long after their end;
    None keeps them, as a legal hold does. ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        keys: tuple[bytes, ...],
        *,
        keep_s: float | None = None,
        look_every_s: float = _LOOK_EVERY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._folder = folder
        self._ring = KeyRing(keys, store.vault.open)
        self._keep_s = keep_s
        self._look_every_s = look_every_s
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="recording-shelf")
        self._busy = 0
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._cut = False
        self._unwanted: dict[str, tuple[str, str, int]] = {}
        self._looking = asyncio.Lock()
        self._erasing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_looking(), name="recording-shelf")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)

    # ------------------------------------------------------------------ what people want

    async def parts_of(self, call_id: str) -> list[StoredRecording]:
        """The parts of a call's recording, oldest first."""
        return await self._store.recordings_of(call_id)

    async def is_here(self, recording_id: str) -> bool:
        """Does its file lie in this node's folder?"""
        row = await self._store.recording(recording_id)
        return row is not None and bool(_FILE.fullmatch(row.file)) and (self._folder / row.file).exists()

    async def length_s(self, recording_id: str) -> float:
        """How long it lasts. Raises ``Refusal``."""
        _, path = await self._find(recording_id)
        return (await self._in_thread(self._read, path)).length_s

    async def agent_of(self, recording_id: str) -> str | None:
        """Whose call it was; None where there is no such recording."""
        row = await self._store.recording(recording_id)
        return row.agent if row is not None else None

    async def listen(self, recording_id: str, form: str, who: str) -> Heard:
        """A recording in one of ``FORMS`` or ``FILMS``; its manifest says who fetched it, before anything is given. Raises ``Refusal``."""
        if form in FILMS:
            return await self._watch([recording_id], form, who)
        row, path = await self._find(recording_id)
        checkpoint, heard = await self._in_thread(self._render, path, form, who)
        await self._note(recording_id, checkpoint)
        log.info("recording.fetched", recording=row.recording_id, form=form, size=len(heard.body))
        return heard

    async def watch(self, call_id: str, form: str, who: str) -> Heard:
        """All that is kept of a consultation as one of ``FILMS``; each part's manifest says who fetched it. Raises ``Refusal``."""
        await self._flush()
        parts = [part.recording_id for part in await self.parts_of(call_id) if part.file and part.erased_at is None]
        if not parts:
            raise Refusal("unknown_recording", "Nothing is kept of this consultation.")
        return await self._watch(parts, form, who)

    async def _watch(self, recording_ids: Sequence[str], form: str, who: str) -> Heard:
        paths = [(await self._find(recording_id))[1] for recording_id in recording_ids]
        checkpoints, film = await self._in_thread(self._film, paths, form, who)
        for recording_id, checkpoint in zip(recording_ids, checkpoints, strict=True):
            await self._note(recording_id, checkpoint)
        log.info("recording.fetched", recording=recording_ids[0], parts=len(paths), form=form, size=len(film.body))
        return film

    async def erase(self, recording_id: str, who: str, reason: str) -> None:
        """For good. Erasing twice is no fault, nor is being asked twice at once. Raises ``Refusal``."""
        async with self._erasing:
            await self._erase(recording_id, who, reason)

    async def _erase(self, recording_id: str, who: str, reason: str) -> None:
        row, path = await self._find(recording_id, erased=True)
        if row.erased_at is not None and not path.exists():
            return
        now = self._clock()
        try:
            checkpoint = await self._in_thread(lambda: erase(path, self._ring, at_unix_s=now, who=_names(who), reason=reason))
        except StillRunning:
            raise _still_running() from None
        if checkpoint is not None:
            await self._note(recording_id, checkpoint)
            log.info("recording.erased", recording=row.recording_id)
        await self._store.mark_erased(recording_id, now, who)

    # ------------------------------------------------------------------ what is due

    async def look_after(self) -> None:
        """Sign what a crash interrupted, erase what is too old, and let the store know. Raises OSError, ``StoreUnavailable``."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        now = self._clock()
        interrupted = await self._in_thread(lambda: list(sign_interrupted(self._folder, self._ring, now)))
        expired = await self._in_thread(self._expire, now, await self._store.legal_holds.held_files())
        if interrupted or expired:
            log.info("recordings.looked_after", interrupted=len(interrupted), expired=len(expired))
        async for rows in self._kept():
            for recording_id, checkpoint, erased in await self._in_thread(self._unknown, rows):
                await self._store.keep_checkpoint(recording_id, checkpoint.entries, checkpoint.digest)
                await self._store.end_recording(recording_id, now, "The server stopped without a word.")
                if erased:
                    await self._store.mark_erased(recording_id, now, "retention")

    def look_soon(self) -> None:
        """A worker died: what it was writing wants to be signed."""
        self._cut = True
        self._wanted.set()

    def erase_soon(self, recording_id: str, who: str, why: str) -> None:
        """This recording, which has just ended, is not to be kept."""
        self._unwanted[recording_id] = (who, why, _TRIES)
        self._wanted.set()

    async def faults(self) -> list[str]:
        """Everything that is wrong with any recording that was not erased, each with its id; slow. Raises ``StoreUnavailable``.

        Of a file that no call is known of, nobody can say what was cut off it or who was told: that is a fault too.
        """
        found: list[str] = []
        unknown = await self._in_thread(lambda: {path.name for path in self._folder.glob(f"*{SUFFIX}")})
        async for rows in self._kept():
            unknown -= {row.file for row in rows}
            for row in rows:
                if row.file and row.ended_at is not None:
                    found += [f"{row.recording_id} ({row.file}): {fault}" for fault in await self._in_thread(self._faults, row)]
        return found + [f"{file}: no call is known that it belongs to" for file in sorted(unknown)]

    # ------------------------------------------------------------------

    async def _kept(self) -> AsyncIterator[list[StoredRecording]]:
        """Some at a time, so that neither the database nor the threads are asked for each."""
        after = ""
        while rows := await self._store.kept_recordings(after, _AT_A_TIME):
            yield rows
            after = rows[-1].recording_id

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            if loop.time() >= due_s:
                due_s = loop.time() + self._look_every_s
                try:
                    await self.look_after()
                except (OSError, StoreUnavailable, Refusal) as error:
                    hint = "look after the disk of the recordings' folder, and the database"
                    log.error("recordings.neglected", fault=str(error), hint=hint)
            await self._erase_unwanted()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), due_s - loop.time())
                await asyncio.sleep(_CLOSED_WITHIN_S)
                due_s = loop.time() if self._cut else due_s
            self._wanted.clear()
            self._cut = False

    async def _erase_unwanted(self) -> None:
        for recording_id, (who, why, tries) in list(self._unwanted.items()):
            try:
                await self.erase(recording_id, who, why)
            except (OSError, StoreUnavailable, Refusal) as error:
                if tries > 1:
                    self._unwanted[recording_id] = (who, why, tries - 1)
                    self._wanted.set()
                    continue
                log.error("recording.not_erased", recording=recording_id, fault=str(error), hint="erase it by DELETE /api/v1/recordings/ID")
            del self._unwanted[recording_id]

    async def _flush(self) -> None:
        """A recording may have ended a moment ago."""
        await self._store.caught_up(_WRITTEN_WITHIN_S)

    async def _find(self, recording_id: str, *, erased: bool = False) -> tuple[StoredRecording, Path]:
        await self._flush()
        row = await self._store.recording(recording_id)
        if row is None or not _FILE.fullmatch(row.file):
            raise Refusal("unknown_recording", "There is no such recording.")
        if row.erased_at is not None and not erased:
            raise Refusal("recording_erased", "This recording was erased.")
        return row, self._folder / row.file

    async def _note(self, recording_id: str, checkpoint: Checkpoint) -> None:
        """Where the database is away the manifest has it all the same, and the checkpoint is of an earlier, shorter one."""
        try:
            await self._store.keep_checkpoint(recording_id, checkpoint.entries, checkpoint.digest)
        except StoreUnavailable as error:
            log.error("recording.checkpoint_lost", recording=recording_id, detail=str(error))

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        if self._busy >= _THREADS + _WAITING:
            raise Refusal("busy", "Others are listening to recordings just now: try again in a moment.", 2.0)
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._busy -= 1

    # -- in the threads

    def _unknown(self, rows: list[StoredRecording]) -> list[tuple[str, Checkpoint, bool]]:
        """What the store does not know yet of recordings' ends or erasure: id, how its manifest stands, and was it erased?"""
        found = []
        for row in rows:
            path = self._folder / row.file
            with suppress(OSError, ValueError):
                there = bool(_FILE.fullmatch(row.file)) and path.exists()
                erased = not there and is_erased(path)
                if erased or (there and not row.entries and not is_being_written(path)):
                    found.append((row.recording_id, manifest.checkpoint(path), erased))
        return found

    def _read(self, path: Path) -> Recorded:
        try:
            if is_being_written(path):
                raise _still_running()
            return read_recording(path, self._ring)
        except FileNotFoundError:
            raise Refusal("unknown_recording", "The file of this recording is gone: `centralita recording audit` says which.") from None
        except ValueError as error:
            raise Refusal("recording_damaged", f"This recording cannot be opened: {error}.") from None

    def _film(self, paths: Sequence[Path], form: str, who: str) -> tuple[list[Checkpoint], Heard]:
        if sum(path.stat().st_size for path in paths if path.exists()) > _LARGEST_FILM_BYTES:
            raise Refusal("recording_too_long", "This film is too large to be fetched: use `centralita recording film`.")
        body = io.BytesIO()
        try:
            details = write_films([self._read(path) for path in paths], form, body)
        except ValueError as error:
            raise Refusal("not_a_film", f"This recording cannot be had so: {error}.") from None
        checkpoints = [
            manifest.append(path, self._ring, "watched", at_unix_s=self._clock(), who=_names(who), details={"as": form, **detail})
            for path, detail in zip(paths, details, strict=True)
        ]
        return checkpoints, Heard(body.getvalue(), FILMS[form], f"{paths[0].stem}.{form}")

    def _render(self, path: Path, form: str, who: str) -> tuple[Checkpoint, Heard]:
        recorded = self._read(path)
        if recorded.length_s > _LONGEST_S:
            raise Refusal("recording_too_long", "This recording is too long to be fetched: use `centralita recording export`.")
        body = io.BytesIO()
        try:
            details = {"as": form, "seconds": round(recorded.length_s, 1), **(FORMS[form].write(recorded, body) or {})}
        except ValueError as error:
            raise Refusal("not_opus", f"This recording cannot be had without encoding it anew: {error}.") from None
        checkpoint = manifest.append(path, self._ring, "listened", at_unix_s=self._clock(), who=_names(who), details=details)
        return checkpoint, Heard(body.getvalue(), FORMS[form].content_type, f"{path.stem}.{FORMS[form].ending}")

    def _expire(self, now: float, held: Collection[str]) -> list[tuple[Path, Checkpoint]]:
        return list(expire(self._folder, self._ring, self._keep_s, now, held)) if self._keep_s is not None else []

    def _faults(self, row: StoredRecording) -> list[str]:
        checkpoint = Checkpoint(row.entries, row.digest) if row.entries else None
        path = self._folder / row.file
        try:
            found = manifest.faults(path, self._ring.public_keys, checkpoint)
            if found or not path.exists():
                return found
            recorded = read_recording(path, self._ring)
            known = row.fault and recorded.ending is Ending.EARLY  # that it ended early was told when it did
            return [] if known else [*filter(None, [recorded.detail])]
        except FileNotFoundError:
            return ["its manifest is gone"]
        except (OSError, ValueError) as error:
            return [str(error)]


def _names(who: str) -> tuple[str, ...]:
    """A person's identity is no telephone number, even where it looks like one. Nobody: the server itself."""
    return (f"person {who}",) if who else ("the server",)


def _still_running() -> Refusal:
    return Refusal("recording_running", "This call is still being recorded: come back when the recording has ended.", 5.0)
