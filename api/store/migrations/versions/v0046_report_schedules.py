"""Reports that are sent by the day or the week."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_schedules",
        sa.Column("schedule_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("every", sa.String(8), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(8), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double()),
        sa.PrimaryKeyConstraint("schedule_id", name="pk_report_schedules"),
    )
    op.create_index("ix_report_schedules_next_at", "report_schedules", ["next_at"])
    op.create_index("ix_report_schedules_owner", "report_schedules", ["owner"])


def downgrade() -> None:
    op.drop_table("report_schedules")
