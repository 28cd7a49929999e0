"""Before the answer: reliable responses and PRACK, early media, UPDATE in early dialogs, forks (RFC 3262, 3311, 3261 13.2.2.4)."""

import pytest

from pbx.body import UnsupportedBody, sdp_of
from pbx.message import AnyMessage, Message, Request, Response
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Rang, Reagreed, Refused
from rooms.audio import G722, PCMA, Direction, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import LATENCY_S, endpoint, sdp
from tests.unit.test_sip_called import Called
from tests.unit.test_sip_caller import CONTACT, Dialled
from tests.unit.test_sip_calls import Pair

RELIABLE = ("Require", "100rel")


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def dialled() -> Dialled:
    return Dialled()


def progress(pair: Pair, leg_id: str) -> None:
    pair.ben.agent.progress(leg_id, endpoint(pair.ben.host, 5000, (G722,)), pair.network.now)


# -- both sides are ours


def test_early_media_is_told_reliably_and_the_answer_carries_no_description_again(pair: Pair) -> None:
    leg_id = pair.ring()
    progress(pair, leg_id)
    pair.run(0.2)
    prack = pair.network.requests("PRACK")[0]
    told = pair.network.responses(183)[0]
    assert prack.get("RAck") == f"{told.get('RSeq')} 1 INVITE" and prack.get("Contact") is None
    early = pair.ana.last(Rang).remote
    assert isinstance(early, RtpEndpoint) and early.port == 5000
    pair.answer(leg_id)
    pair.run()
    assert pair.network.responses(200, "INVITE")[0].body == b""
    assert pair.ana.last(Answered).remote == early and pair.ben.count(Confirmed) == 1
    pair.ana.agent.hold("a", True, pair.network.now)
    pair.run()
    assert pair.ben.last(Reagreed).remote
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_a_reliable_response_is_repeated_until_its_prack(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.network.fate = lambda message: [] if isinstance(message, Response) and message.status == 183 else [LATENCY_S]
    progress(pair, leg_id)
    pair.answer(leg_id)
    pair.run(4)
    assert len(pair.network.responses(183)) == 4, "at once, and after 0.5, 1.5 and 3.5 s"
    assert not pair.network.responses(200, "INVITE"), "the answer waits for the PRACK"
    pair.network.fate = lambda message: [LATENCY_S]
    pair.run(5)
    assert pair.ana.count(Answered) == pair.ben.count(Confirmed) == 1
    assert len(pair.network.requests("PRACK")) == 1
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()


def test_a_caller_that_never_pracks_is_refused_with_504(pair: Pair) -> None:
    leg_id = pair.ring()
    pair.network.fate = lambda message: [] if isinstance(message, Request) and message.method == "PRACK" else [LATENCY_S]
    progress(pair, leg_id)
    pair.run(33)
    assert "no PRACK" in pair.ben.last(HungUp).cause.detail and pair.ana.last(Refused).cause.sip == 504
    pair.network.fate = lambda message: [LATENCY_S]
    pair.assert_clean()


@pytest.mark.parametrize("after_s", [0.0, LATENCY_S / 2, 1.5 * LATENCY_S, 2.5 * LATENCY_S, 3.5 * LATENCY_S])
def test_a_cancel_that_crosses_early_media_and_its_prack(pair: Pair, after_s: float) -> None:
    leg_id = pair.ring()
    progress(pair, leg_id)
    pair.run(after_s)
    pair.hang_up(pair.ana, "a")
    pair.run()
    assert pair.ana.last(Refused).cause.reason is EndReason.GAVE_UP and pair.ben.count(HungUp) == 1
    assert pair.network.requests("PRACK"), "even a call given up acknowledges what it heard"
    pair.assert_clean()


def test_everything_lost_once_and_everything_twice(pair: Pair) -> None:
    seen: set[bytes] = set()

    def lose_every_first(message: AnyMessage) -> list[float]:
        kind = f"{message.cseq}{getattr(message, 'status', '')}{message.get('RSeq')}".encode()
        if kind in seen:
            return [LATENCY_S, 2 * LATENCY_S]
        seen.add(kind)
        return []

    pair.network.fate = lose_every_first
    pair.ana.dial()
    pair.run(3)
    leg_id = pair.ben.last(Arrived).leg_id
    progress(pair, leg_id)
    pair.run(3)
    pair.answer(leg_id)
    pair.run(5)
    assert pair.ana.count(Answered) == pair.ben.count(Confirmed) == 1
    pair.hang_up(pair.ben, leg_id)
    pair.assert_clean()


def test_ringing_is_said_again_each_minute(pair: Pair) -> None:
    pair.ring()
    pair.run(130)
    assert len(pair.network.responses(180)) == 3


# -- we are called


def test_a_caller_that_requires_reliability_gets_it_for_ringing_too(called: Called) -> None:
    leg_id = called.arrive("Require: 100rel")
    called.ana.agent.ring(leg_id, called.network.now)
    called.ana.agent.progress(leg_id, endpoint(codecs=(PCMA,)), called.network.now)
    called.run()
    assert called.peer.statuses() == [100, 180], "the second waits for the first one's PRACK"
    ringing = called.last
    called.tag = ringing.to_address.tag or ""
    called.request("PRACK", 2, "RAck: 1 1 INVITE")
    assert called.last.status == 481
    called.request("PRACK", 3, f"RAck: {ringing.get('RSeq')} 1 INVITE")
    early = next(message for message in called.peer.got if isinstance(message, Response) and message.status == 183)
    assert int(early.get("RSeq") or "") == int(ringing.get("RSeq") or "") + 1 and early.body
    called.request("PRACK", 4, f"RAck: {early.get('RSeq')} 1 INVITE")
    called.request("PRACK", 5, f"RAck: {early.get('RSeq')} 1 INVITE")
    assert called.last.status == 481, "a second PRACK for the same response"


def early(called: Called, *headers: str, body: bytes | None = None) -> tuple[str, Response]:
    leg_id = called.arrive(*headers, body=body)
    called.ana.agent.progress(leg_id, endpoint(codecs=(PCMA,)), called.network.now)
    called.run()
    called.tag = called.last.to_address.tag or ""
    return leg_id, called.last


def test_a_caller_without_100rel_gets_early_media_all_the_same_and_the_answer_again(called: Called) -> None:
    leg_id, told = early(called)
    assert told.status == 183 and told.get("RSeq") is None and not told.tokens("Require")
    called.run(5)
    assert called.peer.statuses() == [100, 183]
    called.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), called.network.now)
    called.run()
    assert called.last.status == 200 and called.last.body == told.body


