"""RTCP of a leg: two legs report to one another and learn loss and round trip."""

from media import rtcp
from media.receive_stats import ReceiveStats
from media.reports import ROUND_TRIP, VOIP_METRICS, Reports
from media.rtp import build, parse
from media.sender import RtpSender


def side(ssrc: int) -> tuple[RtpSender, Reports]:
    return RtpSender(ssrc, 0, 0), Reports(f"side{ssrc}", unix_offset_s=1e9, interval_s=2.5, first_s=1.0)


def test_round_trip_and_loss_are_learnt_from_the_far_end() -> None:
    (ours, our_reports), (theirs, their_reports) = side(1), side(2)
    heard_there, heard_here = ReceiveStats(1, 8_000), ReceiveStats(2, 8_000)
    for index in range(100):
        for sender, heard in ((ours, heard_there), (theirs, heard_here)):
            header = parse(sender.frame(bytes(160), 8, 0.02 * index))
            assert header is not None
            if index % 10 or heard is heard_here:
                heard.received(header.sequence, header.timestamp, 0.02 * index)
    first = our_reports.compound(ours, heard_here, 2.0)
    assert first is not None
    their_reports.heard(first, theirs, heard_there, 2.05)
    answer = their_reports.compound(theirs, heard_there, 2.15)
    assert answer is not None
    our_reports.heard(answer, ours, heard_here, 2.20)
    assert our_reports.round_trip_s is not None and abs(our_reports.round_trip_s - 0.1) < 0.001
    assert our_reports.far_loss is not None and 0.08 < our_reports.far_loss < 0.12
    assert their_reports.round_trip_s is None, "they had no report of ours to answer when they last heard one"


def test_reports_keep_their_interval_and_name_the_stream() -> None:
    sender, reports = side(1)
    sender.frame(bytes(160), 8, 0.0)
    assert reports.compound(sender, None, 0.5) is None
    first = rtcp.parse(reports.compound(sender, None, 1.0) or b"")
    assert first is not None and isinstance(first[0], rtcp.SenderReport)
    assert (first[0].packets, first[0].octets, first[0].timestamp) == (1, 160, 160 + 8_000 - 160 - 160 + 160)
    assert isinstance(first[1], rtcp.SourceDescription) and first[1].cname == "side1"
    assert reports.compound(sender, None, 2.0) is None
    later = rtcp.parse(reports.compound(sender, None, 3.6) or b"")
    assert later is not None and isinstance(later[0], rtcp.ReceiverReport), "nothing was sent since"


def test_rubbish_and_reports_about_others_change_nothing() -> None:
    sender, reports = side(1)
    reports.heard(b"rubbish!", sender, None, 1.0)
    block = rtcp.ReportBlock(99, 0.5, 10, 10, 10, 1, 1)
    reports.heard(rtcp.build(rtcp.ReceiverReport(5, (block,))), sender, None, 1.0)
    assert (reports.malformed, reports.far_loss, reports.round_trip_s) == (1, None, None)
    assert not reports.said_bye
    reports.heard(reports.bye(sender), sender, None, 1.0)
    assert reports.said_bye


def test_losses_that_were_forwarded_are_not_laid_to_the_hop() -> None:
    sender, reports = side(1)
    receiver = ReceiveStats(1, 8_000)

    def forward(first: int, count: int, missing: set[int]) -> None:
        for sequence in range(first, first + count):
            if sequence not in missing:
                source = parse(build(8, sequence, 160 * sequence, 7, bytes(160)))
                assert source is not None
                out = parse(sender.forward(build(8, sequence, 160 * sequence, 7, bytes(160)), source, 8, 0.02 * sequence) or b"")
                assert out is not None
                receiver.received(out.sequence, out.timestamp, 0.02 * sequence)

    forward(0, 100, set())
    reports.heard(rtcp.build(rtcp.ReceiverReport(2, (receiver.report_block(2.0),))), sender, None, 2.0)
    forward(100, 100, {110, 120, 130, 140})
    reports.heard(rtcp.build(rtcp.ReceiverReport(2, (receiver.report_block(4.0),))), sender, None, 4.0)
    assert (reports.far_loss, reports.hop_loss) == (0.04, 0.0)


def test_who_only_receives_learns_the_round_trip_by_extended_reports() -> None:
    (ours, our_reports), (theirs, their_reports) = side(1), side(2)
    our_reports.wanted = frozenset((ROUND_TRIP,))
    question = our_reports.compound(ours, None, 2.0)
    assert question is not None
    their_reports.heard(question, theirs, None, 2.05)
    answer = their_reports.compound(theirs, None, 2.15)
    assert answer is not None
    our_reports.heard(answer, ours, None, 2.2)
    assert our_reports.round_trip_s is not None and abs(our_reports.round_trip_s - 0.1) < 0.001
    again = their_reports.compound(theirs, None, 5.0)
    assert again is not None and len(rtcp.parse(again) or []) == 2, "one question, one answer"


def test_metrics_are_told_to_whom_asked_and_taken_from_whom_sends_them() -> None:
    (ours, our_reports), (theirs, their_reports) = side(1), side(2)
    our_reports.voip = rtcp.VoipMetrics(theirs.ssrc, loss=0.25, r=80, mos_lq=4.0, buffer_ms=40)
    silent = our_reports.compound(ours, None, 1.0)
    assert silent is not None
    their_reports.heard(silent, theirs, None, 1.1)
    assert their_reports.far_voip is None
    our_reports.wanted = frozenset((VOIP_METRICS,))
    compound = our_reports.compound(ours, None, 4.0)
    assert compound is not None
    their_reports.heard(compound, theirs, None, 4.1)
    assert their_reports.far_voip == our_reports.voip
