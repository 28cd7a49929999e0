"""Tones: frequencies, levels and cadences as asked; DTMF to the limits of ITU-T Q.24, through every codec, and never in speech."""

import numpy as np
import pytest

from dsp.levels import peak_dbfs, rms_dbfs, runs
from dsp.tones import (
    BUSY,
    DTMF_DIGITS,
    HOLD_BEEP,
    RECORDING_BEEP,
    RINGBACK,
    DtmfDetector,
    DtmfGenerator,
    Samples,
    Signal,
    busy,
    cadenced,
    dtmf,
    dtmf_frequencies_hz,
    hold_beep,
    hold_melody,
    recording_beep,
    ringback,
    sine,
    tone_power,
)
from media.codec import make_decoder, make_encoder
from media.sounds import PROMPTS
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


def pressed(
    digit: str,
    rate_hz: int,
    seconds: float,
    *,
    off: tuple[float, float] = (0.0, 0.0),
    high_db: float = 0.0,
    dbfs: float = -15.0,
    phases: tuple[float, float] = (0.0, 0.0),
) -> Samples:
    """A press without soft edges, its frequencies ``off`` by a fraction each, the high tone ``high_db`` above the low one's ``dbfs``."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    parts = [
        np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * hz * (1 + wrong) * t + phase)
        for hz, wrong, level, phase in zip(dtmf_frequencies_hz(digit), off, (dbfs, dbfs + high_db), phases, strict=True)
    ]
    return np.asarray(sum(parts), np.float32)


def heard(line: Samples, rate_hz: int = 16_000) -> str:
    """Digits in (n,)."""
    hop = rate_hz // 100
    padded = np.pad(line, (0, -len(line) % hop + 3 * hop))
    return "".join(digit for _, digit in DtmfDetector(1, rate_hz).process(padded[None]))


def everywhere(rate_hz: int, seconds: float, seed: int = 3, **how: object) -> list[bool]:
    """Is each digit, beginning at 12 places between two hops and with any phases, heard as itself and once?"""
    rng = np.random.default_rng(seed)
    found = []
    for digit in DTMF_DIGITS:
        for place in range(12):
            press = pressed(digit, rate_hz, seconds, phases=tuple(rng.uniform(0, 2 * np.pi, 2)), **how)
            line = np.concatenate((np.zeros(rate_hz // 100 * (24 + place) // 12, np.float32), press))
            result = heard(line, rate_hz)
            assert result in ("", digit)
            found.append(result == digit)
    return found


def test_tone_power_is_goertzels() -> None:
    x = sine(700, 0.05, 8_000, level_dbfs=-10) + sine(1300, 0.05, 8_000, level_dbfs=-20)
    for hz in (425.0, 700.0, 1300.0, 1310.5):
        assert tone_power(x, (hz,), 8_000)[0] == pytest.approx(goertzel(x, hz, 8_000), rel=1e-4)
    assert 10 * np.log10(tone_power(x, (700.0,), 8_000)[0]) == pytest.approx(-10, abs=0.1)


SIGNALS = [(signal, lambda rate, level, c=c: ringback(rate, country=c, level_dbfs=level)) for c, signal in RINGBACK.items()]
SIGNALS += [(signal, lambda rate, level, c=c: busy(rate, country=c, level_dbfs=level)) for c, signal in BUSY.items()]
SIGNALS += [(HOLD_BEEP, lambda rate, level: hold_beep(rate, level_dbfs=level))]
SIGNALS += [(RECORDING_BEEP, lambda rate, level: recording_beep(rate, level_dbfs=level))]


@pytest.mark.parametrize(("signal", "tone"), SIGNALS)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_cadence_frequency_and_level(signal: Signal, tone, rate_hz: int) -> None:
    x = tone(rate_hz, -18.0)
    assert len(x) == round(sum(signal.cadence_s) * rate_hz)
    at = 0
    for index, seconds in enumerate(signal.cadence_s):
        part = x[at : at + round(seconds * rate_hz)]
        at += len(part)
        if index % 2:
            assert not part.any()
            continue
        middle = part[rate_hz // 100 : rate_hz // 100 + rate_hz * 2 // 25]
        assert rms_dbfs(middle) == pytest.approx(-18, abs=0.3)
        powers = tone_power(middle, signal.frequencies_hz, rate_hz)
        assert powers.sum() > 0.9 * np.mean(middle**2)
        assert powers.max() < 2 * powers.min()


def test_spanish_is_the_default_and_an_unknown_country_is_refused() -> None:
    assert np.array_equal(busy(8_000), cadenced(BUSY["es"], 8_000, level_dbfs=-18.0))
    with pytest.raises(KeyError):
        ringback(8_000, country="xx")


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
    encoder, decoder = make_encoder(KNOWN_CODECS[name], rate_hz=16_000), make_decoder(KNOWN_CODECS[name], rate_hz=16_000)
    assert heard(np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames(line)])) == DTMF_DIGITS + "77"


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
class TestQ24:
    """ITU-T Q.24, annex A: what must and what must not be taken for a digit."""

    def test_40_ms_are_enough_and_24_ms_are_not(self, rate_hz: int) -> None:
        assert all(everywhere(rate_hz, 0.040))
        assert not any(everywhere(rate_hz, 0.024))

    @pytest.mark.parametrize("signs", [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, -1), (1, -1)])
    def test_frequencies_within_1_5_percent_and_never_off_by_3_5(self, rate_hz: int, signs: tuple[int, int]) -> None:
        low, high = signs
        assert all(everywhere(rate_hz, 0.045, off=(0.015 * low, 0.015 * high)))
        for wrong in (0.035, 0.05):
            assert not any(everywhere(rate_hz, 0.08, off=(wrong * low, wrong * high)))

    def test_twist(self, rate_hz: int) -> None:
        for high_db in (-8.0, 4.0):
            assert all(everywhere(rate_hz, 0.045, high_db=high_db))
        for high_db in (-13.0, 9.0):
            assert not any(everywhere(rate_hz, 0.1, high_db=high_db))

    def test_levels(self, rate_hz: int) -> None:
        """0 to -25 dBm0 per tone (full scale is +3.14 dBm0 and -3 dBFS); nothing below -55 dBm0."""
        for dbm0 in (0.0, -25.0):
            assert all(everywhere(rate_hz, 0.045, dbfs=dbm0 - 6.15))
        assert not any(everywhere(rate_hz, 0.1, dbfs=-55 - 6.15))

    def test_noise_15_db_below(self, rate_hz: int) -> None:
        rng = np.random.default_rng(15)
        for digit in DTMF_DIGITS:
            line = np.concatenate(
                (np.zeros(rate_hz // 20, np.float32), pressed(digit, rate_hz, 0.045), np.zeros(rate_hz // 20, np.float32))
            )
            noise = rng.standard_normal(len(line)).astype(np.float32) * 10 ** ((-12 - 15) / 20)
            assert heard(line + noise, rate_hz) == digit

    @pytest.mark.parametrize("place", range(0, 10, 2))
    def test_a_pause_of_40_ms_parts_two_presses_and_10_ms_do_not(self, rate_hz: int, place: int) -> None:
        press = pressed("8", rate_hz, 0.06)
        for pause_s, told in ((0.040, "88"), (0.010, "8")):
            silence = np.zeros(round(pause_s * rate_hz), np.float32)
            line = np.concatenate((np.zeros(rate_hz * (place + 20) // 1000, np.float32), press, silence, press))
            assert heard(line, rate_hz) == told

    def test_nothing_is_heard_in_speech_and_music(self, rate_hz: int) -> None:
        for name in PROMPTS:
            x = prompt(name)
            assert heard(x if rate_hz == 16_000 else x[::2].copy(), rate_hz) == ""  # aliased, which is only more of a trial
        assert heard(hold_melody(rate_hz), rate_hz) == ""


def test_rows_do_not_know_each_other() -> None:
    rng = np.random.default_rng(1)
    lines = [np.concatenate([dtmf(d, 16_000) for d in "159#"] + [np.zeros(3200, np.float32)]) for _ in range(5)]
    block = np.stack(lines) + 0.01 * rng.standard_normal((5, len(lines[0]))).astype(np.float32)
    block[1], block[2], block[3] = np.nan, np.inf, np.sign(np.sin(np.arange(block.shape[1])))
    together, apart = DtmfDetector(5, 16_000), [DtmfDetector(1, 16_000) for _ in range(5)]
    for at in range(0, block.shape[1] - 319, 320):
        part = np.ascontiguousarray(block[:, at : at + 320])
        told = together.process(part)
        assert told == [(row, digit) for row, one in enumerate(apart) for _, digit in one.process(part[row : row + 1])]


def test_a_row_can_be_reset() -> None:
    press = np.stack([dtmf("4", 16_000, duration_s=0.1)] * 2)
    detector = DtmfDetector(2, 16_000)
    assert detector.process(press) == [(0, "4"), (1, "4")]
    detector.reset(np.array([1]))
    assert detector.process(press) == [(1, "4")], "for row 0 the key is still down"


def test_generated_presses_are_heard_and_rows_are_independent() -> None:
    generator, detector = DtmfGenerator(3, 16_000, limit=8), DtmfDetector(3, 16_000)
    assert generator.put(0, "12a*") == 4 and generator.put(2, "0123456789") == 8
    told: list[tuple[int, str]] = []
    block = generator.process(320)
    while generator.busy.any():
        told += detector.process(block)
        block = generator.process(320)
        assert not block[1].any()
    assert ["".join(digit for row, digit in told if row == wanted) for wanted in range(3)] == ["12A*", "", "01234567"]
    with pytest.raises(ValueError, match="only 0-9"):
        generator.put(1, "1x")
    generator.put(1, "5")
    generator.reset(np.array([False, True, False]))
    assert not generator.busy.any() and not generator.process(320).any()


def test_a_generators_block_length_does_not_matter() -> None:
    one, other = DtmfGenerator(2, 8_000), DtmfGenerator(2, 8_000)
    for generator in (one, other):
        generator.put(1, "42")
    whole = one.process(4_000)
    assert np.array_equal(whole, np.concatenate([other.process(size) for size in (80, 1_520, 33, 2_367)], axis=1))
    assert not one.busy.any() and not other.busy.any()


@pytest.mark.parametrize("digit", ["", "E", "12", "é"])
def test_what_is_no_digit_is_refused(digit: str) -> None:
    with pytest.raises(ValueError, match="no DTMF digit"):
        dtmf(digit, 8_000)
