"""A line to the PBX without SIP: the client's own route point calls and is called, and its sound is PCM over HTTP. G.711's quality.

For when the SIP line is down or cannot be had. Calls to the route point are there connected already, and ring here all the same; what is
dialled is placed by ``makecall``. It knows no hold (the melody is ours). A call is handed over by ``routeto``: whoever is called rings
while the call stays here, and only when they took it is ours over.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

import structlog

from pbx.threecx.call_book import BookEvent, LegAppeared, LegChanged, LegGone
from pbx.threecx.call_control import CallControl
from pbx.threecx.faults import Gone, ThreeCxFault
from pbx.threecx.objects import Participant
from pbx.threecx.pcm import key_tone
from pbx.threecx.pcm_port import PcmPort
from pbx.threecx.pcm_stream import PcmStream
from pbx.threecx.session import PbxSession
from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    DigitArrived,
    HungUp,
    LineStatus,
    OnTrunkEvent,
    Rang,
    Refused,
    StatusChanged,
    TransferProgressed,
    TrunkStatus,
)
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason

log = structlog.get_logger()
_RING_S = 120
_CLOSED = TrunkStatus(False, "The sound of 3CX's API is not there yet.")


@dataclass(slots=True)
class _Leg:
    leg_id: str
    arrived: bool
    number: str = ""
    participant: Participant | None = None
    port: PcmPort | None = None
    stream: PcmStream | None = None
    talking: bool = False
    rang: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class SoundLine:
    """Satisfies ``pbx.trunk.Trunk``. ``host``: where its ports are, towards the media plane. ``meet`` introduces the PBX."""

    carries_rtp = True

    def __init__(
        self, on_event: OnTrunkEvent, *, host: str, name: str = "3cx-sound", most_calls: int = 32, random: Random | None = None
    ) -> None:
        self.name = name
        self._on_event = on_event
        self._host, self._most_calls = host, most_calls
        self._random = random or Random()
        self._session: PbxSession | None = None
        self._control: CallControl | None = None
        self._dn = ""
        self._legs: dict[str, _Leg] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._status = _CLOSED
        self._open = False

    def meet(self, session: PbxSession, control: CallControl) -> None:
        """The PBX, which is there only after this."""
        self._session, self._control, self._dn = session, control, session.settings.client_id

    @property
    def status(self) -> TrunkStatus:
        return self._status

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self._status, len(self._legs), self._most_calls)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    async def __aenter__(self) -> "SoundLine":
        self._open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._open = False
        for leg_id in tuple(self._legs):
            self.hang_up(leg_id, Cause(EndReason.SERVER_STOPPED))
        await asyncio.gather(*self._work, return_exceptions=True)

    # ------------------------------------------------------------------ what the PBX tells

    def on_state(self, up: bool, detail: str) -> None:
        status = TrunkStatus(up, f"The sound of 3CX's API is there, at {self._dn}." if up else detail)
        if status != self._status:
            self._status = status
            self._on_event(StatusChanged(self.name, status))

    def on_book_event(self, event: BookEvent) -> None:
        if not isinstance(event, LegAppeared | LegChanged | LegGone) or event.leg.dn != self._dn or not self._open:
            return
        leg = self._of(event.leg)
        match event:
            case LegAppeared() if leg is None:
                self._appeared(event.leg)
            case LegAppeared() | LegChanged() if leg is not None:
                self._moved(leg, event.leg)
            case LegGone() if leg is not None:
                self._gone(leg)

    def on_digits(self, dn: str, participant: int, digits: str) -> None:
        leg = next((leg for leg in self._legs.values() if leg.participant is not None and leg.participant.id == participant), None)
        if dn == self._dn and leg is not None:
            for digit in digits:
                self._on_event(DigitArrived(leg.leg_id, digit))

    def _of(self, participant: Participant) -> _Leg | None:
        known = (leg for leg in self._legs.values() if leg.participant is not None and leg.participant.id == participant.id)
        return next(known, None)

    def _appeared(self, shown: Participant) -> None:
        pending = any(leg.participant is None and leg.number in (shown.party_dn, shown.party_caller_id) for leg in self._legs.values())
        offered = shown.connected or (shown.ringing and shown.direct_control)
        if pending or not offered or shown.originated_by_dn == self._dn:
            return  # ours: makecall's answer says which
        if len(self._legs) >= self._most_calls:
            self._start(self._drop(shown))
            return
        leg = _Leg(f"sound-{uuid4().hex}", arrived=True, participant=shown)
        self._legs[leg.leg_id] = leg
        self._start(self._arrive(leg, shown))

    async def _arrive(self, leg: _Leg, shown: Participant) -> None:
        endpoint = await self._endpoint(leg)
        if endpoint is None:
            del self._legs[leg.leg_id]
            await self._drop(shown)
            return
        name = "" if shown.party_caller_name == shown.party_caller_id else shown.party_caller_name
        caller = shown.party_caller_id or shown.party_dn
        self._on_event(Arrived(leg.leg_id, self.name, caller, name, shown.party_did or self._dn, endpoint))

    def _moved(self, leg: _Leg, shown: Participant) -> None:
        leg.participant = shown
        if leg.arrived:
            if shown.connected and leg.talking:
                self._stream(leg)
            return
        if shown.connected and not leg.talking:
            leg.talking = True
            self._talk(leg)
        elif shown.ringing and not leg.rang:
            leg.rang = True
            self._on_event(Rang(leg.leg_id))

    def _gone(self, leg: _Leg) -> None:
        leg.participant = None
        talked = leg.talking
        self._forget(leg)
        if leg.arrived or talked:
            self._on_event(HungUp(leg.leg_id, Cause(EndReason.COMPLETED if talked else EndReason.GAVE_UP)))
        else:
            self._on_event(Refused(leg.leg_id, Cause(EndReason.NO_ANSWER, detail="Nobody took the call at the PBX.")))

    # ------------------------------------------------------------------ what we do

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
        """Who calls is what the PBX says of the route point: neither ``caller``, ``caller_number`` nor ``private`` change it."""
        leg = self._legs[leg_id] = _Leg(leg_id, arrived=False, number=number)
        self._start(self._dial(leg, number, offer))

    async def _dial(self, leg: _Leg, number: str, offer: RtpEndpoint) -> None:
        if self._control is None or len(self._legs) > self._most_calls or await self._endpoint(leg) is None:
            self._refuse(leg, Cause(EndReason.UNREACHABLE, 503, "The sound of 3CX's API takes no further call now."))
            return
        assert leg.port is not None
        leg.port.partner = (self._host, offer.port)
        try:
            outcome = await self._control.make_call(self._dn, number, timeout_s=_RING_S)
        except ThreeCxFault as fault:
            self._refuse(leg, Cause(EndReason.UNREACHABLE, detail=str(fault)))
            return
        if not outcome.done or outcome.leg is None:
            self._refuse(leg, Cause(EndReason.FAILED, detail=f"3CX refused the call: {outcome.reason or 'no reason given'}"))
            return
        leg.participant = outcome.leg
        try:
            shown = await self._control.leg(self._dn, outcome.leg.id)
        except Gone:  # over before its events could be told apart
            if leg.leg_id in self._legs:
                self._gone(leg)
            return
        except ThreeCxFault:
            shown = outcome.leg
        if leg.leg_id not in self._legs:  # hung up meanwhile
            await self._drop(shown)
            return
        if not leg.rang and not shown.connected:
            leg.rang = True
            self._on_event(Rang(leg.leg_id))
        self._moved(leg, shown)

    def _talk(self, leg: _Leg) -> None:
        self._stream(leg)
        if leg.port is not None:
            self._on_event(Answered(leg.leg_id, RtpEndpoint(self._host, leg.port.number, (PCMA,))))

    def ring(self, leg_id: str) -> None:
        """Nothing to tell: the PBX shows the call as connected already."""

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        """The caller hears us already."""
        self._begin(leg_id, early)

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        leg = self._begin(leg_id, answer)
        if leg is None:
            return
        leg.talking = True
        if leg.participant is not None and leg.participant.ringing:
            self._start(self._pick_up(leg.participant))
        self._on_event(Confirmed(leg_id))

    def _begin(self, leg_id: str, local: RtpEndpoint) -> _Leg | None:
        leg = self._legs.get(leg_id)
        if leg is not None and leg.port is not None:
            leg.port.partner = (self._host, local.port)
            if leg.participant is not None and leg.participant.connected:
                self._stream(leg)
        return leg

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        shown = leg.participant
        self._forget(leg)
        if shown is not None:
            self._start(self._drop(shown))

    def hold(self, leg_id: str, held: bool) -> None:
        """Nothing to tell: whoever is held hears our melody."""

    def send_digit(self, leg_id: str, digit: str) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and leg.stream is not None:
            for frame in key_tone(digit):
                leg.stream.say(frame)

    def can_refer(self, leg_id: str) -> bool:
        leg = self._legs.get(leg_id)
        return leg is not None and leg.talking and leg.participant is not None

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        """By ``routeto``; to take another leg's place is not known here (501)."""
        leg = self._legs.get(leg_id)
        if leg is None or leg.participant is None or replaces:
            self._on_event(TransferProgressed(leg_id, 501))
            return
        self._start(self._route(leg, leg.participant, target))

    async def _route(self, leg: _Leg, shown: Participant, target: str) -> None:
        assert self._control is not None
        self._on_event(TransferProgressed(leg.leg_id, 180))
        try:
            taken = (await self._control.route(shown, target)).done
        except ThreeCxFault as fault:
            log.warning("threecx.not_routed", detail=type(fault).__name__)
            taken = False
        if leg.leg_id in self._legs:
            self._on_event(TransferProgressed(leg.leg_id, 200 if taken else 480))

    def transfer_progress(self, leg_id: str, status: int) -> None:
        """Nobody asks for transfers here."""

    # ------------------------------------------------------------------ sound

    async def _endpoint(self, leg: _Leg) -> RtpEndpoint | None:
        def on_frame(frame: bytes) -> None:
            if leg.stream is not None:
                leg.stream.say(frame)

        try:
            leg.port = await PcmPort.open(self._host, on_frame, self._random)
        except OSError as error:
            log.error("threecx.no_port", detail=str(error))
            return None
        if leg.leg_id not in self._legs:
            leg.port.close()
            return None
        return RtpEndpoint(self._host, leg.port.number, (PCMA,))

    def _stream(self, leg: _Leg) -> None:
        if leg.stream is not None or leg.participant is None or leg.port is None or self._session is None:
            return
        stream = leg.stream = PcmStream(self._session, leg.participant, on_frame=leg.port.send)
        stream.connected()  # who streams was seen connected, whatever an older answer says

        async def sound() -> None:
            async with stream:
                await leg.over.wait()

        self._start(sound())

    def _forget(self, leg: _Leg) -> None:
        self._legs.pop(leg.leg_id, None)
        if leg.port is not None:
            leg.port.close()
        leg.over.set()

    def _refuse(self, leg: _Leg, cause: Cause) -> None:
        if leg.leg_id in self._legs:
            self._forget(leg)
            self._on_event(Refused(leg.leg_id, cause))

    async def _pick_up(self, shown: Participant) -> None:
        """What a PBX offers instead of connecting it by itself."""
        try:
            if self._control is not None:
                await self._control.answer(shown)
        except ThreeCxFault as fault:  # the leg's own end tells what became of it
            log.warning("threecx.not_answered", detail=type(fault).__name__)

    async def _drop(self, shown: Participant) -> None:
        try:
            if self._control is not None:
                await self._control.drop(shown)
        except ThreeCxFault as fault:
            log.warning("threecx.not_dropped", detail=type(fault).__name__)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("threecx.sound_failed", exc_info=error)
