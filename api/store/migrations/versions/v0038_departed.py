"""Of whom something was deleted because its time was over."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "departed",
        sa.Column("person", sa.String(32), primary_key=True),
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("looked_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_departed_looked_at", "departed", ["looked_at"])


def downgrade() -> None:
    op.drop_table("departed")
