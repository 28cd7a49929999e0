"""Articles of the knowledge base, and how they are found: by the full text of the database, SQLite's FTS5 or PostgreSQL's ``tsvector``.

Both are given the same words (``api/knowledge/words.py``), so that the same query finds the same articles; the order is the database's
own: BM25 (https://sqlite.org/fts5.html#the_bm25_function) or ``ts_rank`` (PostgreSQL's manual, 12.3.3); words of the title weigh most,
then tags.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct
from sqlalchemy import Double, Select, String, TextualSelect, and_, column, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.knowledge.words import plain, words_of
from api.store.article_tables import article_versions, articles
from api.store.database import in_words
from api.store.rows import Row
from api.store.statements import Statements

_IN_SQLITE = text(
    "SELECT article_id, -bm25(article_words, 0.0, 10.0, 5.0, 1.0) AS score FROM article_words WHERE article_words MATCH :query"
)
_IN_POSTGRESQL = text(
    "SELECT article_id, ts_rank('{0.1, 0.1, 0.5, 1.0}', words, query) AS score"
    " FROM article_words, CAST(CAST(:query AS text) AS tsquery) AS query WHERE words @@ query"
)
_KEEP_IN_SQLITE = text("INSERT INTO article_words (article_id, title, tags, text) VALUES (:article_id, :title, :tags, :text)")
_KEEP_IN_POSTGRESQL = text("INSERT INTO article_words (article_id, words) VALUES (:article_id, CAST(CAST(:words AS text) AS tsvector))")
_FORGET = text("DELETE FROM article_words WHERE article_id = :article_id")
_CLASS = {"title": "A", "tags": "B", "text": "D"}
"""PostgreSQL's classes of weight."""
_LAST_PLACE = 16_383
"""Words further behind stand all in this place: PostgreSQL counts no further (its manual, 12.11)."""


class Article(Struct, frozen=True):
    """``text``: Markdown. ``language``: ``en`` or ``es``. ``published``: agents see it. ``changed_at``: seconds since the epoch."""

    article_id: str
    version: int
    title: str
    text: str
    language: str
    tags: tuple[str, ...]
    published: bool
    changed_at: float
    changed_by: str


class ArticleStore(Statements):
    """Everything raises ``StoreUnavailable`` when the database is away."""

    async def article(self, article_id: str) -> Article | None:
        found = await self._rows(select(articles).where(articles.c.article_id == article_id))
        return _article(found[0]) if found else None

    async def versions(self, article_id: str) -> list[Article]:
        """As it was, the newest first."""
        of_it = select(article_versions).where(article_versions.c.article_id == article_id)
        return [_article(row) for row in await self._rows(of_it.order_by(article_versions.c.version.desc()))]

    async def page(self, language: str, limit: int, *, drafts: bool, behind: Article | None = None) -> list[Article]:
        """The last changed first. ``drafts``: also what is not published."""
        query = _of(select(articles), language, drafts=drafts)
        if behind is not None:
            older = articles.c.changed_at < behind.changed_at
            query = query.where(older | and_(articles.c.changed_at == behind.changed_at, articles.c.article_id > behind.article_id))
        query = query.order_by(articles.c.changed_at.desc(), articles.c.article_id).limit(limit)
        return [_article(row) for row in await self._rows(query)]

    async def save(self, article: Article) -> bool:
        """Keep this version. False where it does not follow upon the newest."""
        row: Row = {name: getattr(article, name) for name in Article.__struct_fields__} | {"tags": " ".join(article.tags)}
        newest = and_(articles.c.article_id == article.article_id, articles.c.version == article.version - 1)
        with in_words(self._engine.url):
            async with self._writing() as connection:
                if article.version == 1:
                    made = await connection.execute(
                        self._insert(articles).values(row).on_conflict_do_nothing(index_elements=["article_id"])
                    )
                else:
                    made = await connection.execute(update(articles).where(newest).values(row))
                if not made.rowcount:
                    return False
                await connection.execute(article_versions.insert().values(row))
                if article.version > 1:
                    await connection.execute(_FORGET, {"article_id": article.article_id})
                await self._index(connection, article)
        return True

    async def remove(self, article_id: str) -> bool:
        """With every version of it."""
        with in_words(self._engine.url):
            async with self._writing() as connection:
                gone = await connection.execute(delete(articles).where(articles.c.article_id == article_id))
                await connection.execute(delete(article_versions).where(article_versions.c.article_id == article_id))
                await connection.execute(_FORGET, {"article_id": article_id})
        return bool(gone.rowcount)

    async def search(self, wanted: Sequence[str], language: str, limit: int, *, drafts: bool, every: bool = True) -> list[Article]:
        """Those that have ``every`` one of these words (of ``sought``), or any, at the beginning of a word; the best first."""
        if not wanted:
            return []
        found = self._found(wanted, every=every).subquery("found")
        best = _of(select(articles.c.article_id).join(found, found.c.article_id == articles.c.article_id), language, drafts=drafts)
        best = best.order_by(found.c.score.desc(), articles.c.article_id).limit(limit)
        ids = [row["article_id"] for row in await self._rows(best)]  # of all the others no text is read
        rows = await self._rows(select(articles).where(articles.c.article_id.in_(ids))) if ids else ()
        by_id = {row["article_id"]: _article(row) for row in rows}
        return [by_id[article_id] for article_id in ids if article_id in by_id]

    async def index_again(self) -> int:
        """Where a database came back without its words (they are no part of the tables), find articles by them again; how many it had
        not."""
        counts = text("SELECT (SELECT count(*) FROM articles) AS kept, (SELECT count(*) FROM article_words) AS found")
        with in_words(self._engine.url):
            async with self._writing() as connection:
                kept, found = (await connection.execute(counts)).one()
                if kept == found:
                    return 0
                await connection.execute(text("DELETE FROM article_words"))
                for row in await connection.execute(select(articles)):
                    await self._index(connection, _article(row._asdict()))
        return int(kept - found)

    def _found(self, wanted: Sequence[str], *, every: bool) -> TextualSelect:
        """Ids and scores. Words are letters and digits alone, and stand in quotes."""
        if self._is_sqlite:
            statement, quoted = _IN_SQLITE, [f'"{word}"*' for word in wanted]
        else:
            statement, quoted = _IN_POSTGRESQL, [f"'{word}':*" for word in wanted]
        both, either = (" AND ", " OR ") if self._is_sqlite else (" & ", " | ")
        return statement.bindparams(query=(both if every else either).join(quoted)).columns(
            column("article_id", String), column("score", Double)
        )

    async def _index(self, connection: AsyncConnection, article: Article) -> None:
        fields = {"title": words_of(article.title), "tags": words_of(" ".join(article.tags)), "text": words_of(plain(article.text))}
        if self._is_sqlite:
            given = {name: " ".join(words) for name, words in fields.items()}
            await connection.execute(_KEEP_IN_SQLITE, {"article_id": article.article_id, **given})
            return
        places = count(1)
        words = [f"'{word}':{min(next(places), _LAST_PLACE)}{_CLASS[name]}" for name in fields for word in fields[name]]
        await connection.execute(_KEEP_IN_POSTGRESQL, {"article_id": article.article_id, "words": " ".join(words)})

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"


def _of(query: Select[Any], language: str, *, drafts: bool) -> Select[Any]:
    if language:
        query = query.where(articles.c.language == language)
    return query if drafts else query.where(articles.c.published.is_(True))


def _article(row: Mapping[str, Any]) -> Article:
    return Article(**{name: row[name] for name in Article.__struct_fields__} | {"tags": tuple(row["tags"].split())})
