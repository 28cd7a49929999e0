"""A PBX of several addresses: silence, 503 and lost connections take a request to the next one (RFC 3263, section 4.3); large requests."""

import pytest

from pbx.message import Request, build
from pbx.targets import LONGEST_REST_S, MAX_TARGETS, REST_S, Targets
from pbx.timers import Timers
from pbx.transactions import Hop
from pbx.trunk import Answered, Refused
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp

A, B, C = (Hop("udp", f"10.0.0.{number}", 5060) for number in (7, 8, 9))


class TwoAddresses:
    """A line whose PBX is at A and B; nobody says anything unless a test has it do so."""

    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.ana = VirtualPhone(self.network, "10.0.0.1", "pbx.test", "100", 1, **settings)
        self.ana.line.targets.locate((A, B))
        self.a, self.b = ScriptedPeer(self.network, A.host), ScriptedPeer(self.network, B.host)

    def dial(self) -> None:
        self.ana.dial()

    def run(self, seconds: float) -> None:
        self.network.run(seconds)

    def answer(self, peer: ScriptedPeer, invite: Request, tag: str = "t") -> None:
        contact = (("Contact", f"<sip:200@{peer.here.host}>"),)
        peer.reply(invite, 200, tag=tag, headers=contact, body=sdp(host=peer.here.host))
        self.run(0.1)


def test_silence_takes_an_invite_to_the_next_address_and_later_calls_there_at_once() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(1.9)
    assert line.a.requests("INVITE") and not line.b.got
    line.run(0.2)
    (again,) = line.b.requests("INVITE")
    first = line.a.requests("INVITE")[0]
    assert again.top_via.branch != first.top_via.branch
    assert (again.call_id, again.cseq, again.body) == (first.call_id, first.cseq, first.body)
    line.answer(line.b, again)
    assert line.ana.last(Answered).leg_id == "a" and len(line.b.requests("ACK")) == 1
    sent = len(line.a.requests("INVITE"))
    line.ana.dial(leg_id="b")
    line.run(0.1)
    assert len(line.b.requests("INVITE")) == 2 and len(line.a.requests("INVITE")) == sent


def test_who_was_only_slow_is_cancelled_when_it_rings() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(2.1)
    first = line.a.requests("INVITE")[0]
    for _ in range(2):
        line.a.reply(first, 180, tag="late")
        line.run(0.1)
    (cancel,) = line.a.requests("CANCEL")
    assert cancel.top_via.branch == first.top_via.branch
    line.a.reply(cancel, 200)
    line.a.reply(first, 487, tag="late")
    line.run(0.1)
    assert [ack.top_via.branch for ack in line.a.requests("ACK")] == [first.top_via.branch]
    assert line.ana.count(Refused) == 0
    line.answer(line.b, line.b.requests("INVITE")[0])
    assert line.ana.count(Answered) == 1


def test_who_was_only_slow_and_answers_is_hung_up() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(2.1)
    line.answer(line.b, line.b.requests("INVITE")[0])
    line.answer(line.a, line.a.requests("INVITE")[0], tag="late")
    assert len(line.a.requests("ACK")) == 1 and len(line.a.requests("BYE")) == 1
    assert line.ana.count(Answered) == 1 and not line.b.requests("BYE")


def test_503_takes_a_request_to_the_next_address_at_once() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(0.1)
    line.a.reply(line.a.requests("INVITE")[0], 503, tag="full")
    line.run(0.1)
    assert len(line.a.requests("ACK")) == 1 and len(line.b.requests("INVITE")) == 1
    line.b.reply(line.b.requests("INVITE")[0], 503, tag="full")
    line.run(0.1)
    assert line.ana.last(Refused).cause.sip == 503


def test_who_asks_to_be_left_alone_is() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(0.1)
    line.a.reply(line.a.requests("INVITE")[0], 503, tag="full", headers=(("Retry-After", "200 (licence)"),))
    for seconds, best in ((REST_S + 10, B), (200 - REST_S, A)):
        line.run(seconds)
        line.ana.line.timers.advance(line.network.now)
        assert line.ana.line.targets.best == best


def test_503_after_ringing_is_the_answer() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(0.1)
    invite = line.a.requests("INVITE")[0]
    line.a.reply(invite, 180, tag="x")
    line.a.reply(invite, 503, tag="x")
    line.run(0.1)
    assert line.ana.last(Refused).cause.sip == 503 and not line.b.got


