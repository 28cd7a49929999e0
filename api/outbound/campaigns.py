"""Preview campaigns: numbers with consent are handed out one by one to people, who look first and call then.

The rules stand in ``rooms/campaign.py``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct
from msgspec.structs import replace

from api.card_numbers import without_cards_in
from api.outbound.do_not_call import DoNotCall, NewUnwanted
from api.privacy.consents import Consents
from api.store.outbound import CampaignRow, EntryRow, OutboundStore
from pbx.fraud import DialRules, dial_objection
from pbx.numbers import NotANumber, parse_number, zones_of
from rooms.campaign import CallingHours, Outcome, Tries
from signaling.refusal import Refusal

RESERVED_S = 600.0
"""So long an entry stays on somebody's screen before it goes back."""
MOST_ENTRIES = 100
_NOT_LATER_THAN_S = 300.0
_LISTED = "To be called by a campaign, as its list says where they agreed."
"""In the register, which has no words of people; where it was stands sealed in the entry."""

Words = Annotated[str, Meta(max_length=200)]
Minute = Annotated[int, Meta(ge=0, le=24 * 60)]


Why = Literal["not_a_number", "number_not_allowed", "no_consent", "do_not_call", "twice"]


class NewCampaign(Struct, frozen=True, forbid_unknown_fields=True):
    """``days``: digits, 1 is Monday. ``begin``, ``end``: minutes after midnight, where a number lives. ``zone``: of numbers that tell none.
    ``team``: whose it is, empty: everybody's. ``script``: what is shown to who calls."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    team: Annotated[str, Meta(max_length=64)] = ""
    script: Annotated[str, Meta(max_length=4_000)] = ""
    days: Annotated[str, Meta(pattern="^[1-7]{1,7}$")] = "12345"
    begin: Minute = 9 * 60
    end: Minute = 21 * 60
    zone: Annotated[str, Meta(max_length=64)] = "Europe/Madrid"
    most_attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    retry_s: Annotated[float, Meta(ge=60, le=30 * 86_400)] = 4 * 3_600.0


class NewEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """``consent``: where its owner agreed to be called; ``consent_at``: when, in seconds since the epoch."""

    number: Annotated[str, Meta(max_length=64)]
    consent: Words
    consent_at: float
    name: Words = ""
    note: Annotated[str, Meta(max_length=1_000)] = ""


class NewEntries(Struct, frozen=True, forbid_unknown_fields=True):
    entries: Annotated[list[NewEntry], Meta(min_length=1, max_length=MOST_ENTRIES)]


class NotAdded(Struct, frozen=True):
    """``line``: the entry's place in what was sent, from 1. ``twice``: the number is in the campaign already."""

    line: int
    why: Why


class Added(Struct, frozen=True):
    added: int
    refused: list[NotAdded]


class CampaignFigures(Struct, frozen=True):
    """``open`` are still to be called; ``outcomes``: how many ended how, or were last tried with what result."""

    campaign: CampaignRow
    open: int
    done: int
    outcomes: dict[str, int]


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """How it went. ``later_at``: the time that was agreed, of ``later``, in seconds since the epoch."""

    outcome: Literal["reached", "refused", "wrong_number", "no_answer", "busy", "later", "skipped"]
    later_at: float | None = None


