"""Keys in session descriptions: what is taken, what is refused, who sends under which (RFC 4568)."""

import base64
import itertools
from dataclasses import replace

import pytest

from pbx.message import Request
from pbx.negotiation import Negotiation
from pbx.sdes import SrtpMode, Unusable, first_usable, parse_crypto
from pbx.sdp import NoCommonAudio, audio_of, parse_sdp
from pbx.sip_settings import SipTransport, SipTrunkSettings
from pbx.trunk import Answered, Arrived, Reagreed
from rooms.audio import G722, PCMA, Direction, RtpEndpoint, SrtpKey, SrtpKeys, SrtpSuite
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint, sdp

AES_80, AES_32, GCM = SrtpSuite.AES_CM_128_HMAC_SHA1_80, SrtpSuite.AES_CM_128_HMAC_SHA1_32, SrtpSuite.AEAD_AES_128_GCM
KEY = bytes(range(30))
TEXT = base64.b64encode(KEY).decode()
OTHER = base64.b64encode(KEY[::-1]).decode()
SAVP, AVP = "m=audio 7000 RTP/SAVP 8 101", "m=audio 7000 RTP/AVP 8 101"  # events without rtpmap are none


def line(key: str = TEXT, tag: int = 1, suite: str = AES_80) -> str:
    return f"a=crypto:{tag} {suite} inline:{key}"


def negotiation(srtp: SrtpMode) -> Negotiation:
    """Its keys are of zeros, ones and so on, in the order in which they are drawn."""
    numbers = itertools.count()
    return Negotiation(1, srtp, draw=lambda octets: bytes([next(numbers)]) * octets)


@pytest.mark.parametrize("suite", list(SrtpSuite))
def test_every_suite_has_keys_of_its_own_length(suite: SrtpSuite) -> None:
    key = bytes(suite.key_bytes)
    text = base64.b64encode(key).decode()
    assert parse_crypto(f"7 {suite} inline:{text}").key == SrtpKey(suite, key)
    assert parse_crypto(f"7 {suite.lower()} inline:{text.rstrip('=')}").tag == 7
    with pytest.raises(Unusable, match="length"):
        parse_crypto(f"7 {suite} inline:{base64.b64encode(key[1:]).decode()}")


@pytest.mark.parametrize(
    ("behind", "window_packets"),
    [
        ("", 128),
        ("|2^20", 128),
        ("|1048576", 128),
        ("|2^48", 128),
        (" WSH=64", 128),
        (" WSH=1024", 1024),
        (" WSH=99999", 32_767),
        (" -UNKNOWN=1 WSH=200", 200),
    ],
)
def test_lifetimes_and_windows_are_read(behind: str, window_packets: int) -> None:
    assert parse_crypto(f"1 {AES_80} inline:{TEXT}{behind}").key == SrtpKey(AES_80, KEY, window_packets)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        f"1 {AES_80}",
        f"x {AES_80} inline:{TEXT}",
        f"1234567890 {AES_80} inline:{TEXT}",
        f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
        f"1 {AES_80} uri:{TEXT}",
        f"1 {AES_80} inline:{TEXT};inline:{TEXT}",
        f"1 {AES_80} inline:{TEXT}|2^20|1:4",
        f"1 {AES_80} inline:{TEXT}|1:4",
        f"1 {AES_80} inline:{TEXT}|0",
        f"1 {AES_80} inline:{TEXT}|2^49",
        f"1 {AES_80} inline:{TEXT}|forever",
        f"1 {AES_80} inline:{TEXT}|1|2",
        f"1 {AES_80} inline:{TEXT[:-1]}!",
        *(
            f"1 {AES_80} inline:{TEXT} {parameter}"
            for parameter in (
                "KDR=1",
                "UNENCRYPTED_SRTP",
                "UNENCRYPTED_SRTCP",
                "UNAUTHENTICATED_SRTP",
                "FEC_ORDER=SRTP_FEC",
                f"FEC_KEY=inline:{TEXT}",
                "WSH=63",
                "WSH=x",
                "NEW=1",
            )
        ),
    ],
)
def test_what_cannot_be_obeyed_is_refused_without_telling_the_key(text: str) -> None:
    with pytest.raises(Unusable) as refused:
        parse_crypto(text)
    assert TEXT[:8] not in str(refused.value)


