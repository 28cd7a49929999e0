"""``centralita threecx crm-template``: writes the CRM template for 3CX, with this server's address and a new key in it."""

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from api.command_settings import ConfigFile, load

ACCOUNT = "threecx"
KEY_NAME = "3CX CRM template"
KEYS_KEPT = 2
"""The PBX goes on with the former key until an administrator has uploaded the new template."""


def crm_template(
    config: ConfigFile = None,
    url: Annotated[str, typer.Option(help="Where the PBX reaches this server; server.public_url where not given.")] = "",
    out: Annotated[Path, typer.Option(help="File to write; the key is in it.")] = Path("centralita-3cx-crm.xml"),
) -> None:
    """Write the CRM template for 3CX. Each time it has a new key; the last but one goes on, older ones end."""
    from pbx.threecx.crm_template import CrmTemplate

    settings = load(config)
    base_url = (url or settings.server.public_url).rstrip("/")

    async def make() -> str:
        from argon2 import PasswordHasher

        from api.audit.wiring import note_at_once
        from api.identity.api_keys import ApiKeys
        from api.store_beside import store_beside
        from signaling.grants import Permission, Role

        settings.server.data_dir.mkdir(parents=True, exist_ok=True)
        async with store_beside(settings) as store:
            people, now = store.people, time.time()
            if await people.user(ACCOUNT) is None:
                # No password opens it: this is the hash of one that nobody knows.
                await people.save_user(ACCOUNT, name="3CX", role=Role.SERVICE, password_hash=PasswordHasher().hash(secrets.token_hex(32)))
            keys = ApiKeys(people)
            key, secret = await keys.make(ACCOUNT, KEY_NAME, "", scopes=[Permission.PBX_CONTEXT])
            ours = [each for each in await keys.all() if (each.identity, each.name) == (ACCOUNT, KEY_NAME)]
            for old in ours[KEYS_KEPT:]:
                await keys.revoke(old.key_id)
            await note_at_once(settings, store, "key_made", ACCOUNT, by="", detail=f"{key.key_id}, by the command line")
            return CrmTemplate(base_url, secret, version=int(now) // 60).document()

    from api.store import StoreUnavailable

    try:
        CrmTemplate(base_url, "")
        document = asyncio.run(make())
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(document)
    except ValueError:
        words = "give the address at which the PBX reaches this server, like https://phone.example.com"
        raise typer.BadParameter(words, param_hint="--url") from None
    except (StoreUnavailable, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out} is written. In 3CX: Integrations, CRM, server side: upload it, choose it, save. It asks {base_url}/pbx.")
    if not base_url.startswith("https://"):
        typer.echo("The key would travel in clear: give this server a certificate and write the template again with https.", err=True)
