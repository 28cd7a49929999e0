"""Residual echo: what the adaptive filter leaves, told from the near end and lowered, per bin and as a whole.

Three things are known of a hop: the power E that the filter leaves, that of the echo Y it has taken out, and how much echo it expects
to have left (its *doubt*: the sum of the far end's power times the weights' variance).

- *Per bin* the echo left is the held power of Y times a leak, learnt as the mean logarithm of E over Y while nobody near talks. The gain is
  that of the log-spectral amplitude (Ephraim and Malah, IEEE TASSP 33(2), 1985) with a decision-directed ratio (the same, 1984).
- *As a whole*, the level of E over Y in the voice's bins falls into two heaps: echo alone (within some 9 dB above its median) and near
  talk (above). The lower heap is followed by a low quantile, which stays at its place however much of the time somebody near talks, and
  rises quickly only while the filter itself is in doubt. What lies above opens the gate at once; while it is closed,
  everything sinks to what the noise suppressor makes of the background.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import (
    LANES,
    Array,
    exp2,
    fill,
    kernel,
    least,
    load,
    load_tile,
    log2,
    most,
    reset_rows,
    root,
    select,
    store,
    store_tile,
    tiles,
)
from dsp.spectrum import BINS

_DB = 3.0103  # per power of two
VOICE_BINS = (6, 100)
"""300-5,000 Hz: where near talk is told from echo."""
_HELD, _SMOOTH, _NOISE, _CLEAN, _LEAK, _STATES = 0, 1, 2, 3, 4, 5
_ECHO_HELD, _LEVEL, _OPEN, _TALK, _BEGUN, _BOTH, _FIGURES = 0, 1, 2, 3, 4, 5, 6

LEAST_POWER = 1e-9
LEAST_ECHO, LEAST_FOLLOWED = 1e-7, 1e-5
"""Power in the voice's bins that counts as an echo at all, and from which one is learnt."""
BIN_HOLD, WHOLE_HOLD = 0.6, 0.87
"""What is kept of an echo's power per hop: a room's tail, per bin and over all bins."""
SMOOTHING, NOISE_RISE, NOISE_FALL = 0.4, 1.008, 0.2
"""The background is the slow minimum of the smoothed power: 3.4 dB/s upwards."""
MARGIN, RAMP = 7 / _DB, 8 / _DB
"""Over the low quantile of echo alone: where the gate begins to open, and until it is open."""
STEP, QUANTILE, PULL = 0.5 / _DB, 0.2, 0.04
CREEP, BEYOND = 0.012 / _DB, 2 / _DB
"""How the quantile follows: a step per hop, and part of the way down; so slowly upwards where more than echo is heard."""
LEAST_LEVEL, MOST_LEVEL = -34 / _DB, 6 / _DB
"""Near talk that is this much and the margin below the echo is masked by it anyway."""
DOUBT = 2.0
TALK_STEP, HOLD, LONGER_HOLD = 0.1, 0.96, 0.985
"""What the open gate keeps from hop to hop after a first moment of near talk, and after much of it."""
FAINT, CLEAR = -30 / _DB, -15 / _DB
"""Echo heard over what is left, from where on it counts in double talk, and from where on fully."""
LEAK_STEP, LEAK_JUMP = 0.05, 4.3
BIAS = 2.0
"""The mean logarithm of such powers lies below the logarithm of their mean, and some is left to be safe."""
DIRECTED_KEEP, LEAST_RATIO = 0.9, 0.003
LEAST_GAIN = 0.05
CLOSED = 0.075
COMFORT = 0.1
"""What noise suppression leaves of the background: nothing need sink below it."""


