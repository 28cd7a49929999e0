"""`[store]`: the database."""

from pydantic import SecretStr

from api.settings.section import Section


class StoreSection(Section):
    url: SecretStr = SecretStr("")
    """SQLAlchemy URL (``postgresql+asyncpg://...``); empty: an SQLite file in the data folder."""
