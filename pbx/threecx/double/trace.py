"""What an event socket told and what reading the entities showed, as lines of JSON: one format for a real PBX and for the emulator.

    {"flow": "pstn_to_extension", "basis": "confirmed", "pbx": "20.0.9.100"}
    {"at": 0.51, "frame": {"sequence": 7, "event": {"event_type": 0, "entity": "/callcontrol/200/participants/12", "attached_data": null}}}
    {"at": 0.53, "get": "/callcontrol/200/participants/12", "status": 200, "body": {"status": "Ringing"}}

Numbers, names, devices and digits are replaced before anything is kept; extensions stay, because the shape of a call hangs on them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import ndiff
from typing import Any

from pbx.threecx.double.events import DTMF, REMOVE, UPSERT

MAX_LINES = 100_000
_LONG_NUMBER = re.compile(r"\+?\d[\d ().-]{4,}\d")
_NAMED = re.compile(r"name$", re.IGNORECASE)
_ENTITY = re.compile(r"/callcontrol/([^/]+)/participants/(\d+)$")
_SECRET = {"device_id": "device", "participant_uid": "uid", "user_agent": "agent"}


class BadTrace(ValueError):
    """A file that is none of ours."""


class Redaction:
    """The same thing gets the same stand-in throughout one trace."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.of(each, str(name)) for name, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, key) for each in value]
        return self._text(value, key) if isinstance(value, str) and value else value

    def _text(self, text: str, key: str) -> str:
        lower = key.lower()
        if lower == "dtmf_input":
            return "0" * len(text)
        if lower in _SECRET:
            return self._stand_in(_SECRET[lower], text)
        if _NAMED.search(lower):
            return self._stand_in("name", text)
        return _LONG_NUMBER.sub(lambda match: self._stand_in("+99", re.sub(r"\D", "", match.group())), text)

    def _stand_in(self, kind: str, text: str) -> str:
        known = self._known.setdefault((kind, text), "")
        if not known:
            number = sum(1 for of, _ in self._known if of == kind)
            known = self._known[kind, text] = f"{kind}{number:06d}" if kind == "+99" else f"{kind}{number}"
        return known


@dataclass(slots=True)
class Trace:
    """``lines`` hold nothing that was not redacted. Bounded: what comes after is counted in ``lost``."""

    flow: str = ""
    basis: str = ""
    pbx: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)
    lost: int = 0
    _redaction: Redaction = field(default_factory=Redaction)

    def frame(self, at: float, text: str) -> str | None:
        """Keep what the socket said; the entity to read next, where there is one."""
        try:
            frame = json.loads(text)
        except ValueError:
            frame = {"unreadable": len(text)}
        self._keep({"at": round(at, 3), "frame": self._redaction.of(frame)})
        inner = frame.get("event") if isinstance(frame, dict) else None
        entity = inner.get("entity") if isinstance(inner, dict) and inner.get("event_type") == UPSERT else None
        return entity if isinstance(entity, str) and _ENTITY.match(entity) else None

    def read(self, at: float, path: str, status: int, body: object) -> None:
        """Keep what reading an entity showed."""
        self._keep({"at": round(at, 3), "get": path, "status": status, "body": self._redaction.of(body)})

    def _keep(self, line: dict[str, Any]) -> None:
        if len(self.lines) < MAX_LINES:
            self.lines.append(line)
        else:
            self.lost += 1

    def write(self) -> str:
        head = {"flow": self.flow, "basis": self.basis, "pbx": self.pbx}
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [head, *self.lines])

    def shape(self) -> list[str]:
        """What happened, without times, ids and repetitions: ``200 Ringing``, ``870 digits``, ``200 removed``."""
        found: list[str] = []
        last: dict[tuple[str, str], str] = {}
        for key, text in self._steps():
            if last.get(key) != text:
                last[key] = text
                found.append(f"{key[0]} {text}")
        return found

    def _steps(self) -> Iterator[tuple[tuple[str, str], str]]:
        for line in self.lines:
            inner = line.get("frame", {}).get("event", {})
            match = _ENTITY.match(str(line.get("get") or inner.get("entity") or ""))
            if match is None:
                continue
            key = match.group(1), match.group(2)
            if "get" in line:
                body = line["body"]
                yield key, _told(body) if line["status"] == 200 and isinstance(body, dict) else f"unread, {line['status']}"
            elif inner.get("event_type") == REMOVE:
                yield key, "removed"
            elif inner.get("event_type") == DTMF:
                yield key, "digits"


def _told(body: dict[str, Any]) -> str:
    """A participant in a few words: its status, and what kind of party is at the other end."""
    told = {name.lower(): value for name, value in body.items()}
    party = str(told.get("party_dn_type") or "")
    behalf = f" for {told['on_behalf_of_dn']}" if told.get("on_behalf_of_dn") else ""
    referred = f" from {told['referred_by_dn']}" if told.get("referred_by_dn") else ""
    return f"{told.get('status')} with {party.removeprefix('W') or 'nobody'}{behalf}{referred}"


def read_trace(text: str) -> Trace:
    """Raises ``BadTrace``."""
    try:
        head, *lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        trace = Trace(str(head["flow"]), str(head["basis"]), str(head["pbx"]))
    except (ValueError, KeyError, TypeError):
        raise BadTrace("no trace: its first line names flow, basis and pbx") from None
    if not all(isinstance(line, dict) and ("frame" in line or "get" in line) for line in lines):
        raise BadTrace("no trace: each line has a frame, or what a GET showed")
    trace.lines = lines
    return trace


def differences(recorded: Trace, played: Trace) -> list[str]:
    """Where a real PBX did otherwise than the emulator: ``-`` only the emulator, ``+`` only the PBX. Empty where they agree."""
    lines = list(ndiff(played.shape(), recorded.shape()))
    return [line for line in lines if not line.startswith("?")] if any(line[0] in "+-" for line in lines) else []
