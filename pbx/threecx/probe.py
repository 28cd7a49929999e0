"""Finding out what a 3CX is, lets us do and lacks, step by step, each finding with what to do about it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pbx.threecx.call_control import CallControl
from pbx.threecx.directory import Licence, PbxDid, PbxQueue, PbxUser
from pbx.threecx.faults import Away, Denied, Forbidden, ThreeCxFault
from pbx.threecx.http import PbxHttp
from pbx.threecx.objects import ROUTE_POINT, Dn
from pbx.threecx.session import PbxSession
from pbx.threecx.settings import ThreeCxSettings
from pbx.threecx.xapi import Xapi

PORTS = (443, 5001)
_ADMINS = frozenset({"system_owners", "system_admins"})
_WHY_403 = (
    "tick {} at the client (Admin, Integrations, API); both APIs need an Enterprise (AI) licence; "
    "see also Admin, Security, Console restrictions"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """``good`` None: neither good nor bad, worth knowing."""

    good: bool | None
    what: str
    hint: str = ""


@dataclass(slots=True)
class Examined:
    """What could be found out. ``may_change``: the client may make trunks and change people. ``refused``: why nothing more can be done."""

    findings: list[Finding] = field(default_factory=list)
    refused: str = ""
    licence: Licence = field(default_factory=Licence)
    dns: list[Dn] = field(default_factory=list)
    users: list[PbxUser] = field(default_factory=list)
    queues: list[PbxQueue] = field(default_factory=list)
    ring_groups: list[PbxQueue] = field(default_factory=list)
    dids: list[PbxDid] = field(default_factory=list)
    call_control: bool = False
    may_change: bool = False
    sip_port: int = 5060

    def note(self, good: bool | None, what: str, hint: str = "") -> None:
        self.findings.append(Finding(good, what, hint))


def candidates(typed: str) -> list[str]:
    """Addresses that may be meant: ``pbx.example``, ``pbx.example:5001``, or whole. By https, but for this machine itself. Raises
    ``ValueError`` for what is none."""
    text = typed.strip().rstrip("/")
    parts = urlsplit(text if "://" in text else f"//{text}")
    if parts.scheme not in ("", "http", "https") or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError("give a name such as pbx.example.com, with the port where it is neither 443 nor 5001")
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not local:
        raise ValueError("only https: the client's secret travels there")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    scheme = parts.scheme or "https"
    ports = (parts.port,) if parts.port else (80,) if scheme == "http" else PORTS
    found = [f"{scheme}://{host}" if (scheme, port) == ("https", 443) else f"{scheme}://{host}:{port}" for port in ports]
    return found + ([f"http://{host}:{parts.port}"] if local and not parts.scheme and parts.port else [])


async def reach(addresses: list[str], settings: Callable[[str], ThreeCxSettings]) -> tuple[str, list[Finding]]:
    """The first address at which a 3CX answers, "" where none does, and what was found on the way: name, certificate, port."""
    findings = []
    for base in addresses:
        try:
            async with PbxHttp(settings(base)) as http:
                answer = await http.ask(base, "GET", "/callcontrol")
        except Away as away:
            findings.append(Finding(False, f"{base}: {away}"))
            continue
        if answer.status in (401, 403):
            safe = base.startswith("https:")
            return base, [Finding(True, f"{base} answers{', and its certificate is good' if safe else ''}")]
        hint = "its Call Control API is not there: is it 3CX version 20, and is the address that of the PBX itself?"
        findings.append(Finding(False, f"{base} answers with status {answer.status}", hint))
    return "", findings


async def examine(session: PbxSession, now: Callable[[], float]) -> Examined:
    """Everything else, with the client's own token."""
    seen = Examined()
    control, xapi = CallControl(session), Xapi(session, now)
    try:
        seen.dns = await control.dns()
        seen.call_control = True
        seen.note(True, "the client id and secret are believed; Call Control answers")
    except Denied as fault:
        seen.refused = str(fault)
        seen.note(False, str(fault), "the secret is shown once, when the client is made: make a new one there if it is lost")
        return seen
    except Forbidden:
        seen.note(False, "the client id and secret are believed, but Call Control is forbidden", _WHY_403.format("Call Control"))
    except ThreeCxFault as fault:
        seen.refused = str(fault)
        seen.note(False, str(fault))
        return seen
    _own_number(seen, session.settings.client_id)
    if not await _try(seen, lambda: _licence(seen, xapi), "the Configuration API", _WHY_403.format("XAPI")):
        return seen
    await _try(seen, lambda: _people(seen, xapi), "its users and queues", "give the client the role of a system owner or administrator")
    await _try(seen, lambda: _numbers(seen, xapi), "its numbers", "")
    await _try(seen, lambda: _rights(seen, xapi, session.settings.client_id), "the client's own role", "")
    return seen


def _own_number(seen: Examined, client_id: str) -> None:
    if not seen.call_control:
        return
    own = next((dn for dn in seen.dns if dn.dn == client_id), None)
    if own is None:
        seen.note(
            False, f"number {client_id} is not there", "the client id is the number of a route point: see what the PBX shows as Client ID"
        )
    elif own.type != ROUTE_POINT:
        seen.note(None, f"number {client_id} is a {own.type}, not a route point", "calls cannot be placed from it")
    watched = len(seen.dns) - (own is not None)
    hint = "choose at the client which extensions it may monitor, to follow their calls" if not watched else ""
    seen.note(None if not watched else True, f"{watched} extensions are monitored", hint)


async def _licence(seen: Examined, xapi: Xapi) -> None:
    seen.licence = licence = await xapi.licence()
    parameters = await xapi.one("/Defs/Pbx.GetSystemParameters()")
    port = parameters.get("SipPort")
    seen.sip_port = port if isinstance(port, int) and port else 5060
    limit = f"{licence.most_calls} calls at once" if licence.most_calls else "an unknown number of calls"
    seen.note(
        True, f"3CX {licence.version or 'of an unknown version'}, {licence.product or 'unknown licence'}, {limit}; SIP at {seen.sip_port}"
    )
    if licence.enterprise is False:
        seen.note(False, "the licence is not Enterprise (AI)", "Call Control and XAPI may end with the trial")
    if licence.call_flows is False:
        seen.note(None, "the licence has no Call Flow Designer", "3CX asks for it where programs take calls")


async def _people(seen: Examined, xapi: Xapi) -> None:
    seen.users = [user for user in await xapi.users() if user.number]
    seen.queues = await xapi.queues()
    seen.ring_groups = await xapi.ring_groups()
    seen.note(True, f"{len(seen.users)} extensions, {len(seen.queues)} queues, {len(seen.ring_groups)} ring groups")


async def _numbers(seen: Examined, xapi: Xapi) -> None:
    seen.dids = await xapi.dids()
    seen.note(True, f"{len(seen.dids)} numbers from outside (DID)")


async def _rights(seen: Examined, xapi: Xapi, client_id: str) -> None:
    roles = await xapi.roles_of(client_id)
    seen.may_change = bool(roles & _ADMINS)
    role = ", ".join(sorted(roles)) or "none"
    hint = (
        ""
        if seen.may_change
        else "trunks, fallback and agents' state then have to be set in 3CX by hand: system_admins could do it for you"
    )
    seen.note(True if seen.may_change else None, f"the client's role: {role}", hint)


async def _try(seen: Examined, look: Callable[[], Awaitable[None]], what: str, hint: str) -> bool:
    try:
        await look()
        return True
    except Forbidden:
        seen.note(False, f"{what}: forbidden", hint)
    except ThreeCxFault as fault:
        seen.note(False, f"{what}: {fault}", hint)
    return False
