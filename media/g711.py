"""G.711 companding by table (ITU-T G.711, tables 1 and 2; the arithmetic of G.191's reference)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CompandingTable:
    """``decode``: float32 (256,) in -1..1 by code. ``encode``: uint8 (65536,) by the sample's int16 read as uint16. ``silence``: 20 ms."""

    decode: NDArray[np.float32]
    encode: NDArray[np.uint8]
    silence: bytes


def _alaw_values() -> NDArray[np.int32]:
    """The 256 A-law output levels on the int16 scale: even bits are inverted on the line (clause 3.3)."""
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int32)


def _ulaw_values() -> NDArray[np.int32]:
    """The 256 mu-law output levels on the int16 scale: all bits are inverted on the line."""
    code = np.arange(256) ^ 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int32)


def _table(values: NDArray[np.int32], zero_code: int) -> CompandingTable:
    """The encoder is the decoder's nearest level, ties towards zero; mu-law's two zeros give the positive one."""
    order = np.argsort(values, kind="stable")
    levels, codes = values[order], order.astype(np.uint8)
    samples = np.arange(-32768, 32768)
    upper = np.clip(np.searchsorted(levels, samples), 1, 255)
    below, above = samples - levels[upper - 1], levels[upper] - samples
    take_upper = np.where(below == above, samples < 0, above < below)
    nearest = np.where(take_upper, codes[upper], codes[upper - 1])
    nearest[samples == 0] = zero_code
    encode = np.empty(65536, np.uint8)
    encode[samples.astype(np.int16).view(np.uint16)] = nearest
    return CompandingTable((values / 32768).astype(np.float32), encode, bytes([zero_code]) * 160)


ALAW = _table(_alaw_values(), 0xD5)
ULAW = _table(_ulaw_values(), 0xFF)
