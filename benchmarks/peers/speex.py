"""speexdsp (Debian's libspeexdsp1) by ctypes: its multi-delay block frequency-domain echo canceller (MDF) and its preprocessor."""

import ctypes

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import from_pcm16, shifted, to_pcm16

_SET_ECHO_RATE = 24  # speex_echo.h: SPEEX_ECHO_SET_SAMPLING_RATE
_SET_DENOISE, _SET_NOISE_DB, _SET_RESIDUAL_DB, _SET_RESIDUAL_ACTIVE_DB, _SET_ECHO = 0, 18, 20, 22, 24  # speex_preprocess.h
_TAIL_S = 0.25


class SpeexEcho:
    """MDF with a tail of 250 ms; with ``residual`` the preprocessor behind it takes residual echo and noise away (it does the former
    only together with the latter)."""

    def __init__(self, *, residual: bool = False) -> None:
        self._library, self._residual = _library(), residual
        self.name = "speex+res" if residual else "speex"

    def cancel(self, near: Samples, far: Samples, rate_hz: int) -> Samples:
        speex, hop = self._library, rate_hz // 100
        echo = ctypes.c_void_p(speex.speex_echo_state_init(hop, int(_TAIL_S * rate_hz)))
        speex.speex_echo_ctl(echo, _SET_ECHO_RATE, ctypes.byref(ctypes.c_int(rate_hz)))
        preprocess = ctypes.c_void_p(speex.speex_preprocess_state_init(hop, rate_hz)) if self._residual else None
        if preprocess:
            speex.speex_preprocess_ctl(preprocess, _SET_DENOISE, ctypes.byref(ctypes.c_int(1)))
            speex.speex_preprocess_ctl(preprocess, _SET_ECHO, echo)
        heard, played = to_pcm16(near), to_pcm16(far)
        out = np.zeros_like(heard)
        try:
            for at in range(0, len(heard) - hop + 1, hop):
                block = out[at : at + hop]
                speex.speex_echo_cancellation(echo, heard[at : at + hop].ctypes.data, played[at : at + hop].ctypes.data, block.ctypes.data)
                if preprocess:
                    speex.speex_preprocess_run(preprocess, block.ctypes.data)
        finally:
            if preprocess:
                speex.speex_preprocess_state_destroy(preprocess)
            speex.speex_echo_state_destroy(echo)
        return shifted(from_pcm16(out), hop if self._residual else 0)


class SpeexNoise:
    """The preprocessor's noise suppression at its usual strength (-15 dB)."""

    name = "speex-ns"

    def __init__(self) -> None:
        self._library = _library()

    def suppress(self, noisy: Samples, rate_hz: int) -> Samples:
        speex, hop = self._library, rate_hz // 100
        preprocess = ctypes.c_void_p(speex.speex_preprocess_state_init(hop, rate_hz))
        speex.speex_preprocess_ctl(preprocess, _SET_DENOISE, ctypes.byref(ctypes.c_int(1)))
        speex.speex_preprocess_ctl(preprocess, _SET_NOISE_DB, ctypes.byref(ctypes.c_int(-15)))
        out = to_pcm16(noisy)
        try:
            for at in range(0, len(out) - hop + 1, hop):
                speex.speex_preprocess_run(preprocess, out[at : at + hop].ctypes.data)
        finally:
            speex.speex_preprocess_state_destroy(preprocess)
        return shifted(from_pcm16(out), hop)


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libspeexdsp.so.1")
    except OSError as error:
        raise PeerMissing("apt-get install libspeexdsp1") from error
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("speex_echo_state_init", pointer, (number, number)),
        ("speex_echo_ctl", number, (pointer, number, pointer)),
        ("speex_echo_cancellation", None, (pointer, pointer, pointer, pointer)),
        ("speex_echo_state_destroy", None, (pointer,)),
        ("speex_preprocess_state_init", pointer, (number, number)),
        ("speex_preprocess_ctl", number, (pointer, number, pointer)),
        ("speex_preprocess_run", number, (pointer, pointer)),
        ("speex_preprocess_state_destroy", None, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
