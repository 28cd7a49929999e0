"""The pictures of a recording on their way into its file: packets of camera and screen as they came, forwarded and never decoded.

Each packet is kept under the sequence number, timestamp and SSRC of its sender, one layer of a picture at a time; which codec and size it
has is an event (``picture``) before its first packet and whenever that changes. Sender reports are kept as ``clock`` events: they say what
the RTP times of sound and pictures have in common (RFC 3550, section 6.4.1).
"""

from collections import deque
from struct import Struct

from media.recording.records import EVENT, PER_S, event_record

_PACKET = Struct("!BIHBBHII")
"""A record's head and the RTP header behind it, at once: each packet is copied a single time."""
_RTP_BYTES = 12
_VERSION, _PAYLOAD_TYPE, _MARKED = 0x80, 96, 96 | 0x80
"""The payload type stands in the file only: ``picture`` says what it means."""
_MOST_WAITING_BYTES = 16_000_000
"""Some 20 s of a camera and a screen that come as large as a browser sends them."""
_LONGEST = 65_000
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
        self._waiting: deque[bytes] = deque()
        self._put_bytes = self._taken_bytes = 0  # each is written by one thread alone
        self._clocks_s: dict[int, float] = {}

    def put(self, track: int, ssrc: int, sequence: int, timestamp: int, marker: bool, payload: bytes, at_s: float) -> None:
        """One packet of a picture. ``track``: the number of a ``Track``."""
        size = len(payload)
        if self._put_bytes - self._taken_bytes > self._most_bytes or size > _LONGEST:
            self.lost += 1
            self._lost_s = at_s
            return
        tenths = int((at_s - self._start_s) * PER_S) & 0xFFFFFFFF
        second = _MARKED if marker else _PAYLOAD_TYPE
        content = _PACKET.pack(track, tenths, size + _RTP_BYTES, _VERSION, second, sequence, timestamp, ssrc) + payload
        self._put_bytes += len(content)
        self._waiting.append(content)

    def show(self, track: int, ssrc: int, codec: str, size_px: tuple[int, int], at_s: float) -> None:
        """What follows of this track is this; the size is (0, 0) where it is not known."""
        width, height = size_px
        details: dict[str, str | int | float] = {"track": track, "ssrc": ssrc, "codec": codec, "width": width, "height": height}
        self._add(event_record("picture", at_s - self._start_s, details))

    def clock(self, ssrc: int, timestamp: int, ntp: int, at_s: float) -> None:
        """A sender report came; of each source two a second are kept."""
        if at_s - self._clocks_s.get(ssrc, -_CLOCK_EVERY_S) < _CLOCK_EVERY_S or len(self._clocks_s) >= _MOST_CLOCKS:
            return
        self._clocks_s[ssrc] = at_s
        details: dict[str, str | int | float] = {"ssrc": ssrc, "timestamp": timestamp, "ntp": f"{ntp:016x}"}
        self._add(event_record("clock", at_s - self._start_s, details))

    def _add(self, content: bytes) -> None:
        self._put_bytes += len(content)
        self._waiting.append(content)

    def take(self) -> tuple[bytes, int]:
        """The records since the last time, and how many packets are among them. From any thread."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        content = b"".join(taken)
        self._taken_bytes += len(content)
        lost = self.lost
        if lost != self._lost_told:
            content += event_record("lost", self._lost_s - self._start_s, {"packets": lost - self._lost_told})
            self._lost_told = lost
        return content, sum(one[0] != EVENT for one in taken)
