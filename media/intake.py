"""What all mixed legs of a worker say in one tick: their playouts pulled together, so that the usual case costs one call per codec.

The usual case is a packet of 20 ms that is there in its time, behind another one. Those are decoded, noted by the concealment and raised
to the bridge's rate side by side, without the interpreter lock. Whatever else a playout has to do (mend, stretch, begin, pause) it does
alone, on the same state.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dsp.conceal import Concealer, Concealment
from dsp.resample import Resampling
from media.codec import Samples, decode_together, native_rate_hz
from media.playout import Playout, settling_s
from rooms.audio import AudioCodec

# What a codec or an array may raise over one leg's packets; the others are heard all the same.
_FAULTS = (ArithmeticError, LookupError, ValueError, TypeError, RuntimeError)


@dataclass(slots=True)
class _Plain:
    """Packets of one kind of playout (codec, concealed or not) that are to be decoded as they are."""

    rows: list[int] = field(default_factory=list)
    playouts: list[Playout] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)


class Intake:
    """``capacity`` rows at ``rate_hz``; a row has one playout at a time."""

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self.faults = 0
        self._capacity, self._rate_hz = capacity, rate_hz
        self._concealments: dict[tuple[int, float], Concealment] = {}
        self._resamplings: dict[int, Resampling] = {}

    def open(self, row: int, codec: AudioCodec, *, concealment: bool = True) -> Playout:
        """A new playout for this row. Raises CodecError for a codec we do not speak."""
        native_hz = native_rate_hz(codec.name, self._rate_hz)
        concealer = Concealer.of(self._concealment(native_hz, settling_s(codec)), row)
        resampler = self._resampling(native_hz).row(row)
        return Playout(codec, rate_hz=self._rate_hz, concealment=concealment, concealer=concealer, resampler=resampler)

    def pull(self, playouts: Mapping[int, Playout], said: Samples, now_s: float) -> None:
        """20 ms of each row's playout into its row of ``said`` (capacity, rate_hz // 50), which is silent before."""
        plain: dict[tuple[str, bool], _Plain] = {}
        for row, playout in playouts.items():
            try:
                if playout.resting and playout.rests(now_s):
                    continue
                payload = playout.plain(now_s)
                if payload is None:
                    said[row] = playout.pull(now_s)
                    continue
            except _FAULTS:
                self.faults += 1
                continue
            kind = plain.get(playout.kind)
            if kind is None:
                kind = plain[playout.kind] = _Plain()
            kind.rows.append(row)
            kind.playouts.append(playout)
            kind.payloads.append(payload)
        for kind in plain.values():
            self._decode(kind, said, now_s)

    def _decode(self, kind: _Plain, said: Samples, now_s: float) -> None:
        playouts, rows = kind.playouts, np.array(kind.rows)
        codec, decoder = playouts[0].codec, playouts[0].decoder
        sound, well = decode_together([each.decoder for each in playouts], kind.payloads)
        if not well.all():
            for k in np.flatnonzero(~well):
                said[rows[k]] = playouts[k].broken(now_s)
            playouts = [playouts[k] for k in np.flatnonzero(well)]
            rows, sound = rows[well], sound[well]
        if not playouts:
            return
        if playouts[0].conceals:
            sound = self._concealment(decoder.rate_hz, settling_s(codec)).received(rows, sound)
        for place, playout in enumerate(playouts):
            if playout.is_more:
                try:
                    sound[place] = playout.follow(sound[place], now_s)
                except _FAULTS:
                    self.faults += 1
        said[rows] = self._resampling(decoder.rate_hz).process(rows, sound)

    def _concealment(self, native_hz: int, settling: float) -> Concealment:
        key = native_hz, settling
        if key not in self._concealments:
            self._concealments[key] = Concealment(self._capacity, native_hz, settling_s=settling)
        return self._concealments[key]

    def _resampling(self, native_hz: int) -> Resampling:
        if native_hz not in self._resamplings:
            self._resamplings[native_hz] = Resampling(self._capacity, native_hz, self._rate_hz)
        return self._resamplings[native_hz]
