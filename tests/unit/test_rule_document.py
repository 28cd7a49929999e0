"""The document ``rules``: read strictly, every fault at once with its line."""

import re
from pathlib import Path

import pytest

from api.centre.demo_plan import demo_documents
from api.rules.rule_document import read_rules
from rooms.document import Document
from rooms.rules.rule import Act, ActKind


def faults(text: str) -> list[str]:
    document = Document(text, "rules")
    read_rules(document, {"booking"}, {"crm"})
    return [f"{fault.line}: {fault.message}" for fault in sorted(document.faults)]


def test_the_demo_has_rules_for_what_people_ask_first() -> None:
    document = Document(demo_documents()["rules"], "rules")
    rules = read_rules(document, (), ())
    assert document.faults == []
    assert {rule.on for rule in rules.values()} == {"call.missed", "call.waited", "quality.bad", "caller.arrived", "consultation.ended"}


def test_what_the_documentation_shows_are_rules() -> None:
    text = (Path(__file__).parents[2] / "docs" / "automation.md").read_text()
    [shown] = re.findall(r"```toml\n(# rules\.toml.*?)```", text, re.DOTALL)
    assert faults(shown) == []
    assert {str(kind) for kind in ActKind} <= set(re.findall(r"`([a-z]+)`", text))


def test_a_rule_of_each_trigger_and_act() -> None:
    document = Document(
        """
        [a]
        on = "schedule"
        every = "0 9 * * mon-fri"
        zone = "Europe/Madrid"
        do = [{ act = "tell", team = "sales", text = "Good morning" }, { act = "webhook", to = "crm" }]
        [b]
        on = "webhook"
        secret = "booking"
        do = [{ act = "update", vip = true, lead_score = 0.5 }, { act = "sms", to = "customer", text = { en = "Hi", es = "Hola" } }]
        [c]
        on = "call.ended"
        enabled = false
        do = [{ act = "ticket", title = "T" }, { act = "note", text = "N" }, { act = "email", to = "a@b.co", title = "E", text = "X" }]
        """,
        "rules",
    )
    rules = read_rules(document, {"booking"}, {"crm"})
    assert document.faults == []
    assert rules["b"].acts[0] == Act(ActKind.UPDATE, values={"vip": True, "lead_score": 0.5})
    assert rules["b"].acts[1].text == {"en": "Hi", "es": "Hola"} and rules["a"].schedule is not None and not rules["c"].enabled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('on = "call.lost"', "is no value for 'on'"),
        ('on = "call.ended"', "The rule does nothing"),
        ('on = "schedule"', "When?"),
        ('on = "schedule"\nevery = "61 * * * *"\nzone = "Europe/Madrid"', "is no time that comes"),
        ('on = "webhook"', "has to be signed"),
        ('on = "webhook"\nsecret = "other"', "no secret 'other'"),
        ('on = "call.ended"\nsecret = "booking"', "'secret' is of rules"),
        ('on = "call.ended"\ndo = [{ act = "email", to = "x", title = "T", text = "X" }]', "is an e-mail address"),
        ('on = "call.ended"\ndo = [{ act = "sms", to = "600", text = "X" }]', "is a number such as"),
        ('on = "call.ended"\ndo = [{ act = "tell", text = "X" }]', "Who is told?"),
        ('on = "call.ended"\ndo = [{ act = "update" }]', "What is changed?"),
        ('on = "call.ended"\ndo = [{ act = "webhook", to = "other" }]', "'to' names one of"),
        ('on = "call.ended"\ndo = [{ act = "ticket" }]', "'title' is missing"),
        ('on = "call.ended"\ndo = [{ act = "note" }]', "'text' is missing"),
        ('on = "call.ended"\ndo = [{ act = "dance" }]', "is no value for 'act'"),
        ('on = "call.ended"\nif = 1', "'if' has no meaning here"),
        ('on = "call.ended"\nwhen = [{ fact = "vip" }]', "What is asked of 'vip'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    assert any(said in fault for fault in faults(f"[a]\n{text}\n")), faults(f"[a]\n{text}\n")


def test_all_faults_are_said_at_once() -> None:
    assert [fault.partition(":")[0] for fault in faults('[a]\non = "x"\n[b]\non = "schedule"\n[C]\n')] == [
        "1",
        "2",
        "3",
        "3",
        "5",
        "5",
        "5",
    ]