class Campaigns:
    """``rules``: which numbers may be called at all. ``region``: the country of numbers without one. ``now``: seconds since the epoch.
    ``consents``: every entry's goes into the register, and who took theirs back since is not called.

    Everything raises ``StoreUnavailable`` when the database is away.
    """

    def __init__(
        self,
        store: OutboundStore,
        unwanted: DoNotCall,
        consents: Consents,
        rules: DialRules,
        region: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._consents = consents
        self._unwanted = unwanted
        self._rules = rules
        self._region = region
        self._now = now

    async def all(self) -> list[CampaignFigures]:
        """How far each is, the newest first."""
        counted = await self._store.outcomes()
        return [_figures(row, counted.get(row.campaign_id, {})) for row in await self._store.campaigns()]

    async def get(self, campaign_id: str) -> CampaignRow:
        """Raises ``Refusal``."""
        row = await self._store.campaign(campaign_id)
        if row is None:
            raise Refusal("unknown_campaign", "There is no such campaign: it may have been removed.")
        return row

    async def make(self, new: NewCampaign, by: str) -> CampaignRow:
        """A campaign that rests until somebody lets it run. Raises ``Refusal``."""
        new = without_cards_in(new, "name", "script")
        row = CampaignRow(
            campaign_id=uuid4().hex,
            name=new.name,
            team=new.team,
            script=new.script,
            days="".join(sorted(set(new.days))),
            begin=new.begin,
            end=new.end,
            zone=new.zone,
            most_attempts=new.most_attempts,
            retry_s=new.retry_s,
            running=False,
            made_by=by,
            created_at=self._now(),
        )
        try:
            _hours(row), ZoneInfo(row.zone)
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise Refusal("bad_message", f"The campaign cannot be made: {error}.") from None
        await self._store.add_campaign(row)
        return row

    async def run(self, campaign_id: str, *, running: bool) -> CampaignRow:
        await self.get(campaign_id)
        await self._store.run_campaign(campaign_id, running=running)
        return await self.get(campaign_id)

    async def add(self, campaign_id: str, new: NewEntries, by: str) -> Added:
        """Those that may be called are added; of each other one it is said why not."""
        campaign = await self.get(campaign_id)
        read = [(line, self._read(campaign, entry)) for line, entry in enumerate(new.entries, 1)]
        read = await self._agreeing(read)
        rows = [(line, row) for line, row in read if isinstance(row, EntryRow)]
        refused = [NotAdded(line, why) for line, why in read if not isinstance(why, EntryRow)]
        added = await self._store.add_entries([row for _, row in rows])
        await self._consents.listed(
            ((self._store.handle_of(row.e164), _LISTED, row.consent_at, row.entry_id) for _, row in rows if row.entry_id in added),
            "marketing",
            by,
        )
        refused += [NotAdded(line, "twice") for line, row in rows if row.entry_id not in added]
        return Added(len(added), sorted(refused, key=lambda each: each.line))

    async def next(self, campaign_id: str, who: str) -> EntryRow:
        """The entry that this person is to look at now: the one they have, or the one that is due longest. Raises ``Refusal``."""
        campaign, now = await self.get(campaign_id), self._now()
        if not campaign.running:
            raise Refusal("campaign_rests", "This campaign rests: whoever leads it lets it run again.")
        mine = await self._store.reserved(campaign_id, who, now)
        if mine is not None and await self._agrees(campaign, mine, who):
            return mine
        waiting, hours = await self._store.waiting_zones(campaign_id), _hours(campaign)
        if not waiting:
            raise Refusal("nobody_left", "Everybody in this campaign has been called.")
        awake = [zones for zones in waiting if hours.allow(now, map(ZoneInfo, zones.split()))]
        if not awake:
            raise Refusal("outside_hours", "Nobody in this campaign may be called at this hour where they live: come back later.", 900.0)
        while (entry := await self._store.reserve(campaign_id, awake, who, now, now + RESERVED_S)) is not None:
            if await self._agrees(campaign, entry, who):
                return entry
        raise Refusal("nobody_due", "Nobody is due now: those who did not answer are tried again later.", 300.0)

    async def report(self, entry_id: str, report: Report, who: str) -> EntryRow:
        """How it went with the entry that this person has. Who does not want to be called stands on the list from now on. Raises
        ``Refusal``."""
        entry, outcome = await self._store.entry(entry_id), Outcome(report.outcome)
        if entry is None or entry.reserved_by != who:
            raise Refusal("not_reserved", "This entry is not on your screen any more: somebody else may have it.")
        campaign = await self.get(entry.campaign_id)
        if outcome is Outcome.REFUSED:  # whoever has the entry by now: they do not want to be called
            await self._unwanted.add(NewUnwanted(entry.e164, campaign.name), who)
            handle = self._store.handle_of(entry.e164)
            self._consents.say_once(handle, "marketing", "no", _LISTED, means="agent", about=entry.entry_id, by=who)
        settled = await self._settle(campaign, entry, outcome, who, report.later_at)
        if settled is None:
            raise Refusal("not_reserved", "This entry is not on your screen any more: somebody else may have it.")
        return settled

    async def _agrees(self, campaign: CampaignRow, entry: EntryRow, who: str) -> bool:
        """Did they not take it back since? Who did is done with."""
        agrees = not await self._consents.objects(await self._consents.handles_of_number(entry.e164), "marketing")
        if not agrees:
            await self._settle(campaign, entry, Outcome.REFUSED, who, None)
        return agrees

    async def _settle(self, campaign: CampaignRow, entry: EntryRow, outcome: Outcome, who: str, later_at: float | None) -> EntryRow | None:
        """None where somebody else has it now. Raises ``Refusal``."""
        now = self._now()
        try:
            state, attempts, due_at = Tries(campaign.most_attempts, campaign.retry_s).after(outcome, entry.attempts, now, later_at)
        except ValueError as error:
            raise Refusal("bad_message", f"{error}".capitalize() + ".") from None
        told = replace(entry, outcome=outcome, outcome_by=who, outcome_at=now)
        settled = replace(told, state=state, attempts=attempts, due_at=due_at, reserved_by="", reserved_until=0.0)
        return settled if await self._store.settle(settled) else None

    async def _agreeing(self, read: "list[tuple[int, EntryRow | Why]]") -> "list[tuple[int, EntryRow | Why]]":
        """The same, without those who took their consent back after the list says that they gave it."""
        handles = {row.entry_id: self._store.handle_of(row.e164) for _, row in read if isinstance(row, EntryRow)}
        since = await self._consents.objecting(set(handles.values()), "marketing")

        def objects(row: EntryRow | Why) -> bool:
            return isinstance(row, EntryRow) and since.get(handles[row.entry_id], 0.0) >= row.consent_at

        return [(line, "no_consent" if objects(row) else row) for line, row in read]

    def _read(self, campaign: CampaignRow, new: NewEntry) -> EntryRow | Why:
        """What is to be called, or why it may not."""
        new = without_cards_in(new, "name", "note", "consent")
        try:
            number = parse_number(new.number, self._region)
        except NotANumber:
            return "not_a_number"
        if number.e164 is None:
            return "not_a_number"
        if dial_objection(number, self._rules) is not None:
            return "number_not_allowed"
        if not new.consent.strip() or not 0 < new.consent_at <= self._now() + _NOT_LATER_THAN_S:
            return "no_consent"
        if number.e164 in self._unwanted:
            return "do_not_call"
        zones = " ".join(zones_of(number.e164)) or campaign.zone
        return EntryRow(uuid4().hex, campaign.campaign_id, number.e164, new.name, new.note, zones, new.consent, new.consent_at)


def _figures(campaign: CampaignRow, counted: Mapping[tuple[str, str], int]) -> CampaignFigures:
    outcomes: dict[str, int] = {}
    for (_, outcome), entries in counted.items():
        outcomes[outcome or "not_tried"] = outcomes.get(outcome or "not_tried", 0) + entries
    opened = sum(entries for (state, _), entries in counted.items() if state == "open")
    return CampaignFigures(campaign, opened, sum(counted.values()) - opened, outcomes)


def _hours(campaign: CampaignRow) -> CallingHours:
    return CallingHours(frozenset(map(int, campaign.days)), campaign.begin, campaign.end)
