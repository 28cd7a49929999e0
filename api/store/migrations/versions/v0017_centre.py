"""The contact centre's plan, version by version; what agents can; which contacts are important, and in what language to speak to them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "centre_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_centre_versions"),
    )
    op.create_table(
        "centre_texts",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_centre_texts"),
    )
    op.create_table(
        "centre_documents",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("version", "name", name="pk_centre_documents"),
        sa.ForeignKeyConstraint(["version"], ["centre_versions.version"], name="fk_centre_documents_version_centre_versions"),
        sa.ForeignKeyConstraint(["digest"], ["centre_texts.digest"], name="fk_centre_documents_digest_centre_texts"),
    )
    op.create_table(
        "agent_skills",
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("skill", sa.String(64), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("identity", "skill", name="pk_agent_skills"),
    )
    op.create_table(
        "agent_queues",
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("queue", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("identity", "queue", name="pk_agent_queues"),
    )
    op.add_column("contacts", sa.Column("vip", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("contacts", sa.Column("language", sa.String(8), nullable=False, server_default=""))
