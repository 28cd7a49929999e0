"""The echo filter as its docstring tells it: numpy, complex numbers, one leg, hop by hop, double precision."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dsp.echo import (
    CHANGED_BELOW,
    CHANGED_SHARE,
    CONSTRAINED,
    DRIFT,
    EMPHASIS,
    ENERGY_SMOOTHING,
    ERROR_SMOOTHING,
    JUDGED_BINS,
    LEARNT,
    LOST_ABOVE,
    NEAR_SMOOTHING,
    QUIET,
    REST_HOPS,
    SHADOW_DOUBT,
    SHADOW_DRIFT,
    SHADOW_HOPS,
    TAKEN_BELOW,
    WARM_UP_HOPS,
    WELL_ABOVE,
    WELL_KEEPS,
    prior_power,
)
from dsp.spectrum import BINS, FRAME, HOP

Samples = NDArray[np.float32]
Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


class Kalman:
    """Weights (partitions, bins), each with its variance: what one hop's error teaches them."""

    def __init__(self, prior: Real, drift: float, learnt: float) -> None:
        self.weights = np.zeros((len(prior), BINS), complex)
        self.variance = np.repeat(prior[:, None], BINS, axis=1)
        self.near = np.zeros(BINS)
        self.drift, self.learnt = float(drift), float(learnt)

    def predict(self, far: Complex) -> Complex:
        self.far = far[: len(self.weights)]
        self.doubt = np.sum(np.abs(self.far) ** 2 * self.variance, axis=0)
        return np.asarray(np.sum(self.weights * self.far, axis=0))

    def weigh(self, error: Complex) -> None:
        self.near = NEAR_SMOOTHING * self.near + (1 - NEAR_SMOOTHING) * np.abs(error) ** 2 + 1e-12
        self.step = 1 / (self.doubt / 2 + self.near)

    def correct(self, error: Complex) -> None:
        """By an ``error`` of 0 where nothing is to be learnt."""
        step = self.step if error.any() else 0.0
        self.weights = self.weights + self.variance * self.far.conj() * error * step
        known = self.learnt / 2 * self.variance * np.abs(self.far) ** 2 * step
        self.variance = (1 - self.drift) * self.variance * (1 - known) + self.drift * np.abs(self.weights) ** 2 + 1e-12


def cancelled(near: Samples, far: Samples, partitions: int = 25) -> Iterator[tuple[Real, Real, str]]:
    """Of one leg (n,): what is left of each hop, the echo taken out of it, and "taken" over the shadow's weights, begun "anew", or ""."""
    prior = prior_power(partitions).astype(float)
    main, shadow = Kalman(prior, DRIFT, LEARNT), Kalman(prior[:SHADOW_HOPS], SHADOW_DRIFT, 1.0)
    spectra = np.zeros((partitions, BINS), complex)
    left = shadow_left = np.zeros(BINS)
    before, turn, ripe, energy, kept = np.zeros(HOP), CONSTRAINED, WARM_UP_HOPS, 0.0, 0.0
    cross, well = np.zeros((2, 2)), 0.0
    for age, at in enumerate(range(0, len(near), HOP), 1):
        d, x = near[at : at + HOP].astype(float), far[at : at + HOP].astype(float)
        spectra = np.concatenate((np.fft.rfft(np.concatenate((before, x)))[None], spectra[:-1]))
        before = x
        y = np.fft.irfft(main.predict(spectra), FRAME)[HOP:]
        e = d - y
        rest = e - np.fft.irfft(shadow.predict(spectra), FRAME)[HOP:]
        error, shadow_error = _late(e), _late(rest)
        left = ERROR_SMOOTHING * left + (1 - ERROR_SMOOTHING) * np.abs(error) ** 2 + 1e-12
        shadow_left = ERROR_SMOOTHING * shadow_left + (1 - ERROR_SMOOTHING) * np.abs(shadow_error) ** 2 + 1e-12
        energy = ENERGY_SMOOTHING * energy + (1 - ENERGY_SMOOTHING) * np.sum(d * d)
        kept = ENERGY_SMOOTHING * kept + (1 - ENERGY_SMOOTHING) * np.sum(e * e)
        judged = slice(*JUDGED_BINS)
        weight = np.sqrt(left[judged])
        better = np.sum(weight * np.minimum(shadow_left[judged] / left[judged], 2)) < TAKEN_BELOW * (np.sum(weight) + 1e-9)
        sharp = np.stack([one - EMPHASIS * np.concatenate(([0], one[:-1])) for one in (e, y)])
        cross = ENERGY_SMOOTHING * cross + (1 - ENERGY_SMOOTHING) * sharp @ sharp.T
        heard = np.array((1, 1)) @ cross @ np.array((1, 1))
        well = 1.0 if cross[0, 1] + cross[1, 1] > WELL_ABOVE * np.sqrt(heard * cross[1, 1]) + QUIET else well * WELL_KEEPS
        turned = min(CHANGED_BELOW * np.sqrt(cross[0, 0] * cross[1, 1]), CHANGED_SHARE * cross[1, 1]) - QUIET
        lost = kept >= LOST_ABOVE * energy + QUIET or (cross[0, 1] < turned and well > 0.5)
        taking = better and np.sum(left[judged]) > QUIET and age > ripe and not lost
        main.weigh(error)
        shadow.weigh(shadow_error)
        if taking:
            _take_over(main, shadow, prior, shadow_left < left)
            shadow_left, ripe = left, age + REST_HOPS
        elif lost:
            for one in (main, shadow):
                one.weights[:], one.near[:] = 0, 0
                one.variance = np.repeat(prior[: len(one.weights), None], BINS, axis=1)
            left, shadow_left, kept, well = np.zeros(BINS), np.zeros(BINS), energy, 0.0
        turn = (turn + CONSTRAINED) % partitions
        _constrain(main, [(turn + c) % partitions for c in range(CONSTRAINED)])
        still = taking or lost
        main.correct(np.zeros(BINS) if still else error)
        shadow.correct(np.zeros(BINS) if still else shadow_error)
        shadow.variance += SHADOW_DOUBT * np.abs(main.weights[:SHADOW_HOPS]) ** 2
        yield e, y, "taken" if taking else "anew" if lost else ""


def _late(hop: Real) -> Complex:
    return np.asarray(np.fft.rfft(np.concatenate((np.zeros(HOP), hop))))


def _constrain(main: Kalman, partitions: list[int]) -> None:
    response = np.fft.irfft(main.weights[partitions], FRAME, axis=1)
    response[:, HOP:] = 0
    main.weights[partitions] = np.fft.rfft(response, axis=1)


def _take_over(main: Kalman, shadow: Kalman, prior: Real, right: NDArray[np.bool_]) -> None:
    found = np.abs(shadow.weights) ** 2
    main.weights[:SHADOW_HOPS] += np.where(right, shadow.weights, 0)
    main.variance[:SHADOW_HOPS] = np.where(right, np.maximum(main.variance[:SHADOW_HOPS], found), main.variance[:SHADOW_HOPS])
    scale = np.minimum(found.sum(axis=0) / prior.sum(), 1)
    main.variance = np.where(right, np.maximum(main.variance, scale * prior[:, None]), main.variance)
    shadow.weights[:] = 0
