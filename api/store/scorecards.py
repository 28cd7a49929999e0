"""Forms by which calls are judged, and the scorecards that were given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update

from api.store.database import in_words
from api.store.rows import Row
from api.store.schema import calls, legs
from api.store.scorecard_tables import scorecard_forms, scorecards
from api.store.statements import Statements


@dataclass(frozen=True, slots=True)
class CardsSought:
    """``people``: of these agents alone; None: of anybody. ``before``: behind this card of the page before, by its time and id."""

    people: frozenset[str] | None = None
    agent: str = ""
    call_id: str = ""
    since: float | None = None
    until: float | None = None
    before: tuple[float, str] | None = None


class ScorecardStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def forms(self) -> Sequence[Row]:
        """Each form as it is now, by its id."""
        newest = select(scorecard_forms.c.form_id, func.max(scorecard_forms.c.version).label("version")).group_by(scorecard_forms.c.form_id)
        now = newest.subquery()
        both = and_(now.c.form_id == scorecard_forms.c.form_id, now.c.version == scorecard_forms.c.version)
        query = select(scorecard_forms).join(now, both).order_by(scorecard_forms.c.form_id)
        return [dict(row) for row in await self._rows(query)]

    async def form(self, form_id: str, version: int) -> Row | None:
        of_it = and_(scorecard_forms.c.form_id == form_id, scorecard_forms.c.version == version)
        found = await self._rows(select(scorecard_forms).where(of_it))
        return dict(found[0]) if found else None

    async def add_form(self, row: Row) -> bool:
        """False: somebody else changed it meanwhile, and there is this version already."""
        new = self._insert(scorecard_forms).values(row)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                return (await connection.execute(new.on_conflict_do_nothing())).rowcount == 1

    async def took_part(self, call_id: str, agent: str) -> bool:
        """Was this call answered by this agent?"""
        theirs = and_(legs.c.call_id == call_id, legs.c.kind == "agent", legs.c.party == agent, legs.c.answered_at.is_not(None))
        return bool(await self._rows(select(legs.c.leg_id).where(theirs).limit(1)))

    async def add(self, row: Row) -> None:
        """``note`` in the clear. It is sealed as the call's own texts are."""
        known = await self._rows(select(calls.c.person).where(calls.c.call_id == row["call_id"]))
        person = known[0]["person"] if known and known[0]["person"] else self._vault.person("call", row["call_id"])
        with in_words(self._engine.url):
            async with self._writing() as connection:
                sealed: Row = row | {"note": self._vault.seal(person, row["note"]), "person": person, "seen_at": None}
                await connection.execute(scorecards.insert().values(sealed))

    async def cards(self, sought: CardsSought, limit: int) -> Sequence[Row]:
        """The newest first."""
        query = select(scorecards).where(*_wanted(sought)).order_by(scorecards.c.at.desc(), scorecards.c.card_id).limit(limit)
        return [self._opened(row) for row in await self._rows(query)]

    async def card(self, card_id: str) -> Row | None:
        found = await self._rows(select(scorecards).where(scorecards.c.card_id == card_id))
        return self._opened(found[0]) if found else None

    async def scores(self, sought: CardsSought, limit: int) -> Sequence[Row]:
        """Without their notes, for sums."""
        names = ("form_id", "version", "agent", "at", "scores", "total")
        query = select(*(scorecards.c[name] for name in names)).where(*_wanted(sought)).order_by(scorecards.c.at.desc()).limit(limit)
        return [dict(row) for row in await self._rows(query)]

    async def seen(self, card_id: str, at: float) -> None:
        """The first time counts."""
        await self._update(update(scorecards).where(scorecards.c.card_id == card_id, scorecards.c.seen_at.is_(None)).values(seen_at=at))

    async def erase(self, card_id: str) -> bool:
        return bool(await self._update(delete(scorecards).where(scorecards.c.card_id == card_id)))

    def _opened(self, row: Mapping[str, Any]) -> Row:
        return {**row, "note": self._vault.open(row["note"])}


def _wanted(sought: CardsSought) -> list[Any]:
    card, wanted = scorecards.c, list[Any]()
    if sought.people is not None:
        wanted.append(card.agent.in_(sought.people))
    if sought.agent:
        wanted.append(card.agent == sought.agent)
    if sought.call_id:
        wanted.append(card.call_id == sought.call_id)
    if sought.since is not None:
        wanted.append(card.at >= sought.since)
    if sought.until is not None:
        wanted.append(card.at < sought.until)
    if sought.before is not None:
        at, card_id = sought.before
        wanted.append(or_(card.at < at, and_(card.at == at, card.card_id > card_id)))
    return wanted
