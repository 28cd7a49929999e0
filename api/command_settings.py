"""What every command that needs settings begins with: ``--config``, and a settings tree or the reason why there is none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from api.settings.faults import ConfigError
from api.settings.tree import Settings

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML settings; default: centralita.toml where it exists.")]


def load(config: Path | None, overrides: dict[str, Any] | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings in force; ``env`` in place of the environment. Ends the command with status 2, and every fault on standard error, where
    they are wrong."""
    try:
        return Settings.load(config, env, overrides)
    except ConfigError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
