"""All recordings of a worker: the packet path adds to the records of each, one thread takes, encrypts and writes what is due.

Nothing that the disk does reaches a call. Each recording's records are bounded: when the disk does not follow for so long, packets are
left out, counted, and the gap is an event in the file. When a write fails, on a full disk say, the recording is over and that is told; its
file holds everything up to then. What came in 0.9 s becomes a chunk, so that a killed process loses no more sound than that, and what
the thread was late. Files have random names; what a call is known by, numbers above all, stands only inside, encrypted.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from media.recording import manifest
from media.recording.file import FILE_ID_BYTES, ChunkWriter
from media.recording.keys import KEY_BYTES, KeyRing, PersonKey
from media.recording.pictures import PictureRecords
from media.recording.records import Records
from media.recording.retention import SUFFIX

log = structlog.get_logger()

_CHUNK_S = 0.9
_LOOK_AT_RECORDS_S = 0.1
_MOST_RECORDS = 1_500
"""15 s of a call."""
_MOST_DETAILS_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """``keys``: 32 bytes each, the newest first. ``most_records`` of one recording's sound may wait for the disk."""

    folder: Path
    keys: tuple[bytes, ...] = field(repr=False)
    most_records: int = _MOST_RECORDS
    key_frame_every_s: float = 10.0
    """So often a kept picture is asked for a key frame, where none came for another reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recording. ``fault`` is empty when it ended as it should; ``lost``: packets left out for a slow disk.

    ``checkpoint``: how the manifest ended, to be kept elsewhere; None where it could not be written.
    """

    path: Path
    packets: int
    lost: int
    checkpoint: manifest.Checkpoint | None
    fault: str


class Recording:
    """One running recording; ``records`` is what the packet path adds to, ``pictures`` the same of a consultation's.

    ``on_start(path)`` once its file is there, ``on_end(outcome)`` once it is over, both called from the writing thread.
    """

    def __init__(
        self,
        path: Path,
        records: Records,
        who: tuple[str, ...],
        consent: str,
        on_start: Callable[[Path], None],
        on_end: Callable[[Outcome], None],
        pictures: PictureRecords | None = None,
        person: PersonKey | None = None,
    ) -> None:
        self.path, self.records, self.pictures, self.person = path, records, pictures, person
        self.who, self.consent = who, consent
        self.over = False
        self.on_start, self.on_end = on_start, on_end

    def tell(self, name: str, now_s: float, details: Mapping[str, str | int | float] | None = None) -> None:
        """An event; never left out. ``end`` is the last one."""
        if not self.over:
            self.records.tell(name, now_s, details or {})
            self.over = name == "end"  # behind the event: what the thread writes last has it

    def take(self) -> tuple[bytes, int]:
        """What waits to be written, and how many packets that is."""
        content, packets = self.records.take()
        if self.pictures is None:
            return content, packets
        shown, pictures = self.pictures.take()
        return content + shown, packets + pictures

    @property
    def lost(self) -> int:
        """Packets left out for a slow disk."""
        return self.records.lost + (self.pictures.lost if self.pictures is not None else 0)


