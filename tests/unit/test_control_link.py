"""Messages and sockets between the hub and a worker: whole, in order, bounded, and a dead other side is noticed."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Sequence

from media.control_link import ControlLink


class End:
    """One end of a link and what came out of it."""

    def __init__(self, sock: socket.socket) -> None:
        self.messages: list[bytes] = []
        self.given: list[Sequence[int]] = []
        self.lost: list[str] = []
        self.drained = 0
        self.came = asyncio.Event()
        self.link = ControlLink(sock, self._message, self._lost, self._drained)

    def _message(self, message: bytes, descriptors: Sequence[int]) -> None:
        self.messages.append(message)
        self.given.append(descriptors)
        self.came.set()

    def _lost(self, why: str) -> None:
        self.lost.append(why)
        self.came.set()

    def _drained(self) -> None:
        self.drained += 1

    async def until(self, messages: int = 0, losses: int = 0) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < messages or len(self.lost) < losses:
                self.came.clear()
                await self.came.wait()


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[tuple[End, socket.socket]]:
    """An end, and the bare socket of the other side."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        end = End(ours)
        try:
            yield end, theirs
        finally:
            end.link.close()


async def test_messages_of_every_length_arrive_whole_and_in_order_though_nobody_reads_at_first() -> None:
    lengths = [*range(300), 65_535, 65_536, 65_537, 900_000, 0, 1]
    words = [random.Random(n).randbytes(length) for n, length in enumerate(lengths)]
    async with linked() as (sender, theirs):
        for word in words:
            sender.link.send(word)
        assert sender.link.waiting_bytes > 500_000
        receiver = End(theirs)
        await receiver.until(messages=len(words))
        assert receiver.messages == words
        assert (sender.link.waiting_bytes, sender.drained) == (0, 1)
        receiver.link.close()
        await sender.until(losses=1)
        assert sender.lost == ["it closed its end"]


async def test_sockets_arrive_with_the_message_that_they_belong_to() -> None:
    async with linked() as (sender, theirs):
        pairs = [socket.socketpair() for _ in range(8)]
        for number, (one, other) in enumerate(pairs):
            sender.link.send(b"x" * 60_000)  # so that the later ones have to wait
            sender.link.send(b"%d" % number, [one.fileno(), other.fileno()] if number % 2 else [one.fileno()])
        for one, other in pairs:  # ours are ours: closing them early takes nothing from those under way
            one.send(b"hello")
            one.close()
            other.close()
        receiver = End(theirs)
        await receiver.until(messages=16)
        for message, given in zip(receiver.messages, receiver.given, strict=True):
            assert len(given) == (0 if len(message) > 2 else 2 if int(message) % 2 else 1)
        with socket.socket(fileno=receiver.given[3][1]) as arrived:
            assert arrived.recv(5) == b"hello"
        for descriptor in (one for given in receiver.given for one in given):
            if descriptor != receiver.given[3][1]:
                os.close(descriptor)
        receiver.link.close()


async def test_a_side_that_never_reads_counts_as_dead_at_the_bound_and_nothing_is_kept_for_it() -> None:
    async with linked() as (sender, _):
        for _ in range(40):
            sender.link.send(bytes(500_000))
        assert sender.lost == ["it has not read for 16 MiB"]
        sender.link.send(b"too late")
        assert sender.lost == ["it has not read for 16 MiB"]


async def test_what_is_no_message_ends_the_link() -> None:
    async with linked() as (end, theirs):
        theirs.send(b"GET / HTTP/1.1\r\n\r\n")
        await end.until(losses=1)
        assert end.lost == ["it sent what is no message"]
        assert end.messages == []
