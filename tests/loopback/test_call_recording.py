"""Recording calls through a whole media worker over real sockets: forwarded and mixed ones, pauses, full disks, refusals."""

import resource
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from media import messages as msg
from media import rtp
from media.recording import manifest
from media.recording.export import render, write_opus
from media.recording.file import Ending
from media.recording.keys import KeyRing
from media.recording.recordings import RecordingSettings
from media.recording.records import Recorded, Side, read_recording
from media.settings import MediaSettings
from rooms.audio import G722, OPUS, PCMA
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.leg_bench import level_at, level_where_it_sounds
from tests.kit.media_desk import ROOM, MediaDesk, ToneTrack, media_desk
from tests.kit.rtp_phone import RtpPhone, bound_socket

pytestmark = pytest.mark.usefixtures("loopback_ice")
KEY = bytes(range(32))
RING = KeyRing([KEY])


def settings(folder: Path, wire: str = "auto") -> MediaSettings:
    return MediaSettings(recording=RecordingSettings(folder, (KEY,)), wire=wire)


def start(leg_id: str = "caller", **changes: str) -> msg.StartRecording:
    told = {"consent": "given", **changes}
    return msg.StartRecording(ROOM, "rec", leg_id, who=("caller", "alice"), details={"number": "+34600123456"}, **told)


def contain(folder: Path, text: str) -> bool:
    """Does a file's name or what is in it?"""
    return any(text in path.name or text.encode() in path.read_bytes() for path in folder.iterdir())


async def stopped(desk: MediaDesk, folder: Path) -> tuple[Recorded, msg.RecordingStopped]:
    await desk.worker.perform(msg.StopRecording(ROOM, "rec", "test"))
    event = await desk.hear_of(msg.RecordingStopped)
    checkpoint = manifest.Checkpoint(event.entries, event.digest)
    assert manifest.faults(folder / event.file, RING.public_keys, checkpoint) == []
    return read_recording(folder / event.file, RING), event


def sound(recorded: Recorded, side: Side) -> np.ndarray:
    return render(recorded, side).astype(np.float32) / 32_768


async def test_a_forwarded_call_is_recorded_packet_by_packet(tmp_path: Path) -> None:
    async with RtpPhone(OPUS, frequency_hz=440) as a, RtpPhone(OPUS, frequency_hz=900) as b, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.phone("agent", b)
        await a.hear(10)
        await desk.worker.perform(start())
        event = await desk.hear_of(msg.RecordingStarted)
        await a.hear(80)
        assert desk.worker.gauges["rooms_mixing"] == 0 and desk.worker.gauges["recordings"] == 1
        recorded, over = await stopped(desk, tmp_path)
    assert (over.file, over.lost, recorded.ending, over.packets) == (event.file, 0, Ending.COMPLETE, len(recorded.packets))
    said = [packet.payload for packet in recorded.packets if packet.side is Side.SAID]
    heard = [packet.payload for packet in recorded.packets if packet.side is Side.HEARD]
    assert len(said) >= 70 and len(heard) >= 70
    assert set(said) <= set(a.sent) and set(heard) <= set(b.sent)
    assert level_where_it_sounds(sound(recorded, Side.SAID)[4_000:], 440) == pytest.approx(0.25, rel=0.1)
    assert level_where_it_sounds(sound(recorded, Side.HEARD)[4_000:], 900) == pytest.approx(0.25, rel=0.1)
    write_opus(recorded, tmp_path / "both.opus")
    assert recorded.events[0].details["number"] == "+34600123456"
    assert contain(tmp_path, "rec") and not contain(tmp_path, "600123456")


def sounds(packets: Iterable[bytes]) -> dict[int, bytes]:
    """Payloads of audio by sequence number."""
    headers = ((packet, rtp.parse(packet)) for packet in packets)
    return {header.sequence: packet[header.payload_start :] for packet, header in headers if header is not None}


