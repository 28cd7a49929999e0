"""Train the suppressor's network: ``python -m ml.train_suppressor --sounds DIR --music DIR --out ml/suppressor.npz``.

DIR are the folders ``sounds`` and ``moh`` that Debian's asterisk-core-sounds-{en,es,fr,it,ru}-g722 and asterisk-moh-opsound-g722 install.
Needs PyTorch and two processor cores: one makes the examples, the other learns. The same seed on the same machine gives the same weights.
"""

import argparse
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml.training import network, noises, speech
from ml.training.mixtures import Mixtures

log = logging.getLogger("train")

_KEPT = 0.4
"""So many rows go on from the state the last example left them in: calls are longer than examples, and scenes change within them."""
_SMOOTHING = 0.999
_WARM_UP = 200


@dataclass(frozen=True, slots=True)
class Example:
    """A part of a batch as the network gets it; ``fresh`` (rows,) bool says whose state begins anew."""

    given: torch.Tensor
    wanted: torch.Tensor
    turned: torch.Tensor
    talking: torch.Tensor
    inputs: torch.Tensor
    height: torch.Tensor
    prior: torch.Tensor
    fresh: torch.Tensor


def main() -> None:
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(options.seed)
    train(_ahead(options), options)


def train(examples: Iterator[Example], options: argparse.Namespace) -> None:
    """Run ``options.steps`` steps; the smoothed weights are written to ``options.out`` every ``options.every`` and at the end."""
    net = network.Network(options.hidden)
    first = [next(examples) for _ in range(2)]
    if options.start:
        net.modules.load_state_dict(torch.load(options.start, weights_only=True))
    else:
        net.adapt(torch.cat([example.inputs.flatten(0, 1) for example in first]))
    smooth = {name: value.clone() for name, value in net.modules.state_dict().items()}
    adam = torch.optim.Adam(_learnt(net), lr=options.rate, betas=(0.9, 0.98))
    state = [torch.zeros(1, options.rows, options.hidden) for _ in range(2)]
    recent: list[float] = []
    began = time.monotonic()
    for step, example in zip(range(options.steps), chain(first, examples), strict=False):
        for group in adam.param_groups:
            group["lr"] = options.rate * _pace(step, options.steps)
        state = [one * ~example.fresh[None, :, None] for one in state]
        odds, logits, state = net(example.inputs, example.height, example.prior, state)
        value = network.loss(example.given, example.wanted, example.turned, example.talking, odds, logits)
        adam.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(_learnt(net), 1.0)
        adam.step()
        share = min(_SMOOTHING, (step + 1) / (step + 10))
        for name, now in net.modules.state_dict().items():
            smooth[name].mul_(share).add_(now, alpha=1 - share)
        recent.append(float(value.detach()))
        if (step + 1) % 50 == 0 or step + 1 == options.steps:
            log.info("step %d loss %.6f seconds %.0f", step + 1, np.mean(recent), time.monotonic() - began)
            recent = []
        if (step + 1) % options.every == 0 or step + 1 == options.steps:
            network.export(smooth, options.out)
            torch.save(smooth, options.out.with_suffix(".pt"))


def _learnt(net: network.Network) -> list[torch.Tensor]:
    return [one for one in net.modules.parameters() if one.requires_grad]


def _ahead(options: argparse.Namespace) -> Iterator[Example]:
    """The examples of :func:`_examples`, made by a second process while the network learns from the ones before."""
    process = torch.multiprocessing.get_context("spawn")
    made = process.Queue(3)
    maker = process.Process(target=_make, args=(made, options), daemon=True)
    maker.start()
    while True:
        yield made.get()


def _make(made: Any, options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    for example in _examples(_mixtures(options), options):
        made.put(example)


def _examples(mixtures: Mixtures, options: argparse.Namespace) -> Iterator[Example]:
    """Endless; everything of it follows from the seed."""
    description = network.Description(options.rows)
    rng = np.random.default_rng([options.seed, 1])
    for number in count():
        fresh = rng.random(options.rows) > _KEPT
        loudness = torch.from_numpy((10 ** rng.uniform(-3.5, 1.0, options.rows)).astype(np.float32))[:, None, None]
        description.reset(fresh)
        for part in mixtures.batch(number).parted(options.parts):
            near, echo, clean = (network.spectra(x) for x in (part.near, part.echo, part.clean))
            inputs, height, prior = description(network.power(near) * loudness, network.power(echo) * loudness)
            yield Example(*network.targets(near, clean), part.talking, inputs, height, prior, torch.from_numpy(fresh))
            fresh = np.zeros_like(fresh)


def _pace(step: int, steps: int) -> float:
    """Up in a straight line, then down along a cosine to a hundredth."""
    if step < _WARM_UP:
        return (step + 1) / _WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - _WARM_UP) / max(steps - _WARM_UP, 1)))


def _mixtures(options: argparse.Namespace) -> Mixtures:
    voices = speech.voices(options.sounds, np.random.default_rng([options.seed, 2]))
    music = speech.music(options.music)
    hours = sum(len(voice.pcm) for voice in voices) / speech.RATE_HZ / 3600
    log.info("%d voices, %.1f h; %d pieces of music", len(voices), hours, len(music))
    made = noises.bank(np.random.default_rng([options.seed, 3]), voices, music, clips=options.noises, seconds=8.0)
    log.info("%d noises", len(made))
    return Mixtures(
        voices, music, [pcm for _, pcm in made], seed=options.seed, rows=options.rows, hops=options.hops, filtered=options.filtered
    )


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m ml.train_suppressor", description=__doc__)
    installed = Path("/usr/share/asterisk")
    parser.add_argument("--sounds", type=Path, default=installed / "sounds", help="asterisk-core-sounds, one folder per language")
    parser.add_argument("--music", type=Path, default=installed / "moh", help="asterisk-moh-opsound")
    parser.add_argument("--out", type=Path, required=True, help="the weights, .npz; a .pt beside it can be trained on")
    parser.add_argument("--start", type=Path, help="a .pt to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--every", type=int, default=250, help="write the weights each so many steps")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--rows", type=int, default=128, help="examples in a batch")
    parser.add_argument("--hops", type=int, default=599, help="length of an example, 10 ms each")
    parser.add_argument("--parts", type=int, default=4, help="an example is learnt from in so many steps, the state going on")
    parser.add_argument("--noises", type=int, default=2000, help="clips of 8 s in the bank of noises")
    parser.add_argument("--filtered", type=float, default=0.6, help="share of the echoes that go through dsp.echo's filter")
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's greatest step")
    return parser.parse_args()


if __name__ == "__main__":
    main()
