"""Tickets, surveys and articles on both databases: the same tests, a real file and a real server."""

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.after.outbox import Outbox
from api.backends.context import about_caller
from api.backends.protocols import CallerKey, RecordingLink
from api.happenings import Happening, Happenings
from api.knowledge.articles import ArticleHits, Articles, WrittenArticle
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from api.privacy.consents import Consents
from api.settings.email import EmailSection
from api.store import Store
from api.store.consents import Consent
from api.store.contacts import Contact
from api.store.tickets import StoredTicket, TicketQuery
from api.surveys.post import SurveyPost
from api.surveys.survey import Scale, SurveyRule, Tally
from api.surveys.surveys import ConsultationRating, Invitation, Post, SurveyAnswers, Surveys, SurveySettings, Whom
from api.tickets.backend import BuiltinTickets
from api.tickets.demo import seed
from api.tickets.demo_texts import ANSWERS, ARTICLES, TICKETS
from api.tickets.ticket import ALWAYS, Act, Priority, ServiceLevel, ServiceRules, Step, TicketState
from api.tickets.tickets import NewComment, NewLink, NewTicket, TicketChange, TicketConflict, Tickets
from rooms.calendar import Calendar
from signaling.invitations import Invitation as LinkRead
from signaling.problems import problem
from signaling.refusal import Refusal
from tests.kit.backend_suite import TicketContract, fault_of, guarded, key_of
from tests.kit.mail_server import MailServer
from tests.kit.postgres import Postgres
from tests.kit.vaults import VAULT

HOUR = 3_600.0
MARTA = Contact("marta", "Marta", "Ruiz", "Viajes Sol", "marta@example.com", ("+34600111222",), language="es")
STEPS = (Step("due_soon", 0.5), Step("late", 1.0, Priority.HIGH, "leads", ("team",)))
RULES = ServiceRules(ALWAYS, {priority: ServiceLevel(4 * HOUR, STEPS) for priority in Priority})


async def _make_tables(url: str) -> None:
    async with Store.open(url, vault=VAULT):
        pass


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """With a database that has all its tables, to be copied: making them takes longer than most of these tests."""

    async def make() -> None:
        await _make_tables(await server.create("empty"))

    with Postgres() as server:
        asyncio.run(make())
        yield server


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("desk") / "empty.sqlite3"
    asyncio.run(_make_tables(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('empty'), tmp_path / 'desk.sqlite3')}"
    server: Postgres = request.getfixturevalue("postgres")
    return asyncio.run(server.create(f"t{uuid4().hex}", "empty"))


@dataclass
class Desk:
    store: Store
    told: list[Happening]
    happenings: Happenings
    now: float = 1_000_000.0
    rules: ServiceRules = RULES
    sent: list[Invitation] = field(default_factory=list)

    def tickets(self) -> Tickets:
        return Tickets(
            self.store.tickets,
            self.store.contacts,
            VAULT,
            self.happenings,
            lambda: self.rules,
            region="ES",
            exists=self._exists,
            now=lambda: self.now,
        )

    def surveys(self, *rules: SurveyRule, post: Post | None = None) -> Surveys:
        return Surveys(
            self.store.surveys,
            self.store.contacts,
            VAULT,
            self.happenings,
            SurveySettings(rules, "secret", "https://phone.example"),
            consents=Consents(self.store.consents, self.store.contacts, VAULT, note=lambda *told: None, now=lambda: self.now),
            post=post or self,
            of_room=self._of_room,
            now=lambda: self.now,
        )

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        return name  # tickets are found by number, whoever it is

    async def _exists(self, identity: str) -> bool:
        return identity in ("ana", "ben")

    async def agrees(self, *handles: str) -> None:
        for handle in handles:
            await self.store.consents.add(handle, Consent("survey", True, "May we ask?", self.now, "ana"))

    def can(self, channel: str) -> bool:
        return True

    def send(self, invitation: Invitation) -> None:
        self.sent.append(invitation)

    async def _of_room(self, room_id: str) -> Whom | None:
        return Whom(email="eva@example.com", language="es", appointment="a1") if room_id == "r1" else None

    def kinds(self) -> list[str]:
        return [each.kind for each in self.told]


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    async with Store.open(url, vault=VAULT) as store:
        await store.contacts.add(MARTA, "test", 0.0)
        happenings, told = Happenings(), list[Happening]()
        happenings.listen(told.append)
        yield Desk(store, told, happenings)


