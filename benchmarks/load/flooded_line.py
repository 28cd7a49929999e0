"""The server whose SIP line is flooded: line and media in one process, as the smallest installation has them.

``python -m benchmarks.load.flooded_line WIRE``. The number 800 is answered, and all who called it hear one another; every other call
rings and is never taken. It says ``port N``, its SIP port, once it listens, and ends with its standard input.
"""

import asyncio
import sys

import uvloop

from benchmarks.load.servers import HOST, bound_socket
from media import messages as msg
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Arrived, TrunkEvent
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason

TAKEN = "800"
ROOM = "room"
SILENCE_S = 5.0
"""A call that nobody takes is refused after so long."""


class FloodedLine:
    """Answers the calls that are taken."""

    def __init__(self, wire: str) -> None:
        self.worker = MediaWorker(MediaSettings(wire=wire, voice=VoiceSettings.untouched()), lambda event: None)
        settings = SipTrunkSettings(server=HOST, port=9, extension="100", bind_host=HOST, register=False, keepalive_s=0.0)
        self.trunk = SipTrunk(settings, self._told)
        self._answering: set[asyncio.Task[None]] = set()

    def _told(self, event: TrunkEvent) -> None:
        if not isinstance(event, Arrived):
            return
        if event.called == TAKEN:
            answering = asyncio.create_task(self._answer(event))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
        else:
            self.trunk.ring(event.leg_id)
            asyncio.get_running_loop().call_later(SILENCE_S, self.trunk.hang_up, event.leg_id, Cause(EndReason.NO_ANSWER))

    async def _answer(self, call: Arrived) -> None:
        assert isinstance(call.remote, RtpEndpoint)
        sock = bound_socket()
        opened = await self.worker.perform(msg.OpenRtpLeg(leg_id=call.leg_id, room_id=ROOM), sock)
        assert isinstance(opened, msg.RtpOpened)
        await self.worker.perform(msg.ConnectRtpLeg(leg_id=call.leg_id, remote=call.remote))
        await self.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id=call.leg_id))
        self.trunk.answer(call.leg_id, RtpEndpoint(opened.host, opened.port, (PCMA,), 101))


async def _serve(wire: str) -> None:
    line = FloodedLine(wire)
    async with line.worker, line.trunk:
        await line.worker.perform(msg.OpenRoom(room_id=ROOM))
        print(f"port {line.trunk.local_address[1]}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
