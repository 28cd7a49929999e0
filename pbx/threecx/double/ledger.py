"""What the emulated PBX remembers of calls: those that are live, and a row for each leg that was rung, with its quality."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from pbx.threecx.double.calls import Change, Digits, Upserted
from pbx.threecx.double.directory import DnType
from pbx.threecx.double.legs import NOBODY, Leg, Party, Status

MAX_ROWS = 5000
DN_TYPES = {kind: number for number, kind in enumerate(DnType)}
"""XAPI numbers DN types; which number means what is not documented, these are the emulator's own."""


@dataclass(slots=True)
class _Times:
    begun: float
    answered: float | None = None
    source: Party = NOBODY


class Ledger:
    """``note`` hears of every change, with the wall clock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._times: dict[int, _Times] = {}
        self._rows: deque[dict[str, Any]] = deque(maxlen=MAX_ROWS)
        self._segments = 0

    def note(self, change: Change, now: float) -> None:
        if isinstance(change, Digits):
            return
        leg = change.leg
        times = self._times.setdefault(leg.id, _Times(now))
        if leg.other is not None:
            times.source = leg.party
        if isinstance(change, Upserted):
            if leg.status is Status.CONNECTED and times.answered is None:
                times.answered = now
            return
        del self._times[leg.id]
        if leg.legid > 1 and leg.me.kind is not DnType.QUEUE:
            self._rows.append(self._row(leg, times, now))

    def restart(self) -> None:
        """Live calls are gone; what is written stays."""
        self._times.clear()

    def _row(self, leg: Leg, times: _Times, now: float) -> dict[str, Any]:
        self._segments += 1
        return {
            "leg": leg,
            "source": times.source,
            "segment": self._segments,
            "begun": times.begun,
            "answered": times.answered,
            "ended": now,
            "cdr": f"{self._random.getrandbits(128):032x}",
        }

    def active(self, legs: list[Leg], now: float) -> list[dict[str, Any]]:
        """``ActiveCalls``: one row per call."""
        calls: dict[int, list[Leg]] = {}
        for leg in legs:
            calls.setdefault(leg.callid, []).append(leg)
        return [self._active(callid, members, now) for callid, members in calls.items()]

    def _active(self, callid: int, legs: list[Leg], now: float) -> dict[str, Any]:
        first, others = legs[0], [leg for leg in legs[1:] if leg.me.kind is not DnType.QUEUE]
        connected = [leg for leg in others if leg.status is Status.CONNECTED]
        callee = (connected or others or [first])[-1].me if others else first.party
        times = [self._times[leg.id] for leg in legs if leg.id in self._times]
        answered = [each.answered for each in times if each.answered is not None]
        talking = bool(connected) and first.status is Status.CONNECTED
        return {
            "Id": callid,
            "Caller": _named(first.me),
            "Callee": _named(callee),
            "Status": "Talking" if talking else "Routing",
            "LastChangeStatus": iso(max([*answered, *(each.begun for each in times)], default=now)),
            "EstablishedAt": iso(max(answered, default=now)) if talking else None,
            "ServerNow": iso(now),
        }

    def history(self) -> list[dict[str, Any]]:
        """``CallHistoryView``."""
        return [
            {
                "SegmentId": row["segment"],
                "SegmentType": 1,
                "SegmentActionId": 1,
                "SegmentStartTime": iso(row["begun"]),
                "SegmentEndTime": iso(row["ended"]),
                "CallTime": _duration(row["ended"] - (row["answered"] or row["ended"])),
                "CallAnswered": row["answered"] is not None,
                **_side("Src", row["source"], 0),
                **_side("Dst", row["leg"].me, row["leg"].id),
            }
            for row in self._rows
        ]

    def log(self) -> list[dict[str, Any]]:
        """``ReportCallLogData``."""
        return [self._logged(row) for row in self._rows]

    def _logged(self, row: dict[str, Any]) -> dict[str, Any]:
        leg, source, answered = row["leg"], row["source"], row["answered"] is not None
        inbound = source.kind is DnType.LINE
        outbound = leg.me.kind is DnType.LINE
        return {
            "CallId": leg.callid,
            "CdrId": row["cdr"],
            "CallHistoryId": f"{leg.callid:032x}",
            "MainCallHistoryId": f"{leg.callid:032x}",
            "SegmentId": row["segment"],
            "StartTime": iso(row["begun"]),
            "Direction": "Inbound" if inbound else "Outbound" if outbound else "Internal",
            "CallType": "External" if inbound or outbound else "Internal",
            "Status": "Answered" if answered else "Unanswered",
            "Answered": answered,
            "Reason": "",
            "RingingDuration": _duration((row["answered"] or row["ended"]) - row["begun"]),
            "TalkingDuration": _duration(row["ended"] - (row["answered"] or row["ended"])),
            "SourceDn": source.dn,
            "SourceType": DN_TYPES[source.kind],
            "SourceCallerId": source.number,
            "SourceDisplayName": source.name,
            "DestinationDn": leg.dn,
            "DestinationType": DN_TYPES[leg.me.kind],
            "DestinationCallerId": leg.me.number,
            "DestinationDisplayName": leg.me.name,
            "QualityReport": answered,
            "RecordingUrl": "",
            "Transcription": None,
            "Summary": None,
            "SentimentScore": None,
        }

    def quality(self, cdr_id: str) -> dict[str, Any] | None:
        """The quality report of an answered segment; None where there is none. MOS 0 means that it was too short to be measured."""
        row = next((row for row in self._rows if row["cdr"] == cdr_id and row["answered"] is not None), None)
        if row is None:
            return None
        talked_s = row["ended"] - row["answered"]
        random = Random(cdr_id)
        parties = [_party(party.number, talked_s, random) for party in (row["source"], row["leg"].me)]
        short = talked_s < 5
        mos = 0.0 if short else min(party["MOSFromPBX"] for party in parties)
        reason = "Too small call duration for quality estimation." if short else ""
        return {
            "MOS": mos,
            "OverallScore": 0,
            "Party1": parties[0],
            "Party2": parties[1],
            "Reason": reason,
            "Summary": 0,
            "Transcoding": False,
        }


def _party(number: str, talked_s: float, random: Random) -> dict[str, Any]:
    packets = int(talked_s * 50)
    mos = 0.0 if talked_s < 5 else round(random.uniform(3.6, 4.4), 2)
    return {
        "Number": number,
        "Codec": "PCMA",
        "Duration": int(talked_s),
        "MOSFromPBX": mos,
        "MOSToPBX": mos,
        "RTT": round(random.uniform(5, 80), 1),
        "RxJitter": round(random.uniform(0.1, 12), 1),
        "TxJitter": round(random.uniform(0.1, 12), 1),
        "RxLost": round(random.uniform(0, 1.5), 2),
        "TxLost": round(random.uniform(0, 1.5), 2),
        "RxPackets": packets,
        "TxPackets": packets,
        "Burst": 0,
        "TxBursts": 0,
        "UserAgent": "",
        "AddressStr": "",
    }


def _side(prefix: str, party: Party, leg_id: int) -> dict[str, Any]:
    outside = party.kind is DnType.LINE
    return {
        f"{prefix}Dn": party.dn,
        f"{prefix}DnType": DN_TYPES[party.kind],
        f"{prefix}CallerNumber": party.number,
        f"{prefix}DisplayName": party.name,
        f"{prefix}ParticipantId": leg_id,
        f"{prefix}Internal": not outside,
        f"{prefix}External": outside,
        f"{prefix}RecId": None,
    }


def _named(party: Party) -> str:
    return f"{party.number} {party.name}".strip()


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _duration(seconds: float) -> str:
    """ISO 8601, as XAPI tells times."""
    return f"PT{max(0.0, seconds):.3f}S"
