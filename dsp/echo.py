"""Echo cancellation: an adaptive filter learns the way from loudspeaker to microphone and takes what it predicts out of the near end.

A partitioned-block frequency-domain filter (Soo and Pang, *Multidelay block frequency domain adaptive filter*, 1990): the tail is cut into
partitions of one hop, each is one complex weight per bin, and overlap-save joins them. Each weight is the state of a Kalman filter of
its own (Enzner and Vary, *Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones*, 2006; its diagonal
partitioned form by Kuech, Mabande and Enzner, 2014), so the step is large while a weight is uncertain, and small while somebody near
talks, as then the error's own power stands in the denominator.

Almost no drift of the path is assumed, which keeps the weights still through minutes of double talk. A change of the path is noticed by a
second, short filter, the *shadow*: it predicts from the same far end what the first one leaves, and is as unsure as the first one's
weights are large, so it follows within a fraction of a second. While the path stays as it was it can predict nothing, near talk or not,
and stays beside; when it does predict, it holds just what the first filter's weights lack. They are then added to those, whose
uncertainty rises by as much, and the shadow starts again from nothing.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import (
    LANES,
    Array,
    both,
    fill,
    kernel,
    least,
    load,
    load_tile,
    most,
    reset_rows,
    root,
    row_indices,
    select,
    store,
    store_tile,
    tiles,
)
from dsp.spectrum import BINS, FRAME, HOP, WORK, forward, inverse

RATE_HZ = 16_000
SHADOW_HOPS = 8
CONSTRAINED = 2
"""Partitions per hop whose weights are brought back to the first half of a frame in time, in turn."""

DRIFT = np.float32(1 - 0.99998**2)
"""Part of a weight's power that the path may change by in a hop."""
SHADOW_DRIFT = np.float32(1 - 0.998**2)
SHADOW_DOUBT = np.float32(0.003)
"""The same for the shadow, and the part of the first filter's power by which that may be wrong since the last hop."""
LEARNT = np.float32(0.6)
"""How much of the textbook's loss of uncertainty is believed: neighbouring hops of speech tell less than independent ones."""
NEAR_SMOOTHING = np.float32(0.5)
ERROR_SMOOTHING = np.float32(0.93)
TAKEN_BELOW = np.float32(0.87)
"""The shadow's weights are taken over when they leave less than this part of the error, averaged over bins by the root of their power."""
JUDGED_BINS = (4, 120)
DOUBTED_BINS = (6, 100)
"""The voice's: 300-5,000 Hz."""
REST_HOPS = 5
WARM_UP_HOPS = 30
LOST_ABOVE = np.float32(8.0)
"""A filter that makes the near end so much stronger, in power over 0.1 s, begins anew."""
WELL_ABOVE, WELL_KEEPS = np.float32(0.98), np.float32(0.998)
CHANGED_BELOW, CHANGED_SHARE = np.float32(-0.4), np.float32(-0.35)
"""So does one that was once right, as its echo was what the microphone heard (correlation over 0.1 s, not long ago), and whose error is now
that echo turned round (correlation, and share of the echo): the path that it knows is gone. What is not learnt yet correlates the other
way, and somebody near hardly."""
EMPHASIS = np.float32(0.9)

_FIRST_LOSS = 0.1  # prior power of the first partition's weights
_DECAY = 10**-0.12  # from partition to partition: 60 dB in 0.5 s
_LEAST_LOSS = 1e-3  # of the last ones, over the first's
_TINY = np.float32(1e-12)
ENERGY_SMOOTHING = np.float32(0.9)
QUIET = np.float32(1e-5)
"""Energies of a hop's spectrum, and of a hop, that are nothing."""
# What is kept per bin, and per lane.
_NEAR, _SHADOW_NEAR, _DOUBT, _SHADOW_DOUBT, _LEFT, _SHADOW_LEFT = 0, 1, 2, 3, 4, 5
_AGE, _RIPE, _BEFORE, _AFTER, _CROSS, _TAKEN, _KEPT, _WELL, _FIGURES = 0, 1, 2, 3, 4, 5, 6, 7, 8


