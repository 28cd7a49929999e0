"""The residual-echo estimator as its docstring tells it: numpy, one leg, hop by hop, double precision."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import exp1

from dsp import residual as r
from dsp.spectrum import BINS

Real = NDArray[np.float64]


class SlowResidualEcho:
    def __init__(self) -> None:
        self.held, self.clean, self.leak = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
        self.smooth: Real | None = None
        self.echo_held = self.level = self.opened = self.talk = self.both = 0.0

    def gains(self, near_power: Real, echo: Real, mic: Real, doubt: float) -> Real:
        power = np.maximum(near_power, r.LEAST_POWER)
        if self.smooth is None:
            self.smooth, self.noise = power.copy(), power.copy()
        else:
            self.smooth = self.smooth + r.SMOOTHING * (power - self.smooth)
            risen = np.minimum(self.noise * r.NOISE_RISE, self.smooth)
            self.noise = np.where(self.smooth > self.noise, risen, self.noise + r.NOISE_FALL * (self.smooth - self.noise))
        self.held = np.maximum(echo, r.BIN_HOLD * self.held)
        closed = self._gate(power, echo, mic, r.DOUBT * doubt)
        found = np.log2(np.maximum(power - self.noise, 0.05 * self.noise) / (self.held + r.LEAST_POWER)) - self.leak
        step = np.where(self.held + r.LEAST_POWER > self.noise, r.LEAK_STEP * (1 - self.opened), 0)
        self.leak = np.clip(self.leak + step * np.clip(found, -r.LEAK_JUMP, r.LEAK_JUMP), -13, 3)
        left = (self.held + r.LEAST_POWER) * 2 ** (self.leak + r.BIAS) + r.LEAST_POWER
        measured = np.minimum(power / left, 1e4)
        directed = r.DIRECTED_KEEP * self.clean / left + (1 - r.DIRECTED_KEEP) * np.maximum(measured - 1, 0)
        ratio = np.maximum(directed, r.LEAST_RATIO)
        wiener = ratio / (1 + ratio)
        gain = np.minimum(wiener * np.exp(exp1(np.maximum(wiener * measured, 1e-4)) / 2), 1)
        self.clean = gain**2 * power
        gain = np.maximum(gain, r.LEAST_GAIN)
        return np.asarray(np.maximum(gain * r.CLOSED**closed, np.minimum(r.COMFORT * np.sqrt(self.noise / power), gain)))

    def _gate(self, power: Real, echo: Real, mic: Real, doubted: float) -> float:
        voice = slice(*r.VOICE_BINS)
        left, noise, sent = (part[voice].sum() + r.LEAST_POWER for part in (power, self.noise, mic))
        self.echo_held = max(echo[voice].sum(), r.WHOLE_HOLD * self.echo_held)
        whole = self.echo_held + r.LEAST_ECHO
        echoed = whole * 2 ** (self.level + r.MARGIN)
        talk = float(np.clip(np.log2(min(left, sent) / (max(echoed, doubted) + noise)) / r.RAMP, 0, 1))
        self.talk += r.TALK_STEP * (talk - self.talk)
        self.opened = max(talk, (r.HOLD + (r.LONGER_HOLD - r.HOLD) * min(2 * self.talk, 1)) * self.opened)
        self.both = self.opened * float(np.clip((np.log2(max(self.echo_held, 1e-38) / left) - r.FAINT) / (r.CLEAR - r.FAINT), 0, 1))
        above = np.log2(left / whole) - self.level
        if whole > r.LEAST_FOLLOWED:
            quick = above < r.MARGIN + r.BEYOND or doubted > left
            rise = r.STEP * r.QUANTILE if quick else r.CREEP
            self.level += r.PULL * above - r.STEP * (1 - r.QUANTILE) if above < 0 else rise
        self.level = float(np.clip(self.level, r.LEAST_LEVEL, r.MOST_LEVEL))
        return (1 - self.opened) * min((echoed + doubted) / noise, 1)
