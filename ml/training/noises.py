"""Noises for training, all generated: what offices, kitchens, streets, cars and lines sound like, as physics in a few lines each.

Every maker takes ``(rng, n)`` and gives float32 (n,) at 16 kHz of any scale; :func:`bank` brings them to one loudness.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from ml.training.rooms import reverberant
from ml.training.speech import RATE_HZ, Pcm, Samples, Voice

Maker = Callable[[np.random.Generator, int], Samples]
Colour = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Hz to dB."""


def bank(rng: np.random.Generator, voices: Sequence[Voice], music: Sequence[Pcm], *, clips: int, seconds: float) -> list[tuple[str, Pcm]]:
    """``clips`` named noises of ``seconds`` as int16, RMS 0.1; the kinds in turn, by their weights."""
    n = int(seconds * RATE_HZ)
    kinds: list[tuple[str, Maker, float]] = [(maker.__name__, maker, weight) for maker, weight in GENERATED]
    kinds += [
        ("babble", lambda r, m: babble(r, m, voices), 2.0),
        ("shuffled", lambda r, m: shuffled(r, m, voices, music), 0.7),
        ("tune", lambda r, m: tune(r, m, music), 1.0),
    ]
    share = np.array([weight for _, _, weight in kinds])
    chosen = rng.choice(len(kinds), clips, p=share / share.sum())
    made = []
    for at in sorted(chosen):
        name, maker, _ = kinds[at]
        x = maker(rng, n)
        x = x * np.float32(0.1 / np.sqrt(np.mean(np.square(x)) + 1e-12))
        made.append((name, np.asarray(np.clip(x * 32767, -32768, 32767), np.int16)))
    return made


# shapes


def coloured(rng: np.random.Generator, n: int) -> Samples:
    """Stationary noise of a random smooth colour."""
    return _shaped(rng, n, _colour(rng))


def modulated(rng: np.random.Generator, n: int) -> Samples:
    """A few colours, each breathing at its own pace."""
    x = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        x += _shaped(rng, n, _colour(rng)) * _breath(rng, n, rng.uniform(0.3, 12), rng.uniform(3, 14))
    return x


def hum(rng: np.random.Generator, n: int) -> Samples:
    """Mains hum or a fan's blades in steady air."""
    f0 = float(rng.choice([50.0, 60.0, 100.0, 120.0, rng.uniform(60, 400)]))
    return _harmonics(rng, np.full(n, f0), rng.uniform(3, 18)) + coloured(rng, n) * np.float32(10 ** rng.uniform(-1.3, 0.7))


def engine(rng: np.random.Generator, n: int) -> Samples:
    """Harmonics of a slowly wandering speed, over its own rattle."""
    speed = rng.uniform(18, 220) * 2 ** (_wander(rng, n, rng.uniform(0.05, 0.8)) * rng.uniform(0.05, 0.8))
    tone = _harmonics(rng, speed, rng.uniform(2, 14))
    rattle = coloured(rng, n) * (1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * np.cumsum(speed) / RATE_HZ)).astype(np.float32)
    return tone + rattle * np.float32(10 ** rng.uniform(-1.2, 0.8))


def drill(rng: np.random.Generator, n: int) -> Samples:
    """A motor's whine switched on and off under load: vacuum cleaner, drill, hair dryer."""
    speed = rng.uniform(200, 1500) * 2 ** (_wander(rng, n, rng.uniform(0.3, 2)) * rng.uniform(0.02, 0.4))
    on = _switched(rng, n, rng.uniform(0.3, 4)) if rng.random() < 0.6 else np.ones(n, np.float32)
    return (_harmonics(rng, speed, rng.uniform(1, 6)) * np.float32(10 ** rng.uniform(-0.8, 0.5)) + coloured(rng, n)) * on


