"""Who was in a room, for when it is over."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "room_people",
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("may_read", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "identity", name="pk_room_people"),
    )
    op.create_index("ix_room_people_identity", "room_people", ["identity"])
