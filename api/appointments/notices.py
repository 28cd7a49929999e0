"""What a customer is to be told of their appointment, and when. Pure: ``now`` is an argument. The words are ``api/notify/texts``'.

What is due follows from how the appointment stands, not from what happened: so nothing is lost by a restart, and of several nodes each
comes to the same. That it goes once is for the store's marks and the outbox.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from api.appointments.states import STANDING, State
from api.store.appointments import Appointment
from rooms.flows.conditions import FactValue


class Notice(StrEnum):
    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    SORRY = "sorry"
    """It was cancelled when it should have been under way: nobody of the house met them."""
    MISSED = "missed"
    REMINDER = "reminder"


WITHIN_S = 2 * 86_400.0
"""What could not be told for longer is not told any more."""


def kind_of_reminder(lead_s: float) -> str:
    return f"{Notice.REMINDER}-{lead_s:.0f}"


def due(of: Appointment, sent: Collection[tuple[str, str, int]], now: float, reminders_s: Sequence[float]) -> list[str]:
    """Kinds of notices. ``sent``: those that went already, as ``AppointmentStore.sent`` has them."""
    wanted = [kind for kind in _wanted(of, now, reminders_s) if (of.appointment_id, kind, of.revision) not in sent]
    return [kind for kind in wanted if not (kind == Notice.MOVED and of.revision == 0)]


def _wanted(of: Appointment, now: float, reminders_s: Sequence[float]) -> list[str]:
    fresh = now < of.set_at + WITHIN_S
    if of.state in STANDING and of.start_at > now:
        told = [str(Notice.MOVED if of.revision else Notice.BOOKED)] if fresh and of.room_id else []
        reminder = next((lead for lead in sorted(reminders_s) if of.start_at - lead <= now), None)
        # Who has just booked needs no reminder of it, and who slept through one is told the next one alone.
        timely = reminder is not None and of.set_at < of.start_at - reminder
        return [*told, kind_of_reminder(reminder)] if timely and reminder is not None else told
    if not fresh:
        return []
    if of.state == State.CANCELLED:
        return [str(Notice.SORRY if of.set_at >= of.start_at else Notice.CANCELLED)]
    return [str(Notice.MISSED)] if of.state == State.NO_SHOW else []


_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTHS = {
    "en": ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    "es": ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
}


def moment(epoch_s: float, zone: str, language: str) -> tuple[str, str]:
    """The day, and the day with time and zone, in words."""
    at = datetime.fromtimestamp(epoch_s, ZoneInfo(zone))
    weekday, month = _WEEKDAYS[language][at.weekday()], _MONTHS[language][at.month - 1]
    day = f"{weekday} {at.day} de {month}" if language == "es" else f"{weekday} {at.day} {month}"
    place = zone.rpartition("/")[2].replace("_", " ")
    other = at.replace(fold=1 - at.fold)
    twice = f" {at:%Z}" if other.utcoffset() != at.utcoffset() else ""  # this time comes twice: which of them it is
    return day, f"{day} {at.year}, {at:%H:%M}{twice} ({f'hora de {place}' if language == 'es' else f'{place} time'})"


def facts_of(of: Appointment, *, service: str, with_name: str, site: str, company: str) -> dict[str, FactValue]:
    """What a text may say of an appointment, in the customer's language and zone."""
    day, when = moment(of.start_at, of.zone, "es" if of.language == "es" else "en")
    return {
        "company": company,
        "service": service,
        "with_name": with_name,
        "name": of.name,
        "number": of.number,
        "day": day,
        "when": when,
        "page": f"{site}/book#{of.token}",
        "join": f"{site}/consultation#{of.link}",
        "book": f"{site}/book",
    }


def link_of(kind: str) -> str:
    """Which of these an SMS has."""
    return {Notice.REMINDER: "join", Notice.CANCELLED: "book", Notice.SORRY: "book", Notice.MISSED: "book"}.get(notice_of(kind), "page")


def notice_of(kind: str) -> Notice:
    """Of a kind as ``due`` says it."""
    return Notice(kind.partition("-")[0])
