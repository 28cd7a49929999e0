"""``centralita threecx attach``: options in, questions and findings out."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import load


def attach(
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file to write; default: centralita.toml. It need not exist.")
    ] = None,
    secrets_dir: Annotated[
        Path | None, typer.Option(help="Folder of secrets; default: CENTRALITA_SECRETS_DIR, else secrets beside the settings.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificates to believe beside the system's own, for a PBX with one of its own.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Check the PBX's certificate.")] = True,
    import_people: Annotated[
        bool | None, typer.Option("--import-people/--no-import-people", help="Make agents of the PBX's extensions; at first: yes.")
    ] = None,
) -> None:
    """Attach a 3CX: find out what it is and allows, write the settings, make the trunk and the fallback, and end with a test call.

    Nothing is written before the last question; it may be run again at any time. Exit status 0: attached, and the test call was answered;
    1: attached, but it was not; 2: not attached.
    """
    from rich.console import Console

    from api.settings.sources import DEFAULT_FILE
    from api.threecx_attach import Attach, GivenUp, asking

    chosen = config or DEFAULT_FILE
    folder = secrets_dir or Path(os.environ.get("CENTRALITA_SECRETS_DIR") or chosen.parent / "secrets")
    env = os.environ | ({"CENTRALITA_SECRETS_DIR": str(folder)} if folder.is_dir() else {})
    settings = load(chosen if chosen.is_file() else None, env=env)
    console = Console(width=None if os.isatty(1) else 140)
    work = Attach(
        asking(typer.prompt, console),
        console,
        settings,
        chosen,
        folder.absolute(),
        verify=verify,
        ca_file=ca_file,
        import_people=import_people,
    )
    try:
        answered = asyncio.run(work.run())
    except GivenUp as reason:
        console.print(str(reason), style="bold red", highlight=False, markup=False)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if answered else 1)
