"""What of a node's alerts is remembered when it starts again: those of queues, which go on, and who sees to them. Calls end with it."""

import asyncio
from collections.abc import Sequence
from typing import Self

import structlog

from api.call_alerts import CallAlerts
from api.quality_alerts import Alert, AlertKind
from api.store.errors import StoreUnavailable
from api.store.open_alerts import OpenAlertStore
from api.store.rows import Row

_EVERY_S = 1.0
log = structlog.get_logger()


class AlertMemory:
    """``async with``: the alerts are as they were; then what changes is written, at most once a second. While the database is away
    nothing is, and afterwards all of it."""

    def __init__(self, alerts: CallAlerts, store: OpenAlertStore, node: str) -> None:
        self._alerts, self._store, self._node = alerts, store, node
        self._kept: Sequence[Row] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._kept = await self._store.of(self._node)
        self._alerts.restore([Alert(**{**row, "kind": AlertKind(row["kind"])}) for row in self._kept])
        self._task = asyncio.create_task(self._keep_on(), name="alert-memory")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.keep()

    async def keep(self) -> None:
        """What is open now, where it is not what was written."""
        rows = [_row(alert) for alert in sorted(self._alerts.of_queues(), key=lambda alert: alert.alert_id)]
        if _known(rows) == _known(self._kept):
            return  # how bad it was at worst is worth no writing each second
        try:
            await self._store.keep(self._node, rows)
        except StoreUnavailable as error:
            log.warning("alerts.not_kept", detail=str(error))
        else:
            self._kept = rows

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.keep()


def _row(alert: Alert) -> Row:
    row = {name: getattr(alert, name) for name in ("alert_id", "subject", "since", "worst")}
    seen = {name: getattr(alert, name) for name in ("acknowledged_by", "snoozed_by", "snoozed_until")}
    return row | seen | {"kind": alert.kind.value}


def _known(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "worst"} for row in rows]
