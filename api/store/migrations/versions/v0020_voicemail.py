"""Messages that callers left."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "voicemails",
        sa.Column("voicemail_id", sa.String(80), primary_key=True),
        sa.Column("box", sa.String(64), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("caller_name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("left_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("heard_at", sa.Double()),
        sa.Column("heard_by", sa.String(64)),
        sa.Column("erased_at", sa.Double()),
        sa.Column("erased_by", sa.String(64)),
    )
    op.create_index("ix_voicemails_box_left_at", "voicemails", ["box", "left_at"])