async def raw(desk: Desk, table: str) -> str:
    async with desk.store._engine.connect() as connection:
        return repr((await connection.execute(text(f"SELECT * FROM {table}"))).all())


# --- tickets


async def test_a_ticket_is_made_once_for_the_one_whose_number_it_is_and_sealed(desk: Desk) -> None:
    tickets = desk.tickets()
    new = NewTicket(
        "Refund of <b>Lisbon</b>",
        "Paid twice, by 4111111111111111; DROP TABLE tickets",
        "refund",
        team="sales",
        number="600 111 222",
        links=[NewLink("call", "c1", "the call")],
        idem="k1",
    )
    first, again, other = await tickets.open(new, "ana"), await tickets.open(new, "ana"), await tickets.open(new, "ben")
    assert first == again and other.ticket_id != first.ticket_id, "a key is its author's"
    assert (first.contact_id, first.number, first.language) == ("marta", "+34600111222", "es")
    assert first.due_at == desk.now + 4 * HOUR and first.step_at == desk.now + 2 * HOUR
    view = await tickets.view(first.ticket_id, "ana")
    assert view.ticket == first and view.contact == MARTA and view.acts == [Act.ASK, Act.SOLVE, Act.CLOSE]
    assert [(entry.what, entry.text) for entry in view.entries] == [("opened", "Paid twice, by •••• 1111; DROP TABLE tickets")], (
        "no number of a card"
    )
    assert [(link.kind, link.target, link.title) for link in view.links] == [("call", "c1", "the call")]
    written = await raw(desk, "tickets") + await raw(desk, "ticket_entries") + await raw(desk, "ticket_links")
    assert not any(word in written for word in ("<b>Lisbon</b>", "Paid twice", "600111222", "the call", "Marta Ruiz"))
    assert desk.kinds() == ["ticket.opened", "ticket.opened"]
    with pytest.raises(Refusal) as caught:
        await tickets.open(NewTicket("x", agent="nobody"), "ana")
    assert caught.value.code == "unknown_user"


async def test_two_agents_at_one_ticket_lose_nothing(desk: Desk) -> None:
    tickets = desk.tickets()
    ticket = await tickets.open(NewTicket("Visa"), "ana")
    by_ana = await tickets.change(ticket.ticket_id, TicketChange(1, category="visa", priority=Priority.HIGH), "ana")
    by_ben = await tickets.change(ticket.ticket_id, TicketChange(1, title="Visa for Japan", agent="ben"), "ben")
    assert (by_ben.title, by_ben.category, by_ben.agent, by_ben.revision) == ("Visa for Japan", "visa", "ben", 3)
    assert by_ana.revision == 2
    wanted = TicketChange(1, category="documents")
    with pytest.raises(TicketConflict) as caught:
        await tickets.change(ticket.ticket_id, wanted, "ben")
    assert caught.value.now == by_ben and caught.value.wanted == wanted
    told = json.loads(problem(409, caught.value, more={"now": by_ben, "wanted": wanted}).body)  # type: ignore[arg-type]
    assert (told["error"]["code"], told["now"]["category"], told["wanted"]) == (
        "ticket_conflict",
        "visa",
        {"revision": 1, "category": "documents"},
    )
    after = await tickets.change(ticket.ticket_id, TicketChange(3, category="documents"), "ben")
    same = await tickets.change(ticket.ticket_id, TicketChange(1, category="documents"), "ana")
    assert same == after, "who wants what is so already has it"
    comments = [tickets.comment(ticket.ticket_id, NewComment(f"note {number % 3}", idem=f"n{number % 3}"), "ana") for number in range(6)]
    await asyncio.gather(*comments)
    entries = (await tickets.view(ticket.ticket_id, "ana")).entries
    assert sorted(entry.text for entry in entries if entry.what == "commented") == ["note 0", "note 1", "note 2"]
    assert [entry.seq for entry in entries] == list(range(1, 8))
    assert entries[3].changes == {"category": ("visa", "documents")} and entries[3].by == "ben"


