"""The documents of the contact centre's plan: read together, every fault at once with its document and line."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from api.centre.demo_plan import demo_documents
from api.centre.plan_faults import PlanBroken
from api.centre.plan_reading import PlanReader
from api.centre.prompts import prompts_of
from api.settings.prompts import PromptsSection
from rooms.centre_plan import CallerRules, CentrePlan, FlowWebhook, NumberEntry, VoicemailBox
from rooms.queues.queue_plan import SkillNeed, Strategy

READER = PlanReader(region="ES", secrets=("booking",), prompts=prompts_of(PromptsSection()))
FLOW = """
languages = ["en"]
[steps.wait]
kind = "queue"
queue = "sales"
"""


def read(documents: Mapping[str, str]) -> CentrePlan:
    return READER.read(documents, 7)


def faults(documents: Mapping[str, str]) -> list[str]:
    with pytest.raises(PlanBroken) as caught:
        read(documents)
    return [str(fault) for fault in caught.value.faults]


def test_the_demo_plan_is_whole() -> None:
    plan = read(demo_documents())
    assert plan.version == 7 and plan.flows["main"].languages == ("es", "en")
    entry = plan.entry("610", "+34600111222")
    assert entry is not None and entry.flow == "main"
    assert plan.calendars["office"].is_open(1_800_000_000.0) == "open"


def test_what_the_documentation_shows_is_a_plan() -> None:
    text = (Path(__file__).parents[2] / "docs" / "contact_centre.md").read_text()
    shown = {name: body for body, name in re.findall(r"```toml\n(# (\w+)\.toml.*?)```", text, re.DOTALL)}
    assert set(shown) == {"queues", "numbers", "boxes", "webhooks", "breaks"}
    plan = read({**shown, "flows/main": FLOW, "calendars": demo_documents()["calendars"]})
    assert plan.queues["sales"].needs and plan.entries[0].during == "closed" and plan.callers.blocked


def test_a_queue_says_all_that_it_needs() -> None:
    text = """
    [sales]
    strategy = "skill_first"
    priority = 3
    max_waiting = 5
    music = "bossa-nova"
    wrap_up_codes = ["sold", "not-sold"]
    wrap_up_required = true
    titles = { en = "Sales", es = "Ventas" }
    [[sales.needs]]
    skill = "english"
    level = 4
    relax = [[60, 2], [120, 0]]
    [care]
    """
    queues = read({"queues": text}).queues
    assert list(queues) == ["sales", "care"]
    sales = queues["sales"]
    assert (sales.strategy, sales.priority, sales.max_waiting, sales.music) == (Strategy.SKILL_FIRST, 3, 5, "music/bossa-nova")
    assert sales.needs == (SkillNeed("english", 4, ((60.0, 2), (120.0, 0))),)
    assert (sales.wrap_up_codes, sales.wrap_up_required, sales.titles) == (("sold", "not-sold"), True, {"en": "Sales", "es": "Ventas"})


def test_numbers_are_compared_as_e164_however_they_are_written() -> None:
    text = """
    [[entries]]
    numbers = ["911 234 567", "+34 91 123 45 68", "600", "+34 91*", "*"]
    flow = "main"
    language = "en"
    label = "Madrid"
    callers = ["+44 20 7946 0000", "+1*", "GB", "withheld"]
    calendar = "office"
    during = "closed"
    [callers]
    blocked = ["600 111 222", "+88*", "KP"]
    vip = ["+34600999888"]
    languages = { DE = "en" }
    """
    calendars = '[office]\nzone = "Europe/Madrid"\n[office.weekly]\nmonday = ["09:00-14:00"]\n'
    plan = read({"numbers": text, "flows/main": FLOW, "queues": "[sales]", "calendars": calendars})
    assert [entry.pattern for entry in plan.entries] == ["+34911234567", "+34911234568", "600", "+3491*", "*"]
    callers = ("+442079460000", "+1*", "GB", "withheld")
    assert plan.entries[0] == NumberEntry("+34911234567", "main", "en", "Madrid", callers, "office", "closed")
    assert plan.callers == CallerRules(("+34600111222", "+88*", "KP"), ("+34600999888",), {"DE": "en"})
    assert plan.callers.is_blocked("+34600111222", "ES") and plan.callers.is_blocked("+85012345", "KP")
    assert not plan.callers.is_blocked("", "") and not plan.callers.is_vip("+34600111222", "ES")


def test_boxes_webhooks_and_breaks() -> None:
    plan = read(
        {
            "boxes": '[sales]\nagents = ["ana"]\nteams = ["madrid"]\nkeep_days = 7\nemail = ["s@example.com"]\ntitles = { en = "Sales" }',
            "webhooks": '{"booking": {"url": "https://booking.example/facts", "secret": "booking"}}',
            "breaks": 'reasons = ["lunch", "training"]',
        }
    )
    assert plan.boxes == {"sales": VoicemailBox("sales", {"en": "Sales"}, ("ana",), ("madrid",), 7, ("s@example.com",))}
    assert plan.webhooks == {"booking": FlowWebhook("booking", "https://booking.example/facts", "booking")}
    assert plan.break_reasons == ("lunch", "training")


def test_every_fault_of_every_document_is_told_at_once() -> None:
    assert faults(
        {
            "flows/main": FLOW,
            "queues": '[care]\nring_ss = 3\nstrategy = "best"\nannounce_every_s = 2\n[[care.needs]]\nskill = "x"\nrelax = [[3]]',
            "numbers": "[[entries]]\nnumber = 'abc'\nflow = 'mine'\nduring = 'closed'\n"
            "[callers]\nblocked = ['zz']\nlanguages = {XX = 'en'}",
            "boxes": "[sales]",
            "webhooks": "[crm]\nurl = 'http://crm.example/'\nsecret = 'crm'",
            "breaks": "reason = ['lunch']",
            "queue": "",
            "flows/Main": FLOW,
        }
    ) == [
        "boxes:1: Nobody may hear what is left in this box: name 'agents' or 'teams'.",
        "breaks:1: 'reason' has no meaning here; did you mean 'reasons'?",
        "flows/Main: This is no document: a plan has the documents flows/NAME (small letters, digits and hyphens), queues, numbers, "
        "calendars, boxes, webhooks, breaks and rules.",
        *([f"flows/{name}:5: There is no queue 'sales'; add it, or name another." for name in ("Main", "main")]),
        "numbers:2: 'abc' is no number: write it like '+34 911 234 567', '600', the beginning of some ('+3491*') or '*'.",
        "numbers:3: There is no flow 'mine': make the document 'flows/mine', or name one of Main, main.",
        "numbers:4: 'during' needs a 'calendar'.",
        "numbers:6: 'zz' is no caller: write a number, the beginning of some ('+44*'), a country ('GB') or 'withheld'.",
        "numbers:7: 'XX' is no country: write its ISO code, as in 'DE'.",
        "queue: This is no document: a plan has the documents flows/NAME (small letters, digits and hyphens), queues, numbers, "
        "calendars, boxes, webhooks, breaks and rules.",
        "queues:2: 'ring_ss' has no meaning here; did you mean 'ring_s'?",
        "queues:3: 'best' is no value for 'strategy': one of longest_idle, fewest_calls, skill_first, ring_all.",
        "queues:4: 'announce_every_s' is at least 10, or 0 for never.",
        "queues:7: [3] relaxes nothing: write [SECONDS, LEVEL], as in [60, 1]; level 0 is not needed any more.",
        "webhooks:2: 'url' is an https address without a user name in it; http only where webhooks.allow_private is true.",
        "webhooks:3: The settings have no secret 'crm': set centre.secrets.crm.",
    ]


def test_a_document_that_cannot_be_read_hides_no_fault_of_another_and_invents_none() -> None:
    found = faults({"queues": "[sales\n", "flows/main": FLOW, "breaks": "reasons = 3", "numbers": "[[entries]]\nnumber='600'\nflow='main'"})
    assert [fault.split(":")[0] for fault in found] == ["breaks", "queues"]


@pytest.mark.parametrize(
    "text", ["[a]\nx=" + "9" * 5_000, "{" * 3_000, '{"a": {"url": 7}}', "[a]\nurl = 'https://[::'", "\x00", "[a]\nneeds = 3"]
)
@pytest.mark.parametrize("name", ["queues", "numbers", "calendars", "boxes", "webhooks", "breaks", "flows/x"])
def test_no_text_breaks_a_reader(name: str, text: str) -> None:
    assert all(fault.startswith(name) for fault in faults({name: text}))
