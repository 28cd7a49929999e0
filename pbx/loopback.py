"""The demo telephone line inside the server: a trunk without network, whose far end is a programme in the media plane.

600 echoes, 601 plays speech, 602 answers, speaks and sends digits, 603 is busy, 604 rings and never answers; 605 hangs up, and a customer
calls 610, the number of the demo's contact centre. ``call`` makes a call from outside. Signalling only, in the same events as a SIP trunk,
after times that a real telephone would take.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from uuid import uuid4

from pbx.trunk import (
    Answered,
    Arrived,
    Confirmed,
    HungUp,
    LineStatus,
    OnTrunkEvent,
    Rang,
    Refused,
    TransferProgressed,
    TrunkEvent,
    TrunkStatus,
)
from rooms.audio import DemoEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason

PROGRAMMES = {"600": "echo", "601": "speech", "602": "dtmf"}
BUSY = "603"
NEVER_ANSWERS = "604"
SENDS_CUSTOMER = "605"
CENTRE = "610"
CUSTOMER = "+34600111222"
DEMO_NUMBERS = frozenset({*PROGRAMMES, BUSY, NEVER_ANSWERS, SENDS_CUSTOMER})
_RANGE = f"{min(DEMO_NUMBERS)} to {max(DEMO_NUMBERS)}"
MAX_CALLS = 100


@dataclass(frozen=True, slots=True)
class LoopbackTimes:
    """Seconds from one step to the next. ``patience_s``: how long a demo caller rings; ``longest_s``: when a demo call ends by itself."""

    ring_s: float = 0.05
    answer_s: float = 0.8
    refuse_s: float = 0.4
    patience_s: float = 45.0
    longest_s: float = 1800.0


class _State(Enum):
    DIALLED = auto()  # we called, nothing is final yet
    ARRIVED = auto()  # the demo caller waits for us
    TALKING = auto()


@dataclass(slots=True)
class _Leg:
    state: _State
    programme: str
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


class LoopbackTrunk:
    """Satisfies ``pbx.trunk.Trunk``. Bounded: more than ``MAX_CALLS`` at once are refused as busy."""

    carries_rtp = False

    def __init__(self, on_event: OnTrunkEvent, *, name: str = "demo", times: LoopbackTimes | None = None) -> None:
        self.name = name
        self._on_event = on_event
        self._times = times or LoopbackTimes()
        self._legs: dict[str, _Leg] = {}
        self._open = False

    @property
    def status(self) -> TrunkStatus:
        if self._open:
            return TrunkStatus(True, "The demo line is open.")
        return TrunkStatus(False, "The demo line is closed: the server is starting or stopping.")

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self.status, len(self._legs), MAX_CALLS)]

    def line_of(self, leg_id: str) -> str:
        return self.name

    async def __aenter__(self) -> "LoopbackTrunk":
        self._open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._open = False
        for leg_id in list(self._legs):
            self._forget(leg_id)

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
        """Place a call; the offer is ignored, because the far end has no network, and who calls makes no difference to it."""
        leg = _Leg(_State.DIALLED, PROGRAMMES.get(number, ""))
        full = len(self._legs) >= MAX_CALLS or not self._open
        self._legs[leg_id] = leg
        if full:
            self._later(leg, 0.0, lambda: self._refuse(leg_id, Cause(EndReason.UNREACHABLE, 503, "The demo line takes no more calls now.")))
            return
        if number not in DEMO_NUMBERS:
            missing = Cause(EndReason.NOT_FOUND, 404, f"The demo line has no number {number[:20]}: dial {_RANGE}.")
            self._later(leg, 0.0, lambda: self._refuse(leg_id, missing))
            return
        if number == BUSY:
            busy = Cause(EndReason.BUSY, 486, "The demo number 603 is always busy.")
            self._later(leg, self._times.refuse_s, lambda: self._refuse(leg_id, busy))
            return
        self._later(leg, self._times.ring_s, lambda: self._emit(Rang(leg_id)))
        if number == SENDS_CUSTOMER:
            self._later(leg, self._times.answer_s, lambda: self._send_customer(leg_id))
        elif number != NEVER_ANSWERS:
            self._later(leg, self._times.ring_s + self._times.answer_s, lambda: self._far_answers(leg_id))

    def call(self, caller: str, caller_name: str, called: str = "") -> str:
        """Let the demo caller call us ("call me"); the leg id it draws. Outcome: ``Arrived``, and ``HungUp`` when it loses patience."""
        leg_id = f"demo-{uuid4().hex}"
        leg = self._legs[leg_id] = _Leg(_State.ARRIVED, "speech")
        self._later(
            leg,
            0.0,
            lambda: self._emit(Arrived(leg_id, self.name, caller, caller_name, called, DemoEndpoint(leg.programme), verified=True)),
        )
        gave_up = Cause(EndReason.GAVE_UP, 487, "The demo caller lost patience.")
        self._later(leg, self._times.patience_s, lambda: self._far_ends(leg_id, gave_up))
        return leg_id

    def ring(self, leg_id: str) -> None:
        """Nothing to do: the demo caller hears nothing."""

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        """Nothing to do: the demo caller hears nothing before the answer."""

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        leg = self._legs.get(leg_id)
        if leg is None or leg.state is not _State.ARRIVED:
            return
        self._start_talking(leg_id, leg)
        self._later(leg, 0.0, lambda: self._emit(Confirmed(leg_id, DemoEndpoint(leg.programme))))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        """End a leg. A call that we placed and that is not answered yet is confirmed as ``Refused`` 487, as a phone would."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        if leg.state is not _State.DIALLED:
            self._forget(leg_id)
            return
        _cancel(leg)
        self._later(leg, 0.0, lambda: self._refuse(leg_id, Cause(EndReason.GAVE_UP, 487, "Cancelled before the answer.")))

    def hold(self, leg_id: str, held: bool) -> None:
        """Nothing to signal: hold is a matter of the room's gains."""

    def send_digit(self, leg_id: str, digit: str) -> None:
        """The demo far end listens to no digits."""

    def can_refer(self, leg_id: str) -> bool:
        leg = self._legs.get(leg_id)
        return leg is not None and leg.state is _State.TALKING

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        """The demo far end obeys: it calls a demo number, and tells how that goes as a telephone would."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        if not self.can_refer(leg_id) or (replaces and not self.can_refer(replaces)):
            self._later(leg, 0.0, lambda: self._emit(TransferProgressed(leg_id, 481)))
            return
        if replaces:
            steps = [(0.0, 100), (self._times.answer_s, 200)]
        elif target not in DEMO_NUMBERS:
            steps = [(0.0, 100), (self._times.refuse_s, 404)]
        elif target == BUSY:
            steps = [(0.0, 100), (self._times.refuse_s, 486)]
        else:
            steps = [(0.0, 100), (self._times.ring_s, 180), (self._times.ring_s + self._times.answer_s, 200)]
        for delay_s, status in steps[: 2 if target == NEVER_ANSWERS and not replaces else 3]:
            self._later(leg, delay_s, partial(self._emit, TransferProgressed(leg_id, status)))

    def transfer_progress(self, leg_id: str, status: int) -> None:
        """Nothing to do: the demo far end never asks to be transferred."""

    def _send_customer(self, leg_id: str) -> None:
        self._refuse(leg_id, Cause(EndReason.COMPLETED, 480, "A customer calls the contact centre now."))
        self.call(CUSTOMER, "Clara", CENTRE)

    def _far_answers(self, leg_id: str) -> None:
        leg = self._legs[leg_id]
        self._start_talking(leg_id, leg)
        self._emit(Answered(leg_id, DemoEndpoint(leg.programme)))

    def _start_talking(self, leg_id: str, leg: _Leg) -> None:
        _cancel(leg)
        leg.state = _State.TALKING
        over = Cause(EndReason.COMPLETED, None, "The demo line ends calls after half an hour.")
        self._later(leg, self._times.longest_s, lambda: self._far_ends(leg_id, over))

    def _far_ends(self, leg_id: str, cause: Cause) -> None:
        self._forget(leg_id)
        self._emit(HungUp(leg_id, cause))

    def _refuse(self, leg_id: str, cause: Cause) -> None:
        self._forget(leg_id)
        self._emit(Refused(leg_id, cause))

    def _emit(self, event: TrunkEvent) -> None:
        self._on_event(event)

    def _later(self, leg: _Leg, delay_s: float, step: Callable[[], None]) -> None:
        # Never inside the caller's own call, even at zero: an event must not overtake the command that caused it.
        leg.timers.append(asyncio.get_running_loop().call_later(delay_s, step))

    def _forget(self, leg_id: str) -> None:
        _cancel(self._legs.pop(leg_id))


def _cancel(leg: _Leg) -> None:
    for timer in leg.timers:
        timer.cancel()
    leg.timers.clear()
