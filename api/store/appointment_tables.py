"""Tables of consultation appointments. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.store.schema import metadata

services = Table(
    "consultation_services",
    metadata,
    Column("service_id", String(64), primary_key=True),
    Column("name_en", Text, nullable=False),
    Column("name_es", Text, nullable=False),
    Column("about_en", Text, nullable=False),
    Column("about_es", Text, nullable=False),
    Column("length_min", Integer, nullable=False),
    Column("step_min", Integer, nullable=False),
    Column("languages", Text, nullable=False),
    Column("skills", Text, nullable=False),
    Column("professionals", Text, nullable=False),
    Column("early_min", Integer, nullable=False),
    Column("late_min", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
)
"""What may be booked. ``languages``, ``skills``, ``professionals``: words with blanks between; none: any."""

work_calendars = Table(
    "work_calendars",
    metadata,
    Column("professional", String(64), primary_key=True),
    Column("hours", Text, nullable=False),
    Column("languages", Text, nullable=False),
    Column("skills", Text, nullable=False),
    Column("buffer_min", Integer, nullable=False),
    Column("notice_min", Integer, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("changed_by", String(64), nullable=False),
)
"""``hours``: a document of calendars (``rooms/calendar_reading.py``) named hours, and breaks where there are any."""

absences = Table(
    "absences",
    metadata,
    Column("absence_id", String(64), primary_key=True),
    Column("professional", String(64), nullable=False),
    Column("from_at", Double, nullable=False),
    Column("until_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", String(64), nullable=False),
    Index("ix_absences_professional", "professional", "until_at"),
)

appointments = Table(
    "appointments",
    metadata,
    Column("appointment_id", String(64), primary_key=True),
    Column("number", String(16), nullable=False),
    Column("service_id", String(64), nullable=False),
    Column("professional", String(64), nullable=False),
    Column("start_at", Double, nullable=False),
    Column("end_at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("language", String(8), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("contact_id", String(64), nullable=False),
    Column("person", String(32), nullable=False),
    Column("number_key", String(32), nullable=False),
    Column("email_key", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("e164", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("token", Text, nullable=False),
    Column("room_id", String(64), nullable=False),
    Column("link", Text, nullable=False),
    Column("idem", String(64), nullable=False),
    Column("consent", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("set_at", Double, nullable=False),
    Index("ux_appointments_number", "number", unique=True),
    Index("ux_appointments_token_hash", "token_hash", unique=True),
    Index("ux_appointments_idem", "idem", unique=True),
    Index("ix_appointments_professional", "professional", "start_at"),
    Index("ix_appointments_state", "state", "start_at"),
    Index("ix_appointments_set_at", "set_at"),
    Index("ix_appointments_room_id", "room_id"),
    Index("ix_appointments_contact_id", "contact_id"),
    Index("ix_appointments_person", "person"),
    Index("ix_appointments_number_key", "number_key"),
    Index("ix_appointments_email_key", "email_key"),
)
"""``name`` to ``note``, ``token`` and ``link`` are sealed under ``person``, the customer's handle; ``number_key`` and ``email_key`` are
handles to look up by. ``revision`` rises whenever its time changes, ``set_at`` is when it was put there, or ended. ``room_id`` and
``link`` are empty until its room is made, ``contact_id`` where the customer is no contact. ``consent``: the wording that the customer
agreed to."""

appointment_cells = Table(
    "appointment_cells",
    metadata,
    Column("professional", String(64), primary_key=True),
    Column("cell", Integer, primary_key=True, autoincrement=False),
    Column("appointment_id", String(64), ForeignKey("appointments.appointment_id", ondelete="CASCADE"), nullable=False),
    Index("ix_appointment_cells_appointment_id", "appointment_id"),
)
"""Who is taken when (``api/appointments/slots.py``): the primary key is what keeps two appointments from sharing a time."""

appointment_steps = Table(
    "appointment_steps",
    metadata,
    Column("appointment_id", String(64), ForeignKey("appointments.appointment_id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("step", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("who", String(64), nullable=False),
    Column("start_at", Double, nullable=False),
)
"""What became of each, the first step being ``book``. ``who``: somebody of the house, ``customer``, ``room`` or ``clock``;
``start_at``: the time at which it stood after it."""

appointment_notices = Table(
    "appointment_notices",
    metadata,
    Column("appointment_id", String(64), ForeignKey("appointments.appointment_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("sent_at", Double, nullable=False),
)
"""Which messages of each are in the outbox: each goes once for each time at which the appointment stood."""
