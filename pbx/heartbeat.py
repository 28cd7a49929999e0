"""OPTIONS to the PBX now and then: any answer is a sign of life, and the asking keeps a NAT's door open (RFC 3261, section 11)."""

from collections.abc import Callable

from pbx.address import SipUri
from pbx.line import Line
from pbx.message import Request, Response
from pbx.timers import Timer


class Heartbeat:
    """``due`` is asked before each one; ``on_answer`` gets the final answer, a local 408 or 503 where there was none."""

    def __init__(self, line: Line, *, due: Callable[[], bool], on_answer: Callable[[Response], None]) -> None:
        self._line = line
        self._due = due
        self._on_answer = on_answer
        self._timer: Timer | None = None
        self._asking = False

    def start(self) -> None:
        """Ask every ``keepalive_s`` from now on, or never where that is 0."""
        if self._line.settings.keepalive_s > 0:
            self._timer = self._line.timers.start(self._line.settings.keepalive_s, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        self.start()
        if self._due():
            self.ask()

    def ask(self) -> None:
        """Ask now, unless the last answer is still waited for."""
        if self._asking:
            return
        self._asking = True
        line = self._line
        uri = line.reach.uri if line.reach is not None else str(SipUri(line.settings.server, port=line.settings.port or None))
        request = Request(method="OPTIONS", uri=uri)
        request.headers = [
            ("Max-Forwards", "70"),
            *(("Route", route) for route in (line.reach.path if line.reach is not None else ())),
            ("From", f"<{line.identity.uri}>;tag={line.token()}"),
            ("To", f"<{uri}>"),
            ("Call-ID", line.token(16)),
            ("CSeq", "1 OPTIONS"),
            ("Contact", line.contact),
            ("User-Agent", line.settings.user_agent),
        ]
        line.transactions.request(request, line.call_hop, self._answered)

    def _answered(self, response: Response) -> None:
        if response.status >= 200:
            self._asking = False
            self._on_answer(response)