def wind(rng: np.random.Generator, n: int) -> Samples:
    """Turbulence at the microphone: very low and gusty."""
    corner = rng.uniform(40, 400)
    x = _shaped(rng, n, lambda f: -rng.uniform(8, 16) * np.log2(1 + f / corner))
    return x * _breath(rng, n, rng.uniform(0.5, 6), rng.uniform(5, 15))


def rustle(rng: np.random.Generator, n: int) -> Samples:
    """Paper, cloth, plastic: bursts made of fine cracks."""
    cracks = _arrivals(rng, n, rng.uniform(60, 900)) * np.exp(rng.normal(0, 1.2, n)).astype(np.float32)
    x = _filtered(rng, cracks, _colour(rng, low_hz=600))
    return x * _bursts(rng, n, rng.uniform(0.6, 4), (0.05, 0.8))


def traffic(rng: np.random.Generator, n: int) -> Samples:
    """Cars that pass: each a swell of its own colour, over a far rumble."""
    x = _shaped(rng, n, _colour(rng, tilt=-6)) * np.float32(0.3)
    time = np.arange(n) / RATE_HZ
    for _ in range(int(rng.integers(1, 6))):
        width = rng.uniform(0.5, 3)
        swell = 1 / (1 + ((time - rng.uniform(0, n / RATE_HZ)) / width) ** 2)
        x += (_shaped(rng, n, _colour(rng, tilt=-4)) * swell * 10 ** rng.uniform(-0.7, 0.4)).astype(np.float32)
    return x


def thunder(rng: np.random.Generator, n: int) -> Samples:
    """Rolling low bursts over rain."""
    x = rain(rng, n) * np.float32(10 ** rng.uniform(-1.5, -0.3))
    for _ in range(int(rng.integers(1, 5))):
        roll = _shaped(rng, n, _colour(rng, tilt=-8)) * _breath(rng, n, rng.uniform(1, 8), 8)
        x += roll * _decay(n, int(rng.uniform(0, n)), rng.uniform(0.01, 0.3), rng.uniform(0.3, 2.5))
    return x


def rain(rng: np.random.Generator, n: int) -> Samples:
    """Many small drops on something, over hiss."""
    drops = _arrivals(rng, n, rng.uniform(30, 3000)) * np.exp(rng.normal(0, 1, n)).astype(np.float32)
    return _struck(rng, drops, (400, 7000), (0.001, 0.012), 8) + coloured(rng, n) * np.float32(10 ** rng.uniform(-1.6, -0.2))


def water(rng: np.random.Generator, n: int) -> Samples:
    """Pouring: bubbles that ring and rise, over flow noise."""
    x = coloured(rng, n) * np.float32(10 ** rng.uniform(-2, -0.3)) * _breath(rng, n, 4, 4)
    for _ in range(int(rng.uniform(8, 60) * n / RATE_HZ)):
        length = int(rng.uniform(0.008, 0.08) * RATE_HZ)
        at = int(rng.integers(0, max(n - length, 1)))
        t = np.arange(min(length, n - at)) / RATE_HZ
        f0 = rng.uniform(300, 3500)
        phase = 2 * np.pi * (f0 * t + rng.uniform(0, 4) * f0 * t**2)
        x[at : at + len(t)] += (rng.exponential(0.3) * np.sin(phase) * np.exp(-t * rng.uniform(30, 200))).astype(np.float32)
    return x


def dishes(rng: np.random.Generator, n: int) -> Samples:
    """Things of glass, china and metal that strike each other, alone and in flurries, in a room."""
    x = np.zeros(n, np.float32)
    flurry = _bursts(rng, n, rng.uniform(0.4, 3), (0.1, 1.5))
    for _ in range(int(rng.integers(2, 9))):
        hits = _arrivals(rng, n, rng.uniform(0.5, 9)) * np.exp(rng.normal(0, 1, n)).astype(np.float32) * flurry
        x += _struck(rng, hits, (300, 7500), (0.004, 0.25), int(rng.integers(3, 12)))
    return reverberant(rng, x) + coloured(rng, n) * np.float32(10 ** rng.uniform(-3.5, -1.5))


