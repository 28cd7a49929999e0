"""Scorecards over HTTP: supervisors judge calls by forms that they make, agents read their own, and both see how it goes on the mean.

Who leads some teams alone judges the calls of their people; what a form asks for is changed by who leads all. That a card was given, read
or taken back is in the audit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from secrets import token_hex
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.bodies import body_of, json_answer
from api.card_numbers import without_card_numbers
from api.guarded_routes import grant_of
from api.query_words import known_word, whole_number
from api.record_lines import table
from api.reports.period import Period
from api.reports.routes import Asking, csv_answer, form_wanted, word
from api.reports.scorecard import Criterion, Id, check_criteria, total
from api.store.rows import Row
from api.store.scorecards import CardsSought, ScorecardStore
from signaling.grants import Grant, Permission, Resource, allows, demand
from signaling.refusal import Refusal

MOST_SHOWN = 100
_SUMMED = 20_000
PERS = ("agent", "week", "form", "criterion")
_CRITERIA = msgspec.json.Decoder(tuple[Criterion, ...])
_SCORES = msgspec.json.Decoder(dict[str, int | None])


class NewForm(Struct, frozen=True, forbid_unknown_fields=True):
    """``version``: of the form as it was read, 0 for a new one; somebody else's change meanwhile is not overwritten."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    criteria: tuple[Criterion, ...]
    version: Annotated[int, Meta(ge=0)] = 0
    active: bool = True


class ScorecardForm(Struct, frozen=True):
    form_id: str
    version: int
    title: str
    criteria: tuple[Criterion, ...]
    active: bool
    at: float
    by: str


class NewScorecard(Struct, frozen=True, forbid_unknown_fields=True):
    """``scores``: points by criterion; null: it does not apply to this call."""

    form_id: Id
    call_id: Annotated[str, Meta(min_length=1, max_length=64)]
    agent: Annotated[str, Meta(min_length=1, max_length=64)]
    scores: dict[str, int | None]
    note: Annotated[str, Meta(max_length=4_000)] = ""


class Scorecard(Struct, frozen=True):
    """``total``: 0-1. ``seen_at``: when the agent read it."""

    card_id: str
    form_id: str
    version: int
    call_id: str
    agent: str
    by: str
    at: float
    seen_at: float | None
    scores: dict[str, int | None]
    total: float
    note: str


class ScorecardPage(Struct, frozen=True):
    cards: list[Scorecard]
    next: str | None


class ScorecardMean(Struct, frozen=True):
    """``name``: an agent, a form, one of its criteria (``form/criterion``), or the Monday of a week. ``mean``: 0-1."""

    name: str
    cards: int
    mean: float


class People(Protocol):
    """Satisfied by ``api.store.people.PeopleStore``."""

    async def teams_of(self, identity: str) -> frozenset[str]: ...


