"""``centralita records``: call detail records, and what agents did, as CSV or JSON lines on standard output."""

import sys
import time
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

records_app = typer.Typer(no_args_is_help=True, help="Call detail records.")


@records_app.callback()
def records() -> None:
    """Call detail records."""


@records_app.command("export")
def export(
    by: Annotated[str, typer.Option(help="Who wants it: stands in the audit.")],
    kind: Annotated[str, typer.Option(help="call, leg, event, visit or agent_state.")] = "call",
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "jsonl",
    begun_from: Annotated[str, typer.Option("--from", help="Day or instant, 2026-11-22 or 2026-11-22T09:30:00+01:00.")] = "",
    begun_before: Annotated[str, typer.Option("--to", help="Until then, the same way; this instant no more.")] = "",
    since: Annotated[str, typer.Option(help="Only what is behind this cursor.")] = "0",
    agent: Annotated[str, typer.Option(help="Only what this person took part in, or was rung for.")] = "",
    queue: Annotated[str, typer.Option(help="Only what waited in this queue.")] = "",
    config: ConfigFile = None,
) -> None:
    """Write complete records, oldest first; the fields are explained in docs/records.md."""
    import asyncio

    from api.audit.wiring import note_at_once
    from api.record_lines import body, head
    from api.record_routes import asked_words, exported, wanted_of
    from api.store import StoreUnavailable
    from api.store_beside import store_beside
    from signaling.refusal import Refusal

    settings = load(config)
    asked = {"kind": kind, "format": form, "from": begun_from, "to": begun_before, "since": since, "agent": agent, "queue": queue}

    async def write() -> None:
        of_kind, as_form, wanted = wanted_of(asked)
        async with store_beside(settings, node="records") as store:
            detail = f"{asked_words(of_kind, as_form, wanted)}, by the command line"
            await note_at_once(settings, store, "records_exported", by, detail=detail)
            sys.stdout.buffer.write(head(of_kind, as_form))
            async for page in exported(store.records, of_kind, wanted, time.time()):
                sys.stdout.buffer.write(body(of_kind, as_form, page))
        sys.stdout.buffer.flush()

    try:
        asyncio.run(write())
    except (Refusal, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
