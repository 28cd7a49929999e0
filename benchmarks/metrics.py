"""How good a signal is: PESQ, STOI, DNSMOS, AECMOS, PLCMOS, echo return loss enhancement. All offline.

Signals are float32 (n,) at full scale 1.0; the models that only know 16 kHz say so. The packages are the extra ``peers``; a missing
one raises ``MetricMissing`` saying what to install.
"""

import importlib
import math
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.signal import resampled
from benchmarks.report import CannotRun

Samples = NDArray[np.float32]
RATE_HZ = 16_000
_LONGEST_AECMOS_S = 20


class MetricMissing(CannotRun):
    """The package that computes it is not installed; the message says how to get it."""


class EchoMos(NamedTuple):
    """AECMOS: ``echo`` (no echo heard is 5) and ``degradation`` of everything else, both 1-5."""

    echo: float
    degradation: float


class NoiseMos(NamedTuple):
    """DNSMOS P.835: ``overall``, ``signal``, ``background``, each 1-5."""

    overall: float
    signal: float
    background: float


def pesq_wb(reference: Samples, heard: Samples, rate_hz: int = RATE_HZ) -> float:
    """Wide-band PESQ (ITU-T P.862.2), 1.04-4.64, at 16 kHz; it aligns the two itself. 1.04 where nothing of ``heard`` is speech."""
    return _pesq(reference, heard, rate_hz, "wb")


def pesq_nb(reference: Samples, heard: Samples, rate_hz: int = RATE_HZ) -> float:
    """Narrow-band PESQ (ITU-T P.862.1), 1.02-4.55, at 8 kHz."""
    return _pesq(reference, heard, rate_hz, "nb")


def stoi(reference: Samples, heard: Samples, rate_hz: int = RATE_HZ) -> float:
    """Short-time objective intelligibility, 0-1 (Taal et al. 2011). The two must lie on top of each other."""
    try:
        from pystoi import stoi as intelligibility
    except ImportError as error:
        raise MetricMissing("pip install pystoi") from error
    n = min(len(reference), len(heard))
    return float(intelligibility(reference[:n], heard[:n], rate_hz))


