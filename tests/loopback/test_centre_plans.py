"""The plan of the contact centre in a real database: versions, two nodes, the folder, and REST."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from api.centre.plan_faults import PlanBroken
from api.centre.plan_folder import PlanFolder
from api.centre.plan_reading import PlanReader
from api.centre.plan_routes import PlanRoutes
from api.centre.plans import Plans
from api.centre.prompts import prompts_of
from api.centre.skill_routes import SkillRoutes
from api.centre.skills import Skills
from api.metrics import Metrics
from api.rest_limits import Rates, RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.settings.prompts import PromptsSection
from api.store import Store
from api.store.centre import AgentSkills
from rooms.centre_plan import CentrePlan
from rooms.events import AgentSkilled, Event
from signaling.grants import Grant
from signaling.refusal import Refusal
from tests.kit.vaults import VAULT

FLOW = 'languages = ["en"]\n[steps.wait]\nkind = "queue"\nqueue = "sales"\n'
WHOLE = {"queues": "[sales]\n", "flows/main": FLOW}
GRANTS = {
    "boss": Grant("boss", "Boss", "admin", "1", 0.0, 0.0, 0.0),
    "eva": Grant("eva", "Eva", "supervisor", "2", 0.0, 0.0, 0.0, teams=frozenset({"madrid"})),
    "ana": Grant("ana", "Ana", "agent", "3", 0.0, 0.0, 0.0),
}
TEAMS = {"ana": frozenset({"madrid"}), "ben": frozenset({"sevilla"})}


class Node:
    """One server's plans: what it put in force, what it noted, and how often it told the others."""

    def __init__(self, store: Store, *, look_every_s: float = 3_600.0) -> None:
        self.taken: list[CentrePlan] = []
        self.noted: list[tuple[str, str, str]] = []
        self.told = 0
        self.plans = Plans(
            store.centre,
            PlanReader(region="ES", prompts=prompts_of(PromptsSection())).read,
            self._take,
            tell_nodes=self._tell,
            note=lambda kind, who, *, detail: self.noted.append((kind, who, detail)),
            look_every_s=look_every_s,
        )

    async def _take(self, plan: CentrePlan) -> None:
        self.taken.append(plan)

    def _tell(self) -> None:
        self.told += 1


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/plans.sqlite3", vault=VAULT) as store:
        yield store


@pytest.fixture
async def node(store: Store) -> AsyncIterator[Node]:
    node = Node(store)
    async with node.plans:
        yield node


async def test_a_change_is_a_version_in_force_and_a_broken_one_is_refused_with_its_line(node: Node) -> None:
    plans = node.plans
    made = await plans.put(WHOLE, by="boss", comment="begun")
    assert (made.version, made.by, made.comment) == (1, "boss", "begun")
    assert node.taken[-1] is plans.plan and plans.plan.version == 1 and node.told == 1
    assert node.noted == [("plan_changed", "boss", "version 1: flows/main, queues")]
    with pytest.raises(PlanBroken) as caught:
        await plans.put({"flows/main": FLOW.replace("sales", "sale")}, by="boss")
    assert [(fault.document, fault.line) for fault in caught.value.faults] == [("flows/main", 4)]
    assert "did you mean 'sales'" in str(caught.value)
    with pytest.raises(PlanBroken):
        await plans.put({"queues": None}, by="boss")
    assert plans.version == 1 and len(node.taken) == 1 and await plans.versions(10) == [made]
    assert (await plans.put(WHOLE, by="eva")).version == 1, "what is no change makes no version"


async def test_an_earlier_version_comes_back_whole_as_a_new_one(node: Node) -> None:
    plans = node.plans
    await plans.put(WHOLE, by="boss")
    await plans.put({"queues": "[sales]\n[care]\n", "breaks": 'reasons = ["lunch"]'}, by="boss")
    made = await plans.restore(1, by="eva")
    assert (made.version, made.comment, plans.documents) == (3, "as version 1", WHOLE)
    assert plans.plan is not None and list(plans.plan.queues) == ["sales"]
    assert (await plans.of_version(2))["breaks"] == 'reasons = ["lunch"]'
    for unknown in (0, 9):
        with pytest.raises(Refusal, match="never had"):
            await plans.restore(unknown, by="eva")