async def test_a_comment_asks_the_customer_and_their_answer_lets_the_clock_run_on(desk: Desk) -> None:
    tickets = desk.tickets()
    ticket = await tickets.open(NewTicket("Seat"), "ana")
    desk.now += HOUR
    waiting = await tickets.comment(ticket.ticket_id, NewComment("Which seat?", internal=False, act="ask"), "ana")
    assert (waiting.state, waiting.due_at, waiting.used_s) == (TicketState.WAITING, None, HOUR)
    desk.now += 100 * HOUR
    assert await tickets.look_after() == 0
    heard = await tickets.comment(ticket.ticket_id, NewComment("The aisle.", internal=False, act="hear"), "ana")
    assert heard.due_at == desk.now + 3 * HOUR
    closed = await tickets.change(ticket.ticket_id, TicketChange(heard.revision, act=Act.SOLVE), "ana")
    assert closed.due_at is None and desk.kinds()[-1] == "ticket.closed"
    with pytest.raises(Refusal) as caught:
        await tickets.change(ticket.ticket_id, TicketChange(closed.revision, act=Act.ASK), "ana")
    assert caught.value.code == "ticket_not_so"
    back = await tickets.change(ticket.ticket_id, TicketChange(closed.revision, act=Act.REOPEN), "ana")
    assert (back.state, back.due_at, back.ended_at) == (TicketState.REOPENED, desk.now + 4 * HOUR, None)


async def test_each_step_is_taken_once_whoever_looks(desk: Desk) -> None:
    nodes = [desk.tickets(), desk.tickets()]
    made = [await nodes[0].open(NewTicket(f"t{number}"), "ana") for number in range(5)]
    desk.told.clear()
    desk.now += 2 * HOUR - 1
    assert await nodes[0].look_after() == 0
    desk.now += 1
    assert sum(await asyncio.gather(*(node.look_after() for node in nodes))) == 5
    desk.now += 50 * HOUR
    assert sum(await asyncio.gather(*(node.look_after() for node in nodes))) == 5
    assert await nodes[1].look_after() == 0
    steps = sorted((each.subject, str(each.facts["step"])) for each in desk.told)
    assert steps == sorted((ticket.ticket_id, step) for ticket in made for step in ("due_soon", "late"))
    late = (await nodes[0].view(made[0].ticket_id, "ana")).ticket
    assert (late.priority, late.team, late.taken, late.step_at) == (Priority.HIGH, "leads", ("due_soon", "late"), None)
    assert len({each.happening_id for each in desk.told}) == 10


async def test_a_node_that_does_not_lead_takes_no_step_and_new_hours_count_from_then_on(desk: Desk) -> None:
    ticket = await desk.tickets().open(NewTicket("x"), "ana")
    follower = desk.tickets()

    async def not_here() -> bool:
        return False

    follower._leads = not_here
    desk.now += 3 * HOUR
    assert await follower.look_after() == 0
    desk.rules = ServiceRules(Calendar("UTC", {}), RULES.levels)
    leader = desk.tickets()
    assert await leader.look_after() == 0
    assert (await leader.view(ticket.ticket_id, "ana")).ticket.due_at is None
    desk.rules = RULES
    assert await leader.look_after() == 1


