"""How each leg came into its call and what it cost; what people want done with calls to them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("legs", sa.Column("came", sa.String(16), nullable=False, server_default=""))
    op.add_column("legs", sa.Column("brought_by", sa.String(64), nullable=False, server_default=""))
    op.add_column("legs", sa.Column("cost", sa.Double()))
    op.create_index("ix_legs_ended_at", "legs", ["ended_at"])
    # Each call had one phone, which of an outgoing call was on its agent's account.
    out = "SELECT {} FROM calls WHERE calls.call_id = legs.call_id AND calls.direction = 'out'"
    op.execute(
        f"UPDATE legs SET came = 'dialed', brought_by = COALESCE(({out.format('agent')}), ''), cost = ({out.format('cost')}) "
        f"WHERE kind = 'phone' AND EXISTS ({out.format('1')})"
    )
    op.create_table(
        "call_handling",
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("do_not_disturb", sa.Boolean(), nullable=False),
        sa.Column("always", sa.Text(), nullable=False),
        sa.Column("busy", sa.Text(), nullable=False),
        sa.Column("no_answer", sa.Text(), nullable=False),
        sa.Column("offline", sa.Text(), nullable=False),
        sa.Column("no_answer_s", sa.Double(), nullable=False),
    )
