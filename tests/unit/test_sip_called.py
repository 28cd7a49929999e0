"""Calls and other requests that come to us, word for word as peers and attackers send them."""

import pytest

from pbx.message import Response
from pbx.sip_settings import SipTransport
from pbx.trunk import Arrived, Confirmed, DigitArrived, HungUp, Reagreed
from rooms.audio import G722, OPUS, PCMA, PCMU, Direction, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp


class Called:
    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.peer = ScriptedPeer(self.network)
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, **settings)
        self.tag = ""

    def run(self, seconds: float = 0.1) -> None:
        self.network.run(seconds)

    def request(
        self, method: str, cseq: int = 1, *headers: str, body: bytes = b"", branch: str = "", to_tag: str = "", from_tag: str = "p"
    ) -> None:
        """One request of the peer; inside the dialog once ``self.tag`` is known."""
        tag = to_tag or self.tag
        self.peer.send(
            "\n".join(
                (
                    f"{method} sip:100@10.0.0.1 SIP/2.0",
                    f"Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK{branch or method + str(cseq)};rport",
                    f'From: "Clara" <sip:+34600111222@10.0.0.9>;tag={from_tag}',
                    "To: <sip:100@10.0.0.1>" + (f";tag={tag}" if tag else ""),
                    "Call-ID: c1@10.0.0.9",
                    f"CSeq: {cseq} {method}",
                    "Max-Forwards: 70",
                    *(("Contact: <sip:clara@10.0.0.9>",) if not any(h.startswith("Contact") for h in headers) else ()),
                    *(("Content-Type: application/sdp",) if body and not any(h.startswith("Content-Type") for h in headers) else ()),
                    *headers,
                )
            ),
            body,
        )
        self.run()

    @property
    def last(self) -> Response:
        found = [message for message in self.peer.got if isinstance(message, Response)]
        assert found
        return found[-1]

    def arrive(self, *headers: str, body: bytes | None = None) -> str:
        self.request("INVITE", 1, *headers, body=sdp() if body is None else body)
        return self.ana.last(Arrived).leg_id

    def talk(self, *headers: str) -> str:
        leg_id = self.arrive(*headers)
        self.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), self.network.now)
        self.run()
        self.tag = self.last.to_address.tag or ""
        self.request("ACK", 1)
        assert self.ana.count(Confirmed) == 1
        return leg_id


@pytest.fixture
def call() -> Called:
    return Called()


def test_the_route_of_the_invite_is_copied_and_kept(call: Called) -> None:
    routes = ("Record-Route: <sip:10.0.0.9;lr;a=1>, <sip:10.0.0.8;lr>", "Record-Route: <sip:10.0.0.7;lr>")
    leg_id = call.arrive(*routes)
    assert call.peer.statuses() == [100]
    call.ana.agent.ring(leg_id, call.network.now)
    call.run()
    wanted = ["<sip:10.0.0.9;lr;a=1>", "<sip:10.0.0.8;lr>", "<sip:10.0.0.7;lr>"]
    assert call.last.status == 180 and call.last.values("Record-Route") == wanted
    call.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), call.network.now)
    call.run()
    assert call.last.status == 200 and call.last.values("Record-Route") == wanted
    assert call.last.get("Contact") == "<sip:100@10.0.0.1:5060>"
    call.tag = call.last.to_address.tag or ""
    call.request("ACK", 1)
    call.ana.agent.hang_up(leg_id, Cause(EndReason.COMPLETED), call.network.now)
    call.run()
    bye = call.peer.requests("BYE")[0]
    assert bye.values("Route") == wanted and bye.uri == "sip:clara@10.0.0.9"


@pytest.mark.parametrize(
    ("headers", "contact"),
    [
        (("Contact: <sips:clara@10.0.0.9>",), "<sips:100@10.0.0.1:5060>"),
        (("Contact: <sip:clara@10.0.0.9>", "Record-Route: <sips:10.0.0.9;lr>"), "<sips:100@10.0.0.1:5060>"),
        (("Contact: <sip:clara@10.0.0.9>",), "<sip:100@10.0.0.1:5060;transport=tls>"),
    ],
)
def test_a_dialog_of_sips_uris_has_ours_too(headers: tuple[str, ...], contact: str) -> None:
    """RFC 3261, section 12.1.1; the other way to say TLS is a parameter."""
    call = Called(transport=SipTransport.TLS)
    leg_id = call.talk(*headers)
    assert call.last.get("Contact") == contact
    call.ana.agent.hold(leg_id, True, call.network.now)
    call.run()
    assert call.peer.requests("INVITE")[0].get("Contact") == contact


