"""The knowledge base over HTTP: agents read, administrators write."""

from aiohttp import web

from api.bodies import body_of, json_answer
from api.guarded_routes import grant_of
from api.knowledge.articles import MOST_SHOWN, Articles, WrittenArticle
from api.query_words import known_word, whole_number
from signaling.grants import Permission, allows

LARGEST_ARTICLE = 300_000
"""Bytes of a request: the longest text, in any script."""


class ArticleRoutes:
    def __init__(self, articles: Articles) -> None:
        self._articles = articles

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/api/v1/articles", self._search, allow_head=False)
        app.router.add_post("/api/v1/articles", self._make)
        app.router.add_get("/api/v1/articles/{article_id}", self._read, allow_head=False)
        app.router.add_put("/api/v1/articles/{article_id}", self._change)
        app.router.add_delete("/api/v1/articles/{article_id}", self._remove)
        app.router.add_get("/api/v1/articles/{article_id}/versions", self._versions, allow_head=False)

    async def _search(self, request: web.Request) -> web.Response:
        query = request.query
        language = known_word(query, "language", ("", "en", "es"), "")
        limit = whole_number(query, "limit", MOST_SHOWN, 10)
        return json_answer(await self._articles.search(query.get("q", ""), language, drafts=_writes(request), limit=limit))

    async def _make(self, request: web.Request) -> web.Response:
        written = await body_of(request, WrittenArticle, LARGEST_ARTICLE)
        return json_answer(await self._articles.write(written, grant_of(request).identity))

    async def _read(self, request: web.Request) -> web.Response:
        return json_answer(await self._articles.article(request.match_info["article_id"], drafts=_writes(request)))

    async def _change(self, request: web.Request) -> web.Response:
        written = await body_of(request, WrittenArticle, LARGEST_ARTICLE)
        return json_answer(await self._articles.write(written, grant_of(request).identity, request.match_info["article_id"]))

    async def _remove(self, request: web.Request) -> web.Response:
        await self._articles.remove(request.match_info["article_id"])
        return web.Response(status=204)

    async def _versions(self, request: web.Request) -> web.Response:
        return json_answer({"versions": await self._articles.versions(request.match_info["article_id"])})


def _writes(request: web.Request) -> bool:
    return allows(grant_of(request), Permission.ARTICLES_WRITE)
