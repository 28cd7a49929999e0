"""Tickets with their journals and links; surveys, their answers and who agreed to them; articles of the knowledge base."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("ticket_id", sa.String(32), primary_key=True),
        sa.Column("idem", sa.String(128), nullable=False, unique=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("number_key", sa.String(32), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("category", sa.String(64), nullable=False),
        sa.Column("priority", sa.String(8), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("team", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("opened_by", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("used_s", sa.Double(), nullable=False),
        sa.Column("running_since", sa.Double()),
        sa.Column("taken", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("due_at", sa.Double()),
        sa.Column("step_at", sa.Double()),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    for columns in (["number_key"], ["contact_id"], ["state", "due_at"], ["opened_at"], ["step_at"]):
        op.create_index(f"ix_tickets_{'_'.join(columns)}", "tickets", columns)
    op.create_table(
        "ticket_entries",
        sa.Column("ticket_id", sa.String(32), sa.ForeignKey("tickets.ticket_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("idem", sa.String(128), unique=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
    )
    op.create_table(
        "ticket_links",
        sa.Column("ticket_id", sa.String(32), sa.ForeignKey("tickets.ticket_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("target", sa.String(128), primary_key=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
    )
    op.create_index("ix_ticket_links_kind_target", "ticket_links", ["kind", "target"])
    op.create_table(
        "surveys",
        sa.Column("survey_id", sa.String(32), primary_key=True),
        sa.Column("token_key", sa.String(64), nullable=False, unique=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("after", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("questions", sa.String(64), nullable=False),
        sa.Column("person_key", sa.String(32), nullable=False),
        sa.Column("contact_id", sa.String(64), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("queue", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("appointment", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.Double()),
        sa.Column("told_at", sa.Double()),
        sa.Column("comment", sa.Text(), nullable=False),
    )
    for columns in (["person_key", "asked_at"], ["asked_at"], ["answered_at"]):
        op.create_index(f"ix_surveys_{'_'.join(columns)}", "surveys", columns)
    op.create_index("ix_surveys_subject_rule", "surveys", ["subject", "rule"], unique=True)
    op.create_table(
        "survey_answers",
        sa.Column("survey_id", sa.String(32), sa.ForeignKey("surveys.survey_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("scale", sa.String(8), primary_key=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    op.create_table(
        "consents",
        sa.Column("person_key", sa.String(32), primary_key=True),
        sa.Column("purpose", sa.String(32), primary_key=True),
        sa.Column("at", sa.Double(), primary_key=True),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
    )
    for name in ("articles", "article_versions"):
        versioned = name == "article_versions"
        op.create_table(
            name,
            sa.Column("article_id", sa.String(32), primary_key=True),
            sa.Column("version", sa.Integer(), primary_key=versioned, autoincrement=False, nullable=False),
            sa.Column("title", sa.Text(), nullable=False),
            sa.Column("text", sa.Text(), nullable=False),
            sa.Column("language", sa.String(8), nullable=False),
            sa.Column("tags", sa.Text(), nullable=False),
            sa.Column("published", sa.Boolean(), nullable=False),
            sa.Column("changed_at", sa.Double(), nullable=False),
            sa.Column("changed_by", sa.String(64), nullable=False),
        )
    op.create_index("ix_articles_changed_at", "articles", ["changed_at"])
    op.create_index("ix_articles_article_id_language_published", "articles", ["article_id", "language", "published"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE article_words USING fts5(article_id UNINDEXED, title, tags, text, tokenize='unicode61', prefix='2 3 4')"
        )
    else:
        op.execute("CREATE TABLE article_words (article_id VARCHAR(32) PRIMARY KEY, words TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX ix_article_words_words ON article_words USING gin (words)")
