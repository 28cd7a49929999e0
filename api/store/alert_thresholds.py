"""From where on supervisors are told, as they said it."""

from collections.abc import Mapping

from sqlalchemy import func, select

from api.store.alert_tables import alert_thresholds
from api.store.rows import Row
from api.store.statements import Statements

_BOUNDS = ("round_trip_ms", "jitter_ms", "mos", "loss", "service_level", "wait_s")


class AlertThresholdStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def newest(self) -> Row | None:
        """The bounds in force, by name; None: nobody said any."""
        columns = [alert_thresholds.c[name] for name in _BOUNDS]
        found = await self._rows(select(*columns).order_by(alert_thresholds.c.version.desc()).limit(1))
        return dict(found[0]) if found else None

    async def change(self, bounds: Mapping[str, float], by: str, at: float) -> None:
        """These from now on. Of two at the same moment the later counts."""
        async with self._writing() as connection:
            version = (await connection.scalar(select(func.max(alert_thresholds.c.version)))) or 0
            row = {"version": version + 1, "at": at, "by": by, **{name: bounds[name] for name in _BOUNDS}}
            await connection.execute(self._insert(alert_thresholds).on_conflict_do_nothing(), row)
