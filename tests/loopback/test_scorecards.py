"""Scorecards over HTTP: by what calls are judged, who judges and who reads, and what becomes of it."""

from pathlib import Path
from typing import Any

from api.privacy.erasure import Erasure
from api.privacy.vault import ERASED
from api.reports.scorecards import ScorecardRoutes
from tests.kit.reported import NUMBER, put_day
from tests.loopback.test_reports import NOW, Site, site

GIVEN = NOW - 60
FORM = {
    "title": "Service",
    "criteria": [
        {"criterion_id": "greeting", "title": "Says who they are", "weight": 1, "most": 1},
        {"criterion_id": "help", "title": "Helps", "weight": 3, "most": 5},
    ],
}
CARD = {"form_id": "service", "call_id": "c1", "agent": "ana", "scores": {"greeting": 1, "help": 3}, "note": "Calm, and clear."}


def routes(store: Any, log: Any, asking: Any) -> ScorecardRoutes:
    return ScorecardRoutes(store.scorecards, store.people, asking, log.note, lambda: GIVEN)


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("calls.sqlite3*"))


async def judged(here: Site) -> Any:
    """The day, the form and Ana's card."""
    await put_day(here.store)
    assert (await here.ask("scorecard-forms/service", "PUT", FORM))[0] == 200
    status, card = await here.ask("scorecards", "POST", CARD)
    assert status == 201
    return card


