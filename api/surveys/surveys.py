"""Surveys as they are sent and answered.

After a call or a consultation a rule may have its customer asked, by e-mail or SMS: a link with a token that nobody can guess, of which we
keep only the digest, and which stands in the part of the address that no server's log sees. Whoever has the link may answer, and change
the answers until they expire. Answers are told once (``survey.answered``), as soon as the customer says that this is all, or some time
after the last answer.
"""

import asyncio
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Literal, Protocol, Self
from zoneinfo import ZoneInfo

import structlog
from msgspec import UNSET, Meta, Struct, UnsetType

from api.card_numbers import without_card_numbers
from api.happenings import Happening, Happenings, Kind
from api.leading import Leads, alone
from api.privacy.consents import SaidConsent
from api.privacy.vault import Vault
from api.store import StoreUnavailable
from api.store.contacts import Contact
from api.store.surveys import ScoreCount, StoredSurvey, SurveyStore
from api.surveys.survey import Occasion, Scale, SurveyRule, Tally, Why, check_answers, is_drawn, rule_for, tally, why_not
from signaling.refusal import Refusal

log = structlog.get_logger()

LONGEST_RANGE_S = 3_700 * 86_400.0
_MOST_WAITING = 1_000
_LOOK_EVERY_S = 60.0
_TOLD_AFTER_S = 1_800.0
_AT_A_TIME = 100
_RATED_FOR_S = 86_400.0

Token = Annotated[str, Meta(min_length=1, max_length=128)]
By = Literal["day", "queue", "agent"]


class SurveyToken(Struct, frozen=True, forbid_unknown_fields=True):
    token: Token


class SurveyAnswers(Struct, frozen=True, forbid_unknown_fields=True):
    """``answers``: scores by scale; those left out stay as they were, as does ``comment``. ``done``: this is all."""

    token: Token
    answers: dict[Scale, int] = {}
    comment: Annotated[str, Meta(max_length=4_000)] | UnsetType = UNSET
    done: bool = False