async def test_lists_go_page_by_page(desk: Desk) -> None:
    tickets, made = desk.tickets(), list[StoredTicket]()
    for number in range(7):
        desk.now += 60
        new = NewTicket(f"t{number}", team=("a", "b", "")[number % 3], agent="ana" if number % 2 else "", number="+34600111222")
        made.append(await tickets.open(new, "ben"))
    over = await tickets.change(made[0].ticket_id, TicketChange(1, act=Act.CLOSE), "ana")

    async def listed(limit: int, **wanted: object) -> list[str]:
        found, before = list[str](), ""
        while True:
            page = await tickets.page("ana", {"a"}, TicketQuery(**wanted), before=before, limit=limit)  # type: ignore[arg-type]
            found += [ticket.title for ticket in page.tickets]
            if page.next is None:
                return found
            before = page.next

    assert await listed(2, open=True) == [f"t{number}" for number in range(1, 7)]
    assert await listed(4) == [f"t{number}" for number in reversed(range(7))]
    assert await listed(3, open=True, teams=("a", "")) == ["t2", "t3", "t5", "t6"]
    assert await listed(3, agent="ana", open=True) == ["t1", "t3", "t5"]
    assert await listed(3, open=False) == [over.title] and await listed(3, number="0034600111222", open=False) == [over.title]
    desk.now = made[3].opened_at + 4 * HOUR
    late = await tickets.page("ana", {"a"}, TicketQuery(open=True), late=True)
    assert [ticket.title for ticket in late.tickets] == ["t1", "t2", "t3"]
    assert (late.counts.mine, late.counts.team, late.counts.all, late.counts.late) == (3, 4, 6, 3)


# --- tickets as a backend

ANA = "+34600111222"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
class TestBuiltinTickets:
    """The parts of ``tests/kit/backend_suite.py`` that are not about a network between us and the backend."""

    test_several_are_found = TicketContract.test_nobodys_ones_and_several_tickets_are_found
    test_closed_and_opened = TicketContract.test_a_ticket_is_closed_and_opened_again
    make, look = TicketContract.make, TicketContract.look

    @pytest.fixture
    def backend(self, desk: Desk) -> BuiltinTickets:
        return BuiltinTickets(desk.tickets())

    @pytest.fixture
    def world(self, desk: Desk) -> Desk:
        return desk

    async def test_each_write_is_done_once(self, desk: Desk, backend: BuiltinTickets) -> None:
        made = await asyncio.gather(*(self.make(backend, ANA, "call-1:ticket:1" + "x" * 200) for _ in range(4)))
        assert len(set(made)) == 1
        link = RecordingLink("https://phone.example/r/1", "The call", 2e9)
        desk.now += 1
        for _ in range(2):
            await backend.add_note(made[0], "called back", idem="n1")
            await backend.attach(made[0], link, idem="a1")
        view = await desk.tickets().view(made[0].id, "ana")
        assert [entry.what for entry in view.entries] == ["opened", "commented", "linked"]
        assert [(each.kind, each.url) for each in view.links] == [("call", ""), ("recording", link.url)]
        assert (await backend.open_tickets(CallerKey(None, "anonymous", withheld=True))) == []
        assert desk.kinds() == [], "the outbox tells of what it writes"

    async def test_a_caller_by_any_number_of_theirs_is_told_of_all_their_tickets(self, desk: Desk, backend: BuiltinTickets) -> None:
        await desk.store.contacts.add(Contact("luis", "Luis", numbers=("+34600333444", "+34911000111")), "test", 0.0)
        await desk.tickets().open(NewTicket("Visa", contact_id="luis"), "ana")
        for number in ("+34600333444", "+34911000111"):
            cards = await backend.open_tickets(key_of(number))
            assert [(card.title, card.number) for card in cards] == [("Visa", number)]
            about_caller(key_of(number), cards)

    async def test_a_database_that_is_away_is_a_backend_that_is(self, desk: Desk, backend: BuiltinTickets) -> None:
        assert (await backend.health()).ok
        async with desk.store._engine.begin() as connection:
            await connection.execute(text("ALTER TABLE tickets RENAME TO gone"))
        assert not (await backend.health()).ok
        fault = await fault_of(guarded(backend).read(lambda b: b.open_tickets(key_of(ANA))))
        assert fault.cause == "unreachable" and ANA not in str(fault)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_demo_begins_with_tickets_in_every_state_articles_and_answers_once(desk: Desk) -> None:
    for place, number in enumerate(sorted({each.number for each in (*TICKETS, *ANSWERS)} - {"+34600111222"})):
        await desk.store.contacts.add(Contact(f"p{place}", "P", numbers=(number,)), "test", 0.0)
    desk.now, desk.rules = 2_000_000_000.0, ServiceRules()
    assert [await seed(desk.store, VAULT, desk.rules, desk.now) for _ in range(2)] == [True, False]
    tickets = desk.tickets()
    page = await tickets.page("ana", set(), TicketQuery(), limit=50)
    assert len(page.tickets) == len(TICKETS) == 10 and {ticket.state for ticket in page.tickets} == {*TicketState}
    assert all(ticket.contact_id for ticket in page.tickets) and page.counts.late >= 2
    articles = Articles(desk.store.articles)
    for language in ("en", "es"):
        assert len((await articles.search("", language, drafts=False, limit=50)).hits) == len(ARTICLES) / 2 == 6
    assert titles(await articles.search("reembolso", "", drafts=False, limit=1)) == ["Cancelaciones y reembolsos"]
    figures = await desk.surveys().statistics(desk.now - 7 * 24 * HOUR, desk.now, "agent", "UTC")
    assert figures.asked == figures.total[Scale.CSAT].answers == len(ANSWERS) and {each.of for each in figures.figures} == {
        "ana",
        "luis",
        "demo",
    }


