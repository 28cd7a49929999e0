"""``centralita db``: the database brought to this program's schema, into a file, back from one, and looked over."""

import asyncio
import getpass
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

db_app = typer.Typer(no_args_is_help=True, help="The database.")
_KEYS = (
    "No key is in it: keep the folder of people's keys (privacy.folder) and the keys in the data folder (*.key, *.secret) somewhere else. "
    "Without them nobody reads what is sealed. Recordings and attachments are files of their own."
)


def _refused(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(2)


@db_app.command("upgrade")
def upgrade(config: ConfigFile = None) -> None:
    """Bring the database to the schema of this program, as a start does."""
    from api.store import StoreUnavailable
    from api.store import backup as database
    from api.store.database import database_url

    try:
        before, after = asyncio.run(database.upgrade(database_url(load(config).store_url)))
    except (OSError, StoreUnavailable) as error:
        raise _refused(error) from None
    typer.echo(f"The schema is {after}" + (", as it was." if before == after else f"; it was {before or 'none'}."))


@db_app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="Archive to write; one that is there is replaced once the new one is whole.")],
    config: ConfigFile = None,
) -> None:
    """Write all of the database into one file, as it is at this moment; servers go on meanwhile."""
    from api.audit.wiring import note_at_once
    from api.store import StoreUnavailable
    from api.store import backup as database
    from api.store.database import database_url
    from api.store_beside import store_beside

    settings = load(config)

    async def write() -> database.Manifest:
        manifest = await database.back_up(database_url(settings.store_url), file, time.time())
        async with store_beside(settings, node="command") as store:
            detail = f"{manifest.rows} rows, by the command line"
            await note_at_once(settings, store, "database_backed_up", getpass.getuser(), detail=detail)
        return manifest

    try:
        manifest = asyncio.run(write())
    except (OSError, StoreUnavailable) as error:
        raise _refused(error) from None
    typer.echo(f"{file}: {manifest.rows} rows in {len(manifest.tables)} tables, schema {manifest.revision}.")
    typer.echo(_KEYS)


@db_app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="Archive to read.")],
    replace: Annotated[bool, typer.Option("--replace", help="What is in the database goes.")] = False,
    config: ConfigFile = None,
) -> None:
    """Put an archive into the database of the settings, SQLite or PostgreSQL, whichever it was made from. Stop all nodes before."""
    from api.audit.wiring import note_at_once
    from api.store import StoreUnavailable
    from api.store import backup as database
    from api.store.database import database_url
    from api.store_beside import store_beside

    settings = load(config)

    async def put() -> database.Manifest:
        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        manifest = await database.restore(database_url(settings.store_url), file, replace=replace)
        async with store_beside(settings, node="command") as store:
            detail = f"as of {int(manifest.made_at)}, {manifest.rows} rows, by the command line"
            await note_at_once(settings, store, "database_restored", getpass.getuser(), detail=detail)
        return manifest

    try:
        manifest = asyncio.run(put())
    except (OSError, StoreUnavailable, database.BadArchive) as error:
        raise _refused(error) from None
    typer.echo(f"{manifest.rows} rows in {len(manifest.tables)} tables are back, as of {time.ctime(manifest.made_at)}.")
    typer.echo("What the audit wrote after that is not in it: `centralita audit verify` says from where, by the checkpoints.")


@db_app.command("verify")
def verify(
    file: Annotated[Path | None, typer.Argument(help="Archive to check; the database itself where none is given.")] = None,
    config: ConfigFile = None,
) -> None:
    """Tell what is wrong with an archive, or with the database; status 1 when something is."""
    from api.store import StoreUnavailable
    from api.store import backup as database
    from api.store.database import database_url

    if file is not None:
        try:
            manifest = database.check(file)
        except (OSError, database.BadArchive) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        typer.echo(f"{file} is whole: {manifest.rows} rows in {len(manifest.tables)} tables, schema {manifest.revision}.")
        return
    try:
        revision, rows, faults = asyncio.run(database.looked_over(database_url(load(config).store_url)))
    except (OSError, StoreUnavailable) as error:
        raise _refused(error) from None
    for fault in faults:
        typer.echo(fault)
    for name, count in sorted(rows.items()):
        if count:
            typer.echo(f"{name}: {count}")
    typer.echo(f"Schema {revision}, {sum(rows.values())} rows in {len(rows)} tables, {len(faults)} faults.")
    if faults:
        sys.exit(1)
