"""WebRTC's audio processing module as packaged by ``pywebrtc-audio``: echo canceller AEC3 and noise suppressor."""

from types import ModuleType

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import shifted

AEC3_DELAY = {16_000: 128, 48_000: 430}
"""Samples by which AEC3 delays near-end speech, measured by cross-correlation (1-6 kHz); at 48 kHz the band split adds to it."""
NS_DELAY_BEHIND = {16_000: 96, 48_000: 288}
"""What the noise suppressor adds behind it."""
_NS_DELAY = {16_000: 96, 48_000: 334}


class Aec3:
    """AEC3 (which brings its high-pass filter), alone or with the noise suppressor at its usual level (12 dB)."""

    def __init__(self, *, noise: bool = False) -> None:
        self._module, self._noise = _module(), noise
        self.name = "aec3+ns" if noise else "aec3"

    def cancel(self, near: Samples, far: Samples, rate_hz: int) -> Samples:
        processor = self._module.AudioProcessor(rate_hz, echo_cancellation=True, noise_suppression=self._noise, high_pass_filter=True)
        delay = AEC3_DELAY[rate_hz] + (NS_DELAY_BEHIND[rate_hz] if self._noise else 0)
        return shifted(np.asarray(processor.process(near, far), np.float32), delay)


class WebrtcNoise:
    """The noise suppressor at its strongest level (21 dB), which APIs that count "off" as 0 call level 4."""

    name = "webrtc-ns4"

    def __init__(self) -> None:
        self._module = _module()

    def suppress(self, noisy: Samples, rate_hz: int) -> Samples:
        suppressor = self._module.NoiseSuppressor(rate_hz, level=3)
        return shifted(np.asarray(suppressor.process(noisy), np.float32), _NS_DELAY[rate_hz])


def _module() -> ModuleType:
    try:
        import pywebrtc_audio
    except ImportError as error:
        raise PeerMissing("pip install pywebrtc-audio") from error
    module: ModuleType = pywebrtc_audio
    return module
