"""RTP headers, sequence arithmetic and telephone events."""

import random

import pytest

from media import rtp


def test_a_plain_packet_is_read_back_as_built() -> None:
    packet = rtp.build(111, 65_535, 0xFFFFFFFF, 0xDEADBEEF, b"voice", marker=True)
    assert packet[:2] == b"\x80\xef"
    header = rtp.parse(packet)
    assert header == rtp.RtpHeader(111, True, 65_535, 0xFFFFFFFF, 0xDEADBEEF, 12, 17)


def test_build_cuts_unwrapped_numbers() -> None:
    header = rtp.parse(rtp.build(0, 65_536 + 7, 2**32 + 160, 1, b""))
    assert header is not None and (header.sequence, header.timestamp) == (7, 160)


def test_csrcs_extension_and_padding_are_skipped() -> None:
    fixed = rtp.build(8, 1, 2, 3, b"")
    packet = bytes([0x80 | 0x20 | 0x10 | 2]) + fixed[1:] + b"csr1csr2" + b"\xbe\xde\x00\x01\x10\xff\x00\x00" + b"VOICE" + b"\0\0\3"
    header = rtp.parse(packet)
    assert header is not None and packet[header.payload_start : header.payload_end] == b"VOICE"
    forwarded = rtp.rewrite(packet, header, payload_type=0, sequence=9, timestamp=10, ssrc=11)
    assert forwarded == rtp.build(0, 9, 10, 11, b"VOICE")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(20),  # version 1
        b"\x8f" + bytes(20),  # 15 CSRCs, no room
        b"\x90" + bytes(11),  # extension, no header for it
        b"\x90" + bytes(13) + b"\xff\xff" + bytes(8),  # extension longer than the packet
        b"\xa0" + bytes(20),  # padding of 0
        b"\xa0" + bytes(19) + b"\xff",  # padding longer than the packet
    ],
)
def test_malformed_packets_are_none(packet: bytes) -> None:
    assert rtp.parse(packet) is None


def test_random_bytes_never_raise() -> None:
    random_bytes = random.Random(1)
    for _ in range(5_000):
        packet = bytes([0x80 | random_bytes.randrange(64)]) + random_bytes.randbytes(random_bytes.randrange(40))
        header = rtp.parse(packet)
        assert header is None or 12 <= header.payload_start <= header.payload_end <= len(packet)
        rtp.parse_event(packet)


def test_rewrite_keeps_or_sets_the_marker() -> None:
    packet = rtp.build(111, 1, 2, 3, b"x", marker=True)
    header = rtp.parse(packet)
    assert header is not None
    fields = {"payload_type": 96, "sequence": 1, "timestamp": 1, "ssrc": 1}
    assert rtp.rewrite(packet, header, **fields)[1] == 96 | 0x80
    assert rtp.rewrite(packet, header, **fields, marker=False)[1] == 96


def test_rtcp_is_told_by_its_second_byte() -> None:
    assert rtp.is_rtcp(b"\x80\xc8") and rtp.is_rtcp(b"\x81\xcf")
    assert not rtp.is_rtcp(rtp.build(111, 1, 1, 1, b"", marker=True))
    assert not rtp.is_rtcp(b"\x80")


def test_sequence_and_timestamp_differences_cross_the_wrap() -> None:
    assert rtp.sequence_difference(2, 65_534) == 4
    assert rtp.sequence_difference(65_534, 2) == -4
    assert rtp.timestamp_difference(100, 2**32 - 60) == 160
    assert rtp.timestamp_difference(2**32 - 60, 100) == -160


def test_unwrapper_follows_wraps_and_late_packets() -> None:
    unwrapper = rtp.Unwrapper()
    first = unwrapper.unwrap(65_534)
    assert [unwrapper.unwrap(s) - first for s in (65_535, 0, 1, 65_533, 2)] == [1, 2, 3, -1, 4]
    assert rtp.Unwrapper().unwrap(0) - 1 >= 0  # a packet before the first stays positive


def test_telephone_events_match_rfc_4733() -> None:
    event = rtp.TelephoneEvent("#", True, 1_600, 10)
    assert rtp.build_event(event) == b"\x0b\x8a\x06\x40"
    assert rtp.parse_event(b"\x0b\x8a\x06\x40") == event
    assert rtp.parse_event(b"\x10\x0a\x00\xa0") is None  # 16 is flash
    assert rtp.parse_event(b"\x01\x0a") is None
    assert rtp.build_event(rtp.TelephoneEvent("1", False, 70_000))[2:] == b"\xff\xff"
