"""Claims: a media worker that is killed with -9 in the middle of its calls leaves the calls of the others untouched, and its own go on.

Pairs of plain RTP phones speak G.711 through a pool of two workers, half of the calls on each; one worker is killed. A gap is the time
between two packets that a phone hears one after the other. The gaps of the untouched calls are compared with those of the same calls in
the seconds before: both hold what this machine's scheduler does to phones, pool and workers. Run it on a machine that has nothing else
to do.
"""

import asyncio
import os
import signal
import sys
import time
from array import array
from itertools import pairwise
from typing import Any

from benchmarks.load.servers import HOST, bound_socket
from benchmarks.report import Options, Row
from media import messages as msg
from media import rtp
from media.pool import WorkerPool
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from rooms.audio import PCMA, RtpEndpoint

_FRAME_S = 0.02
_WARM_S = 1.0
_COMMAND = (sys.executable, "-m", "api.media_process", "error", "json", "classical")


class _Phone(asyncio.DatagramProtocol):
    """``heard_s``: monotonic arrival of each packet, ``streams``: its SSRC and sequence number. ``pid``: of the worker it began with.

    Plain numbers, of which the garbage collector takes no notice: its pauses would be measured as gaps.
    """

    def __init__(self) -> None:
        self.heard_s = array("d")
        self.streams = array("Q")
        self.transport: Any = None
        self.far = ("", 0)
        self.pid = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        header = None if rtp.is_rtcp(data) else rtp.parse(data)
        if header is not None:
            self.heard_s.append(time.monotonic())
            self.streams.append(header.ssrc << 16 | header.sequence)

    def longest_gap_s(self, from_s: float, to_s: float) -> float:
        """Also the one that has not ended at ``to_s``."""
        times_s = [from_s, *(at_s for at_s in self.heard_s if from_s < at_s < to_s), to_s]
        return max(later - earlier for earlier, later in pairwise(times_s))

    def breaks(self) -> int:
        """How often the next packet was not the next of the same stream."""
        return sum(y != (x & ~0xFFFF | (x + 1) & 0xFFFF) for x, y in pairwise(self.streams))


async def _open_calls(pool: WorkerPool, calls: int) -> list[_Phone]:
    loop, phones = asyncio.get_running_loop(), list[_Phone]()
    for call in range(calls):
        room_id = str(call)
        await pool.perform(msg.OpenRoom(room_id=room_id))
        for leg_id in (f"{call} one", f"{call} other"):
            _, phone = await loop.create_datagram_endpoint(_Phone, local_addr=(HOST, 0))
            opened = await pool.perform(msg.OpenRtpLeg(leg_id=leg_id, room_id=room_id), bound_socket())
            assert isinstance(opened, msg.RtpOpened)
            host, port = phone.transport.get_extra_info("sockname")
            await pool.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=RtpEndpoint(host, port, (PCMA,))))
            await pool.perform(msg.JoinBridge(room_id=room_id, leg_id=leg_id))
            phone.far, phone.pid = (opened.host, opened.port), pool.pid_of(room_id)
            phones.append(phone)
    return phones


async def _speak(phones: list[_Phone]) -> None:
    begun_s, number = time.monotonic(), 0
    while True:
        for index, phone in enumerate(phones):
            phone.transport.sendto(rtp.build(PCMA.payload_type, number & 0xFFFF, 160 * number, 1 + index, b"\x2a" * 160), phone.far)
        number += 1
        await asyncio.sleep(max(0.0, begun_s + _FRAME_S * number - time.monotonic()))


async def _measure(calls: int, seconds: float) -> list[Row]:
    lost: list[msg.RoomLost] = []

    def told(event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.RoomLost):
            lost.append(event)

    settings = MediaSettings(voice=VoiceSettings.untouched())
    async with WorkerPool(settings, told, workers=2, command=_COMMAND) as pool:
        phones = await _open_calls(pool, calls)
        speaking = asyncio.create_task(_speak(phones))
        await asyncio.sleep(_WARM_S + seconds)
        killed_s, victim = time.monotonic(), phones[0].pid
        os.kill(victim, signal.SIGKILL)
        await asyncio.sleep(seconds)
        speaking.cancel()
        await asyncio.wait([speaking])
        for phone in phones:
            phone.transport.close()
    own, others = [phone for phone in phones if phone.pid == victim], [phone for phone in phones if phone.pid != victim]
    before_s = max(phone.longest_gap_s(killed_s - seconds, killed_s) for phone in others)
    across_s = max(phone.longest_gap_s(killed_s, killed_s + seconds) for phone in others)
    silence_s = max(phone.longest_gap_s(killed_s - _FRAME_S, killed_s + seconds) for phone in own)
    case = f"{calls} calls on two workers, one killed"
    return [
        Row(case, "longest gap, other worker's calls", 1000 * across_s, "ms", "before the kill", 1000 * before_s, "<= peer + 20"),
        Row(case, "packets lost or reordered, other worker's calls", sum(phone.breaks() for phone in others), "packets", goal="<= 0"),
        Row(case, "longest gap, its own calls", silence_s, "s", goal="<= 3"),
        Row(case, "calls ended by it", len(lost), "calls", goal="<= 0"),
    ]


def run(options: Options) -> list[Row]:
    return asyncio.run(_measure(2, 2.0) if options.quick else _measure(50, 10.0))
