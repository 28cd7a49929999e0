"""Consultations recorded through a whole media worker over real sockets, and the films made of them."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from media import messages as msg
from media.recording import manifest
from media.recording.film import write_films
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Recorded, Side, read_recording
from media.settings import MediaSettings
from tests.kit.browser_peer import loopback_ice  # noqa: F401
from tests.kit.media_desk import ROOM, MediaDesk, media_desk
from tests.kit.video_peer import FRAMES_PER_S, VideoPeer, recorded_h264, recorded_vp8

pytestmark = pytest.mark.usefixtures("loopback_ice")
RING = KeyRing([bytes(32)])
LOW, HIGH = (160, 120), (320, 240)


@pytest.fixture(scope="module")
def low() -> list[bytes]:
    return recorded_vp8(*LOW, 60_000)


@pytest.fixture(scope="module")
def high() -> list[bytes]:
    return recorded_vp8(*HIGH, 250_000)


def settings(folder: Path) -> MediaSettings:
    return MediaSettings(recording=RecordingSettings(folder, (bytes(32),)))


async def recorded(desk: MediaDesk, height_px: int = 240, leg_id: str = "ana") -> None:
    command = msg.StartRecording(ROOM, leg_id, leg_id, "given", (leg_id,), {"name": leg_id}, heard=False, picture_height_px=height_px)
    await desk.worker.perform(command)


async def stopped(desk: MediaDesk, folder: Path, leg_id: str = "ana") -> Recorded:
    await desk.worker.perform(msg.StopRecording(ROOM, leg_id, "test"))
    event = await desk.hear_of(msg.RecordingStopped, lambda event: event.recording_id == leg_id)
    assert manifest.faults(folder / event.file, RING.public_keys, manifest.Checkpoint(event.entries, event.digest)) == []
    read = read_recording(folder / event.file, RING)
    assert (event.packets, event.lost) == (len(read.packets) + len(read.pictures), 0)
    return read


def seen(read: Recorded, ending: str = "webm") -> list[tuple[float, int]]:
    """Time and height of each decoded picture."""
    film = BytesIO()
    write_films([read], ending, film)
    film.seek(0)
    with av.open(film) as container:
        return [(float(frame.time), frame.height) for frame in container.decode(video=0)]


async def test_what_somebody_shows_is_kept_and_seen_again_though_packets_got_lost(tmp_path: Path, low: list[bytes]) -> None:
    async with media_desk(settings(tmp_path)) as desk, VideoPeer([("", low)], 0) as ana, VideoPeer([], 1) as ben:
        ana.layers[0].lose_every = 9
        await desk.browser("ana", ana, "opus", video={})
        await desk.browser("ben", ben, "opus", video={})
        ana.begin()
        await recorded(desk)
        await ben.see(0, frames=20)
        read = await stopped(desk, tmp_path)
    assert not [packet for packet in read.packets if packet.side is Side.HEARD], "of the others nothing is kept"
    assert {event.name for event in read.events} >= {"start", "picture", "clock", "end"}
    times_s = np.array([at_s for at_s, _ in seen(read)])
    assert len(times_s) >= 12 and np.diff(times_s) == pytest.approx(np.full(len(times_s) - 1, 1 / FRAMES_PER_S), abs=0.012)


async def test_of_a_pause_no_picture_is_kept_and_nobody_has_to_look(tmp_path: Path, low: list[bytes], high: list[bytes]) -> None:
    """The tile is hidden: the recording itself is why the picture comes."""
    async with media_desk(settings(tmp_path)) as desk, VideoPeer([("q", low), ("f", high)], 0) as ana:
        await desk.browser("ana", ana, "opus", video={})
        ana.begin()
        await recorded(desk)
        watched = await desk.hear_of(msg.VideoWatched, lambda event: event.height_px > 0)
        assert watched.height_px == 240
        await ana.sent(15)
        await desk.worker.perform(msg.PauseRecording(ROOM, "ana"))
        before = ana.layers[1].packets
        await ana.sent(10)
        await desk.worker.perform(msg.ResumeRecording(ROOM, "ana"))
        after = ana.layers[1].packets
        await ana.sent(15)
        read = await stopped(desk, tmp_path)
    (pause,) = read.pauses_s
    assert {packet.header.ssrc for packet in read.pictures} == {ana.layers[1].ssrc}
    numbers = {(packet.header.sequence - 100) & 0xFFFF for packet in read.pictures}
    assert min(numbers) <= before and max(numbers) > after and not any(before < number <= after for number in numbers)
    times_s = [at_s for at_s, height in seen(read) if height == HIGH[1]]
    assert len(times_s) >= 12 and not [at_s for at_s in times_s if pause[0] + 0.1 < at_s < pause[1]]


async def test_h264_is_kept_too(tmp_path: Path) -> None:
    frames = recorded_h264(*LOW, 60_000)
    async with media_desk(settings(tmp_path)) as desk, VideoPeer([("", frames)], 0) as ana:
        await desk.browser("ana", ana, "opus", video={})
        ana.begin()
        await recorded(desk)
        await ana.sent(20)
        read = await stopped(desk, tmp_path)
    for ending in ("mkv", "mp4"):
        assert len([height for _, height in seen(read, ending) if height == 120]) >= 12
