"""An appointment as a calendar file that mail programs and telephones take (iCalendar, RFC 5545; METHOD by RFC 5546).

Times are UTC, so the reader's calendar shows them in its own zone and no zone needs a definition. A move has the same UID and a higher
SEQUENCE, and replaces what was there; a cancellation takes it out. (The ``icalendar`` package does this and a hundred things more; these
are the forty lines of it that are needed.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_LONGEST_OCTETS = 75
_REMIND = ("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Reminder", "TRIGGER:-PT15M", "END:VALARM")


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """Seconds since the epoch. ``organizer`` and ``attendee``: addresses; both, or it is told without asking for an answer."""

    uid: str
    sequence: int
    start_s: float
    end_s: float
    written_s: float
    summary: str
    description: str = ""
    url: str = ""
    cancelled: bool = False
    organizer: str = ""
    attendee: str = ""


def calendar_file(entry: CalendarEntry) -> str:
    """Lines end by CRLF and are folded (3.1); texts are escaped (3.3.11)."""
    return "".join(f"{folded}\r\n" for line in _lines(entry) for folded in _folded(line))


def _lines(entry: CalendarEntry) -> Iterator[str]:
    invites = bool(entry.organizer and entry.attendee)
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Centralita//Appointments//EN", "CALSCALE:GREGORIAN")
    yield f"METHOD:{'CANCEL' if entry.cancelled else 'REQUEST' if invites else 'PUBLISH'}"
    yield from ("BEGIN:VEVENT", f"UID:{_text(entry.uid)}", f"SEQUENCE:{entry.sequence}", f"DTSTAMP:{_utc(entry.written_s)}")
    yield from (f"DTSTART:{_utc(entry.start_s)}", f"DTEND:{_utc(entry.end_s)}", f"SUMMARY:{_text(entry.summary)}")
    yield f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}"
    if entry.description:
        yield f"DESCRIPTION:{_text(entry.description)}"
    if entry.url:
        yield f"URL:{entry.url}"
    if invites:
        yield from (f"ORGANIZER:mailto:{entry.organizer}", f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:{entry.attendee}")
    if not entry.cancelled:
        yield from _REMIND
    yield from ("END:VEVENT", "END:VCALENDAR")


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "\\n".join(plain.splitlines())


def _folded(line: str) -> Iterator[str]:
    """Pieces of 75 octets at most, the later ones with their blank, and no letter cut in two."""
    piece = ""
    for letter in line:
        if len((piece + letter).encode()) > _LONGEST_OCTETS:
            yield piece
            piece = " "
        piece += letter
    yield piece
