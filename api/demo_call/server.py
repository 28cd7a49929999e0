"""The server of the demo call: the real program in a process of its own, with its settings in a file, on free ports."""

import asyncio
import json
import os
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from api.demo_call.process import ChildProcess, PeerFailure

_READY_S = 120.0  # a machine's first start compiles the sound kernels
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Server:
    """A ready server. ``data_dir`` holds its store, ``process`` its output; ``user`` and ``password`` are the demo agent's, where there is
    one."""

    url: str
    data_dir: Path
    process: ChildProcess
    user: str = ""
    password: str = field(default="", repr=False)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of it."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()

    async def median(self, histogram: str) -> float | None:
        """Median of a Prometheus histogram without labels, linear within its bucket; None where it holds nothing."""
        _, text = await self.get("/metrics")
        pairs = re.findall(rf'^{re.escape(histogram)}_bucket{{le="([^"]+)"}} (\S+)$', text, re.MULTILINE)
        buckets = [(float(bound), float(count)) for bound, count in pairs]
        total = buckets[-1][1] if buckets else 0.0
        lower, below = 0.0, 0.0
        for bound, count in buckets:
            if count and count >= total / 2:
                return lower if bound == float("inf") else lower + (bound - lower) * (total / 2 - below) / (count - below)
            lower, below = bound, count
        return None

    async def line_is_up(self, name: str) -> None:
        """Returns once the telephone line is registered. Raises PeerFailure where it is not soon."""
        wanted = f'centralita_line_ready{{line="{name}"}} 1.0'
        try:
            async with asyncio.timeout(_READY_S):
                while wanted not in (await self.get("/metrics"))[1]:  # noqa: ASYNC110 - another process has no event for us
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise PeerFailure(f"the line {name} was not registered within {_READY_S:g} s. {self.process.last_words()}") from None


@asynccontextmanager
async def server(directory: Path, settings: Mapping[str, Mapping[str, Any]], *, demo: bool = True) -> AsyncIterator[Server]:
    """Starts ``centralita serve`` with these settings (section, key, value) over a free port and a data folder in ``directory``.

    Leaving ends it by SIGTERM and raises PeerFailure where it does not end well. Raises PeerFailure with its last lines where it does not
    become ready.
    """
    data_dir = directory / "data"
    given: dict[str, dict[str, Any]] = {
        "server": {"host": "127.0.0.1", "port": 0, "data_dir": str(data_dir)},
        "media": {"workers": 0},  # one call needs no processes beside
        "demo": {"plan": False, "travel": False},  # no sentences made beforehand, and nobody known
    }
    for section, values in settings.items():
        given.setdefault(section, {}).update(values)
    configuration = write_settings(directory / "centralita.toml", given)
    command = [sys.executable, "-m", "api", "serve", "--config", str(configuration), *(["--demo"] if demo else []), "--drain", "0"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    environment |= {name: "" for name in os.environ if name.startswith("CENTRALITA_")}
    async with ChildProcess("the server", command, log=directory / "server.log", directory=directory, environment=environment) as process:
        url = (await process.said(r"Centralita serves (\S+)", _READY_S)).group(1)
        agent = await process.said(r"Sign in as (\S+) with the password (\S+),", _READY_S) if demo else None
        running = Server(url, data_dir, process, *(agent.groups() if agent else ()))
        await _ready(running)
        yield running
        status = await process.stop()
        if status != 0:
            raise PeerFailure(f"the server ended with status {status} after SIGTERM, 0 was expected. {process.last_words()}")


async def _ready(running: Server) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            while (await running.get("/api/v1/health/ready"))[0] != 200:  # noqa: ASYNC110 - another process has no event for us
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PeerFailure(f"the server was not ready within {_READY_S:g} s. {running.process.last_words()}") from None


def write_settings(path: Path, settings: Mapping[str, Mapping[str, Any]]) -> Path:
    """Writes sections as TOML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items()) for section, values in settings.items()
    )
    tomllib.loads(text)
    path.write_text(text)
    return path


def _toml(value: Any) -> str:
    """JSON's strings, numbers and booleans are TOML's too."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return json.dumps(value)
