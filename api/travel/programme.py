"""What happens on each day of a tour, and when that is for a departure of it. Pure.

A programme counts in days of the tour, the first is 1, and in hours of a clock there, because that is how a tour is planned; only a
departure makes dates of them.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from api.backends.protocols import Stage
from api.backends.stages import MOST_STAGES
from api.travel.booking import Departure

Day = Annotated[int, Meta(ge=1, le=366)]
Hour = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")]
Zone = Annotated[str, Meta(max_length=64)]
Words = Annotated[str, Meta(max_length=160)]


class TourStage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One part of a tour. ``day``: of the tour; ``end_day``: 0 for the same. ``time``, ``end_time``: hours there, empty: of the day alone.

    ``zone``, ``end_zone``: where it is not that of the departure (IANA).
    """

    kind: Literal["flight", "train", "hotel", "transfer", "activity", "other"]
    day: Day
    title_en: Words = ""
    title_es: Words = ""
    time: Hour = ""
    end_day: Annotated[int, Meta(ge=0, le=366)] = 0
    end_time: Hour = ""
    zone: Zone = ""
    end_zone: Zone = ""
    origin: Words = ""
    destination: Words = ""
    carrier: Words = ""
    number: Annotated[str, Meta(max_length=16)] = ""
    place: Words = ""
    note_en: Words = ""
    note_es: Words = ""


Programme = Annotated[tuple[TourStage, ...], Meta(max_length=MOST_STAGES)]


def stages_of(programme: tuple[TourStage, ...], departure: Departure, language: str) -> tuple[Stage, ...]:
    """The programme on its dates, in this language where it is Spanish, else in English."""
    begins = datetime.fromtimestamp(departure.starts_at, ZoneInfo(departure.zone)).date()
    return tuple(_stage(each, begins, departure.zone, language) for each in programme)


def _stage(each: TourStage, begins: date, zone: str, language: str) -> Stage:
    spanish = language == "es"
    ends = _wall(begins, each.end_day or each.day, each.end_time) if each.end_day or each.end_time else ""
    there = each.zone or zone
    return Stage(
        kind=each.kind,
        title=each.title_es if spanish else each.title_en,
        starts=_wall(begins, each.day, each.time),
        ends=ends,
        zone=there,
        end_zone=each.end_zone or there,
        origin=each.origin,
        destination=each.destination,
        carrier=each.carrier,
        number=each.number,
        place=each.place,
        note=each.note_es if spanish else each.note_en,
    )


def _wall(begins: date, day: int, hour: str) -> str:
    return f"{begins + timedelta(days=day - 1)}{'T' if hour else ''}{hour}"
