"""When the emulated PBX runs its CRM template: at a call from outside, after a call, and for ``Pbx.Test``."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pbx.threecx.double.calls import ROUTER, Calls, Change, Digits, Removed
from pbx.threecx.double.crm import Contact, Crm, CrmResult, Fetch
from pbx.threecx.double.crm_expression import Value
from pbx.threecx.double.crm_template import BadTemplate, read_template
from pbx.threecx.double.directory import DnType, Principal
from pbx.threecx.double.legs import Leg, Status
from pbx.threecx.double.odata import Row
from pbx.threecx.double.records import Records
from pbx.threecx.double.reply import Reply
from pbx.threecx.double.xapi import ADMINS, failure

Job = Coroutine[Any, Any, None]


@dataclass(slots=True)
class _Answered:
    """One extension's part in a call; times are of the wall clock."""

    leg: Leg
    begun: float
    established: float | None = None
    ended: float = 0.0


@dataclass(slots=True)
class _Call:
    """A call with somebody outside, from its beginning to its last leg."""

    line: Leg
    begun: float
    contact: Contact = field(default_factory=dict)
    parts: dict[int, _Answered] = field(default_factory=dict)


class CrmDesk:
    """``noted`` hears of every change and gives what is to be done beside the calls. ``log``: what the last runs said."""

    def __init__(self, calls: Calls, records: Records, fetch: Fetch, *, wall: Callable[[], float]) -> None:
        self.log: list[str] = []
        self._calls = calls
        self._records = records
        self._fetch = fetch
        self._wall = wall
        self._on: dict[int, _Call] = {}

    def upload(self, xml: bytes) -> None:
        """As on the administrator's page; the template is in use from then on. Raises ``BadTemplate``."""
        template = read_template(xml)
        self._records.crm_templates[template.name] = xml.decode()
        self._records.crm["Name"] = template.name

    def uploaded(self, xml: bytes) -> Reply:
        try:
            self.upload(xml)
        except BadTemplate as error:
            return Reply(422, {"error": f"Incorrect file format: {error}", "line": error.line})
        return Reply(201, {"name": self._records.crm["Name"]})

    def engine(self) -> Crm | None:
        """The template in use with the administrator's values; None without one."""
        source = self._records.crm_templates.get(self._records.crm["Name"])
        if source is None:
            return None
        values = {choice["Key"]: choice["Value"] for choice in self._records.crm["VariableChoices"]}
        return Crm(read_template(source.encode()), values, self._calls.manners, self._fetch)

    async def tested(self, principal: Principal, body: bytes) -> Reply:
        """``POST /CrmIntegration/Pbx.Test {"mode", "query"}``."""
        if not principal.xapi or principal.role not in ADMINS:
            return failure(403, "the role is too low to test the CRM")
        try:
            asked = json.loads(body)
            mode, query = asked["mode"], str(asked["query"])
        except (ValueError, KeyError, TypeError):
            return failure(400, "mode and query are expected")
        if mode not in ("PhoneExact", "Search", "Email"):
            return failure(400, "mode is one of PhoneExact, Search, Email", "mode")
        engine = self.engine()
        if engine is None:
            return Reply(200, {"IsError": True, "Message": "No CRM is configured", "Log": "", "SearchResult": []})
        runs: dict[str, Callable[[str], Coroutine[Any, Any, CrmResult]]] = {
            "PhoneExact": engine.look_up,
            "Search": engine.search,
            "Email": engine.look_up_email,
        }
        result = await runs[mode](query)
        shown = {"IsError": bool(result.error), "Message": result.error, "Log": "\n".join(result.log), "SearchResult": result.contacts}
        return Reply(200, shown)

    # -- at calls

    def noted(self, change: Change) -> list[Job]:
        leg = change.leg
        if isinstance(change, Digits):
            return []
        if isinstance(change, Removed):
            return self._ended(leg)
        call = self._on.get(leg.callid)
        if leg.me.kind is DnType.LINE and call is None:
            self._on[leg.callid] = _Call(leg, self._wall())
            return [self._look_up(leg)] if leg.originated_by is ROUTER and self._records.crm["EnabledForExternalCalls"] else []
        if leg.me.kind is DnType.EXTENSION:
            call = call or self._on.setdefault(leg.callid, _Call(leg, self._wall()))
            part = call.parts.setdefault(leg.id, _Answered(leg, self._wall()))
            if leg.status is Status.CONNECTED and part.established is None:
                part.established = self._wall()
        return []

    def _ended(self, leg: Leg) -> list[Job]:
        call = self._on.get(leg.callid)
        if call is None:
            return []
        if leg.id in call.parts:
            call.parts[leg.id].ended = self._wall()
        if leg.me.kind is DnType.LINE:
            call.line = leg
        if any(other.callid == leg.callid for other in self._calls.legs.values()):
            return []
        del self._on[leg.callid]
        if call.line.me.kind is not DnType.LINE or not call.parts or not self._records.crm["Name"]:
            return []
        answered = [part for part in call.parts.values() if part.established is not None]
        return [self._report(call, part) for part in answered or list(call.parts.values())[:1]]

    def restart(self) -> None:
        """Live calls are gone, and nobody reports them."""
        self._on.clear()

    async def _look_up(self, leg: Leg) -> None:
        engine = self.engine()
        if engine is None or (self._records.crm["PhonebookPriorityOptions"] == "NotQueryIfInPhonebookFound" and self._known(leg.me.number)):
            return
        result = await engine.look_up(leg.me.number)
        self._remember(result)
        if not result.contacts:
            return
        contact = result.contacts[0]
        call = self._on.get(leg.callid)
        if call is not None:
            call.contact = contact
        if leg.alive:
            self._calls.rename(leg, _name(contact))
        if self._records.crm["PhonebookSynchronization"]:
            self._store(leg.me.number, contact)

    def _known(self, number: str) -> Row | None:
        return next((row for row in self._records.sets["Contacts"] if number in row.values()), None)

    def _store(self, number: str, contact: Contact) -> None:
        if self._known(number) is None:
            names = {field: contact.get(field, "") for field in ("FirstName", "LastName", "CompanyName", "Email")}
            self._records.sets["Contacts"].append({"Id": self._records.next_id(), **names, "PhoneNumber": number, "ContactType": "CRM"})

    async def _report(self, call: _Call, part: _Answered) -> None:
        engine = self.engine()
        if engine is not None:
            self._remember(await engine.report_call(self._facts(call, part)))

    def _facts(self, call: _Call, part: _Answered) -> dict[str, Value]:
        """The variables of ``ReportCall``. None: the PBX has no value for it."""
        inbound = call.line.originated_by is ROUTER
        answered = part.established is not None
        talked = timedelta(seconds=int(part.ended - part.established)) if part.established is not None else timedelta()
        row: Row = self._records.find("Users", part.leg.dn) or {}
        started, established, ended = (_utc(moment) for moment in (call.begun, part.established or part.ended, part.ended))
        queue = part.leg.on_behalf_of
        return {
            "CallType": ("Inbound" if answered else "Missed") if inbound else ("Outbound" if answered else "Notanswered"),
            "CallDirection": "Inbound" if inbound else "Outbound",
            "Number": call.line.me.number,
            "Name": call.line.me.name,
            "EntityId": call.contact.get("EntityId") or None,
            "EntityType": call.contact.get("EntityType") or None,
            "Agent": part.leg.dn,
            "AgentFirstName": row.get("FirstName"),
            "AgentLastName": row.get("LastName"),
            "AgentEmail": row.get("EmailAddress"),
            "QueueExtension": queue.dn if queue.kind is DnType.QUEUE else None,
            "Duration": f"{talked.seconds // 3600:02d}:{talked.seconds // 60 % 60:02d}:{talked.seconds % 60:02d}",
            "DurationTimespan": talked,
            "DateTime": started.strftime("%d/%m/%Y %H:%M:%S"),
            **{f"CallStartTime{zone}": started for zone in ("UTC", "Local")},
            **{f"CallEstablishedTime{zone}": established for zone in ("UTC", "Local")},
            **{f"CallEndTime{zone}": ended for zone in ("UTC", "Local")},
            "LineBreak": "\n",
        }

    def _remember(self, result: CrmResult) -> None:
        self.log = [*self.log, *result.log][-200:]


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _name(contact: Contact) -> str:
    full = contact.get("FullName") or f"{contact.get('FirstName', '')} {contact.get('LastName', '')}".strip()
    return full or contact.get("CompanyName", "")
