"""Vaults for tests: one in memory, and that of a server's data folder, with its database."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from api.privacy.vault import Vault
from api.privacy.wiring import open_vault
from api.settings.tree import Settings
from api.store import Store

VAULT = Vault.in_memory()
"""For stores that no other process opens."""


def vault_of(data_dir: Path) -> Vault:
    """What a server with this data folder seals by, or will."""
    return open_vault(Settings.load(env={}, overrides={"server.data_dir": data_dir}))


def store_of(data_dir: Path) -> AbstractAsyncContextManager[Store]:
    """The database of a server, beside it."""
    return Store.open(f"sqlite:///{data_dir / 'centralita.sqlite3'}", vault=vault_of(data_dir), node="test")
