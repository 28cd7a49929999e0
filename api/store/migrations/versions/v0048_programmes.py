"""What happens on each day of a tour."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tours", sa.Column("programme", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("tours", "programme")