class ConsultationRating(Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer says at the end of a consultation, by its link: one rating for each link, which may be changed for a day."""

    link: Annotated[str, Meta(min_length=1, max_length=4_096)]
    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=2_000)] = ""
    language: Literal["en", "es"] = "en"


class SurveyShown(Struct, frozen=True):
    """What a customer sees. ``answers``: those given so far."""

    after: str
    questions: tuple[Scale, ...]
    language: str
    answers: dict[Scale, int]
    comment: str
    expires_at: float


class SurveyRecord(Struct, frozen=True):
    """What a supervisor sees of who was asked."""

    survey: StoredSurvey
    answers: dict[Scale, int]


class SurveyFigures(Struct, frozen=True):
    """``of``: the day (YYYY-MM-DD), queue or agent. ``scales``: answers and figure of each."""

    of: str
    scales: dict[Scale, Tally]


class SurveyStatistics(Struct, frozen=True):
    """``asked``: how many; ``total``: the figures of all of them."""

    asked: int
    total: dict[Scale, Tally]
    figures: list[SurveyFigures]


@dataclass(frozen=True, slots=True)
class Whom:
    """Who may be asked: a contact where we know one, else a number or an address."""

    contact_id: str = ""
    number: str = ""
    email: str = ""
    language: str = ""
    appointment: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """To be sent. ``to``: an address or a number. ``person``: the customer's handle. ``idem``: the same is sent once. ``expires_at``: until
    then answers are taken."""

    channel: Literal["email", "sms"]
    to: str
    url: str
    after: str
    language: str
    person: str
    idem: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class SurveySettings:
    """``secret``: decides with the subject who is drawn. ``address``: where our pages are. ``language``: of who has none."""

    rules: tuple[SurveyRule, ...] = ()
    secret: str = ""
    address: str = ""
    language: str = "en"


class Customers(Protocol):
    async def contact(self, contact_id: str) -> Contact | None: ...

    async def by_number(self, e164: str, limit: int) -> list[Contact]: ...


class Agreed(Protocol):
    """Who knows what customers agreed to."""

    async def given(self, handles: Sequence[str], purpose: Literal["survey"]) -> bool: ...

    async def say(self, handle: str, purpose: Literal["survey"], said: SaidConsent) -> None: ...


class GuestLink(Protocol):
    """What the link to a consultation says; ``signaling.invitations.Invitation`` has it."""

    @property
    def room(self) -> str: ...
    @property
    def link_id(self) -> str: ...
    @property
    def expires_at(self) -> float: ...


class Post(Protocol):
    """Who delivers invitations."""

    def can(self, channel: str) -> bool:
        """Is there somebody to send it by?"""
        ...

    def send(self, invitation: Invitation) -> None: ...


class Surveys:
    """``async with``: owns the task that asks and tells. ``of_room``: whose consultation that was. ``now``: seconds since the epoch."""

    def __init__(
        self,
        store: SurveyStore,
        customers: Customers,
        vault: Vault,
        happenings: Happenings,
        settings: SurveySettings,
        *,
        consents: Agreed,
        post: Post,
        of_room: Callable[[str], Awaitable[Whom | None]],
        leads: Leads = alone,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._customers, self._vault, self._happenings = store, customers, vault, happenings
        self._settings = settings
        self._consents, self._post, self._of_room, self._leads = consents, post, of_room, leads
        self._now = now
        self._waiting: asyncio.Queue[Happening] = asyncio.Queue(_MOST_WAITING)
        self.counts: Counter[str] = Counter()
        """What became of occasions: asked, or why not."""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._happenings.listen(self._hear)
        self._task = asyncio.create_task(self._keep_asking(), name="surveys")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ------------------------------------------------------------------ asking

    def _hear(self, happening: Happening) -> None:
        if happening.kind not in (Kind.CALL_ENDED, Kind.CONSULTATION_ENDED) or not self._settings.rules:
            return
        try:
            self._waiting.put_nowait(happening)
        except asyncio.QueueFull:
            self.counts["dropped"] += 1

    async def _keep_asking(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(look_at):
                    happening = await self._waiting.get()
            except TimeoutError:
                look_at = loop.time() + _LOOK_EVERY_S
                await self._without_harm(self.tell_late)
                continue
            await self._without_harm(partial(self.consider, happening))

    async def _without_harm(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except StoreUnavailable as error:
            log.error("survey.neglected", fault=str(error), hint="look after the database")

    async def consider(self, happening: Happening) -> Why:
        """Ask who it was with, where a rule, their consent and chance say so."""
        why = await self._consider(happening)
        self.counts[why] += 1
        return why

    async def _consider(self, happening: Happening) -> Why:
        occasion = occasion_of(happening)
        rule = rule_for(occasion, self._settings.rules)
        if rule is None:
            return "no_rule"
        whom = await self._whom(happening)
        if whom is None:
            return "nobody"
        to = self._reached(whom, rule)
        if to is None:
            return "no_address"
        handles = self._handles(whom)
        asked = [at for handle in handles if (at := await self._store.asked_at(handle)) is not None]
        now = self._now()
        drawn = is_drawn(rule, occasion.subject, self._settings.secret)
        why = why_not(
            rule, consented=await self._consents.given(handles, "survey"), asked_at=max(asked, default=None), drawn=drawn, now=now
        )
        if why != "asked":
            return why
        channel, address = to
        token = secrets.token_urlsafe(24)
        survey = StoredSurvey(
            survey_id=secrets.token_hex(12),
            rule=rule.name,
            after=occasion.after,
            subject=occasion.subject,
            questions=rule.questions,
            person_key=handles[0],
            contact_id=whom.contact_id,
            language=whom.language or self._settings.language,
            queue=occasion.queue,
            agent=occasion.agent,
            appointment=whom.appointment,
            channel=channel,
            asked_at=now,
            expires_at=now + rule.open_s,
        )
        if not await self._store.add(survey, _digest(token)):
            return "too_soon"
        url = f"{self._settings.address}/survey#{token}"
        about = (survey.after, survey.language, survey.person_key, f"survey:{survey.survey_id}", survey.expires_at)
        self._post.send(Invitation(channel, address, url, *about))
        log.info("survey.asked", survey=survey.survey_id, rule=rule.name, channel=channel)
        return "asked"

    async def _whom(self, happening: Happening) -> Whom | None:
        if happening.kind == Kind.CONSULTATION_ENDED:
            return await self._of_room(happening.subject)
        number = str(happening.facts.get("caller" if happening.facts.get("direction") == "in" else "called", ""))
        if not number.startswith("+"):
            return None
        found = await self._customers.by_number(number, 2)
        language = str(happening.facts.get("language", ""))
        if len(found) != 1:
            return Whom(number=number, language=language)
        contact = found[0]
        return Whom(contact.contact_id, number, contact.email, contact.language or language)

    def _reached(self, whom: Whom, rule: SurveyRule) -> tuple[Literal["email", "sms"], str] | None:
        addresses = {"email": whom.email, "sms": whom.number}
        return next(((channel, addresses[channel]) for channel in rule.channels if addresses[channel] and self._post.can(channel)), None)

    def _handles(self, whom: Whom) -> list[str]:
        """Everything this person is known by, the best first."""
        known = [self._vault.person("contact", whom.contact_id)] if whom.contact_id else []
        known += [self._vault.number(whom.number)] if whom.number else []
        return known + ([self._vault.email(whom.email)] if whom.email else [])

    # ------------------------------------------------------------------ answering

    async def shown(self, token: str) -> SurveyShown:
        """What this link is for. Raises ``Refusal``."""
        survey = await self._open(token)
        return _shown(survey, await self._store.answers(survey.survey_id))

    async def answer(self, given: SurveyAnswers) -> SurveyShown:
        """Keep what was answered. Raises ``Refusal``."""
        survey = await self._open(given.token)
        check_answers(survey.questions, given.answers)
        comment = None if given.comment is UNSET else without_card_numbers(given.comment.strip())
        if given.answers or comment is not None:
            await self._store.answer(survey, given.answers, comment, self._now())
        if given.done:
            await self._tell(survey)
        return await self.shown(given.token)

    async def refuse(self, token: str) -> None:
        """Whoever has this link does not want to be asked again. Raises ``Refusal``."""
        survey = await self._open(token)
        await self._consents.say(survey.person_key, "survey", SaidConsent(False, "Do not ask me again / No me pregunten más"))

    async def rate(self, link: GuestLink, given: ConsultationRating) -> None:
        """How satisfied somebody is who came to a consultation by this link. Raises ``Refusal``.

        Nobody is written to for this, so no consent is needed; and who has rated is not asked again by a message soon after.
        """
        now = self._now()
        if now > link.expires_at + _RATED_FOR_S:
            raise Refusal("survey_expired", "This survey is over. Thank you for wanting to answer.")
        rule = f"link {link.link_id[:24]}"
        known = [each for each in await self._store.of_subject(link.room) if each.rule == rule]
        survey = known[0] if known else await self._rated(link, rule, given.language, now)
        await self._store.answer(survey, {Scale.CSAT: given.score}, without_card_numbers(given.comment.strip()) or None, now)
        await self._tell(survey)

    async def _rated(self, link: GuestLink, rule: str, language: str, now: float) -> StoredSurvey:
        whom = await self._of_room(link.room) or Whom()
        handles = self._handles(whom)
        survey = StoredSurvey(
            survey_id=secrets.token_hex(12),
            rule=rule,
            after="consultation",
            subject=link.room,
            questions=(Scale.CSAT,),
            person_key=handles[0] if handles else self._vault.person("guest", link.link_id),
            contact_id=whom.contact_id,
            language=whom.language or language,
            queue="",
            agent="",
            appointment=whom.appointment,
            channel="page",
            asked_at=now,
            expires_at=now + _RATED_FOR_S,
        )
        if await self._store.add(survey, _digest(secrets.token_urlsafe(24))):
            return survey
        return next(each for each in await self._store.of_subject(link.room) if each.rule == rule)

    async def tell_late(self) -> None:
        """Tell what was answered a while ago by who then went away."""
        if await self._leads():
            for survey in await self._store.untold(self._now() - _TOLD_AFTER_S, _AT_A_TIME):
                await self._tell(survey)

    async def _tell(self, survey: StoredSurvey) -> None:
        answers = await self._store.answers(survey.survey_id)
        if not answers or not await self._store.mark_told(survey.survey_id, self._now()):
            return
        bad = any(scale.is_bad(score) for scale, score in answers.items())
        facts: dict[str, str | float | bool] = {"after": survey.after, "bad": bad, "queue": survey.queue, "agent": survey.agent}
        facts |= {scale.value: float(score) for scale, score in answers.items()} | {"rule": survey.rule, "language": survey.language}
        contact = await self._customers.contact(survey.contact_id) if survey.contact_id else None
        if contact is not None and contact.numbers:
            facts["number"] = contact.numbers[0]
        call_id = survey.subject if survey.after == "call" else ""
        told = f"{survey.survey_id}-{Kind.SURVEY_ANSWERED}"
        self._happenings.tell(
            Happening(Kind.SURVEY_ANSWERED, survey.survey_id, self._now(), facts, call_id, survey.person_key, happening_id=told)
        )

    async def _open(self, token: str) -> StoredSurvey:
        survey = await self._store.by_token(_digest(token))
        if survey is None:
            raise Refusal("unknown_survey", "This link is none of ours: please use the one in the message that you got.")
        if survey.expires_at <= self._now():
            raise Refusal("survey_expired", "This survey is over. Thank you for wanting to answer.")
        return survey

    # ------------------------------------------------------------------ what came of it

    async def of_subject(self, subject: str) -> list[SurveyRecord]:
        """Who was asked after a call or a consultation, and what they said."""
        return [SurveyRecord(survey, await self._store.answers(survey.survey_id)) for survey in await self._store.of_subject(subject)]

    async def statistics(self, since: float, until: float, by: By, zone: str, *, queue: str = "", agent: str = "") -> SurveyStatistics:
        """Figures by the day of this time zone, by queue or by agent, of what was asked between these. The scales' definitions and their
        sources stand in ``api/surveys/survey.py``."""
        if not 0 <= until - since <= LONGEST_RANGE_S:
            raise Refusal("bad_message", "from is before to, and not more than ten years.")
        counts = [
            each
            for each in await self._store.counts(since, until)
            if (not queue or each.queue == queue) and (not agent or each.agent == agent)
        ]
        clock = ZoneInfo(zone)
        names: Mapping[By, Callable[[ScoreCount], str]] = {
            "day": lambda each: datetime.fromtimestamp(each.quarter, clock).date().isoformat(),
            "queue": lambda each: each.queue,
            "agent": lambda each: each.agent,
        }
        groups: dict[str, list[ScoreCount]] = {}
        for each in counts:
            groups.setdefault(names[by](each), []).append(each)
        figures = [SurveyFigures(name, _tallies(groups[name])) for name in sorted(groups)]
        return SurveyStatistics(await self._store.asked(since, until, queue, agent), _tallies(counts), figures)


def occasion_of(happening: Happening) -> Occasion:
    """A call as far as somebody spoke; of a consultation it is not known how long."""
    facts = happening.facts

    def word(name: str) -> str:
        return str(facts.get(name, ""))

    if happening.kind == Kind.CONSULTATION_ENDED:
        return Occasion("consultation", happening.subject, happening.at, float("inf"), agent=word("host"))
    spoken_s = float(facts.get("talk_s", 0.0)) if facts.get("answered") else 0.0
    return Occasion("call", happening.subject, happening.at, spoken_s, word("queue"), word("agent"))


def _tallies(counts: Sequence[ScoreCount]) -> dict[Scale, Tally]:
    scores: dict[Scale, dict[int, int]] = {scale: {} for scale in Scale}
    for each in counts:
        scores[each.scale][each.score] = scores[each.scale].get(each.score, 0) + each.times
    return {scale: tally(scale, of_it) for scale, of_it in scores.items()}


def _shown(survey: StoredSurvey, answers: dict[Scale, int]) -> SurveyShown:
    return SurveyShown(survey.after, survey.questions, survey.language, answers, survey.comment, survey.expires_at)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
