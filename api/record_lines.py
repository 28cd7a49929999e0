"""Records as lines of CSV or JSON: which fields there are, in which order, and how a spreadsheet is kept from calculating with them.

The fields are explained in ``docs/records.md``; a name that is there once keeps its meaning, new ones come at the end.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from api.reports.figures import service_level
from api.store.rows import QUARTER_S

Kind = Literal["call", "leg", "event", "visit", "agent_state"]
Form = Literal["csv", "jsonl"]
Line = dict[str, Any]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "call": (
        *("cursor", "call_id", "direction", "caller", "caller_name", "called", "agent", "answered_by"),
        *("started_at", "answered_at", "ended_at", "duration_s", "talk_s", "hold_s", "transfers"),
        *("ended_by", "end_reason", "end_sip", "end_detail"),
        *("mos_scale", "mos_min", "mos_p50", "quality_hop", "quality_cause", "cost", "recordings", "entries", "left_out"),
        *("entry", "language", "vip", "queues", "waited_s", "call_back", "wrap_up_codes", "wrap_up_s"),
    ),
    "leg": (
        *("cursor", "call_id", "leg_id", "kind", "party", "trunk", "codec", "came", "brought_by"),
        *("opened_at", "answered_at", "ended_at", "ring_s", "talk_s", "hold_s"),
        *("ended_by", "end_reason", "end_sip", "end_detail", "mos_min", "mos_mean", "cost"),
        *("headset", "connection", "way", "family"),
    ),
    "event": ("cursor", "call_id", "seq", "at", "what", "party", "leg_id", "by", "detail"),
    "visit": (
        *("cursor", "call_id", "visit", "queue", "joined_at", "left_at", "waited_s"),
        *("outcome", "agent", "leg_id", "offers", "in_time", "short"),
    ),
    "statistics": (
        *("queue", "began_at", "interval_s", "offered", "answered", "in_time", "abandoned", "short", "overflowed", "turned_away"),
        *("called_back", "service_level", "wait_s", "answered_wait_s", "longest_wait_s", "talk_s", "wrap_up_s", "handle_s"),
    ),
    "agent_state": ("cursor", "agent", "state", "reason", "began_at", "ended_at", "duration_s"),
}
CONTENT_TYPE: Mapping[str, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}


def call_line(row: Mapping[str, Any]) -> Line:
    """``row``: as ``RecordStore.calls`` gives it."""
    return _line("call", row, cursor=row["record_seq"], duration_s=_between(row["started_at"], row["ended_at"]))


def leg_line(row: Mapping[str, Any], cursor: int) -> Line:
    rung = row["answered_at"] if row["answered_at"] is not None else row["ended_at"]
    return _line("leg", row, cursor=cursor, ring_s=_between(row["opened_at"], rung), talk_s=_between(rung, row["ended_at"]))


def event_line(row: Mapping[str, Any], cursor: int) -> Line:
    return _line("event", row, cursor=cursor)


def visit_line(row: Mapping[str, Any], cursor: int) -> Line:
    return _line("visit", row, cursor=cursor, waited_s=_between(row["since"], row["left_at"]))


def agent_state_line(row: Mapping[str, Any]) -> Line:
    began_at, ended_at = row["at"], row["ended_at"]
    duration_s = _between(began_at, ended_at)
    return _line("agent_state", row, cursor=row["record_seq"], agent=row["identity"], began_at=began_at, duration_s=duration_s)


def statistics_line(row: Mapping[str, Any], size: int) -> Line:
    """``row``: as ``RecordStore.queue_statistics`` gives it, of intervals of ``size`` quarters of an hour."""
    began_at, interval_s = row["slot"] * size * QUARTER_S, size * QUARTER_S
    level = service_level(row["in_time"], row["answered"], row["abandoned"], row["short"], row["overflowed"])
    handle_s = row["talk_s"] + row["wrap_up_s"]
    return _line("statistics", row, began_at=began_at, interval_s=interval_s, service_level=level, handle_s=handle_s)


def _line(kind: str, row: Mapping[str, Any], **more: Any) -> Line:
    return {name: _told(name, more[name] if name in more else row[name]) for name in FIELDS[kind]}


def _told(name: str, value: Any) -> Any:
    """Times as UTC in ISO 8601, lengths to the millisecond."""
    if value is not None and (name == "at" or name.endswith("_at")):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return round(value, 3) if isinstance(value, float) and name != "cost" else value


def _between(since: float | None, until: float | None) -> float | None:
    return None if since is None or until is None else max(0.0, until - since)


# ---------------------------------------------------------------------- lines of text


def head(kind: str, form: Form) -> bytes:
    """What stands before the first record."""
    return _csv([FIELDS[kind]]) if form == "csv" else b""


def body(kind: str, form: Form, lines: Sequence[Line]) -> bytes:
    if form == "jsonl":
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    return _csv([[_cell(line[name]) for name in FIELDS[kind]] for line in lines])


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Any table as CSV: names, then rows of texts, numbers, booleans, lists and None."""
    return _csv([names, *([_cell(value) for value in row] for row in rows)])


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    """RFC 4180, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


_NUMBER = re.compile(r"\+?[0-9]+")
_FORMULA = re.compile(r"(^|[;\t\r\n])(?= *[=+\-@\t\r])")


def _cell(value: object) -> object:
    if isinstance(value, list):
        return neutral(" ".join(value))
    if isinstance(value, bool):
        return str(value).lower()
    return neutral(value) if isinstance(value, str) else value


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what would begin one, also behind a semicolon, at which some
    of them begin a new field. A telephone number with its plus sign is one number and stays as it is."""
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'", text)
