"""A flow's text becomes data, and everything that is wrong with it is told at once, on its line."""

import copy
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.prompt_texts import TEXTS
from rooms.calendar_reading import read_calendars
from rooms.document import DocumentError, Fault
from rooms.flows import flow as kinds
from rooms.flows.checking import check
from rooms.flows.conditions import Comparison, Condition
from rooms.flows.flow import Flow
from rooms.flows.reading import read_flow
from rooms.queues.queue_plan import SkillNeed

EXAMPLE = Path("deploy/centre/flows/main.toml").read_text()
PROMPTS = {name: tuple(texts) for name, texts in TEXTS.items()}


def faults_of(text: str) -> list[tuple[int, str]]:
    with pytest.raises(DocumentError) as told:
        read_flow(text, "main")
    return [(fault.line, fault.message) for fault in told.value.faults]


def checked(*texts: str, **names: list[str]) -> list[Fault]:
    flows = {name: read_flow(text, name) for name, text in zip(("main", "other"), texts, strict=False)}
    known = {"queues": ["sales"], "calendars": ["office"], "boxes": ["office"], "webhooks": ["booking"], **names}
    return check(flows, known["queues"], known["calendars"], known["boxes"], known["webhooks"], PROMPTS)


def test_the_example_is_read_and_nothing_is_wrong_with_it() -> None:
    flow = read_flow(EXAMPLE, "main")
    assert check({"main": flow}, ["sales", "bookings", "emergencies"], ["office"], ["office"], ["booking"], PROMPTS) == []
    assert (flow.languages, flow.language, flow.start) == (("es", "en"), "es", "language")
    message = flow.steps["message"]
    assert isinstance(message, kinds.Voicemail) and flow.texts[message.say[0]]["en"] == "Please leave your message after the tone."
    assert EXAMPLE.split("\n")[message.line() - 1] == "[steps.message]" and message.line("box") == message.line() + 2


def test_json_says_the_same_as_toml() -> None:
    assert read_flow(json.dumps(tomllib.loads(EXAMPLE)), "main") == read_flow(EXAMPLE, "main")


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a tree of tables and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


TREE = tomllib.loads(EXAMPLE)
PLACES = places(TREE)[1:]
STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1_000) | st.floats() | st.sampled_from(["", "x", "say", "topic", "1", "\ud800", "é" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "say", "es", "en", "1", "all", "zz"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), STRANGE), min_size=1, max_size=3))
def test_whatever_stands_in_a_flow_it_is_read_or_refused_with_lines(changes: list[tuple[tuple[str | int, ...], object]]) -> None:
    tree = copy.deepcopy(TREE)
    for path, value in changes:
        node: Any = tree
        for key in path[:-1]:
            node = node[key] if (isinstance(node, dict) and key in node) or (isinstance(node, list) and len(node) > int(key)) else {}
        if isinstance(node, dict) or (isinstance(node, list) and len(node) > int(path[-1])):
            node[path[-1]] = value
    text = json.dumps(tree, indent=1)
    try:
        flow = read_flow(text, "main")
    except DocumentError as error:
        assert error.faults and all(1 <= fault.line <= text.count("\n") + 1 for fault in error.faults)
    else:
        assert isinstance(check({"main": flow}, [], [], [], [], PROMPTS), list)


def test_what_the_documentation_shows_is_read() -> None:
    flow, calendars = re.findall(r"```toml\n(.*?)```", Path("docs/call_flows.md").read_text(), re.DOTALL)
    assert check({"main": read_flow(flow, "main")}, ["sales"], [], [], [], PROMPTS) == []
    assert read_calendars(calendars)["office"].zone == "Europe/Madrid"


ALL_KINDS = """
languages = ["en", "es"]
language = "es"
music = "bossa-nova"
start = "b"
[texts]
goodbye = { en = "Bye.", es = "Adiós." }
[steps]
b.kind = "choose"
b.otherwise = "c"
b.when = [{ all = [{ fact = "score", at_least = 50 }, { fact = "kind", one_of = ["a", 7] }], go = "d" }]
c = { kind = "set", priority = -2, facts = { seen = true, n = 3 }, next = "d" }
d = { kind = "queue", queue = "sales", priority = 4, needs = { german = 2 }, music = "hold" }
e = { kind = "transfer", agent = "ana", busy = "f" }
f = { kind = "flow", flow = "other" }
g = { kind = "hang_up", reason = "busy" }
"""


