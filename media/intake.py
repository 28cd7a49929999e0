"""What all mixed legs of a worker say in one tick: their playouts pulled together, so that the usual case costs one call per codec.

The usual case is a packet of 20 ms that is there in its time, behind another one, or nothing in the middle of a long pause. Packets come
in and out of all jitter buffers in one call each, are decoded, noted by the concealment and raised to the bridge's rate side by side,
without the interpreter lock. Whatever else a playout has to do (mend, stretch, begin, pause) it does alone, on the same state.
"""

import numpy as np
from numpy.typing import NDArray

from dsp.conceal import Concealer, Concealment
from dsp.lanes import LANES
from dsp.levels import rms_dbfs
from dsp.resample import Resampling
from dsp.stretch import SILENCE_DBFS
from media.codec import Samples, decode_together, make_encoder, native_rate_hz
from media.playout import OTHER, PLAIN, SIGN, Playout, Playouts, settling_s
from media.wire.seam import Place
from rooms.audio import G722, OPUS, PCMA, AudioCodec

# What a codec or an array may raise over one leg's packets; the others are heard all the same.
_FAULTS = (ArithmeticError, LookupError, ValueError, TypeError, RuntimeError)


class Intake:
    """``capacity`` rows at ``rate_hz``; a row has one playout at a time."""

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self.faults = 0
        self._capacity, self._rate_hz = capacity, rate_hz
        self._all = Playouts(capacity)
        self._playouts: dict[int, Playout] = {}
        self._kinds: dict[tuple[str, bool], NDArray[np.int64]] = {}
        """Rows by kind of playout."""
        self._concealments: dict[tuple[int, float], Concealment] = {}
        self._resamplings: dict[int, Resampling] = {}

    def open(self, row: int, codec: AudioCodec, *, concealment: bool = True) -> Playout:
        """A new playout for this row. Raises CodecError for a codec we do not speak."""
        native_hz = native_rate_hz(codec.name, self._rate_hz)
        concealer = Concealer.of(self._concealment(native_hz, settling_s(codec)), row)
        resampler = self._resampling(native_hz).row(row)
        playout = Playout(
            codec, rate_hz=self._rate_hz, concealment=concealment, concealer=concealer, resampler=resampler, playouts=self._all, row=row
        )
        playout.place = Place(self.put, row)
        self._playouts[row] = playout
        self._sort()
        return playout

    def close(self, row: int) -> None:
        """The row says nothing any more. Does nothing for one without a playout."""
        if self._playouts.pop(row, None) is not None:
            self._sort()

    def _sort(self) -> None:
        kinds: dict[tuple[str, bool], list[int]] = {}
        for row, playout in self._playouts.items():
            kinds.setdefault(playout.kind, []).append(row)
        self._kinds = {kind: np.array(rows, np.int64) for kind, rows in kinds.items()}

    def put(self, heads: bytes, arrivals_s: bytes, data: bytes) -> None:
        """RTP packets in the order of their arrival. ``heads``: of each five int64, its row, sequence number, timestamp, SSRC and length of
        payload; ``arrivals_s``: of each a float64; ``data``: the payloads."""
        numbers, times = np.frombuffer(heads, np.int64).reshape(-1, 5), np.frombuffer(arrivals_s, np.float64)
        payloads = np.frombuffer(data, np.uint8)
        k = self._all.put(0, numbers, times, payloads)
        while k < len(numbers):
            row, sequence, timestamp, ssrc, size = numbers[k].tolist()
            begin = int(numbers[:k, 4].sum())
            playout = self._playouts.get(row)
            try:
                if playout is not None:
                    playout.put(sequence, timestamp, False, data[begin : begin + size], times.item(k), ssrc=ssrc)
            except _FAULTS:
                self.faults += 1
            k = self._all.put(k + 1, numbers, times, payloads)

    def pull(self, said: Samples, now_s: float) -> None:
        """20 ms of each row's playout into its row of ``said`` (capacity, rate_hz // 50), which is silent before."""
        for rows in list(self._kinds.values()):
            what, data, ends = self._all.next(rows, now_s)
            for row in rows[what == OTHER].tolist():
                self._pull(row, said, now_s)
            if len(ends):
                coded = (what == PLAIN) | (what == SIGN)
                self._decode(rows[coded], what[coded] == SIGN, data, ends, said, now_s)

    def _pull(self, row: int, said: Samples, now_s: float) -> None:
        try:
            said[row] = self._playouts[row].pull(now_s)
        except _FAULTS:
            self.faults += 1

    def _decode(
        self,
        rows: NDArray[np.int64],
        is_sign: NDArray[np.bool_],
        data: NDArray[np.uint8],
        ends: NDArray[np.int64],
        said: Samples,
        now_s: float,
    ) -> None:
        playouts = [self._playouts[row] for row in rows.tolist()]
        codec, decoder, conceals = playouts[0].codec, playouts[0].decoder, playouts[0].conceals
        sound, well = decode_together([each.decoder for each in playouts], data, ends)
        plain = well & ~is_sign
        if not plain.all():
            self._look_at_signs(rows[is_sign], sound[is_sign], well[is_sign], said, now_s)
            for k in np.flatnonzero(~well & ~is_sign):
                said[rows[k]] = playouts[k].broken(now_s)
            playouts = [playouts[k] for k in np.flatnonzero(plain)]
            rows, sound = rows[plain], sound[plain]
        if not playouts:
            return
        if conceals:
            sound = self._concealment(decoder.rate_hz, settling_s(codec)).received(rows, sound)
        for place in np.flatnonzero(self._all.is_more(rows)).tolist():
            try:
                sound[place] = playouts[place].follow(sound[place], now_s)
            except _FAULTS:
                self.faults += 1
        said[rows] = self._resampling(decoder.rate_hz).process(rows, sound)

    def _look_at_signs(self, rows: NDArray[np.int64], sound: Samples, well: NDArray[np.bool_], said: Samples, now_s: float) -> None:
        """Packets in long pauses: most are signs of life, but a voice may begin."""
        quiet = np.array([decoded and rms_dbfs(each) < SILENCE_DBFS for each, decoded in zip(sound, well.tolist(), strict=True)], np.bool_)
        self._all.sleep_on(rows[quiet], now_s)
        for k in np.flatnonzero(~quiet).tolist():
            if well[k]:
                self._playouts[int(rows[k])].foresee(sound[k])
            self._pull(int(rows[k]), said, now_s)

    def _concealment(self, native_hz: int, settling: float) -> Concealment:
        key = native_hz, settling
        if key not in self._concealments:
            self._concealments[key] = Concealment(self._capacity, native_hz, settling_s=settling)
        return self._concealments[key]

    def _resampling(self, native_hz: int) -> Resampling:
        if native_hz not in self._resamplings:
            self._resamplings[native_hz] = Resampling(self._capacity, native_hz, self._rate_hz)
        return self._resamplings[native_hz]


