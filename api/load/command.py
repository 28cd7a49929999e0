"""``centralita load`` as a command: options in, table or JSON out."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.command_settings import ConfigFile, load
from api.results import Row, as_json
from api.settings.tree import Settings

_MOST_CALLS = 100


def load_server(
    calls: Annotated[int, typer.Option(min=1, max=_MOST_CALLS, help="Calls at once.")] = 10,
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="How long they are measured.")] = 10.0,
    number: Annotated[str, typer.Option(help="Whom all of them call; 600 is the demo line's echo.")] = "600",
    codec: Annotated[str, typer.Option(help="What they speak: opus, g722, pcma or pcmu.")] = "opus",
    url: Annotated[str, typer.Option(help="Where the server is reached; default: as its settings say.")] = "",
    as_json_line: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object in the last line.")] = False,
    config: ConfigFile = None,
) -> None:
    """Make calls at once through the running server of these settings, and tell what was lost and how late it came.

    Real sign-ins, calls and encrypted sound, by people load-1, load-2 ... who exist for these calls alone; their calls stand in the
    server's records. Every packet is checked. On another machine, with a copy of the settings and --url, the network is in it.
    Exit status 0: all calls were connected and nothing was lost; 1: not so; 2: it could not be done.
    """
    from api.load import run
    from rooms.audio import KNOWN_CODECS
    from signaling.tokens import TokenIssuer

    settings = load(config)
    if codec not in KNOWN_CODECS:
        typer.echo(f"--codec {codec}: is none of {', '.join(KNOWN_CODECS)}", err=True)
        raise typer.Exit(2)
    plan = run.Plan(url or _url(settings), number, calls, seconds, KNOWN_CODECS[codec])
    counts, failures = asyncio.run(run.carried(plan, TokenIssuer(settings.token_secret())))
    for failure in sorted(set(failures)):
        typer.echo(f"{failures.count(failure)} of {calls} calls failed: {failure}", err=True)
    if counts is None:
        raise typer.Exit(2)
    rows = run.rows(plan, counts, calls - len(failures))
    if as_json_line:
        typer.echo(as_json("load", rows, ()))
    else:
        Console().print(_table(rows, seconds))
    raise typer.Exit(0 if all(row.holds is not False for row in rows) else 1)


def _url(settings: Settings) -> str:
    server = settings.server
    scheme = "https" if server.tls_certificate is not None else "http"
    return server.public_url or f"{scheme}://{server.host}:{server.port}"


def _table(rows: list[Row], seconds: float) -> Table:
    table = Table("figure", "value", "promised", title=f"{rows[0].case}, {seconds:g} s")
    for row in rows:
        verdict = {True: "[green]holds", False: "[bold red]missed", None: ""}[row.holds]
        table.add_row(row.metric, f"{row.value:.1f} {row.unit}", f"{row.goal} {verdict}")
    return table
