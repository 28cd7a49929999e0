"""Recordings of consultations: what hosts and people want, carried out in the media plane and shown to everybody in the room.

Who may be recorded when is for ``rooms/consultation_recording.py``; what becomes of each part goes to the book of recordings as with calls.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Self
from uuid import uuid4

import structlog

from api.media_plane import MediaPlane
from api.recording_book import RecordingBook
from media import messages as media
from rooms.consultation_recording import (
    ConsultationRecording,
    ConsultationState,
    ErasePart,
    PartEffect,
    PausePart,
    ResumePart,
    StartPart,
    StopPart,
)
from rooms.policy import ConsultationRecordingPolicy
from rooms.recording import RecordingAction
from rooms.refusals import NotPossible

log = structlog.get_logger()

Shown = Callable[[str, str, Mapping[str, str]], None]
"""Is told of a room's ``ConsultationState`` and of everybody's ``Consent``, by identity."""


class ConsultationRecordings:
    """``async with``. ``legs_of`` gives everybody's open leg in a room, by identity; ``clock`` seconds since the epoch. ``on_answer`` hears
    (room, identity, agrees) of who says so, or begins it. ``meet`` the rooms
    before anything happens."""

    def __init__(
        self,
        policy: ConsultationRecordingPolicy,
        worker: MediaPlane,
        book: RecordingBook,
        *,
        legs_of: Callable[[str], Mapping[str, str]],
        show: Shown,
        on_answer: Callable[[str, str, bool], None] = lambda room_id, identity, agrees: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._worker = worker
        self._book = book
        self._clock = clock
        self._legs_of, self._show, self._on_answer = legs_of, show, on_answer
        self._name_of: Callable[[str, str], str] = lambda room_id, identity: ""
        self._rooms: dict[str, ConsultationRecording] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def meet(self, name_of: Callable[[str, str], str]) -> None:
        """What a person (room, identity) is called."""
        self._name_of = name_of

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """End every recording: the server is being stopped."""
        for recording in self._rooms.values():
            if recording.state is not ConsultationState.OFF:
                self._done(recording, recording.request(RecordingAction.STOP, recording.owner, host=True))
        await asyncio.gather(*self._tasks)

    def request(self, room_id: str, action: str, by: str, host: bool) -> None:
        """``action``: a ``RecordingAction``, or ``agree``. Raises ``NotPossible``."""
        if not self._policy.possible:
            raise NotPossible("not_recorded", "Consultations are not recorded on this server: its settings say so.")
        recording = self._rooms.get(room_id)
        if recording is None:
            recording = ConsultationRecording(room_id, f"{room_id}-{uuid4().hex[:8]}", self._policy.asks)
            recording.seated(self._legs_of(room_id))
        effects = recording.answer(by, agrees=True) if action == "agree" else recording.request(RecordingAction(action), by, host=host)
        self._rooms[room_id] = recording
        if action in ("agree", "start", "refuse"):
            self._on_answer(room_id, by, action != "refuse")
        self._done(recording, effects)

    def seated(self, room_id: str) -> None:
        """Somebody's leg was opened or closed."""
        recording = self._rooms.get(room_id)
        if recording is None:
            return
        legs = self._legs_of(room_id)
        self._done(recording, recording.seated(legs))
        if not legs:
            del self._rooms[room_id]

    def on_media_event(self, event: media.AnyMediaEvent) -> None:
        """A part that breaks; the book hears of it elsewhere."""
        if isinstance(event, media.RecordingFailed) and event.room_id in self._rooms:
            recording = self._rooms[event.room_id]
            self._done(recording, recording.broke(event.recording_id, again=event.worker_died))

    def _done(self, recording: ConsultationRecording, effects: list[PartEffect]) -> None:
        """Everybody is shown how it is when it is so: that it is paused, when nothing is kept any more."""
        task = asyncio.get_running_loop().create_task(self._in_turn(recording, effects), name="consultation-recording")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_turn(self, recording: ConsultationRecording, effects: list[PartEffect]) -> None:
        async with self._turns.setdefault(recording.room_id, asyncio.Lock()):
            for effect in effects:
                try:
                    await self._perform(effect)
                except media.MediaRefusal as refusal:
                    log.error("consultation.not_recorded", room_id=recording.room_id, code=refusal.code, detail=str(refusal))
                    if isinstance(effect, StartPart):
                        self._book.not_begun(effect.recording_id)
                        recording.broke(effect.recording_id, again=False)
            self._show(recording.room_id, recording.state, recording.consents)
        if recording.room_id not in self._rooms:
            self._turns.pop(recording.room_id, None)

    async def _perform(self, effect: PartEffect) -> None:
        match effect:
            case StartPart():
                await self._start(effect)
            case PausePart(room_id=room_id, recording_id=recording_id):
                await self._worker.perform(media.PauseRecording(room_id=room_id, recording_id=recording_id))
            case ResumePart(room_id=room_id, recording_id=recording_id):
                await self._worker.perform(media.ResumeRecording(room_id=room_id, recording_id=recording_id))
            case StopPart(room_id=room_id, recording_id=recording_id):
                await self._worker.perform(media.StopRecording(room_id=room_id, recording_id=recording_id, reason="as it was asked"))
            case ErasePart(recording_id=recording_id, by=by):
                self._book.unwanted(recording_id, by)

    async def _start(self, effect: StartPart) -> None:
        room_id, consent = effect.room_id, "given" if self._policy.asks else "announced"
        self._book.expect(effect.recording_id, room_id, effect.owner, consent, self._clock())
        half, sealed = self._book.half_of_guest(room_id, effect.identity)
        command = media.StartRecording(
            room_id,
            effect.recording_id,
            effect.leg_id,
            consent,
            who=(f"person {effect.identity}", f"begun by person {effect.owner}"),
            details={"call_id": room_id, "identity": effect.identity, "name": self._name_of(room_id, effect.identity)[:128]},
            heard=False,
            picture_height_px=self._policy.picture_height_px,
            person_half=half,
            person_sealed=sealed,
        )
        await self._worker.perform(command)
        self._book.granted(effect.recording_id)
