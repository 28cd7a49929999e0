"""Video as bytes: feedback messages, header extensions, VP8 and H.264 payloads."""

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtp import RtcpPacket, RtcpRtpfbPacket
from hypothesis import given
from hypothesis import strategies as st

from media import rtcp
from media.video import extensions, feedback, h264, vp8

WORD = st.integers(0, 0xFFFFFFFF)
SEQUENCE = st.integers(0, 0xFFFF)


@given(WORD, WORD, st.lists(SEQUENCE, min_size=1, max_size=40))
def test_asked_packets_are_read_as_written(sender: int, media: int, sequences: list[int]) -> None:
    (read,) = feedback.parse(feedback.Nack(sender, media, tuple(sequences)).to_bytes()) or ()
    assert isinstance(read, feedback.Nack) and (read.sender_ssrc, read.media_ssrc) == (sender, media)
    assert set(read.sequences) == set(sequences)


def test_aiortc_reads_what_we_ask_for() -> None:
    (packet,) = RtcpPacket.parse(feedback.Nack(1, 2, (65_534, 65_535, 3, 20)).to_bytes())
    assert isinstance(packet, RtcpRtpfbPacket) and [lost & 0xFFFF for lost in packet.lost] == [65_534, 65_535, 3, 20]


@given(WORD, st.integers(0, 2**40), st.lists(WORD, max_size=8))
def test_bitrates_are_read_as_written(sender: int, bitrate: int, ssrcs: list[int]) -> None:
    (read,) = feedback.parse(feedback.MaximumBitrate(sender, bitrate, tuple(ssrcs)).to_bytes()) or ()
    assert isinstance(read, feedback.MaximumBitrate) and read.ssrcs == tuple(ssrcs)
    assert bitrate * (1 - 2**-17) <= read.bitrate <= bitrate


@given(WORD, st.lists(st.tuples(WORD, st.integers(0, 255)), min_size=1, max_size=5))
def test_intra_requests_are_read_as_written(sender: int, requests: list[tuple[int, int]]) -> None:
    message = feedback.FullIntraRequest(sender, tuple(requests))
    assert feedback.parse(message.to_bytes()) == [message]


GAPS = st.lists(st.one_of(st.none(), st.floats(-0.5, 2.0)), min_size=1, max_size=60)


@given(WORD, WORD, SEQUENCE, st.integers(0, 255), st.floats(10, 100_000), GAPS)
def test_arrivals_are_read_as_written(sender: int, media: int, base: int, count: int, start_s: float, gaps: list[float | None]) -> None:
    arrivals: list[float | None] = []
    now_s = start_s
    for gap_s in gaps:
        now_s += gap_s or 0.0
        arrivals.append(now_s if gap_s is not None else None)
    written = feedback.TransportFeedback(sender, media, base, tuple(arrivals), count)
    (read,) = feedback.parse(written.to_bytes()) or ()
    assert isinstance(read, feedback.TransportFeedback)
    assert (read.sender_ssrc, read.media_ssrc, read.base, read.count) == (sender, media, base, count)
    assert [arrival is None for arrival in read.arrivals_s] == [arrival is None for arrival in arrivals]
    for told, true in zip(read.arrivals_s, arrivals, strict=True):
        assert told is None or true is None or told == pytest.approx(true, abs=0.000_2)


def test_arrivals_in_runs_and_one_bit_vectors_are_read() -> None:
    """Chunks that we never write: a run of three small deltas; a vector of one-bit symbols, of which two count (draft, figure 3)."""
    head = bytes.fromhex("00000001 00000002 0064 0005 000001 07".replace(" ", ""))
    body = head + bytes.fromhex("2003 a000".replace(" ", "")) + bytes((4, 8, 12, 16))
    (read,) = feedback.parse(rtcp.framed(205, 15, body)) or ()
    assert isinstance(read, feedback.TransportFeedback) and (read.base, read.count) == (100, 7)
    assert read.arrivals_s == pytest.approx((0.065, 0.067, 0.07, 0.074, None), abs=1e-9)


@given(st.binary(max_size=200), st.sampled_from([205, 206]), st.integers(0, 31))
def test_no_bytes_raise(body: bytes, packet_type: int, count: int) -> None:
    feedback.parse(rtcp.framed(packet_type, count, body + bytes(-len(body) % 4)))
    feedback.parse(body)
    vp8.read(body)
    h264.starts_key(body)
    extensions.read(bytes((0x90, 96)) + bytes(10) + body if len(body) >= 4 else bytes(12))


@given(st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=6))
def test_extensions_are_read_as_written(values: dict[int, bytes]) -> None:
    packet = bytes((0x90, 96)) + bytes(10) + extensions.build(tuple(values.items())) + b"payload"
    assert extensions.read(packet) == values


def test_two_byte_extensions_are_read() -> None:
    block = bytes.fromhex("1000 0002 01 02 6162 00 02 01 63".replace(" ", ""))
    assert extensions.read(bytes((0x90, 96)) + bytes(10) + block) == {1: b"ab", 2: b"c"}
    assert extensions.read(bytes((0x80, 96)) + bytes(10) + block) == {}


DESCRIPTORS = st.builds(
    VpxPayloadDescriptor,
    partition_start=st.integers(0, 1),
    partition_id=st.integers(0, 7),
    picture_id=st.one_of(st.none(), st.integers(0, 0x7FFF)),
    tl0picidx=st.one_of(st.none(), st.integers(0, 255)),
    tid=st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 1))),
    keyidx=st.one_of(st.none(), st.integers(0, 31)),
)


@given(DESCRIPTORS, st.integers(0, 0x7FFF), st.integers(0, 255))
def test_descriptors_are_read_and_rewritten_as_aiortc_understands_them(theirs: VpxPayloadDescriptor, picture: int, tl0: int) -> None:
    payload = bytes(theirs) + b"\x01" + b"rest of a delta frame"
    ours = vp8.read(payload)
    assert ours is not None and not ours.starts_key
    assert (ours.picture[0] if ours.picture is not None else None, ours.tl0) == (theirs.picture_id, theirs.tl0picidx)
    assert ours.starts == bool(theirs.partition_start and not theirs.partition_id)
    written, rest = VpxPayloadDescriptor.parse(vp8.rewrite(payload, ours, picture, tl0))
    assert rest == b"\x01rest of a delta frame"
    if theirs.picture_id is not None and ours.picture is not None:
        assert written.picture_id == picture & ((1 << ours.picture[1]) - 1)
    if theirs.tl0picidx is not None:
        assert written.tl0picidx == tl0


def test_a_key_frame_tells_its_size() -> None:
    frame = bytes.fromhex("10 02 00 9d012a 4001 f000".replace(" ", "")) + bytes(20)
    start = vp8.read(b"\x90\x80\x81\x2c" + frame)
    assert start is not None and start.starts_key and (start.width, start.height, start.picture) == (320, 240, (300, 15))
    later = vp8.read(b"\x80\x80\x81\x2c" + frame)
    assert later is not None and not later.starts_key


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        ("67 42e01f", True),
        ("65 88", False),
        ("7c 85 00", False),
        ("78 0004 6742e01f 0002 68ce", True),
        ("78 0002 68ce", False),
        ("", False),
    ],
)
def test_h264_begins_at_its_parameter_sets(payload: str, starts: bool) -> None:
    assert h264.starts_key(bytes.fromhex(payload.replace(" ", ""))) == starts
