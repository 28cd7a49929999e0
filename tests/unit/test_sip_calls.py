"""Calls between two of our user agents, over a network that the test bends: every race of RFC 3261 in virtual time."""

import pytest

from pbx.message import AnyMessage, Request, Response
from pbx.trunk import Answered, Arrived, Confirmed, DigitArrived, HungUp, Rang, Reagreed, Refused
from rooms.audio import G722, OPUS, PCMA, Direction, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import LATENCY_S, VirtualPhone, VirtualSip, endpoint

BYE = Cause(EndReason.COMPLETED)


class Pair:
    """Ana dials, Ben is dialled."""

    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.2", "100", 1, **settings)
        self.ben = VirtualPhone(self.network, "10.0.0.2", "10.0.0.1", "200", 2, **settings)

    def run(self, seconds: float = 1.0) -> None:
        self.network.run(seconds)

    def ring(self) -> str:
        """Dial until Ben's phone knows; Ben's leg id."""
        self.ana.dial()
        self.run(0.2)
        leg_id = self.ben.last(Arrived).leg_id
        self.ben.agent.ring(leg_id, self.network.now)
        self.run(0.2)
        return leg_id

    def answer(self, leg_id: str, codecs: tuple = (G722,)) -> None:
        self.ben.agent.answer(leg_id, endpoint(self.ben.host, 5000, codecs), self.network.now)

    def talk(self) -> str:
        leg_id = self.ring()
        self.answer(leg_id)
        self.run(0.2)
        assert self.ana.count(Answered) == 1 and self.ben.count(Confirmed) == 1
        return leg_id

    def hang_up(self, phone: VirtualPhone, leg_id: str, cause: Cause = BYE) -> None:
        phone.agent.hang_up(leg_id, cause, self.network.now)

    def assert_clean(self) -> None:
        """Nothing is remembered of any call."""
        self.run(200)
        for phone in (self.ana, self.ben):
            assert not phone.agent.busy
            assert not phone.line.transactions._servers and not phone.line.transactions._clients
            assert not phone.agent.legs.by_dialog
            assert not phone.line.transactions._merging


@pytest.fixture
def pair() -> Pair:
    return Pair()


def is_response(message: AnyMessage, status: int, method: str) -> bool:
    return isinstance(message, Response) and message.status == status and message.cseq[1] == method


def test_dial_ring_answer_hang_up(pair: Pair) -> None:
    leg_id = pair.ring()
    arrived = pair.ben.last(Arrived)
    assert (arrived.caller, arrived.caller_name, arrived.called) == ("100", "Agent Ana", "200")
    assert isinstance(arrived.remote, RtpEndpoint) and [c.name for c in arrived.remote.codecs] == ["g722", "pcma", "pcmu"]
    assert pair.ana.last(Rang) == Rang("a", None)
    pair.answer(leg_id)
    pair.run(0.2)
    answered = pair.ana.last(Answered).remote
    assert isinstance(answered, RtpEndpoint)
    assert (answered.host, answered.port, answered.codecs[0].name, answered.dtmf_payload_type) == ("10.0.0.2", 5000, "g722", 101)
    pair.hang_up(pair.ana, "a")
    pair.run()
    assert pair.ben.last(HungUp).cause.reason is EndReason.COMPLETED
    assert pair.ana.count(HungUp) == 0
    pair.assert_clean()


def test_the_dialled_side_hangs_up(pair: Pair) -> None:
    leg_id = pair.talk()
    pair.hang_up(pair.ben, leg_id)
    pair.run()
    assert pair.ana.last(HungUp).leg_id == "a"
    pair.assert_clean()


def test_both_hang_up_at_once(pair: Pair) -> None:
    leg_id = pair.talk()
    pair.hang_up(pair.ben, leg_id)
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()
    assert pair.ana.count(HungUp) == pair.ben.count(HungUp) == 0