def test_every_kind_of_step_becomes_what_it_says() -> None:
    flow = read_flow(ALL_KINDS, "main")
    conditions = (Condition("score", Comparison.AT_LEAST, (50.0,)), Condition("kind", Comparison.ONE_OF, ("a", 7)))
    assert flow.steps["b"] == kinds.Choose(name="b", ways=(kinds.Way(conditions, "d"),), otherwise="c")
    assert flow.steps["c"] == kinds.Set(name="c", next="d", priority=-2, facts={"seen": True, "n": 3.0})
    assert flow.steps["d"] == kinds.Queue(name="d", queue="sales", priority=4, needs=(SkillNeed("german", 2),), music="hold")
    assert flow.steps["e"] == kinds.Transfer(name="e", agent="ana", busy="f")
    assert flow.steps["f"] == kinds.GoOn(name="f", flow="other")
    assert (flow.language, flow.music, flow.start) == ("es", "music/bossa-nova", "b")
    assert flow.texts == {"goodbye": {"en": "Bye.", "es": "Adiós."}}


def test_an_edited_text_is_another_sound_and_the_same_one_the_same() -> None:
    def sounds(text: str) -> set[str]:
        return set(read_flow(f'languages = ["en"]\nsteps.a = {{ kind = "hang_up", say = {{ en = "{text}" }} }}', "main").texts)

    assert sounds("Hello.") == sounds("Hello.") != sounds("Hello!")


KINDS = "say, menu, ask, hours, choose, set, queue, voicemail, call_back, webhook, transfer, flow, hang_up"
FAULTY = """languages = ["en", "es"]
language = "fr"
start = "helo"
colour = "red"

[steps.hello]
kind = "say"
say = { en = "Hello." }
next = "menue"

[steps.menu]
kind = "menu"
say = "Which one?"
choices = { 1 = "nowhere", 12 = "hello", "x" = "hello" }
tries = 0
waits = 3

[steps.ask]
kind = "ask"
fact = "Booking Number"
least = 5
most = 3
next = "hello"

[steps.choose]
kind = "choose"
otherwise = "hello"
when = [
  { fact = "vip", is = true, is_not = false, go = "hello" },
  { fact = "vip", is = [], go = "gone" },
  { all = [], go = "hello" },
  7,
]

[steps.sort]
kind = "sorting"

[steps.out]
kind = "transfer"
number = "600"
agent = "ana"

[steps.lost]
kind = "set"
language = "de"
next = 7

[steps.end]
kind = "hang_up"
reason = "bored"
say = [{ en = "Bye.", es = "", fr = "Salut." }, 7]
"""


def test_everything_that_is_wrong_with_a_flow_is_told_at_once_with_its_line() -> None:
    assert faults_of(FAULTY) == [
        (2, "'fr' is none of this flow's languages: en, es."),
        (3, "There is no step 'helo'; did you mean 'hello'?"),
        (4, "'colour' has no meaning here; known here: languages, language, texts, music, steps, start."),
        (8, "The text in es is missing: this is said in en, es."),
        (9, "There is no step 'menue'; did you mean 'menu'?"),
        (13, "'Which one?' cannot be said: write the name of a sentence, or a text in each language, { en = \"...\" }."),
        (14, "'12' is no key of a telephone: one of 0 1 2 3 4 5 6 7 8 9 * #."),
        (14, "'x' is no key of a telephone: one of 0 1 2 3 4 5 6 7 8 9 * #."),
        (14, "There is no step 'nowhere': write it, or lead elsewhere."),
        (15, "'tries' is 0: a whole number from 1 to 10."),
        (16, "'waits' has no meaning here; did you mean 'wait_s'?"),
        (18, "'say' is missing: write the name of a sentence, or a text in each language."),
        (20, "'Booking Number' is no value for 'fact': write it like booking."),
        (22, "'most' is 3 and 'least' 5: nothing could ever be enough."),
        (29, "What is asked of 'vip'? Give exactly one of is, is_not, one_of, at_least, at_most, begins, known."),
        (30, "There is no step 'gone': write it, or lead elsewhere."),
        (30, "[] is nothing that a fact can be: write a text of 200 characters at most, a number, or true or false."),
        (31, "'all' names no condition: it would always hold. Let 'otherwise' lead there."),
        (32, "7 is no entry of 'when': write a table, {...}."),
        (36, f"'sorting' is no value for 'kind': one of {KINDS}."),
        (38, "To whom? Give exactly one of 'number', 'agent', 'number_fact' and 'agent_fact'."),
        (45, "'de' is none of this flow's languages: en, es."),
        (46, "'next' is 7: give a text."),
        (50, "'bored' is no value for 'reason': one of completed, busy, declined, not_found, nobody_available, forbidden."),
        (51, "'es' is empty: write something, or leave it out."),
        (51, "'fr' has no meaning here; known here: en, es."),
        (51, '7 cannot be said: write the name of a sentence, or a text in each language, { en = "..." }.'),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "'languages' is missing: give a list."),
        ("languages = []\nsteps = {}", 1, "'languages' is empty: name at least one."),
        ('languages = ["en"]\nsteps = {}', 2, "There is no step: a flow has one at least."),
        ('languages = ["en"]\nsteps = 3', 2, "'steps' is 3: give a table."),
        ('languages = ["en"]\nsteps.a = 3', 2, "'a' is 3: give a table."),
        ('languages = ["en"]\n[steps.a]\nkind = ["say"]', 3, "'kind' is ['say']: give a text."),
        ('languages = ["en"]\nsteps.a.choices = { 1 = "a", 1 = "a" }', 2, "This is no TOML: Duplicate inline table key '1'."),
        ('{"steps": {"a": {"choices":\n{"1": "a",\n"1"\n: "a"}}}}', 3, "'1' stands here for the second time: keep one."),
        ('languages = ["en"]\nsteps."a b" = { kind = "hang_up" }', 2, "'a b' is no name: write it like welcome."),
    ],
)
def test_a_text_that_is_no_flow_is_refused(text: str, line: int, message: str) -> None:
    assert (line, message) in faults_of(text)


