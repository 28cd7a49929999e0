"""Our side of RFC 6455: frames in any pieces, and what breaks the protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.websocket import Opcode, Reader, Violation, accept, close_frame, frame

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def said(first: int, payload: bytes, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """A client's frame; ``first``: its first byte."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def test_the_handshake_of_the_standard() -> None:
    answer = accept(HANDSHAKE)
    assert answer is not None
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "c2hvcnQ="},
        {"Sec-WebSocket-Key": "not base64, though 24 ch"},
        {"Sec-WebSocket-Key": "ñ" * 24},
        {"Sec-WebSocket-Version": "8"},
        {"Connection": "close"},
        {"Upgrade": "h2c"},
    ],
)
def test_another_handshake_is_none(wrong: dict[str, str]) -> None:
    assert accept({**HANDSHAKE, **wrong}) is None


def test_the_examples_of_the_standard() -> None:
    """Section 5.7."""
    assert list(Reader(100).feed(bytes.fromhex("818537fa213d7f9f4d5158"))) == [(Opcode.TEXT, b"Hello")]
    assert frame(Opcode.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frame(Opcode.BINARY, bytes(256))[:4] == bytes.fromhex("827e0100")
    assert frame(Opcode.BINARY, bytes(65_536))[:10] == bytes.fromhex("827f0000000000010000")
    assert close_frame(1000) == bytes.fromhex("880203e8")


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 4)), max_size=5), st.lists(st.integers(1, 50), max_size=30))
def test_messages_are_whole_in_whatever_pieces_they_come(messages: list[tuple[bytes, int]], cuts: list[int]) -> None:
    wire = b""
    for payload, parts in messages:
        step = max(1, -(-len(payload) // parts))
        pieces = [payload[at : at + step] for at in range(0, len(payload), step)] or [b""]
        for place, piece in enumerate(pieces):
            opcode = Opcode.BINARY if place == 0 else Opcode.CONTINUATION
            wire += said(opcode | (0x80 if place == len(pieces) - 1 else 0), piece)
            if place == 0:
                wire += said(0x80 | Opcode.PING, b"between")
    reader, got, at = Reader(1_000), [], 0
    for cut in [*cuts, len(wire)]:
        got += list(reader.feed(wire[at : at + cut]))
        at += cut
    assert [payload for opcode, payload in got if opcode is Opcode.BINARY] == [payload for payload, _ in messages]
    assert [payload for opcode, payload in got if opcode is Opcode.PING] == [b"between"] * len(messages)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x05Hello", 1002),  # no mask
        (said(0xC1, b"x"), 1002),  # a reserved bit, as compression would set it
        (said(0x83, b"x"), 1002),
        (said(0x09, b"ping in fragments"), 1002),
        (said(0x88, bytes(126)), 1002),
        (said(0x80, b"continues nothing"), 1002),
        (said(0x01, b"a") + said(0x81, b"b"), 1002),
        (b"\x81\xff" + (1 << 40).to_bytes(8, "big"), 1009),  # told before anything of it is kept
        (said(0x01, bytes(60)) + said(0x80, bytes(60)), 1009),
        (said(0x01, b"") + said(0x00, b"") * 100, 1009),
    ],
)
def test_what_breaks_the_protocol(wire: bytes, code: int) -> None:
    with pytest.raises(Violation) as broken:
        list(Reader(100).feed(wire))
    assert broken.value.code == code


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    reader = Reader(100)
    try:
        for opcode, payload in reader.feed(data):
            assert opcode in Opcode
            assert len(payload) <= 100
    except Violation as violation:
        assert violation.code in (1002, 1009)
