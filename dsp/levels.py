"""Levels: root mean square and peak in dBFS, and silences inside speech.

Full scale is 1.0; 0 dBFS is the level of a constant 1.0 (a full-scale sine is -3.01 dBFS). Silence has no logarithm, so levels end
at ``FLOOR_DBFS``.
"""

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FLOOR_DBFS = -100.0
WINDOW_S = 0.005


def rms_dbfs(x: Samples) -> float:
    """Level of one frame (n,) in dBFS; ``FLOOR_DBFS`` for silence or an empty frame."""
    power = float(np.dot(x, x)) / len(x) if len(x) else 0.0
    return max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS


def peak_dbfs(x: Samples) -> float:
    """Largest magnitude of one frame (n,) in dBFS."""
    peak = float(np.abs(x).max()) if len(x) else 0.0
    return max(FLOOR_DBFS, 20 * math.log10(peak)) if peak > 0 else FLOOR_DBFS


def levels_dbfs(x: Samples, rate_hz: int, *, window_s: float = WINDOW_S) -> NDArray[np.float64]:
    """Level of each window of (n,): (n // window,) in dBFS."""
    window = int(window_s * rate_hz)
    rows = x[: len(x) // window * window].reshape(-1, window).astype(np.float64)
    levels: NDArray[np.float64] = np.maximum(FLOOR_DBFS, 10 * np.log10(np.maximum((rows * rows).mean(axis=1), 1e-30)))
    return levels


def longest_silence_s(heard: Samples, reference: Samples, rate_hz: int, *, below_db: float = 35.0, speech_db: float = 25.0) -> float:
    """The longest hole in ``heard`` inside the speech of ``reference`` (aligned, same rate), in seconds.

    In windows of 5 ms. Speech: within ``speech_db`` of the reference's active level (the mean power of its louder half of windows).
    Silence: more than ``below_db`` below that level. A hole is a run of silence while the reference speaks, after speech that was heard
    within the 20 ms before it: a swallowed beginning is not inside speech, as nothing could be known of it.
    """
    n = min(len(heard), len(reference))
    sound, voice = levels_dbfs(heard[:n], rate_hz), levels_dbfs(reference[:n], rate_hz)
    loud = voice[voice >= np.median(voice)]
    active = 10 * np.log10(np.mean(10 ** (loud / 10)))
    speech, silent = voice > active - speech_db, sound < active - below_db
    heard_speech = speech & ~silent
    longest = 0
    for start, end in runs(speech & silent):
        if heard_speech[max(0, start - 4) : start].any():
            longest = max(longest, end - start)
    return longest * WINDOW_S


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginning and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
