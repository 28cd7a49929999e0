"""Playout of one received stream: packets in whenever they come, one 20 ms frame out at every tick.

    put ─▶ dsp/jitter ─▶ decode, or mend: in-band FEC, dsp/conceal's concealment ─▶ dsp/stretch ─▶ dsp/resample ─▶ pull

Decoding and concealment happen at the codec's own rate, the resampler behind them raises the frame to the bridge's rate.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dsp.conceal import Concealer
from dsp.jitter import Gap, JitterBuffer, JitterSettings, Missing, Packet
from dsp.levels import rms_dbfs
from dsp.resample import Resampler
from dsp.stretch import ALIKE, SILENCE_DBFS, lengthen, shorten
from media.codec import CodecError, OpusDecoder, Samples, make_native_decoder
from rooms.audio import PCMA, AudioCodec

_OPUS_FLOOR_S = 0.04  # two packets, so that the next one, with the copy of a lost one, is here in time
_OPUS_STEP_HZ = 400  # libopus makes up multiples of 2.5 ms
_AHEAD_S = 0.06  # a hole up to this length is made up with its end in view
_SETTLING_S = {"g722": 0.005}  # behind a hole its predictor is off for 60 ms, and worst at first
_REST_S, _FADE_FRAMES = 0.2, 4  # a pause is filled with comfort noise for so long, which then fades out; from there on it costs nothing
_WAKE_S = 0.005
_OPUS_FADE_S = 0.3  # libopus has faded out long before; what is missing after that costs no decoder time
_FRAME_S, _DEFICIT_S = 0.02, 0.005
_SPARE_S = _FRAME_S + _DEFICIT_S  # time in hand that a whole frame can be taken from
_HURRY_S, _RUSH_S = 0.05, 0.15  # from here on speech too is shortened, not only silence; and more often
_PATIENT_TRIES, _PATIENCE_PER_TRY = 5, 0.1  # noise and music are never quite alike: after so many tries less likeness will do
_STRETCH_EVERY_PACKETS, _HURRY_EVERY_PACKETS, _RUSH_EVERY_PACKETS = 3, 2, 1
_RECALLED_PACKETS = 4  # decoder, concealment and resampler remember no more
_HANDED_ON = (
    "_jitter", "_counters", "_refused", "_ssrc", "_taken", "_recent", "_last", "_in_gap", "_since_stretch", "_tries", "_delay_s",
    "resting", "_woken", "_heard_before", "_heard_before_s", "_beginning",
)  # fmt: skip
"""What a playout is beside its decoder, concealment and resampler, and what they have in hand."""
_FRESH_S = 0.1  # what was heard longer ago is no beginning of what comes now


COUNTED_HZ = 16_000
"""The rate at which samples are counted, whatever the playout's is."""


@dataclass(slots=True)
class PlayoutCounters:
    """Names and meanings of W3C webrtc-stats, ``inbound-rtp``, in snake case; samples are counted at ``COUNTED_HZ``.

    ``concealed_samples`` are those of lost, late or broken packets; pauses of the sender (DTX) are ``comfort_noise_samples``.
    ``fec_packets_received`` mended a loss; ``fec_packets_carried``, a name of ours, are all that held in-band FEC.
    ``jitter_buffer_delay_s`` and ``jitter_buffer_target_delay_s`` sum over the ``jitter_buffer_emitted_count`` samples that came out of
    packets; the delay is that over the fastest packet.
    """

    packets_received: int = 0
    packets_discarded: int = 0
    packets_duplicated: int = 0
    packets_malformed: int = 0
    fec_packets_received: int = 0
    fec_packets_carried: int = 0
    concealed_samples: int = 0
    silent_concealed_samples: int = 0
    concealment_events: int = 0
    comfort_noise_samples: int = 0
    inserted_samples_for_deceleration: int = 0
    removed_samples_for_acceleration: int = 0
    total_samples_received: int = 0
    jitter_buffer_delay_s: float = 0.0
    jitter_buffer_target_delay_s: float = 0.0
    jitter_buffer_emitted_count: int = 0


