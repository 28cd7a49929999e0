"""Messages that callers are leaving at this node: the rules of ``rooms/voicemail.py`` carried out in the media plane, and put on record.

Of a call nothing is kept but what the caller says between the tone and the end. It is a recording like any other: encrypted, signed, with
a manifest, kept up to the last second where a worker or the server dies. Each message has a task of its own, so that none waits for
another, and none can harm its call: what fails is told as ``failed``.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self
from uuid import uuid4

import structlog

from api.media_plane import MediaPlane
from api.recording_book import RecordingBook
from api.store import Store, StoredVoicemail
from media import messages as media
from rooms import events as ev
from rooms.effects import TakeMessage
from rooms.voicemail import Message, MessageAct, MessageLimits, Outcome, PlayTone, Record, Settle, StopRecording

log = structlog.get_logger()

TONE = "message"
_MOST_WAITING = 256
_NOBODY_SPOKE, _REFUSED = "nobody spoke", "the caller does not want it kept"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who leaves a message; the number as it was shown to us."""

    number: str = ""
    name: str = ""


@dataclass(slots=True)
class _Taking:
    effect: TakeMessage
    message: Message
    kept: StoredVoicemail
    told: "asyncio.Queue[media.AnyMediaEvent | str]" = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))


class MessageTaking:
    """``async with``: leaving waits until every message is settled. ``feed`` takes what call control is told, ``on_taken`` each message
    that was left, ``on_consent`` of who spoke behind the tone, or pressed the key that refuses. ``now``: seconds since the epoch.
    """

    def __init__(
        self,
        worker: MediaPlane,
        book: RecordingBook,
        store: Store,
        *,
        feed: Callable[[ev.MessageTaken], None],
        now: Callable[[], float],
        on_taken: Callable[[StoredVoicemail], None] = lambda voicemail: None,
        on_consent: Callable[[StoredVoicemail, bool], None] = lambda voicemail, given: None,
        limits: MessageLimits | None = None,
    ) -> None:
        self._worker, self._book, self._store = worker, book, store
        self._feed, self._now, self._on_taken, self._on_consent = feed, now, on_taken, on_consent
        self._limits = limits or MessageLimits()
        self._loop = asyncio.get_running_loop()
        self._legs: dict[str, _Taking] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for leg_id, taking in list(self._legs.items()):
            self._tell(leg_id, media.RecordingFailed(taking.effect.call_id, taking.kept.voicemail_id, "", "the server was stopped"))
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def running(self) -> int:
        return len(self._legs)

    def take(self, effect: TakeMessage, caller: Caller) -> None:
        """Returns at once; ``MessageTaken`` follows."""
        kept = StoredVoicemail(
            uuid4().hex, effect.box, effect.call_id, caller.number, caller.name[:128], effect.language, left_at=self._now()
        )
        message = Message(replace(self._limits, max_s=effect.max_s), self._loop.time())
        taking = self._legs[effect.leg_id] = _Taking(effect, message, kept)
        task = asyncio.create_task(self._serve(taking), name=f"message-{effect.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------ what is told

    def hear(self, event: media.AnyMediaEvent) -> bool:
        """True where this is about a message alone, and nobody else's affair."""
        match event:
            case media.SoundEnded(leg_id=leg_id, sound=sound):
                return sound == TONE and self._tell(leg_id, event)
            case media.VoiceChanged(leg_id=leg_id):
                return self._tell(leg_id, event)
            case media.RecordingStarted() | media.RecordingStopped() | media.RecordingFailed():
                for leg_id, taking in self._legs.items():
                    if taking.kept.voicemail_id == event.recording_id:
                        return self._tell(leg_id, event)
        return False

    def digit(self, leg_id: str, digit: str) -> bool:
        """A key of a caller who leaves a message is nobody else's affair."""
        return self._tell(leg_id, digit)

    def _tell(self, leg_id: str, told: media.AnyMediaEvent | str) -> bool:
        taking = self._legs.get(leg_id)
        if taking is None:
            return False
        with suppress(asyncio.QueueFull):  # who presses so many keys is heard by the clock
            taking.told.put_nowait(told)
        return True

    # ------------------------------------------------------------------ one message

    async def _serve(self, taking: _Taking) -> None:
        message, outcome = taking.message, Settle(Outcome.FAILED, 0.0)
        try:
            acts = message.begin()
            while True:
                for act in acts:
                    if isinstance(act, Settle):
                        outcome = act
                        return
                    await self._perform(taking, act)
                acts = await self._next(taking)
        except Exception as error:
            log.error("message.failed", call_id=taking.effect.call_id, box=taking.effect.box, fault=str(error), exc_info=error)
        finally:
            self._legs.pop(taking.effect.leg_id, None)
            self._settle(taking, outcome)

    async def _next(self, taking: _Taking) -> list[MessageAct]:
        message = taking.message
        assert message.deadline is not None, "a message without an end is over"
        try:
            async with asyncio.timeout_at(message.deadline):
                told = await taking.told.get()
        except TimeoutError:
            return message.expire(self._loop.time())
        now = self._loop.time()
        match told:
            case media.SoundEnded():
                return message.tone_over(now)
            case media.VoiceChanged(speaks=speaks, spoken_s=spoken_s):
                return message.voice(speaks, spoken_s, now)
            case media.RecordingStarted():
                message.there()
                self._store.put_voicemail(taking.kept)
            case media.RecordingStopped():
                return message.closed(now)
            case media.RecordingFailed():
                return message.broke(now)
            case str(key):
                return message.digit(key, now)
        return []

    async def _perform(self, taking: _Taking, act: MessageAct) -> None:
        """What the media plane refuses is a recording that broke: the leg may just have gone."""
        effect, recording_id = taking.effect, taking.kept.voicemail_id
        try:
            match act:
                case PlayTone():
                    await self._worker.perform(media.PlayOnce(effect.leg_id, TONE))
                case Record():
                    await self._record(taking)
                case StopRecording(why=why):
                    await self._hear_voice(effect.leg_id, on=False)
                    await self._worker.perform(media.StopRecording(effect.call_id, recording_id, why))
        except media.MediaRefusal as refusal:
            log.warning("message.refused", call_id=effect.call_id, act=type(act).__name__, code=refusal.code, detail=str(refusal))
            if isinstance(act, Record):
                self._book.not_begun(recording_id)
                self._tell(effect.leg_id, media.RecordingFailed(effect.call_id, recording_id, "", str(refusal)))

    async def _record(self, taking: _Taking) -> None:
        effect, kept = taking.effect, taking.kept
        self._book.expect(kept.voicemail_id, effect.call_id, "", "given", self._now())
        details = {"call_id": effect.call_id, "box": effect.box, "number": kept.caller, "name": kept.caller_name, "said": "caller"}
        who = ("voicemail", f"leg {effect.leg_id}")
        half, sealed = self._book.half(kept.caller, effect.call_id)
        command = media.StartRecording(
            effect.call_id,
            kept.voicemail_id,
            effect.leg_id,
            "given",
            who,
            details,
            heard=False,
            person_half=half,
            person_sealed=sealed,
        )
        await self._worker.perform(command)
        self._book.granted(kept.voicemail_id)
        await self._hear_voice(effect.leg_id, on=True)

    async def _hear_voice(self, leg_id: str, *, on: bool) -> None:
        with suppress(media.MediaRefusal):  # the caller has just hung up
            await self._worker.perform(media.HearVoice(leg_id, on))

    def _settle(self, taking: _Taking, settled: Settle) -> None:
        effect, there = taking.effect, taking.message.is_there
        ended = replace(taking.kept, ended_at=self._now(), duration_s=settled.duration_s, outcome=settled.outcome.value)
        if there:
            self._store.put_voicemail(ended)
        if there and settled.outcome is Outcome.EMPTY:
            self._book.unwanted(ended.voicemail_id, "", _REFUSED if taking.message.refused else _NOBODY_SPOKE)
        if settled.outcome is Outcome.TAKEN or taking.message.refused:
            self._on_consent(ended, settled.outcome is Outcome.TAKEN)
        if settled.outcome is Outcome.TAKEN:
            self._on_taken(ended)
        log.info("message.settled", call_id=effect.call_id, box=effect.box, outcome=settled.outcome, seconds=round(settled.duration_s, 1))
        self._feed(ev.MessageTaken(effect.call_id, settled.outcome.value, settled.duration_s))