def test_an_invite_without_offer_gets_ours_early_and_its_answer_in_the_prack(called: Called) -> None:
    leg_id, told = early(called, "Supported: 100rel", body=b"")
    called.request("UPDATE", 2, body=sdp())
    assert called.last.status == 491, "our offer has no answer yet"
    called.request("PRACK", 3, f"RAck: {told.get('RSeq')} 1 INVITE", body=sdp())
    assert called.last.status == 200
    remote = called.ana.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7000
    called.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), called.network.now)
    called.run()
    assert called.last.status == 200 and not called.last.body
    called.request("ACK", 1)
    assert called.ana.last(Confirmed).remote is None


def test_an_invite_without_offer_and_without_100rel_has_no_early_media(called: Called) -> None:
    called.ana.agent.progress(called.arrive(body=b""), endpoint(), called.network.now)
    called.run()
    assert called.peer.statuses() == [100]


def test_a_prack_whose_answer_cannot_be_used_ends_the_call(called: Called) -> None:
    _, told = early(called, "Supported: 100rel", body=b"")
    called.request("PRACK", 2, f"RAck: {told.get('RSeq')} 1 INVITE", body=sdp("m=audio 7000 RTP/AVP 18"))
    assert called.peer.statuses()[-2:] == [488, 488] and called.ana.last(HungUp).cause.sip == 488


def test_a_prack_may_carry_another_offer(called: Called) -> None:
    _, told = early(called, "Supported: 100rel")
    called.request("PRACK", 2, f"RAck: {told.get('RSeq')} 1 INVITE", body=sdp("m=audio 7100 RTP/AVP 8"))
    assert called.last.status == 200 and b"m=audio 4000 RTP/AVP 8" in called.last.body
    remote = called.ana.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7100


def test_update_before_the_answer(called: Called) -> None:
    _, told = early(called, "Supported: 100rel")
    called.request("UPDATE", 2, body=sdp("m=audio 7000 RTP/AVP 8", "a=sendonly"))
    assert called.last.status == 500 and called.last.get("Retry-After"), "its own first offer has no answer that it confirmed"
    called.request("PRACK", 3, f"RAck: {told.get('RSeq')} 1 INVITE")
    called.request("UPDATE", 4, "Contact: <sip:moved@10.0.0.9>", body=sdp("m=audio 7000 RTP/AVP 8", "a=sendonly"))
    assert called.last.status == 200 and b"a=recvonly" in called.last.body and called.last.get("Session-Expires") is None
    called.request("UPDATE", 5)
    assert called.last.status == 200 and not called.last.body
    called.request("INVITE", 6, body=sdp())
    assert called.last.status == 500 and called.last.get("Retry-After")
    assert called.ana.count(Reagreed) == 1