@pytest.mark.parametrize("wire", ["python", "c"])
async def test_a_call_that_is_forwarded_mixed_and_forwarded_again_is_kept_without_a_hole(tmp_path: Path, wire: str) -> None:
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(settings(tmp_path, wire)) as desk:
        await desk.phone("caller", a)
        await desk.phone("agent", b)
        await a.hear(10)
        await desk.worker.perform(start())
        mixing = []
        for gain in (1.0, 0.5, 1.0, 0.0, 1.0, 0.5):
            await desk.gain(("agent", "caller", gain))
            await a.hear(25)
            mixing.append(desk.worker.gauges["rooms_mixing"])
        recorded, over = await stopped(desk, tmp_path)
        await a.hear(5)
    assert mixing == [0, 1, 0, 0, 0, 1] and (over.lost, recorded.ending) == (0, Ending.COMPLETE)
    told = {side: {each.header.sequence: each.payload for each in recorded.packets if each.side is side} for side in Side}
    for side in Side:
        numbers = sorted(told[side])
        assert len(numbers) > 100 and numbers == list(range(numbers[0], numbers[-1] + 1))
    assert set(told[Side.SAID].values()) <= set(a.sent)
    came = sounds(packet for _, packet in a.arrivals)
    assert told[Side.HEARD].items() <= came.items(), "what was kept is what the caller was sent, byte for byte"
    assert level_where_it_sounds(sound(recorded, Side.SAID)[4_000:], 440) == pytest.approx(0.25, rel=0.1)
    assert level_where_it_sounds(sound(recorded, Side.HEARD)[4_000:], 900) == pytest.approx(0.25, rel=0.1)


@pytest.mark.parametrize("wire", ["python", "c"])
async def test_a_pause_of_a_forwarded_call_is_silent_and_its_keys_are_still_heard(tmp_path: Path, wire: str) -> None:
    """A phone without telephone events: its keys are tones, which we listen for beside the recording."""
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(settings(tmp_path, wire)) as desk:
        opened = await desk.worker.perform(msg.OpenRtpLeg(leg_id="caller", room_id=ROOM), bound_socket())
        assert isinstance(opened, msg.RtpOpened)
        await desk.worker.perform(msg.ConnectRtpLeg(leg_id="caller", remote=a.endpoint(events=False)))
        await desk.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id="caller"))
        await desk.phone("agent", b)
        a.call(opened.host, opened.port)
        await a.hear(10)
        await desk.worker.perform(start())
        await a.hear(25)
        await desk.worker.perform(msg.PauseRecording(ROOM, "rec"))
        a.hum(770.0, 1_336.0)
        await desk.hear_of(msg.DigitHeard, lambda event: (event.leg_id, event.digit) == ("caller", "5"))
        a.hum(440.0)
        await a.hear(10)
        await desk.worker.perform(msg.ResumeRecording(ROOM, "rec"))
        await a.hear(25)
        assert desk.worker.gauges["rooms_mixing"] == 0
        recorded, _ = await stopped(desk, tmp_path)
    ((begin_s, end_s),) = recorded.pauses_s
    assert not any(begin_s < packet.at_s < end_s for packet in recorded.packets)
    assert {packet.side for packet in recorded.packets if packet.at_s > end_s} == set(Side)
    channel = sound(recorded, Side.SAID)
    assert not channel[round(begin_s * 16_000) : round(end_s * 16_000)].any()
    assert level_at(channel, 770) < 0.02


async def test_a_mixed_call_with_a_pause_keeps_nothing_of_the_pause(tmp_path: Path) -> None:
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(G722, frequency_hz=900) as b, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.phone("agent", b)
        await a.hear(20)
        await desk.worker.perform(start())
        await a.hear(50)
        for _ in range(2):  # the second time is no fault and changes nothing
            await desk.worker.perform(msg.PauseRecording(ROOM, "rec"))
        await a.hear(40)
        for _ in range(2):
            await desk.worker.perform(msg.ResumeRecording(ROOM, "rec"))
        await a.hear(50)
        assert desk.worker.gauges["rooms_mixing"] == 1
        recorded, _ = await stopped(desk, tmp_path)
    assert [event.name for event in recorded.events if event.name != "codec"] == ["start", "pause", "resume", "end"]
    ((begin_s, end_s),) = recorded.pauses_s
    assert end_s - begin_s >= 0.6
    assert not any(begin_s < packet.at_s < end_s for packet in recorded.packets)
    for side, frequency_hz in ((Side.SAID, 440), (Side.HEARD, 900)):
        channel = sound(recorded, side)
        begin, end = round(begin_s * 16_000), round(end_s * 16_000)
        assert not channel[begin:end].any()
        assert level_where_it_sounds(channel[4_000:begin], frequency_hz) == pytest.approx(0.25, rel=0.15)
        assert level_where_it_sounds(channel[end + 4_000 :], frequency_hz) == pytest.approx(0.25, rel=0.15)


