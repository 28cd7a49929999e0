"""The plan's rules at work: on what happens, at set times, and on signed webhooks of other programs.

Whether a rule acts is decided by ``rooms/rules/deciding.py``; what it does goes into the outbox, or into the list of tasks, in the same
breath as the record of what happened. Of one happening a rule acts once: its run and its entries have keys of their own, and what comes a
second time, from another node or after a restart, stands there already. What rules bring about carries their names, so that none sets off
itself.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Self
from uuid import uuid4

import structlog
from aiohttp import ClientError
from msgspec import Struct, json

from api.after.after_call import AfterCall
from api.after.outbox import Outbox
from api.backends.protocols import BackendFault, CallerKey, Capability, RemoteRef
from api.backends.registry import Backends
from api.card_numbers import without_card_numbers
from api.happenings import Happening, Happenings
from api.notify.message import Message
from api.notify.notifier import Notifier
from api.outward import InsideError, outward_session, refuse_inside
from api.privacy.vault import Vault
from api.rules.acting import SUPERVISORS, ToBeDone, number_of, to_be_done
from api.store import Store, StoreUnavailable
from api.store.origins import Origin
from api.store.outbox import OutboxEntry
from api.store.rows import Line
from api.store.rules import RuleRun, Task
from api.webhook_settings import WebhookSettings
from rooms.centre_plan import CentrePlan
from rooms.flows.conditions import FactValue
from rooms.rules.deciding import Decision, Outcome, decide
from rooms.rules.rule import ON_SCHEDULE, ON_WEBHOOK, Act, ActKind, Rule, in_language
from signaling.grants import Role
from signaling.messages import HouseTold
from signaling.refusal import Refusal
from signaling.tokens import body_token

log = structlog.get_logger()
_HOUR_S = 3_600.0
_LONGEST_NAP_S = 60.0
_KEEP_RUNS_S = 90 * 86_400.0
_WITHIN_S = 10.0
_BOUND = frozenset({Outcome.OWN, Outcome.DEEP, Outcome.TOO_OFTEN})
"""What a bound kept from being done is put on record too: somebody will ask."""


class Posted(Struct, frozen=True, rename="camel"):
    """What a rule posts to another program."""

    id: str
    rule: str
    kind: str
    subject: str
    at: float
    facts: dict[str, FactValue]


class ToPost(Struct, frozen=True):
    """``webhook``: its name in the plan."""

    webhook: str
    body: Posted


class _Done(Struct, frozen=True):
    """An act that is delivered: ``rules`` is the chain of those that brought it about, its own last."""

    what: ToBeDone
    call_id: str
    rules: tuple[str, ...]


class WouldDo(Struct, frozen=True):
    """What a rule would do. ``outcome`` as in ``rooms.rules.deciding.Outcome``."""

    rule: str
    title: str
    outcome: str
    why: str
    acts: list[str]


class Rules:
    """``async with``: owns the task that looks at the clock. ``plan`` gives the plan in force, ``secrets`` sign its webhooks.
    ``now``: seconds since the epoch. ``meet`` who tells pages. ``counts``: decisions by outcome."""

    def __init__(
        self,
        plan: Callable[[], CentrePlan],
        store: Store,
        outbox: Outbox,
        notifier: Notifier,
        after: AfterCall,
        backends: Backends,
        vault: Vault,
        happenings: Happenings,
        *,
        secrets: Mapping[str, str],
        webhooks: WebhookSettings,
        now: Callable[[], float],
    ) -> None:
        self._plan, self._store, self._outbox, self._notifier, self._after = plan, store, outbox, notifier, after
        self._backends, self._vault, self._happenings = backends, vault, happenings
        self._secrets, self._webhooks, self._now = secrets, webhooks, now
        self._publish: Callable[[str, HouseTold], None] = lambda identity, notice: None
        self._lately: dict[str, deque[float]] = {}
        self._looked_at = now()
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()
        for kind, deliver in {
            ActKind.EMAIL: self._mail,
            ActKind.SMS: self._mail,
            ActKind.NOTE: self._note,
            ActKind.TELL: self._tell,
            ActKind.UPDATE: self._update,
        }.items():
            outbox.deliver_by(f"rule.{kind}", _Done, deliver)
        outbox.deliver_by("rule.webhook", ToPost, self._post)

    @property
    def in_force(self) -> list[Rule]:
        return list(self._plan().rules.values())

    def meet(self, publish: Callable[[str, HouseTold], None]) -> None:
        """``publish(identity, notice)`` tells a person's pages."""
        self._publish = publish

    async def __aenter__(self) -> Self:
        self._http = outward_session(allow_private=self._webhooks.allow_private, at_once=8, within_s=_WITHIN_S)
        with suppress(StoreUnavailable):
            for rule, count in (await self._store.rules.done_since(self._now() - _HOUR_S)).items():
                self._lately[rule] = deque([self._now()] * count)
        self._happenings.listen(self.hear)
        self._task = asyncio.create_task(self._watch_clock(), name="rules")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.close()

    # ------------------------------------------------------------------ deciding

    def hear(self, happening: Happening) -> None:
        """Do what the plan's rules want done about it. Returns at once."""
        plan = self._plan()
        for decision in decide(plan.rules.values(), happening.kind, happening.facts, happening.caused_by, self._done_lately):
            self._settle(decision, happening, plan.version)

    def try_out(self, happening: Happening, rules: Iterable[Rule] | None = None, language: str = "") -> list[WouldDo]:
        """What would be done about it, and why not; rules are called as in this language. Nothing is done."""
        looked_at = self._plan().rules.values() if rules is None else rules
        decisions = decide(looked_at, happening.kind, happening.facts, happening.caused_by, self._done_lately)
        return [would_do(decision, self._ready(decision.rule.acts, happening), language) for decision in decisions]

    def _ready(self, acts: Iterable[Act], happening: Happening) -> list[ToBeDone]:
        return [to_be_done(act, happening, can=self._notifier.can, ticketing=self._ticketing) for act in acts]

    def _ticketing(self, backend: str) -> str:
        for guard in self._backends.ticketing():
            if Capability.TICKET in guard.backend.capabilities and backend in ("", guard.backend.id):
                return str(guard.backend.id)
        return ""

    def _done_lately(self, rule: str) -> int:
        times = self._lately.get(rule, deque())
        while times and times[0] <= self._now() - _HOUR_S:
            times.popleft()
        return len(times)

    def _settle(self, decision: Decision, happening: Happening, version: int) -> None:
        rule, outcome = decision.rule, decision.outcome
        self.counts[outcome.value] += 1
        if outcome is not Outcome.DOES and outcome not in _BOUND:
            return
        ready = self._ready(rule.acts, happening) if outcome is Outcome.DOES else []
        number = number_of(happening.facts)
        person = happening.person or (self._vault.number(number) if number else "")
        run = RuleRun(
            run_id=uuid4().hex,
            rule=rule.name,
            version=version,
            kind=happening.kind,
            subject=happening.subject,
            at=self._now(),
            outcome=outcome.value,
            why=decision.why,
            acts=[one.worded for one in ready],
            facts=dict(happening.facts),
        )
        lines = [self._store.rules.run_line(run, happening.happening_id[:200], person)]
        if outcome is Outcome.DOES:
            self._lately.setdefault(rule.name, deque()).append(self._now())
        for at, one in enumerate(ready):
            if not one.why_not:
                mark = sha256(f"{happening.happening_id}\0{rule.name}\0{at}".encode()).hexdigest()[:40]
                lines += self._act(one, happening, rule, f"rule-{mark}", person)
        self._store.writer.put_lines(lines)

    # ------------------------------------------------------------------ acting

    def _act(self, one: ToBeDone, happening: Happening, rule: Rule, idem: str, person: str) -> list[Line]:
        call_id, chain = happening.call_id, (*happening.caused_by, rule.name)
        match ActKind(one.act):
            case ActKind.TASK:
                task = Task(
                    task_id=uuid4().hex,
                    title=without_card_numbers(one.title),
                    text=without_card_numbers(one.text),
                    number=one.number,
                    call_id=call_id,
                    assigned=one.to,
                    team=one.team,
                    due_at=one.due_at,
                    created_at=self._now(),
                    created_by=f"rule {rule.name}"[:64],
                )
                return [self._store.rules.task_line(task, idem, person)]
            case ActKind.TICKET:
                self._after.put_ticket(one.to, call_id, one.number, one.title, one.text, priority=one.priority, idem=idem, caused_by=chain)
            case ActKind.WEBHOOK:
                body = Posted(idem, rule.name, happening.kind, happening.subject, happening.at, dict(happening.facts))
                self._outbox.put("rule.webhook", f"webhook:{one.to}", happening.subject[:128], ToPost(one.to, body), idem, person)
            case kind:
                self._outbox.put(f"rule.{kind}", "rules", idem, _Done(one, call_id, chain), idem, person, call_id=call_id)
        return []

    async def _mail(self, entry: OutboxEntry, body: _Done, former: RemoteRef | None) -> None:
        one = body.what
        to = one.to
        if one.act == ActKind.EMAIL and "@" not in to:
            found = await self._store.contacts.by_number(one.number, 2) if one.number else []
            to = found[0].email if len(found) == 1 else ""
        if not to:
            self.counts["no_address"] += 1
            return
        channel = "email" if one.act == ActKind.EMAIL else "sms"
        person = self._vault.number(one.number) if one.number else ""
        message = Message(channel, to, one.title, one.text, entry.idem, person, language=one.language, call_id=body.call_id)  # type: ignore[arg-type]
        self._notifier.send(message)

    async def _note(self, entry: OutboxEntry, body: _Done, former: RemoteRef | None) -> RemoteRef | None:
        key = CallerKey(body.what.number, body.what.number)
        for guard in self._backends.crm():
            if guard.backend.capabilities.issuperset((Capability.WRITE_NOTE, Capability.LOOKUP)):
                found = await guard.read(lambda crm: crm.find_contacts(key, limit=2))
                if len(found) == 1:
                    contact = found[0]
                    return await guard.write(lambda crm, contact=contact: crm.write_note(contact, body.what.text, idem=entry.idem))  # type: ignore[misc]
        self.counts["nobodys_note"] += 1
        return None

    async def _tell(self, entry: OutboxEntry, body: _Done, former: RemoteRef | None) -> None:
        one = body.what
        notice = HouseTold(entry.entry_id, one.text, self._now(), body.rules[-1] if body.rules else "", body.call_id)
        people = {one.to} if one.to else set()
        if one.team == SUPERVISORS:
            people |= {user.identity for user in await self._store.people.users() if user.role in (Role.SUPERVISOR, Role.ADMIN)}
        if one.team:
            people |= set(await self._store.people.members_of([one.team]))
        for identity in sorted(people):
            self._publish(identity, notice)

    async def _update(self, entry: OutboxEntry, body: _Done, former: RemoteRef | None) -> None:
        found = await self._store.contacts.by_number(body.what.number, 2)
        if len(found) != 1:  # nobody is guessed
            self.counts["nobodys_record"] += 1
            return
        origin = Origin("rule", "rules", self._now())
        await self._store.contacts.treat(found[0].contact_id, origin, **body.what.values)

    async def _post(self, entry: OutboxEntry, body: ToPost, former: RemoteRef | None) -> None:
        known = self._plan().webhooks.get(body.webhook)
        if known is None:
            raise BackendFault("refused", f"The plan has no webhook {body.webhook!r} any more.", retryable=True)
        content, headers = json.encode(body.body), {"Content-Type": "application/json"}
        if known.secret:
            headers["Authorization"] = body_token(self._webhooks.key, self._secrets.get(known.secret, ""), content, self._now())
        try:
            refuse_inside(known.url, allow_private=self._webhooks.allow_private)
            async with self._http.post(known.url, data=content, headers=headers, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    after = response.headers.get("Retry-After", "")
                    wait_s = float(after) if after.isdecimal() and len(after) < 7 else None
                    again = response.status >= 500 or response.status in (408, 425, 429)
                    raise BackendFault("refused", f"It answered {response.status}.", retry_after_s=wait_s, retryable=again)
        except InsideError as error:
            raise BackendFault("refused", f"Not posted: {error}.") from None
        except TimeoutError:
            raise BackendFault("slow", "It took too long to answer.") from None
        except (ClientError, OSError) as error:
            raise BackendFault("unreachable", f"The connection broke: {type(error).__name__}.") from None

    # ------------------------------------------------------------------ schedules and webhooks

    async def _watch_clock(self) -> None:
        while True:
            now = self._now()
            due, next_at = self._due(self._looked_at, now)
            self._looked_at = now
            for rule, at in due:
                told_as = f"{ON_SCHEDULE}-{rule.name}-{at:.0f}"
                happening = Happening(ON_SCHEDULE, rule.name, at, {"rule": rule.name}, happening_id=told_as)
                for decision in decide([rule], ON_SCHEDULE, happening.facts, (), self._done_lately):
                    self._settle(decision, happening, self._plan().version)
            with suppress(StoreUnavailable):
                await self._store.rules.prune_runs(now - _KEEP_RUNS_S)
            await asyncio.sleep(min(_LONGEST_NAP_S, max(0.05, next_at - self._now())))

    def _due(self, since: float, now: float) -> tuple[list[tuple[Rule, float]], float]:
        """The rules whose time came between, and when the next one's does."""
        due, next_at = [], math.inf
        for rule in self._plan().rules.values():
            if rule.schedule is None:
                continue
            at = rule.schedule.next_after(since)
            if at is not None and at <= now:
                due.append((rule, at))
                at = rule.schedule.next_after(now)
            next_at = min(next_at, at if at is not None else math.inf)
        return due, next_at

    def webhook(self, name: str) -> tuple[Rule, str]:
        """The rule that this webhook sets off, and its secret. Raises ``Refusal``."""
        rule = self._plan().rules.get(name)
        if rule is None or rule.on != ON_WEBHOOK or not rule.enabled or rule.secret not in self._secrets:
            raise Refusal("unknown_rule", "No rule waits for this webhook.")
        return rule, self._secrets[rule.secret]

    def called(self, rule: Rule, happening_id: str, facts: dict[str, FactValue]) -> list[WouldDo]:
        """Its webhook came, and was signed as it should be."""
        happening = Happening(ON_WEBHOOK, rule.name, self._now(), facts, happening_id=f"{ON_WEBHOOK}-{rule.name}-{happening_id}"[:200])
        decisions = decide([rule], ON_WEBHOOK, facts, (), self._done_lately)
        for decision in decisions:
            self._settle(decision, happening, self._plan().version)
        return [would_do(decision, self._ready(decision.rule.acts, happening)) for decision in decisions]


def would_do(decision: Decision, ready: list[ToBeDone], language: str = "") -> WouldDo:
    acts = [one.worded for one in ready] if decision.outcome is Outcome.DOES else []
    return WouldDo(decision.rule.name, in_language(decision.rule.title, language), decision.outcome.value, decision.why, acts)