@pytest.mark.parametrize(
    ("cause", "status", "reason"),
    [
        (Cause(EndReason.BUSY), 486, EndReason.BUSY),
        (Cause(EndReason.DECLINED), 603, EndReason.DECLINED),
        (Cause(EndReason.NOT_FOUND), 404, EndReason.NOT_FOUND),
        (Cause(EndReason.NOBODY_AVAILABLE), 480, EndReason.NO_ANSWER),
        (Cause(EndReason.COMPLETED), 500, EndReason.FAILED),
    ],
)
def test_refusals_say_why_and_are_acknowledged(pair: Pair, cause: Cause, status: int, reason: EndReason) -> None:
    leg_id = pair.ring()
    pair.hang_up(pair.ben, leg_id, cause)
    pair.run()
    refused = pair.ana.last(Refused).cause
    assert (refused.sip, refused.reason) == (status, reason)
    assert len(pair.network.requests("ACK")) == 1
    pair.assert_clean()


def test_cancel_while_ringing(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.hang_up(pair.ana, "a")
    pair.run()
    assert pair.ben.last(HungUp) == HungUp(leg_id, Cause(EndReason.GAVE_UP, 487, "The caller gave up."))
    assert pair.ana.last(Refused).cause.reason is EndReason.GAVE_UP
    assert pair.network.responses(487, "INVITE") and pair.network.responses(200, "CANCEL")
    pair.assert_clean()


def test_a_cancel_waits_for_the_first_provisional_response(pair: Pair) -> None:
    pair.ana.dial()
    pair.hang_up(pair.ana, "a")
    assert not pair.network.requests("CANCEL")
    pair.run()
    assert len(pair.network.requests("CANCEL")) == 1
    assert pair.ana.last(Refused).cause.sip == 487
    pair.assert_clean()


def test_a_late_cancel_that_crosses_the_answer_ends_with_ack_and_bye(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.answer(leg_id)
    pair.run(LATENCY_S / 2)
    pair.hang_up(pair.ana, "a")
    pair.run()
    assert pair.ana.last(Refused).cause.reason is EndReason.GAVE_UP
    assert pair.ana.count(Answered) == 0
    assert pair.ben.last(HungUp).cause.reason is EndReason.COMPLETED
    pair.assert_clean()


def test_nobody_there(pair: Pair) -> None:
    pair.network.fate = lambda message: []
    pair.ana.dial()
    pair.run(31.9)
    assert pair.ana.count(Refused) == 0
    pair.run(0.2)
    cause = pair.ana.last(Refused).cause
    assert cause.reason is EndReason.UNREACHABLE and "does not answer" in cause.detail
    # 0.5, 1, 2, 4, 8, 16 s apart: seven in 32 s.
    assert len(pair.network.requests("INVITE")) == 7
    pair.network.fate = lambda message: [LATENCY_S]
    pair.assert_clean()


def test_nobody_answers_in_time() -> None:
    pair = Pair(ring_longest_s=20.0)
    pair.ring()
    pair.run(21)
    assert pair.ana.last(Refused).cause.reason is EndReason.NO_ANSWER
    assert pair.ben.last(HungUp).cause.reason is EndReason.NO_ANSWER, "the CANCEL says why"
    pair.assert_clean()


def test_lost_messages_are_repeated_until_the_call_stands(pair: Pair) -> None:
    seen: set[tuple[str, str]] = set()

    def lose_every_first(message: AnyMessage) -> list[float]:
        kind = (type(message).__name__, f"{getattr(message, 'status', '')}{message.cseq}{getattr(message, 'method', '')}")
        if kind in seen:
            return [LATENCY_S]
        seen.add(kind)
        return []

    pair.network.fate = lose_every_first
    pair.ana.dial()
    pair.run(3)
    leg_id = pair.ben.last(Arrived).leg_id
    assert pair.ben.count(Arrived) == 1
    pair.answer(leg_id)
    pair.run(3)
    assert pair.ana.count(Answered) == 1 and pair.ben.count(Confirmed) == 1
    pair.hang_up(pair.ana, "a")
    pair.run(5)
    assert pair.ben.count(HungUp) == 1
    pair.assert_clean()


def test_everything_twice_changes_nothing(pair: Pair) -> None:
    pair.network.fate = lambda message: [LATENCY_S, 2 * LATENCY_S]
    leg_id = pair.talk()
    pair.hang_up(pair.ben, leg_id)
    pair.run()
    assert pair.ana.count(HungUp) == 1 and pair.ben.count(Arrived) == 1
    pair.assert_clean()


def test_a_repeated_answer_is_acknowledged_again(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.network.fate = lambda message: [] if isinstance(message, Request) and message.method == "ACK" else [LATENCY_S]
    pair.answer(leg_id)
    pair.run(4)
    acks = pair.network.requests("ACK")
    assert len(acks) >= 4 and len({ack.top_via.branch for ack in acks}) == 1
    pair.network.fate = lambda message: [LATENCY_S]
    pair.run(5)
    assert pair.ben.count(Confirmed) == 1
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_a_lost_ack_ends_in_bye_after_32_s(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.network.fate = lambda message: [] if isinstance(message, Request) and message.method == "ACK" else [LATENCY_S]
    pair.answer(leg_id)
    pair.run(33)
    assert "no ACK" in pair.ben.last(HungUp).cause.detail
    assert pair.ana.last(HungUp).leg_id == "a"
    pair.assert_clean()


def test_hanging_up_before_the_ack_waits_for_it(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.answer(leg_id)
    pair.hang_up(pair.ben, leg_id)
    assert not pair.network.requests("BYE")
    pair.run()
    assert len(pair.network.requests("BYE")) == 1 and pair.ana.count(HungUp) == 1
    assert pair.ben.count(Confirmed) == 0
    pair.assert_clean()


@pytest.mark.parametrize("who", ["ana", "ben"])
def test_hold_and_resume_from_either_side(pair: Pair, who: str) -> None:
    leg_id = pair.talk()
    holder, held, leg = (pair.ana, pair.ben, "a") if who == "ana" else (pair.ben, pair.ana, leg_id)
    holder.agent.hold(leg, True, pair.network.now)
    pair.run()
    remote = held.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.direction is Direction.SENDONLY
    answer = pair.network.responses(200, "INVITE")[-1].body
    assert b"a=recvonly" in answer
    holder.agent.hold(leg, False, pair.network.now)
    pair.run()
    remote = held.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.direction is Direction.SENDRECV
    assert b"a=sendrecv" in pair.network.responses(200, "INVITE")[-1].body
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_hold_from_both_sides_is_inactive_and_comes_back_in_steps(pair: Pair) -> None:
    leg_id = pair.talk()
    pair.ana.agent.hold("a", True, pair.network.now)
    pair.run()
    pair.ben.agent.hold(leg_id, True, pair.network.now)
    pair.run()
    assert b"a=inactive" in pair.network.responses(200, "INVITE")[-1].body
    pair.ana.agent.hold("a", False, pair.network.now)
    pair.run()
    assert b"a=sendonly" in pair.network.responses(200, "INVITE")[-1].body
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_two_offers_that_cross_both_get_through_after_491(pair: Pair) -> None:
    leg_id = pair.talk()
    pair.ana.agent.hold("a", True, pair.network.now)
    pair.ben.agent.hold(leg_id, True, pair.network.now)
    pair.run(0.1)
    assert len(pair.network.responses(491, "INVITE")) == 2
    pair.run(10)
    for phone in (pair.ana, pair.ben):
        remote = phone.last(Reagreed).remote
        assert isinstance(remote, RtpEndpoint) and not remote.direction.receives
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_quick_hold_and_resume_settle_on_the_last_wish(pair: Pair) -> None:
    pair.talk()
    for held in (True, False, True, False):
        pair.ana.agent.hold("a", held, pair.network.now)
    pair.run(5)
    remote = pair.ben.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.direction is Direction.SENDRECV
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_digits_by_info(pair: Pair) -> None:
    leg_id = pair.talk()
    for digit in "5#*A":
        pair.ana.agent.send_digit("a", digit, pair.network.now)
    pair.run()
    assert [event.digit for event in pair.ben.events if isinstance(event, DigitArrived)] == list("5#*A")
    assert pair.ben.last(DigitArrived).leg_id == leg_id
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_sessions_are_refreshed_and_a_dead_peer_is_noticed() -> None:
    pair = Pair(session_expires_s=120, min_session_expires_s=90)
    pair.talk()
    pair.run(600)
    assert len(pair.network.requests("UPDATE")) >= 9
    assert pair.ana.count(HungUp) == pair.ben.count(HungUp) == 0
    pair.network.fate = lambda message: []
    pair.run(130)
    assert pair.ana.count(HungUp) == pair.ben.count(HungUp) == 1
    pair.network.fate = lambda message: [LATENCY_S]
    pair.assert_clean()


def test_a_session_interval_that_is_too_short_is_raised() -> None:
    network = VirtualSip()
    ana = VirtualPhone(network, "10.0.0.1", "10.0.0.2", "100", 1, session_expires_s=60, min_session_expires_s=60)
    ben = VirtualPhone(network, "10.0.0.2", "10.0.0.1", "200", 2, min_session_expires_s=90)
    ana.dial()
    network.run(1)
    assert network.responses(422, "INVITE")
    assert ben.last(Arrived)
    assert network.requests("INVITE")[-1].get("Session-Expires") == "90"


def test_no_common_codec_is_refused_with_words(pair: Pair) -> None:
    pair.ana.dial(offer=endpoint("10.0.0.1", codecs=(PCMA,)))
    pair.run(0.2)
    pair.answer(pair.ben.last(Arrived).leg_id, (OPUS,))
    pair.run()
    assert pair.ana.last(Refused).cause.sip == 488
    assert pair.ben.last(HungUp).cause.reason is EndReason.INCOMPATIBLE
    pair.assert_clean()


def test_more_calls_than_allowed_get_503_with_retry_after() -> None:
    pair = Pair(max_calls=1)
    pair.talk()
    pair.ana.dial(leg_id="b")
    pair.run()
    assert pair.ana.last(Refused).leg_id == "b" and "as many as it may" in pair.ana.last(Refused).cause.detail
    cy = VirtualPhone(pair.network, "10.0.0.3", "10.0.0.2", "300", 3)
    cy.dial(leg_id="c")
    pair.run()
    assert cy.last(Refused).cause.sip == 503
    assert pair.network.responses(503, "INVITE")[-1].get("Retry-After") == "5"


def test_a_flood_of_calls_is_limited() -> None:
    network = VirtualSip()
    ana = VirtualPhone(network, "10.0.0.1", "10.0.0.2", "100", 1)
    ben = VirtualPhone(network, "10.0.0.2", "10.0.0.1", "200", 2, invites_per_s=5.0)
    for number in range(50):
        ana.dial(leg_id=f"leg{number}")
    network.run(1)
    assert ben.count(Arrived) == 10
    assert ana.count(Refused) == 40


def test_closing_ends_every_call(pair: Pair) -> None:
    pair.talk()
    pair.ana.dial("200", "b")
    pair.run(0.2)
    pair.ana.agent.close(pair.network.now)
    pair.run(2)
    assert not pair.ana.agent.busy
    assert pair.ben.count(HungUp) == 2
    assert pair.ana.last(Refused).leg_id == "b"
    pair.assert_clean()


@pytest.mark.parametrize("number", ["", "1\r\nX-Evil: 1", "\x00"])
def test_numbers_that_would_break_a_header_are_refused(pair: Pair, number: str) -> None:
    pair.ana.dial(number)
    pair.run()
    assert pair.ana.last(Refused).cause.sip == 484
    assert not pair.network.requests("INVITE")


def test_names_cannot_smuggle_headers(pair: Pair) -> None:
    pair.ana.agent.dial("a", "200", 'Ana" <sip:evil@x>\r\nX-Evil: 1', endpoint(), pair.network.now)
    pair.run(0.2)
    assert pair.ben.last(Arrived).caller == "100"
    assert pair.network.requests("INVITE")[0].get("X-Evil") is None
