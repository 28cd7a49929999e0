"""The server of the demo call: the real program in a process of its own, with its settings in a file, on free ports."""

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from api.demo_call.process import ChildProcess, PeerFailure, free_port

_READY_S = 20.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Server:
    """A ready server. ``data_dir`` holds its store, ``process`` its output."""

    url: str
    data_dir: Path
    process: ChildProcess

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of it."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()

    async def metric(self, name: str) -> float | None:
        """Sum of the samples of one Prometheus metric, None where there are none."""
        _, text = await self.get("/metrics")
        values = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name]
        return sum(values) if values else None


@asynccontextmanager
async def server(directory: Path, settings: Mapping[str, Mapping[str, Any]], *, demo: bool = True) -> AsyncIterator[Server]:
    """Starts ``centralita serve`` with these settings (section, key, value) over a free port and a data folder in ``directory``.

    Leaving ends it by SIGTERM and raises PeerFailure where it does not end well. Raises PeerFailure with its last lines where it does not
    become ready.
    """
    port = free_port()
    data_dir = directory / "data"
    given: dict[str, dict[str, Any]] = {"server": {"host": "127.0.0.1", "port": port, "data_dir": str(data_dir)}}
    for section, values in settings.items():
        given.setdefault(section, {}).update(values)
    configuration = write_settings(directory / "centralita.toml", given)
    command = [sys.executable, "-m", "api", "serve", "--config", str(configuration), *(["--demo"] if demo else []), "--drain", "0"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    environment |= {name: "" for name in os.environ if name.startswith("CENTRALITA_")}
    async with ChildProcess("the server", command, log=directory / "server.log", directory=directory, environment=environment) as process:
        running = Server(f"http://127.0.0.1:{port}", data_dir, process)
        await _ready(running)
        yield running
        status = await process.stop()
        if status != 0:
            raise PeerFailure(f"the server ended with status {status} after SIGTERM, 0 was expected. {process.last_words()}")


async def _ready(running: Server) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                if running.process.has_ended:
                    raise PeerFailure(f"the server did not start. {running.process.last_words()}")
                try:
                    status, _ = await running.get("/api/health/ready")
                    if status == 200:
                        return
                except aiohttp.ClientError:
                    pass  # not listening yet
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PeerFailure(f"the server was not ready within {_READY_S:g} s. {running.process.last_words()}") from None


def write_settings(path: Path, settings: Mapping[str, Mapping[str, Any]]) -> Path:
    """Writes sections of plain values as TOML: JSON's strings, numbers, booleans and lists are TOML's too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        for section, values in settings.items()
    )
    tomllib.loads(text)
    path.write_text(text)
    return path