# -- we dial


def test_a_reliable_response_is_acknowledged_once_and_in_order(dialled: Dialled) -> None:
    dialled.reply(180, "b1", CONTACT, RELIABLE, ("RSeq", "5"))
    dialled.reply(180, "b1", CONTACT, RELIABLE, ("RSeq", "5"))
    dialled.reply(183, "b1", CONTACT, RELIABLE, ("RSeq", "7"), body=sdp())
    assert [prack.get("RAck") for prack in dialled.peer.requests("PRACK")] == ["5 1 INVITE"]
    assert dialled.ana.last(Rang).remote is None, "what comes after a gap is not taken"
    dialled.reply(183, "b1", CONTACT, RELIABLE, ("RSeq", "6"), body=sdp())
    assert [prack.get("RAck") for prack in dialled.peer.requests("PRACK")] == ["5 1 INVITE", "6 1 INVITE"]
    assert dialled.ana.last(Rang).remote is not None


@pytest.mark.parametrize("rseq", ["", "0", "x", "99999999999"])
def test_a_response_that_cannot_be_acknowledged_is_an_ordinary_one(dialled: Dialled, rseq: str) -> None:
    dialled.reply(180, "b1", CONTACT, RELIABLE, ("RSeq", rseq))
    assert dialled.ana.count(Rang) == 1 and not dialled.peer.requests("PRACK")


def test_a_reliable_answer_stands_whatever_comes_later(dialled: Dialled) -> None:
    dialled.reply(183, "b1", CONTACT, RELIABLE, ("RSeq", "1"), body=sdp())
    dialled.reply(200, "b1", CONTACT, body=sdp("m=audio 9000 RTP/AVP 9"))
    remote = dialled.ana.last(Answered).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7000
    dialled.ana.agent.hang_up("a", Cause(EndReason.COMPLETED), dialled.network.now)
    dialled.run()
    assert dialled.peer.requests("BYE")[0].cseq[0] > dialled.peer.requests("PRACK")[0].cseq[0]


def test_an_unreliable_answer_must_be_confirmed_by_the_200(dialled: Dialled) -> None:
    dialled.reply(183, "b1", CONTACT, body=sdp())
    dialled.reply(200, "b1", CONTACT)
    assert dialled.ana.last(Refused).cause.reason is EndReason.INCOMPATIBLE
    assert dialled.peer.requests("ACK") and dialled.peer.requests("BYE")


def of_callee(dialled: Dialled, method: str, cseq: int, body: bytes = b"", tag: str = "b1") -> Response:
    invite = dialled.invite
    dialled.peer.send(
        f"""{method} sip:100@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK{method}{cseq}{tag}
        From: <sip:200@10.0.0.9>;tag={tag}
        To: {invite.get("From")}
        Call-ID: {invite.call_id}
        CSeq: {cseq} {method}
        Contact: <sip:200@10.0.0.9>"""
        + ("\nContent-Type: application/sdp" if body else ""),
        body,
    )
    dialled.run()
    answered = dialled.peer.got[-1]
    assert isinstance(answered, Response)
    return answered


def test_the_dialled_side_updates_before_it_answers(dialled: Dialled) -> None:
    dialled.reply(180, "b1", CONTACT)
    assert of_callee(dialled, "UPDATE", 1, sdp()).status == 491, "our offer has no answer yet"
    dialled.reply(183, "b1", CONTACT, RELIABLE, ("RSeq", "1"), body=sdp())
    answered = of_callee(dialled, "UPDATE", 2, sdp("m=audio 7300 RTP/AVP 8", "a=sendonly"))
    assert answered.status == 200 and b"a=recvonly" in answered.body
    remote = dialled.ana.last(Rang).remote
    assert isinstance(remote, RtpEndpoint) and (remote.port, remote.direction) == (7300, Direction.SENDONLY)
    assert of_callee(dialled, "UPDATE", 2, sdp(), "b9").status == 481
    dialled.reply(200, "b1", CONTACT)
    assert dialled.ana.last(Answered).remote == remote


