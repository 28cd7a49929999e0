"""The parts of a trip as they may be shown: in order, bounded, their times checked. Pure.

Backends write times as their travellers will read them, on a clock on the wall there. That is what is kept and shown: 07:35 in Lima is
07:35, wherever the reader is. The moment itself is known only where the zone is.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from msgspec import structs

from api.backends.protocols import Stage

KINDS = frozenset({"flight", "train", "hotel", "transfer", "activity", "other"})
MOST_STAGES = 60
"""Of one booking."""
_WALL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?")
_DAY = len("2026-12-05")
_FORM = "%Y-%m-%dT%H:%M"
_LONGEST = 160
_EVENING = "T24"
_LATEST = "9999"
"""Comes after every year: of what has no time."""


def shown_stages(stages: Iterable[Stage], plain: Callable[[str], str]) -> tuple[Stage, ...]:
    """The first of them, as they follow one another; what has no time comes last. ``plain`` makes text fit to be shown."""
    found = [_checked(stage, plain) for stage, _ in zip(stages, range(MOST_STAGES), strict=False)]
    return tuple(sorted(found, key=_begins))


def _begins(stage: Stage) -> tuple[str, str]:
    """A hotel without an hour is come to when the day's ways are done; all else without one is of the whole day."""
    at = stage.starts or stage.ends or _LATEST
    return at[:_DAY], at[_DAY:] or (_EVENING if stage.kind == "hotel" else "")


def _checked(stage: Stage, plain: Callable[[str], str]) -> Stage:
    texts = {name: plain(value)[:_LONGEST] for name, value in structs.asdict(stage).items() if isinstance(value, str)}
    zones = {name: texts[name] if known_zone(texts[name]) else "" for name in ("zone", "end_zone")}
    walls = {name: texts[name] if _is_wall(texts[name]) else "" for name in ("starts", "ends")}
    kind = texts["kind"] if texts["kind"] in KINDS else "other"
    moments = {
        "starts_at": stage.starts_at if stage.starts_at is not None else moment(walls["starts"], zones["zone"]),
        "ends_at": stage.ends_at if stage.ends_at is not None else moment(walls["ends"], zones["end_zone"] or zones["zone"]),
    }
    return structs.replace(stage, **(texts | zones | walls | moments | {"kind": kind}))


def _is_wall(text: str) -> bool:
    if not _WALL.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def moment(wall: str, zone: str) -> float | None:
    """Seconds since the epoch; None of a day alone, and where the zone is not known."""
    if not zone or len(wall) <= _DAY:
        return None
    try:
        return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone)).timestamp()
    except (ValueError, OverflowError):
        return None


def on_wall(said: datetime, zone: str) -> tuple[str, float | None, str]:
    """What a clock there shows, the moment, and the zone, of a time with or without a distance from UTC.

    Where the zone is known a moment is what a clock there shows; else a time stands as it is written, and UTC is named where it is that.
    """
    if said.tzinfo is None:
        wall = said.strftime(_FORM)
        return wall, moment(wall, zone), zone
    there = said.astimezone(ZoneInfo(zone)) if zone else said
    is_utc = not zone and not said.utcoffset()
    return there.strftime(_FORM), said.timestamp(), "UTC" if is_utc else zone


def known_zone(name: str) -> bool:
    return name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
