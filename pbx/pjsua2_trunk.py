"""A SIP line whose signalling pjsua2 does, in a process of its own (``pbx.trunk.Trunk``); for peers that get on with nothing else.

It is chosen by the settings, and needs ``pip install centralita[pjsua2]``. What pjsua2 cannot do, or not within our rules, it does not do
here: TLS (its packaged build has an OpenSSL out of support), encrypted audio, being asked to transfer (it would dial by itself, past the
rules for dialling), calls that come without an offer. Should its process die, its calls end with a cause and it is started again.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from uuid import uuid4

import structlog

from pbx import pjsua2_messages as told
from pbx.address import BadValue, NameAddress, SipUri
from pbx.body import UnsupportedBody, sdp_of
from pbx.identity import IdentityHeader, caller_of, diversion_headers, diversions_of, identity_headers, shown_as, under_name, under_number
from pbx.incoming_leg import called_of
from pbx.message import BadMessage, Request, parse_message
from pbx.negotiation import Negotiation
from pbx.sdes import SrtpMode
from pbx.sdp import BadSdp, NoCommonAudio
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.transport import address_towards
from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    DigitArrived,
    HungUp,
    LineStatus,
    OnTrunkEvent,
    Rang,
    Reagreed,
    Refused,
    StatusChanged,
    TransferProgressed,
    TrunkEvent,
    TrunkStatus,
)
from rooms.audio import RtpEndpoint
from rooms.causes import Cause, EndReason, cause_of_sip, sip_of_cause

log = structlog.get_logger()

OPEN_WITHIN_S = 20.0
GOODBYE_S = 3.0
FIRST_RESTART_S, LONGEST_RESTART_S = 1.0, 60.0
MAX_LINE_BYTES = 262_144


INSTALL = "pjsua2 is not installed: pip install 'centralita[pjsua2]', or choose the built-in agent for this line."


class Pjsua2Unfit(ValueError):
    """The settings ask pjsua2 for what it does not do here. The message says what to change."""


def check_fit(transport: str, srtp: str, *, registrar: bool) -> None:
    """Raises ``Pjsua2Unfit``."""
    if transport == SipTransport.TLS:
        raise Pjsua2Unfit("pjsua2 has no TLS here: choose udp or tcp for this line, or the built-in agent")
    if srtp != SrtpMode.OFF:
        raise Pjsua2Unfit("pjsua2 encrypts no audio here: set srtp to off for this line, or choose the built-in agent")
    if registrar:
        raise Pjsua2Unfit("a PBX cannot register at pjsua2: choose the built-in agent for this line")


@dataclass(slots=True)
class _Leg:
    """``theirs``: its name in the process. ``ours``: did we place it?"""

    leg_id: str
    theirs: str
    ours: bool
    negotiation: Negotiation
    talking: bool = False
    hold_due: bool = False
    offering: bool = False
    given_up: Cause | None = None
    allows: frozenset[str] = field(default_factory=frozenset)
    source: str = ""

    def far(self, remote: RtpEndpoint) -> RtpEndpoint:
        """What the peer wants, with where it signals from."""
        return replace(remote, signalled_from=self.source)


class Pjsua2Trunk:
    """Satisfies ``pbx.trunk.Trunk``. Raises ``Pjsua2Unfit`` for settings that it cannot keep to."""

    carries_rtp = True

    def __init__(self, settings: SipTrunkSettings, on_event: OnTrunkEvent) -> None:
        check_fit(settings.transport, settings.srtp, registrar=settings.registrar is not None)
        self.name = settings.name
        self._settings = settings
        self._on_event = on_event
        self._legs: dict[str, _Leg] = {}
        self._theirs: dict[str, _Leg] = {}
        self._most_calls = 0
        self._counts: Counter[str] = Counter()
        self._status = TrunkStatus(False, "pjsua2 is being started.")
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._closing = False

    # -- life --

    async def __aenter__(self) -> "Pjsua2Trunk":
        self._running = asyncio.create_task(self._run(), name=f"pjsua2-{self.name}")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._opened.wait(), OPEN_WITHIN_S)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        self._tell(TrunkStatus(False, "The line is closed: the server is stopping."))
        self._send(told.Close())
        if self._running is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._running), GOODBYE_S)
            self._running.cancel()
            await asyncio.wait([self._running])

    @property
    def status(self) -> TrunkStatus:
        return self._status

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self._status, len(self._legs), self._most_calls)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How often its process died, by the line's name."""
        return {self.name: self._counts}

    async def _run(self) -> None:
        if find_spec("pjsua2") is None:
            self._tell(TrunkStatus(False, INSTALL))
            self._opened.set()
            return
        wait_s = FIRST_RESTART_S
        while not self._closing:
            try:
                if await self._serve():
                    wait_s = FIRST_RESTART_S
            except OSError as error:
                self._tell(TrunkStatus(False, f"The process of pjsua2 cannot be started: {error.strerror}."))
            if self._closing:
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)

    async def _serve(self) -> bool:
        """One process, from its start to its end. Did it open the line?"""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pbx.pjsua2_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=MAX_LINE_BYTES,
            start_new_session=True,
        )
        self._process = process
        opened = False
        try:
            opening = await self._opening()
            if opening is not None:
                self._send(opening)
                assert process.stdout is not None
                while line := await process.stdout.readline():
                    event = told.EVENTS.decode(line)
                    opened = opened or isinstance(event, told.Opened)
                    self._hear(event)
        finally:
            self._process = None
            self._opened.set()
            if process.returncode is None:
                process.kill()
            await process.wait()
            self._lost()
        return opened

    async def _opening(self) -> told.Open | None:
        settings, loop = self._settings, asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(settings.server, settings.server_port)
            address = str(found[0][4][0])
            host = settings.public_host or (
                settings.bind_host if settings.bind_host != "0.0.0.0" else address_towards(address, settings.server_port)
            )
        except (OSError, UnicodeError):
            self._tell(TrunkStatus(False, f"The PBX {settings.server} is unknown: check the name, or the name server."))
            return None
        return told.Open(
            transport=str(settings.transport),
            host=host,
            port=settings.bind_port,
            server=f"{address}:{settings.server_port}",
            domain=settings.sip_domain,
            extension=settings.extension,
            display_name=settings.display_name,
            digest_name=settings.digest_name,
            password=settings.password,
            register=settings.register,
            registration_s=settings.registration_s,
            session_expires_s=settings.session_expires_s,
            min_session_expires_s=settings.min_session_expires_s,
            max_calls=settings.max_calls,
            user_agent=settings.user_agent,
        )

    def _lost(self) -> None:
        """The process has gone, and with it every call's signalling."""
        for leg in list(self._legs.values()):
            self._forget(leg)
            cause = Cause(EndReason.FAILED, 500, "The process that signals for this line has died.")
            self._emit(Refused(leg.leg_id, leg.given_up or cause) if leg.ours and not leg.talking else HungUp(leg.leg_id, cause))
        if not self._closing:
            self._counts["processes_died"] += 1
            self._tell(TrunkStatus(False, "The process of pjsua2 has ended and is started again."))

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
        objection = self._dial_objection(number)
        if objection is not None:
            self._emit(Refused(leg_id, objection))
            return
        settings = self._settings
        leg = self._enter(_Leg(leg_id, leg_id, True, _negotiation(settings)))
        me = under_name(NameAddress(str(SipUri(settings.sip_domain, settings.extension)), settings.display_name), caller)
        named = under_number(me, caller_number)
        headers = identity_headers(named, settings.told_identity, private=private)
        if diverted_by:
            headers += diversion_headers(diverted_by, number, settings.sip_domain)
        sdp = leg.negotiation.offer(offer).decode()
        caller_shown = str(shown_as(named if settings.told_identity is IdentityHeader.ASSERTED else me, private=private))
        self._send(told.Dial(leg.theirs, str(SipUri(settings.sip_domain, number)), caller_shown, sdp, dict(headers)))

    def ring(self, leg_id: str) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and not leg.ours and not leg.talking:
            self._send(told.Respond(leg.theirs, 180))

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and not leg.ours and not leg.talking:
            with suppress(NoCommonAudio):  # then the answer says so
                self._send(told.Respond(leg.theirs, 183, leg.negotiation.answer(early).decode()))

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        leg = self._legs.get(leg_id)
        if leg is None or leg.ours or leg.talking:
            return
        try:
            body = leg.negotiation.answer(answer)
        except NoCommonAudio as error:
            self._refuse_inside(leg, str(error))
            return
        self._send(told.Respond(leg.theirs, 200, body.decode()))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        leg = self._legs.get(leg_id)
        if leg is None or leg.given_up is not None:
            return
        if leg.ours and not leg.talking:
            leg.given_up = cause
            self._send(told.End(leg.theirs, 487))
            return
        status = sip_of_cause(cause) if not leg.talking else 200
        self._forget(leg)
        self._send(told.End(leg.theirs, status if status >= 300 or leg.talking else 480))

    def hold(self, leg_id: str, held: bool) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and leg.negotiation.held != held:
            leg.negotiation.held = held
            self._offer(leg)

    def send_digit(self, leg_id: str, digit: str) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and leg.talking:
            self._send(told.Press(leg.theirs, digit))

    def can_refer(self, leg_id: str) -> bool:
        leg = self._legs.get(leg_id)
        return leg is not None and leg.talking and self._settings.refer and "REFER" in leg.allows

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        leg, other = self._legs.get(leg_id), self._legs.get(replaces)
        if leg is not None and self.can_refer(leg_id):
            uri = str(SipUri(self._settings.sip_domain, target))
            self._send(told.Refer(leg.theirs, uri, other.theirs if other is not None else ""))
        else:
            self._emit(TransferProgressed(leg_id, 603))

    def transfer_progress(self, leg_id: str, status: int) -> None:
        """Nobody is told: a peer's REFER is refused here."""

    def _dial_objection(self, number: str) -> Cause | None:
        if self._process is None or not self._most_calls:
            return Cause(EndReason.UNREACHABLE, 503, self._status.detail)
        if len(self._legs) >= self._most_calls:
            words = f"The line carries {len(self._legs)} calls, as many as this build of pjsua2 may: try again soon."
            return Cause(EndReason.UNREACHABLE, 503, words)
        try:
            str(SipUri(self._settings.sip_domain, number))
        except BadValue:
            number = ""
        if not number or not number.isprintable():
            return Cause(EndReason.NOT_FOUND, 484, "The number cannot be dialled: it is empty or has control characters.")
        return None

    def _offer(self, leg: _Leg) -> None:
        """Offer what we now want; while an offer is under way, after it."""
        leg.hold_due = not leg.talking or leg.offering
        if not leg.hold_due:
            leg.offering = True
            self._send(told.Offer(leg.theirs, leg.negotiation.offer().decode()))

    # -- what the process says --

    def _hear(self, event: told.Event) -> None:
        match event:
            case told.Opened():
                self._most_calls = event.most_calls
                log.info("pjsua2_opened", trunk=self.name, version=event.version, most_calls=event.most_calls)
                if not self._settings.register:
                    self._tell(TrunkStatus(True, f"pjsua2 {event.version} is open for {event.most_calls} calls."))
                self._opened.set()
            case told.NotOpened():
                self._tell(TrunkStatus(False, f"pjsua2 could not open the line: {event.words}."))
            case told.Registered():
                self._tell(self._registration(event))
            case told.Invited():
                self._invited(event)
            case _:
                leg = self._theirs.get(event.leg_id)
                if leg is not None:
                    self._SAID[type(event)](self, leg, event)

    def _registration(self, event: told.Registered) -> TrunkStatus:
        where = f"the PBX {self._settings.server}"
        if event.lasts_s:
            return TrunkStatus(True, f"Registered at {where} as extension {self._settings.extension}, by pjsua2.")
        if event.status in (401, 403, 407):
            return TrunkStatus(False, f"{where[0].upper()}{where[1:]} refuses name or password: check extension, Auth ID and password.")
        return TrunkStatus(False, f"Not registered at {where}: {event.status} {event.reason}.")

    def _invited(self, event: told.Invited) -> None:
        leg = _Leg(f"{self.name}-{uuid4().hex}", event.leg_id, False, _negotiation(self._settings))
        try:
            request = parse_message(event.message.encode())
            assert isinstance(request, Request)
            offer = sdp_of(request)
            if not offer:
                raise NoCommonAudio("an INVITE without an offer")
            remote = leg.negotiation.take_offer(offer)
            leg.source = event.source
            leg.allows = frozenset(method.upper() for method in request.tokens("Allow"))
            caller = caller_of(request, self._settings.trusted_caller)
        except (NoCommonAudio, UnsupportedBody):
            self._send(told.End(event.leg_id, 488))
            return
        except (BadMessage, BadSdp, BadValue):
            self._send(told.End(event.leg_id, 400))
            return
        self._enter(leg)
        self._emit(
            Arrived(
                leg.leg_id,
                self.name,
                caller.number,
                caller.name,
                called_of(request, self._settings.extension),
                leg.far(remote),
                diversions=diversions_of(request),
                private=caller.private,
                verified=caller.verified,
            )
        )

    def _ringing(self, leg: _Leg, event: told.Ringing) -> None:
        early = None
        if event.sdp:
            with suppress(BadSdp, NoCommonAudio):  # the final answer is what counts
                early = leg.negotiation.take_answer(event.sdp.encode())
        self._emit(Rang(leg.leg_id, None if early is None else leg.far(early)))

    def _talking(self, leg: _Leg, event: told.Talking) -> None:
        leg.talking = True
        if leg.ours:
            try:
                remote = leg.negotiation.take_answer(event.sdp.encode())
            except (BadSdp, NoCommonAudio) as error:
                self._refuse_inside(leg, str(error))
                return
            self._emit(Answered(leg.leg_id, leg.far(remote)))
        else:
            self._emit(Confirmed(leg.leg_id))
        if leg.hold_due:
            self._offer(leg)

    def _ended(self, leg: _Leg, event: told.Ended) -> None:
        self._forget(leg)
        if leg.ours and not leg.talking:
            self._emit(Refused(leg.leg_id, self._cause_of(leg, event)))
        elif leg.talking:
            self._emit(HungUp(leg.leg_id, Cause(EndReason.COMPLETED, 200, "The other side hung up.")))
        else:
            self._emit(HungUp(leg.leg_id, Cause(EndReason.GAVE_UP, 487, "The caller gave up.")))

    def _cause_of(self, leg: _Leg, event: told.Ended) -> Cause:
        if leg.given_up is not None:
            given = leg.given_up
            return given if given.sip else Cause(EndReason.GAVE_UP, 487, "Cancelled before the answer.")
        return cause_of_sip(event.status, event.reason)

    def _offered(self, leg: _Leg, event: told.Offered) -> None:
        if not event.sdp:
            self._send(told.Respond(leg.theirs, 200, leg.negotiation.offer().decode()))
            return
        try:
            body, theirs, changed = leg.negotiation.answer_again(event.sdp.encode())
        except (BadSdp, NoCommonAudio):
            self._send(told.Respond(leg.theirs, 488))
            return
        self._send(told.Respond(leg.theirs, 200, body.decode()))
        if changed:
            self._emit(Reagreed(leg.leg_id, leg.far(theirs)))

    def _agreed(self, leg: _Leg, event: told.Agreed) -> None:
        leg.offering = False
        if event.sdp and 200 <= event.status < 300:
            before = leg.negotiation.theirs
            with suppress(BadSdp, NoCommonAudio):  # then what was agreed stays
                theirs = leg.negotiation.take_answer(event.sdp.encode())
                if theirs != before:
                    self._emit(Reagreed(leg.leg_id, leg.far(theirs)))
        if leg.hold_due or event.status == 491:
            self._offer(leg)

    def _refuse_inside(self, leg: _Leg, words: str) -> None:
        """The call cannot be: there is no audio that both sides speak."""
        self._forget(leg)
        self._send(told.End(leg.theirs, 488))
        cause = Cause(EndReason.INCOMPATIBLE, 488, words)
        self._emit(Refused(leg.leg_id, cause) if leg.ours else HungUp(leg.leg_id, cause))

    def _pressed(self, leg: _Leg, event: told.Pressed) -> None:
        self._emit(DigitArrived(leg.leg_id, event.digit))

    def _transferred(self, leg: _Leg, event: told.Transferred) -> None:
        self._emit(TransferProgressed(leg.leg_id, event.status))

    def _seen(self, leg: _Leg, event: told.PeerSeen) -> None:
        leg.allows, leg.source = frozenset(event.methods), event.source

    _SAID: dict[type, Callable[..., None]] = {  # noqa: RUF012 - a table, never written
        told.Ringing: _ringing,
        told.Talking: _talking,
        told.Ended: _ended,
        told.Offered: _offered,
        told.Agreed: _agreed,
        told.Pressed: _pressed,
        told.Transferred: _transferred,
        told.PeerSeen: _seen,
    }

    # -- building blocks --

    def _enter(self, leg: _Leg) -> _Leg:
        self._legs[leg.leg_id] = self._theirs[leg.theirs] = leg
        return leg

    def _forget(self, leg: _Leg) -> None:
        self._legs.pop(leg.leg_id, None)
        self._theirs.pop(leg.theirs, None)

    def _send(self, command: told.Command) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(told.line_of(command))

    def _emit(self, event: TrunkEvent) -> None:
        # Never inside the caller's own command.
        asyncio.get_running_loop().call_soon(self._on_event, event)

    def _tell(self, status: TrunkStatus) -> None:
        if status != self._status:
            self._status = status
            self._emit(StatusChanged(self.name, status))


def _negotiation(settings: SipTrunkSettings) -> Negotiation:
    return Negotiation(uuid4().int % 2**48, settings.srtp)
