"""E-model: a rating R and a mean opinion score from loss, delay and codec (ITU-T G.107, G.107.1 wideband, G.107.2 fullband).

The three scales end at different ceilings and must not be compared or averaged, so a ``Rating`` names its scale: ``nb`` (telephone
band, best MOS 4.41), ``wb`` (50-7000 Hz), ``fb`` (20-20000 Hz).
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rating:
    """``r`` on the scale's own range, ``mos`` 1-4.5, ``scale`` ``nb``, ``wb`` or ``fb``."""

    r: float
    mos: float
    scale: str


@dataclass(frozen=True, slots=True)
class Scale:
    """``ceiling``: R without delay and equipment impairment. ``stretch``: how much longer the scale is than narrowband's 0-100."""

    name: str
    ceiling: float
    stretch: float
    loss_ceiling: float
    delay_weight: float


NARROWBAND = Scale("nb", 93.2, 1.0, 95.0, 1.0)  # G.107, table 2 defaults: Ro - Is = 93.2
WIDEBAND = Scale("wb", 129.0, 1.29, 95.0, 1.0)  # G.107.1
FULLBAND = Scale("fb", 148.0, 1.48, 132.0, 1.48)  # G.107.2


@dataclass(frozen=True, slots=True)
class CodecImpairment:
    """``ie``: impairment of the codec itself. ``bpl``: robustness against loss (percent of loss that costs half of what is left)."""

    scale: Scale
    ie: float
    bpl: float
    source: str


_G113 = "ITU-T G.113, appendix I"
_FITTED = "fitted by us to PESQ of our own playout under random loss of 0-10 %, scaled so that G.711 gives its published figure"
CODECS: dict[str, CodecImpairment] = {
    "pcma": CodecImpairment(NARROWBAND, 0.0, 25.1, _G113 + ": G.711 with concealment of appendix I, random loss"),
    "pcmu": CodecImpairment(NARROWBAND, 0.0, 25.1, _G113 + ": G.711 with concealment of appendix I, random loss"),
    "g711-bare": CodecImpairment(NARROWBAND, 0.0, 4.3, _G113 + ": G.711 without concealment"),
    "g729a": CodecImpairment(NARROWBAND, 11.0, 19.0, _G113 + ": G.729A with VAD"),
    "g722": CodecImpairment(WIDEBAND, 13.0, 6.4, f"Ie,WB: G.113, appendix IV, 64 kbit/s; Bpl: {_FITTED}"),
    "opus": CodecImpairment(WIDEBAND, 1.0, 3.9, f"32 kbit/s without in-band FEC: {_FITTED}; ITU-T gives none"),
    "opus-fec": CodecImpairment(WIDEBAND, 6.0, 39.0, f"32 kbit/s with in-band FEC: {_FITTED}; ITU-T gives none"),
}


def rate(codec_name: str, *, loss: float | None, delay_ms: float | None, burst_ratio: float = 1.0) -> Rating | None:
    """The rating of one direction; None while loss or delay is not measured, or for a codec without figures.

    ``loss`` 0-1 counts late packets too. ``delay_ms`` is mouth to ear: network, jitter buffer, packet time, codec. ``burst_ratio`` is
    the mean length of a loss burst over that of random loss of the same rate (G.107, clause 7.2); 1 is random.
    """
    codec = CODECS.get(codec_name)
    if codec is None or loss is None or delay_ms is None:
        return None
    scale = codec.scale
    r = scale.ceiling - scale.delay_weight * delay_impairment(delay_ms) - loss_impairment(codec, loss, burst_ratio)
    return Rating(r, mos_from_r(r / scale.stretch), scale.name)


def delay_impairment(delay_ms: float) -> float:
    """Idd for an absolute delay (G.107, equation 3-27); 0 up to 100 ms."""
    if delay_ms <= 100.0:
        return 0.0
    x = math.log2(delay_ms / 100.0)
    impairment: float = 25.0 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return impairment


def loss_impairment(codec: CodecImpairment, loss: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff (G.107, equation 3-29)."""
    percent = 100.0 * min(1.0, max(0.0, loss))
    if percent == 0.0:
        return codec.ie
    return codec.ie + (codec.scale.loss_ceiling - codec.ie) * percent / (percent / max(1.0, burst_ratio) + codec.bpl)


def mos_from_r(r: float) -> float:
    """MOS from a rating on the narrowband range (G.107, annex B)."""
    if r <= 0.0:
        return 1.0
    if r >= 100.0:
        return 4.5
    return max(1.0, 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r))  # the cubic dips below 1 under R 6.5
