"""What happened to one's own account is found quickly."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_security_log_who_seq", "security_log", ["who", "seq"])
