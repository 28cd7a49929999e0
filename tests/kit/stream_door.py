"""A door in a TCP stream: TLS for a program that speaks none, or the same octets in smaller pieces."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from pbx.tls import TlsContexts

End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class StreamDoor:
    """``tls``: what is spoken on the far side of the door; None: TCP. ``cut`` draws the sizes of the pieces; None: as they come."""

    def __init__(self, host: str, tls: TlsContexts | None = None, *, cut: Random | None = None) -> None:
        self._host = host
        self._outgoing = tls.outgoing() if tls is not None else None
        self._incoming = tls.incoming() if tls is not None else None
        self._cut = cut

    @asynccontextmanager
    async def into(self, port: int, target: int, *, source_port: int) -> AsyncIterator[None]:
        """What comes to ``port`` goes to the far side's ``target``, from ``source_port``."""

        async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far = asyncio.open_connection(self._host, target, ssl=self._outgoing, local_addr=(self._host, source_port))
            await self._join((reader, writer), far)

        async with _serving(await asyncio.start_server(opened, self._host, port)):
            yield

    @asynccontextmanager
    async def out_of(self, port: int, target: int) -> AsyncIterator[None]:
        """What the far side sends to ``port`` goes to ``target``."""

        async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._join((reader, writer), asyncio.open_connection(self._host, target))

        async with _serving(await asyncio.start_server(opened, self._host, port, ssl=self._incoming)):
            yield

    async def _join(self, near: End, opening: Coroutine[Any, Any, End]) -> None:
        """Copy both ways until one side is done; then both are closed."""
        try:
            far = await opening
        except OSError:  # the program has ended
            near[1].close()
            return
        copying = [asyncio.create_task(self._copy(near[0], far[1])), asyncio.create_task(self._copy(far[0], near[1]))]
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


@asynccontextmanager
async def _serving(server: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