def test_the_first_line_that_can_be_taken_is() -> None:
    lines = [
        f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
        f"2 {AES_80} inline:{TEXT}|2^31|1:1",
        f"3 {AES_32} inline:{TEXT}|2^31",
        f"4 {AES_80} inline:{TEXT}",
    ]
    assert first_usable(lines).tag == 3
    with pytest.raises(Unusable, match="MKI"):
        first_usable(lines[:2])
    with pytest.raises(Unusable):
        first_usable([f"9 NONE inline:{TEXT}"] * 40 + lines)


def test_keys_are_printed_nowhere() -> None:
    asked = negotiation(SrtpMode.REQUIRED)
    remote = asked.take_offer(sdp(SAVP, line()))
    message = Request(method="INVITE", uri="sip:a@b", body=sdp(SAVP, line()))
    assert remote.srtp is not None and remote.srtp.received.key == KEY
    for shown in (repr(remote), str(remote.srtp), repr(asked.__dict__), repr(message), repr(parse_crypto(f"1 {AES_80} inline:{TEXT}"))):
        assert TEXT[:8] not in shown and repr(KEY)[2:20] not in shown


# -- who answers


@pytest.mark.parametrize(
    ("srtp", "lines", "answered", "encrypted"),
    [
        (SrtpMode.OFF, (AVP,), ["m=audio 4000 RTP/AVP 8"], False),
        (SrtpMode.OFF, (SAVP, line(), AVP), ["m=audio 0 RTP/SAVP 8 101", "m=audio 4000 RTP/AVP 8"], False),
        (SrtpMode.OFF, (AVP, line()), ["m=audio 4000 RTP/AVP 8"], False),
        (SrtpMode.OFFERED, (AVP,), ["m=audio 4000 RTP/AVP 8"], False),
        (SrtpMode.OFFERED, (SAVP, line(), AVP), ["m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8 101"], True),
        (SrtpMode.OFFERED, (AVP, SAVP, line()), ["m=audio 0 RTP/AVP 8 101", "m=audio 4000 RTP/SAVP 8"], True),
        (SrtpMode.OFFERED, (SAVP, line(suite="F8"), AVP), ["m=audio 0 RTP/SAVP 8 101", "m=audio 4000 RTP/AVP 8"], False),
        (SrtpMode.OFFERED, (AVP, line()), ["m=audio 4000 RTP/AVP 8"], True),
        (SrtpMode.REQUIRED, (SAVP + "F", line()), ["m=audio 4000 RTP/SAVP 8"], True),
        (SrtpMode.REQUIRED, ("m=audio 7000 RTP/SAVPF 8", line()), ["m=audio 4000 RTP/SAVPF 8"], True),
        (
            SrtpMode.REQUIRED,
            (AVP, SAVP, line(), AVP),
            ["m=audio 0 RTP/AVP 8 101", "m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8 101"],
            True,
        ),
    ],
)
def test_of_several_lines_one_is_answered(srtp: SrtpMode, lines: tuple[str, ...], answered: list[str], encrypted: bool) -> None:
    called = negotiation(srtp)
    called.take_offer(sdp(*lines))
    body = called.answer(replace(endpoint(codecs=(PCMA,)))).decode()
    assert [text for text in body.split("\r\n") if text.startswith("m=")] == answered
    assert called.theirs is not None and (called.theirs.srtp is not None) is encrypted
    keys = [text for text in body.split("\r\n") if text.startswith("a=crypto")]
    assert keys == ([line(base64.b64encode(bytes(30)).decode())] if encrypted else [])


