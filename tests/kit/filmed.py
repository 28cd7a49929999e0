"""A participant's recording made of what a camera and a microphone saw and heard at known times, sent over two unlike ways."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from media import rtcp, rtp
from media.codec import make_encoder
from media.recording.file import Chunks, Ending
from media.recording.pictures import PictureRecords
from media.recording.records import Recorded, Records, Side, Track, decode
from rooms.audio import OPUS

START_S = 100.0
FRAMES_PER_S = 10
_HZ = 90_000
_EPOCH_S = 1_700_000_000.0
"""The sender's wall clock when the recording begins."""
Images = Iterable[NDArray[np.uint8]]


def vp8(images: Images, key_every: int = 1_000) -> list[bytes]:
    return _encoded("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}, images, key_every)


def h264(images: Images, key_every: int = 1_000) -> list[bytes]:
    return _encoded("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}, images, key_every)


def _encoded(codec: str, options: dict[str, str], images: Images, key_every: int) -> list[bytes]:
    encoder: Any = av.CodecContext.create(codec, "w")
    found: list[bytes] = []
    for number, image in enumerate(images):
        if not number:
            encoder.height, encoder.width, encoder.pix_fmt = *image.shape[:2], "yuv420p"
            encoder.time_base, encoder.bit_rate, encoder.gop_size, encoder.options = Fraction(1, FRAMES_PER_S), 300_000, key_every, options
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found


def flat(brightness: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    return np.full((height, width, 3), brightness, np.uint8)


class Filmed:
    """``drop``: which packets of pictures never came, by their place. Times are the sender's, seconds since the recording began."""

    def __init__(self, *, name: str = "", unix_s: float = _EPOCH_S, reports: bool = True, drop: Callable[[int], bool] = lambda n: False):
        self.sound, self.pictures = Records(START_S, 100_000), PictureRecords(START_S)
        self.sound.tell("start", START_S, {"unix_s": unix_s, **({"name": name} if name else {})})
        self._reports, self._drop = reports, drop
        self._random = np.random.default_rng(4)
        self._packets = 0
        self._sequences: dict[int, int] = {}

    def _report(self, ssrc: int, timestamp: int, at_s: float, came_s: float) -> None:
        if self._reports:
            self.pictures.clock(ssrc, timestamp & 0xFFFFFFFF, rtcp.ntp_time(_EPOCH_S + at_s), START_S + came_s)

    def say(self, samples: NDArray[np.float32], *, from_s: float = 0.0, late_s: float = 0.03) -> None:
        """At 16 kHz."""
        encoder, first = make_encoder(OPUS, rate_hz=16_000), 2**32 - 9_000
        for number in range(len(samples) // 320):
            at_s, place = from_s + 0.02 * number, round(50 * from_s) + number
            packet = rtp.build(111, 65_500 + place, first + 960 * place, 77, encoder.encode(samples[320 * number : 320 * (number + 1)]))
            self.sound.put(int(Side.SAID), packet, START_S + at_s + late_s + 0.02 * self._random.random(), OPUS)
            if not number % 50:
                self._report(77, first + 960 * place, at_s, at_s + late_s)

    def show(
        self,
        frames: Sequence[bytes],
        size_px: tuple[int, int],
        *,
        ssrc: int = 9,
        track: Track = Track.CAMERA,
        from_s: float = 0.0,
        late_s: float = 0.15,
        codec: str = "vp8",
        divide: Callable[[bytes], list[bytes]] | None = None,
    ) -> None:
        """One layer, from its key frame on."""
        first, sequence = 2**32 - 50_000 - ssrc, self._sequences.get(ssrc, 65_400)
        self.pictures.show(int(track), ssrc, codec, size_px, START_S + from_s + late_s)
        for number, frame in enumerate(frames):
            at_s = from_s + number / FRAMES_PER_S
            timestamp = first + round(_HZ * at_s)
            payloads = divide(frame) if divide is not None else _vp8_payloads(frame)
            for index, payload in enumerate(payloads):
                came_s = START_S + at_s + late_s + 0.03 * self._random.random() + 0.001 * index
                if not self._drop(self._packets):
                    marker = index + 1 == len(payloads)
                    self.pictures.put(track, ssrc, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, marker, payload, came_s)
                sequence, self._packets = sequence + 1, self._packets + 1
            if not number % FRAMES_PER_S:
                self._report(ssrc, timestamp, at_s, at_s + late_s)
        self._sequences[ssrc] = sequence

    def recorded(self, length_s: float) -> Recorded:
        """As read from its file."""
        return decode(Chunks(b"f" * 16, (self.contents(length_s),), b"", Ending.COMPLETE, ""))

    def contents(self, length_s: float) -> bytes:
        """The same as one chunk."""
        self.sound.tell("end", START_S + length_s, {})
        return self.sound.take()[0] + self.pictures.take()[0]


def _vp8_payloads(frame: bytes) -> list[bytes]:
    parts = [frame[at : at + 500] for at in range(0, len(frame), 500)]
    return [(b"\x90\x80\x05" if not index else b"\x80\x80\x05") + part for index, part in enumerate(parts)]
