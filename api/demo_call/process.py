"""A child process whose output is watched line by line and which is ended without leaving anything behind."""

import asyncio
import collections
import contextlib
import fcntl
import os
import random
import re
import signal
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_S = 30.0
_LINE_END = re.compile(rb"[\r\n]+")
_LONGEST_LINE = 65_536
_PORTS, _TRIES = range(10_000, 20_000), 1_000
_CHANCE = random.SystemRandom()


class PeerFailure(Exception):
    """A program of the demo call did not do its part; the message names it and quotes its last words."""


class ChildProcess:
    """``async with ChildProcess("kamailio", [...]) as child``: started on entry, on exit ended by SIGTERM and, where it will not, SIGKILL.

    Every line it writes goes to ``log`` and wakes those who wait for it (:meth:`said`). ``environment`` is laid over ours; an empty value
    takes a variable away. ``told``: it takes orders line by line (:meth:`tell`).
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        directory: Path,
        environment: dict[str, str] | None = None,
        told: bool = False,
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._directory = directory
        given = {**os.environ, **(environment or {})}
        self._environment = {name: value for name, value in given.items() if value != ""}
        self._last_lines: collections.deque[str] = collections.deque(maxlen=400)
        self._line_came = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._told = told

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._directory,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE if self._told else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read(), name=f"output of {self.name}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def tell(self, line: str) -> None:
        """Give it this order."""
        orders = self._running.stdin
        if orders is None:
            raise RuntimeError(f"{self.name} was not started with told=True")
        orders.write(line.encode() + b"\n")

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    async def stop(self, number: int = signal.SIGTERM, *, within_s: float = _STOP_S) -> int:
        """Exit status (negative: the signal that ended it). Also ends what the child left in its session."""
        process = self._running
        if process.returncode is None and number != signal.SIGKILL:
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), within_s)
            except TimeoutError:
                process.kill()
        # Who is killed ends nobody, and the end is not heard of while one of its children holds its output open.
        with contextlib.suppress(ProcessLookupError):  # the usual case: nobody is left
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._reading is not None:
            await self._reading
        return process.returncode if process.returncode is not None else 0

    async def ended(self, within_s: float) -> int:
        """Waits for the child to end by itself. Raises TimeoutError."""
        return await asyncio.wait_for(self._running.wait(), within_s)

    async def said(self, pattern: str, within_s: float) -> re.Match[str]:
        """The first line, past or future, that matches. Raises PeerFailure when it does not come or the child ends first."""
        expression = re.compile(pattern)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for line in self._last_lines:
                        if found := expression.search(line):
                            return found
                    if self._reading is None or self._reading.done():
                        raise PeerFailure(f"{self.name} ended before it said '{pattern}'. {self.last_words()}")
                    self._line_came.clear()
                    await self._line_came.wait()
        except TimeoutError:
            raise PeerFailure(f"{self.name} did not say '{pattern}' within {within_s:g} s. {self.last_words()}") from None

    async def says(self, pattern: str, within_s: float) -> re.Match[str]:
        """The same among the lines that nobody waited for yet; those up to it are done with."""
        found = await self.said(pattern, within_s)
        while self._last_lines and not re.search(pattern, self._last_lines.popleft()):
            pass
        return found

    def last_words(self) -> str:
        lines = list(self._last_lines)[-12:]
        return f"Its last lines ({self._log}):\n  " + "\n  ".join(lines) if lines else "It said nothing."

    async def _read(self) -> None:
        output = self._running.stdout
        if output is None:
            raise RuntimeError("output is piped")
        rest = b""
        with self._log.open("ab") as log:
            while piece := await output.read(65_536):
                log.write(piece)
                log.flush()
                *lines, rest = _LINE_END.split(rest[-_LONGEST_LINE:] + piece)  # a status line may end in a bare carriage return
                self._last_lines.extend(text for line in lines if (text := line.decode(errors="replace").strip()))
                self._line_came.set()
        self._line_came.set()


def free_port(host: str = "127.0.0.1", *, count: int = 1) -> int:
    """A port that is free now for UDP and TCP, with ``count`` - 1 neighbours above it; none that the kernel gives to connections."""
    for _ in range(_TRIES):
        port = _CHANCE.choice(_PORTS)
        if _take(host, range(port, port + count), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return port
    raise PeerFailure(f"no free port between {_PORTS.start} and {_PORTS.stop}: too many programs use this machine's ports")


def free_port_range(count: int, *, start: int, host: str = "127.0.0.1") -> int:
    """First port, even, of ``count`` neighbours that are all free for UDP, at or above ``start``."""
    for first in range(start + start % 2, 65_000 - count, count + count % 2):
        if _take(host, range(first, first + count), (socket.SOCK_DGRAM,)):
            return first
    raise PeerFailure(f"no {count} free UDP ports in a row above {start}: too many programs use this machine's ports")


_TAKEN: collections.OrderedDict[int, int] = collections.OrderedDict()
"""Ports that were given away here and the open files whose locks say so to other processes; the oldest are let go."""
_MOST_TAKEN = 512


def _take(host: str, ports: range, kinds: tuple[socket.SocketKind, ...]) -> bool:
    """Are all of these free, and given to nobody who has not opened them yet? Then they are given now."""
    folder = Path(tempfile.gettempdir()) / f"centralita-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    locks: dict[int, int] = {}
    for port in ports:
        if port in _TAKEN or not all(_is_free(host, port, kind) for kind in kinds):
            break
        locks[port] = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(locks[port], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            break
    else:
        _TAKEN.update(locks)
        while len(_TAKEN) > _MOST_TAKEN:
            os.close(_TAKEN.popitem(last=False)[1])
        return True
    for lock in locks.values():
        os.close(lock)
    return False


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