def test_the_answer_uses_the_callers_payload_numbers(call: Called) -> None:
    body = sdp("m=audio 7000 RTP/AVP 102 9 8 96", "a=rtpmap:102 opus/48000/2", "a=rtpmap:96 telephone-event/8000", "a=ptime:30")
    leg_id = call.arrive(body=body)
    remote = call.ana.last(Arrived).remote
    assert isinstance(remote, RtpEndpoint)
    assert [(c.name, c.payload_type) for c in remote.codecs] == [("opus", 102), ("g722", 9), ("pcma", 8)]
    assert (remote.dtmf_payload_type, remote.ptime_ms) == (96, 30)
    call.ana.agent.answer(leg_id, endpoint(codecs=(G722, PCMU)), call.network.now)
    call.run()
    assert b"RTP/AVP 9 96\r\n" in call.last.body and b"a=rtpmap:96 telephone-event/8000" in call.last.body


@pytest.mark.parametrize(
    ("events", "number", "clock"),
    [
        (("a=rtpmap:96 telephone-event/8000",), 96, 8000),
        (("a=rtpmap:96 telephone-event/8000", "a=rtpmap:97 telephone-event/48000"), 97, 48000),
    ],
)
def test_digits_keep_the_callers_number_and_clock(call: Called, events: tuple[str, ...], number: int, clock: int) -> None:
    leg_id = call.arrive(body=sdp("m=audio 7000 RTP/AVP 102 96 97", "a=rtpmap:102 opus/48000/2", *events))
    call.ana.agent.answer(leg_id, endpoint(codecs=(OPUS,)), call.network.now)
    call.run()
    assert f"RTP/AVP 102 {number}\r\n".encode() in call.last.body
    assert f"a=rtpmap:{number} telephone-event/{clock}".encode() in call.last.body


def test_of_two_media_lines_one_is_answered_and_the_other_refused(call: Called) -> None:
    body = sdp("m=audio 7000 RTP/SAVP 8", "m=audio 7002 RTP/AVP 8", "m=video 7004 RTP/AVP 34", "a=rtpmap:34 H263/90000")
    leg_id = call.arrive(body=body)
    call.ana.agent.answer(leg_id, endpoint(port=4400, codecs=(PCMA,)), call.network.now)
    call.run()
    lines = [line for line in call.last.body.decode().split("\r\n") if line.startswith("m=")]
    assert lines == ["m=audio 0 RTP/SAVP 8", "m=audio 4400 RTP/AVP 8", "m=video 0 RTP/AVP 34"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nonsense", 400),
        (sdp(*("m=audio 7000 RTP/AVP 8",) * 200), 400),
        (b"v=0\r\n" + b"a=x\r\n" * 4000, 400),
        (sdp("m=video 7000 RTP/AVP 34"), 488),
        (sdp("m=audio 0 RTP/AVP 8"), 488),
        (sdp("m=audio 7000 RTP/AVP 18"), 488),
        (sdp("m=audio 7000 RTP/SAVP 8"), 488),
        (b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n", 488),
    ],
)
def test_offers_that_cannot_be_used_are_refused(call: Called, body: bytes, status: int) -> None:
    call.request("INVITE", 1, body=body)
    assert call.last.status == status and call.ana.count(Arrived) == 0
    call.request("ACK", 1, branch="INVITE1", to_tag=call.last.to_address.tag or "")
    call.run(40)
    assert not call.ana.agent.busy and not call.ana.line.transactions._servers