def test_names_that_nothing_has_are_told_with_the_line_of_their_key() -> None:
    text = """languages = ["en", "es"]
[steps.a]
kind = "hours"
calendar = "ofice"
open = "b"
closed = "c"
[steps.b]
kind = "queue"
queue = "shop"
full = "d"
nobody = "e"
[steps.c]
kind = "voicemail"
say = "voicemail-introduction"
box = "nobody"
[steps.d]
kind = "webhook"
webhook = "bookings"
ok = "f"
[steps.e]
kind = "flow"
flow = "night"
[steps.f]
kind = "hang_up"
say = "tell-nothing"
"""
    assert [str(fault) for fault in checked(text)] == [
        "main, line 4: There is no calendar 'ofice'; did you mean 'office'?",
        "main, line 9: There is no queue 'shop'; add it, or name another.",
        "main, line 14: There is no sentence 'voicemail-introduction'; did you mean 'voicemail-greeting'?",
        "main, line 15: There is no box 'nobody'; add it, or name another.",
        "main, line 18: There is no webhook 'bookings'; did you mean 'booking'?",
        "main, line 22: There is no flow 'night'; add it, or name another.",
        "main, line 25: There is no sentence 'tell-nothing'; record it, or write a text in each language.",
    ]


def test_a_sentence_that_is_missing_in_one_language_is_told() -> None:
    text = 'languages = ["en", "fr"]\n[texts]\nx = { en = "x", fr = "x" }\n[steps.a]\nkind = "hang_up"\nsay = ["x", "please-wait"]\n'
    found = [str(fault) for fault in checked(text)]
    assert "main, line 6: 'please-wait' cannot be said in fr: record it, or write a text in each language." in found
    assert "main, line 1: 'goodbye' cannot be said in fr: record it, or write a text in each language." in found


ROUND = """languages = ["en"]
[steps.a]
kind = "queue"
queue = "sales"
full = "b"
nobody = "c"
[steps.b]
kind = "webhook"
webhook = "booking"
ok = "a"
failed = "d"
[steps.c]
kind = "say"
say = "please-wait"
next = "a"
[steps.d]
kind = "choose"
when = [{ fact = "x", known = true, go = "d" }]
otherwise = "c"
"""


def test_a_way_round_without_a_pause_is_a_fault_and_one_that_speaks_is_none() -> None:
    assert [str(fault) for fault in checked(ROUND)] == [
        "main, line 2: From 'a' a call can come back to it through b, and the caller hears and is asked nothing: let one of them speak.",
        "main, line 16: From 'd' a call can come back to it, and the caller hears and is asked nothing: let one of them speak.",
    ]
    assert checked(ROUND.replace('ok = "a"', 'ok = "c"').replace('go = "d"', 'go = "c"')) == []


def test_a_way_round_through_another_flow_is_found_too() -> None:
    main = 'languages = ["en"]\n[steps.a]\nkind = "flow"\nflow = "other"\n'
    (fault,) = checked(main, main.replace("other", "main"))
    assert str(fault).startswith("main, line 2: From 'a' a call can come back to it through a of other, and the caller hears")


def test_a_step_that_nobody_reaches_is_a_fault() -> None:
    text = 'languages = ["en"]\n[steps.a]\nkind = "hang_up"\n[steps.b]\nkind = "say"\nsay = "goodbye"\nnext = "b"\n'
    assert [str(fault) for fault in checked(text)] == ["main, line 4: Nobody reaches 'b': let a step lead there, or remove it."]


def test_a_long_chain_of_steps_is_checked_without_depth() -> None:
    steps = {f"s{n}": kinds.Set(name=f"s{n}", next=f"s{n + 1}") for n in range(5_000)}
    end = kinds.HangUp(name="s5000")
    assert check({"main": Flow("main", ("en",), "en", "s0", {**steps, "s5000": end})}, [], [], [], [], PROMPTS) == []
