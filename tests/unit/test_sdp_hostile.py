"""Session descriptions as attackers and broken phones write them: an error of ours or a bounded answer, soon, and nothing else."""

import contextlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.negotiation import Negotiation
from pbx.sdes import SrtpMode
from pbx.sdp import MAX_BYTES, MAX_FORMATS, MAX_MEDIA_LINES, BadSdp, NoCommonAudio, audio_of, parse_sdp
from rooms.audio import Direction
from tests.kit.virtual_sip import endpoint, sdp

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
REAL = sdp(
    "m=audio 7000 RTP/SAVP 111 9 8 0 101 97",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:9 G722/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=rtpmap:97 telephone-event/48000",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31",
    "a=ptime:20",
    "a=maxptime:150",
    "a=rtcp:7001 IN IP4 10.0.0.9",
    "a=rtcp-xr:voip-metrics",
    "a=sendrecv",
    "m=audio 7000 RTP/AVP 8 0",
    "m=video 0 RTP/AVP 96",
)
TOKENS = (
    *(b"m=audio 1 RTP/AVP 8\r\n", b"c=IN IP6 ::1\r\n", b"a=rtpmap:8 ", b"a=fmtp:", b"a=crypto:", b"inline:"),
    *(b"=", b"\r", b"\0", b"65536", b"-1"),
)


def negotiate(body: bytes) -> None:
    """Everything that we do with a description: as an offer, as a later one, as an answer."""
    for srtp in SrtpMode:
        called = Negotiation(1, srtp)
        with contextlib.suppress(BadSdp, NoCommonAudio):
            called.take_offer(body)
            answer = called.answer(endpoint())
            assert len(answer) < 2 * MAX_BYTES and answer.count(b"m=") == len(parse_sdp(body).media)
            called.answer_again(body)
        asked = Negotiation(2, srtp)
        asked.offer(endpoint())
        with contextlib.suppress(BadSdp, NoCommonAudio):
            asked.take_answer(body)
            asked.offer()


def spoilt(random: Random, body: bytes) -> bytes:
    """With a few bytes changed, lines repeated, moved or left out, tokens put in."""
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(body) + 1)
        lines = body.split(b"\r\n")
        match random.randrange(5):
            case 0:
                body = body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
            case 1:
                body = body[:at] + random.choice(TOKENS) + body[at:]
            case 2:
                body = body[:at] + body[at + random.randrange(40) :]
            case 3:
                random.shuffle(lines)
                body = b"v=0\r\n" + b"\r\n".join(lines)
            case 4:
                body = b"\r\n".join(lines + lines[random.randrange(len(lines)) :] * random.randrange(4))
    return body


def test_spoilt_descriptions_are_refused_or_answered() -> None:
    random = Random(4_566)
    for _ in range(1_000):
        negotiate(spoilt(random, REAL))


@given(st.binary(max_size=300), st.integers(0, len(REAL)))
@settings(max_examples=40)
def test_any_bytes_anywhere_are_refused_or_answered(noise: bytes, at: int) -> None:
    negotiate(REAL[:at] + noise + REAL[at:])


@pytest.mark.parametrize(
    "body",
    [
        sdp(*("m=audio 7000 RTP/AVP 8",) * 1_000),
        sdp(*(f"m=x{number} 1 y z" for number in range(MAX_MEDIA_LINES + 1))),
        sdp("m=audio -7000 RTP/AVP 8"),
        sdp("m=audio 65536 RTP/AVP 8"),
        sdp("m=audio 7000000000000000000000 RTP/AVP 8"),
        sdp("m=audio x RTP/AVP 8"),
        sdp("m=audio 7000"),
        sdp("c=IN IP4"),
        sdp("c=ATM IP4 10.0.0.9"),
        sdp("o=-"),
        b"v=0\r\n" + b"a=x\r\n" * 100_000,
        b"v=0\r\n" + b"a" * (MAX_BYTES + 1),
        b"v=1\r\n",
        b"",
        b"\r\n" * 50,
    ],
)
def test_what_is_beyond_bounds_is_no_description(body: bytes) -> None:
    with pytest.raises(BadSdp):
        parse_sdp(body)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ("IN IP4 pbx.example.com", "a name"),
        ("IN IP4 10.0.0.9.evil.example", "a name"),
        ("IN IP4 1", "a name"),
        ("IN IP4 999.1.1.1", "a name"),
        ("IN IP6 fe80::1%eth0\x00", "a name"),
    ],
)
def test_an_address_is_a_number(connection: str, words: str) -> None:
    with pytest.raises(NoCommonAudio, match=words):
        audio_of(parse_sdp(sdp(f"c={connection}", "m=audio 7000 RTP/AVP 8")))


def test_ipv6_is_taken_and_answered_in_its_own_family() -> None:
    called = Negotiation(1)
    remote = called.take_offer(b"v=0\r\no=- 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n")
    assert (remote.host, remote.port) == ("2001:db8::9", 7000)
    assert b"c=IN IP6 2001:db8::1\r\n" in called.answer(endpoint("2001:db8::1"))


@pytest.mark.parametrize(
    ("lines", "direction"),
    [
        (("m=audio 7000 RTP/AVP 8", "a=sendonly"), Direction.SENDONLY),
        (("m=audio 7000 RTP/AVP 8", "a=inactive"), Direction.INACTIVE),
        (("m=audio 7000 RTP/AVP 8", "a=recvonly"), Direction.RECVONLY),
        (("m=audio 7000 RTP/AVP 8", "c=IN IP4 0.0.0.0"), Direction.SENDONLY),
        (("m=audio 7000 RTP/AVP 8", "c=IN IP4 0.0.0.0", "a=recvonly"), Direction.INACTIVE),
        (("a=inactive", "m=audio 7000 RTP/AVP 8"), Direction.INACTIVE),
        (("a=inactive", "m=audio 7000 RTP/AVP 8", "a=sendrecv"), Direction.SENDRECV),
    ],
)
def test_every_form_of_holding(lines: tuple[str, ...], direction: Direction) -> None:
    assert audio_of(parse_sdp(sdp(*lines))).endpoint.direction is direction


def test_a_line_that_is_switched_off_is_no_hold() -> None:
    with pytest.raises(NoCommonAudio, match="switched off"):
        audio_of(parse_sdp(sdp("m=audio 0 RTP/AVP 8", "a=sendonly")))


def test_formats_are_bounded_and_each_is_looked_at_once() -> None:
    head = "m=audio 7000 RTP/AVP " + " ".join(["8", "0", "9", "111"] * 1_000)[:9_000]
    body = sdp(head, "a=rtpmap:111 opus/48000/2", *("a=fmtp:111 " + "x" * 8,) * 300)
    assert parse_sdp(body).media[0].formats == ("8", "0", "9", "111")
    assert [codec.name for codec in audio_of(parse_sdp(body)).endpoint.codecs] == ["pcma", "pcmu", "g722", "opus"]
    many = sdp("m=audio 7000 RTP/AVP " + " ".join(map(str, range(2_000))))
    assert len(parse_sdp(many).media[0].formats) == MAX_FORMATS
