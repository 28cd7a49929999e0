"""The emulated 3CX's CRM engine: what templates it refuses and where, how it expands, and what it asks of the services behind them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pbx.threecx.double.crm import Crm, HttpRequest, HttpResponse
from pbx.threecx.double.crm_expression import BadExpression, Value, expand, holds, skips
from pbx.threecx.double.crm_template import BadTemplate, read_template
from pbx.threecx.double.manners import Manners
from tests.kit.crm_template import TEMPLATE

NUMBER = "+34600111222"

FACTS: dict[str, Value] = {
    "CallType": "Inbound",
    "Agent": "200",
    "Duration": "00:01:05",
    "DurationTimespan": timedelta(seconds=65),
    "CallStartTimeUTC": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
}


class Service:
    """What the template names: keeps what it was asked, answers what it was told to."""

    def __init__(self, *answers: object, status: int = 200) -> None:
        self.asked: list[HttpRequest] = []
        self._answers = list(answers)
        self._status = status

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request)
        answer = self._answers.pop(0) if self._answers else None
        return HttpResponse(self._status, b"" if answer is None else json.dumps(answer).encode())

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.asked]


def engine(service: Service, text: str = TEMPLATE, settings: Mapping[str, str] | None = None, **choices: str) -> Crm:
    known = {"Base": "https://desk.test", "Secret": "key"} | dict(settings or {})
    return Crm(read_template(text.encode()), known, Manners().with_(**choices), service.fetch)


def hit(**changes: object) -> dict[str, object]:
    mails = [{"kind": "home", "address": "h@x.test"}, {"kind": "work", "address": "w@x.test"}]
    return {"url": "https://desk.test/c/1", "first": "Rosa", "matched": NUMBER, "mails": mails} | changes


# -- reading


def test_a_good_template_is_read() -> None:
    template = read_template(TEMPLATE.encode())
    assert (template.name, template.version, template.prefix) == ("DemoDesk", 1, "AsIs")
    assert [scenario.id for scenario in template.scenarios] == ["", "ReportCall"]


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("<Crm ", "<CRM ", 2, "mismatched"),
        ('Version="1" ', "", 2, "Version"),
        ('Version="1" ', 'Version="1.2" ', 2, "whole number"),
        ('Country="Global" ', "", 2, "Country"),
        ('SupportsEmojis="true"', 'SupportsEmojis="yes"', 2, "SupportsEmojis"),
        ('Prefix="AsIs"', 'Prefix="asis"', 3, "Prefix"),
        ('MaxLength=""', 'MaxLength="nine"', 3, "MaxLength"),
        ('MaxConcurrentRequests="4"', 'MaxConcurrentRequests="0"', 4, "MaxConcurrentRequests"),
        ('Type="Password"', 'Type="Secret"', 7, "Type"),
        ('Name="Secret"', 'Name="Base"', 7, "taken"),
        ('Name="Secret"', 'Name="Number"', 7, "taken"),
        ('<Authentication Type="No" />', '<Authentication Type="Basic" />', 10, "Value"),
        ('<Authentication Type="No" />', '<Authentication Type="Bearer" />', 10, "Type"),
        ('<Authentication Type="No" />', '<Authentication Type="Scenario"><Value>Auth</Value></Authentication>', 10, "authenticate"),
        ("  <Scenarios>", "  <!-- lookups -- and reports -->\n  <Scenarios>", 11, "hyphens"),
        ('RequestType="Post"', 'RequestType="POST"', 13, "RequestType"),
        ('RequestEncoding="Json"', 'RequestEncoding="JSON"', 13, "RequestEncoding"),
        ('ResponseType="Json"', 'ResponseType="Xml"', 13, "ResponseType"),
        ('Message=""', 'Message="{}"', 13, "either"),
        ('MessagePasses="0"', 'MessagePasses="9"', 13, "MessagePasses"),
        ('Url="[Base]/pbx/lookup"', 'Uri="[Base]/pbx/lookup"', 13, "Uri"),
        ('Type="Any">hits.url', 'Type="Some">hits.url', 17, "Type"),
        ('Type="Any">hits.url', 'Type="Any">hits[0].url', 17, "no path"),
        ('Type="Any">hits.url', 'Type="Any">hits.0.url', 17, "no path"),
        ('Type="Equals" Ethalon="work"', 'Type="Equals"', 22, "Ethalon"),
        ('Name="HFirst"', 'Name="FirstName"', 20, "own"),
        ('<Output Type="ContactUrl" Passes="0" Value="[HUrl]" />', "", 12, "ContactUrl"),
        ('AllowEmpty="false"', 'AllowEmpty="false" Next="More"', 12, "Next"),
        ('Id="ReportCall"', 'Id="ReportCalls"', 32, "nothing ever runs"),
        ('<Array Key="tags"><Value Key=""', '<Array Key="tags"><Value Key="x"', 41, "Array"),
        ("<Scenarios>", "<Scenarios><Comment/>", 11, "Comment"),
        ('<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0"?><!DOCTYPE Crm [<!ENTITY a "b">]>', 1, "DOCTYPE"),
    ],
)
def test_a_bad_template_is_refused_with_its_line(old: str, new: str, line: int, word: str) -> None:
    assert old in TEMPLATE
    with pytest.raises(BadTemplate, match=word) as refused:
        read_template(TEMPLATE.replace(old, new, 1).encode())
    if word != "mismatched":
        assert refused.value.line == line


def test_another_root_and_a_second_report_are_refused() -> None:
    with pytest.raises(BadTemplate, match="root is <Crm>"):
        read_template(b"<Phonebook/>")
    start, end = TEMPLATE.index('    <Scenario Id="ReportCall"'), TEMPLATE.index("  </Scenarios>")
    with pytest.raises(BadTemplate, match="several"):
        read_template((TEMPLATE[:end] + TEMPLATE[start:end] + TEMPLATE[end:]).encode())
    with pytest.raises(BadTemplate, match="megabyte"):
        read_template(b"<Crm>" + b" " * 1_000_001)


# -- expressions


@pytest.mark.parametrize(
    ("text", "passes", "expected"),
    [
        ("tel [Number]", 1, f"tel {NUMBER}"),
        ("[Nothing]", 1, "[Nothing]"),
        ("[Text]", 1, "Call from [Number]"),
        ("[[Text]]", 2, f"Call from {NUMBER}"),
        ('[[Number].Replace("+","%2B")]', 2, "%2B34600111222"),
        ('[[Number].Replace("+","%2B")]', 1, '[[Number].Replace("+","%2B")]'),
        ('[[When].ToString("yyyy-MM-ddTHH:mm:ssZ")]', 2, "2026-03-01T09:30:00Z"),
        ('[[[Span].get_TotalSeconds()].ToString("F0")]', 2, "65"),
        ('[IIf([Kind]=="a","yes","no")]', 2, "yes"),
        ("{{Number}} ^^x^^", 1, '[Number] "x"'),
        ('{"a":{"b":"[Number]"}}', 1, f'{{"a":{{"b":"{NUMBER}"}}}}'),
        ("[Flag]", 0, "True"),
        ("an [open bracket", 1, "an [open bracket"),
    ],
)
def test_brackets_are_expanded(text: str, passes: int, expected: str) -> None:
    variables: dict[str, Value] = {
        "Number": NUMBER,
        "Text": "Call from [Number]",
        "When": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "Span": timedelta(seconds=65),
        "Kind": "a",
        "Flag": True,
    }
    assert expand(text, variables, passes) == expected


def test_what_the_language_does_not_know_is_an_error() -> None:
    for text in ('[[Number].Reverse("x")]', "[[Number].Replace]", '[IIf("a","b")]', '[[Number].ToString("N")]'):
        with pytest.raises(BadExpression):
            expand(text, {"Number": NUMBER}, 2)
    assert expand("[Nothing]", {}, unfilled="empty") == ""


def test_conditions() -> None:
    known: dict[str, Value] = {"A": "x", "B": "y", "Yes": "True"}
    assert skips('[A]=="x" && [B]!="x"', known) and not skips("", known)
    assert skips('[A]=="z" || [B]=="y"', known) and skips("[Yes]", known)
    with pytest.raises(BadExpression, match="quoted"):
        skips("[A]==x || [B]==y", known)
    assert holds("[A]==x", known, quotes=False) and not holds('[A]=="x"', known, quotes=False)


# -- what it asks and finds


async def test_a_caller_is_looked_up_with_the_key_and_found() -> None:
    service = Service({"hits": [hit()]})
    found = await engine(service).look_up(NUMBER)
    (asked,) = service.asked
    assert (asked.method, asked.url, asked.headers["Authorization"]) == ("POST", "https://desk.test/pbx/lookup", "Bearer key")
    assert json.loads(asked.body) == {"number": NUMBER}
    assert found.contacts == [
        {
            "ContactUrl": "https://desk.test/c/1",
            "FirstName": "Rosa",
            "PhoneBusiness": NUMBER,
            "Email": "w@x.test",
            "EntityType": "Contacts",
        }
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"hits": []},
        {"hits": [hit(matched="0034600111222")]},
        {"hits": [hit(matched="")]},
        {"hits": [hit(url="")]},
        {"hits": [hit(first="")]},
        {"other": 1},
        [],
        None,
    ],
)
async def test_what_counts_as_no_hit(answer: object) -> None:
    found = await engine(Service(answer)).look_up(NUMBER)
    assert not found.contacts and not found.error


async def test_every_record_of_an_answer_counts_by_itself() -> None:
    service = Service({"hits": [hit(url=""), hit(first="Eva", mails=[]), hit(first="Ana")]})
    found = await engine(service).look_up(NUMBER)
    assert [(contact["FirstName"], contact["Email"]) for contact in found.contacts] == [("Eva", ""), ("Ana", "w@x.test")]


async def test_faults_of_the_service_are_told_in_the_log() -> None:
    assert (await engine(Service(status=404)).look_up(NUMBER)).error == "the service answered 404"

    async def away(request: HttpRequest) -> HttpResponse:
        raise ConnectionRefusedError("nobody there")

    crm = Crm(read_template(TEMPLATE.encode()), {}, Manners(), away)
    assert "cannot be reached" in (await crm.look_up(NUMBER)).error

    async def broken(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"<html>")

    crm = Crm(read_template(TEMPLATE.encode()), {}, Manners(), broken)
    assert "no JSON" in (await crm.look_up(NUMBER)).error


@pytest.mark.parametrize(("prefix", "sent"), [("AsIs", NUMBER), ("Off", "34600111222"), ("Zeros", "0034600111222"), ("Plus", NUMBER)])
async def test_the_number_is_spelled_as_the_template_wants(prefix: str, sent: str) -> None:
    service = Service({"hits": [hit(matched=sent)]})
    found = await engine(service, TEMPLATE.replace('"AsIs"', f'"{prefix}"')).look_up(NUMBER)
    assert service.bodies() == [{"number": sent}] and len(found.contacts) == 1


async def test_only_the_last_digits_go_where_the_template_says_so() -> None:
    service = Service()
    await engine(service, TEMPLATE.replace('MaxLength=""', 'MaxLength="9"')).look_up(NUMBER)
    assert service.bodies() == [{"number": "600111222"}]


async def test_a_call_is_reported_twice_unless_the_switch_says_once() -> None:
    service = Service()
    await engine(service).report_call(FACTS)
    first, second = service.bodies()
    assert first == second
    assert first == {
        "type": "Inbound",
        "queue": "[QueueExtension]",
        "duration": "00:01:05",
        "started": "2026-03-01T09:30:00Z",
        "seconds": 65,
        "who": {"agent": "200", "tags": ["pbx"]},
    }
    once = Service()
    await engine(once, report_call="once", unfilled_variables="empty").report_call({**FACTS, "CallType": "Missed"})
    assert [(body["queue"], body["only"]) for body in once.bodies()] == [("", True)]


async def test_a_switched_off_journal_asks_nothing() -> None:
    service = Service()
    result = await engine(service, settings={"ReportCallEnabled": "False"}).report_call(FACTS)
    assert not service.asked and "ReportCall: skipped" in result.log


def with_scenario(xml: str, text: str = TEMPLATE) -> str:
    return text.replace("  </Scenarios>", f"{xml}\n  </Scenarios>")


def scenario(name: str, key: str, variable: str, *, method: str = "Post", following: str = "") -> str:
    start, end = TEMPLATE.index('    <Scenario Id=""'), TEMPLATE.index('    <Scenario Id="ReportCall"')
    made = TEMPLATE[start:end].replace('Id=""', f'Id="{name}"').replace("/pbx/lookup", f"/pbx/{key}").replace("[Number]", f"[{variable}]")
    return made.replace('AllowEmpty="false"', f'AllowEmpty="false" Next="{following}"').replace('"Post"', f'"{method}"')


async def test_search_email_and_creation_each_have_their_scenario() -> None:
    text = TEMPLATE
    for name, key, variable in (
        ("SearchContacts", "search", "SearchText"),
        ("LookupByEmail", "mail", "Email"),
        ("CreateContactRecordFromClient", "contacts", "FirstName"),
    ):
        text = with_scenario(scenario(name, key, variable), text)
    service = Service(*[{"hits": [hit()]}] * 3)
    crm = engine(service, text)
    results = [await crm.search("ros"), await crm.look_up_email("w@x.test"), await crm.create("Rosa", "Sol", "w@x.test", NUMBER)]
    assert [len(result.contacts) for result in results] == [1, 1, 1]
    assert [body["number"] for body in service.bodies()] == ["ros", "w@x.test", "Rosa"]


async def test_a_chain_ends_in_its_last_scenario_and_a_get_has_no_body() -> None:
    start, end = TEMPLATE.index('    <Scenario Id=""'), TEMPLATE.index('    <Scenario Id="ReportCall"')
    text = TEMPLATE[:start] + scenario("", "first", "Number", following="Details") + TEMPLATE[end:]
    text = with_scenario(scenario("Details", "details", "HUrl", method="Get"), text)
    service = Service({"hits": [hit()]}, {"hits": [hit(first="Detailed")]})
    found = await engine(service, text).look_up(NUMBER)
    assert [contact["FirstName"] for contact in found.contacts] == ["Detailed"]
    assert [(request.method, bool(request.body)) for request in service.asked] == [("POST", True), ("GET", False)]
    stopped = Service({"hits": []})
    await engine(stopped, text).look_up(NUMBER)
    assert len(stopped.asked) == 1


async def test_basic_and_scenario_authentication() -> None:
    basic = TEMPLATE.replace('<Authentication Type="No" />', '<Authentication Type="Basic"><Value>me:[Secret]</Value></Authentication>')
    service = Service()
    await engine(service, basic).look_up(NUMBER)
    assert service.asked[0].headers["Authorization"] == "Basic bWU6a2V5"
    auth = """<Scenario Id="Auth" Type="REST">
      <Request SkipIf="" Url="[Base]/token" MessagePasses="0" Message="" RequestContentType="" RequestEncoding="Json" RequestType="Get" ResponseType="Json" />
      <Variables><Variable Name="Token" Path="token"><Filter /></Variable></Variables>
      <Outputs AllowEmpty="true"><Output Type="HeaderName" Value="X-Token" /><Output Type="HeaderValue" Value="[Token]" /></Outputs>
    </Scenario>"""  # noqa: E501
    text = TEMPLATE.replace('<Authentication Type="No" />', '<Authentication Type="Scenario"><Value>Auth</Value></Authentication>')
    service = Service({"token": "abc"}, {"hits": []})
    await engine(service, with_scenario(auth, text)).look_up(NUMBER)
    assert service.asked[1].headers["X-Token"] == "abc"


async def test_a_rule_may_ask_for_the_callers_number_or_a_word() -> None:
    for rule, hits in (('Type="Number">hits.matched', 1), ('Type="Equals" Ethalon="Eva">hits.first', 0)):
        found = await engine(Service({"hits": [hit()]}), TEMPLATE.replace('Type="Any">hits.url', rule)).look_up(NUMBER)
        assert len(found.contacts) == hits
