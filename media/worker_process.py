"""The hub's side of a media worker in a process of its own: started, commanded, listened to, and known to be dead as soon as it is.

Its standard input is its end of the control link (``media.control_link``), so that it notices the hub's death too. How the program is
called is the wiring's: ``command``.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import structlog

from media.control_link import ControlLink
from media.control_messages import Begin, Begun, Counted, Perform, Performed, Refused, ToWorker, decode_from_worker, encode
from media.messages import WAITING, AnyCommand, AnyMediaEvent, AnyResult, CloseLeg, CloseRoom, MediaRefusal, OpenRoom
from media.settings import MediaSettings
from media.transport import Sockets, each_of

log = structlog.get_logger()

MOST_COMMANDS = 1_024
"""Commands that may wait for their answers; closing is never refused."""
LATE_S = 2.0
"""So long after it was asked, a worker that has not done what takes it a moment has more to do than it can: it gets no new room."""
_STARTS_WITHIN_S = 180.0  # a machine's very first start compiles
_STOPS_WITHIN_S = 5.0
_SILENT_S = 10.0


class WorkerLost(MediaRefusal):
    """The worker's process is gone."""

    def __init__(self, why: str) -> None:
        super().__init__("worker_lost", f"The media worker of this call is gone: {why}.")


class WorkerProcess:
    """``start``, then ``begin``, at last ``stop``; between the first two it is a spare, with everything loaded but without a port."""

    def __init__(self, command: Sequence[str], *, late_s: float = LATE_S) -> None:
        self._command = command
        self._late_s = late_s
        self._on_event: Callable[[AnyMediaEvent], None] = lambda event: None
        self._on_lost: Callable[[str], None] = lambda why: None
        self._link: ControlLink | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[AnyResult]] = {}
        self._asked_s: dict[int, float] = {}
        """When what should be done at once was asked, and is not done: the oldest first."""
        self._numbers = count(1)
        self._watch: asyncio.TimerHandle | None = None
        self._why = ""
        self._stopping = False
        self.port = 0
        self.counters: Mapping[str, float] = {}
        self.gauges: Mapping[str, float] = {}
        self._refused = 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def lost(self) -> bool:
        return bool(self._why)

    async def start(self) -> None:
        """Raises OSError when no process can be had."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._link = ControlLink(ours, self._received, self._lose)
            try:
                self._process = await asyncio.create_subprocess_exec(*self._command, stdin=theirs.fileno())
            except BaseException:
                self._link.close()
                raise

    async def begin(
        self,
        seat: int,
        settings: MediaSettings,
        on_event: Callable[[AnyMediaEvent], None],
        on_lost: Callable[[str], None],
        *,
        count_every_s: float = 1.0,
    ) -> None:
        """Returns when everything is warm and ``port`` is known. Raises MediaRefusal when it cannot be, ``WorkerLost`` when it died.

        ``on_event`` takes what the worker tells from now on; ``on_lost(why)`` is called once, at its death, never after ``stop``.
        """
        self._on_event, self._on_lost = on_event, on_lost
        self._send(Begin(seat=seat, settings=settings, count_every_s=count_every_s))
        try:
            self.port = await asyncio.wait_for(asyncio.shield(self._begun), _STARTS_WITHIN_S)
        except TimeoutError:
            raise MediaRefusal("no_worker", f"A media worker was not ready after {_STARTS_WITHIN_S:g} s: see its log.") from None
        self._heard()

    async def stop(self) -> None:
        """It ends its legs and itself; if it will not, it is killed. Idempotent."""
        self._stopping = True
        self._lose("it was stopped")
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), _STOPS_WITHIN_S)
        except TimeoutError:
            log.error("worker.hung", pid=self.pid)
            self._kill()
            await self._process.wait()

    async def ended(self) -> int:
        """Until the process is no more, so that its port is free again; its exit status, negative: the signal that ended it."""
        return await self._process.wait() if self._process is not None else 0

    async def perform(self, command: AnyCommand, sock: Sockets | None = None) -> AnyResult:
        """As ``MediaWorker.perform``, but ``sock`` stays the caller's. Raises ``WorkerLost`` beside any other MediaRefusal."""
        if self._why:
            raise WorkerLost(self._why)
        if len(self._waiting) >= MOST_COMMANDS and not isinstance(command, CloseLeg | CloseRoom):
            self._refused += 1
            raise MediaRefusal("worker_full", f"The media worker has {MOST_COMMANDS} commands waiting: try again later.")
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if isinstance(command, OpenRoom) and now_s - next(iter(self._asked_s.values()), now_s) > self._late_s:
            self._refused += 1
            raise MediaRefusal("worker_full", "The media worker is late with what it was asked before: try again in a few seconds.")
        number = next(self._numbers)
        answer: asyncio.Future[AnyResult] = loop.create_future()
        self._waiting[number] = answer
        if not isinstance(command, WAITING):
            self._asked_s[number] = now_s
        self._send(Perform(number=number, command=command), sock)
        return await answer

    def _send(self, word: ToWorker, sock: Sockets | None = None) -> None:
        assert self._link is not None, "it was started"
        self._link.send(encode(word), [one.fileno() for one in each_of(sock)])

    def _received(self, message: bytes, _descriptors: Sequence[int]) -> None:
        match decode_from_worker(message):
            case Begun(port=port):
                self._begun.set_result(port)
            case Refused(number=0, code=code, message=text):
                self._begun.set_exception(MediaRefusal(code, text))
            case Performed(number=number, result=result):
                self._asked_s.pop(number, None)
                answer = self._waiting.pop(number)
                if not answer.done():  # who asked may not have waited
                    answer.set_result(result)
            case Refused(number=number, code=code, message=text):
                self._asked_s.pop(number, None)
                answer = self._waiting.pop(number)
                if not answer.done():
                    answer.set_exception(MediaRefusal(code, text))
            case Counted(counters=counters, gauges=gauges):
                self.counters, self.gauges = {**counters, "commands_refused": float(self._refused)}, gauges
                if self._watch is not None:
                    self._heard()
            case told:
                self._on_event(told.event)

    def _heard(self) -> None:
        """It lives: begin to wait for its next sign anew."""
        if self._watch is not None:
            self._watch.cancel()
        if not self._why:
            self._watch = asyncio.get_running_loop().call_later(_SILENT_S, self._lose, f"it has said nothing for {_SILENT_S:g} s")

    def _lose(self, why: str) -> None:
        """Nothing more is expected of it."""
        if self._why:
            return
        self._why = why
        if self._link is not None:
            self._link.close()
        if self._watch is not None:
            self._watch.cancel()
        if not self._begun.done():
            self._begun.set_exception(WorkerLost(why))
            self._begun.exception()  # a spare has nobody who waits for it
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(WorkerLost(why))
        self._waiting.clear()
        self._asked_s.clear()
        if not self._stopping:
            self._kill()  # it may only be deaf and dumb, with its port still open
            self._on_lost(why)

    def _kill(self) -> None:
        """Not by asyncio's way, which looks for the child's end itself and may snatch its exit status from the thread that waits for it."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