async def test_a_browser_that_calls_is_recorded_as_it_spoke(tmp_path: Path) -> None:
    async with BrowserPeer(ToneTrack(1_000)) as peer, RtpPhone(PCMA, frequency_hz=600) as b, media_desk(settings(tmp_path)) as desk:
        await desk.browser("caller", peer, "opus")
        await desk.phone("agent", b)
        await b.hear(20)
        await desk.worker.perform(start())
        await b.hear(70)
        recorded, _ = await stopped(desk, tmp_path)
    assert {packet.codec.name for packet in recorded.packets} == {"opus"}
    assert level_where_it_sounds(sound(recorded, Side.SAID)[4_000:], 1_000) == pytest.approx(0.25, rel=0.12)
    assert level_where_it_sounds(sound(recorded, Side.HEARD)[4_000:], 600) == pytest.approx(0.25, rel=0.12)
    write_opus(recorded, tmp_path / "both.opus")


async def test_what_the_caller_cannot_hear_is_not_recorded(tmp_path: Path) -> None:
    """An agent who mutes himself speaks with his colleague, not with the caller."""
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.phone("agent", b)
        await desk.gain(("caller", "agent", 0.0))
        await a.hear(30)
        await desk.worker.perform(start())
        await a.hear(60)
        recorded, _ = await stopped(desk, tmp_path)
    assert level_at(sound(recorded, Side.HEARD), 900) < 0.001
    assert level_where_it_sounds(sound(recorded, Side.SAID)[4_000:], 440) == pytest.approx(0.25, rel=0.1)


async def test_a_full_disk_is_told_and_the_call_goes_on(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with RtpPhone(PCMA, frequency_hz=440) as a, RtpPhone(PCMA, frequency_hz=900) as b, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.phone("agent", b)
        await a.hear(10)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
            await desk.worker.perform(start())
            failed = await desk.hear_of(msg.RecordingFailed)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert failed.detail.startswith("File too large") and desk.worker.counters["recordings_failed"] == 1
        before = len(a.payloads)
        await a.hear(20)
        assert len(a.payloads) > before
        with pytest.raises(msg.MediaRefusal, match="does not run"):
            await desk.worker.perform(msg.PauseRecording(ROOM, "rec"))
        await desk.worker.perform(start())
        _, over = await stopped(desk, tmp_path)
        assert over.file != failed.file
    assert read_recording(tmp_path / failed.file, RING).ending is Ending.EARLY


async def test_a_closed_leg_ends_its_recording(tmp_path: Path) -> None:
    async with RtpPhone(PCMA) as a, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.worker.perform(start())
        await desk.worker.perform(msg.CloseLeg("caller"))
        event = await desk.hear_of(msg.RecordingStopped)
    assert read_recording(tmp_path / event.file, RING).events[-1].details == {"reason": "the leg was closed"}


async def test_refusals_say_why_and_leave_no_byte(tmp_path: Path) -> None:
    async with RtpPhone(PCMA) as a, media_desk(settings(tmp_path)) as desk:
        await desk.phone("caller", a)
        await desk.demo("echo", "echo")
        for command, code in (
            (start(consent="refused"), "no_consent"),
            (start("nobody"), "unknown_leg"),
            (start("echo"), "wrong_leg"),
            (msg.StartRecording(ROOM, "rec", "caller", "given", who=("+34 600 123 456",)), "bad_recording"),
            (msg.StopRecording(ROOM, "rec"), "unknown_recording"),
        ):
            with pytest.raises(msg.MediaRefusal) as refusal:
                await desk.worker.perform(command)
            assert refusal.value.code == code
        assert not contain(tmp_path, "")
        await desk.worker.perform(start())
        with pytest.raises(msg.MediaRefusal, match="being recorded"):
            await desk.worker.perform(start())
    async with media_desk() as desk:
        with pytest.raises(msg.MediaRefusal, match=r"media\.recording\.enabled"):
            await desk.worker.perform(msg.StopRecording(ROOM, "rec"))
