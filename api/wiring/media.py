"""The media plane of a server: one worker in its own process, or a pool of processes."""

import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from api.media_plane import MediaPlane, suppressor_maker
from api.metrics import Metrics
from api.routes import PartHealth
from api.settings.opus import OpusSection
from api.settings.tree import Settings
from media.answer import OpusPreferences
from media.messages import AnyMediaEvent
from media.opus_choice import OpusPolicy
from media.pool import WorkerPool
from media.prompt_settings import PromptSettings
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker

WORKER_AWAY = "A media worker died and its successor is not there yet: the log says why, the calls of the others go on."


async def open_media(stack: AsyncExitStack, settings: Settings, metrics: Metrics, on_event: Callable[[AnyMediaEvent], None]) -> MediaPlane:
    """One worker in this process, or a pool of processes."""
    workers, suppressor = settings.media.worker_count, settings.media.voice.suppressor
    if not workers:
        made = MediaWorker(_media_settings(settings), on_event, make_suppressor=suppressor_maker(suppressor))
        worker = await stack.enter_async_context(made)
        metrics.watch_media(lambda: worker.counters, lambda: worker.gauges)
        return worker
    command = (sys.executable, "-m", "api.media_process", settings.log.level, settings.log.format, suppressor)
    pool = await stack.enter_async_context(WorkerPool(_media_settings(settings), on_event, workers=workers, command=command))
    metrics.watch_media(lambda: pool.counters, lambda: pool.gauges)
    metrics.watch_workers(lambda: pool.by_worker)
    return pool


def media_health(gauges: Mapping[str, float]) -> PartHealth:
    """Ready while any worker is there: the calls of the others go on. A worker in this process is always there."""
    there, wanted = gauges.get("workers_up", 1), gauges.get("workers", 1)
    return PartHealth(there > 0, WORKER_AWAY if there < wanted else "")


def _media_settings(settings: Settings) -> MediaSettings:
    media = settings.media
    return MediaSettings(
        hosts=media.hosts,
        port=media.port,
        wire=media.wire,
        public_hosts=media.public_hosts,
        tcp=media.tcp,
        codec_policy=media.browser_codecs,
        concealment=media.concealment,
        fullest_tick=media.fullest_tick,
        opus_over_g711=media.opus_over_g711,
        mend_from_loss=media.mend_from_loss,
        opus=_opus(media.opus),
        browser_opus=OpusPreferences(dtx=media.opus.browser_dtx, max_average_bitrate=media.opus.browser_bitrate),
        voice=VoiceSettings(media.voice.echo, media.voice.noise, media.voice.gain, media.voice.sample_every_s),
        learn_phone_addresses=media.learn_phone_addresses,
        capture=media.capture_dir,
        recording=_recording(settings),
        prompts=_prompts(settings),
    )


def _opus(opus: OpusSection) -> OpusPolicy:
    return OpusPolicy(
        bitrate=opus.bitrate,
        narrow_bitrate=opus.narrow_bitrate,
        sparing_bitrate=opus.sparing_bitrate,
        sparing_narrow_bitrate=opus.sparing_narrow_bitrate,
        sparing_from=opus.sparing_from,
        complexity=opus.complexity,
        dtx=opus.dtx,
        fec_from_loss=opus.fec_from_loss,
    )


def _prompts(settings: Settings) -> PromptSettings:
    prompts = settings.media.prompts
    return PromptSettings(
        folder=settings.prompt_folder,
        speech=prompts.speech,
        spoken=settings.server.data_dir / "speech",
        voices=dict(prompts.voices),
        hold_music=prompts.hold_music,
        texts=prompts.texts,
        ready=tuple(filter(None, (settings.media.announcement, settings.supervision_notice))),
    )


def _recording(settings: Settings) -> RecordingSettings | None:
    recording = settings.media.recording
    if not settings.keeps_recordings:
        return None
    return RecordingSettings(settings.recordings_folder, settings.recording_keys(), key_frame_every_s=recording.key_frame_every_s)
