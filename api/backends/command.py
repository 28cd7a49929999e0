"""``centralita backends``: try one out with the settings as they stand, without a server that runs."""

from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

backends_app = typer.Typer(no_args_is_help=True, help="Booking, CRM and ticketing that are asked beside calls.")


@backends_app.callback()
def backends() -> None:
    """Booking, CRM and ticketing that are asked beside calls."""


@backends_app.command("try")
def try_out(
    backend_id: Annotated[str, typer.Argument(help="As in backends.list, or builtin-crm.")],
    number: Annotated[str, typer.Argument(help="A telephone number, as anybody writes it.")],
    config: ConfigFile = None,
) -> None:
    """Ask a backend who has this number: what it answers, how long that takes, and what is wrong. Ends with 1 where it did not answer."""
    import asyncio

    import msgspec

    from api.backends.trial import Trial, tried
    from api.backends.wiring import backends_alone
    from signaling.refusal import Refusal

    settings = load(config)

    async def act() -> Trial:
        async with backends_alone(settings) as found:
            guard = found.guards.get(backend_id)
            if guard is None:
                known = ", ".join(found.guards) or "none"
                raise Refusal("unknown_backend", f"There is no backend {backend_id}. The settings name: {known}.")
            return await tried(guard, number, settings.dialing.region)

    try:
        trial = asyncio.run(act())
    except Refusal as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(2) from None
    typer.echo(msgspec.json.format(msgspec.json.encode(trial), indent=2).decode())
    raise typer.Exit(1 if trial.cause else 0)
