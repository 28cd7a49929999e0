"""Scorecards of calls."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scorecard_forms",
        sa.Column("form_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("form_id", "version", name="pk_scorecard_forms"),
    )
    op.create_table(
        "scorecards",
        sa.Column("card_id", sa.String(32), nullable=False),
        sa.Column("form_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double()),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("card_id", name="pk_scorecards"),
    )
    op.create_index("ix_scorecards_agent_at", "scorecards", ["agent", "at"])
    op.create_index("ix_scorecards_at", "scorecards", ["at"])
    op.create_index("ix_scorecards_call_id", "scorecards", ["call_id"])
    op.create_index("ix_scorecards_person", "scorecards", ["person"])


def downgrade() -> None:
    op.drop_table("scorecards")
    op.drop_table("scorecard_forms")
