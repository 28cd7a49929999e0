"""Tables of how far consultations came, and of reports that are sent. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

consultation_steps = Table(
    "consultation_steps",
    metadata,
    Column("room_id", String(64), primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("at", Double, nullable=False),
    Index("ix_consultation_steps_step_at", "step", "at"),
)
"""When each step from link to conversation was taken first (``api/reports/funnel.py``). Of whom is not kept."""

report_schedules = Table(
    "report_schedules",
    metadata,
    Column("schedule_id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("every", String(8), nullable=False),
    Column("weekday", Integer, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("by", String(8), nullable=False),
    Column("queue", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("addresses", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("sent_at", Double),
    Index("ix_report_schedules_next_at", "next_at"),
    Index("ix_report_schedules_owner", "owner"),
)
"""Which reports are sent to whom of the house, and when next. ``weekday``: 0 is Monday; ``minute`` of the local day. ``addresses``: with
blanks between."""
