"""Which reports are sent, to whom, and when next."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import delete, func, select, update

from api.store.database import in_words
from api.store.report_tables import report_schedules
from api.store.statements import Statements


class StoredSchedule(Struct, frozen=True):
    """``addresses``: with blanks between. Times in seconds since the epoch; ``sent_at`` None: never yet."""

    schedule_id: str
    owner: str
    every: str
    weekday: int
    minute: int
    by: str
    queue: str
    language: str
    addresses: str
    made_at: float
    next_at: float
    sent_at: float | None = None


class ReportScheduleStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def of(self, owner: str) -> list[StoredSchedule]:
        query = select(report_schedules).where(report_schedules.c.owner == owner)
        return [
            StoredSchedule(**row) for row in await self._rows(query.order_by(report_schedules.c.made_at, report_schedules.c.schedule_id))
        ]

    async def count(self, owner: str) -> int:
        query = select(func.count().label("count")).select_from(report_schedules).where(report_schedules.c.owner == owner)
        return int((await self._rows(query))[0]["count"])

    async def due(self, now: float, limit: int) -> Sequence[StoredSchedule]:
        """Those whose time has come, the longest due first."""
        query = select(report_schedules).where(report_schedules.c.next_at <= now)
        query = query.order_by(report_schedules.c.next_at, report_schedules.c.schedule_id).limit(limit)
        return [StoredSchedule(**row) for row in await self._rows(query)]

    async def add(self, schedule: StoredSchedule) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(report_schedules.insert().values(asdict(schedule)))

    async def advance(self, schedule: StoredSchedule, next_at: float, sent_at: float | None) -> bool:
        """The next one is due then. False: somebody else was faster, or it is not there any more."""
        same = (report_schedules.c.schedule_id == schedule.schedule_id, report_schedules.c.next_at == schedule.next_at)
        values = {"next_at": next_at} | ({} if sent_at is None else {"sent_at": sent_at})
        return await self._update(update(report_schedules).where(*same).values(values)) == 1

    async def drop(self, schedule_id: str, owner: str) -> bool:
        which = (report_schedules.c.schedule_id == schedule_id, report_schedules.c.owner == owner)
        return await self._update(delete(report_schedules).where(*which)) == 1
