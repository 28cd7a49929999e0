"""The server as a process: how it starts where something is wrong, how it ends with live calls, and what is left after ``kill -9``."""

import asyncio
import json
import os
import select
import signal
import sqlite3
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.demo_call.baresip import Phone, PhoneSettings, phone
from api.demo_call.kamailio import kamailio
from api.demo_call.process import free_port
from api.demo_call.server import Server, write_settings
from api.demo_call.speech import sentence
from tests.kit.browser import person, tone_file
from tests.kit.certificate import self_signed
from tests.kit.hub import Client
from tests.kit.page import STARTS_WITHIN_S, call_is, page, serving, started
from tests.kit.server import running_server

ENDS_WITHIN_S = 30.0
WORKERS_START_WITHIN_S = 120.0


def stored(data_dir: Path) -> list[dict[str, Any]]:
    """The calls on record."""
    with sqlite3.connect(f"file:{data_dir / 'centralita.sqlite3'}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("select * from calls order by started_at")]
    connection.close()
    return rows


@asynccontextmanager
async def call_through_a_pbx(directory: Path, settings: dict[str, Any]) -> AsyncIterator[tuple[Server, Phone, Client]]:
    """A server of these settings, a phone, and the page between which a call is live, through a registrar."""
    users = {"1002": "pw1002", "centralita": "pwours"}
    async with kamailio(directory / "kamailio", users) as pbx:
        sip = {"enabled": True, "server": pbx.host, "port": pbx.port, "domain": "pbx.test", "extension": "1001"}
        sip |= {"auth_id": "centralita", "password": "pwours", "listen_host": "127.0.0.1"}
        phone_settings = PhoneSettings(
            extension="1002",
            password="pw1002",
            proxy=(pbx.host, pbx.port),
            codecs=("pcma",),
            speech=sentence("en-vm-intro", directory / "speech.wav").wav,
            answers=True,
        )
        patience = {"agent_media_s": 120.0}  # the page has no sound, and its call does not end for that
        async with running_server(directory / "server", {"sip": sip, "calls": patience, **settings}) as server:
            await server.line_is_up("pbx")
            async with (
                phone(directory / "phone", phone_settings) as telephone,
                page(server.url, server.user, server.password) as client,
            ):
                assert "ok" in await client.ask("call.dial", {"number": "1002"})
                await telephone.event("CALL_ESTABLISHED")
                await call_is(client, "live")
                yield server, telephone, client


async def test_a_live_call_ends_with_bye_and_a_record_on_sigterm(tmp_path: Path) -> None:
    async with call_through_a_pbx(tmp_path, {}) as (server, telephone, client):
        assert await asyncio.wait_for(server.process.stop(signal.SIGTERM), ENDS_WITHIN_S) == 0
        await telephone.event("CALL_CLOSED")
        ended = await call_is(client, "ended")
    assert ended["reason"] == "server_stopped"
    (call,) = stored(server.data_dir)
    assert (call["state"], call["end_reason"]) == ("ended", "server_stopped")
    assert call["ended_at"] >= call["answered_at"] >= call["started_at"]


async def test_a_killed_server_says_after_its_restart_which_call_it_interrupted(tmp_path: Path) -> None:
    async with serving(tmp_path, "--demo", "--port", "0") as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client:
            await client.ask("call.dial", {"number": "601"})
            await call_is(client, "live")
            await asyncio.wait_for(written(tmp_path / "data", "live"), ENDS_WITHIN_S)
            assert await process.stop(signal.SIGKILL) == -signal.SIGKILL
    async with serving(tmp_path, "--demo", "--port", "0") as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client:
            (snapshot,) = await client.told("session.snapshot")
        assert await process.stop() == 0
    (recent,) = snapshot["recent"]
    assert (recent["number"], recent["reason"]) == ("601", "interrupted")
    (call,) = stored(tmp_path / "data")
    assert call["end_reason"] == "interrupted"


async def written(data_dir: Path, state: str) -> None:
    """Until the only call stands in the database in this state; another process has no event for us."""
    while [call["state"] for call in stored(data_dir)] != [state]:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with running_server(tmp_path / "first") as first, serving(tmp_path, "--port", first.url.rsplit(":", 1)[1]) as second:
        assert await second.ended(STARTS_WITHIN_S) == 1
        await second.said(r"Port \d+ of 127\.0\.0\.1 cannot be opened .*: another program uses it", 30)
        assert "Traceback" not in (tmp_path / "server.log").read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"server": {"prot": 1}}, r"server\.prot .*unknown key: did you mean port\?"),
        ({"sip": {"enabled": True}}, r"sip .*server and extension are not set"),
        ({"store": {"url": "postgresql+asyncpg://nobody@127.0.0.1:1/none"}}, r"Centralita cannot start\. .*database"),
        ({"media": {"hosts": ["203.0.113.7"]}}, r"Centralita cannot start\. .*203\.0\.113\.7"),
    ],
)
async def test_wrong_settings_are_named(tmp_path: Path, settings: dict[str, dict[str, Any]], said: str) -> None:
    config = write_settings(tmp_path / "centralita.toml", settings)
    async with serving(tmp_path, "--config", str(config), "--port", "0") as process:
        assert await process.ended(STARTS_WITHIN_S) in (1, 2)
        await process.said(said, 30)
        assert "Traceback" not in (tmp_path / "server.log").read_text()