class Received(NamedTuple):
    """One RTP packet with the monotonic time of its arrival."""

    sequence: int
    timestamp: int
    payload: bytes
    arrival_s: float


class _Ahead(NamedTuple):
    """A packet decoded before its turn, and before it the ``copy`` that it carries of the end of the hole, at the native rate."""

    sequence: int
    copy: Samples
    sound: Samples


class Playout:
    """``concealment=False`` puts zeros where sound is missing: the yardstick of what concealment is worth.

    ``concealer`` and ``resampler``: rows of those that many playouts share (``media/intake.py``), at ``settling_s`` and the native rate.
    """

    def __init__(
        self,
        codec: AudioCodec,
        *,
        rate_hz: int = 16_000,
        concealment: bool = True,
        settings: JitterSettings | None = None,
        concealer: Concealer | None = None,
        resampler: Resampler | None = None,
    ) -> None:
        self.codec = codec
        self.rate_hz = rate_hz
        self._concealment = self.conceals = concealment
        self.kind = codec.name, concealment
        """Playouts of one kind and rate may be decoded together."""
        self.decoder = self._decoder = make_native_decoder(codec, rate_hz=rate_hz)
        self._opus = self._decoder if isinstance(self._decoder, OpusDecoder) else None
        self._native_hz = self._decoder.rate_hz
        self._frame = self._native_hz // 50
        self._jitter = JitterBuffer(codec.clock_rate, settings, floor_s=_OPUS_FLOOR_S if self._opus else 0.0)
        self._frame_ticks = codec.clock_rate // 50
        self._resampler = resampler or Resampler(self._native_hz, rate_hz)
        self._concealer = concealer or Concealer(self._native_hz, settling_s=settling_s(codec))
        self._counters = PlayoutCounters()
        self._refused = 0
        self._ssrc: int | None = None
        self._restart()

    @property
    def counters(self) -> PlayoutCounters:
        counters, jitter = self._counters, self._jitter.counters
        counters.packets_received = jitter.received + self._refused
        counters.packets_discarded = jitter.discarded
        counters.packets_duplicated = jitter.duplicated
        return counters

    @property
    def delay_ms(self) -> float:
        """What the jitter buffer added to the last frame, over the fastest packet; the resampler adds ``resampler_delay_ms``."""
        return 1000.0 * self._delay_s

    @property
    def target_ms(self) -> float:
        return 1000.0 * self._jitter.target_s

    @property
    def playout_timestamp(self) -> int | None:
        """Where on the sender's clock the next frame begins, in ticks without wrap-around; None before the first packet.

        What W3C's ``estimatedPlayoutTimestamp`` is made of; after a change of length it is right to within that change.
        """
        playhead = self._jitter.playhead
        return None if playhead is None else playhead - len(self._pending) * self.codec.clock_rate // self._native_hz

    @property
    def resampler_delay_ms(self) -> float:
        return 1000.0 * self._resampler.delay_s

    def put(self, sequence: int, timestamp: int, marker: bool, payload: bytes, arrival_s: float, *, ssrc: int | None = None) -> None:
        """Take in one RTP packet. ``marker`` is not needed: pauses show in the numbers. A changed ``ssrc`` starts anew."""
        if ssrc is not None and ssrc != self._ssrc:
            if self._ssrc is not None:
                self.reset()
            self._ssrc = ssrc
        try:
            samples = self._decoder.duration(payload)
        except CodecError:
            self._counters.packets_malformed += 1
            self._refused += 1
            return
        if self._opus is not None and self._opus.surely_has_fec(payload):
            self._counters.fec_packets_carried += 1
        self._jitter.put(sequence, timestamp, samples * self.codec.clock_rate // self._native_hz, payload, arrival_s)

    def prime(self, packets: Iterable[Received], *, ssrc: int) -> None:
        """Begin in mid-stream: these packets, in order of arrival, were heard another way, and the sound goes on behind the last.

        The delay then grows from nothing to its target by stretching, instead of by silence before the first packet.
        """
        for sequence, timestamp, payload, arrival_s in packets:
            self.put(sequence, timestamp, False, payload, arrival_s, ssrc=ssrc)
            self._heard_before_s = arrival_s
        self._heard_before[:] = self._jitter.begin()[-_RECALLED_PACKETS:]

    def _recall(self, now_s: float) -> None:
        """Bring decoder, concealment and resampler to where they would be had they played what was heard before."""
        packets = self._heard_before.copy()
        self._heard_before.clear()
        if now_s - self._heard_before_s > _FRESH_S:
            return
        for packet in packets:
            sound = self._play(packet)
            if len(sound) >= self._frame:
                self._resampler.process(sound[-self._frame :])
        self._beginning = True

    def reset(self) -> None:
        """Another stream begins (new SSRC); the counters go on."""
        self._jitter.reset()
        self._decoder.reset()
        self._concealer.reset()
        self._restart()

    def _restart(self) -> None:
        self._pending = np.zeros(0, np.float32)
        self._taken: Packet | Gap | None = None
        self._recent: deque[bytes] = deque(maxlen=_RECALLED_PACKETS)
        self.resting = False
        """In so long a pause that nothing is made up any more?"""
        self._woken = False  # by one quiet packet, which may be a mere sign of life
        self._last: Packet | None = None
        self._undecided = 0  # native samples made up while it is unknown whether anything was lost
        self._in_gap = False
        self._gap_samples = 0
        self._since_stretch = 0
        self._due: float | None = None  # so much excess of delay, for which the plain packet that is being decoded may be stretched
        self._tries = 0  # that found no place to shorten or lengthen at
        self._delay_s = 0.0
        self._heard_before: list[Packet] = []
        self._heard_before_s = 0.0
        self._ahead: _Ahead | None = None
        self._beginning = False  # behind what was heard before, no packet of our own yet: what is made up is delay, not loss

    def succeed(self, former: "Playout") -> None:
        """Go on where a playout of the same codec at another rate is; both may share their jitter buffer and counters only until then."""
        ratio = self._native_hz / former._native_hz
        for name in _HANDED_ON:
            setattr(self, name, getattr(former, name))
        self._undecided, self._gap_samples = round(former._undecided * ratio), round(former._gap_samples * ratio)
        sound = np.zeros(0, np.float32)
        for payload in former._recent:
            try:
                sound = self._decoder.decode(payload)
            except CodecError:  # was counted when it was played
                continue
            if self._concealment:
                sound = self._concealer.received(sound)
            played = max(0, len(sound) - round(len(former._pending) * ratio)) // (self._native_hz // 500) * (self._native_hz // 500)
            if played:
                self._resampler.process(sound[:played])
        left = round(len(former._pending) * ratio)
        self._pending = sound[len(sound) - left :] if left <= len(sound) else np.zeros(left, np.float32)

    def plain(self, now_s: float) -> bytes | None:
        """The payload whose sound is the next to be heard: the usual case, with nothing to mend.

        None: ``pull`` is to be called for this tick. Else it is not, and whoever decodes (with ``decoder``) tells the concealment what was
        heard and calls ``follow`` where that is not quite all (``is_more``), or calls ``broken``.
        """
        pending = len(self._pending)
        if (
            self._gap_samples
            or self._undecided
            or self._in_gap
            or self.resting
            or self._ahead
            or self._heard_before
            or pending >= self._frame
        ):
            return None
        jitter = self._jitter
        taken = self._taken = jitter.take(now_s)
        if type(taken) is not Packet or taken.skip or taken.duration != self._frame_ticks:
            return None
        delay_s = jitter.delay_s(now_s, taken.duration)
        excess_s = delay_s - jitter.target_s
        if pending:
            delay_s = jitter.delay_s(now_s, taken.duration + pending * self.codec.clock_rate // self._native_hz)
        self._taken, self._last, self._beginning = None, taken, False
        self._recent.append(taken.payload)
        self._delay_s = delay_s
        self._counters.total_samples_received += COUNTED_HZ // 50
        if not -_DEFICIT_S <= excess_s <= (0.0 if pending else _SPARE_S) and self._since_stretch + 1 >= self._stretch_every(excess_s):
            self._due = excess_s
        else:
            self._since_stretch += 1
            self._emit(COUNTED_HZ // 50)
        return taken.payload

    @property
    def is_more(self) -> bool:
        """Is there sound left from before, or may it be time to stretch?"""
        return self._due is not None or len(self._pending) > 0

    def follow(self, sound: Samples, now_s: float) -> Samples:
        """20 ms at the native rate, of what is left from before and of the plain packet's ``sound``, made longer or shorter where due."""
        together = np.concatenate((self._pending, sound))
        due, self._due = self._due, None
        if due is not None:
            together = self._stretched(together, len(sound), due)
        return self._cut(together, now_s)

    def broken(self, now_s: float) -> Samples:
        """The 20 ms in place of a plain packet that could not be decoded."""
        self._counters.packets_malformed += 1
        return self._resampler.process(self.follow(self._fill(Gap(Missing.LOST, self._frame_ticks)), now_s))

    def _cut(self, pending: Samples, now_s: float) -> Samples:
        while len(pending) < self._frame:
            pending = self._more(now_s, pending)
        self._pending = pending[self._frame :]
        return pending[: self._frame]

    def rests(self, now_s: float) -> bool:
        """Is the next 20 ms nothing but silence, in the middle of a long pause? Then ``pull`` is not to be called for this tick."""
        jitter = self._jitter
        if not self.resting or len(self._pending) or self._taken is not None or len(jitter):
            return False
        if not jitter.idles(now_s, self._frame_ticks):
            self._taken = jitter.take(now_s)
            if type(self._taken) is not Gap or self._taken.reason is not Missing.EMPTY or self._taken.duration != self._frame_ticks:
                return False
            self._taken = None
        self._undecided += self._frame
        self._woken = False
        self._counters.total_samples_received += COUNTED_HZ // 50
        return True

    def pull(self, now_s: float) -> Samples:
        """The next 20 ms, float32 (rate_hz // 50,). Call once per tick, with the tick's time on the clock of ``arrival_s``."""
        if self._heard_before:
            self._recall(now_s)
        frame = self._cut(self._pending, now_s)
        self._counters.total_samples_received += COUNTED_HZ // 50
        return self._resampler.process(frame)

    def _more(self, now_s: float, pending: Samples) -> Samples:
        """``pending`` and, behind it, a packet's sound or what stands for one, at the native rate."""
        taken = self._taken or self._jitter.take(now_s)
        self._taken = None
        if isinstance(taken, Gap):
            return np.concatenate((pending, self._fill(taken)))
        self._beginning = False
        sound = self._play(taken)
        if not len(sound):
            return pending
        ticks = taken.duration - taken.skip
        self._delay_s = self._jitter.delay_s(now_s, ticks + len(pending) * self.codec.clock_rate // self._native_hz)
        return self._stretched(np.concatenate((pending, sound)), len(sound), self._jitter.excess_s(now_s, ticks))

    def _stretched(self, together: Samples, fresh: int, excess_s: float) -> Samples:
        changed = self._stretch(together, fresh, excess_s)
        self._emit(self._scaled(fresh + len(changed) - len(together)))
        return changed

    def _emit(self, samples: int) -> None:
        counters = self._counters
        counters.jitter_buffer_emitted_count += samples
        counters.jitter_buffer_delay_s += samples * self._delay_s
        counters.jitter_buffer_target_delay_s += samples * self._jitter.target_s

    # -- packets

    def _play(self, packet: Packet) -> Samples:
        self._decide(packet)
        self._last = packet
        self._recent.append(packet.payload)
        ahead, self._ahead = self._ahead, None
        try:
            sound = ahead.sound if ahead and ahead.sequence == packet.sequence else self._decoder.decode(packet.payload)
        except CodecError:
            self._counters.packets_malformed += 1
            return self._fill(Gap(Missing.LOST, packet.duration - packet.skip))
        if packet.skip:
            sound = sound[packet.skip * self._native_hz // self.codec.clock_rate :]
        if len(sound) and not (self.resting and self._sleeps_on(sound)):
            self._in_gap = False
            self._gap_samples = 0
            if self.resting:
                sound = self._wake(sound)
            if self._concealment:
                sound = self._concealer.received(sound)
        return sound

    def _sleeps_on(self, sound: Samples) -> bool:
        """One quiet packet in a long pause is a sign of life (DTX sends one every 400 ms) and no voice: it is made silent."""
        if self._woken or rms_dbfs(sound) >= SILENCE_DBFS:
            return False
        self._woken = True
        sound[:] = 0.0
        return True

    def _wake(self, sound: Samples) -> Samples:
        """The voice after a long pause, faded in."""
        self.resting = self._woken = False
        self._concealer.rest()
        rise = min(len(sound), int(_WAKE_S * self._native_hz))
        sound[:rise] *= np.linspace(0.0, 1.0, rise, endpoint=False, dtype=np.float32)
        return sound

    def _decide(self, packet: Packet) -> None:
        """Sound was made up with nothing to go by: this packet tells whether the sender paused or packets were lost or late."""
        if self._undecided:
            last = self._last
            paused = last is not None and packet.sequence == last.sequence + 1 and packet.timestamp > last.timestamp + last.duration
            self._count_gap(self._undecided, paused)
            self._undecided = 0

    def _stretch(self, sound: Samples, fresh: int, excess_s: float) -> Samples:
        """Bring the delay towards its target, where that is not heard; ``sound`` is all that is decoded and not played, its end fresh.

        Packets are wanted when less than a frame is left, so time in hand comes and goes by whole frames: what is left over (``rest``)
        delays the sound and, with packets of whole frames, gains nothing. Then it is taken out freely; a whole frame more only when the
        excess can spare it.
        """
        self._since_stretch += 1
        whole, rest = divmod(len(sound), self._frame)
        if not whole or self._since_stretch < self._stretch_every(excess_s):
            return sound
        alike = max(0.0, ALIKE - _PATIENCE_PER_TRY * max(0, self._tries - _PATIENT_TRIES))
        if excess_s < -_DEFICIT_S:
            more = self._frame - rest
            changed = lengthen(sound, self._native_hz, more if more > self._frame // 2 else more + self._frame, alike)
        elif excess_s > _HURRY_S or (excess_s > _SPARE_S and rms_dbfs(sound) < SILENCE_DBFS):
            changed = shorten(sound, self._native_hz, rest + self._frame, alike)
        elif excess_s > 0 and rest and not fresh % self._frame:
            changed = shorten(sound, self._native_hz, rest)
        else:
            return sound
        difference = self._scaled(len(changed) - len(sound))
        self._tries += 1
        if difference:
            self._since_stretch = self._tries = 0
            self._counters.inserted_samples_for_deceleration += max(0, difference)
            self._counters.removed_samples_for_acceleration += max(0, -difference)
        return changed

    @staticmethod
    def _stretch_every(excess_s: float) -> int:
        if excess_s > _RUSH_S:
            return _RUSH_EVERY_PACKETS
        return _HURRY_EVERY_PACKETS if abs(excess_s) > _HURRY_S else _STRETCH_EVERY_PACKETS

    # -- holes

    def _fill(self, gap: Gap) -> Samples:
        samples = max(1, gap.duration * self._native_hz // self.codec.clock_rate)
        if gap.reason is Missing.WAITING:
            return np.zeros(samples, np.float32)
        sound = self._made_up(gap, samples)
        if self._concealment and gap.reason is not Missing.LOST:
            sound = self._come_to_rest(sound)
        self._gap_samples += samples
        if gap.reason is Missing.EMPTY and self._beginning:
            self._counters.inserted_samples_for_deceleration += self._scaled(samples)
        elif gap.reason is Missing.EMPTY:
            self._undecided += samples
        else:
            self._count_gap(self._undecided + samples, gap.reason is Missing.PAUSED, silent=rms_dbfs(sound) < SILENCE_DBFS)
            self._undecided = 0
        return sound

    def _count_gap(self, native_samples: int, paused: bool, *, silent: bool = False) -> None:
        samples = self._scaled(native_samples)
        if paused:
            self._counters.comfort_noise_samples += samples
            return
        self._counters.concealed_samples += samples
        self._counters.silent_concealed_samples += samples if silent else 0
        self._counters.concealment_events += not self._in_gap
        self._in_gap = True

    def _made_up(self, gap: Gap, samples: int) -> Samples:
        if self.resting:
            self._woken = False
        if not self._concealment or self._last is None or self.resting:
            return np.zeros(samples, np.float32)
        ahead = self._look_ahead(gap)
        if ahead is None:
            self._keep_in_step(samples)
            return self._concealer.conceal(samples)
        distance = gap.distance * self._native_hz // self.codec.clock_rate
        copied = len(ahead.copy)
        if copied >= distance:
            self._counters.fec_packets_received += distance == samples
            return self._concealer.received(ahead.copy[copied - distance :][:samples])
        behind = np.concatenate((ahead.copy, ahead.sound))
        return self._concealer.conceal(samples, following=behind, distance=distance - copied)

    def _come_to_rest(self, sound: Samples) -> Samples:
        """Comfort noise of a long pause, on its way to silence."""
        done = (self._gap_samples / self._native_hz - _REST_S) / (_FADE_FRAMES * _FRAME_S)
        if self.resting or done < 0.0:
            return sound
        self.resting = done >= 1.0
        begin, end = max(0.0, 1.0 - done), max(0.0, 1.0 - done - 1.0 / _FADE_FRAMES)
        faded: Samples = sound * np.linspace(begin, end, len(sound), endpoint=False, dtype=np.float32)
        return faded

    def _look_ahead(self, gap: Gap) -> "_Ahead | None":
        """The packet behind the hole, decoded before its turn, if it is here: what is made up then leads to it."""
        following, distance = gap.following, gap.distance * self._native_hz // self.codec.clock_rate
        if gap.reason is not Missing.LOST or following is None or distance > _AHEAD_S * self._native_hz:
            return None
        if self._ahead is None or self._ahead.sequence != following.sequence:
            copy = np.zeros(0, np.float32)
            try:
                if self._opus is not None:
                    copy = self._opus_copy(self._opus, following, distance)
                self._ahead = _Ahead(following.sequence, copy, self._decoder.decode(following.payload))
            except CodecError:  # counted when it is that packet's turn
                self._ahead = None
        return self._ahead

    def _opus_copy(self, opus: OpusDecoder, following: Packet, distance: int) -> Samples:
        """The end of the hole from the copy of it that the next packet carries (RFC 6716, section 2.1.7), if it does.

        libopus makes up what lies before that, which keeps its memory in step; ours is played instead: it sounds better.
        """
        copied = opus.duration(following.payload) if opus.has_fec(following.payload) else 0
        self._keep_in_step(distance - copied)
        return opus.decode_fec(following.payload, copied)[-distance:] if copied else np.zeros(0, np.float32)

    def _keep_in_step(self, samples: int) -> None:
        """libopus makes up a whole number of its steps; nobody hears them."""
        if self._opus is not None and samples > 0 and self._gap_samples < _OPUS_FADE_S * self._native_hz:
            step = self._native_hz // _OPUS_STEP_HZ
            if samples >= step:
                self._opus.conceal(samples // step * step)

    def _scaled(self, native_samples: int) -> int:
        return native_samples * COUNTED_HZ // self._native_hz


def settling_s(codec: AudioCodec) -> float:
    """For how long behind a hole the concealment of this codec is to go on."""
    return _SETTLING_S.get(codec.name, 0.0)


def rehearse() -> None:
    """A second of a hum that loses a packet and then comes late and all at once: what it needs is compiled, or loaded, afterwards."""
    playout, hum = Playout(PCMA), bytes(0x65 ^ (k // 25 % 2 << 7) for k in range(160))
    waiting = sorted((25 if 10 <= number < 25 else number, number) for number in range(50) if number != 5)
    for tick in range(50):
        while waiting and waiting[0][0] <= tick:
            _, number = waiting.pop(0)
            playout.put(number, 160 * number, False, hum, 0.02 * tick)
        playout.pull(0.02 * tick + 0.005)
