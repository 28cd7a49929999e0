"""Registration in virtual time: refresh, back-off, refusals in words, NAT, keep-alive."""

import pytest

from pbx.message import Request, Response, respond
from pbx.registration import granted_s
from pbx.transactions import Hop
from pbx.trunk import Arrived, Refused, StatusChanged, TrunkStatus
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp

CHALLENGE = (("Proxy-Authenticate", 'Digest realm="3CXPhoneSystem", nonce="n1", algorithm=MD5'),)


class Registering:
    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.peer = ScriptedPeer(self.network)
        chosen = {"register": True, "password": "secret", "auth_id": "xyz", **settings}
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, **chosen)
        self.accepting = True
        self.ana.agent.open(self.network.now)

    def run(self, seconds: float = 0.1) -> None:
        self.network.run(seconds)

    @property
    def status(self) -> TrunkStatus:
        return self.ana.agent.registration.status

    @property
    def registers(self) -> list[Request]:
        return self.peer.requests("REGISTER")

    def reply(self, status: int, *headers: tuple[str, str]) -> None:
        self.peer.reply(self.registers[-1], status, tag="r", headers=headers)
        self.run()


def test_a_407_is_answered_with_the_auth_id_and_cseq_grows() -> None:
    line = Registering()
    line.run()
    assert not line.status.ready
    line.reply(407, *CHALLENGE)
    first, second = line.registers
    assert 'username="xyz"' in (second.get("Proxy-Authorization") or "")
    assert second.cseq[0] == first.cseq[0] + 1 and second.call_id == first.call_id
    assert first.from_address.uri == first.to_address.uri == "sip:100@10.0.0.9" and first.uri == "sip:10.0.0.9"
    line.reply(200, ("Contact", "<sip:100@10.0.0.1:5060>;expires=60"))
    assert line.status.ready and "extension 100" in line.status.detail
    assert isinstance(line.ana.events[-1], StatusChanged)


def test_a_pbx_that_is_slow_to_answer_is_named_before_it_has_failed() -> None:
    line = Registering()
    line.run(2)
    assert "not answered" not in line.status.detail
    line.run(2)
    assert not line.status.ready and "has not answered yet" in line.status.detail
    line.reply(200, ("Contact", "<sip:100@10.0.0.1:5060>;expires=60"))
    assert line.status.ready
    line.run(5)
    assert line.status.ready


def test_it_is_refreshed_well_before_it_ends_and_cseq_keeps_growing() -> None:
    line = Registering()
    line.peer.on_request = lambda request: line.peer.reply(request, 200, headers=(("Contact", "<sip:100@10.0.0.1:5060>;expires=100"),))
    line.run(1000)
    assert 18 <= len(line.registers) <= 23
    numbers = [request.cseq[0] for request in line.registers]
    assert numbers == sorted(set(numbers)) and len({request.call_id for request in line.registers}) == 1


def test_a_silent_pbx_is_asked_ever_more_rarely() -> None:
    line = Registering(retry_first_s=5.0, retry_longest_s=300.0)
    line.run(33)
    assert "does not answer" in line.status.detail and "check that it runs" in line.status.detail
    line.run(3600)
    attempts = {request.top_via.branch for request in line.registers}
    assert 12 <= len(attempts) <= 20
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(400)
    assert line.status.ready


def test_a_password_that_was_refused_twice_is_never_given_again() -> None:
    line = Registering(refused_retry_s=600.0)
    line.peer.on_request = lambda request: line.peer.reply(request, 407, headers=CHALLENGE)
    line.run(1)
    assert len(line.registers) == 2
    assert not line.status.ready and "refuses the user name or the password" in line.status.detail and "10 min" in line.status.detail
    line.run(24 * 3600)
    assert len(line.registers) == 4 and line.ana.line.counts["lockouts"] == 1
    assert "not tried any more" in line.status.detail
    line.ana.dial("600")
    line.run()
    cause = line.ana.last(Refused).cause
    assert cause.reason is EndReason.UNREACHABLE and "not tried any more" in cause.detail
    assert not line.peer.requests("INVITE"), "a call would give the password too"


def test_403_to_a_password_is_a_refusal_of_it() -> None:
    line = Registering(refused_retry_s=600.0)
    line.peer.on_request = lambda request: (
        line.peer.reply(request, 403) if request.get("Proxy-Authorization") else line.peer.reply(request, 407, headers=CHALLENGE)
    )
    line.run(24 * 3600)
    assert len(line.registers) == 4 and "not tried any more" in line.status.detail


def test_a_password_that_is_accepted_forgets_an_earlier_refusal() -> None:
    line = Registering(refused_retry_s=60.0)
    refusing = iter([407, 407, 407, 200, 407, 407, 407, 200])
    line.peer.on_request = lambda request: line.peer.reply(
        request, next(refusing, 200), headers=(("Proxy-Authenticate", f'Digest realm="3CX", nonce="{request.cseq[0]}"'),)
    )
    line.run(200)
    assert line.status.ready and line.ana.line.refused_passwords == 0


