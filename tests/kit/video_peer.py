"""A participant with video but without a browser: aiortc's connection; its picture is VP8 encoded at test time, in layers if wanted.

aiortc knows no simulcast and lets nobody choose packets to lose, so the picture is sent by hand through its transport, and the RTCP
about it is read there.
"""

import asyncio
import contextlib
import re
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from struct import Struct
from typing import Any

import av
import numpy as np
from aiortc import clock
from aiortc.codecs.h264 import H264Encoder

from media import rtcp, rtp
from media.video import extensions, feedback, vp8
from tests.kit.browser_peer import BrowserPeer
from tests.kit.pace import Pace

FRAMES_PER_S = 15
_CLOCK_HZ = 90_000
_CHUNK_BYTES = 1_000
_HEADER = Struct("!BBHII")
_PICTURES = 40
_QUEUE_S = 0.5
_VP8, _VP8_REPAIR, _H264, _MID_ID, _RID_ID = 97, 98, 99, 1, 13
"""aiortc's payload types (98: what was lost, sent again, RFC 4588), and its id of the mid extension; that of the rid is ours."""


def recorded_vp8(width: int, height: int, bits_per_s: int, frames: int = 15) -> list[bytes]:
    """A bar that moves over noise; the first frame is a key frame, the others are not."""
    options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    return _encoded("libvpx", options, width, height, bits_per_s, frames)