# --- articles

TEXTS = [
    ("Cancelación de vuelos", "Se puede cancelar **gratis** hasta 24 horas antes. Después, el reembolso es del 50 %.", "es", ["vuelos"]),
    ("Cancelling a flight", "Free of charge until 24 hours before; then 50 % is refunded.", "en", ["flights", "refunds"]),
    ("Equipaje", "Una maleta de 23 kg. Quien cancela el vuelo no paga la maleta.", "es", ["vuelos"]),
    ("Visa for Japan", "Nobody from the EU needs one for 90 days. OR NOT so for others.", "en", ["visa"]),
    ("Bebés a bordo", "El niño viaja sin asiento.", "es", []),
]


async def written(desk: Desk) -> Articles:
    articles = Articles(desk.store.articles, now=lambda: desk.now)
    for title, body, language, tags in TEXTS:
        desk.now += 1
        await articles.write(WrittenArticle(title, body, language, tags, True), "adm")  # type: ignore[arg-type]
    return articles


def titles(hits: ArticleHits) -> list[str]:
    return ["".join(part.text for part in hit.title) for hit in hits.hits]


async def test_articles_are_found_by_beginnings_of_words_without_accents_in_both_languages(desk: Desk) -> None:
    articles = await written(desk)

    async def found(query: str, language: str = "") -> list[str]:
        return titles(await articles.search(query, language, drafts=False, limit=10))

    assert (await found("cancel vuelo"))[0] == "Cancelación de vuelos" and len(await found("cancel vuelo")) == 2
    assert await found("CANCELACION") == ["Cancelación de vuelos"] == await found("cancelación")
    assert set(await found("cancel")) == {"Cancelación de vuelos", "Cancelling a flight", "Equipaje"}
    assert await found("cancel", "en") == ["Cancelling a flight"]
    assert await found("nino") == ["Bebés a bordo"] and await found("refunds") == ["Cancelling a flight"]
    assert await found("elephant") == [] and await found("***") == []
    assert (await found(""))[0] == "Bebés a bordo"
    some = await articles.search("maleta elephant", "", drafts=False, limit=10)
    assert titles(some) == ["Equipaje"] and not some.all_words
    hit = (await articles.search("gratis", "es", drafts=False, limit=10)).hits[0]
    assert [part.text for part in hit.snippet if part.hit] == ["gratis"] and "**" not in "".join(part.text for part in hit.snippet)


