"""Tables of contacts, and of what the PBX reports of calls and chats. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, false

from api.store.schema import metadata
from api.store.sealed import Sealed

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", String(64), primary_key=True),
    Column("first", Sealed, nullable=False),
    Column("last", Sealed, nullable=False),
    Column("company", Sealed, nullable=False),
    Column("email", Sealed, nullable=False),
    Column("email_key", String(320), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("vip", Boolean, nullable=False, server_default=false()),
    Column("language", String(8), nullable=False, server_default=""),
    Column("lead_score", Double),
    Column("value", Double),
    Column("origins", Text, nullable=False, server_default="{}"),
    Index("ix_contacts_email_key", "email_key"),
)
"""``email_key``: the handle of the address. ``language``: in which to speak to them, empty: not known. ``lead_score``: 0-1. ``value``: of
what they bought, in the company's currency. NULL: not known. ``origins``: where each field came from (``api/store/origins.py``)."""

contact_words = Table(
    "contact_words",
    metadata,
    Column("word", String(32), primary_key=True),
    Column("contact_id", String(64), ForeignKey("contacts.contact_id", ondelete="CASCADE"), primary_key=True),
    Index("ix_contact_words_contact_id", "contact_id"),
)
"""Handles of the beginnings of words by which a contact is found."""

contact_numbers = Table(
    "contact_numbers",
    metadata,
    Column("contact_id", String(64), ForeignKey("contacts.contact_id", ondelete="CASCADE"), primary_key=True),
    Column("person", String(32), primary_key=True),
    Column("number", Sealed, nullable=False, server_default=""),
    Column("place", Integer, nullable=False),
    Index("ix_contact_numbers_person", "person"),
)
"""A number may be that of several people. ``person``: its handle. ``place``: the first is shown first."""

reported_calls = Table(
    "reported_calls",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("direction", String(8), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("number", Sealed, nullable=False),
    Column("person", String(32), nullable=False),
    Column("name", Sealed, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("duration_s", Integer),
    Column("started_at", Double),
    Column("received_at", Double, nullable=False),
    Column("contact_id", String(64), nullable=False),
    Index("ix_reported_calls_person", "person"),
    Index("ix_reported_calls_contact_id", "contact_id"),
)
"""One row per call, however often the PBX tells of it. ``person``: the handle of its number; so below."""

reported_chats = Table(
    "reported_chats",
    metadata,
    Column("report_key", String(64), primary_key=True),
    Column("number", Sealed, nullable=False),
    Column("person", String(32), nullable=False),
    Column("email", Sealed, nullable=False),
    Column("name", Sealed, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("messages", Sealed, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("received_at", Double, nullable=False),
    Column("contact_id", String(64), nullable=False),
    Index("ix_reported_chats_person", "person"),
    Index("ix_reported_chats_contact_id", "contact_id"),
)
