"""RTCP of one leg: what we report every few seconds, and what the far end's reports tell about our stream (RFC 3550, 6; RFC 3611)."""

from typing import NamedTuple

from media import rtcp
from media.receive_stats import MAX_DROPOUT, ReceiveStats
from media.sender import RtpSender

VOIP_METRICS, ROUND_TRIP = "voip-metrics", "rcvr-rtt"
"""What a far end may ask for with ``a=rtcp-xr`` (RFC 3611, section 5.1)."""
_UNHEARD_PACKETS = 250
"""So many packets sent without that a report tells of one: the far end hears nothing of us."""


class _Mark(NamedTuple):
    """Where both sides stood at the far end's last report: its highest sequence number and losses, our packets and next number."""

    highest: int
    lost: int
    packets: int
    sequence: int


class Reports:
    """``cname``: our canonical name on this leg. ``unix_offset_s``: Unix time less monotonic time, for the NTP stamps of sender reports."""

    def __init__(self, cname: str, *, unix_offset_s: float, interval_s: float, first_s: float) -> None:
        self.round_trip_s: float | None = None
        self.far_loss: float | None = None
        """Fraction of our packets that the far end lost in its last interval, 0-1."""
        self.hop_loss: float | None = None
        """The same without what was missing already when we forwarded it: lost between us and the far end. From its second report on."""
        self.far_jitter_s: float | None = None
        self.far_voip: rtcp.VoipMetrics | None = None
        """How we sound at the far end, where it says so."""
        self.told = 0
        """How many reports said something about our stream, or that there is none."""
        self.malformed = 0
        self.said_bye = False
        self.wanted: frozenset[str] = frozenset()
        """Which extended reports the far end asked for: ``VOIP_METRICS``, ``ROUND_TRIP``."""
        self.voip: rtcp.VoipMetrics | None = None
        """How the far end sounds to us, to be told where it is wanted."""
        self._cname = cname
        self._unix_offset_s = unix_offset_s
        self._interval_s = interval_s
        self._due_s = first_s
        self._packets_before = 0
        self._mark: _Mark | None = None
        self._told_at_packets = 0
        self._reference: tuple[int, int, float] | None = None

    def compound(self, sender: RtpSender, received: ReceiveStats | None, now_s: float) -> bytes | None:
        """The next report when it is due: SR if we sent since the last one, else RR, with a block about the far end's stream."""
        if now_s < self._due_s:
            return None
        self._due_s = max(self._due_s + self._interval_s, now_s + self._interval_s / 2)
        blocks = (received.report_block(now_s),) if received is not None and received.packets else ()
        report: rtcp.SenderReport | rtcp.ReceiverReport = rtcp.ReceiverReport(sender.ssrc, blocks)
        ntp = rtcp.ntp_time(now_s + self._unix_offset_s)
        sent = sender.packets != self._packets_before
        if sent:
            self._packets_before = sender.packets
            report = rtcp.SenderReport(sender.ssrc, ntp, sender.timestamp_at(now_s), sender.packets, sender.octets, blocks)
        extended = self._extended(sender, now_s, None if sent else ntp)
        return rtcp.build(report, rtcp.SourceDescription(sender.ssrc, self._cname), *extended)

    def _extended(self, sender: RtpSender, now_s: float, ntp: int | None) -> tuple[rtcp.ExtendedReport, ...]:
        """The XR packet, if there is anything to say in it. ``ntp``: this moment, where no sender report tells it."""
        reference = ntp if ROUND_TRIP in self.wanted else None
        voip = (self.voip,) if VOIP_METRICS in self.wanted and self.voip is not None else ()
        delays: tuple[rtcp.ReferenceDelay, ...] = ()
        if self._reference is not None:
            ssrc, middle, heard_s = self._reference
            delays = (rtcp.ReferenceDelay(ssrc, middle, int((now_s - heard_s) * 65_536)),)
            self._reference = None
        if reference is None and not voip and not delays:
            return ()
        return (rtcp.ExtendedReport(sender.ssrc, reference, delays, voip),)

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
                self._about_us(next((block for block in report.blocks if block.ssrc == sender.ssrc), None), sender, now_s)
            elif isinstance(report, rtcp.ExtendedReport):
                self._heard_extended(report, sender, now_s)
            elif isinstance(report, rtcp.Bye):
                self.said_bye = True

    def _about_us(self, block: rtcp.ReportBlock | None, sender: RtpSender, now_s: float) -> None:
        before = self._mark
        if block is not None:
            self._trip(block, now_s)
        if block is None or (before is not None and block.highest_sequence == before.highest):
            self._about_nothing(sender)
            return
        self._mark = _Mark(block.highest_sequence, block.cumulative_lost, sender.packets, sender.next_sequence)
        self.told, self._told_at_packets = self.told + 1, sender.packets
        self.far_jitter_s = block.jitter / sender.clock_rate_hz
        self.far_loss, self.hop_loss = block.fraction_lost, None
        expected = block.highest_sequence - before.highest if before is not None else 0
        if before is not None and 0 < expected < MAX_DROPOUT:
            lost = max(0, block.cumulative_lost - before.lost)
            missing = max(0, (sender.next_sequence - before.sequence & 0xFFFF) - (sender.packets - before.packets))
            self.far_loss = min(1.0, lost / expected)
            self.hop_loss = min(1.0, max(0, lost - missing) / max(1, expected - missing))

    def _about_nothing(self, sender: RtpSender) -> None:
        """A report without a word about our stream, or about nothing new of it."""
        if sender.packets - self._told_at_packets >= _UNHEARD_PACKETS:
            self.told += 1
            self.far_loss = self.hop_loss = 1.0

    def _heard_extended(self, report: rtcp.ExtendedReport, sender: RtpSender, now_s: float) -> None:
        if report.reference_ntp is not None:
            self._reference = (report.ssrc, rtcp.middle_of_ntp(report.reference_ntp), now_s)
        for delay in report.delays:
            if delay.ssrc == sender.ssrc:
                self._trip(delay, now_s)
        for metrics in report.voip:
            if metrics.ssrc == sender.ssrc:
                self.far_voip = metrics

    def _trip(self, quoted: rtcp.ReportBlock | rtcp.ReferenceDelay, now_s: float) -> None:
        trip_s = rtcp.round_trip_s(quoted, rtcp.ntp_time(now_s + self._unix_offset_s))
        if trip_s is not None:
            self.round_trip_s = trip_s
