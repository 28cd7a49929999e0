"""Tables of surveys. Conventions as in ``api/store/schema.py``; what names or tells of a customer is sealed (``api/privacy/vault.py``)."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.store.schema import metadata

surveys = Table(
    "surveys",
    metadata,
    Column("survey_id", String(32), primary_key=True),
    Column("token_key", String(64), nullable=False, unique=True),
    Column("rule", String(64), nullable=False),
    Column("after", String(16), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("questions", String(64), nullable=False),
    Column("person_key", String(32), nullable=False),
    Column("contact_id", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("appointment", String(64), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("told_at", Double),
    Column("comment", Text, nullable=False),
    Index("ix_surveys_person_key_asked_at", "person_key", "asked_at"),
    Index("ix_surveys_asked_at", "asked_at"),
    Index("ix_surveys_answered_at", "answered_at"),
    Index("ix_surveys_subject_rule", "subject", "rule", unique=True),
)
"""Who was asked after what. ``token_key``: SHA-256 of the token in the link, which is kept nowhere. ``questions``: scales, with blanks
between. ``person_key``: the customer's handle. ``comment`` is sealed. ``told_at``: when the answers were told to rules."""

survey_answers = Table(
    "survey_answers",
    metadata,
    Column("survey_id", String(32), ForeignKey("surveys.survey_id", ondelete="CASCADE"), primary_key=True),
    Column("scale", String(8), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("at", Double, nullable=False),
)
"""One row per question that was answered; the newest answer counts."""