def keyboard(rng: np.random.Generator, n: int) -> Samples:
    """Typing and mouse clicks: two short noises to a key, quick and slow."""
    keys = _arrivals(rng, n, rng.uniform(2, 14)) * np.exp(rng.normal(0, 0.5, n)).astype(np.float32) * _bursts(rng, n, 1, (0.4, 3))
    up = np.roll(keys, int(rng.uniform(0.04, 0.15) * RATE_HZ)) * np.float32(rng.uniform(0.1, 0.7))
    x = _struck(rng, keys, (150, 7000), (0.0008, 0.012), 14) + _struck(rng, up, (800, 7500), (0.0005, 0.008), 10)
    return x + coloured(rng, n) * np.float32(10 ** rng.uniform(-4, -2))


def knocks(rng: np.random.Generator, n: int) -> Samples:
    """Doors, steps, boxes: dull blows with a room behind."""
    hits = _arrivals(rng, n, rng.uniform(0.5, 5)) * np.exp(rng.normal(0, 0.8, n)).astype(np.float32)
    return reverberant(rng, _struck(rng, hits, (50, 1500), (0.01, 0.12), 10)) + coloured(rng, n) * np.float32(10 ** rng.uniform(-4, -2))


def machine(rng: np.random.Generator, n: int) -> Samples:
    """The same few blows over and over: press, train, printer, sewing machine, wiper."""
    period = RATE_HZ / rng.uniform(1, 22)
    hits = np.zeros(n, np.float32)
    for offset in rng.uniform(0, 1, int(rng.integers(1, 4))):
        places = np.arange(offset * period, n - 1, period)
        places = places + rng.normal(0, rng.uniform(0, 0.03) * period, len(places))
        hits[np.clip(places, 0, n - 1).astype(np.intp)] += np.float32(rng.uniform(0.3, 1))
    blows = _struck(rng, hits, (80, 6000), (0.002, 0.08), 10)
    rattle = coloured(rng, n) * np.float32(10 ** rng.uniform(-1.5, 0.2))
    return np.asarray(blows / (np.std(blows) + np.float32(1e-9)) + rattle, np.float32)


def crackle(rng: np.random.Generator, n: int) -> Samples:
    """A bad line or fire: single samples and short pops of any size."""
    pops = _arrivals(rng, n, rng.uniform(3, 400)) * (rng.standard_t(1.5, n) / 3).clip(-30, 30).astype(np.float32)
    return _filtered(rng, pops, _colour(rng)) + coloured(rng, n) * np.float32(10 ** rng.uniform(-4, -1))


def bursts(rng: np.random.Generator, n: int) -> Samples:
    """Sounds of any colour that come and go, overlapping."""
    x = coloured(rng, n) * np.float32(10 ** rng.uniform(-3, -1))
    for _ in range(int(rng.integers(3, 10))):
        x += _shaped(rng, n, _colour(rng)) * _bursts(rng, n, rng.uniform(0.2, 3), (0.03, 1.0)) * np.float32(10 ** rng.uniform(-0.8, 0.3))
    return x


def applause(rng: np.random.Generator, n: int) -> Samples:
    """Claps of one to many hands in a room."""
    x = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(1, 12))):
        claps = _arrivals(rng, n, rng.uniform(2, 6)) * np.float32(rng.uniform(0.2, 1))
        x += _struck(rng, claps, (600, 4500), (0.001, 0.01), 10)
    return reverberant(rng, x * _bursts(rng, n, 0.3, (1, 6)))


