"""Playout of one received stream: packets in whenever they come, one 20 ms frame out at every tick.

    put ─▶ dsp/jitter ─▶ decode, or mend: in-band FEC, dsp/conceal's concealment ─▶ dsp/stretch ─▶ dsp/resample ─▶ pull

Decoding and concealment happen at the codec's own rate, the resampler behind them raises the frame to the bridge's rate.

The usual packet of the usual stream, and the long pause, ask for next to nothing: what they need of a playout's state lies in the arrays of
``Playouts``, a row each, where kernels serve all playouts at once (``put_many``, ``next_frames``). Everything else is done here, one
playout at a time, on the same numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.conceal import Concealer
from dsp.jitter import (
    AT,
    DURATION,
    EMPTY,
    GAP,
    KIND,
    LONGEST_PAYLOAD_BYTES,
    NOTHING,
    PACKET,
    PAUSED,
    SEQUENCE,
    SKIP,
    TAKEN,
    TIMESTAMP,
    WHY,
    Buffers,
    Gap,
    JitterBuffer,
    JitterBuffers,
    JitterSettings,
    Missing,
    Packet,
    Rules,
    copy_row,
    delay_one,
    here_one,
    idles_one,
    payload_size,
    put_one,
    take_one,
    target_one,
)
from dsp.lanes import exact_kernel
from dsp.levels import rms_dbfs
from dsp.resample import Resampler
from dsp.stretch import ALIKE, SILENCE_DBFS, lengthen, shorten
from media import libopus
from media.codec import LONGEST_PACKET_S, CodecError, OpusDecoder, Samples, make_native_decoder
from media.wire.seam import Place
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
_LONGEST_TICKS = round(LONGEST_PACKET_S * 8_000)
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


# Columns of State.numbers: what the codec says, counters, and from _SSRC on what is of the stream. _OPUS is 2 where libopus tells of FEC.
_NATIVE_HZ, _CLOCK_HZ, _OPUS, _COUNTED, _EMITTED, _FEC_CARRIED, _COMFORT, _SSRC = range(8)
(
    _IN_HAND, _UNDECIDED, _GAP_SAMPLES, _IN_GAP, _RESTING, _WOKEN, _SINCE_STRETCH, _TRIES, _BEGINNING, _PRIMED,
    _LAST_KNOWN, _LAST_SEQUENCE, _LAST_END, _RECENT,
) = range(_SSRC + 1, _SSRC + 15)  # fmt: skip
_NUMBERS = _SSRC + 15
_NO_SSRC = -1
# columns of State.times
_DELAY, _DUE, _DELAY_SUM, _TARGET_SUM = range(4)


class State(NamedTuple):
    """Per row: ``numbers`` and ``times`` by the columns above, what was ``taken`` from the jitter buffer and not played yet, and the
    payloads played last (``recent``, with their ``sizes``)."""

    numbers: NDArray[np.int64]
    times: NDArray[np.float64]
    taken: NDArray[np.int64]
    recent: NDArray[np.uint8]
    sizes: NDArray[np.int64]


class Playouts:
    """What many playouts are beside their decoders, concealment and resamplers: ``rows`` of them, under the same settings."""

    def __init__(self, rows: int, settings: JitterSettings | None = None) -> None:
        self.jitter = JitterBuffers(rows, settings)
        self.state = State(
            numbers=np.zeros((rows, _NUMBERS), np.int64),
            times=np.zeros((rows, 4)),
            taken=np.zeros((rows, TAKEN), np.int64),
            recent=np.zeros((rows, _RECALLED_PACKETS, LONGEST_PAYLOAD_BYTES), np.uint8),
            sizes=np.zeros((rows, _RECALLED_PACKETS), np.int64),
        )
        self._data = np.empty(rows * LONGEST_PAYLOAD_BYTES, np.uint8)

    def put(self, first: int, heads: NDArray[np.int64], arrivals_s: NDArray[np.float64], data: NDArray[np.uint8]) -> int:
        """``Playout.put`` of many packets, from the ``first`` on, as ``Intake.put`` has them. Stops at one that is not of the usual kind,
        or of another source than its row's before: returns which it is, or how many there are."""
        ends = np.cumsum(heads[:, 4])
        return int(put_many(first, heads, ends, arrivals_s, data, self.state, self.jitter.state, self.jitter.rules))

    def next(self, rows: NDArray[np.int64], now_s: float) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
        """The next 20 ms of these rows: REST, SIGN, PLAIN or OTHER for each (k,), and the payloads of the signs and plain ones, until the
        next call: bytes, one behind the other, and where each ends.

        REST: nothing but silence, in the middle of a long pause. SIGN: so it is if the packet's sound is no louder than SILENCE_DBFS; then
        ``sleep_on`` is to be called, else ``pull``. PLAIN, the usual case: the sound of one packet is to be heard next, with
        nothing to mend. Whoever decodes it tells the concealment what was heard and calls ``follow`` where that is not quite all
        (``is_more``), or calls ``broken``. OTHER: ``pull`` is to be called for this tick.
        """
        what, ends = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        plain = next_frames(rows, now_s, what, self._data, ends, self.state, self.jitter.state, self.jitter.rules)
        return what, self._data[: ends[plain - 1] if plain else 0], ends[:plain]

    def is_more(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Is there sound left from before, or may it be time to stretch?"""
        more: NDArray[np.bool_] = (self.state.numbers[rows, _IN_HAND] > 0) | ~np.isnan(self.state.times[rows, _DUE])
        return more

    def sleep_on(self, rows: NDArray[np.int64], now_s: float) -> None:
        """The packets of these rows were signs of life and no voices."""
        sleep_on(rows, now_s, self.state, self.jitter.state)


REST, SIGN, PLAIN, OTHER = range(4)


class _Count:
    """A number of a playout that lies in its row."""

    def __init__(self, column: int) -> None:
        self._column = column

    def __get__(self, playout: "Playout", owner: type) -> int:
        return int(playout.numbers.item(self._column))

    def __set__(self, playout: "Playout", value: int) -> None:
        playout.numbers[self._column] = value


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

    ``concealer`` and ``resampler``: rows of those that many playouts share (``media/intake.py``), at ``settling_s`` and the native rate;
    ``playouts``, whose settings count, and ``row``: where its numbers lie.
    """

    resting = _Count(_RESTING)
    """In so long a pause that nothing is made up any more?"""
    _woken = _Count(_WOKEN)  # by one quiet packet, which may be a mere sign of life
    _undecided = _Count(_UNDECIDED)  # native samples made up while it is unknown whether anything was lost
    _in_gap = _Count(_IN_GAP)
    _gap_samples = _Count(_GAP_SAMPLES)
    _since_stretch = _Count(_SINCE_STRETCH)
    _tries = _Count(_TRIES)  # that found no place to shorten or lengthen at
    _beginning = _Count(_BEGINNING)  # behind what was heard before, no packet of our own yet: what is made up is delay, not loss

    def __init__(
        self,
        codec: AudioCodec,
        *,
        rate_hz: int = 16_000,
        concealment: bool = True,
        settings: JitterSettings | None = None,
        concealer: Concealer | None = None,
        resampler: Resampler | None = None,
        playouts: Playouts | None = None,
        row: int = 0,
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
        self._all, self._row = playouts or Playouts(1, settings), row
        state = self._all.state
        self.numbers, self._times, self._found, self._recent, self._sizes = (
            state.numbers[row], state.times[row], state.taken[row], state.recent[row], state.sizes[row]
        )  # fmt: skip
        floor_s = _OPUS_FLOOR_S if self._opus else 0.0
        self._jitter = JitterBuffer(codec.clock_rate, floor_s=floor_s, buffers=self._all.jitter, row=row)
        self._frame_ticks = codec.clock_rate // 50
        self._resampler = resampler or Resampler(self._native_hz, rate_hz)
        self._concealer = concealer or Concealer(self._native_hz, settling_s=settling_s(codec))
        self._hum = np.random.default_rng(row)
        self._counters = PlayoutCounters()
        self.place: Place | None = None
        """Where packets may be put together with others."""
        self._refused = 0
        self.numbers[:] = 0
        self._times[:] = 0.0
        self._lay_codec()
        self.numbers[_SSRC] = _NO_SSRC
        self._restart()

    def _lay_codec(self) -> None:
        opus = 0 if self._opus is None else 2 if libopus.SAYS_FEC else 1
        self.numbers[_NATIVE_HZ], self.numbers[_CLOCK_HZ], self.numbers[_OPUS] = self._native_hz, self.codec.clock_rate, opus

    @property
    def counters(self) -> PlayoutCounters:
        counters, jitter = self._counters, self._jitter.counters
        counters.packets_received = jitter.received + self._refused
        counters.packets_discarded = jitter.discarded
        counters.packets_duplicated = jitter.duplicated
        counted, emitted, fec_carried, comfort = self.numbers[_COUNTED : _COMFORT + 1].tolist()
        counters.total_samples_received, counters.jitter_buffer_emitted_count = counted, emitted
        counters.fec_packets_carried, counters.comfort_noise_samples = fec_carried, comfort
        counters.jitter_buffer_delay_s, counters.jitter_buffer_target_delay_s = self._times[_DELAY_SUM:].tolist()
        return counters

    @property
    def delay_ms(self) -> float:
        """What the jitter buffer added to the last frame, over the fastest packet; the resampler adds ``resampler_delay_ms``."""
        return 1000.0 * float(self._times[_DELAY])

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
        if ssrc is not None and ssrc != self.numbers[_SSRC]:
            if self.numbers[_SSRC] != _NO_SSRC:
                self.reset()
            self.numbers[_SSRC] = ssrc
        try:
            samples = self._decoder.duration(payload)
        except CodecError:
            samples = 0
        if not samples or len(payload) > LONGEST_PAYLOAD_BYTES:
            self._counters.packets_malformed += 1
            self._refused += 1
            return
        if self._opus is not None and self._opus.surely_has_fec(payload):
            self.numbers[_FEC_CARRIED] += 1
        self._jitter.put(sequence, timestamp, samples * self.codec.clock_rate // self._native_hz, payload, arrival_s)

    def prime(self, packets: Iterable[Received], *, ssrc: int) -> None:
        """Begin in mid-stream: these packets, in order of arrival, were heard another way, and the sound goes on behind the last.

        The delay then grows from nothing to its target by stretching, instead of by silence before the first packet.
        """
        for sequence, timestamp, payload, arrival_s in packets:
            self.put(sequence, timestamp, False, payload, arrival_s, ssrc=ssrc)
            self._heard_before_s = arrival_s
        self._heard_before[:] = self._jitter.begin()[-_RECALLED_PACKETS:]
        self.numbers[_PRIMED] = bool(self._heard_before)

    def _recall(self, now_s: float) -> None:
        """Bring decoder, concealment and resampler to where they would be had they played what was heard before."""
        packets = self._heard_before.copy()
        self._heard_before.clear()
        self.numbers[_PRIMED] = 0
        if now_s - self._heard_before_s > _FRESH_S:
            return
        for packet in packets:
            sound = self._play(packet)
            if len(sound) >= self._frame:
                self._resampler.process(sound[-self._frame :])
        self._beginning = 1

    def reset(self) -> None:
        """Another stream begins (new SSRC); the counters go on."""
        self._jitter.reset()
        self._decoder.reset()
        self._concealer.reset()
        self._restart()

    def comfort(self, sequence: int, level_db: int) -> None:
        """In the pause before packet ``sequence`` the far end's room hums so many dB below overload (RFC 3389, section 3)."""
        self._comfort = (sequence - 1) & 0xFFFF, 10.0 ** (-level_db / 20)

    def _restart(self) -> None:
        self._comfort = 0, 0.0
        self._pending = np.zeros(0, np.float32)
        self.numbers[_SSRC + 1 :] = 0
        self._times[_DELAY], self._times[_DUE] = 0.0, np.nan  # due: so much excess of delay, for which the plain packet may be stretched
        self._found[KIND] = NOTHING
        self._heard_before: list[Packet] = []
        self._heard_before_s = 0.0
        self._ahead: _Ahead | None = None

    def succeed(self, former: "Playout") -> None:
        """Go on where a playout of the same codec, under the same settings, at another rate is, which then is at its end."""
        ratio = self._native_hz / former._native_hz
        copy_row(self._all.state, self._row, former._all.state, former._row)
        self._lay_codec()
        self._times[_DUE] = np.nan
        self._jitter.take_after(former._jitter)
        self._counters, self._refused = former._counters, former._refused
        self._heard_before, self._heard_before_s = former._heard_before, former._heard_before_s
        self._undecided, self._gap_samples = round(former._undecided * ratio), round(former._gap_samples * ratio)
        sound = np.zeros(0, np.float32)
        for payload in former.recent():
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
        self._keep(sound[len(sound) - left :] if left <= len(sound) else np.zeros(left, np.float32))

    def recent(self) -> list[bytes]:
        """The payloads played last, oldest first."""
        played = self.numbers.item(_RECENT)
        places = [number % _RECALLED_PACKETS for number in range(max(0, played - _RECALLED_PACKETS), played)]
        return [self._recent[place, : self._sizes[place]].tobytes() for place in places]

    def follow(self, sound: Samples, now_s: float) -> Samples:
        """20 ms at the native rate, of what is left from before and of the plain packet's ``sound``, made longer or shorter where due."""
        together = np.concatenate((self._pending, sound))
        due, self._times[_DUE] = self._times.item(_DUE), np.nan
        if due == due:
            together = self._stretched(together, len(sound), due)
        return self._cut(together, now_s)

    def broken(self, now_s: float) -> Samples:
        """The 20 ms in place of a plain packet that could not be decoded."""
        self._counters.packets_malformed += 1
        return self._resampler.process(self.follow(self._fill(Gap(Missing.LOST, self._frame_ticks)), now_s))

    def _cut(self, pending: Samples, now_s: float) -> Samples:
        while len(pending) < self._frame:
            pending = self._more(now_s, pending)
        self._keep(pending[self._frame :])
        return pending[: self._frame]

    def _keep(self, pending: Samples) -> None:
        """Sound for the coming ticks."""
        self._pending = pending
        self.numbers[_IN_HAND] = len(pending)

    def foresee(self, sound: Samples) -> None:
        """The packet that was taken for this tick sounds like this."""
        self._ahead = _Ahead(int(self._found[SEQUENCE]), np.zeros(0, np.float32), sound)

    def pull(self, now_s: float) -> Samples:
        """The next 20 ms, float32 (rate_hz // 50,). Call once per tick, with the tick's time on the clock of ``arrival_s``."""
        if self._heard_before:
            self._recall(now_s)
        frame = self._cut(self._pending, now_s)
        self.numbers[_COUNTED] += COUNTED_HZ // 50
        return self._resampler.process(frame)

    def _more(self, now_s: float, pending: Samples) -> Samples:
        """``pending`` and, behind it, a packet's sound or what stands for one, at the native rate."""
        taken = self._jitter.take(now_s) if self._found[KIND] == NOTHING else self._jitter.told(self._found)
        self._found[KIND] = NOTHING
        if isinstance(taken, Gap):
            return np.concatenate((pending, self._fill(taken)))
        self._beginning = 0
        sound = self._play(taken)
        if not len(sound):
            return pending
        ticks = taken.duration - taken.skip
        self._times[_DELAY] = self._jitter.delay_s(now_s, ticks + len(pending) * self.codec.clock_rate // self._native_hz)
        return self._stretched(np.concatenate((pending, sound)), len(sound), self._jitter.excess_s(now_s, ticks))

    def _stretched(self, together: Samples, fresh: int, excess_s: float) -> Samples:
        changed = self._stretch(together, fresh, excess_s)
        self._emit(self._scaled(fresh + len(changed) - len(together)))
        return changed

    def _emit(self, samples: int) -> None:
        delay_s, _, delay_sum, target_sum = self._times.tolist()
        self.numbers[_EMITTED] += samples
        self._times[_DELAY_SUM], self._times[_TARGET_SUM] = delay_sum + samples * delay_s, target_sum + samples * self._jitter.target_s

    # -- packets

    def _play(self, packet: Packet) -> Samples:
        self._decide(packet)
        self._note(packet)
        ahead, self._ahead = self._ahead, None
        try:
            sound = ahead.sound if ahead and ahead.sequence == packet.sequence else self._decoder.decode(packet.payload)
        except CodecError:
            self._counters.packets_malformed += 1
            return self._fill(Gap(Missing.LOST, packet.duration - packet.skip))
        if packet.skip:
            sound = sound[packet.skip * self._native_hz // self.codec.clock_rate :]
        if len(sound) and not (self.resting and self._sleeps_on(sound)):
            self._in_gap = self._gap_samples = 0
            if self.resting:
                sound = self._wake(sound)
            if self._concealment:
                sound = self._concealer.received(sound)
        return sound

    def _note(self, packet: Packet) -> None:
        """It is played."""
        self.numbers[_LAST_KNOWN : _LAST_END + 1] = 1, packet.sequence, packet.timestamp + packet.duration
        place = self.numbers.item(_RECENT) % _RECALLED_PACKETS
        self._recent[place, : len(packet.payload)] = np.frombuffer(packet.payload, np.uint8)
        self._sizes[place] = len(packet.payload)
        self.numbers[_RECENT] += 1

    def _sleeps_on(self, sound: Samples) -> bool:
        """One quiet packet in a long pause is a sign of life (DTX sends one every 400 ms) and no voice: it is made silent."""
        if self._woken or rms_dbfs(sound) >= SILENCE_DBFS:
            return False
        self._woken = 1
        sound[:] = 0.0
        return True

    def _wake(self, sound: Samples) -> Samples:
        """The voice after a long pause, faded in."""
        self.resting = self._woken = 0
        self._concealer.rest()
        rise = min(len(sound), int(_WAKE_S * self._native_hz))
        sound[:rise] *= np.linspace(0.0, 1.0, rise, endpoint=False, dtype=np.float32)
        return sound

    def _decide(self, packet: Packet) -> None:
        """Sound was made up with nothing to go by: this packet tells whether the sender paused or packets were lost or late."""
        if self._undecided:
            known, sequence, end = self.numbers[_LAST_KNOWN : _LAST_END + 1].tolist()
            paused = bool(known) and packet.sequence == sequence + 1 and packet.timestamp > end
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
        if not whole or self._since_stretch < _stretch_every(excess_s):
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
            self.numbers[_COMFORT] += samples
            return
        self._counters.concealed_samples += samples
        self._counters.silent_concealed_samples += samples if silent else 0
        self._counters.concealment_events += not self._in_gap
        self._in_gap = 1

    def _made_up(self, gap: Gap, samples: int) -> Samples:
        if self.resting:
            self._woken = 0
        if not self._concealment or not self.numbers[_LAST_KNOWN] or self.resting:
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
        """Comfort noise of a long pause, on its way to silence, or to the noise that the far end told."""
        done = (self._gap_samples / self._native_hz - _REST_S) / (_FADE_FRAMES * _FRAME_S)
        if self.resting or done < 0.0:
            return sound
        sequence, level = self._comfort
        hums = level > 0.0 and sequence == self.numbers.item(_LAST_KNOWN + 1) & 0xFFFF
        self.resting = done >= 1.0 and not hums
        begin, end = max(0.0, 1.0 - done), max(0.0, 1.0 - done - 1.0 / _FADE_FRAMES)
        left = np.linspace(begin, end, len(sound), endpoint=False, dtype=np.float32)
        faded: Samples = sound * left
        if hums:
            faded += (1.0 - left) * np.float32(level) * self._hum.standard_normal(len(sound), np.float32)
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


# -- rows of many


_FRAMES_PER_S = np.array([0 if toc & 3 else 48_000 // libopus.packet_samples(bytes([toc]), 48_000) for toc in range(256)])
"""By the first byte of an Opus packet of one frame: how many of them last a second; 0 where it holds several."""


@exact_kernel
def _stretch_every(excess_s: float) -> int:
    if excess_s > _RUSH_S:
        return _RUSH_EVERY_PACKETS
    return _HURRY_EVERY_PACKETS if abs(excess_s) > _HURRY_S else _STRETCH_EVERY_PACKETS


@exact_kernel
def put_many(
    first: int,
    heads: NDArray[np.int64],
    ends: NDArray[np.int64],
    arrivals_s: NDArray[np.float64],
    data: NDArray[np.uint8],
    state: State,
    buffers: Buffers,
    rules: Rules,
) -> int:
    """``Playouts.put``."""
    for k in range(first, len(heads)):
        row = heads[k, 0]
        numbers, payload = state.numbers[row], data[ends[k] - heads[k, 4] : ends[k]]
        if numbers[_SSRC] != heads[k, 3] or not 0 < len(payload) <= LONGEST_PAYLOAD_BYTES:
            return k
        if numbers[_OPUS]:
            toc = payload[0]
            if not _FRAMES_PER_S[toc] or (toc < 0x80 and (toc & 4 or len(payload) < 2)):
                return k
            duration = numbers[_CLOCK_HZ] // _FRAMES_PER_S[toc]
            if toc < 0x80 and payload[1] & 0x40 and numbers[_OPUS] == 2:  # SILK, mono: the LBRR flag (RFC 6716, section 4.2.3)
                numbers[_FEC_CARRIED] += 1
        else:
            duration = len(payload)  # G.711, and G.722 by its clock of 8 kHz
            if duration > _LONGEST_TICKS:
                return k
        put_one(row, heads[k, 1], heads[k, 2], duration, payload, arrivals_s[k], buffers, rules)
    return len(heads)


@exact_kernel
def next_frames(
    rows: NDArray[np.int64],
    now_s: float,
    what: NDArray[np.int64],
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    state: State,
    buffers: Buffers,
    rules: Rules,
) -> int:
    """``Playouts.next``; how many payloads there are."""
    payloads, end = 0, 0
    for k in range(len(rows)):
        row = rows[k]
        if state.numbers[row, _RESTING]:
            rests = _rests(row, now_s, state, buffers, rules)
            what[k] = REST if rests else SIGN if _is_sign(row, now_s, state, buffers, rules) else OTHER
        else:
            what[k] = PLAIN if _is_plain(row, now_s, state, buffers, rules) else OTHER
        if what[k] == SIGN or what[k] == PLAIN:
            payload = _payload(row, state, buffers)
            data[end : end + len(payload)] = payload
            end += len(payload)
            ends[payloads] = end
            payloads += 1
    return payloads


@exact_kernel
def _payload(row: int, state: State, buffers: Buffers) -> NDArray[np.uint8]:
    """Of the packet that was taken just now."""
    place = state.taken[row, AT]
    return buffers.payloads[row, place, : payload_size(row, place, buffers)]


@exact_kernel
def _is_sign(row: int, now_s: float, state: State, buffers: Buffers, rules: Rules) -> bool:
    """A whole packet in a long pause of which no packet was lost, in good time."""
    numbers, taken, frame_ticks = state.numbers[row], state.taken[row], state.numbers[row, _CLOCK_HZ] // 50
    if numbers[_IN_HAND]:
        return False
    if taken[KIND] == NOTHING:
        take_one(row, now_s, taken, buffers, rules)
    if taken[KIND] != PACKET or taken[SKIP] or taken[DURATION] != frame_ticks or numbers[_WOKEN]:
        return False
    if numbers[_UNDECIDED] and not (
        numbers[_LAST_KNOWN] and taken[SEQUENCE] == numbers[_LAST_SEQUENCE] + 1 and taken[TIMESTAMP] > numbers[_LAST_END]
    ):
        return False
    excess_s = delay_one(row, now_s, frame_ticks, buffers) - target_one(row, buffers)
    return bool(-_DEFICIT_S <= excess_s <= _SPARE_S or numbers[_SINCE_STRETCH] + 1 < _stretch_every(excess_s))


@exact_kernel
def sleep_on(rows: NDArray[np.int64], now_s: float, state: State, buffers: Buffers) -> None:
    """``Playouts.sleep_on``."""
    for row in rows:
        numbers, times = state.numbers[row], state.times[row]
        _heard(row, state, buffers)
        numbers[_COMFORT] += numbers[_UNDECIDED] * COUNTED_HZ // numbers[_NATIVE_HZ]
        numbers[_UNDECIDED] = 0
        numbers[_WOKEN] = 1
        times[_DELAY] = delay_one(row, now_s, numbers[_CLOCK_HZ] // 50, buffers)
        _go_on(row, state, buffers)


@exact_kernel
def _heard(row: int, state: State, buffers: Buffers) -> None:
    """The whole frame that was taken just now is heard."""
    numbers, taken = state.numbers[row], state.taken[row]
    taken[KIND] = NOTHING
    _note(row, taken[SEQUENCE], taken[TIMESTAMP] + taken[DURATION], _payload(row, state, buffers), state)
    numbers[_BEGINNING] = 0
    numbers[_COUNTED] += COUNTED_HZ // 50


@exact_kernel
def _go_on(row: int, state: State, buffers: Buffers) -> None:
    """It is heard as it is."""
    numbers, times = state.numbers[row], state.times[row]
    numbers[_SINCE_STRETCH] += 1
    numbers[_EMITTED] += COUNTED_HZ // 50
    times[_DELAY_SUM] += COUNTED_HZ // 50 * times[_DELAY]
    times[_TARGET_SUM] += COUNTED_HZ // 50 * target_one(row, buffers)


@exact_kernel
def _rests(row: int, now_s: float, state: State, buffers: Buffers, rules: Rules) -> bool:
    numbers, taken = state.numbers[row], state.taken[row]
    frame, frame_ticks = numbers[_NATIVE_HZ] // 50, numbers[_CLOCK_HZ] // 50
    if numbers[_IN_HAND] or taken[KIND] != NOTHING:
        return False
    paused = False
    if here_one(row, buffers) or not idles_one(row, now_s, frame_ticks, buffers, rules):
        take_one(row, now_s, taken, buffers, rules)
        paused = taken[WHY] == PAUSED
        if taken[KIND] != GAP or taken[DURATION] != frame_ticks or not (paused or taken[WHY] == EMPTY):
            return False
        taken[KIND] = NOTHING
    numbers[_GAP_SAMPLES] += frame if paused else 0
    numbers[_COMFORT] += (numbers[_UNDECIDED] + frame) * COUNTED_HZ // numbers[_NATIVE_HZ] if paused else 0
    numbers[_UNDECIDED] = 0 if paused else numbers[_UNDECIDED] + frame
    numbers[_WOKEN] = 0
    numbers[_COUNTED] += COUNTED_HZ // 50
    return True


@exact_kernel
def _is_plain(row: int, now_s: float, state: State, buffers: Buffers, rules: Rules) -> bool:
    numbers, times, taken = state.numbers[row], state.times[row], state.taken[row]
    in_hand, frame_ticks = numbers[_IN_HAND], numbers[_CLOCK_HZ] // 50
    if numbers[_GAP_SAMPLES] or numbers[_UNDECIDED] or numbers[_IN_GAP] or numbers[_PRIMED] or in_hand >= numbers[_NATIVE_HZ] // 50:
        return False
    take_one(row, now_s, taken, buffers, rules)
    if taken[KIND] != PACKET or taken[SKIP] or taken[DURATION] != frame_ticks:
        return False
    _heard(row, state, buffers)
    excess_s = delay_one(row, now_s, frame_ticks, buffers) - target_one(row, buffers)
    times[_DELAY] = delay_one(row, now_s, frame_ticks + in_hand * numbers[_CLOCK_HZ] // numbers[_NATIVE_HZ], buffers)
    fine = -_DEFICIT_S <= excess_s <= (0.0 if in_hand else _SPARE_S)
    if not fine and numbers[_SINCE_STRETCH] + 1 >= _stretch_every(excess_s):
        times[_DUE] = excess_s
    else:
        _go_on(row, state, buffers)
    return True


@exact_kernel
def _note(row: int, sequence: int, end: int, payload: NDArray[np.uint8], state: State) -> None:
    """This packet, which ends at this timestamp, is played."""
    numbers = state.numbers[row]
    numbers[_LAST_KNOWN], numbers[_LAST_SEQUENCE], numbers[_LAST_END] = 1, sequence, end
    place = numbers[_RECENT] % _RECALLED_PACKETS
    state.recent[row, place, : len(payload)] = payload
    state.sizes[row, place] = len(payload)
    numbers[_RECENT] += 1


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
    playout.prime([Received(number, 160 * number, hum, 0.02 * number) for number in range(60, 70)], ssrc=1)
