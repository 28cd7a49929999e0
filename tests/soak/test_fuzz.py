"""Ten minutes of what no honest client sends, by hand (`make soak`): the server refuses, and never fails.

REST by schemathesis from our own OpenAPI document, with an administrator's key; Socket.IO by requests made from our own schemas and then
spoiled, and by spoiled frames. Both at once against the real program.
"""

import asyncio
import json
import random
import resource
import string
import sys
from pathlib import Path
from typing import Any

import aiohttp

from api.documents import openapi
from signaling.description import REQUEST_TYPES, Schema, schemas, tag
from tests.kit.server import Server, running_server

SOAK_S = 600
PLENTY = 10_000_000
MOST_GROWN_MB = 30.0
UNLIMITED = dict.fromkeys(
    ("admin_per_hour", "person_per_minute", "person_at_once", "public_per_hour", "address_per_hour", "address_at_once"), PLENTY
)
PASSWORD = "correct horse battery staple 7!"
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 2**64, 10**40, 1.5, -1e308, "", " ", "\x00", "\u202e", "\ud7ff", "𝕏" * 70, "x" * 70_000),
    *([], {}, [[]], {"": {}}, {"type": "call.dial"}, [0] * 500, "../../etc/passwd", "' OR 1=1 --", "<script>alert(1)</script>", "%s%n"),
)
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


async def test_ten_minutes_of_malice_are_refused_without_a_fault(tmp_path: Path) -> None:
    await fuzz(tmp_path, SOAK_S)


async def fuzz(folder: Path, seconds: int) -> None:
    command = [sys.executable, "-m", "api", "user", "add", "root", "--role", "admin", "--password", PASSWORD, "--config"]
    security = {"requests_per_s": 100, "requests_at_once": 100, "connections_per_s": 10_000, "connections_at_once": 10_000}
    settings = {"limits": UNLIMITED, "security": security | {"sockets_per_address": 1_000}, "log": {"format": "json"}}
    async with running_server(folder, settings) as server:
        adding = await asyncio.create_subprocess_exec(*command, str(folder / "centralita.toml"), cwd=Path(__file__).parents[2])
        assert await adding.wait() == 0
        async with aiohttp.ClientSession() as http:
            key = await _key(http, server)
            rest = asyncio.create_task(_fuzz_rest(folder, server, key, seconds))
            sockets = [asyncio.create_task(_fuzz_socket(http, server, seed, seconds)) for seed in range(2)]
            grown = asyncio.create_task(_grown_mb(server, seconds))
            answered = await asyncio.gather(*sockets)
            await rest
            assert sum(answered) > 100
            assert await grown < MOST_GROWN_MB
    log = (folder / "server.log").read_text()
    assert "Traceback" not in log
    assert '"level":"error"' not in log.replace(" ", "")


async def _grown_mb(server: Server, seconds: int) -> float:
    """By how much the server's memory grows from the first third on: what it keeps of callers and topics is bounded, and not full then."""
    sizes = []
    for share in (1 / 3, 0.6):
        await asyncio.sleep(share * seconds)
        sizes.append(_memory_mb(server.process.pid))
    return sizes[1] - sizes[0]


def _memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def _key(http: aiohttp.ClientSession, server: Server) -> str:
    """A key that may do everything and that no request of the fuzzer's ends, unless it guesses its number."""
    token = await _token(http, server, "root", PASSWORD)
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{server.url}/api/v1/keys", json={"identity": "root", "name": "fuzz"}, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["key"])


async def _token(http: aiohttp.ClientSession, server: Server, user: str, password: str) -> str:
    async with http.post(f"{server.url}/api/v1/sign-in", json={"user": user, "password": password}) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["token"])


