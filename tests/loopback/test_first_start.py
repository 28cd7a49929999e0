"""The first start at a whole server: five questions, each checked at once; a kill in the middle loses nothing; done, nobody asks again."""

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from api.demo_call.process import ChildProcess
from api.settings.tree import Settings
from pbx.sip_settings import RegistrarSettings
from pbx.sip_trunk import SipTrunk
from tests.kit.page import STARTS_WITHIN_S, serving
from tests.kit.trunk_bench import sip_bench

PASSWORD = "a camel crossed nine bridges"
HOUSE = {"question": "house", "language": "en", "zone": "Europe/Madrid", "region": "ES"}
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


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Start]:
    async with serving(folder, "--port", "0", "--no-demo") as process, aiohttp.ClientSession() as http:
        found = await process.said(r"five questions: (http\S+)/start#(\S+)", STARTS_WITHIN_S)
        yield Start(found.group(1), found.group(2), http, process)


async def test_five_answers_make_a_server_of_the_house(tmp_path: Path) -> None:
    account = {"extension": "200", "auth_id": "auth-200", "password": "secret", "domain": "127.0.0.1"}
    async with sip_bench("", 0, registrar=RegistrarSettings(), **account) as registrar:
        assert isinstance(registrar.trunk, SipTrunk)
        pbx = f"127.0.0.1:{registrar.trunk.local_address[1]}"
        async with started(tmp_path) as start:
            code = start.code
            assert (await start.post("/first-start", code="guessed"))[1]["error"]["code"] == "start_code"
            assert await start.refusal({**HOUSE, "zone": "Europe/Nowhere"}) == "start_zone"
            assert await start.refusal({**HOUSE, "region": "XX"}) == "start_region"
            assert (await start.answer(HOUSE))[0] == 200
            assert await start.refusal({**ADMIN, "password": "eva12345"}) in ("weak_password", "common_password", "password_names")
            assert (await start.answer(ADMIN))[0] == 200
            assert await start.refusal({**ADMIN, "identity": "mallory"}) == "start_made"
            await start.process.stop(9)

        async with started(tmp_path) as start:
            assert start.code == code, "the link holds until all is answered"
            kept = (await start.post("/first-start"))[1]["answered"]
            assert (kept["zone"], kept["administrator"], kept["telephone"]) == ("Europe/Madrid", "eva", None)
            assert (await start.post("/first-start/end"))[1]["error"]["code"] == "start_unfinished"
            line = {"question": "telephone", "server": pbx, "extension": "200", "auth_id": "auth-200", "password": "secret"}
            assert await start.refusal({**line, "extension": ""}) == "start_extension"
            assert await start.refusal({**line, "password": "wrong"}) == "start_line"
            status, told = await start.answer(line)
            assert (status, told["answered"]["telephone"]) == (200, pbx) and told["said"], "it registered, and says so"
            assert (await start.answer({"question": "recording", "record": True, "consent": "asked"}))[0] == 200
            assert await start.refusal({"question": "queue", "title": "Tours", "number": "hello"}) == "not_a_number"
            assert (await start.answer({"question": "queue", "title": 'Tours "Sol"', "number": "911 234 567"}))[0] == 200
            assert (await start.post("/first-start/end"))[0] == 204
            await start.process.says("begins anew with what was answered", STARTS_WITHIN_S)
            await start.process.said(r"Centralita serves (\S+)", STARTS_WITHIN_S)

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
    assert (settings.media.prompts.language, settings.media.recording.enabled, settings.media.recording.consent) == ("en", True, "asked")
    over = Settings.load(None, {}, {"server.data_dir": str(tmp_path / "data"), "sip.extension": "201"})
    assert (over.sip.extension, over.sip.server) == ("201", "127.0.0.1"), "other settings win"
    assert "password" in tomllib.loads(house.read_text())["sip"]
