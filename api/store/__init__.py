"""The database: users, calls, legs, recordings, quality; SQLAlchemy Core with Alembic on SQLite (the default) or PostgreSQL."""

from api.store.errors import StoreUnavailable
from api.store.rows import Sample, StoredCall, StoredLeg, StoredRecording, User
from api.store.store import Store

__all__ = ["Sample", "Store", "StoreUnavailable", "StoredCall", "StoredLeg", "StoredRecording", "User"]
