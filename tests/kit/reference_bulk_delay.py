"""The bulk-delay estimator as its docstring tells it: numpy, complex numbers, one leg, all at once."""

import numpy as np
from numpy.typing import NDArray

from dsp.bulk_delay import (
    BANDS,
    BEAT,
    BIN_STEP,
    ENOUGH_EVIDENCE,
    FIRST_BIN,
    FIRST_PART,
    GROUP,
    HOLD,
    HOLDS,
    HOP_S,
    LAGS,
    LEAST_CONTRAST,
    LEAST_STRENGTH,
    MEMORY_S,
    SAME_HOPS,
)
from dsp.spectrum import FRAME, HOP, SINE

Samples = NDArray[np.float32]


Looks = NDArray[np.float64]


def looks(near: Samples, far: Samples) -> tuple[Looks, Looks]:
    """Of one leg (n,): power of each lag's sum over its expectation by chance, and how much the lag still holds, each (looks, LAGS)."""
    x, e = _whitened(_spectra(far)), _phases(_spectra(near))
    sums, chance, agreed, said = np.zeros((LAGS, BANDS), complex), np.zeros(LAGS), np.zeros(LAGS), np.zeros(LAGS)
    padded = np.concatenate((np.zeros((LAGS + GROUP, BANDS)), x))
    strength, holding = [], []
    for now in range(GROUP - 1, len(e), GROUP):
        recent = padded[now + 1 : now + 1 + LAGS + GROUP]  # the last of them is x[now]
        active = np.mean(np.abs(recent) ** 2) > 0.02
        forget = np.exp(-GROUP * HOP_S / MEMORY_S) if active else 1.0
        sums *= forget
        chance *= forget * forget
        fresh, energy = np.zeros((LAGS, BANDS), complex), np.zeros(LAGS)
        for back in range(GROUP):
            past = recent[::-1][back : back + LAGS]  # by lag
            fresh += past.conj() * e[now - back]
            energy += np.sum(np.abs(past) ** 2, axis=1)
        if active:
            power = np.maximum(np.sum(np.abs(sums) ** 2, axis=1), 1e-6)
            agreed = HOLD * agreed + 2 * chance * np.sum((sums.conj() * fresh).real, axis=1) / power
            said = HOLD * said + energy
        sums += fresh
        chance += energy
        strength.append(np.sum(np.abs(sums) ** 2, axis=1) / np.maximum(chance, 1))
        holding.append(np.clip(HOLDS * agreed / np.maximum(said, 1e-3), 0, 1))
    return np.array(strength), np.array(holding)


def delays_hops(strength: Looks, holding: Looks) -> NDArray[np.float64]:
    """What is known of the delay after each look (looks,), NaN while nothing is."""
    known, candidate, evidence = np.nan, -100.0, 0.0
    told = []
    for look, held in zip(strength, holding, strict=True):
        mean = LAGS / np.sum(1 / np.maximum(look, 0.05))
        excess = np.maximum(look - max(mean, 1.0), 0) * held
        best = int(np.argmax(excess))
        proof = min(look[best] / LEAST_STRENGTH, look[best] / (LEAST_CONTRAST * mean))
        if proof <= 1 or excess[best] < 1:
            candidate, evidence = -100.0, 0.0
        else:
            first = int(np.argmax(excess >= max(FIRST_PART * excess[best], 1.0)))
            pair = np.sqrt(excess[[first, min(first + 1, LAGS - 1)]])
            place = first + pair[1] / pair.sum()
            same = abs(place - candidate) <= SAME_HOPS
            candidate = candidate + 0.3 * (place - candidate) if same else place
            evidence = (evidence if same else 0.0) + min(proof, 2.0)
            if evidence >= ENOUGH_EVIDENCE:
                if abs(candidate - known) <= SAME_HOPS:
                    known += 0.1 * (candidate - known)
                elif np.isnan(known) or excess[best] > BEAT * excess[int(known) : int(known) + 2].max():
                    known = candidate
        told.append(known)
    return np.array(told)


def _spectra(x: Samples) -> NDArray[np.complex128]:
    padded = np.concatenate((np.zeros(HOP), x.astype(np.float64)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectra: NDArray[np.complex128] = np.fft.rfft(frames * SINE)[:, FIRST_BIN : FIRST_BIN + BIN_STEP * BANDS : BIN_STEP]
    return spectra


def _phases(spectra: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return spectra / np.sqrt(np.abs(spectra) ** 2 + 1e-12)


def _whitened(spectra: NDArray[np.complex128]) -> NDArray[np.complex128]:
    level, out = np.zeros(BANDS), np.empty_like(spectra)
    for t, frame in enumerate(spectra):
        power = np.abs(frame) ** 2
        level += np.where(power > level, 0.05, 0.005) * (power - level)
        out[t] = frame / np.sqrt(power + 0.3 * level + 1e-6)
    return out
