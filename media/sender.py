"""Our own RTP stream towards one leg: one SSRC, sequence numbers and timestamps without a seam, whatever feeds it. Pure.

Theory. Three sources take turns: packets forwarded from another leg, frames of our own encoder, and digit events. To the receiver it is
one stream: after each change of source the next packet gets the next sequence number, and a timestamp as many whole frames later as time
went by, and at least as the packet before lasts. The part of a frame that is left over counts at the next change, so that, however often
the source changes, the timestamps do not run away from the clock. While one source goes on being
forwarded its own gaps and its own order are kept, so that loss stays visible to the receiver.
"""

from media import rtp
from media.receive_stats import MAX_DROPOUT, MAX_MISORDER
from media.rtp import RtpHeader

_GUARDED_PACKETS = 128
_MOST_AHEAD_S = 0.04


class RtpSender:
    """``ssrc``, first ``sequence`` and first ``timestamp`` are drawn by the caller; ``clock_rate_hz`` is the codec's RTP clock."""

    def __init__(self, ssrc: int, sequence: int, timestamp: int, clock_rate_hz: int = 8_000) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.lasts_frames = 1
        """The packet last sent holds so many frames: the next one belongs behind them."""
        self._sequence = sequence
        self._timestamp = timestamp
        self._clock_rate_hz, self._frames_per_s = clock_rate_hz, 50
        self._sent_s: float | None = None
        self._owed_s = 0.0
        self._source: int | None = None
        self._source_sequence = 0
        self._sequence_offset = 0
        self._timestamp_offset = 0
        self._guard = 0
        self._first_sequence = 0
        self._event_timestamp = 0

    @property
    def clock_rate_hz(self) -> int:
        return self._clock_rate_hz

    @clock_rate_hz.setter
    def clock_rate_hz(self, rate: int) -> None:
        if rate != self._clock_rate_hz:
            self._clock_rate_hz, self._source = rate, None

    @property
    def frames_per_s(self) -> int:
        """By whole frames of this length the timestamps go on when the source changes, and from one packet of our own to the next."""
        return self._frames_per_s

    @frames_per_s.setter
    def frames_per_s(self, frames: int) -> None:
        self._frames_per_s = frames

    @property
    def next_sequence(self) -> int:
        """With ``packets`` it tells how many numbers were left out: losses of others that were passed on."""
        return self._sequence

    @property
    def started(self) -> bool:
        return self._sent_s is not None

    def interrupt(self) -> None:
        """The source changes: the next forwarded packet continues the stream instead of keeping its distance to former ones."""
        self._source = None

    def frame(self, payload: bytes, payload_type: int, now_s: float, *, marker: bool = False) -> bytes:
        """A packet of our own encoder; ``now_s`` is the scheduled time of the tick at which it begins."""
        self._source = None
        self._advance(now_s)
        return self._built(payload, payload_type, self._timestamp, marker)

    def event(self, payload: bytes, payload_type: int, now_s: float, *, begin: bool, marker: bool) -> bytes:
        """A packet of a digit event: all of a press carry the timestamp of its ``begin`` (RFC 4733, section 2.2.1)."""
        self._source = None
        if begin:
            self._advance(now_s)
            self._event_timestamp = self._timestamp
        return self._built(payload, payload_type, self._event_timestamp, marker)

    def forward(self, packet: bytes, header: RtpHeader, payload_type: int, now_s: float) -> bytes | None:
        """The packet under our header, payload untouched. None for one that belongs before the last change of source: too late."""
        sequence = header.sequence
        if header.ssrc != self._source:
            self._splice(header, now_s)
        else:
            delta = (sequence - self._source_sequence) & 0xFFFF
            if delta < MAX_DROPOUT:
                self._source_sequence = sequence
            elif delta < 0x10000 - MAX_MISORDER:
                self._splice(header, now_s)
            elif self._guard and rtp.sequence_difference(sequence, self._first_sequence) < 0:
                return None
            if self._guard:
                self._guard -= 1
        sequence_out = (sequence + self._sequence_offset) & 0xFFFF
        timestamp_out = (header.timestamp + self._timestamp_offset) & 0xFFFFFFFF
        if sequence == self._source_sequence:
            self._sequence, self._timestamp, self._sent_s = (sequence_out + 1) & 0xFFFF, timestamp_out, now_s
        self.packets += 1
        self.octets += header.payload_end - header.payload_start
        return rtp.rewrite(packet, header, payload_type=payload_type, sequence=sequence_out, timestamp=timestamp_out, ssrc=self.ssrc)

    def omit(self) -> None:
        """One packet of the source is not passed on, on purpose: close the gap, so that it is not taken for loss."""
        self._sequence_offset -= 1

    def timestamp_at(self, now_s: float) -> int:
        """The RTP time of this moment, for a sender report (RFC 3550, section 6.4.1)."""
        if self._sent_s is None:
            return self._timestamp
        return (self._timestamp + round((now_s - self._sent_s) * self._clock_rate_hz)) & 0xFFFFFFFF

    def _splice(self, header: RtpHeader, now_s: float) -> None:
        self._advance(now_s)
        self._source = header.ssrc
        self._source_sequence = self._first_sequence = header.sequence
        self._sequence_offset = self._sequence - header.sequence
        self._timestamp_offset = self._timestamp - header.timestamp
        self._guard = _GUARDED_PACKETS

    def _advance(self, now_s: float) -> None:
        """Timestamp of the next frame: as many whole frames on as time went by, at least one."""
        if self._sent_s is not None:
            due_s = now_s - self._sent_s + self._owed_s
            frames = max(self.lasts_frames, int(due_s * self._frames_per_s + 0.02))
            self.lasts_frames = 1
            self._owed_s = max(-_MOST_AHEAD_S, due_s - frames / self._frames_per_s)
            self._timestamp = (self._timestamp + frames * (self._clock_rate_hz // self._frames_per_s)) & 0xFFFFFFFF
        self._sent_s = now_s

    def _built(self, payload: bytes, payload_type: int, timestamp: int, marker: bool) -> bytes:
        packet = rtp.build(payload_type, self._sequence, timestamp, self.ssrc, payload, marker=marker)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return packet
