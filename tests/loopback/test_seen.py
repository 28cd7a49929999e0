"""What is asked for again and is as it was is not sent again; the description of REST among it."""

from collections.abc import Mapping

from aiohttp import ClientSession, web

from api.bodies import json_answer
from api.documents import openapi
from api.guarded_routes import ROUTES
from api.metrics import Metrics
from api.openapi_routes import OpenApiRoutes
from api.rest_limits import RestLimits, RestLimitSettings
from api.routes import PartHealth, make_app, make_runner
from api.seen import READ_OFTEN
from signaling.tokens import TokenIssuer
from tests.kit.people import known_by

TOKENS = TokenIssuer("a secret for tests, long enough: 0123456789")


async def test_what_is_as_it_was_is_not_sent_again() -> None:
    tours = ["andes"]

    async def healthy() -> Mapping[str, PartHealth]:
        return {}

    async def list_tours(_request: web.Request) -> web.Response:
        return json_answer({"tours": tours})

    async with Metrics() as metrics:
        app = make_app(known_by(TOKENS), metrics, healthy, limits=RestLimits(RestLimitSettings(person={}), lambda: 0.0))
        app.router.add_get("/api/v1/tours", list_tours, allow_head=False)
        OpenApiRoutes().add_to(app)
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        token = TOKENS.issue("eva", "Eva", "admin").token
        try:
            async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:

                async def ask(path: str, held: str = "", *, who: str = token) -> tuple[int, str, str]:
                    headers = {"Authorization": f"Bearer {who}"} | ({"If-None-Match": held} if held else {})
                    async with http.get(f"/api/v1/{path}", headers=headers) as answer:
                        return answer.status, answer.headers.get("ETag", ""), await answer.text()

                status, tag, body = await ask("tours")
                assert (status, body) == (200, '{"tours":["andes"]}') and tag
                assert await ask("tours", f'"other", {tag}') == (304, tag, "")
                tours.append("atlas")
                status, changed, body = await ask("tours", tag)
                assert (status, body) == (200, '{"tours":["andes","atlas"]}') and changed != tag
                assert (await ask("tours", changed, who="nobody"))[0] == 401, "who may not see it is not told that it is so still"
                status, tag, body = await ask("openapi.json")
                assert status == 200 and '"openapi":"3.1.0"' in body
                assert await ask("openapi.json", tag) == (304, tag, "")
        finally:
            await runner.cleanup()


def test_what_is_read_often_is_there_and_described() -> None:
    assert ROUTES.keys() >= READ_OFTEN
    described = openapi()["paths"]
    assert all("304" in described[path]["get"]["responses"] for _, path in READ_OFTEN)
