"""A media worker with what it said, and shortcuts for the commands that a call consists of."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame
from numpy.typing import NDArray

from media import messages as msg
from media.pool import WorkerPool
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from rooms.audio import DemoEndpoint
from tests.kit.browser_peer import BrowserPeer
from tests.kit.leg_bench import level_at
from tests.kit.pace import Pace
from tests.kit.rtp_phone import RtpPhone, bound_socket

WORKER_COMMAND = (sys.executable, "-m", "api.media_process", "warning", "json", "classical")
Event = TypeVar("Event", bound=msg.MediaEvent)
ROOM = "room"
UNTOUCHED = VoiceSettings.untouched()


def patient(**chosen: Any) -> MediaSettings:
    """Settings under which nobody counts as silent or gone though the machine stops this process for seconds."""
    return MediaSettings(**{"silent_after_s": 60.0, "lost_after_s": 120.0, "checks_within_s": 120.0, **chosen})


class MediaDesk:
    """``worker``, the ``events`` it told, and one room."""

    def __init__(self) -> None:
        self.events: list[msg.AnyMediaEvent] = []
        self.also: Callable[[msg.AnyMediaEvent], None] = lambda event: None
        """Hears of everything too."""
        self._came = asyncio.Event()
        self.worker: MediaWorker
        """Or the pool of one, which is commanded alike."""

    def told(self, event: msg.AnyMediaEvent) -> None:
        self.events.append(event)
        self.also(event)
        self._came.set()

    async def hear_of(self, kind: type[Event], matches: Callable[[Event], bool] = lambda event: True, *, within_s: float = 30.0) -> Event:
        """The first such event, past or to come."""
        async with asyncio.timeout(within_s):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and matches(event):
                        return event
                self._came.clear()
                await self._came.wait()

    async def phone(self, leg_id: str, phone: RtpPhone, *, room_id: str = ROOM) -> msg.RtpOpened:
        """Open, connect and join a phone's leg; the phone begins to speak."""
        opened = await self.open_phone(leg_id, phone, room_id=room_id)
        phone.call(opened.host, opened.port)
        return opened

    async def open_phone(self, leg_id: str, phone: RtpPhone, *, room_id: str = ROOM, signalled_from: str = "") -> msg.RtpOpened:
        """Open, connect and join the leg of a phone that says nothing yet."""
        opened = await self.worker.perform(msg.OpenRtpLeg(leg_id=leg_id, room_id=room_id), bound_socket(phone.host))
        assert isinstance(opened, msg.RtpOpened)
        remote = replace(phone.endpoint(), signalled_from=signalled_from)
        await self.worker.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=remote))
        await self.worker.perform(msg.JoinBridge(room_id=room_id, leg_id=leg_id))
        return opened

    async def browser(
        self,
        leg_id: str,
        peer: BrowserPeer,
        codec: str,
        *,
        peer_id: str = "tab1",
        opened: bool = False,
        video: dict[str, str] | None = None,
    ) -> None:
        """Open (unless it is) and join a browser's leg, and connect its peer. ``video``: as in ``OfferPeer``."""
        if not opened:
            await self.worker.perform(msg.OpenPeerLeg(leg_id=leg_id, room_id=ROOM))
            await self.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id=leg_id))
        offer = msg.OfferPeer(leg_id=leg_id, peer_id=peer_id, sdp=await peer.offer(), codecs=(codec,), video=video)
        answered = await self.worker.perform(offer)
        assert isinstance(answered, msg.PeerAnswered) and answered.codec == codec
        await peer.accept(answered.sdp)
        await self.hear_of(msg.PeerConnected, lambda event: (event.leg_id, event.peer_id) == (leg_id, peer_id))

    async def demo(self, leg_id: str, programme: str) -> None:
        await self.worker.perform(msg.OpenDemoLeg(leg_id=leg_id, room_id=ROOM, programme=DemoEndpoint(programme)))
        await self.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id=leg_id))

    async def numbers(self) -> dict[str, float]:
        """Counters and gauges as they are now."""
        plane: MediaWorker | WorkerPool = self.worker
        if isinstance(plane, WorkerPool):
            for _ in range(2):  # what was told in between may have been on its way already
                before = plane.by_worker
                while any(plane.by_worker[name][0] is numbers[0] for name, numbers in before.items()):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        return {**plane.counters, **plane.gauges}

    async def gain(self, *gains: tuple[str, str, float]) -> None:
        await self.worker.perform(msg.SetGains(room_id=ROOM, gains=gains))


