"""Delay through a path that decodes and encodes: each speaker hums and beeps every 400 ms, and the beep's begin is looked for in what came.

A packet holds 20 ms of sound and leaves when the last of it was spoken; it can be heard from its arrival on. So the delay is arrival
less departure of the same sound. Where the beep begins in the packets as they were sent (after the speaker's own codec) is nobody's doing
and is taken off.
"""

from collections.abc import Sequence

import numpy as np

from api.load.streams import Payloads, Tape
from media import rtp
from media.codec import Samples, make_encoder, make_native_decoder
from rooms.audio import AudioCodec

_RATE_HZ, _FRAME_S = 16_000, 0.02
_CYCLE, _BEEP_AT = 20, 10
_BEEP, _HUM, _LOUD = 0.5, 0.02, 0.2


def beeping(codec: AudioCodec) -> Payloads:
    """One cycle, to be sent over and over: the third one that the encoder made, so that it follows on itself."""
    t = np.arange(_CYCLE * 320) / _RATE_HZ
    sound = _HUM * np.sin(2 * np.pi * 200 * t)
    beep = slice(_BEEP_AT * 320, (_BEEP_AT + 1) * 320)
    sound[beep] = _BEEP * np.sin(2 * np.pi * 1_000 * t[beep])
    encoder = make_encoder(codec, rate_hz=_RATE_HZ)
    cycle = sound.astype(np.float32).reshape(_CYCLE, 320)
    packets = [encoder.encode(frame) for _ in range(3) for frame in cycle][2 * _CYCLE :]
    return Payloads(codec.name, codec.payload_type, codec.clock_rate, tuple(packets))


def delays_s(said: AudioCodec, departures: Sequence[float], first_frame: int, heard: AudioCodec, tape: Tape) -> list[float]:
    """Delays of the beeps in ``tape``, of a speaker whose packets left at ``departures``, the first of them this one of the cycle.

    Delays beyond 400 ms would be taken for shorter ones.
    """
    begins_s = _begin_s(said)
    spoken = [left_s + begins_s for number, left_s in enumerate(departures) if (first_frame + number) % _CYCLE == _BEEP_AT]
    found = []
    for at_s in _beeps(heard, tape):
        before = [beep_s for beep_s in spoken if beep_s <= at_s]
        if before:
            found.append(at_s - before[-1])
    return found


def _begin_s(codec: AudioCodec) -> float:
    """From the begin of the beep's packet to the begin of the beep, by the codec itself (Opus: its look-ahead)."""
    packets = [
        (number * _FRAME_S, rtp.build(codec.payload_type, number, number * codec.clock_rate // 50, 1, payload))
        for number, payload in enumerate(beeping(codec).packets * 3)
    ]
    return _beeps(codec, packets)[-1] - (2 * _CYCLE + _BEEP_AT) * _FRAME_S


def _beeps(codec: AudioCodec, tape: Tape) -> list[float]:
    """When beeps began, in the time of the arrivals."""
    decoder = make_native_decoder(codec, rate_hz=_RATE_HZ)
    found: list[float] = []
    for arrival_s, packet in tape:
        header = rtp.parse(packet)
        if header is None or header.payload_type != codec.payload_type:
            continue
        sound: Samples = decoder.decode(packet[header.payload_start : header.payload_end])
        loud = np.abs(sound) > _LOUD
        at_s = arrival_s + float(np.argmax(loud)) / decoder.rate_hz
        if loud.any() and (not found or at_s - found[-1] > _CYCLE * _FRAME_S / 2):
            found.append(at_s)
    return found
