"""Of whom something was deleted because its time was over. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, String, Table

from api.store.schema import metadata

departed = Table(
    "departed",
    metadata,
    Column("person", String(32), primary_key=True),
    Column("place", String(64), nullable=False),
    Column("looked_at", Double, nullable=False),
    Index("ix_departed_looked_at", "looked_at"),
)
"""``person``: a handle. ``place``: the call or the room it was about, whose files may be under their key; empty: there are none.
``looked_at``: when it was found that something of theirs is left; 0: nobody looked yet."""
