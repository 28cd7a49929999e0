"""The database: users, calls, legs, recordings, quality; SQLAlchemy Core with Alembic on SQLite (the default) or PostgreSQL."""

from api.store.audit import AuditEntry, AuditEvent
from api.store.errors import StoreUnavailable
from api.store.rows import (
    ApiKey,
    Sample,
    SecondFactor,
    StoredCall,
    StoredLeg,
    StoredRecording,
    StoredSession,
    StoredVoicemail,
    User,
)
from api.store.store import Store

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditEvent",
    "Sample",
    "SecondFactor",
    "Store",
    "StoreUnavailable",
    "StoredCall",
    "StoredLeg",
    "StoredRecording",
    "StoredSession",
    "StoredVoicemail",
    "User",
]
