"""A small recurrent network that takes noise and residual echo out of speech: one gain per bin and hop, sixteen rows side by side.

What it was trained on, what it reaches and where it ends is in ``suppressor.md`` beside its weights.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import LANES, Array, exp2, fill, kernel, least, load, load_tile, log2, most, reset_rows, store, store_tile, tiles
from dsp.spectrum import BINS
from dsp.suppress import LogSpectralSuppressor
from ml.features import INPUTS, describe

_LEAST = np.float32(1e-3)
_LOG2_OF_E = np.float32(np.log2(np.e))
_POWER_LEAST, _POWER_MOST = np.float32(1e-9), np.float32(1e12)
_VOICE = (5, 80)
"""Bins from 250 to 4,000 Hz."""
_SHARES_STEP = np.float32(0.005)
_CLEAN = (2 / 3.0103, 6 / 3.0103)
"""Kept over taken power, powers of two: where the classical gains begin to have more say, and where they have all."""
_HELD = np.float32(0.985)
"""Of the probability of speech, from hop to hop: weak ends of words are not taken for speech by themselves."""
_AT_ONCE = 8
"""Outputs of a product that are summed up in registers at the same time."""
_WEIGHTS = Path(__file__).with_name("suppressor.npz")


class Suppressor:
    """Gains against noise and residual echo for ``capacity`` rows; ``speech`` float32 (capacity,) is the last hop's probability of speech,
    ``cautious`` float32 (rows, 161) its gains against noise alone.

    A dense layer, two gated recurrent layers (Cho et al. 2014, with the candidate's reset gate after the product), and a sigmoid per bin
    of what they say plus, weighted, power and height over the floor of that very bin (:mod:`ml.features`) and what the classical
    suppressor says of it: that one knows how to estimate, this one knows what speech and noise are like.
    """

    def __init__(self, capacity: int, weights: Path = _WEIGHTS) -> None:
        self._w = _load(weights)
        self._hidden = hidden = self._w["first_state_bias"].shape[0]
        self._classical = LogSpectralSuppressor(capacity)
        count = tiles(capacity)
        self._level = np.zeros((count, 1, LANES), np.float32)
        self._floor, self._height, self._odds = np.zeros((3, count, BINS, LANES), np.float32)
        self._inputs = np.zeros((count, INPUTS, LANES), np.float32)
        # above each other, as each layer takes two neighbours: what enters, the first layer's state, the second's
        self._units = np.zeros((count, 3 * hidden, LANES), np.float32)
        self._gates = np.zeros((count, 2 * hidden, LANES), np.float32)
        self._by_input, self._by_state = np.zeros((2, count, hidden, LANES), np.float32)
        self._out = np.zeros((count, len(self._w["leave_bias"]), LANES), np.float32)
        self._speech = np.zeros((count, 1, LANES), np.float32)
        self._shares = np.zeros((count, 3, LANES), np.float32)
        self._states = (self._level, self._floor, self._units, self._speech, self._shares)
        self.cautious: Array | None = None
        self.speech: Array = self._speech.reshape(-1)[:capacity]

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Bring ``rows`` (mask (capacity,) or indices) to their first state."""
        self._classical.reset(rows)
        for state in self._states:
            reset_rows(state, rows)

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Gains in 0 to 1, float32 (rows, 161), of this hop.

        ``near_power`` and ``echo_power`` float32 (rows, 161), of the first ``rows`` <= capacity rows, are powers of the near signal and of
        the echo estimate (zeros where there is none): of un-normalised 320-point spectra under a 20 ms sine window, 10 ms hop, 16 kHz,
        full scale ±1.
        """
        rows, w = len(near_power), self._w
        count = tiles(rows)
        self.cautious = classical = self._classical.gains(near_power, echo_power)
        gains = np.empty((rows, BINS), np.float32)
        inputs, units, gates, out = self._inputs[:count], self._units[:count], self._gates[:count], self._out[:count]
        by_input, by_state = self._by_input[:count], self._by_state[:count]
        describe(near_power, echo_power, classical, self._level, self._floor, inputs, self._height, self._odds)
        _product(w["enter_weight"], w["enter_bias"], inputs, 0, by_input)
        _enter(by_input, units)
        for at, layer in ((0, "first"), (self._hidden, "second")):
            _product(w[f"{layer}_gates"], w[f"{layer}_gates_bias"], units, at, gates)
            _product(w[f"{layer}_input"], w[f"{layer}_input_bias"], units, at, by_input)
            _product(w[f"{layer}_state"], w[f"{layer}_state_bias"], units, at + self._hidden, by_state)
            _step(gates, by_input, by_state, units, at + self._hidden)
        _product(w["leave_weight"], w["leave_bias"], units, self._hidden, out)
        _leave(near_power, out, inputs, self._height, self._odds, w["own"], classical, self._speech, self._shares, gains)
        if rows % LANES:
            for state in self._states:
                state[count - 1, :, rows % LANES :] = 0
        return gains


@kernel
def _product(weights: Array, bias: Array, x: Array, first: int, out: Array) -> None:
    """``out`` (tiles, n, LANES) = bias (n,) + weights (n / 8, k, 8) times ``x`` (tiles, ..., LANES) from ``first`` on.

    Each weight is read once for all rows.
    """
    for block in range(weights.shape[0]):
        to = _AT_ONCE * block
        for tile in range(out.shape[0]):
            a, b, c, d = fill(bias[to]), fill(bias[to + 1]), fill(bias[to + 2]), fill(bias[to + 3])
            e, f, g, h = fill(bias[to + 4]), fill(bias[to + 5]), fill(bias[to + 6]), fill(bias[to + 7])
            for k in range(weights.shape[1]):
                value = load(x, (tile, first + k))
                a += weights[block, k, 0] * value
                b += weights[block, k, 1] * value
                c += weights[block, k, 2] * value
                d += weights[block, k, 3] * value
                e += weights[block, k, 4] * value
                f += weights[block, k, 5] * value
                g += weights[block, k, 6] * value
                h += weights[block, k, 7] * value
            store(out, (tile, to), a)
            store(out, (tile, to + 1), b)
            store(out, (tile, to + 2), c)
            store(out, (tile, to + 3), d)
            store(out, (tile, to + 4), e)
            store(out, (tile, to + 5), f)
            store(out, (tile, to + 6), g)
            store(out, (tile, to + 7), h)


@kernel
def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + exp2(-_LOG2_OF_E * x))


@kernel
def _tanh(x: Array) -> Array:
    return 2.0 * _sigmoid(x + x) - 1.0


@kernel
def _enter(entering: Array, units: Array) -> None:
    for tile in range(units.shape[0]):
        for j in range(entering.shape[1]):
            store(units, (tile, j), _tanh(load(entering, (tile, j))))


@kernel
def _step(gates: Array, by_input: Array, by_state: Array, units: Array, at: int) -> None:
    """One step of a gated layer whose states (hidden) stand in ``units`` from ``at`` on; ``gates`` are reset and update."""
    hidden = by_state.shape[1]
    for tile in range(units.shape[0]):
        for j in range(hidden):
            reset, update = _sigmoid(load(gates, (tile, j))), _sigmoid(load(gates, (tile, hidden + j)))
            candidate = _tanh(load(by_input, (tile, j)) + reset * load(by_state, (tile, j)))
            store(units, (tile, at + j), candidate + update * (load(units, (tile, at + j)) - candidate))


@kernel
def _leave(
    power: Array, out: Array, inputs: Array, height: Array, odds: Array, own: Array, classical: Array,
    speech: Array, shares: Array, gains: Array,
) -> None:  # fmt: skip
    """The network's gains and the classical ones, joined: the former are too smooth over the bins, the latter too restless in time.

    While there is speech, and for a moment after it, each has half a say; where the network has lately kept more than it took, the
    classical ones have the more of it, as they do no harm to speech in little noise. ``shares``: kept power, taken power, speech held.
    """
    near, gain, learned = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    for tile in range(out.shape[0]):
        load_tile(power, tile, 0, near)
        load_tile(classical, tile, 0, gain)
        talking = _sigmoid(load(out, (tile, BINS)))
        store(speech, (tile, 0), talking)
        kept, taken = fill(0.0), fill(0.0)
        for k in range(BINS):
            x = load(out, (tile, k)) + own[0, k] * load(height, (tile, k))
            x += own[1, k] * load(inputs, (tile, k)) + own[2, k] * load(odds, (tile, k))
            one = most(_sigmoid(x), _LEAST)
            store(learned, k, log2(one))
            if _VOICE[0] <= k < _VOICE[1]:
                here = least(load(near, k), _POWER_MOST)
                kept += one * one * here
                taken += (1.0 - one * one) * here
        kept_before, taken_before = load(shares, (tile, 0)), load(shares, (tile, 1))
        kept = kept_before + _SHARES_STEP * (kept - kept_before)
        taken = taken_before + _SHARES_STEP * (taken - taken_before)
        store(shares, (tile, 0), kept)
        store(shares, (tile, 1), taken)
        ratio = log2(kept + _POWER_LEAST) - log2(taken + _POWER_LEAST)
        clean = least(most((ratio - _CLEAN[0]) * (1 / (_CLEAN[1] - _CLEAN[0])), 0.0), 1.0)
        heard = most(talking, _HELD * load(shares, (tile, 2)))
        store(shares, (tile, 2), heard)
        share = heard * (0.5 + 0.5 * clean)
        for k in range(BINS):
            one = load(learned, k)
            store(gain, k, least(exp2(one + share * (log2(load(gain, k)) - one)), 1.0))
        store_tile(gains, tile, 0, gain)


@cache
def _load(path: Path) -> dict[str, Array]:
    """The stored float16 weights as float32, the matrices (k, n) in blocks (n / 8, k, 8) with n filled up by zeros.

    Stored are gates reset and update, then the candidate's two products.
    """
    with np.load(path) as stored:
        w = {name: stored[name].astype(np.float32) for name in stored.files}
    w["own"] = np.stack([w.pop(f"{name}_weight") for name in ("height", "power", "prior")])
    filling = -len(w["leave_bias"]) % _AT_ONCE
    w["leave_bias"], w["leave_weight"] = np.pad(w["leave_bias"], (0, filling)), np.pad(w["leave_weight"], ((0, 0), (0, filling)))
    for name, matrix in w.items():
        if matrix.ndim == 2 and name != "own":
            w[name] = np.ascontiguousarray(matrix.reshape(len(matrix), -1, _AT_ONCE).transpose(1, 0, 2))
    return w
