"""From where on supervisors are told, as they said it."""

from collections.abc import Mapping

from sqlalchemy import func, select

from api.store.alert_tables import alert_thresholds
from api.store.rows import Row
from api.store.statements import Statements

_BOUNDS = ("round_trip_ms", "jitter_ms", "mos", "loss", "service_level", "wait_s")


class AlertThresholdStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def newest(self) -> tuple[int, Row | None]:
        """The version in force and its bounds by name; 0 and None: nobody said any."""
        columns = [alert_thresholds.c[name] for name in ("version", *_BOUNDS)]
        found = await self._rows(select(*columns).order_by(alert_thresholds.c.version.desc()).limit(1))
        if not found:
            return 0, None
        bounds = dict(found[0])
        return bounds.pop("version"), bounds

    async def change(self, bounds: Mapping[str, float], by: str, at: float, seen: int | None = None) -> int | None:
        """These from now on, as this version. None, and nothing is changed, where ``seen`` is given and not the version in force any more,
        and for the second of two at the same moment."""
        async with self._writing() as connection:
            version = (await connection.scalar(select(func.max(alert_thresholds.c.version)))) or 0
            if seen is not None and seen != version:
                return None
            row = {"version": version + 1, "at": at, "by": by, **{name: bounds[name] for name in _BOUNDS}}
            made = await connection.execute(self._insert(alert_thresholds).on_conflict_do_nothing(), row)
            return version + 1 if made.rowcount else None
