"""Where pages, telephone lines, media and call control meet.

Everything that happens becomes an event for the switchboard; every effect that it answers with is performed here, in order, on the line of
its own call. Nothing here decides what a call does next: that is call control's, in ``rooms``.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from secrets import token_hex
from typing import Any

import structlog

from api.board import Board, machine_load
from api.browser_legs import BrowserLegs
from api.call_line import JOB_S, CallLine, Job, LineFull
from api.deadline_timer import DeadlineTimer
from api.headset_models import headset_model
from api.media_plane import MediaPlane
from api.metrics import Metrics
from api.phone_legs import PhoneFailure, PhoneLegs
from api.presses import Presses, Way
from api.privacy.recording_consents import RecordingConsents
from api.queue_board import QueueBoard
from api.recording_book import RecordingBook
from api.store import Store
from api.store.rows import LegMeans
from api.views import EpochClock, call_quality, call_state, finished_work, parked_call, wrap_up_state
from api.voicemail.taking import Caller, MessageTaking
from api.webhook_asking import FAILED, WebhookAsking
from media import messages as media
from pbx import trunk as line
from rooms import effects as fx
from rooms import events as ev
from rooms.agent import AgentState
from rooms.causes import Cause, EndReason
from rooms.centre_plan import Arrival
from rooms.entries import Entry
from rooms.move import Target
from rooms.record import CallRecord, CallView, LegRecord, ParkedView
from rooms.recording import RecordingState
from rooms.switchboard import NotPossible, Switchboard
from rooms.voicemail import Outcome
from signaling import messages as wire
from signaling.hub import Hub
from signaling.refusal import Refusal
from signaling.topics import LINES, person

log = structlog.get_logger()

_RECORDINGS_END_WITHIN_S = 3.0
HIDDEN_KEY = "•"
"""Is shown in place of a key that nobody is to know."""
_COME_AGAIN = frozenset({"worker_full", "worker_lost"})
"""Why media cannot carry a call now, and may soon: who calls is told so (SIP 503, with Retry-After), and not that we failed."""
_BY_ROOM = (fx.OpenRoom, fx.CloseRoom, fx.SetGains, fx.JoinBridge)
_BY_CALL = (
    *(fx.PlaceCall, fx.AnswerCall, fx.LetHear, fx.ExpectAgent, fx.TakeMessage, fx.AskWebhook, fx.FindTarget),
    *(fx.StartRecording, fx.PauseRecording, fx.ResumeRecording, fx.StopRecording, fx.EraseRecording, fx.KeepConsent),
)
_OF_NO_CALL = (fx.KeepCallBack, fx.CallBackOver, fx.KeepWrapUp, fx.ShowAgent, fx.PutOnBreak)
_CALL_OF: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys(_BY_ROOM, attrgetter("room_id")),
    **dict.fromkeys(_BY_CALL, attrgetter("call_id")),
    **dict.fromkeys((fx.ShowParked, *_OF_NO_CALL), lambda effect: ""),
    fx.Notify: attrgetter("view.call_id"),
    fx.WriteRecord: attrgetter("record.call_id"),
}
"""Of all others by their leg."""


def _shown_to(effect: fx.Effect) -> tuple[str, ...]:
    """Whose state an effect may show."""
    return effect.agents if isinstance(effect, fx.Notify) else (effect.agent,) if isinstance(effect, fx.ShowAgent) else ()


class Exchange:
    """Performs effects, translates events. ``async with``: leaving ends every live call with its record written.

    ``trunks`` are entered and left by the wiring, around this. ``on_record`` hears of each record, with what turns its times into epochs.
    ``on_entries`` of what has just happened to calls; ``on_bad_second(call_id, hop, cause)`` of each second in which one sounded bad.
    ``cost_of`` says what a leg that we dialled and that is over cost. ``on_engaged`` hears of whom a call rings at, or is, and of whom
    none is any more. ``may_dial(who, dialled)`` raises ``Refusal`` where this is not to be dialled on this account now, which nobody has
    asked yet; ``on_dialled(leg, who, dialled)`` hears of what is. ``resolve(text, who)`` says where a number that a phone asks us to call
    is reached, or raises ``Refusal``. ``sees(who, other)``: may one pick up what the other parked?
    ``on_shown`` hears at once who is to see a call, and how.
    ``caller_number(who)``: the number that calls on this account show, empty: the line's own. ``keeps_agents``: is it this node that
    puts on record what agents do? ``messages``: those that callers leave; ``webhooks``: the programs that flows ask; without them either
    has failed at once. ``receive(call_id, event)`` says where the plan of the contact centre leads a call that arrives.
    ``take_break(identity, reason)``: this person takes no calls from now on, everywhere. ``consents``: who objects to recordings since
    before, and where it is kept what is said to them. ``job_s``: so long each thing that is done for a call may take.
    """

    def __init__(
        self,
        *,
        switchboard: Switchboard,
        worker: MediaPlane,
        phones: PhoneLegs,
        browsers: BrowserLegs,
        store: Store,
        book: RecordingBook,
        metrics: Metrics,
        trunks: dict[str, line.Trunk],
        on_record: Callable[[CallRecord, Callable[[float], float]], None] = lambda record, to_epoch: None,
        on_entries: Callable[[Sequence[Entry]], None] = lambda entries: None,
        on_bad_second: Callable[[str, str, str], None] = lambda call_id, hop, cause: None,
        on_path: Callable[[str, str, wire.PeerPath], None] = lambda call_id, leg_id, said: None,
        cost_of: Callable[[LegRecord], float | None] = lambda leg: None,
        new_call_id: Callable[[], str] = lambda: token_hex(16),
        on_engaged: Callable[[str, AgentState | None], None] = lambda identity, state: None,
        may_dial: Callable[[str, str], None] = lambda who, dialled: None,
        on_dialled: Callable[[str, str, str], None] = lambda leg_id, who, dialled: None,
        resolve: Callable[[str, str], Target] | None = None,
        sees: Callable[[str, str], bool] = lambda who, other: True,
        on_shown: Callable[[tuple[str, ...], CallView], None] = lambda agents, view: None,
        caller_number: Callable[[str], str] = lambda who: "",
        keeps_agents: Callable[[], bool] = lambda: True,
        messages: MessageTaking | None = None,
        webhooks: WebhookAsking | None = None,
        receive: Callable[[str, line.Arrived], Arrival] = lambda call_id, event: Arrival(),
        take_break: Callable[[str, str], None] = lambda identity, reason: None,
        node: str = "",
        consents: RecordingConsents | None = None,
        job_s: float = JOB_S,
    ) -> None:
        self._consents = consents
        self._job_s = job_s
        self._switchboard = switchboard
        self._worker = worker
        self._phones = phones
        self._browsers = browsers
        self._store = store
        self._book = book
        self._metrics = metrics
        self._trunks = trunks
        self._on_record, self._on_entries, self._on_bad_second = on_record, on_entries, on_bad_second
        self._on_path = on_path
        self._cost_of = cost_of
        self.new_call_id = new_call_id
        self._on_engaged = on_engaged
        self._may_dial = may_dial
        self._on_dialled = on_dialled
        self._resolve = resolve
        self.sees = sees
        self._on_shown = on_shown
        self._caller_number = caller_number
        self._keeps_agents = keeps_agents
        self._messages, self._webhooks = messages, webhooks
        self._presses = Presses()
        self._receive = receive
        self._take_break = take_break
        self._node = node
        self._hub: Hub | None = None
        self._lines: dict[str, CallLine] = {}
        self._closing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._dialled_s: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()
        self._timer = DeadlineTimer(switchboard.next_deadline, self._loop.time, self._expire)
        self.clock = EpochClock(self._loop.time(), time.time())
        self.board = Board(
            now=self.now,
            clock=self._loop.time,
            node=node,
            load=machine_load,
            queues=lambda: switchboard.queue_figures(self._loop.time()),
        )
        self.queues = QueueBoard(switchboard, now=self.now, time=self._loop.time, clock=self.clock)
        self.draining = False

    def meet(self, hub: Hub) -> None:
        """The hub needs the exchange's functions to be made; so it is introduced after."""
        self._hub = hub
        self.board.meet(hub)
        self.queues.meet(hub)

    async def __aenter__(self) -> "Exchange":
        await self.board.__aenter__()
        await self.queues.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
        await self.queues.__aexit__()
        await self.board.__aexit__()
        self._timer.close()

    async def stop(self) -> None:
        """End every call, with BYE and a record. Idempotent."""
        self.draining = True
        self.feed(ev.DrainRequested())
        await self.no_calls()
        await self._book.settled(_RECORDINGS_END_WITHIN_S)

    async def restore(self) -> None:
        """Who was to be called back when this node stopped still is. Raises ``StoreUnavailable``."""
        for back in await self._store.call_backs.open_ones(self._store.node):
            next_s = None if back.next_s is None else self.clock.core_s(back.next_s)
            self.feed(ev.CallBackRestored(replace(back, since_s=self.clock.core_s(back.since_s), next_s=next_s)))

    async def no_calls(self) -> None:
        """Until the last call has ended and its work is done."""
        await self._idle.wait()

    @property
    def calls(self) -> int:
        """Calls that have work going on."""
        return len(self._lines)

    def now(self) -> float:
        """Seconds since the epoch, on the clock of every time told to pages."""
        return self.clock.at(self._loop.time())

    # ------------------------------------------------------------------ events in

    def feed(self, event: ev.Event) -> None:
        """Give call control an event and start what it wants. Raises ``NotPossible`` for what a person may not do now."""
        try:
            now = self._loop.time()
            effects = self._switchboard.handle(event, now)
            self._keep(now)
            self._start(effects)
        finally:
            self._timer.arm()

    def hear(self, event: ev.MessageTaken | ev.WebhookAnswered) -> None:
        """What became of something that was done for a call beside it."""
        self._contain(type(event).__name__, "", lambda: self.feed(event))

    def _expire(self) -> None:
        now = self._loop.time()
        effects = self._switchboard.expire(now)
        self._keep(now)
        self._start(effects)

    def _keep(self, now: float) -> None:
        """What has just happened is put on record. What agents do is known to every node; one of them writes it."""
        if entries := self._switchboard.entries:
            self._store.put_entries(entries, self.clock.at)
            self._on_entries(entries)
        if visits := self._switchboard.visits:
            self._store.put_visits(visits, self.clock.at)
        if (changes := self._switchboard.agent_changes(now)) and self._keeps_agents():
            self._store.put_agent_changes(changes, self.clock.at)

    def on_trunk_event(self, event: line.TrunkEvent) -> None:
        """Called by every trunk, for everything that happens on it, from within the trunk's own work: a fault here must not become its."""
        self._contain(type(event).__name__, getattr(event, "leg_id", ""), lambda: self._ON_TRUNK[type(event)](self, event))

    def _contain(self, name: str, leg_id: str, act: Callable[[], None]) -> None:
        """A fault in what one call's leg brought about ends that call, and no trunk, worker or other call."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told to call control and to the log, whatever it was
            leg = self._phones.get(leg_id) or self._browsers.get(leg_id)
            self._failed(leg.call_id if leg is not None else "", name, error)

    def _arrived(self, event: line.Arrived) -> None:
        if self.draining:
            self._trunks[event.trunk].hang_up(event.leg_id, Cause(EndReason.SERVER_STOPPED, 503))
            return
        if event.replaces:
            self._replaced(event)
            return
        call_id = self.new_call_id()
        person_called = self._switchboard.is_person(event.called)
        arrival = self._receive(call_id, event)
        entry = None if person_called else arrival.entry
        if arrival.refused is not None:
            self._trunks[event.trunk].hang_up(event.leg_id, arrival.refused)
            return
        self._phones.expect(event.leg_id, call_id, event.trunk, event.remote)
        if person_called:
            rung: tuple[str, ...] = (event.called,)
        else:  # who is free is asked of everybody, which costs more than all else of the call: only where it matters
            rung = () if entry is not None else self._switchboard.available_agents()
        agents = tuple((identity, token_hex(16)) for identity in rung)
        for identity, leg_id in agents:
            self._browsers.expect(leg_id, call_id, identity)
        self._open_line(call_id)
        self.feed(
            ev.CallArrived(
                call_id=call_id,
                phone_leg=event.leg_id,
                trunk=event.trunk,
                caller="anonymous" if event.private else event.caller,
                caller_name="" if event.private else event.caller_name,
                called=event.called,
                agents=agents,
                called_agent=event.called if person_called else "",
                hops=len(event.diversions),
                private=event.private,
                verified=event.verified,
                entry=entry,
                facts=arrival.facts,
                epoch_s=self.now(),
                flow=arrival.flow,
            )
        )

    def _replaced(self, event: line.Arrived) -> None:
        """Another phone takes the place of one of ours."""
        former = self._phones.get(event.replaces)
        if former is None or self._switchboard.call_of_leg(event.replaces) is None:
            self._trunks[event.trunk].hang_up(event.leg_id, Cause(EndReason.FAILED, 481))
            return
        self._phones.expect(event.leg_id, former.call_id, event.trunk, event.remote)
        self.feed(ev.LegReplaced(event.leg_id, event.replaces, event.trunk, event.caller))

    def _rang(self, event: line.Rang) -> None:
        remote = event.remote
        if remote is not None:
            self._queue_phone(event.leg_id, "early media", lambda: self._phones.connect(event.leg_id, remote))
        dialled_s = self._dialled_s.pop(event.leg_id, None)
        if dialled_s is not None:
            self._metrics.rang(self._loop.time() - dialled_s)
        self.feed(ev.LegRang(event.leg_id, early_media=remote is not None))

    def _answered(self, event: line.Answered) -> None:
        self._queue_phone(event.leg_id, "connect", lambda: self._phones.connect(event.leg_id, event.remote))
        self.feed(ev.LegAnswered(event.leg_id))

    def _confirmed(self, event: line.Confirmed) -> None:
        remote = event.remote
        if remote is not None:
            self._queue_phone(event.leg_id, "connect", lambda: self._phones.connect(event.leg_id, remote))
        self.feed(ev.LegAnswered(event.leg_id))

    def _refused(self, event: line.Refused) -> None:
        self.feed(ev.LegRefused(event.leg_id, event.cause))

    def _hung_up(self, event: line.HungUp) -> None:
        self.feed(ev.LegHungUp(event.leg_id, event.cause))

    def _reagreed(self, event: line.Reagreed) -> None:
        self._queue_phone(event.leg_id, "re-agree", lambda: self._phones.connect(event.leg_id, event.remote))
        self.feed(ev.LegHeld(event.leg_id, self._phones.held_by_phone(event.remote)))

    def _digit_arrived(self, event: line.DigitArrived) -> None:
        self._tell_digit(event.leg_id, event.digit, Way.SIGNALLING)

    def _transfer_asked(self, event: line.TransferAsked) -> None:
        """A phone wants its other side to have somebody else. It answers for what that costs as its line does, for all its phones."""
        leg = self._phones.get(event.leg_id)
        if leg is None:
            return
        by = f"trunk.{leg.trunk.name}"
        if event.replaces:
            self.feed(ev.JoinAsked(event.leg_id, event.replaces, by))
            return
        try:
            target = self._target(event.target, by)
        except Refusal as refused:
            log.warning("transfer.refused", call_id=leg.call_id, code=refused.code)
            status = {"not_a_number": 484, "no_route": 404}.get(refused.code, 403)
            leg.trunk.transfer_progress(event.leg_id, status)
            return
        self.feed(ev.TransferAsked(event.leg_id, target, by))

    def _target(self, text: str, by: str) -> Target:
        if self._switchboard.is_person(text):
            return Target(agent=text)
        if self._resolve is None:
            raise Refusal("no_route", "Nothing can be dialled from here.")
        return self._resolve(text, by)

    def redirected(self, leg_id: str, number: str) -> str:
        """What to dial where the telephone system redirects a call of ours to this number (``pbx.redirect``); empty: nothing.

        It is asked for and paid as if whoever dialled had dialled the new number.
        """
        leg = self._phones.get(leg_id)
        if leg is None or self._resolve is None:
            return ""
        try:
            target = self._resolve(number, leg.payer)
        except Refusal as refused:
            log.warning("redirection.refused", call_id=leg.call_id, code=refused.code)
            return ""
        if target.trunk != leg.trunk.name:
            return ""
        self._on_dialled(leg_id, leg.payer, target.number)
        return target.number

    def _transfer_progressed(self, event: line.TransferProgressed) -> None:
        self.feed(ev.ReferProgressed(event.leg_id, event.status))

    def _status_changed(self, event: line.StatusChanged) -> None:
        self._metrics.line_ready(event.trunk, event.status.ready)
        log.info("line.status", trunk=event.trunk, ready=event.status.ready, detail=event.status.detail)
        self._publish(LINES, wire.LineState(trunk=event.trunk, ready=event.status.ready, detail=event.status.detail))

    _ON_TRUNK: dict[type, Callable[["Exchange", line.TrunkEvent], None]] = {  # noqa: RUF012
        line.Arrived: _arrived,  # type: ignore[dict-item]
        line.Rang: _rang,  # type: ignore[dict-item]
        line.Answered: _answered,  # type: ignore[dict-item]
        line.Confirmed: _confirmed,  # type: ignore[dict-item]
        line.Refused: _refused,  # type: ignore[dict-item]
        line.HungUp: _hung_up,  # type: ignore[dict-item]
        line.Reagreed: _reagreed,  # type: ignore[dict-item]
        line.DigitArrived: _digit_arrived,  # type: ignore[dict-item]
        line.TransferAsked: _transfer_asked,  # type: ignore[dict-item]
        line.TransferProgressed: _transfer_progressed,  # type: ignore[dict-item]
        line.StatusChanged: _status_changed,  # type: ignore[dict-item]
    }

    def on_media_event(self, event: media.AnyMediaEvent) -> None:
        """Called by the media worker, from within its own work."""
        self._contain(type(event).__name__, getattr(event, "leg_id", ""), lambda: self._on_media(event))

    def _on_media(self, event: media.AnyMediaEvent) -> None:
        if self._messages is not None and self._messages.hear(event) and isinstance(event, media.SoundEnded | media.VoiceChanged):
            return
        match event:
            case media.PeerConnected(leg_id=leg_id):
                self.feed(ev.LegConnected(leg_id))
            case media.PeerLost(leg_id=leg_id, detail=detail):
                self.feed(ev.LegLost(leg_id, Cause(EndReason.MEDIA_LOST, detail=detail)))
            case media.ReofferWanted(leg_id=leg_id, codecs=codecs):
                self._reoffer(leg_id, codecs)
            case media.DigitHeard(leg_id=leg_id, digit=digit):
                self._tell_digit(leg_id, digit, Way.AUDIO)
            case media.LegSilent(leg_id=leg_id, silent_s=silent_s):
                log.warning("leg.silent", leg_id=leg_id, silent_s=round(silent_s, 1))
            case media.QualitySampled():
                self._quality(event)
            case media.SoundEnded(leg_id=leg_id, sound=sound):
                self.feed(ev.SoundEnded(leg_id, sound))
            case media.RecordingStarted() | media.RecordingStopped() | media.RecordingFailed():
                self._recording(event)
            case media.RoomLost(room_id=room_id, detail=detail):
                self.feed(ev.EffectFailed(call_id=room_id, leg_id="", cause=Cause(EndReason.MEDIA_LOST, detail=detail), effect=""))

    def _recording(self, event: media.RecordingStarted | media.RecordingStopped | media.RecordingFailed) -> None:
        match event:
            case media.RecordingStarted():
                self._book.started(event)
                self.feed(ev.RecordingBegan(event.room_id, event.recording_id))
            case media.RecordingStopped():
                self._book.stopped(event, self.now())
                self._metrics.recorded("kept")
            case media.RecordingFailed():
                self._book.failed(event, self.now())
                self._metrics.recorded("worker_died" if event.worker_died else "broken")
                self.feed(ev.RecordingBroke(event.room_id, event.recording_id, again=event.worker_died))

    def _reoffer(self, leg_id: str, codecs: tuple[str, ...]) -> None:
        leg = self._browsers.get(leg_id)
        if leg is not None:
            leg.order = codecs
            self._publish(person(leg.identity), wire.PeerReoffer(call_id=leg.call_id, ice_restart=False))

    def _tell_digit(self, leg_id: str, digit: str, way: Way) -> None:
        if not self._presses.is_new(leg_id, digit, way, self._loop.time()):
            return
        if self._messages is not None and self._messages.digit(leg_id, digit):
            return
        leg = self._phones.get(leg_id)
        view = self._switchboard.call(leg.call_id) if leg is not None else None
        if view is None:
            return
        if view.agent:
            # What is typed while the recording is paused is the number of a card: nobody is shown it, and no topic's memory has it.
            shown = HIDDEN_KEY if view.recording is RecordingState.PAUSED else digit
            self._publish(person(view.agent), wire.CallDigit(call_id=view.call_id, digit=shown))
        if not view.agent or view.recording is RecordingState.ANNOUNCING:
            self.feed(ev.DigitHeard(leg_id, digit))

    def _quality(self, event: media.QualitySampled) -> None:
        view = self._switchboard.call(event.room_id)
        if view is None or view.answered_s is None:
            return
        at = self.clock.at(self._loop.time())
        # How a supervisor's browser fares is no quality of the call, and nothing that the agent is to learn of them by.
        monitors = self._switchboard.monitoring_legs(event.room_id)
        samples = [sample for sample in event.legs if sample.leg_id not in monitors]
        faults = [fault for fault in event.faults if fault.leg_id not in monitors]
        sides = [("agent" if self._browsers.get(sample.leg_id) else "phone", sample) for sample in samples]
        if view.agent:
            self._publish(person(view.agent), call_quality(event.room_id, at, sides))
        self.board.quality(event.room_id, sides, faults)
        for side, sample in sides:
            self._metrics.quality(side, sample)
        if faults:
            self._metrics.bad_second(faults[0])
            self._on_bad_second(event.room_id, faults[0].hop, faults[0].cause)
        self._store.put_quality(event.room_id, at, samples, faults)

    # ------------------------------------------------------------------ what pages want

    def dial(self, call_id: str, identity: str, number: str, trunk: str) -> None:
        """Begin a call of this person. Raises ``NotPossible``."""
        agent_leg, phone_leg = token_hex(16), token_hex(16)
        self._browsers.expect(agent_leg, call_id, identity)
        self._phones.expect(phone_leg, call_id, trunk)
        self._dialled_s[phone_leg] = self._loop.time()
        self._open_line(call_id)
        event = ev.CallDialed(call_id=call_id, agent=identity, agent_leg=agent_leg, phone_leg=phone_leg, number=number, trunk=trunk)
        try:
            self.feed(event)
        except NotPossible:
            self._end_line(call_id)
            raise

    def can_refer(self, call_id: str, trunk: str = "") -> bool:
        """May the telephone system be asked to transfer this call? ``trunk``: the line of a target that is no leg of the call yet.

        Never one that is being recorded: it would go on without us.
        """
        view = self._switchboard.call(call_id)
        if view is None or view.recording is not RecordingState.OFF:
            return False
        phones = self._phones.of_call(call_id)
        names = {phone.trunk.name for phone in phones} | ({trunk} if trunk else set())
        enough = len(phones) == (1 if trunk else 2) and len({phone.trunk.line_of(phone.leg_id) for phone in phones}) == 1
        return enough and len(names) == 1 and all(phone.trunk.can_refer(phone.leg_id) for phone in phones)

    async def answer_browser(self, view: CallView, peer_id: str, sdp: str) -> media.PeerAnswered:
        """Answer a page's offer for its leg of this call, after what is already queued for the call. Raises ``MediaRefusal``."""
        call_line = self._lines.get(view.call_id)
        if call_line is None:
            raise media.MediaRefusal("unknown_call", "This call has just ended.")
        return await call_line.ask(lambda: self._answer_browser(view.agent_leg, peer_id, sdp))

    async def _answer_browser(self, leg_id: str, peer_id: str, sdp: str) -> media.PeerAnswered:
        if self._browsers.get(leg_id) is None:  # it ended while the offer waited for its turn
            raise media.MediaRefusal("unknown_call", "This call has just ended.")
        return await self._browsers.answer(leg_id, peer_id, sdp)

    def keep_path(self, view: CallView, said: wire.PeerPath) -> None:
        """The way that the packets of this call's page take; of a page that no longer has its sound nothing is kept."""
        leg = self._browsers.get(view.agent_leg)
        if leg is not None and leg.peer_id == said.peer_id:
            leg.travels(said)
            self._on_path(view.call_id, view.agent_leg, said)

    def keep_headset(self, view: CallView, said: wire.PeerHeadset) -> None:
        """What this call's agent speaks into, of the page that has its sound."""
        leg = self._browsers.get(view.agent_leg)
        if leg is not None and leg.peer_id == said.peer_id:
            leg.headset = headset_model(said.label)

    async def answer_caller(self, call_id: str, leg_id: str, peer_id: str, sdp: str) -> media.PeerAnswered:
        """Answer the offer of a caller who calls by a browser, after what is queued for the call already. Raises ``MediaRefusal``."""
        call_line = self._lines.get(call_id)
        if call_line is None:
            raise media.MediaRefusal("unknown_call", "This call has just ended.")
        return await call_line.ask(lambda: self._phones.answer_browser(leg_id, peer_id, sdp))

    # ------------------------------------------------------------------ effects out

    def _start(self, effects: list[fx.Effect]) -> None:
        for identity in dict.fromkeys(identity for effect in effects for identity in _shown_to(effect)):
            self._on_engaged(identity, self._switchboard.engagement(identity))
        for effect in effects:
            if isinstance(effect, fx.Notify):
                self._on_shown(effect.agents, effect.view)
            if isinstance(effect, fx.ShowParked):
                self._show_parked(effect)
                continue
            if isinstance(effect, _OF_NO_CALL):
                self._do_beside(effect)
                continue
            if isinstance(effect, fx.OpenRoom) and effect.room_id not in self._lines:
                self._open_line(effect.room_id)
            if isinstance(effect, fx.ExpectAgent):
                self._browsers.expect(effect.leg_id, effect.call_id, effect.agent)
                continue
            if isinstance(effect, fx.PlaceCall):
                self._expect_phone(effect)
            call_id = self._call_of(effect)
            call_line = self._lines.get(call_id)
            if call_line is None:
                log.error("effect.without_call", effect=type(effect).__name__, call_id=call_id)
                continue
            self._queue(call_line, type(effect).__name__, self._job(effect), last=fx.is_last_word(effect))

    def _do_beside(self, effect: "fx.KeepCallBack | fx.CallBackOver | fx.KeepWrapUp | fx.ShowAgent | fx.PutOnBreak") -> None:
        """What concerns no call that there is."""
        match effect:
            case fx.KeepCallBack(call_back=call_back):
                self._store.put_call_back(call_back, self.clock.at)
            case fx.CallBackOver(call_back=call_back, outcome=outcome):
                self._store.put_call_back(call_back, self.clock.at, outcome)
            case fx.KeepWrapUp():
                self._store.put_wrap_up(effect, self.clock.at)
            case fx.ShowAgent(agent=agent):
                self._publish(person(agent), self.wrap_up(agent) or wire.WrapUpState(call_id=""))
            case fx.PutOnBreak(agent=agent, reason=reason):
                # It comes back as an event, which is to find the effects of this one done.
                self._loop.call_soon(self._take_break, agent, reason)

    def wrap_up(self, identity: str) -> wire.WrapUpState | None:
        """The work on their last call here, where this person has some to do, or may take it up again."""
        wrap_up, finished = self._switchboard.wrap_up(identity), self._switchboard.finished(identity)
        if wrap_up is not None:
            return wrap_up_state(wrap_up, self.clock)
        return finished_work(finished, self.clock) if finished is not None else None

    async def _find(self, effect: fx.FindTarget) -> None:
        """Where a number is reached that a flow or a call-back gives."""
        found, cause = None, None
        try:
            found = self._target(effect.text, effect.by)
        except Refusal as refused:
            log.warning("target.refused", call_id=effect.call_id, code=refused.code)
            cause = Cause(EndReason.FORBIDDEN, 403, str(refused))
        self.feed(ev.TargetFound(effect.call_id, found, cause))

    def _job(self, effect: fx.Effect) -> Job:
        """What does it, with whose leg it concerns told to call control where it fails."""
        act = self._AT_ONCE.get(type(effect))
        if act is None:
            return lambda: self._tried(effect)

        def at_once() -> None:
            try:
                act(self, effect)
            except Exception as error:  # noqa: BLE001 - told to call control, whatever it was
                self._broken(effect, error)

        return at_once

    async def _tried(self, effect: fx.Effect) -> None:
        try:
            await self._do(effect)
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(effect, error)

    def _broken(self, effect: fx.Effect, error: Exception) -> None:
        self._failed(self._call_of(effect), type(effect).__name__, error, getattr(effect, "leg_id", ""))

    def _expect_phone(self, effect: fx.PlaceCall) -> None:
        leg = self._phones.get(effect.leg_id) or self._phones.expect(effect.leg_id, effect.call_id, effect.trunk)
        leg.payer = effect.by
        if effect.asked:
            self._on_dialled(effect.leg_id, effect.by, effect.number)

    async def _place(self, effect: fx.PlaceCall) -> None:
        if not effect.asked:
            try:
                self._may_dial(effect.by, effect.number)
            except Refusal as refused:
                raise PhoneFailure(Cause(EndReason.FORBIDDEN, 403, str(refused))) from None
            self._on_dialled(effect.leg_id, effect.by, effect.number)
        await self._phones.place(
            effect.leg_id,
            effect.number,
            private=effect.private,
            caller_number=self._caller_number(effect.by),
            diverted_by=effect.diverted_by,
            referred=effect.referred,
        )

    async def _close_leg(self, leg_id: str) -> None:
        self._dialled_s.pop(leg_id, None)
        if self._phones.get(leg_id) is None or self._phones.forget(leg_id):
            await self._worker.perform(media.CloseLeg(leg_id=leg_id))

    def _show_parked(self, effect: fx.ShowParked) -> None:
        for identity in effect.agents:
            self._publish(person(identity), self.parked(identity, effect.parked))

    def parked(self, identity: str, parked: tuple[ParkedView, ...] | None = None) -> wire.ParkedCalls:
        """The calls here that this person may pick up."""
        views = self._switchboard.parked() if parked is None else parked
        return wire.ParkedCalls(node=self._node, calls=[parked_call(view, self.clock) for view in views if self.sees(identity, view.by)])

    def _call_of(self, effect: fx.Effect) -> str:
        """The call that an effect is about, empty where it is about none."""
        named = _CALL_OF.get(type(effect))
        if named is not None:
            return named(effect)
        leg_id: str = getattr(effect, "leg_id", "")
        leg = self._browsers.get(leg_id) or self._phones.get(leg_id)
        return leg.call_id if leg is not None else ""

    async def _do(self, effect: fx.Effect) -> None:
        match effect:
            case fx.OpenRoom(room_id=room_id):
                await self._worker.perform(media.OpenRoom(room_id=room_id))
            case fx.CloseRoom(room_id=room_id):
                try:
                    await self._worker.perform(media.CloseRoom(room_id=room_id))
                    self._book.call_over(room_id)
                finally:
                    self._end_line(room_id)
            case fx.PlaceCall():
                await self._place(effect)
            case fx.LetHear(leg_id=leg_id, other_leg=other_leg):
                rings = self._phones.get(other_leg)
                await self._phones.progress(leg_id, rings.spoken if rings is not None else None)
            case fx.AnswerCall(leg_id=leg_id, agent_leg=agent_leg):
                browser, phone = self._browsers.get(agent_leg), self._phones.get(agent_leg)
                await self._phones.answer(leg_id, browser.codec if browser is not None else phone.spoken if phone is not None else None)
            case fx.JoinBridge(room_id=room_id, leg_id=leg_id):
                await self._worker.perform(media.JoinBridge(room_id=room_id, leg_id=leg_id))
            case fx.CloseLeg(leg_id=leg_id):
                await self._close_leg(leg_id)
            case fx.SetGains(room_id=room_id, gains=gains):
                await self._worker.perform(media.SetGains(room_id=room_id, gains=gains))
            case fx.Play(leg_id=leg_id, sound=sound):
                await self._worker.perform(media.Play(leg_id=leg_id, sound=sound))
            case fx.PlayOnce(leg_id=leg_id, sound=sound):
                await self._worker.perform(media.PlayOnce(leg_id=leg_id, sound=sound))
            case fx.Hush(leg_id=leg_id):
                await self._worker.perform(media.Hush(leg_id=leg_id))
            case fx.TakeMessage():
                self._take_message(effect)
            case fx.AskWebhook():
                self._ask_webhook(effect)
            case fx.FindTarget():
                await self._find(effect)
            case fx.StartRecording():
                await self._start_recording(effect)
            case fx.PauseRecording(call_id=call_id, recording_id=recording_id):
                await self._worker.perform(media.PauseRecording(room_id=call_id, recording_id=recording_id))
            case fx.ResumeRecording(call_id=call_id, recording_id=recording_id):
                await self._worker.perform(media.ResumeRecording(room_id=call_id, recording_id=recording_id))
            case fx.StopRecording(call_id=call_id, recording_id=recording_id):
                await self._worker.perform(media.StopRecording(room_id=call_id, recording_id=recording_id, reason="as it was asked"))
            case fx.SendDigits(leg_id=leg_id, digits=digits):
                await self._send_digits(leg_id, digits)

    def _ring_back(self, effect: fx.RingBack) -> None:
        self._on_trunk(effect.leg_id, lambda trunk: trunk.ring(effect.leg_id))

    def _hang_up(self, effect: fx.HangUp) -> None:
        self._on_trunk(effect.leg_id, lambda trunk: trunk.hang_up(effect.leg_id, effect.cause))

    def _refer(self, effect: fx.ReferPhone) -> None:
        self._on_trunk(effect.leg_id, lambda trunk: trunk.refer(effect.leg_id, effect.number, replaces=effect.replaces))

    def _tell_referrer(self, effect: fx.TellReferrer) -> None:
        self._on_trunk(effect.leg_id, lambda trunk: trunk.transfer_progress(effect.leg_id, effect.status))

    def _hold(self, effect: fx.HoldPhone) -> None:
        self._on_trunk(effect.leg_id, lambda trunk: trunk.hold(effect.leg_id, effect.held))

    def _erase_recording(self, effect: fx.EraseRecording) -> None:
        self._book.unwanted(effect.recording_id, effect.by)

    def _keep_consent(self, effect: fx.KeepConsent) -> None:
        view = self._switchboard.call(effect.call_id)
        if self._consents is not None and view is not None:
            self._consents.in_call(effect.call_id, view.number, effect.answer, effect.by)

    def _take_message(self, effect: fx.TakeMessage) -> None:
        if self._messages is None:
            log.error("message.impossible", call_id=effect.call_id, hint="set voicemail.enabled")
            self.feed(ev.MessageTaken(effect.call_id, Outcome.FAILED))
            return
        view = self._switchboard.call(effect.call_id)
        self._messages.take(effect, Caller(view.number, view.name) if view is not None else Caller())

    def _ask_webhook(self, effect: fx.AskWebhook) -> None:
        if self._webhooks is None:
            self.feed(ev.WebhookAnswered(effect.call_id, FAILED))
            return
        self._webhooks.ask(effect.call_id, effect.webhook, effect.facts)

    async def _start_recording(self, effect: fx.StartRecording) -> None:
        """Of the phone; the demo line has no packets, there the agent's side of the same words is recorded."""
        call_id, recording_id = effect.call_id, effect.recording_id
        view, phone = self._switchboard.call(call_id), self._phones.get(effect.phone_leg)
        if view is None or phone is None:  # it has just ended
            return
        if self._consents is not None and not effect.answered and await self._consents.objects(view.number):
            self.feed(ev.RecordingObjected(call_id, recording_id))
            return
        said, leg_id = ("agent", effect.agent_leg) if phone.demo_open else ("other side", effect.phone_leg)
        details = {"call_id": call_id, "direction": view.direction, "number": view.number, "name": view.name[:128], "said": said}
        self._book.expect(recording_id, call_id, effect.agent, effect.consent, self.now())
        who = (f"agent {effect.agent}", f"leg {effect.phone_leg}")
        try:
            half, sealed = self._book.half(view.number, call_id)
            command = media.StartRecording(call_id, recording_id, leg_id, effect.consent, who, details, True, 0, half, sealed)
            await self._worker.perform(command)
            self._book.granted(recording_id)
        except media.MediaRefusal:
            self._book.not_begun(recording_id)
            raise

    async def _send_digits(self, leg_id: str, digits: str) -> None:
        leg = self._phones.get(leg_id)
        if leg is not None and leg.digits_by_info:
            for digit in digits:
                leg.trunk.send_digit(leg_id, digit)
            return
        await self._worker.perform(media.SendDigits(leg_id=leg_id, digits=digits))

    def _notify(self, effect: fx.Notify) -> None:
        notice = self.state_of(effect.view)
        for identity in effect.agents:
            self._publish(person(identity), notice)
        self._show_on_board(effect.view.call_id)

    def _show_on_board(self, call_id: str) -> None:
        """The board shows a call as its owner sees it, whoever else takes part, or as who is rung does."""
        view = self._switchboard.seen_from_outside(call_id)
        if view is None:
            self.board.over(call_id)
        else:
            self.board.call(self.state_of(view))

    def calls_of(self, identity: str) -> list[wire.CallState]:
        """The calls here that are this person's or ring at theirs, oldest first."""
        return [self.state_of(view) for view in self._switchboard.calls_of(identity)]

    def state_of(self, view: CallView) -> wire.CallState:
        """A call as pages see it."""
        codecs = {}
        if (browser := self._browsers.get(view.agent_leg)) is not None and browser.codec is not None:
            codecs["agent"] = browser.codec
        if (phone := self._phones.spoken_in(view.call_id)) is not None:
            codecs["phone"] = phone
        return call_state(view, self.clock, codecs)

    def _write(self, effect: fx.WriteRecord) -> None:
        record = effect.record
        self._metrics.call(record)
        self._store.put_call(record, self.clock.at, self._cost_of, self._means_of)
        self._show_on_board(record.call_id)
        self._on_record(record, self.clock.at)

    _AT_ONCE: dict[type, Callable[["Exchange", Any], None]] = {  # noqa: RUF012
        fx.RingBack: _ring_back,
        fx.HangUp: _hang_up,
        fx.ReferPhone: _refer,
        fx.TellReferrer: _tell_referrer,
        fx.HoldPhone: _hold,
        fx.EraseRecording: _erase_recording,
        fx.KeepConsent: _keep_consent,
        fx.Notify: _notify,
        fx.WriteRecord: _write,
    }
    """Effects that wait for nothing."""

    def _means_of(self, leg_id: str) -> LegMeans:
        if (browser := self._browsers.get(leg_id)) is not None:
            return browser.means
        phone = self._phones.get(leg_id)
        return LegMeans(codec=phone.spoken or "") if phone is not None else LegMeans()

    def _on_trunk(self, leg_id: str, act: Callable[[line.Trunk], None]) -> None:
        leg = self._phones.get(leg_id)
        if leg is not None:
            act(leg.trunk)

    # ------------------------------------------------------------------ lines of calls

    def _open_line(self, call_id: str) -> None:
        self._idle.clear()
        self._lines[call_id] = CallLine(call_id, self._failed, job_s=self._job_s)

    def _queue_phone(self, leg_id: str, name: str, job: Job) -> None:
        leg = self._phones.get(leg_id)
        call_line = self._lines.get(leg.call_id) if leg is not None else None
        if call_line is not None:
            self._queue(call_line, name, job)

    def _queue(self, call_line: CallLine, name: str, job: Job, *, last: bool = False) -> None:
        try:
            call_line.put(name, job, last=last)
        except LineFull as error:
            if self._switchboard.call(call_line.call_id) is not None:  # else it ends already
                self._failed(call_line.call_id, name, error)

    def _failed(self, call_id: str, name: str, error: Exception, leg_id: str = "") -> None:
        """A job of a call failed: call control hears of it, with whose fault it was."""
        unforeseen = None if isinstance(error, PhoneFailure | media.MediaRefusal | LineFull) else error
        if isinstance(error, PhoneFailure):
            cause = error.cause
        elif isinstance(error, media.MediaRefusal):
            cause = Cause(EndReason.FAILED, 503 if error.code in _COME_AGAIN else None, str(error))
        elif isinstance(error, LineFull):
            cause = Cause(EndReason.FAILED, detail="More was asked of this call in one moment than a call can need.")
        else:
            cause = Cause(EndReason.FAILED, detail="The server failed at this call; its log says where.")
        log.error("call.failed", call_id=call_id, job=name, error=type(error).__name__, detail=cause.detail, exc_info=unforeseen)
        self._metrics.effect_failed(name)
        # A call that was asked too much of has lost something, whatever it was: it ends.
        self.feed(ev.EffectFailed(call_id=call_id, leg_id=leg_id, cause=cause, effect="" if isinstance(error, LineFull) else name))

    def _end_line(self, call_id: str) -> None:
        call_line = self._lines.pop(call_id, None)
        self._forget(call_id)
        if call_line is not None:
            self._closing += 1
            call_line.close(self._closed)

    def _closed(self) -> None:
        self._closing -= 1
        if not self._lines and not self._closing:
            self._idle.set()

    def _forget(self, call_id: str) -> None:
        self._browsers.forget_call(call_id)
        for leg_id in self._phones.forget_call(call_id):
            self._dialled_s.pop(leg_id, None)
            self._presses.forget(leg_id)

    def _publish(self, topic: str, notice: wire.Notice) -> None:
        if self._hub is not None:
            self._hub.publish(topic, notice)
