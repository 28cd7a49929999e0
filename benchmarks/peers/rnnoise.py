"""RNNoise 0.2 with its bundled weights: the library inside the ``pyrnnoise`` wheel, by ctypes (the wrapper itself pulls in much else)."""

import ctypes
import importlib.util
from pathlib import Path

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import resampled, shifted

RATE_HZ, FRAME = 48_000, 480
_DELAY = 960  # samples at 48 kHz


class RNNoise:
    """Works at 48 kHz; other rates are resampled to it and back."""

    name = "rnnoise"

    def __init__(self) -> None:
        package = importlib.util.find_spec("pyrnnoise")
        if package is None or not package.submodule_search_locations:
            raise PeerMissing("pip install pyrnnoise")
        try:
            self._library = ctypes.CDLL(str(Path(package.submodule_search_locations[0]) / "librnnoise.so"))
        except OSError as error:
            raise PeerMissing(f"pip install --force-reinstall pyrnnoise ({error})") from error
        pointer = ctypes.c_void_p
        self._library.rnnoise_create.restype, self._library.rnnoise_create.argtypes = pointer, (pointer,)
        self._library.rnnoise_destroy.restype, self._library.rnnoise_destroy.argtypes = None, (pointer,)
        self._library.rnnoise_process_frame.restype = ctypes.c_float
        self._library.rnnoise_process_frame.argtypes = (pointer, pointer, pointer)

    def suppress(self, noisy: Samples, rate_hz: int) -> Samples:
        return self._run(noisy, rate_hz)[0]

    def speech(self, noisy: Samples, rate_hz: int) -> Samples:
        return self._run(noisy, rate_hz)[1]

    def _run(self, noisy: Samples, rate_hz: int) -> tuple[Samples, Samples]:
        """Sound (n,) and its probability of speech per 10 ms."""
        wide = resampled(noisy, rate_hz, RATE_HZ) * np.float32(32768)
        count = -(-(len(wide) + _DELAY) // FRAME)
        frames = np.zeros((count, FRAME), np.float32)
        frames.reshape(-1)[: len(wide)] = wide
        speech = np.zeros(count, np.float32)
        state = ctypes.c_void_p(self._library.rnnoise_create(None))
        try:
            for number, frame in enumerate(frames):
                speech[number] = self._library.rnnoise_process_frame(state, frame.ctypes.data, frame.ctypes.data)
        finally:
            self._library.rnnoise_destroy(state)
        sound = shifted(frames.reshape(-1) / np.float32(32768), _DELAY)[: len(wide)]
        out = resampled(sound, RATE_HZ, rate_hz)[: len(noisy)]
        return np.pad(out, (0, len(noisy) - len(out))), speech[: len(noisy) * 100 // rate_hz]
