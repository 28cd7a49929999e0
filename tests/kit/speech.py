"""Real speech for tests: the shipped prompts, decoded."""

from functools import lru_cache
from pathlib import Path

import numpy as np

import media
from media.codec import Samples, make_decoder
from rooms.audio import G722


@lru_cache(maxsize=8)
def prompt(name: str) -> Samples:
    """One prompt, float32 (n,) at 16 kHz, whole frames."""
    data = (Path(media.__path__[0]) / "prompts" / f"{name}.g722").read_bytes()
    decoder = make_decoder(G722, rate_hz=16_000)
    return np.concatenate([decoder.decode(data[at : at + 160]) for at in range(0, len(data) - 159, 160)])


def speech(seconds: float, name: str = "en-vm-review") -> Samples:
    """The first ``seconds`` of a prompt, float32 at 16 kHz; read-only, as it is shared."""
    x = prompt(name)[: round(seconds * 50) * 320]
    x.flags.writeable = False
    return x


def frames(x: Samples, rate_hz: int = 16_000) -> list[Samples]:
    """Cut into 20 ms."""
    step = rate_hz // 50
    return [x[at : at + step] for at in range(0, len(x) - step + 1, step)]
