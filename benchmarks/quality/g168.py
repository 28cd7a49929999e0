"""Claim: a line's echo is gone within a second, at every level, also after its path changed and after weak double talk (ITU-T G.168).

Signals, level meter, tests and masks of G.168 for any canceller ``process(near, far) -> out`` of (rows, n) float32 at 16 kHz. What the
standard prints as tables is made here instead: the voiced part of the composite source signal (CSS, annex C; P.501) from a pulse
train through formants, the hybrids (annex D) as noise-like band-passes of 8-16 ms with an echo return loss of 6-10 dB behind up to 40 ms
of line. Its times, band and order of parts are the standard's. Levels are in dBm0: a full-scale sine has +3.14 dBm0 (A-law).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin, lfilter, resample_poly

from benchmarks.ours import chained
from benchmarks.report import Row
from dsp.chain import Stages

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

Samples = NDArray[np.float32]
Canceller = Callable[[Samples, Samples], Samples]
RATE_HZ = 16_000
LINE_HZ = 8_000
OVERLOAD_DBM0 = 3.14
METER_S = 0.035
"""The meter's time constant (clause 6.4.2.1)."""
LEADING_SILENCE_S = 0.2
CONVERGED_S, WATCHED_S = 1.0, 10.0
"""Test 2A: after the first second and for the nine that follow, the returned echo is below ..."""
RETURNED_DBM0 = -65.0
_EDGE_S = 0.05
"""A canceller that looks ahead hears another path, or the end, too early by so much at most."""
LEVELS_DBM0 = (-30.0, -20.0, -10.0, 0.0)
WEAK_TALK_DB = -20.0
TALK_S, METER_FALL_S = 5.0, 0.4
"""Test 3A: double talk lasts so long; the meter falls by 50 dB in so long."""
_VOICED_S, _NOISE_S, _PAUSE_S = 0.04862, 0.2, 0.10138
_NEAR_VOICED_S, _NEAR_NOISE_S, _NEAR_PAUSE_S = 0.07269, 0.2, 0.12731
_FORMANTS_HZ = ((500, 80), (1500, 120), (2500, 200), (3300, 250))
_HYBRIDS = ((6.0, 8.0, 0.0), (8.0, 12.0, 10.0), (10.0, 16.0, 20.0), (6.0, 16.0, 40.0))
"""Echo return loss (dB), dispersion (ms) and delay (ms) of the echo paths."""


@dataclass(frozen=True, slots=True)
class Line:
    """``far`` and ``near`` (rows, n) of one test; ``checked`` spans (begin, end) in samples in which the mask holds."""

    far: Samples
    near: Samples
    checked: tuple[tuple[int, int], ...]


def level_dbfs(dbm0: float) -> float:
    """Root mean square re full scale 1.0 of so many dBm0."""
    return dbm0 - OVERLOAD_DBM0 - 10 * math.log10(2)


def meter_dbm0(x: Samples, rate_hz: int = RATE_HZ) -> NDArray[np.float64]:
    """Level of (..., n) at each sample: exponential mean power over 35 ms, at least -120 dBm0."""
    fall = math.exp(-1 / (METER_S * rate_hz))
    power = lfilter([1 - fall], [1, -fall], x.astype(np.float64) ** 2, axis=-1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-30)) - level_dbfs(0.0)).clip(-120.0)


