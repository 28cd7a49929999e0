"""Surveys and their answers in the database."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, select, update

from api.store.database import in_words
from api.store.rows import QUARTER_S, Row
from api.store.statements import Statements
from api.store.survey_tables import survey_answers, surveys
from api.surveys.survey import Scale


class StoredSurvey(Struct, frozen=True):
    """Somebody who was asked. ``comment``: in their words. Times are seconds since the epoch."""

    survey_id: str
    rule: str
    after: str
    subject: str
    questions: tuple[Scale, ...]
    person_key: str
    contact_id: str
    language: str
    queue: str
    agent: str
    appointment: str
    channel: str
    asked_at: float
    expires_at: float
    answered_at: float | None = None
    told_at: float | None = None
    comment: str = ""


class ScoreCount(Struct, frozen=True):
    """How often a score was given on a scale, by the quarter of an hour in which was asked (seconds since the epoch), queue and agent."""

    quarter: float
    queue: str
    agent: str
    scale: Scale
    score: int
    times: int


class SurveyStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def add(self, survey: StoredSurvey, token_key: str) -> bool:
        """Keep that somebody is asked. False where this rule asked after the same subject before."""
        row: Row = {name: getattr(survey, name) for name in StoredSurvey.__struct_fields__}
        row |= {"questions": " ".join(survey.questions), "token_key": token_key}
        statement = self._insert(surveys).values(row).on_conflict_do_nothing(index_elements=["subject", "rule"])
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return bool((await connection.execute(statement)).rowcount)

    async def asked_at(self, person_key: str) -> float | None:
        """When this person was last asked anything."""
        rows = await self._rows(select(func.max(surveys.c.asked_at).label("at")).where(surveys.c.person_key == person_key))
        at: float | None = rows[0]["at"]
        return at

    async def by_token(self, token_key: str) -> StoredSurvey | None:
        found = await self._rows(select(surveys).where(surveys.c.token_key == token_key))
        return self._survey(found[0]) if found else None

    async def answers(self, survey_id: str) -> dict[Scale, int]:
        rows = await self._rows(select(survey_answers).where(survey_answers.c.survey_id == survey_id))
        return {Scale(row["scale"]): row["score"] for row in rows}

    async def answer(self, survey: StoredSurvey, answers: Mapping[Scale, int], comment: str | None, at: float) -> None:
        """Keep these answers in place of earlier ones; ``comment`` None: as it was."""
        values: Row = {"answered_at": at}
        if comment is not None:
            values["comment"] = self._vault.seal(survey.person_key, comment)
        rows = [{"survey_id": survey.survey_id, "scale": scale.value, "score": score, "at": at} for scale, score in answers.items()]
        statement = self._insert(survey_answers)
        newer = {name: statement.excluded[name] for name in ("score", "at")}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(update(surveys).where(surveys.c.survey_id == survey.survey_id).values(values))
                if rows:
                    upsert = statement.on_conflict_do_update(index_elements=list(survey_answers.primary_key), set_=newer)
                    await connection.execute(upsert, rows)

    async def mark_told(self, survey_id: str, at: float) -> bool:
        """Its answers are told now. False where somebody told them before."""
        untold = and_(surveys.c.survey_id == survey_id, surveys.c.told_at.is_(None))
        return await self._update(update(surveys).where(untold).values(told_at=at)) > 0

    async def untold(self, before: float, limit: int) -> list[StoredSurvey]:
        """Those answered before then of which nobody was told."""
        query = select(surveys).where(surveys.c.told_at.is_(None), surveys.c.answered_at <= before)
        return [self._survey(row) for row in await self._rows(query.order_by(surveys.c.answered_at).limit(limit))]

    async def of_subject(self, subject: str) -> list[StoredSurvey]:
        """Surveys after a call or a consultation."""
        return [self._survey(row) for row in await self._rows(select(surveys).where(surveys.c.subject == subject))]

    async def counts(self, since: float, until: float, queue: str = "", agent: str = "") -> list[ScoreCount]:
        """What was answered to what was asked between these, counted by the quarter of an hour. ``queue``, ``agent``: of these alone."""
        quarter = (func.floor(surveys.c.asked_at / QUARTER_S) * QUARTER_S).label("quarter")
        by = (quarter, surveys.c.queue, surveys.c.agent, survey_answers.c.scale, survey_answers.c.score)
        query = select(*by, func.count().label("times")).join(survey_answers, survey_answers.c.survey_id == surveys.c.survey_id)
        query = query.where(*_asked(since, until, queue, agent)).group_by(*by)
        return [ScoreCount(**{**row, "scale": Scale(row["scale"])}) for row in await self._rows(query)]

    async def asked(self, since: float, until: float, queue: str = "", agent: str = "") -> int:
        """How many were asked between these."""
        query = select(func.count().label("count")).select_from(surveys).where(*_asked(since, until, queue, agent))
        return int((await self._rows(query))[0]["count"])

    def _survey(self, row: Mapping[str, Any]) -> StoredSurvey:
        given = {name: row[name] for name in StoredSurvey.__struct_fields__}
        given |= {"questions": tuple(Scale(name) for name in row["questions"].split()), "comment": self._vault.open(row["comment"])}
        return StoredSurvey(**given)


def _asked(since: float, until: float, queue: str, agent: str) -> list[ColumnElement[bool]]:
    wanted = [surveys.c.asked_at >= since, surveys.c.asked_at < until]
    wanted += [surveys.c.queue == queue] if queue else []
    return wanted + ([surveys.c.agent == agent] if agent else [])
