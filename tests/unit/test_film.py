"""Films of recordings: what was seen together with a sound is seen with it again, and what cannot be shown is left out."""

from io import BytesIO

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from numpy.typing import NDArray

from media.recording.film import write_films
from media.recording.frames import frames
from media.recording.records import Recorded, Track
from tests.kit.filmed import FRAMES_PER_S, Filmed, flat, h264, vp8
from tests.kit.leg_bench import level_at

RATE_HZ = 48_000


def tone(seconds: float, frequency_hz: float = 700.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(16_000 * seconds)) / 16_000)).astype(np.float32)


def film(parts: list[Recorded], ending: str = "webm") -> bytes:
    to = BytesIO()
    write_films(parts, ending, to)
    return to.getvalue()


def seen(data: bytes, stream: int = 0) -> list[tuple[float, int, float]]:
    """Of each decoded picture its time, height and brightness."""
    with av.open(BytesIO(data)) as container:
        return [
            (float(frame.time), frame.height, float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=stream)
        ]


def heard(data: bytes, stream: int = 0) -> NDArray[np.float32]:
    """One track's sound on the film's clock."""
    with av.open(BytesIO(data)) as container:
        pieces = [(round(float(frame.time) * RATE_HZ), frame.to_ndarray()[0]) for frame in container.decode(audio=stream)]
    found = np.zeros(max(at + len(piece) for at, piece in pieces), np.float32)
    for at, piece in pieces:
        found[at : at + len(piece)] = piece
    return found


def onset_s(samples: NDArray[np.float32]) -> float:
    return float(np.argmax(np.abs(samples) > 0.1)) / RATE_HZ


def flash(ending: str = "webm", *, reports: bool = True) -> bytes:
    """Dark and quiet for two seconds, then bright and loud; pictures come 200 ms later than the sound."""
    someone = Filmed(reports=reports)
    someone.say(np.concatenate([np.zeros(32_000, np.float32), tone(2.0)]), late_s=0.03)
    images = [flat(20 if number < 2 * FRAMES_PER_S else 220) for number in range(4 * FRAMES_PER_S)]
    if ending == "webm":
        someone.show(vp8(images), (160, 120), late_s=0.23)
    else:
        someone.show(h264(images), (0, 0), late_s=0.23, codec="h264", divide=nal_payloads)
    return film([someone.recorded(4.2)], ending)


def nal_payloads(frame: bytes) -> list[bytes]:
    return H264Encoder._packetize(H264Encoder._split_bitstream(frame))


@pytest.mark.parametrize("ending", ["webm", "mkv", "mp4"])
def test_sound_and_picture_stay_together_though_they_came_apart(ending: str) -> None:
    data = flash(ending)
    pictures = seen(data)
    assert len(pictures) == 4 * FRAMES_PER_S
    bright_s = next(at_s for at_s, _, brightness in pictures if brightness > 100)
    assert onset_s(heard(data)) == pytest.approx(bright_s, abs=0.04)
    assert bright_s == pytest.approx(2.0, abs=0.1)
    with av.open(BytesIO(data)) as container:
        assert container.duration == pytest.approx(4_200_000, abs=60_000)


def test_without_sender_reports_each_is_placed_by_its_own_arrivals() -> None:
    data = flash(reports=False)
    bright_s = next(at_s for at_s, _, brightness in seen(data) if brightness > 100)
    assert bright_s - onset_s(heard(data)) == pytest.approx(0.2, abs=0.04), "which is all that the arrivals tell"


