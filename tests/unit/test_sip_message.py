"""SIP messages: the shapes of RFC 4475 in words of our own, and bytes that are no message at all."""

import contextlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.address import BadValue, NameAddress, SipUri, parse_address, parse_uri, parse_via, split_outside
from pbx.framing import StreamBroken, StreamFramer
from pbx.message import MAX_BYTES, BadMessage, Request, Response, build, parse_message, respond
from pbx.sdp import BadSdp, NoCommonAudio, audio_of, parse_sdp

BASE = """OPTIONS sip:100@pbx.test SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:a@pbx.test>;tag=1
To: <sip:b@pbx.test>
Call-ID: c
CSeq: 7 OPTIONS
"""


def wire(text: str, body: bytes = b"") -> bytes:
    return text.replace("\n", "\r\n").encode() + b"\r\n" + body


def read(text: str, body: bytes = b"") -> Request:
    message = parse_message(wire(text, body))
    assert isinstance(message, Request)
    return message


def test_compact_forms_folding_and_odd_spacing_mean_the_same() -> None:
    message = read(
        "OPTIONS sip:100@pbx.test SIP/2.0\nv  :  SIP / 2.0 / UDP 192.0.2.1 ;branch=z9hG4bK1,\n"
        "  SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bK2\nMAX-FORWARDS: 0068\n"
        'f: "A \\"quoted\\", name"\n  <sip:a@pbx.test;x=y>;tag=1\nt:\n b <sip:b@pbx.test>\n'
        "i: c\ncseq: 0007\n  OPTIONS\nL: 3\n",
        b"abcdef",
    )
    assert [parse_via(value).host for value in message.values("Via")] == ["192.0.2.1", "2001:db8::1"]
    assert message.from_address == NameAddress("sip:a@pbx.test;x=y", 'A "quoted", name', {"tag": "1"})
    assert message.cseq == (7, "OPTIONS") and message.to_address.display == "b" and message.body == b"abc"