@asynccontextmanager
async def media_desk(
    settings: MediaSettings | None = None, *, voice: VoiceSettings = UNTOUCHED, workers: int = 0
) -> AsyncIterator[MediaDesk]:
    """Voices are left as they came, because noise suppression takes a steady whistle for what it is.

    ``workers``: 0 is the one in this process, else so many processes.
    """
    desk = MediaDesk()
    told = replace(settings or patient(), voice=voice)
    plane = (
        WorkerPool(told, desk.told, workers=workers, command=WORKER_COMMAND, count_every_s=0.05)
        if workers
        else MediaWorker(told, desk.told)
    )
    async with plane as desk.worker:  # type: ignore[attr-defined]
        await desk.worker.perform(msg.OpenRoom(room_id=ROOM))
        yield desk


class ToneTrack(MediaStreamTrack):
    """A microphone that whistles: 20 ms frames at 48 kHz. Stereo, because aiortc makes stereo of mono 3 dB softer.

    ``amplitude`` may be another from any frame on.
    """

    kind = "audio"

    def __init__(self, frequency_hz: float, amplitude: float = 0.25) -> None:
        super().__init__()
        self.amplitude = amplitude
        self._frequency_hz = frequency_hz
        self._frames = 0
        self._pace = Pace()

    async def recv(self) -> AudioFrame:
        await self._pace.turn()
        t = (960 * self._frames + np.arange(960)) / 48_000
        samples = np.rint(32_767 * self.amplitude * np.sin(2 * np.pi * self._frequency_hz * t)).astype(np.int16)
        frame = AudioFrame.from_ndarray(np.repeat(samples, 2)[None, :], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 960 * self._frames, Fraction(1, 48_000)
        self._frames += 1
        return frame


async def listen(peer: BrowserPeer, frames: int) -> tuple[NDArray[np.float32], int]:
    """The next frames a browser's peer hears, mono, and their rate."""
    assert peer.heard is not None
    pieces, rate_hz = [], 48_000
    for _ in range(frames):
        frame = await asyncio.wait_for(peer.heard.recv(), 30)
        assert isinstance(frame, AudioFrame)
        channels, rate_hz = len(frame.layout.channels), frame.sample_rate
        pieces.append(frame.to_ndarray().reshape(-1, channels)[:, 0].astype(np.float32) / 32_768)
    return np.concatenate(pieces), rate_hz


async def hears(phone: RtpPhone, frequency_hz: float, amplitude: float = 0.25, *, rel: float, last: int = 50) -> None:
    """Waits until a phone hears this tone as loud as it should, in its last packets: on a busy machine some come too late to sound."""
    async with asyncio.timeout(60):
        while level_at(phone.heard(last=last), frequency_hz) != pytest.approx(amplitude, rel=rel):
            await phone.hear(10)


async def hears_here(peer: BrowserPeer, frequency_hz: float, amplitude: float = 0.25, *, rel: float) -> None:
    """The same of a browser, in half a second."""
    async with asyncio.timeout(60):
        while True:
            heard, rate_hz = await listen(peer, 25)
            if level_at(heard, frequency_hz, rate_hz) == pytest.approx(amplitude, rel=rel):
                return


async def hears_no_more(peer: BrowserPeer, frequency_hz: float) -> None:
    """Waits until a browser does not hear this tone, for half a second."""
    async with asyncio.timeout(60):
        while True:
            heard, rate_hz = await listen(peer, 25)
            if level_at(heard, frequency_hz, rate_hz) < 0.01:
                return
