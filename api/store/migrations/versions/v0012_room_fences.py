"""The fence of each room: the highest with which a node held it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"))
