"""Contacts, and the calls and chats that the PBX reports."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("first", "last", "company", "email")),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_email_key", "contacts", ["email_key"])
    op.create_table(
        "contact_numbers",
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("e164", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.contact_id"], name="fk_contact_numbers_contact_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", "e164", name="pk_contact_numbers"),
    )
    op.create_index("ix_contact_numbers_e164", "contact_numbers", ["e164"])
    op.create_table(
        "reported_calls",
        sa.Column("report_key", sa.String(64), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("e164", sa.String(32), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "agent", "queue")),
        sa.Column("duration_s", sa.Integer()),
        sa.Column("started_at", sa.Double()),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("report_key", name="pk_reported_calls"),
    )
    op.create_table(
        "reported_chats",
        sa.Column("report_key", sa.String(64), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("e164", sa.String(32), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("email", "name", "agent", "queue", "messages")),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("report_key", name="pk_reported_chats"),
    )
    for table in ("reported_calls", "reported_chats"):
        for column in ("e164", "contact_id"):
            op.create_index(f"ix_{table}_{column}", table, [column])
