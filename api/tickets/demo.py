"""Seeds the demo's service desk: into a database without tickets and articles alone, for the customers of the demo's travel data."""

from api.happenings import Happenings
from api.knowledge.articles import Articles, WrittenArticle
from api.privacy.vault import Vault
from api.store import Store
from api.store.consents import Consent
from api.store.surveys import StoredSurvey
from api.store.tickets import StoredTicket
from api.surveys.survey import SurveyRule
from api.tickets.demo_texts import ANSWERS, ARTICLES, TICKETS, DemoAnswer, DemoTicket
from api.tickets.ticket import Act, ServiceRules
from api.tickets.tickets import NewComment, NewTicket, TicketChange, Tickets

_HOUR_S = 3_600.0
_BY = "demo"


class _Past:
    """A clock that is set to when something of the demo happened."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def seed(store: Store, vault: Vault, rules: ServiceRules, now: float) -> bool:
    """Whether there was nothing before. ``now``: seconds since the epoch. Raises ``StoreUnavailable``."""
    if await store.tickets.running("", 1) or await store.articles.page("", 1, drafts=True):
        return False
    clock = _Past()
    tickets = Tickets(store.tickets, store.contacts, vault, Happenings(), lambda: rules, region="ES", exists=_everybody, now=clock)
    for story in TICKETS:
        await _tell(tickets, story, now - story.ago_h * _HOUR_S, clock)
    articles = Articles(store.articles, now=clock)
    for place, article in enumerate(ARTICLES):
        clock.now = now - 30 * 24 * _HOUR_S + place * 60
        await articles.write(WrittenArticle(article.title, article.text, article.language, [*article.tags], True), _BY)
    for place, answer in enumerate(ANSWERS):
        await _answer(store, vault, answer, place, now)
    return True


async def _everybody(identity: str) -> bool:
    return True


async def _tell(tickets: Tickets, story: DemoTicket, begun: float, clock: _Past) -> None:
    clock.now = begun
    new = NewTicket(
        story.title, story.text, story.category, story.priority, story.team, story.agent, number=story.number, idem=f"demo {story.title}"
    )
    ticket: StoredTicket = await tickets.open(new, _BY)
    for after_h, act in story.acts if ticket.revision == 1 else ():
        clock.now = begun + after_h * _HOUR_S
        if act is Act.ASK:
            ticket = await tickets.comment(ticket.ticket_id, NewComment(story.said, False, "ask"), story.agent or _BY)
            continue
        ticket = await tickets.change(ticket.ticket_id, TicketChange(ticket.revision, act=act), story.agent or _BY)
        if act is Act.SOLVE:
            ticket = await tickets.comment(ticket.ticket_id, NewComment(story.said, False), story.agent or _BY)


async def _answer(store: Store, vault: Vault, answer: DemoAnswer, place: int, now: float) -> None:
    asked_at = now - answer.ago_h * _HOUR_S
    found = await store.contacts.by_number(answer.number, 2)
    contact_id = found[0].contact_id if len(found) == 1 else ""
    handle = vault.person("contact", contact_id) if contact_id else vault.number(answer.number)
    wording = "¿Podemos preguntarle qué le ha parecido?" if answer.language == "es" else "May we ask you how it was?"
    await store.consents.add(handle, Consent("survey", True, wording, asked_at - _HOUR_S, answer.agent))
    rule = SurveyRule("demo", "call", tuple(answer.scores))
    survey = StoredSurvey(
        f"demo-{place}",
        rule.name,
        rule.after,
        f"demo-call-{place}",
        rule.questions,
        handle,
        contact_id,
        answer.language,
        answer.queue,
        answer.agent,
        "",
        "sms",
        asked_at,
        asked_at + rule.open_s,
    )
    if await store.surveys.add(survey, f"demo-{place}"):
        await store.surveys.answer(survey, answer.scores, answer.comment, asked_at + _HOUR_S)
        await store.surveys.mark_told(survey.survey_id, asked_at + _HOUR_S)
