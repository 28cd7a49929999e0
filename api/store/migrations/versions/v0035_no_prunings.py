"""How far was pruned is not kept any more: what is due is looked for."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("prunings")


def downgrade() -> None:
    op.create_table("prunings", sa.Column("kind", sa.String(16), primary_key=True), sa.Column("until", sa.Double, nullable=False))
