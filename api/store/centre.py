"""The contact centre's plan, version by version, what agents can, and with whom callers talked before."""

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import and_, delete, func, select

from api.store.centre_tables import agent_queues, agent_skills, centre_documents, centre_texts, centre_versions
from api.store.database import in_words
from api.store.errors import StoreRefused
from api.store.schema import calls, legs
from api.store.statements import Statements


class PlanVersion(Struct, frozen=True):
    """``at``: seconds since the epoch."""

    version: int
    at: float
    by: str
    comment: str


class AgentSkills(Struct, frozen=True):
    """``skills``: levels by name. ``queues``: whose calls this person takes; none: of all whose needs are met."""

    identity: str
    skills: dict[str, int]
    queues: list[str]


class EarlierCall(NamedTuple):
    """A call with somebody, as far as it tells who they know here. Times in seconds since the epoch."""

    direction: str
    agent: str
    started_at: float
    answered_at: float | None
    ended_at: float | None


class CentreStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ the plan

    async def newest(self) -> int:
        """The version in force; 0 before there is any."""
        rows = await self._rows(select(func.max(centre_versions.c.version).label("newest")))
        return rows[0]["newest"] or 0

    async def versions(self, limit: int, before: int | None = None) -> list[PlanVersion]:
        """The newest first; those older than ``before``."""
        query = select(centre_versions).order_by(centre_versions.c.version.desc()).limit(limit)
        if before is not None:
            query = query.where(centre_versions.c.version < before)
        return [PlanVersion(**row) for row in await self._rows(query)]

    async def documents(self, version: int) -> dict[str, str]:
        """What each document said in that version, by name; none for a version that never was."""
        query = select(centre_documents.c.name, centre_texts.c.text).join(centre_texts, centre_texts.c.digest == centre_documents.c.digest)
        rows = await self._rows(query.where(centre_documents.c.version == version).order_by(centre_documents.c.name))
        return {row["name"]: row["text"] for row in rows}

    async def ever_said(self, name: str, text: str) -> bool:
        """Did this document say exactly this in any version?"""
        query = select(centre_documents.c.version).where(centre_documents.c.name == name, centre_documents.c.digest == _digest(text))
        return bool(await self._rows(query.limit(1)))

    async def add_version(self, made: PlanVersion, documents: Mapping[str, str]) -> None:
        """Keep the whole plan as this version. Raises ``StoreRefused`` where the one before it is not the newest."""
        digests = {name: _digest(text) for name, text in documents.items()}
        texts = [{"digest": digests[name], "text": text} for name, text in documents.items()]
        placed = [{"version": made.version, "name": name, "digest": digest} for name, digest in digests.items()]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                newest = await connection.scalar(select(func.max(centre_versions.c.version)))
                if (newest or 0) != made.version - 1:
                    raise StoreRefused(f"The plan has version {newest or 0} already.")
                await connection.execute(
                    centre_versions.insert().values(version=made.version, at=made.at, by=made.by, comment=made.comment)
                )
                if placed:
                    await connection.execute(self._insert(centre_texts).on_conflict_do_nothing(index_elements=["digest"]), texts)
                    await connection.execute(centre_documents.insert(), placed)

    # ------------------------------------------------------------------ callers

    async def calls_with(self, numbers: Collection[str], since: float, limit: int = 20) -> list[EarlierCall]:
        """The calls that a phone with one of these numbers had since then, the newest first."""
        handles = [self._vault.number(number) for number in numbers]
        theirs = and_(legs.c.kind == "phone", legs.c.person.in_(handles), legs.c.opened_at > since)
        columns = [calls.c[name] for name in EarlierCall._fields]
        query = select(*columns).join(legs, legs.c.call_id == calls.c.call_id).where(theirs).order_by(legs.c.opened_at.desc()).limit(limit)
        return [EarlierCall(**row) for row in await self._rows(query)]

    # ------------------------------------------------------------------ agents

    async def skills_of(self, identity: str) -> AgentSkills:
        """Nothing of who was never given any."""
        found = await self._skilled(identity)
        return found[0] if found else AgentSkills(identity, {}, [])

    async def everybodys_skills(self) -> list[AgentSkills]:
        """Of all who were given a skill or a queue, by identity."""
        return await self._skilled(None)

    async def _skilled(self, identity: str | None) -> list[AgentSkills]:
        skills, queues = select(agent_skills).order_by(agent_skills.c.skill), select(agent_queues).order_by(agent_queues.c.queue)
        if identity is not None:
            skills, queues = skills.where(agent_skills.c.identity == identity), queues.where(agent_queues.c.identity == identity)
        found: dict[str, AgentSkills] = {}
        for row in await self._rows(skills):
            found.setdefault(row["identity"], AgentSkills(row["identity"], {}, [])).skills[row["skill"]] = row["level"]
        for row in await self._rows(queues):
            found.setdefault(row["identity"], AgentSkills(row["identity"], {}, [])).queues.append(row["queue"])
        return [found[name] for name in sorted(found)]

    async def keep_skills(self, wanted: AgentSkills) -> None:
        """In place of what this person had."""
        skills = [{"identity": wanted.identity, "skill": skill, "level": level} for skill, level in wanted.skills.items()]
        queues = [{"identity": wanted.identity, "queue": queue} for queue in dict.fromkeys(wanted.queues)]
        with in_words(self._engine.url):
            async with self._writing() as connection:
                for table, rows in ((agent_skills, skills), (agent_queues, queues)):
                    await connection.execute(delete(table).where(table.c.identity == wanted.identity))
                    if rows:
                        await connection.execute(table.insert(), rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
