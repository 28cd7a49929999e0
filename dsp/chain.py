"""The voice chain: every stage of every leg, in one order, one call per tick for all legs.

near ─▶ sanitise ─▶ ... ─▶ noise, residual echo ─▶ ... ─▶ out      far: what the leg heard
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import Array
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
    """``capacity`` rows at 16 kHz."""

    delay_samples = HOP

    def __init__(self, capacity: int, suppressor: Suppressor | None = None) -> None:
        self.capacity = capacity
        self.noise_dbfs = np.full(capacity, np.nan)
        self.echo_return_loss_db = np.full(capacity, np.nan)
        self.echo_return_loss_enhancement_db = np.full(capacity, np.nan)
        self._post = PostFilter(capacity, suppressor or LogSpectralSuppressor(capacity))

    def switch(self, row: int, stages: Stages) -> None:
        """From now on, these stages for this row."""
        self._post.noise[row] = stages.noise

    def reset(self, rows: NDArray[np.generic]) -> None:
        """Rows (mask or indices) back to their first state."""
        self._post.reset(rows)

    def process(self, near: Array, far: Array) -> Array:
        """Clean ``near`` (rows, 160 k), rows <= capacity; ``far`` of the same shape is what the legs heard meanwhile."""
        out = np.zeros((self.capacity, near.shape[1]), np.float32)
        out[: near.shape[0]] = near
        return self._post.process(out)[: near.shape[0]]
