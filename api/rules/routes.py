"""Rules and tasks over HTTP: what rules did, what they would do, webhooks that set them off, and what people are to do."""

import time
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.backends.signature import SIGNATURE, BadSignature, ReplayWindow
from api.backends.signed_requests import refusal_of, signed_body
from api.bodies import body_of, json_answer
from api.card_numbers import without_cards_in
from api.centre.picture import worded
from api.guarded_routes import grant_of
from api.happenings import Happening
from api.privacy.vault import Vault
from api.query_words import whole_number
from api.rules.rule_document import TRIGGERS, read_rules
from api.rules.rules import Rules, WouldDo
from api.store import Store
from api.store.rules import RuleRun, Task
from pbx.numbers import number_of_caller
from rooms.document import Document, DocumentError
from rooms.flows.conditions import FactValue
from rooms.rules.rule import Act, Rule, in_language
from signaling.grants import Permission, allows
from signaling.refusal import Refusal

MOST_SHOWN = 500
Limit = Annotated[int, Meta(ge=1, le=MOST_SHOWN)]
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Text = Annotated[str, Meta(max_length=500)]
Facts = Annotated[dict[_Name, bool | float | _Text], Meta(max_length=64)]


_MOST_BYTES = 16_384


class TriedRules(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that might happen. ``document``: rules in place of those in force."""

    kind: Annotated[str, Meta(max_length=64)]
    facts: Facts = {}
    document: Annotated[str, Meta(max_length=256 * 1024)] = ""


class RuleShown(Struct, frozen=True):
    """``when``: conditions in words, all of which have to hold. ``acts``: what is done, in words. ``next_at``: of a schedule."""

    name: str
    title: str
    on: str
    enabled: bool
    most_per_hour: int
    when: list[str]
    acts: list[str]
    next_at: float | None


class RulesNow(Struct, frozen=True):
    """``triggers``: what a rule may be ``on``. ``within_hour``: how often each did something."""

    rules: list[RuleShown]
    triggers: list[str]
    within_hour: dict[str, int]


class HookCalled(Struct, frozen=True, forbid_unknown_fields=True):
    """What another program says has happened. ``id``: of two with the same the first counts; empty: each counts."""

    facts: Facts = {}
    id: Annotated[str, Meta(max_length=64)] = ""


class NewTask(Struct, frozen=True, forbid_unknown_fields=True):
    """``assigned``: to whom; else to a ``team``; else to everybody. ``number``: of whom to call."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(max_length=4_000)] = ""
    number: Annotated[str, Meta(max_length=64)] = ""
    call_id: Annotated[str, Meta(max_length=64)] = ""
    assigned: Annotated[str, Meta(max_length=64)] = ""
    team: Annotated[str, Meta(max_length=64)] = ""
    due_at: Annotated[float, Meta(gt=0, lt=1e11)] | None = None


class RuleRoutes:
    """``region``: whose national forms of numbers are understood."""

    def __init__(self, rules: Rules, store: Store, vault: Vault, region: str) -> None:
        self._rules, self._store, self._vault, self._region = rules, store, vault, region
        self._window = ReplayWindow()

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/rules", self._list, allow_head=False)
        app.router.add_get("/api/v1/rules/runs", self._runs, allow_head=False)
        app.router.add_post("/api/v1/rules/try", self._try)
        app.router.add_post("/api/v1/rules/hooks/{rule}", self._called)
        app.router.add_get("/api/v1/tasks", self._tasks, allow_head=False)
        app.router.add_post("/api/v1/tasks", self._add)
        app.router.add_post("/api/v1/tasks/{task_id}/done", self._done)

    # ------------------------------------------------------------------ rules

    async def _list(self, request: web.Request) -> web.Response:
        now = time.time()
        within_hour = await self._store.rules.done_since(now - 3_600.0)
        return json_answer(RulesNow([shown(rule, now, _language(request)) for rule in self._rules.in_force], list(TRIGGERS), within_hour))

    async def _runs(self, request: web.Request) -> web.Response:
        asked = request.query
        limit = whole_number(asked, "limit", MOST_SHOWN, 100)
        found: list[RuleRun] = await self._store.rules.runs(limit + 1, rule=asked.get("rule", ""), before=asked.get("cursor", ""))
        return json_answer({"runs": found[:limit], "next": found[limit - 1].run_id if len(found) > limit else None})

    async def _try(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, TriedRules)
        return json_answer({"rules": tried(self._rules, wanted, _language(request))})

    async def _called(self, request: web.Request) -> web.Response:
        rule, secret = self._rules.webhook(request.match_info["rule"])
        try:
            body = await signed_body(request, self._window, [secret.encode()], time.time(), _MOST_BYTES)
            said = msgspec.json.decode(body, type=HookCalled)
        except BadSignature as bad:
            raise refusal_of(bad) from None
        except msgspec.MsgspecError as error:
            raise Refusal("bad_message", f"The event cannot be read: {error}") from None
        return json_answer({"rules": self._rules.called(rule, said.id or request.headers[SIGNATURE][-32:], said.facts)}, 202)

    # ------------------------------------------------------------------ tasks

    async def _tasks(self, request: web.Request) -> web.Response:
        grant, asked = grant_of(request), request.query
        limit = whole_number(asked, "limit", MOST_SHOWN, 100)
        teams = await self._store.people.teams_of(grant.identity)
        everybodys = asked.get("all") == "true" and allows(grant, Permission.BOARD_WATCH)
        found: list[Task] = await self._store.rules.tasks(
            grant.identity, teams, limit, everybodys=everybodys, done=asked.get("done") == "true"
        )
        return json_answer({"tasks": found})

    async def _add(self, request: web.Request) -> web.Response:
        wanted, grant = without_cards_in(await body_of(request, NewTask), "title", "text"), grant_of(request)
        e164 = number_of_caller(wanted.number, self._region).e164 or ""
        task = Task(
            task_id=uuid4().hex,
            title=wanted.title,
            text=wanted.text,
            number=e164 or wanted.number,
            call_id=wanted.call_id,
            assigned=wanted.assigned,
            team=wanted.team,
            due_at=wanted.due_at,
            created_at=time.time(),
            created_by=grant.identity,
        )
        self._store.writer.put_lines([self._store.rules.task_line(task, task.task_id, self._vault.number(e164) if e164 else "")])
        return json_answer(task, 201)

    async def _done(self, request: web.Request) -> web.Response:
        task_id, who = request.match_info["task_id"], grant_of(request).identity
        task = await self._store.rules.task(task_id)
        mine = task is not None and (
            task.assigned in ("", who) and (not task.team or task.assigned == who or task.team in await self._store.people.teams_of(who))
        )
        if task is None or not (mine or allows(grant_of(request), Permission.BOARD_WATCH)):
            raise Refusal("unknown_task", "There is no such task of yours.")
        await self._store.rules.end_task(task_id, who, time.time())
        return web.Response(status=204)


def _language(request: web.Request) -> str:
    """In which the page is read."""
    return request.headers.get("Accept-Language", "")[:2].lower()


def shown(rule: Rule, now: float, language: str) -> RuleShown:
    next_at = rule.schedule.next_after(now) if rule.schedule is not None and rule.enabled else None
    when, acts = [worded(each) for each in rule.conditions], [_act(each, language) for each in rule.acts]
    return RuleShown(rule.name, in_language(rule.title, language), rule.on, rule.enabled, rule.most_per_hour, when, acts, next_at)


def _act(act: Act, language: str) -> str:
    whom = act.to or act.team
    said = (
        in_language(act.title, language)
        or in_language(act.text, language)
        or ", ".join(f"{name} = {value}" for name, value in act.values.items())
    )
    return " ".join(filter(None, (act.kind.value, f"to {whom}" if whom else "", f"({said})" if said else "")))


def tried(rules: Rules, wanted: TriedRules, language: str) -> list[WouldDo]:
    """What would be done. Raises ``Refusal``."""
    return rules.try_out(Happening(wanted.kind, "trial", time.time(), dict(wanted.facts)), rules_in(wanted.document), language)


def rules_in(text: str) -> list[Rule] | None:
    """Of a document, or None where there is none: then those in force are meant. Raises ``Refusal``."""
    if not text:
        return None
    try:
        document = Document(text, "rules")
        found = read_rules(document, _Any(), _Any())
        document.finish()
    except DocumentError as error:
        raise Refusal("bad_message", str(error)) from None
    return list(found.values())


class _Any(frozenset[Any]):
    """Every name is in it: a rule may be tried before the settings and the plan have what it names."""

    def __contains__(self, name: object) -> bool:
        return True


def fact_of(text: str) -> FactValue:
    """As it is written on a command line."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if not text.startswith("+") else text
    except ValueError:
        return text
