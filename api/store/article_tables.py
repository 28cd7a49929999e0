"""Tables of the knowledge base. Conventions as in ``api/store/schema.py``. Nothing in them is about a customer.

Beside them stands ``article_words``, by which articles are found: an FTS5 table in SQLite, a column of ``tsvector`` in PostgreSQL. Only
migrations and ``api/store/articles.py`` know it.
"""

from typing import Any

from sqlalchemy import Boolean, Column, Double, Index, Integer, String, Table, Text

from api.store.schema import metadata


def _said() -> list[Column[Any]]:
    """What an article says, and who said it when."""
    return [
        Column("title", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("language", String(8), nullable=False),
        Column("tags", Text, nullable=False),
        Column("published", Boolean, nullable=False),
        Column("changed_at", Double, nullable=False),
        Column("changed_by", String(64), nullable=False),
    ]


articles = Table(
    "articles",
    metadata,
    Column("article_id", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
    *_said(),
    Index("ix_articles_changed_at", "changed_at"),
    Index("ix_articles_article_id_language_published", "article_id", "language", "published"),
)
"""As they are now. ``tags``: with blanks between."""

article_versions = Table(
    "article_versions",
    metadata,
    Column("article_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_said(),
)
"""As they were, each version that ever was, the newest too."""
