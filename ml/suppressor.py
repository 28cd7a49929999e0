"""A small recurrent network that takes noise and residual echo out of speech: one gain per bin and hop, many rows in one matrix product.

What it was trained on, what it reaches and where it ends is in ``suppressor.md`` beside its weights.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsp.suppress import LogSpectralSuppressor
from ml.features import BINS, INPUTS, Array, describe

TILE = 64
"""Rows go through the matrix products so many at a time, the last ones padded: a product's rounding depends on its shape, so the shape
is always the same and a row's result never depends on how many others there are."""
_LEAST = np.float32(1e-3)
_WEIGHTS = Path(__file__).with_name("suppressor.npz")


class Suppressor:
    """Gains against noise and residual echo for ``capacity`` rows; ``speech`` float32 (capacity,) is the last hop's probability of speech.

    A dense layer, two gated recurrent layers (Cho et al. 2014, with the candidate's reset gate after the product), and a sigmoid per bin
    of what they say plus, weighted, power and height over the floor of that very bin (:mod:`ml.features`) and what the classical
    suppressor says of it: that one knows how to estimate, this one knows what speech and noise are like.
    """

    def __init__(self, capacity: int, weights: Path = _WEIGHTS) -> None:
        self._w = _load(weights)
        self._capacity = capacity
        self._hidden = len(self._w["enter_bias"])
        self._classical = LogSpectralSuppressor(capacity)
        tiles = -(-capacity // TILE)
        self._level = np.zeros(tiles * TILE, np.float32)
        self._floor = np.zeros((tiles * TILE, BINS), np.float32)
        # side by side, as each layer takes two neighbours: what enters, the first layer's state, the second's
        self._units = np.zeros((tiles * TILE, 3 * self._hidden), np.float32)
        self._out = np.zeros((tiles * TILE, BINS + 1), np.float32)
        self._inputs = np.zeros((TILE, INPUTS), np.float32)
        self._height = np.zeros((TILE, BINS), np.float32)
        self._padded = np.zeros((3, TILE, BINS), np.float32)
        self.speech: Array = self._out[:capacity, BINS]

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Bring ``rows`` (mask (capacity,) or indices) to their first state."""
        self._classical.reset(rows)
        for state in (self._level, self._floor, self._units, self._out):
            state[: self._capacity][rows] = 0

    def gains(self, near_power: Array, echo_power: Array) -> Array:
        """Gains in 0 to 1, float32 (rows, 161), of this hop.

        ``near_power`` and ``echo_power`` float32 (rows, 161), of the first ``rows`` <= capacity rows, are powers of the near signal and of
        the echo estimate (zeros where there is none): of un-normalised 320-point spectra under a 20 ms sine window, 10 ms hop, 16 kHz,
        full scale ±1.
        """
        rows = len(near_power)
        prior = self._classical.gains(near_power, echo_power)
        classical = np.log(prior)
        for at in range(0, rows, TILE):
            tile = slice(at, at + TILE)
            self._tile(tile, near_power[tile], echo_power[tile], prior[tile])
        padding = slice(rows, -(-rows // TILE) * TILE)
        for state in (self._level, self._floor, self._units, self._out):
            state[padding] = 0
        # where there is speech each has half a say: the network's gains are too smooth over the bins, the other's too restless in time
        share = np.float32(0.5) * self.speech[:rows, None]
        learned = np.log(np.maximum(self._out[:rows, :BINS], _LEAST))
        gains: Array = np.exp(learned + share * (classical - learned))
        return gains

    def _tile(self, tile: slice, near_power: Array, echo_power: Array, prior: Array) -> None:
        w, hidden = self._w, self._hidden
        if (rows := len(near_power)) < TILE:
            self._padded[:, rows:] = 0.5
            self._padded[:, :rows] = near_power, echo_power, prior
            near_power, echo_power, prior = self._padded
        inputs, height = self._inputs, self._height
        describe(near_power, echo_power, prior, self._level[tile], self._floor[tile], inputs, height)
        units, out = self._units[tile], self._out[tile]
        entering = units[:, :hidden]
        np.matmul(inputs, w["enter_weight"], out=entering)
        entering += w["enter_bias"]
        np.tanh(entering, out=entering)
        self._gated(units[:, : 2 * hidden], "first")
        self._gated(units[:, hidden:], "second")
        np.matmul(units[:, hidden:], w["leave_weight"], out=out)
        out += w["leave_bias"]
        for own, weight in ((height, "height_weight"), (inputs[:, :BINS], "power_weight"), (prior, "prior_weight")):
            own *= w[weight]
            out[:, :BINS] += own
        np.tanh(out, out=out)
        out += np.float32(1)
        out *= np.float32(0.5)

    def _gated(self, units: Array, layer: str) -> None:
        """One step of a layer whose input and state are the halves of ``units`` (TILE, 2 hidden)."""
        w, hidden = self._w, self._hidden
        given, state = units[:, :hidden], units[:, hidden:]
        gates = units @ w[f"{layer}_gates"]
        gates += w[f"{layer}_gates_bias"]
        np.tanh(gates, out=gates)
        gates += np.float32(1)
        new = state @ w[f"{layer}_state"]
        new += w[f"{layer}_state_bias"]
        new *= gates[:, :hidden]
        new += given @ w[f"{layer}_input"]
        new += w[f"{layer}_input_bias"]
        np.tanh(new, out=new)
        new -= state
        new *= gates[:, hidden:]
        new *= np.float32(0.5)
        state += new


@cache
def _load(path: Path) -> dict[str, Array]:
    """The stored float16 weights as float32, gates prepared for ``sigmoid(x) = (1 + tanh(x / 2)) / 2``.

    Stored are gates reset and update, then the candidate's two products; here the update gate is turned round to say what is new.
    """
    with np.load(path) as stored:
        w = {name: stored[name].astype(np.float32) for name in stored.files}
    for name in ("leave_weight", "leave_bias", "height_weight", "power_weight", "prior_weight"):
        w[name] *= np.float32(0.5)
    hidden = len(w["enter_bias"])
    for layer in ("first", "second"):
        for name in (f"{layer}_gates", f"{layer}_gates_bias"):
            w[name][..., :hidden] *= np.float32(0.5)
            w[name][..., hidden:] *= np.float32(-0.5)
        for name in (f"{layer}_state", f"{layer}_state_bias"):
            w[name] *= np.float32(0.5)
    return w
