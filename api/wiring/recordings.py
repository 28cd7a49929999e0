"""What a server keeps of calls: recordings, messages that callers leave, films of consultations."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api.consultation_recordings import ConsultationRecordings
from api.consultations import Consultations
from api.media_plane import MediaPlane
from api.privacy.recording_consents import RecordingConsents
from api.recording_book import RecordingBook
from api.recording_shelf import RecordingShelf
from api.settings.tree import Settings
from api.store import Store
from api.voicemail.boxes import Boxes
from api.voicemail.notices import VoicemailNotices
from api.voicemail.taking import MessageTaking
from api.wiring.ground import Ground
from api.wiring.told import Told
from media.prompt_texts import TEXTS
from rooms.voicemail import MessageLimits


@dataclass(frozen=True, slots=True)
class Recordings:
    """``boxes``, ``messages`` and ``filmed`` are entered when the calls that they serve can come."""

    shelf: RecordingShelf | None
    book: RecordingBook
    boxes: Boxes | None
    messages: MessageTaking | None
    filmed: ConsultationRecordings
    consents: RecordingConsents


@asynccontextmanager
async def open_recordings(
    settings: Settings, ground: Ground, worker: MediaPlane, consultations: Consultations, told: Told
) -> AsyncIterator[Recordings]:
    async with AsyncExitStack() as stack:
        store = ground.store
        shelf = await stack.enter_async_context(_shelf(settings, store)) if settings.keeps_recordings else None
        book = RecordingBook(store, shelf.look_soon, shelf.erase_soon) if shelf is not None else RecordingBook(store)
        consents = _consents(settings, ground)
        boxes = messages = None
        if shelf is not None and settings.voicemail.enabled:
            boxes = Boxes(store.voicemails, store.people, shelf, lambda: told.in_force().boxes)
            limits = MessageLimits(least_s=settings.voicemail.least_s, quiet_s=settings.voicemail.quiet_s)
            messages = MessageTaking(
                worker,
                book,
                store,
                feed=told.answered,
                now=time.time,
                on_taken=told.voicemail,
                on_consent=lambda left, given: consents.in_message(left.voicemail_id, left.call_id, left.caller, left.language, given),
                limits=limits,
            )
        heard_at = f"{settings.server.public_url.rstrip('/')}/voicemail"
        notices = VoicemailNotices(ground.after.notifier, ground.after.templates, lambda: told.in_force().boxes, heard_at)
        ground.happenings.listen(notices.hear)
        policy = settings.media.recording.consultation_policy()
        filmed = ConsultationRecordings(
            policy, worker, book, legs_of=consultations.legs, show=consultations.show_recording, on_answer=consents.in_room
        )
        yield Recordings(shelf, book, boxes, messages, filmed, consents)


def _shelf(settings: Settings, store: Store) -> RecordingShelf:
    days = settings.media.recording.retention_days
    keep_s = days * 86_400.0 if days is not None else None
    return RecordingShelf(store, settings.recordings_folder, settings.recording_keys(), keep_s=keep_s)


def _consents(settings: Settings, ground: Ground) -> RecordingConsents:
    prompts, sentence = settings.media.prompts, settings.media.announcement.rpartition("/")[2]
    spoken = {**TEXTS.get(sentence, {}), **prompts.texts.get(sentence, {})}
    wording, region = spoken.get(prompts.language, ""), settings.dialing.region
    return RecordingConsents(ground.consents, ground.vault, wording=wording, language=prompts.language, region=region)
