"""Tables of rooms that people come to, and of what is written in them. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata
from api.store.sealed import Sealed

rooms = Table(
    "rooms",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Sealed, nullable=False),
    Column("metadata", Sealed, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("waiting_room", Boolean, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    Column("members", Text, nullable=False),
    Column("links", Text, nullable=False, server_default="{}"),
    Column("starts_at", Double),
    Column("ends_at", Double),
    Column("early_s", Double),
    Column("late_s", Double),
    Column("expires_at", Double),
    Column("state", String(16), nullable=False),
    Column("end_reason", String(16)),
    Column("ended_at", Double),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Index("ix_rooms_ended_at", "ended_at"),
)
"""Complete each time; the newest counts, but what has ended stays ended. ``members`` and ``links`` are JSON:
a room is only ever read whole. ``fence``: the highest with which a node held it (``rooms/ownership.py``)."""

room_people = Table(
    "room_people",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("identity", String(64), primary_key=True),
    Column("may_read", Boolean, nullable=False),
    Index("ix_room_people_identity", "identity"),
)
"""Everybody who was ever in a room; they may read what was written there when it is over, unless a host put them out."""

messages = Table(
    "messages",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("message_id", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sender", String(64), nullable=False),
    Column("sender_name", Sealed, nullable=False),
    Column("sent_at", Double, nullable=False),
    Column("text", Sealed, nullable=False),
    Column("cipher", Text, nullable=False),
    Column("reply_to", String(64), nullable=False),
    Column("attachments", Text, nullable=False),
    Column("reactions", Text, nullable=False),
    Column("edited_at", Double),
    Column("deleted_at", Double),
    Column("revision", Integer, nullable=False),
    Index("ix_messages_room_id_position", "room_id", "position"),
)
"""``attachments`` and ``reactions`` are JSON. Of two writes of one message the higher ``revision`` counts."""

read_marks = Table(
    "read_marks",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("identity", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    Column("attachment_id", String(64), primary_key=True),
    Column("room_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("name", Sealed, nullable=False),
    Column("content_type", String(128), nullable=False),
    Column("size", Integer, nullable=False),
    Column("file", String(64), nullable=False),
    Column("uploaded_at", Double, nullable=False),
    Index("ix_attachments_room_id", "room_id"),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("event_id", String(64), primary_key=True),
    Column("url", Text, primary_key=True),
    Column("event", String(64), nullable=False),
    Column("subject", String(64), nullable=False, server_default=""),
    Column("number", BigInteger, nullable=False, server_default="0"),
    Column("body", Sealed, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("ix_webhook_outbox_url_subject_number", "url", "subject", "number"),
)
"""What receivers have not taken yet. Of one ``subject``, a room or a call, by rising ``number``."""

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("url", Text, primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("held_until", Double, nullable=False),
    Column("taken_at", Double),
    Column("failing_since", Double),
    Column("failures", Integer, nullable=False),
    Column("fault", Text, nullable=False),
    Column("retry_at", Double, nullable=False),
    Column("cut_off_at", Double),
)
"""How it stands with each receiver, and which node posts to it: one at a time, or there would be no order."""
