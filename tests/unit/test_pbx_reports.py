"""What 3CX reports, read from its text; and the template that makes it report so."""

from xml.etree import ElementTree as xml

import pytest

from api.guarded_routes import ROUTES
from pbx.threecx.crm_template import CrmTemplate
from pbx.threecx.reports import BadReport, filled, instant_of, read_call, read_chat, seconds_of
from signaling.grants import Permission

CALL = {
    "type": "Inbound",
    "number": "600 111 222",
    "name": "Clara",
    "agent": "205",
    "agent_email": "ana@example.com",
    "queue": "[QueueExtension]",
    "duration": "00:03:07",
    "started": "2026-03-01T10:00:00Z",
    "entity": "",
}
NOW = 1_772_400_000.0


@pytest.mark.parametrize(
    ("kind", "direction", "answered"),
    [
        ("Inbound", "in", True),
        ("Missed", "in", False),
        ("Outbound", "out", True),
        ("Notanswered", "out", False),
        ("NOT ANSWERED", "out", False),
    ],
)
def test_a_call_is_of_one_of_four_kinds(kind: str, direction: str, answered: bool) -> None:
    call = read_call({**CALL, "type": kind})
    assert (call.direction, call.answered, call.queue, call.duration_s, call.started_at) == (direction, answered, "", 187, 1_772_359_200.0)


def test_the_same_call_told_twice_has_one_key_and_others_have_others() -> None:
    key = read_call(CALL).key(NOW)
    again = {"number": "600-111-222", "queue": "800", "duration": "00:03:09", "entity": "17", "name": "Clara Ruiz"}
    assert read_call({**CALL, **again}).key(NOW + 60) == key
    others = [{"number": "600111223"}, {"agent": "206"}, {"type": "Missed"}, {"type": "Outbound"}, {"started": "2026-03-01T10:00:01Z"}]
    assert len({key, *(read_call({**CALL, **other}).key(NOW) for other in others)}) == 1 + len(others)
    # The parts are kept apart: 20 and 5600... is not 205 and 600...
    assert read_call({**CALL, "agent": "20", "number": "5600111222"}).key(NOW) != key


def test_a_call_without_a_start_is_told_from_others_by_its_day_and_length() -> None:
    unknown = {**CALL, "started": "[CallStartTimeUTC]"}
    key = read_call(unknown).key(NOW)
    assert read_call(unknown).key(NOW + 30) == key
    assert read_call({**unknown, "duration": "00:03:08"}).key(NOW) != key
    assert read_call(unknown).key(NOW + 86_400) != key


def test_what_cannot_be_a_report_is_refused_with_its_reason() -> None:
    with pytest.raises(BadReport, match="type must be"):
        read_call({**CALL, "type": "Parked"})
    with pytest.raises(BadReport, match="who called"):
        read_call({**CALL, "number": "[Number]", "agent": "", "agent_email": "[AgentEmail]"})
    with pytest.raises(BadReport, match="transcript"):
        read_chat({"messages": "[ChatMessages]"})


def test_free_text_with_brackets_stays_as_it_is() -> None:
    chat = read_chat({"messages": "Ana: [Oferta] hasta el [Viernes]\nClara: [ok]", "agent_email": "ana@example.com", "number": "600111222"})
    assert chat.messages.startswith("Ana: [Oferta]")
    assert (filled(" [AgentEmail] "), filled("[a] b"), filled(" x ")) == ("", "[a] b", "x")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:00", 0), ("01:02:03", 3_723), ("1.00:00:01", 86_401), ("0:5:9.93", 309), ("95", 95), ("", None), ("3m", None), ("1:2", None)],
)
def test_lengths(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01T10:00:00Z", 1_772_359_200.0),
        ("2026-03-01T11:00:00+01:00", 1_772_359_200.0),
        ("2026-03-01 10:00:00", 1_772_359_200.0),
        ("01/03/2026 10:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_instants(text: str, instant: float | None) -> None:
    assert instant_of(text) == instant


# --- the template ---------------------------------------------------------------------------------------------------------------------


def template() -> tuple[str, xml.Element]:
    text = CrmTemplate('https://phone.example.com"&<', "ck_1_secret", version=7).document()
    return text, xml.fromstring(text)


def test_the_template_has_the_parts_that_the_pbx_wants() -> None:
    text, root = template()
    assert (root.tag, root.get("Version"), root.get("Country")) == ("Crm", "7", "Global")
    assert [scenario.get("Id") for scenario in root.iter("Scenario")] == [
        "",
        "LookupByEmail",
        "SearchContacts",
        "CreateContactRecordFromClient",
        "ReportCall",
        "ReportChat",
    ]
    assert {parameter.get("Name"): parameter.get("Default") for parameter in root.iter("Parameter")}[
        "Base"
    ] == 'https://phone.example.com"&<'
    assert "--" not in text.split("?>", 1)[1]
    for request in root.iter("Request"):
        assert (request.get("RequestType"), request.get("RequestEncoding"), request.get("ResponseType")) == ("Post", "Json", "Json")
        assert [value.text for value in request.iter("Value") if value.get("Key") == "Authorization"] == ["Bearer [Secret]"]


def test_the_template_asks_what_this_server_answers() -> None:
    _, root = template()
    asked = {("POST", (request.get("Url") or "").removeprefix("[Base]")) for request in root.iter("Request")}
    assert asked == {route for route, permission in ROUTES.items() if permission is Permission.PBX_CONTEXT}


def test_reports_map_nothing_and_only_dates_are_expanded_twice() -> None:
    _, root = template()
    for scenario in root.iter("Scenario"):
        finds = not (scenario.get("Id") or "").startswith("Report")
        assert [part.tag for part in scenario] == (["Request", "Rules", "Variables", "Outputs"] if finds else ["Request"])
        twice = {value.text for value in scenario.iter("Value") if value.get("Passes") == "2"}
        assert all(text and ".ToString(" in text for text in twice)


def test_an_address_that_a_path_cannot_follow_is_refused_and_the_key_is_not_shown() -> None:
    for address in ("phone.example.com", "https://phone.example.com/", ""):
        with pytest.raises(ValueError, match="base_url"):
            CrmTemplate(address, "ck")
    assert "secret" not in repr(CrmTemplate("https://phone.example.com", "secret"))
