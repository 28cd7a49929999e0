"""What a 3CX is configured with, as its Configuration API (XAPI) shows it: people, queues, numbers, licence, calls of the past. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pbx.threecx.objects import fields_of

LOGGED_IN, LOGGED_OUT = "LoggedIn", "LoggedOut"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _whole(value: object) -> int:
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return 0


def _real(value: object) -> float | None:
    """A number, also where it comes as text; None for none and for 0, which is how 3CX says that nothing was measured."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if number > 0 else None


@dataclass(frozen=True, slots=True)
class PbxUser:
    """An extension's person. ``profile``: ``Available``, ``Away``, ``Out of office``, ``Custom 1``, ...; ``queue_status``: ``LoggedIn`` or
    ``LoggedOut`` of all queues."""

    id: int
    number: str
    name: str
    email: str = ""
    profile: str = ""
    queue_status: str = ""
    registered: bool = False

    @classmethod
    def read(cls, given: object) -> "PbxUser":
        values = fields_of(given)
        name = f"{_text(values.get('firstname'))} {_text(values.get('lastname'))}".strip()
        return cls(
            _whole(values.get("id")),
            _text(values.get("number")),
            name or _text(values.get("displayname")),
            _text(values.get("emailaddress")),
            _text(values.get("currentprofilename")),
            _text(values.get("queuestatus")),
            values.get("isregistered") is True,
        )


USER_FIELDS = ("Id", "Number", "FirstName", "LastName", "EmailAddress", "CurrentProfileName", "QueueStatus", "IsRegistered")


@dataclass(frozen=True, slots=True)
class PbxQueue:
    """``agents``: their numbers."""

    id: int
    number: str
    name: str
    agents: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: object, agents: tuple[str, ...] = ()) -> "PbxQueue":
        values = fields_of(given)
        return cls(_whole(values.get("id")), _text(values.get("number")), _text(values.get("name")), agents)


@dataclass(frozen=True, slots=True)
class PbxDid:
    """``target``: the number of the PBX where calls to it go, where that is known."""

    number: str
    name: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Licence:
    """``most_calls``: simultaneous calls that are licensed (MaxSimCalls); 0 where it is not known. ``calls``: that are on now."""

    product: str = ""
    most_calls: int = 0
    calls: int = 0
    version: str = ""
    call_flows: bool | None = None
    enterprise: bool | None = None

    @classmethod
    def read(cls, *given: object) -> "Licence":
        """Of ``SystemStatus``, ``LicenseStatus`` and ``SystemParameters``, what could be had."""
        values: dict[str, Any] = {}
        for each in given:
            read = fields_of(each)
            for name, value in {**fields_of(read.get("license")), **read}.items():
                if value is not None:
                    values.setdefault(name, value)
        return cls(
            _text(values.get("productcode")),
            _whole(values.get("maxsimcalls")),
            _whole(values.get("callsactive")),
            _text(values.get("version")),
            values.get("iscfdenabled"),
            values.get("isenterprise"),
        )


