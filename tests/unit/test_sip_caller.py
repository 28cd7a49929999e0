"""Calls that we dial, against a peer that says exactly what the RFC lets a peer say."""

import re

import pytest

from pbx.message import Request
from pbx.sdes import SrtpMode
from pbx.trunk import Answered, HungUp, Rang, Refused
from rooms.audio import OPUS, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp

CONTACT = ("Contact", "<sip:200@10.0.0.9>")


class Dialled:
    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.peer = ScriptedPeer(self.network)
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, **{"password": "secret", "auth_id": "auth100", **settings})
        self.ana.dial()
        self.run()

    def run(self, seconds: float = 0.1) -> None:
        self.network.run(seconds)

    @property
    def invite(self) -> Request:
        return self.peer.requests("INVITE")[-1]

    def reply(self, status: int, tag: str = "b1", *headers: tuple[str, str], body: bytes = b"") -> None:
        self.peer.reply(self.invite, status, tag=tag, headers=headers, body=body)
        self.run()


@pytest.fixture
def call() -> Dialled:
    return Dialled()


def test_the_invite_says_who_we_are_and_what_we_can(call: Dialled) -> None:
    invite = call.invite
    assert invite.uri == "sip:200@10.0.0.9"
    assert invite.from_address.uri == "sip:100@10.0.0.9" and invite.from_address.display == "Agent Ana"
    assert invite.get("Contact") == "<sip:auth100@10.0.0.1:5060>"
    assert {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE"} <= {m.upper() for m in invite.tokens("Allow")}
    assert "timer" in invite.tokens("Supported") and invite.get("Max-Forwards") == "70"
    assert "rport" in invite.top_via.params
    assert b"m=audio 4000 RTP/AVP 9 8 0 101\r\n" in invite.body and b"a=ptime:20" in invite.body


def test_early_media_comes_with_the_ringing(call: Dialled) -> None:
    call.reply(180, "b1", CONTACT)
    call.reply(183, "b1", CONTACT, body=sdp())
    rang = [event for event in call.ana.events if isinstance(event, Rang)]
    assert rang[0].remote is None
    assert isinstance(rang[1].remote, RtpEndpoint) and rang[1].remote.port == 7000
    call.reply(183, "b1", CONTACT, body=sdp())
    assert call.ana.count(Rang) == 2


def test_the_route_of_the_answer_is_followed_backwards(call: Dialled) -> None:
    routes = (("Record-Route", "<sip:10.0.0.9;lr;ftag=x>, <sip:10.0.0.8;lr>"), ("Record-Route", "<sip:10.0.0.9:5060;lr;n=3>"))
    call.reply(200, "b1", ("Contact", "<sip:phone@10.9.9.9:5099>"), *routes, body=sdp())
    ack = call.peer.requests("ACK")[0]
    assert ack.uri == "sip:phone@10.9.9.9:5099"
    assert ack.values("Route") == ["<sip:10.0.0.9:5060;lr;n=3>", "<sip:10.0.0.8;lr>", "<sip:10.0.0.9;lr;ftag=x>"]
    assert ack.cseq == (call.invite.cseq[0], "ACK") and ack.to_address.tag == "b1"
    assert ack.top_via.branch != call.invite.top_via.branch


def test_a_strict_router_gets_its_own_uri(call: Dialled) -> None:
    call.reply(200, "b1", ("Contact", "<sip:phone@10.9.9.9>"), ("Record-Route", "<sip:old@10.0.0.9>"), body=sdp())
    ack = call.peer.requests("ACK")[0]
    assert ack.uri == "sip:old@10.0.0.9" and ack.values("Route") == ["<sip:phone@10.9.9.9>"]


def test_of_two_forks_that_answer_the_second_gets_ack_and_bye(call: Dialled) -> None:
    call.reply(180, "b1", CONTACT)
    call.reply(200, "b2", ("Contact", "<sip:two@10.0.0.9>"), body=sdp())
    call.reply(200, "b1", ("Contact", "<sip:one@10.0.0.9>"), body=sdp(port=7002))
    assert [(ack.uri, ack.to_address.tag) for ack in call.peer.requests("ACK")] == [("sip:two@10.0.0.9", "b2"), ("sip:one@10.0.0.9", "b1")]
    byes = call.peer.requests("BYE")
    assert [(bye.uri, bye.to_address.tag) for bye in byes] == [("sip:one@10.0.0.9", "b1")]
    assert call.ana.count(Answered) == 1 and call.ana.count(Refused) == 0
    call.reply(200, "b1", ("Contact", "<sip:one@10.0.0.9>"), body=sdp(port=7002))
    assert len(call.peer.requests("ACK")) == 3 and len(call.peer.requests("BYE")) == 1


CHALLENGE = ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5')


def test_a_challenge_is_answered_with_the_auth_id_and_a_higher_cseq(call: Dialled) -> None:
    call.reply(407, "x", CHALLENGE)
    first, second = call.peer.requests("INVITE")
    answer = second.get("Proxy-Authorization") or ""
    assert 'username="auth100"' in answer and 'uri="sip:200@10.0.0.9"' in answer and "nc=00000001" in answer
    assert second.cseq[0] == first.cseq[0] + 1 and second.call_id == first.call_id
    assert second.from_address.tag == first.from_address.tag
    assert call.peer.requests("ACK")[0].cseq[0] == first.cseq[0]
    call.reply(200, "b1", CONTACT, body=sdp())
    # The ACK for a 2xx carries the credentials of its INVITE (section 22.3).
    assert call.peer.requests("ACK")[1].get("Proxy-Authorization") == answer


def test_the_best_of_several_challenges_is_answered(call: Dialled) -> None:
    call.reply(
        401,
        "x",
        ("WWW-Authenticate", 'Digest realm="pbx", nonce="n1", qop="auth"'),
        ("WWW-Authenticate", 'Digest realm="pbx", nonce="n2", qop="auth,auth-int", algorithm=SHA-256'),
    )
    answer = call.invite.get("Authorization") or ""
    assert "algorithm=SHA-256" in answer and re.search(r'response="[0-9a-f]{64}"', answer)


def test_a_refused_password_is_not_tried_again(call: Dialled) -> None:
    call.reply(407, "x", CHALLENGE)
    call.reply(407, "x", ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n2", qop="auth"'))
    call.run(5)
    assert len(call.peer.requests("INVITE")) == 2
    cause = call.ana.last(Refused).cause
    assert cause.reason is EndReason.FORBIDDEN and "refuses the user name or the password" in cause.detail


def test_a_stale_nonce_is_renewed_but_never_reused(call: Dialled) -> None:
    call.reply(407, "x", CHALLENGE)
    call.reply(407, "x", ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n2", qop="auth", stale=TRUE'))
    assert len(call.peer.requests("INVITE")) == 3
    call.reply(407, "x", ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n2", qop="auth", stale=true'))
    assert len(call.peer.requests("INVITE")) == 3 and call.ana.count(Refused) == 1


def test_the_password_is_not_given_to_another_realm(call: Dialled) -> None:
    call.reply(407, "x", CHALLENGE)
    call.reply(200, "b1", CONTACT, body=sdp())
    call.ana.agent.hold("a", True, call.network.now)
    call.run()
    held = call.peer.requests("INVITE")[-1]
    call.peer.reply(held, 401, headers=(("WWW-Authenticate", 'Digest realm="evil", nonce="e", qop="auth"'),))
    call.run()
    assert len(call.peer.requests("INVITE")) == 3 and call.ana.count(HungUp) == 0


def test_a_challenge_without_password_says_so() -> None:
    call = Dialled(password="")
    call.reply(407, "x", CHALLENGE)
    assert "none is configured" in call.ana.last(Refused).cause.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, EndReason.FAILED),
        (404, EndReason.NOT_FOUND),
        (486, EndReason.BUSY),
        (503, EndReason.UNREACHABLE),
        (600, EndReason.BUSY),
        (699, EndReason.FAILED),
    ],
)
def test_refusals(call: Dialled, status: int, reason: EndReason) -> None:
    call.reply(status, "b1", ("Contact", "<sip:elsewhere@10.0.0.7>"))
    assert call.ana.last(Refused).cause.reason is reason
    ack = call.peer.requests("ACK")[0]
    assert ack.top_via.branch == call.invite.top_via.branch and ack.uri == call.invite.uri
    call.reply(status, "b1")
    assert len(call.peer.requests("ACK")) == 2 and call.ana.count(Refused) == 1
    assert len(call.peer.requests("INVITE")) == 1


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", sdp("m=audio 0 RTP/AVP 8"), sdp("m=audio 7000 RTP/SAVP 8"), sdp("m=audio 7000 RTP/AVP 18")]
)
def test_an_answer_without_usable_audio_is_hung_up_with_words(call: Dialled, body: bytes) -> None:
    call.reply(200, "b1", CONTACT, body=body)
    assert len(call.peer.requests("ACK")) == 1 and len(call.peer.requests("BYE")) == 1
    assert call.ana.last(Refused).cause.reason is EndReason.INCOMPATIBLE