async def test_whoever_changes_what_they_have_not_seen_is_told(node: Node) -> None:
    await node.plans.put(WHOLE, by="boss", based_on=0)
    with pytest.raises(Refusal) as caught:
        await node.plans.put({"queues": "[sales]\n[care]"}, by="eva", based_on=0)
    assert caught.value.code == "plan_overtaken"


async def test_of_two_nodes_each_takes_what_the_other_accepted(store: Store, node: Node) -> None:
    other = Node(store)
    async with other.plans:
        await asyncio.gather(
            node.plans.put(WHOLE, by="boss"),
            other.plans.put({"breaks": 'reasons = ["lunch"]'}, by="eva"),
        )
        await node.plans.look()
        await other.plans.look()
        assert node.plans.version == other.plans.version == 2
        assert node.plans.documents == other.plans.documents == {**WHOLE, "breaks": 'reasons = ["lunch"]'}
        assert node.taken[-1] == other.taken[-1]


async def test_a_plan_is_there_again_after_a_start_and_found_without_being_told(store: Store, node: Node) -> None:
    found = asyncio.Event()
    other = Node(store, look_every_s=0.01)
    other.plans._on_plan = lambda plan: _set(found)  # type: ignore[assignment]
    async with other.plans:
        await node.plans.put(WHOLE, by="boss")
        await asyncio.wait_for(found.wait(), 30)
    again = Node(store)
    async with again.plans:
        assert again.taken == [node.plans.plan]


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_a_stored_plan_that_cannot_be_read_stops_no_server(store: Store, node: Node) -> None:
    await node.plans.put(WHOLE, by="boss")
    made = (await node.plans.versions(1))[0]
    await store.centre.add_version(type(made)(2, 0.0, "another program", ""), {"queues": "[sales]\nmind = 'reading'"})
    await node.plans.look()
    assert node.plans.plan is not None and node.plans.plan.version == 1
    assert [(fault.document, fault.line) for fault in node.plans.faults] == [("queues", 2)]
    assert (await node.plans.put({"queues": "[sales]"}, by="boss")).version == 3 and node.plans.faults == ()


# ------------------------------------------------------------------ the folder


