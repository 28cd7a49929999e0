"""When somebody begins to speak and when they are quiet again: speech, pauses, hums, packets that stay away."""

import numpy as np
import pytest

from dsp.tones import sine
from media.codec import OpusSettings, Samples, make_encoder
from media.voice_hearing import VoiceHearing
from rooms.audio import G722, OPUS, PCMA, AudioCodec
from tests.kit.speech import speech

RATE_HZ = 16_000


def hear(hearing: VoiceHearing, codec: AudioCodec, samples: Samples, start_s: float = 0.0) -> list[tuple[float, bool]]:
    """When what changed, of samples at 16 kHz."""
    rate_hz = 8_000 if codec is PCMA else RATE_HZ
    encoder = make_encoder(codec, rate_hz=rate_hz, settings=OpusSettings())
    given = samples[:: RATE_HZ // rate_hz]
    size, found = rate_hz // 50, []
    for number, at in enumerate(range(0, len(given) - size + 1, size)):
        now_s = start_s + 0.02 * number
        if hearing.packet(codec, encoder.encode(given[at : at + size]), now_s):
            found.append((now_s, hearing.speaks))
    return found


def quiet(seconds: float, level_dbfs: float = -65.0) -> Samples:
    noise = np.random.default_rng(7).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)
    return noise * np.float32(10 ** (level_dbfs / 20))


@pytest.mark.parametrize("codec", [PCMA, G722, OPUS])
def test_a_voice_is_heard_between_silences(codec: AudioCodec) -> None:
    hearing = VoiceHearing(0.0)
    found = hear(hearing, codec, np.concatenate((quiet(2.0), sine(300.0, 3.0, RATE_HZ, level_dbfs=-25.0), quiet(2.0))))
    assert [speaks for _, speaks in found] == [True, False]
    assert found[0][0] == pytest.approx(2.0, abs=0.06) and found[1][0] == pytest.approx(5.6, abs=0.1)
    assert hearing.spoken_s == pytest.approx(3.0, abs=0.1)


def test_speech_over_a_noisy_line_is_one_voice_and_the_noise_is_none() -> None:
    words = speech(4.0) * np.float32(10 ** (-6.0 / 20))
    noise = quiet(10.0, -55.0)
    noise[3 * RATE_HZ : 7 * RATE_HZ] += words
    hearing = VoiceHearing(0.0)
    found = hear(hearing, PCMA, noise)
    assert found and found[0][0] >= 3.0 and not hearing.speaks and found[-1][0] < 8.0
    assert 2.0 < hearing.spoken_s < 4.1


def test_a_hum_is_no_voice_for_long_and_somebody_is_heard_above_it() -> None:
    hearing = VoiceHearing(0.0)
    hum = sine(150.0, 30.0, RATE_HZ, level_dbfs=-40.0)
    found = hear(hearing, PCMA, hum)
    assert [speaks for _, speaks in found] == [True, False] and found[1][0] < 15.0
    again = hear(hearing, PCMA, sine(300.0, 1.0, RATE_HZ, level_dbfs=-20.0), 30.0)
    assert [speaks for _, speaks in again] == [True]


def test_packets_that_stay_away_are_silence() -> None:
    hearing = VoiceHearing(0.0)
    hear(hearing, PCMA, sine(300.0, 1.0, RATE_HZ, level_dbfs=-20.0))
    assert hearing.speaks and not hearing.look(1.2)
    assert hearing.look(2.0) and not hearing.speaks and not hearing.look(9.0)
    assert hearing.spoken_s == pytest.approx(0.98, abs=0.03)


def test_what_cannot_be_decoded_is_no_voice() -> None:
    hearing = VoiceHearing(0.0)
    assert not any(hearing.packet(OPUS, payload, 0.02 * n) for n, payload in enumerate((b"", b"\xff\xff\xff\xff", b"\x0f" * 3)))
    assert not hearing.speaks
