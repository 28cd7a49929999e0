"""Tables of the contact centre's plan, and of what agents can. Conventions as in ``api/store/schema.py``."""

from sqlalchemy import Column, Double, ForeignKey, Integer, String, Table, Text

from api.store.schema import metadata

centre_versions = Table(
    "centre_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("by", String(64), nullable=False),
    Column("comment", Text, nullable=False),
)
"""One row for each change of the plan that was accepted; the highest is in force."""

centre_texts = Table(
    "centre_texts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)
"""What documents say, each text once, by its SHA-256: most documents stay the same from version to version."""

centre_documents = Table(
    "centre_documents",
    metadata,
    Column("version", Integer, ForeignKey("centre_versions.version"), primary_key=True, autoincrement=False),
    Column("name", String(128), primary_key=True),
    Column("digest", String(64), ForeignKey("centre_texts.digest"), nullable=False),
)
"""The whole plan of each version."""

agent_skills = Table(
    "agent_skills",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("skill", String(64), primary_key=True),
    Column("level", Integer, nullable=False),
)

agent_queues = Table(
    "agent_queues",
    metadata,
    Column("identity", String(64), primary_key=True),
    Column("queue", String(64), primary_key=True),
)
"""Of which queues somebody takes calls; who has no row here takes those of all whose needs are met."""
