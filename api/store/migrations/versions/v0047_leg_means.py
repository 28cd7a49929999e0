"""What agents speak into, and by what their browsers' packets travel."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_COLUMNS = (("headset", 48), ("connection", 8), ("way", 16), ("family", 8))


def upgrade() -> None:
    for name, length in _COLUMNS:
        op.add_column("legs", sa.Column(name, sa.String(length), nullable=False, server_default=""))


def downgrade() -> None:
    for name, _ in _COLUMNS:
        op.drop_column("legs", name)
