"""What is wrong now, over HTTP: seen to, put off; and from where on supervisors are told, tried on yesterday's calls before it is changed.

For whom ``api/guarded_routes.py`` says. All supervisors see the same; whoever leads some teams alone does not change the bounds of all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from aiohttp import web
from msgspec import Meta, Struct
from msgspec.structs import asdict

from api.audit.audit import Audit
from api.bodies import body_of, json_answer
from api.call_alerts import CallAlerts
from api.guarded_routes import grant_of
from api.quality_alerts import LONGEST_SNOOZE_S, AlertKind, Alerts, Measures, Thresholds, thresholds_words
from api.store import Store
from api.store.call_history import Sought
from api.store.rows import QUARTER_S, Row
from signaling.messages import BoardAlert
from signaling.refusal import Refusal

DAY_S = 86_400.0
_CALLS, _SAMPLES, _MOST_SECONDS = 200, 5_000, 500_000


class Snooze(Struct, frozen=True, forbid_unknown_fields=True):
    for_s: Annotated[float, Meta(ge=60, le=LONGEST_SNOOZE_S)]


class Tried(Struct, frozen=True):
    """How often it would have told, by kind, of so many measured ``seconds`` of the last day. ``whole``: of all that there were; else the
    newest."""

    told: dict[str, int]
    seconds: int
    whole: bool


class AlertBoard(Protocol):
    """What this asks of ``api.board.Board``."""

    alerts: CallAlerts

    def open_alerts(self, teams: frozenset[str]) -> list[BoardAlert]: ...


class AlertRoutes:
    """``now()``: seconds since the epoch."""

    def __init__(self, board: AlertBoard, store: Store, audit: Audit, now: Callable[[], float] = time.time) -> None:
        self._board = board
        self._store = store
        self._audit = audit
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/alerts", self._open, allow_head=False)
        app.router.add_post("/api/v1/alerts/{alert_id}/acknowledgement", self._acknowledge)
        app.router.add_post("/api/v1/alerts/{alert_id}/snooze", self._snooze)
        app.router.add_get("/api/v1/alert-thresholds", self._read, allow_head=False)
        app.router.add_put("/api/v1/alert-thresholds", self._write)
        app.router.add_post("/api/v1/alert-thresholds/preview", self._preview)

    async def _open(self, request: web.Request) -> web.Response:
        return json_answer({"alerts": self._board.open_alerts(grant_of(request).teams)})

    async def _acknowledge(self, request: web.Request) -> web.Response:
        alert_id, by = self._reached(request), grant_of(request).identity
        self._board.alerts.acknowledge(alert_id, by)
        self._audit.note("alert_acknowledged", by, alert_id)
        return web.Response(status=204)

    async def _snooze(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Snooze)
        alert_id, by = self._reached(request), grant_of(request).identity
        self._board.alerts.snooze(alert_id, by, wanted.for_s)
        self._audit.note("alert_snoozed", by, alert_id, detail=f"{wanted.for_s:g} s")
        return web.Response(status=204)

    def _reached(self, request: web.Request) -> str:
        """The id of an open alert that its caller is told of. Raises ``Refusal``."""
        alert_id = request.match_info["alert_id"]
        told = any(alert.alert_id == alert_id for alert in self._board.open_alerts(grant_of(request).teams))
        if not told or not any(alert.alert_id == alert_id for alert in self._board.alerts.open):
            raise Refusal("unknown_alert", "This alert is over, or one of another node's: its own board can be asked.")
        return alert_id

    async def _read(self, request: web.Request) -> web.Response:
        return json_answer({"thresholds": await kept_thresholds(self._store)})

    async def _write(self, request: web.Request) -> web.Response:
        wanted, grant = await body_of(request, Thresholds), grant_of(request)
        if grant.teams:
            raise Refusal("forbidden", "Who leads some teams alone does not change when all supervisors are told.")
        before = await kept_thresholds(self._store)
        await self._store.alert_thresholds.change(asdict(wanted), grant.identity, self._now())
        self._board.alerts.change(wanted)
        self._audit.note("alert_thresholds_changed", grant.identity, detail=thresholds_words(before, wanted))
        return json_answer({"thresholds": wanted})

    async def _preview(self, request: web.Request) -> web.Response:
        return json_answer(await tried(self._store, await body_of(request, Thresholds), self._now()))


async def kept_thresholds(store: Store) -> Thresholds:
    """Those in force."""
    row = await store.alert_thresholds.newest()
    return Thresholds(**row) if row is not None else Thresholds()


@dataclass(slots=True)
class _Trial:
    core: Alerts
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys((kind.value for kind in AlertKind), 0))
    seconds: int = 0


async def tried(store: Store, thresholds: Thresholds, now: float) -> Tried:
    """What these would have told in the day before ``now``: of the seconds of its calls, and of its queues by quarters of an hour."""
    trial, sought = _Trial(Alerts(thresholds)), Sought(begun_from=now - DAY_S, begun_before=now)
    whole = True
    while calls := await store.history.search(sought, _CALLS):
        for call in calls:
            if trial.seconds >= _MOST_SECONDS:
                whole = False
                break
            await _try_call(store, call["call_id"], trial)
        last = calls[-1]
        sought = Sought(begun_from=now - DAY_S, begun_before=now, before=(last["started_at"], last["call_id"]))
        if not whole or len(calls) < _CALLS:
            break
    for kind, count in trial.core.told.items():
        trial.told[kind.value] = count
    quarters = await store.records.queue_statistics(int((now - DAY_S) // QUARTER_S), int(now // QUARTER_S) + 1, 1, "")
    for row in quarters:
        counts = row["answered"] + row["abandoned"] - row["short"] + row["overflowed"]
        trial.told[AlertKind.SERVICE_LEVEL.value] += bool(counts and row["in_time"] / counts < thresholds.service_level)
        trial.told[AlertKind.WAIT.value] += bool((row["longest_wait_s"] or 0.0) > thresholds.wait_s)
    return Tried(trial.told, trial.seconds, whole)


async def _try_call(store: Store, call_id: str, trial: _Trial) -> None:
    after, subjects = 0.0, set[str]()
    while samples := await store.history.samples(call_id, after, _SAMPLES):
        for row in samples:
            for hop, measures in _measures(row):
                subject = f"{call_id} {hop} {row['leg_id']}"
                subjects.add(subject)
                trial.core.hop(subject, measures, row["at"])
        trial.seconds += len(samples)
        after = samples[-1]["at"]
        if len(samples) < _SAMPLES:
            break
    trial.core.over(subjects)


def _measures(row: Row) -> list[tuple[str, Measures]]:
    far_mos = None if row["far_cause"] == "upstream" else row["far_mos"]
    far_silent = row["far_cause"] == "silent"
    return [
        ("to_us", Measures(None, row["jitter_ms"], row["mos"], row["loss"], row["cause"] == "silent")),
        ("from_us", Measures(row["round_trip_ms"], row["far_jitter_ms"], far_mos, row["hop_loss"], far_silent)),
    ]
