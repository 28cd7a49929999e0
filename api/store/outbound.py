"""Campaigns, their entries, and who does not want to be called, in the database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import and_, delete, func, select, update

from api.privacy.personal import seal_row
from api.store.database import in_words
from api.store.outbound_tables import campaign_entries, campaigns, do_not_call
from api.store.rows import Row
from api.store.statements import Statements

_CHOSEN_AT_ONCE = 20


class CampaignRow(Struct, frozen=True):
    """See ``api/store/outbound_tables.py``."""

    campaign_id: str
    name: str
    team: str
    script: str
    days: str
    begin: int
    end: int
    zone: str
    most_attempts: int
    retry_s: float
    running: bool
    made_by: str
    created_at: float


class EntryRow(Struct, frozen=True):
    """Times are seconds since the epoch."""

    entry_id: str
    campaign_id: str
    e164: str
    name: str
    note: str
    zones: str
    consent: str
    consent_at: float
    state: str = "open"
    attempts: int = 0
    due_at: float = 0.0
    reserved_by: str = ""
    reserved_until: float = 0.0
    outcome: str = ""
    outcome_by: str = ""
    outcome_at: float | None = None


_ENTRY = [name for name in EntryRow.__struct_fields__ if name != "e164"]


class Unwanted(Struct, frozen=True):
    """A number that is not to be called; without it where its owner was erased."""

    e164: str
    reason: str
    added_by: str
    added_at: float


class OutboundStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    # ------------------------------------------------------------------ campaigns

    async def campaigns(self) -> list[CampaignRow]:
        """The newest first."""
        return [CampaignRow(**row) for row in await self._rows(select(campaigns).order_by(campaigns.c.created_at.desc()))]

    async def campaign(self, campaign_id: str) -> CampaignRow | None:
        rows = await self._rows(select(campaigns).where(campaigns.c.campaign_id == campaign_id))
        return CampaignRow(**rows[0]) if rows else None

    async def add_campaign(self, row: CampaignRow) -> None:
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(campaigns.insert().values(**asdict(row)))

    async def run_campaign(self, campaign_id: str, *, running: bool) -> bool:
        """False where there is no such campaign."""
        return await self._update(update(campaigns).where(campaigns.c.campaign_id == campaign_id).values(running=running)) > 0

    async def add_entries(self, rows: Sequence[EntryRow]) -> set[str]:
        """Ids of those that were added: a number stands in a campaign once."""
        if not rows:
            return set()
        statement = self._insert(campaign_entries).on_conflict_do_nothing(index_elements=["campaign_id", "person"])
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(statement, [self._entry_row(row) for row in rows])
        ids = [row.entry_id for row in rows]
        found = await self._rows(select(campaign_entries.c.entry_id).where(campaign_entries.c.entry_id.in_(ids)))
        return {row["entry_id"] for row in found}

    # ------------------------------------------------------------------ entries

    async def entry(self, entry_id: str) -> EntryRow | None:
        rows = await self._rows(select(campaign_entries).where(campaign_entries.c.entry_id == entry_id))
        return _entry(rows[0]) if rows else None

    async def reserved(self, campaign_id: str, by: str, now: float) -> EntryRow | None:
        """What this person has on the screen already."""
        mine = and_(campaign_entries.c.reserved_by == by, campaign_entries.c.reserved_until > now)
        rows = await self._rows(select(campaign_entries).where(campaign_entries.c.campaign_id == campaign_id, mine).limit(1))
        return _entry(rows[0]) if rows else None

    async def waiting_zones(self, campaign_id: str) -> set[str]:
        """In which zones those live who are still to be called."""
        query = select(campaign_entries.c.zones).distinct()
        rows = await self._rows(query.where(campaign_entries.c.campaign_id == campaign_id, campaign_entries.c.state == "open"))
        return {row["zones"] for row in rows}

    async def reserve(self, campaign_id: str, zones: Collection[str], by: str, now: float, until: float) -> EntryRow | None:
        """Give this person the entry that is due longest, of those who live in these zones and may be called. None: there is none."""
        entries = campaign_entries.c
        free = and_(entries.state == "open", entries.reserved_until <= now)
        query = (
            select(entries.entry_id)
            .where(entries.campaign_id == campaign_id, free, entries.due_at <= now, entries.zones.in_(zones))
            .where(entries.person.not_in(select(do_not_call.c.person)))
            .order_by(entries.due_at, entries.entry_id)
            .limit(_CHOSEN_AT_ONCE)
        )
        for row in await self._rows(query):
            taken = update(campaign_entries).where(entries.entry_id == row["entry_id"], free)
            if await self._update(taken.values(reserved_by=by, reserved_until=until)):  # else somebody was quicker
                return await self.entry(row["entry_id"])
        return None

    async def settle(self, row: EntryRow) -> bool:
        """Write how it went; False where it is no longer reserved by who says so."""
        entries = campaign_entries.c
        theirs = and_(entries.entry_id == row.entry_id, entries.reserved_by == row.outcome_by)
        values = {name: getattr(row, name) for name in ("state", "attempts", "due_at", "outcome", "outcome_by", "outcome_at")}
        statement = update(campaign_entries).where(theirs).values(**values, reserved_by="", reserved_until=0.0)
        return await self._update(statement) > 0

    async def outcomes(self) -> dict[str, dict[tuple[str, str], int]]:
        """How many entries, by campaign, and there by state and last outcome."""
        entries = campaign_entries.c
        query = select(entries.campaign_id, entries.state, entries.outcome, func.count().label("entries"))
        found: dict[str, dict[tuple[str, str], int]] = {}
        for row in await self._rows(query.group_by(entries.campaign_id, entries.state, entries.outcome)):
            found.setdefault(row["campaign_id"], {})[row["state"], row["outcome"]] = row["entries"]
        return found

    # ------------------------------------------------------------------ who does not want to be called

    async def unwanted(self, limit: int) -> list[Unwanted]:
        """The newest first, but for those whose owner was erased: of them nothing can be shown."""
        rows = await self._rows(select(do_not_call).order_by(do_not_call.c.added_at.desc(), do_not_call.c.person).limit(limit))
        return [Unwanted(row["number"], row["reason"], row["added_by"], row["added_at"]) for row in rows if row["number"]]

    async def add_unwanted(self, row: Unwanted) -> None:
        """A number that stands there already keeps its first reason."""
        kept = {"number": row.e164, "reason": row.reason, "added_by": row.added_by, "added_at": row.added_at}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                sealed = seal_row(self._vault, "do_not_call", kept)
                await connection.execute(self._insert(do_not_call).values(**sealed).on_conflict_do_nothing())

    async def remove_unwanted(self, e164: str) -> bool:
        return await self._update(delete(do_not_call).where(do_not_call.c.person == self._vault.number(e164))) > 0

    async def unwanted_mark(self) -> tuple[int, float]:
        """How many there are, and when the newest was added: another pair means another list."""
        shown: tuple[Any, ...] = (func.count().label("entries"), func.max(do_not_call.c.added_at).label("newest"))
        rows = await self._rows(select(*shown).select_from(do_not_call))
        return rows[0]["entries"], rows[0]["newest"] or 0.0

    async def every_unwanted(self) -> list[str]:
        """Their handles."""
        return [row["person"] for row in await self._rows(select(do_not_call.c.person))]

    def handle_of(self, e164: str) -> str:
        """By which a number stands among them."""
        return self._vault.number(e164)

    def _entry_row(self, entry: EntryRow) -> Row:
        row = asdict(entry)
        return seal_row(self._vault, "campaign_entries", row | {"number": row.pop("e164")})


def _entry(row: Mapping[str, Any]) -> EntryRow:
    return EntryRow(e164=row["number"], **{name: row[name] for name in _ENTRY})
