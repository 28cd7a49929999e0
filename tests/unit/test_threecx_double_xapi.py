"""The emulated 3CX's Configuration API: what it shows, what it lets be changed, and what it refuses."""

import json
from random import Random
from typing import Any

import pytest

from pbx.threecx.double.calls import Calls, Change
from pbx.threecx.double.directory import Principal, demo_directory, web_client
from pbx.threecx.double.ledger import Ledger
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.odata import BadQuery, BadType, page, parse_path, parse_query
from pbx.threecx.double.records import Records
from pbx.threecx.double.reply import Reply
from pbx.threecx.double.xapi import VERSION, Xapi

OUTSIDE = "+34600111222"
START = 1_790_000_000.0
LOG = (
    "ReportCallLogData/Pbx.GetCallLogData(periodFrom=2026-01-01T00:00:00Z,periodTo=2036-01-01T00:00:00Z,sourceType=0,sourceFilter='',"
    "destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',callTimeFilterTo='0:00:0',"
    "hidePcalls=true)"
)


class Pbx:
    def __init__(self, role: str = "system_owners", **choices: str) -> None:
        self.now = START
        self.refreshed: list[str] = []
        self.directory = demo_directory()
        self.ledger = Ledger(Random(1))
        self.calls = Calls(self.directory, Manners().with_(**choices), self.changed, random=Random(2))
        self.records = Records(self.directory, random=Random(3))
        self.xapi = Xapi(self.calls, self.records, self.ledger, self.refreshed.append, now=lambda: self.now)
        self.client = Principal("871", "x", role=role)

    def changed(self, change: Change) -> None:
        self.ledger.note(change, self.now)

    def ask(self, method: str, path: str, body: object = None, **options: str) -> Reply:
        data = b"" if body is None else json.dumps(body).encode()
        named = {f"${name}": value for name, value in options.items()}
        return self.xapi.handle(self.client, method, path, named, data)

    def get(self, path: str, **options: str) -> dict[str, Any]:
        reply = self.ask("GET", path, **options)
        assert reply.status == 200, reply.body
        assert isinstance(reply.body, dict)
        return reply.body

    def rows(self, path: str, **options: str) -> list[dict[str, Any]]:
        value: list[dict[str, Any]] = self.get(path, **options)["value"]
        return value

    def user(self, number: str) -> dict[str, Any]:
        return self.get(f"Users(Number='{number}')")


def test_a_path_has_keys_and_functions_with_quotes_in_them() -> None:
    steps = parse_path("Users(Number='O''Neill, (x)/y')/Groups")
    assert [step.name for step in steps] == ["Users", "Groups"]
    assert steps[0].args == {"Number": "O'Neill, (x)/y"} and steps[1].args is None
    assert parse_path("Recordings/Pbx.DownloadRecording(recId=9)")[1].args == {"recId": 9}
    assert parse_path("Users(17)")[0].args == {"": 17}
    with pytest.raises(BadQuery):
        parse_path("Users(17")


ROWS = [{"Id": n, "Name": name, "At": f"2026-03-0{n}T00:00:00Z"} for n, name in enumerate(["Ana", "luis", "Eva", "O'Neill"], 1)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Id eq 2", [2]),
        ("Id ge 2 and Name ne 'Eva'", [2, 4]),
        ("Id lt 2 or Id gt 3", [1, 4]),
        ("not (Id le 3)", [4]),
        ("Name eq 'O''Neill'", [4]),
        ("At ge 2026-03-03T00:00:00Z", [3, 4]),
        ("contains(Name,'a')", [1, 3]),
        ("startswith(Name, 'l') or endswith(Name,'va')", [2, 3]),
        ("Name eq null", []),
    ],
)
def test_filters(text: str, ids: list[int]) -> None:
    assert [row["Id"] for row in page(ROWS, parse_query({"$filter": text}))[0]] == ids


@pytest.mark.parametrize("text", ["Id eq", "Nothing eq 1", "Id is 2", "(Id eq 1", "Id eq 1 Id eq 2", "contains(Name)", "'"])
def test_filters_that_are_not_understood(text: str) -> None:
    with pytest.raises((BadQuery, BadType)):
        page(ROWS, parse_query({"$filter": text}))


def test_pages_are_ordered_counted_and_cut() -> None:
    query = parse_query({"$orderby": "Name desc", "$skip": "1", "$top": "2", "$select": "Id", "$count": "true"})
    assert page(ROWS, query) == ([{"Id": 4}, {"Id": 3}], 4)
    for wrong in ({"$top": "-1"}, {"$apply": "x"}, {"$orderby": "Name up"}):
        with pytest.raises(BadQuery):
            parse_query(wrong)


