"""Tables of contacts, and of what the PBX reports of calls and chats. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.store.schema import metadata

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", String(64), primary_key=True),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("company", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", String(320), nullable=False),
    Column("search", Text, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_contacts_email_key", "email_key"),
)
"""``email_key`` and ``search`` are written in small letters, to be compared with: the address, and every name and number with blanks
between."""

contact_numbers = Table(
    "contact_numbers",
    metadata,
    Column("contact_id", String(64), ForeignKey("contacts.contact_id", ondelete="CASCADE"), primary_key=True),
    Column("e164", String(32), primary_key=True),
    Column("place", Integer, nullable=False),
    Index("ix_contact_numbers_e164", "e164"),
)
"""A number may be that of several people. ``place``: the first is shown first."""

reported_calls = Table(
    "reported_calls",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("direction", String(8), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("number", Text, nullable=False),
    Column("e164", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("duration_s", Integer),
    Column("started_at", Double),
    Column("received_at", Double, nullable=False),
    Column("contact_id", String(64), nullable=False),
    Index("ix_reported_calls_e164", "e164"),
    Index("ix_reported_calls_contact_id", "contact_id"),
)
"""One row per call, however often the PBX tells of it."""

reported_chats = Table(
    "reported_chats",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("number", Text, nullable=False),
    Column("e164", String(32), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("received_at", Double, nullable=False),
    Column("contact_id", String(64), nullable=False),
    Index("ix_reported_chats_e164", "e164"),
    Index("ix_reported_chats_contact_id", "contact_id"),
)
