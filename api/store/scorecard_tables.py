"""Tables of scorecards: by what calls are judged, and what was given. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

scorecard_forms = Table(
    "scorecard_forms",
    metadata,
    Column("form_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("criteria", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("at", Double, nullable=False),
    Column("by", String(64), nullable=False),
)
"""One row for each change, the highest is in force: who was judged by an earlier one is judged by that still. ``criteria``: JSON."""

scorecards = Table(
    "scorecards",
    metadata,
    Column("card_id", String(32), primary_key=True),
    Column("form_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("seen_at", Double),
    Column("scores", Text, nullable=False),
    Column("total", Double, nullable=False),
    Column("note", Text, nullable=False),
    Column("person", String(32), nullable=False),
    Index("ix_scorecards_agent_at", "agent", "at"),
    Index("ix_scorecards_at", "at"),
    Index("ix_scorecards_call_id", "call_id"),
    Index("ix_scorecards_person", "person"),
)
"""``scores``: JSON by criterion. ``total``: 0-1. ``note`` is sealed under ``person``, the handle of the call's customer: it may tell of
them, and is unreadable when they are forgotten. ``seen_at``: when the agent read it."""
