"""Which folder of keys the texts of this database were sealed with."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("key_folder", sa.Column("mark", sa.String(32), primary_key=True))
