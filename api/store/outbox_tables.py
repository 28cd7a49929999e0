"""The table of what is still to be written at other systems, or to be sent. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("entry_id", String(64), primary_key=True),
    Column("idem", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("backend", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("person", String(32), nullable=False),
    Column("needs", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("since_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("fault", Text, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("held_until", Double, nullable=False),
    Column("ended_at", Double),
    Column("result", Text, nullable=False),
    Index("ix_outbox_idem", "idem", unique=True),
    Index("ix_outbox_state_due_at", "state", "due_at"),
    Index("ix_outbox_backend_subject_number", "backend", "subject", "number"),
    Index("ix_outbox_call_id", "call_id"),
    Index("ix_outbox_person", "person"),
)
"""``idem``: of two entries with the same only the first counts. ``state``: ``waiting``, ``done``, ``dead`` (a person has to look) or
``dropped``. Of one ``backend`` and ``subject`` by rising ``number``. ``needs``: the ``idem`` of an entry whose result this one wants.
``body`` and ``result`` are sealed, and ``body`` is gone once it is done. ``since_at``: from when on it is tried. ``holder``: the node that
delivers it until ``held_until``."""
