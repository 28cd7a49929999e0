"""All recordings of a worker: the packet path appends to a buffer, one thread encrypts and writes what is handed over to it.

Nothing that the disk does reaches a call. Each recording's queue is bounded: when the disk does not follow for so long, packets are left
out, counted, and the gap is an event in the file. When a write fails, on a full disk say, the recording is over and that is told; its
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
from media.recording.keys import KEY_BYTES, KeyRing
from media.recording.records import RecordEncoder, Side
from media.recording.retention import SUFFIX
from rooms.audio import AudioCodec

log = structlog.get_logger()

_CHUNK_S = 0.9
_LOOK_AT_QUEUES_S = 0.1
_SAID, _HEARD = int(Side.SAID), int(Side.HEARD)  # plain numbers are faster
_QUEUED = 16
"""Chunks: 14 s of a call."""
_MOST_DETAILS_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """``keys``: 32 bytes each, the newest first. ``queued``: chunks of one recording that may wait for the disk."""

    folder: Path
    keys: tuple[bytes, ...] = field(repr=False)
    queued: int = _QUEUED


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
    """One running recording; ``said`` and ``heard`` are its taps. What is put in while the queue is full is left out and counted.

    ``on_start(path)`` once its file is there, ``on_end(outcome)`` once it is over, both called from the writing thread.
    """

    def __init__(
        self,
        path: Path,
        start_s: float,
        queued: int,
        who: tuple[str, ...],
        consent: str,
        on_start: Callable[[Path], None],
        on_end: Callable[[Outcome], None],
    ) -> None:
        self.path = path
        self.who, self.consent = who, consent
        self.lost = 0
        self.over = False
        self.on_start, self.on_end = on_start, on_end
        self.waiting: deque[tuple[bytes, int]] = deque()
        self._encoder = RecordEncoder(start_s)
        self._start_s = start_s
        self.length_s = 0.0
        """How far it has come, pauses included."""
        self._queued = queued
        self._due_s = start_s
        self._full = False
        self._lost_told = 0

    def said(self, packet: bytes, now_s: float, codec: AudioCodec) -> None:
        """One packet that came from the leg."""
        if now_s >= self._due_s:
            self._hand_over(now_s)
        if self._full:
            self.lost += 1
        else:
            self._encoder.put(_SAID, packet, now_s, codec)

    def heard(self, packet: bytes, now_s: float, codec: AudioCodec) -> None:
        """One packet that was sent to the leg."""
        if now_s >= self._due_s:
            self._hand_over(now_s)
        if self._full:
            self.lost += 1
        else:
            self._encoder.put(_HEARD, packet, now_s, codec)

    def tell(self, name: str, now_s: float, details: Mapping[str, str | int | float] | None = None) -> None:
        """An event; never left out. ``end`` is the last one."""
        if self.over:
            return
        self._tell_lost(now_s)
        self._encoder.tell(name, now_s, details or {})
        self.length_s = now_s - self._start_s
        self.waiting.append(self._encoder.take())
        self._due_s = now_s + _CHUNK_S
        self.over = name == "end"  # behind the event: what the thread writes last has it

    def _hand_over(self, now_s: float) -> None:
        self._full = len(self.waiting) >= self._queued
        if not self._full:
            self.length_s = now_s - self._start_s
            self._tell_lost(now_s)
            self.waiting.append(self._encoder.take())
            self._due_s = now_s + _CHUNK_S

    def _tell_lost(self, now_s: float) -> None:
        if self.lost > self._lost_told:
            self._encoder.tell("lost", now_s, {"packets": self.lost - self._lost_told})
            self._lost_told = self.lost


class Recordings:
    """Used as ``with Recordings(...)``; leaving ends and writes what still runs.

    ``ended`` counts recordings that are over, ``failed`` those that a fault of the disk ended, ``lost`` packets that a slow disk cost.
    """

    def __init__(self, settings: RecordingSettings) -> None:
        self.settings = settings
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
    ) -> Recording:
        """A new recording. ``details`` stand encrypted in its first event, ``who`` and ``consent`` in clear in its manifest.

        Raises ValueError for details that are too long, and for a number in ``who``.
        """
        manifest.refuse_numbers(who)
        if sum(len(name) + len(str(value)) for name, value in details.items()) > _MOST_DETAILS_BYTES:
            raise ValueError(f"the details of a recording are at most {_MOST_DETAILS_BYTES} characters")
        path = self.settings.folder / f"{secrets.token_hex(FILE_ID_BYTES)}{SUFFIX}"
        recording = Recording(path, now_s, self.settings.queued, who, consent, on_start, on_end)
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
                if (recording.waiting or recording.over) and (outcome := file.write()) is not None:
                    self._end(recording, outcome)
                    del files[recording]
            if stopping and not self._open:
                return
            if files:
                self._stopping.wait(0.0 if stopping else _LOOK_AT_QUEUES_S)
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

    def write(self) -> Outcome | None:
        """One chunk of what waits; the outcome when it was the last."""
        recording = self._recording
        over = recording.over
        taken = [recording.waiting.popleft() for _ in range(len(recording.waiting))]
        content = b"".join(records for records, _ in taken)
        try:
            if self._writer is None:
                self._writer = self._begun()
                self._writer.write(content, last=over)
                recording.on_start(recording.path)
            else:
                self._writer.write(content, last=over)
            self._packets += sum(packets for _, packets in taken)
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
        writer = ChunkWriter(recording.path, self._ring, file_id=file_id, data_key=secrets.token_bytes(KEY_BYTES))
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
            "seconds": round(recording.length_s, 1),
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