def test_what_is_written_is_read_back() -> None:
    request = read(BASE)
    request.body = b"hello"
    again = parse_message(build(request))
    assert isinstance(again, Request) and again.body == b"hello" and again.get("Content-Length") == "5"


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("SIP/2.0\nVia", "SIP/3.0\nVia", 505),
        ("sip:100@pbx.test SIP", "sip:100@pbx.test;x y SIP", 400),
        ("sip:100@pbx.test SIP", "<sip:100@pbx.test> SIP", 400),
        ("sip:100@pbx.test SIP", "sip:100@pbx.test?Route=x SIP", 400),
        ("Max-Forwards: 70", "Max-Forwards: 256", 400),
        ("Max-Forwards: 70", "Max-Forwards: -1", 400),
        ("CSeq: 7 OPTIONS", "CSeq: 7 INVITE", 400),
        ("Call-ID: c", "Call-ID: c\nCall-ID: d", 400),
        ("Call-ID: c", "Call-ID: c\nContent-Length: 5", 400),
        ("Call-ID: c", "Call-ID: c\nContent-Length: -1", 400),
        ("Call-ID: c", "Call-ID: c\nThis is no header", 400),
        ("Call-ID: c", "Call-ID: c\nContact: sip:x@y?a=b", 400),
        ("From: <sip:a@pbx.test>", 'From: "never closed <sip:a@pbx.test>', 400),
        ("To: <sip:b@pbx.test>", "To: <sip:b@pbx.test", 400),
        ("CSeq: 7 OPTIONS", "CSeq: 36893488147419103232 OPTIONS", 400),
        ("Call-ID: c\n", "", 400),
    ],
)
def test_broken_requests_that_can_be_answered(old: str, new: str, status: int) -> None:
    with pytest.raises(BadMessage) as caught:
        read(BASE.replace(old, new))
    assert caught.value.status == status and caught.value.request is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1\n", ""),
        ("OPTIONS sip:100@pbx.test SIP/2.0", "SIP/2.0 4294967301 better not"),
        ("OPTIONS sip:100@pbx.test SIP/2.0", "HELO"),
        ("Call-ID: c", "Call-ID: c\n" + "X: 1\n" * 300),
    ],
)
def test_broken_messages_that_cannot_be_answered(old: str, new: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_message(wire(BASE.replace(old, new)))
    assert caught.value.request is None


def test_sizes_are_bounded() -> None:
    with pytest.raises(BadMessage, match="64 kB"):
        parse_message(b"x" * (MAX_BYTES + 1))
    with pytest.raises(BadMessage, match="no header"):
        read(BASE.replace("Call-ID: c", "Call-ID: c\nX: " + "y" * 9000))


def test_a_stream_needs_a_length() -> None:
    with pytest.raises(BadMessage, match="Content-Length"):
        parse_message(wire(BASE), stream=True)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb"])
def test_no_header_can_be_smuggled_in(value: str) -> None:
    request = read(BASE)
    request.add("Subject", value)
    with pytest.raises(BadValue):
        build(request)
    with pytest.raises(BadValue):
        str(NameAddress("sip:a@b", value))
    with pytest.raises(BadValue):
        str(NameAddress(f"sip:{value}@b"))
    with pytest.raises(BadValue):
        build(Response([(f"X{value}", "1")], b"", 200, "OK"))


def test_user_parts_are_escaped_and_unescaped() -> None:
    uri = SipUri("pbx.test", 'a"b@c d', 5070)
    assert str(uri) == "sip:a%22b%40c%20d@pbx.test:5070"
    with pytest.raises(BadValue):
        str(SipUri("pbx.test", "1\r\nX: 1"))
    assert parse_uri(str(uri)) == uri
    assert parse_uri("sip:+34600%31@[2001:db8::9]:5061;transport=tcp;lr").params == {"transport": "tcp", "lr": None}


@pytest.mark.parametrize("text", ["", "sip:", "sip:@", "sip:a@b:99999", "sip:a@b:0", "sip:2001:db8::10", "http://x", "sip:a b@c"])
def test_uris_that_are_none(text: str) -> None:
    with pytest.raises(BadValue):
        parse_uri(text)


@pytest.mark.parametrize("text", ["", "<>", "< sip:a@b>", "Bell, A <sip:a@b>", "<sip:a@b> junk", '"x" sip:a@b', "nothing"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(BadValue):
        parse_address(text)


def test_lists_are_split_outside_quotes_and_brackets() -> None:
    assert split_outside('"a,\\"b" <sip:x,y@z>;p="1,2", <sip:c@d>', ",") == ['"a,\\"b" <sip:x,y@z>;p="1,2"', "<sip:c@d>"]


def test_responses_copy_what_they_must() -> None:
    request = read(BASE.replace("Call-ID: c", "Call-ID: c\nRecord-Route: <sip:p1;lr>\nRecord-Route: <sip:p2;lr>"))
    ringing, trying, refused = respond(request, 180, to_tag="t"), respond(request, 100, to_tag="t"), respond(request, 486, to_tag="t")
    assert ringing.lines("Record-Route") == ["<sip:p1;lr>", "<sip:p2;lr>"] and ringing.to_address.tag == "t"
    assert trying.to_address.tag is None and not trying.lines("Record-Route")
    assert refused.to_address.tag == "t" and not refused.lines("Record-Route")


def test_a_stream_is_cut_into_messages_however_it_arrives() -> None:
    one = wire(BASE + "Content-Length: 4\n", b"abcd")
    stream = b"\r\n\r\n" + one + b"\r\n" + one.replace(b"Content-Length", b"l") + one
    framer = StreamFramer()
    found: list[bytes] = []
    for byte in stream:
        found += framer.feed(bytes([byte]))
    assert found == [one, one.replace(b"Content-Length", b"l"), one] and framer.pings == 1 and not framer.partial
    assert StreamFramer().feed(stream) == found


@pytest.mark.parametrize(
    "data",
    [
        wire(BASE),
        wire(BASE + "Content-Length: 4\nContent-Length: 5\n"),
        wire(BASE + "Content-Length: 70000\n"),
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_a_stream_that_cannot_be_cut_is_broken(data: bytes) -> None:
    with pytest.raises(StreamBroken):
        StreamFramer().feed(data)


LINES = st.sampled_from(
    [*BASE.splitlines(), "Contact: *", "Contact: <sip:x>", "Route: <", "l: 3", "k: a,b", " folded", "", "Via: x", "\x00"]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=14), st.binary(max_size=30))
def test_nothing_but_bad_message_leaves_the_parser(lines: list[str], body: bytes) -> None:
    try:
        message = parse_message("\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body)
    except BadMessage as error:
        if error.request is not None:
            build(respond(error.request, error.status, to_tag="x"))
    else:
        build(message)
        if isinstance(message, Request):
            build(respond(message, 200, to_tag="x"))


SDP_LINES = st.sampled_from(
    [
        "v=0",
        "o=- 1 1 IN IP4 1.2.3.4",
        "c=IN IP4 1.2.3.4",
        "c=IN IP6 ::1",
        "c=IN IP4 x",
        "m=audio 1 RTP/AVP 0 8 101",
        "m=audio 0 RTP/AVP 0",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:999 x/1",
        "a=ptime:1000",
        "a=sendonly",
        "m=audio x y z",
        "a=",
    ]
)


@given(st.lists(st.one_of(SDP_LINES, st.text(max_size=20)), max_size=14))
def test_nothing_but_its_own_errors_leaves_the_sdp_parser(lines: list[str]) -> None:
    with contextlib.suppress(BadSdp, NoCommonAudio):
        audio_of(parse_sdp("\r\n".join(["v=0", *lines]).encode("utf-8", "surrogatepass")))


def test_what_a_peer_quoted_is_written_so_that_it_is_read_again() -> None:
    address = parse_address('"BEL:\\\x07 \\"x\\"" <sip:a@b>;note="a;b, c";tag=1')
    assert address.display == 'BEL: "x"' and address.params == {"note": "a;b, c", "tag": "1"}
    assert parse_address(str(address)) == address


def split_slowly(text: str, separator: str) -> list[str]:
    """As the grammar reads: character by character. Raises ``BadValue``."""
    parts, quoted, escaped, angled = [""], False, False, False
    for character in text:
        if quoted:
            quoted, escaped = escaped or character != '"', not escaped and character == "\\"
        elif character == separator and not angled:
            parts.append("")
            continue
        else:
            quoted = character == '"'
            angled = (angled or character == "<") and character != ">"
        parts[-1] += character
    if quoted or angled:
        raise BadValue("never closes")
    return [part.strip() for part in parts]


def test_splitting_is_what_the_grammar_says() -> None:
    random, refused = Random(1), 0
    for _ in range(20_000):
        text = "".join(random.choices('ab \\"<>,;', k=random.randrange(14)))
        for separator in ",;":
            try:
                wanted = split_slowly(text, separator)
            except BadValue:
                refused += 1
                with pytest.raises(BadValue):
                    split_outside(text, separator)
            else:
                assert split_outside(text, separator) == wanted, text
    assert 5_000 < refused < 35_000
