"""Tables of tickets. Conventions as in ``api/store/schema.py``; what names or tells of a customer is sealed (``api/privacy/vault.py``)."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.store.schema import metadata

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", String(32), primary_key=True),
    Column("idem", String(128), nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_key", String(32), nullable=False),
    Column("contact_id", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    Column("category", String(64), nullable=False),
    Column("priority", String(8), nullable=False),
    Column("state", String(8), nullable=False),
    Column("team", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("opened_by", String(64), nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("used_s", Double, nullable=False),
    Column("running_since", Double),
    Column("taken", Text, nullable=False),
    Column("ended_at", Double),
    Column("due_at", Double),
    Column("step_at", Double),
    Column("revision", Integer, nullable=False),
    Index("ix_tickets_number_key", "number_key"),
    Index("ix_tickets_contact_id", "contact_id"),
    Index("ix_tickets_state_due_at", "state", "due_at"),
    Index("ix_tickets_opened_at", "opened_at"),
    Index("ix_tickets_step_at", "step_at"),
)
"""``title`` and ``number`` are sealed; ``number_key`` is the number's handle. ``taken``: names of steps, with blanks between. ``step_at``:
when the next step is due. ``revision``: how many entries its journal has."""

ticket_entries = Table(
    "ticket_entries",
    metadata,
    Column("ticket_id", String(32), ForeignKey("tickets.ticket_id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("idem", String(128), unique=True),
    Column("at", Double, nullable=False),
    Column("by", String(64), nullable=False),
    Column("what", String(16), nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("changes", Text, nullable=False),
)
"""What happened to a ticket: who, when, what. ``text`` (a comment) and ``changes`` (JSON: by field what it was and is) are sealed."""

ticket_links = Table(
    "ticket_links",
    metadata,
    Column("ticket_id", String(32), ForeignKey("tickets.ticket_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("target", String(128), primary_key=True),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("expires_at", Double),
    Column("at", Double, nullable=False),
    Column("by", String(64), nullable=False),
    Index("ix_ticket_links_kind_target", "kind", "target"),
)
"""What a ticket is about. ``target``: the id of a call, recording, booking, appointment. ``title`` and ``url`` are sealed."""
