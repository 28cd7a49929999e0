"""What is sent in Opus, and how much of the processor that may take: less as the worker fills.

PESQ of seven speakers (narrowband from G.711 to Opus at 8 kHz, wideband from a browser's 32 kbit/s to Opus at 16 kHz), mean and worst,
and microseconds per frame of 20 ms (libopus 1.6.1):

    8 kHz    SILK 16k 4.25 3.98 25     SILK 24k 4.32 4.05 27                           at complexity 2: +0.02, 49; 9: +0.02, 78
             CELT 24k 4.00 3.53 18     CELT 32k 4.21 3.90 19     CELT 40k 4.26 3.95 20    complexity 5: the same, 37
    16 kHz   SILK 32k 4.29 3.88 42     SILK 40k 4.36 3.92 42                           at complexity 2: +0.05, 85; 9: +0.05, 145
             CELT 48k 3.96 3.26 24     CELT 56k 4.15 3.82 24     CELT 64k 4.30 4.14 25

So complexity 0 is the lowest whose quality is within 0.1 of the highest, CELT's costs hardly depend on its bit rate, and there is one step
worth taking: SILK while there is room, which needs half the bit rate, CELT once the ticks fill up. In-band FEC is SILK's alone.
"""

from dataclasses import dataclass

from media.codec import OpusSettings, one_object

_NARROW_HZ = 8_000
_LOSS_STEPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
_BACK_BELOW, _BACK_AFTER_S = 0.6, 10.0


@dataclass(frozen=True, slots=True)
class OpusPolicy:
    """Bit rates in bit/s, without and while ``sparing``, for sound up to 8 kHz and up to 4 kHz; FEC adds a quarter.

    ``sparing_from``: the share of a tick's time from which on the processor is spared. ``fec_from_loss``: a fraction 0-1.
    """

    bitrate: int = 40_000
    narrow_bitrate: int = 24_000
    sparing_bitrate: int = 64_000
    sparing_narrow_bitrate: int = 32_000
    sparing_from: float = 0.35
    complexity: int = 0
    dtx: bool = True
    fec_from_loss: float = 0.01


class OpusChoice:
    """Of one worker. ``sparing``: is it CELT now, which takes two thirds of the processor?"""

    def __init__(self, policy: OpusPolicy = OpusPolicy()) -> None:
        self._policy = policy
        self.sparing = False
        self._room_since_s: float | None = None

    def look(self, share: float, now_s: float) -> None:
        """``share`` of a tick's time is taken. Sparing ends when well below its beginning for ten seconds: it made some of that room."""
        begin = self._policy.sparing_from
        if share > begin:
            self.sparing, self._room_since_s = True, None
        elif share > _BACK_BELOW * begin:
            self._room_since_s = None
        elif self._room_since_s is None:
            self._room_since_s = now_s
        elif now_s - self._room_since_s >= _BACK_AFTER_S:
            self.sparing = False

    def settings(self, rate_hz: int, *, loss: float = 0.0, packet_ms: int = 20) -> OpusSettings:
        """For sound at this rate, to a far end that loses this fraction (0-1); equal ones are one object."""
        policy, step = self._policy, max(known for known in _LOSS_STEPS if known <= round(loss, 2))
        fec = step > 0.0 and loss >= policy.fec_from_loss
        celt, narrow = self.sparing and not fec, rate_hz <= _NARROW_HZ
        if celt:
            bitrate = policy.sparing_narrow_bitrate if narrow else policy.sparing_bitrate
        else:
            bitrate = policy.narrow_bitrate if narrow else policy.bitrate
        return one_object(
            OpusSettings(bitrate, policy.complexity, fec, step, policy.dtx, application="audio", celt=celt, packet_ms=packet_ms)
        )
