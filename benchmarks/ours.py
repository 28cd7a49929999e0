"""Our own chain on whole signals, as the peers get them: all of them side by side, one row each, and moved back by its delay."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.peers import Samples
from benchmarks.peers.signal import shifted
from dsp.chain import Chain, FullBandChain, Stages
from dsp.lanes import LANES, tiles
from dsp.suppress import Suppressor
from ml.suppressor import Suppressor as LearnedSuppressor

Watch = Callable[[Chain], None]


def chained(
    near: Sequence[Samples],
    far: Sequence[Samples] | None = None,
    *,
    stages: Stages | None = None,
    rate_hz: int = 16_000,
    suppressor: Callable[[int], Suppressor] = LearnedSuppressor,
    watch: Watch | None = None,
) -> list[Samples]:
    """Each of ``near`` (n,) as the chain gives it out, in blocks of 20 ms, each of its own length; silence as ``far`` unless given.

    ``suppressor`` makes one for so many rows, without a word the one that the product takes; ``watch`` sees the chain after each block.
    """
    if not near:
        return []
    block = rate_hz // 50
    capacity = tiles(len(near)) * LANES
    made = suppressor(capacity)
    chain = Chain(capacity, made) if rate_hz == 16_000 else FullBandChain(capacity, made)
    for row in range(len(near)):
        chain.switch(row, stages or Stages())
    size = -(-(max(map(len, near)) + chain.delay_samples) // block) * block
    said, heard = np.zeros((len(near), size), np.float32), np.zeros((len(near), size), np.float32)
    for row, samples in enumerate(near):
        said[row, : len(samples)] = samples
    for row, samples in enumerate(far or ()):
        heard[row, : len(samples)] = samples
    out = np.zeros_like(said)
    for at in range(0, size, block):
        out[:, at : at + block] = chain.process(said[:, at : at + block], heard[:, at : at + block])
        if watch:
            watch(chain if isinstance(chain, Chain) else chain.chain)
    return [shifted(row, chain.delay_samples)[: len(samples)] for row, samples in zip(out, near, strict=True)]
