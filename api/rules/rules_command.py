"""``centralita rules``: rules of the house, tried without doing anything."""

from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

rules_app = typer.Typer(no_args_is_help=True, help="Rules: what is done by itself when something happens.")


@rules_app.callback()
def rules() -> None:
    """Rules: what is done by itself when something happens."""


@rules_app.command("try")
def try_rules(
    kind: Annotated[str, typer.Argument(help="What happens: call.missed, call.waited, quality.bad, ...")],
    fact: Annotated[list[str] | None, typer.Option(help="What is known of it, as caller=+34600111222; several times.")] = None,
    file: Annotated[Path | None, typer.Option(help="Rules in place of those of the plan in force.")] = None,
    config: ConfigFile = None,
) -> None:
    """Tell what would be done, and why what would not. Nothing is."""
    import asyncio
    import time

    from api.centre.plan_access import reader
    from api.happenings import Happening
    from api.rules.acting import to_be_done
    from api.rules.routes import fact_of, rules_in
    from api.rules.rules import would_do
    from api.store import StoreUnavailable
    from api.store_beside import store_beside
    from rooms.rules.deciding import decide
    from signaling.refusal import Refusal

    settings = load(config)
    facts = {}
    for each in fact or []:
        name, equals, value = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each!r} is no fact: write name=value.", param_hint="--fact")
        facts[name] = fact_of(value)

    async def in_force() -> dict[str, str]:
        async with store_beside(settings, node="rules") as store:
            return await store.centre.documents(await store.centre.newest())

    try:
        text = file.read_text(encoding="utf-8") if file is not None else ""
        found = rules_in(text) if text else list(reader(settings).read(asyncio.run(in_force()), 0).rules.values())
    except (Refusal, StoreUnavailable, OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None

    def can(channel: str) -> bool:
        return bool(settings.email.host if channel == "email" else settings.sms.url)

    happening = Happening(kind, "trial", time.time(), facts)
    decisions = decide(found or [], kind, facts, (), lambda rule: 0)
    for decision in decisions:
        ready = [to_be_done(act, happening, can=can, ticketing=lambda backend: backend or "ticketing") for act in decision.rule.acts]
        would = would_do(decision, ready)
        typer.echo(f"{would.rule}: {would.outcome}{f', {would.why}' if would.why else ''}")
        for act in would.acts:
            typer.echo(f"  {act}")
    if not decisions:
        typer.echo(f"No rule is about {kind}.")
