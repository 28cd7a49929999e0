"""Which hop of a call is bad, and why: from one second of each of its legs. Pure.

Each leg has two hops, and each was judged by itself (``media/quality.py``). Echo is the only fault that takes two legs to judge: it is
made at one far end and disturbs the people at the others, the more the longer it travels (ITU-T G.107, Idte).
"""

from collections.abc import Sequence
from functools import lru_cache

from dsp import mos
from media.messages import Fault, LegSample
from media.quality import GOOD_LOST_R

MOST_FAULTS = 8
_NAMES = {"peer": "browser", "phone": "phone"}
_LOUDNESS_RATINGS_DB = 10.0
"""SLR and RLR, which TELR counts on top of the loss of the echo path (G.107, table 2)."""
_WORTH_A_LOOK_DB = 50.0
_SERVER_MS = 60.0
"""Packets and jitter buffers on the way to the echo and back, beside the round trips of both legs."""


def faults(legs: Sequence[LegSample]) -> tuple[Fault, ...]:
    """The bad hops of a call, the one that costs most first, at most ``MOST_FAULTS``. A hop that nobody measured is not accused."""
    found: list[Fault] = []
    for leg in legs:
        name = _NAMES.get(leg.kind)
        if name is None:
            continue
        if leg.cause not in ("good", "unclassified") and leg.r_lost is not None:
            found.append(Fault(leg.leg_id, f"{name}_to_us", leg.cause, leg.r_lost))
        if leg.far_cause not in ("good", "unclassified", "upstream") and leg.far_r_lost is not None:
            found.append(Fault(leg.leg_id, f"us_to_{name}", leg.far_cause, leg.far_r_lost))
        echo = _echo(leg, legs)
        if echo is not None:
            found.append(Fault(leg.leg_id, f"{name}_to_us", "echo", echo))
    return tuple(sorted(found, key=lambda fault: -fault.r_lost)[:MOST_FAULTS]) if found else ()


def _echo(leg: LegSample, legs: Sequence[LegSample]) -> float | None:
    """Points of R that this leg's echo costs who hears it; None where it is not heard or not measured."""
    if leg.echo_return_loss_db is None:
        return None
    loss_db = leg.echo_return_loss_db + (leg.echo_return_loss_enhancement_db or 0.0)
    if loss_db >= _WORTH_A_LOOK_DB:
        return None
    others = max((other.round_trip_ms or 0.0 for other in legs if other is not leg), default=0.0)
    path_ms = _SERVER_MS + (leg.round_trip_ms or 0.0) + others
    lost = _echo_lost(leg.codec, round(_LOUDNESS_RATINGS_DB + loss_db), round(path_ms / 2))
    return lost if lost is not None and lost > GOOD_LOST_R else None


@lru_cache(maxsize=1_024)
def _echo_lost(codec: str, telr_db: int, one_way_ms: int) -> float | None:
    clean = mos.rate(codec, loss=0.0, delay_ms=0.0)
    echoed = mos.rate(codec, loss=0.0, delay_ms=0.0, connection=mos.Connection(telr_db=telr_db, t_ms=one_way_ms))
    return clean.r - echoed.r if clean is not None and echoed is not None else None
