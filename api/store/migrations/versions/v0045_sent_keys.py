"""What is asked for under a key is done once, at whichever node it is asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sent_keys",
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_sent_keys"),
    )
    op.create_index("ix_sent_keys_at", "sent_keys", ["at"])
    op.create_index("ix_sent_keys_who_at", "sent_keys", ["who", "at"])


def downgrade() -> None:
    op.drop_table("sent_keys")