class Recordings:
    """Used as ``with Recordings(...)``; leaving ends and writes what still runs.

    ``ended`` counts recordings that are over, ``failed`` those that a fault of the disk ended, ``lost`` packets that a slow disk cost.
    ``make_records(start_s, most_records)``: those of the packet path that adds to them.
    """

    def __init__(self, settings: RecordingSettings, make_records: Callable[[float, int], Records] = Records) -> None:
        self.settings = settings
        self._make_records = make_records
        self.ring = KeyRing(settings.keys)
        self.ended = self.failed = self.lost = 0
        self._open: deque[Recording] = deque()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    def __enter__(self) -> Self:
        """Raises OSError when the folder cannot be made."""
        self.settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for recording in list(self._open):
            recording.tell("end", time.monotonic(), {"reason": "the server was stopped"})
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def start(
        self,
        now_s: float,
        details: Mapping[str, str | int | float],
        *,
        who: tuple[str, ...],
        consent: str,
        on_start: Callable[[Path], None],
        on_end: Callable[[Outcome], None],
        pictures: bool = False,
        person: PersonKey | None = None,
    ) -> Recording:
        """A new recording. ``details`` stand encrypted in its first event, ``who`` and ``consent`` in clear in its manifest. ``pictures``:

        it is to have some. ``person``: whose it is.

        Raises ValueError for details that are too long, and for a number in ``who``.
        """
        manifest.refuse_numbers(who)
        if sum(len(name) + len(str(value)) for name, value in details.items()) > _MOST_DETAILS_BYTES:
            raise ValueError(f"the details of a recording are at most {_MOST_DETAILS_BYTES} characters")
        path = self.settings.folder / f"{secrets.token_hex(FILE_ID_BYTES)}{SUFFIX}"
        records = self._make_records(now_s, self.settings.most_records)
        recording = Recording(path, records, who, consent, on_start, on_end, PictureRecords(now_s) if pictures else None, person)
        recording.tell("start", now_s, {"unix_s": time.time(), "consent": consent, **details})
        self._open.append(recording)
        self._wanted.set()
        return recording

    # -- the thread

    def _run(self) -> None:
        files: dict[Recording, _File] = {}
        while True:
            stopping = self._stopping.is_set()
            self._wanted.clear()
            for recording in list(self._open):
                file = files.get(recording) or files.setdefault(recording, _File(recording, self.ring))
                if (recording.over or file.due_s <= time.monotonic()) and (outcome := file.write()) is not None:
                    self._end(recording, outcome)
                    del files[recording]
            if stopping and not self._open:
                return
            if files:
                self._stopping.wait(0.0 if stopping else _LOOK_AT_RECORDS_S)
            else:
                self._wanted.wait()

    def _end(self, recording: Recording, outcome: Outcome) -> None:
        self._open.remove(recording)
        self.ended += 1
        self.lost += outcome.lost
        self.failed += bool(outcome.fault)
        if outcome.fault:
            log.error("recording.failed", file=outcome.path.name, fault=outcome.fault, packets=outcome.packets, lost=outcome.lost)
        recording.on_end(outcome)


class _File:
    """The thread's side of one recording."""

    def __init__(self, recording: Recording, ring: KeyRing) -> None:
        self._recording = recording
        self._ring = ring
        self._writer: ChunkWriter | None = None
        self._packets = 0
        self.due_s = 0.0
        """Monotonic time of the next chunk."""

    def write(self) -> Outcome | None:
        """One chunk of what waits; the outcome when it was the last."""
        recording = self._recording
        over = recording.over
        content, packets = recording.take()
        self.due_s = time.monotonic() + _CHUNK_S
        if not content and not over:
            return None
        try:
            if self._writer is None:
                self._writer = self._begun()
                self._writer.write(content, last=over)
                recording.on_start(recording.path)
            else:
                self._writer.write(content, last=over)
            self._packets += packets
        except OSError as error:
            recording.over = True
            if self._writer is None:
                recording.path.unlink(missing_ok=True)
            return self._outcome(f"{error.strerror}: the file ends here, look after the disk and start another recording")
        return self._outcome("") if over else None

    def _begun(self) -> ChunkWriter:
        """The file, and behind it its manifest: consent is on record before the first word is."""
        recording = self._recording
        file_id = bytes.fromhex(recording.path.stem)
        data_key = secrets.token_bytes(KEY_BYTES)
        writer = ChunkWriter(recording.path, self._ring, file_id=file_id, data_key=data_key, person=recording.person)
        try:
            manifest.append(
                recording.path, self._ring, "begun", at_unix_s=time.time(), who=recording.who, details={"consent": recording.consent}
            )
        except OSError:
            writer.close()
            raise
        return writer

    def _outcome(self, fault: str) -> Outcome:
        recording, writer = self._recording, self._writer
        if writer is None:
            return Outcome(recording.path, 0, recording.lost, None, fault)
        details: dict[str, str | int | float] = {
            "chunks": writer.chunks,
            "digest": writer.digest.hex(),
            "seconds": round(recording.records.length_s, 1),
            "packets": self._packets,
            "lost": recording.lost,
            "fault": fault,
        }
        checkpoint = None
        try:
            checkpoint = manifest.append(recording.path, self._ring, "ended", at_unix_s=time.time(), details=details)
        except OSError as error:
            fault = fault or f"{error.strerror}: the recording is whole but its manifest does not say so, look after the disk"
        return Outcome(recording.path, self._packets, recording.lost, checkpoint, fault)
