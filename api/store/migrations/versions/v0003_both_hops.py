"""Both hops of each second of a leg, and the hop that made a call bad."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIGURES = (
    "r_lost", "far_loss", "hop_loss", "far_jitter_ms", "far_discarded", "far_buffer_ms", "far_r", "far_mos", "far_r_lost",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("quality", sa.Column("kind", sa.String(8), nullable=False, server_default=""))
    op.add_column("quality", sa.Column("packets_sent", sa.Integer(), nullable=False, server_default="0"))
    for name in _FIGURES:
        op.add_column("quality", sa.Column(name, sa.Double()))
    op.add_column("quality", sa.Column("far_scale", sa.String(8), nullable=False, server_default=""))
    op.add_column("quality", sa.Column("far_cause", sa.String(32), nullable=False, server_default="unclassified"))
    op.add_column("quality", sa.Column("fault_hop", sa.String(16)))
    op.add_column("quality", sa.Column("fault_cause", sa.String(32)))
    op.add_column("calls", sa.Column("mos_p10", sa.Double()))
    op.add_column("calls", sa.Column("quality_hop", sa.String(16)))
