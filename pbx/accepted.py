"""A 2xx to an INVITE, repeated until its ACK comes (RFC 3261, section 13.3.1.4): the transaction layer does not do it."""

from collections.abc import Callable

from pbx.line import Line
from pbx.message import Response
from pbx.timers import Timer
from pbx.transaction import T1, T2
from pbx.transactions import ServerTransaction


class AcceptedInvite:
    """Repeats after T1, doubling up to T2, over TCP too; after 64 T1 without ACK ``on_lost`` is told."""

    def __init__(self, line: Line, server: ServerTransaction, response: Response, on_lost: Callable[[], None]) -> None:
        self.cseq = response.cseq[0]
        self._line = line
        self._server = server
        self._response = response
        self._on_lost = on_lost
        self._interval_s = T1
        line.transactions.respond(server, response)
        self._repeat: Timer = line.timers.start(T1, self._again)
        self._end: Timer = line.timers.start(64 * T1, self._lost)

    def stop(self) -> None:
        self._repeat.cancel()
        self._end.cancel()

    def _again(self) -> None:
        self._line.transactions.respond(self._server, self._response)
        self._interval_s = min(2 * self._interval_s, T2)
        self._repeat = self._line.timers.start(self._interval_s, self._again)

    def _lost(self) -> None:
        self._repeat.cancel()
        self._on_lost()