@pytest.mark.parametrize(("method", "status"), [("BYE", 481), ("INFO", 481), ("OPTIONS", 200), ("INVITE", 491), ("PRACK", 481)])
def test_other_requests_of_a_phone_that_only_rings(dialled: Dialled, method: str, status: int) -> None:
    dialled.reply(180, "b1", CONTACT)
    assert of_callee(dialled, method, 1).status == status
    assert dialled.ana.count(HungUp) == dialled.ana.count(Refused) == 0


def test_several_phones_ring_each_with_a_dialog_of_its_own(dialled: Dialled) -> None:
    for tag, rseq in (("b1", "10"), ("b2", "20")):
        dialled.reply(183, tag, ("Contact", f"<sip:{tag}@10.0.0.9>"), RELIABLE, ("RSeq", rseq), body=sdp(port=7000 + int(rseq)))
    pracks = dialled.peer.requests("PRACK")
    assert [(prack.uri, prack.to_address.tag) for prack in pracks] == [("sip:b1@10.0.0.9", "b1"), ("sip:b2@10.0.0.9", "b2")]
    for prack in pracks:
        dialled.peer.reply(prack, 200)
    dialled.reply(200, "b1", ("Contact", "<sip:b1@10.0.0.9>"))
    remote = dialled.ana.last(Answered).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7010, "the answer of the one that took the call"
    dialled.reply(200, "b2", ("Contact", "<sip:b2@10.0.0.9>"))
    dialled.reply(200, "b2", ("Contact", "<sip:b2@10.0.0.9>"))
    byes = dialled.peer.requests("BYE")
    assert [(bye.uri, bye.to_address.tag, bye.cseq[0]) for bye in byes] == [("sip:b2@10.0.0.9", "b2", 3)]
    assert [ack.to_address.tag for ack in dialled.peer.requests("ACK")] == ["b1", "b2", "b2"]
    assert dialled.ana.count(Answered) == 1 and dialled.ana.count(HungUp) == 0


def test_more_forks_than_anybody_has_are_not_remembered(dialled: Dialled) -> None:
    for number in range(30):
        dialled.reply(183, f"t{number}", CONTACT, RELIABLE, ("RSeq", "1"), body=sdp())
    assert len({prack.top_via.branch for prack in dialled.peer.requests("PRACK")}) == 8


# -- bodies


def body_of(content_type: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    return sdp_of(Message([("Content-Type", content_type), *headers], body))


PARTS = (
    b"preamble\r\n--x\r\nContent-Type: application/isup;version=x\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x02\r\n"
    b"--x \r\ncontent-type:  Application/SDP\r\n\r\nv=0\r\n\r\n--x--\r\nepilogue"
)


def test_the_description_is_found_in_a_body_of_parts() -> None:
    assert body_of('multipart/mixed; boundary="x"', PARTS) == b"v=0\r\n"
    assert body_of("multipart/mixed;boundary=x", PARTS) == b"v=0\r\n"
    assert body_of("application/sdp", b"v=0") == b"v=0" and body_of("application/sdp", b"") == b""
    assert body_of("application/xml", b"<x/>", ("Content-Disposition", "render; handling=optional")) == b""


@pytest.mark.parametrize(
    ("content_type", "body", "header"),
    [
        ("multipart/mixed", PARTS, ""),
        ("multipart/mixed;boundary=y", PARTS, ""),
        ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--x--", ""),
        ("multipart/mixed;boundary=x", b"--x--\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0", ""),
        ("multipart/mixed;boundary=x", b"--x\r\n\r\n" * 20 + b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--", ""),
        ("application/xml", b"<x/>", ""),
        ("", b"v=0", ""),
        ("application/sdp", b"v=0", "gzip"),
    ],
)
def test_bodies_that_cannot_be_used_are_refused(content_type: str, body: bytes, header: str) -> None:
    with pytest.raises(UnsupportedBody) as refusal:
        body_of(content_type, body, *((("Content-Encoding", header),) if header else ()))
    assert refusal.value.headers[0][0] == ("Accept-Encoding" if header else "Accept")


def test_a_call_whose_description_is_one_part_of_several(called: Called) -> None:
    called.arrive(
        "Content-Type: multipart/mixed;boundary=x", body=b"--x\r\nContent-Type: application/sdp\r\n\r\n" + sdp() + b"\r\n--x--\r\n"
    )
    remote = called.ana.last(Arrived).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7000
