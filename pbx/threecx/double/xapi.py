"""The part of XAPI, 3CX's Configuration API, that the product uses, without HTTP: method, path, options and body in, a reply out."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pbx.threecx.double.calls import Calls, Rejected
from pbx.threecx.double.directory import DnType, Principal
from pbx.threecx.double.ledger import Ledger, iso
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.odata import BadQuery, BadType, Query, Row, Step, moment, page, parse_path, parse_query, shape
from pbx.threecx.double.participant import participant
from pbx.threecx.double.records import Invalid, Records
from pbx.threecx.double.reply import Reply
from pbx.threecx.double.schema import ENUMS, FIELDS, NAVIGATION

VERSION = "20.0.9.100"
WRITABLE = frozenset(
    {
        "Users",
        "Queues",
        "RingGroups",
        "Groups",
        "ServicePrincipals",
        "Trunks",
        "InboundRules",
        "OutboundRules",
        "Contacts",
        "TrunkTemplates",
    }
)
OWNERS_ONLY = frozenset({"CallHistoryView", "ReportCallLogData"})
ADMINS = frozenset({"system_owners", "system_admins"})
LOG_PARAMETERS = frozenset(
    {
        *("periodFrom", "periodTo", "sourceType", "sourceFilter", "destinationType", "destinationFilter", "callsType"),
        *("callTimeFilterType", "callTimeFilterFrom", "callTimeFilterTo", "hidePcalls"),
    }
)
QUALITY_PARAMETERS = frozenset({"cdrId", "srcNumber", "dstNumber", "srcCallerId", "dstCallerId"})


class _Error(Exception):
    """Leaves the handling of a request with an error in XAPI's shape."""

    def __init__(self, status: int, message: str, target: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status, self.target, self.code = status, target, code


class Xapi:
    """``url``: our own base address, for ``@odata.context``. ``refresh``: let a trunk register anew. ``now``: wall clock, seconds."""

    def __init__(self, calls: Calls, records: Records, ledger: Ledger, refresh: Callable[[str], None], *, now: Callable[[], float]) -> None:
        self.url = ""
        self._refresh = refresh
        self._calls = calls
        self._records = records
        self._ledger = ledger
        self._now = now

    @property
    def _manners(self) -> Manners:
        return self._calls.manners

    def handle(self, principal: Principal, method: str, path: str, options: Mapping[str, str], body: bytes) -> Reply:
        """``path``: decoded, after ``/xapi/v1/``."""
        try:
            reply = self._handle(principal, method, path, options, body)
        except _Error as error:
            reply = failure(error.status, str(error), error.target, error.code)
        except Invalid as error:
            reply = failure(400, str(error), error.field, error.code)
        except BadQuery as error:
            reply = failure(400, str(error))
        except BadType as error:
            reply = failure(int(self._manners.bad_type_code), str(error))
        return Reply(reply.status, reply.body, {**reply.headers, "X-3CX-Version": VERSION})

    def _handle(self, principal: Principal, method: str, path: str, options: Mapping[str, str], body: bytes) -> Reply:
        if not principal.xapi:
            raise _Error(403, "this client has no XAPI")
        steps = parse_path(path)
        if not steps:
            raise _Error(404, "nothing is asked for")
        if steps[0].name in OWNERS_ONLY and principal.role != "system_owners":
            raise _Error(403, "call history is the system owner's")
        if method == "GET":
            return self._get(steps, parse_query(options))
        if principal.role not in ADMINS:
            raise _Error(403, "the role is too low to change anything")
        return self._write(method, steps, _fields(body))

    # -- reading

    def _get(self, steps: list[Step], query: Query) -> Reply:
        first = steps[0]
        if len(steps) == 2 and steps[1].name.startswith("Pbx."):
            return self._function(first.name, steps[1], query)
        if first.name in self._singletons() and first.args is None and len(steps) == 1:
            return Reply(200, shape({"@odata.context": self._context(first.name)} | self._singletons()[first.name](), query))
        rows = self._rows(first.name)
        navigation = NAVIGATION.get(first.name, frozenset())
        if first.args is None and len(steps) == 1:
            return self._collection(first.name, rows, query, navigation)
        row = self._row(first, rows)
        if len(steps) == 1:
            return Reply(200, {"@odata.context": f"{self._context(first.name)}/$entity"} | shape(row, query, navigation))
        if len(steps) == 2 and steps[1].name in navigation and isinstance(row.get(steps[1].name), list):
            return self._collection(steps[1].name, row[steps[1].name], query, frozenset())
        raise _Error(404, "there is no such resource")

    def _collection(self, name: str, rows: list[Row], query: Query, navigation: frozenset[str]) -> Reply:
        shown, count = page(rows, query, navigation)
        counted = {"@odata.count": count} if query.count else {}
        return Reply(200, {"@odata.context": self._context(name), **counted, "value": shown})

    def _context(self, name: str) -> str:
        return f"{self.url}/xapi/v1/$metadata#{name}"

    def _rows(self, name: str) -> list[Row]:
        if name in self._records.sets:
            return self._records.sets[name]
        made: dict[str, Callable[[], list[Row]]] = {
            "ActiveCalls": lambda: self._ledger.active(list(self._calls.legs.values()), self._now()),
            "CallHistoryView": self._ledger.history,
            "DidNumbers": self._records.dids,
            "Peers": lambda: [self._records.peer(number) for number in self._calls.directory.dns],
        }
        if name not in made:
            raise _Error(404, f"there is no entity set {name[:40]}")
        return made[name]()

    def _row(self, step: Step, rows: list[Row]) -> Row:
        ((name, value),) = (step.args or {"": None}).items()
        found = next((row for row in rows if row.get(name or "Id") == value), None)
        if found is None:
            raise _Error(404, "there is no such entity")
        return found

    def _singletons(self) -> dict[str, Callable[[], Row]]:
        return {
            "Defs": lambda: {"Id": 1},
            "SystemStatus": self._system_status,
            "LicenseStatus": self._licence,
            "CrmIntegration": lambda: dict(self._records.crm),
            "LastCdrAndChatMessageTimestamp": self._last,
        }

    def _system_status(self) -> Row:
        directory = self._calls.directory
        extensions = [dn for dn in directory.dns.values() if dn.kind is DnType.EXTENSION]
        trunks = self._records.sets["Trunks"]
        return {
            "Id": 1,
            "FQDN": "pbx.example.test",
            "Version": VERSION,
            "MaxSimCalls": directory.max_calls,
            "CallsActive": self._calls.active(),
            "ExtensionsRegistered": sum(bool(dn.devices) for dn in extensions),
            "ExtensionsTotal": len(extensions),
            "TrunksRegistered": sum(trunk["IsOnline"] for trunk in trunks),
            "TrunksTotal": len(trunks),
            "LicenseActive": True,
            "ProductCode": "3CXPSENT",
            "Activated": True,
            "HasNotRunningServices": False,
        }

    def _licence(self) -> Row:
        return {
            "LicenseKey": "DEMO-DEMO-DEMO-DEMO",
            "ProductCode": "3CXPSENT",
            "MaxSimCalls": self._calls.directory.max_calls,
            "LicenseActive": True,
            "Activated": True,
            "ExpirationDate": iso(self._now() + 90 * 86400),
            "Version": "20.0",
        }

    def _last(self) -> Row:
        begun = [row["SegmentStartTime"] for row in self._ledger.history()]
        return {"LastCdrStartedAt": max(begun, default=None), "LastChatMessageTimeSent": None}

    def _function(self, name: str, step: Step, query: Query) -> Reply:
        args = dict(step.args or {})
        functions: dict[tuple[str, str], Callable[[], Reply]] = {
            ("Defs", "Pbx.GetSystemParameters"): self._parameters,
            ("Trunks", "Pbx.InitTrunk"): lambda: self._init_trunk(_only(args, "template")),
            ("Contacts", "Pbx.GetContactsByNumber"): lambda: self._contacts(_only(args, "number"), query),
            ("ReportCallLogData", "Pbx.GetCallLogData"): lambda: self._log(args, query),
            ("ReportCallLogData", "Pbx.GetCallQualityReport"): lambda: self._quality(args),
            ("CrmTemplates", "Pbx.GeCrmtTemplates"): lambda: Reply(200, {"value": self._records.templates()}),
            ("CrmIntegration", "Pbx.GetCrmTemplateSource"): lambda: self._template_source(_only(args, "name")),
        }
        if (name, step.name) not in functions or step.args is None:
            raise _Error(404, f"there is no function {step.name[:40]} there")
        return functions[name, step.name]()

    def _parameters(self) -> Reply:
        licence = {"IsEnterprise": True, "IsProfessional": False, "IsCfdEnabled": True, "MaxSimCalls": self._calls.directory.max_calls}
        return Reply(
            200,
            {
                "Version": VERSION,
                "FQDN": "pbx.example.test",
                "PbxExternalHost": "pbx.example.test",
                "HttpPort": 5000,
                "HttpsPort": 5001,
                "SipPort": self._records.sip_port,
                "SipsPort": 5061,
                "TunnnelPort": 5090,
                "FirstExternalPort": 9000,
                "WebrtcLastPort": 10999,
                "License": licence | {"ProductCode": "3CXPSENT"},
            },
        )

    def _init_trunk(self, template: str) -> Reply:
        found = next((row for row in self._records.sets["TrunkTemplates"] if row["Id"] == template), None)
        if found is None:
            raise _Error(404, "there is no such template")
        return Reply(200, self._records.blank_trunk(found))

    def _contacts(self, number: str, query: Query) -> Reply:
        fields = ("PhoneNumber", "Mobile2", "Home", "Business", "Business2", "Other")
        found = [row for row in self._records.sets["Contacts"] if number in {row.get(name) for name in fields}]
        return self._collection("Contacts", found, query, frozenset())

    def _log(self, args: dict[str, Any], query: Query) -> Reply:
        if args.keys() != LOG_PARAMETERS:
            raise _Error(404, "the function has other parameters")
        start, end = args["periodFrom"], args["periodTo"]
        if isinstance(start, str) or isinstance(end, str):
            raise BadType("a period is given without quotes")
        within = [row for row in self._ledger.log() if start <= moment(row["StartTime"]) <= end]
        return self._collection("ReportCallLogData", within, query, frozenset())

    def _quality(self, args: dict[str, Any]) -> Reply:
        if args.keys() != QUALITY_PARAMETERS:
            raise _Error(404, "the function has other parameters")
        report = self._ledger.quality(str(args["cdrId"]))
        if report is None:
            raise _Error(404, "no quality was measured")
        return Reply(200, report)

    def _template_source(self, name: str) -> Reply:
        source = self._records.crm_templates.get(name)
        if source is None:
            raise _Error(404, "there is no such template")
        return Reply(200, {"Value": source})

    # -- writing

    def _write(self, method: str, steps: list[Step], fields: Row) -> Reply:
        first = steps[0]
        match method, steps:
            case "POST", [Step(name, None), Step(action)] if action.startswith("Pbx."):
                return self._collection_action(name, action, fields)
            case "POST", [_, Step(action)] if action.startswith("Pbx."):
                return self._entity_action(first, action)
            case "PATCH", [Step("CrmIntegration", None)]:
                self._checked("CrmIntegration", fields)
                self._records.crm |= fields
                return Reply(204)
            case "DELETE", [Step("CrmTemplates", args)] if args is not None:
                if self._records.crm_templates.pop(str(args.get("")), None) is None:
                    raise _Error(404, "there is no such template")
                return Reply(204)
            case "POST", [Step(name, None)] if name in WRITABLE:
                return self._create(name, fields)
            case "PATCH", [Step(name, args)] if args is not None and name in WRITABLE:
                return self._change(name, self._row(first, self._rows(name)), fields)
            case "DELETE", [Step(name, args)] if args is not None and name in WRITABLE:
                row = self._row(first, self._rows(name))
                self._records.sets[name].remove(row)
                self._records.removed(name, row)
                return Reply(204)
            case _:
                raise _Error(404, "there is no such resource to write to")

    def _checked(self, name: str, fields: Row) -> None:
        for field, value in fields.items():
            if field not in FIELDS[name] and not field.startswith("@odata."):
                raise _Error(400, f"the property '{field[:40]}' does not exist on type Pbx.{name.removesuffix('s')}", field)
            if field in ENUMS and value not in ENUMS[field]:
                raise _Error(400, f"{field} cannot be {str(value)[:40]}", field, "WARNINGS.INVALID")
            if isinstance(value, str) and len(value) > 255 and field not in ("Content", "CustomData"):
                raise _Error(400, f"{field} is too long", field, "WARNINGS.STRING_TOO_LONG")
        if isinstance(fields.get("Gateway"), dict):
            self._checked("Gateway", fields["Gateway"])

    def _create(self, name: str, fields: Row) -> Reply:
        self._checked(name, fields)
        row = {key: value for key, value in fields.items() if not key.startswith("@odata.")}
        if name != "TrunkTemplates":
            row["Id"] = self._records.next_id()
        self._records.created(name, row)
        self._records.sets[name].append(row)
        return Reply(201, {"@odata.context": f"{self._context(name)}/$entity"} | row)

    def _change(self, name: str, row: Row, fields: Row) -> Reply:
        self._checked(name, fields)
        if fields.get("Number", row.get("Number")) != row.get("Number"):
            raise _Error(400, "the number cannot be changed", "Number", "WARNINGS.CANNOT_CHANGE")
        former = dict(row)
        nested = {"Gateway": row["Gateway"] | fields["Gateway"]} if isinstance(fields.get("Gateway"), dict) else {}
        row |= fields | nested
        try:
            self._records.changed(name, row)
        except Invalid:
            row.clear()
            row |= former
            raise
        return Reply(204)

    def _collection_action(self, name: str, action: str, fields: Row) -> Reply:
        if (name, action) == ("Users", "Pbx.MakeCall"):
            return self._make_call(fields)
        if (name, action) == ("Trunks", "Pbx.RefreshRegistration"):
            self._refresh(str(self._row(Step("Trunks", {"": fields.get("id")}), self._rows("Trunks"))["Number"]))
            return Reply(204)
        raise _Error(404, f"there is no action {action[:40]} there")

    def _make_call(self, fields: Row) -> Reply:
        dn, destination = fields.get("dn"), fields.get("destination")
        if set(fields) - {"dn", "destination", "contact", "testCall"} or not isinstance(dn, str) or not isinstance(destination, str):
            raise _Error(400, "dn and destination are expected")
        if dn not in self._calls.directory.dns:
            raise _Error(404, "there is no such DN")
        try:
            leg = self._calls.dial(dn, destination)
        except Rejected as error:
            return Reply(200, {"FinalStatus": "Rejected", "Reason": error.reason, "ReasonText": str(error), "Result": None, "VttId": None})
        shown = {_pascal(name): value for name, value in participant(leg, self._manners).items()}
        return Reply(200, {"FinalStatus": "Success", "Reason": "None", "ReasonText": "", "Result": shown, "VttId": None})

    def _entity_action(self, step: Step, action: str) -> Reply:
        row = self._row(step, self._rows(step.name))
        match step.name, action:
            case "ActiveCalls", "Pbx.DropCall":
                for leg in [leg for leg in self._calls.legs.values() if leg.callid == row["Id"]]:
                    self._calls.drop(leg)
                return Reply(204)
            case "ServicePrincipals", "Pbx.GenerateAppToken":
                return Reply(200, {"value": self._records.new_secret(row)})
            case _:
                raise _Error(404, f"there is no action {action[:40]} there")


def failure(status: int, message: str, target: str = "", code: str = "") -> Reply:
    """An error as XAPI words it."""
    details = [{"code": code, "message": message, "target": target}] if target else []
    return Reply(status, {"error": {"code": code, "message": message, "target": target, "details": details, "innerError": None}})


def _fields(body: bytes) -> Row:
    if not body:
        return {}
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise _Error(400, "a JSON object is expected")
    return fields


def _only(args: dict[str, Any], name: str) -> str:
    """The function's one parameter; another list of parameters leads nowhere."""
    if args.keys() != {name} or not isinstance(args[name], str):
        raise _Error(404, "the function has other parameters")
    return str(args[name])


def _pascal(name: str) -> str:
    special = {"callid": "CallId", "legid": "LegId", "dn": "DN"}
    return special.get(name, "".join(part.capitalize() for part in name.split("_")))
