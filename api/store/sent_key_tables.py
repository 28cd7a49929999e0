"""The table of keys under which something was asked for once. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

sent_keys = Table(
    "sent_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("who", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Index("ix_sent_keys_at", "at"),
    Index("ix_sent_keys_who_at", "who", "at"),
)
"""``key_id``: a digest of whose key it is and of the key. ``status``: of the answer, 0 while it is being made. ``answer``: encrypted under
the key that was sent, which is not kept (``api/once.py``)."""
