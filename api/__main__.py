"""The command line: ``centralita serve``, ``config``, ``prepare``, ``user add``, ``recording``, ``records``, ``audit``, ``db``, ``plan``,
``flow``, ``load``, ``demo-call``, ``threecx attach``, ``crm-template`` and ``record``, ``threecx-double`` and ``describe``."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from api.after.outbox_command import outbox_app
from api.audit.command import audit_app
from api.backends.command import backends_app
from api.centre.flow_command import flow_app
from api.centre.plan_command import plan_app
from api.command_settings import ConfigFile, load
from api.crm_template_command import crm_template
from api.db_command import db_app
from api.demo_call.command import demo_call
from api.garbage import collect_seldom
from api.load import load_server
from api.privacy.command import privacy_app
from api.recording_command import recording_app
from api.records_command import records_app
from api.rules.rules_command import rules_app
from api.settings.tree import Settings
from api.staffing_command import staffing
from api.threecx_command import attach
from api.threecx_double import threecx_double
from api.threecx_record import record
from signaling.grants import GUEST_PREFIX, Role

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Real-time communications and telephony server."
)
user_app = typer.Typer(no_args_is_help=True, help="People who may sign in.")
app.add_typer(user_app, name="user")
threecx_app = typer.Typer(no_args_is_help=True, help="The 3CX that this server stands beside.")
app.add_typer(threecx_app, name="threecx")


@app.command()
def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to serve pages on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve pages on; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database and of what is drawn at the first start.")] = None,
    demo: Annotated[bool | None, typer.Option("--demo/--no-demo", help="The demo line (600-605) and a demo agent.")] = None,
    workers: Annotated[str | None, typer.Option(help="Media processes: a number, auto (one per core), 0 (in the server's own).")] = None,
    drain: Annotated[float | None, typer.Option(help="Seconds that live calls may go on after SIGTERM.")] = None,
) -> None:
    """Run the server until Ctrl+C or SIGTERM."""
    from api import logs
    from api.store import StoreUnavailable
    from api.wiring.start_failure import StartFailure
    from media.messages import MediaRefusal
    from pbx.tls import TlsUnusable
    from pbx.transport import SipPortTaken

    given: dict[str, Any] = {
        "server.host": host,
        "server.port": port,
        "server.data_dir": data_dir,
        "server.drain_s": drain,
        "media.workers": workers,
        "demo.enabled": demo,
    }
    settings = load(config, given)
    logs.set_up(settings.log.level, settings.log.format)
    try:
        # Set up just now, it begins anew with what was answered, in the same place.
        while (served := uvloop.run(_serve(settings))) is not None:
            settings = load(config, {**given, "server.port": served})
    except (StartFailure, StoreUnavailable, MediaRefusal, SipPortTaken, TlsUnusable, OSError) as error:
        print(f"Centralita cannot start. {error}", file=sys.stderr)
        raise typer.Exit(1) from None


async def _serve(settings: Settings) -> int | None:
    """Until it is ended: None; or until it is to begin anew: the port that it had."""
    from api.server import orders, running
    from api.wiring.ground import DEMO_AGENT

    hurry, again = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        handlers = stack.enter_context(ExitStack())  # to the end: a second Ctrl+C must not cut the goodbye short
        server = await stack.enter_async_context(running(settings, hurry, again.set))
        stop = handlers.enter_context(orders(asyncio.get_running_loop(), hurry))  # before it is said: who hears it may end us at once
        collect_seldom()
        print(f"Centralita serves {server.url}")
        if server.demo_password is not None:
            print(
                f"Sign in as {DEMO_AGENT} with the password {server.demo_password}, "
                "then dial 600 (echo), 601 (speech), 602, 603, 604 or 605 (a customer calls)."
            )
        if server.start_code:
            print(f"Set this server up, five questions: {server.url}/start#{server.start_code}")
        sys.stdout.flush()
        ways = {asyncio.ensure_future(event.wait()) for event in (stop, again)}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
        if stop.is_set():
            return None
        print("Centralita begins anew with what was answered.")
        return server.port


@app.command("config")
def show_config(config: ConfigFile = None) -> None:
    """Print the effective settings, secrets masked, and which packet path runs and why."""
    from media.wire import WireUnavailable, choose

    settings = load(config)
    try:
        path, why = choose(settings.media.wire)
    except WireUnavailable as missing:
        path, why = "none", str(missing)
    print(json.dumps(settings.masked() | {"packet_path": {"runs": path, "why": why}}, indent=2))


@app.command()
def prepare() -> None:
    """Compile the sound kernels for this processor, so that the first start finds them on disk."""
    from media.rehearsal import load_kernels
    from ml.suppressor import Suppressor

    load_kernels(Suppressor)


@user_app.command("add")
def add_user(
    identity: Annotated[str, typer.Argument(help="Name to sign in with.")],
    name: Annotated[str, typer.Option(help="Name that colleagues see.")] = "",
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.AGENT,
    teams: Annotated[str, typer.Option(help="Teams they are in, with commas between; a supervisor of teams sees only these.")] = "",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for where not given.")] = "",
    config: ConfigFile = None,
) -> None:
    """Let somebody sign in, or change their name, role, teams and password; the sessions they have end."""
    from argon2 import PasswordHasher

    from api.audit.wiring import note_at_once
    from api.identity.password_rules import PasswordRules
    from api.store import StoreUnavailable
    from api.store_beside import store_beside
    from signaling.refusal import Refusal

    settings = load(config)
    if identity.startswith(GUEST_PREFIX):
        raise typer.BadParameter(f"Names that begin with {GUEST_PREFIX} are those of guests.")

    try:
        PasswordRules(settings.security.refused_words).check(password, identity, name)
    except Refusal as refusal:
        raise typer.BadParameter(str(refusal), param_hint="--password") from None

    async def add() -> None:
        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        async with store_beside(settings) as store:
            await store.people.save_user(
                identity,
                name=name or identity,
                role=role,
                password_hash=PasswordHasher().hash(password),
                teams=[team.strip() for team in teams.split(",") if team.strip()],
            )
            await store.people.end_sessions(identity, time.time(), "")
            await note_at_once(settings, store, "user_changed", identity, by="", detail=f"{role}, by the command line")

    try:
        asyncio.run(add())
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{identity} may sign in.")


@app.command()
def describe(folder: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path("docs")) -> None:
    """Write signaling.md, asyncapi.json and openapi.json from the code."""
    from api.documents import documents

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text)


app.command("demo-call")(demo_call)
app.command("load")(load_server)
app.command("staffing")(staffing)
app.command("threecx-double")(threecx_double)
threecx_app.command("crm-template")(crm_template)
threecx_app.command("attach")(attach)
threecx_app.command("record")(record)
app.add_typer(recording_app, name="recording")
app.add_typer(records_app, name="records")
app.add_typer(outbox_app, name="outbox")
app.add_typer(backends_app, name="backends")
app.add_typer(rules_app, name="rules")
app.add_typer(privacy_app, name="privacy")
app.add_typer(audit_app, name="audit")
app.add_typer(db_app, name="db")
app.add_typer(plan_app, name="plan")
app.add_typer(flow_app, name="flow")


def main() -> None:
    """Entry point of the console command. What goes wrong beside a command is told on standard error; ``serve`` sets up its own log."""
    from api import logs

    logs.set_up("warning")
    app()


if __name__ == "__main__":
    main()
