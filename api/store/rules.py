"""What rules did, and tasks for people, in the database. Times are seconds since the epoch."""

from collections.abc import Collection

import msgspec
from msgspec import Struct
from sqlalchemy import delete, func, or_, select, tuple_, update

from api.store.after_tables import rule_runs, tasks
from api.store.rows import Line
from api.store.statements import Statements
from rooms.flows.conditions import FactValue


class RuleRun(Struct, frozen=True):
    """What a rule did about a happening (``does``), or why a bound kept it from it. ``acts``: in words; ``facts``: as they were."""

    run_id: str
    rule: str
    version: int
    kind: str
    subject: str
    at: float
    outcome: str
    why: str
    acts: list[str]
    facts: dict[str, FactValue]


class _Detail(Struct, frozen=True):
    why: str
    acts: list[str]
    facts: dict[str, FactValue]


class Task(Struct, frozen=True):
    """``assigned``: to whom; else to a ``team``; else to everybody. ``number``: of whom to call."""

    task_id: str
    title: str
    text: str
    number: str
    call_id: str
    assigned: str
    team: str
    due_at: float | None
    created_at: float
    created_by: str
    done_at: float | None = None
    done_by: str = ""


_RUN_COLUMNS = ("run_id", "rule", "version", "kind", "subject", "at", "outcome")


class RuleStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away. New rows are lines of the store's writer."""

    def run_line(self, run: RuleRun, happening: str, person: str) -> Line:
        """``happening``: its id; of each a rule has one run."""
        detail = msgspec.json.encode(_Detail(run.why, run.acts, run.facts)).decode()
        row = {name: getattr(run, name) for name in _RUN_COLUMNS}
        sealed = self._vault.seal(person or self._vault.person("rules", ""), detail)
        return Line("rule_runs", row | {"happening": happening, "person": person, "detail": sealed})

    async def runs(self, limit: int, *, rule: str = "", before: str = "") -> list[RuleRun]:
        """The newest first; those behind this one."""
        query = select(rule_runs)
        if rule:
            query = query.where(rule_runs.c.rule == rule)
        if before:
            place = select(rule_runs.c.at, rule_runs.c.run_id).where(rule_runs.c.run_id == before)
            query = query.where(tuple_(rule_runs.c.at, rule_runs.c.run_id) < place.scalar_subquery())
        rows = await self._rows(query.order_by(rule_runs.c.at.desc(), rule_runs.c.run_id.desc()).limit(limit))
        return [self._run(row) for row in rows]

    async def done_since(self, since: float) -> dict[str, int]:
        """How often each rule did something since then."""
        query = select(rule_runs.c.rule, func.count().label("count")).where(rule_runs.c.at > since, rule_runs.c.outcome == "does")
        return {row["rule"]: row["count"] for row in await self._rows(query.group_by(rule_runs.c.rule))}

    async def prune_runs(self, before: float) -> int:
        return await self._update(delete(rule_runs).where(rule_runs.c.at < before))

    def _run(self, row: object) -> RuleRun:
        values: dict[str, object] = dict(row)  # type: ignore[call-overload]
        text = self._vault.open(str(values["detail"]))
        detail = msgspec.json.decode(text, type=_Detail) if text else _Detail("", [], {})
        return RuleRun(**{name: values[name] for name in _RUN_COLUMNS}, why=detail.why, acts=detail.acts, facts=detail.facts)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ tasks

    def task_line(self, task: Task, idem: str, person: str) -> Line:
        """``idem``: of two with the same the first counts."""
        handle = person or (self._vault.person("call", task.call_id) if task.call_id else self._vault.person("tasks", ""))
        row = {name: getattr(task, name) for name in Task.__struct_fields__}
        sealed = {name: self._vault.seal(handle, row[name]) for name in ("title", "text", "number")}
        return Line("tasks", row | sealed | {"idem": idem, "person": person})

    async def tasks(self, who: str, teams: Collection[str], limit: int, *, everybodys: bool = False, done: bool = False) -> list[Task]:
        """Those of this person and their teams, what is due first; ``everybodys``: of all."""
        query = select(*(tasks.c[name] for name in Task.__struct_fields__))
        query = query.where(tasks.c.done_at.is_not(None) if done else tasks.c.done_at.is_(None))
        if not everybodys:
            nobodys = (tasks.c.assigned == "") & or_(tasks.c.team == "", tasks.c.team.in_(list(teams)))
            query = query.where(or_(tasks.c.assigned == who, nobodys))
        order = (func.coalesce(tasks.c.due_at, tasks.c.created_at + 1e9), tasks.c.task_id)
        return [self._task(row) for row in await self._rows(query.order_by(*order).limit(limit))]

    async def task(self, task_id: str) -> Task | None:
        rows = await self._rows(select(*(tasks.c[name] for name in Task.__struct_fields__)).where(tasks.c.task_id == task_id))
        return self._task(rows[0]) if rows else None

    async def end_task(self, task_id: str, by: str, at: float) -> bool:
        """It is done. Was it open?"""
        open_still = (tasks.c.task_id == task_id, tasks.c.done_at.is_(None))
        return await self._update(update(tasks).where(*open_still).values(done_at=at, done_by=by)) == 1

    def _task(self, row: object) -> Task:
        values: dict[str, object] = dict(row)  # type: ignore[call-overload]
        return Task(**values | {name: self._vault.open(str(values[name])) for name in ("title", "text", "number")})  # type: ignore[arg-type]
