"""Does somebody speak? Told of one leg at a time, where nobody mixes it: of a caller who leaves a message. Pure.

A packet is of a voice where it stands out of what was quiet lately, and above what no line is quieter than. The floor follows down at once
and rises slowly, so that a hum, a dial tone or music in the room is no voice after some seconds. A voice lasts until ``_PAUSE_S`` after its
last packet: between words nobody is quiet. No packets at all are silence too, which only the clock tells.
"""

import numpy as np

from media.codec import CodecError, make_native_decoder
from rooms.audio import AudioCodec

_RATE_HZ = 16_000
_PAUSE_S = 0.6
_LEAST_DBFS, _OUT_OF_FLOOR_DB = -48.0, 10.0
_LOWEST_DBFS = -70.0
_FLOOR_RISE_DB_PER_S = 2.0
_LONGEST_STEP_S = 0.2


class VoiceHearing:
    """``now_s`` is the time of each packet. ``spoken_s``: how long a voice was heard so far, without its pauses' ends."""

    def __init__(self, now_s: float) -> None:
        self.speaks = False
        self._spoken_s = 0.0
        self._since_s = self._voice_s = self._packet_s = now_s
        self._floor_dbfs = _LEAST_DBFS - _OUT_OF_FLOOR_DB
        self._codec: AudioCodec | None = None

    @property
    def spoken_s(self) -> float:
        return self._spoken_s + (self._voice_s - self._since_s if self.speaks else 0.0)

    def packet(self, codec: AudioCodec, payload: bytes, now_s: float) -> bool:
        """One packet of sound; has anything changed?"""
        if codec != self._codec:
            self._codec, self._decoder = codec, make_native_decoder(codec, rate_hz=_RATE_HZ)
        try:
            samples = self._decoder.decode(payload)
        except CodecError:
            return self.look(now_s)
        power = float(np.mean(np.square(samples))) if len(samples) else 0.0
        level_dbfs = max(_LOWEST_DBFS, 10.0 * float(np.log10(power + 1e-12)))
        step_s, self._packet_s = min(max(0.0, now_s - self._packet_s), _LONGEST_STEP_S), now_s
        self._floor_dbfs = min(level_dbfs, self._floor_dbfs + _FLOOR_RISE_DB_PER_S * step_s)
        if level_dbfs < max(_LEAST_DBFS, self._floor_dbfs + _OUT_OF_FLOOR_DB):
            return self.look(now_s)
        self._voice_s = now_s
        if self.speaks:
            return False
        self.speaks, self._since_s = True, now_s
        return True

    def look(self, now_s: float) -> bool:
        """Time passed; has anything changed?"""
        if not self.speaks or now_s - self._voice_s < _PAUSE_S:
            return False
        self._spoken_s, self.speaks = self.spoken_s, False
        return True
