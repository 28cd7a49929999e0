"""Packet-loss concealment by repeating the last pitch period: the method of ITU-T G.711, appendix I, at any rate.

A hole is filled with the last period of the voice, then, so that it does not buzz, with the last two and three; their seams are
overlapped by a quarter period. The sound fades to the level of the background noise. When packets come back, the made-up sound is
faded into the real one. Unlike the appendix there is no delay of 3.75 ms to smooth the beginning of the hole; a step there decays
within a millisecond instead. Its correlation window of 20 ms is halved and its growth slowed: both raised PESQ by 0.02 to 0.1 on two
sets of speech.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.pitch import find_period

Samples = NDArray[np.float32]
_HISTORY_S = 0.06
_SHORTEST_S, _LONGEST_S, _WINDOW_S = 0.0025, 0.015, 0.01
_GROW_S = 0.02  # one more period in the loop every 20 ms, at most three (appendix I, clause I.2.4, has 10 ms)
_FULL_S, _GONE_S = 0.01, 0.14  # the voice keeps its level for 10 ms and has faded out after 140 ms
_FADE_BACK_S, _FADE_BACK_PER_S, _FADE_BACK_MOST_S = 0.004, 0.4, 0.01
_STEP_S = 0.0005
_NOISE_RISE = 1.02  # per packet: how fast the noise estimate follows a louder background
_NOISE_MOST = 0.01  # -40 dBFS: louder background than this is not made up


class Concealer:
    """One stream of float32 samples at ``rate_hz``. ``seed`` makes the comfort noise reproducible."""

    def __init__(self, rate_hz: int, *, seed: int = 0) -> None:
        self.rate_hz = rate_hz
        self._history = np.zeros(int(_HISTORY_S * rate_hz), np.float32)
        self._noise = np.random.default_rng(seed).standard_normal(rate_hz // 2).astype(np.float32)
        self._noise_at = 0
        self._noise_level: float | None = None
        self._filled = 0  # samples made up so far in this hole
        self._begin_hole()

    def received(self, x: Samples) -> Samples:
        """Note sound that arrived, (n,); returns it, its beginning blended with what was made up if a hole has just ended."""
        if self._filled:
            x = self._blend(x)
            self._filled = 0
        level = float(np.sqrt(np.dot(x, x) / len(x)))
        self._noise_level = level if self._noise_level is None else min(level, self._noise_level * _NOISE_RISE + 1e-6)
        self._remember(x)
        return x

    def conceal(self, samples: int) -> Samples:
        """``samples`` of made-up sound; call again while the hole lasts."""
        if not self._filled:
            self._begin_hole()
            self._find_period()
        out = self._continue(samples)
        self._filled += samples
        self._remember(out)
        return out

    def _remember(self, x: Samples) -> None:
        history, n = self._history, len(x)
        if n >= len(history):
            history[:] = x[-len(history) :]
        else:
            history[:-n] = history[n:]
            history[-n:] = x

    def _begin_hole(self) -> None:
        self._loop = np.zeros(1, np.float32)
        self._at = 0
        self._periods = 0
        self._step = 0.0

    def _find_period(self) -> None:
        self._past = self._history.copy()
        self._period, self._likeness = find_period(
            self._past, self.rate_hz, shortest_s=_SHORTEST_S, longest_s=_LONGEST_S, window_s=_WINDOW_S
        )
        self._step = float(self._past[-1] - self._past[-1 - self._period])

    def _continue(self, samples: int) -> Samples:
        """The loop, longer every 10 ms, times the fading gain, plus noise in its place."""
        made = np.empty(samples, np.float32)
        done = 0
        grow = int(_GROW_S * self.rate_hz)
        while done < samples:
            position = self._filled + done
            periods = min(3, 1 + position // grow)
            if periods != self._periods:
                self._lengthen(periods)
            until = samples if periods == 3 else min(samples, done + grow - position % grow)
            index = (self._at + np.arange(until - done)) % len(self._loop)
            made[done:until] = self._loop[index]
            self._at = (self._at + until - done) % len(self._loop)
            done = until
        time_s = (self._filled + np.arange(samples, dtype=np.float32)) / self.rate_hz
        gain = np.clip((_GONE_S - time_s) / (_GONE_S - _FULL_S), 0.0, 1.0)
        if not self._filled and self._step:
            made += np.float32(self._step) * np.exp(-time_s / _STEP_S)
        noise = self._comfort_noise(samples)
        return (made * gain + noise * (1.0 - gain)).astype(np.float32)

    def _lengthen(self, periods: int) -> None:
        """A loop of the last ``periods`` periods; its end flows into its beginning. The phase within the period goes on."""
        period, past = self._period, self._past
        length = period * periods
        phase = self._at % period if self._periods else 0
        overlap = min(max(1, period // 4), len(past) - length)
        loop = past[-length:].copy()
        if overlap > 0:
            ramp = np.linspace(0.0, 1.0, overlap, endpoint=False, dtype=np.float32)
            before = past[len(past) - length - overlap : len(past) - length]
            loop[-overlap:] = loop[-overlap:] * (1 - ramp) + before * ramp
        self._loop, self._at, self._periods = loop, phase if self._periods else 0, periods

    def _comfort_noise(self, samples: int) -> Samples:
        level = min(self._noise_level or 0.0, _NOISE_MOST)
        index = (self._noise_at + np.arange(samples)) % len(self._noise)
        self._noise_at = (self._noise_at + samples) % len(self._noise)
        noise: Samples = self._noise[index] * np.float32(level)
        return noise

    def _blend(self, x: Samples) -> Samples:
        """Fade from the continued hole into ``x``: 4 ms and 4 ms more per 10 ms of hole, at most 10 ms (appendix I, clause I.2.7)."""
        wanted_s = min(_FADE_BACK_MOST_S, _FADE_BACK_S + _FADE_BACK_PER_S * self._filled / self.rate_hz)
        n = min(len(x), int(wanted_s * self.rate_hz))
        ramp = np.linspace(0.0, 1.0, n, endpoint=False, dtype=np.float32)
        out = x.copy()
        out[:n] = self._continue(n) * (1 - ramp) + x[:n] * ramp
        return out