def test_481_to_our_request_ends_the_call(call: Dialled) -> None:
    call.reply(200, "b1", CONTACT, body=sdp())
    call.ana.agent.send_digit("a", "1", call.network.now)
    call.run()
    call.peer.reply(call.peer.requests("INFO")[0], 481)
    call.run()
    assert call.ana.last(HungUp).cause.sip == 481


def test_a_refused_hold_leaves_the_call_alone(call: Dialled) -> None:
    call.reply(200, "b1", CONTACT, body=sdp())
    call.ana.agent.hold("a", True, call.network.now)
    call.run()
    call.reply(488, "b1")
    assert call.ana.count(HungUp) == 0 and not call.peer.requests("BYE")


def test_the_offer_version_grows_only_with_a_change(call: Dialled) -> None:
    def version(request: Request) -> int:
        return int(request.body.split(b"\r\n")[1].split()[2])

    call.reply(200, "b1", CONTACT, ("Session-Expires", "90;refresher=uac"), body=sdp())
    first = version(call.invite)
    call.run(46)
    refresh = call.invite
    assert refresh.cseq[0] > 1
    call.reply(200, "b1", CONTACT, ("Session-Expires", "90;refresher=uac"), body=sdp())
    after_narrowing = version(refresh)
    assert after_narrowing == first + 1  # cut to the codec that was agreed
    call.run(46)
    assert version(call.invite) == after_narrowing
    call.reply(200, "b1", CONTACT, ("Session-Expires", "90;refresher=uac"), body=sdp())
    call.ana.agent.hold("a", True, call.network.now)
    call.run()
    assert version(call.invite) == after_narrowing + 1


