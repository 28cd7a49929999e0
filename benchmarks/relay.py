"""``python -m benchmarks.relay ours|aiortc``: a process that relays phones' audio, so that its processor time is nobody else's.

Told line by line on standard input, in JSON: ``{"do": "open", "codecs": [a, b], "ports": [[phone a, phone b], ...]}`` opens a room for
each pair and answers with the ports to speak to; ``look`` answers with a ``Look``; ``close`` ends the rooms. It ends with its input.
"""

import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, cast

import structlog
import uvloop
from aiortc.codecs import get_decoder, get_encoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from media import messages as msg
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from rooms.audio import KNOWN_CODECS, AudioCodec, RtpEndpoint

HOST = "127.0.0.1"
Pairs = list[list[int]]


@dataclass(frozen=True, slots=True)
class Look:
    """Counts since the rooms were opened; ``targets_ms``, ``discarded`` and ``concealed_ms`` are what was told since the last look."""

    wall_s: float
    cpu_s: float
    packets_in: int = 0
    packets_out: int = 0
    discarded: int = 0
    concealed_ms: float = 0.0
    targets_ms: list[float] = field(default_factory=list)


class Relay(Protocol):
    async def open(self, codecs: list[AudioCodec], ports: Pairs) -> Pairs: ...

    def look(self) -> Look: ...

    async def close(self) -> None: ...


def bound_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    sock.setblocking(False)
    return sock


class OurRelay:
    """A media worker as the server runs it, voices left as they come: what cleaning them costs is ``dsp_speed``'s claim."""

    def __init__(self) -> None:
        self.worker = MediaWorker(MediaSettings(voice=VoiceSettings.untouched()), self._told)
        self._rooms: list[str] = []
        self._opened_at = (0.0, 0.0)
        self._targets_ms: list[float] = []
        self._discarded, self._concealed_ms = 0, 0.0

    def _told(self, event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.QualitySampled):
            self._read_targets()
            self._discarded += sum(leg.discarded for leg in event.legs)
            self._concealed_ms += sum(leg.concealed_ms for leg in event.legs)

    def _read_targets(self) -> None:
        """No event tells a jitter buffer's target, hence the look inside."""
        legs = (leg for room in self.worker._rooms.values() for leg in room.bridge.legs.values())
        self._targets_ms += [leg.playout.target_ms for leg in legs if leg.playout is not None]

    async def open(self, codecs: list[AudioCodec], ports: Pairs) -> Pairs:
        opened = []
        self._opened_at = self._packets()
        for number, pair in enumerate(ports):
            room_id = f"room{number}"
            await self.worker.perform(msg.OpenRoom(room_id=room_id))
            self._rooms.append(room_id)
            legs = []
            for side, (codec, port) in enumerate(zip(codecs, pair, strict=True)):
                leg_id = f"{room_id}-{side}"
                answer = await self.worker.perform(msg.OpenRtpLeg(leg_id=leg_id, room_id=room_id), bound_socket())
                await self.worker.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=RtpEndpoint(HOST, port, (codec,), 101)))
                await self.worker.perform(msg.JoinBridge(room_id=room_id, leg_id=leg_id))
                legs.append(cast(msg.RtpOpened, answer).port)
            opened.append(legs)
        return opened

    def _packets(self) -> tuple[float, float]:
        counters = self.worker.counters
        return counters["packets_in"], counters["packets_out"]

    def look(self) -> Look:
        self._read_targets()
        came, went = (int(now - before) for now, before in zip(self._packets(), self._opened_at, strict=True))
        found = Look(time.monotonic(), time.process_time(), came, went, self._discarded, self._concealed_ms, self._targets_ms)
        self._targets_ms, self._discarded, self._concealed_ms = [], 0, 0.0
        return found

    async def close(self) -> None:
        for room_id in self._rooms:
            await self.worker.perform(msg.CloseRoom(room_id=room_id))
        self._rooms.clear()


class AiortcLeg(asyncio.DatagramProtocol):
    """One phone behind the parts of stock aiortc: its receiver's jitter buffer (16 packets, 4 of them before it gives one out), its
    decoder, and the encoder of what this phone hears. Its threads, queues, SRTP and tasks are left out, in its favour."""

    def __init__(self, codec: AudioCodec, phone_port: int) -> None:
        mime = {"opus": "audio/opus", "g722": "audio/G722", "pcma": "audio/PCMA", "pcmu": "audio/PCMU"}[codec.name]
        parameters = RTCRtpCodecParameters(mime, codec.clock_rate, channels=codec.channels, payloadType=codec.payload_type)
        self.other: AiortcLeg
        self.packets_in = self.packets_out = 0
        self._codec, self._phone = codec, (HOST, phone_port)
        self._buffer = JitterBuffer(capacity=16, prefetch=4)
        self._decoder, self._encoder = get_decoder(parameters), get_encoder(parameters)
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.packets_in += 1
        packet = RtpPacket.parse(data)
        vars(packet)["_data"] = packet.payload  # as its receiver does once the codec's descriptor is off
        _, ready = self._buffer.add(packet)
        for frame in self._decoder.decode(ready) if ready else []:
            self.other.say(frame)

    def say(self, frame: Any) -> None:
        for payload in self._encoder.encode(frame)[0]:
            timestamp = self.packets_out * self._codec.clock_rate // 50
            packet = RtpPacket(self._codec.payload_type, 0, self.packets_out & 0xFFFF, timestamp & 0xFFFFFFFF, 1, payload)
            self._transport.sendto(packet.serialize(), self._phone)
            self.packets_out += 1

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._transport.close()


class AiortcRelay:
    def __init__(self) -> None:
        self._legs: list[AiortcLeg] = []

    async def open(self, codecs: list[AudioCodec], ports: Pairs) -> Pairs:
        opened = []
        for pair in ports:
            first, second = [await self._leg(codec, port) for codec, port in zip(codecs, pair, strict=True)]
            first.other, second.other = second, first
            opened.append([first.port, second.port])
        return opened

    async def _leg(self, codec: AudioCodec, phone_port: int) -> AiortcLeg:
        leg = AiortcLeg(codec, phone_port)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: leg, sock=bound_socket())
        self._legs.append(leg)
        return leg

    def look(self) -> Look:
        came, went = sum(leg.packets_in for leg in self._legs), sum(leg.packets_out for leg in self._legs)
        return Look(time.monotonic(), time.process_time(), came, went)

    async def close(self) -> None:
        for leg in self._legs:
            leg.close()
        self._legs.clear()


async def _obey(relay: Relay) -> None:
    """One order a line until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        answer: object = None
        match order["do"]:
            case "open":
                answer = await relay.open([KNOWN_CODECS[name] for name in order["codecs"]], order["ports"])
            case "look":
                answer = asdict(relay.look())
            case "close":
                await relay.close()
        print(json.dumps(answer), flush=True)
    await relay.close()


async def main(kind: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for answers alone
    if kind == "aiortc":
        await _obey(AiortcRelay())
        return
    ours = OurRelay()
    async with ours.worker:
        await _obey(ours)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