@dataclass(frozen=True, slots=True)
class PbxQuality:
    """3CX's own judgement of a call. Lowest of both directions and parties; None where nothing was measured."""

    mos: float | None = None
    round_trip_ms: float | None = None
    jitter_ms: float | None = None
    lost: float = 0.0
    packets: int = 0
    codec: str = ""
    reason: str = ""

    @classmethod
    def read(cls, given: object) -> "PbxQuality | None":
        """From ``Pbx.QualityReport``."""
        values = fields_of(given)
        parties = [fields_of(values[name]) for name in ("party1", "party2") if isinstance(values.get(name), Mapping)]
        if not values or not (parties or "mos" in values):
            return None

        def found(*names: str) -> list[float]:
            return [number for party in parties for name in names if (number := _real(party.get(name))) is not None]

        scores = found("mosfrompbx", "mostopbx") or [score for score in [_real(values.get("mos"))] if score is not None]
        return cls(
            min(scores, default=None),
            max(found("rtt"), default=None),
            max(found("rxjitter", "txjitter"), default=None),
            sum(found("rxlost", "txlost")),
            int(sum(found("rxpackets", "txpackets"))),
            next((_text(party.get("codec")) for party in parties if party.get("codec")), ""),
            _text(values.get("reason")),
        )


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A segment of the PBX's call log. ``at``: its start, seconds since the epoch. ``measured``: there is a report on its quality."""

    id: str
    at: float
    source: str
    source_number: str
    destination: str
    destination_number: str
    answered: bool
    talked_s: float
    reason: str
    measured: bool

    @classmethod
    def read(cls, given: object) -> "LoggedCall":
        """Raises ``ValueError`` for what has no time."""
        values = fields_of(given)
        return cls(
            id=_text(values.get("cdrid") or values.get("callhistoryid") or values.get("segmentid") or values.get("callid")),
            at=datetime.fromisoformat(_text(values.get("starttime")).replace("Z", "+00:00")).timestamp(),
            source=_text(values.get("sourcedn")),
            source_number=_text(values.get("sourcecallerid")),
            destination=_text(values.get("destinationdn")),
            destination_number=_text(values.get("destinationcallerid")),
            answered=values.get("answered") is True,
            talked_s=seconds_of(values.get("talkingduration")),
            reason=_text(values.get("reason")),
            measured=values.get("qualityreport") is True,
        )


@dataclass(frozen=True, slots=True)
class ActiveCall:
    """A call that is on. ``since``: its last change, in the PBX's words (ISO 8601)."""

    id: int
    caller: str
    callee: str
    status: str
    since: str

    @classmethod
    def read(cls, given: object) -> "ActiveCall":
        values = fields_of(given)
        words = [_text(values.get(name)) for name in ("caller", "callee", "status", "lastchangestatus")]
        return cls(_whole(values.get("id")), *words)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a call of the past, as the PBX's history has it. ``at``: in its own words (ISO 8601)."""

    at: str
    talked_s: float
    answered: bool
    source: str
    source_number: str
    source_name: str
    destination: str
    destination_number: str
    destination_name: str

    @classmethod
    def read(cls, given: object) -> "Segment":
        values = fields_of(given)
        sides = [_text(values.get(f"{side}{name}")) for side in ("src", "dst") for name in ("dn", "callernumber", "displayname")]
        return cls(_text(values.get("segmentstarttime")), seconds_of(values.get("calltime")), values.get("callanswered") is True, *sides)


def seconds_of(given: object) -> float:
    """A duration in seconds: ISO 8601 (``PT1M2.5S``), ``h:mm:ss`` or a number."""
    text = _text(given)
    if text.startswith("PT"):
        total, digits = 0.0, ""
        for each in text[2:]:
            if each in "HMS":
                total += float(digits or 0) * {"H": 3_600, "M": 60, "S": 1}[each]
                digits = ""
            else:
                digits += each
        return total
    try:
        if ":" in text:
            hours, minutes, seconds = text.split(":")
            return float(hours) * 3_600 + float(minutes) * 60 + float(seconds)
        return float(text or 0)
    except ValueError:
        return 0.0


def digits_of(number: str) -> str:
    """What two spellings of a number share: its last nine digits, an extension whole."""
    return "".join(each for each in number if each.isdecimal())[-9:]


def matching(rows: list[LoggedCall], *, agent: str, number: str, at: float, within_s: float = 180.0) -> LoggedCall | None:
    """The segment that is this call of ours: of this agent's number, with this number on the other side, begun within ``within_s`` of it.
    Of several an answered one, the nearest in time. The PBX's ids are not ours, so there is no better key."""
    wanted = digits_of(number)

    def fits(row: LoggedCall) -> bool:
        sides = ((row.source, row.destination_number or row.destination), (row.destination, row.source_number or row.source))
        return abs(row.at - at) <= within_s and any(dn == agent and digits_of(other) == wanted for dn, other in sides)

    return min((row for row in rows if fits(row)), key=lambda row: (not row.answered, abs(row.at - at), row.id), default=None)
