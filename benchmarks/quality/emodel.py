"""Claim: the E-model is the standards' own, within 0.001 of an independent evaluation and of every published figure.

``reference_r`` evaluates the equations of ITU-T G.107 a second time, over arrays and written apart from ``dsp/mos.py``.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row
from dsp.mos import CODECS, Connection, delay_impairment, fullband, mos_from_r, narrowband, rate, wideband

if TYPE_CHECKING:
    from benchmarks.dsp_quality import Bench

Values = NDArray[np.float64]
RANGES: dict[str, tuple[float, float]] = {
    "slr_db": (0, 18),
    "rlr_db": (-5, 14),
    "stmr_db": (5, 25),
    "lstr_db": (10, 28),
    "ds_db": (-3, 3),
    "telr_db": (5, 65),
    "wepl_db": (5, 110),
    "t_ms": (0, 500),
    "tr_ms": (0, 1000),
    "ta_ms": (0, 500),
    "qdu": (1, 14),
    "ie": (0, 40),
    "bpl": (1, 40),
    "ppl_percent": (0, 20),
    "burst_ratio": (1, 8),
    "nc_dbm0p": (-80, -40),
    "nfor_dbmp": (-70, -55),
    "ps_dba": (35, 85),
    "pr_dba": (35, 85),
    "a": (0, 20),
}
"""Permitted ranges (G.107, table 2); the sidetone's goes beyond, to where its special cases begin."""
_DRAWS, _SEED = 2000, 107

# Published figures (G.107, G.107.1, G.107.2, G.113), as printed: to so many digits.
G711_MOS = {(True, 0): 4.41, (True, 1): 4.33, (True, 3): 4.13, (True, 5): 3.92, (True, 10): 3.41} | {
    (False, 0): 4.41,
    (False, 1): 3.83,
    (False, 3): 2.79,
    (False, 5): 2.17,
    (False, 10): 1.48,
}
"""By (concealed, loss in percent)."""
DELAY_MOS = {150: 4.41, 200: 4.34, 250: 4.18, 300: 3.96, 400: 3.56}
IDD = {100: 0.0, 150: 0.16, 200: 3.04, 300: 14.8, 400: 24.1, 500: 30.6}
EVS_LIKE_FULLBAND_MOS = {0: 4.41, 1: 3.93, 3: 3.06, 10: 1.85}
"""Ie 10.2, Bpl 4.3, by loss in percent."""


def rows(bench: "Bench") -> list[Row]:
    draws = 100 if bench.quick else _DRAWS
    g711, g722 = rate("pcma", loss=0.0, delay_ms=50.0), rate("g722", loss=0.0, delay_ms=50.0)
    assert g711 is not None and g722 is not None
    return [
        Row("E-model", "narrowband R, largest difference from the equations", difference("nb", draws), "R", goal="<= 0.001"),
        Row("E-model", "wideband R, largest difference from the equations", difference("wb", draws), "R", goal="<= 0.001"),
        Row("E-model", "fullband R, largest difference from the equations", difference("fb", draws), "R", goal="<= 0.001"),
        Row("E-model", "published figures missed by more than their last digit's half", published_missed(), "", goal="<= 0"),
        Row("E-model", "R of the defaults (93.206 by equations)", narrowband(Connection()).r, "R"),
        Row("E-model", "G.711 clean, narrowband scale", g711.mos, "MOS", goal="<= 4.41"),
        Row("E-model", "G.722 clean, wideband scale", g722.mos, "MOS", goal=">= 4.336"),
    ]


def difference(scale: str, draws: int) -> float:
    """Largest difference of R and of MOS over random connections of the permitted ranges."""
    chance = np.random.default_rng(_SEED)
    drawn = {name: chance.uniform(low, high, draws) for name, (low, high) in RANGES.items()}
    drawn["t_ms"][::10], drawn["tr_ms"][::7], drawn["ppl_percent"][::5] = 0.0, 0.0, 0.0
    model = {"nb": narrowband, "wb": wideband, "fb": fullband}[scale]
    terms = [model(Connection(**{name: float(values[i]) for name, values in drawn.items()})) for i in range(draws)]
    r = reference_r(scale, drawn)
    mos = reference_mos(r / {"nb": 1.0, "wb": 1.29, "fb": 1.48}[scale])
    apart = max(np.abs(np.array([one.r for one in terms]) - r).max(), np.abs(np.array([one.rating.mos for one in terms]) - mos).max())
    return float(apart)


def published_missed() -> float:
    """How many published figures are missed."""
    pairs: list[tuple[float, float, float]] = []
    for (concealed, percent), mos in G711_MOS.items():
        rating = rate("pcma" if concealed else "g711-bare", loss=percent / 100, delay_ms=50.0)
        assert rating is not None
        pairs.append((rating.mos, mos, 0.01))
    for delay_ms, mos in DELAY_MOS.items():
        pairs.append((narrowband(Connection(ta_ms=delay_ms)).rating.mos, mos, 0.01))
    pairs += [(delay_impairment(delay_ms), idd, 0.1 if idd >= 10 else 0.01) for delay_ms, idd in IDD.items()]
    for percent, mos in EVS_LIKE_FULLBAND_MOS.items():
        pairs.append((fullband(Connection(ie=10.2, bpl=4.3, ppl_percent=percent)).rating.mos, mos, 0.01))
    pairs += [
        (narrowband(Connection()).r, 93.2, 0.1),
        (mos_from_r(93.2), 4.409, 0.001),
        (wideband(Connection()).rating.mos, 4.50, 0.01),
        (wideband(Connection(ie=1.0)).rating.mos, 4.494, 0.001),
        (wideband(Connection(ie=CODECS["g722"].ie)).rating.mos, 4.337, 0.001),
        (mos_from_r(93.2 / 1.29), 3.70, 0.01),  # narrowband G.711 on the wideband scale
        (fullband(Connection(ie=7.2)).rating.mos, 4.444, 0.001),
        (mos_from_r(79.4), 4.0, 0.01),
        (mos_from_r(85.1), 4.2, 0.01),
        (mos_from_r(88.5), 4.3, 0.01),
        (mos_from_r(92.8), 4.4, 0.01),
    ]
    return float(sum(abs(ours - printed) > digit / 2 + 1e-9 for ours, printed, digit in pairs))