def test_the_probe_says_the_version() -> None:
    pbx = Pbx()
    reply = pbx.ask("GET", "Defs", select="Id")
    assert reply.body == {"Id": 1} and reply.headers["X-3CX-Version"] == VERSION
    assert pbx.get("SystemStatus")["MaxSimCalls"] == 8 and pbx.get("LicenseStatus")["LicenseActive"]
    parameters = pbx.get("Defs/Pbx.GetSystemParameters()")
    assert parameters["TunnnelPort"] == 5090 and parameters["License"]["IsCfdEnabled"]


def test_users_are_listed_with_what_is_selected_and_expanded() -> None:
    pbx = Pbx()
    rows = pbx.rows("Users", select="Id,Number,FirstName", orderby="Number", top="2")
    assert [(row["Number"], row["FirstName"]) for row in rows] == [("200", "Ana"), ("201", "Luis")]
    (row,) = pbx.rows("Users", filter="Number eq '203'", expand="Groups,ForwardingProfiles")
    assert row["Groups"][0]["Rights"]["RoleName"] == "users" and len(row["ForwardingProfiles"]) == 5
    assert "Groups" not in pbx.user("200")
    assert len(pbx.rows(f"Users({row['Id']})/ForwardingProfiles")) == 5
    counted = pbx.get("Users", count="true", top="1")
    assert counted["@odata.count"] == 4 and len(counted["value"]) == 1
    assert pbx.ask("GET", "Users", select="Nonsense").status == 400
    assert pbx.ask("GET", "Users(Number='999')").status == 404
    assert pbx.ask("GET", "Nonsense").status == 404


def test_an_agents_profile_and_queue_login_are_set_and_followed_by_the_queue() -> None:
    pbx = Pbx()
    path = f"Users({pbx.user('200')['Id']})"
    assert pbx.ask("PATCH", path, {"QueueStatus": "LoggedOut", "CurrentProfileName": "Away"}).status == 204
    assert pbx.user("200")["QueueStatus"] == "LoggedOut" and pbx.user("200")["CurrentProfileName"] == "Away"
    pbx.calls.arrive(OUTSIDE, "+34910000002")
    assert not pbx.calls.of("200") and pbx.calls.of("201")
    for wrong in (
        {"QueueStatus": "Maybe"},
        {"CurrentProfileName": "Nowhere"},
        {"Nonsense": 1},
        {"Number": "299"},
        {"FirstName": "x" * 300},
    ):
        reply = pbx.ask("PATCH", path, wrong)
        assert reply.status == 400 and isinstance(reply.body, dict)
        assert reply.body["error"]["details"][0]["target"] == next(iter(wrong))
    assert pbx.user("200")["CurrentProfileName"] == "Away" and pbx.user("200")["Number"] == "200"


def test_a_user_may_be_made_called_and_taken_away() -> None:
    pbx = Pbx()
    reply = pbx.ask("POST", "Users", {"Number": "250", "FirstName": "Iris", "LastName": "Paz"})
    assert reply.status == 201 and isinstance(reply.body, dict)
    assert not pbx.calls.dial("200", "250").alive and not pbx.user("250")["IsRegistered"]  # nobody has registered for it yet
    pbx.directory.dns["250"].devices = [web_client("250")]
    pbx.calls.dial("200", "250")
    assert pbx.calls.of("250") and pbx.user("250")["AuthPassword"]
    assert pbx.ask("POST", "Users", {"Number": "250"}).status == 400
    assert pbx.ask("DELETE", f"Users({reply.body['Id']})").status == 204
    assert "250" not in pbx.directory.dns and pbx.ask("DELETE", f"Users({reply.body['Id']})").status == 404


def test_queues_groups_and_peers() -> None:
    pbx = Pbx()
    (queue,) = pbx.rows("Queues")
    assert [agent["Number"] for agent in pbx.rows(f"Queues({queue['Id']})/Agents")] == ["200", "201"]
    (group,) = pbx.rows("RingGroups")
    assert [member["Number"] for member in pbx.rows(f"RingGroups({group['Id']})/Members")] == ["200", "201", "202"]
    assert pbx.rows("Groups")[0]["Name"] == "DEFAULT"
    assert {row["Type"] for row in pbx.rows("Peers")} == {"Extension", "Queue", "RingGroup", "RoutePoint", "ExternalLine"}


