"""The classical noise suppressor as its papers write it: one leg, double precision, arrays over bins."""

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import exp1

BINS = 161


class SlowLogSpectral:
    """See ``dsp.suppress.LogSpectralSuppressor``; powers (161,) of one hop after the other."""

    def __init__(self):
        self.noise = None
        self.clean = self.presence = np.zeros(BINS)
        self.cepstrum = None
        self.speech = self.held = 0.0

    def gains(self, power):
        power = np.clip(power.astype(np.float64), 1e-12, 1e6)
        noise = self._noise(power)
        posterior = power / noise
        smoothed = self._cepstral(np.log2(noise * np.maximum(posterior - 1, 0.03))) / noise
        directed = 0.94 * self.clean / noise + 0.06 * np.maximum(posterior - 1, 0)
        ratio = np.sqrt(np.maximum(smoothed, 1e-3) * np.maximum(directed, 1e-3))
        wiener = ratio / (1 + ratio)
        gain = np.minimum(wiener * np.exp(0.5 * exp1(np.maximum(wiener * posterior, 1e-5))), 1)
        self.clean = gain**2 * power
        around = 10 * np.log10(uniform_filter1d(np.minimum(ratio, 100), 31, mode="nearest"))
        exponent = 3 - 2 * np.clip((around + 10) / 5, 0, 1)
        self.speech = np.clip(np.log10(np.minimum(ratio[5:80], 10).mean() / 0.25), 0, 1)
        self.held = max(self.speech, 0.93 * self.held)
        pause = max(0, 1 - self.held / 0.3) * (1 - np.clip((around + 5) / 5, 0, 1))
        gain_db = 20 * exponent * np.log10(gain)
        return 10 ** (np.maximum(gain_db + pause * (-24 - gain_db), -24) / 20)

    def _noise(self, power):
        """Gerkmann and Hendriks 2012, equations 18 and 22 to 24."""
        sounds = power.mean() > 1e-7
        first = np.array([power[max(0, k - 4) : k + 5].mean() for k in range(BINS)])
        noise = first if self.noise is None else self.noise
        expected = 10**1.5
        speaks = 1 / (1 + (1 + expected) * np.exp(-np.minimum(power / noise * expected / (1 + expected), 80)))
        if not sounds:
            return noise
        self.presence = self.presence + 0.05 * (speaks - self.presence)
        speaks = np.where(self.presence > 0.98, np.minimum(speaks, 0.98), speaks)
        self.noise = noise + 0.17 * (1 - speaks) * (power - noise)
        return self.noise

    def _cepstral(self, log_power):
        """Breithaupt, Gerkmann and Martin 2008: the cepstrum of the log power is smoothed, less where envelope and pitch are."""
        cepstrum = np.fft.irfft(log_power)[:BINS]
        keep = np.where(np.arange(BINS) <= 2, 0.2, np.where(np.arange(BINS) <= 16, 0.6, 0.92))
        pitch = 32 + int(np.argmax(cepstrum[32:]))
        if cepstrum[pitch] > 0.29:
            keep[np.abs(np.arange(BINS) - pitch) <= 2] = 0.2
        before = cepstrum if self.cepstrum is None else self.cepstrum
        smoothed = keep * before + (1 - keep) * cepstrum
        if self.noise is not None:
            self.cepstrum = smoothed
        return 2 ** (np.fft.rfft(np.concatenate((smoothed, smoothed[-2:0:-1]))).real + 0.505)
