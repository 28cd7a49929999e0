"""What the store gives and takes, as plain data. Times are seconds since the epoch."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from msgspec.structs import astuple

from media.messages import Fault, LegSample
from rooms.agent import AgentChange
from rooms.call_back import CallBack
from rooms.causes import Cause
from rooms.effects import KeepWrapUp
from rooms.entries import Entry, QueueVisit
from rooms.record import CallRecord, LegRecord

QUARTER_S = 900
"""Statistics are kept by quarters of an hour."""

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
    hold_s: float
    ended_by: str
    codec: str


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
class StoredVoicemail:
    """A message that a caller left. ``voicemail_id``: its recording's too. ``outcome``: empty while the caller speaks, then that of

    ``rooms/voicemail.py``.
    """

    voicemail_id: str
    box: str
    call_id: str
    caller: str
    caller_name: str
    language: str
    left_at: float
    ended_at: float | None = None
    duration_s: float = 0.0
    outcome: str = ""
    heard_at: float | None = None
    heard_by: str | None = None
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


Record = CallRows | StoredRecording | StoredVoicemail
"""What is kept for good, complete each time."""


class Line(NamedTuple):
    """A row of a table that is written once and never changes: what has happened."""

    table: Literal[
        "call_events",
        "call_traces",
        "agent_states",
        "queue_visits",
        "call_backs",
        "wrap_ups",
        "outbox",
        "tasks",
        "rule_runs",
        "consultation_steps",
    ]
    row: Row


@dataclass(frozen=True, slots=True)
class LegMeans:
    """By what a leg took part, each empty where nobody knows. ``headset``: make and model of what an agent spoke into (``headset_model``).
    Of a browser's packets: ``connection``: what the machine was connected by, ``wifi``; ``way``: the kind of its address and the protocol,
    ``host/udp``, or ``relay/tls``; ``family``: ``ipv4`` or ``ipv6``."""

    codec: str = ""
    headset: str = ""
    connection: str = ""
    way: str = ""
    family: str = ""


MEANS = tuple(field.name for field in fields(LegMeans))


def key_of(record: Record) -> str:
    """Of two records with the same key the newer one counts."""
    match record:
        case CallRows():
            return record.call_id
        case StoredRecording():
            return record.recording_id
        case StoredVoicemail():
            return f"voicemail {record.voicemail_id}"


def call_rows(
    record: CallRecord,
    boot_id: str,
    to_epoch: ToEpoch,
    cost_of: Callable[[LegRecord], float | None],
    means_of: Callable[[str], LegMeans],
) -> CallRows:
    """``cost_of`` says what a leg that we dialled cost; a call costs what its legs do together. ``means_of``: a leg's; empty: no longer
    known, or not yet."""
    costs = [cost_of(leg) for leg in record.legs]
    known = [cost for cost in costs if cost is not None]
    legs = tuple(
        _leg_row(record.call_id, leg, to_epoch) | {"cost": cost} | _means_columns(means_of(leg.leg_id))
        for leg, cost in zip(record.legs, costs, strict=True)
    )
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
        "answered_by": record.tally.answered_by,
        "talk_s": record.tally.talk_s,
        "hold_s": record.tally.hold_s,
        "transfers": record.tally.transfers,
        "ended_by": record.tally.ended_by,
        "entries": record.tally.entries,
        "left_out": record.tally.left_out,
        "entry": record.tally.entry,
        "language": record.tally.language,
        "queue": record.tally.queue,
        "waited_s": record.tally.waited_s,
        "call_back": record.tally.call_back,
        "vip": record.tally.vip,
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
        "hold_s": leg.hold_s,
        "ended_by": leg.ended_by,
        **_cause_columns(leg.cause),
    }


def entry_line(entry: Entry, to_epoch: ToEpoch) -> Line:
    call_id, seq, at_s, what, party, leg_id, by, detail = entry
    row = {"call_id": call_id, "seq": seq, "at": to_epoch(at_s), "what": what.value, "party": party}
    return Line("call_events", row | {"leg_id": leg_id, "by": by, "detail": detail})


def visit_line(visit: QueueVisit, to_epoch: ToEpoch) -> Line:
    row = visit._asdict()
    since, joined_at, left_at = (to_epoch(row.pop(name)) for name in ("since_s", "joined_s", "left_s"))
    return Line("queue_visits", row | {"since": since, "joined_at": joined_at, "left_at": left_at, "quarter": int(joined_at // QUARTER_S)})


def agent_line(change: AgentChange, boot_id: str, to_epoch: ToEpoch) -> Line:
    row = {"identity": change.identity, "at": to_epoch(change.at_s), "state": change.state.value, "reason": change.reason}
    return Line("agent_states", row | {"boot_id": boot_id})


def call_back_line(back: CallBack, outcome: str, node: str, to_epoch: ToEpoch) -> Line:
    row = {"call_back_id": back.call_back_id, "seq": back.seq, "node": node, "queue": back.queue, "number": back.number, "name": back.name}
    row |= {"language": back.language, "since_at": to_epoch(back.since_s), "priority": back.priority, "tries": back.tries}
    return Line("call_backs", row | {"next_at": None if back.next_s is None else to_epoch(back.next_s), "outcome": outcome})


def wrap_up_line(done: KeepWrapUp, to_epoch: ToEpoch) -> Line:
    row = {"call_id": done.call_id, "agent": done.agent, "began_at": to_epoch(done.began_s), "queue": done.queue, "code": done.code}
    return Line("wrap_ups", row | {"ended_at": to_epoch(done.ended_s)})


def sample_values(sample: Sample) -> tuple[Any, ...]:
    """As the columns of ``quality`` stand: whose and when, then the leg's other fields in their order, then the fault."""
    fault = sample.fault
    leg_id, *measured = astuple(sample.leg)
    return (leg_id, sample.at, sample.call_id, *measured, *((fault.hop, fault.cause) if fault is not None else (None, None)))


def sample_of(row: Mapping[Any, Any]) -> Sample:
    """What ``sample_values`` made; how much a fault cost is not kept beside its leg's own figures."""
    leg = LegSample(**{name: row[name] for name in LegSample.__struct_fields__})
    fault = Fault(leg.leg_id, row["fault_hop"], row["fault_cause"], 0.0) if row["fault_hop"] is not None else None
    return Sample(row["call_id"], row["at"], leg, fault)


def _epoch(at_s: float | None, to_epoch: ToEpoch) -> float | None:
    return None if at_s is None else to_epoch(at_s)


def _means_columns(means: LegMeans) -> Row:
    """As ``asdict``, which copies every text deeply: this is made at each step of a call."""
    return {name: getattr(means, name) for name in MEANS}


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
