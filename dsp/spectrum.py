"""Short-time spectra of sixteen legs at once: the real FFT of 320 samples (20 ms at 16 kHz), and the sine window of its hops.

A spectrum is two arrays, real and imaginary parts, of (BINS, LANES) float32, not normalised as in ``numpy.fft.rfft``; the way back divides
by the length. The transform of 320 real samples is one of 160 complex ones, even samples real and odd ones imaginary, followed by
the split into the two halves' spectra; the complex transform is Stockham's (self-sorting, Van Loan, *Computational Frameworks for the
Fast Fourier Transform*, 1.7) with radices 4, 4, 5 and 2.
"""

import numpy as np

from dsp.lanes import LANES, Array, fill, kernel, load, store

HOP = 160
"""Samples from one frame to the next: 10 ms at 16 kHz."""
FRAME = 2 * HOP
BINS = HOP + 1
WORK = (4, HOP, LANES)
"""Shape of the scratch array that a transform needs."""

SINE = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME).astype(np.float32)
"""Square root of the Hann window: applied before analysis and after synthesis, overlapping frames add up to one (Princen and Bradley)."""

_ROOTS = np.exp(-2j * np.pi * np.arange(FRAME) / FRAME)
_ROOTS_RE, _ROOTS_IM = _ROOTS.real.astype(np.float32).copy(), _ROOTS.imag.astype(np.float32).copy()
_COS1, _COS2 = np.float32(np.cos(2 * np.pi / 5)), np.float32(np.cos(4 * np.pi / 5))
_SIN1, _SIN2 = np.float32(np.sin(2 * np.pi / 5)), np.float32(np.sin(4 * np.pi / 5))


