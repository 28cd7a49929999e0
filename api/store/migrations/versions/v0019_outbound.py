"""Campaigns, and who does not want to be called."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team", sa.String(64), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("days", sa.String(8), nullable=False),
        sa.Column("begin", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("most_attempts", sa.Integer(), nullable=False),
        sa.Column("retry_s", sa.Double(), nullable=False),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_campaigns"),
    )
    op.create_table(
        "campaign_entries",
        sa.Column("entry_id", sa.String(64), nullable=False),
        sa.Column("campaign_id", sa.String(64), nullable=False),
        sa.Column("e164", sa.String(32), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "note", "zones", "consent")),
        sa.Column("consent_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("reserved_by", sa.String(64), nullable=False),
        sa.Column("reserved_until", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("outcome_by", sa.String(64), nullable=False),
        sa.Column("outcome_at", sa.Double()),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name="fk_campaign_entries_campaign_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_campaign_entries"),
        sa.UniqueConstraint("campaign_id", "e164", name="uq_campaign_entries_e164"),
    )
    op.create_index("ix_campaign_entries_due", "campaign_entries", ["campaign_id", "state", "due_at"])
    op.create_table(
        "do_not_call",
        sa.Column("e164", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_by", sa.String(64), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("e164", name="pk_do_not_call"),
    )