def beeps(rng: np.random.Generator, n: int) -> Samples:
    """Alarms, ring tones, horns, sirens: tones with a pattern of their own."""
    t = np.arange(n) / RATE_HZ
    period, duty = rng.uniform(0.1, 2.5), rng.uniform(0.15, 1.0)
    on = _smooth(((t / period + rng.uniform()) % 1 < duty).astype(np.float32), int(rng.integers(20, 400)))
    x = np.zeros(n, np.float32)
    sweep = rng.uniform(0, 0.6) * np.sin(2 * np.pi * rng.uniform(0.1, 6) * t) if rng.random() < 0.4 else np.zeros(n)
    for f0 in rng.uniform(250, 3200, int(rng.integers(1, 4))):
        x += _harmonics(rng, f0 * 2**sweep, rng.uniform(3, 25))
    x = x * on
    return (reverberant(rng, x) if rng.random() < 0.6 else x) + coloured(rng, n) * np.float32(10 ** rng.uniform(-4, -1))


def animals(rng: np.random.Generator, n: int) -> Samples:
    """Barks, birds, a baby: harmonic glides with breath in them and no words."""
    x = coloured(rng, n) * np.float32(10 ** rng.uniform(-4, -1.5))
    base, span = 2 ** rng.uniform(np.log2(250), np.log2(4500)), rng.uniform(0.05, 1.2)
    length_s, pause_s = rng.uniform(0.05, 0.9), rng.uniform(0.05, 1.2)
    at = int(rng.uniform(0, 0.5) * RATE_HZ)
    breath, tilt = 10 ** rng.uniform(-1.6, 0.2), rng.uniform(1, 10)
    while at < n:
        m = min(int(length_s * rng.uniform(0.6, 1.4) * RATE_HZ) + 64, n - at)
        u = np.linspace(0, 1, m)
        f0 = base * 2 ** (span * (rng.uniform(-1, 1) * u + rng.uniform(-1, 1) * u**2 + 0.1 * rng.random() * np.sin(2 * np.pi * 8 * u)))
        cry = _harmonics(rng, f0, tilt)
        cry += rng.standard_normal(m).astype(np.float32) * np.float32(breath * np.std(cry))
        x[at : at + m] += cry * (u ** rng.uniform(0.1, 0.6) * (1 - u) ** rng.uniform(0.2, 1.5)).astype(np.float32)
        at += m + int(pause_s * rng.uniform(0.3, 2) * RATE_HZ)
    return reverberant(rng, x)


def line(rng: np.random.Generator, n: int) -> Samples:
    """What telephone lines add: hiss, hum, GSM buzz, coarse quantising."""
    x = coloured(rng, n)
    if rng.random() < 0.5:
        frame = _smooth((np.arange(n) * 217.0 / RATE_HZ % 1 < 0.125).astype(np.float32), 8)
        x = x * np.float32(0.1) + frame * np.float32(rng.uniform(0.3, 2)) * _bursts(rng, n, 1, (0.2, 3))
    return x + _harmonics(rng, np.full(n, float(rng.choice([50.0, 60.0]))), 6) * np.float32(10 ** rng.uniform(-2, 0.3))


def scene(rng: np.random.Generator, n: int) -> Samples:
    """Two or three of the others at once."""
    x = np.zeros(n, np.float32)
    for at in rng.integers(0, len(GENERATED) - 1, int(rng.integers(2, 4))):
        part = GENERATED[at][0](rng, n)
        x += part * np.float32(10 ** rng.uniform(-0.8, 0) / (np.sqrt(np.mean(np.square(part))) + 1e-9))
    return x


# made of recordings


def babble(rng: np.random.Generator, n: int, voices: Sequence[Voice]) -> Samples:
    """Four to twelve talkers, near and far."""
    x = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(4, 13))):
        told = _excerpt(rng, [voice.pcm for voice in voices], n) * np.float32(10 ** rng.uniform(-0.8, 0))
        x += reverberant(rng, told) if rng.random() < 0.7 else told
    return _filtered(rng, x, _colour(rng, mild=True)) if rng.random() < 0.7 else x


