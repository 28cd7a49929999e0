"""Bring a database to the schema that this program knows."""

from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from api.store.errors import StoreUnavailable

_LOCK = 0x63656E74
"""Key of the PostgreSQL advisory lock ("cent"): nodes that start together migrate one after another."""


def migrate(connection: Connection, to: str = "head") -> None:
    """Migrate ``to`` this revision, within the caller's transaction. Raises ``StoreUnavailable`` when the schema, or what it is to become,
    is newer than this program."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    with as_file(files("api.store") / "migrations") as folder:
        config = _config(folder)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        found = set(MigrationContext.configure(connection).get_current_heads()) | {to} - {"head"}
        if not found <= known:
            raise StoreUnavailable(
                f"The database has schema {', '.join(sorted(found))}, which is newer than this program. "
                "Install the version of centralita that wrote it, or restore the backup from before."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision_of(connection: Connection) -> str:
    """The revision of the schema; empty: there is none."""
    return ", ".join(sorted(MigrationContext.configure(connection).get_current_heads()))


def newest_revision() -> str:
    """The one that this program knows."""
    with as_file(files("api.store") / "migrations") as folder:
        return str(ScriptDirectory.from_config(_config(folder)).get_current_head())


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
