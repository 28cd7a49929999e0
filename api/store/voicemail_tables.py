"""The table of messages that callers left. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, String, Table

from api.store.schema import metadata
from api.store.sealed import Sealed

voicemails = Table(
    "voicemails",
    metadata,
    Column("voicemail_id", String(80), primary_key=True),
    Column("box", String(64), nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("caller", Sealed, nullable=False),
    Column("caller_name", Sealed, nullable=False),
    Column("language", String(16), nullable=False),
    Column("left_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("duration_s", Double, nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("heard_at", Double),
    Column("heard_by", String(64)),
    Column("erased_at", Double),
    Column("erased_by", String(64)),
    Column("person", String(32), nullable=False, server_default=""),
    Index("ix_voicemails_person", "person"),
    Index("ix_voicemails_box_left_at", "box", "left_at"),
)
"""``voicemail_id`` is its recording's too. ``outcome`` is empty while the caller speaks. A row stays when its recording is erased."""
