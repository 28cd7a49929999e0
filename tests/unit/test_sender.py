"""One outgoing stream from three sources: sequence numbers without a jump, timestamps that follow the clock."""

from itertools import pairwise

import pytest

from media import rtp
from media.sender import RtpSender
from tests.kit.wires import SENDERS

Sender = type[RtpSender]
pytestmark = pytest.mark.parametrize("sender_type", SENDERS)


def incoming(sequence: int, timestamp: int, *, ssrc: int = 7, payload: bytes = b"abc", marker: bool = False) -> tuple[bytes, rtp.RtpHeader]:
    packet = rtp.build(96, sequence, timestamp, ssrc, payload, marker=marker)
    header = rtp.parse(packet)
    assert header is not None
    return packet, header


def forwarded(sender: RtpSender, sequence: int, timestamp: int, now_s: float, **kind: int) -> rtp.RtpHeader | None:
    packet = sender.forward(*incoming(sequence, timestamp, ssrc=kind.get("ssrc", 7)), 8, now_s)
    return rtp.parse(packet) if packet is not None else None


def test_forwarding_changes_the_header_and_nothing_else(sender_type: Sender) -> None:
    sender = sender_type(0xABCD, 1_000, 50_000)
    packet = sender.forward(*incoming(65_535, 2**32 - 160, payload=b"speech", marker=True), 8, 0.0)
    assert packet is not None
    header = rtp.parse(packet)
    assert header is not None and packet[header.payload_start :] == b"speech"
    assert (header.payload_type, header.ssrc, header.sequence, header.timestamp, header.marker) == (8, 0xABCD, 1_000, 50_000, True)
    after = forwarded(sender, 0, 0, 0.02)
    assert after is not None and (after.sequence, after.timestamp) == (1_001, 50_160)
    assert (sender.packets, sender.octets) == (2, 9)


def test_gaps_and_order_of_the_source_are_kept(sender_type: Sender) -> None:
    sender = sender_type(1, 0, 0)
    arrivals = [10, 11, 14, 13, 15, 15]
    out = [forwarded(sender, sequence, sequence * 160, 0.02 * index) for index, sequence in enumerate(arrivals)]
    assert [header.sequence for header in out if header] == [0, 1, 4, 3, 5, 5]


def test_an_omitted_packet_leaves_no_gap(sender_type: Sender) -> None:
    sender = sender_type(1, 0, 0)
    forwarded(sender, 10, 1_600, 0.0)
    sender.omit()
    after = forwarded(sender, 12, 1_920, 0.04)
    assert after is not None and (after.sequence, after.timestamp) == (1, 320)


def test_the_stream_goes_on_without_a_seam_through_every_source(sender_type: Sender) -> None:
    sender = sender_type(1, 65_534, 2**32 - 320)
    packets = [sender.forward(*incoming(500 + i, 9_000 + 160 * i), 8, 0.02 * i) for i in range(2)]
    packets += [sender.frame(b"x", 8, 0.04 + 0.02 * i) for i in range(2)]
    packets += [sender.event(b"evnt", 101, 0.08, begin=i == 0, marker=True) for i in range(3)]
    packets += [sender.forward(*incoming(700, 77), 8, 0.10)]
    headers = [rtp.parse(packet) for packet in packets if packet is not None]
    sequences = [header.sequence for header in headers if header]
    assert sequences == [(65_534 + i) & 0xFFFF for i in range(8)]
    steps = [rtp.timestamp_difference(b.timestamp, a.timestamp) for a, b in pairwise(headers) if a and b]
    assert steps == [160, 160, 160, 160, 0, 0, 160]


def test_after_a_pause_the_timestamp_has_kept_up_with_the_clock(sender_type: Sender) -> None:
    sender = sender_type(1, 0, 0, 48_000)
    sender.frame(b"x", 111, 1.0)
    header = rtp.parse(sender.frame(b"x", 111, 2.0))
    assert header is not None and (header.sequence, header.timestamp) == (1, 48_000)
    assert sender.timestamp_at(2.5) == 72_000


@pytest.mark.parametrize("phase_ms", [1, 5, 10, 15, 19])
def test_however_often_the_source_changes_the_timestamps_keep_to_the_clock(sender_type: Sender, phase_ms: int) -> None:
    """Packets come ``phase_ms`` after the ticks; forwarding and mixing take turns every 100 ms for 40 s."""
    sender = sender_type(1, 0, 0)
    times, packets = [], []
    for index in range(2_000):
        forwarding = index // 5 % 2 == 0
        now_s = 0.02 * index + (phase_ms / 1_000 if forwarding else 0.02)
        packet = sender.forward(*incoming(index, 160 * index), 8, now_s) if forwarding else sender.frame(b"x", 8, now_s)
        assert packet is not None
        times.append(now_s)
        packets.append(packet)
    headers = [header for packet in packets if (header := rtp.parse(packet)) is not None]
    ahead_s = [header.timestamp / 8_000 - (now_s - times[0]) for header, now_s in zip(headers, times, strict=True)]
    assert max(map(abs, ahead_s)) <= 0.041
    assert {rtp.timestamp_difference(y.timestamp, x.timestamp) for x, y in pairwise(headers)} == {160}


def test_a_packet_from_before_the_splice_is_not_sent_under_a_used_number(sender_type: Sender) -> None:
    sender = sender_type(1, 0, 0)
    sender.frame(b"x", 8, 0.0)
    assert forwarded(sender, 100, 16_000, 0.02) is not None
    assert forwarded(sender, 99, 15_840, 0.021) is None
    for i in range(1, 40_000):
        assert forwarded(sender, (100 + i) & 0xFFFF, 16_000 + 160 * i, 0.02 + 0.02 * i) is not None


@pytest.mark.parametrize("ssrc", [7, 8])
def test_a_sender_that_starts_anew_is_spliced(sender_type: Sender, ssrc: int) -> None:
    sender = sender_type(1, 0, 0)
    forwarded(sender, 10, 1_600, 0.0)
    header = forwarded(sender, 40_000, 5, 0.02, ssrc=ssrc)
    assert header is not None and (header.sequence, header.timestamp) == (1, 160)


def test_the_next_packet_belongs_behind_all_frames_of_the_last_one(sender_type: Sender) -> None:
    sender = sender_type(1, 0, 0)
    sender.frames_per_s = 100
    first = rtp.parse(sender.frame(b"x" * 240, 8, 1.0))
    sender.lasts_frames = 3
    second = rtp.parse(sender.frame(b"x" * 240, 8, 1.03))
    sender.lasts_frames = 3
    after = forwarded(sender, 700, 77, 1.045)
    assert first is not None and second is not None and after is not None
    assert [second.timestamp - first.timestamp, after.timestamp - second.timestamp] == [240, 240]
    following = rtp.parse(sender.frame(b"x" * 160, 8, 1.085))
    assert following is not None and following.timestamp - after.timestamp == 160 and sender.frames_per_s == 100