@pytest.mark.parametrize(
    ("headers", "body", "status", "says"),
    [
        (("Require: 100rel, timer, Teleport",), sdp(), 420, ("Unsupported", "teleport")),
        (("Content-Type: multipart/mixed;boundary=x",), b"--x--", 415, ("Accept", "application/sdp, multipart/mixed")),
        (("Content-Encoding: gzip",), sdp(), 415, ("Accept-Encoding", "identity")),
        (("Session-Expires: 30", "Supported: timer"), sdp(), 422, ("Min-SE", "90")),
        (("Contact: *",), sdp(), 400, ("Content-Length", "0")),
    ],
)
def test_invites_that_ask_for_what_we_do_not_do(
    call: Called, headers: tuple[str, ...], body: bytes, status: int, says: tuple[str, str]
) -> None:
    call.request("INVITE", 1, *headers, body=body)
    assert call.last.status == status and call.last.get(says[0]) == says[1]
    assert call.ana.count(Arrived) == 0


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 200),
        ("BYE", 481),
        ("INFO", 481),
        ("UPDATE", 481),
        ("CANCEL", 481),
        ("REFER", 603),
        ("NOTIFY", 489),
        ("SUBSCRIBE", 489),
        ("MESSAGE", 405),
        ("PUBLISH", 405),
        ("FOO", 501),
    ],
)
def test_requests_outside_any_call(call: Called, method: str, status: int) -> None:
    call.request(method)
    assert call.peer.statuses() == [status]
    if status in (200, 405):
        assert "INVITE" in (call.last.get("Allow") or "")
    call.request(method)
    assert call.peer.statuses() == [status, status], "a retransmission gets the same answer"


def test_the_same_invite_by_two_ways_is_one_call(call: Called) -> None:
    call.arrive()
    call.request("INVITE", 1, body=sdp(), branch="otherway")
    assert call.last.status == 482 and call.ana.count(Arrived) == 1


def test_an_ack_for_nothing_and_a_wrong_tag(call: Called) -> None:
    call.request("ACK", 5, to_tag="nobody")
    assert call.peer.statuses() == []
    call.talk()
    call.request("BYE", 2, from_tag="stranger")
    assert call.last.status == 481 and call.ana.count(HungUp) == 0


def test_requests_out_of_order_are_refused(call: Called) -> None:
    call.talk()
    call.request("INFO", 9)
    assert call.last.status == 200
    call.request("INFO", 8)
    assert call.last.status == 500


def test_methods_inside_a_call(call: Called) -> None:
    call.talk()
    for cseq, (method, status) in enumerate(
        [("REFER", 400), ("NOTIFY", 489), ("SUBSCRIBE", 489), ("MESSAGE", 405), ("OPTIONS", 200), ("UPDATE", 200), ("INFO", 200)], 2
    ):
        call.request(method, cseq)
        assert (method, call.last.status) == (method, status)


@pytest.mark.parametrize(
    ("content_type", "body", "digit", "status"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=100", "5", 200),
        ("application/dtmf-relay", b"Signal= *\r\n", "*", 200),
        ("application/dtmf-relay;x=y", b"signal=11", "#", 200),
        ("application/dtmf", b"d\r\n", "D", 200),
        ("application/dtmf", b"10", "*", 200),
        ("application/dtmf", b"Signal=7\r\nDuration=160\r\n", "7", 200),
        ("application/dtmf-relay", b"Signal=hf", None, 200),
        ("application/dtmf-relay", b"Signal=16", None, 200),
        ("application/dtmf", b"!", None, 200),
        ("application/dtmf-relay", b"Signal=Q", None, 415),
        ("application/dtmf-relay", b"\xff\xfe", None, 415),
        ("application/xml", b"<x/>", None, 415),
    ],
)
def test_digits_by_info(call: Called, content_type: str, body: bytes, digit: str | None, status: int) -> None:
    call.talk()
    call.request("INFO", 2, f"Content-Type: {content_type}", body=body)
    assert call.last.status == status
    assert [event.digit for event in call.ana.events if isinstance(event, DigitArrived)] == ([digit] if digit else [])


