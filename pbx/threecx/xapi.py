"""3CX's Configuration API (XAPI, OData): what is asked of it, page by page, and the little that is changed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pbx.threecx.cache import Cache
from pbx.threecx.directory import USER_FIELDS, ActiveCall, Licence, LoggedCall, PbxDid, PbxQuality, PbxQueue, PbxUser, Segment, digits_of
from pbx.threecx.faults import Forbidden, Gone, Rejected, ThreeCxFault
from pbx.threecx.http import Kind
from pbx.threecx.objects import fields_of
from pbx.threecx.session import PbxSession, decoded

_BASE = "/xapi/v1"
_PAGE = 100
_MOST_ROWS = 20_000
_MOST_CALLS = 20
_EVERYBODY = "DEFAULT"
EXTENSIONS_LIFE_S = 3_600.0
CALLS_LIFE_S = 900.0


class Xapi:
    """Everything raises ``ThreeCxFault``. ``now``: monotonic seconds; what was looked up of extensions is good for an hour, of calls for a
    quarter."""

    def __init__(self, session: PbxSession, now: Callable[[], float]) -> None:
        self._session, self._now = session, now
        self._users: Cache[str, PbxUser] = Cache(EXTENSIONS_LIFE_S)
        self._with: Cache[str, list[Segment]] = Cache(CALLS_LIFE_S, most=1_000)

    # ------------------------------------------------------------------ rows

    async def rows(
        self,
        path: str,
        *,
        select: Sequence[str] = (),
        where: str = "",
        order: str = "",
        expand: str = "",
        most: int = _MOST_ROWS,
        kind: Kind = Kind.ASK,
    ) -> list[dict[str, Any]]:
        """All rows of a collection, ``_PAGE`` at a time."""
        found: list[dict[str, Any]] = []
        while len(found) < most:
            options = {
                "$select": ",".join(select),
                "$filter": where,
                "$orderby": order,
                "$expand": expand,
                "$top": str(_PAGE),
                "$skip": str(len(found)),
            }
            query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items() if value)
            page = await self._session.get(f"{_BASE}{path}?{query}", kind)
            rows = page.get("value") if isinstance(page, dict) else None
            if not isinstance(rows, list) or not rows:
                break
            found += [row for row in rows if isinstance(row, dict)]
            if len(rows) < _PAGE and "@odata.nextLink" not in page:
                break
        return found[:most]

    async def one(self, path: str) -> dict[str, Any]:
        given = await self._session.get(f"{_BASE}{path}")
        return given if isinstance(given, dict) else {}

    async def change(self, path: str, values: Mapping[str, object]) -> None:
        await self._session.ask("PATCH", f"{_BASE}{path}", body=dict(values))

    async def create(self, path: str, values: Mapping[str, object]) -> dict[str, Any]:
        given = decoded(await self._session.ask("POST", f"{_BASE}{path}", body=dict(values)))
        return given if isinstance(given, dict) else {}

    # ------------------------------------------------------------------ people and numbers

    async def users(self) -> list[PbxUser]:
        users = [PbxUser.read(row) for row in await self.rows("/Users", select=USER_FIELDS, order="Number")]
        for user in users:
            self._users.put(user.number, user, self._now())
        return users

    async def user(self, number: str) -> PbxUser | None:
        """Who has this extension; None for nobody. As it was known within the last hour."""
        if (known := self._users.get(number, self._now())) is not None:
            return known
        found = await self.rows("/Users", select=USER_FIELDS, where=f"Number eq {literal(number)}", most=1)
        if not found:
            return None
        self._users.put(number, user := PbxUser.read(found[0]), self._now())
        return user

    async def set_user(self, user: PbxUser, *, profile: str = "", queue_status: str = "") -> None:
        """Change what is given of a person's profile and queue log-in."""
        wanted = {"CurrentProfileName": profile, "QueueStatus": queue_status}
        await self.change(f"/Users({user.id})", {name: value for name, value in wanted.items() if value})

    async def queues(self) -> list[PbxQueue]:
        found = []
        for row in await self.rows("/Queues", select=("Id", "Number", "Name"), order="Number"):
            queue = PbxQueue.read(row)
            agents = await self.rows(f"/Queues({queue.id})/Agents", select=("Number",))
            numbers = [str(fields_of(agent).get("number") or "") for agent in agents]
            found.append(PbxQueue.read(row, tuple(sorted(filter(None, numbers)))))
        return found

    async def dids(self) -> list[PbxDid]:
        """Numbers by which the PBX is called from outside, with where its inbound rules send them."""
        rules = []
        with suppress(Forbidden, Gone, Rejected):
            rules = await self.rows("/InboundRules")
        named: dict[str, tuple[str, str]] = {}
        for row in map(fields_of, rules):
            target = fields_of(row.get("officehoursdestination") or row.get("destination"))
            number = str(row.get("did") or row.get("data") or "").lstrip("*")
            named[number] = (str(row.get("rulename") or row.get("name") or ""), str(target.get("number") or ""))
        found = []
        for row in map(fields_of, await self.rows("/DidNumbers")):
            number = str(row.get("number") or "")
            found.append(PbxDid(number, *named.get(number.lstrip("*"), ("", ""))))
        return [did for did in found if did.number]

    async def departments_of(self, user: PbxUser) -> list[str]:
        """Names of the departments (``Groups``) that somebody is in, the one that every PBX has left out."""
        rows = map(fields_of, await self.rows(f"/Users({user.id})/Groups"))
        return [str(row["name"]) for row in rows if row.get("name") not in (None, "", _EVERYBODY)]

    async def active_calls(self) -> list[ActiveCall]:
        """The calls that are on in the PBX, also those that do not concern us."""
        return [ActiveCall.read(row) for row in await self.rows("/ActiveCalls")]

    async def ring_groups(self) -> list[PbxQueue]:
        return [PbxQueue.read(row) for row in await self.rows("/RingGroups", select=("Id", "Number", "Name"), order="Number")]

    async def trunks_of(self, auth_ids: frozenset[str]) -> set[str]:
        """Numbers of the trunks that have one of these authentication ids."""
        rows = map(fields_of, await self.rows("/Trunks", select=("Id", "Number", "AuthID")))
        return {str(row["number"]) for row in rows if row.get("number") and str(row.get("authid") or "") in auth_ids}

    async def roles_of(self, client_id: str) -> set[str]:
        """Roles of an API client in its departments: ``system_owners``, ``system_admins``, ..., ``users``."""
        rows = await self.rows("/ServicePrincipals", where=f"Number eq {literal(client_id)}", expand="Groups($expand=Rights)", most=1)
        groups = fields_of(rows[0]).get("groups") if rows else None
        rights = [fields_of(fields_of(group).get("rights")) for group in groups or ()]
        return {str(right["rolename"]) for right in rights if right.get("rolename")}

    async def sip_account(self, number: str) -> tuple[str, str]:
        """Authentication id and password of an extension; empty where they are not shown to this client."""
        rows = await self.rows("/Users", select=("Id", "AuthID", "AuthPassword"), where=f"Number eq {literal(number)}", most=1)
        values = fields_of(rows[0]) if rows else {}
        password = values.get("authpassword")
        return str(values.get("authid") or ""), password if isinstance(password, str) else ""

    # ------------------------------------------------------------------ the system

    async def licence(self) -> Licence:
        """What could be had of it; raises where nothing could."""
        given: list[dict[str, Any]] = []
        fault: ThreeCxFault | None = None
        for path in ("/SystemStatus", "/LicenseStatus", "/Defs/Pbx.GetSystemParameters()"):
            try:
                given.append(await self.one(path))
            except (Forbidden, Gone, Rejected) as refused:
                fault = refused
        if not given and fault is not None:
            raise fault
        return Licence.read(*given)

    async def calls_active(self) -> Licence:
        """How many calls are on, and may be."""
        return Licence.read(await self.one("/SystemStatus"))

    # ------------------------------------------------------------------ calls of the past

    async def logged_calls(self, begin: float, end: float) -> list[LoggedCall]:
        """The call log between two times (seconds since the epoch), as it is now."""
        asked = (
            f"periodFrom={_instant(begin)},periodTo={_instant(end)},sourceType=0,sourceFilter='',destinationType=0,destinationFilter='',"
            "callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',callTimeFilterTo='0:00:0',hidePcalls=true"
        )
        encoded = quote(asked, safe="=,'")
        rows = await self.rows(f"/ReportCallLogData/Pbx.GetCallLogData({encoded})", kind=Kind.REPORT)
        found = []
        for row in rows:
            with suppress(ValueError):
                found.append(LoggedCall.read(row))
        return found

    async def calls_with(self, number: str, since: float) -> list[Segment]:
        """The last calls with this number since then, the newest first; as they were known within the last quarter of an hour."""
        digits = digits_of(number)
        if (known := self._with.get(digits, self._now())) is not None:
            return known
        same = " or ".join(f"endswith({side}CallerNumber,{literal(digits)})" for side in ("Src", "Dst"))
        where = f"SegmentStartTime ge {_instant(since)} and ({same})"
        rows = await self.rows("/CallHistoryView", where=where, order="SegmentStartTime desc", most=_MOST_CALLS, kind=Kind.REPORT)
        found = [Segment.read(row) for row in rows]
        self._with.put(digits, found, self._now())
        return found

    async def quality(self, call: LoggedCall) -> PbxQuality | None:
        """The PBX's judgement of this segment; None where it has none."""
        sides = (call.source, call.destination, call.source_number, call.destination_number)
        named = zip(("cdrId", "srcNumber", "dstNumber", "srcCallerId", "dstCallerId"), (call.id, *sides), strict=True)
        asked = quote(",".join(f"{name}={literal(value)}" for name, value in named), safe="=,'")
        try:
            return PbxQuality.read(await self.one(f"/ReportCallLogData/Pbx.GetCallQualityReport({asked})"))
        except Gone:
            return None


def literal(text: str) -> str:
    """A string in an OData expression: quotes within are doubled."""
    return "'" + text.replace("'", "''") + "'"


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
