"""WebRTC's old Gaussian-mixture voice activity detector at its strictest mode."""

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import resampled, to_pcm16


class WebrtcVad:
    """Yes or no per 10 ms."""

    name = "webrtcvad"

    def __init__(self, mode: int = 3) -> None:
        try:
            import webrtcvad
        except ImportError as error:
            raise PeerMissing("pip install webrtcvad-wheels") from error
        self._module, self._mode = webrtcvad, mode

    def speech(self, noisy: Samples, rate_hz: int) -> Samples:
        sound = to_pcm16(resampled(noisy, rate_hz, 16_000))
        detector = self._module.Vad(self._mode)
        hops = sound[: len(sound) // 160 * 160].reshape(-1, 160)
        return np.array([detector.is_speech(hop.tobytes(), 16_000) for hop in hops], np.float32)
