"""Links by which guests come to a room."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("links", sa.Text(), nullable=False, server_default="{}"))