async def live_call(client: Client) -> str:
    """Dials the demo line's speech; the id of the call that is live."""
    await client.ask("call.dial", {"number": "601"})
    return str((await call_is(client, "live"))["call_id"])


async def test_a_call_may_end_by_itself_while_the_server_drains(tmp_path: Path) -> None:
    async with serving(tmp_path, "--demo", "--port", "0", "--drain", "60") as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client:
            call_id = await live_call(client)
            ending = asyncio.create_task(process.stop(signal.SIGTERM))
            await process.said("server.draining", ENDS_WITHIN_S)
            for request, payload in (("call.dial", {"number": "600"}), ("demo.call_me", {})):
                assert (await client.ask(request, payload))["error"]["code"] == "stopping"
            assert await client.ask("call.mute", {"call_id": call_id, "muted": True}) == {"ok": {}}
            await client.ask("call.hang_up", {"call_id": call_id})
            assert await asyncio.wait_for(ending, ENDS_WITHIN_S) == 0
            assert (await call_is(client, "ended"))["reason"] == "completed"
            assert (await client.told("session.closing"))[0]["code"] == "stopping"
    assert [call["end_reason"] for call in stored(tmp_path / "data")] == ["completed"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_of_several_processes_leaves_none_behind(tmp_path: Path, end: signal.Signals) -> None:
    async with serving(tmp_path, "--demo", "--port", "0", "--workers", "2") as process:
        up = (await process.said(r'^\{.*"event": "worker.up".*', WORKERS_START_WITHIN_S)).group()
        url, user, password = await started(process)
        async with page(url, user, password) as client:
            await live_call(client)
            media = os.pidfd_open(json.loads(up)["pid"])
            try:
                assert await process.stop(end, within_s=STARTS_WITHIN_S) == (0 if end is signal.SIGTERM else -end)
                assert select.select([media], [], [], ENDS_WITHIN_S)[0], "the media process outlived its hub"
            finally:
                os.close(media)
    if end is signal.SIGTERM:
        assert [call["end_reason"] for call in stored(tmp_path / "data")] == ["server_stopped"]
    assert "Traceback" not in (tmp_path / "server.log").read_text()


async def test_a_call_talks_on_by_itself_after_its_media_worker_was_killed(tmp_path: Path) -> None:
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    expected = ("ERR_CONNECTION_REFUSED", "WebSocket connection")  # when the server stops at last
    async with person(microphone, expected=expected) as someone, serving(tmp_path, "--demo", "--port", "0", "--workers", "1") as process:
        up = await process.said(r'^\{.*"event": "worker.up".*', WORKERS_START_WITHIN_S)
        await someone.sign_in(*(await started(process)))
        await someone.page.click("[data-do=dial-601]")
        await someone.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
        peer = "Object.values(window.centralita.peers)[0]"
        former = await someone.page.evaluate(f"{peer}.id")
        os.kill(json.loads(up.group())["pid"], signal.SIGKILL)
        someone.page.set_default_timeout(1_000 * WORKERS_START_WITHIN_S)  # the spare may still be warming up
        await someone.page.wait_for_function(f"(former) => {peer}?.id !== former && {peer}?.state.value === 'up'", arg=former)
        heard = f"""async () => {{
          while (!((await {peer}.counters()).inbound?.packetsReceived > 25)) await new Promise((resume) => setTimeout(resume, 100));
        }}"""
        await asyncio.wait_for(someone.page.evaluate(heard), WORKERS_START_WITHIN_S)
        assert await someone.page.query_selector("[data-call-id][data-state=live][data-media=up]")
        assert await process.stop(within_s=STARTS_WITHIN_S) == 0
    assert [call["end_reason"] for call in stored(tmp_path / "data")] == ["server_stopped"]


async def test_a_phone_is_kept_through_one_death_of_its_media_worker_and_told_bye_at_the_second(tmp_path: Path) -> None:
    async with call_through_a_pbx(tmp_path, {"media": {"workers": 1}}) as (server, telephone, client):
        first = (await server.process.said(r'"pid": (\d+).*"worker.up"', STARTS_WITHIN_S)).group(1)
        os.kill(int(first), signal.SIGKILL)
        second = (await server.process.said(rf'"pid": (?!{first}\b)(\d+).*"worker.up"', WORKERS_START_WITHIN_S)).group(1)
        assert not [notice for notice in await client.told("call.state") if notice["state"] == "ended"]
        os.kill(int(second), signal.SIGKILL)
        await telephone.event("CALL_CLOSED")
        ended = await call_is(client, "ended")
        assert ended["reason"] == "media_lost"
        assert "media worker" in ended["detail"]
    (call,) = stored(server.data_dir)
    assert (call["state"], call["end_reason"]) == ("ended", "media_lost")


@pytest.mark.parametrize(("drain_s", "again"), [("1", False), ("60", True)])
async def test_a_drain_ends_in_time_or_at_the_second_signal(tmp_path: Path, drain_s: str, again: bool) -> None:
    async with serving(tmp_path, "--demo", "--port", "0", "--drain", drain_s) as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client:
            await live_call(client)
            ending = asyncio.create_task(process.stop(signal.SIGINT))
            await process.said("server.draining", ENDS_WITHIN_S)
            if again:
                ending.cancel()
                ending = asyncio.create_task(process.stop(signal.SIGINT))
            assert await asyncio.wait_for(ending, ENDS_WITHIN_S) == 0
            assert (await call_is(client, "ended"))["reason"] == "server_stopped"
    assert [call["end_reason"] for call in stored(tmp_path / "data")] == ["server_stopped"]


async def test_a_page_finds_back_after_a_kill_and_shows_its_call_as_ended(tmp_path: Path) -> None:
    port = str(free_port())
    microphone = tone_file(tmp_path / "tone.wav", 697.0)
    refused = "ERR_CONNECTION_REFUSED"
    async with person(microphone, expected=(refused, "WebSocket connection")) as someone:
        async with serving(tmp_path, "--demo", "--port", port) as process:
            await someone.sign_in(*(await started(process)))
            await someone.page.click("[data-do=dial-601]")
            await someone.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
            await asyncio.wait_for(written(tmp_path / "data", "live"), ENDS_WITHIN_S)
            assert await process.stop(signal.SIGKILL) == -signal.SIGKILL
        await someone.page.wait_for_selector("[data-banner=link]")
        async with serving(tmp_path, "--demo", "--port", port) as process:
            await started(process)
            await someone.page.wait_for_selector("[data-banner=link]", state="detached")
            card = await someone.page.wait_for_selector("[data-call-id][data-state=ended]")
            assert "interrupted" in await card.inner_text()
            assert await someone.page.evaluate("Object.keys(window.centralita.peers).length") == 0
            assert await someone.page.evaluate("window.centralita.state.recent.map((call) => call.reason)") == ["interrupted"]
            await someone.page.click("[data-do=dial-601]")
            await someone.page.wait_for_selector("[data-call-id][data-state=live][data-media=up]")
            assert await process.stop() == 0


async def test_pages_are_served_by_https_where_a_certificate_is_given(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    config = write_settings(tmp_path / "centralita.toml", {"server": {"tls_certificate": str(certificate), "tls_key": str(key)}})
    trust = ssl.create_default_context(cafile=str(certificate))
    async with serving(tmp_path, "--config", str(config), "--demo", "--port", "0") as process, aiohttp.ClientSession() as http:
        url, _, _ = await started(process)
        assert url.startswith("https://")
        async with http.get(url, ssl=trust) as response:
            assert response.status == 200
            assert "max-age" in response.headers["Strict-Transport-Security"]
        with pytest.raises(aiohttp.ClientError):
            await http.ws_connect(f"ws{url.removeprefix('https')}/socket.io/?EIO=4&transport=websocket")
        assert await process.stop() == 0


async def test_a_pbx_that_is_down_is_said_and_everything_else_works(tmp_path: Path) -> None:
    sip = {"enabled": True, "server": "127.0.0.1", "port": free_port(), "transport": "tcp", "extension": "200", "listen_host": "127.0.0.1"}
    async with running_server(tmp_path, {"sip": sip}) as server, page(server.url, server.user, server.password) as client:
        (snapshot,) = await client.told("session.snapshot")
        (line,) = [line for line in snapshot["lines"] if line["trunk"] == "pbx"]
        if "cannot be reached" not in line["detail"]:  # it had not tried for long enough yet: then the page is told
            line = (await client.told("line.state"))[-1]
        assert not line["ready"]
        assert "cannot be reached" in line["detail"]
        await client.ask("call.dial", {"number": "601"})
        await call_is(client, "live")
        refused = await client.ask("call.dial", {"number": "what?"})
    assert refused["error"]["code"] == "not_a_number"


async def test_bad_requests_are_refused_in_words_and_the_call_goes_on(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, page(server.url, server.user, server.password) as client:
        call_id = (await client.ask("call.dial", {"number": "601"}))["ok"]["call_id"]
        await call_is(client, "live")
        many = "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 200
        for event, payload, code in (
            ("call.fly", {}, "bad_message"),
            ("call.dial", {"number": ""}, "bad_message"),
            ("call.hold", {"call_id": call_id, "held": "maybe"}, "bad_message"),
            ("call.hold", {"call_id": "another", "held": True}, "unknown_call"),
            ("peer.offer", {"call_id": call_id, "peer_id": "p1", "sdp": "v=0\r\n"}, "no_audio"),
            ("peer.offer", {"call_id": call_id, "peer_id": "p1", "sdp": many}, "too_many_media_lines"),
            ("call.digits", {"call_id": call_id, "digits": "abc"}, "bad_message"),
        ):
            answer = await client.ask(event, payload)
            assert answer["error"]["message"], event
            assert answer["error"]["code"] == code, event
        assert (await client.ask("call.mute", {"call_id": call_id, "muted": True})) == {"ok": {}}
        assert (await client.told("call.state"))[-1]["state"] == "live"
