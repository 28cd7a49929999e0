"""The register of consents says how, in which language and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TEXTS = {"answer": 16, "language": 16, "version": 16, "means": 16, "about": 128}


def upgrade() -> None:
    for name, length in _TEXTS.items():
        op.add_column("consents", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    op.add_column("consents", sa.Column("until_at", sa.Double()))
    op.execute("UPDATE consents SET answer = CASE WHEN given THEN 'yes' ELSE 'withdrawn' END")


def downgrade() -> None:
    for name in ("until_at", *_TEXTS):
        op.drop_column("consents", name)
