"""Key presses: as RTP events (RFC 4733) a queue of digits going out and hearing those that come in; as tones only the latter. Pure.

A press is one event: its packets share one timestamp, their duration grows, and the last is sent three times with the end bit. The
marker stands on the first packets only, and some phones never set it, so that ``DigitHearing`` does not look at it.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dsp.tones import HOP_S, DtmfDetector
from media.codec import CodecError, Samples, make_native_decoder
from media.rtp import DIGITS, TelephoneEvent, build_event, parse_event
from rooms.audio import AudioCodec

_TONE_RATE_HZ = 16_000
_START_REPEATS = 3
_END_REPEATS = 3
_MOST_PRESSES_PER_S = 20


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One packet to send. ``begin``: the first of its press, which fixes the timestamp that all its packets carry."""

    begin: bool
    marker: bool
    payload: bytes


class DigitQueue:
    """Digits waiting to be sent, one after another: ``frame()`` gives the packets of the next 20 ms.

    A press lasts ``press_ms``, then ``pause_ms`` pass before the next: ITU-T Q.24 wants at least 40 ms of each. At most ``limit`` wait.
    """

    def __init__(self, *, press_ms: int = 120, pause_ms: int = 80, limit: int = 64) -> None:
        self._press_frames, self._pause_frames = press_ms // 20, pause_ms // 20
        self._waiting: deque[str] = deque()
        self._limit = limit
        self._digit = ""
        self._frames = 0
        self._pause = 0

    @property
    def busy(self) -> bool:
        """Is a digit waiting, being sent, or the pause after it going on? Audio rests meanwhile (RFC 4733, section 2.5.1.3)."""
        return bool(self._digit or self._waiting or self._pause)

    def put(self, digits: str) -> int:
        """Queue digits (letters in either case); returns how many were taken. Raises ValueError for what is no digit."""
        wanted = digits.upper()
        if not set(wanted) <= set(DIGITS):
            raise ValueError("only 0-9, *, # and A-D can be sent as digits")
        taken = wanted[: max(0, self._limit - len(self._waiting))]
        self._waiting.extend(taken)
        return len(taken)

    def frame(self, clock_rate_hz: int) -> list[EventPacket]:
        """The packets of the next 20 ms at this clock rate of the event's payload type; empty in a pause."""
        frame = clock_rate_hz // 50
        if not self._digit:
            if self._pause:
                self._pause -= 1
                return []
            if not self._waiting:
                return []
            self._digit, self._frames = self._waiting.popleft(), 1
            payload = build_event(TelephoneEvent(self._digit, False, frame))
            return [EventPacket(index == 0, True, payload) for index in range(_START_REPEATS)]
        self._frames += 1
        end = self._frames >= self._press_frames
        payload = build_event(TelephoneEvent(self._digit, end, self._frames * frame))
        if not end:
            return [EventPacket(False, False, payload)]
        self._digit, self._pause = "", self._pause_frames
        return [EventPacket(False, False, payload)] * _END_REPEATS


class DigitHearing:
    """Turns event packets into presses: one digit per event timestamp, however many packets of it arrive, in whatever order.

    Nobody presses more than 20 keys a second; what goes beyond is not told.
    """

    def __init__(self) -> None:
        self._heard: deque[int] = deque(maxlen=8)
        self._pressed_s: deque[float] = deque(maxlen=_MOST_PRESSES_PER_S)

    def packet(self, timestamp: int, payload: bytes, now_s: float) -> str | None:
        """The digit, on the first packet of its press that arrives; otherwise None."""
        event = parse_event(payload)
        if event is None or timestamp in self._heard:
            return None
        self._heard.append(timestamp)
        if len(self._pressed_s) == _MOST_PRESSES_PER_S and now_s - self._pressed_s[0] < 1.0:
            return None
        self._pressed_s.append(now_s)
        return event.digit


class ToneHearing:
    """Hears keys pressed as tones in the packets of one codec (ITU-T Q.24), for far ends that agreed to no telephone events.

    A lost packet is a jump in time, which shortens a press and does not part it.
    """

    def __init__(self, codec: AudioCodec) -> None:
        self.codec = codec
        self._decoder = make_native_decoder(codec, rate_hz=_TONE_RATE_HZ)
        self._hop = round(self._decoder.rate_hz * HOP_S)
        self._detector = DtmfDetector(1, self._decoder.rate_hz)
        self._rest: Samples = np.zeros(0, np.float32)

    def packet(self, payload: bytes) -> str:
        """The digits whose presses begin to count with this payload; none for one that cannot be decoded."""
        try:
            samples = self._decoder.decode(payload)
        except CodecError:
            return ""
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) // self._hop * self._hop
        self._rest = samples[whole:]
        return "".join(digit for _, digit in self._detector.process(samples[None, :whole]))