def test_after_a_lost_packet_nothing_is_shown_up_to_the_next_key_frame() -> None:
    random = np.random.default_rng(1)
    noise = [random.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(50)]
    made = vp8(noise, key_every=25)
    counts = [-(-len(frame) // 500) for frame in made]
    lost = sum(counts[:10]) + 1  # in the middle of the eleventh frame
    someone = Filmed(drop=lambda number: number == lost)
    someone.show(made, (160, 120))
    recorded = someone.recorded(6.0)
    found = frames(recorded, Track.CAMERA)
    assert (len(found.frames), [frame.data for frame in found.frames]) == (35, [*made[:10], *made[25:]])
    assert found.left_out >= 15
    times_s = [at_s for at_s, _, _ in seen(film([recorded]))]
    assert len(times_s) == 35 and times_s[10] - times_s[9] == pytest.approx(16 / FRAMES_PER_S, abs=0.002)


def test_another_layer_is_another_size_in_the_same_track() -> None:
    someone = Filmed()
    someone.show(vp8([flat(50)] * 10), (160, 120))
    someone.show(vp8([flat(200, 320, 240)] * 10), (320, 240), ssrc=10, from_s=1.0)
    someone.show(vp8([flat(50)] * 10), (160, 120), from_s=2.0)
    data = film([someone.recorded(3.2)])
    found = seen(data)
    assert [height for _, height, _ in found] == [120] * 10 + [240] * 10 + [120] * 10
    assert np.diff([at_s for at_s, _, _ in found]) == pytest.approx(np.full(29, 1 / FRAMES_PER_S), abs=0.004)


def test_a_pause_has_no_picture_and_silence() -> None:
    someone = Filmed()
    someone.say(tone(1.0))
    someone.show(vp8([flat(100)] * 10), (160, 120))
    someone.sound.tell("pause", 101.1, {})
    someone.sound.tell("resume", 103.0, {})
    someone.show(vp8([flat(200)] * 10), (160, 120), from_s=3.2)
    someone.say(tone(1.0), from_s=3.0)
    data = film([someone.recorded(4.4)])
    times_s = np.array([at_s for at_s, _, _ in seen(data)])
    assert len(times_s) == 20 and not ((times_s > 1.2) & (times_s < 3.1)).any()
    sound = heard(data)
    assert np.abs(sound[round(1.3 * RATE_HZ) : round(2.9 * RATE_HZ)]).max() < 0.01
    assert level_at(sound[round(3.3 * RATE_HZ) : round(3.9 * RATE_HZ)], 700.0, RATE_HZ) == pytest.approx(0.5, rel=0.2)


def test_a_consultation_is_one_file_of_named_tracks_and_everybody_is_heard_in_the_first() -> None:
    ana, ben = Filmed(name="Ana"), Filmed(name="Ben", unix_s=1_700_000_001.0)
    ana.say(tone(2.0, 700.0))
    ana.show(vp8([flat(60)] * 20), (160, 120))
    ana.show(vp8([flat(250, 320, 240)] * 20), (320, 240), ssrc=11, track=Track.SCREEN)
    ben.say(tone(2.0, 1_900.0))
    ben.show(vp8([flat(200)] * 20), (160, 120))
    data = film([ana.recorded(2.2), ben.recorded(2.2)])
    with av.open(BytesIO(data)) as container:
        titles = [stream.metadata["title"] for stream in container.streams]
    assert titles == ["Ana, camera", "Ana, screen", "Ben, camera", "everybody", "Ana, voice", "Ben, voice"]
    together = heard(data, 0)
    for frequency_hz, from_s, to_s in ((700.0, 0.3, 1.0), (1_900.0, 2.2, 2.9)):
        piece = together[round(from_s * RATE_HZ) : round(to_s * RATE_HZ)]
        assert level_at(piece, frequency_hz, RATE_HZ) == pytest.approx(0.5, rel=0.2)
        assert level_at(piece, 2_600.0 - frequency_hz, RATE_HZ) < 0.02
    assert seen(data, 2)[0][0] - seen(data, 0)[0][0] == pytest.approx(1.0, abs=0.05)


def test_what_a_container_cannot_hold_is_said() -> None:
    someone = Filmed()
    someone.show(h264([flat(90)] * 5), (0, 0), codec="h264", divide=nal_payloads)
    recorded = someone.recorded(1.0)
    with pytest.raises(ValueError, match=r"h264, which .webm does not hold: take .mkv"):
        film([recorded])
    assert len(seen(film([recorded], "mkv"))) == 5
    with pytest.raises(ValueError, match="nothing was said or shown"):
        film([Filmed().recorded(1.0)])
