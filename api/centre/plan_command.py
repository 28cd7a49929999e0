"""``centralita plan``: the contact centre's plan as a folder of files, checked, put in force and written out."""

import asyncio
import getpass
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from api.command_settings import ConfigFile, load

plan_app = typer.Typer(no_args_is_help=True, help="The contact centre's plan: flows, queues, numbers, calendars.")

Folder = Annotated[Path, typer.Argument(help="Files of the plan: queues.toml, numbers.toml, flows/NAME.toml, ...", file_okay=False)]


@plan_app.command("check")
def check(folder: Folder, config: ConfigFile = None) -> None:
    """Tell everything that is wrong with the plan in a folder, each with its line; status 1 when something is."""
    from api.centre.plan_access import reader
    from api.centre.plan_faults import PlanBroken
    from api.centre.plan_folder import FolderUnreadable, read_folder

    settings = load(config)
    try:
        plan = reader(settings).read(read_folder(folder), 1)
    except (PlanBroken, FolderUnreadable) as broken:
        _tell_faults(broken.faults)
    except OSError as error:
        raise _failed(error) from None
    typer.echo(f"Nothing is wrong: {len(plan.flows)} flows, {len(plan.queues)} queues, {len(plan.entries)} numbers.")


@plan_app.command("put")
def put(
    folder: Folder,
    comment: Annotated[str, typer.Option(help="Why, for whoever reads the list of versions.")] = "",
    config: ConfigFile = None,
) -> None:
    """Put the plan in a folder in force, in place of the whole plan. Servers that run take it within seconds, calls in them go on as they
    began. A plan with a fault is refused (status 1), and the plan in force goes on."""
    from api.centre.plan_faults import PlanBroken
    from api.centre.plan_folder import FolderUnreadable, read_folder
    from api.centre.plans import Plans

    async def change(plans: Plans) -> str:
        wanted = read_folder(folder)
        before = plans.version
        made = await plans.put(dict.fromkeys(plans.documents) | wanted, by=f"{getpass.getuser()} by the command line"[:64], comment=comment)
        return f"Version {made.version} is in force." if made.version != before else f"Nothing is new: version {before} stays in force."

    try:
        typer.echo(_with_plans(config, change))
    except (PlanBroken, FolderUnreadable) as broken:
        _tell_faults(broken.faults)


@plan_app.command("export")
def export(
    folder: Folder,
    version: Annotated[int | None, typer.Option(help="Of which version; the one in force by default.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write the plan's documents into a folder, one file each."""
    from api.centre.plan_documents import file_of
    from api.centre.plans import Plans

    async def write(plans: Plans) -> str:
        documents = plans.documents if version is None else await plans.of_version(version)
        for name, text in documents.items():
            path = folder / file_of(name, text)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return f"{len(documents)} documents of version {version or plans.version} are in {folder}."

    typer.echo(_with_plans(config, write))


def _with_plans(config: Path | None, work: Callable[[Any], Coroutine[Any, Any, str]]) -> str:
    """Beside the servers that may run: they look at the database by themselves."""
    from api.centre.plan_access import plans_alone
    from api.store import StoreUnavailable
    from signaling.refusal import Refusal

    settings = load(config)

    async def run() -> str:
        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        async with plans_alone(settings) as plans:
            return await work(plans)

    try:
        return asyncio.run(run())
    except Refusal as refused:
        if refused.faults:
            raise
        raise _failed(refused) from None
    except (OSError, StoreUnavailable) as error:
        raise _failed(error) from None


def _tell_faults(faults: Any) -> None:
    for fault in faults:
        typer.echo(fault)
    raise typer.Exit(1)


def _failed(error: Exception) -> typer.Exit:
    typer.echo(error, err=True)
    return typer.Exit(2)
