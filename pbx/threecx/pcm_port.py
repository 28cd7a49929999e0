"""RTP in G.711 on one side, frames of PCM on the other: by which a route point's sound is a telephone to the media plane."""

import asyncio
import struct
from collections.abc import Callable
from random import Random
from typing import cast

from pbx.threecx import g711
from pbx.threecx.pcm import Frames
from rooms.audio import PCMA

_HEADER = struct.Struct("!BBHII")
_SAMPLES = 160


class PcmPort(asyncio.DatagramProtocol):
    """Takes packets from ``partner`` alone (host, port). ``on_frame``: 20 ms that came, as PCM."""

    def __init__(self, on_frame: Callable[[bytes], None], random: Random) -> None:
        self._on_frame = on_frame
        self._frames = Frames()
        self._sequence = random.getrandbits(15)
        self._time = random.getrandbits(31)
        self._ssrc = random.getrandbits(32)
        self._first = True
        self._transport: asyncio.DatagramTransport | None = None
        self.partner: tuple[str, int] | None = None

    @classmethod
    async def open(cls, host: str, on_frame: Callable[[bytes], None], random: Random) -> "PcmPort":
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        _, port = await loop.create_datagram_endpoint(lambda: cls(on_frame, random), local_addr=(host, 0))
        return port

    @property
    def number(self) -> int:
        """Of the UDP port."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, frame: bytes) -> None:
        """20 ms of PCM as a packet (RFC 3550, RFC 3551)."""
        if self._transport is None or self.partner is None:
            return
        marker = 0x80 if self._first else 0
        self._first = False
        header = _HEADER.pack(0x80, marker | PCMA.payload_type, self._sequence, self._time, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._time = (self._time + _SAMPLES) & 0xFFFFFFFF
        self._transport.sendto(header + g711.encode("pcma", frame), self.partner)

    # ------------------------------------------------------------------ asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr != self.partner or len(data) <= _HEADER.size or data[0] >> 6 != 2 or data[1] & 0x7F != PCMA.payload_type:
            return
        begin = _HEADER.size + 4 * (data[0] & 0x0F)
        if data[0] & 0x10 and len(data) >= begin + 4:
            begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
        end = len(data) - (data[-1] if data[0] & 0x20 else 0)
        for frame in self._frames.take(g711.decode("pcma", data[begin:end])):
            self._on_frame(frame)
