"""What is kept of customers is sealed, and found by handles; rows of before are sealed by the program (``api/store/sealing.py``)."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unsealed",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("after", sa.Text(), nullable=False, server_default=""),
    )
    for table in ("calls", "legs", "voicemails", "call_backs"):
        op.add_column(table, sa.Column("person", sa.String(32), nullable=False, server_default=""))
    op.create_index("ix_calls_person_started_at", "calls", ["person", "started_at"])
    op.create_index("ix_legs_person_opened_at", "legs", ["person", "opened_at"])
    op.create_index("ix_voicemails_person", "voicemails", ["person"])
    op.create_index("ix_call_backs_person", "call_backs", ["person"])
    for table in ("calls", "legs", "call_events", "voicemails", "call_backs"):
        op.execute(f"INSERT INTO unsealed (name) SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})")
    op.execute("INSERT INTO unsealed (name) SELECT '*' WHERE EXISTS (SELECT 1 FROM unsealed)")
