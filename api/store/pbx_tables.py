"""What is known of a PBX: its extensions, queues and numbers as it was last asked, and what it says of our calls."""

from sqlalchemy import Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

pbx_extensions = Table(
    "pbx_extensions",
    metadata,
    Column("number", String(32), primary_key=True),
    Column("pbx_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("identity", String(64)),
    Column("profile", String(64), nullable=False),
    Column("queue_status", String(16), nullable=False),
    Column("registered", Boolean, nullable=False),
    Column("seen_at", Double, nullable=False),
    Index("ix_pbx_extensions_identity", "identity"),
)
"""``identity``: the user here who has this extension; NULL for nobody."""

pbx_queues = Table(
    "pbx_queues",
    metadata,
    Column("number", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("agents", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
)
"""``agents``: extensions, with blanks between."""

pbx_dids = Table(
    "pbx_dids",
    metadata,
    Column("number", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("target", String(64), nullable=False),
    Column("seen_at", Double, nullable=False),
)

pbx_calls = Table(
    "pbx_calls",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("pbx_id", String(64), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("talked_s", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("mos", Double),
    Column("round_trip_ms", Double),
    Column("jitter_ms", Double),
    Column("lost", Double, nullable=False),
    Column("packets", Integer, nullable=False),
    Column("codec", String(32), nullable=False),
    Column("judgement", Text, nullable=False),
    Column("joined_at", Double, nullable=False),
)
"""What the PBX's own log says of a call of ours, found by agent, number and time. ``mos`` is NULL where it measured none. No foreign key:
it is written after the call, whatever became of its row."""
