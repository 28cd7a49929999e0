"""``centralita audit``: check the chain of who did what, read it, and print what checks its checkpoints."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

audit_app = typer.Typer(no_args_is_help=True, help="The audit: who did what, as one chain.")
_PAGE = 500


@audit_app.command("verify")
def verify(
    checkpoints: Annotated[Path | None, typer.Option(help="Folder of signed checkpoints; audit.checkpoints where not given.")] = None,
    config: ConfigFile = None,
) -> None:
    """Tell what was changed, taken out, put in, swapped or cut off, and where; status 1 when something was."""
    import asyncio

    from api.audit.audit import checked
    from api.audit.checkpoints import read_folder
    from api.audit.keys import AuditKeys
    from api.store import StoreUnavailable
    from api.store_beside import store_beside

    settings = load(config)
    keys, folder = AuditKeys(settings.audit_keys()), checkpoints or settings.audit_checkpoints

    async def found() -> tuple[int, list[str]]:
        async with store_beside(settings, node="audit") as store:
            return await checked(store.audit, keys, folder)

    try:
        signed = len(read_folder(folder, keys.public)[0])
        entries, faults = asyncio.run(found())
    except (OSError, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for fault in faults:
        typer.echo(fault)
    for key_id, public in keys.public.items():
        typer.echo(f"Key {key_id}, public half: {public}")
    typer.echo(f"{entries} entries, {signed} checkpoints in {folder}, {len(faults)} faults.")
    if not signed:
        typer.echo("Without checkpoints nobody sees whether the end was cut off.")
    if faults:
        raise typer.Exit(1)


@audit_app.command("list")
def show(
    after: Annotated[int, typer.Option(help="Only what is behind this number.")] = 0,
    kind: Annotated[str, typer.Option(help="Only entries of this kind: sign_in, recording_listened, ...")] = "",
    who: Annotated[str, typer.Option(help="Only what this person did, or what happened to their account.")] = "",
    what: Annotated[str, typer.Option(help="Only what was done to the thing with this id.")] = "",
    subject: Annotated[str, typer.Option(help="Only what is about the customer with this handle.")] = "",
    config: ConfigFile = None,
) -> None:
    """Write entries as JSON lines, oldest first."""
    import asyncio
    from dataclasses import replace

    import msgspec

    from api.audit.lines import audit_line
    from api.store import StoreUnavailable
    from api.store.audit import AuditWanted
    from api.store_beside import store_beside

    settings = load(config)

    async def write() -> None:
        wanted = AuditWanted(after, kind, who, what, subject)
        async with store_beside(settings, node="audit") as store:
            while entries := await store.audit.entries(wanted, _PAGE):
                sys.stdout.buffer.write(b"".join(msgspec.json.encode(audit_line(entry)) + b"\n" for entry in entries))
                wanted = replace(wanted, after=entries[-1].seq)
        sys.stdout.buffer.flush()

    try:
        asyncio.run(write())
    except StoreUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
