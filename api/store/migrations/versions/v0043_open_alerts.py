"""Alerts of queues outlive the process that raised them."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "open_alerts",
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("alert_id", sa.String(160), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("worst", sa.Double(), nullable=False),
        sa.Column("acknowledged_by", sa.String(64), nullable=False),
        sa.Column("snoozed_by", sa.String(64), nullable=False),
        sa.Column("snoozed_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("node", "alert_id", name="pk_open_alerts"),
    )


def downgrade() -> None:
    op.drop_table("open_alerts")
