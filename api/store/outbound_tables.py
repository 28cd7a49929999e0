"""Tables of campaigns, and of who does not want to be called. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from api.store.schema import metadata
from api.store.sealed import Sealed

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("team", String(64), nullable=False),
    Column("script", Text, nullable=False),
    Column("days", String(8), nullable=False),
    Column("begin", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("most_attempts", Integer, nullable=False),
    Column("retry_s", Double, nullable=False),
    Column("running", Boolean, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
)
"""``days``: digits, 1 is Monday. ``begin``, ``end``: minutes after midnight, where a number lives. ``zone``: of numbers that tell none.
``team``: whose it is, empty: everybody's."""

campaign_entries = Table(
    "campaign_entries",
    metadata,
    Column("entry_id", String(64), primary_key=True),
    Column("campaign_id", String(64), ForeignKey("campaigns.campaign_id", ondelete="CASCADE"), nullable=False),
    Column("person", String(32), nullable=False),
    Column("number", Sealed, nullable=False, server_default=""),
    Column("name", Sealed, nullable=False),
    Column("note", Sealed, nullable=False),
    Column("zones", Text, nullable=False),
    Column("consent", Sealed, nullable=False),
    Column("consent_at", Double, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("reserved_by", String(64), nullable=False),
    Column("reserved_until", Double, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("outcome_by", String(64), nullable=False),
    Column("outcome_at", Double),
    UniqueConstraint("campaign_id", "person", name="uq_campaign_entries_e164"),
    Index("ix_campaign_entries_due", "campaign_id", "state", "due_at"),
)
"""``zones``: names of the time zones that the number may lie in, with blanks between. ``consent``: where its owner agreed to be called.
``person``: the handle of the number."""

do_not_call = Table(
    "do_not_call",
    metadata,
    Column("person", String(32), primary_key=True),
    Column("number", Sealed, nullable=False, server_default=""),
    Column("reason", Sealed, nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("added_at", Double, nullable=False),
)
"""``person``: the handle of the number, which stays when its owner is erased: they are not to be called all the same."""
