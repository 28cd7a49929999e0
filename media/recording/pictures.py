"""The pictures of a recording on their way into its file: packets of camera and screen as they came, forwarded and never decoded.

Each packet is kept under the sequence number, timestamp and SSRC of its sender, one layer of a picture at a time; which codec and size it
has is an event (``picture``) before its first packet and whenever that changes. Sender reports are kept as ``clock`` events: they say what
the RTP times of sound and pictures have in common (RFC 3550, section 6.4.1).
"""

from collections import deque

from media import rtp
from media.recording.records import Track, event_record, record

_PAYLOAD_TYPE = 96
"""Stands in the file only: ``picture`` says what it means."""
_MOST_WAITING_BYTES = 16_000_000
"""Some 20 s of a camera and a screen that come as large as a browser sends them."""
_CLOCK_EVERY_S = 0.5
_MOST_CLOCKS = 64


class PictureRecords:
    """Beside ``Records``, of which each recording has one: what comes while ``most_bytes`` wait to be taken is left out and counted in

    ``lost``. One thread puts in, another one takes. ``start_s``: monotonic time of the recording's start.
    """

    def __init__(self, start_s: float, most_bytes: int = _MOST_WAITING_BYTES) -> None:
        self.lost = self._lost_told = 0
        self._start_s, self._lost_s = start_s, start_s
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._put_bytes = self._taken_bytes = 0  # each is written by one thread alone
        self._clocks_s: dict[int, float] = {}

    def put(self, track: Track, ssrc: int, sequence: int, timestamp: int, marker: bool, payload: bytes, at_s: float) -> None:
        """One packet of a picture."""
        if self._put_bytes - self._taken_bytes > self._most_bytes:
            self.lost += 1
            self._lost_s = at_s
            return
        packet = rtp.build(_PAYLOAD_TYPE, sequence, timestamp, ssrc, payload, marker=marker)
        self._add(record(track, at_s - self._start_s, packet), packet=True)

    def show(self, track: Track, ssrc: int, codec: str, size_px: tuple[int, int], at_s: float) -> None:
        """What follows of this track is this; the size is (0, 0) where it is not known."""
        width, height = size_px
        details: dict[str, str | int | float] = {"track": int(track), "ssrc": ssrc, "codec": codec, "width": width, "height": height}
        self._add(event_record("picture", at_s - self._start_s, details), packet=False)

    def clock(self, ssrc: int, timestamp: int, ntp: int, at_s: float) -> None:
        """A sender report came; of each source two a second are kept."""
        if at_s - self._clocks_s.get(ssrc, -_CLOCK_EVERY_S) < _CLOCK_EVERY_S or len(self._clocks_s) >= _MOST_CLOCKS:
            return
        self._clocks_s[ssrc] = at_s
        details: dict[str, str | int | float] = {"ssrc": ssrc, "timestamp": timestamp, "ntp": f"{ntp:016x}"}
        self._add(event_record("clock", at_s - self._start_s, details), packet=False)

    def _add(self, content: bytes, *, packet: bool) -> None:
        self._put_bytes += len(content)
        self._waiting.append((content, packet))

    def take(self) -> tuple[bytes, int]:
        """The records since the last time, and how many packets are among them. From any thread."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        content = b"".join(one for one, _ in taken)
        self._taken_bytes += len(content)
        lost = self.lost
        if lost != self._lost_told:
            content += event_record("lost", self._lost_s - self._start_s, {"packets": lost - self._lost_told})
            self._lost_told = lost
        return content, sum(packet for _, packet in taken)
