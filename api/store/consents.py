"""What customers agreed to, in the database."""

from collections.abc import Collection, Sequence

from msgspec import Struct
from sqlalchemy import select

from api.store.consent_tables import consents
from api.store.database import in_words
from api.store.rows import Row
from api.store.statements import Statements


class Consent(Struct, frozen=True):
    """What somebody said to a purpose. ``answer``: ``yes``, ``no``, ``withdrawn`` or ``told`` (they were told, and not asked); empty: of
    before, as ``given`` says. ``wording``: what they were asked or told, in this ``language``; ``version``: the same for the same words.
    ``means``: ``spoken``, ``voice``, ``page``, ``rest``, ``agent`` or ``list``. ``at``: seconds since the epoch; ``until_at`` null: until
    it is taken back. ``by``: who noted it; empty: they themselves. ``about``: of which call, room, message or entry."""

    purpose: str
    given: bool
    wording: str
    at: float
    by: str
    answer: str = ""
    language: str = ""
    version: str = ""
    means: str = ""
    about: str = ""
    until_at: float | None = None


class ConsentStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def add(self, person_key: str, consent: Consent) -> None:
        await self.add_all([(person_key, consent)])

    async def add_all(self, said: Sequence[tuple[str, Consent]]) -> None:
        """By handle. What is there already stays as it is."""
        rows: list[Row] = [{name: getattr(each, name) for name in Consent.__struct_fields__} | {"person_key": key} for key, each in said]
        if not rows:
            return
        with in_words(self._engine.url):
            async with self._writing() as connection:
                await connection.execute(self._insert(consents).on_conflict_do_nothing(), rows)

    async def said(self, person_keys: Collection[str], purpose: str = "") -> list[Consent]:
        """Everything that whoever has one of these handles said, the newest first; what stands under several of them once."""
        query = select(*(consents.c[name] for name in Consent.__struct_fields__)).where(consents.c.person_key.in_(person_keys))
        query = query.where(consents.c.purpose == purpose) if purpose else query
        rows = await self._rows(query.order_by(consents.c.at.desc()))
        return list(dict.fromkeys(Consent(**row) for row in rows))

    async def of_many(self, person_keys: Collection[str], purpose: str) -> dict[str, list[Consent]]:
        """The same by handle."""
        found: dict[str, list[Consent]] = {}
        names = ("person_key", *Consent.__struct_fields__)
        keys = sorted(person_keys)
        for begin in range(0, len(keys), _AT_A_TIME):
            query = select(*(consents.c[name] for name in names)).where(consents.c.person_key.in_(keys[begin : begin + _AT_A_TIME]))
            for row in await self._rows(query.where(consents.c.purpose == purpose).order_by(consents.c.at.desc())):
                said = {name: value for name, value in row.items() if name != "person_key"}
                found.setdefault(row["person_key"], []).append(Consent(**said))
        return found


_AT_A_TIME = 500
