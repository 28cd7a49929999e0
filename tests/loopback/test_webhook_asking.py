"""Flows ask other programs: what is asked and signed, what is believed of the answer, and that nothing holds a call up."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import jwt
import msgspec
from aiohttp import web
from structlog.testing import capture_logs

from api.webhook_asking import WebhookAsking
from api.webhook_settings import WebhookSettings
from rooms.centre_plan import FlowWebhook
from rooms.events import WebhookAnswered

SECRET = "a secret that the other program has too: 01234"
NOW = 1_800_000_000.0
BODIES: Mapping[str, tuple[int, bytes]] = {
    "vip": (200, b'{"vip": true, "name": "Eva", "open_bookings": 2}'),
    "empty": (204, b""),
    "broken": (500, b"{}"),
    "elsewhere": (307, b""),
    "nested": (200, b'{"customer": {"name": "Eva"}}'),
    "list": (200, b'["vip"]'),
    "null": (200, b'{"vip": null}'),
    "bad_name": (200, b'{"Not a name": 1}'),
    "long": (200, b'{"name": "' + b"x" * 501 + b'"}'),
    "large": (200, b'{"name": "' + b"x" * 20_000 + b'"}'),
    "junk": (200, b"<html>"),
    "many": (200, msgspec.json.encode({f"fact{n}": n for n in range(65)})),
}


class OtherProgram:
    """Answers at ``/NAME`` with its body of ``BODIES``; at ``/slow`` never. ``asked``: headers and body of each."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._over = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.headers), await request.read()))
        name = request.match_info["name"]
        if name == "slow":
            await self._over.wait()
            return web.Response()
        status, body = BODIES[name]
        headers = {"Location": f"{self.url}/vip"} if status == 307 else {}
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["OtherProgram"]:
        app = web.Application()
        app.router.add_post("/{name}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            self._over.set()
            await runner.cleanup()


class Answers:
    """What call control is told."""

    def __init__(self) -> None:
        self.got: dict[str, WebhookAnswered] = {}
        self._came = asyncio.Event()

    def hear(self, event: WebhookAnswered) -> None:
        self.got[event.call_id] = event
        self._came.set()

    async def of(self, call_id: str) -> WebhookAnswered:
        async with asyncio.timeout(30.0):
            while call_id not in self.got:
                self._came.clear()
                await self._came.wait()
        return self.got[call_id]


def asking(url: str, answers: Answers, *, within_s: float = 30.0, private: bool = True) -> WebhookAsking:
    webhooks = {name: FlowWebhook(name, f"{url}/{name}", "crm" if name == "vip" else "") for name in (*BODIES, "slow")}
    webhooks |= {"gone": FlowWebhook("gone", "http://127.0.0.1:9/gone"), "unsigned": FlowWebhook("unsigned", f"{url}/vip", "none")}
    settings = WebhookSettings(key="travel", allow_private=private)
    return WebhookAsking(lambda: webhooks, {"crm": SECRET}, settings, feed=answers.hear, now=lambda: NOW, within_s=within_s)


async def test_a_question_is_signed_and_its_answer_becomes_facts() -> None:
    answers, facts = Answers(), dict[str, str | float | bool](caller="+34911222333", vip=False, language="es")
    async with OtherProgram().serving() as other, asking(other.url, answers) as asker:
        asker.ask("c1", "vip", facts)
        assert await answers.of("c1") == WebhookAnswered("c1", "ok", {"vip": True, "name": "Eva", "open_bookings": 2.0})
        asker.ask("c2", "empty", {})
        assert await answers.of("c2") == WebhookAnswered("c2", "ok", {})
        headers, body = other.asked[0]
        question = msgspec.json.decode(body)
        assert question.pop("id") and question == {
            "event": "flow_asks",
            "createdAt": int(NOW),
            "webhook": "vip",
            "callId": "c1",
            "facts": facts,
        }
        claims = jwt.decode(headers["Authorization"], SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})
        assert claims["iss"] == "travel" and claims["sha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert "Authorization" not in other.asked[1][0]


async def test_whatever_is_no_small_flat_answer_has_failed_and_the_log_says_why() -> None:
    answers = Answers()
    wrong = [name for name in (*BODIES, "gone", "unsigned", "unknown") if name not in ("vip", "empty")]
    with capture_logs() as logs:
        async with OtherProgram().serving() as other, asking(other.url, answers) as asker:
            for name in wrong:
                asker.ask(name, name, {})
            assert {name: (await answers.of(name)) for name in wrong} == {name: WebhookAnswered(name, "failed") for name in wrong}
            assert len(other.asked) == len(wrong) - 3, "no redirection is followed, nothing unsigned is sent"
    why = {line["webhook"]: line["fault"] for line in logs if line["event"] == "flow.not_answered"}
    assert set(why) == set(wrong)
    assert "answered 500" in why["broken"] and "answered 307" in why["elsewhere"] and "more than 16384 bytes" in why["large"]
    assert "no flat object" in why["nested"] and "no secret 'none'" in why["unsigned"] and "no such webhook" in why["unknown"]


async def test_nothing_waits_for_a_slow_program_or_reaches_a_private_one() -> None:
    answers = Answers()
    async with OtherProgram().serving() as other:
        async with asking(other.url, answers, within_s=0.05) as asker:
            asker.ask("c1", "slow", {})
            assert await answers.of("c1") == WebhookAnswered("c1", "failed")
        async with asking(other.url, answers, private=False) as asker:
            asker.ask("private", "vip", {})
            assert await answers.of("private") == WebhookAnswered("private", "failed")
        async with asking(other.url, answers) as asker:
            for number in range(65):
                asker.ask(f"many{number}", "slow", {})
            assert (await answers.of("many64")).outcome == "failed", "so many at once are a fault"
        assert sum(name.startswith("many") for name in answers.got) == 1, "who leaves waits for none"
    assert all(body for _, body in other.asked) and not any(b"private" in body for _, body in other.asked)
