"""What mixed legs are sent: encoders, one for all who hear the same, and none for silence. All legs of a tick are encoded at once.

Theory. An Opus stream depends on its past, so an encoder may serve several legs only as long as all of them hear the same. When one begins
to hear something else it goes on with a copy of the encoder, state and all, and nothing is heard of that. Encoders that were given the same
for half a second are so much alike that a listener may change from one to the other: what that disturbs lies 37 dB below the voice (median,
-25 dB in one of twenty), while two such encoders differ by 25 dB anyway. Who was silent for a while takes the encoder of those who hear the
same, or all who awake together share a new one.

Silence is encoded for 200 ms, so that codecs ring out and the far end's comfort noise knows where it stands. From then on the last packet
is repeated; where the far end asked for discontinuous transmission (usedtx, RFC 7587) a packet without content goes out every 400 ms.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dsp.lanes import exact_kernel
from dsp.resample import Resampling
from media import libopus
from media.codec import (
    CodecError,
    G711Encoder,
    OpusEncoder,
    Samples,
    make_decoder,
    make_encoder,
    opus_for,
    to_pcm16,
)
from media.g711 import CompandingTable
from media.opus_choice import OpusChoice
from rooms.audio import AudioCodec

if TYPE_CHECKING:
    from media.leg import Leg

_RING_OUT_TICKS = 10
_SIGN_OF_LIFE_TICKS = 20
_ALIKE_TICKS = 25
_PAST_PACKETS, _WARM_UP_PACKETS = 5, 3
_SILENT = 2.0**-16
"""Below half a step of 16 bits: nothing would be left of it."""


@dataclass(slots=True, eq=False)
class _Running:
    """An encoder and how many ears it serves. ``round`` and ``sound``: what it encodes in the present tick. ``alike_ticks``: for how long
    another one has been encoding the same."""

    encoder: OpusEncoder
    users: int = 1
    round: int = -1
    sound: object = None
    alike_ticks: int = 0


class Ear:
    """The encoding for one leg, for frames at ``rate_hz``. ``opus``: what we send in Opus; the far end's parameters narrow it."""

    def __init__(self, codec: AudioCodec, rate_hz: int, opus: OpusChoice, *, packet_ms: int = 20) -> None:
        self.codec, self.rate_hz = codec, rate_hz
        self._choice, self._packet_ms = opus, packet_ms
        self.adapt(0.0)
        self.running: _Running | None = None
        self.quiet_ticks = 0
        self.last = b""
        encoder = None if codec.name == "opus" else make_encoder(codec, rate_hz=rate_hz)
        self.encoder = encoder
        self.table: CompandingTable | None = encoder.table if isinstance(encoder, G711Encoder) else None

    def adapt(self, loss: float) -> None:
        """The far end loses this fraction (0-1): from 1 % on Opus carries in-band FEC, and more of it the more is lost."""
        self.settings = opus_for(self._choice.settings(self.rate_hz, loss=loss, packet_ms=self._packet_ms), self.codec.fmtp)

    def take_over(self, payloads: Sequence[bytes]) -> None:
        """The far end has just heard these packets of another encoder, and goes on with ours: it gets a past like that one's.

        Without it the decoder's memory and what we send do not fit: a click, 9 dB louder than the voice in G.722, 5 dB below it in Opus.
        """
        if self.table is not None:
            return
        decoder, frame = make_decoder(self.codec, rate_hz=self.rate_hz), self.rate_hz // 50
        heard: list[Samples] = []
        for payload in payloads[-_WARM_UP_PACKETS - _PAST_PACKETS :]:
            with contextlib.suppress(CodecError):
                sound = decoder.decode(payload)
                heard += list(sound[: len(sound) // frame * frame].reshape(-1, frame))
        for samples in heard[-_PAST_PACKETS:]:
            self.encode(samples)

    def encode(self, samples: Samples) -> bytes:
        """One frame by itself, (rate_hz // 50,); b"" when nothing need be sent."""
        self.quiet_ticks = 0
        if self.encoder is not None:
            self.last = self.encoder.encode(samples)
        else:
            self.last = self.own().encode(samples)
        return self.last

    def rest(self) -> bytes:
        """The next frame of a silence, by itself; b"" when nothing need be sent."""
        quiet_ticks = self.quiet_ticks = self.quiet_ticks + 1
        if self.constant is not None:
            self.share(None)
            return self.constant
        if quiet_ticks > _RING_OUT_TICKS:
            self.share(None)
            return self.silence()
        payload = self.encode(np.zeros(self.rate_hz // 50, np.float32))
        self.quiet_ticks = quiet_ticks
        return payload

    @property
    def constant(self) -> bytes | None:
        """Each next frame of a silence, where it is the same for as long as that lasts: G.711 has no past of its own, only its resampler
        rings out, once it was fed."""
        return self.table.silence if self.table is not None and (not self.last or self.quiet_ticks > _RING_OUT_TICKS) else None

    def own(self) -> OpusEncoder:
        """The encoder of Opus, for this ear alone."""
        running = self.running
        if running is None or running.users > 1:
            self.share(_Running(running.encoder.fork() if running is not None else OpusEncoder(self.rate_hz, self.settings), users=0))
            running = self.running
        assert running is not None
        if running.encoder.settings is not self.settings:
            running.encoder.apply(self.settings)
        return running.encoder

    def share(self, running: _Running | None) -> None:
        """From now on, this encoder; None: none, until sound comes back."""
        if self.running is not None:
            self.running.users -= 1
        self.running = running
        if running is not None:
            running.users += 1

    def silence(self) -> bytes:
        """What to send in a long silence, b"" for nothing."""
        if self.table is not None:
            return self.table.silence
        if self.codec.name != "opus" or not self.settings.dtx:
            return self.last
        since = self.quiet_ticks - _RING_OUT_TICKS - 1
        return bytes([self.last[0] & 0xFC]) if self.last and since % _SIGN_OF_LIFE_TICKS == 0 else b""


class Ears:
    """``capacity`` rows at ``rate_hz``."""

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self.encoded = 0
        """Frames of Opus so far, each for one leg or more."""
        self.rate_hz = rate_hz
        self._round = 0
        self._lowering = Resampling(capacity, rate_hz, 8_000)

    def open(self, row: int) -> None:
        """Another leg takes this row."""
        self._lowering.row(row)

    def encode(self, rooms: Sequence[Sequence["Leg"]], heard: Samples) -> list[list[tuple["Leg", bytes]]]:
        """One payload for each leg that is to be sent one, room by room; ``heard`` (rows, rate_hz // 50) holds each voice's row."""
        silent, prints = np.empty(len(heard), np.bool_), np.empty(len(heard), np.uint64)
        _look(np.ascontiguousarray(heard), heard.view(np.uint64), _SILENT, silent, prints)
        self._round += 1
        tick = _Tick(silent.tolist(), prints.tolist(), [], [], [], [], [])
        for room in rooms:
            self._room(room, heard, tick)
        self._opus(tick, heard)
        self._g711(tick, heard)
        return tick.out

    def _room(self, room: Sequence["Leg"], heard: Samples, tick: "_Tick") -> None:
        out: list[tuple[Leg, bytes]] = []
        tick.out.append(out)
        alike: dict[tuple[int, int], list[Leg]] = {}
        for leg in room:
            ear, voice = leg.ear, leg.voice
            assert ear is not None and voice is not None
            row = voice.row
            if not tick.silent[row]:
                ear.quiet_ticks = 0
            else:
                ear.quiet_ticks += 1
                if ear.quiet_ticks > _RING_OUT_TICKS:
                    if ear.running is not None:
                        ear.share(None)
                    payload = ear.silence()
                    out.append((leg, payload))
                    continue
            if ear.table is not None:
                tick.g711.append((leg, out))
            elif ear.encoder is not None:
                out.append((leg, ear.encode(heard[row])))
            else:
                alike.setdefault((tick.prints[row], id(ear.settings)), []).append(leg)
        for sound, legs in alike.items():
            ear = legs[0].ear
            running = ear.running if ear is not None else None
            settled = running is not None and running.users == len(legs) and all(leg.ear and leg.ear.running is running for leg in legs)
            if not settled or running is None or ear is None or running.encoder.settings is not ear.settings:
                self._share(sound, legs, out, tick)
                continue
            running.round, running.sound, running.alike_ticks = self._round, sound, 0
            voice = legs[0].voice
            assert voice is not None
            tick.encoders.append(running.encoder)
            tick.rows.append(voice.row)
            tick.served.append((legs, out))

    def _share(self, sound: tuple[int, int], legs: list["Leg"], out: list[tuple["Leg", bytes]], tick: "_Tick") -> None:
        """Legs of a room that hear the same, under the same settings: by as few encoders as their pasts allow."""
        found: dict[int, tuple[_Running, list[Leg]]] = {}
        new: list[Leg] = []
        for leg in legs:
            running = leg.ear.running if leg.ear is not None else None
            if running is None:
                new.append(leg)
            else:
                found.setdefault(id(running), (running, []))[1].append(leg)
        if len(found) > 1:
            _join(found)
        else:
            for running, _ in found.values():
                running.alike_ticks = 0
        jobs = [(self._claimed(running, sound, served), served) for running, served in found.values()]
        if new:
            ear = new[0].ear
            assert ear is not None
            if not jobs:
                jobs.append((_Running(OpusEncoder(ear.rate_hz, ear.settings), users=0, round=self._round, sound=sound), []))
            running, served = jobs[0]
            for leg in new:
                assert leg.ear is not None
                leg.ear.share(running)
                served.append(leg)
        for running, served in jobs:
            voice = served[0].voice
            assert voice is not None
            tick.encoders.append(running.encoder)
            tick.rows.append(voice.row)
            tick.served.append((served, out))

    def _claimed(self, running: _Running, sound: tuple[int, int], legs: list["Leg"]) -> _Running:
        """The encoder, or a copy of it where it is at something else in this tick; under the settings of these legs."""
        settings = legs[0].ear.settings if legs[0].ear is not None else running.encoder.settings
        others = running.users > len(legs)
        if (running.round == self._round and running.sound != sound) or (others and running.encoder.settings is not settings):
            copy = _Running(running.encoder.fork(), users=0)
            for leg in legs:
                assert leg.ear is not None
                leg.ear.share(copy)
            running = copy
        running.round, running.sound = self._round, sound
        if running.encoder.settings is not settings:
            running.encoder.apply(settings)
        return running

    def _opus(self, tick: "_Tick", heard: Samples) -> None:
        if not tick.rows:
            return
        self.encoded += len(tick.rows)
        halves = [k for k, encoder in enumerate(tick.encoders) if encoder.halves]
        for k in halves:
            self._serve(k, tick, tick.encoders[k].whole(heard[tick.rows[k]]))
        whole = [k for k in range(len(tick.rows)) if k not in halves] if halves else range(len(tick.rows))
        payloads = libopus.encode_all([tick.encoders[k].state for k in whole], [tick.rows[k] for k in whole], heard)
        for k, payload in zip(whole, payloads, strict=True):
            self._serve(k, tick, payload)

    @staticmethod
    def _serve(k: int, tick: "_Tick", payload: bytes) -> None:
        sent, (legs, out) = tick.encoders[k].sent(payload), tick.served[k]
        for leg in legs:
            assert leg.ear is not None
            leg.ear.last = payload
            out.append((leg, sent))

    def _g711(self, tick: "_Tick", heard: Samples) -> None:
        if not tick.g711:
            return
        rows = np.array([leg.voice.row for leg, _ in tick.g711 if leg.voice is not None])
        codes = to_pcm16(self._lowering.process(rows, heard[rows])).view(np.uint16)
        for (leg, out), code in zip(tick.g711, codes, strict=True):
            assert leg.ear is not None and leg.ear.table is not None
            out.append((leg, leg.ear.table.encode[code].tobytes()))


def _join(found: dict[int, tuple[_Running, list["Leg"]]]) -> None:
    """Encoders that encode the same become one after a while: the one that serves most."""
    first, kept = max(found.values(), key=lambda each: len(each[1]))
    for running, legs in list(found.values()):
        running.alike_ticks += 1
        if running is not first and running.alike_ticks >= _ALIKE_TICKS and running.users == len(legs):
            for leg in legs:
                assert leg.ear is not None
                leg.ear.share(first)
            kept += legs
            del found[id(running)]


def rehearse() -> None:
    """Every kernel between samples and packets is compiled, or loaded, afterwards."""
    block = np.zeros((1, 160), np.float32)
    _look(block, block.view(np.uint64), _SILENT, np.empty(1, np.bool_), np.empty(1, np.uint64))
    payloads = libopus.encode_all([libopus.EncoderState(8_000, "voip")], [0], block)
    libopus.decode_all([libopus.DecoderState(8_000)], np.frombuffer(payloads[0], np.uint8), np.array([len(payloads[0])]), 160)


@dataclass(slots=True)
class _Tick:
    """The work of one tick: what is ``silent`` and what is alike, row by row; what is to be encoded, and where it goes."""

    silent: list[bool]
    prints: list[int]
    encoders: list[OpusEncoder]
    rows: list[int]
    served: list[tuple[list["Leg"], list[tuple["Leg", bytes]]]]
    g711: list[tuple["Leg", list[tuple["Leg", bytes]]]]
    out: list[list[tuple["Leg", bytes]]]


@exact_kernel
def _look(block: Samples, words: NDArray[np.uint64], silent_below: float, silent: NDArray[np.bool_], prints: NDArray[np.uint64]) -> None:
    """Which rows are silent, and a number for each that is the same for equal rows: FNV-1a over words of 64 bits, four side by side, as
    each step waits for the one before."""
    prime, begin = np.uint64(1099511628211), np.uint64(14695981039346656037)
    for row in range(len(block)):
        silent[row] = True
        for k in range(block.shape[1]):
            if abs(block[row, k]) >= silent_below:
                silent[row] = False
                break
        a, b, c, d = begin, begin, begin, begin
        whole = words.shape[1] // 4 * 4
        for k in range(0, whole, 4):
            a = (a ^ words[row, k]) * prime
            b = (b ^ words[row, k + 1]) * prime
            c = (c ^ words[row, k + 2]) * prime
            d = (d ^ words[row, k + 3]) * prime
        for number in (b, c, d):
            a = (a ^ number) * prime
        for k in range(whole, words.shape[1]):
            a = (a ^ words[row, k]) * prime
        prints[row] = a
