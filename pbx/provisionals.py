"""Provisional responses that are repeated until the caller's PRACK (RFC 3262, section 3), one at a time."""

import re
from collections import deque
from collections.abc import Callable

from pbx.line import Line
from pbx.message import Response
from pbx.timers import Timer
from pbx.transaction import T1
from pbx.transactions import ServerTransaction

_RACK = re.compile(r"([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+)")


class Provisionals:
    """Repeats after T1, doubling each time, over TCP too; 64 T1 without PRACK and ``on_lost`` is told."""

    def __init__(self, line: Line, server: ServerTransaction, on_lost: Callable[[], None]) -> None:
        self._line = line
        self._server = server
        self._on_lost = on_lost
        # Section 3: between 1 and 2^31 - 1, so that it never wraps.
        self._rseq = line.random.randint(1, 2**31 - 1)
        self._waiting: deque[Response] = deque()
        self._interval_s = T1
        self._timers: list[Timer] = []

    @property
    def pending(self) -> bool:
        """Is any of them not acknowledged yet?"""
        return bool(self._waiting)

    def send(self, response: Response) -> None:
        self._rseq += 1
        response.headers += [("Require", "100rel"), ("RSeq", str(self._rseq))]
        self._waiting.append(response)
        if len(self._waiting) == 1:
            self._begin()

    def acknowledged(self, rack: str) -> Response | None:
        """The response that this RAck acknowledges; None where it is not the one now under way."""
        found = _RACK.fullmatch(rack.strip())
        if found is None or not self._waiting:
            return None
        number, method = self._server.request.cseq
        first = self._waiting[0]
        if (found.group(1), int(found.group(2)), found.group(3).upper()) != (first.get("RSeq"), number, method):
            return None
        self._stop_timers()
        self._waiting.popleft()
        if self._waiting:
            self._begin()
        return first

    def stop(self) -> None:
        """A final response makes them all needless."""
        self._stop_timers()
        self._waiting.clear()

    def _begin(self) -> None:
        self._interval_s = T1
        self._line.transactions.respond(self._server, self._waiting[0])
        self._timers = [self._line.timers.start(T1, self._again), self._line.timers.start(64 * T1, self._lost)]

    def _again(self) -> None:
        self._line.transactions.respond(self._server, self._waiting[0])
        self._interval_s *= 2
        self._timers[0] = self._line.timers.start(self._interval_s, self._again)

    def _lost(self) -> None:
        self.stop()
        self._on_lost()

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