HOSTILE = (
    '" OR "',
    "a' & !b | (c:*",
    "NEAR(visa japan, 5)",
    "title:visa*",
    "'); DROP TABLE articles; --",
    "{title} : x",
    "^visa",
    "\0 -\\",
)


async def test_no_query_is_taken_for_the_databases_own_language(desk: Desk) -> None:
    articles = await written(desk)
    for query in HOSTILE:
        await articles.search(query, "", drafts=False, limit=10)
        assert titles(await articles.search("visa japan", "", drafts=False, limit=10)) == ["Visa for Japan"]
    assert titles(await articles.search("visa NOT others", "", drafts=False, limit=10)) == ["Visa for Japan"], "words, all of them there"


async def test_versions_of_an_article_and_what_is_not_published(desk: Desk) -> None:
    articles = await written(desk)
    first = await articles.write(WrittenArticle("Draft", "nothing yet about lynxes", "en"), "adm")
    for drafts, count in ((False, 0), (True, 1)):
        assert len((await articles.search("lynx", "", drafts=drafts, limit=10)).hits) == count
    with pytest.raises(Refusal) as caught:
        await articles.article(first.article_id, drafts=False)
    assert caught.value.code == "unknown_article"
    second = await articles.write(WrittenArticle("Lynxes", "seen", "en", published=True, version=1), "adm", first.article_id)
    with pytest.raises(Refusal) as overtaken:
        await articles.write(WrittenArticle("Mine", "seen", "en", version=1), "other", first.article_id)
    assert overtaken.value.code == "article_overtaken"
    assert await articles.article(first.article_id, drafts=False) == second
    assert [each.title for each in await articles.versions(first.article_id)] == ["Lynxes", "Draft"]
    assert titles(await articles.search("nothing", "", drafts=True, limit=10)) == []
    async with desk.store._engine.begin() as connection:
        await connection.execute(text("DELETE FROM article_words"))
    assert await desk.store.articles.index_again() == 6 and await desk.store.articles.index_again() == 0
    await articles.remove(first.article_id)
    assert titles(await articles.search("lynx", "", drafts=True, limit=10)) == []


# --- surveys

AFTER_CALLS = SurveyRule("calls", "call", (Scale.CSAT, Scale.NPS))
AFTER_ROOMS = SurveyRule("rooms", "consultation", (Scale.EFFORT,), channels=("sms", "email"))


def ended(call_id: str, caller: str = "+34600111222", **facts: str | float | bool) -> Happening:
    told = {"direction": "in", "caller": caller, "answered": True, "talk_s": 90.0, "queue": "sales", "agent": "ana"}
    return Happening("call.ended", call_id, 0.0, told | facts, call_id=call_id)


