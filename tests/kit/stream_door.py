"""A door in a TCP stream between a program (SIPp) and an agent: TLS for a program that speaks none, or the same octets in smaller pieces.

SIPp knows no repetition over a stream, where an agent has some all the same (a 200 until its ACK, a reliable 183 until its PRACK): one that
comes because SIPp had to wait for the processor ends its call. Through the door it hears each message once.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pbx.framing import StreamFramer
from pbx.tls import TlsContexts

End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class StreamDoor:
    """``tls``: what is spoken on the agent's side of the door; None: TCP. ``cut`` draws the sizes of the pieces; None: as they come.
    ``repeats``: the program hears also what the agent says again."""

    def __init__(self, host: str, tls: TlsContexts | None = None, *, cut: Random | None = None, repeats: bool = False) -> None:
        self._host = host
        self._outgoing = tls.outgoing() if tls is not None else None
        self._incoming = tls.incoming() if tls is not None else None
        self._cut = cut
        self._repeats = repeats
        self._heard: set[bytes] = set()

    @asynccontextmanager
    async def into(self, port: int, target: int, *, source_port: int) -> AsyncIterator[None]:
        """What the program says to ``port`` goes to the agent's ``target``, from ``source_port``."""

        async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far = asyncio.open_connection(self._host, target, ssl=self._outgoing, local_addr=(self._host, source_port))
            await self._join((reader, writer), far, towards_program=False)

        async with _serving(await asyncio.start_server(opened, self._host, port)):
            yield

    @asynccontextmanager
    async def out_of(self, port: int, target: int) -> AsyncIterator[None]:
        """What the agent sends to ``port`` goes to the program's ``target``."""

        async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._join((reader, writer), asyncio.open_connection(self._host, target), towards_program=True)

        async with _serving(await asyncio.start_server(opened, self._host, port, ssl=self._incoming)):
            yield

    async def _join(self, near: End, opening: Coroutine[Any, Any, End], *, towards_program: bool) -> None:
        """Copy both ways until one side is done; then both are closed."""
        try:
            far = await opening
        except OSError:  # the program has ended
            near[1].close()
            return
        program, agent = (far, near) if towards_program else (near, far)
        tell = self._copy if self._repeats else self._copy_once
        copying = [asyncio.create_task(self._copy(program[0], agent[1])), asyncio.create_task(tell(agent[0], program[1]))]
        try:
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in copying:
                task.cancel()
            await asyncio.gather(*copying, return_exceptions=True)
            for _, writer in (near, far):
                writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536 if self._cut is None else self._cut.randint(1, 60)):
            writer.write(data)
            await writer.drain()

    async def _copy_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Message by message, each once."""
        framer = StreamFramer()
        while data := await reader.read(65_536):
            for message in framer.feed(data):
                if message not in self._heard:
                    self._heard.add(message)
                    writer.write(message)
            await writer.drain()


@asynccontextmanager
async def _serving(server: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
