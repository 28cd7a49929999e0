"""Of each field of a contact it is kept where it came from."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("origins", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("contacts", "origins")