async def test_a_call_is_judged_by_weights_and_its_agent_reads_it(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        card = await judged(here)
        assert card["total"] == (1 * 1.0 + 3 * 0.6) / 4 and card["by"] == "eva" and card["seen_at"] is None
        _, hers = await here.ask("scorecards", by="ana", role="agent")
        assert [each["card_id"] for each in hers["cards"]] == [card["card_id"]] and hers["cards"][0]["note"] == CARD["note"]
        assert (await here.ask("scorecards?agent=ana", by="bea", role="agent"))[1]["cards"] == [], "agents read their own"
        assert (await here.ask(f"scorecards/{card['card_id']}/seen", "POST", by="bea", role="agent"))[0] == 404
        assert (await here.ask(f"scorecards/{card['card_id']}/seen", "POST", by="ana", role="agent"))[0] == 204
        assert (await here.ask("scorecards"))[1]["cards"][0]["seen_at"] == GIVEN
        kinds = [kind for kind, _, _ in await here.noted()]
        assert {"scorecard_given", "scorecard_form_changed"} <= set(kinds)


async def test_what_does_not_apply_neither_helps_nor_harms_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        await judged(here)
        _, card = await here.ask("scorecards", "POST", CARD | {"scores": {"greeting": None, "help": 5}})
        assert card["total"] == 1.0
        for wrong, status in (
            ({"scores": {"help": 5}}, 400),
            ({"scores": {"greeting": 2, "help": 5}}, 400),
            ({"scores": {"greeting": None, "help": None}}, 400),
            ({"form_id": "other"}, 404),
            ({"call_id": "nowhere"}, 404),
            ({"agent": "bea"}, 404),
        ):
            assert (await here.ask("scorecards", "POST", CARD | wrong))[0] == status, wrong
        assert (await here.ask("scorecards", "POST", CARD, by="ana"))[0] == 409, "her own call"
        assert (await here.ask("scorecards", "POST", CARD, by="bea", role="agent"))[0] == 403
        for form in ({"criteria": []}, {"criteria": [FORM["criteria"][0]] * 2}):
            assert (await here.ask("scorecard-forms/other", "PUT", FORM | form))[0] == 400


async def test_who_leads_a_team_judges_its_people_and_changes_no_form(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        card = await judged(here)
        led: Any = {"by": "luz", "teams": "flights"}
        assert (await here.ask("scorecards", "POST", CARD, **led))[0] == 403
        assert (await here.ask(f"scorecards/{card['card_id']}", "DELETE", **led))[0] == 403
        assert (await here.ask("scorecards", **led))[1]["cards"] == []
        assert (await here.ask("scorecards", "POST", CARD | {"call_id": "c3", "agent": "bea"}, **led))[0] == 201
        assert (await here.ask("scorecard-forms/service", "PUT", FORM | {"version": 1}, **led))[0] == 403


async def test_a_changed_form_is_another_version_and_of_two_changes_one_counts(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        await judged(here)
        assert (await here.ask("scorecard-forms/service", "PUT", FORM))[0] == 409, "it is there already"
        status, changed = await here.ask("scorecard-forms/service", "PUT", FORM | {"version": 1, "active": False})
        assert (status, changed["version"]) == (200, 2)
        assert (await here.ask("scorecard-forms/service", "PUT", FORM | {"version": 1}))[0] == 409
        assert (await here.ask("scorecard-forms/service", "PUT", FORM | {"version": 7}))[0] == 404
        assert (await here.ask("scorecards", "POST", CARD))[0] == 404, "it is not used any more"
        (form,) = (await here.ask("scorecard-forms", by="ana", role="agent"))[1]["forms"]
        assert form["version"] == 2 and (await here.ask("scorecards"))[1]["cards"][0]["version"] == 1


async def test_means_go_by_agent_week_and_criterion_and_lists_a_page_at_a_time(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        await judged(here)
        await here.ask("scorecards", "POST", CARD | {"scores": {"greeting": 0, "help": 3}})
        await here.ask("scorecards", "POST", CARD | {"call_id": "c3", "agent": "bea", "scores": {"greeting": 1, "help": None}})
        _, told = await here.ask("scorecards/means?period=today&by=agent")
        assert [(each["name"], each["cards"], round(each["mean"], 3)) for each in told["means"]] == [("ana", 2, 0.575), ("bea", 1, 1.0)]
        _, told = await here.ask("scorecards/means?period=today&by=criterion&agent=ana")
        assert [(each["name"], each["mean"]) for each in told["means"]] == [("service/greeting", 0.5), ("service/help", 0.6)]
        _, told = await here.ask("scorecards/means?period=today&by=week", by="ana", role="agent")
        assert [(each["name"], each["cards"]) for each in told["means"]] == [("2023-12-04", 2)]
        first = (await here.ask("scorecards?limit=2"))[1]
        rest = (await here.ask(f"scorecards?limit=2&cursor={first['next']}"))[1]
        ids = [card["card_id"] for card in first["cards"] + rest["cards"]]
        assert len(set(ids)) == 3 and rest["next"] is None
        assert (await here.ask("scorecards?cursor=noon"))[0] == 400
        _, text = await here.ask("scorecards/means?period=today&format=csv")
        assert text.splitlines()[0] == "agent,cards,mean"


async def test_what_is_written_of_a_call_has_no_number_of_a_card_and_goes_with_its_customer(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        await put_day(here.store)
        card_number = "4111 1111 1111 1111"
        form = FORM | {"title": f"Not {card_number}", "criteria": [FORM["criteria"][0] | {"hint": card_number}, FORM["criteria"][1]]}
        _, made = await here.ask("scorecard-forms/service", "PUT", form)
        assert card_number not in str(made)
        _, card = await here.ask("scorecards", "POST", CARD | {"note": f"Luz told {card_number}"})
        assert card_number not in card["note"] and "Luz" in card["note"]
        assert b"Luz told" not in written(tmp_path), "sealed on the disk"
        erasure = here.store.part(Erasure)
        await erasure.erase(await erasure.person("", "ES", numbers=[NUMBER]))
        (left,) = (await here.ask("scorecards"))[1]["cards"]
        assert (left["note"], left["total"]) == (ERASED, card["total"])


async def test_a_scorecard_is_taken_back(tmp_path: Path) -> None:
    async with site(tmp_path, routes) as here:
        card = await judged(here)
        assert (await here.ask(f"scorecards/{card['card_id']}", "DELETE", by="ana", role="agent"))[0] == 403
        assert (await here.ask(f"scorecards/{card['card_id']}", "DELETE"))[0] == 204
        assert (await here.ask(f"scorecards/{card['card_id']}", "DELETE"))[0] == 404
        assert (await here.ask("scorecards"))[1] == {"cards": [], "next": None}
