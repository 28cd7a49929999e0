"""Tables of what has happened, entry by entry, and of how far complete records are numbered; beside the tables of ``schema.py``."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata
from api.store.sealed import Sealed

call_events = Table(
    "call_events",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("what", String(32), nullable=False),
    Column("party", Sealed, nullable=False),
    Column("leg_id", String(64), nullable=False),
    Column("by", Sealed, nullable=False),
    Column("detail", Sealed, nullable=False),
)
"""``rooms.entries.Entry``. No foreign key: what happened must be written whatever becomes of its call's row."""

call_traces = Table(
    "call_traces",
    metadata,
    Column("leg_id", String(64), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("call_id", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("left_out", Integer, nullable=False),
    Column("body", Sealed, nullable=False),
    Index("ix_call_traces_call_id", "call_id"),
)
"""What went over the wire of a leg, a portion a row: ``kind`` ``sip``, messages, or ``ice``, the way that a browser's packets took from
then on. ``body``: JSON, as ``api/call_traces.py`` writes it. ``left_out``: messages that were too many. No foreign key, as above."""

agent_states = Table(
    "agent_states",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("at", Double, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("record_seq", BigInteger),
    Index("ix_agent_states_at", "at"),
    Index("ix_agent_states_record_seq", "record_seq", unique=True),
)
"""From ``at`` on this person was in this state, until their next row. ``boot_id``: of the run that wrote it."""

queue_visits = Table(
    "queue_visits",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("visit", Integer, primary_key=True, autoincrement=False),
    Column("queue", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("joined_at", Double, nullable=False),
    Column("left_at", Double, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("leg_id", String(64), nullable=False),
    Column("offers", Integer, nullable=False),
    Column("in_time", Boolean, nullable=False),
    Column("short", Boolean, nullable=False),
    Column("wraps_up", Boolean, nullable=False),
    Column("quarter", Integer, nullable=False),
    Index("ix_queue_visits_quarter", "quarter"),
)
"""``rooms.entries.QueueVisit``. ``quarter``: of an hour, counted from the epoch, in which it began."""

record_numbers = Table(
    "record_numbers",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""The last ``record_seq`` given, of ``calls`` and of ``agent_states``."""