def rehearse(rate_hz: int) -> None:
    """A second of each codec, of which a packet is lost and others come late and all at once, and then a pause: what packets of all rows
    together need is compiled, or loaded, afterwards."""
    intake, codecs = Intake(LANES, rate_hz), (PCMA, G722, OPUS)
    said = np.zeros((LANES, rate_hz // 50), np.float32)
    hum = 0.3 * np.sin(np.arange(rate_hz // 50, dtype=np.float32) * (2 * np.pi * 200 / rate_hz), dtype=np.float32)
    waiting: list[tuple[int, list[int], bytes]] = []
    for row, codec in enumerate(codecs):
        intake.open(row, codec)
        encoder = make_encoder(codec, rate_hz=rate_hz)
        for number in (number for number in range(50) if number != 5):
            payload = encoder.encode(hum)
            at = 25 if 10 <= number < 25 else number
            waiting.append((at, [row, number, codec.clock_rate // 50 * number, row, len(payload)], payload))
    for tick in range(80):
        due = [each for each in waiting if each[0] == tick]
        heads = np.array([head for _, head, _ in due], np.int64).tobytes()
        intake.put(heads, np.full(len(due), 0.02 * tick).tobytes(), b"".join(payload for _, _, payload in due))
        said[:] = 0.0
        intake.pull(said, 0.02 * tick + 0.005)
