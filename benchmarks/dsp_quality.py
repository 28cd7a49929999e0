"""Claim: each stage of the signal chain is as good as promised, and better than the peers on the same signals.

One module of ``benchmarks/quality`` per stage has ``rows(bench)``; this one gives them scenes, peers and a place for pictures and
listening samples. ``--only echo,noise`` chooses stages. Peers that are not installed are named on stderr and have no value in any row.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

import media
from benchmarks import quality
from benchmarks.peers import Peers, Samples, find
from benchmarks.pictures import draw
from benchmarks.report import CannotRun, Options, Row
from benchmarks.scenes import Corpus, write_wav

Result = TypeVar("Result")
_PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789.+-"


@dataclass
class Bench:
    """What a stage's rows are measured with. ``data``: folder laid out as ``scenes.Corpus`` says; ``corpus`` reads it."""

    data: Path
    peers: Peers = field(default_factory=Peers)
    quick: bool = False
    plots: Path | None = None
    samples: Path | None = None
    _made: dict[object, object] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.corpus = Corpus(self.data)

    def once(self, key: object, make: Callable[[], Result]) -> Result:
        """``make()``, done once per ``key`` in this run."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Result, self._made[key])

    def cancelled(self, peer: str, near: Samples, far: Samples, rate_hz: int = 16_000) -> Samples:
        """``near`` without echo by the peer of that name, worked out once."""
        run = self.peers.cancellers[peer].cancel
        return self.once(("cancel", peer, rate_hz, _key(near), _key(far)), lambda: run(near, far, rate_hz))

    def suppressed(self, peer: str, noisy: Samples, rate_hz: int = 16_000) -> Samples:
        """``noisy`` without noise by the peer of that name, worked out once."""
        run = self.peers.suppressors[peer].suppress
        return self.once(("suppress", peer, rate_hz, _key(noisy)), lambda: run(noisy, rate_hz))

    def keep(self, stage: str, case: str, sounds: Mapping[str, Samples], rate_hz: int = 16_000) -> None:
        """Listening samples ``STAGE/CASE/LABEL.wav``, if they are wanted."""
        if self.samples is None:
            return
        folder = self.samples / plain(stage) / plain(case)
        folder.mkdir(parents=True, exist_ok=True)
        for label, sound in sounds.items():
            write_wav(folder / f"{plain(label)}.wav", sound, rate_hz)

    def plot(self, stage: str, case: str, draw: Callable[[Any], None], *, size: tuple[float, float] = (12.0, 8.0)) -> None:
        """A picture ``STAGE-CASE.png``, drawn by ``draw`` on an empty matplotlib figure, if it is wanted."""
        if self.plots is None:
            return
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        self.plots.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.plots / f"{plain(stage)}-{plain(case)}.png", dpi=100)


def stages() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(quality.__path__) if not module.name.startswith("_"))


def run(options: Options) -> list[Row]:
    wanted = options.only or tuple(stages())
    if unknown := [name for name in wanted if name not in stages()]:
        raise CannotRun(f"no stage {unknown[0]!r}; there are {', '.join(stages())}")
    data = options.data or Path(media.__path__[0]) / "prompts"
    bench = Bench(data, find(options.peers), options.quick, options.plots, options.samples)
    rows: list[Row] = []
    for name in wanted:
        print(f"{name} ...", file=sys.stderr)
        rows += importlib.import_module(f"benchmarks.quality.{name}").rows(bench)
    if options.plots or options.samples:
        draw(bench)
    return rows


def plain(words: str) -> str:
    """For a file's name."""
    letters = (letter if letter in _PLAIN else "_" for letter in words.lower())
    return "_".join(filter(None, "".join(letters).split("_")))


def _key(samples: Samples) -> bytes:
    return blake2b(np.ascontiguousarray(samples).tobytes(), digest_size=16).digest()
