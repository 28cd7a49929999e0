"""The real server as a subprocess: ready on entry, ended by SIGTERM on exit with status 0 and nothing left behind."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api.demo_call.server import Server, server

__all__ = ["Server", "running_server"]


@asynccontextmanager
async def running_server(
    directory: Path, settings: Mapping[str, Mapping[str, Any]] | None = None, *, demo: bool = True
) -> AsyncIterator[Server]:
    """``settings``: sections over the defaults (``{"media": {"port": 0}}``); port and data folder are free ones."""
    async with server(directory, settings or {}, demo=demo) as running:
        yield running
