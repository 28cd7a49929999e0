"""Whole messages, with sockets beside them, between the hub and a media worker's process: a Unix stream socket (unix(7), SCM_RIGHTS).

A message is its length (4 bytes, big-endian), the number of descriptors that belong to it (1 byte), and its bytes. Sending never waits:
what the other side does not read yet is kept, up to a bound at which that side counts as dead.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence

_HEAD = struct.Struct(">IB")
_LONGEST_BYTES = 1 << 20
_MOST_WAITING_BYTES = 16 << 20
_MOST_DESCRIPTORS = 16
_READ_BYTES = 1 << 16
_DESCRIPTOR = struct.Struct("i")
_DESCRIPTORS_BYTES = socket.CMSG_SPACE(_MOST_DESCRIPTORS * _DESCRIPTOR.size)
_CLOEXEC, _TRUNCATED = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)  # plain numbers: an enumeration's cost more than the call


class ControlLink:
    """One end; takes over ``sock``. ``on_message(bytes, descriptors)`` owns the descriptors it is given.

    ``on_lost(why)`` is called once, when the other side closed, was lost or does not read; never after ``close``. ``on_drained`` is called
    when everything that waited has been sent.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[bytes, Sequence[int]], None],
        on_lost: Callable[[str], None],
        on_drained: Callable[[], None] = lambda: None,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._on_message, self._on_lost, self._on_drained = on_message, on_lost, on_drained
        self._loop = asyncio.get_running_loop()
        self._in = b""
        self._descriptors: deque[int] = deque()
        self._out: deque[tuple[bytes, Sequence[int]]] = deque()
        self.waiting_bytes = 0
        """What was given to ``send`` and the kernel has not taken yet."""
        self.stalled = False
        """Does more wait than the other side may have had no time to read? Until ``on_drained``."""
        self._open = True
        self._flushing: asyncio.Handle | None = None
        self._loop.add_reader(sock, self._readable)

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """In order, soon or as soon as the other side reads: what is said in one turn of the event loop leaves together, because waking the
        other process costs more than a message. The descriptors stay the caller's. Nothing happens once the link is lost."""
        if not self._open:
            return
        waited = bool(self._out)
        framed = _HEAD.pack(len(message), len(descriptors)) + message
        self._out.append((framed, [os.dup(descriptor) for descriptor in descriptors]))
        self.waiting_bytes += len(framed)
        if not waited:
            self._flushing = self._loop.call_soon(self._flush)
        self.stalled = self.stalled or self.waiting_bytes > _READ_BYTES
        if self.waiting_bytes > _MOST_WAITING_BYTES:
            self._lose(f"it has not read for {self.waiting_bytes >> 20} MiB")

    def close(self) -> None:
        """Idempotent. What the kernel does not take at once is not sent any more."""
        if not self._open:
            return
        if self._flushing is not None:
            self._flush()
            if not self._open:
                return
        self._open = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        for descriptor in (*self._descriptors, *(one for _, several in self._out for one in several)):
            os.close(descriptor)
        self._descriptors.clear()
        self._out.clear()
        self._sock.close()

    def _lose(self, why: str) -> None:
        if self._open:
            self.close()
            self._on_lost(why)

    def _together(self) -> tuple[bytes, Sequence[int]]:
        """What may leave at once: messages up to one with descriptors, which stands alone."""
        size = count = 0
        for data, descriptors in self._out:
            if descriptors or size > _READ_BYTES:
                break
            size, count = size + len(data), count + 1
        if count > 1:
            first = b"".join(self._out.popleft()[0] for _ in range(count))
            self._out.appendleft((first, ()))
        return self._out[0]

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        while self._open and self._out:
            data, descriptors = self._together()
            try:
                sent = socket.send_fds(self._sock, [data], descriptors) if descriptors else self._sock.send(data)
            except BlockingIOError:
                self.stalled = True
                self._loop.add_writer(self._sock, self._flush)
                return
            except OSError as error:
                self._lose(f"writing to it failed ({error.strerror})")
                return
            for descriptor in descriptors:
                os.close(descriptor)
            self.waiting_bytes -= sent
            if sent < len(data):
                self._out[0] = (data[sent:], ())
            else:
                self._out.popleft()
        if self._open and self.stalled:
            self.stalled = False
            self._loop.remove_writer(self._sock)
            self._on_drained()

    def _readable(self) -> None:
        try:
            data, beside, flags, _ = self._sock.recvmsg(_READ_BYTES, _DESCRIPTORS_BYTES, _CLOEXEC)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"reading from it failed ({error.strerror})")
            return
        for level, kind, packed in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors.extend(descriptor for (descriptor,) in _DESCRIPTOR.iter_unpack(packed))
        if flags & _TRUNCATED:
            self._lose("a socket got lost on the way: this process may open no more files (ulimit -n)")
            return
        if not data:
            self._lose("it closed its end")
            return
        self._in += data
        at = 0
        try:
            while self._open and (found := self._message(at)) is not None:
                message, count, at = found
                # A descriptor arrives with the first byte of its message, so those of a whole message are here.
                self._on_message(message, [self._descriptors.popleft() for _ in range(count)])
        finally:
            self._in = self._in[at:]

    def _message(self, at: int) -> tuple[bytes, int, int] | None:
        """What begins there: the message, how many descriptors it has, and where the next one begins; None while it is not all there."""
        begin = at + _HEAD.size
        if len(self._in) < begin:
            return None
        length, count = _HEAD.unpack_from(self._in, at)
        if length > _LONGEST_BYTES or count > _MOST_DESCRIPTORS:
            self._lose("it sent what is no message")
            return None
        end = begin + length
        return (self._in[begin:end], count, end) if len(self._in) >= end else None
