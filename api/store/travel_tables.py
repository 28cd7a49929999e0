"""Tables of tours, their departures, and bookings. Conventions as in ``api/store/schema.py``; money is a whole number of cents."""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.store.schema import metadata
from api.store.sealed import Sealed

tours = Table(
    "tours",
    metadata,
    Column("tour_id", String(64), primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("title_en", "title_es", "about_en", "about_es")),
    Column("country", String(2), nullable=False),
    Column("days", Integer, nullable=False),
    Column("programme", Text, nullable=False, server_default="[]"),
    Column("changed_by", String(64), nullable=False),
    Column("changed_at", Double, nullable=False),
)
"""``country``: ISO code. ``programme``: JSON, of ``api.travel.programme.TourStage``."""

departures = Table(
    "departures",
    metadata,
    Column("departure_id", String(64), primary_key=True),
    Column("tour_id", String(64), ForeignKey("tours.tour_id"), nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("seats", Integer, nullable=False),
    Column("seat_price_cents", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("deposit_percent", Integer, nullable=False),
    Column("on_sale", Boolean, nullable=False),
    Column("changed_by", String(64), nullable=False),
    Column("changed_at", Double, nullable=False),
    Index("ix_departures_tour_id", "tour_id", "starts_at"),
    Index("ix_departures_starts_at", "starts_at"),
)
"""How many seats are taken is not written here: it is counted from the bookings, by who holds this row's lock."""

bookings = Table(
    "bookings",
    metadata,
    Column("reference", String(8), primary_key=True),
    Column("contact_id", String(64), nullable=False),
    Column("departure_id", String(64), ForeignKey("departures.departure_id"), nullable=False),
    Column("seats", Integer, nullable=False),
    Column("seat_price_cents", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("deposit_percent", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("hold_until", Double),
    Column("paid_cents", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Index("ix_bookings_contact_id", "contact_id"),
    Index("ix_bookings_departure_id", "departure_id", "state"),
    Index("ix_bookings_hold_until", "state", "hold_until"),
)
"""``contact_id``: whose it is. A booking outlives its customer's other data, so this is no foreign key."""

booking_steps = Table(
    "booking_steps",
    metadata,
    Column("reference", String(8), ForeignKey("bookings.reference"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("step", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("contact_id", String(64), nullable=False),
    Column("departure_id", String(64), nullable=False),
    Column("seats", Integer, nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("method", String(16), nullable=False),
    Column("paper", Sealed, nullable=False),
    Column("said", Sealed, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", Double, nullable=False),
)
"""What was done to a booking, by whom and when, and how it stood after that; ``by`` is empty where time did it. ``cents``: money that came,
or went where it is negative; ``method``: in what way, and ``paper``: what it says on the receipt."""

booking_keys = Table(
    "booking_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("reference", String(8), nullable=False),
    Column("at", Double, nullable=False),
    Index("ix_booking_keys_at", "at"),
)
"""What was asked for under an idempotency key, and of which booking it became."""
