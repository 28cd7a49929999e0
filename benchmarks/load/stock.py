"""Stock aiortc as an application uses it: a peer connection per browser, a ``MediaRelay`` that gives each one its own voice back.

``python -m benchmarks.load.stock`` is its process: an offer a line in, JSON; an answer a line out.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack

from api.load.browser import Browser
from api.load.streams import Endpoint
from benchmarks.load import process
from benchmarks.load.janus import outer_address
from benchmarks.load.servers import SERVER_CORE, Side
from benchmarks.report import CannotRun
from media.dtls import Certificate


class Aiortc:
    """Rooms are of one, who hears himself: decoded, encoded anew."""

    name = "aiortc"

    def __init__(self) -> None:
        self._certificate = Certificate.create()
        self._process: asyncio.subprocess.Process
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        outer_address()
        command = (sys.executable, "-m", "benchmarks.load.stock")
        self._process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        await self._process.stdout.readline()
        process.pin(self._process.pid, SERVER_CORE)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        await self._process.wait()

    @property
    def pids(self) -> Sequence[int]:
        return [self._process.pid]

    async def room(self, sides: Sequence[Side]) -> list[Endpoint]:
        if [side.kind for side in sides] != ["browser"]:
            raise CannotRun("aiortc is given browsers, one by one")
        return [await Browser(side.codec, self._certificate, outer_address()).connect(self._negotiate) for side in sides]

    async def _negotiate(self, offer: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        async with self._asking:
            self._process.stdin.write(json.dumps(offer).encode() + b"\n")
            return str(json.loads(await self._process.stdout.readline()))


async def _serve() -> None:
    reader, relay, connections = asyncio.StreamReader(), MediaRelay(), []
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        connection = RTCPeerConnection()
        connections.append(connection)

        @connection.on("track")
        def echo(track: MediaStreamTrack, connection: RTCPeerConnection = connection) -> None:
            connection.addTrack(relay.subscribe(track))

        await connection.setRemoteDescription(RTCSessionDescription(json.loads(line), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        print(json.dumps(connection.localDescription.sdp), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
