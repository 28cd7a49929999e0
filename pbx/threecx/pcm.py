"""The arithmetic of a route point's sound: raw PCM, 16 bit little-endian, 8000 Hz, mono, no header. Pure.

What comes is cut anywhere, also within a sample: the odd byte waits for the next piece. What goes out must run ahead of real time a little,
so that the PBX never starves, and no more, because what it holds already cannot be taken back: between ``least_ms`` and ``most_ms``.
"""

import math
import struct
from collections import deque

RATE_HZ = 8_000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * 2 * FRAME_MS // 1_000
SILENCE = bytes(FRAME_BYTES)
LEAST_MS, MOST_MS = 60, 200


class Frames:
    """Pieces in, whole frames of 20 ms out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, piece: bytes) -> list[bytes]:
        self._held += piece
        whole = len(self._held) // FRAME_BYTES * FRAME_BYTES
        frames = [bytes(self._held[begin : begin + FRAME_BYTES]) for begin in range(0, whole, FRAME_BYTES)]
        del self._held[:whole]
        return frames


class Pacer:
    """What is to be said, frame by frame, and when it may be sent. ``now`` in seconds; begins with the first ``due``. Beyond a second the
    oldest frames give way and are counted."""

    def __init__(self, least_ms: int = LEAST_MS, most_ms: int = MOST_MS) -> None:
        self._least_ms, self._most_ms = least_ms, most_ms
        self._frames: deque[bytes] = deque()
        self._began_s: float | None = None
        self._sent_ms = 0
        self.dropped = 0
        self.filled = 0

    def say(self, frame: bytes) -> None:
        """Raises ``ValueError`` for what is not 20 ms."""
        if len(frame) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes")
        self._frames.append(frame)
        if len(self._frames) > 1_000 // FRAME_MS:
            self._frames.popleft()
            self.dropped += 1

    def clear(self) -> None:
        """Say nothing more of what waits: somebody speaks into it."""
        self._frames.clear()

    def due(self, now: float) -> bytes:
        """What to send now: as much of what waits as may run ahead, and silence where nothing does and the PBX would starve."""
        if self._began_s is None:
            self._began_s = now
        elapsed_ms = int((now - self._began_s) * 1_000 + 0.5)
        self._sent_ms = max(self._sent_ms, elapsed_ms)  # were we late, what should have been heard by now is past
        out = []
        while self._frames and self._sent_ms + FRAME_MS - elapsed_ms <= self._most_ms:
            out.append(self._frames.popleft())
            self._sent_ms += FRAME_MS
        while self._sent_ms - elapsed_ms < self._least_ms:
            out.append(SILENCE)
            self.filled += 1
            self._sent_ms += FRAME_MS
        return b"".join(out)


_LOW_HZ, _HIGH_HZ = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)
_KEYS = "123A456B789C*0#D"


def key_tone(digit: str) -> list[bytes]:
    """A key as its two tones for 100 ms and a pause of 60 ms (ITU-T Q.23, Q.24): the API has no other way to press one."""
    place = _KEYS.index(digit)
    low, high = _LOW_HZ[place // 4], _HIGH_HZ[place % 4]
    samples = [
        round(8_000 * (math.sin(2 * math.pi * low * at / RATE_HZ) + math.sin(2 * math.pi * high * at / RATE_HZ)))
        for at in range(RATE_HZ // 10)
    ]
    return [*Frames().take(struct.pack(f"<{len(samples)}h", *samples)), *[SILENCE] * 3]
