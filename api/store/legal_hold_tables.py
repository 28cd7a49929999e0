"""Whose data must not be erased. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, String, Table, Text

from api.store.schema import metadata

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("hold_id", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("placed_by", String(64), nullable=False),
    Column("placed_at", Double, nullable=False),
    Column("lifted_by", String(64), nullable=False, server_default=""),
    Column("lifted_at", Double),
)
"""``reason``: why, as a court or a file names it; it says nothing of the person."""

held_people = Table(
    "held_people",
    metadata,
    Column("hold_id", String(64), primary_key=True),
    Column("person", String(32), primary_key=True),
    Index("ix_held_people_person", "person"),
)
"""``person``: each handle that led to them when the hold was placed."""

held_calls = Table(
    "held_calls",
    metadata,
    Column("hold_id", String(64), primary_key=True),
    Column("call_id", String(64), primary_key=True),
)
"""Calls of theirs, whose recordings stay."""
