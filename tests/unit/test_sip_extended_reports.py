"""Where RTCP goes, and who wants extended reports, stands in the session description (RFC 3605, RFC 5761, RFC 3611 section 5)."""

from dataclasses import replace

import pytest

from pbx.negotiation import Negotiation
from pbx.sdp import EXTENDED_REPORTS, audio_of, parse_sdp
from tests.kit.virtual_sip import endpoint, sdp

ASKED = sdp("m=audio 7000 RTP/AVP 8", "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup voip-metrics")
OURS = replace(endpoint(), reports=EXTENDED_REPORTS)


def test_what_a_phone_asks_for_is_read_and_what_we_do_not_know_is_left() -> None:
    asked = audio_of(parse_sdp(ASKED.replace(b"rcvr-rtt=all:10000", b"rcvr-rtt=sender"))).endpoint
    assert asked.reports == {"voip-metrics", "rcvr-rtt"}
    silent = audio_of(parse_sdp(sdp())).endpoint
    assert silent.reports == frozenset()
    of_session = ASKED.replace(b"t=0 0\r\n", b"t=0 0\r\na=rtcp-xr:voip-metrics\r\n").replace(b"rcvr-rtt=all:10000 ", b"")
    asked = audio_of(parse_sdp(of_session)).endpoint
    assert asked.reports == {"voip-metrics"}


def test_we_ask_in_our_offer_and_in_an_answer_to_whom_asked() -> None:
    assert b"a=rtcp-xr:voip-metrics rcvr-rtt=all\r\n" in Negotiation(1).offer(OURS)
    asked, silent = Negotiation(1), Negotiation(2)
    asked.take_offer(ASKED)
    assert b"a=rtcp-xr:voip-metrics rcvr-rtt=all\r\n" in asked.answer(OURS)
    assert asked.theirs is not None and asked.theirs.reports == EXTENDED_REPORTS
    silent.take_offer(sdp())
    assert b"rtcp-xr" not in silent.answer(OURS)


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("a=rtcp:7777", 7777),
        ("a=rtcp:7777 IN IP4 10.0.0.9", 7777),
        ("a=rtcp:7777 IN IP4 10.0.0.8", 0),
        ("a=rtcp:53", 0),
        ("a=rtcp:70000", 0),
        ("a=rtcp:x", 0),
    ],
)
def test_where_reports_go_is_read(line: str, port: int) -> None:
    assert audio_of(parse_sdp(sdp("m=audio 7000 RTP/AVP 8", line))).endpoint.rtcp_port == port


def test_one_port_for_both_where_both_say_so() -> None:
    ours, theirs = replace(endpoint(), rtcp_mux=True), sdp("m=audio 7000 RTP/AVP 8", "a=rtcp-mux")
    for mine, body, agreed in ((ours, theirs, True), (ours, sdp(), False), (endpoint(), theirs, False)):
        asked, called = Negotiation(1), Negotiation(2)
        assert (b"a=rtcp-mux\r\n" in asked.offer(mine)) is mine.rtcp_mux
        assert asked.take_answer(body).rtcp_mux is agreed
        called.take_offer(body)
        assert (b"a=rtcp-mux\r\n" in called.answer(mine)) is agreed
        assert called.theirs is not None and called.theirs.rtcp_mux is agreed
