"""The suppressor's network in PyTorch, its loss and its export; :mod:`ml.suppressor` is the same network at run time."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dsp.lanes import LANES, reset_rows, tiles
from dsp.spectrum import BINS, FRAME, HOP
from dsp.suppress import LogSpectralSuppressor
from ml.features import INPUTS, describe

_COMPRESSION = 0.3
_EPSILON = 1e-6
_COMPLEX = 0.3
_LOST_SPEECH = 0.5
_TALKING = 0.03
_SPREAD = 1.0
"""Added to the variances of the inputs' principal components before they are brought to one size: the least of them is mere chance."""


class Network:
    """The layers of :class:`ml.suppressor.Suppressor`; ``modules`` holds the weights.

    The inputs are many views of few things. They come to the first layer as principal components of like size, found once by :meth:`adapt`;
    at run time that costs nothing, as the export joins it with the first layer.
    """

    def __init__(self, hidden: int) -> None:
        self.hidden = hidden
        self.modules: Any = nn.ModuleDict(
            {
                "components": nn.Linear(INPUTS, INPUTS),
                "enter": nn.Linear(INPUTS, hidden),
                "first": nn.GRU(hidden, hidden, batch_first=True),
                "second": nn.GRU(hidden, hidden, batch_first=True),
                "leave": nn.Linear(2 * hidden, BINS + 1),
                "own": nn.ParameterDict(
                    {"height": torch.full((BINS,), 1.0), "power": torch.full((BINS,), 0.5), "prior": torch.full((BINS,), 0.5)}
                ),
            }
        )
        self.modules["components"].requires_grad_(False)
        with torch.no_grad():
            self.modules["leave"].bias[:BINS] = 0.5

    def adapt(self, inputs: torch.Tensor) -> None:
        """Take the principal components of ``inputs`` (n, INPUTS)."""
        mean = inputs.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov(inputs.T).double())
        weight = (vectors / torch.sqrt(values.clamp(min=0) + _SPREAD)).T.float()
        with torch.no_grad():
            self.modules["components"].weight.copy_(weight)
            self.modules["components"].bias.copy_(-weight @ mean)

    def __call__(
        self, inputs: torch.Tensor, height: torch.Tensor, prior: torch.Tensor, state: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """The gains' logarithms of odds (rows, hops, bins) and speech logits (rows, hops) of what :class:`Description` gives, and the state
        after them."""
        m = self.modules
        weight = m["enter"].weight @ m["components"].weight
        bias = m["enter"].bias + m["enter"].weight @ m["components"].bias
        # products in bfloat16, sums in float32: twice the speed, and the weights themselves stay float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = torch.tanh(torch.nn.functional.linear(inputs, weight, bias))
            first, state0 = m["first"](x, state[0].bfloat16())
            second, state1 = m["second"](first, state[1].bfloat16())
            out = m["leave"](torch.cat((first, second), 2))
        out = out.float()
        own = m["own"]
        logits = out[..., :BINS] + height * own["height"] + inputs[..., :BINS] * own["power"] + prior * own["prior"]
        return logits, out[..., BINS], [state0.detach().float(), state1.detach().float()]


class Description:
    """What the network is told of ``rows`` rows over time: :func:`ml.features.describe` and the classical suppressor, with their states."""

    def __init__(self, rows: int) -> None:
        self._level = np.zeros((tiles(rows), 1, LANES), np.float32)
        self._floor = np.zeros((tiles(rows), BINS, LANES), np.float32)
        self._classical = LogSpectralSuppressor(rows)

    def reset(self, rows: NDArray[np.bool_]) -> None:
        reset_rows(self._level, rows)
        self._classical.reset(rows)

    def __call__(self, near_power: torch.Tensor, echo_power: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs (rows, hops, INPUTS), heights and priors (rows, hops, bins) of powers (rows, hops, bins), the state going on."""
        near, echo = (np.ascontiguousarray(power.numpy().transpose(1, 0, 2)) for power in (near_power, echo_power))
        told = [np.empty((len(near), tiles(near.shape[1]), size, LANES), np.float32) for size in (INPUTS, BINS, BINS)]
        for hop in range(len(near)):
            classical = self._classical.gains(near[hop], echo[hop])
            describe(near[hop], echo[hop], classical, self._level, self._floor, *(array[hop] for array in told))
        inputs, height, prior = (
            torch.from_numpy(array).permute(1, 3, 0, 2).reshape(-1, len(near), array.shape[2])[: near.shape[1]] for array in told
        )
        return inputs, height, prior


def spectra(x: torch.Tensor) -> torch.Tensor:
    """Sine-window spectra of ``x`` (rows, samples), complex64 (rows, hops, bins)."""
    return torch.fft.rfft(x.unfold(1, FRAME, HOP) * _sine())


def power(spectrum: torch.Tensor) -> torch.Tensor:
    return torch.square(spectrum.real) + torch.square(spectrum.imag)


def targets(near: torch.Tensor, clean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of spectra ``near`` and ``clean``: the compressed sizes of both, and what their phases make wrong of them, for :func:`loss`."""
    near_power, clean_power = power(near) + _EPSILON, power(clean) + _EPSILON
    alike = (near * clean.conj()).real * torch.rsqrt(near_power * clean_power)
    given, wanted = near_power ** (_COMPRESSION / 2), clean_power ** (_COMPRESSION / 2)
    return given, wanted, 2 * _COMPLEX * (1 - alike) * wanted * given


def loss(
    given: torch.Tensor, wanted: torch.Tensor, turned: torch.Tensor, talking: torch.Tensor, odds: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    """Error of compressed spectra, of magnitudes and with phases, more for lost speech than for left noise, and of the speech score.

    After Braun and Tashev, A consolidated view of loss functions for supervised deep learning-based speech enhancement (2021), the error
    with phases rearranged: |a - b|² = (|a| - |b|)² + 2 |a| |b| (1 - cos). ``given``, ``wanted``, ``turned`` come from :func:`targets`;
    ``odds`` are the logarithms of the gains' odds. The phase is the near signal's own, so that the gains are the only unknown.
    """
    kept = torch.exp(_COMPRESSION * torch.nn.functional.logsigmoid(odds))
    short = wanted - given * kept
    error = torch.square(short) + (1 - _COMPLEX) * _LOST_SPEECH * torch.square(torch.relu(short)) + turned * kept
    wrong = torch.nn.functional.binary_cross_entropy_with_logits(logits, talking)
    return (error @ _weights()).mean() + _TALKING * wrong


def export(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write ``weights`` (a state of ``network.modules``) as :mod:`ml.suppressor` reads them: float16, inputs first."""
    named = {
        "enter_weight": (weights["enter.weight"] @ weights["components.weight"]).T,
        "enter_bias": weights["enter.bias"] + weights["enter.weight"] @ weights["components.bias"],
        "leave_weight": weights["leave.weight"].T,
        "leave_bias": weights["leave.bias"],
        "height_weight": weights["own.height"],
        "power_weight": weights["own.power"],
        "prior_weight": weights["own.prior"],
    }
    for layer in ("first", "second"):
        by_input, by_state = weights[f"{layer}.weight_ih_l0"].T, weights[f"{layer}.weight_hh_l0"].T
        input_bias, state_bias = weights[f"{layer}.bias_ih_l0"], weights[f"{layer}.bias_hh_l0"]
        gates = 2 * len(by_state)
        named |= {
            f"{layer}_gates": torch.cat((by_input, by_state))[:, :gates],
            f"{layer}_gates_bias": (input_bias + state_bias)[:gates],
            f"{layer}_input": by_input[:, gates:],
            f"{layer}_input_bias": input_bias[gates:],
            f"{layer}_state": by_state[:, gates:],
            f"{layer}_state_bias": state_bias[gates:],
        }
    arrays: dict[str, Any] = {name: value.numpy().astype(np.float16) for name, value in named.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _sine() -> torch.Tensor:
    return torch.sin(torch.pi * (torch.arange(FRAME, dtype=torch.float32) + 0.5) / FRAME)


def _weights() -> torch.Tensor:
    """Low bins count more, as for the ear; sum 1."""
    weight = (1 + torch.arange(BINS, dtype=torch.float32) / 20) ** -0.5
    return weight / weight.sum()
