"""The knowledge base as people use it: agents read and look for articles, administrators write them."""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.card_numbers import without_cards_in
from api.knowledge.words import Part, marked, snippet, sought
from api.store.articles import Article, ArticleStore
from signaling.refusal import Refusal

MOST_SHOWN = 50
LONGEST_QUERY = 200
Tag = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^\S+$")]


class WrittenArticle(Struct, frozen=True, forbid_unknown_fields=True):
    """``version``: the one that its author saw; 0: it is new. ``text``: Markdown."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(max_length=50_000)]
    language: Literal["en", "es"]
    tags: Annotated[list[Tag], Meta(max_length=20)] = []
    published: bool = False
    version: Annotated[int, Meta(ge=0)] = 0


class ArticleHit(Struct, frozen=True):
    """An article that was found: its title and a piece of its text, with the words that were looked for marked."""

    article_id: str
    language: str
    tags: tuple[str, ...]
    published: bool
    title: list[Part]
    snippet: list[Part]


class ArticleHits(Struct, frozen=True):
    """The best first. ``all_words``: False where nothing has all the words, and these have some of them."""

    hits: list[ArticleHit]
    all_words: bool


class Articles:
    """Everything raises ``Refusal``, and ``StoreUnavailable`` when the database is away. ``drafts``: may who asks see what is not
    published? ``now``: seconds since the epoch."""

    def __init__(self, store: ArticleStore, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    async def search(self, query: str, language: str, *, drafts: bool, limit: int) -> ArticleHits:
        """Whatever stands in ``query`` is words to look for. Without any: the last that were changed."""
        if len(query) > LONGEST_QUERY:
            raise Refusal("bad_message", f"Search for {LONGEST_QUERY} characters at most.")
        wanted = sought(query)
        if not wanted:
            found = await self._store.page(language, limit, drafts=drafts) if not query.strip() else []
            return ArticleHits([_hit(article, []) for article in found], True)
        found = await self._store.search(wanted, language, limit, drafts=drafts)
        if found or len(wanted) == 1:
            return ArticleHits([_hit(article, wanted) for article in found], True)
        some = await self._store.search(wanted, language, limit, drafts=drafts, every=False)
        return ArticleHits([_hit(article, wanted) for article in some], False)

    async def article(self, article_id: str, *, drafts: bool) -> Article:
        found = await self._store.article(article_id)
        if found is None or not (drafts or found.published):
            raise Refusal("unknown_article", "There is no such article.")
        return found

    async def versions(self, article_id: str) -> list[Article]:
        await self.article(article_id, drafts=True)
        return await self._store.versions(article_id)

    async def write(self, written: WrittenArticle, by: str, article_id: str = "") -> Article:
        """Make an article, or the next version of one."""
        written = without_cards_in(written, "title", "text")
        if not article_id and written.version:
            raise Refusal("bad_message", "A new article has version 0.")
        if article_id:
            await self.article(article_id, drafts=True)
        made = Article(
            article_id or secrets.token_hex(8),
            written.version + 1,
            written.title,
            written.text,
            written.language,
            tuple(dict.fromkeys(written.tags)),
            written.published,
            self._now(),
            by,
        )
        if not await self._store.save(made):
            raise Refusal("article_overtaken", "Somebody else changed this article meanwhile: load it again and join both.")
        return made

    async def remove(self, article_id: str) -> None:
        if not await self._store.remove(article_id):
            raise Refusal("unknown_article", "There is no such article.")


def _hit(article: Article, wanted: list[str]) -> ArticleHit:
    about = (article.article_id, article.language, article.tags, article.published)
    return ArticleHit(*about, marked(article.title, wanted), snippet(article.text, wanted))
