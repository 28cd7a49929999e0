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
)
"""Every word of theirs, the newest counts. ``person_key``: a handle. ``wording``: what they were asked. ``by``: who noted it; empty: they
themselves."""