@pytest.mark.parametrize(
    ("lines", "host", "answer", "heard"),
    [
        (("a=sendonly",), "10.0.0.9", b"a=recvonly", Direction.SENDONLY),
        (("a=inactive",), "10.0.0.9", b"a=inactive", Direction.INACTIVE),
        (("a=recvonly",), "10.0.0.9", b"a=sendonly", Direction.RECVONLY),
        ((), "0.0.0.0", b"a=recvonly", Direction.SENDONLY),
        (("a=inactive",), "0.0.0.0", b"a=inactive", Direction.INACTIVE),
    ],
)
def test_every_way_of_holding_is_answered_as_it_should(
    call: Called, lines: tuple[str, ...], host: str, answer: bytes, heard: Direction
) -> None:
    call.talk()
    call.request("INVITE", 2, body=sdp("m=audio 7000 RTP/AVP 8", *lines, host=host))
    assert call.last.status == 200 and answer in call.last.body
    remote = call.ana.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.direction is heard
    call.request("ACK", 2)
    call.request("INVITE", 3, body=sdp())
    assert b"a=sendrecv" in call.last.body
    call.request("ACK", 3)
    assert call.ana.count(Reagreed) == 2


def test_a_session_direction_counts_where_the_media_line_has_none(call: Called) -> None:
    call.talk()
    body = sdp().replace(b"t=0 0\r\n", b"t=0 0\r\na=sendonly\r\n")
    call.request("INVITE", 2, body=body)
    assert b"a=recvonly" in call.last.body


def test_a_reinvite_that_changes_nothing_tells_nobody_and_keeps_the_version(call: Called) -> None:
    call.talk()
    first = call.last.body
    call.request("INVITE", 2, body=sdp())
    assert call.last.body == first and call.ana.count(Reagreed) == 0


def test_a_reinvite_to_another_codec_and_address(call: Called) -> None:
    call.talk()
    call.request("INVITE", 2, "Contact: <sip:moved@10.0.0.9:5060>", body=sdp("m=audio 7100 RTP/AVP 9", host="10.0.0.7"))
    remote = call.ana.last(Reagreed).remote
    assert remote == RtpEndpoint("10.0.0.7", 7100, (G722,), None)
    assert b"RTP/AVP 9" in call.last.body
    call.request("ACK", 2)
    call.ana.agent.send_digit(call.ana.last(Arrived).leg_id, "1", call.network.now)
    call.run()
    assert call.peer.requests("INFO")[0].uri == "sip:moved@10.0.0.9:5060"


def test_a_reinvite_that_cannot_be_had_leaves_the_call_as_it_was(call: Called) -> None:
    leg_id = call.talk()
    call.request("INVITE", 2, body=sdp("m=audio 7000 RTP/AVP 18"))
    assert call.last.status == 488 and call.ana.count(HungUp) == 0
    call.request("ACK", 2, branch="INVITE2")
    call.ana.agent.hold(leg_id, True, call.network.now)
    call.run()
    assert b"RTP/AVP 8 101" in call.peer.requests("INVITE")[0].body


def test_a_reinvite_without_offer_gets_ours_and_its_answer_counts(call: Called) -> None:
    call.talk()
    call.request("INVITE", 2)
    assert call.last.status == 200 and b"a=sendrecv" in call.last.body
    call.request("ACK", 2, body=sdp("m=audio 7200 RTP/AVP 8"))
    remote = call.ana.last(Reagreed).remote
    assert isinstance(remote, RtpEndpoint) and remote.port == 7200


def test_a_second_reinvite_before_the_first_is_acknowledged(call: Called) -> None:
    call.talk()
    call.request("INVITE", 2, body=sdp())
    call.request("INVITE", 3, body=sdp())
    assert call.last.status == 500 and call.last.get("Retry-After") is not None


def test_an_update_with_an_offer(call: Called) -> None:
    call.talk()
    call.request("UPDATE", 2, body=sdp("m=audio 7000 RTP/AVP 8", "a=sendonly"))
    assert call.last.status == 200 and b"a=recvonly" in call.last.body
    assert call.ana.count(Reagreed) == 1


def test_offers_that_cross_are_refused_with_491(call: Called) -> None:
    leg_id = call.talk()
    call.ana.agent.hold(leg_id, True, call.network.now)
    call.request("INVITE", 2, body=sdp())
    assert call.last.status == 491
    call.request("UPDATE", 3, body=sdp())
    assert call.last.status == 491


def test_bye_before_the_answer_ends_the_invite_too(call: Called) -> None:
    leg_id = call.arrive()
    call.ana.agent.ring(leg_id, call.network.now)
    call.run()
    call.request("BYE", 2, to_tag=call.last.to_address.tag or "")
    assert sorted(call.peer.statuses()) == [100, 180, 200, 487]
    assert call.ana.count(HungUp) == 1


