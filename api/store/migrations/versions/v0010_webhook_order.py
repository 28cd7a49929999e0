"""Webhooks in order: what each is about, its number, and how it stands with each receiver."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook_outbox", sa.Column("subject", sa.String(64), nullable=False, server_default=""))
    op.add_column("webhook_outbox", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_index("ix_webhook_outbox_due_at", "webhook_outbox")
    op.create_index("ix_webhook_outbox_url_subject_number", "webhook_outbox", ["url", "subject", "number"])
    op.create_table(
        "webhook_endpoints",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("held_until", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double()),
        sa.Column("failing_since", sa.Double()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("retry_at", sa.Double(), nullable=False),
        sa.Column("cut_off_at", sa.Double()),
        sa.PrimaryKeyConstraint("url", name="pk_webhook_endpoints"),
    )
