"""What is known of a PBX: extensions, queues, numbers, and what it says of our calls."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pbx_extensions",
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("pbx_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("identity", sa.String(64)),
        sa.Column("profile", sa.String(64), nullable=False),
        sa.Column("queue_status", sa.String(16), nullable=False),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_pbx_extensions"),
    )
    op.create_index("ix_pbx_extensions_identity", "pbx_extensions", ["identity"])
    op.create_table(
        "pbx_queues",
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("agents", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_pbx_queues"),
    )
    op.create_table(
        "pbx_dids",
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_pbx_dids"),
    )
    op.create_table(
        "pbx_calls",
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("pbx_id", sa.String(64), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("talked_s", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("mos", sa.Double()),
        sa.Column("round_trip_ms", sa.Double()),
        sa.Column("jitter_ms", sa.Double()),
        sa.Column("lost", sa.Double(), nullable=False),
        sa.Column("packets", sa.Integer(), nullable=False),
        sa.Column("codec", sa.String(32), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_pbx_calls"),
    )
