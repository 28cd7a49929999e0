"""A bare UDP socket that speaks STUN checks, for what no well-behaved browser sends."""

import asyncio
from typing import Any, Self

from aioice import stun


def check(fragment: str, password: str, *, controlled: bool = False, nominate: bool = False) -> bytes:
    """A Binding request as an ICE agent sends it to the agent with these local credentials."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{fragment}:remote"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 7
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


class StunProbe(asyncio.DatagramProtocol):
    """Connected to one address: it hears nobody else. ``got`` are the datagrams that came back."""

    transport: Any

    def __init__(self, remote: tuple[str, int], *, host: str = "127.0.0.1") -> None:
        self._remote, self._host = remote, host
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, 0), remote_addr=self._remote)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()
        await self._closed.wait()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.got.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    @property
    def address(self) -> tuple[str, int]:
        address: tuple[str, int] = self.transport.get_extra_info("sockname")
        return address

    def send(self, datagram: bytes) -> None:
        self.transport.sendto(datagram)

    async def ask(self, datagram: bytes) -> stun.Message:
        """Send a request and read the next answer."""
        self.send(datagram)
        return stun.parse_message(await asyncio.wait_for(self.got.get(), 30))
