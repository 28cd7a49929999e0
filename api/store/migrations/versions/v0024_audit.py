"""The security log becomes the audit: what it was done to, whose data it was, and a keyed chain."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_security_log_who_seq", "security_log")
    op.rename_table("security_log", "audit")
    op.add_column("audit", sa.Column("entry_id", sa.String(16)))
    op.add_column("audit", sa.Column("what", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("subject", sa.String(32), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("key_id", sa.String(8), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("previous", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_audit_who_seq", "audit", ["who", "seq"])
    op.create_index("ix_audit_subject_seq", "audit", ["subject", "seq"])
    op.create_index("ix_audit_entry_id", "audit", ["entry_id"], unique=True)
