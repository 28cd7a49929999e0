"""A look, now and then, at voices that are only forwarded: 200 ms of each every few seconds, to see whether one needs care.

One leg at most per tick, and no more of the processor than a hundredth: with many legs each is seen less often. What is clearly an echo, a
noise or a wrong level is told; the leg is then decoded, the chain hears it all the time and ``VoiceCare`` says when that may end. Between
two browsers only an echo counts: they lower noise and keep the level by themselves, and decoding costs them what lies above 8 kHz.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import fft

from dsp.echo_hint import echo_likeness
from media.codec import CodecError, Samples, make_decoder
from media.leg import Leg
from media.settings import TICK_S
from media.voice_care import Condition, VoiceSettings, is_clear

_RATE_HZ = 8_000
_SAID_S, _HEARD_S, _WARM_UP_S = 0.2, 0.6, 0.06
_FRAME = _RATE_HZ // 100
_KEPT_FRAMES, _ENOUGH_SPOKEN = 200, 60
_KEPT_STEADY, _ENOUGH_STEADY = 6, 3
_SILENT_POWER = 1e-9
_STEADY, _SPOKEN, _WEAKER = 3.2, 0.03, 0.25
"""Noise of 10 ms varies by 5 dB, what is spoken is not 15 dB below the loudest of 200 ms, and noise is 6 dB below speech."""
_PITCHES, _VOICED = slice(_RATE_HZ // 400, _RATE_HZ // 70), 0.4
_ALIKE, _SAME_LAG = 0.35, 80
_AUDIBLE_POWER, _WEAKEST = 10 ** (-5.5), 1e-4  # -55 dBFS; 40 dB below what was heard
_SHARE, _MOST_CREDIT_S = 0.01, 0.01
_DOUBT_S = 60.0


@dataclass(slots=True)
class _Seen:
    """What was seen of a leg, oldest first: powers of 10 ms each in which somebody spoke, and of glimpses that were all alike, which speech
    is not. Beside them the lag of the last echo; not before ``from_s`` again."""

    spoken: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_FRAMES))
    steady: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_STEADY))
    lag: int | None = None
    has_echo: bool = False
    from_s: float = 0.0

    def put(self, frames: Samples) -> None:
        """One glimpse, float32 (n, _FRAME)."""
        powers = np.maximum(_SILENT_POWER, np.einsum("ij,ij->i", frames, frames) / _FRAME)
        low, high = np.quantile(powers, (0.1, 0.9))
        if high < _STEADY * low and not _is_voiced(frames.reshape(-1)):
            self.steady.append(float(powers.mean()))
        else:
            self.spoken.extend(powers[powers > max(_AUDIBLE_POWER, _SPOKEN * float(high))].tolist())

    def condition(self) -> Condition:
        if len(self.spoken) < _ENOUGH_SPOKEN:
            return Condition(self.has_echo, None, None)
        speech = float(np.mean(self.spoken))
        steady = [power for power in self.steady if power < _WEAKER * speech]
        noise = 10 * math.log10(np.median(steady)) if len(steady) >= _ENOUGH_STEADY else None
        return Condition(self.has_echo, noise, 10 * math.log10(speech))


class Glimpses:
    """At each leg every ``every_s`` seconds where that is cheap enough. ``clock`` tells processor time."""

    def __init__(self, settings: VoiceSettings, *, clock: Callable[[], float] = time.thread_time) -> None:
        self.taken = 0
        self._settings, self._clock = settings, clock
        self._waiting: deque[Leg] = deque()
        self._seen: dict[str, _Seen] = {}
        self._round_s = self._next_s = 0.0
        self._interval_s = 0.0
        self._credit_s = 0.0

    def look(self, legs: Iterable[Leg], now_s: float) -> Leg | None:
        """To be called at each tick. A leg of these that clearly needs care, if this glimpse was of one."""
        self._credit_s = min(_MOST_CREDIT_S, self._credit_s + _SHARE * TICK_S)
        if not self._waiting and now_s >= self._round_s:
            self._begin_round(legs, now_s)
        if not self._waiting or self._credit_s <= 0.0 or now_s < self._next_s:
            return None
        leg = self._waiting.popleft()
        self._next_s += self._interval_s
        if not _is_forwarded(leg):
            return None
        begun_s = self._clock()
        needs = self._glimpse(leg, now_s)
        self._credit_s -= self._clock() - begun_s
        return leg if needs else None

    def doubt(self, leg: Leg, now_s: float) -> None:
        """Nothing was left to do for a leg that is forwarded again: it is let alone for a minute."""
        self._seen[leg.leg_id] = _Seen(from_s=now_s + _DOUBT_S)

    def _begin_round(self, legs: Iterable[Leg], now_s: float) -> None:
        there = list(legs)
        self._seen = {leg.leg_id: self._seen.get(leg.leg_id) or _Seen() for leg in there}
        self._waiting.extend(leg for leg in there if _is_forwarded(leg) and now_s >= self._seen[leg.leg_id].from_s)
        self._round_s, self._next_s = now_s + self._settings.sample_every_s, now_s
        self._interval_s = self._settings.sample_every_s / max(1, len(self._waiting))

    def _glimpse(self, leg: Leg, now_s: float) -> bool:
        seen = self._seen[leg.leg_id]
        said, _ = _lately(leg, _SAID_S, now_s)
        if len(said) < _FRAME:
            return False
        self.taken += 1
        frames = said[: len(said) // _FRAME * _FRAME].reshape(-1, _FRAME)
        if leg.kind == "phone" or _hears(leg) == "phone":
            seen.put(frames)
        self._listen_for_echo(leg, said, float(said @ said) / len(said), seen, now_s)
        return is_clear(self._settings, seen.condition())

    def _listen_for_echo(self, leg: Leg, said: Samples, power: float, seen: _Seen, now_s: float) -> None:
        """Two glimpses in which the other side spoke have to agree."""
        assert leg.route is not None
        other = leg.route.target
        if self._settings.echo == "off" or other is leg or other.route is None or other.route.target is not leg:
            return
        if power < _AUDIBLE_POWER:
            return
        heard, whole = _lately(other, _HEARD_S, now_s)
        if not whole or len(heard) <= len(said) or not power / max(_SILENT_POWER, float(heard @ heard) / len(heard)) > _WEAKEST:
            return
        alike, lag = echo_likeness(said, heard)
        former, seen.lag = seen.lag, lag if alike >= _ALIKE else None
        if former is not None and seen.lag is not None and abs(seen.lag - former) <= _SAME_LAG:
            seen.has_echo = True


def _hears(leg: Leg) -> str:
    """The kind of who hears this leg."""
    return leg.route.target.kind if leg.route is not None else ""


def _is_voiced(sound: Samples) -> bool:
    """Does it repeat itself as vowels do?"""
    power = np.abs(fft.rfft(sound, 2 * len(sound))) ** 2
    likeness = fft.irfft(power)
    return bool(likeness[_PITCHES].max() > _VOICED * max(likeness[0], _SILENT_POWER))


def _is_forwarded(leg: Leg) -> bool:
    return leg.route is not None and leg.codec_in is not None and leg.connected and not leg.cared


def _lately(leg: Leg, seconds: float, now_s: float) -> tuple[Samples, bool]:
    """The last ``seconds`` of what was forwarded from this leg, float32 at 8 kHz, and whether nothing is missing in it."""
    codec = leg.codec_in
    assert codec is not None
    decoder, sound, whole = make_decoder(codec, rate_hz=_RATE_HZ), [], True
    following: int | None = None
    for timestamp, payload in leg.lately(seconds + _WARM_UP_S, now_s):
        try:
            sound.append(decoder.decode(payload))
        except CodecError:
            continue
        whole = whole and following in (None, timestamp)
        following = (timestamp + len(sound[-1]) * codec.clock_rate // _RATE_HZ) & 0xFFFFFFFF
    wanted = int(seconds * _RATE_HZ)
    together = np.concatenate(sound) if sound else np.zeros(0, np.float32)
    return together[-wanted:], whole and len(together) >= wanted
