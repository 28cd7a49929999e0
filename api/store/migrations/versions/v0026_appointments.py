"""Consultation appointments: services, calendars, who booked what, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consultation_services",
        sa.Column("service_id", sa.String(64), primary_key=True),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_es", sa.Text(), nullable=False),
        sa.Column("about_en", sa.Text(), nullable=False),
        sa.Column("about_es", sa.Text(), nullable=False),
        sa.Column("length_min", sa.Integer(), nullable=False),
        sa.Column("step_min", sa.Integer(), nullable=False),
        sa.Column("languages", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("professionals", sa.Text(), nullable=False),
        sa.Column("early_min", sa.Integer(), nullable=False),
        sa.Column("late_min", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "work_calendars",
        sa.Column("professional", sa.String(64), primary_key=True),
        sa.Column("hours", sa.Text(), nullable=False),
        sa.Column("languages", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("buffer_min", sa.Integer(), nullable=False),
        sa.Column("notice_min", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
    )
    op.create_table(
        "absences",
        sa.Column("absence_id", sa.String(64), primary_key=True),
        sa.Column("professional", sa.String(64), nullable=False),
        sa.Column("from_at", sa.Double(), nullable=False),
        sa.Column("until_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
    )
    op.create_index("ix_absences_professional", "absences", ["professional", "until_at"])
    op.create_table(
        "appointments",
        sa.Column("appointment_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=False),
        sa.Column("professional", sa.String(64), nullable=False),
        sa.Column("start_at", sa.Double(), nullable=False),
        sa.Column("end_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("number_key", sa.String(32), nullable=False),
        sa.Column("email_key", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("room_id", sa.String(64), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("idem", sa.String(64), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
    )
    op.create_index("ux_appointments_number", "appointments", ["number"], unique=True)
    op.create_index("ux_appointments_token_hash", "appointments", ["token_hash"], unique=True)
    op.create_index("ux_appointments_idem", "appointments", ["idem"], unique=True)
    op.create_index("ix_appointments_professional", "appointments", ["professional", "start_at"])
    op.create_index("ix_appointments_state", "appointments", ["state", "start_at"])
    op.create_index("ix_appointments_set_at", "appointments", ["set_at"])
    op.create_index("ix_appointments_room_id", "appointments", ["room_id"])
    op.create_index("ix_appointments_contact_id", "appointments", ["contact_id"])
    op.create_index("ix_appointments_person", "appointments", ["person"])
    op.create_index("ix_appointments_number_key", "appointments", ["number_key"])
    op.create_index("ix_appointments_email_key", "appointments", ["email_key"])
    op.create_table(
        "appointment_cells",
        sa.Column("professional", sa.String(64), primary_key=True),
        sa.Column("cell", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("appointment_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.appointment_id"], name="fk_appointment_cells_appointment_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_appointment_cells_appointment_id", "appointment_cells", ["appointment_id"])
    op.create_table(
        "appointment_steps",
        sa.Column("appointment_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("start_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.appointment_id"], name="fk_appointment_steps_appointment_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "appointment_notices",
        sa.Column("appointment_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sent_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.appointment_id"], name="fk_appointment_notices_appointment_id", ondelete="CASCADE"
        ),
    )
