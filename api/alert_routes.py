"""What is wrong now, over HTTP: seen to, put off; and from where on supervisors are told, tried on yesterday's calls before it is changed.

For whom ``api/guarded_routes.py`` says. All supervisors see the same; whoever leads some teams alone does not change the bounds of all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from aiohttp import hdrs, web
from msgspec import Meta, Struct
from msgspec.structs import asdict

from api.audit.audit import Audit
from api.board import as_one
from api.bodies import body_of, json_answer
from api.call_alerts import CallAlerts
from api.guarded_routes import grant_of
from api.quality_alerts import LONGEST_SNOOZE_S, AlertKind, Alerts, Measures, Thresholds, thresholds_words
from api.query_words import digits
from api.reports.figures import service_level
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

    def own_alerts(self, teams: frozenset[str]) -> list[BoardAlert]: ...

    def see(self, alert_id: str, by: str, until: float | None, teams: frozenset[str]) -> bool: ...


class OtherNodes(Protocol):
    """What this asks of ``api.nodes.nodes.Nodes``. Each answer says too whether all of them were heard."""

    async def alerts_elsewhere(self, teams: frozenset[str]) -> tuple[list[BoardAlert], bool]: ...

    async def see_alert(self, alert_id: str, by: str, until: float | None, teams: frozenset[str]) -> tuple[bool, bool]: ...


class OpenAlerts(Struct, frozen=True):
    """``whole``: has every node said what it has?"""

    alerts: list[BoardAlert]
    whole: bool


class AlertRoutes:
    """``now()``: seconds since the epoch."""

    def __init__(self, board: AlertBoard, nodes: OtherNodes, store: Store, audit: Audit, now: Callable[[], float] = time.time) -> None:
        self._board = board
        self._nodes = nodes
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
        teams = grant_of(request).teams
        elsewhere, whole = await self._nodes.alerts_elsewhere(teams)
        return json_answer(OpenAlerts(as_one([*self._board.own_alerts(teams), *elsewhere]), whole))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        alert_id, by = await self._see(request, None), grant_of(request).identity
        self._audit.note("alert_acknowledged", by, alert_id)
        return web.Response(status=204)

    async def _snooze(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, Snooze)
        alert_id, by = await self._see(request, self._now() + wanted.for_s), grant_of(request).identity
        self._audit.note("alert_snoozed", by, alert_id, detail=f"{wanted.for_s:g} s")
        return web.Response(status=204)

    async def _see(self, request: web.Request, until: float | None) -> str:
        """The id of an alert that its caller is told of, and sees to or puts off, at every node that has it. Raises ``Refusal``."""
        alert_id, grant = request.match_info["alert_id"], grant_of(request)
        here = self._board.see(alert_id, grant.identity, until, grant.teams)
        there, whole = await self._nodes.see_alert(alert_id, grant.identity, until, grant.teams)
        if here or there:
            return alert_id
        if not whole:
            raise Refusal("timeout", "Not every server could be asked, and this one does not know the alert: try again soon.", 5.0)
        raise Refusal("unknown_alert", "This alert is over, or none that you are told of.")

    async def _read(self, request: web.Request) -> web.Response:
        version, thresholds = await kept_thresholds(self._store)
        return _marked(thresholds, version)

    async def _write(self, request: web.Request) -> web.Response:
        wanted, grant = await body_of(request, Thresholds), grant_of(request)
        if grant.teams:
            raise Refusal("forbidden", "Who leads some teams alone does not change when all supervisors are told.")
        seen = request.headers.get(hdrs.IF_MATCH)
        known = None if seen is None else digits(seen.strip('"'), "If-Match", 9)
        _, before = await kept_thresholds(self._store)
        made = await self._store.alert_thresholds.change(asdict(wanted), grant.identity, self._now(), known)
        if made is None:
            raise Refusal("thresholds_changed", "Somebody has changed these bounds meanwhile: look at them again.")
        self._board.alerts.change(wanted)
        self._audit.note("alert_thresholds_changed", grant.identity, detail=thresholds_words(before, wanted))
        return _marked(wanted, made)

    async def _preview(self, request: web.Request) -> web.Response:
        return json_answer(await tried(self._store, await body_of(request, Thresholds), self._now()))


async def kept_thresholds(store: Store) -> tuple[int, Thresholds]:
    """Those in force, and which version they are."""
    version, row = await store.alert_thresholds.newest()
    return version, Thresholds(**row) if row is not None else Thresholds()


def _marked(thresholds: Thresholds, version: int) -> web.Response:
    answer = json_answer({"thresholds": thresholds})
    answer.headers[hdrs.ETAG] = f'"{version}"'
    return answer


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
        level = service_level(row["in_time"], row["answered"], row["abandoned"], row["short"], row["overflowed"])
        trial.told[AlertKind.SERVICE_LEVEL.value] += bool(level is not None and level < thresholds.service_level)
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
