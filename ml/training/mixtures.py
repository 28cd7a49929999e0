"""Examples for training: near speech in noise, with and without what an adaptive filter leaves of an echo.

Everything of batch ``step`` follows from ``(seed, step)`` and the banks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal

from dsp.echo import EchoFilter
from dsp.spectrum import HOP
from ml.training import rooms
from ml.training.speech import RATE_HZ, Pcm, Samples, Voice

Array = NDArray[np.float32]

TALKING_RMS = 0.07
"""Of near speech while it lasts; all other levels are relative to it."""
_KNOTS = 12
_ROOMS = 300
_REUSED = 3
"""So many batches in a row are other combinations of the same speech, noise and echoes: filtering them is the dear part."""
_NARROW_HZ = 3_600


@dataclass(frozen=True, slots=True)
class Batch:
    """``near``, ``clean`` and ``echo`` float32 (rows, samples); ``talking`` float32 (rows, hops), 1 where ``clean`` is speech."""

    near: torch.Tensor
    clean: torch.Tensor
    echo: torch.Tensor
    talking: torch.Tensor

    def parted(self, count: int) -> list["Batch"]:
        """The same in so many parts behind each other."""
        hops = self.talking.shape[1] // count
        cuts = [slice(part * hops * HOP, (part + 1) * hops * HOP + HOP) for part in range(count)]
        return [
            Batch(self.near[:, cut], self.clean[:, cut], self.echo[:, cut], self.talking[:, part * hops : (part + 1) * hops])
            for part, cut in enumerate(cuts)
        ]


@dataclass(frozen=True, slots=True)
class _Parts:
    full: Array
    target: Array
    narrow: NDArray[np.bool_]
    noise: Array
    left: Array
    estimate: Array
    echo: Array
    far: Array


class Mixtures:
    """Draws batches of ``rows`` examples of ``hops`` hops of 10 ms from the banks.

    Of the examples with echo a share ``filtered`` goes through the product's own adaptive filter, from its first state; the others get
    an estimate that is wrong in made-up ways.
    """

    def __init__(
        self,
        voices: Sequence[Voice],
        music: Sequence[Pcm],
        noises: Sequence[Pcm],
        *,
        seed: int,
        rows: int,
        hops: int,
        filtered: float,
    ) -> None:
        rng = np.random.default_rng([seed, 7])
        self._voices = voices
        self._music = music
        self._noises = noises
        self._seed = seed
        self._rows = rows
        self._filtered_share = filtered
        self._canceller = EchoFilter(rows)
        self._parts_of = -1
        self._n = (hops + 1) * HOP
        self._rooms = [rooms.response(rng) for _ in range(_ROOMS)]
        self._early = [rooms.early(room, rng) for room in self._rooms]
        f = np.arange(self._n // 2 + 1) * RATE_HZ / self._n
        octave = np.log2(np.maximum(f, 50) / 50)
        self._f_hz = f
        self._octave = octave.astype(np.float32)
        self._knots = np.stack([np.interp(octave, np.linspace(0, 7.4, _KNOTS), row) for row in np.eye(_KNOTS)]).astype(np.float32)

    def batch(self, step: int) -> Batch:
        if step // _REUSED != self._parts_of:
            self._parts_of = step // _REUSED
            self._parts = self._new_parts(np.random.default_rng([self._seed, 8, self._parts_of]))
        parts = self._parts
        rng = np.random.default_rng([self._seed, 9, step])
        rows = self._rows
        silent = rng.random(rows) < 0.08
        narrow = (rng.random(rows) < 0.07) | (parts.narrow & (rng.random(rows) < 0.5))
        snr_db = np.clip(rng.normal(6, 7, rows), -8, 30)
        near = parts.noise[rng.permutation(rows)] * (10 ** (-snr_db / 20))[:, None].astype(np.float32)
        near[rng.random(rows) < 0.05] = 0
        echo = np.zeros_like(near)
        places = rng.permutation(rows)[: len(parts.left)]
        silent[places] = rng.random(len(places)) < 0.28
        scale = (10 ** (-rng.uniform(-15, 20, (len(places), 1)) / 20)).astype(np.float32)
        for_filter = np.random.default_rng([self._seed, 10, step])
        real = for_filter.random((len(places), 1)) < self._filtered_share
        near[places] += np.where(real, parts.echo, parts.left) * scale
        echo[places] = np.where(real, 0, parts.estimate * scale)
        present = (~silent)[:, None].astype(np.float32)
        near += parts.full * present
        target = parts.target * present
        if narrow.any():
            for x in (near, target, echo):
                x[narrow] = self._filtered(x[narrow], self._narrow(rng))
        self._spoilt(rng, near)
        near += rng.standard_normal(near.shape, np.float32) * (10 ** rng.uniform(-5, -3.3, (rows, 1))).astype(np.float32)
        if real.any():
            rows_through = places[real[:, 0]]
            louder = (10 ** for_filter.uniform(0, 1, (len(rows_through), 1))).astype(np.float32)
            far = parts.far[real[:, 0]] * scale[real[:, 0]] * louder
            near[rows_through], echo[rows_through] = self._cancelled(near[rows_through], far)
        talking = (_hop_power(target) > TALKING_RMS**2 * 10**-3.3).astype(np.float32)
        return Batch(*(torch.from_numpy(x) for x in (near, target, echo, talking)))

    def _new_parts(self, rng: np.random.Generator) -> "_Parts":
        rows = self._rows
        speech = np.zeros((rows, self._n), np.float32)
        narrow = np.zeros(rows, np.bool_)
        for row in range(rows):
            voice = self._voices[int(rng.integers(len(self._voices)))]
            narrow[row] = voice.narrow
            speech[row] = self._spoken(rng, voice.pcm)
        full, target = self._heard(rng, speech)
        level = _active_rms(target)
        scale = self._drift(rng, 0.25, 8) * np.where(level > 0, TALKING_RMS / np.maximum(level, 1e-6), 0)[:, None].astype(np.float32)
        left, estimate, echo, far = self._echo(rng, round(0.2 * rows))
        return _Parts(full * scale, target * scale, narrow, self._noise(rng), left, estimate, echo, far)

    def _cancelled(self, near: Array, far: Array) -> tuple[Array, Array]:
        """What the adaptive filter leaves of ``near`` (rows, n), and its echo estimate."""
        self._canceller.reset(np.arange(self._rows))
        left, estimate, _ = self._canceller.process(near, far)
        return left, estimate

    def _spoken(self, rng: np.random.Generator, pcm: Pcm) -> Samples:
        at = int(rng.integers(0, len(pcm) - self._n))
        x = pcm[at : at + self._n].astype(np.float32) / np.float32(32768)
        if rng.random() < 0.35:
            begin = int(rng.uniform(0.1, 0.75) * self._n)
            x[:begin] = 0
        if rng.random() < 0.15:
            x[int(rng.uniform(0.4, 0.9) * self._n) :] = 0
        return x

    def _heard(self, rng: np.random.Generator, speech: Array) -> tuple[Array, Array]:
        """``speech`` (rows, n) through microphones and rooms, and the same with the early part of the room only."""
        spectrum = _rfft(speech) * self._gains(rng, len(speech), bumps_db=2.5, slope_db=1.5)
        room, early = np.zeros_like(speech), np.zeros_like(speech)
        room[:, 0] = early[:, 0] = 1
        for row in np.flatnonzero(rng.random(len(speech)) < 0.3):
            one = int(rng.integers(len(self._rooms)))
            room[row, : rooms.LENGTH_SAMPLES] = self._rooms[one]
            early[row, : rooms.LENGTH_SAMPLES] = self._early[one]
        return _irfft(spectrum * _rfft(room), self._n), _irfft(spectrum * _rfft(early), self._n)

    def _noise(self, rng: np.random.Generator) -> Array:
        rows, n = self._rows, self._n
        total = np.zeros((rows, n), np.float32)
        count = rng.choice([1, 2, 3], rows, p=[0.8, 0.16, 0.04])
        for layer in range(3):
            x = np.zeros((rows, n), np.float32)
            used = np.flatnonzero(count > layer)
            for row in used:
                pcm = self._noises[int(rng.integers(len(self._noises)))]
                at = int(rng.integers(0, len(pcm) - n))
                x[row] = pcm[at : at + n]
            x[used] = self._filtered(x[used], self._gains(rng, len(used), bumps_db=2.5, slope_db=1.5))
            if layer == 0:
                x *= self._drift(rng, 0.3, 10)
            rms = np.sqrt(np.mean(np.square(x), 1, keepdims=True)) + np.float32(1e-3)
            total += x / rms * (10 ** (-rng.uniform(0, 12, (rows, 1)) * (layer > 0) / 20)).astype(np.float32)
        rms = np.sqrt(np.mean(np.square(total), 1)) + 1e-9
        for row in np.flatnonzero(rng.random(rows) < 0.08):
            total[row, : int(rng.uniform(0.2, 0.8) * n)] = 0
        return np.asarray(total * (TALKING_RMS / rms)[:, None], np.float32)

    def _echo(self, rng: np.random.Generator, rows: int) -> tuple[Array, Array, Array, Array]:
        """What a filter leaves of an echo, the filter's estimate of it, the echo and the far end, all (rows, n).

        The filter knows the path up to a random short error, only its first 100 to 300 ms, nothing of the loudspeaker's distortion,
        and follows changes and its own start late.
        """
        n = self._n
        far = np.zeros((rows, n), np.float32)
        for row in range(rows):
            music = rng.random() < 0.12
            stock = self._music if music else [voice.pcm for voice in self._voices]
            far[row] = self._spoken(rng, stock[int(rng.integers(len(stock)))])
        far = self._filtered(far, self._gains(rng, rows, bumps_db=3, slope_db=1.5))
        played = _played(rng, far)
        path, known, other = (np.zeros((rows, n), np.float32) for _ in range(3))
        for row in range(rows):
            room = self._rooms[int(rng.integers(len(self._rooms)))].copy()
            room[0] *= rng.uniform(0, 1)
            delay = int(rng.uniform(0, 0.03) * RATE_HZ)
            path[row, delay : delay + len(room)] = room
            tail = int(rng.uniform(0.1, 0.3) * RATE_HZ)
            for guess in (known, other):
                error = (rng.standard_normal(200) * np.exp(-np.arange(200) / rng.uniform(3, 60))).astype(np.float32)
                error *= np.float32(10 ** (-rng.uniform(3, 32) / 20) / np.sqrt(np.sum(np.square(error))))
                guess[row, : len(room) + delay] = path[row, : len(room) + delay]
                guess[row, : len(room) + delay + 199] += signal.fftconvolve(path[row, : len(room) + delay], error).astype(np.float32)
                guess[row, delay + tail :] = 0
        micro = self._gains(rng, rows, bumps_db=3, slope_db=2)
        source = _rfft(far) * micro
        echo = _irfft(_rfft(played) * micro * _rfft(path), n)
        weight = _trapezoid(rng, rows, n)
        estimate = (1 - weight) * _irfft(source * _rfft(known), n) + weight * _irfft(source * _rfft(other), n)
        time = np.linspace(0, 1, n)
        converged = np.ones((rows, n), np.float32)
        for late in np.flatnonzero(rng.random(rows) < 0.25):
            start, pace = rng.uniform(0, 0.6), rng.uniform(0.05, 0.4)
            converged[late] = np.clip((time - start) / pace, rng.uniform(0, 0.5), 1)
        estimate = estimate * converged
        level = np.sqrt(np.mean(np.square(echo), 1, keepdims=True)) + np.float32(1e-6)
        scale = (TALKING_RMS / level).astype(np.float32)
        loudness = np.sqrt(np.mean(np.square(far), 1, keepdims=True)) + np.float32(1e-6)
        return (echo - estimate) * scale, estimate * scale, echo * scale, far * np.float32(TALKING_RMS) / loudness

    def _spoilt(self, rng: np.random.Generator, near: Array) -> None:
        """Some rows clipped or coded coarsely, in place."""
        for row in np.flatnonzero(rng.random(len(near)) < 0.06):
            x = near[row]
            peak = float(np.abs(x).max()) + 1e-9
            if rng.random() < 0.5:
                limit = peak * rng.uniform(0.25, 0.9)
                x[:] = np.clip(x, -limit, limit)
            else:
                full = peak * rng.uniform(1, 8)
                law = np.sign(x) * np.log1p(255 * np.abs(x) / full) / np.log(256)
                law = np.rint(law * 127) / 127
                x[:] = np.sign(law) * (256 ** np.abs(law) - 1) / 255 * full

    def _drift(self, rng: np.random.Generator, share: float, depth_db: float) -> Array:
        """Slow gains (rows, n) for a ``share`` of the rows, 1 elsewhere."""
        gain = np.ones((self._rows, self._n), np.float32)
        for row in np.flatnonzero(rng.random(self._rows) < share):
            knots = np.sort(rng.uniform(0, self._n, 3))
            gain[row] = 10 ** (np.interp(np.arange(self._n), knots, rng.uniform(-depth_db, depth_db, 3)) / 20)
        return gain

    def _gains(self, rng: np.random.Generator, rows: int, *, bumps_db: float, slope_db: float) -> Array:
        """Random smooth responses (rows, bins of the whole example)."""
        bumps = rng.normal(0, bumps_db, (rows, _KNOTS)).astype(np.float32)
        slopes = rng.normal(0, slope_db, (rows, 1)).astype(np.float32)
        db = bumps @ self._knots + slopes * (self._octave - 4)
        return np.asarray(np.exp(db * np.float32(np.log(10) / 20)), np.float32)

    def _narrow(self, rng: np.random.Generator) -> Array:
        """A telephone channel."""
        low_hz, high_hz = rng.uniform(60, 300), rng.uniform(0.9, 1.08) * _NARROW_HZ
        f = np.maximum(self._f_hz, 1)
        db = -30 * np.clip(np.log2(low_hz / f), 0, 2) - 500 * np.clip(np.log2(f / high_hz), 0, 0.2)
        return np.asarray(10 ** (db / 20), np.float32)

    def _filtered(self, x: Array, gain: Array) -> Array:
        return _irfft(_rfft(x) * gain, self._n)


def _played(rng: np.random.Generator, far: Array) -> Array:
    """``far`` (rows, n) as loudspeakers bend it: saturation, clipping, asymmetry, or not at all."""
    out = far.copy()
    for row, x in enumerate(far):
        unit = x / (np.abs(x).max() + np.float32(1e-6))
        kind = rng.random()
        if kind < 0.35:
            drive = rng.uniform(0.5, 5)
            unit = np.tanh(drive * unit) / drive
        elif kind < 0.5:
            unit = np.clip(unit, -rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.9))
        elif kind < 0.75:
            unit = unit + rng.uniform(0.05, 0.5) * np.square(unit) - rng.uniform(0, 0.3) * unit**3
        out[row] = unit
        far[row] = x / (np.abs(x).max() + np.float32(1e-6))
    return out


def _trapezoid(rng: np.random.Generator, rows: int, n: int) -> Array:
    """From 0 to 1 somewhere for some rows, (rows, n)."""
    t = np.arange(n)
    out = np.zeros((rows, n), np.float32)
    for row in np.flatnonzero(rng.random(rows) < 0.4):
        out[row] = np.clip((t - rng.uniform(0, n)) / rng.uniform(0.01, 0.5) / n, 0, 1)
    return out


def _active_rms(x: Array) -> NDArray[np.float64]:
    power = _hop_power(x).astype(np.float64)
    active = power > power.max(1, keepdims=True) * 10**-2.5
    return np.asarray(np.sqrt((power * active).sum(1) / np.maximum(active.sum(1), 1)) * (power.max(1) > 1e-9))


def _hop_power(x: Array) -> Array:
    """Mean square under each window of 20 ms, (rows, hops)."""
    half = np.square(x[:, : x.shape[1] // HOP * HOP]).reshape(len(x), -1, HOP).mean(2)
    return np.asarray((half[:, 1:] + half[:, :-1]) / 2, np.float32)


def _rfft(x: Array) -> NDArray[np.complex64]:
    return (
        np.asarray(torch.fft.rfft(torch.from_numpy(x)).numpy(), np.complex64)
        if len(x)
        else np.zeros((0, x.shape[1] // 2 + 1), np.complex64)
    )


def _irfft(x: NDArray[np.complex64], n: int) -> Array:
    return np.asarray(torch.fft.irfft(torch.from_numpy(x), n).numpy(), np.float32) if len(x) else np.zeros((0, n), np.float32)
