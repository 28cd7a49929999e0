"""What customers agreed to. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, String, Table, Text

from api.store.schema import metadata

consents = Table(
    "consents",
    metadata,
    Column("person_key", String(32), primary_key=True),
    Column("purpose", String(32), primary_key=True),
    Column("at", Double, primary_key=True),
    Column("given", Boolean, nullable=False),
    Column("wording", Text, nullable=False),
    Column("by", String(64), nullable=False),
    Column("answer", String(16), nullable=False, server_default=""),
    Column("language", String(16), nullable=False, server_default=""),
    Column("version", String(16), nullable=False, server_default=""),
    Column("means", String(16), nullable=False, server_default=""),
    Column("about", String(128), nullable=False, server_default=""),
    Column("until_at", Double),
)
"""Every word of theirs, the newest counts. ``person_key``: a handle. ``wording``: what they were asked, ``version``: a digest of it.
``by``: who noted it; empty: they themselves. ``about``: the call, the room, the message or the entry, by its id. ``until_at`` null: until
it is taken back."""
