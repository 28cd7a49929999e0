"""Hearing and speaking on a leg of the client's own route point: one endless GET, and one endless POST once the leg is connected.

A token that is renewed may end both, so none is while streams run, unless it must be. Before there is sound the PBX answers 404 or 424; it
is asked again soon. A stream posted before the leg is connected would be taken and thrown away: it begins when ``connected`` says so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Self

import structlog

from pbx.threecx.call_control import stream_path
from pbx.threecx.faults import Gone, NotReady, ThreeCxFault
from pbx.threecx.objects import Participant
from pbx.threecx.pcm import FRAME_MS, Frames, Pacer
from pbx.threecx.session import PbxSession

log = structlog.get_logger()
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 0.5
_PATIENCE_S = 60.0


class PcmStream:
    """``async with``: hears until the leg ends. ``on_frame``: each 20 ms that come; ``on_end``: why no more come, "" for the leg's own
    end."""

    def __init__(
        self,
        session: PbxSession,
        leg: Participant,
        *,
        on_frame: Callable[[bytes], None],
        on_end: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._session, self._leg = session, leg
        self._on_frame, self._on_end = on_frame, on_end
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.pacer = Pacer()
        if leg.connected:
            self._connected.set()

    def connected(self) -> None:
        """The leg is connected now: what is said is heard."""
        self._connected.set()

    def say(self, frame: bytes) -> None:
        """20 ms to be said; before the leg is connected nobody would hear them."""
        if self._connected.is_set():
            self.pacer.say(frame)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._hear(), name="threecx-hear"),
            asyncio.create_task(self._speak(), name="threecx-speak"),
        ]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """What is being said is ended with its final chunk; only one that does not end is cut off."""
        self._over.set()
        self._tasks[0].cancel()
        await asyncio.wait(self._tasks, timeout=1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hear(self) -> None:
        why, wait_s, until_s = "", _FIRST_WAIT_S, self._loop.time() + _PATIENCE_S
        frames = Frames()
        try:
            while True:
                try:
                    async with self._session.hear(stream_path(self._leg)) as pieces:
                        async for piece in pieces:
                            for frame in frames.take(piece):
                                self._on_frame(frame)
                    return
                except (NotReady, Gone) as fault:
                    if self._loop.time() > until_s:
                        why = str(fault)
                        return
                    await asyncio.sleep(wait_s)
                    wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
        except ThreeCxFault as fault:
            why = str(fault)
        finally:
            self._over.set()
            self._on_end(why)

    async def _speak(self) -> None:
        connected = asyncio.create_task(self._connected.wait())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({connected, over}, return_when=asyncio.FIRST_COMPLETED)
            if self._connected.is_set() and not self._over.is_set():
                await self._session.speak(stream_path(self._leg), self._pieces())
        except ThreeCxFault as fault:
            log.warning("threecx.not_heard", detail=str(fault))
        finally:
            for task in (connected, over):
                task.cancel()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while not self._over.is_set():
            if piece := self.pacer.due(self._loop.time()):
                yield piece
            try:
                async with asyncio.timeout(FRAME_MS / 1_000):
                    await self._over.wait()
            except TimeoutError:
                continue
