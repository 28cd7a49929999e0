"""How far consultations come from link to conversation."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consultation_steps",
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "step", name="pk_consultation_steps"),
    )
    op.create_index("ix_consultation_steps_step_at", "consultation_steps", ["step", "at"])


def downgrade() -> None:
    op.drop_table("consultation_steps")
