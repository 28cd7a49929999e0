"""A browser's network that lets no UDP through: what the browser's side sends by UDP travels over one framed TCP connection (RFC 4571)."""

import asyncio
import contextlib
import re
from typing import Any, Self

_CANDIDATE = re.compile(r"a=candidate:(\S+) 1 tcp (\d+) (\S+) (\d+) typ host tcptype passive\r\n")


class TcpTunnel(asyncio.DatagramProtocol):
    """``async with``. ``through(answer)`` leaves of an answer only its first TCP candidate, under our UDP address.

    As in a browser, a connection carries checks alone until one was answered on it.
    """

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        """Set while the connection carries everything; clear from a cut until a check was answered on the next one."""
        self._far: tuple[str, int] | None = None
        self._target = ("", 0)
        self._transport: Any = None
        self._writer: asyncio.StreamWriter | None = None
        self._closed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = [task for task in (self._opening, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.cut()
        self._transport.close()
        await self._closed.wait()

    def through(self, answer: str) -> str:
        found = _CANDIDATE.search(answer)
        assert found is not None, answer
        self._target = (found[3], int(found[4]))
        host, port = self._transport.get_extra_info("sockname")
        kept = "".join(line for line in answer.splitlines(keepends=True) if not line.startswith("a=candidate:"))
        return kept.replace("a=end-of-candidates", f"a=candidate:1 1 udp {found[2]} {host} {port} typ host\r\na=end-of-candidates")

    async def cut(self) -> None:
        """The connection breaks; the next datagram opens another."""
        writer, self._writer = self._writer, None
        self.answered.clear()
        if writer is not None:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._far = addr
        if not self.answered.is_set() and data[0] > 3:
            return
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(len(data).to_bytes(2, "big") + data)
        elif self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="tunnel-open")

    async def _open(self) -> None:
        reader, writer = await asyncio.open_connection(*self._target)
        self._writer = writer
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, writer), name="tunnel-read")

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self._writer is writer:
                length = int.from_bytes(await reader.readexactly(2), "big")
                datagram = await reader.readexactly(length)
                if self._writer is writer:
                    self.answered.set()
                self._transport.sendto(datagram, self._far)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