async def _fuzz_rest(folder: Path, server: Server, key: str, seconds: int) -> None:
    (folder / "openapi.json").write_text(json.dumps(openapi()))
    words = [
        "run",
        "openapi.json",
        "--url",
        server.url,
        "-H",
        f"Authorization: Bearer {key}",
        "--checks",
        CHECKS,
        "--max-time",
        str(seconds),
    ]
    words += ["--exclude-path", "/api/v1/keys/{key_id}"]  # it would find its own key in the list and revoke it
    quiet = [
        "--no-color",
        "--request-timeout",
        "60",
        "--continue-on-failure",
        "--suppress-health-check",
        "all",
        "--generation-database",
        "none",
        "--seed",
        "1",
    ]
    program = Path(sys.executable).with_name("schemathesis")
    with (folder / "schemathesis.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(program, *words, *quiet, cwd=folder, stdout=said, stderr=said)
        status = await process.wait()
    assert status == 0, (folder / "schemathesis.log").read_text()[-8_000:]


async def _fuzz_socket(http: aiohttp.ClientSession, server: Server, seed: int, seconds: int) -> int:
    """How many requests were answered. A connection that is ended for its manners begins anew."""
    chance, answered = random.Random(seed), 0
    known = schemas(REQUEST_TYPES)
    until = asyncio.get_running_loop().time() + seconds
    token = await _token(http, server, server.user, server.password)
    while asyncio.get_running_loop().time() < until:
        async with http.ws_connect(server.url + "/socket.io/?EIO=4&transport=websocket", max_msg_size=0) as socket:
            await socket.send_str('40{"token":"' + token + '","phone":false}')
            for number in range(chance.randrange(1, 100)):
                if socket.closed:
                    break
                await socket.send_str(_frame(chance, known, number))
            answered += await _answers(socket)
    return answered


async def _answers(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Counts acknowledgements until nothing comes for a moment. Every one is a result or a refusal that is not our fault."""
    count = 0
    try:
        while True:
            message = await socket.receive(timeout=0.3)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return count
            if message.data.startswith("43"):
                (answer,) = json.loads(message.data[message.data.index("[") :])
                assert set(answer) in ({"ok"}, {"error"})
                assert answer.get("error", {}).get("code") != "internal", message.data
                count += 1
    except TimeoutError:
        return count


def _frame(chance: random.Random, known: dict[str, Schema], number: int) -> str:
    struct = chance.choice([struct for struct in REQUEST_TYPES if tag(struct) != "session.refresh"])
    payload = _value(chance, known[struct.__name__], known)
    payload.pop("type", None)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        payload = _spoiled(chance, payload)
    text = f"42{number}" + json.dumps([tag(struct), payload], ensure_ascii=False)
    if chance.random() < 0.1:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", "[", "{", '"', "\\", "\x00", "9" * 30, text[at:] * 2]) + text[at + chance.randrange(3) :]
    return text


def _value(chance: random.Random, schema: Schema, known: dict[str, Schema]) -> Any:
    """Anything that this schema allows."""
    if "$ref" in schema:
        return _value(chance, known[schema["$ref"].rpartition("/")[2]], known)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    if "anyOf" in schema:
        return _value(chance, chance.choice(schema["anyOf"]), known)
    kind = schema.get("type")
    if kind == "object":
        wanted, required = schema.get("properties", {}), schema.get("required", ())
        return {name: _value(chance, of, known) for name, of in wanted.items() if name in required or chance.random() < 0.5}
    if kind == "array":
        return [_value(chance, schema["items"], known) for _ in range(chance.randrange(4))] if schema.get("items") else []
    if kind == "string":
        least, most = schema.get("minLength", 0), min(schema.get("maxLength", 20), 20)
        letters = "0123456789" if "0-9*#" in schema.get("pattern", "") else string.ascii_letters
        return "".join(chance.choice(letters) for _ in range(chance.randint(max(least, 1), max(least, most))))
    if kind in ("integer", "number"):
        return chance.randint(int(schema.get("minimum", 0)), int(schema.get("maximum", 1_000)))
    return chance.random() < 0.5 if kind == "boolean" else None


def _spoiled(chance: random.Random, value: Any) -> Any:
    """The same with one thing wrong in it, somewhere."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        way = chance.randrange(4)
        if way == 0:
            return {key: of for key, of in value.items() if key != name}
        if way == 1:
            return {**value, chance.choice(("extra", "type", "", "__proto__")): chance.choice(ODD)}
        return {**value, name: _spoiled(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.5:
        return [*value, _spoiled(chance, value[0])]
    return chance.choice(ODD)