def test_a_trunk_comes_from_a_template_and_never_shows_its_password() -> None:
    pbx = Pbx()
    (template,) = pbx.rows("TrunkTemplates")
    blank = pbx.get(f"Trunks/Pbx.InitTrunk(template='{template['Id']}')")
    assert pbx.ask("GET", "Trunks/Pbx.InitTrunk(template='none.pv.xml')").status == 404
    blank["Gateway"] |= {"Host": "203.0.113.9", "Name": "Centralita"}
    reply = pbx.ask("POST", "Trunks", blank | {"AuthID": "trunk", "AuthPassword": {"Value": "s3cret"}, "DidNumbers": ["+34919999999"]})
    assert reply.status == 201 and isinstance(reply.body, dict)
    trunk = pbx.get(f"Trunks({reply.body['Id']})")
    assert trunk["Gateway"]["Host"] == "203.0.113.9" and "s3cret" not in json.dumps(pbx.get("Trunks"))
    assert pbx.records.trunk_secrets[trunk["Number"]] == "s3cret"
    assert pbx.ask("PATCH", f"Trunks({trunk['Id']})", {"Gateway": {"SRTPMode": "SRTPEnabled"}}).status == 204
    assert pbx.get(f"Trunks({trunk['Id']})")["Gateway"]["Host"] == "203.0.113.9"
    assert pbx.ask("PATCH", f"Trunks({trunk['Id']})", {"Gateway": {"SRTPMode": "Sometimes"}}).status == 400
    assert pbx.ask("POST", "Trunks/Pbx.RefreshRegistration", {"id": trunk["Id"]}).status == 204 and pbx.refreshed == [trunk["Number"]]
    assert pbx.ask("POST", "Trunks/Pbx.RefreshRegistration", {"id": 9999}).status == 404
    rule = {
        "RuleName": "to us",
        "Condition": "BasedOnDID",
        "Data": "+34919999999",
        "OfficeHoursDestination": {"To": "Extension", "Number": "200"},
    }
    reply = pbx.ask("POST", "InboundRules", rule)
    assert reply.status == 201 and isinstance(reply.body, dict)
    pbx.calls.arrive(OUTSIDE, "+34919999999")
    assert pbx.calls.of("200")
    dids = {row["Number"]: row for row in pbx.rows("DidNumbers", expand="RoutingRule")}
    assert dids["+34919999999"]["RoutingRule"]["RuleName"] == "to us"
    assert pbx.ask("POST", "InboundRules", rule | {"Data": "+34900"}).status == 400
    assert pbx.ask("DELETE", f"InboundRules({reply.body['Id']})").status == 204
    assert "+34919999999" not in pbx.directory.dids


def test_a_client_is_made_given_a_secret_once_and_listens_to_peers() -> None:
    pbx = Pbx()
    made = pbx.ask(
        "POST", "ServicePrincipals", {"Number": "890", "XAPIEnabled": True, "CallControlEnabled": True, "Peers": [{"Number": "200"}]}
    )
    assert made.status == 201 and isinstance(made.body, dict)
    secret = pbx.ask("POST", f"ServicePrincipals({made.body['Id']})/Pbx.GenerateAppToken", {})
    assert isinstance(secret.body, dict)
    principal = pbx.directory.principals["890"]
    assert principal.secret == secret.body["value"] and principal.monitored == {"200"}
    assert principal.secret not in json.dumps(pbx.get("ServicePrincipals", expand="Peers,Groups"))
    assert pbx.ask("PATCH", f"ServicePrincipals({made.body['Id']})", {"Number": "891"}).status == 400
    assert pbx.ask("PATCH", f"ServicePrincipals({made.body['Id']})", {"Peers": [{"Number": "999"}]}).status == 400
    assert pbx.directory.principals["890"].secret == principal.secret


def test_calls_are_live_then_history_with_their_quality() -> None:
    pbx = Pbx()
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000001", name="Customer")
    (row,) = pbx.rows("ActiveCalls")
    assert row["Status"] == "Routing" and row["EstablishedAt"] is None
    assert row["Caller"] == f"{OUTSIDE} Customer" and row["Callee"] == "200 Ana Ruiz"
    pbx.now += 4
    pbx.calls.answer(pbx.calls.of("200")[0])
    (row,) = pbx.rows("ActiveCalls")
    assert row["Status"] == "Talking" and row["EstablishedAt"]
    pbx.now += 60
    pbx.calls.drop(trunk)
    assert not pbx.rows("ActiveCalls")
    (segment,) = pbx.rows("CallHistoryView", filter="SegmentStartTime ge 2026-01-01T00:00:00Z", orderby="SegmentId")
    assert segment["CallAnswered"] and segment["CallTime"] == "PT60.000S" and segment["SrcExternal"] and segment["DstDn"] == "200"
    (logged,) = pbx.rows(LOG)
    assert logged["Direction"] == "Inbound" and logged["RingingDuration"] == "PT4.000S"
    quality = (
        f"ReportCallLogData/Pbx.GetCallQualityReport(cdrId='{logged['CdrId']}',srcNumber='',dstNumber='',srcCallerId='',dstCallerId='')"
    )
    assert 3.5 < pbx.get(quality)["MOS"] < 4.5
    assert pbx.ask("GET", quality.replace(logged["CdrId"], "other")).status == 404
    assert pbx.ask("GET", LOG.replace("hidePcalls=true", "other=1")).status == 404
    assert pbx.ask("GET", LOG.replace("2026-01-01T00:00:00Z", "'yesterday'")).status == 500
    assert Pbx(bad_type_code="400").ask("GET", LOG.replace("2026-01-01T00:00:00Z", "yesterday")).status == 400


