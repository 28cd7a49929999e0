"""From where on supervisors are told that something is wrong: each change is a row."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_thresholds",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("round_trip_ms", "jitter_ms", "mos", "loss", "service_level", "wait_s")),
    )


def downgrade() -> None:
    op.drop_table("alert_thresholds")