def test_what_cannot_be_sent_goes_to_the_next_address_at_once() -> None:
    line = TwoAddresses()
    line.dial()
    line.ana.agent.unreachable(line.network.requests("INVITE")[0], line.network.now)
    line.run(0.1)
    assert len(line.b.requests("INVITE")) == 1


def test_a_lost_connection_fails_what_was_not_answered() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(0.1)
    line.ana.agent.connection_lost(A, line.network.now)
    line.run(0.1)
    assert len(line.b.requests("INVITE")) == 1


def test_nobody_answers_anywhere() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(40)
    assert line.ana.last(Refused).cause.reason is EndReason.UNREACHABLE
    # The first repeats at 0.5 and 1.5 s and is then left; the last one has its whole timer B.
    assert (len(line.a.requests("INVITE")), len(line.b.requests("INVITE"))) == (3, 7)


def test_a_call_that_was_given_up_goes_nowhere_else() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(1)
    line.ana.agent.hang_up("a", Cause(EndReason.GAVE_UP), line.network.now)
    line.run(40)
    assert not line.b.got and line.ana.last(Refused).cause.reason is EndReason.GAVE_UP


def test_credentials_go_where_they_were_asked_for() -> None:
    line = TwoAddresses(password="secret")
    line.dial()
    line.run(2.1)
    challenge = (("WWW-Authenticate", 'Digest realm="pbx.test", nonce="n", algorithm=MD5'),)
    line.b.reply(line.b.requests("INVITE")[0], 401, tag="x", headers=challenge)
    line.run(0.1)
    assert len(line.b.requests("INVITE")) == 2 and line.b.requests("INVITE")[1].get("Authorization")


def test_what_belongs_to_a_dialog_stays() -> None:
    line = TwoAddresses()
    line.dial()
    line.run(0.1)
    line.answer(line.a, line.a.requests("INVITE")[0])
    line.ana.agent.hang_up("a", Cause(EndReason.COMPLETED), line.network.now)
    line.run(40)
    assert len(line.a.requests("BYE")) > 1 and not line.b.got


def test_a_registration_moves() -> None:
    line = TwoAddresses(register=True)
    line.ana.agent.open(line.network.now)
    line.run(4.1)
    (register,) = line.b.requests("REGISTER")
    line.b.reply(register, 200, tag="r", headers=(("Contact", f"{line.ana.line.contact};expires=60"),))
    line.run(0.1)
    assert line.ana.agent.registration.status.ready
    line.ana.agent.connection_lost(B, line.network.now)
    line.run(0.1)
    assert len(line.b.requests("REGISTER")) == 2


def test_addresses_that_fail_rest_ever_longer_and_come_back() -> None:
    timers = Timers(100.0)
    targets = Targets(timers)
    assert targets.best is None
    targets.locate((A, B, C))
    assert (targets.best, targets.others(A), targets.others(Hop("udp", "1.1.1.1", 1))) == (A, [B, C], [])
    targets.tell(A, well=False)
    assert (targets.best, targets.others(B)) == (B, [C, A])
    targets.tell(B, well=False)
    targets.tell(C, well=False)
    assert targets.best == A
    timers.advance(100 + REST_S)
    assert targets.others(A) == [B, C]
    for _ in range(9):
        targets.tell(A, well=False)
    timers.advance(100 + REST_S + LONGEST_REST_S - 1)
    assert targets.best == B
    targets.tell(A, well=True)
    assert targets.best == A
    targets.locate(Hop("udp", "10.1.1.1", port) for port in range(1, 100))
    assert len(targets.others(Hop("udp", "10.1.1.1", 1))) == MAX_TARGETS - 1


@pytest.mark.parametrize("answers", [True, False])
def test_a_large_request_goes_by_tcp_and_by_udp_to_who_has_none(answers: bool) -> None:
    network = VirtualSip()
    ana = VirtualPhone(network, "10.0.0.1", "10.0.0.9", "100", 1, large_by_tcp=True)
    peer = ScriptedPeer(network)
    ana.agent.dial("a", "2" * 700, "", endpoint("10.0.0.1"), network.now)
    network.run(0.1)
    (invite,) = peer.requests("INVITE")
    assert len(build(invite)) > 1100 and invite.top_via.transport == "TCP"
    if not answers:
        ana.agent.unreachable(invite, network.now)
        network.run(0.1)
        assert [request.top_via.transport for request in peer.requests("INVITE")] == ["TCP", "UDP"]
