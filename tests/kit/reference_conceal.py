"""How sound goes on through a hole, written to be read: what ``dsp/conceal.py`` compiles, by the definitions and without state."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter, lfiltic


class Voice(NamedTuple):
    filter: np.ndarray
    residual: np.ndarray
    period: int
    repeats: bool
    gain: float
    hiss: np.ndarray


def prediction(x: np.ndarray, order: int, rate_hz: int, window: np.ndarray) -> np.ndarray:
    """The prediction-error filter from the windowed autocorrelation, peaks widened by 40 Hz."""
    window = window[-len(x) :]
    x = x[-len(window) :] * window
    lags = np.arange(order + 1)
    r = np.array([np.dot(x[lag:], x[: len(x) - lag]) for lag in lags]) * np.exp(-0.5 * (2 * np.pi * 40 * lags / rate_hz) ** 2)
    r[0] = r[0] * 1.0001 + 1e-9
    return np.concatenate(([1.0], solve_toeplitz(r[:-1], -r[1:])))


def asymmetric_window(n: int) -> np.ndarray:
    """Rises over four fifths, falls to 0.4: the newest sound counts most."""
    rise = int(0.8 * n)
    return np.concatenate(
        (0.54 - 0.46 * np.cos(np.pi * np.arange(rise) / rise), 0.4 + 0.6 * np.cos(np.pi / 2 * np.arange(n - rise) / (n - rise)))
    )


def likeness(x: np.ndarray, lag: int, window: int) -> float:
    now, before = x[-window:], x[-window - lag : len(x) - lag]
    return float(now @ before / np.sqrt(now @ now * (before @ before) + 1e-12))


def period(x: np.ndarray, rate_hz: int, window: int) -> tuple[int, float]:
    """Coarsely at 8 kHz, there a quarter, third or half of the best lag when it is 0.85 as good, then finely."""
    fold = rate_hz // 8_000
    coarse = x[len(x) % fold :].reshape(-1, fold).sum(axis=1)
    shortest = int(0.0025 * rate_hz) // fold
    longest = min(int(0.02 * rate_hz) // fold, len(coarse) - window // fold)
    scores = {lag: likeness(coarse, lag, window // fold) for lag in range(shortest, longest + 1)}
    best = max(scores, key=lambda lag: scores[lag])
    for parts in (4, 3, 2):
        near = round(best / parts + 1e-9)
        if near >= shortest:
            part = max((lag for lag in (near - 1, near, near + 1) if shortest <= lag < best), key=lambda lag: scores[lag])
            if scores[part] > 0.85 * scores[best]:
                best = part
                break
    if fold == 1:
        return best, scores[best]
    fine = {lag: likeness(x, lag, window) for lag in range(fold * (best - 1), min(fold * (best + 1), len(x) - window) + 1)}
    found = max(fine, key=lambda lag: fine[lag])
    return found, fine[found]


def analysed(past: np.ndarray, rate_hz: int) -> Voice:
    past = past.astype(float)
    order, window, step = min(32, 8 + rate_hz // 1_000), int(0.02 * rate_hz), int(0.005 * rate_hz)
    filter_ = prediction(past, order, rate_hz, asymmetric_window(window))
    residual = lfilter(filter_, [1.0], past)
    residual[:order] = 0.0
    lag, score = period(past, rate_hz, min(window, len(past) // 2))
    now = residual[max(order + lag, len(past) - window) :]
    before = residual[max(order + lag, len(past) - window) - lag : len(past) - lag]
    gain = float(np.clip(now @ before / (before @ before + 1e-12), 0.9, 1.0)) if score > 0.5 else 0.0
    last, earlier = residual[-step:], residual[-2 * step : -step]
    return Voice(filter_, residual, lag, score > 0.5, gain, last if last @ last <= earlier @ earlier else earlier)


def continued(past: np.ndarray, samples: int, rate_hz: int, random: int) -> tuple[np.ndarray, int]:
    """``samples`` behind ``past``, and the state of the random numbers after them."""
    voice = analysed(past, rate_hz)
    step, ring = int(0.005 * rate_hz), int(0.025 * rate_hz)
    excitation, gain, lag = list(voice.residual), voice.gain, float(voice.period)
    share = max(0.1, 1.0 - gain) if voice.repeats else 1.0
    for i in range(samples):
        random = (random * 1_664_525 + 1_013_904_223) % 2**32
        noise = voice.hiss[(random >> 16) % step] * (1 if random & 0x8000 else -1)
        excitation.append(gain * excitation[-int(lag + 0.5)] + share * noise)
        if (i + 1) % step == 0:
            early = i < 4 * step
            if voice.repeats:
                gain *= 1.0 if early else 0.99
                share *= 0.95 if early else 0.9
            else:
                share *= 0.99 if early else 0.96
            lag = min(lag * 1.005, ring - 1.0)
    state = lfiltic([1.0], voice.filter, past[::-1][: len(voice.filter) - 1].astype(float))
    sound, _ = lfilter([1.0], voice.filter, excitation[len(past) :], zi=state)
    return np.clip(sound, -1.0, 1.0), random


def closed(past: np.ndarray, following: np.ndarray, samples: int, rate_hz: int, random: int) -> np.ndarray:
    """A hole of ``samples`` between the two: both continued into it, cross-faded."""
    forwards, random = continued(past, samples, rate_hz, random)
    backwards, _ = continued(following[::-1], samples, rate_hz, random)
    share = (np.arange(samples) + 0.5) / samples
    return forwards * (1 - share) + backwards[::-1] * share
