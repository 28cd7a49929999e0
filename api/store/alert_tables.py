"""The tables of what supervisors are told: from which bounds on, and what is open of queues. Conventions as in ``api/store/schema.py``."""

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

open_alerts = Table(
    "open_alerts",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("alert_id", String(160), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("since", Double, nullable=False),
    Column("worst", Double, nullable=False),
    Column("acknowledged_by", String(64), nullable=False),
    Column("snoozed_by", String(64), nullable=False),
    Column("snoozed_until", Double, nullable=False),
)
"""``api.quality_alerts.Alert`` of queues (``subject``), by the node at which it is open."""
