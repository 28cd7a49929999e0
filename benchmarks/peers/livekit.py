"""WebRTC's audio processing module as packaged by ``livekit`` (a newer build than pywebrtc-audio's; settings on or off only)."""

from typing import Any

import numpy as np

from benchmarks.peers import PeerMissing, Samples
from benchmarks.peers.signal import from_pcm16, shifted, to_pcm16
from benchmarks.peers.webrtc import AEC3_DELAY, NS_DELAY_BEHIND


class LivekitAec3:
    """AEC3, alone or with noise suppressor and high-pass filter."""

    def __init__(self, *, noise: bool = False) -> None:
        try:
            from livekit import rtc
        except ImportError as error:
            raise PeerMissing("pip install livekit") from error
        self._rtc: Any = rtc
        self._noise = noise
        self.name = "livekit-aec3+ns" if noise else "livekit-aec3"

    def cancel(self, near: Samples, far: Samples, rate_hz: int) -> Samples:
        module = self._rtc.AudioProcessingModule(
            echo_cancellation=True, noise_suppression=self._noise, high_pass_filter=self._noise, auto_gain_control=False
        )
        hop = rate_hz // 100
        heard, played = to_pcm16(near), to_pcm16(far)
        out = np.zeros_like(heard)
        for at in range(0, len(heard) - hop + 1, hop):
            module.process_reverse_stream(self._frame(played[at : at + hop], rate_hz))
            module.set_stream_delay_ms(0)
            frame = self._frame(heard[at : at + hop], rate_hz)
            module.process_stream(frame)
            out[at : at + hop] = np.frombuffer(frame.data, np.int16)
        return shifted(from_pcm16(out), AEC3_DELAY[rate_hz] + (NS_DELAY_BEHIND[rate_hz] if self._noise else 0))

    def _frame(self, samples: Any, rate_hz: int) -> Any:
        return self._rtc.AudioFrame(bytearray(samples.tobytes()), rate_hz, 1, len(samples))
