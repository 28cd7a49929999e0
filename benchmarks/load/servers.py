"""What carries the load: ``Ours`` is a pool of media workers as the server runs it; a peer has the same three members."""

import os
import secrets
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from api.load.browser import Browser
from api.load.streams import Endpoint
from benchmarks.load import process
from benchmarks.report import CannotRun
from media import messages as msg
from media.dtls import Certificate
from media.pool import WorkerPool
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.wire import WireUnavailable, choose
from rooms.audio import AudioCodec, RtpEndpoint

HOST = "127.0.0.1"
_EVENTS = 101
"""Payload type of telephone events, which phones agree to; of one that does not every packet is listened to for tones."""
SERVER_CORE, LOAD_CORE = 0, 1
_COMMAND = (sys.executable, "-m", "api.media_process", "error", "json", "classical")


@dataclass(frozen=True, slots=True)
class Side:
    """One far end: ``browser`` (ICE, DTLS-SRTP) or ``phone`` (plain RTP), and what it speaks."""

    kind: str
    codec: AudioCodec


class Server(Protocol):
    """Used as ``async with``; its processes are pinned to ``SERVER_CORE``."""

    name: str

    @property
    def pids(self) -> Sequence[int]: ...

    async def room(self, sides: Sequence[Side]) -> list[Endpoint]:
        """Open a room in which these hear one another, and connect all of them. Raises CannotRun for sides it does not serve."""
        ...


def bound_socket(host: str = HOST) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


class Ours:
    """``voice``: untouched unless the cost of cleaning voices is what is measured. Raises CannotRun where there is no such ``wire``."""

    name = "ours"

    def __init__(
        self,
        *,
        wire: str = "auto",
        workers: int = 1,
        voice: VoiceSettings | None = None,
        legs_per_room: int = 50,
        recording: RecordingSettings | None = None,
    ) -> None:
        try:
            self.wire = choose(wire)[0]
        except WireUnavailable as error:
            raise CannotRun(str(error)) from None
        settings = MediaSettings(
            wire=wire,
            fullest_tick=100.0,  # how much it can carry is to be found out
            voice=voice or VoiceSettings.untouched(),
            most_legs=4_096,
            most_peers=4_096,
            most_rooms=4_096,
            most_legs_per_room=legs_per_room,
            recording=recording,
        )
        self._pool = WorkerPool(settings, lambda event: None, workers=workers, command=_COMMAND)
        self._certificate = Certificate.create()
        self._rooms = self._recorded_rooms = 0

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        for number, pid in enumerate(self.pids):
            process.pin(pid, (SERVER_CORE + number) % (os.cpu_count() or 1))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._pool.__aexit__()

    @property
    def pids(self) -> Sequence[int]:
        return [pid for pid, _ in self._pool.processes]

    @property
    def jitter_target_ms(self) -> float:
        """Of the jitter buffers, the 95th percentile."""
        return self._pool.gauges.get("jitter_target_ms_p95", 0.0)

    async def room(self, sides: Sequence[Side]) -> list[Endpoint]:
        room_id = f"room{self._rooms}"
        self._rooms += 1
        await self._pool.perform(msg.OpenRoom(room_id=room_id))
        return [await self._leg(room_id, f"{room_id}-{number}", side) for number, side in enumerate(sides)]

    async def record(self, wanted: bool) -> None:
        """Record the first leg of each room from now on, or pause that."""
        for number in range(self._recorded_rooms):
            names = {"room_id": f"room{number}", "recording_id": f"room{number}"}
            await self._pool.perform(msg.ResumeRecording(**names) if wanted else msg.PauseRecording(**names))
        while wanted and self._recorded_rooms < self._rooms:
            room_id = f"room{self._recorded_rooms}"
            await self._pool.perform(msg.StartRecording(room_id, room_id, f"{room_id}-0", "not needed"))
            self._recorded_rooms += 1

    async def _leg(self, room_id: str, leg_id: str, side: Side) -> Endpoint:
        if side.kind == "phone":
            return await self._phone(room_id, leg_id, side.codec)
        await self._pool.perform(msg.OpenPeerLeg(leg_id=leg_id, room_id=room_id))
        await self._pool.perform(msg.JoinBridge(room_id=room_id, leg_id=leg_id))

        async def negotiate(offer: str) -> str:
            command = msg.OfferPeer(leg_id=leg_id, peer_id="load", sdp=offer, codecs=(side.codec.name,))
            answered = await self._pool.perform(command)
            assert isinstance(answered, msg.PeerAnswered)
            return answered.sdp

        return await Browser(side.codec, self._certificate, HOST).connect(negotiate)

    async def _phone(self, room_id: str, leg_id: str, codec: AudioCodec) -> Endpoint:
        phone, theirs = bound_socket(), bound_socket()
        opened = await self._pool.perform(msg.OpenRtpLeg(leg_id=leg_id, room_id=room_id), theirs)
        assert isinstance(opened, msg.RtpOpened)
        remote = RtpEndpoint(HOST, phone.getsockname()[1], (codec,), _EVENTS)
        await self._pool.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=remote))
        await self._pool.perform(msg.JoinBridge(room_id=room_id, leg_id=leg_id))
        phone.connect((opened.host, opened.port))
        return Endpoint(phone, codec.payload_type, ssrc=secrets.randbits(31) + 1)
