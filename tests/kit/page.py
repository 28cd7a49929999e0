"""The server as a process of which the test sees every word, and pages without a browser."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from api.demo_call.process import ChildProcess
from tests.kit.hub import Client

STARTS_WITHIN_S = 120.0


@asynccontextmanager
async def serving(directory: Path, *options: str) -> AsyncIterator[ChildProcess]:
    """``centralita serve`` over a data folder in ``directory``; ended however it is when the block ends."""
    command = [sys.executable, "-m", "api", "serve", "--workers", "0", "--data-dir", str(directory / "data"), *options]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1", "CENTRALITA_DEMO__PLAN": "false"}
    environment |= {"CENTRALITA_CALLS__AGENT_MEDIA_S": "120"}  # pages without a browser have no sound
    async with ChildProcess("the server", command, log=directory / "server.log", directory=directory, environment=environment) as process:
        yield process


async def started(process: ChildProcess) -> tuple[str, str, str]:
    """Address, user and password, as the server prints them."""
    url = (await process.said(r"Centralita serves (\S+)", STARTS_WITHIN_S)).group(1)
    agent = await process.said(r"Sign in as (\S+) with the password (\S+),", STARTS_WITHIN_S)
    return url, agent.group(1), agent.group(2)


@asynccontextmanager
async def page(url: str, user: str, password: str) -> AsyncIterator[Client]:
    """A signed-in page without a browser."""
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/v1/sign-in", json={"user": user, "password": password}) as response:
            token = (await response.json())["token"]
        client = Client(http)
        await client.connect(url, {"token": token})
        try:
            await client.told("session.snapshot")
            yield client
        finally:
            await client.socket.disconnect()


async def call_is(client: Client, state: str) -> dict[str, Any]:
    """Waits until a call is in this state; its notice."""
    count = 1
    while True:
        notices = await client.told("call.state", count)
        found = [notice for notice in notices if notice["state"] == state]
        if found:
            return found[-1]
        count = len(notices) + 1
