"""The worker's side of a media worker in a process of its own: the hub's commands in, answers, events and numbers out.

Events of quality give way where the hub does not read: of a room only the newest waits, the rest is counted as ``samples_dropped``. Nothing
else is ever left out. The hub's closing its end is the order to stop; its death looks the same.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from dsp.suppress import Suppressor
from media import messages as msg
from media.control_link import ControlLink
from media.control_messages import Begin, Begun, Counted, FromWorker, Perform, Performed, Refused, Told, decode_to_worker, encode
from media.worker import MediaWorker

log = structlog.get_logger()


class WorkerService:
    """One worker at the other end of ``sock``; ``run`` returns when it is over. ``on_begun`` is called when everything is warm."""

    def __init__(
        self,
        sock: socket.socket,
        make_suppressor: Callable[[int], Suppressor] | None = None,
        on_begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_suppressor = make_suppressor
        self._on_begun = on_begun
        self._link = ControlLink(sock, self._received, self._lost, self._send_late)
        self._worker: MediaWorker | None = None
        self._begin: asyncio.Future[Begin] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._performing: set[asyncio.Task[None]] = set()
        self._late: OrderedDict[str, msg.QualitySampled] = OrderedDict()
        self.samples_dropped = 0

    async def run(self) -> None:
        """Serve until the hub closes its end."""
        try:
            begin = await self._begin
        except asyncio.CancelledError:
            if not self._ended.is_set():
                raise
            return  # a spare that was never needed
        structlog.contextvars.bind_contextvars(worker=begin.seat)
        try:
            async with MediaWorker(begin.settings, self._told, make_suppressor=self._make_suppressor) as self._worker:
                self._on_begun()
                self._send(Begun(port=self._worker.port))
                await self._count(self._worker, begin.count_every_s)
                if self._performing:
                    await asyncio.wait(self._performing)
        except msg.MediaRefusal as refusal:
            self._send(Refused(number=0, code=refusal.code, message=str(refusal)))
        except OSError as error:
            self._send(Refused(number=0, code="no_worker", message=f"A media worker cannot start: {error}."))
        finally:
            self._link.close()

    async def _count(self, worker: MediaWorker, every_s: float) -> None:
        while not self._ended.is_set():
            counters = {**worker.counters, "samples_dropped": float(self.samples_dropped)}
            self._send(Counted(counters=counters, gauges=worker.gauges))
            try:
                await asyncio.wait_for(self._ended.wait(), every_s)
            except TimeoutError:
                continue

    # -- from the hub

    def _received(self, message: bytes, descriptors: Sequence[int]) -> None:
        order = decode_to_worker(message)
        if isinstance(order, Begin):
            self._begin.set_result(order)
            return
        if not isinstance(order.command, msg.WAITING):  # most: a task of each would cost more than what it does
            self._act(order)
            return
        task = asyncio.get_running_loop().create_task(self._perform(order, descriptors), name=f"perform-{order.number}")
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    def _lost(self, why: str) -> None:
        self._ended.set()
        self._begin.cancel()

    def _act(self, order: Perform) -> None:
        assert self._worker is not None, "the hub commands what it was told has begun"
        try:
            self._send(Performed(number=order.number, result=self._worker.act(order.command)))
        except Exception as error:  # noqa: BLE001 - told to who commanded it, whatever it was
            self._refuse(order, error)

    async def _perform(self, order: Perform, descriptors: Sequence[int]) -> None:
        assert self._worker is not None, "as above"
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for sock in sockets:
            sock.setblocking(False)
        taken = False
        try:
            given = None if not sockets else sockets[0] if len(sockets) == 1 else (sockets[0], sockets[1])
            result = await self._worker.perform(order.command, given)
            taken = True
            self._send(Performed(number=order.number, result=result))
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(order, error)
        finally:
            if not taken:
                for sock in sockets:
                    sock.close()

    def _refuse(self, order: Perform, error: Exception) -> None:
        if isinstance(error, msg.MediaRefusal):
            self._send(Refused(number=order.number, code=error.code, message=str(error)))
            return
        log.error("command.fault", command=type(order.command).__name__, fault=repr(error), exc_info=error)
        self._send(Refused(number=order.number, code="fault", message="The media worker failed at this: its log says where."))

    # -- to the hub

    def _send(self, word: FromWorker) -> None:
        self._link.send(encode(word))

    def _told(self, event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.QualitySampled) and self._link.stalled:
            self.samples_dropped += self._late.pop(event.room_id, None) is not None
            self._late[event.room_id] = event
        else:
            self._send(Told(event=event))

    def _send_late(self) -> None:
        while self._late and not self._link.stalled:
            self._send(Told(event=self._late.popitem(last=False)[1]))
