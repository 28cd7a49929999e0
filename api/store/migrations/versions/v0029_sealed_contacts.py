"""Contacts, what the PBX reports, campaigns, the list of who is not to be called, and rooms are sealed; people are found by handles."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0026"
branch_labels = None
depends_on = None

_BY_HANDLE = ("contact_numbers", "reported_calls", "reported_chats", "campaign_entries", "do_not_call")


def upgrade() -> None:
    for table in ("contact_numbers", "reported_calls", "reported_chats"):
        op.drop_index(f"ix_{table}_e164", table)
    for table in _BY_HANDLE:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN e164 TO person")
    for table in ("contact_numbers", "reported_calls", "reported_chats"):
        op.create_index(f"ix_{table}_person", table, ["person"])
    for table in ("contact_numbers", "campaign_entries", "do_not_call"):
        op.add_column(table, sa.Column("number", sa.Text(), nullable=False, server_default=""))
    op.drop_column("contacts", "search")
    op.add_column("contacts", sa.Column("lead_score", sa.Double()))
    op.add_column("contacts", sa.Column("value", sa.Double()))
    op.create_table(
        "contact_words",
        sa.Column("word", sa.String(32), primary_key=True),
        sa.Column("contact_id", sa.String(64), sa.ForeignKey("contacts.contact_id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_index("ix_contact_words_contact_id", "contact_words", ["contact_id"])
    for table in ("contacts", *_BY_HANDLE, "rooms", "messages", "attachments", "webhook_outbox"):
        op.execute(f"INSERT INTO unsealed (name) SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})")
    op.execute("DELETE FROM unsealed WHERE name = '*'")
    op.execute("INSERT INTO unsealed (name) SELECT '*' WHERE EXISTS (SELECT 1 FROM unsealed)")
