"""The vault as the settings describe it: for a server, and for a command that runs beside it."""

from api.privacy.key_book import KeyBook, KeysUnavailable
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import StoreUnavailable


def open_vault(settings: Settings) -> Vault:
    """Raises ``StoreUnavailable`` with what to do: without the keys of people the database says nothing."""
    try:
        return Vault(KeyBook(settings.keys_folder, settings.node, settings.privacy_keys(), mirror=settings.privacy.mirror))
    except KeysUnavailable as error:
        raise StoreUnavailable(str(error)) from error
