"""A trunk with its events in a queue, and RTP ports that take whatever comes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import StatusChanged, Trunk, TrunkEvent
from pbx.trunk_group import Place, TrunkGroup
from pbx.trunk_health import FailoverSettings
from rooms.audio import G722, PCMA, PCMU, AudioCodec, RtpEndpoint

E = TypeVar("E")
WITHIN_S = 30.0


class TrunkBench:
    """``seen`` holds every event; ``event`` waits for the next one of a kind."""

    def __init__(self) -> None:
        self.seen: list[TrunkEvent] = []
        self._queue: asyncio.Queue[TrunkEvent] = asyncio.Queue()
        self._sockets: list[socket.socket] = []
        self.trunk: Trunk

    def on_event(self, event: TrunkEvent) -> None:
        self.seen.append(event)
        self._queue.put_nowait(event)

    async def event(self, kind: type[E], within_s: float = WITHIN_S) -> E:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    event = await self._queue.get()
                    if isinstance(event, kind):
                        return event
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} within {within_s} s; there were {self.seen}") from None

    async def ready(self) -> None:
        while not self.trunk.status.ready:
            await self.event(StatusChanged)

    def endpoint(self, codecs: tuple[AudioCodec, ...] = (G722, PCMA, PCMU)) -> RtpEndpoint:
        """An RTP endpoint on a port that is really ours."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        self._sockets.append(sock)
        return RtpEndpoint("127.0.0.1", sock.getsockname()[1], codecs, 101)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


@asynccontextmanager
async def sip_bench(server: str, port: int, *, extension: str = "100", **settings: object) -> AsyncIterator[TrunkBench]:
    """A SIP trunk to this PBX, open and closed with the block."""
    bench = TrunkBench()
    chosen = {"bind_host": "127.0.0.1", "transport": SipTransport.UDP, **settings}
    trunk = SipTrunk(SipTrunkSettings(server=server, port=port, extension=extension, **chosen), bench.on_event)  # type: ignore[arg-type]
    bench.trunk = trunk
    try:
        async with trunk:
            yield bench
    finally:
        bench.close()


@asynccontextmanager
async def group_bench(*lines: dict[str, object], silent_s: float = 2.0, **settings: object) -> AsyncIterator[TrunkBench]:
    """One trunk to several PBXs of this machine, the first one first, called ``a``, ``b`` and so on.

    ``silent_s``: how long it waits for a PBX's first word to a call, which a busy machine's may be late with.
    """
    bench = TrunkBench()
    shared = {"server": "127.0.0.1", "extension": "100", "bind_host": "127.0.0.1", "transport": SipTransport.UDP, **settings}
    places = [Place(SipTrunkSettings(**{"name": "abc"[at], **shared, **line}), at + 1) for at, line in enumerate(lines)]  # type: ignore[arg-type]
    bench.trunk = group = TrunkGroup("pbx", places, FailoverSettings(silent_s=silent_s), bench.on_event)
    try:
        async with group:
            yield bench
    finally:
        bench.close()
