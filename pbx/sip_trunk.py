"""A SIP line to a PBX: the sans-IO user agent with sockets, a clock and a name (``pbx.trunk.Trunk``)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from pbx.ladder import Ladder
from pbx.line import Line
from pbx.locate import NameUnknown
from pbx.message import AnyMessage, BadMessage, Request, parse_message
from pbx.redirect import Follow, not_followed
from pbx.sip_settings import SipTlsSettings, SipTransport, SipTrunkSettings
from pbx.tls import TlsUnusable
from pbx.transactions import Hop
from pbx.transport import Located, SipPortTaken, SipSockets, address_towards
from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    LineStatus,
    OnTrunkEvent,
    Rang,
    Reagreed,
    Refused,
    StatusChanged,
    TrunkEvent,
    TrunkStatus,
)
from pbx.user_agent import UserAgent
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason

__all__ = ["SipPortTaken", "SipTlsSettings", "SipTransport", "SipTrunk", "SipTrunkSettings", "TlsUnusable"]

log = structlog.get_logger()

GOODBYE_S = 1.5
LOCATE_FIRST_S = 5.0
LOCATE_LONGEST_S = 120.0


class SipTrunk:
    """Satisfies ``pbx.trunk.Trunk``. Raises ``TlsUnusable``, entering it ``SipPortTaken``; a PBX that is down or unknown is a status, never
    an error.

    ``on_seen`` is told of each answer to a registration or to OPTIONS. ``follow`` says what to dial where a call is redirected.
    ``ladder`` keeps what is said of calls.
    """

    carries_rtp = True

    def __init__(
        self,
        settings: SipTrunkSettings,
        on_event: OnTrunkEvent,
        *,
        on_seen: Callable[[], None] | None = None,
        follow: Follow = not_followed,
        ladder: Ladder | None = None,
    ) -> None:
        self.name = settings.name
        self._ladder = ladder
        self._settings = settings
        self._on_event = on_event
        self._counts: Counter[str] = Counter()
        self._line = Line(settings, self._emit, self._send, counts=self._counts, on_seen=on_seen, follow=follow)
        self._agent = UserAgent(self._line)
        self._sockets = SipSockets(
            settings,
            on_bytes=self._arrived,
            on_unreachable=self._unreachable,
            on_lost=self._lost,
            knows=lambda host: self._agent.knows(host, self._now()),
            counts=self._counts,
            random=self._line.random,
        )
        self._line.is_overrun = self._sockets.overrun
        self._status: TrunkStatus | None = None
        self._full = False
        self._speaker = ""
        self._opened = False
        self._opening: asyncio.Task[None] | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._closing = False
        self._quiet = asyncio.Event()

    @property
    def status(self) -> TrunkStatus:
        status = self._status or self._agent.registration.status
        if self._full and status.ready:
            return TrunkStatus(True, f"{status.detail} It carries {self._settings.max_calls} calls, as many as it may.")
        return status

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self.status, self._agent.calls, self._settings.max_calls)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    def proceeds(self, leg_id: str) -> bool:
        """Has the PBX said anything yet to this call of ours?"""
        return self._agent.proceeds(leg_id)

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """What was dropped, refused or repeated, by the line's name and its own."""
        return {self.name: self._counts}

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port in our Contact, as the PBX sees them."""
        return self._line.host, self._line.port

    async def __aenter__(self) -> "SipTrunk":
        ports = await self._sockets.open()
        self._line.ports = {transport: self._settings.public_port or port for transport, port in ports.items()}
        self._opening = asyncio.create_task(self._open(), name=f"sip-open-{self.name}")
        # With an address for a name the line is open before the server goes on starting.
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._opened:
            self._closing = True
            self._agent.close(self._now())
            self._follow()
            try:
                await asyncio.wait_for(self._quiet.wait(), GOODBYE_S)
            except TimeoutError:
                log.warning("sip_goodbye_unanswered", trunk=self.name)
        if self._wake is not None:
            self._wake.cancel()
        await self._sockets.close()

    # -- commands --

    def dial(
        self,
        leg_id: str,
        number: str,
        caller: str,
        offer: RtpEndpoint,
        *,
        private: bool = False,
        caller_number: str = "",
        diverted_by: str = "",
        referred: str = "",
    ) -> None:
        if not self._opened:
            self._emit(Refused(leg_id, Cause(EndReason.UNREACHABLE, 503, self.status.detail)))
            return
        self._agent.dial(
            leg_id,
            number,
            caller,
            offer,
            self._now(),
            private=private,
            caller_number=caller_number,
            diverted_by=diverted_by,
            referred=referred,
        )
        self._name(leg_id)
        self._follow()

    def ring(self, leg_id: str) -> None:
        self._agent.ring(leg_id, self._now())
        self._follow()

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        self._agent.progress(leg_id, early, self._now())
        self._follow()

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        self._agent.answer(leg_id, answer, self._now())
        self._follow()

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        self._agent.hang_up(leg_id, cause, self._now())
        self._follow()

    def hold(self, leg_id: str, held: bool) -> None:
        self._agent.hold(leg_id, held, self._now())
        self._follow()

    def send_digit(self, leg_id: str, digit: str) -> None:
        self._agent.send_digit(leg_id, digit, self._now())
        self._follow()

    def can_refer(self, leg_id: str) -> bool:
        return self._agent.can_refer(leg_id)

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        self._agent.refer(leg_id, target, replaces, self._now())
        self._follow()

    def transfer_progress(self, leg_id: str, status: int) -> None:
        self._agent.transfer_progress(leg_id, status, self._now())
        self._follow()

    # -- between the core and the world --

    async def _open(self) -> None:
        """Find the PBX, as often as it takes, then let the user agent register; look again whenever what was found no longer holds."""
        if not self._settings.server:
            # It comes to us, from anywhere.
            self._begin(self._settings.bind_host)
            return
        wait_s = LOCATE_FIRST_S
        while (found := await self._locate(wait_s)) is None:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LOCATE_LONGEST_S)
        self._begin(found.own_host)
        while found.lasts_s is not None:
            await asyncio.sleep(found.lasts_s)
            found = await self._locate(None) or found

    def _begin(self, host: str) -> None:
        """The line is open; ``host``: our own address, where no other one is configured."""
        self._line.host = self._settings.public_host or host
        self._status = None
        self._opened = True
        self._agent.open(self._now())
        self._follow()

    async def _locate(self, wait_s: float | None) -> Located | None:
        """Where the PBX is now; None: nobody knows, which is told where calls have to wait for it."""
        try:
            found = await self._sockets.locate_server()
        except (NameUnknown, OSError) as error:
            if wait_s is not None:
                self._tell(
                    TrunkStatus(False, f"The PBX {self._settings.server} cannot be reached: {error}. Next attempt in {wait_s:.0f} s.")
                )
            return None
        self._line.targets.locate(found.hops)
        return found

    def _tell(self, status: TrunkStatus) -> None:
        if status != self._status:
            self._status = status
            self._emit(StatusChanged(self.name, status))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _emit(self, event: TrunkEvent) -> None:
        # What a phone wants is learnt from a message; behind a NAT its RTP may come from where that message came from.
        if isinstance(event, Arrived | Rang | Answered | Confirmed | Reagreed) and isinstance(event.remote, RtpEndpoint):
            event = replace(event, remote=replace(event.remote, signalled_from=self._speaker))
        if isinstance(event, Arrived):
            self._name(event.leg_id)
        # Never from inside the caller's own call: what it does next may come back to us.
        asyncio.get_running_loop().call_soon(self._on_event, event)

    def _name(self, leg_id: str) -> None:
        leg = self._agent.legs.by_id.get(leg_id)
        if self._ladder is not None and leg is not None:
            self._ladder.name(leg_id, leg.key[0])

    def _send(self, message: AnyMessage, hop: Hop) -> None:
        if self._ladder is not None:
            self._ladder.note(message, hop, self._now(), sent=True)
        self._sockets.send(message, hop)

    def _arrived(self, data: bytes, source: Hop) -> None:
        if not self._agent.hears(data, source, self._now()):
            self._counts["dropped_untrusted"] += 1
            return
        try:
            message = parse_message(data, stream=source.reliable)
        except BadMessage as error:
            self._agent.receive_bad(error, source, self._now())
        else:
            self._speaker = source.host
            if self._ladder is not None:
                self._ladder.note(message, source, self._now(), sent=False)
            if isinstance(message, Request) and message.method == "REGISTER" and not self._settings.public_host:
                self._line.host = address_towards(source.host, source.port)
            self._agent.receive(message, source, self._now())
            self._speaker = ""
        self._follow()

    def _unreachable(self, message: AnyMessage, words: str) -> None:
        self._line.fault = words
        self._agent.unreachable(message, self._now())
        self._follow()

    def _lost(self, hop: Hop, words: str) -> None:
        self._line.fault = words
        self._agent.connection_lost(hop, self._now())
        self._follow()

    def _follow(self) -> None:
        """Set the clock for the next deadline; while closing, notice when nothing is left to wait for."""
        deadline = self._agent.next_deadline()
        # A clock that is set too early is left as it is: most deadlines are moved away long before they come.
        if self._wake is not None and (deadline is None or deadline < self._wake_at):
            self._wake.cancel()
            self._wake = None
        if self._wake is None and deadline is not None:
            self._wake, self._wake_at = asyncio.get_running_loop().call_at(deadline, self._expire), deadline
        if self._closing and not self._agent.busy:
            self._quiet.set()
        full = self._agent.calls >= self._settings.max_calls
        if full != self._full and not self._closing:
            self._full = full
            self._emit(StatusChanged(self.name, self.status))

    def _expire(self) -> None:
        self._wake = None
        self._agent.expire(self._now())
        self._follow()
