"""Speech, noise and echo of each second of a leg."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ("speech", "noise_dbfs", "echo_return_loss_db", "echo_return_loss_enhancement_db")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("quality", sa.Column(name, sa.Double()))
