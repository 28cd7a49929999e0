"""Which node does what one is enough for. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, String, Table

from api.store.schema import metadata

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Double, nullable=False),
)
"""``holder``: a run of a node. ``until``: by the database's clock, or this machine's where the database is a file."""
