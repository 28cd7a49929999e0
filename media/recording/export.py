"""Sound files made of a recording on demand, both sides on one clock: Ogg/Opus without encoding anew, WAV of what it sounds like, or a mix.

The left channel is what the caller said, the right one what he heard. In a pause nothing was recorded, and silence stands for it.
"""

import wave
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dsp.jitter import JitterSettings
from media.codec import OpusSettings, make_encoder, to_pcm16
from media.libopus import packet_samples
from media.playout import Playout
from media.recording import ogg
from media.recording.records import Recorded, Side
from media.recording.timeline import Stream, streams
from rooms.audio import OPUS

WAV_RATE_HZ = 16_000
_FRAME_S = 0.02
_FRAME_SAMPLES = WAV_RATE_HZ // 50
_DELAY_S = 0.04
_STEADY = JitterSettings(start_s=_DELAY_S, lowest_s=_DELAY_S, highest_s=_DELAY_S)
"""The timeline has no jitter any more: the delay that concealment wants to see behind a hole, and no other."""
_MENDED_S = 1.0  # a longer hole is no loss but somebody who was away
_DRIFTED_SAMPLES = 2_880
_MIX = OpusSettings(bitrate=32_000, dtx=False)
Pcm = NDArray[np.int16]
Peaks = dict[str, str | int | float]
"""The loudest sample of each side in dB below full scale, as a manifest takes it: ``said_peak_dbfs``, ``heard_peak_dbfs``."""


def write_wav(recorded: Recorded, to: Path | BinaryIO) -> Peaks:
    """Stereo, 16 bit, 16 kHz; losses are concealed as in a call. Raises OSError."""
    sides = [render(recorded, side) for side in Side]
    _write_pcm(np.stack(sides, axis=1), to)
    return _peaks(sides)


def write_mixed_wav(recorded: Recorded, to: Path | BinaryIO) -> Peaks:
    """Both sides in one channel, as somebody beside the call would hear it, else as ``write_wav``."""
    sides = [render(recorded, side) for side in Side]
    _write_pcm(mixed(sides)[:, None], to)
    return _peaks(sides)


