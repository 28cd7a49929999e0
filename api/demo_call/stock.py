"""The same packets through stock aiortc's receiver: the figure beside ours."""

import numpy as np
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket
from av import AudioFrame

from api.demo_call.speech import Samples, at_rate
from api.demo_call.wire import Log, Packet

_MIME = {"opus": "audio/opus", "g722": "audio/G722", "pcma": "audio/PCMA", "pcmu": "audio/PCMU"}


def heard_through_aiortc(log: Log, rate_hz: int) -> Samples:
    """What aiortc's audio receiver would let one hear of these packets, float32 at ``rate_hz``.

    Its jitter buffer (16 packets, 4 ahead) and its decoder, without concealment as it has none; each frame is played when the receiver
    lets it go or when the one before has ended, whichever is later, and in between there is silence.
    """
    if log.codec is None:
        return np.zeros(0, np.float32)
    decoder = get_decoder(RTCRtpCodecParameters(_MIME[log.codec.name], log.codec.clock_rate, log.codec.channels, log.codec.payload_type))
    buffer = JitterBuffer(capacity=16, prefetch=4)
    played: list[Samples] = []
    head_s, rate = log.packets[0].at_s, rate_hz
    for packet in log.packets:
        _, encoded = buffer.add(_as_aiortc_has_it(log.codec.payload_type, packet))
        if encoded is None:
            continue
        for frame in decoder.decode(encoded):
            if not isinstance(frame, AudioFrame):
                continue
            rate = frame.sample_rate
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            wait_s = max(0.0, packet.at_s - head_s)
            played += [np.zeros(round(wait_s * rate), np.float32), (samples / 32_768.0).astype(np.float32)]
            head_s += wait_s + len(samples) / rate
    return at_rate(np.concatenate(played), rate, rate_hz) if played else np.zeros(0, np.float32)


def _as_aiortc_has_it(payload_type: int, packet: Packet) -> RtpPacket:
    made = RtpPacket(payload_type, sequence_number=packet.sequence & 0xFFFF, timestamp=packet.timestamp & 0xFFFFFFFF)
    made.payload = packet.payload
    made._data = packet.payload  # type: ignore[attr-defined]  # where aiortc's receiver puts what its jitter buffer joins
    return made
