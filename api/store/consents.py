"""What customers agreed to, in the database."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import select

from api.store.consent_tables import consents
from api.store.database import in_words
from api.store.rows import Row
from api.store.statements import Statements


class Consent(Struct, frozen=True):
    """What somebody said to a purpose. ``wording``: what they were asked. ``at``: seconds since the epoch. ``by``: who noted it; empty:
    they themselves."""

    purpose: str
    given: bool
    wording: str
    at: float
    by: str


class ConsentStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def add(self, person_key: str, consent: Consent) -> None:
        row: Row = {name: getattr(consent, name) for name in Consent.__struct_fields__} | {"person_key": person_key}
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(self._insert(consents).values(row).on_conflict_do_nothing())

    async def said(self, person_keys: Collection[str], purpose: str = "") -> list[Consent]:
        """Everything that whoever has one of these handles said, the newest first."""
        query = select(*(consents.c[name] for name in Consent.__struct_fields__)).where(consents.c.person_key.in_(person_keys))
        query = query.where(consents.c.purpose == purpose) if purpose else query
        return [Consent(**row) for row in await self._rows(query.order_by(consents.c.at.desc()))]
