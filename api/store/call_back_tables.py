"""Tables of who is to be called back, and of the work after calls; rows that are written once and never change."""

from sqlalchemy import Column, Double, Index, Integer, String, Table

from api.store.schema import metadata
from api.store.sealed import Sealed

call_backs = Table(
    "call_backs",
    metadata,
    Column("call_back_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("node", String(64), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("number", Sealed, nullable=False),
    Column("name", Sealed, nullable=False),
    Column("language", String(8), nullable=False),
    Column("since_at", Double, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Double),
    Column("outcome", String(16), nullable=False),
    Column("person", String(32), nullable=False, server_default=""),
    Index("ix_call_backs_person", "person"),
    Index("ix_call_backs_node", "node", "outcome"),
)
"""How a call-back stood, word by word: its last row counts. ``outcome``: empty until its end. ``node``: whose queues it waits in."""

wrap_ups = Table(
    "wrap_ups",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("began_at", Double, primary_key=True),
    Column("queue", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("ended_at", Double, nullable=False),
)
"""``code``: what the agent said of the call; empty: nothing."""
