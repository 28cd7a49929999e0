"""How long callers waited in which queue and how that ended; what a call's record says of the contact centre."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("entry", "queue"):
        op.add_column("calls", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("calls", sa.Column("language", sa.String(16), nullable=False, server_default=""))
    op.add_column("calls", sa.Column("waited_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("call_back", sa.String(80), nullable=False, server_default=""))
    op.add_column("calls", sa.Column("vip", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "queue_visits",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("visit", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("joined_at", sa.Double(), nullable=False),
        sa.Column("left_at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("leg_id", sa.String(64), nullable=False),
        sa.Column("offers", sa.Integer(), nullable=False),
        sa.Column("in_time", sa.Boolean(), nullable=False),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("wraps_up", sa.Boolean(), nullable=False),
        sa.Column("quarter", sa.Integer(), nullable=False),
    )
    op.create_index("ix_queue_visits_quarter", "queue_visits", ["quarter"])