def reference_r(scale: str, v: dict[str, Values]) -> Values:
    """R by the equations of G.107, clause 7 in their order; inputs as arrays by the names of ``Connection``."""
    lg, power = np.log10, np.power
    ta, big_t = np.maximum(v["ta_ms"], 100.0), v["t_ms"]
    x = lg(ta / 100.0) / lg(2.0)  # 7-28
    idd = 25.0 * (power(1 + x**6, 1 / 6) - 3.0 * power(1 + (x / 3.0) ** 6, 1 / 6) + 2.0)  # 7-27
    most = 132.0 if scale == "fb" else 95.0
    loss = np.where(v["ppl_percent"] > 0, v["ppl_percent"] / (v["ppl_percent"] / v["burst_ratio"] + v["bpl"]), 0.0)
    ie_eff = v["ie"] + (most - v["ie"]) * loss  # 7-29
    if scale == "fb":
        full: Values = 148.0 - 1.48 * idd - ie_eff + v["a"]
        return full
    terv = v["telr_db"] - 40.0 * lg((1 + big_t / 10.0) / (1 + big_t / 150.0)) + 6.0 * np.exp(-0.3 * big_t * big_t)  # 7-22
    factor = np.where(big_t < 1.0, 0.0, 1.0 - np.exp(-big_t))
    if scale == "wb":
        echo = 129.0 - (80.0 + 3.0 * (terv - 14.0))
        idte = (echo / 2 + np.sqrt(echo * echo / 4 + 100.0) - 1.0) * factor
        apart = 129.0 - 10.5 * (v["wepl_db"] + 7.0) * power(v["tr_ms"] + 1.0, -0.25)
        idle = np.where(v["tr_ms"] > 0, apart / 2 + np.sqrt(apart * apart / 4 + 169.0), 0.0)
        wide: Values = 129.0 - idte - idle - idd - ie_eff + v["a"]
        return wide
    olr = v["slr_db"] + v["rlr_db"]
    nos = v["ps_dba"] - v["slr_db"] - v["ds_db"] - 100.0 + 0.004 * (v["ps_dba"] - olr - v["ds_db"] - 14.0) ** 2  # 7-4
    pre = v["pr_dba"] + 10.0 * lg(1.0 + power(10.0, (10.0 - v["lstr_db"]) / 10.0))  # 7-6
    nor = v["rlr_db"] - 121.0 + pre + 0.008 * (pre - 35.0) ** 2  # 7-5
    nfo = v["nfor_dbmp"] + v["rlr_db"]  # 7-7
    no = 10.0 * lg(power(10.0, v["nc_dbm0p"] / 10) + power(10.0, nos / 10) + power(10.0, nor / 10) + power(10.0, nfo / 10))  # 7-3
    ro = 15.0 - 1.5 * (v["slr_db"] + no)  # 7-2
    xolr = olr + 0.2 * (64.0 + no - v["rlr_db"])  # 7-10
    iolr = 20.0 * (power(1.0 + (xolr / 8.0) ** 8, 1 / 8) - xolr / 8.0)  # 7-9
    stmro = -10.0 * lg(power(10.0, -v["stmr_db"] / 10.0) + np.exp(-big_t / 4.0) * power(10.0, -v["telr_db"] / 10.0))  # 7-12
    ist = (  # 7-11
        12.0 * power(1.0 + ((stmro - 13.0) / 6.0) ** 8, 1 / 8)
        - 28.0 * power(1.0 + ((stmro + 1.0) / 19.4) ** 35, 1 / 35)
        - 13.0 * power(1.0 + ((stmro - 3.0) / 33.0) ** 13, 1 / 13)
        + 29.0
    )
    q = 37.0 - 15.0 * lg(v["qdu"])  # 7-17
    g = 1.07 + 0.258 * q + 0.0602 * q**2  # 7-16
    iq = 15.0 * lg(1.0 + power(10.0, (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0) + power(10.0, 46.0 / 30.0 - g / 40.0))  # 7-13
    terv = np.where(v["stmr_db"] < 9.0, terv + ist / 2.0, terv)  # 7-23
    echo = -1.5 * (no - v["rlr_db"]) - (80.0 + 2.5 * (terv - 14.0))  # 7-20, 7-21
    idte = (echo / 2 + np.sqrt(echo * echo / 4 + 100.0) - 1.0) * factor  # 7-19
    idte = np.where(v["stmr_db"] > 20.0, np.sqrt(idte**2 + ist**2), idte)  # 7-24
    apart = ro - 10.5 * (v["wepl_db"] + 7.0) * power(v["tr_ms"] + 1.0, -0.25)  # 7-26
    idle = apart / 2 + np.sqrt(apart * apart / 4 + 169.0)  # 7-25
    r: Values = ro - (iolr + ist + iq) - (idte + idle + idd) - ie_eff + v["a"]  # 7-1, 7-8, 7-18
    return r


def reference_mos(r: Values) -> Values:
    """Annex B; never below 1, where the cubic dips."""
    middle = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6
    mos: Values = np.where(r <= 0, 1.0, np.where(r >= 100, 4.5, np.maximum(1.0, middle)))
    return mos
