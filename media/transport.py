"""What a leg asks of the thing that carries its packets: a browser's ``Peer`` or a phone's ``RtpSocket``.

Both are given three callbacks when they are made. All of them run on the event loop, synchronously, inside the datagram's arrival,
so they must not block:

- ``on_rtp(packet, now_s)`` and ``on_rtcp(packet, now_s)``: plain (decrypted) bytes and the monotonic arrival time in seconds;
- ``on_state(state, detail)``: ``connected`` (packets can be sent), ``silent`` (no RTP for a while although the far end is reachable),
  ``lost`` (the far end is gone; the transport can be closed or may come back as ``connected``), ``failed`` (never to be connected),
  ``closed``. ``detail`` is a sentence for people.
"""

import socket
from collections.abc import Callable
from typing import Protocol

from media.sender import RtpSender
from media.wire import Path

PacketSink = Callable[[bytes, float], None]
StateSink = Callable[[str, str], None]
Sockets = socket.socket | tuple[socket.socket, socket.socket]
"""A phone's bound UDP socket, or a pair of them: RTP and RTCP."""


def each_of(sock: Sockets | None) -> tuple[socket.socket, ...]:
    """The one or two sockets, or none."""
    if sock is None:
        return ()
    return sock if isinstance(sock, tuple) else (sock,)


class Transport(Protocol):
    """Sends plain RTP and RTCP to one far end. A packet that cannot be sent now is counted and dropped, never an error.

    ``path``: the way its packets take, along which they may be forwarded without coming by here.
    """

    @property
    def path(self) -> Path: ...

    def send_rtp(self, packet: bytes) -> None: ...

    def send_frame(self, sender: RtpSender, payload: bytes, payload_type: int, now_s: float, marker: bool) -> None:
        """``send_rtp`` of the next frame of this stream."""
        ...

    def send_rtcp(self, packet: bytes) -> None: ...

    def close(self) -> None:
        """Release what it holds. Idempotent; no callback comes after it."""
        ...
