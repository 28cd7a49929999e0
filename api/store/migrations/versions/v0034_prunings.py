"""How far old quality samples were taken away."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prunings",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("until", sa.Double(), nullable=False),
    )
