"""The real server as a subprocess: ready on entry, ended by SIGTERM on exit with status 0 and nothing left behind."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api.demo_call.server import Server, server

__all__ = ["FAST", "Server", "running_server"]

FAST: Mapping[str, Mapping[str, Any]] = {"limits": {"person_at_once": 1_000, "person_per_minute": 10_000}}
"""For tests that click faster than people: a page asks again a second after a limit's refusal, and takes no clicks meanwhile."""


@asynccontextmanager
async def running_server(
    directory: Path, settings: Mapping[str, Mapping[str, Any]] | None = None, *, demo: bool = True
) -> AsyncIterator[Server]:
    """``settings``: sections over the defaults (``{"media": {"port": 0}}``); port and data folder are free ones."""
    async with server(directory, settings or {}, demo=demo) as running:
        yield running
