"""Campaigns and the list of who does not want to be called, against a database of their own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.audit.audit import Audit
from api.outbound.campaigns import Campaigns, NewCampaign, NewEntries, NewEntry, Report
from api.outbound.do_not_call import DoNotCall, NewUnwanted
from api.privacy.consents import Consents, SaidConsent
from api.store import Store
from pbx.fraud import DialRules
from pbx.numbers import parse_number
from signaling.refusal import Refusal
from tests.kit.people import AUDIT_KEYS
from tests.kit.vaults import VAULT

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
EVA, JOHN = "+34 911 234 567", "+1 212 555 1234"


@dataclass
class Outbound:
    store: Store
    at: list[float] = field(default_factory=lambda: [MONDAY_NOON])
    unwanted: DoNotCall = field(init=False)
    consents: Consents = field(init=False)
    campaigns: Campaigns = field(init=False)

    def now(self) -> float:
        return self.at[0]


@pytest.fixture
async def outbound(tmp_path: Path) -> AsyncIterator[Outbound]:
    async with Store.open(f"sqlite:///{tmp_path}/outbound.sqlite3", vault=VAULT) as store, Audit(store.audit, AUDIT_KEYS) as log:
        made = Outbound(store)
        made.consents = Consents(store.consents, store.contacts, VAULT, note=log.note, now=made.now)
        async with made.consents, DoNotCall(store.outbound, log, "ES", made.now) as made.unwanted:
            made.campaigns = Campaigns(store.outbound, made.unwanted, made.consents, DialRules(), "ES", now=made.now)
            yield made


def entry(number: str, consent: str = "asked on the website", consent_at: float = MONDAY_NOON - 86_400) -> NewEntry:
    return NewEntry(number, consent, consent_at)


async def begun(outbound: Outbound, *numbers: str, **more: object) -> str:
    campaign = await outbound.campaigns.make(NewCampaign("Spring", **more), "lea")  # type: ignore[arg-type]
    added = await outbound.campaigns.add(campaign.campaign_id, NewEntries([entry(number) for number in numbers]), "lea")
    assert added.added == len(numbers), added
    await outbound.campaigns.run(campaign.campaign_id, running=True)
    return campaign.campaign_id


async def refused(awaitable: object) -> str:
    with pytest.raises(Refusal) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value.code


async def test_what_may_not_be_called_is_not_added_and_it_is_said_why(outbound: Outbound) -> None:
    await outbound.unwanted.add(NewUnwanted("912 345 678", "asked us"), "ana")
    campaign = await outbound.campaigns.make(NewCampaign("Spring"), "lea")
    told = [
        entry(EVA), entry("200"), entry("not a number"), entry("806 123 456"), entry("912345678"), entry(EVA),
        entry(JOHN, consent=" "), entry(JOHN, consent_at=MONDAY_NOON + 3_600),
    ]  # fmt: skip
    added = await outbound.campaigns.add(campaign.campaign_id, NewEntries(told), "lea")
    why = {each.line: each.why for each in added.refused}
    assert added.added == 1
    assert why == {
        2: "not_a_number",
        3: "not_a_number",
        4: "number_not_allowed",
        5: "do_not_call",
        6: "twice",
        7: "no_consent",
        8: "no_consent",
    }


async def test_people_are_handed_out_one_by_one_where_it_is_day(outbound: Outbound) -> None:
    campaigns = outbound.campaigns
    resting = await campaigns.make(NewCampaign("Rests"), "lea")
    assert await refused(campaigns.next(resting.campaign_id, "ana")) == "campaign_rests"
    campaign = await begun(outbound, EVA, JOHN)
    eva = await campaigns.next(campaign, "ana")
    assert eva.e164 == "+34911234567" and eva.zones == "Europe/Madrid"
    assert await campaigns.next(campaign, "ana") == eva  # a reload loses nothing
    assert await refused(campaigns.next(campaign, "bea")) == "nobody_due"  # it is seven in the morning in New York
    assert await refused(campaigns.report(eva.entry_id, Report("reached"), "bea")) == "not_reserved"
    assert (await campaigns.report(eva.entry_id, Report("reached"), "ana")).state == "done"
    assert await refused(campaigns.report(eva.entry_id, Report("reached"), "ana")) == "not_reserved"
    assert await refused(campaigns.next(campaign, "ana")) == "outside_hours"
    outbound.at[0] += 3 * 3_600
    john = await campaigns.next(campaign, "bea")
    assert (await campaigns.report(john.entry_id, Report("no_answer"), "bea")).attempts == 1
    assert await refused(campaigns.next(campaign, "bea")) == "nobody_due"
    figures = next(each for each in await campaigns.all() if each.campaign.campaign_id == campaign)
    assert (figures.open, figures.done, figures.outcomes) == (1, 1, {"reached": 1, "no_answer": 1})


async def test_who_refuses_is_called_by_nobody_again(outbound: Outbound) -> None:
    campaigns = outbound.campaigns
    first, second = await begun(outbound, EVA), await begun(outbound, EVA)
    eva = await campaigns.next(first, "ana")
    await campaigns.report(eva.entry_id, Report("refused"), "ana")
    assert await refused(campaigns.next(second, "ana")) == "nobody_due"
    assert await refused(campaigns.next(first, "ana")) == "nobody_left"
    number = parse_number(EVA, "ES")
    with pytest.raises(Refusal, match="dial it again") as caught:
        outbound.unwanted.ask("bea", number)
    assert caught.value.code == "do_not_call"
    outbound.unwanted.ask("bea", number)
    with pytest.raises(Refusal):
        outbound.unwanted.ask("ana", number)  # to have confirmed is everybody's own
    outbound.at[0] += 61
    with pytest.raises(Refusal):
        outbound.unwanted.ask("bea", number)
    assert await outbound.unwanted.remove("911234567", "lea") and not await outbound.unwanted.remove("911234567", "lea")
    outbound.unwanted.ask("ana", number)
    assert (await campaigns.next(second, "ana")).e164 == number.e164


async def test_later_is_at_the_time_that_was_agreed(outbound: Outbound) -> None:
    campaigns = outbound.campaigns
    campaign = await begun(outbound, EVA)
    eva = await campaigns.next(campaign, "ana")
    assert await refused(campaigns.report(eva.entry_id, Report("later", MONDAY_NOON - 1), "ana")) == "bad_message"
    await campaigns.report(eva.entry_id, Report("later", MONDAY_NOON + 1_800), "ana")
    assert await refused(campaigns.next(campaign, "ana")) == "nobody_due"
    outbound.at[0] += 1_800
    assert (await campaigns.next(campaign, "bea")).attempts == 0


async def test_a_campaign_that_makes_no_sense_is_refused(outbound: Outbound) -> None:
    for wrong in ({"begin": 600, "end": 600}, {"zone": "Europe/Nowhere"}, {"zone": "../etc/passwd"}):
        assert await refused(outbound.campaigns.make(NewCampaign("Spring", **wrong), "lea")) == "bad_message"  # type: ignore[arg-type]
    assert await refused(outbound.campaigns.next("none", "ana")) == "unknown_campaign"
    assert await refused(outbound.unwanted.add(NewUnwanted("112"), "ana")) == "not_a_number"


async def test_every_entry_is_in_the_register_and_who_took_it_back_is_neither_listed_nor_called(outbound: Outbound) -> None:
    campaign_id = await begun(outbound, EVA, "+34 911 234 568")
    eva = VAULT.number("+34911234567")
    assert [(each.purpose, each.answer, each.means, each.by, each.at) for each in await outbound.consents.of([eva])] == [
        ("marketing", "yes", "list", "lea", MONDAY_NOON - 86_400)
    ]
    await outbound.consents.say(eva, "marketing", SaidConsent(False, "No calls, please."), "ana", means="rest")
    handed = await outbound.campaigns.next(campaign_id, "ana")
    assert handed.e164 == "+34911234568", "Eva is passed over"
    assert await refused(outbound.campaigns.next(campaign_id, "bea")) in ("nobody_due", "nobody_left")
    (figures,) = await outbound.campaigns.all()
    assert (figures.open, figures.outcomes) == (1, {"not_tried": 1, "refused": 1})
    again = await outbound.campaigns.make(NewCampaign("Summer"), "lea")
    told = NewEntries([entry(EVA), entry(EVA, "asked again", MONDAY_NOON + 60.0)])
    added = await outbound.campaigns.add(again.campaign_id, told, "lea")
    assert (added.added, [(each.line, each.why) for each in added.refused]) == (1, [(1, "no_consent")]), "who agreed anew may be called"
