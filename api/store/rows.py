"""What the store gives and takes, as plain data. Times are seconds since the epoch."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import asdict

from media.messages import Fault, LegSample
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
    teams: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A sign-in. ``device``: what it calls itself; ``place``: the network it came from; ``ended_by``: who ended it, "" by itself."""

    session_id: str
    identity: str
    device: str
    device_hash: str
    place: str
    second_factor: bool
    created_at: float
    seen_at: float
    ended_at: float | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """``secret``: sealed. ``recovery``: hashes of the codes left. ``last_step``: codes of this time step and before were used."""

    identity: str
    secret: str
    confirmed_at: float | None
    last_step: int
    recovery: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """``key_hash`` stands for the key, which nobody keeps. ``scopes``: permissions, none: all of its account's role."""

    key_id: str
    identity: str
    name: str
    key_hash: str
    scopes: tuple[str, ...]
    created_at: float
    created_by: str
    expires_at: float | None = None
    used_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What happened to ``who``'s account, done ``by`` whom (the same, mostly), from where and with what."""

    at: float
    kind: str
    who: str
    by: str = ""
    address: str = ""
    device: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it stands in the log: the ``digest`` covers it and the digest before it."""

    seq: int
    event: SecurityEvent
    digest: str


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
    came: str
    brought_by: str
    cost: float | None


@dataclass(frozen=True, slots=True)
class StoredHandling:
    """What a person wants done with calls to them; forwards as they were written, empty: none."""

    identity: str
    do_not_disturb: bool
    always: str
    busy: str
    no_answer: str
    offline: str
    no_answer_s: float


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
    mos_p10: float | None
    mos_p50: float | None
    quality_hop: str | None
    quality_cause: str | None
    cost: float | None = None
    legs: tuple[StoredLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialled:
    """A leg that we dialled, that was answered and is over. ``agent``: on whose account."""

    agent: str
    called: str
    answered_at: float
    ended_at: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """One part of a call's recording. ``file`` is empty until it is there; ``fault`` says why it ended where it was not to end.

    ``entries`` and ``digest``: its manifest's checkpoint; 0 and empty where none is known.
    """

    recording_id: str
    call_id: str
    agent: str
    consent: str
    file: str = ""
    started_at: float = 0.0
    ended_at: float | None = None
    packets: int = 0
    lost: int = 0
    entries: int = 0
    digest: str = ""
    fault: str = ""
    erased_at: float | None = None
    erased_by: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One leg in one second. ``fault``: the call's worst, where it is one of this leg."""

    call_id: str
    at: float
    leg: LegSample
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class CallRows:
    """A call and its legs as rows, complete each time."""

    call_id: str
    ended: bool
    call: Row
    legs: tuple[Row, ...]


Record = CallRows | StoredRecording
"""What is kept for good, complete each time."""


def key_of(record: Record) -> str:
    """Of two records with the same key the newer one counts."""
    return record.call_id if isinstance(record, CallRows) else record.recording_id


def call_rows(record: CallRecord, boot_id: str, to_epoch: ToEpoch, cost_of: Callable[[LegRecord], float | None]) -> CallRows:
    """``cost_of`` says what a leg that we dialled cost; a call costs what its legs do together."""
    costs = [cost_of(leg) for leg in record.legs]
    known = [cost for cost in costs if cost is not None]
    legs = tuple(_leg_row(record.call_id, leg, to_epoch) | {"cost": cost} for leg, cost in zip(record.legs, costs, strict=True))
    cost = sum(known) if known and record.ended_s is not None else None
    return CallRows(record.call_id, record.ended_s is not None, _call_row(record, boot_id, to_epoch) | {"cost": cost}, legs)


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
        "came": leg.came,
        "brought_by": leg.by,
        "opened_at": to_epoch(leg.opened_s),
        "answered_at": _epoch(leg.answered_s, to_epoch),
        "ended_at": _epoch(leg.ended_s, to_epoch),
        **_cause_columns(leg.cause),
    }


def sample_row(sample: Sample) -> Row:
    fault = sample.fault
    return asdict(sample.leg) | {
        "at": sample.at,
        "call_id": sample.call_id,
        "fault_hop": fault.hop if fault is not None else None,
        "fault_cause": fault.cause if fault is not None else None,
    }


def sample_of(row: Mapping[Any, Any]) -> Sample:
    """What ``sample_row`` made; how much a fault cost is not kept beside its leg's own figures."""
    leg = LegSample(**{name: row[name] for name in LegSample.__struct_fields__})
    fault = Fault(leg.leg_id, row["fault_hop"], row["fault_cause"], 0.0) if row["fault_hop"] is not None else None
    return Sample(row["call_id"], row["at"], leg, fault)


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
    """How a call was. MOS is that of the direction that sounded worst; the hop and cause those of most of its bad seconds."""

    scale: str
    mos_min: float
    mos_p10: float
    mos_p50: float
    hop: str | None
    cause: str


class HeardSecond(NamedTuple):
    """Of a ``Sample``, what a summary is made of."""

    leg_id: str
    scale: str
    mos: float | None
    far_scale: str
    far_mos: float | None
    fault_hop: str | None
    fault_cause: str | None


def sum_up(seconds: Iterable[HeardSecond]) -> QualitySummary | None:
    """Sum up the direction with the lowest median MOS; None where none was measured.

    A leg that changed its codec counts once per scale, because MOS of two scales must not be mixed.
    """
    groups: dict[tuple[str, bool, str], list[float]] = {}
    faults: Counter[tuple[str, str]] = Counter()
    for second in seconds:
        for far, scale, mos in ((False, second.scale, second.mos), (True, second.far_scale, second.far_mos)):
            if mos is not None:
                groups.setdefault((second.leg_id, far, scale), []).append(mos)
        if second.fault_hop is not None and second.fault_cause is not None:
            faults[second.fault_hop, second.fault_cause] += 1
    if not groups:
        return None
    hop, cause = min(faults, key=lambda fault: (-faults[fault], fault)) if faults else (None, "good")
    summaries = [_summary(scale, sorted(scores), hop, cause) for (_, _, scale), scores in groups.items()]
    return min(summaries, key=lambda summary: (summary.mos_p50, summary.mos_min))


def _summary(scale: str, scores: list[float], hop: str | None, cause: str) -> QualitySummary:
    return QualitySummary(scale, scores[0], scores[(len(scores) - 1) // 10], scores[(len(scores) - 1) // 2], hop, cause)