class EchoFilter:
    """Cancels the linear echo of ``capacity`` rows at 16 kHz, no delay. ``enabled`` bool (capacity,) switches per row; a tile of which
    no row is on costs nothing."""

    def __init__(self, capacity: int, *, tail_s: float = 0.25) -> None:
        self.enabled = np.ones(capacity, np.bool_)
        self._hops = max(SHADOW_HOPS, round(tail_s * RATE_HZ / HOP))
        self._prior = prior_power(self._hops)
        self._head = self._turn = 0
        count = tiles(capacity)
        self._far = np.zeros((count, 2, BINS, self._hops + 1, LANES), np.float32)
        self._weights = np.zeros((count, 3, BINS, self._hops, LANES), np.float32)
        self._shadow = np.zeros((count, 3, BINS, SHADOW_HOPS, LANES), np.float32)
        self._steps = np.zeros((count, 6, BINS, LANES), np.float32)
        self._powers = np.zeros((count, 6, BINS, LANES), np.float32)
        self._before = np.zeros((count, HOP, LANES), np.float32)
        self._figures = np.zeros((count, _FIGURES, LANES), np.float32)
        self._begin(np.arange(capacity))

    def process(self, near: Array, far: Array) -> tuple[Array, Array, Array]:
        """``near`` and ``far`` float32 (rows, 160 k), finite; returns what is left of ``near``, the echo taken out of it, and
        the doubt (rows, k): the power of the echo that may be left in each hop, as the weights' variance tells, in ``DOUBTED_BINS`` of a
        spectrum that is not normalised."""
        error, echo = near.copy(), np.zeros_like(near)
        doubt = np.zeros((len(near), near.shape[1] // HOP), np.float32)
        on = self.enabled[: len(near)]
        used = np.zeros(tiles(len(near)), np.bool_)
        used[np.flatnonzero(on) // LANES] = True
        self._head, self._turn = _cancel(
            near, far, error, echo, doubt, used, self._head, self._turn, self._prior,
            self._far, self._weights, self._shadow, self._steps, self._powers, self._before, self._figures,
        )  # fmt: skip
        error[~on], echo[~on], doubt[~on] = near[~on], 0, 0
        return error, echo, doubt

    def shift(self, rows: NDArray[np.generic], hops: int) -> None:
        """From now on the far end of ``rows`` (mask or indices) comes so many hops later (negative: earlier): what is known moves along."""
        index = row_indices(rows)
        order = (self._head + np.arange(self._hops + 1)) % (self._hops + 1)
        for tile, lane in zip(index // LANES, index % LANES, strict=True):
            self._far[tile, :, :, order, lane] = _moved(self._far[tile, :, :, order, lane], hops, np.zeros(1, np.float32))
            for state in (self._weights[tile], self._shadow[tile]):
                state[:2, ..., lane] = np.moveaxis(_moved(np.moveaxis(state[:2, ..., lane], -1, 0), hops, np.zeros(1, np.float32)), 0, -1)
                prior = self._prior[: state.shape[2], None]
                state[2, ..., lane] = _moved(state[2, ..., lane].T, hops, prior).T
            self._steps[tile, ..., lane] = 0

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to knowing nothing."""
        for state in (self._far, self._weights, self._shadow, self._steps, self._powers, self._before, self._figures):
            reset_rows(state, rows)
        self._begin(rows)

    def _begin(self, rows: NDArray[np.generic]) -> None:
        index = row_indices(rows)
        self._weights[index // LANES, 2, :, :, index % LANES] = self._prior
        self._shadow[index // LANES, 2, :, :, index % LANES] = self._prior[:SHADOW_HOPS]
        self._figures[index // LANES, _RIPE, index % LANES] = WARM_UP_HOPS


def prior_power(hops: int) -> Array:
    """What a partition's weights are expected to be before anything is known, (hops,): 10 dB of loss and a decay by 60 dB in 0.5 s."""
    return np.asarray(_FIRST_LOSS * np.maximum(_DECAY ** np.arange(hops), _LEAST_LOSS), np.float32)


def _moved(states: Array, hops: int, filler: Array) -> Array:
    """States (partitions, ...) by ``hops`` towards the first one, what comes in is ``filler``."""
    out = np.broadcast_to(filler.reshape(filler.shape + (1,) * (states.ndim - filler.ndim)), states.shape).copy()
    kept = max(0, len(states) - abs(hops))
    if hops >= 0:
        out[:kept] = states[len(states) - kept :]
    else:
        out[len(states) - kept :] = states[:kept]
    return out


@kernel
def _cancel(
    near: Array, far: Array, error: Array, echo: Array, doubt: Array, used: NDArray[np.bool_],
    first_head: int, first_turn: int, prior: Array,
    far_spectra: Array, weights: Array, shadow: Array, steps: Array, powers: Array, before: Array, figures: Array,
) -> tuple[int, int]:  # fmt: skip
    frame, work = np.zeros((FRAME, LANES), np.float32), np.empty(WORK, np.float32)
    heard, left = np.empty((HOP, LANES), np.float32), np.empty((HOP, LANES), np.float32)
    spectrum, rest = np.empty((2, BINS, LANES), np.float32), np.empty((2, BINS, LANES), np.float32)
    doubted = np.empty((1, LANES), np.float32)
    hops, ring = weights.shape[3], far_spectra.shape[3]
    head, turn = first_head, first_turn
    for tile in range(used.shape[0]):
        head, turn = first_head, first_turn
        for at in range(0, near.shape[1], HOP):
            head, turn = (head + ring - 1) % ring, (turn + CONSTRAINED) % hops
            if not used[tile]:
                continue
            load_tile(far, tile, at, heard)
            for n in range(HOP):
                store(frame, n, load(before, (tile, n)))
                store(frame, HOP + n, load(heard, n))
                store(before, (tile, n), load(heard, n))
            forward(frame, spectrum[0], spectrum[1], work)
            for k in range(BINS):
                store(far_spectra, (tile, 0, k, head), load(spectrum, (0, k)))
                store(far_spectra, (tile, 1, k, head), load(spectrum, (1, k)))
            for c in range(CONSTRAINED):
                _constrain(weights[tile], (turn + c) % hops, frame, spectrum, work)
            _predict(head, far_spectra[tile], weights[tile], shadow[tile], steps[tile], powers[tile], spectrum, rest)
            _tell_doubt(powers[tile], doubted)
            store_tile(doubt, tile, at // HOP, doubted)
            inverse(spectrum[0], spectrum[1], frame, work)
            load_tile(near, tile, at, heard)
            before_energy, after_energy = fill(0.0), fill(0.0)
            cross, taken, kept = fill(0.0), fill(0.0), fill(0.0)
            last_error, last_echo = fill(0.0), fill(0.0)
            for n in range(HOP):
                d, y = load(heard, n), load(frame, HOP + n)
                e = d - y
                before_energy += d * d
                after_energy += e * e
                sharp_error, sharp_echo = e - EMPHASIS * last_error, y - EMPHASIS * last_echo
                cross += sharp_error * sharp_echo
                taken += sharp_echo * sharp_echo
                kept += sharp_error * sharp_error
                last_error, last_echo = e, y
                store(left, n, e)
                store(heard, n, y)
            store_tile(error, tile, at, left)
            store_tile(echo, tile, at, heard)
            inverse(rest[0], rest[1], frame, work)
            for n in range(HOP):
                store(frame, n, fill(0.0))
                store(frame, HOP + n, load(left, n) - load(frame, HOP + n))
            forward(frame, rest[0], rest[1], work)
            for n in range(HOP):
                store(frame, HOP + n, load(left, n))
            forward(frame, spectrum[0], spectrum[1], work)
            _weigh(spectrum, rest, steps[tile], powers[tile])
            for part, value in ((_CROSS, cross), (_TAKEN, taken), (_KEPT, kept)):
                store(figures, (tile, part), ENERGY_SMOOTHING * load(figures, (tile, part)) + (1 - ENERGY_SMOOTHING) * value)
            _judge(before_energy, after_energy, prior, weights[tile], shadow[tile], steps[tile], powers[tile], figures[tile])
    return head, turn


@kernel
def _constrain(weights: Array, partition: int, frame: Array, spectrum: Array, work: Array) -> None:
    """The impulse response of a partition's weights becomes 0 in the second half of its frame; only then is circular convolution linear."""
    for k in range(BINS):
        store(spectrum, (0, k), load(weights, (0, k, partition)))
        store(spectrum, (1, k), load(weights, (1, k, partition)))
    inverse(spectrum[0], spectrum[1], frame, work)
    for n in range(HOP, FRAME):
        store(frame, n, fill(0.0))
    forward(frame, spectrum[0], spectrum[1], work)
    for k in range(BINS):
        store(weights, (0, k, partition), load(spectrum, (0, k)))
        store(weights, (1, k, partition), load(spectrum, (1, k)))


@kernel
def _predict(head: int, far: Array, weights: Array, shadow: Array, steps: Array, powers: Array, echo: Array, rest: Array) -> None:
    """One pass through the weights: correct them by the last hop's error, then predict this hop's echo and, by the shadow, the rest."""
    hops, ring = weights.shape[2], far.shape[2]
    for k in range(BINS):
        er, ei, known = load(steps, (0, k)), load(steps, (1, k)), load(steps, (2, k))
        fr, fi, shadow_known = load(steps, (3, k)), load(steps, (4, k)), load(steps, (5, k))
        yr, yi, doubt = fill(0.0), fill(0.0), fill(0.0)
        zr, zi, shadow_doubt = fill(0.0), fill(0.0), fill(0.0)
        slot = head
        xr, xi = load(far, (0, k, slot)), load(far, (1, k, slot))
        for p in range(hops):
            slot = slot + 1 if slot + 1 < ring else 0
            ur, ui = load(far, (0, k, slot)), load(far, (1, k, slot))
            wr, wi, variance = load(weights, (0, k, p)), load(weights, (1, k, p)), load(weights, (2, k, p))
            last_power, power = ur * ur + ui * ui, xr * xr + xi * xi
            wr += variance * (ur * er + ui * ei)
            wi += variance * (ur * ei - ui * er)
            weight_power = wr * wr + wi * wi
            variance = (1 - DRIFT) * variance * (1 - variance * last_power * known) + DRIFT * weight_power + _TINY
            store(weights, (0, k, p), wr)
            store(weights, (1, k, p), wi)
            store(weights, (2, k, p), variance)
            yr += wr * xr - wi * xi
            yi += wr * xi + wi * xr
            doubt += power * variance
            if p < SHADOW_HOPS:
                vr, vi, variance = load(shadow, (0, k, p)), load(shadow, (1, k, p)), load(shadow, (2, k, p))
                vr += variance * (ur * fr + ui * fi)
                vi += variance * (ur * fi - ui * fr)
                variance = (1 - SHADOW_DRIFT) * variance * (1 - variance * last_power * shadow_known) + _TINY
                variance += SHADOW_DRIFT * (vr * vr + vi * vi) + SHADOW_DOUBT * weight_power
                store(shadow, (0, k, p), vr)
                store(shadow, (1, k, p), vi)
                store(shadow, (2, k, p), variance)
                zr += vr * xr - vi * xi
                zi += vr * xi + vi * xr
                shadow_doubt += power * variance
            xr, xi = ur, ui
        store(echo, (0, k), yr)
        store(echo, (1, k), yi)
        store(rest, (0, k), zr)
        store(rest, (1, k), zi)
        store(powers, (_DOUBT, k), doubt)
        store(powers, (_SHADOW_DOUBT, k), shadow_doubt)


@kernel
def _tell_doubt(powers: Array, told: Array) -> None:
    total = fill(0.0)
    for k in range(DOUBTED_BINS[0], DOUBTED_BINS[1]):
        total += load(powers, (_DOUBT, k))
    store(told, 0, 0.5 * total)


@kernel
def _weigh(error: Array, rest: Array, steps: Array, powers: Array) -> None:
    """Kalman steps of both filters from the spectra of what they leave; half of the far end's power falls into the half of the frame
    that is not wrapped around."""
    for k in range(BINS):
        er, ei, fr, fi = load(error, (0, k)), load(error, (1, k)), load(rest, (0, k)), load(rest, (1, k))
        error_power, rest_power = er * er + ei * ei, fr * fr + fi * fi
        near = NEAR_SMOOTHING * load(powers, (_NEAR, k)) + (1 - NEAR_SMOOTHING) * error_power + _TINY
        shadow_near = NEAR_SMOOTHING * load(powers, (_SHADOW_NEAR, k)) + (1 - NEAR_SMOOTHING) * rest_power + _TINY
        step = 1 / (0.5 * load(powers, (_DOUBT, k)) + near)
        shadow_step = 1 / (0.5 * load(powers, (_SHADOW_DOUBT, k)) + shadow_near)
        store(steps, (0, k), er * step)
        store(steps, (1, k), ei * step)
        store(steps, (2, k), 0.5 * LEARNT * step)
        store(steps, (3, k), fr * shadow_step)
        store(steps, (4, k), fi * shadow_step)
        store(steps, (5, k), 0.5 * shadow_step)
        store(powers, (_NEAR, k), near)
        store(powers, (_SHADOW_NEAR, k), shadow_near)
        store(powers, (_LEFT, k), ERROR_SMOOTHING * load(powers, (_LEFT, k)) + (1 - ERROR_SMOOTHING) * error_power + _TINY)
        store(powers, (_SHADOW_LEFT, k), ERROR_SMOOTHING * load(powers, (_SHADOW_LEFT, k)) + (1 - ERROR_SMOOTHING) * rest_power + _TINY)


@kernel
def _judge(before: Array, after: Array, prior: Array, weights: Array, shadow: Array, steps: Array, powers: Array, figures: Array) -> None:
    """Where the shadow proves right, the weights get what it has learnt; where the filter makes things worse, it begins anew."""
    share, whole, energy = fill(0.0), fill(1e-9), fill(0.0)
    for k in range(JUDGED_BINS[0], JUDGED_BINS[1]):
        left = load(powers, (_LEFT, k))
        weight = root(left)
        share += weight * least(load(powers, (_SHADOW_LEFT, k)) / left, 2.0)
        whole += weight
        energy += left
    age = least(load(figures, _AGE) + 1.0, 1e6)
    taking = select(share < TAKEN_BELOW * whole, 1.0, 0.0)
    taking = select(energy > QUIET, taking, 0.0)
    taking = select(age > load(figures, _RIPE), taking, 0.0)
    near = ENERGY_SMOOTHING * load(figures, _BEFORE) + (1 - ENERGY_SMOOTHING) * before
    left = ENERGY_SMOOTHING * load(figures, _AFTER) + (1 - ENERGY_SMOOTHING) * after
    # written so that what is not a number is lost as well
    lost = select(left < LOST_ABOVE * near + QUIET, 0.0, 1.0)
    cross, taken, kept = load(figures, _CROSS), load(figures, _TAKEN), load(figures, _KEPT)
    heard = most(kept + 2.0 * cross + taken, 0.0)
    well = select(cross + taken > WELL_ABOVE * root(heard * taken) + QUIET, 1.0, WELL_KEEPS * load(figures, _WELL))
    bound = least(CHANGED_BELOW * root(taken * kept), CHANGED_SHARE * taken) - QUIET
    lost = select(both(cross < bound, well > 0.5), 1.0, lost)
    store(figures, _WELL, select(lost > 0.5, 0.0, well))
    taking = select(lost > 0.5, 0.0, taking)
    store(figures, _AGE, age)
    store(figures, _RIPE, select(taking > 0.5, age + REST_HOPS, load(figures, _RIPE)))
    store(figures, _BEFORE, near)
    store(figures, _AFTER, select(lost > 0.5, near, left))
    if _any(taking):
        _take_over(taking, prior, weights, shadow, steps, powers)
    if _any(lost):
        _begin_anew(lost, prior, weights, shadow, steps, powers)


@kernel
def _any(flags: Array) -> bool:
    seen = np.empty((1, LANES), np.float32)
    store(seen, 0, flags)
    for lane in range(LANES):  # noqa: SIM110 - the compiler knows no generators
        if seen[0, lane] > 0.5:
            return True
    return False


@kernel
def _take_over(taking: Array, prior: Array, weights: Array, shadow: Array, steps: Array, powers: Array) -> None:
    whole = np.float32(0.0)
    for p in range(prior.shape[0]):
        whole += prior[p]
    for k in range(BINS):
        left, rest = load(powers, (_LEFT, k)), load(powers, (_SHADOW_LEFT, k))
        right = both(taking > 0.5, rest < left)
        found = fill(0.0)
        for p in range(SHADOW_HOPS):
            vr, vi = load(shadow, (0, k, p)), load(shadow, (1, k, p))
            wr, wi, variance = load(weights, (0, k, p)), load(weights, (1, k, p)), load(weights, (2, k, p))
            power = vr * vr + vi * vi
            found += power
            store(weights, (0, k, p), select(right, wr + vr, wr))
            store(weights, (1, k, p), select(right, wi + vi, wi))
            store(weights, (2, k, p), select(right, most(variance, power), variance))
            store(shadow, (0, k, p), select(taking > 0.5, 0.0, vr))
            store(shadow, (1, k, p), select(taking > 0.5, 0.0, vi))
        # what the shadow cannot see of the tail is as doubtful, in the proportions of a decaying room
        scale = least(found / whole, 1.0)
        for p in range(prior.shape[0]):
            variance = load(weights, (2, k, p))
            store(weights, (2, k, p), select(right, most(variance, scale * prior[p]), variance))
        store(powers, (_SHADOW_LEFT, k), select(taking > 0.5, left, rest))
        for part in range(6):  # steps belong to the uncertainty they were computed with
            store(steps, (part, k), select(taking > 0.5, 0.0, load(steps, (part, k))))


@kernel
def _begin_anew(lost: Array, prior: Array, weights: Array, shadow: Array, steps: Array, powers: Array) -> None:
    for k in range(BINS):
        for part in range(6):
            store(steps, (part, k), select(lost > 0.5, 0.0, load(steps, (part, k))))
            store(powers, (part, k), select(lost > 0.5, 0.0, load(powers, (part, k))))
        for p in range(prior.shape[0]):
            store(weights, (0, k, p), select(lost > 0.5, 0.0, load(weights, (0, k, p))))
            store(weights, (1, k, p), select(lost > 0.5, 0.0, load(weights, (1, k, p))))
            variance = load(weights, (2, k, p))
            store(weights, (2, k, p), select(lost > 0.5, prior[p], variance))
        for p in range(SHADOW_HOPS):
            store(shadow, (0, k, p), select(lost > 0.5, 0.0, load(shadow, (0, k, p))))
            store(shadow, (1, k, p), select(lost > 0.5, 0.0, load(shadow, (1, k, p))))
            variance = load(shadow, (2, k, p))
            store(shadow, (2, k, p), select(lost > 0.5, prior[p], variance))
