"""``centralita load`` against a real server: calls are connected, measured and ended, and what fails is said in the server's words."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.server import Server, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running_server(tmp_path) as running:
        yield running


async def load(server: Server, *options: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit status, rows by their figure, and what was complained about."""
    settings = str(server.data_dir.parent / "centralita.toml")
    command = (sys.executable, "-m", "api", "load", "--config", settings, "--url", server.url, "--json", "--seconds", "1", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    said, complained = await process.communicate()
    rows = json.loads(said.splitlines()[-1])["rows"] if said else []
    return process.returncode or 0, {row["metric"]: row for row in rows}, complained.decode()


async def test_calls_are_connected_compared_and_ended(server: Server) -> None:
    status, rows, complained = await load(server, "--calls", "3")
    assert rows["calls connected"]["value"] == 3 and not complained
    assert rows["packets sent"]["value"] > 10
    assert rows["packets lost"]["value"] == rows["packets altered, forged, out of order"]["value"] == 0
    assert status == 0
    assert 'centralita_calls_live{direction="out"} 0.0' in (await server.get("/metrics"))[1]


async def test_a_call_that_fails_is_said_in_the_servers_words(server: Server) -> None:
    status, rows, complained = await load(server, "--calls", "2", "--number", "603")
    assert status == 2 and not rows
    assert complained.startswith("2 of 2 calls failed") and "603 is always busy" in complained
