"""Rules at work: what happens sets them off, once, and what they do is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web

from api.after.after_call import AfterCall
from api.after.delivery import OutboxSettings
from api.after.outbox import Outbox
from api.after.outbox_routes import OutboxRoutes
from api.after.recording_links import RecordingLinks
from api.audit.audit import Audit
from api.backends.registry import Backends
from api.backends.signature import signed
from api.centre.demo_plan import demo_documents
from api.happenings import Happening, Happenings
from api.metrics import Metrics
from api.notify.notifier import Notifier
from api.privacy.vault import Vault
from api.routes import PartHealth, make_app, make_runner
from api.rules.routes import RuleRoutes, rules_in
from api.rules.rules import Posted, Rules, ToPost
from api.settings.after_call import AfterCallSection
from api.settings.email import EmailSection
from api.store import Store
from api.store.contacts import Contact
from api.webhook_settings import WebhookSettings
from rooms.centre_plan import CentrePlan, FlowWebhook
from rooms.rules.rule import Rule
from signaling.messages import HouseTold
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer
from tests.kit.mail_server import MailServer
from tests.kit.people import AUDIT_KEYS, known_by

ANA = "+34600111222"
MISSED: dict[str, Any] = {"caller": ANA, "called": "+34911000000", "direction": "in", "language": "es", "queue": "sales"}


TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")


def as_role(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS.issue(role, role.title(), role).token}"}


class House:
    def __init__(self, store: Store, outbox: Outbox, rules: Rules, happenings: Happenings, vault: Vault) -> None:
        self.store, self.outbox, self.rules, self.happenings, self.vault = store, outbox, rules, happenings, vault
        self.told: list[tuple[str, str]] = []
        rules.meet(self._tell)

    def _tell(self, identity: str, notice: HouseTold) -> None:
        self.told.append((identity, notice.text))

    @asynccontextmanager
    async def site(self) -> AsyncIterator[ClientSession]:
        async def healthy() -> Mapping[str, PartHealth]:
            return {}

        audit = Audit(self.store.audit, AUDIT_KEYS)
        async with audit, Metrics() as metrics:
            app = make_app(known_by(TOKENS), metrics, healthy)
            RuleRoutes(self.rules, self.store, self.vault, "ES").add_to(app)
            OutboxRoutes(self.outbox, audit).add_to(app)
            runner = make_runner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            try:
                async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
                    yield http
            finally:
                await runner.cleanup()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30.0):
            while not holds():  # noqa: ASYNC110 - what is delivered tells nobody
                await asyncio.sleep(0.02)


@asynccontextmanager
async def house(
    folder: Path, text: str, *, mail: MailServer | None = None, hook: str = "", vault: Vault | None = None
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        kept = vault or Vault.in_memory()
        store = await stack.enter_async_context(Store.open(f"sqlite:///{folder}/rules.sqlite3", vault=kept))
        quick = OutboxSettings(first_retry_s=0.01, longest_retry_s=0.05)
        now = asyncio.get_running_loop().time
        outbox = Outbox(store.outbox, store.writer.put_lines, kept, now=now, settings=quick)
        email = EmailSection(host="127.0.0.1", port=mail.port, tls="none", sender="calls@example.com") if mail else EmailSection()
        notifier = await stack.enter_async_context(Notifier(outbox, kept, email))
        backends, happenings = Backends(), Happenings()
        links = RecordingLinks("secret" * 8, "")
        after = AfterCall(outbox, store, backends, kept, AfterCallSection(), links, happenings, region="ES", now=now)
        found = {rule.name: rule for rule in rules_in(text) or ()}
        plan = CentrePlan(version=3, rules=found, webhooks={"crm": FlowWebhook("crm", hook)})
        settings = WebhookSettings(secret="s" * 32, allow_private=True)
        rules = Rules(
            lambda: plan,
            store,
            outbox,
            notifier,
            after,
            backends,
            kept,
            happenings,
            secrets={"booking": "b" * 32},
            webhooks=settings,
            now=now,
        )
        await stack.enter_async_context(rules)
        made = House(store, outbox, rules, happenings, kept)
        await stack.enter_async_context(outbox)
        yield made


async def test_who_was_missed_is_on_the_list_once_however_often_it_is_told(tmp_path: Path) -> None:
    missed = Happening("call.missed", "c1", 100.0, MISSED, call_id="c1", happening_id="c1-call.missed")
    vault = Vault.in_memory()
    for _ in range(2):  # and again after a restart
        async with house(tmp_path, demo_documents()["rules"], vault=vault) as here:
            for _ in range(2):
                here.happenings.tell(missed)
            await here.store.flush()
            [task] = await here.store.rules.tasks("eva", (), 10)
            assert (task.title, task.number, task.due_at) == (f"Devolver la llamada a {ANA}", ANA, 3_700.0)
            [run] = await here.store.rules.runs(10)
            assert (run.rule, run.version, run.outcome, run.facts["queue"]) == ("missed-call", 3, "does", "sales")
            assert run.acts[0].startswith("task (Devolver")
    async with house(tmp_path, "[a]\non = 'call.ended'\ndo = [{ act = 'tell', to = 'x', text = 'y' }]", vault=vault) as here:
        assert await here.store.rules.end_task(task.task_id, "eva", 5.0) and not await here.store.rules.end_task(task.task_id, "bob", 6.0)
        assert await here.store.rules.tasks("eva", (), 10) == []
    assert not await asyncio.to_thread(lambda: any(ANA.encode() in file.read_bytes() for file in tmp_path.iterdir()))


def signed_post(path: str, body: dict[str, Any], secret: str = "b" * 32, skew_s: float = 0.0) -> dict[str, Any]:
    data = msgspec.json.encode(body)
    return {
        "data": data,
        "headers": {**signed(secret.encode(), "POST", path, data, time.time() + skew_s), "Content-Type": "application/json"},
    }


async def test_rules_tasks_and_dead_letters_over_http(tmp_path: Path) -> None:
    hooks = "[booked]\non = 'webhook'\nsecret = 'booking'\ndo = [{ act = 'task', title = 'Send {tour}', team = 'madrid' }]"
    async with house(tmp_path, hooks) as here, here.site() as http:
        eva, boss = as_role("agent"), as_role("admin")
        path = "/api/v1/rules/hooks/booked"
        asked = signed_post(path, {"facts": {"tour": "Lisboa"}, "id": "b1"})
        for expected in (202, 401):  # what somebody overheard is not taken again
            async with http.post(path, **asked) as answer:
                assert answer.status == expected
        for refused in (signed_post(path, {}, "c" * 32), signed_post(path, {}, skew_s=-400.0), {"json": {}}):
            async with http.post(path, **refused) as answer:
                assert answer.status == 401
        async with http.post("/api/v1/tasks", json={"title": "Call Ana", "number": "600 111 222"}, headers=eva) as answer:
            mine = await answer.json()
            assert answer.status == 201 and mine["number"] == ANA and mine["created_by"] == "agent"
        await here.store.flush()
        async with http.get("/api/v1/tasks", headers=eva) as answer:
            assert [task["title"] for task in (await answer.json())["tasks"]] == ["Call Ana"], "she is not of that team"
        async with http.get("/api/v1/tasks?all=true", headers=boss) as answer:
            assert sorted(task["title"] for task in (await answer.json())["tasks"]) == ["Call Ana", "Send Lisboa"]
        for expected in (204, 404):
            async with http.post(f"/api/v1/tasks/{mine['task_id'] if expected == 204 else 'none'}/done", headers=eva) as answer:
                assert answer.status == expected
        async with http.get("/api/v1/rules/runs", headers=boss) as answer:
            assert [(run["rule"], run["facts"]) for run in (await answer.json())["runs"]] == [("booked", {"tour": "Lisboa"})]
        tried = {
            "kind": "call.ended",
            "facts": {"vip": True},
            "document": "[a]\non = 'call.ended'\ndo = [{ act = 'sms', to = 'customer', text = 'x' }]",
        }
        async with http.post("/api/v1/rules/try", json=tried, headers=boss) as answer:
            [would] = (await answer.json())["rules"]
            assert would["outcome"] == "does" and would["acts"] == ["sms to customer (x): not done, nobody knows whose number it is"]
        async with http.post("/api/v1/rules/try", json={**tried, "document": "[a]\non = 'x'"}, headers=boss) as answer:
            assert answer.status == 400 and "rules, line 2: 'x' is no value for 'on'" in (await answer.json())["detail"]
        here.outbox.put("rule.webhook", "webhook:gone", "s", ToPost("gone", Posted("i", "r", "k", "s", 0.0, {})), "dead-1")
        await here.until(lambda: here.outbox.counts["dead"] == 1)
        async with http.get("/api/v1/outbox", headers=boss) as answer:
            shown = await answer.json()
            assert shown["counts"] == {"dead": 1} and "no webhook 'gone'" in shown["entries"][0]["fault"]
        entry = f"/api/v1/outbox/{shown['entries'][0]['entry_id']}"
        async with http.post(f"{entry}/retry", headers=eva) as answer:
            assert answer.status == 403
        async with http.post(f"{entry}/retry", headers=boss) as answer:
            assert answer.status == 204
        await here.until(lambda: here.outbox.counts["dead"] == 2)
        for expected in (204, 404):
            async with http.delete(entry, headers=boss) as answer:
                assert answer.status == expected


RULES = """
[all]
on = "call.missed"
when = [{ fact = "queue", is = "sales" }]
[[all.do]]
act = "tell"
team = "supervisors"
text = "Nobody took {caller}"
[[all.do]]
act = "email"
to = "customer"
title = { en = "Sorry", es = "Lo sentimos" }
text = { en = "We missed you", es = "No pudimos atenderle" }
[[all.do]]
act = "update"
vip = true
lead_score = 0.75
[[all.do]]
act = "webhook"
to = "crm"
[[all.do]]
act = "sms"
to = "customer"
text = "x"
[[all.do]]
act = "ticket"
title = "T"
"""


async def test_every_act_is_done_where_it_can_be_and_the_history_says_what_cannot(tmp_path: Path) -> None:
    posts: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        posts.append(await request.json())
        return web.Response(status=503 if len(posts) == 1 else 204)

    app = web.Application()
    app.router.add_post("/crm", take)
    runner, mail = web.AppRunner(app), MailServer()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/crm"
    try:
        async with mail.serving(), house(tmp_path, RULES, mail=mail, hook=hook) as here:
            await here.store.people.save_user("sup", name="Sup", role="supervisor", password_hash="x")
            await here.store.people.save_user("eva", name="Eva", role="agent", password_hash="x")
            await here.store.contacts.add(Contact("ana", "Ana", "Ruiz", email="ana@example.org", numbers=(ANA,)), "eva", 0.0)
            here.happenings.tell(Happening("call.missed", "c1", 100.0, MISSED, call_id="c1"))
            await mail.came(1)
            await here.until(lambda: len(posts) == 2 and here.told != [])
            assert mail.letters[0]["Subject"] == "Lo sentimos" and mail.letters[0]["To"] == "ana@example.org"
            assert here.told == [("sup", f"Nobody took {ANA}")]
            assert posts[0] == posts[1] and posts[0]["facts"]["caller"] == ANA and posts[0]["rule"] == "all"
            await here.until(lambda: here.outbox.counts["delivered"] == 5)
            contact = await here.store.contacts.contact("ana")
            assert contact is not None and contact.vip and contact.lead_score == 0.75
            acts = (await here.store.rules.runs(1))[0].acts
            assert acts[4].endswith("not done, nothing is set up to send sms by") and acts[5].endswith("there is no such ticketing")
            would = here.rules.try_out(Happening("call.missed", "c9", 1.0, {"queue": "other"}))
            assert (would[0].outcome, would[0].why, would[0].acts) == ("unmet", "queue is sales: it is other.", [])
    finally:
        await runner.cleanup()


async def test_a_rule_does_not_set_itself_off_and_the_bound_is_on_record(tmp_path: Path) -> None:
    text = "[a]\non = 'ticket.opened'\nmost_per_hour = 2\ndo = [{ act = 'tell', to = 'eva', text = '{ticket}' }]"
    async with house(tmp_path, text) as here:
        here.happenings.tell(Happening("ticket.opened", "t0", 0.0, {"ticket": "t0"}, caused_by=("a",)))
        for at in range(1, 4):
            here.happenings.tell(Happening("ticket.opened", f"t{at}", float(at), {"ticket": f"t{at}"}))
        await here.until(lambda: len(here.told) == 2)
        await here.store.flush()
        assert sorted(here.told) == [("eva", "t1"), ("eva", "t2")]
        assert sorted(run.outcome for run in await here.store.rules.runs(10)) == ["does", "does", "own", "too_often"]


async def test_a_schedule_acts_at_its_times_and_a_webhook_when_it_is_called(tmp_path: Path) -> None:
    text = """
    [each-minute]
    on = "schedule"
    every = "* * * * *"
    zone = "Europe/Madrid"
    do = [{ act = "tell", to = "eva", text = "a minute" }]
    [booked]
    on = "webhook"
    secret = "booking"
    do = [{ act = "tell", to = "eva", text = "{tour} is booked" }]
    """
    async with house(tmp_path, text) as here:
        due, next_at = here.rules._due(0.0, 59.9)
        assert due == [] and next_at == 60.0
        assert [(rule.name, at) for rule, at in here.rules._due(0.0, 125.0)[0]] == [("each-minute", 60.0)]
        rule, secret = here.rules.webhook("booked")
        assert isinstance(rule, Rule) and secret == "b" * 32
        for _ in range(2):
            here.rules.called(rule, "b-1", {"tour": "Lisboa"})
        await here.until(lambda: ("eva", "Lisboa is booked") in here.told)
        await here.store.flush()
        assert here.told.count(("eva", "Lisboa is booked")) == 1
        with pytest.raises(Refusal, match="No rule waits"):
            here.rules.webhook("each-minute")


async def test_rules_in_force_are_shown_in_words(tmp_path: Path) -> None:
    text = """
[vip-missed]
title = { en = "Call back who matters", es = "Llamar a quien importa" }
on = "call.missed"
most_per_hour = 5
when = [{ fact = "vip", is = true }, { fact = "queue", one_of = ["sales", "care"] }]
[[vip-missed.do]]
act = "task"
title = { en = "Call {caller}" }
team = "madrid"
"""
    async with house(tmp_path, text) as one, one.site() as http:
        async with http.get("/api/v1/rules", headers=as_role("admin")) as response:
            told = await response.json()
        (rule,) = told["rules"]
        assert (rule["name"], rule["title"], rule["on"], rule["enabled"]) == ("vip-missed", "Call back who matters", "call.missed", True)
        assert rule["when"] == ["vip is true", "queue one of sales or care"]
        assert rule["acts"] == ["task to madrid (Call {caller})"] and rule["next_at"] is None
        assert "call.missed" in told["triggers"] and told["within_hour"] == {}
        async with http.get("/api/v1/rules", headers=as_role("admin") | {"Accept-Language": "es-ES"}) as response:
            assert (await response.json())["rules"][0]["title"] == "Llamar a quien importa"
        async with http.get("/api/v1/rules", headers=as_role("supervisor")) as response:
            assert response.status == 403
