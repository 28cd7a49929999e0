"""The whole product under calls by SIP: ``centralita serve`` with a line by address, one media worker and its store, and agents who are
signed in."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.demo_call.process import ChildProcess, free_port
from benchmarks.cluster import Installation, ServingNode
from benchmarks.load import process
from benchmarks.load.servers import HOST, LOAD_CORE, SERVER_CORE
from signaling.tokens import LONGEST_LIFE_S, TokenIssuer

_MOST = 5_000
_SIGNED_IN_S = 180.0
_WITHIN_S = 10.0


@dataclass(slots=True)
class Product:
    """``hub`` and ``worker`` are its processes. ``accepted`` and ``refused`` (by code) count what they asked, known once it has ended."""

    node: ServingNode
    store: Path
    port: int
    hub: int
    worker: int
    accepted: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    def records(self) -> tuple[int, int, int]:
        """Calls that the store has, those among them that were answered and are over, and different callers."""
        with sqlite3.connect(self.store) as store:
            whole = "sum(answered_at IS NOT NULL AND ended_at IS NOT NULL AND agent <> '')"
            found = store.execute(f"SELECT count(*), coalesce({whole}, 0), count(DISTINCT caller) FROM calls").fetchone()
        store.close()
        return int(found[0]), int(found[1]), int(found[2])


@asynccontextmanager
async def product(folder: Path, agents: Sequence[str], *, database: str = "") -> AsyncIterator[Product]:
    """Serving, with these agents signed in, each of whom takes a call that rings at theirs. Lasts as long as a session's token.

    ``database``: its URL, in place of a file in ``folder``; what it has ``records`` does not say.
    """
    installation = Installation(folder)
    port = free_port()
    line = {"enabled": True, "mode": "address", "server": HOST, "port": 9, "extension": "bench", "listen_host": HOST, "listen_port": port}
    settings: dict[str, dict[str, Any]] = {
        "media": {"workers": 1},
        "sip": {**line, "keepalive_s": 0.0, "max_calls": _MOST, "calls_per_s": float(_MOST)},
        "security": {"sockets_per_address": 2 * len(agents) + 10, "token_lifetime_s": LONGEST_LIFE_S},
    }
    if database:
        settings["store"] = {"url": database}
    tokens = TokenIssuer(installation.secret, lifetime_s=LONGEST_LIFE_S)
    async with installation.node("product", "", settings) as node:
        hub = node.process.pid
        worker = _worker(hub)
        for pid in (hub, worker):
            process.pin(pid, SERVER_CORE)
        command = [sys.executable, "-m", "benchmarks.load.telephones", node.url]
        async with ChildProcess("telephones", command, log=folder / "telephones.log", directory=Path.cwd(), told=True) as telephones:
            process.pin(telephones.pid, LOAD_CORE)
            for name in (*agents, ""):
                telephones.tell(tokens.issue(name, name, "agent").token if name else "")
            await telephones.said("^ready", _SIGNED_IN_S)
            found = Product(node, folder / "all.sqlite3", port, hub, worker)
            yield found
            await telephones.stop()
            counted = json.loads((await telephones.said(r"^\{.*\}$", _WITHIN_S)).group())
            found.accepted, found.refused = counted["accepted"], counted["refused"]
        await node.process.stop(within_s=_WITHIN_S)


def _worker(pid: int) -> int:
    """The one at work: the spare, which waits for its death, was begun after it."""
    found = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return next(child for child in found if b"api.media_process" in Path(f"/proc/{child}/cmdline").read_bytes())


async def records(found: Product) -> tuple[int, int, int]:
    """As ``Product.records``, which waits for the disk."""
    return await asyncio.to_thread(found.records)