@pytest.mark.parametrize(
    ("header", "after_s", "status"), [("X: 1", 180, 480), ("Expires: 20", 20, 487), ("Expires: 9999", 180, 480), ("Expires: x", 180, 480)]
)
def test_a_call_that_nobody_takes_is_refused_in_the_end(call: Called, header: str, after_s: int, status: int) -> None:
    call.arrive(header)
    call.run(after_s - 1)
    assert call.peer.statuses() == [100]
    call.run(1)
    assert call.last.status == status and call.ana.last(HungUp).cause.reason is EndReason.NO_ANSWER
    call.run(33)
    assert not call.ana.agent.busy


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("Session-Expires: 1800;refresher=uas", "1800;refresher=uas"),
        ("Session-Expires: 1800;refresher=uac", "1800;refresher=uac"),
        ("Session-Expires: 1800", "1800;refresher=uac"),
        ("x: 600", "600;refresher=uac"),
        ("X-Other: 1", "1800;refresher=uac"),
    ],
)
def test_session_timers_settle_on_who_refreshes(call: Called, header: str, answer: str) -> None:
    call.arrive(header, "Supported: timer")
    call.ana.agent.answer(call.ana.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), call.network.now)
    call.run()
    assert call.last.get("Session-Expires") == answer
    assert ("timer" in call.last.tokens("Require")) is answer.endswith("uac")


def test_we_refresh_for_a_caller_without_session_timers() -> None:
    call = Called(session_expires_s=100)
    call.talk()
    call.run(50.2)
    assert len(call.peer.requests("INVITE")) == 1, "no UPDATE in its Allow, so by re-INVITE"
    call.run(60)
    assert call.ana.count(HungUp) == 1, "it never answered"


def test_update_refreshes_a_caller_that_allows_it() -> None:
    call = Called(session_expires_s=100)
    call.talk("Allow: INVITE, ACK, BYE, CANCEL, UPDATE")
    call.run(51)
    update = call.peer.requests("UPDATE")[0]
    assert not update.body and update.get("Session-Expires") == "100;refresher=uac"


def test_broken_messages_are_answered_or_dropped_and_counted(call: Called) -> None:
    via = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKbad"
    head = f"{via}\nFrom: <sip:a@x>;tag=1\nTo: <sip:b@y>\nCall-ID: q\nCSeq: 1 INVITE"
    call.peer.send(f"INVITE sip:100@10.0.0.1 SIP/2.0\n{head}\nMax-Forwards: 999")
    call.peer.send(f"INVITE sip:100@10.0.0.1 SIP/7.0\n{head}")
    call.peer.send("INVITE sip:100@10.0.0.1 SIP/2.0\nFrom: <sip:a@x>;tag=1")
    call.network.post_bytes(b"\x00\xff" * 50, call.peer.here, call.peer.there)
    call.run()
    assert call.peer.statuses() == [400, 505]
    assert call.ana.line.counts["bad_messages"] == 4


@pytest.mark.parametrize(("lines", "wanted_ms"), [((), 20), (("a=ptime:60", "a=maxptime:40"), 40), (("a=maxptime:10", "a=ptime:"), 10)])
def test_packets_are_as_long_as_the_caller_wants_and_takes(call: Called, lines: tuple[str, ...], wanted_ms: int) -> None:
    call.arrive(body=sdp("m=audio 7000 RTP/AVP 8", *lines))
    remote = call.ana.last(Arrived).remote
    assert isinstance(remote, RtpEndpoint) and remote.ptime_ms == wanted_ms


def test_a_caller_whose_name_cannot_be_written_is_refused_at_once(call: Called) -> None:
    call.peer.send(
        "INVITE sip:100@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx\nFrom: a\x01b <sip:a@10.0.0.9>;tag=p\n"
        "To: <sip:100@10.0.0.1>\nCall-ID: x\nCSeq: 1 INVITE\nContact: <sip:a@10.0.0.9>\nContent-Type: application/sdp",
        sdp(),
    )
    call.run()
    assert call.peer.statuses() == [100, 400] and call.ana.count(Arrived) == 0