async def test_who_agreed_is_asked_seldom_and_answers_until_it_expires(desk: Desk) -> None:
    surveys = desk.surveys(AFTER_CALLS, AFTER_ROOMS)
    assert await surveys.consider(ended("c0")) == "no_consent"
    await desk.agrees(VAULT.person("contact", "marta"), VAULT.number("+34911222333"), VAULT.email("eva@example.com"))
    assert await surveys.consider(ended("c1", talk_s=5.0)) == "no_rule" and await surveys.consider(ended("c1", "anonymous")) == "nobody"
    assert await surveys.consider(ended("c1")) == "asked"
    assert [await surveys.consider(ended(each)) for each in ("c1", "c2")] == ["too_soon", "too_soon"]
    assert await surveys.consider(ended("c3", "+34911222333")) == "asked"
    assert await surveys.consider(Happening("consultation.ended", "r1", 0.0, {"host": "ben"})) == "asked"
    assert await surveys.consider(Happening("consultation.ended", "r2", 0.0, {"host": "ben"})) == "nobody"
    by_mail, by_sms, of_room = desk.sent
    assert (by_mail.channel, by_mail.to, by_mail.language) == ("email", "marta@example.com", "es")
    assert (by_sms.channel, by_sms.to, by_sms.language) == ("sms", "+34911222333", "en")
    assert (of_room.channel, of_room.after) == ("email", "consultation")
    token = by_mail.url.removeprefix("https://phone.example/survey#")
    assert len(token) >= 32 and token not in await raw(desk, "surveys")

    shown = await surveys.shown(token)
    assert (shown.questions, shown.answers, shown.language) == ((Scale.CSAT, Scale.NPS), {}, "es")
    await surveys.answer(SurveyAnswers(token, {Scale.CSAT: 5}))
    desk.told.clear()
    shown = await surveys.answer(SurveyAnswers(token, {Scale.CSAT: 1, Scale.NPS: 2}, " Muy mal <script> ", done=True))
    assert (shown.answers, shown.comment) == ({Scale.CSAT: 1, Scale.NPS: 2}, "Muy mal <script>")
    assert "Muy mal" not in await raw(desk, "surveys")
    await surveys.answer(SurveyAnswers(token, {Scale.NPS: 3}, done=True))
    assert desk.kinds() == ["survey.answered"] and desk.told[0].call_id == "c1"
    assert desk.told[0].facts == desk.told[0].facts | {"bad": True, "number": "+34600111222", "csat": 1.0, "queue": "sales", "agent": "ana"}
    for bad in (SurveyAnswers(token, {Scale.EFFORT: 3}), SurveyAnswers(token, {Scale.CSAT: 6})):
        with pytest.raises(Refusal) as caught:
            await surveys.answer(bad)
        assert caught.value.code == "bad_message"
    desk.now += AFTER_CALLS.open_s
    for other, code in ((token, "survey_expired"), (token[:-1], "unknown_survey"), ("", "unknown_survey")):
        with pytest.raises(Refusal) as refused:
            await surveys.shown(other)
        assert refused.value.code == code
    record = (await surveys.of_subject("c1"))[0]
    assert record.answers == {Scale.CSAT: 1, Scale.NPS: 3} and record.survey.comment == "Muy mal <script>"


async def test_a_comment_has_no_number_of_a_card(desk: Desk) -> None:
    surveys = desk.surveys(AFTER_CALLS)
    await desk.agrees(VAULT.person("contact", "marta"))
    await surveys.consider(ended("c1"))
    token = desk.sent[0].url.partition("#")[2]
    shown = await surveys.answer(SurveyAnswers(token, {Scale.CSAT: 4}, "charge 4111-1111-1111-1111"))
    assert shown.comment == "charge •••• 1111" and (await surveys.shown(token)).comment == "charge •••• 1111"


async def test_who_goes_away_in_the_middle_is_heard_all_the_same_once(desk: Desk) -> None:
    surveys = desk.surveys(AFTER_CALLS)
    await desk.agrees(VAULT.person("contact", "marta"))
    await surveys.consider(ended("c1"))
    await surveys.answer(SurveyAnswers(desk.sent[0].url.partition("#")[2], {Scale.CSAT: 4}))
    await surveys.tell_late()
    assert desk.kinds() == []
    desk.now += HOUR
    await asyncio.gather(surveys.tell_late(), desk.surveys(AFTER_CALLS).tell_late())
    assert desk.kinds() == ["survey.answered"] and desk.told[0].facts["bad"] is False


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_call_that_ends_becomes_a_letter_with_a_link_that_lets_in(desk: Desk) -> None:
    await desk.agrees(VAULT.person("contact", "marta"))
    async with MailServer().serving() as mail:
        outbox = Outbox(desk.store.outbox, desk.store.writer.put_lines, VAULT, now=time.time)
        async with (
            Notifier(outbox, VAULT, EmailSection(host="127.0.0.1", port=mail.port, tls="none", sender="desk@example.com")) as notifier,
            outbox,
            desk.surveys(AFTER_CALLS, post=SurveyPost(notifier, Templates())) as surveys,
        ):
            desk.happenings.tell(ended("c1"))
            await mail.came(1)
            [letter] = mail.letters
            body = letter.get_body(("plain",))
            assert body is not None and letter["To"] == "marta@example.com" and letter["Subject"] == "¿Cómo le ha ido?"
            token = re.search(r"https://phone\.example/survey#(\S+)", body.get_content())
            assert token is not None and (await surveys.shown(token.group(1))).questions == AFTER_CALLS.questions
            assert surveys.counts == {"asked": 1}


