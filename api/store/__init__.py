"""The database: users, calls, legs, recordings, quality; SQLAlchemy Core with Alembic on SQLite (the default) or PostgreSQL."""

from api.store.errors import StoreUnavailable
from api.store.rows import ApiKey, Sample, SecondFactor, SecurityEvent, StoredCall, StoredLeg, StoredRecording, StoredSession, User
from api.store.store import Store

__all__ = [
    "ApiKey",
    "Sample",
    "SecondFactor",
    "SecurityEvent",
    "Store",
    "StoreUnavailable",
    "StoredCall",
    "StoredLeg",
    "StoredRecording",
    "StoredSession",
    "User",
]
