"""How long our packets last: the 20 ms of each tick joined, or cut, to the packet time that a far end asked for (SDP ``ptime``). Pure.

G.711 and G.722 are 8 bytes per millisecond, joined and cut anywhere. Opus knows packets of several frames (RFC 6716, section 3.2), which
joins whatever has the same configuration; packets of 10 ms are encoded as such, two per tick, joined on their way and parted again here.
"""

from typing import NamedTuple

from media.libopus import joined, parted

_FRAME_MS, _LONGEST_MS = 20, 120
_BYTES_PER_MS = 8


class Packed(NamedTuple):
    """One packet's payload, the time at which it begins (the tick's, and behind that the part of it), and the marker: it ends a pause."""

    payload: bytes
    begin_s: float
    marker: bool
    length_ms: int


def packet_ms(codec: str, wanted_ms: int) -> int:
    """The longest packet time no longer than wanted in which we can send this codec: steps of 10 ms, of Opus 10 and steps of 20."""
    step = _FRAME_MS if codec == "opus" and wanted_ms >= _FRAME_MS else _FRAME_MS // 2
    return max(_FRAME_MS // 2, min(_LONGEST_MS, wanted_ms) // step * step)


class Packing:
    """Of one codec's frames into packets of ``length_ms`` (see ``packet_ms``)."""

    def __init__(self, codec: str, length_ms: int) -> None:
        self.codec, self.length_ms = codec, length_ms
        self._opus = codec == "opus"
        self._frames: list[bytes] = []
        self._begin_s = 0.0
        self._marker = False

    def put(self, payload: bytes, tick_s: float, *, marker: bool) -> list[Packed]:
        """The packets that are complete with these 20 ms."""
        packed = self.flush() if marker or (self._opus and self._frames and payload[0] != self._frames[0][0]) else []
        if not self._frames:
            self._begin_s, self._marker = tick_s, marker
        return packed + (self._put_opus(payload) if self._opus else self._put_bytes(payload))

    def flush(self) -> list[Packed]:
        """What is left as a shorter packet, if anything: the stream rests, or goes on another way."""
        if not self._frames:
            return []
        if self._opus:
            return [self._packed(joined(self._frames), len(self._frames) * _FRAME_MS)]
        rest = b"".join(self._frames)
        return [self._packed(rest, len(rest) // _BYTES_PER_MS)]

    def _put_opus(self, payload: bytes) -> list[Packed]:
        if self.length_ms < _FRAME_MS:
            packed: list[Packed] = []
            for part in parted(payload):
                packed.append(self._packed(part, self.length_ms))
                self._begin_s += self.length_ms / 1000
            return packed
        self._frames.append(payload)
        return self.flush() if len(self._frames) * _FRAME_MS >= self.length_ms else []

    def _put_bytes(self, payload: bytes) -> list[Packed]:
        rest, size = b"".join((*self._frames, payload)), self.length_ms * _BYTES_PER_MS
        packed: list[Packed] = []
        while len(rest) >= size:
            packed.append(self._packed(rest[:size], self.length_ms))
            rest = rest[size:]
            self._begin_s += self.length_ms / 1000
        self._frames = [rest] if rest else []
        return packed

    def _packed(self, payload: bytes, length_ms: int) -> Packed:
        packed = Packed(payload, self._begin_s, self._marker, length_ms)
        self._frames, self._marker = [], False
        return packed
