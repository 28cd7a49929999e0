"""``centralita demo-call`` as a command: options in, table or JSON out."""

import asyncio
import importlib.util
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.demo_call.plan import Plan

_PACKAGES = {"kamailio": "kamailio", "baresip": "baresip-core"}
_PYTHON = ("playwright", "pesq")


def demo_call(
    browser_codec: Annotated[str, typer.Option(help="Codec of the browser: opus, g722, pcma or pcmu.")] = "g722",
    phone_codec: Annotated[str, typer.Option(help="Codec of the phone: opus, g722, pcma or pcmu.")] = "g722",
    loss: Annotated[float, typer.Option(help="Fraction of packets lost towards the server on the impaired hop.")] = 0.0,
    burst: Annotated[float, typer.Option(help="Mean length of a loss, in packets.")] = 2.0,
    loss_on: Annotated[str, typer.Option(help="The impaired hop: browser or phone.")] = "browser",
    seed: Annotated[int, typer.Option(help="Seed of the impairment: the same seed loses the same packets.")] = 2,
    no_concealment: Annotated[bool, typer.Option("--no-concealment", help="Switch our loss concealment off, to compare.")] = False,
    repeat: Annotated[int, typer.Option(help="Calls in each direction; medians are shown.")] = 5,
    reload: Annotated[bool, typer.Option("--reload", help="One more call, with a page reload in its middle.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep every recording, log and packet in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object in the last line.")] = False,
) -> None:
    """A real call, end to end: Chromium and a SIP phone talk through the server, both directions, and what each heard is scored.

    Exit status 0: all that is promised holds; 1: something promised was missed; 2: the call could not be made.
    """
    console = Console(stderr=True)
    try:
        plan = Plan(browser_codec, phone_codec, loss, burst, loss_on, seed, not no_concealment, repeat, reload, keep)
    except ValueError as error:
        console.print(f"[bold red]{error}")
        raise typer.Exit(2) from None
    missing = _missing()
    if missing:
        console.print(missing, style="bold red", highlight=False)
        raise typer.Exit(2)
    raise typer.Exit(_run(plan, console, as_json=as_json))


def _missing() -> str:
    """What this machine lacks, with what to do about it; empty where nothing is missing."""
    from api.demo_call.browser import chromium_path

    programs = [package for program, package in _PACKAGES.items() if not shutil.which(program) and not Path("/usr/sbin", program).exists()]
    modules = [name for name in _PYTHON if importlib.util.find_spec(name) is None]
    if not modules and chromium_path() is None:
        programs.append("chromium")
    told = []
    if programs:
        told.append(f"The demo call needs programs that are not installed: apt-get install -y --no-install-recommends {' '.join(programs)}")
    if modules:
        told.append(f"The demo call needs Python packages that are not installed ({', '.join(modules)}): pip install 'centralita[demo]'")
    return "\n".join([*told, "In a clone of the project `make demo-call` installs all of it."]) if told else ""


def _run(plan: Plan, console: Console, *, as_json: bool) -> int:
    from api.demo_call import measure, report, scene
    from api.demo_call.process import PeerFailure

    with ExitStack() as stack:
        directory = plan.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="centralita-demo-call-")))
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with console.status("starting") as status:
                played = asyncio.run(scene.play(plan, directory, lambda text: status.update(text)))
                status.update("scoring what was heard")
                made = report.rows(plan, measure.figures(played), measure.timings(played), measure.reloads(played))
        except PeerFailure as failure:
            console.print(f"The demo call failed: {failure}", style="bold red", highlight=False, markup=False)
            return 2
        if as_json:
            typer.echo(report.as_json(made))
        else:
            for table in report.as_tables(plan, made):
                Console().print(table)
    return 0 if all(row.holds is not False for row in made) else 1