@pytest.mark.parametrize(
    ("srtp", "lines", "words"),
    [
        (SrtpMode.OFF, (SAVP, line()), "encryption is off here"),
        (SrtpMode.OFFERED, (SAVP,), "none is there"),
        (SrtpMode.OFFERED, (SAVP, line() + "|1:4"), "MKI"),
        (SrtpMode.REQUIRED, (AVP,), "not encrypted, which is required"),
        (SrtpMode.REQUIRED, (AVP, line(suite="F8")), "not encrypted, which is required"),
        (SrtpMode.OFFERED, ("m=audio 7000 UDP/TLS/RTP/SAVPF 8", line()), "not spoken here"),
    ],
)
def test_what_does_not_suit_is_refused_in_words(srtp: SrtpMode, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(NoCommonAudio, match=words):
        audio_of(parse_sdp(sdp(*lines)), srtp)


def test_the_answer_repeats_the_tag_and_gives_a_key_of_our_own() -> None:
    called = negotiation(SrtpMode.REQUIRED)
    remote = called.take_offer(sdp(SAVP, line(suite="F8", tag=1), line(tag=23, suite=AES_32)))
    again = called.take_offer(sdp(SAVP, line(suite="F8", tag=1), line(tag=23, suite=AES_32)))
    assert remote == again
    assert f"a=crypto:23 {AES_32} inline:{base64.b64encode(bytes(30)).decode()}\r\n".encode() in called.answer(endpoint(codecs=(PCMA,)))
    assert remote.srtp == SrtpKeys(sent=SrtpKey(AES_32, bytes(30)), received=SrtpKey(AES_32, KEY))


# -- who offers


def test_where_encryption_is_offered_the_same_audio_stands_there_twice() -> None:
    asked = negotiation(SrtpMode.OFFERED)
    text = asked.offer(endpoint(codecs=(PCMA,))).decode()
    lines = [text for text in text.split("\r\n") if text.startswith(("m=", "a=crypto"))]
    assert [text.split(" inline")[0] for text in lines] == [
        "m=audio 4000 RTP/SAVP 8 101",
        "a=crypto:1 AEAD_AES_256_GCM",
        "a=crypto:2 AEAD_AES_128_GCM",
        "a=crypto:3 AES_256_CM_HMAC_SHA1_80",
        "a=crypto:4 AES_CM_128_HMAC_SHA1_80",
        "m=audio 4000 RTP/AVP 8 101",
    ]
    assert negotiation(SrtpMode.REQUIRED).offer(endpoint()).count(b"m=audio") == 1
    assert b"crypto" not in negotiation(SrtpMode.OFF).offer(endpoint())


@pytest.mark.parametrize(
    ("answer", "sent", "later"),
    [
        ((SAVP, line(tag=4), "m=audio 0 RTP/AVP 8"), bytes([3]) * 30, ["m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8"]),
        ((SAVP, line(tag=9)), bytes([3]) * 30, ["m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8"]),
        (("m=audio 0 RTP/SAVP 8", AVP), None, ["m=audio 0 RTP/SAVP 8", "m=audio 4000 RTP/AVP 8"]),
        (("m=audio 0 RTP/SAVP 8", AVP, line()), None, ["m=audio 0 RTP/SAVP 8", "m=audio 4000 RTP/AVP 8"]),
        ((SAVP, line(tag=4), AVP), bytes([3]) * 30, ["m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8"]),
    ],
)
def test_the_answer_says_which_of_the_two_and_later_offers_keep_its_place(
    answer: tuple[str, ...], sent: bytes | None, later: list[str]
) -> None:
    asked = negotiation(SrtpMode.OFFERED)
    asked.offer(endpoint(codecs=(PCMA,)))
    remote = asked.take_answer(sdp(*answer))
    assert (remote.srtp.sent.key if remote.srtp is not None else None) == sent
    asked.held = True
    lines = asked.offer().decode().split("\r\n")
    assert [text for text in lines if text.startswith("m=")] == later
    keys = [text for text in lines if text.startswith("a=crypto")]
    assert keys == ([] if sent is None else [line(base64.b64encode(sent).decode(), tag=4)])


@pytest.mark.parametrize(
    ("srtp", "answer", "words"),
    [
        (SrtpMode.OFFERED, (SAVP, line(suite=AES_32)), "not offered"),
        (SrtpMode.OFFERED, (SAVP,), "none is there"),
        (SrtpMode.REQUIRED, (AVP,), "required"),
        (SrtpMode.REQUIRED, (AVP, line()), "required"),
    ],
)
def test_an_answer_that_was_not_asked_for_ends_it(srtp: SrtpMode, answer: tuple[str, ...], words: str) -> None:
    asked = negotiation(srtp)
    asked.offer(endpoint(codecs=(PCMA,)))
    with pytest.raises(NoCommonAudio, match=words):
        asked.take_answer(sdp(*answer))


# -- later offers


def keyed(key: str = TEXT, *, host: str = "10.0.0.9", direction: str = "sendrecv", port: int = 7000) -> bytes:
    return sdp(f"m=audio {port} RTP/SAVP 8", line(key), f"a={direction}", host=host)


@pytest.mark.parametrize(
    ("offer", "received", "sent"),
    [
        (keyed(direction="sendonly"), KEY, 0),
        (keyed(OTHER), KEY[::-1], 0),
        (keyed(OTHER, host="10.0.0.8"), KEY[::-1], 1),
        (keyed(port=7002), KEY, 1),
        (keyed(host="0.0.0.0"), KEY, 0),
    ],
)
def test_our_key_stays_until_the_far_end_moves(offer: bytes, received: bytes, sent: int) -> None:
    called = negotiation(SrtpMode.OFFERED)
    called.take_offer(keyed())
    called.answer(endpoint(codecs=(PCMA,)))
    body, remote, _ = called.answer_again(offer)
    assert remote.srtp is not None and remote.srtp.received.key == received
    assert remote.srtp.sent.key == bytes([sent]) * 30
    assert base64.b64encode(bytes([sent]) * 30) in body
    _, back, _ = called.answer_again(keyed(OTHER) if received != KEY else keyed())
    assert back.srtp is not None and (back.srtp.sent.key[0] == sent) is (sent == 0)


def test_an_offer_that_is_refused_changes_no_key() -> None:
    called = negotiation(SrtpMode.REQUIRED)
    called.take_offer(keyed())
    called.answer(endpoint(codecs=(PCMA,)))
    before = called.theirs
    for offer in (sdp(AVP), sdp("m=audio 7000 RTP/SAVP 18", line(OTHER), host="10.0.0.7")):
        with pytest.raises(NoCommonAudio):
            called.answer_again(offer)
    called.held = True
    assert called.theirs == before and base64.b64encode(bytes(30)) in called.offer()


def test_two_of_us_hold_and_resume_under_the_same_keys() -> None:
    network = VirtualSip()
    ana, ben = (
        VirtualPhone(network, f"10.0.0.{own}", f"10.0.0.{peer}", f"{own}00", own, srtp=SrtpMode.OFFERED) for own, peer in ((1, 2), (2, 1))
    )
    ana.dial()
    network.run(0.2)
    ben.agent.answer(ben.last(Arrived).leg_id, endpoint(ben.host, 5000, (G722,)), network.now)
    network.run(0.2)
    first = ana.last(Answered).remote
    assert isinstance(first, RtpEndpoint) and first.srtp is not None and first.srtp.sent.suite is SrtpSuite.AEAD_AES_256_GCM
    there = ben.last(Arrived).remote
    assert isinstance(there, RtpEndpoint) and there.srtp == SrtpKeys(first.srtp.received, first.srtp.sent)
    for phone, leg_id in ((ana, "a"), (ben, ben.last(Arrived).leg_id)):
        for held in (True, False):
            phone.agent.hold(leg_id, held, network.now)
            network.run(0.5)
            for told, keys in ((ana, first.srtp), (ben, there.srtp)):
                remote = told.last(Reagreed).remote
                assert isinstance(remote, RtpEndpoint) and remote.srtp == keys
                assert (remote.direction is Direction.SENDRECV) is not held


@pytest.mark.parametrize(("srtp", "transport", "in_clear"), [("off", "udp", False), ("offered", "tcp", True), ("required", "tls", False)])
def test_keys_over_signalling_in_clear_are_told(srtp: str, transport: str, in_clear: bool) -> None:
    assert SipTrunkSettings("pbx", "100", srtp=SrtpMode(srtp), transport=SipTransport(transport)).keys_in_clear is in_clear
    network = VirtualSip()
    ana = VirtualPhone(network, "10.0.0.1", "10.0.0.2", "100", 1, srtp=SrtpMode(srtp), transport=SipTransport(transport), keepalive_s=0.0)
    ana.agent.open(network.now)
    assert ("travel in clear" in ana.agent.registration.status.detail) is in_clear