def write(folder: Path, name: str, text: str, *, at: int) -> None:
    """``at``: when it was written, so that no two files of a test look alike."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (at, at))


async def settled(folder: PlanFolder) -> None:
    """It has looked twice, so that what stands still was taken."""
    await folder.look()
    await folder.look()


async def test_files_are_put_in_when_they_stand_still_and_together(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.mkdir()
    folder = PlanFolder(path, node.plans)
    write(path, "queues.toml", "[sales]", at=1)
    await folder.look()
    assert node.plans.version == 0, "it may be half written"
    write(path, "flows/main.toml", FLOW, at=1)
    await settled(folder)
    assert node.plans.version == 1 and set(node.plans.documents) == {"queues", "flows/main"}
    await settled(folder)
    assert node.plans.version == 1
    write(path, "queues.toml", "[sales]\nring = 3", at=2)
    await settled(folder)
    assert [(fault.document, fault.line) for fault in folder.state.faults] == [("queues", 2)] and node.plans.version == 1
    write(path, "queues.toml", "[sales]\nring_s = 30", at=3)
    await settled(folder)
    assert folder.state.faults == [] and node.plans.plan is not None and node.plans.plan.queues["sales"].ring_s == 30
    (path / "flows/main.toml").unlink()
    await settled(folder)
    assert set(node.plans.documents) == {"queues"} and node.plans.version == 3


async def test_a_broken_file_and_what_mends_it_come_in_together(node: Node, tmp_path: Path) -> None:
    folder = PlanFolder(tmp_path / "plan", node.plans)
    (tmp_path / "plan").mkdir()
    write(tmp_path / "plan", "flows/main.toml", FLOW, at=1)
    await settled(folder)
    assert "There is no queue 'sales'" in folder.state.faults[0].message and node.plans.version == 0
    write(tmp_path / "plan", "queues.json", '{"sales": {}}', at=2)
    await settled(folder)
    assert folder.state.faults == [] and set(node.plans.documents) == {"queues", "flows/main"}


async def test_after_a_start_a_file_does_not_undo_what_was_changed_by_another_door(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.mkdir()
    write(path, "queues.toml", "[sales]", at=1)
    await settled(PlanFolder(path, node.plans))
    await node.plans.put({"queues": "[sales]\n[care]"}, by="boss")
    again = PlanFolder(path, node.plans)
    await settled(again)
    assert again.state.stale == ["queues"] and node.plans.documents["queues"] == "[sales]\n[care]"
    write(path, "queues.toml", "[sales]\n[help]", at=2)
    await settled(again)
    assert again.state.stale == [] and node.plans.documents["queues"] == "[sales]\n[help]"


async def test_what_is_no_document_is_told_and_nothing_is_taken(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    folder = PlanFolder(path, node.plans)
    await settled(folder)
    assert "cannot be read" in folder.state.faults[0].message
    path.mkdir()
    write(path, "notes.toml", "", at=1)
    write(path, "breaks.toml", 'reasons = ["lunch"]', at=1)
    write(path, "breaks.json", '{"reasons": ["lunch"]}', at=1)
    (path / "queues.toml").write_bytes(b"[sales]\n# Se\xf1or\n")
    await settled(folder)
    assert {(fault.document, fault.line) for fault in folder.state.faults} == {
        ("breaks.toml", 0), ("notes.toml", 0), ("queues.toml", 2),
    }  # fmt: skip
    assert node.plans.version == 0


# ------------------------------------------------------------------ REST


class Desk:
    def __init__(self, url: str, http: ClientSession, fed: list[Event], told: list[str]) -> None:
        self._url, self._http, self.fed, self.told = url, http, fed, told

    async def ask(self, method: str, path: str, body: Any = None, *, who: str = "boss", seen: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {who}"} | ({"If-Match": seen} if seen else {})
        async with self._http.request(method, f"{self._url}/api/v1{path}", json=body, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def desk(store: Store, node: Node) -> AsyncIterator[Desk]:
    async def identify(token: str) -> Grant:
        return GRANTS[token]

    async def health() -> dict[str, PartHealth]:
        return {}

    async def exists(identity: str) -> bool:
        return identity in TEAMS

    async def teams_of(identity: str) -> frozenset[str]:
        return TEAMS.get(identity, frozenset())

    fed: list[Event] = []
    told: list[str] = []
    note: Callable[..., None] = lambda kind, who, *, by, detail: node.noted.append((kind, who, detail))  # noqa: E731
    skills = Skills(store.centre, feed=fed.append, tell_nodes=told.append, exists=exists, note=note)
    async with AsyncExitStack() as stack:
        limits = RestLimits(RestLimitSettings(public=Rates(1_000), person={}), time.monotonic)
        app = make_app(identify, await stack.enter_async_context(Metrics()), health, limits=limits)
        PlanRoutes(node.plans, lambda: None, region="ES").add_to(app)
        SkillRoutes(skills, teams_of).add_to(app)
        runner = make_runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(ClientSession())
        yield Desk(f"http://127.0.0.1:{runner.addresses[0][1]}", http, fed, told)


async def test_the_plan_is_read_changed_checked_and_brought_back_by_rest(desk: Desk) -> None:
    status, made = await desk.ask("PUT", "/centre/documents", {"documents": WHOLE, "comment": "begun"})
    assert (status, made["version"], made["by"], made["comment"]) == (200, 1, "boss", "begun")
    broken = {"text": FLOW + "queue_s = 3\n"}
    status, told = await desk.ask("PUT", "/centre/documents/flows/main", broken)
    assert (status, told["type"], told["error"]["code"]) == (422, "urn:centralita:problem:plan_broken", "plan_broken")
    assert [(each["document"], each["line"]) for each in told["errors"]] == [("flows/main", 5)]
    assert (await desk.ask("POST", "/centre/check", {"documents": {"flows/main": broken["text"]}}))[1] == {"faults": told["errors"]}
    assert (await desk.ask("POST", "/centre/check", {}))[1] == {"faults": []}
    large = "[sales]\n" + "# a long story\n" * 5_000
    assert (await desk.ask("PUT", "/centre/documents/queues", {"text": large, "based_on": 1}))[1]["version"] == 2
    assert (await desk.ask("PUT", "/centre/documents/queues", {"text": "[sales]", "based_on": 1}))[0] == 409
    assert (await desk.ask("GET", "/centre/documents/queues"))[1] == {"name": "queues", "text": large, "version": 2}
    assert (await desk.ask("DELETE", "/centre/documents/queues"))[0] == 422
    assert (await desk.ask("POST", "/centre/versions/1/restore", {}))[1]["version"] == 3
    _, now = await desk.ask("GET", "/centre/documents")
    assert (now["version"], now["documents"], now["faults"], now["folder"]) == (3, WHOLE, [], None)
    _, listed = await desk.ask("GET", "/centre/versions?limit=2")
    assert [each["version"] for each in listed["versions"]] == [3, 2]
    assert (await desk.ask("GET", "/centre/versions/2"))[1]["documents"]["queues"] == large
    for method, path, body, expected in (
        ("GET", "/centre/versions/9", None, 404),
        ("GET", "/centre/versions/x", None, 400),
        ("GET", "/centre/documents/flows/none", None, 404),
        ("PUT", "/centre/documents/flows/A", {"text": FLOW}, 422),
        ("PUT", "/centre/documents", {"documents": {"flows/" + "x" * 200: ""}}, 422),
        ("PUT", "/centre/documents", {"documents": [], "by": "me"}, 400),
    ):
        assert (await desk.ask(method, path, body))[0] == expected, path
    assert (await desk.ask("GET", "/centre/documents", who="eva"))[0] == 403


async def test_the_plan_is_drawn_as_it_would_be_and_a_change_of_what_was_not_seen_fails(desk: Desk) -> None:
    numbers = '[[entries]]\nnumber = "911 234 567"\nflow = "main"\nlabel = "Madrid"\n'
    asked = FLOW + '[steps.ask]\nkind = "menu"\nsay = { en = "Press 1." }\nchoices = { 1 = "wait" }\nno_input = "wait"\nno_match = "wait"\n'
    changes = {**WHOLE, "numbers": numbers, "flows/main": 'start = "ask"\n' + asked}
    status, picture = await desk.ask("POST", "/centre/picture", {"documents": changes})
    assert status == 200 and picture["version"] == 0
    (flow,) = picture["flows"]
    assert (flow["name"], flow["start"], flow["numbers"]) == ("main", "ask", ["+34911234567"])
    ask, wait = flow["steps"]
    assert (ask["name"], ask["kind"], ask["said"], ask["line"]) == ("ask", "menu", ["Press 1."], 6)
    assert [(way["outcome"], way["to"]) for way in ask["ways"]] == [("1", "wait"), ("no_input", "wait"), ("no_match", "wait")]
    assert (wait["settings"], picture["queues"][0]["used_by"]) == ({"queue": "sales"}, ["main"])
    assert (await desk.ask("POST", "/centre/picture", {"documents": {"flows/main": "steps = 3"}}))[0] == 422
    assert (await desk.ask("PUT", "/centre/documents", {"documents": changes}, seen='"0"'))[1]["version"] == 1
    status, told = await desk.ask("PUT", "/centre/documents/queues", {"text": "[sales]\n[care]"}, seen='"0"')
    assert (status, told["error"]["code"]) == (412, "plan_changed")
    assert (await desk.ask("PUT", "/centre/documents/queues", {"text": "[sales]\n[care]"}, seen='"1"'))[1]["version"] == 2


async def test_a_call_is_tried_in_the_plan_as_it_would_be(desk: Desk) -> None:
    numbers = '[[entries]]\nnumber = "911 234 567"\nflow = "main"\nlabel = "Madrid"\n[callers]\nblocked = ["600 999 000"]'
    documents = {**WHOLE, "numbers": numbers}
    call = {"called": "+34911234567", "caller": "+44 20 7946 0000", "outcomes": {"queue": "nobody"}}
    status, way = await desk.ask("POST", "/centre/try", {"call": call, "documents": documents})
    assert (status, way["flow"], way["entry"], way["refused"]) == (200, "main", "Madrid", "")
    assert (way["facts"]["caller"], way["facts"]["language"]) == ("+442079460000", "en")
    assert any("waits in the queue sales" in line for line in way["lines"]) and "over" in way["lines"][-1]
    _, refused = await desk.ask("POST", "/centre/try", {"call": {**call, "caller": "600999000"}, "documents": documents})
    assert refused["flow"] == "" and "not taken" in refused["refused"]
    assert (await desk.ask("POST", "/centre/try", {"call": call}))[1]["flow"] == "", "nothing was put in force"
    assert (await desk.ask("POST", "/centre/try", {"call": {**call, "outcomes": {"queue": "lost"}}, "documents": documents}))[0] == 400
    assert (await desk.ask("POST", "/centre/try", {"call": call, "documents": {"numbers": numbers}}))[0] == 422


async def test_skills_are_given_by_who_supervises_the_team_and_told_to_call_control(desk: Desk) -> None:
    wanted = {"skills": {"english": 3, "hotels": 1}, "queues": ["sales"]}
    status, given = await desk.ask("PUT", "/agents/ana/skills", wanted, who="eva")
    assert (status, given) == (200, {"identity": "ana", **wanted})
    assert desk.fed == [AgentSkilled("ana", wanted["skills"], frozenset({"sales"}))] and desk.told == ["ana"]
    assert (await desk.ask("GET", "/agents/ana/skills"))[1] == given
    for method, who, whom, body, expected in (
        ("GET", "eva", "ben", None, 403),
        ("PUT", "ana", "ana", wanted, 403),
        ("PUT", "boss", "nobody", wanted, 404),
        ("PUT", "boss", "ben", {"skills": {"english": 0}}, 400),
        ("PUT", "boss", "ben", {"skills": {"Ñ": 1}}, 400),
        ("PUT", "boss", "ben", wanted, 200),
    ):
        assert (await desk.ask(method, f"/agents/{whom}/skills", body, who=who))[0] == expected
    assert desk.told == ["ana", "ben"]


async def test_skills_that_were_given_or_taken_elsewhere_are_found_again(store: Store) -> None:
    async def exists(identity: str) -> bool:
        return True

    fed: list[Event] = []
    skills = Skills(store.centre, feed=fed.append, tell_nodes=lambda who: None, exists=exists, note=lambda *what, **more: None)
    await store.centre.keep_skills(AgentSkills("ana", {"english": 3}, []))
    await skills.restore()
    await store.centre.keep_skills(AgentSkills("ana", {}, []))
    await store.centre.keep_skills(AgentSkills("ben", {}, ["sales"]))
    await skills.look_again()
    await skills.look("ana")
    assert fed == [
        AgentSkilled("ana", {"english": 3}),
        AgentSkilled("ana", {}),
        AgentSkilled("ben", {}, frozenset({"sales"})),
        AgentSkilled("ana", {}),
    ]
