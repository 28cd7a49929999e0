"""The database for a command that runs beside a server, or without one."""

from contextlib import AbstractAsyncContextManager

from api.privacy.wiring import open_vault
from api.settings.tree import Settings
from api.store import Store


def store_beside(settings: Settings, node: str = "main") -> AbstractAsyncContextManager[Store]:
    """The store that the settings name, opened with their keys; ``node``: as whom. Raises ``StoreUnavailable``, here and when entered."""
    return Store.open(settings.store_url, vault=open_vault(settings), node=node)