def shuffled(rng: np.random.Generator, n: int, voices: Sequence[Voice], music: Sequence[Pcm]) -> Samples:
    """Grains of speech or music in no order, some backwards: lifelike spectra without words."""
    x = np.zeros(n + RATE_HZ, np.float32)
    source = [voice.pcm for voice in voices] if rng.random() < 0.6 else list(music)
    stock = _excerpt(rng, source, 4 * RATE_HZ)
    at, mean_s = 0, rng.uniform(0.02, 0.2)
    while at < n:
        m = int(np.clip(rng.exponential(mean_s), 0.012, 0.6) * RATE_HZ)
        start = int(rng.integers(0, len(stock) - m))
        grain = stock[start : start + m][:: -1 if rng.random() < 0.5 else 1] * np.hanning(m).astype(np.float32)
        x[at : at + m] += grain
        at += int(m * rng.uniform(0.25, 0.8)) + 1
    return reverberant(rng, x[:n]) if rng.random() < 0.5 else x[:n]


def tune(rng: np.random.Generator, n: int, music: Sequence[Pcm]) -> Samples:
    """Music from a loudspeaker."""
    x = _excerpt(rng, list(music), n)
    return _filtered(rng, reverberant(rng, x) if rng.random() < 0.5 else x, _colour(rng, mild=True))


# bricks


def _colour(rng: np.random.Generator, *, tilt: float | None = None, low_hz: float = 0, mild: bool = False) -> Colour:
    """A random smooth spectrum in dB over Hz: a slope in dB per octave, bumps, sometimes an edge."""
    slope = rng.uniform(-3, 2) if mild else (rng.uniform(-9, 3) if tilt is None else tilt + rng.normal(0, 2))
    places = np.sort(rng.uniform(0, 6.4, 9))
    bumps = rng.normal(0, 3 if mild else rng.choice([2, 5, 9]), 9)
    edge = rng.uniform(1200, 8000) if rng.random() < 0.2 and not mild else 0

    def level_db(f: NDArray[np.float64]) -> NDArray[np.float64]:
        octave = np.log2(np.maximum(f, 60) / 60)
        db = slope * octave + np.interp(octave, places, bumps)
        if edge:
            db = db - 40 * np.clip(np.log2(np.maximum(f, 1) / edge) * 2, 0, 1)
        if low_hz:
            db = db - 24 * np.clip(np.log2(low_hz / np.maximum(f, 1)), 0, 2)
        return np.asarray(db)

    return level_db


def _shaped(rng: np.random.Generator, n: int, level_db: Colour) -> Samples:
    x = _filtered(rng, rng.standard_normal(n).astype(np.float32), level_db)
    return x / (np.std(x) + np.float32(1e-9))


def _filtered(rng: np.random.Generator, x: Samples, level_db: Colour) -> Samples:
    size = fft.next_fast_len(len(x), True)
    spectrum = fft.rfft(x, size)
    gain = 10 ** (level_db(np.arange(len(spectrum)) * np.float64(RATE_HZ / size)) / 20)
    return np.asarray(fft.irfft(spectrum * gain.astype(np.float32), size)[: len(x)], np.float32)


def _wander(rng: np.random.Generator, n: int, rate_hz: float) -> NDArray[np.float64]:
    """Smooth and random, about ±1, changing ``rate_hz`` times a second."""
    knots = int(n / RATE_HZ * rate_hz) + 4
    return np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.normal(0, 0.7, knots))


def _breath(rng: np.random.Generator, n: int, rate_hz: float, depth_db: float) -> Samples:
    return np.asarray(10 ** (_wander(rng, n, rate_hz) * depth_db / 20), np.float32)


def _smooth(x: Samples, width: int) -> Samples:
    total = np.cumsum(np.pad(x, (width, 0)), dtype=np.float64)
    return np.asarray((total[width:] - total[:-width]) / width, np.float32)


def _switched(rng: np.random.Generator, n: int, every_s: float) -> Samples:
    return _smooth((_wander(rng, n, 1 / every_s) > rng.uniform(-0.5, 0.2)).astype(np.float32), int(rng.integers(200, 4000)))


