"""``centralita privacy``: the keys of personal data."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.command_settings import ConfigFile, load

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from api.privacy.asking import WhoAsked

privacy_app = typer.Typer(no_args_is_help=True, help="Personal data and its keys.")


@privacy_app.command("rotate")
def rotate(
    finish: Annotated[bool, typer.Option(help="All servers were started again since: forget the master keys before.")] = False,
    config: ConfigFile = None,
) -> None:
    """Put the keys of all people under a new master key: that of the settings, or, where none is set, one that is drawn now."""
    from api.privacy.key_book import KeysUnavailable
    from api.privacy.wiring import open_vault
    from api.store import StoreUnavailable

    settings = load(config)
    kept = None if settings.privacy.key.get_secret_value() else settings.kept_privacy_key
    try:
        keys = [key.hex() for key in settings.privacy_keys()]
        if kept is not None and not finish:
            keys = [secrets.token_hex(32), *keys]
            _keep(kept, keys)
        changed = open_vault(settings).rewrap()
        if kept is not None and finish:
            _keep(kept, keys[:1])
    except (OSError, KeysUnavailable, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{changed} keys were put under the newest master key.")
    if finish and kept is None:
        typer.echo("Take privacy.previous_keys out of the settings.")
    elif not finish:
        typer.echo("Start all servers again, then run `centralita privacy rotate --finish`: until then the keys before are still needed.")


@privacy_app.command("copy")
def copy(
    by: Annotated[str, typer.Option(help="Who does it: stands in the audit.")],
    reason: Annotated[str, typer.Option(help="What for: stands in the audit.")],
    out: Annotated[Path, typer.Option(help="The file to be made, JSON; it must not be there yet.", dir_okay=False)],
    contact: Annotated[str, typer.Option(help="Id of the contact.")] = "",
    number: Annotated[list[str] | None, typer.Option(help="A number of theirs, in any spelling.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="An address of theirs.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write everything that is kept of a person into a file, to be handed to them."""
    import asyncio
    import time

    import msgspec

    from api.audit.wiring import note_at_once
    from api.privacy.access import SubjectAccess, SubjectCopy
    from api.privacy.asking import WhoAsked, handle_asked, person_asked
    from api.privacy.erasure import Erasure
    from api.privacy.wiring import open_vault
    from api.store import Store, StoreUnavailable
    from signaling.refusal import Refusal

    settings = load(config)
    asked = WhoAsked(reason, contact, tuple(number or ()), tuple(email or ()))

    async def act() -> SubjectCopy:
        vault = open_vault(settings)
        async with Store.open(settings.store_url, vault=vault, node="privacy") as store:
            region = settings.dialing.region
            found = await store.part(SubjectAccess).copy_for(await person_asked(store.part(Erasure), asked, region), time.time())
            await note_at_once(settings, store, "person_copied", by, subject_handle=handle_asked(vault, asked, region), detail=reason)
            return found

    try:
        found = asyncio.run(act())
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(found)))
    except (OSError, Refusal, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{sum(len(kept.rows) for kept in found.kept)} rows of {len(found.kept)} tables are in {out}.")


@privacy_app.command("erase")
def erase(
    reason: Annotated[str, typer.Option(help="What for: stands in the audit, so it must not name them.")],
    contact: Annotated[str, typer.Option(help="Id of the contact.")] = "",
    number: Annotated[list[str] | None, typer.Option(help="A number of theirs, in any spelling.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="An address of theirs.")] = None,
    by: Annotated[str, typer.Option(help="Who does it; else whoever is signed in at this machine.")] = "",
    config: ConfigFile = None,
) -> None:
    """Forget a person in every table and file, and print the proof, as POST /api/v1/privacy/erasures does."""
    from api.privacy.at_console import forget

    _print_of(forget(load(config), _who(reason, contact, number, email), by or _console()))


@privacy_app.command("hold")
def hold(
    reason: Annotated[str, typer.Option(help="Why, as a court or a file names it: it must not name them.")],
    contact: Annotated[str, typer.Option(help="Id of the contact.")] = "",
    number: Annotated[list[str] | None, typer.Option(help="A number of theirs, in any spelling.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="An address of theirs.")] = None,
    by: Annotated[str, typer.Option(help="Who does it; else whoever is signed in at this machine.")] = "",
    config: ConfigFile = None,
) -> None:
    """Erase nothing of a person, neither on request nor by age, until the hold is lifted; prints it."""
    from api.privacy.at_console import place

    _print_of(place(load(config), _who(reason, contact, number, email), by or _console()))


@privacy_app.command("holds")
def holds(config: ConfigFile = None) -> None:
    """Print all holds, the newest first."""
    from api.privacy.at_console import every

    _print_of(every(load(config)))


@privacy_app.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(help="As `centralita privacy holds` prints it.")],
    by: Annotated[str, typer.Option(help="Who does it; else whoever is signed in at this machine.")] = "",
    config: ConfigFile = None,
) -> None:
    """End a hold."""
    from api.privacy.at_console import lift as lift_hold

    _print_of(lift_hold(load(config), hold_id, by or _console()))


@privacy_app.command("retention")
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing: say how much it would be.")] = False,
    by: Annotated[str, typer.Option(help="Who does it: stands in the audit.")] = "",
    config: ConfigFile = None,
) -> None:
    """Delete what was kept for long enough (settings: retention), as servers do four times a day by themselves."""
    import asyncio
    from collections.abc import Mapping

    from api.audit.wiring import note_at_once
    from api.privacy.retention import Retention
    from api.store import StoreUnavailable
    from api.store.retention import RetentionStore
    from api.store_beside import store_beside

    settings = load(config)

    async def act() -> Mapping[str, int]:
        async with store_beside(settings, node="privacy") as store:
            noted: list[tuple[str, str]] = []
            policy, region = settings.retention.policy(), settings.dialing.region
            work = Retention(store.part(RetentionStore), policy, region, lambda kind, detail: noted.append((kind, detail)))
            found = await work.due() if dry_run else await work.look()
            for kind, detail in noted:
                await note_at_once(settings, store, kind, by, detail=detail)
            return found

    if not dry_run and not by:
        raise typer.BadParameter("say who does it, or give --dry-run")
    try:
        found = asyncio.run(act())
    except (OSError, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for name, count in found.items():
        typer.echo(f"{name}: {count}")
    typer.echo(f"{sum(found.values())} {'would be' if dry_run else 'were'} deleted.")


def _who(reason: str, contact: str, number: list[str] | None, email: list[str] | None) -> "WhoAsked":
    from api.card_numbers import without_cards_in
    from api.privacy.asking import WhoAsked

    if not 3 <= len(reason) <= 200:
        raise typer.BadParameter("--reason takes 3 to 200 characters")
    return without_cards_in(WhoAsked(reason, contact, tuple(number or ()), tuple(email or ())), "reason")


def _console() -> str:
    """The administrator of this machine, as the audit has them."""
    import getpass

    return f"console:{getpass.getuser()}"[:64]


def _print_of(work: "Coroutine[Any, Any, object]") -> None:
    """What came of it, as JSON; status 2 and why where nothing did."""
    import asyncio

    import msgspec

    from api.privacy.key_book import KeysUnavailable
    from api.store import StoreUnavailable
    from signaling.refusal import Refusal

    try:
        found = asyncio.run(work)
    except (OSError, LookupError, KeysUnavailable, Refusal, StoreUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


def _keep(path: Path, keys: list[str]) -> None:
    """All of them or, after a kill, those of before."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