def test_a_caller_never_gets_our_digest() -> None:
    """Who calls us and challenges our BYE or re-INVITE, under the PBX's own realm even, learns nothing (the SIP digest leak)."""
    line = Registering()
    line.run()
    line.reply(407, *CHALLENGE)
    line.reply(200)
    line.peer.send(
        """INVITE sip:100@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKleak
        From: <sip:+34900@10.0.0.9>;tag=evil
        To: <sip:100@10.0.0.1>
        Call-ID: leak
        CSeq: 1 INVITE
        Contact: <sip:evil@10.0.0.9>
        Content-Type: application/sdp""",
        sdp(),
    )
    line.run()
    arrived = line.ana.last(Arrived).leg_id
    line.ana.agent.answer(arrived, endpoint(), line.network.now)
    line.run()
    ok = next(message for message in line.peer.got if isinstance(message, Response) and message.status == 200)
    line.peer.send(
        f"""ACK sip:100@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKack
        From: <sip:+34900@10.0.0.9>;tag=evil
        To: {ok.get("To")}
        Call-ID: leak
        CSeq: 1 ACK"""
    )
    line.run()
    line.peer.on_request = lambda request: line.peer.reply(request, 407, headers=CHALLENGE)
    line.ana.agent.hold(arrived, True, line.network.now)
    line.run(1)
    line.ana.agent.hang_up(arrived, Cause(EndReason.COMPLETED), line.network.now)
    line.run(40)
    asked = line.peer.requests("INVITE") + line.peer.requests("BYE")
    assert len({request.top_via.branch for request in asked}) == 2
    assert not any(request.get("Proxy-Authorization") for request in asked)
    assert line.ana.line.counts["challenges_unanswered"] == 2 and line.ana.line.refused_passwords == 0


def test_a_realm_is_not_learnt_inside_a_call() -> None:
    line = Registering(register=False, keepalive_s=0.0)
    line.ana.dial("600")
    line.run()
    (invite,) = line.peer.requests("INVITE")
    line.peer.reply(invite, 200, tag="t", headers=(("Contact", "<sip:evil@10.0.0.9>"),), body=sdp())
    line.run()
    line.peer.on_request = lambda request: line.peer.reply(request, 401, headers=(("WWW-Authenticate", 'Digest realm="any", nonce="n"'),))
    line.ana.agent.hang_up("a", Cause(EndReason.COMPLETED), line.network.now)
    line.run(40)
    assert not any(request.get("Authorization") for request in line.peer.requests("BYE"))


def test_the_way_that_the_registrar_names_is_taken_by_calls() -> None:
    line = Registering()
    line.run()
    line.reply(200, ("Service-Route", "<sip:10.0.0.9;lr>, <sip:core.test;lr>"))
    line.ana.dial("600")
    line.run()
    (invite,) = line.peer.requests("INVITE")
    assert invite.lines("Route") == ["<sip:10.0.0.9;lr>", "<sip:core.test;lr>"] and invite.uri == "sip:600@10.0.0.9"
    line.peer.reply(invite, 180, tag="t")
    line.run()
    line.ana.agent.hang_up("a", Cause(EndReason.GAVE_UP), line.network.now)
    line.run()
    assert line.peer.requests("CANCEL")[0].lines("Route") == invite.lines("Route")
    assert not line.registers[-1].lines("Route")


def test_a_way_that_cannot_be_read_is_none() -> None:
    for value in ("<<<", "<sip:strict.test>"):
        line = Registering()
        line.run()
        line.reply(200, ("Service-Route", value))
        assert line.status.ready and line.ana.line.service_route == ()


def test_retry_after_of_a_refusal_is_honoured() -> None:
    line = Registering(refused_retry_s=10.0)
    line.run()
    line.reply(404, ("Retry-After", "1800 (back soon);duration=60"))
    line.run(1790)
    assert len(line.registers) == 1
    line.run(20)
    assert len(line.registers) > 1


def test_it_unregisters_while_a_refresh_is_under_way_too() -> None:
    line = Registering()
    line.run()
    line.reply(200, ("Contact", "<sip:100@10.0.0.1:5060>;expires=100"))
    line.run(60)
    assert len({request.cseq for request in line.registers}) == 2, "the refresh has no answer yet"
    line.ana.agent.close(line.network.now)
    line.run()
    assert line.registers[-1].get("Expires") == "0"


@pytest.mark.parametrize(
    ("status", "says"), [(403, "forbids extension 100"), (404, "does not know extension 100"), (500, "refuses to register us: 500")]
)
def test_refusals_say_whose_fault_it_is(status: int, says: str) -> None:
    line = Registering()
    line.run()
    line.reply(status)
    assert says in line.status.detail and "Next attempt in" in line.status.detail


def test_retry_after_is_honoured() -> None:
    line = Registering(retry_first_s=1.0)
    line.run()
    line.reply(503, ("Retry-After", "120"))
    line.run(118)
    assert len(line.registers) == 1
    line.run(5)
    assert len(line.registers) > 1


