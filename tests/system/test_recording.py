"""Recording by the whole program: a page asks, the call is kept, a supervisor hears it, and a killed server loses no more than promised."""

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from api.demo_call.server import write_settings
from media.recording.keys import KeyRing
from media.recording.records import Side, read_recording
from tests.kit.browser_peer import BrowserPeer, loopback_ice  # noqa: F401
from tests.kit.hub import Client
from tests.kit.leg_bench import level_where_it_sounds
from tests.kit.media_desk import ToneTrack, hears_here, listen
from tests.kit.page import STARTS_WITHIN_S, call_is, page, serving, started
from tests.kit.vaults import vault_of

pytestmark = pytest.mark.usefixtures("loopback_ice")


def settings(directory: Path, **recording: Any) -> Path:
    given = {
        "media.recording": {"enabled": True, "consent": "given", **recording},
        "media.voice": {"echo": "off", "noise": "off", "gain": "off"},
    }
    return write_settings(directory / "centralita.toml", given)


def command(directory: Path, *arguments: str) -> tuple[int, str]:
    """``centralita ...`` over the same data folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "CENTRALITA_SERVER__DATA_DIR": str(directory / "data")}
    done = subprocess.run(
        (sys.executable, "-m", "api", *arguments), capture_output=True, text=True, env=environment, cwd=directory, check=False
    )
    return done.returncode, done.stdout + done.stderr


@asynccontextmanager
async def talking(client: Client, microphone: ToneTrack | None = None) -> AsyncIterator[tuple[str, BrowserPeer]]:
    """The page's call to the echo line, its sound up."""
    async with BrowserPeer(microphone or ToneTrack(700.0)) as peer:
        call_id = (await client.ask("call.dial", {"number": "600"}))["ok"]["call_id"]
        answer = await client.ask("peer.offer", {"call_id": call_id, "peer_id": "tab", "sdp": await peer.offer()})
        await peer.accept(answer["ok"]["sdp"])
        await call_is(client, "live")
        await listen(peer, 10)
        yield call_id, peer


async def is_recorded(client: Client) -> None:
    """Waits until the page is told so."""
    seen = 0
    while True:
        notices = await client.told("call.state", seen + 1)
        if any(notice["recording"] == "recording" for notice in notices):
            return
        seen = len(notices)


async def test_from_the_pages_request_to_the_supervisors_ear(tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert command(tmp_path, "user", "add", "eva", "--role", "supervisor", "--password", "correct horse", "--config", str(config))[0] == 0
    async with serving(tmp_path, "--demo", "--port", "0", "--config", str(config)) as process:
        url, user, password = await started(process)
        microphone = ToneTrack(700.0, amplitude=0.0)
        async with page(url, user, password) as client, talking(client, microphone) as (call_id, peer):
            assert "ok" in await client.ask("call.record", {"call_id": call_id, "action": "start"})
            await is_recorded(client)
            microphone.amplitude = 0.25  # of this nothing came before the recording began, and what is heard again has been kept
            await hears_here(peer, 700.0, rel=0.15)
            await listen(peer, 25)
            await client.ask("call.hang_up", {"call_id": call_id})
            await call_is(client, "ended")
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{url}/api/v1/sign-in", json={"user": "eva", "password": "correct horse"}) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
            async with asyncio.timeout(STARTS_WITHIN_S):
                while True:  # another process has no event for us
                    async with http.get(f"{url}/api/v1/recordings/{call_id}-1", headers=headers) as answer:
                        body = await answer.read()
                    if answer.status == 200:
                        break
                    await asyncio.sleep(0.05)
        assert await process.stop() == 0
    with wave.open(io.BytesIO(body)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(np.float32) / 32_768
    assert level_where_it_sounds(samples[:, 0], 700.0, rate_hz) == pytest.approx(0.25, rel=0.15)
    assert command(tmp_path, "recording", "audit", "--config", str(config)) == (0, "Every recording is there and whole.\n")


async def test_a_killed_server_loses_two_seconds_at_most_and_signs_the_rest_when_it_is_back(tmp_path: Path) -> None:
    config = settings(tmp_path, outgoing="always")
    async with serving(tmp_path, "--demo", "--port", "0", "--config", str(config)) as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client, talking(client) as (call_id, peer):
            await listen(peer, 200)
            assert await process.stop(signal.SIGKILL) == -signal.SIGKILL
    (file,) = (tmp_path / "data" / "recordings").glob("*.rec")
    key = bytes.fromhex((tmp_path / "data" / "recording.key").read_text().strip())
    ring = KeyRing([key], vault_of(tmp_path / "data").open)
    said = [packet for packet in read_recording(file, ring).packets if packet.side is Side.SAID]
    assert len(said) >= 50 * (200 * 0.02 - 2.0)
    async with serving(tmp_path, "--demo", "--port", "0", "--config", str(config)) as process:
        await started(process)
        async with asyncio.timeout(STARTS_WITHIN_S):
            while not ended(tmp_path / "data", f"{call_id}-1"):  # noqa: ASYNC110 - another process has no event for us
                await asyncio.sleep(0.05)
        assert await process.stop() == 0
    assert command(tmp_path, "recording", "audit", "--config", str(config)) == (0, "Every recording is there and whole.\n")


def ended(data_dir: Path, recording_id: str) -> bool:
    """Does the database know that, and its manifest's checkpoint?"""
    with sqlite3.connect(f"file:{data_dir / 'centralita.sqlite3'}?mode=ro", uri=True) as connection:
        query = "select count(*) from recordings where recording_id = ? and ended_at is not null and entries > 1"
        ((count,),) = connection.execute(query, (recording_id,))
    connection.close()
    return bool(count)


async def test_a_server_that_is_stopped_in_mid_call_ends_its_recordings_well(tmp_path: Path) -> None:
    config = settings(tmp_path, outgoing="always")
    async with serving(tmp_path, "--demo", "--port", "0", "--config", str(config), "--workers", "1") as process:
        url, user, password = await started(process)
        async with page(url, user, password) as client, talking(client) as (call_id, peer):
            await listen(peer, 40)
            assert await process.stop() == 0
    assert ended(tmp_path / "data", f"{call_id}-1")
    assert command(tmp_path, "recording", "audit", "--config", str(config)) == (0, "Every recording is there and whole.\n")
