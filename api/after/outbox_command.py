"""``centralita outbox``: what could not be written at other systems or sent, and to have it tried again."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from api.command_settings import ConfigFile, load

if TYPE_CHECKING:
    from api.settings.tree import Settings
    from api.store import Store

outbox_app = typer.Typer(no_args_is_help=True, help="What is to be written at other systems, or to be sent.")

By = Annotated[str, typer.Option(help="Who does it: stands in the audit.")]
EntryId = Annotated[str, typer.Argument(help="As `centralita outbox list` shows it.")]


@outbox_app.callback()
def outbox() -> None:
    """What is to be written at other systems, or to be sent."""


@outbox_app.command("list")
def show(
    state: Annotated[str, typer.Option(help="dead (a person has to look), waiting, done or dropped.")] = "dead",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    config: ConfigFile = None,
) -> None:
    """Show entries, the oldest first, each with why it was not taken."""
    import time

    async def act(settings: "Settings", store: "Store") -> None:
        for entry in await store.outbox.entries(state, limit):
            made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.created_at))
            told = f"{entry.entry_id}  {made}  {entry.kind} to {entry.backend}, tried {entry.attempts} times"
            typer.echo(f"{told}{f', call {entry.call_id}' if entry.call_id else ''}{f': {entry.fault}' if entry.fault else ''}")
        counts = await store.outbox.counts()
        typer.echo(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "The outbox is empty.", err=True)

    _run(act, config)


@outbox_app.command()
def retry(entry_id: EntryId, by: By, config: ConfigFile = None) -> None:
    """Have a dead letter tried again, and what waited for its result."""
    import time

    from api.audit.wiring import note_at_once

    async def act(settings: "Settings", store: "Store") -> None:
        entry = await store.outbox.entry(entry_id)
        needing = await store.outbox.needing(entry.idem) if entry is not None else []
        if not await store.outbox.retry([entry_id, *needing], time.time()):
            _refuse("There is no such dead letter: see `centralita outbox list`.")
        await note_at_once(settings, store, "outbox_retried", by, detail=f"{entry_id} by the command line")

    _run(act, config)


@outbox_app.command()
def drop(entry_id: EntryId, by: By, config: ConfigFile = None) -> None:
    """Give an entry up, and forget what was in it."""
    import time

    from api.audit.wiring import note_at_once

    async def act(settings: "Settings", store: "Store") -> None:
        if not await store.outbox.drop(entry_id, time.time()):
            _refuse("There is nothing of this id to be dropped: it was delivered, or is being delivered now.")
        await note_at_once(settings, store, "outbox_dropped", by, detail=f"{entry_id} by the command line")

    _run(act, config)


def _run(act: "Callable[[Settings, Store], Awaitable[None]]", config: ConfigFile) -> None:
    import asyncio

    from api.store import StoreUnavailable
    from api.store_beside import store_beside

    settings = load(config)

    async def opened() -> None:
        async with store_beside(settings, node="outbox") as store:
            await act(settings, store)

    try:
        asyncio.run(opened())
    except StoreUnavailable as error:
        _refuse(str(error))


def _refuse(words: str) -> None:
    typer.echo(words, err=True)
    raise typer.Exit(2)