def test_an_interval_that_is_too_brief_is_raised_once() -> None:
    line = Registering(registration_s=30)
    line.run()
    line.reply(423, ("Min-Expires", "120"))
    assert [request.get("Expires") for request in line.registers] == ["30", "120"]
    line.reply(423, ("Min-Expires", "240"))
    assert len(line.registers) == 2 and not line.status.ready


def test_a_nat_address_seen_by_the_pbx_is_registered() -> None:
    line = Registering()
    line.run()
    first = line.registers[-1]
    via = str(first.top_via).replace(";rport", ";rport=40000;received=203.0.113.7")
    seen = Request(list(first.headers), b"", first.method, first.uri)
    seen.set("Via", via)
    line.peer.reply(seen, 200)
    line.run()
    assert line.registers[-1].get("Contact") == "<sip:100@203.0.113.7:40000>"


def test_a_public_host_is_not_overruled() -> None:
    line = Registering(public_host="198.51.100.1")
    line.ana.line.host = "198.51.100.1"
    line.run()
    line.reply(200)
    assert len(line.registers) == 1 and line.status.ready


def test_a_pbx_that_dies_is_noticed_by_the_keepalive() -> None:
    line = Registering(keepalive_s=30.0, registration_s=3600)
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(100)
    assert line.status.ready and len(line.peer.requests("OPTIONS")) == 3
    line.peer.on_request = None
    line.run(70)
    assert not line.status.ready and "does not answer" in line.status.detail
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(60)
    assert line.status.ready


def test_a_trunk_by_address_is_ready_when_the_pbx_answers_options() -> None:
    line = Registering(register=False, keepalive_s=30.0)
    line.run()
    assert not line.status.ready
    line.peer.reply(line.peer.requests("OPTIONS")[0], 404)
    line.run()
    assert line.status.ready and not line.registers


def test_closing_unregisters() -> None:
    line = Registering()
    line.run()
    line.reply(200)
    line.ana.agent.close(line.network.now)
    line.run()
    assert line.registers[-1].get("Expires") == "0"
    line.reply(407, *CHALLENGE)
    assert "Proxy-Authorization" in dict(line.registers[-1].headers)
    line.reply(200)
    line.run(7200)
    assert not line.status.ready and not line.ana.agent.busy
    assert len(line.registers) == 3


def test_what_the_pbx_grants() -> None:
    line = Registering()
    line.run()
    request = line.registers[0]
    contact = line.ana.line.contact_uri

    def granted(*headers: tuple[str, str]) -> int:
        return granted_s(respond(request, 200, headers=headers), contact, 300)

    assert granted(("Contact", "<sip:100@10.0.0.7>;expires=9, <sip:100@10.0.0.1:5060>;expires=77"), ("Expires", "55")) == 77
    assert granted(("Contact", "<sip:100@10.0.0.7>;expires=9"), ("Expires", "55")) == 55
    assert granted() == 300
    assert granted(("Contact", "<<<")) == 300


def test_calls_go_where_we_are_registered_and_a_refresh_tries_the_best_address_anew() -> None:
    line = Registering()
    first, second = Hop("udp", "10.0.0.9", 5060), Hop("udp", "10.0.0.8", 5060)
    other = ScriptedPeer(line.network, host="10.0.0.8")
    for peer in (line.peer, other):
        peer.on_request = lambda request, peer=peer: peer.reply(request, 200, headers=(("Expires", "2000"),))  # type: ignore[misc]
    line.ana.line.targets.locate([first, second])
    line.network.dead.add("10.0.0.9")
    line.run(40)
    assert line.status.ready and other.requests("REGISTER")
    line.network.dead.clear()
    line.run(200)
    line.ana.line.timers.advance(line.network.now)
    assert line.ana.line.targets.best == first, "it has rested"
    line.ana.dial("600", "one")
    line.run()
    assert other.requests("INVITE") and not line.peer.requests("INVITE"), "but we are not registered there"
    line.run(1100)
    assert line.peer.requests("REGISTER"), "the refresh moves the registration back"
    line.ana.dial("600", "two")
    line.run()
    assert line.peer.requests("INVITE")


def test_a_pbx_by_address_tells_us_by_the_auth_id_in_our_contact() -> None:
    line = Registering(register=False, keepalive_s=0.0)
    line.ana.dial("600")
    line.run()
    (invite,) = line.peer.requests("INVITE")
    assert invite.get("Contact") == "<sip:xyz@10.0.0.1:5060>" and invite.from_address.uri == "sip:100@10.0.0.9"
    line.peer.send(
        """INVITE sip:xyz@10.0.0.1:5060 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKin
        From: <sip:+34900@10.0.0.9>;tag=a
        To: <sip:+34911@10.0.0.1>
        Call-ID: in
        CSeq: 1 INVITE
        Contact: <sip:pbx@10.0.0.9>
        Content-Type: application/sdp""",
        sdp(),
    )
    line.run()
    assert line.ana.last(Arrived).called == "+34911"
