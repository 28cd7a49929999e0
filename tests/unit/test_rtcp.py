"""RTCP as bytes, also against aiortc's reader and writer, which is somebody else's."""

import random

import pytest
from aiortc import rtp as aiortc_rtp

from media import rtcp

BLOCK = rtcp.ReportBlock(7, 0.25, -3, 0x0001_0005, 160, 0x1234_5678, 65_536)


def test_a_compound_is_read_back_as_built() -> None:
    reports = [
        rtcp.SenderReport(1, 0x0102030405060708, 160, 10, 1_600, (BLOCK,)),
        rtcp.ReceiverReport(1, (BLOCK, BLOCK)),
        rtcp.SourceDescription(1, "leg-1"),
        rtcp.PictureLoss(1, 2),
        rtcp.Bye((1, 2), "done"),
    ]
    assert rtcp.parse(rtcp.build(*reports)) == reports


def test_aiortc_reads_what_we_write() -> None:
    compound = rtcp.build(
        rtcp.SenderReport(1, 5, 160, 10, 1_600, (BLOCK,)), rtcp.SourceDescription(1, "abc"), rtcp.Bye((1,)), rtcp.PictureLoss(3, 4)
    )
    sender, description, bye, picture = aiortc_rtp.RtcpPacket.parse(compound)
    assert isinstance(sender, aiortc_rtp.RtcpSrPacket) and sender.reports[0].packets_lost == -3
    assert sender.reports[0].fraction_lost == 64 and sender.sender_info.packet_count == 10
    assert isinstance(description, aiortc_rtp.RtcpSdesPacket) and description.chunks[0].items == [(1, b"abc")]
    assert isinstance(bye, aiortc_rtp.RtcpByePacket) and bye.sources == [1]
    assert isinstance(picture, aiortc_rtp.RtcpPsfbPacket) and picture.media_ssrc == 4


def test_we_read_what_aiortc_writes() -> None:
    packet = aiortc_rtp.RtcpRrPacket(
        ssrc=9,
        reports=[
            aiortc_rtp.RtcpReceiverInfo(ssrc=7, fraction_lost=64, packets_lost=-3, highest_sequence=65_541, jitter=160, lsr=1, dlsr=2)
        ],
    )
    (report,) = rtcp.parse(bytes(packet)) or []
    assert isinstance(report, rtcp.ReceiverReport)
    assert report == rtcp.ReceiverReport(9, (rtcp.ReportBlock(7, 0.25, -3, 65_541, 160, 1, 2),))


@pytest.mark.parametrize("length", range(1, 5))
def test_names_of_every_length_are_padded_to_words(length: int) -> None:
    packet = rtcp.build(rtcp.SourceDescription(1, "x" * length), rtcp.SourceDescription(2, "y"))
    assert rtcp.parse(packet) == [rtcp.SourceDescription(1, "x" * length), rtcp.SourceDescription(2, "y")]


def test_extended_reports_are_read_back_as_built() -> None:
    metrics = rtcp.VoipMetrics(7, 0.25, 0.125, 0.5, 0.0, 120, 4_000, 80, 60, -20, -60, 35, 16, 82, 4.1, 3.9, 0xF0, 40, 80)
    unmeasured = rtcp.VoipMetrics(8)
    delays = (rtcp.ReferenceDelay(1, 2, 3), rtcp.ReferenceDelay(4, 5, 6))
    report = rtcp.ExtendedReport(9, 0x0102030405060708, delays, (metrics, unmeasured))
    assert rtcp.parse(rtcp.build(rtcp.ReceiverReport(9), report, rtcp.ExtendedReport(9))) == [
        rtcp.ReceiverReport(9), report, rtcp.ExtendedReport(9),
    ]  # fmt: skip


def test_an_extended_report_as_rfc_3611_draws_it() -> None:
    """Section 4.4 and 4.7, written by hand; a block of a type that we do not know stands between."""
    reference = bytes((4, 0, 0, 2)) + (5).to_bytes(8, "big")
    unknown = bytes((200, 0, 0, 1)) + b"skip"
    voip = bytes((7, 0, 0, 8)) + (7).to_bytes(4, "big") + bytes((64, 32, 0, 0)) + bytes((0, 120, 15, 160, 0, 80, 0, 60))
    voip += bytes((256 - 20, 127, 35, 16, 82, 127, 41, 127, 0xF0, 0, 0, 40, 0, 80, 0, 90))
    body = (9).to_bytes(4, "big") + reference + unknown + voip
    packet = bytes((0x80, 207, 0, len(body) // 4)) + body
    (report,) = rtcp.parse(packet) or []
    assert isinstance(report, rtcp.ExtendedReport) and report.reference_ntp == 5
    (metrics,) = report.voip
    assert (metrics.loss, metrics.discard, metrics.burst_ms, metrics.gap_ms) == (0.25, 0.125, 120, 4_000)
    assert (metrics.round_trip_ms, metrics.end_system_ms, metrics.signal_dbm, metrics.noise_dbm) == (80, 60, -20, None)
    assert (metrics.r, metrics.mos_lq, metrics.mos_cq, metrics.buffer_ms) == (82, 4.1, None, 40)


def test_unknown_types_are_skipped() -> None:
    assert rtcp.parse(b"\x80\xcc\x00\x01name" + rtcp.build(rtcp.Bye((1,)))) == [rtcp.Bye((1,))]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80\xc8\x00",
        b"\x80\xc8\x00\x05" + bytes(8),  # longer than it is
        b"\x81\xc9\x00\x01" + bytes(4),  # a block announced, none there
        b"\x40\xc9\x00\x01" + bytes(4),  # version 1
        b"\xa0\xc9\x00\x01" + bytes(4),  # padding of 0
        b"\x81\xca\x00\x02" + bytes(4) + b"\x01\x09ab",  # a name longer than the packet
        b"\x81\xcb\x00\x02" + bytes(4) + b"\x0aabc",  # a reason longer than the packet
        b"\x80\xcf\x00\x02" + bytes(4) + b"\x07\x00\x00\x08",  # metrics announced, none there
    ],
)
def test_malformed_compounds_are_none(packet: bytes) -> None:
    assert rtcp.parse(packet) is None


def test_random_bytes_never_raise() -> None:
    source = random.Random(2)
    for _ in range(5_000):
        words = source.randrange(8)
        rtcp.parse(bytes([0x80 | source.randrange(64), 200 + source.randrange(8), 0, words]) + source.randbytes(4 * words))


def test_round_trip_from_lsr_and_dlsr() -> None:
    sent_s, held_s, trip_s = 1_700_000_000.0, 2.0, 0.15
    block = rtcp.ReportBlock(1, 0, 0, 0, 0, rtcp.middle_of_ntp(rtcp.ntp_time(sent_s)), int(held_s * 65_536))
    assert rtcp.round_trip_s(block, rtcp.ntp_time(sent_s + held_s + trip_s)) == pytest.approx(trip_s, abs=1e-4)
    assert rtcp.round_trip_s(rtcp.ReportBlock(1, 0, 0, 0, 0), rtcp.ntp_time(sent_s)) is None
    lying = rtcp.ReportBlock(1, 0, 0, 0, 0, block.last_report, 30 * 65_536)
    assert rtcp.round_trip_s(lying, rtcp.ntp_time(sent_s + 2)) is None
