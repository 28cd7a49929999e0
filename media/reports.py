"""RTCP of one leg: what we report every few seconds, and what the far end's reports tell about our stream (RFC 3550, section 6)."""

from media import rtcp
from media.receive_stats import ReceiveStats
from media.sender import RtpSender


class Reports:
    """``cname``: our canonical name on this leg. ``unix_offset_s``: Unix time less monotonic time, for the NTP stamps of sender reports."""

    def __init__(self, cname: str, *, unix_offset_s: float, interval_s: float, first_s: float) -> None:
        self.round_trip_s: float | None = None
        self.far_loss: float | None = None
        """Fraction of our packets that the far end lost in its last interval, 0-1."""
        self.far_jitter_s: float | None = None
        self.malformed = 0
        self.said_bye = False
        self._cname = cname
        self._unix_offset_s = unix_offset_s
        self._interval_s = interval_s
        self._due_s = first_s
        self._packets_before = 0

    def compound(self, sender: RtpSender, received: ReceiveStats | None, now_s: float) -> bytes | None:
        """The next report when it is due: SR if we sent since the last one, else RR, with a block about the far end's stream."""
        if now_s < self._due_s:
            return None
        self._due_s = max(self._due_s + self._interval_s, now_s + self._interval_s / 2)
        blocks = (received.report_block(now_s),) if received is not None and received.packets else ()
        report: rtcp.SenderReport | rtcp.ReceiverReport = rtcp.ReceiverReport(sender.ssrc, blocks)
        if sender.packets != self._packets_before:
            self._packets_before = sender.packets
            ntp = rtcp.ntp_time(now_s + self._unix_offset_s)
            report = rtcp.SenderReport(sender.ssrc, ntp, sender.timestamp_at(now_s), sender.packets, sender.octets, blocks)
        return rtcp.build(report, rtcp.SourceDescription(sender.ssrc, self._cname))

    def bye(self, sender: RtpSender) -> bytes:
        """Our goodbye when the leg closes (RFC 3550, section 6.6)."""
        return rtcp.build(rtcp.ReceiverReport(sender.ssrc), rtcp.SourceDescription(sender.ssrc, self._cname), rtcp.Bye((sender.ssrc,)))

    def heard(self, packet: bytes, sender: RtpSender, received: ReceiveStats | None, now_s: float) -> None:
        """Take in a compound from the far end; a malformed one is counted."""
        reports = rtcp.parse(packet)
        if reports is None:
            self.malformed += 1
            return
        for report in reports:
            if isinstance(report, rtcp.SenderReport) and received is not None and report.ssrc == received.ssrc:
                received.heard(report, now_s)
            if isinstance(report, rtcp.SenderReport | rtcp.ReceiverReport):
                for block in report.blocks:
                    if block.ssrc == sender.ssrc:
                        self._about_us(block, sender, now_s)
            elif isinstance(report, rtcp.Bye):
                self.said_bye = True

    def _about_us(self, block: rtcp.ReportBlock, sender: RtpSender, now_s: float) -> None:
        trip_s = rtcp.round_trip_s(block, rtcp.ntp_time(now_s + self._unix_offset_s))
        if trip_s is not None:
            self.round_trip_s = trip_s
        self.far_loss = block.fraction_lost
        self.far_jitter_s = block.jitter / sender.clock_rate_hz
