"""Whose data must not be erased."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", sa.String(64), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(64), nullable=False),
        sa.Column("placed_at", sa.Double(), nullable=False),
        sa.Column("lifted_by", sa.String(64), nullable=False, server_default=""),
        sa.Column("lifted_at", sa.Double()),
    )
    op.create_table(
        "held_people",
        sa.Column("hold_id", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(32), primary_key=True),
    )
    op.create_index("ix_held_people_person", "held_people", ["person"])
    op.create_table(
        "held_calls",
        sa.Column("hold_id", sa.String(64), primary_key=True),
        sa.Column("call_id", sa.String(64), primary_key=True),
    )
