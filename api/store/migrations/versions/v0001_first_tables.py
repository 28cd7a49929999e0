"""Users, calls, legs, quality, node runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_sign_in_at", sa.Double()),
        sa.PrimaryKeyConstraint("identity", name="pk_users"),
    )
    op.create_table(
        "node_runs",
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("boot_id", name="pk_node_runs"),
    )
    _calls()
    _legs()
    _quality()


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("caller_name", sa.Text(), nullable=False),
        sa.Column("called", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("end_sip", sa.Integer()),
        sa.Column("end_detail", sa.Text()),
        sa.Column("mos_scale", sa.String(8)),
        sa.Column("mos_min", sa.Double()),
        sa.Column("mos_p50", sa.Double()),
        sa.Column("quality_cause", sa.String(32)),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
        sa.ForeignKeyConstraint(["boot_id"], ["node_runs.boot_id"], name="fk_calls_boot_id"),
    )
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_index("ix_calls_state", "calls", ["state"])


def _legs() -> None:
    op.create_table(
        "legs",
        sa.Column("leg_id", sa.String(64), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("trunk", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("end_sip", sa.Integer()),
        sa.Column("end_detail", sa.Text()),
        sa.PrimaryKeyConstraint("leg_id", name="pk_legs"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_legs_call_id", ondelete="CASCADE"),
    )
    op.create_index("ix_legs_call_id", "legs", ["call_id"])
    op.create_index("ix_legs_kind_party_opened_at", "legs", ["kind", "party", "opened_at"])


def _quality() -> None:
    op.create_table(
        "quality",
        sa.Column("leg_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("packets", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Double()),
        sa.Column("jitter_ms", sa.Double()),
        sa.Column("round_trip_ms", sa.Double()),
        sa.Column("discarded", sa.Integer(), nullable=False),
        sa.Column("concealed_ms", sa.Double(), nullable=False),
        sa.Column("level_dbfs", sa.Double()),
        sa.Column("r", sa.Double()),
        sa.Column("mos", sa.Double()),
        sa.Column("scale", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("codec", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("leg_id", "at", name="pk_quality"),
    )
    op.create_index("ix_quality_call_id", "quality", ["call_id"])