def test_a_refresh_that_never_comes_ends_the_call(call: Dialled) -> None:
    call.reply(200, "b1", CONTACT, ("Session-Expires", "90;refresher=uas"), body=sdp())
    call.run(59)
    assert call.ana.count(HungUp) == 0
    call.run(2)
    assert "nothing refreshed" in call.ana.last(HungUp).cause.detail and call.peer.requests("BYE")


def test_cancel_that_nobody_answers_is_given_up_after_32_s(call: Dialled) -> None:
    call.reply(180, "b1", CONTACT)
    call.ana.agent.hang_up("a", Cause(EndReason.GAVE_UP), call.network.now)
    call.run(33)
    assert call.ana.last(Refused).cause.reason is EndReason.GAVE_UP
    call.run(64)
    assert not call.ana.agent.busy


def test_offers_carry_opus_with_its_parameters() -> None:
    network = VirtualSip()
    peer = ScriptedPeer(network)
    ana = VirtualPhone(network, "10.0.0.1", "10.0.0.9", "100", 1)
    ana.dial(offer=endpoint(codecs=(OPUS,)))
    network.run(0.1)
    body = peer.requests("INVITE")[0].body
    assert b"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1" in body
    assert b"RTP/AVP 111 101 102\r\n" in body
    assert b"a=rtpmap:101 telephone-event/8000" in body and b"a=rtpmap:102 telephone-event/48000" in body


@pytest.mark.parametrize(("srtp", "invites"), [(SrtpMode.OFFERED, 2), (SrtpMode.REQUIRED, 1), (SrtpMode.OFF, 1)])
@pytest.mark.parametrize("status", [415, 488, 606])
def test_who_cannot_read_an_offer_with_encryption_gets_one_in_clear_where_that_is_allowed(
    srtp: SrtpMode, invites: int, status: int
) -> None:
    call = Dialled(srtp=srtp)
    call.reply(status)
    found = call.peer.requests("INVITE")
    assert len(found) == invites
    assert (b"RTP/SAVP" in found[-1].body) is (srtp is SrtpMode.REQUIRED)
    if invites == 1:
        assert call.ana.last(Refused).cause.sip == status
        return
    assert found[0].call_id == found[1].call_id and found[1].cseq[0] > found[0].cseq[0]
    call.reply(status)
    assert len(call.peer.requests("INVITE")) == 2 and call.ana.last(Refused).cause.sip == status
