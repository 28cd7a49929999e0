"""Tours, departures and bookings."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tours",
        sa.Column("tour_id", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("title_en", "title_es", "about_en", "about_es")),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tour_id", name="pk_tours"),
    )
    op.create_table(
        "departures",
        sa.Column("departure_id", sa.String(64), nullable=False),
        sa.Column("tour_id", sa.String(64), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("seat_price_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("deposit_percent", sa.Integer(), nullable=False),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tour_id"], ["tours.tour_id"], name="fk_departures_tour_id"),
        sa.PrimaryKeyConstraint("departure_id", name="pk_departures"),
    )
    op.create_index("ix_departures_tour_id", "departures", ["tour_id", "starts_at"])
    op.create_index("ix_departures_starts_at", "departures", ["starts_at"])
    op.create_table(
        "bookings",
        sa.Column("reference", sa.String(8), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("departure_id", sa.String(64), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("seat_price_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("deposit_percent", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("hold_until", sa.Double()),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["departure_id"], ["departures.departure_id"], name="fk_bookings_departure_id"),
        sa.PrimaryKeyConstraint("reference", name="pk_bookings"),
    )
    op.create_index("ix_bookings_contact_id", "bookings", ["contact_id"])
    op.create_index("ix_bookings_departure_id", "bookings", ["departure_id", "state"])
    op.create_index("ix_bookings_hold_until", "bookings", ["state", "hold_until"])
    op.create_table(
        "booking_steps",
        sa.Column("reference", sa.String(8), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("departure_id", sa.String(64), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("paper", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["reference"], ["bookings.reference"], name="fk_booking_steps_reference"),
        sa.PrimaryKeyConstraint("reference", "revision", name="pk_booking_steps"),
    )
    op.create_table(
        "booking_keys",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(8), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_booking_keys"),
    )
    op.create_index("ix_booking_keys_at", "booking_keys", ["at"])
