"""Leading an administrator from nothing to a working call with a 3CX: questions, each with a default that was found out, then one plan.

Nothing is written, here or in the PBX, before the last question. It can be run again at any time: what is set is then the default.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rich.console import Console

from api.settings.faults import ConfigError
from api.settings.toml_text import CannotChange, Value, changed
from api.settings.tree import Settings
from pbx.threecx.call_control import CallControl
from pbx.threecx.directory import PbxUser
from pbx.threecx.faults import Gone, Rejected, ThreeCxFault
from pbx.threecx.objects import Participant, fields_of
from pbx.threecx.pcm import FRAME_MS
from pbx.threecx.pcm_stream import PcmStream
from pbx.threecx.probe import Examined, Finding, candidates, examine, reach
from pbx.threecx.session import PbxSession
from pbx.threecx.settings import ThreeCxSettings
from pbx.threecx.trunk_template import FILE_NAME, TrunkPlan, template, template_row, trunk_row
from pbx.threecx.xapi import Xapi

_CLIENT = "870"
_SIP_PORT = 5060
_TEST_S = 45.0
_LOOK_S = 0.25
_ECHO_MS = 1_500
_WAYS = {"extension": "register", "trunk": "registrar", "address": "address"}
"""How the line is made, in the question's words and those of ``sip.mode``."""
_NOT_NOW = "-"


class GivenUp(Exception):
    """It cannot go on. The message says why and what to do; nothing was written."""


class Ask(Protocol):
    def __call__(self, question: str, default: str, *, hidden: bool = False, hint: str = "") -> str: ...


