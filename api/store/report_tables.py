"""The table of how far consultations came. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Index, String, Table

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
