"""Tones: frequencies, levels and cadences as asked; DTMF heard through every codec, and never in speech."""

import numpy as np
import pytest

from dsp.levels import peak_dbfs, rms_dbfs, runs
from dsp.tones import BUSY, DTMF_DIGITS, RINGBACK, DtmfDetector, busy, dtmf, hold_melody, ringback, sine, tone_power
from media.codec import make_decoder, make_encoder
from rooms.audio import KNOWN_CODECS
from tests.kit.speech import frames, prompt


def goertzel(x: np.ndarray, hz: float, rate_hz: int) -> float:
    """The recursion as it is usually printed, on a Hann-windowed frame; mean square of that frequency."""
    n = len(x)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    coefficient, s1, s2 = 2 * np.cos(2 * np.pi * hz / rate_hz), 0.0, 0.0
    for sample in x * window:
        s1, s2 = sample + coefficient * s1 - s2, s1
    return float((s1**2 + s2**2 - coefficient * s1 * s2) * 2 / window.sum() ** 2)


def test_tone_power_is_goertzels() -> None:
    x = sine(700, 0.05, 8_000, level_dbfs=-10) + sine(1300, 0.05, 8_000, level_dbfs=-20)
    for hz in (425.0, 700.0, 1300.0, 1310.5):
        assert tone_power(x, (hz,), 8_000)[0] == pytest.approx(goertzel(x, hz, 8_000), rel=1e-4)
    assert 10 * np.log10(tone_power(x, (700.0,), 8_000)[0]) == pytest.approx(-10, abs=0.1)


@pytest.mark.parametrize(("tone", "cadence"), [(ringback, RINGBACK), (busy, BUSY)])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_cadence_frequency_and_level(tone, cadence, rate_hz: int) -> None:
    x = tone(rate_hz, level_dbfs=-18.0)
    on = round(cadence.on_s * rate_hz)
    assert len(x) == round((cadence.on_s + cadence.off_s) * rate_hz) and not x[on:].any()
    middle = x[rate_hz // 20 : rate_hz // 20 + rate_hz // 10]
    assert rms_dbfs(middle) == pytest.approx(-18, abs=0.1)
    assert tone_power(middle, (425.0,), rate_hz)[0] > 0.99 * np.mean(middle**2)


def test_hold_melody_is_soft_and_loops_without_a_click() -> None:
    x = hold_melody(16_000)
    assert rms_dbfs(x) == pytest.approx(-24, abs=0.1) and peak_dbfs(x) < -10
    assert abs(x[0] - x[-1]) < np.abs(np.diff(x)).max()
    windows = np.abs(x).reshape(-1, 1600).max(axis=1)
    assert not runs(windows < 0.005)  # never seems dead


@pytest.mark.parametrize("name", sorted(KNOWN_CODECS))
def test_every_digit_is_heard_once_through(name: str) -> None:
    gap = np.zeros(1600, np.float32)
    line = np.concatenate([np.concatenate((dtmf(digit, 16_000), gap)) for digit in DTMF_DIGITS + "77"])
    encoder, decoder, detector = (
        make_encoder(KNOWN_CODECS[name], rate_hz=16_000),
        make_decoder(KNOWN_CODECS[name], rate_hz=16_000),
        DtmfDetector(16_000),
    )
    assert "".join(detector.hear(decoder.decode(encoder.encode(frame))) for frame in frames(line)) == DTMF_DIGITS + "77"


@pytest.mark.parametrize("offset", range(0, 320, 40))
def test_a_digit_of_70_ms_is_heard_wherever_it_begins(offset: int) -> None:
    line = np.concatenate((np.zeros(offset, np.float32), dtmf("5", 16_000, duration_s=0.07), np.zeros(1600, np.float32)))
    detector = DtmfDetector(16_000)
    assert [digit for frame in frames(line) if (digit := detector.hear(frame))] == ["5"]


def test_speech_holds_no_digits() -> None:
    for name in ("en-vm-review", "en-queue-periodic-announce", "es-vm-intro"):
        detector = DtmfDetector(16_000)
        assert not any(detector.hear(frame) for frame in frames(prompt(name)))


@pytest.mark.parametrize("digit", ["", "E", "12", "é"])
def test_what_is_no_digit_is_refused(digit: str) -> None:
    with pytest.raises(ValueError, match="no DTMF digit"):
        dtmf(digit, 8_000)