@dataclass(slots=True)
class _Plan:
    """What will be done. ``settings`` by table; ``secrets`` by the names of files in the folder of secrets."""

    base: str = ""
    client_id: str = ""
    secret: str = ""
    way: str = "extension"
    settings: dict[str, dict[str, Value]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    trunk: TrunkPlan | None = None
    extension: PbxUser | None = None
    new_extension: str = ""
    fallback: str = ""
    test: str = ""
    by_hand: list[str] = field(default_factory=list)


class Attach:
    """``config``: the settings file; ``secrets_folder``: where secrets are put. ``verify``, ``ca_file``: as in ``[threecx]``."""

    def __init__(
        self,
        ask: Ask,
        console: Console,
        settings: Settings,
        config: Path,
        secrets_folder: Path,
        *,
        verify: bool = True,
        ca_file: Path | None = None,
        import_people: bool | None = None,
    ) -> None:
        self._ask, self._console = ask, console
        self._settings, self._config, self._folder = settings, config, secrets_folder
        self._verify, self._ca_file, self._import_people = verify, ca_file, import_people
        self._plan = _Plan()

    async def run(self) -> bool:
        """Did the test call succeed, or was none wanted? Raises ``GivenUp``."""
        async with AsyncExitStack() as stack:
            await self._address()
            seen, session = await self._client(stack)
            xapi = Xapi(session, asyncio.get_running_loop().time)
            await self._way(seen, xapi)
            self._fallback(seen)
            self._test(seen)
            self._show(seen)
            if self._ask("Do all this now?", "yes").strip().casefold() not in ("y", "yes", "s", "si", "sí"):
                raise GivenUp("Nothing was written.")
            text = self._checked_text()
            await self._in_pbx(xapi)
            self._write(text)
            self._tell_by_hand()
            return await self._call(session)

    # ------------------------------------------------------------------ the questions

    async def _address(self) -> None:
        known = self._settings.threecx.bases[0] if self._settings.threecx.bases else self._settings.sip.server
        typed = self._ask("Address of the PBX", known, hint="its full name (FQDN), with the port where it is neither 443 nor 5001")
        try:
            addresses = candidates(typed)
        except ValueError as error:
            raise GivenUp(f"{typed}: {error}.") from None
        base, findings = await reach(addresses, lambda base: self._settings_for(base))
        self._tell(findings if not base else findings[-1:])
        if not base:
            raise GivenUp(
                "The PBX was not reached. Correct this, or try with --ca-file or --no-verify where its certificate is the reason."
            )
        self._plan.base = base

    async def _client(self, stack: AsyncExitStack) -> tuple[Examined, PbxSession]:
        threecx = self._settings.threecx
        self._console.print("In 3CX: Admin, Integrations, API, Add: tick Call Control and XAPI, choose a department and the role of a")
        self._console.print("system administrator (or owner, for its call log), and the extensions to monitor. The secret is shown once.")
        self._plan.client_id = self._ask("Client ID", threecx.client_id or _CLIENT)
        kept = threecx.secret.get_secret_value() if threecx.client_id == self._plan.client_id else ""
        self._plan.secret = self._ask("Secret", kept, hidden=True)
        session = await stack.enter_async_context(PbxSession(self._settings_for(self._plan.base)))
        with self._console.status("Asking the PBX ..."):
            seen = await examine(session, asyncio.get_running_loop().time)
        self._tell(seen.findings)
        if seen.refused:
            raise GivenUp("The PBX was reached, but this client may not come in. Nothing was written.")
        return seen, session

    async def _way(self, seen: Examined, xapi: Xapi) -> None:
        sip, plan = self._settings.sip, self._plan
        known = next((way for way, mode in _WAYS.items() if sip.enabled and mode == sip.mode), "")
        hint = "extension: we register as one; trunk: the PBX registers to us; address: nobody registers"
        plan.way = self._ask("Line as extension, trunk or address", known or "extension", hint=hint).strip().casefold()
        if plan.way not in _WAYS:
            raise GivenUp(f"{plan.way[:32]}: is neither extension nor trunk nor address.")
        host = urlsplit(plan.base).hostname or ""
        line: dict[str, Value] = {"enabled": True, "mode": _WAYS[plan.way], "server": host, "port": seen.sip_port}
        if seen.licence.most_calls:
            line["max_calls"] = seen.licence.most_calls
        if plan.way == "extension":
            await self._extension(seen, xapi, line)
        else:
            self._trunk(seen, line)
        plan.settings["sip"] = line

    async def _extension(self, seen: Examined, xapi: Xapi, line: dict[str, Value]) -> None:
        free = next((user.number for user in seen.users if not user.registered), "")
        default = self._settings.sip.extension or free or (_next_number(seen) if seen.may_change else "")
        hint = "one that no phone uses" + ("; one that is not there is made" if seen.may_change else "")
        number = self._ask("Extension that this server is", default, hint=hint).strip()
        self._plan.extension = next((user for user in seen.users if user.number == number), None)
        auth_id, password = "", ""
        if self._plan.extension is None and seen.may_change:
            self._plan.new_extension = number
            auth_id, password = secrets.token_hex(6), secrets.token_urlsafe(18)
        elif self._plan.extension is None and seen.users:
            raise GivenUp(f"The PBX has no extension {number[:16]}: make one there for this server.")
        if self._plan.extension is not None:
            try:
                auth_id, password = await xapi.sip_account(number)
            except ThreeCxFault as fault:
                self._tell([Finding(None, f"its SIP account is not shown: {fault}")])
        if not (auth_id and password):
            sip = self._settings.sip
            known = f"{sip.auth_id} {sip.password.get_secret_value()}" if sip.extension == number and sip.auth_id else ""
            given = self._ask("Its authentication ID and password, with a blank between", known, hidden=True).split()
            if len(given) != 2:
                raise GivenUp("Both are needed: in 3CX, the extension's IP Phone tab shows them.")
            auth_id, password = given
        line |= {"extension": number, "auth_id": auth_id}
        self._plan.secrets["sip__password"] = password

    def _trunk(self, seen: Examined, line: dict[str, Value]) -> None:
        sip, plan = self._settings.sip, self._plan
        port = sip.listen_port or _SIP_PORT
        known = f"{sip.public_host or _own_address(plan.base)}:{port}"
        typed = self._ask("Where the PBX reaches this server by SIP (UDP)", known).strip()
        host, _, port_text = typed.rpartition(":")
        if not host or not port_text.isdecimal() or not 0 < int(port_text) < 65_536:
            raise GivenUp(f"{typed[:64]}: write HOST:PORT.")
        auth_id = sip.extension if sip.enabled and sip.extension else "centralita"
        kept = sip.password.get_secret_value() if sip.enabled and sip.extension == auth_id else ""
        plan.trunk = TrunkPlan(host, int(port_text), auth_id, kept or secrets.token_urlsafe(18), registers=plan.way == "trunk")
        line |= {"extension": auth_id, "auth_id": auth_id, "listen_port": int(port_text), "public_host": host}
        plan.secrets["sip__password"] = plan.trunk.password

    def _fallback(self, seen: Examined) -> None:
        """Where calls go while we are down."""
        plan = self._plan
        groups = [group.number for group in (*seen.ring_groups, *seen.queues)]
        others = [user.number for user in seen.users if user.registered and user != plan.extension]
        if not (groups or others):
            plan.by_hand.append("Set in 3CX where calls to this server go while it is down: at the extension, under Forwarding rules.")
            return
        hint = "a ring group, queue or extension of the PBX; - for nowhere"
        chosen = self._ask("Where calls go while this server is down", next(iter((*groups, *others))), hint=hint).strip()
        if chosen != _NOT_NOW and chosen not in {*groups, *(user.number for user in seen.users)}:
            raise GivenUp(f"The PBX has no {chosen[:16]}.")
        plan.fallback = "" if chosen == _NOT_NOW else chosen

    def _test(self, seen: Examined) -> None:
        if not seen.call_control or not any(dn.dn == self._plan.client_id for dn in seen.dns):
            self._plan.by_hand.append("Make a test call yourself: the client may place none.")
            return
        registered = [user.number for user in seen.users if user.registered and user != self._plan.extension]
        watched = [dn.dn for dn in seen.dns if dn.dn != self._plan.client_id and dn.devices]
        default = next((number for number in registered if number in watched), next(iter((*watched, *registered)), _NOT_NOW))
        chosen = self._ask("Whom the test call rings", default, hint="an extension whose phone is before you; - for nobody").strip()
        self._plan.test = "" if chosen == _NOT_NOW else chosen

    # ------------------------------------------------------------------ the plan

    def _show(self, seen: Examined) -> None:
        plan, threecx = self._plan, dict[str, Value]()
        bases = [plan.base, *(base for base in self._settings.threecx.bases if base != plan.base)]
        threecx |= {"enabled": True, "bases": bases, "client_id": plan.client_id}
        known = self._settings.threecx
        people = self._import_people if self._import_people is not None else known.import_people or not known.enabled
        threecx |= {"import_people": people, "in_step": seen.may_change and (known.in_step or not known.enabled)}
        if not self._verify:
            threecx["verify"] = False
        if self._ca_file is not None:
            threecx["ca_file"] = str(self._ca_file)
        plan.settings["threecx"] = threecx
        plan.secrets["threecx__secret"] = plan.secret
        self._console.print()
        self._console.print(f"[bold]Into {self._config}[/bold], and secrets into {self._folder}:", highlight=False)
        for table, values in plan.settings.items():
            self._console.print(
                f"  {table}: " + ", ".join(f"{name} = {value}" for name, value in values.items()), highlight=False, markup=False
            )
        for what in self._deeds(seen):
            self._console.print(f"[bold]In 3CX:[/bold] {what}", highlight=False)

    def _deeds(self, seen: Examined) -> list[str]:
        """What is done in the PBX; what cannot be is told to be done by hand."""
        plan, deeds = self._plan, []
        if plan.trunk is not None:
            if seen.may_change:
                deeds.append(f"the template {FILE_NAME} and a trunk made by it, to {plan.trunk.host}:{plan.trunk.port}")
                plan.by_hand.append("Make an outbound rule in 3CX that leads calls for this server to the trunk Centralita.")
            else:
                plan.by_hand.append(
                    f"Upload {FILE_NAME} (Admin, Voice & Chat, Add trunk, import), and make the trunk with the authentication ID "
                    f"{plan.trunk.auth_id} and the password in {self._folder / 'sip__password'}."
                )
        if plan.new_extension:
            deeds.append(f"the extension {plan.new_extension}, for this server")
        number = plan.extension.number if plan.extension is not None else plan.new_extension
        if plan.fallback and number and seen.may_change:
            deeds.append(f"calls to {number} go to {plan.fallback} while this server is not registered or nobody answers")
        elif plan.fallback and number:
            plan.by_hand.append(f"Forward calls of {number} to {plan.fallback} where it is not registered or nobody answers.")
        elif plan.fallback:
            plan.by_hand.append(f"In that rule, choose {plan.fallback} (or another trunk) as the route behind this one.")
        return deeds

    def _checked_text(self) -> str:
        """The settings file as it will be, known to be one that the server takes."""
        plan = self._plan
        before = self._config.read_text(encoding="utf-8") if self._config.is_file() else ""
        try:
            text = changed(before, plan.settings)
            trial = self._config.with_name(f".{self._config.name}.{os.getpid()}")
            trial.write_text(text, encoding="utf-8")
            try:
                overrides = {name.replace("__", "."): value for name, value in plan.secrets.items()}
                Settings.load(trial, {}, overrides)
            finally:
                trial.unlink()
        except (CannotChange, ConfigError, OSError) as error:
            raise GivenUp(f"{error}\nNothing was written.") from None
        return text

    # ------------------------------------------------------------------ doing it

    async def _in_pbx(self, xapi: Xapi) -> None:
        plan = self._plan
        if plan.new_extension:
            await self._make_extension(xapi)
        try:
            if plan.trunk is not None and not any("Upload" in line for line in plan.by_hand):
                await _make_trunk(xapi, plan.trunk)
                self._tell([Finding(True, "the trunk is made in 3CX")])
        except ThreeCxFault as fault:
            self._tell([Finding(False, f"the trunk could not be made: {fault}")])
            plan.by_hand.append(f"Upload {FILE_NAME} in 3CX and make a trunk of it.")
        if plan.trunk is not None:
            self._config.with_name(FILE_NAME).write_text(template(plan.trunk), encoding="utf-8")
        if plan.fallback and plan.extension is not None and not any("Forward calls" in line for line in plan.by_hand):
            try:
                await _set_fallback(xapi, plan.extension, plan.fallback)
                self._tell([Finding(True, f"calls go to {plan.fallback} while this server is down")])
            except ThreeCxFault as fault:
                self._tell([Finding(False, f"the fallback could not be set: {fault}")])
                plan.by_hand.append(f"Forward calls of {plan.extension.number} to {plan.fallback} where it is not registered.")

    async def _make_extension(self, xapi: Xapi) -> None:
        plan = self._plan
        account = {"AuthID": str(plan.settings["sip"]["auth_id"]), "AuthPassword": plan.secrets["sip__password"]}
        named = {"Number": plan.new_extension, "FirstName": "Centralita", "LastName": ""}
        try:
            plan.extension = PbxUser.read(await xapi.create("/Users", named | account))
        except ThreeCxFault as fault:
            raise GivenUp(f"3CX did not make the extension: {fault} Nothing was written here.") from None
        self._tell([Finding(True, f"extension {plan.new_extension} is made in 3CX")])

    def _write(self, text: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, value in self._plan.secrets.items():
                path = self._folder / name
                path.unlink(missing_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                    file.write(value + "\n")
            fresh = self._config.with_name(f"{self._config.name}.new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self._config)
        except OSError as error:
            raise GivenUp(f"{error.filename}: cannot be written ({error.strerror}).") from None
        self._tell([Finding(True, f"{self._config} is written; secrets are in {self._folder}, for their owner alone")])
        if os.environ.get("CENTRALITA_SECRETS_DIR", "") != str(self._folder):
            self._plan.by_hand.append(f"Start the server with CENTRALITA_SECRETS_DIR={self._folder}")

    def _tell_by_hand(self) -> None:
        for number, line in enumerate(self._plan.by_hand, 1):
            self._console.print(f"[bold yellow]To do {number}:[/bold yellow] {line}", highlight=False)

    async def _call(self, session: PbxSession) -> bool:
        """The test call, by the client's own number: whoever answers hears themselves for some seconds."""
        plan, control = self._plan, CallControl(session)
        if not plan.test:
            return True
        self._console.print(f"Calling {plan.test} ...", highlight=False)
        try:
            outcome = await control.make_call(plan.client_id, plan.test, timeout_s=int(_TEST_S) - 15)
        except ThreeCxFault as fault:
            self._tell([Finding(False, f"the test call was not made: {fault}")])
            return False
        if not outcome.done or outcome.leg is None:
            self._tell([Finding(False, f"the test call was refused: {outcome.reason or 'no reason given'}")])
            return False
        leg, loop, heard_ms = outcome.leg, asyncio.get_running_loop(), 0
        until_s = loop.time() + _TEST_S
        try:
            while not leg.connected and loop.time() < until_s:
                await asyncio.sleep(_LOOK_S)
                leg = await control.leg(plan.client_id, leg.id)
            if leg.connected:
                self._tell([Finding(True, f"{plan.test} answered the test call, and hears itself")])
                heard_ms = await _echo(session, leg)
                await control.drop(leg)
        except Gone:
            self._tell([Finding(False, f"{plan.test} did not take the test call, or hung up")])
            return False
        except ThreeCxFault as fault:
            self._tell([Finding(False, f"the test call was lost: {fault}")])
            return False
        if not leg.connected:
            self._tell([Finding(False, f"{plan.test} did not answer the test call")])
            return False
        self._tell([Finding(heard_ms > 0, f"{heard_ms / 1_000:.1f} s of sound came from it and went back")])
        return heard_ms > 0

    # ------------------------------------------------------------------

    def _settings_for(self, base: str) -> ThreeCxSettings:
        return ThreeCxSettings((base,), self._plan.client_id, self._plan.secret, verify=self._verify, ca_file=self._ca_file)

    def _tell(self, findings: list[Finding]) -> None:
        marks: dict[bool | None, str] = {True: "[green]ok[/green]", False: "[bold red]no[/bold red]", None: "[yellow]--[/yellow]"}
        for finding in findings:
            self._console.print(f"  {marks[finding.good]} ", end="")
            self._console.print(finding.what, highlight=False, markup=False)
            if finding.hint:
                self._console.print(f"     {finding.hint}", highlight=False, markup=False, style="dim")


async def _echo(session: PbxSession, leg: Participant) -> int:
    """Give back what the leg says, for some seconds; how much came, in ms."""
    heard_ms, enough = 0, asyncio.Event()

    def on_frame(frame: bytes) -> None:
        nonlocal heard_ms
        heard_ms += FRAME_MS
        stream.say(frame)
        if heard_ms >= _ECHO_MS:
            enough.set()

    async with PcmStream(session, leg, on_frame=on_frame, on_end=lambda why: enough.set()) as stream:
        with suppress(TimeoutError):
            async with asyncio.timeout(_ECHO_MS / 1_000 * 3):
                await enough.wait()
    return heard_ms


async def _make_trunk(xapi: Xapi, plan: TrunkPlan) -> None:
    """The template and a trunk of it; those of an earlier run are changed."""
    known = {str(fields_of(row).get("id")) for row in await xapi.rows("/TrunkTemplates", select=("Id",))}
    if FILE_NAME not in known:
        await xapi.create("/TrunkTemplates", template_row(plan))
    trunks = await xapi.rows("/Trunks")
    mine = next((row for row in trunks if fields_of(row.get("Gateway")).get("name") == plan.name), None)
    if mine is not None:
        row = trunk_row(mine, plan)
        wanted = ("AuthID", "AuthPassword", "SimultaneousCalls", "TransportRestriction", "DiversionHeader", "Gateway")
        await xapi.change(f"/Trunks({mine['Id']})", {name: row[name] for name in wanted})
        return
    blank = await xapi.one(f"/Trunks/Pbx.InitTrunk(template='{FILE_NAME}')")
    await xapi.create("/Trunks", trunk_row(blank, plan))


async def _set_fallback(xapi: Xapi, user: PbxUser, fallback: str) -> None:
    """Where the extension is not registered, or nobody answers, its calls go there, in the profile in which it takes calls."""
    rows = await xapi.rows("/Users", where=f"Id eq {user.id}", expand="ForwardingProfiles", most=1)
    profiles = (rows[0].get("ForwardingProfiles") if rows else None) or []
    peers = await xapi.rows("/Peers", where=f"Number eq '{fallback}'", most=1)
    kind = str(fields_of(peers[0]).get("type") or "Extension") if peers else "Extension"
    there = {"To": kind, "Number": fallback, "External": ""}
    names = ("NoAnswerInternal", "NoAnswerExternal", "NotRegisteredInternal", "NotRegisteredExternal")
    route = {**dict.fromkeys(names, there), "NoAnswerAllCalls": True, "NotRegisteredAllCalls": True}
    for profile in profiles:
        if profile.get("Name") == "Available":
            profile["AvailableRoute"] = (profile.get("AvailableRoute") or {}) | route
    if not profiles:
        raise Gone("3CX shows no forwarding profiles of this extension.")
    await xapi.change(f"/Users({user.id})", {"ForwardingProfiles": profiles})
    rows = await xapi.rows("/Users", where=f"Id eq {user.id}", expand="ForwardingProfiles", most=1)
    kept = [fields_of(fields_of(each).get("availableroute")) for each in rows[0].get("ForwardingProfiles") or ()] if rows else []
    if not any(fields_of(route.get("notregisteredexternal")).get("number") == fallback for route in kept):
        raise Rejected("3CX took the change and does not show it.", 200)


def _next_number(seen: Examined) -> str:
    """Behind the highest extension of the usual length."""
    numbers = [user.number for user in seen.users if user.number.isdecimal()]
    taken = {*numbers, *(each.number for each in (*seen.queues, *seen.ring_groups)), *(dn.dn for dn in seen.dns)}
    if not numbers:
        return ""
    number = max(int(each) for each in numbers if len(each) == len(numbers[0])) + 1
    while str(number) in taken:
        number += 1
    return str(number)


def _own_address(base: str) -> str:
    """This machine's address towards the PBX."""
    parts = urlsplit(base)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname, parts.port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def asking(prompt: Callable[..., str], console: Console) -> Ask:
    """``prompt`` of typer as what asks; the default of something hidden is not shown."""

    def ask(question: str, default: str, *, hidden: bool = False, hint: str = "") -> str:
        if hint:
            console.print(f"     {hint}", highlight=False, markup=False, style="dim")
        kept = bool(hidden and default)
        shown = f"{question} [kept as it is]" if kept else question
        given = prompt(shown, default=default or None, hide_input=hidden, show_default=not hidden)
        return str(given)

    return ask
