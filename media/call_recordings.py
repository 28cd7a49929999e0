"""The recordings of a worker's legs, as commands and events: which leg keeps its packets in which is said here.

A recording belongs to one leg, the caller's: left is what it said, right what it was sent, be that forwarded, mixed, held or announced. So
it stays with the caller through transfers and reloads of an agent's page, and nothing is recorded that the caller could not hear. While it
is paused nothing is put in: no byte of the pause is kept anywhere. In a consultation each participant's leg has one of its own, with what
that one says and shows and nothing of the others.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from media import messages as msg
from media.leg import Leg
from media.messages import MediaRefusal
from media.recording.keys import PersonKey
from media.recording.manifest import Checkpoint
from media.recording.recordings import Outcome, Recording, Recordings, RecordingSettings
from media.recording.records import Records
from media.video.kept import PictureWish
from media.video.room import VideoRoom

_LONGEST_REASON = 500
_CONSENTS = ("given", "announced", "not needed")


@dataclass(frozen=True, slots=True)
class _Recorded:
    leg: Leg
    videos: VideoRoom
    command: msg.StartRecording
    recording: Recording
    key_frame_every_s: float

    @property
    def room_id(self) -> str:
        return self.command.room_id

    @property
    def is_paused(self) -> bool:
        return self.leg.records is None

    def go_on(self) -> None:
        self.leg.record(self.recording.records, heard=self.command.heard)
        if self.recording.pictures is not None:
            wish = PictureWish(self.recording.pictures, self.command.picture_height_px, self.key_frame_every_s)
            self.videos.record(self.leg.leg_id, wish, time.monotonic())

    def pause(self) -> None:
        self.leg.record(None)
        if self.recording.pictures is not None:
            self.videos.record(self.leg.leg_id, None, time.monotonic())


class CallRecordings:
    """Used as ``async with``; leaving ends and writes what still runs. ``on_event`` is called on the event loop."""

    def __init__(
        self,
        settings: RecordingSettings,
        on_event: Callable[[msg.AnyMediaEvent], None],
        make_records: Callable[[float, int], Records] = Records,
    ) -> None:
        self._recordings = Recordings(settings, make_records)
        self._on_event = on_event
        self._running: dict[str, _Recorded] = {}
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> Self:
        """Raises OSError when the folder cannot be made."""
        self._loop = asyncio.get_running_loop()
        self._recordings.__enter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._recordings.__exit__(kind, value, trace)
        await asyncio.sleep(0)  # what the thread told last is heard before we are gone

    @property
    def counters(self) -> dict[str, float]:
        found = self._recordings
        return {"recordings_ended": found.ended, "recordings_failed": found.failed, "recording_packets_lost": found.lost}

    @property
    def running(self) -> int:
        return len(self._running)

    def start(self, command: msg.StartRecording, leg: Leg, videos: VideoRoom) -> None:
        """``videos``: of the leg's room. Raises MediaRefusal; ``RecordingStarted`` or ``RecordingFailed`` follow."""
        recording_id = command.recording_id
        if command.consent not in _CONSENTS:
            raise MediaRefusal("no_consent", f"Nothing is recorded without consent: {', '.join(_CONSENTS)} are known.")
        if leg.programme is not None:
            raise MediaRefusal("wrong_leg", "This leg is a programme of our own: record the leg that speaks with it.")
        if recording_id in self._running or any(recorded.leg is leg for recorded in self._running.values()):
            raise MediaRefusal("recording_exists", "This leg is being recorded, or a recording of this name runs: stop it first.")
        try:
            recording = self._recordings.start(
                time.monotonic(),
                {"recording_id": recording_id, "room_id": command.room_id, "leg_id": leg.leg_id, **command.details},
                who=command.who,
                consent=command.consent,
                on_start=lambda path: self._post(self._started, command, path),
                on_end=lambda outcome: self._post(self._over, command, outcome),
                pictures=command.picture_height_px > 0,
                person=PersonKey(bytes.fromhex(command.person_half), command.person_sealed) if command.person_sealed else None,
            )
        except ValueError as error:
            raise MediaRefusal("bad_recording", f"Not recorded: {error}.") from None
        recorded = _Recorded(leg, videos, command, recording, self._recordings.settings.key_frame_every_s)
        self._running[recording_id] = recorded
        recorded.go_on()

    def change(self, command: msg.PauseRecording | msg.ResumeRecording | msg.StopRecording) -> None:
        """Pausing what is paused, and so on, is no fault. Raises MediaRefusal for a recording that does not run."""
        recorded = self._running.get(command.recording_id)
        if recorded is None or recorded.room_id != command.room_id:
            raise MediaRefusal("unknown_recording", "This recording does not run: it may just have ended.")
        match command:
            case msg.PauseRecording() if not recorded.is_paused:
                recorded.pause()
                recorded.recording.tell("pause", time.monotonic())
            case msg.ResumeRecording() if recorded.is_paused:
                recorded.recording.tell("resume", time.monotonic())
                recorded.go_on()
            case msg.StopRecording(reason=reason):
                self._stop(command.recording_id, reason)

    def leg_closed(self, leg_id: str) -> None:
        for recording_id in [known for known, recorded in self._running.items() if recorded.leg.leg_id == leg_id]:
            self._stop(recording_id, "the leg was closed")

    def _stop(self, recording_id: str, reason: str) -> None:
        recorded = self._running.pop(recording_id)
        recorded.pause()
        recorded.recording.tell("end", time.monotonic(), {"reason": reason[:_LONGEST_REASON]})

    # -- from the writing thread

    def _post(self, act: Callable[..., None], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(act, *arguments)

    def _started(self, command: msg.StartRecording, path: Path) -> None:
        self._on_event(msg.RecordingStarted(command.room_id, command.recording_id, path.name))

    def _over(self, command: msg.StartRecording, outcome: Outcome) -> None:
        room_id, recording_id = command.room_id, command.recording_id
        recorded = self._running.get(recording_id)
        if recorded is not None and recorded.recording.path == outcome.path:  # the disk ended it, or the server
            recorded.pause()
            del self._running[recording_id]
        if outcome.fault:
            known = outcome.checkpoint or Checkpoint(0, "")
            file, fault = outcome.path.name, outcome.fault
            self._on_event(msg.RecordingFailed(room_id, recording_id, file, fault, entries=known.entries, digest=known.digest))
            return
        assert outcome.checkpoint is not None
        entries, digest = outcome.checkpoint.entries, outcome.checkpoint.digest
        self._on_event(msg.RecordingStopped(room_id, recording_id, outcome.path.name, outcome.packets, outcome.lost, entries, digest))
