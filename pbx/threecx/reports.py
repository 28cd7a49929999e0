"""What 3CX reports of a call or a chat once it is over, read from the text that its template sends. Pure.

A report carries no identifier of the call, and nothing says whether it comes once, once per leg, or again after an error. So it gets a key
made of what cannot differ between two reports of one call: who spoke to whom, how, and the second it began.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_TYPES = {"inbound": ("in", True), "missed": ("in", False), "outbound": ("out", True), "notanswered": ("out", False)}
_UNFILLED = re.compile(r"\[\w+\]")
_CLOCK = re.compile(r"(?:(\d{1,4})\.)?(\d{1,4}):([0-5]?\d):([0-5]?\d)(?:\.\d+)?")
_LONGEST_S = 10 * 86_400


class BadReport(ValueError):
    """It cannot be kept as a report. The message says which field is wrong."""


@dataclass(frozen=True, slots=True)
class ReportedCall:
    """``direction``: ``in`` or ``out``. ``agent``: extension, or e-mail address where the PBX told no extension.

    ``started_at``: seconds since the epoch; None where the PBX told none that can be read. ``entity``: the contact that it had found.
    """

    direction: str
    answered: bool
    number: str
    name: str
    agent: str
    queue: str
    duration_s: int | None
    started_at: float | None
    entity: str

    def key(self, received_at: float) -> str:
        """The same for each report of one call. ``received_at`` (seconds since the epoch) stands in, by its day, for a start that was
        not told."""
        when = f"day {received_at // 86_400:.0f}, {self.duration_s} s" if self.started_at is None else f"{self.started_at:.0f}"
        return _key("call", self.agent.lower(), _digits(self.number), self.direction, self.answered, when)


@dataclass(frozen=True, slots=True)
class ReportedChat:
    """``messages``: the transcript as the PBX wrote it."""

    number: str
    email: str
    name: str
    agent: str
    queue: str
    started_at: float | None
    ended_at: float | None
    entity: str
    messages: str

    def key(self, received_at: float) -> str:
        """As that of a call."""
        when = f"day {received_at // 86_400:.0f}" if self.started_at is None else f"{self.started_at:.0f}"
        words = "" if self.started_at is not None else self.messages
        return _key("chat", self.agent.lower(), _digits(self.number), self.email.lower(), when, words)


def read_call(fields: Mapping[str, str]) -> ReportedCall:
    """A report of a call. Raises ``BadReport``."""
    text = {name: filled(value) for name, value in fields.items()}
    kind = _TYPES.get(text.get("type", "").replace(" ", "").lower())
    if kind is None:
        raise BadReport("type must be Inbound, Missed, Outbound or Notanswered")
    agent = text.get("agent") or text.get("agent_email", "")
    if not agent and not text.get("number"):
        raise BadReport("a report must say who called, or whose call it was")
    return ReportedCall(
        direction=kind[0],
        answered=kind[1],
        number=text.get("number", ""),
        name=text.get("name", ""),
        agent=agent,
        queue=text.get("queue", ""),
        duration_s=seconds_of(text.get("duration", "")),
        started_at=instant_of(text.get("started", "")),
        entity=text.get("entity", ""),
    )


def read_chat(fields: Mapping[str, str]) -> ReportedChat:
    """A report of a chat. Raises ``BadReport``."""
    text = {name: filled(value) for name, value in fields.items() if name != "messages"}
    messages = fields.get("messages", "")
    if not filled(messages):
        raise BadReport("messages must have the transcript")
    return ReportedChat(
        number=text.get("number", ""),
        email=text.get("email", ""),
        name=text.get("name", ""),
        agent=text.get("agent_email", ""),
        queue=text.get("queue", ""),
        started_at=instant_of(text.get("started", "")),
        ended_at=instant_of(text.get("ended", "")),
        entity=text.get("entity", ""),
        messages=messages,
    )


def filled(value: str) -> str:
    """A variable that the PBX did not fill in may arrive as its own name in brackets: that is empty."""
    clean = value.strip()
    return "" if _UNFILLED.fullmatch(clean) else clean


def seconds_of(text: str) -> int | None:
    """``hh:mm:ss``, with days and a fraction where it has them, or plain seconds; None for what is neither."""
    if text.isascii() and text.isdigit() and len(text) <= 7:
        return min(int(text), _LONGEST_S)
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return min(86_400 * days + 3_600 * hours + 60 * minutes + seconds, _LONGEST_S)


def instant_of(text: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 instant; None for what is none: a date in words of some country is nobody's guess."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= instant.year < 2100:
        return None
    return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).timestamp()


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