@kernel
def forward(signal: Array, re: Array, im: Array, work: Array) -> None:
    """Spectrum of ``signal`` (FRAME, LANES) into ``re`` and ``im`` (BINS, LANES); ``work`` is an array of shape WORK."""
    for k in range(HOP):
        store(work, (0, k), load(signal, 2 * k))
        store(work, (1, k), load(signal, 2 * k + 1))
    _transform(work)
    a, b = load(work, (0, 0)), load(work, (1, 0))
    store(re, 0, a + b)
    store(im, 0, fill(0.0))
    store(re, HOP, a - b)
    store(im, HOP, fill(0.0))
    for k in range(1, HOP // 2 + 1):
        m = HOP - k
        ar, ai, br, bi = load(work, (0, k)), load(work, (1, k)), load(work, (0, m)), load(work, (1, m))
        even_re, even_im = 0.5 * (ar + br), 0.5 * (ai - bi)
        odd_re, odd_im = 0.5 * (ai + bi), 0.5 * (br - ar)
        wr, wi = _ROOTS_RE[k], _ROOTS_IM[k]
        turned_re, turned_im = odd_re * wr - odd_im * wi, odd_re * wi + odd_im * wr
        store(re, k, even_re + turned_re)
        store(im, k, even_im + turned_im)
        store(re, m, even_re - turned_re)
        store(im, m, turned_im - even_im)


@kernel
def inverse(re: Array, im: Array, signal: Array, work: Array) -> None:
    """The signal (FRAME, LANES) of a spectrum (BINS, LANES); imaginary parts of the first and last bin are ignored."""
    scale = np.float32(1.0 / HOP)
    a, b = load(re, 0), load(re, HOP)
    store(work, (0, 0), 0.5 * scale * (a + b))
    store(work, (1, 0), 0.5 * scale * (b - a))
    for k in range(1, HOP // 2 + 1):
        m = HOP - k
        ar, ai, br, bi = load(re, k), load(im, k), load(re, m), load(im, m)
        even_re, even_im = 0.5 * (ar + br), 0.5 * (ai - bi)
        half_re, half_im = 0.5 * (ar - br), 0.5 * (ai + bi)
        wr, wi = _ROOTS_RE[k], -_ROOTS_IM[k]
        odd_re, odd_im = half_re * wr - half_im * wi, half_re * wi + half_im * wr
        # The inverse transform is the forward one of the conjugate, conjugated.
        store(work, (0, k), scale * (even_re - odd_im))
        store(work, (1, k), -scale * (even_im + odd_re))
        store(work, (0, m), scale * (even_re + odd_im))
        store(work, (1, m), -scale * (odd_re - even_im))
    _transform(work)
    for k in range(HOP):
        store(signal, 2 * k, load(work, (0, k)))
        store(signal, 2 * k + 1, -load(work, (1, k)))


@kernel
def _transform(work: Array) -> None:
    """Complex transform of 160 points in place: planes 0 and 1 of ``work`` are the real and imaginary parts, 2 and 3 scratch."""
    _radix4(work, 0, 2, 160, 1)
    _radix4(work, 2, 0, 40, 4)
    _radix5(work, 0, 2, 10, 16)
    _radix2(work, 2, 0, 80)


@kernel
def _radix4(work: Array, source: int, to: int, length: int, stride: int) -> None:
    quarter = length // 4
    for p in range(quarter):
        turn = 2 * p * stride
        w1r, w1i = _ROOTS_RE[turn], _ROOTS_IM[turn]
        w2r, w2i = _ROOTS_RE[2 * turn], _ROOTS_IM[2 * turn]
        w3r, w3i = _ROOTS_RE[3 * turn], _ROOTS_IM[3 * turn]
        for q in range(stride):
            i, o = q + stride * p, q + stride * 4 * p
            j = stride * quarter
            ar, ai = load(work, (source, i)), load(work, (source + 1, i))
            br, bi = load(work, (source, i + j)), load(work, (source + 1, i + j))
            cr, ci = load(work, (source, i + 2 * j)), load(work, (source + 1, i + 2 * j))
            dr, di = load(work, (source, i + 3 * j)), load(work, (source + 1, i + 3 * j))
            sum_re, sum_im, gap_re, gap_im = ar + cr, ai + ci, ar - cr, ai - ci
            sum2_re, sum2_im, gap2_re, gap2_im = br + dr, bi + di, br - dr, bi - di
            store(work, (to, o), sum_re + sum2_re)
            store(work, (to + 1, o), sum_im + sum2_im)
            tr, ti = gap_re + gap2_im, gap_im - gap2_re
            store(work, (to, o + stride), tr * w1r - ti * w1i)
            store(work, (to + 1, o + stride), tr * w1i + ti * w1r)
            tr, ti = sum_re - sum2_re, sum_im - sum2_im
            store(work, (to, o + 2 * stride), tr * w2r - ti * w2i)
            store(work, (to + 1, o + 2 * stride), tr * w2i + ti * w2r)
            tr, ti = gap_re - gap2_im, gap_im + gap2_re
            store(work, (to, o + 3 * stride), tr * w3r - ti * w3i)
            store(work, (to + 1, o + 3 * stride), tr * w3i + ti * w3r)


@kernel
def _radix5(work: Array, source: int, to: int, length: int, stride: int) -> None:
    fifth = length // 5
    for p in range(fifth):
        turn = 2 * p * stride
        for q in range(stride):
            i, o = q + stride * p, q + stride * 5 * p
            j = stride * fifth
            ar, ai = load(work, (source, i)), load(work, (source + 1, i))
            br, bi = load(work, (source, i + j)), load(work, (source + 1, i + j))
            cr, ci = load(work, (source, i + 2 * j)), load(work, (source + 1, i + 2 * j))
            dr, di = load(work, (source, i + 3 * j)), load(work, (source + 1, i + 3 * j))
            er, ei = load(work, (source, i + 4 * j)), load(work, (source + 1, i + 4 * j))
            s1r, s1i, d1r, d1i = br + er, bi + ei, br - er, bi - ei
            s2r, s2i, d2r, d2i = cr + dr, ci + di, cr - dr, ci - di
            store(work, (to, o), ar + s1r + s2r)
            store(work, (to + 1, o), ai + s1i + s2i)
            even_re, even_im = ar + _COS1 * s1r + _COS2 * s2r, ai + _COS1 * s1i + _COS2 * s2i
            odd_re, odd_im = _SIN1 * d1i + _SIN2 * d2i, -(_SIN1 * d1r + _SIN2 * d2r)
            _put(work, to, o + stride, even_re + odd_re, even_im + odd_im, turn)
            _put(work, to, o + 4 * stride, even_re - odd_re, even_im - odd_im, 4 * turn)
            even_re, even_im = ar + _COS2 * s1r + _COS1 * s2r, ai + _COS2 * s1i + _COS1 * s2i
            odd_re, odd_im = _SIN2 * d1i - _SIN1 * d2i, -(_SIN2 * d1r - _SIN1 * d2r)
            _put(work, to, o + 2 * stride, even_re + odd_re, even_im + odd_im, 2 * turn)
            _put(work, to, o + 3 * stride, even_re - odd_re, even_im - odd_im, 3 * turn)


@kernel
def _radix2(work: Array, source: int, to: int, stride: int) -> None:
    for q in range(stride):
        ar, ai = load(work, (source, q)), load(work, (source + 1, q))
        br, bi = load(work, (source, q + stride)), load(work, (source + 1, q + stride))
        store(work, (to, q), ar + br)
        store(work, (to + 1, q), ai + bi)
        store(work, (to, q + stride), ar - br)
        store(work, (to + 1, q + stride), ai - bi)


@kernel
def _put(work: Array, to: int, at: int, re: Array, im: Array, turn: int) -> None:
    wr, wi = _ROOTS_RE[turn % FRAME], _ROOTS_IM[turn % FRAME]
    store(work, (to, at), re * wr - im * wi)
    store(work, (to + 1, at), re * wi + im * wr)