def recorded_h264(width: int, height: int, bits_per_s: int, frames: int = 15) -> list[list[bytes]]:
    """The same in H.264, each frame as the payloads into which aiortc divides it."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    found = _encoded("libx264", options, width, height, bits_per_s, frames)
    return [H264Encoder._packetize(H264Encoder._split_bitstream(frame)) for frame in found]


def _encoded(codec: str, options: dict[str, str], width: int, height: int, bits_per_s: int, frames: int) -> list[bytes]:
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.bit_rate, encoder.gop_size = Fraction(1, FRAMES_PER_S), bits_per_s, 10 * frames
    encoder.options = options
    noise = np.random.default_rng(7)
    found: list[bytes] = []
    for index in range(frames):
        image = noise.integers(0, 60, (height, width, 3), np.uint8)
        at = index * width // frames
        image[:, at : at + width // 8] = 200
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        found += [bytes(packet) for packet in encoder.encode(frame)]
    assert len(found) == frames
    return found


@dataclass(slots=True)
class SentLayer:
    """One layer as it is sent. ``lose_every``: each so-manieth packet is kept back until it is asked for again.

    ``asked``: times of key frame requests; ``missed``: numbers that were asked for again; ``repeated``: how many of them we sent.
    """

    rid: str
    ssrc: int
    frames: list[bytes] | list[list[bytes]]
    """VP8 frames, or payloads of H.264 frames."""
    lose_every: int = 0
    asked: list[float] = field(default_factory=list)
    missed: set[int] = field(default_factory=set)
    repeated: int = 0
    packets: int = 0
    _sequence: int = 100
    _timestamp: int = 5_000
    _picture: int = 300
    _next: int = 0
    _kept: dict[int, bytes] = field(default_factory=dict)

    def key_frame(self, now_s: float) -> None:
        self.asked.append(now_s)
        self._next = 0

    def again(self, sequence: int) -> bytes | None:
        self.missed.add(sequence)
        packet = self._kept.get(sequence)
        self.repeated += packet is not None
        return packet

    @property
    def timestamp(self) -> int:
        """Of the latest frame."""
        return self._timestamp & 0xFFFFFFFF

    def _payloads(self, frame: bytes | list[bytes]) -> list[bytes]:
        if isinstance(frame, list):
            return frame
        self._picture = (self._picture + 1) & 0x7FFF
        number = bytes((0x80, 0x80 | self._picture >> 8, self._picture & 0xFF))
        return [
            (b"\x90" if start == 0 else b"\x80") + number + frame[start : start + _CHUNK_BYTES]
            for start in range(0, len(frame), _CHUNK_BYTES)
        ]

    def frame(self, marks: bytes) -> list[bytes]:
        """The packets of the next frame; ``marks``: the extension block."""
        frame = self.frames[self._next]
        payloads, payload_type = self._payloads(frame), _H264 if isinstance(frame, list) else _VP8
        self._next = (self._next + 1) % len(self.frames)
        self._timestamp += _CLOCK_HZ // FRAMES_PER_S
        out = []
        for index, payload in enumerate(payloads):
            last = index + 1 == len(payloads)
            self._sequence = (self._sequence + 1) & 0xFFFF
            head = _HEADER.pack(0x90, payload_type | 0x80 * last, self._sequence, self._timestamp & 0xFFFFFFFF, self.ssrc)
            packet = head + marks + payload
            self._kept[self._sequence] = packet
            self._kept.pop((self._sequence - 200) & 0xFFFF, None)
            self.packets += 1
            if not self.lose_every or self.packets % self.lose_every:
                out.append(packet)
        return out


_STOPPED_S = 0.2
"""Who comes later than this to send was stopped, and goes on from there: no camera makes up for it with a burst."""


class VideoPeer(BrowserPeer):
    """``layers``: (rid, recorded frames), the lowest first; one with rid "" is no simulcast. ``seen``: how many pictures it can receive.

    ``link_bits_per_s``: what its way from the server carries, behind a queue of half a second. ``loses_every``: each so-manieth packet of
    video from the server does not arrive. ``judges`` off: it tells no estimate of its own (REMB). aiortc's takes a pause of this process,
    in which all the far ends and the server run, for a full queue.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, list[bytes] | list[list[bytes]]]],
        seen: int,
        *,
        link_bits_per_s: float | None = None,
        loses_every: int = 0,
        judges: bool = True,
    ) -> None:
        super().__init__()
        self._judges = judges
        self._link_bits_per_s, self._loses_every = link_bits_per_s, loses_every
        self._free_s, self._arrivals = 0.0, 0
        self.heights: deque[int] = deque(maxlen=_PICTURES)
        """Of the newest pictures that began to arrive, decoded or not: aiortc waits very long for what a full queue lost."""
        self._height = 0
        self._begun: deque[int] = deque(maxlen=_PICTURES)
        """Timestamps of these pictures: what fills a probe is sent again too."""
        self._height_came = asyncio.Event()
        self.layers = [SentLayer(rid, secrets.randbits(31), frames) for rid, frames in layers]
        self.sending = self.connection.addTransceiver("video", direction="sendonly") if layers else None
        self.seeing = [self.connection.addTransceiver("video", direction="recvonly") for _ in range(seen)]
        self.allowed: list[int] = []
        """Bit/s that REMB allowed us."""
        self._frames, self._frame_sent = 0, asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._carrier: asyncio.Task[None] | None = None
        self._carrying: deque[tuple[float, bytes, int]] = deque()

    async def offer(self) -> str:
        sdp = await super().offer()
        if not self._judges:
            sdp = re.sub(rf"a=extmap:\d+ {re.escape(extensions.SEND_TIME)}\r\n", "", sdp)
        if self.sending is None:
            return sdp
        head, *sections = sdp.split("m=")
        index = next(i for i, section in enumerate(sections) if f"a=mid:{self.sending.mid}\r\n" in section)
        sections[index] += f"a=extmap:{_RID_ID} {extensions.RID}\r\n"
        rids = [layer.rid for layer in self.layers if layer.rid]
        if rids:
            sections[index] += "".join(f"a=rid:{rid} send\r\n" for rid in rids) + f"a=simulcast:send {';'.join(rids)}\r\n"
        return "m=".join([head, *sections])

    async def accept(self, answer: str) -> None:
        await super().accept(answer)
        transport: Any = self.connection.getTransceivers()[0].sender.transport
        if not hasattr(transport, "seen_by_us"):
            transport.seen_by_us = True
            self._look_into(transport)

    def _look_into(self, transport: Any) -> None:
        handle_reports, handle_packet = transport._handle_rtcp_data, transport._handle_rtp_data

        async def read(data: bytes) -> None:
            await self._heard(data, transport)
            await handle_reports(data)

        async def carry(data: bytes, arrival_time_ms: int) -> None:
            loop = asyncio.get_running_loop()
            self._arrivals += data[1] & 0x7F == _VP8
            if self._loses_every and data[1] & 0x7F == _VP8 and self._arrivals % self._loses_every == 0:
                return
            if self._link_bits_per_s is None:
                self._arrived(data)
                await handle_packet(data, arrival_time_ms=arrival_time_ms)
                return
            wait_s = max(0.0, self._free_s - loop.time())
            if wait_s > _QUEUE_S:
                return
            self._free_s = loop.time() + wait_s + 8 * len(data) / self._link_bits_per_s
            late_ms = round(1_000 * (self._free_s - loop.time()))
            self._carrying.append((self._free_s, data, arrival_time_ms + late_ms))
            if self._carrier is None:
                self._carrier = loop.create_task(self._carry(handle_packet), name="video-peer-link")

        transport._handle_rtcp_data, transport._handle_rtp_data = read, carry

    def _arrived(self, data: bytes) -> None:
        """The first packet of a key frame may be lost, and come again as a repair: it tells the height of all pictures after it."""
        header = rtp.parse(data)
        if header is None or header.payload_type not in (_VP8, _VP8_REPAIR) or header.timestamp in self._begun:
            return
        start = header.payload_start + (2 if header.payload_type == _VP8_REPAIR else 0)
        picture = vp8.read(data[start : header.payload_end])
        if picture is not None and picture.starts:
            if picture.starts_key:
                self._height = picture.height
            self._begun.append(header.timestamp)
            self.heights.append(self._height)
            self._height_came.set()

    async def mostly(self, height: int) -> None:
        """Wait until, from now on, most of the newest 40 pictures came in this height: a trial of another layer is allowed."""
        self.heights.clear()
        try:
            async with asyncio.timeout(40):
                while self.heights.count(height) < 0.75 * _PICTURES:
                    self._height_came.clear()
                    await self._height_came.wait()
        except TimeoutError:
            raise AssertionError(f"of the newest pictures too few came {height} high: {list(self.heights)}") from None

    async def _carry(self, handle: Any) -> None:
        loop = asyncio.get_running_loop()
        while self._carrying:
            at_s, data, arrival_time_ms = self._carrying.popleft()
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            self._arrived(data)
            await handle(data, arrival_time_ms=arrival_time_ms)
        self._carrier = None

    async def storm(self, slot: int, requests: int) -> None:
        """So many key frame requests at once about what this place shows."""
        transport: Any = self.seeing[slot].receiver.transport
        (ssrc,) = {source.source for source in self.seeing[slot].receiver.getSynchronizationSources()} or {0}
        await transport._send_rtp(b"".join(rtcp.PictureLoss(1, ssrc).to_bytes() for _ in range(requests)))

    def begin(self) -> None:
        """Send the picture from now on; to be called once the connection is up."""
        assert self.sending is not None
        transport: Any = self.sending.sender.transport
        self._task = asyncio.get_running_loop().create_task(self._send(transport), name="video-peer")

    async def _send(self, transport: Any) -> None:
        pace, frames = Pace(1 / FRAMES_PER_S, stopped_s=_STOPPED_S), 0
        with contextlib.suppress(ConnectionError):
            while True:
                await pace.turn()
                for layer in self.layers:
                    for packet in layer.frame(self._marks(layer)):
                        await transport._send_rtp(packet)
                frames += 1
                self._frames = frames
                self._frame_sent.set()
                if frames % FRAMES_PER_S == 1:
                    await transport._send_rtp(self._reports())

    async def sent(self, frames: int) -> None:
        """Wait until so many frames more have left."""
        until = self._frames + frames
        async with asyncio.timeout(40):
            while self._frames < until:
                self._frame_sent.clear()
                await self._frame_sent.wait()

    def _reports(self) -> bytes:
        """Sender reports: each layer's latest frame was taken now, on the clock of aiortc's own reports."""
        ntp = clock.current_ntp_time()
        return b"".join(rtcp.SenderReport(layer.ssrc, ntp, layer.timestamp, layer.packets, 0).to_bytes() for layer in self.layers)

    def _marks(self, layer: SentLayer) -> bytes:
        assert self.sending is not None
        marks = [(_MID_ID, self.sending.mid.encode())]
        if layer.rid:
            marks.append((_RID_ID, layer.rid.encode()))
        return extensions.build(tuple(marks))

    async def _heard(self, data: bytes, transport: Any) -> None:
        by_ssrc = {layer.ssrc: layer for layer in self.layers}
        for each in feedback.parse(data) or ():
            if isinstance(each, rtcp.PictureLoss) and each.media_ssrc in by_ssrc:
                by_ssrc[each.media_ssrc].key_frame(asyncio.get_running_loop().time())
            elif isinstance(each, feedback.Nack) and each.media_ssrc in by_ssrc:
                again = [by_ssrc[each.media_ssrc].again(sequence) for sequence in each.sequences]
                for packet in again:
                    if packet is not None:
                        await transport._send_rtp(packet)
            elif isinstance(each, feedback.MaximumBitrate):
                self.allowed.append(each.bitrate)

    async def see(self, slot: int, *, height: int | None = None, frames: int = 1) -> None:
        """Wait until the picture in this place was decoded so many times, in this height if one is given."""
        track = self.seeing[slot].receiver.track
        async with asyncio.timeout(40):
            while frames:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                frames -= height is None or frame.height == height

    async def __aexit__(self, *exc_info: object) -> None:
        for task in (self._task, self._carrier):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await super().__aexit__(*exc_info)
