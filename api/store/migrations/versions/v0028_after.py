"""Outbox, notes of calls, tasks, what rules did, and what was told to other programs."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("entry_id", sa.String(64), primary_key=True),
        sa.Column("idem", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("backend", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("needs", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("since_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("held_until", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("result", sa.Text(), nullable=False),
    )
    op.create_index("ix_outbox_idem", "outbox", ["idem"], unique=True)
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_backend_subject_number", "outbox", ["backend", "subject", "number"])
    op.create_index("ix_outbox_call_id", "outbox", ["call_id"])
    op.create_index("ix_outbox_person", "outbox", ["person"])
    op.create_table(
        "call_notes",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
    )
    op.create_index("ix_call_notes_person", "call_notes", ["person"])
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(64), primary_key=True),
        sa.Column("idem", sa.String(200), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("assigned", sa.String(64), nullable=False),
        sa.Column("team", sa.String(64), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("done_at", sa.Double()),
        sa.Column("done_by", sa.String(64), nullable=False),
    )
    op.create_index("ix_tasks_idem", "tasks", ["idem"], unique=True)
    op.create_index("ix_tasks_done_at_due_at", "tasks", ["done_at", "due_at"])
    op.create_index("ix_tasks_person", "tasks", ["person"])
    op.create_table(
        "rule_runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("happening", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("ix_rule_runs_rule_happening", "rule_runs", ["rule", "happening"], unique=True)
    op.create_index("ix_rule_runs_at_run_id", "rule_runs", ["at", "run_id"])
    op.create_index("ix_rule_runs_person", "rule_runs", ["person"])
    op.create_table(
        "told_events",
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_told_events_seq", "told_events", ["seq"], unique=True)
    op.create_index("ix_told_events_created_at", "told_events", ["created_at"])
    op.bulk_insert(
        sa.table("record_numbers", sa.column("kind", sa.String), sa.column("last", sa.BigInteger)), [{"kind": "told_events", "last": 0}]
    )
