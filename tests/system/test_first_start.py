"""The first start at a whole server: five questions, answered by keys in a browser, each checked at once; a kill in the middle loses
nothing; a test call says how it sounds; done, nobody asks again."""

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Page

from api.demo_call.process import ChildProcess, free_port
from api.settings.tree import Settings
from pbx.sip_settings import RegistrarSettings
from pbx.sip_trunk import SipTrunk
from tests.kit.browser import person, tone_file
from tests.kit.looks import look
from tests.kit.page import STARTS_WITHIN_S, serving
from tests.kit.trunk_bench import sip_bench

PASSWORD = "a camel crossed nine bridges"
HOUSE = {"question": "house", "language": "en", "zone": "Europe/Madrid", "region": "ES"}
EXPECTED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "status of 4", "status of 503")
"""The server begins anew under the page, and what it refuses is written down by the browser."""
LOOKS = (("light", "es", 320, ()),)
MOST_KEYS = 12
HEARD = "[data-part=verdict]:not([data-why=unconnected]):not([data-why=silent]):not([data-why=unheard])"
ADMIN = {"question": "administrator", "identity": "eva", "name": "Eva", "password": PASSWORD}


class Start:
    """``url`` of the server and the ``code`` that it printed."""

    def __init__(self, url: str, code: str, http: aiohttp.ClientSession, process: ChildProcess) -> None:
        self.url, self.code, self.http, self.process = url, code, http, process

    async def post(self, path: str, body: dict[str, Any] | None = None, code: str = "") -> tuple[int, Any]:
        sent = {"code": code or self.code, **(body or {})}
        async with self.http.post(f"{self.url}/api/v1{path}", json=sent) as response:
            return response.status, await response.json() if response.status != 204 else {}

    async def answer(self, answer: dict[str, Any]) -> tuple[int, Any]:
        return await self.post("/first-start/answers", {"answer": answer})

    async def refusal(self, answer: dict[str, Any]) -> str:
        status, told = await self.answer(answer)
        assert status >= 400, told
        code: str = told["error"]["code"]
        return code