async def test_who_does_not_want_to_be_asked_again_is_not(desk: Desk) -> None:
    surveys = desk.surveys(AFTER_CALLS)
    await desk.agrees(VAULT.person("contact", "marta"))
    assert await surveys.consider(ended("c1")) == "asked"
    desk.now += 1
    await surveys.refuse(desk.sent[0].url.partition("#")[2])
    desk.now += 1.1 * AFTER_CALLS.rest_s
    assert await surveys.consider(ended("c2")) == "no_consent"
    await desk.agrees(VAULT.person("contact", "marta"))
    assert await surveys.consider(ended("c2")) == "asked"


async def test_figures_by_day_queue_and_agent(desk: Desk) -> None:
    surveys, start = desk.surveys(AFTER_CALLS), 1_774_738_800.0  # 2026-03-29 00:00 in Madrid, a day of 23 hours
    answers = [(0, "sales", "ana", 5, 10), (22.9, "sales", "ben", 2, 0), (23, "sales", "ana", 4, 9), (30, "help", "ben", 3, 7)]
    for number, (hours, queue, agent, csat, nps) in enumerate(answers):
        desk.now = start + hours * HOUR
        caller = f"+3491122233{number}"
        await desk.agrees(VAULT.number(caller))
        assert await surveys.consider(ended(f"c{number}", caller, queue=queue, agent=agent)) == "asked"
        await surveys.answer(SurveyAnswers(desk.sent[-1].url.partition("#")[2], {Scale.CSAT: csat, Scale.NPS: nps}, done=True))
    days = await surveys.statistics(start, start + 48 * HOUR, "day", "Europe/Madrid")
    assert days.asked == 4 and days.total[Scale.CSAT] == Tally(4, 0.5) and days.total[Scale.NPS] == Tally(4, 25.0)
    assert {each.of: each.scales[Scale.CSAT] for each in days.figures} == {"2026-03-29": Tally(2, 0.5), "2026-03-30": Tally(2, 0.5)}
    agents = await surveys.statistics(start, start + 48 * HOUR, "agent", "UTC", queue="sales")
    assert agents.asked == 3
    assert {each.of: each.scales[Scale.NPS].score for each in agents.figures} == {"ana": 100.0, "ben": -100.0}
    assert (await surveys.statistics(start, start + HOUR, "queue", "UTC")).total[Scale.EFFORT] == Tally(0, None)


async def test_a_consultation_is_rated_at_its_end_once_for_each_link(desk: Desk) -> None:
    surveys = desk.surveys()
    link, other = LinkRead("r1", desk.now + 60.0, "a" * 32), LinkRead("r2", desk.now + 60.0, "b" * 32)
    await surveys.rate(link, ConsultationRating("link", 2, "The sound stuttered; my card is 4111111111111111"))
    await surveys.rate(link, ConsultationRating("link", 4))
    await surveys.rate(other, ConsultationRating("link", 5, language="es"))
    (record,) = await surveys.of_subject("r1")
    assert record.answers == {Scale.CSAT: 4} and (record.survey.appointment, record.survey.channel) == ("a1", "page")
    assert record.survey.comment.startswith("The sound") and "4111111111111111" not in record.survey.comment
    assert (await surveys.statistics(desk.now - 60, desk.now + 60, "day", "UTC")).total[Scale.CSAT].answers == 2
    assert desk.kinds().count("survey.answered") == 2, "told once for each"
    desk.now += 100_000
    with pytest.raises(Refusal) as late:
        await surveys.rate(link, ConsultationRating("link", 1))
    assert late.value.code == "survey_expired"