def composite_source(seconds: float, dbm0: float, *, near: bool = False, rate_hz: int = RATE_HZ) -> Samples:
    """CSS (n,): voiced sound, pseudo-noise, pause, then the same with its sign turned, and so on; the level is that of its sound.

    ``near``: the other one, for double talk, with its own times, pitch and random noise.
    """
    voiced_s, noise_s, pause_s = (_NEAR_VOICED_S, _NEAR_NOISE_S, _NEAR_PAUSE_S) if near else (_VOICED_S, _NOISE_S, _PAUSE_S)
    size, half = round(seconds * rate_hz), round((voiced_s + noise_s + pause_s) * rate_hz)
    rng = np.random.default_rng(2 if near else 1)
    pulses = np.zeros(round(voiced_s * rate_hz))
    pulses[:: rate_hz // (220 if near else 310)] = 1.0
    for frequency, width in _FORMANTS_HZ:
        radius = math.exp(-math.pi * width / rate_hz)
        pulses = lfilter([1.0], [1.0, -2 * radius * math.cos(2 * math.pi * frequency / rate_hz), radius * radius], pulses)
    n = round(noise_s * rate_hz)
    sound: list[NDArray[np.float64]] = []
    turned = 1.0
    noise = _pseudo_noise(n, rng)
    for _ in range(-(-size // half)):
        if near:
            noise = rng.standard_normal(n)
        parts = np.concatenate((pulses / np.sqrt(np.mean(pulses**2)), noise / np.sqrt(np.mean(noise**2))))
        sound.append(turned * np.pad(parts, (0, half - len(parts))))
        turned = -turned
    band = firwin(257, (200, 3600), fs=rate_hz, pass_zero=False)
    whole = fftconvolve(np.concatenate(sound), band, mode="same")
    active = (voiced_s + noise_s) / (voiced_s + noise_s + pause_s)
    whole *= 10 ** (level_dbfs(dbm0) / 20) / math.sqrt(float(np.mean(whole**2)) / active)
    return np.clip(whole[:size], -1, 1).astype(np.float32)


def hybrid(erl_db: float, dispersion_ms: float, delay_ms: float, *, seed: int = 0, rate_hz: int = RATE_HZ) -> NDArray[np.float64]:
    """Impulse response of an echo path: a band-pass smeared over ``dispersion_ms`` whose echo of the CSS is ``erl_db`` weaker than it."""
    rng = np.random.default_rng(seed)
    n = round(dispersion_ms * rate_hz / 1000)
    t = np.arange(n) / n
    smeared = rng.standard_normal(n) * np.minimum(1.0, 8 * t) * np.exp(-5 * t)
    response = fftconvolve(smeared, firwin(65, (300, 3400), fs=rate_hz, pass_zero=False))
    signal = composite_source(1.4, -10.0, rate_hz=rate_hz)
    response *= 10 ** (-erl_db / 20) * math.sqrt(float(np.mean(signal**2) / np.mean(fftconvolve(signal, response) ** 2)))
    return np.concatenate((np.zeros(round(delay_ms * rate_hz / 1000)), response))


def convergence_line(dbm0: float, *, rate_hz: int = RATE_HZ) -> Line:
    """Test 2A over every hybrid (rows): silence, CSS, and after 10 s another path, to be learnt anew as fast."""
    rows = len(_HYBRIDS)
    start, half = round(LEADING_SILENCE_S * rate_hz), round(WATCHED_S * rate_hz)
    css = composite_source(2 * WATCHED_S, dbm0, rate_hz=rate_hz)
    far = np.tile(np.pad(css, (start, 0)), (rows, 1))
    near = np.zeros_like(far)
    for row in range(rows):
        before = _through(far[row], hybrid(*_HYBRIDS[row], seed=row, rate_hz=rate_hz))
        after = _through(far[row], hybrid(*_HYBRIDS[(row + 1) % rows], seed=rows + row, rate_hz=rate_hz))
        near[row] = np.concatenate((before[: start + half], after[start + half :]))
    settled = round(CONVERGED_S * rate_hz)
    early = round(_EDGE_S * rate_hz)
    return Line(far, near, ((start + settled, start + half - early), (start + half + settled, start + 2 * half - early)))


def double_talk_line(dbm0: float, *, talk_db: float = WEAK_TALK_DB, rate_hz: int = RATE_HZ) -> Line:
    """Test 3A over every hybrid (rows): for 5 s from the very start near talk ``talk_db`` above the far end, so that nothing can be
    learnt without it; then the far end alone, whose path must be known at once (as soon as the meter has fallen)."""
    rows = len(_HYBRIDS)
    start, talked = round(LEADING_SILENCE_S * rate_hz), round(TALK_S * rate_hz)
    far = np.tile(np.pad(composite_source(2 * TALK_S, dbm0, rate_hz=rate_hz), (start, 0)), (rows, 1))
    near = np.stack([_through(far[row], hybrid(*_HYBRIDS[row], seed=row, rate_hz=rate_hz)) for row in range(rows)])
    near[:, start : start + talked] += composite_source(TALK_S, dbm0 + talk_db, near=True, rate_hz=rate_hz)
    return Line(far, near, ((start + talked + round(METER_FALL_S * rate_hz), far.shape[1] - round(_EDGE_S * rate_hz)),))


def raised(line: Line) -> Line:
    """A test at 8 kHz, as a telephone line has it, raised to 16 kHz once."""
    far, near = (resample_poly(x, 2, 1, axis=1).astype(np.float32) for x in (line.far, line.near))
    return Line(far, near, tuple((2 * begin, 2 * end) for begin, end in line.checked))


def returned_dbm0(out: Samples, line: Line) -> NDArray[np.float64]:
    """The highest level of what leaves, in each checked span: (rows, spans)."""
    levels = meter_dbm0(out)
    return np.stack([levels[:, begin:end].max(axis=1) for begin, end in line.checked], axis=1)


def passes(out: Samples, line: Line) -> NDArray[np.bool_]:
    """Is the returned echo below -65 dBm0 wherever it has to be? (rows, spans)"""
    return returned_dbm0(out, line) <= RETURNED_DBM0


def through_chain(near: Samples, far: Samples) -> Samples:
    """Our chain, which keeps no level here: gain control would raise what is returned."""
    return np.stack(chained(list(near), list(far), stages=Stages(gain=False)))


def rows(bench: "Bench") -> list[Row]:
    levels = LEVELS_DBM0[2:3] if bench.quick else LEVELS_DBM0
    told: list[Row] = []
    for dbm0 in levels:
        told += _test_2a(bench, f"G.168 2A, {dbm0:g} dBm0", convergence_line(dbm0))
    told += _test_2a(bench, "G.168 2A, -10 dBm0, 8 kHz raised", raised(convergence_line(-10.0, rate_hz=LINE_HZ)))
    for dbm0 in levels:
        line = double_talk_line(dbm0)
        told.append(_row(bench, f"G.168 3A, {dbm0:g} dBm0, talk {WEAK_TALK_DB:g} dB", "returned echo after the talk", line, 0))
    return told


def _test_2a(bench: "Bench", case: str, line: Line) -> list[Row]:
    return [
        _row(bench, case, "returned echo, 1-10 s", line, 0),
        _row(bench, case, "returned echo, 1-10 s after another path", line, 1),
    ]


def _row(bench: "Bench", case: str, metric: str, line: Line, span: int) -> Row:
    """The worst of all hybrids, beside the best peer's worst."""
    ours = bench.once((case, "ours"), lambda: through_chain(line.near, line.far))
    worst = float(returned_dbm0(ours, line)[:, span].max())
    bench.keep("g168", case, {"far": line.far[0], "near": line.near[0], "out": ours[0]})
    peers: dict[str, float] = {}
    for name in () if bench.quick else bench.peers.cancellers:
        theirs = np.stack([bench.cancelled(name, near, far) for near, far in zip(line.near, line.far, strict=True)])
        peers[name] = float(returned_dbm0(theirs, line)[:, span].max())
    best = min(peers, key=lambda name: peers[name], default="")
    return Row(case, metric, worst, "dBm0", best, peers.get(best), goal=f"<= {RETURNED_DBM0:g}")


def _through(far: Samples, response: NDArray[np.float64]) -> Samples:
    return np.asarray(fftconvolve(far, response)[: len(far)], np.float32)


def _pseudo_noise(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n,) of a flat spectrum with phases of 0 or 180 degrees, as annex C makes it."""
    return np.fft.irfft(rng.choice((-1.0, 1.0), n // 2 + 1), n)