class Walker:
    """Whoever answers without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []

    async def is_asked(self, step: str) -> None:
        """The question is there, looks right, and the next key is about it."""
        await self.page.wait_for_selector(f"[data-step={step}]")
        self.faults += await look(self.page, step, LOOKS)

    async def tab_to(self, selector: str) -> None:
        for _ in range(MOST_KEYS):
            await self.page.keyboard.press("Tab")
            if await self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no key led to {selector}")

    async def writes(self, **fields: str) -> None:
        """Into one field after another, by their names."""
        for name, text in fields.items():
            await self.tab_to(f"[name={name}]")
            await self.page.keyboard.type(text)

    async def corrects(self, text: str) -> None:
        """The field that keys are in."""
        await self.page.wait_for_selector("[data-part=wrong]")
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(text)

    async def presses(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)


@asynccontextmanager
async def started(folder: Path, port: int) -> AsyncIterator[Start]:
    async with serving(folder, "--port", str(port), "--no-demo") as process, aiohttp.ClientSession() as http:
        found = await process.said(r"five questions: (http\S+)/start#(\S+)", STARTS_WITHIN_S)
        yield Start(found.group(1), found.group(2), http, process)


async def test_five_answers_make_a_server_of_the_house(tmp_path: Path) -> None:
    account = {"extension": "200", "auth_id": "auth-200", "password": "secret", "domain": "127.0.0.1"}
    port, microphone = free_port(), tone_file(tmp_path / "microphone.wav", 697.0)
    async with (
        sip_bench("", 0, registrar=RegistrarSettings(), **account) as registrar,
        person(microphone, expected=EXPECTED, timezone_id="Europe/Madrid", locale="es-ES") as eva,
    ):
        assert isinstance(registrar.trunk, SipTrunk)
        pbx = f"127.0.0.1:{registrar.trunk.local_address[1]}"
        walker = Walker(eva.page)
        async with started(tmp_path, port) as start:
            code = start.code
            assert (await start.post("/first-start", code="guessed"))[1]["error"]["code"] == "start_code"
            assert await start.refusal({**HOUSE, "zone": "Europe/Nowhere"}) == "start_zone"
            assert await start.refusal({**HOUSE, "region": "XX"}) == "start_region"
            await eva.page.goto(f"{start.url}/start#{code}")
            await walker.is_asked("house")
            await walker.tab_to("[data-do=next]")
            await walker.presses("Enter")
            await walker.is_asked("administrator")
            assert await start.refusal({**ADMIN, "password": "eva12345"}) in ("weak_password", "common_password", "password_names")
            await walker.writes(identity="eva", name="Eva", password="eva12345")
            await walker.presses("Enter")
            await walker.corrects(PASSWORD)
            await walker.presses("Enter")
            await walker.is_asked("telephone")
            assert await start.refusal({**ADMIN, "identity": "mallory"}) == "start_made"
            await start.process.stop(9)

        async with started(tmp_path, port) as start:
            assert start.code == code, "the link holds until all is answered"
            kept = (await start.post("/first-start"))[1]["answered"]
            assert (kept["zone"], kept["region"], kept["administrator"], kept["telephone"]) == ("Europe/Madrid", "ES", "eva", None)
            assert (await start.post("/first-start/end"))[1]["error"]["code"] == "start_unfinished"
            line = {"question": "telephone", "server": pbx, "extension": "200", "auth_id": "auth-200", "password": "secret"}
            assert await start.refusal({**line, "extension": ""}) == "start_extension"
            await eva.page.reload()
            await eva.page.wait_for_selector("[data-step=telephone]")
            await walker.writes(server=pbx, extension="200", auth_id="auth-200", password="wrong")
            await walker.presses("Enter")
            await walker.corrects("secret")
            await walker.presses("Enter")
            await walker.is_asked("recording")
            assert await eva.page.is_visible("[data-step=recording] [data-part=said]"), "it registered, and says so"
            await walker.tab_to("[name=way]")
            await walker.presses("ArrowDown", "ArrowDown", "Enter")
            await walker.is_asked("queue")
            assert await start.refusal({"question": "queue", "title": "Tours", "number": "hello"}) == "not_a_number"
            await walker.writes(title='Tours "Sol"', number="hello")
            await walker.presses("Enter")
            await walker.corrects("911 234 567")
            await walker.presses("Enter")
            await walker.is_asked("end")
            told = (await start.post("/first-start"))[1]["answered"]
            assert (told["telephone"], told["recording"], told["queue"]) == (pbx, "asked", 'Tours "Sol"')
            await walker.tab_to("[data-do=end]")
            await walker.presses("Enter")
            await start.process.says("begins anew with what was answered", STARTS_WITHIN_S)
            await start.process.said(r"Centralita serves (\S+)", STARTS_WITHIN_S)
            await eva.page.wait_for_selector("[data-step=test]", timeout=1_000 * STARTS_WITHIN_S)
            await walker.writes(secret=PASSWORD)  # the page has been loaded again since it was chosen
            await walker.presses("Enter")
            await eva.page.wait_for_selector("[data-do=echo]:not([aria-busy=true])")
            await walker.tab_to("[data-do=echo]")
            await walker.presses("Enter")
            await eva.page.wait_for_selector(HEARD)
            await walker.is_asked("test")
            assert walker.faults == []

            assert (await start.post("/first-start"))[1]["error"]["code"] == "start_over"
            assert (await start.answer(ADMIN))[1]["error"]["code"] == "start_over"
            async with start.http.post(f"{start.url}/api/v1/sign-in", json={"user": "eva", "password": PASSWORD}) as response:
                session = await response.json()
            assert session["role"] == "admin"
            headers = {"Authorization": f"Bearer {session['token']}"}
            async with start.http.get(f"{start.url}/api/v1/lines", headers=headers) as response:
                assert [each["name"] for each in (await response.json())["lines"]] == ["pbx"]
            async with start.http.get(f"{start.url}/api/v1/centre/documents", headers=headers) as response:
                assert response.status == 200 and "911" in await response.text()
    house = tmp_path / "data" / "house.toml"
    assert house.stat().st_mode & 0o077 == 0
    settings = Settings.load(None, {}, {"server.data_dir": str(tmp_path / "data")})
    assert (settings.sip.enabled, settings.sip.extension, settings.dialing.region) == (True, "200", "ES")
    assert (settings.media.prompts.language, settings.media.recording.enabled, settings.media.recording.consent) == ("es", True, "asked")
    over = Settings.load(None, {}, {"server.data_dir": str(tmp_path / "data"), "sip.extension": "201"})
    assert (over.sip.extension, over.sip.server) == ("201", "127.0.0.1"), "other settings win"
    assert "password" in tomllib.loads(house.read_text())["sip"]