def _bursts(rng: np.random.Generator, n: int, rate_hz: float, length_s: tuple[float, float]) -> Samples:
    """Envelopes that rise fast and fall slowly, ``rate_hz`` a second."""
    x = np.zeros(n, np.float32)
    for _ in range(max(int(rng.poisson(rate_hz * n / RATE_HZ)), 1)):
        x += _decay(n, int(rng.integers(0, n)), rng.uniform(0.001, 0.08), rng.uniform(*length_s)) * np.float32(10 ** rng.uniform(-0.7, 0))
    return x


def _decay(n: int, at: int, rise_s: float, fall_s: float) -> Samples:
    t = np.arange(n - at) / RATE_HZ
    x = np.zeros(n, np.float32)
    x[at:] = np.minimum(t / rise_s, 1) * np.exp(-np.maximum(t - rise_s, 0) * 3 / fall_s)
    return x


def _arrivals(rng: np.random.Generator, n: int, rate_hz: float) -> Samples:
    """Impulses of random sign, ``rate_hz`` a second."""
    x = np.zeros(n, np.float32)
    places = rng.integers(0, n, max(int(rng.poisson(rate_hz * n / RATE_HZ)), 1))
    x[places] = rng.choice([-1.0, 1.0], len(places))
    return x


def _struck(rng: np.random.Generator, hits: Samples, band_hz: tuple[float, float], ring_s: tuple[float, float], modes: int) -> Samples:
    """``hits`` through a body of so many damped modes."""
    longest = int(min(ring_s[1] * 7, 0.8) * RATE_HZ)
    t = np.arange(longest) / RATE_HZ
    body = rng.standard_normal(longest) * np.exp(-t / rng.uniform(0.0003, 0.003)) * rng.uniform(0, 0.7)
    for f in 2 ** rng.uniform(np.log2(band_hz[0]), np.log2(band_hz[1]), modes):
        ring = 2 ** rng.uniform(np.log2(ring_s[0]), np.log2(ring_s[1]))
        body += rng.exponential() * np.sin(2 * np.pi * f * t) * np.exp(-t / ring)
    return np.asarray(signal.oaconvolve(hits, body.astype(np.float32))[: len(hits)], np.float32)


def _harmonics(rng: np.random.Generator, f0: NDArray[np.float64], tilt_db: float) -> Samples:
    """Up to 24 harmonics of ``f0`` Hz (n,), falling ``tilt_db`` per octave, each off by chance; RMS 1."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE_HZ
    top = float(np.max(f0))
    x = np.zeros(len(f0))
    for order in range(1, min(24, max(int(7800 / top), 1)) + 1):
        level_db = -tilt_db * np.log2(order) + rng.normal(0, 5)
        x += 10 ** (level_db / 20) * np.sin(order * phase + rng.uniform(0, 2 * np.pi))
    return np.asarray(x / (np.std(x) + 1e-9), np.float32)


def _excerpt(rng: np.random.Generator, stock: Sequence[Pcm], n: int) -> Samples:
    whole = stock[int(rng.integers(0, len(stock)))]
    at = int(rng.integers(0, len(whole) - n))
    return whole[at : at + n].astype(np.float32) / np.float32(32768)


GENERATED: tuple[tuple[Maker, float], ...] = (
    (coloured, 1.5),
    (modulated, 1.5),
    (hum, 0.8),
    (engine, 1.5),
    (drill, 0.8),
    (wind, 0.7),
    (rustle, 0.9),
    (traffic, 1.0),
    (thunder, 0.6),
    (rain, 0.7),
    (water, 0.7),
    (dishes, 1.8),
    (keyboard, 1.0),
    (knocks, 0.9),
    (machine, 1.0),
    (crackle, 0.6),
    (bursts, 1.5),
    (applause, 0.4),
    (beeps, 1.0),
    (animals, 1.2),
    (line, 0.4),
    (scene, 2.5),
)
