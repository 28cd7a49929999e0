"""The voice chain: every stage of every leg, in one order, one call per tick for all legs.

    near ─▶ finite ─▶ high-pass ─▶ echo filter ─▶ post-filter: residual echo and noise ─▶ gain ─▶ limiter ─▶ out
                │                      ▲
              levels     far ─▶ bulk delay

Everything works on rows: row i of each block and each state is leg i, at 16 kHz. No stage computes across rows, so what one leg sends,
whatever it is, never changes another leg's samples. What is not a number becomes silence at the entry, and so stays outside.
"""

from dataclasses import dataclass

import numpy as np

from dsp.activity import Activity
from dsp.bands import DELAY_SAMPLES, RATIO, BandSplit, LowBand, Rows
from dsp.bulk_delay import BulkDelay
from dsp.echo import EchoFilter
from dsp.echo_loss import EchoLoss
from dsp.gain import AutomaticGain, Limiter
from dsp.highpass import HighPass
from dsp.lanes import Array
from dsp.levels import Levels
from dsp.residual import ResidualEcho
from dsp.spectrum import HOP
from dsp.suppress import LogSpectralSuppressor, PostFilter, Suppressor


@dataclass(frozen=True, slots=True)
class Stages:
    """What is done to a leg's voice. ``echo``: its own echo is taken out. ``noise``: noise is lowered. ``gain``: a level is kept."""

    high_pass: bool = True
    echo: bool = True
    noise: bool = True
    gain: bool = True

    @classmethod
    def none(cls) -> "Stages":
        """The voice as it is, only delayed."""
        return cls(high_pass=False, echo=False, noise=False, gain=False)


class Chain:
    """``capacity`` rows at 16 kHz. ``suppressor`` tells voices from noise and from residual echo; None: the classical one.

    Published per row, NaN while unknown: ``echo_delay_s`` and the losses of echo; through ``levels`` what came in; ``activity``, and
    ``spoken``, the fraction of the last block in which there was speech.
    """

    delay_samples = HOP
    """Of everything together: the overlap of the post-filter's frames."""

    def __init__(self, capacity: int, suppressor: Suppressor | None = None) -> None:
        self.capacity = capacity
        self.levels = Levels(capacity)
        self._high_pass = HighPass(capacity)
        self._delay = BulkDelay(capacity)
        self._loss = EchoLoss(capacity)
        self._echo = EchoFilter(capacity)
        self._post = PostFilter(capacity, suppressor or LogSpectralSuppressor(capacity), ResidualEcho(capacity))
        self.activity = Activity(capacity)
        self.spoken = np.zeros(capacity, np.float32)
        self._learned = suppressor is not None
        self._gain = AutomaticGain(capacity)
        self._limiter = Limiter(capacity)

    @property
    def echo_delay_s(self) -> Array:
        """How long after the far end its echo begins, (capacity,)."""
        return self._delay.delay_s

    @property
    def echo_return_loss_db(self) -> Array:
        return self._loss.erl_db

    @property
    def echo_return_loss_enhancement_db(self) -> Array:
        return self._loss.erle_db

    @property
    def gain_db(self) -> Array:
        """What the automatic gain adds now, (capacity,)."""
        return self._gain.gain_db

    def switch(self, row: int, stages: Stages) -> None:
        """From now on, these stages for this row."""
        self._high_pass.enabled[row] = stages.high_pass
        self._echo.enabled[row] = self._post.residual_echo[row] = stages.echo
        self._post.noise[row] = stages.noise
        self._gain.enabled[row] = self._limiter.enabled[row] = stages.gain

    def reset(self, rows: Rows) -> None:
        """Rows (mask or indices) back to their first state."""
        self.spoken[rows] = 0.0
        for stage in (
            self.levels,
            self.activity,
            self._high_pass,
            self._delay,
            self._echo,
            self._loss,
            self._post,
            self._gain,
            self._limiter,
        ):
            stage.reset(rows)

    def process(self, near: Array, far: Array) -> Array:
        """Clean ``near`` float32 (rows, 160 k), rows <= capacity; ``far`` of the same shape is what the legs heard meanwhile."""
        near, far = _finite(near), _finite(far)
        self.levels.process(near)
        near = self._high_pass.process(near)
        aligned = self._delay.process(near, far)
        rows = len(near)
        for moved in np.unique(self._delay.moved[:rows]):
            if moved:
                self._echo.shift(np.flatnonzero(self._delay.moved[:rows] == moved), int(moved) // HOP)
        left, echo, doubt = self._echo.process(near, aligned)
        voice = self._post.process(left, echo, doubt)
        self._loss.process(aligned, near, echo, voice)
        self.spoken[:rows] = self.activity.process(left, self._post.speech[:rows] if self._learned else None).mean(axis=1)
        return self._limiter.process(self._gain.process(voice, self._post.speech[: len(near)]))


class FullBandChain:
    """The same for ``capacity`` rows at 48 kHz: the chain below 8 kHz, what lies above follows with its gain. 12 ms late."""

    delay_samples = RATIO * Chain.delay_samples + DELAY_SAMPLES

    def __init__(self, capacity: int, suppressor: Suppressor | None = None) -> None:
        self.chain = Chain(capacity, suppressor)
        self._near = BandSplit(capacity, inner_delay_samples=Chain.delay_samples)
        self._far = LowBand(capacity)

    def switch(self, row: int, stages: Stages) -> None:
        """From now on, these stages for this row."""
        self.chain.switch(row, stages)

    def reset(self, rows: Rows) -> None:
        """Rows (mask or indices) back to their first state."""
        for stage in (self.chain, self._near, self._far):
            stage.reset(rows)

    def process(self, near: Array, far: Array) -> Array:
        """Clean ``near`` float32 (rows, 480 k), rows <= capacity; ``far`` of the same shape is what the legs heard meanwhile."""
        near = _finite(near)
        low = self._near.split(near)
        return self._near.join(near, low, self.chain.process(low, self._far.process(_finite(far))))


def _finite(block: Array) -> Array:
    """Full scale at most, and silence for what is not a number."""
    finite: Array = np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    return finite