def dnsmos(heard: Samples, rate_hz: int = RATE_HZ) -> NoiseMos:
    """DNSMOS P.835 (Reddy et al. 2022) at 16 kHz: mean over windows of 9.01 s, one each second; less is repeated up to that length.

    As speechmos does it, without the P.808 score that it works out beside (half of its time).
    """
    session, quality = _dnsmos_model()
    sound = _in_scale(resampled(heard, rate_hz, RATE_HZ))
    size = int(9.01 * RATE_HZ)
    while len(sound) < size:
        sound = np.concatenate([sound, sound])
    begins = [number * RATE_HZ for number in range(int(len(sound) // RATE_HZ - 9.01) + 1)]
    raw = [session.run(None, {"input_1": sound[None, at : at + size]})[0][0] for at in begins if at + size <= len(sound)]
    signal, background, overall = np.mean([quality(*one, False) for one in raw], axis=0)
    return NoiseMos(float(overall), float(signal), float(background))


def aecmos(far: Samples, mic: Samples, heard: Samples, talk: Literal["far", "near", "double"], rate_hz: int = RATE_HZ) -> EchoMos:
    """AECMOS (Purin et al. 2022) of ``heard``, made from ``mic`` and the loudspeaker's ``far``; 16 kHz model, told who talks.

    The model hears 20 s at most. As its makers do, of double talk the last 20 s are judged, of anything longer the end, where a
    canceller has had time to converge; the single-talk challenge clips are shorter.
    """
    kind = {"far": "st", "near": "nst", "double": "dt"}[talk]
    n = min(len(far), len(mic), len(heard))
    parts = (resampled(part[:n], rate_hz, RATE_HZ) for part in (far, mic, heard))
    lpb, near, out = (_in_scale(part[-_LONGEST_AECMOS_S * RATE_HZ + 1 :]) for part in parts)
    found = _speechmos("aecmos").run({"lpb": lpb, "mic": near, "enh": out}, RATE_HZ, talk_type=kind)
    return EchoMos(float(found["echo_mos"]), float(found["deg_mos"]))


def plcmos(heard: Samples, rate_hz: int = RATE_HZ) -> float:
    """PLCMOS v2 (Diener et al. 2023) at 16 kHz, 1-5. It averages over 15 random raters; they are the same ones each time here."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        found = _speechmos("plcmos").run(_in_scale(resampled(heard, rate_hz, RATE_HZ)), RATE_HZ)
    finally:
        np.random.set_state(state)
    return float(found["plcmos"])


def level_dbfs(samples: Samples) -> float:
    """Power of all of (n,), dBFS; -120 for silence."""
    return 10 * math.log10(float(np.mean(samples.astype(np.float64) ** 2)) + 1e-12) if len(samples) else -120.0


def active_level_dbfs(samples: Samples, rate_hz: int = RATE_HZ) -> float:
    """Level of the speech in (n,) without its pauses: mean power of the 10 ms within 35 dB of the loudest, dBFS (P.56 in spirit)."""
    power = _hop_powers(samples, rate_hz)
    if not len(power) or not power.max():
        return -120.0
    return 10 * math.log10(float(power[power > power.max() * 10**-3.5].mean()) + 1e-12)


def erle_db(mic: Samples, heard: Samples) -> float:
    """Echo return loss enhancement over a stretch in which nobody near talks: power of ``mic`` over that of ``heard``, dB, at most 100."""
    before, after = (float(np.mean(part.astype(np.float64) ** 2)) for part in (mic, heard))
    return min(100.0, 10 * math.log10((before + 1e-20) / (after + 1e-20)))


def erle_over_time_db(mic: Samples, heard: Samples, rate_hz: int = RATE_HZ, *, smoothing_s: float = 0.2) -> NDArray[np.float64]:
    """The same for each 10 ms, powers averaged over the last ``smoothing_s``: (n // hop,) dB."""
    length = max(1, round(smoothing_s * 100))
    kernel = np.ones(length) / length
    before, after = (np.convolve(_hop_powers(part, rate_hz), kernel)[: len(part) * 100 // rate_hz] for part in (mic, heard))
    return np.asarray(np.minimum(100.0, 10 * np.log10((before + 1e-14) / (after + 1e-14))))


def convergence_s(mic: Samples, heard: Samples, rate_hz: int = RATE_HZ, *, at_least_db: float = 20.0, hold_s: float = 0.3) -> float:
    """Seconds from the first echo until ERLE reaches ``at_least_db`` and stays there in the median of ``hold_s``; infinity if never.

    Only hops with echo count (within 30 dB of its loudest): a pause has nothing to cancel.
    """
    erle = erle_over_time_db(mic, heard, rate_hz, smoothing_s=0.1)
    power = _hop_powers(mic, rate_hz)
    echoing = np.flatnonzero(power > power.max() * 1e-3) if len(power) and power.max() else np.array([], np.intp)
    hold = max(1, round(hold_s * 100))
    for number, hop in enumerate(echoing):
        if erle[hop] >= at_least_db and np.median(erle[echoing[number : number + hold]]) >= at_least_db:
            return float(hop - echoing[0]) / 100
    return math.inf


def delay_samples(reference: Samples, heard: Samples, *, most: int | None = None) -> int:
    """By how many samples ``heard`` lies behind ``reference`` (negative: before it), by cross-correlation, within +-``most``."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size)), size)
    reach = min(most if most is not None else len(reference), size // 2 - 1)
    window = np.concatenate([likeness[-reach:], likeness[: reach + 1]]) if reach else likeness[:1]
    return int(np.argmax(window)) - reach


def aligned(reference: Samples, heard: Samples, *, most: int | None = None) -> Samples:
    """``heard`` moved to where it agrees best with ``reference``, silence where it ends, of the reference's length."""
    delay = delay_samples(reference, heard, most=most)
    moved = heard[delay:] if delay >= 0 else np.concatenate([np.zeros(-delay, np.float32), heard])
    return np.pad(moved[: len(reference)], (0, max(0, len(reference) - len(moved))))


def _pesq(reference: Samples, heard: Samples, rate_hz: int, band: str) -> float:
    try:
        from pesq import NoUtterancesError, pesq
    except ImportError as error:
        raise MetricMissing("pip install pesq") from error
    wanted, lowest = (RATE_HZ, 1.04) if band == "wb" else (8_000, 1.02)
    n = min(len(reference), len(heard))
    if not heard[:n].any():  # to which the package has no answer
        return lowest
    try:
        return float(pesq(wanted, resampled(reference[:n], rate_hz, wanted), resampled(heard[:n], rate_hz, wanted), band))
    except NoUtterancesError:
        return lowest


def _speechmos(name: str) -> Any:
    try:
        return importlib.import_module(f"speechmos.{name}")
    except ImportError as error:
        raise MetricMissing("pip install speechmos onnxruntime librosa requests") from error


@lru_cache
def _dnsmos_model() -> tuple[Any, Any]:
    """The network, and the polynomials that turn its three figures into scores."""
    module = _speechmos("dnsmos")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = Path(module.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(str(path), options), partial(module.DNSMOS.get_polyfit_val, None)


def _in_scale(samples: Samples) -> Samples:
    """The models refuse what exceeds full scale, and one that is all zeros has no spectrum to normalise."""
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def _hop_powers(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    hop = rate_hz // 100
    hops = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64)
    return np.asarray((hops * hops).mean(axis=1))