class ScorecardRoutes:
    """``now``: seconds since the epoch."""

    def __init__(
        self, store: ScorecardStore, people: People, asking: Asking, note: Callable[..., None], now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._people, self._asking = store, people, asking
        self._note, self._now = note, now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/scorecard-forms", self._forms, allow_head=False)
        app.router.add_put("/api/v1/scorecard-forms/{form_id}", self._write_form)
        app.router.add_get("/api/v1/scorecards", self._cards, allow_head=False)
        app.router.add_post("/api/v1/scorecards", self._give)
        app.router.add_get("/api/v1/scorecards/means", self._means, allow_head=False)
        app.router.add_post("/api/v1/scorecards/{card_id}/seen", self._seen)
        app.router.add_delete("/api/v1/scorecards/{card_id}", self._erase)

    # ------------------------------------------------------------------ forms

    async def _forms(self, request: web.Request) -> web.Response:
        return json_answer({"forms": [_form(row) for row in await self._store.forms()]})

    async def _write_form(self, request: web.Request) -> web.Response:
        wanted, grant = await body_of(request, NewForm), grant_of(request)
        form_id = _id(request.match_info["form_id"])
        check_criteria(wanted.criteria)
        if grant.teams:
            raise Refusal("forbidden", "Who leads some teams alone does not change by what all are judged.")
        row: Row = {"form_id": form_id, "version": wanted.version + 1, "title": without_card_numbers(wanted.title), "active": wanted.active}
        criteria = without_card_numbers(msgspec.json.encode(wanted.criteria).decode())
        row |= {"criteria": criteria, "at": self._now(), "by": grant.identity}
        if wanted.version and await self._store.form(form_id, wanted.version) is None:
            raise Refusal("unknown_form", "There is no such version of this form.")
        if not await self._store.add_form(row):
            raise Refusal("form_overtaken", "Somebody else changed this form meanwhile: read it again.")
        self._note("scorecard_form_changed", grant.identity, form_id, detail=f"version {row['version']}")
        return json_answer(_form(row))

    # ------------------------------------------------------------------ cards

    async def _give(self, request: web.Request) -> web.Response:
        wanted, grant = await body_of(request, NewScorecard), grant_of(request)
        await self._reach(grant, wanted.agent)
        form = next((_form(row) for row in await self._store.forms() if row["form_id"] == wanted.form_id and row["active"]), None)
        if form is None:
            raise Refusal("unknown_form", "There is no such form, or it is not used any more.")
        if wanted.agent == grant.identity:
            raise Refusal("own_call", "Nobody judges calls of their own.")
        if not await self._store.took_part(wanted.call_id, wanted.agent):
            raise Refusal("unknown_call", "There is no record of this call with this agent.")
        card = Scorecard(
            token_hex(12),
            form.form_id,
            form.version,
            wanted.call_id,
            wanted.agent,
            grant.identity,
            self._now(),
            None,
            wanted.scores,
            total(form.criteria, wanted.scores),
            without_card_numbers(wanted.note.strip()),
        )
        await self._store.add(msgspec.structs.asdict(card) | {"scores": msgspec.json.encode(card.scores).decode()})
        return json_answer(card, 201)

    async def _cards(self, request: web.Request) -> web.Response:
        query, grant = request.query, grant_of(request)
        limit, form = whole_number(query, "limit", MOST_SHOWN, 50), form_wanted(query)
        before = _place(query.get("cursor", ""))
        sought = CardsSought(await self._people_of(grant), word(query, "agent"), word(query, "call"), before=before)
        rows = await self._store.cards(sought, limit + 1)
        cards = [_card(row) for row in rows[:limit]]
        if form == "csv":
            names = ("card_id", "form_id", "version", "call_id", "agent", "by", "at", "total", "note")
            return csv_answer("scorecards", table(names, [[getattr(card, name) for name in names] for card in cards]))
        more = f"{cards[-1].at!r}_{cards[-1].card_id}" if len(rows) > limit else None
        return json_answer(ScorecardPage(cards, more))

    async def _seen(self, request: web.Request) -> web.Response:
        """By the agent whom it is about."""
        card = await self._known(request)
        if card["agent"] != grant_of(request).identity:
            raise Refusal("unknown_card", "There is no such scorecard of yours.")
        await self._store.seen(card["card_id"], self._now())
        return web.Response(status=204)

    async def _erase(self, request: web.Request) -> web.Response:
        card = await self._known(request)
        await self._reach(grant_of(request), card["agent"])
        await self._store.erase(card["card_id"])
        return web.Response(status=204)

    async def _known(self, request: web.Request) -> Row:
        card = await self._store.card(request.match_info["card_id"])
        if card is None:
            raise Refusal("unknown_card", "There is no such scorecard.")
        return card

    async def _means(self, request: web.Request) -> web.Response:
        of, grant = self._asking.period(request.query), grant_of(request)
        per, form = known_word(request.query, "by", PERS, "agent"), form_wanted(request.query)
        sought = CardsSought(await self._people_of(grant), word(request.query, "agent"), since=of.since, until=of.until)
        found = means(await self._store.scores(sought, _SUMMED), per, of, {each.form_id: each for each in await self._known_forms()})
        if form == "csv":
            return csv_answer(
                "scorecard-means", table([per, "cards", "mean"], [[each.name, each.cards, round(each.mean, 4)] for each in found])
            )
        return json_answer({"means": found})

    async def _known_forms(self) -> list[ScorecardForm]:
        return [_form(row) for row in await self._store.forms()]

    # ------------------------------------------------------------------ whose

    async def _people_of(self, grant: Grant) -> frozenset[str] | None:
        """Whose cards its bearer reads: their own; of who judges, those of whom they judge too."""
        if not allows(grant, Permission.SCORES_ANY):
            return frozenset({grant.identity})
        people = await self._asking.people(grant)
        return people if people is None else people | {grant.identity}

    async def _reach(self, grant: Grant, agent: str) -> None:
        """Raises ``Refusal`` where its bearer does not judge this agent."""
        demand(grant, Permission.SCORES_ANY, Resource(owner=agent, teams=await self._people.teams_of(agent)))


def means(rows: Sequence[Row], per: str, of: Period, forms: Mapping[str, ScorecardForm]) -> list[ScorecardMean]:
    """By the name of each."""
    sums: dict[str, tuple[int, float]] = {}

    def add(name: str, value: float) -> None:
        count, before = sums.get(name, (0, 0.0))
        sums[name] = (count + 1, before + value)

    clock = ZoneInfo(of.zone)
    for row in rows:
        if per == "criterion":
            criteria = {each.criterion_id: each for each in forms[row["form_id"]].criteria} if row["form_id"] in forms else {}
            for name, points in _SCORES.decode(row["scores"]).items():
                if points is not None and name in criteria:
                    add(f"{row['form_id']}/{name}", min(1.0, points / criteria[name].most))
            continue
        day = datetime.fromtimestamp(row["at"], clock).date()
        add({"agent": row["agent"], "form": row["form_id"], "week": _monday(day)}[per], row["total"])
    return [ScorecardMean(name, count, value / count) for name, (count, value) in sorted(sums.items())]


def _monday(day: date) -> str:
    return (day - timedelta(days=day.weekday())).isoformat()


def _form(row: Row) -> ScorecardForm:
    return ScorecardForm(**{**row, "criteria": _CRITERIA.decode(row["criteria"])})


def _card(row: Row) -> Scorecard:
    shown = {name: row[name] for name in Scorecard.__struct_fields__}
    return Scorecard(**{**shown, "scores": _SCORES.decode(row["scores"])})


def _id(text: str) -> str:
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError:
        raise Refusal("bad_message", "The id of a form has lower-case letters, digits, - and _, 64 at most.") from None


def _place(text: str) -> tuple[float, str] | None:
    if not text:
        return None
    at, _, card_id = text.partition("_")
    try:
        return msgspec.json.decode(at.encode(), type=float), card_id
    except msgspec.DecodeError:
        raise Refusal("bad_message", "cursor is the next of an answer before, as it was there.") from None