class ResidualEcho:
    """Gains against residual echo for ``capacity`` rows; of them and those against noise the lesser holds."""

    def __init__(self, capacity: int) -> None:
        count = tiles(capacity)
        self._bins = np.zeros((count, _STATES, BINS, LANES), np.float32)
        self._figures = np.zeros((count, _FIGURES, LANES), np.float32)
        self._capacity = capacity

    @property
    def double_talk(self) -> Array:
        """How surely somebody near talked while there was echo in the last hop, 0-1, float32 (capacity,)."""
        return self._figures[:, _BOTH].reshape(-1)[: self._capacity]

    def gains(self, near_power: Array, echo_power: Array, mic_power: Array, doubt: Array) -> Array:
        """Gains 0-1 (rows, 161) of one hop, rows <= capacity.

        ``near_power``, ``echo_power`` float32 (rows, 161): |rfft|² of 320 sine-windowed samples of what the echo filter left and took out,
        full scale 1, and (``mic_power``) their sum; ``doubt`` float32 (rows,): the power that it expects to have left in ``VOICE_BINS``.
        """
        gains = np.empty_like(near_power)
        _estimate(near_power, echo_power, mic_power, doubt, self._bins, self._figures, gains)
        return gains

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to knowing nothing of their echo."""
        reset_rows(self._bins, rows)
        reset_rows(self._figures, rows)


@kernel
def _estimate(near_power: Array, echo_power: Array, mic_power: Array, doubt: Array, bins: Array, figures: Array, gains: Array) -> None:
    power, echo, mic = np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32), np.empty((BINS, LANES), np.float32)
    expected = np.zeros((1, LANES), np.float32)
    for tile in range(tiles(near_power.shape[0])):
        load_tile(near_power, tile, 0, power)
        load_tile(echo_power, tile, 0, echo)
        load_tile(mic_power, tile, 0, mic)
        for lane in range(LANES):
            row = tile * LANES + lane
            expected[0, lane] = doubt[row] if row < doubt.shape[0] else 0.0
        _follow(power, echo, mic, bins[tile], figures[tile], expected)
        _gain(power, bins[tile], load(figures, (tile, _OPEN)), load(expected, 0))
        store_tile(gains, tile, 0, power)


@kernel
def _follow(power: Array, echo: Array, mic: Array, bins: Array, figures: Array, doubt: Array) -> None:
    """Noise and held echo per bin, and the gate; ``doubt`` (1, LANES) becomes how far the hop is to be closed."""
    fresh = load(figures, _BEGUN) < 0.5
    store(figures, _BEGUN, fill(1.0))
    left, background, heard, sent = fill(LEAST_POWER), fill(LEAST_POWER), fill(0.0), fill(LEAST_POWER)
    for k in range(BINS):
        here, predicted = most(load(power, k), LEAST_POWER), load(echo, k)
        store(power, k, here)
        smooth = load(bins, (_SMOOTH, k))
        smooth = select(fresh, here, smooth + SMOOTHING * (here - smooth))
        noise = load(bins, (_NOISE, k))
        noise = select(smooth > noise, least(noise * NOISE_RISE, smooth), noise + NOISE_FALL * (smooth - noise))
        noise = select(fresh, here, noise)
        store(bins, (_SMOOTH, k), smooth)
        store(bins, (_NOISE, k), noise)
        store(bins, (_HELD, k), most(predicted, BIN_HOLD * load(bins, (_HELD, k))))
        if VOICE_BINS[0] <= k < VOICE_BINS[1]:
            left += here
            sent += load(mic, k)
            background += noise
            heard += predicted
    heard = most(heard, WHOLE_HOLD * load(figures, _ECHO_HELD))
    store(figures, _ECHO_HELD, heard)
    whole = heard + LEAST_ECHO
    level = load(figures, _LEVEL)
    doubted = DOUBT * load(doubt, 0)
    echoed = whole * exp2(level + MARGIN)
    talk = log2(least(left, sent) / (most(echoed, doubted) + background)) * (1 / RAMP)
    talk = least(most(talk, 0.0), 1.0)
    mean = load(figures, _TALK) + TALK_STEP * (talk - load(figures, _TALK))
    held = HOLD + (LONGER_HOLD - HOLD) * least(2.0 * mean, 1.0)
    opened = most(talk, held * load(figures, _OPEN))
    store(figures, _TALK, mean)
    store(figures, _OPEN, opened)
    present = (log2(heard / left) - FAINT) * (1 / (CLEAR - FAINT))
    store(figures, _BOTH, opened * least(most(present, 0.0), 1.0))
    store(doubt, 0, (1.0 - opened) * least((echoed + doubted) / background, 1.0))
    above = log2(left / whole) - level
    rise = select(above < MARGIN + BEYOND, STEP * QUANTILE, CREEP)
    rise = select(doubted > left, STEP * QUANTILE, rise)
    step = select(above < 0.0, PULL * above - STEP * (1 - QUANTILE), rise)
    step = select(whole > LEAST_FOLLOWED, step, 0.0)
    store(figures, _LEVEL, least(most(level + step, LEAST_LEVEL), MOST_LEVEL))


@kernel
def _gain(power: Array, bins: Array, opened: Array, closed: Array) -> None:
    """``power`` (BINS, LANES) becomes the gains."""
    ducked = exp2(log2(fill(CLOSED)) * closed)
    for k in range(BINS):
        here, held, noise, leak = load(power, k), load(bins, (_HELD, k)) + LEAST_POWER, load(bins, (_NOISE, k)), load(bins, (_LEAK, k))
        found = log2(most(here - noise, 0.05 * noise) / held) - leak
        step = select(held > noise, LEAK_STEP * (1.0 - opened), 0.0)
        leak = least(most(leak + step * least(most(found, -LEAK_JUMP), LEAK_JUMP), -13.0), 3.0)
        store(bins, (_LEAK, k), leak)
        echo = held * exp2(leak + BIAS) + LEAST_POWER
        ratio = least(here / echo, 1e4)
        prior = DIRECTED_KEEP * load(bins, (_CLEAN, k)) / echo + (1 - DIRECTED_KEEP) * most(ratio - 1.0, 0.0)
        prior = most(prior, LEAST_RATIO)
        wiener = prior / (1.0 + prior)
        v = most(wiener * ratio, 1e-4)
        # sqrt(exp(E1(v))), the exponential integral, within 1 %
        gain = least(wiener * root(1.0 + 0.5615 / v * exp2(-1.154 * v)), 1.0)
        store(bins, (_CLEAN, k), gain * gain * here)
        gain = most(gain, LEAST_GAIN)
        store(power, k, most(gain * ducked, least(COMFORT * root(noise / here), gain)))
