"""The journal of each call, what agents were doing when, and the place of each complete record."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number, word = sa.Integer(), sa.Text()
    amount: sa.Double[float] = sa.Double()
    columns: tuple[tuple[str, str, sa.types.TypeEngine[Any], str], ...] = (
        ("calls", "answered_by", sa.String(64), ""),
        ("calls", "talk_s", amount, "0"),
        ("calls", "hold_s", amount, "0"),
        ("calls", "transfers", number, "0"),
        ("calls", "ended_by", word, ""),
        ("calls", "entries", number, "0"),
        ("calls", "left_out", number, "0"),
        ("legs", "hold_s", amount, "0"),
        ("legs", "ended_by", word, ""),
        ("legs", "codec", sa.String(16), ""),
    )
    for table, name, kind, default in columns:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("calls", sa.Column("record_seq", sa.BigInteger()))
    op.create_index("ix_calls_record_seq", "calls", ["record_seq"], unique=True)
    op.create_table(
        "call_events",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("leg_id", sa.String(64), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_table(
        "agent_states",
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("at", sa.Double(), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("record_seq", sa.BigInteger()),
    )
    op.create_index("ix_agent_states_at", "agent_states", ["at"])
    op.create_index("ix_agent_states_record_seq", "agent_states", ["record_seq"], unique=True)
    numbers = op.create_table(
        "record_numbers",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("last", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(numbers, [{"kind": "calls", "last": 0}, {"kind": "agent_states", "last": 0}])
    # Of calls before there was a journal this much is known.
    op.execute("UPDATE calls SET talk_s = COALESCE(ended_at - answered_at, 0)")
    op.execute("UPDATE calls SET answered_by = agent WHERE direction = 'in' AND answered_at IS NOT NULL")
