"""The table of the bounds from which on supervisors are told. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, Integer, String, Table

from api.store.schema import metadata

alert_thresholds = Table(
    "alert_thresholds",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("by", String(64), nullable=False),
    *(Column(name, Double, nullable=False) for name in ("round_trip_ms", "jitter_ms", "mos", "loss", "service_level", "wait_s")),
)
"""One row for each change; the highest is in force. What they mean: ``api/quality_alerts.py``."""