def write_mixed_opus(recorded: Recorded, to: Path | BinaryIO) -> Peaks:
    """The same, encoded anew: the two sides may speak whatever codec. Raises OSError."""
    sides = [render(recorded, side) for side in Side]
    packets = ((packet, _FRAME_SAMPLES * ogg.RATE_HZ // WAV_RATE_HZ) for packet in encoded(mixed(sides)))
    with _opened(to) as file:
        ogg.write_ogg(file, packets, channels=1, serial=_serial(recorded, 3))
    return _peaks(sides)


def encoded(samples: Pcm) -> Iterator[bytes]:
    """Opus packets of 20 ms; samples at ``WAV_RATE_HZ``."""
    encoder = make_encoder(OPUS, rate_hz=WAV_RATE_HZ, settings=_MIX)
    for frame in np.append(samples, np.zeros(-len(samples) % _FRAME_SAMPLES, np.int16)).reshape(-1, _FRAME_SAMPLES):
        yield encoder.encode((frame / 32_768).astype(np.float32))


def _write_pcm(samples: Pcm, to: Path | BinaryIO) -> None:
    """``samples``: (time, channels)."""
    with _opened(to) as target, wave.open(target, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(WAV_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


def mixed(sides: Sequence[Pcm]) -> Pcm:
    """Their sum, all of one length; where all shout at once it is cut at full scale, as in the call."""
    total = np.sum(np.stack(sides), axis=0, dtype=np.int32)
    return np.clip(total, -32_768, 32_767).astype(np.int16)


def _peaks(sides: Sequence[Pcm]) -> Peaks:
    highest = [int(np.abs(side.astype(np.int32)).max(initial=1)) for side in sides]
    said, heard = (round(20 * float(np.log10(max(peak, 1) / 32_768)), 1) for peak in highest)
    return {"said_peak_dbfs": said, "heard_peak_dbfs": heard}


def _opened(to: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return to.open("wb") if isinstance(to, Path) else nullcontext(to)


def render(recorded: Recorded, side: Side) -> Pcm:
    """What one side sounds like, int16 at ``WAV_RATE_HZ`` from the start of the recording to its end."""
    found = np.zeros(round(recorded.length_s * WAV_RATE_HZ), np.int16)
    for stream in streams(recorded, side):
        _render_stream(stream, found)
    for begin_s, end_s in recorded.pauses_s:
        found[round(begin_s * WAV_RATE_HZ) : round(end_s * WAV_RATE_HZ)] = 0
    return found


def _render_stream(stream: Stream, into: Pcm) -> None:
    playout = Playout(stream.codec, rate_hz=WAV_RATE_HZ, settings=_STEADY)
    late = round((_DELAY_S + playout.resampler_delay_ms / 1000) * WAV_RATE_HZ)
    first_s, end_s = stream.packets[0].start_s, stream.packets[-1].start_s + _FRAME_S
    begin, end = round(first_s * WAV_RATE_HZ), min(len(into), round(end_s * WAV_RATE_HZ))
    position, number = begin - late, 0
    while position < end:
        now_s = first_s + _FRAME_S * round((position + late - begin) / (_FRAME_S * WAV_RATE_HZ))
        while number < len(stream.packets) and stream.packets[number].start_s <= now_s + 1e-6:
            packet = stream.packets[number]
            playout.put(packet.sequence & 0xFFFF, packet.timestamp & 0xFFFFFFFF, False, packet.payload, packet.start_s)
            number += 1
        frame = to_pcm16(playout.pull(now_s + 1e-6))
        lower, upper = max(position, begin, 0), min(position + len(frame), end)
        if lower < upper:
            into[lower:upper] = frame[lower - position : upper - position]
        position += len(frame)


def write_opus(recorded: Recorded, to: Path | BinaryIO) -> None:
    """Both sides side by side, packets as they were. Raises ValueError where a side is not Opus in packets of 20 ms; OSError."""
    left, right = (_every_20_ms(side_packets(recorded, side)) for side in Side)
    pairs = [(ogg.both_channels(one, other), 960) for one, other in zip_longest(left, right, fillvalue=ogg.SILENCE)]
    with _opened(to) as file:
        ogg.write_ogg(file, pairs, channels=2, serial=_serial(recorded, 0))


def write_side_opus(recorded: Recorded, side: Side, to: Path | BinaryIO) -> None:
    """One side alone, mono, from the start of the recording. Raises ValueError where it is not Opus; OSError."""
    packets = list(side_packets(recorded, side))
    with _opened(to) as file:
        ogg.write_ogg(file, packets, channels=1, serial=_serial(recorded, 1 + side))


def side_packets(recorded: Recorded, side: Side) -> Iterator[tuple[bytes, int]]:
    """(packet, samples at 48 kHz) without a gap, from the start of the recording to its end. Raises ValueError where it is not Opus.

    A sender whose clock runs fast has a packet left out now and then, one whose clock is slow gets one made up, so that both sides stay
    together to within 60 ms.
    """
    position = 0
    last = b""
    for stream in streams(recorded, side):
        if stream.codec.name != "opus":
            raise ValueError(f"this side was spoken in {stream.codec.name} and not only in Opus: write WAV")
        expected, opening = None, True
        for packet in stream.packets:
            samples = packet_samples(packet.payload, ogg.RATE_HZ)
            if samples <= 0:
                continue
            start = round(packet.start_s * ogg.RATE_HZ)
            gap = start - position
            if gap < -_DRIFTED_SAMPLES:
                continue
            if gap > (_DRIFTED_SAMPLES if packet.timestamp == expected else 0):
                filler = filler_for(gap, last, away=opening and stream.behind_pause)
                made_up = packet_samples(filler, ogg.RATE_HZ)
                for _ in range(round(gap / made_up)):
                    yield filler, made_up
                    position += made_up
            yield packet.payload, samples
            position += samples
            last, expected, opening = packet.payload, packet.timestamp + samples, False
    for _ in range(round((recorded.length_s * ogg.RATE_HZ - position) / 960)):
        yield ogg.SILENCE, 960


def filler_for(gap_samples: int, last: bytes, *, away: bool) -> bytes:
    """What stands in a gap behind the packet ``last``: what lets a decoder mend it, or silence where somebody was ``away``, or for long."""
    return ogg.SILENCE if away or not last or gap_samples > _MENDED_S * ogg.RATE_HZ else ogg.lost_packet(last)


def _every_20_ms(packets: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
    for packet, samples in packets:
        if samples != 960:
            raise ValueError("only Opus packets of 20 ms can stand side by side: write each side alone, or WAV")
        yield packet


def _serial(recorded: Recorded, number: int) -> int:
    return (int.from_bytes(recorded.file_id[:4], "little") + number) & 0xFFFFFFFF
