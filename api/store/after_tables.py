"""Tables of notes and tasks, of what rules did, and of what was told to other programs. Conventions as in ``api/store/schema.py``; names,
numbers and free texts of customers are sealed, ``person`` is the handle under which."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

call_notes = Table(
    "call_notes",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("person", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("told", Text, nullable=False),
    Index("ix_call_notes_person", "person"),
)
"""The note of a call as it stands; ``revision`` rises with each change. ``told``: which revision each backend has, as JSON."""

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("idem", String(200), nullable=False),
    Column("person", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("assigned", String(64), nullable=False),
    Column("team", String(64), nullable=False),
    Column("due_at", Double),
    Column("created_at", Double, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("done_at", Double),
    Column("done_by", String(64), nullable=False),
    Index("ix_tasks_idem", "idem", unique=True),
    Index("ix_tasks_done_at_due_at", "done_at", "due_at"),
    Index("ix_tasks_person", "person"),
)
"""What is still to be done for a customer. ``assigned``: to whom, or to a ``team``; ``number``: of whom to call."""

rule_runs = Table(
    "rule_runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("happening", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("person", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_rule_runs_rule_happening", "rule", "happening", unique=True),
    Index("ix_rule_runs_at_run_id", "at", "run_id"),
    Index("ix_rule_runs_person", "person"),
)
"""What rules did, or would have done but for a bound: of one happening each rule once, at whichever node."""

told_events = Table(
    "told_events",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("seq", BigInteger),
    Column("event", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("person", String(32), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_told_events_seq", "seq", unique=True),
    Index("ix_told_events_created_at", "created_at"),
)
"""What receivers of webhooks are told, kept for a while for who wants it again. ``seq``: its place; NULL until somebody asked for it."""
