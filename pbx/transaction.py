"""SIP transactions (RFC 3261 section 17, with the accepted state of RFC 6026) as tables.

A transaction is a state, a set of running timers and a row of the tables below: ``(state, what happened) -> (what to do, next state)``.
What is not in the table is ignored. A timer belongs to the states named in ``_LIVES_IN``; leaving them stops it. Over TCP the
retransmission timers never start and the waiting timers D, I, J, K are zero.

                 INVITE client                         INVITE server
    calling --1xx--> proceeding             proceeding --300-699--> completed --ACK--> confirmed
       |  2xx           |  2xx                  | 2xx
       v                v                       v
    accepted (M)     accepted                accepted (L): 2xx are the user's to repeat
    300-699: completed (D), ACK each time    H: no ACK in 32 s, told to the user
"""

from collections.abc import Callable
from enum import StrEnum, auto
from functools import partial

from pbx.message import Request, Response
from pbx.timers import Timer, Timers

T1 = 0.5
T2 = 4.0
T4 = 5.0
TIMER_D = 32.0


class Kind(StrEnum):
    INVITE_CLIENT = auto()
    CLIENT = auto()
    INVITE_SERVER = auto()
    SERVER = auto()


class State(StrEnum):
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Happened(StrEnum):
    """What can happen to a transaction. ``REQUEST``: a retransmission came; ``SEND_*``: the user responds."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    REFUSAL = auto()
    REQUEST = auto()
    ACK = auto()
    SEND_PROVISIONAL = auto()
    SEND_SUCCESS = auto()
    SEND_REFUSAL = auto()
    UNREACHABLE = auto()
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()


class Do(StrEnum):
    SEND = auto()  # the request, or the last response, again or for the first time
    PASS = auto()  # hand the message to the user
    ACK = auto()  # acknowledge a refusal
    TELL_TIMEOUT = auto()
    TELL_UNREACHABLE = auto()


Row = tuple[tuple[Do, ...], State]
S, H = State, Happened

_TABLES: dict[Kind, dict[tuple[State, Happened], Row]] = {
    Kind.INVITE_CLIENT: {
        (S.CALLING, H.TIMER_A): ((Do.SEND,), S.CALLING),
        (S.CALLING, H.TIMER_B): ((Do.TELL_TIMEOUT,), S.TERMINATED),
        (S.CALLING, H.PROVISIONAL): ((Do.PASS,), S.PROCEEDING),
        (S.CALLING, H.SUCCESS): ((Do.PASS,), S.ACCEPTED),
        (S.CALLING, H.REFUSAL): ((Do.ACK, Do.PASS), S.COMPLETED),
        (S.CALLING, H.UNREACHABLE): ((Do.TELL_UNREACHABLE,), S.TERMINATED),
        (S.PROCEEDING, H.PROVISIONAL): ((Do.PASS,), S.PROCEEDING),
        (S.PROCEEDING, H.SUCCESS): ((Do.PASS,), S.ACCEPTED),
        (S.PROCEEDING, H.REFUSAL): ((Do.ACK, Do.PASS), S.COMPLETED),
        (S.PROCEEDING, H.UNREACHABLE): ((Do.TELL_UNREACHABLE,), S.TERMINATED),
        (S.ACCEPTED, H.SUCCESS): ((Do.PASS,), S.ACCEPTED),
        (S.ACCEPTED, H.TIMER_M): ((), S.TERMINATED),
        (S.COMPLETED, H.REFUSAL): ((Do.ACK,), S.COMPLETED),
        (S.COMPLETED, H.TIMER_D): ((), S.TERMINATED),
        (S.COMPLETED, H.UNREACHABLE): ((), S.TERMINATED),
    },
    Kind.CLIENT: {
        (S.TRYING, H.TIMER_E): ((Do.SEND,), S.TRYING),
        (S.TRYING, H.TIMER_F): ((Do.TELL_TIMEOUT,), S.TERMINATED),
        (S.TRYING, H.PROVISIONAL): ((Do.PASS,), S.PROCEEDING),
        (S.TRYING, H.SUCCESS): ((Do.PASS,), S.COMPLETED),
        (S.TRYING, H.REFUSAL): ((Do.PASS,), S.COMPLETED),
        (S.TRYING, H.UNREACHABLE): ((Do.TELL_UNREACHABLE,), S.TERMINATED),
        (S.PROCEEDING, H.TIMER_E): ((Do.SEND,), S.PROCEEDING),
        (S.PROCEEDING, H.TIMER_F): ((Do.TELL_TIMEOUT,), S.TERMINATED),
        (S.PROCEEDING, H.PROVISIONAL): ((Do.PASS,), S.PROCEEDING),
        (S.PROCEEDING, H.SUCCESS): ((Do.PASS,), S.COMPLETED),
        (S.PROCEEDING, H.REFUSAL): ((Do.PASS,), S.COMPLETED),
        (S.PROCEEDING, H.UNREACHABLE): ((Do.TELL_UNREACHABLE,), S.TERMINATED),
        (S.COMPLETED, H.TIMER_K): ((), S.TERMINATED),
    },
    Kind.INVITE_SERVER: {
        (S.PROCEEDING, H.REQUEST): ((Do.SEND,), S.PROCEEDING),
        (S.PROCEEDING, H.SEND_PROVISIONAL): ((Do.SEND,), S.PROCEEDING),
        (S.PROCEEDING, H.SEND_SUCCESS): ((Do.SEND,), S.ACCEPTED),
        (S.PROCEEDING, H.SEND_REFUSAL): ((Do.SEND,), S.COMPLETED),
        (S.COMPLETED, H.REQUEST): ((Do.SEND,), S.COMPLETED),
        (S.COMPLETED, H.TIMER_G): ((Do.SEND,), S.COMPLETED),
        (S.COMPLETED, H.TIMER_H): ((Do.TELL_TIMEOUT,), S.TERMINATED),
        (S.COMPLETED, H.ACK): ((), S.CONFIRMED),
        (S.CONFIRMED, H.TIMER_I): ((), S.TERMINATED),
        (S.ACCEPTED, H.SEND_SUCCESS): ((Do.SEND,), S.ACCEPTED),
        (S.ACCEPTED, H.ACK): ((Do.PASS,), S.ACCEPTED),
        (S.ACCEPTED, H.TIMER_L): ((), S.TERMINATED),
    },
    Kind.SERVER: {
        (S.TRYING, H.SEND_PROVISIONAL): ((Do.SEND,), S.PROCEEDING),
        (S.TRYING, H.SEND_SUCCESS): ((Do.SEND,), S.COMPLETED),
        (S.TRYING, H.SEND_REFUSAL): ((Do.SEND,), S.COMPLETED),
        (S.PROCEEDING, H.REQUEST): ((Do.SEND,), S.PROCEEDING),
        (S.PROCEEDING, H.SEND_PROVISIONAL): ((Do.SEND,), S.PROCEEDING),
        (S.PROCEEDING, H.SEND_SUCCESS): ((Do.SEND,), S.COMPLETED),
        (S.PROCEEDING, H.SEND_REFUSAL): ((Do.SEND,), S.COMPLETED),
        (S.COMPLETED, H.REQUEST): ((Do.SEND,), S.COMPLETED),
        (S.COMPLETED, H.TIMER_J): ((), S.TERMINATED),
    },
}

_FIRST = {Kind.INVITE_CLIENT: S.CALLING, Kind.CLIENT: S.TRYING, Kind.INVITE_SERVER: S.PROCEEDING, Kind.SERVER: S.TRYING}

# Timer -> (kind, states in which it runs, seconds over UDP, seconds over TCP; None: never there).
_LIVES_IN: dict[tuple[Kind, Happened], tuple[tuple[State, ...], float, float | None]] = {
    (Kind.INVITE_CLIENT, H.TIMER_A): ((S.CALLING,), T1, None),
    (Kind.INVITE_CLIENT, H.TIMER_B): ((S.CALLING,), 64 * T1, 64 * T1),
    (Kind.INVITE_CLIENT, H.TIMER_D): ((S.COMPLETED,), TIMER_D, 0.0),
    (Kind.INVITE_CLIENT, H.TIMER_M): ((S.ACCEPTED,), 64 * T1, 64 * T1),
    (Kind.CLIENT, H.TIMER_E): ((S.TRYING, S.PROCEEDING), T1, None),
    (Kind.CLIENT, H.TIMER_F): ((S.TRYING, S.PROCEEDING), 64 * T1, 64 * T1),
    (Kind.CLIENT, H.TIMER_K): ((S.COMPLETED,), T4, 0.0),
    (Kind.INVITE_SERVER, H.TIMER_G): ((S.COMPLETED,), T1, None),
    (Kind.INVITE_SERVER, H.TIMER_H): ((S.COMPLETED,), 64 * T1, 64 * T1),
    (Kind.INVITE_SERVER, H.TIMER_I): ((S.CONFIRMED,), T4, 0.0),
    (Kind.INVITE_SERVER, H.TIMER_L): ((S.ACCEPTED,), 64 * T1, 64 * T1),
    (Kind.SERVER, H.TIMER_J): ((S.COMPLETED,), 64 * T1, 0.0),
}

_TIMERS_OF = {kind: [(timer, *lives) for (of, timer), lives in _LIVES_IN.items() if of is kind] for kind in Kind}

# A doubles without end, E and G up to T2; E goes on at T2 once a provisional response came (section 17.1.2.2).
_REPEATS = {H.TIMER_A: float("inf"), H.TIMER_E: T2, H.TIMER_G: T2}


class Transaction:
    """One transaction. ``do(action, message)`` performs; ``message`` is what is sent or handed up, where there is one."""

    __slots__ = ("_do", "_ended", "_reliable", "_running", "_timers", "kind", "state")

    def __init__(self, kind: Kind, *, reliable: bool, timers: Timers, do: Callable[[Do], None], ended: Callable[[], None]) -> None:
        self.kind = kind
        self.state = _FIRST[kind]
        self._reliable = reliable
        self._timers = timers
        self._do = do
        self._ended = ended
        self._running: dict[Happened, tuple[Timer, float]] = {}
        self._follow_state()

    def happened(self, what: Happened) -> bool:
        """Take the step that the table names; False where it names none."""
        row = _TABLES[self.kind].get((self.state, what))
        if row is None:
            return False
        actions, following = row
        self.state = following
        self._follow_state()
        for action in actions:
            self._do(action)
        if following is State.TERMINATED:
            self._over()
        return True

    def end(self) -> None:
        """Forget the transaction without a word to anyone."""
        if self.state is not State.TERMINATED:
            self.state = State.TERMINATED
            self._follow_state()
            self._over()

    def _over(self) -> None:
        """Whoever has it is told, and let go of: they hold one another, and would otherwise wait for the collector of cycles."""
        ended = self._ended
        self._do, self._ended = _nothing, _nothing
        ended()

    def _follow_state(self) -> None:
        for timer, states, udp_s, tcp_s in _TIMERS_OF[self.kind]:
            if self.state not in states:
                if timer in self._running:
                    self._running.pop(timer)[0].cancel()
            elif timer not in self._running:
                delay_s = tcp_s if self._reliable else udp_s
                if delay_s is not None:
                    self._start(timer, delay_s)

    def _start(self, timer: Happened, delay_s: float) -> None:
        self._running[timer] = self._timers.start(delay_s, partial(self._fire, timer)), delay_s

    def _fire(self, timer: Happened) -> None:
        _, delay_s = self._running.pop(timer)
        longest_s = _REPEATS.get(timer)
        if longest_s is not None:
            at_longest = timer is H.TIMER_E and self.state is S.PROCEEDING
            self._start(timer, longest_s if at_longest else min(2 * delay_s, longest_s))
        self.happened(timer)


def _nothing(action: Do | None = None) -> None:
    """What a transaction does that is over."""


def happened_to_client(response: Response) -> Happened:
    if response.status < 200:
        return H.PROVISIONAL
    return H.SUCCESS if response.status < 300 else H.REFUSAL


def happened_to_server(response: Response) -> Happened:
    if response.status < 200:
        return H.SEND_PROVISIONAL
    return H.SEND_SUCCESS if response.status < 300 else H.SEND_REFUSAL


def ack_of_refusal(request: Request, response: Response) -> Request:
    """The ACK for a 300-699: same branch, Request-URI, Route and CSeq number; the To of the response (section 17.1.1.3)."""
    ack = Request(method="ACK", uri=request.uri)
    ack.add("Via", request.values("Via")[0])
    for value in request.lines("Route"):
        ack.add("Route", value)
    ack.add("Max-Forwards", "70")
    ack.add("From", request.get("From") or "")
    ack.add("To", response.get("To") or "")
    ack.add("Call-ID", request.call_id)
    ack.add("CSeq", f"{request.cseq[0]} ACK")
    return ack


def cancel_of(request: Request) -> Request:
    """The CANCEL of an INVITE: its Request-URI, Via, From, To, Call-ID, Route and CSeq number (section 9.1)."""
    cancel = Request(method="CANCEL", uri=request.uri)
    cancel.headers = [("Via", request.values("Via")[0])]
    cancel.headers += [(name, request.get(name) or "") for name in ("Max-Forwards", "From", "To", "Call-ID")]
    cancel.headers += [("Route", value) for value in request.lines("Route")]
    cancel.add("CSeq", f"{request.cseq[0]} CANCEL")
    return cancel
