"""How a backend without an adapter is asked and read: texts with places, pointers into answers, and the settings that hold them."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.backends.protocols import BackendFault
from api.backends.rest_reading import BadPointer, Pointer, Rule
from api.backends.rest_template import BadTemplate, Template, filled
from api.settings.faults import ConfigError
from api.settings.tree import Settings
from tests.kit.rest_office import BOOKING, CRM, TICKETING

NASTY = "'; DROP TABLE x; --{title}{{e164}}\"<b>&a=b#?/../\u202e\n"
SECRETS = {f"CENTRALITA_BACKENDS__SECRETS__{name}": "x" for name in ("OFFICE", "TRIPS", "MATTERS", "CRM")}


def test_a_value_is_data_wherever_it_stands() -> None:
    values = {"text": NASTY, "title": "no", "e164": "+34600111222"}
    assert filled({"a": "{text}", "b": ["x {text} {{text}}"], "c": 7}, values) == {"a": NASTY, "b": [f"x {NASTY} {{text}}"], "c": 7}
    assert Template.read("/a/{text}/b").path(values).count("/") == 3
    assert Template.read("{e164}").text(values) == "+34600111222"


@given(st.text(), st.text())
def test_no_value_changes_what_stands_around_it(one: str, other: str) -> None:
    made = msgspec.json.decode(
        msgspec.json.encode(filled({"a": "{one}", "b": "<{one}|{other}>"}, {"one": _said(one), "other": _said(other)}))
    )
    assert made == {"a": _said(one), "b": f"<{_said(one)}|{_said(other)}>"}
    path = Template.read("/people/{one}/notes")
    if _said(one) in ("", ".", ".."):
        with pytest.raises(BackendFault):
            path.path({"one": _said(one)})
    else:
        first, people, id, notes = path.path({"one": _said(one)}).split("/")
        assert (first, people, notes) == ("", "people", "notes")
        assert not set("?#%/ ") - {"%"} & set(id)


def _said(text: str) -> str:
    """As a text can be sent: without halves of characters."""
    return text.encode("utf-8", "replace").decode()


def test_kinds_are_kept_and_what_is_not_known_is_left_out() -> None:
    values = {"answered": True, "seconds": 60.0, "agent": None, "at": 1_800_000_000.0}
    body = {"a": "{answered}", "s": "{seconds}", "n": "{agent}", "l": ["{agent}", "{answered}"], "t": "{seconds} s of {agent}{answered}"}
    assert filled(body, values) == {"a": True, "s": 60.0, "l": [True], "t": "60 s of true"}
    forms = {form: f"{{at|{form}}}" for form in ("iso", "date", "seconds", "milliseconds")}
    told = {"iso": "2027-01-15T08:00:00Z", "date": "2027-01-15", "seconds": 1_800_000_000, "milliseconds": 1_800_000_000_000}
    assert filled(forms, values) == told
    assert filled("{agent|iso}", values) is None


@pytest.mark.parametrize(
    "text", ["{", "}", "{a", "a}", "{A}", "{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{{a}", "{a|upper}", "{__class__.x}"]
)
def test_other_braces_are_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        Template.read(text)


def test_pointers_lead_to_all_that_their_stars_say() -> None:
    document = {"a/b": [{"n": 1}, {"n": 2}, {}], "m~": {"x": 3, "y": 4}, "none": None}
    assert [
        Pointer.read(text).all(document) for text in ("/a~1b/*/n", "/a~1b/1/n", "/m~0/*", "/no/*", "/none/x", "/a~1b/9", "/a~1b/-1")
    ] == [
        [1, 2],
        [2],
        [3, 4],
        *[[]] * 4,
    ]
    assert Pointer.read("").all(document) == [document]
    assert Pointer.read("/a~1b").list(document) == document["a/b"]
    for text in ("/m~0", "/no", ""):
        with pytest.raises(BackendFault, match="no list"):
            Pointer.read(text).list(document)
    with pytest.raises(BadPointer):
        Pointer.read("a")


def rule(**more: Any) -> Rule:
    return Rule((Pointer.read("/v"),), **more)


@pytest.mark.parametrize(
    ("form", "said", "at"),
    [
        ("iso", "2026-03-29T02:30:00", 1_774_747_800.0),
        ("iso", "2026-10-25T02:30:00+01:00", 1_792_891_800.0),
        ("iso", "2026-07-01T10:00:00Z", 1_782_900_000.0),
        ("seconds", 1_800_000_000, 1_800_000_000.0),
        ("milliseconds", "1800000000500", 1_800_000_000.5),
        ("%d/%m/%Y", "01/07/2026", 1_782_856_800.0),
        *(("iso", said, None) for said in ("", "soon", "2026-13-01", None, [], {"a": 1}, "9" * 40)),
        ("seconds", "1e999", None),
        ("%d/%m/%Y", "01/07/99999", None),
    ],
)
def test_times_in_every_form(form: str, said: Any, at: float | None) -> None:
    assert rule(form=form, zone=ZoneInfo("Europe/Madrid")).time({"v": said}) == at


def test_other_values_are_what_they_can_be_or_nothing() -> None:
    assert [rule().money({"v": said}) for said in ("10.10", 7, "1e3", "NaN", "much", None)] == [
        *(Decimal("10.10"), Decimal(7), Decimal(1000), Decimal(0), Decimal(0), Decimal(0))
    ]
    assert [rule().truth({"v": said}) for said in (True, 1, "yes", 7, False, 0, "no", "", None, "perhaps")] == [True] * 4 + [False] * 6
    assert [rule().number({"v": said}) for said in ("0.5", 3, "inf", "x", None)] == [0.5, 3.0, None, None, None]
    assert rule(words={"1": "low"}, default="none").text({"v": 1}) == "low"
    assert rule(words={"1": "low"}, default="none").text({"v": None}) == "none"
    assert rule().text({"v": {"a": 1}}) == ""
    assert rule().numbers({"v": "600 111 222, +44 20 7946 0958"}, "ES") == ("+34600111222", "+442079460958")


def faults(text: str, folder: Path) -> list[str]:
    file = folder / "centralita.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Settings.load(file, SECRETS)
    return [fault.replace(f" ({file})", "") for fault in caught.value.faults]


def test_all_faults_of_a_mapping_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """
[[backends.list]]
id = "crm"
type = "rest"
kind = "crm"
base_url = "https://crm.example/api"
colour = 1
[backends.list.find_contacts]
path = "contacts"
query = { phone = "{e16}", other = "{" }
fields = { id = "id", name = ["/first", "last"], born = { at = "/b", zone = "Mars" } }
[[backends.list]]
id = "rt"
type = "request_tracker"
base_url = "http://user@rt.example"
priorities = { hot = 1 }
"""
    here = "backends.list.0.rest"
    told = "\n".join(faults(text, tmp_path))
    for start in (
        f"{here}.colour: unknown key",
        f"{here}.find_contacts.path: begins with /",
        f"{here}.find_contacts.query.other: has a brace",
        f"{here}.find_contacts.fields.id.at.0: begins with /",
        f"{here}.find_contacts.fields.name.at.1: begins with /",
        f"{here}.find_contacts.fields.born: zone 'Mars' is none",
        "backends.list.1.request_tracker.priorities.hot",
    ):
        assert start in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('digits = "{{national}}"', 'digits = "{{nation}}"'), "knows no {nation}: there are booking_ref, digits, e164, email"),
        (('kind = "crm"', 'kind = "booking"'), "of which nobody asks create_contact, find_contacts, log_call, timeline, write_note"),
        (('id = "/key"\nname', "name"), "fields needs id"),
        (('value = "/worth"', 'worth = "/worth"'), "has no field worth: there are company, email"),
        (("people/{{id}}", "people/{{name}}"), "url knows only {id}, not name"),
        (('type = "header"', 'type = "oauth2"'), "oauth2 needs user"),
        (('query = {{ of = "{{id}}" }}', "body = {{}}"), "has a body, which GET has not"),
        (("allow_private = true", ""), "each address is https://host/path"),
        (('id = "office"', 'id = "builtin-crm"'), "ids that begin with builtin- are this server's own"),
        (('id = "office"', 'id = "nobody"'), "secrets needs nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_start(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in CRM
    (fault,) = faults(CRM.replace(*change).format(base="http://127.0.0.1:1"), tmp_path)
    assert told in fault


def test_the_examples_are_right(tmp_path: Path) -> None:
    file = tmp_path / "centralita.toml"
    file.write_text("".join(text.format(base="http://127.0.0.1:1") for text in (CRM, BOOKING, TICKETING)))
    settings = Settings.load(file, SECRETS)
    assert [each.id for each in settings.backends.list] == ["office", "trips", "matters"]
    assert set(settings.masked()["backends"]["secrets"].values()) == {"**********"}


def test_what_the_documentation_shows_is_right(tmp_path: Path) -> None:
    file = tmp_path / "centralita.toml"
    file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", Path("docs/backends.md").read_text(), re.DOTALL)))
    secrets = {f"CENTRALITA_BACKENDS__SECRETS__{name}": "x" for name in ("ROUNDUP", "RT", "CRM")}
    settings = Settings.load(file, secrets)
    assert [(each.id, each.type) for each in settings.backends.list] == [("roundup", "roundup"), ("rt", "request_tracker"), ("crm", "rest")]
    for name, told in (
        ("CRM", "event_secrets.crm has at least 32 bytes"),
        ("NOBODY", "event_secrets.nobody is of a backend that list has not"),
    ):
        with pytest.raises(ConfigError, match=told):
            Settings.load(file, secrets | {f"CENTRALITA_BACKENDS__EVENT_SECRETS__{name}": "short"})
