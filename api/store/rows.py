"""What the store gives and takes, as plain data. Times are seconds since the epoch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from media.messages import LegSample
from rooms.causes import Cause
from rooms.record import CallRecord, LegRecord

ToEpoch = Callable[[float], float]
"""From the core's clock to seconds since the epoch."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in, unless ``disabled``."""

    identity: str
    name: str
    role: str
    password_hash: str
    disabled: bool
    created_at: float
    last_sign_in_at: float | None


@dataclass(frozen=True, slots=True)
class StoredLeg:
    leg_id: str
    kind: str
    party: str
    trunk: str
    opened_at: float
    answered_at: float | None
    ended_at: float | None
    end_reason: str | None
    end_sip: int | None
    end_detail: str | None


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as it was last written. ``legs`` are given by ``Store.call`` only."""

    call_id: str
    direction: str
    caller: str
    caller_name: str
    called: str
    agent: str
    state: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    end_reason: str | None
    end_sip: int | None
    end_detail: str | None
    mos_scale: str | None
    mos_min: float | None
    mos_p50: float | None
    quality_cause: str | None
    legs: tuple[StoredLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One leg in one second."""

    call_id: str
    at: float
    leg: LegSample


@dataclass(frozen=True, slots=True)
class CallRows:
    """A call and its legs as rows, complete each time."""

    call_id: str
    ended: bool
    call: Row
    legs: tuple[Row, ...]


def call_rows(record: CallRecord, boot_id: str, to_epoch: ToEpoch) -> CallRows:
    legs = tuple(_leg_row(record.call_id, leg, to_epoch) for leg in record.legs)
    return CallRows(record.call_id, record.ended_s is not None, _call_row(record, boot_id, to_epoch), legs)


def _call_row(record: CallRecord, boot_id: str, to_epoch: ToEpoch) -> Row:
    return {
        "call_id": record.call_id,
        "boot_id": boot_id,
        "direction": record.direction,
        "caller": record.caller,
        "caller_name": record.caller_name,
        "called": record.called,
        "agent": record.agent,
        "state": record.state.value,
        "started_at": to_epoch(record.started_s),
        "answered_at": _epoch(record.answered_s, to_epoch),
        "ended_at": _epoch(record.ended_s, to_epoch),
        **_cause_columns(record.cause),
    }


def _leg_row(call_id: str, leg: LegRecord, to_epoch: ToEpoch) -> Row:
    return {
        "leg_id": leg.leg_id,
        "call_id": call_id,
        "kind": leg.kind,
        "party": leg.party,
        "trunk": leg.trunk,
        "opened_at": to_epoch(leg.opened_s),
        "answered_at": _epoch(leg.answered_s, to_epoch),
        "ended_at": _epoch(leg.ended_s, to_epoch),
        **_cause_columns(leg.cause),
    }


def sample_row(sample: Sample) -> Row:
    leg = sample.leg
    return {
        "leg_id": leg.leg_id,
        "at": sample.at,
        "call_id": sample.call_id,
        "packets": leg.packets,
        "loss": leg.loss,
        "jitter_ms": leg.jitter_ms,
        "round_trip_ms": leg.round_trip_ms,
        "discarded": leg.discarded,
        "concealed_ms": leg.concealed_ms,
        "level_dbfs": leg.level_dbfs,
        "r": leg.r,
        "mos": leg.mos,
        "scale": leg.scale,
        "cause": leg.cause,
        "codec": leg.codec,
        "speech": leg.speech,
        "noise_dbfs": leg.noise_dbfs,
        "echo_return_loss_db": leg.echo_return_loss_db,
        "echo_return_loss_enhancement_db": leg.echo_return_loss_enhancement_db,
    }


def _epoch(at_s: float | None, to_epoch: ToEpoch) -> float | None:
    return None if at_s is None else to_epoch(at_s)


def _cause_columns(cause: Cause | None) -> Row:
    return {
        "end_reason": cause.reason.value if cause else None,
        "end_sip": cause.sip if cause else None,
        "end_detail": cause.detail if cause else None,
    }


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """How one leg was, over the call. ``cause`` is the commonest one that was not ``good``, where it was not good throughout."""

    scale: str
    mos_min: float
    mos_p50: float
    cause: str


def worst_leg(samples: Iterable[tuple[str, str, float, str]]) -> QualitySummary | None:
    """Sum up the leg with the lowest median MOS. ``samples``: (leg id, scale, MOS, cause); None when there are none.

    A leg that changed its codec counts once per scale, because MOS of two scales must not be mixed.
    """
    groups: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for leg_id, scale, mos, cause in samples:
        groups.setdefault((leg_id, scale), []).append((mos, cause))
    summaries = [_summary(scale, group) for (_, scale), group in groups.items()]
    return min(summaries, key=lambda summary: (summary.mos_p50, summary.mos_min), default=None)


def _summary(scale: str, group: list[tuple[float, str]]) -> QualitySummary:
    scores = sorted(mos for mos, _ in group)
    faults = [cause for _, cause in group if cause != "good"]
    return QualitySummary(scale, scores[0], scores[(len(scores) - 1) // 2], max(sorted(set(faults)), key=faults.count, default="good"))
