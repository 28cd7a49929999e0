"""A line's own order of codecs counts in its offers and in its answers."""

from dataclasses import replace

import pytest

from pbx.negotiation import Negotiation
from pbx.sdp import NoCommonAudio
from rooms.audio import G722, OPUS, PCMA, PCMU
from tests.kit.virtual_sip import endpoint, sdp

OFFER = sdp(
    "m=audio 7000 RTP/AVP 9 0 8 96 101 102",
    "a=rtpmap:96 opus/48000/2",
    "a=rtpmap:101 telephone-event/8000",
    "a=rtpmap:102 telephone-event/48000",
)


def test_an_offer_has_the_lines_codecs_in_its_order_with_events_of_each_clock() -> None:
    ordered = Negotiation(1, order=("opus", "pcma"))
    body = ordered.offer(endpoint(codecs=(G722, PCMU)))
    assert b"m=audio 4000 RTP/AVP 111 8 101 102\r\n" in body
    assert b"a=fmtp:111 minptime=10;useinbandfec=1\r\n" in body
    assert b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:102 telephone-event/48000\r\na=fmtp:102 0-15\r\n" in body
    assert b"m=audio 4000 RTP/AVP 9 0 101\r\n" in Negotiation(1).offer(endpoint(codecs=(G722, PCMU)))


@pytest.mark.parametrize(
    ("order", "offered", "dtmf"),
    [
        ((), ["g722", "pcmu", "pcma", "opus"], 101),
        (("pcma", "opus"), ["pcma", "opus"], 101),
        (("opus", "pcmu"), ["opus", "pcmu"], 102),
    ],
)
def test_what_a_phone_offers_is_taken_in_the_lines_order(order: tuple[str, ...], offered: list[str], dtmf: int) -> None:
    remote = Negotiation(1, order=order).take_offer(OFFER)
    assert [codec.name for codec in remote.codecs] == offered
    assert (remote.preferred, remote.dtmf_payload_type) == (order, dtmf)


def test_an_answer_has_one_codec_and_the_events_of_its_clock() -> None:
    called = Negotiation(1, order=("opus", "pcma"))
    remote = called.take_offer(OFFER)
    body = called.answer(replace(endpoint(), codecs=remote.codecs[:1]))
    assert b"m=audio 4000 RTP/AVP 96 102\r\n" in body and b"a=rtpmap:102 telephone-event/48000\r\n" in body
    called = Negotiation(1)
    called.take_offer(OFFER)
    assert b"m=audio 4000 RTP/AVP 8 101\r\n" in called.answer(endpoint(codecs=(PCMA,)))
    assert called.theirs is not None and called.theirs.dtmf_payload_type == 101


def test_a_phone_without_any_of_them_is_refused_in_words() -> None:
    with pytest.raises(NoCommonAudio, match="opus"):
        Negotiation(1, order=("opus",)).take_offer(sdp("m=audio 7000 RTP/AVP 8"))


def test_comfort_noise_is_asked_for_where_the_line_wants_it() -> None:
    offered = sdp("m=audio 7000 RTP/AVP 8 13", "a=rtpmap:13 CN/8000")
    for wanted in (True, False):
        asked, called, other = (Negotiation(number, comfort_noise=wanted) for number in range(3))
        assert (b"RTP/AVP 8 101 13\r\n" in asked.offer(endpoint(codecs=(PCMA,)))) is wanted
        called.take_offer(offered)
        assert (b"RTP/AVP 8 13\r\n" in called.answer(endpoint(codecs=(PCMA,)))) is wanted
        other.take_offer(sdp("m=audio 7000 RTP/AVP 8"))
        assert b"13" not in other.answer(endpoint(codecs=(PCMA,)))
    assert b"CN/8000" not in Negotiation(9, comfort_noise=True).offer(endpoint(codecs=(OPUS,)))