def test_a_live_call_may_be_made_and_dropped() -> None:
    pbx = Pbx()
    reply = pbx.ask("POST", "Users/Pbx.MakeCall", {"dn": "200", "destination": OUTSIDE, "contact": None, "testCall": False})
    assert isinstance(reply.body, dict) and reply.body["Result"]["PartyCallerId"] == OUTSIDE
    assert set(reply.body["Result"]) >= {"CallId", "LegId", "DN", "DirectControl", "DeviceId"}
    (row,) = pbx.rows("ActiveCalls")
    assert pbx.ask("POST", f"ActiveCalls({row['Id']})/Pbx.DropCall", {}).status == 204
    assert not pbx.calls.legs
    refused = pbx.ask("POST", "Users/Pbx.MakeCall", {"dn": "200", "destination": "12"})
    assert isinstance(refused.body, dict) and refused.body["FinalStatus"] == "Rejected"


def test_contacts_are_kept_and_found_by_number() -> None:
    pbx = Pbx()
    reply = pbx.ask("POST", "Contacts", {"FirstName": "Rosa", "PhoneNumber": OUTSIDE})
    assert reply.status == 201 and isinstance(reply.body, dict)
    assert [row["FirstName"] for row in pbx.rows(f"Contacts/Pbx.GetContactsByNumber(number='{OUTSIDE}')")] == ["Rosa"]
    assert pbx.ask("PATCH", f"Contacts({reply.body['Id']})", {"CompanyName": "Sol"}).status == 204
    assert pbx.rows("Contacts", search="sol")
    assert pbx.ask("DELETE", f"Contacts({reply.body['Id']})").status == 204


def test_the_crm_settings_and_templates() -> None:
    pbx = Pbx()
    pbx.records.crm_templates["DemoDesk"] = "<Crm/>"
    assert pbx.ask("PATCH", "CrmIntegration", {"Name": "DemoDesk", "PhonebookPriorityOptions": "AlwaysQuery"}).status == 204
    assert pbx.get("CrmIntegration")["Name"] == "DemoDesk"
    assert pbx.ask("PATCH", "CrmIntegration", {"PhonebookPriorityOptions": "Perhaps"}).status == 400
    assert [row["Name"] for row in pbx.rows("CrmTemplates/Pbx.GeCrmtTemplates()")] == ["DemoDesk"]
    assert pbx.get("CrmIntegration/Pbx.GetCrmTemplateSource(name='DemoDesk')")["Value"] == "<Crm/>"
    assert pbx.ask("DELETE", "CrmTemplates('DemoDesk')").status == 204
    assert pbx.ask("DELETE", "CrmTemplates('DemoDesk')").status == 404


def test_a_low_role_reads_and_changes_little_and_no_xapi_means_nothing() -> None:
    pbx = Pbx(role="users")
    assert pbx.ask("GET", "CallHistoryView").status == 403 and pbx.ask("GET", "ActiveCalls").status == 200
    assert pbx.ask("POST", "Contacts", {"FirstName": "Rosa"}).status == 403
    pbx.client = Principal("871", "x", xapi=False)
    assert pbx.ask("GET", "Defs").status == 403
    for broken in (b"{", b"[]"):
        assert Pbx().xapi.handle(Principal("871", "x"), "POST", "Contacts", {}, broken).status == 400


def test_calls_to_an_unregistered_extension_follow_its_profile_and_never_in_circles() -> None:
    pbx = Pbx()
    for number, other in (("200", "202"), ("202", "200")):
        pbx.directory.dns[number].devices = []
        user = pbx.get(f"Users(Number='{number}')", expand="ForwardingProfiles")
        user["ForwardingProfiles"][0]["AvailableRoute"] = {"NotRegisteredExternal": {"To": "Extension", "Number": other}}
        assert pbx.ask("PATCH", f"Users({user['Id']})", {"ForwardingProfiles": user["ForwardingProfiles"]}).status == 204
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000001")
    assert not trunk.alive and trunk.reason == "PhoneNotRegistered"
    pbx.directory.dns["202"].devices = [web_client("202")]
    pbx.calls.arrive(OUTSIDE, "+34910000001")
    assert pbx.calls.of("202")
    assert not pbx.calls.dial("201", "200").alive  # nothing is said for callers from inside
