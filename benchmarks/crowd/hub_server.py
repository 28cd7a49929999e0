"""Our hub under a crowd: ``python -m benchmarks.crowd.hub_server ROOMS``.

Standard output begins with the port. Then each line of standard input is a command that is answered by one line of JSON: ``tokens N``
(the connect packets of so many clients), ``pace COUNT PER_S``, ``numbered COUNT PER_S``, ``burst COUNT`` (one each turn of the loop),
``look``.
"""

import asyncio
import gc
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from signaling import messages as wire
from signaling.grants import Grant
from signaling.hub import Hub, HubSettings
from signaling.limits import AddressLimits
from signaling.tokens import TokenIssuer

_TEXT = "x" * 100
_MANY = 1_000_000


class Beat(wire.Notice, frozen=True, tag="crowd.beat", omit_defaults=True):
    """``at``: ns on the monotonic clock. ``n``: its number, where it is looked for."""

    at: int
    text: str
    n: int = 0


class _Server:
    def __init__(self, rooms: int) -> None:
        self._rooms = rooms
        self._tokens = TokenIssuer("a secret for benchmarks, long enough: 0123456789")
        self._sent = 0
        settings = HubSettings(
            sockets=_MANY,
            address=AddressLimits(rate_per_s=1e6, burst=1e6, open_at_once=_MANY),
            replay_kept=int(os.environ.get("REPLAY_KEPT", "128")),
        )
        self.hub = Hub(
            settings,
            verify=self._tokens.verify,
            renew=self._renew,
            perform=self._perform,
            on_presence=lambda identity, online: None,
            snapshot=self._snapshot,
        )

    async def _renew(self, grant: Grant) -> wire.Session:
        return self._tokens.issue(grant.identity, grant.name, grant.role, signed_in_at=grant.signed_in_at)

    async def _perform(self, grant: Grant, request: wire.AnyRequest) -> None:
        return None

    async def _snapshot(self, grant: Grant) -> wire.Snapshot:
        return wire.Snapshot(
            version=wire.PROTOCOL_VERSION,
            server_version="",
            now=0.0,
            identity=grant.identity,
            name=grant.name,
            role=grant.role,
            available=True,
            demo=False,
            calls=[],
            lines=[],
            recent=[],
        )

    def hello(self, which: int) -> str:
        """The connect packet of a client, who is in one of the rooms."""
        identity = f"c{which}"
        self.hub.subscribe(identity, f"room:{which % self._rooms}")
        return '40{"token":"' + self._tokens.issue(identity, identity, "agent").token + '"}'

    def publish(self, numbered: bool = False) -> None:
        topic = f"room:{self._sent % self._rooms}"
        self._sent += 1
        self.hub.publish(topic, Beat(at=time.monotonic_ns(), text=_TEXT, n=self._sent if numbered else 0))

    async def pace(self, count: int, per_s: int, numbered: bool) -> None:
        from_s, said = time.monotonic(), 0
        while said < count:
            await asyncio.sleep(0.001)
            due = min(count, int((time.monotonic() - from_s) * per_s))
            for _ in range(due - said):
                self.publish(numbered)
            said = due

    async def burst(self, count: int) -> None:
        for _ in range(count):
            self.publish()
            await asyncio.sleep(0)


def _say(**found: Any) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    rss = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    found |= {"cpu_s": usage.ru_utime + usage.ru_stime, "rss": rss}
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    sys.stdout.flush()


async def _obey(server: _Server, word: str, numbers: list[int]) -> None:
    found: dict[str, Any] = {}
    if word == "tokens":
        found["hellos"] = [server.hello(which) for which in range(numbers[0])]
    elif word in ("pace", "numbered"):
        await server.pace(numbers[0], numbers[1], word == "numbered")
    elif word == "burst":
        await server.burst(numbers[0])
    elif word == "look":
        gc.collect()
        found["there"] = server.hub.sockets
    _say(**found)


async def _main(rooms: int) -> None:
    server = _Server(rooms)
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    server.hub.attach(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    commands: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(0, lambda: commands.put_nowait(sys.stdin.readline()))
    async with server.hub:
        _say(port=runner.addresses[0][1])
        while line := (await commands.get()).split():
            await _obey(server, line[0], [int(number) for number in line[1:]])
    loop.remove_reader(0)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
