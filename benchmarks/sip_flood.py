"""Claim: 500 INVITEs a second cost a live call nothing that is heard: no gap in its RTP above 60 ms; who comes too much gets 503 with
Retry-After, and memory stays flat.

One process has the SIP line and the media plane, as the smallest installation has them. Two phones talk through it, G.711, forwarded; the
gaps between packets that reach them are measured before, and again while INVITEs arrive that nobody acknowledges or takes. The line takes
20 calls a second, its default, and lets them ring.
"""

import asyncio
import os
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

from benchmarks.load import process
from benchmarks.load.flooded_line import TAKEN
from benchmarks.load.servers import HOST, LOAD_CORE, SERVER_CORE, bound_socket
from benchmarks.report import CannotRun, Options, Row
from media import rtp
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Answered, TrunkEvent
from rooms.audio import PCMA, RtpEndpoint

_PER_S, _PART_S = 500, 0.01
_PACKET_S = 0.02
_ANSWERED_S = 10.0
_INVITE = """INVITE sip:900@{host}:{port} SIP/2.0
Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bKflood{number};rport
Max-Forwards: 70
From: <sip:{number}@{host}>;tag={number}
To: <sip:900@{host}>
Call-ID: flood{number}@{host}
CSeq: 1 INVITE
Contact: <sip:{number}@{host}:{own}>
Content-Type: application/sdp
Content-Length: {length}

{body}"""
_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"
_OPTIONS = """OPTIONS sip:100@{host}:{port} SIP/2.0
Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bKoptions;rport
Max-Forwards: 70
From: <sip:after@{host}>;tag=1
To: <sip:100@{host}>
Call-ID: after@{host}
CSeq: 1 OPTIONS
Content-Length: 0

"""


class _Phone:
    """One end of the live call: ``gaps_s`` between packets that it hears, once ``counting``."""

    def __init__(self) -> None:
        self.sock = bound_socket()
        self.gaps_s: list[float] = []
        self.counting = False
        self._last_s = 0.0
        self._sequence = 0
        asyncio.get_running_loop().add_reader(self.sock, self._hear)

    @property
    def endpoint(self) -> RtpEndpoint:
        return RtpEndpoint(HOST, self.sock.getsockname()[1], (PCMA,), 101)

    def speak(self, far: RtpEndpoint) -> None:
        self._sequence += 1
        ssrc, silence = self.sock.fileno() + 1, bytes([0xD5]) * 160
        self.sock.sendto(rtp.build(8, self._sequence, 160 * self._sequence, ssrc, silence), (far.host, far.port))

    def _hear(self) -> None:
        data = self.sock.recv(2048)
        if rtp.is_rtcp(data):
            return
        now_s = time.perf_counter()
        if self.counting and self._last_s:
            self.gaps_s.append(now_s - self._last_s)
        self._last_s = now_s

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()


@dataclass(slots=True)
class _Flooder:
    """``answers`` counts statuses of the first answer that says something, each INVITE once; ``mute``: 503 without Retry-After."""

    port: int
    sock: socket.socket = field(default_factory=bound_socket)
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    mute: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    _known: set[bytes] = field(default_factory=set)

    def listen(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        asyncio.get_running_loop().add_reader(self.sock, self._hear)

    def _hear(self) -> None:
        head = self.sock.recv(4096)
        status, call = head[8:11].decode(), head.partition(b"\r\nCall-ID: ")[2].partition(b"\r\n")[0]
        if status == "100" or call in self._known:
            return
        self._known.add(call)
        self.answers[status] += 1
        self.mute += status == "503" and b"\r\nRetry-After: " not in head
        if call.startswith(b"after"):
            self.heard.set()

    def _write(self, text: str) -> None:
        own = self.sock.getsockname()[1]
        filled = text.replace("\n", "\r\n").format(host=HOST, port=self.port, own=own, number=self.sent, length=len(_SDP), body=_SDP)
        self.sock.sendto(filled.encode(), (HOST, self.port))

    async def flood(self, seconds: float) -> None:
        begun_s, before = time.monotonic(), self.sent
        while (late_s := time.monotonic() - begun_s) < seconds:
            while self.sent - before < late_s * _PER_S:
                self.sent += 1
                self._write(_INVITE)
            await asyncio.sleep(_PART_S)

    async def ask_options(self) -> float:
        """Seconds until it was answered."""
        begun_s = time.perf_counter()
        self._write(_OPTIONS)
        await asyncio.wait_for(self.heard.wait(), _ANSWERED_S)
        return time.perf_counter() - begun_s

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()


@dataclass(frozen=True, slots=True)
class _Window:
    gaps_s: list[float]
    cpu_s: float
    bytes_first: int
    bytes_last: int


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    seconds = 2.0 if options.quick else 60 * options.minutes or 20.0
    command = (sys.executable, "-m", "benchmarks.load.flooded_line", options.wire)
    server = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    try:
        while not (line := await server.stdout.readline()).startswith(b"port "):
            if not line:
                raise CannotRun("the flooded server did not start")
        port = int(line.split()[1])
        process.pin(server.pid, SERVER_CORE)
        process.pin(os.getpid(), LOAD_CORE)
        return await _talk(server.pid, port, seconds)
    finally:
        server.stdin.close()
        await server.wait()


async def _talk(pid: int, port: int, seconds: float) -> list[Row]:
    answered: asyncio.Queue[Answered] = asyncio.Queue()

    def told(event: TrunkEvent) -> None:
        if isinstance(event, Answered):
            answered.put_nowait(event)

    settings = SipTrunkSettings(server=HOST, port=port, extension="300", bind_host=HOST, register=False, keepalive_s=0.0)
    phones, flooder = [_Phone(), _Phone()], _Flooder(port)
    flooder.listen()
    async with SipTrunk(settings, told) as caller:
        far = []
        for number, phone in enumerate(phones):
            caller.dial(f"call{number}", TAKEN, "", phone.endpoint)
            remote = (await asyncio.wait_for(answered.get(), _ANSWERED_S)).remote
            assert isinstance(remote, RtpEndpoint)
            far.append(remote)
        speaking = asyncio.create_task(_speak(phones, far))
        before = await _window(pid, phones, seconds)
        flooding = asyncio.create_task(flooder.flood(seconds))
        during = await _window(pid, phones, seconds)
        await flooding
        options_s = await flooder.ask_options()
        speaking.cancel()
        await asyncio.wait([speaking])
    for phone in phones:
        phone.close()
    flooder.close()
    return _rows(before, during, flooder, options_s)


async def _speak(phones: list[_Phone], far: list[RtpEndpoint]) -> None:
    begun_s, number = time.monotonic(), 0
    while True:
        for phone, remote in zip(phones, far, strict=True):
            phone.speak(remote)
        number += 1
        await asyncio.sleep(max(0.0, begun_s + number * _PACKET_S - time.monotonic()))


async def _window(pid: int, phones: list[_Phone], seconds: float) -> _Window:
    await asyncio.sleep(1.0)
    for phone in phones:
        phone.gaps_s, phone.counting = [], True
    first = process.usage([pid])
    await asyncio.sleep((seconds - 1.0) / 2)
    half = process.usage([pid])
    await asyncio.sleep((seconds - 1.0) / 2)
    last = process.usage([pid])
    return _Window([gap for phone in phones for gap in phone.gaps_s], last.cpu_s - first.cpu_s, half.bytes, last.bytes)


def _rows(before: _Window, during: _Window, flooder: _Flooder, options_s: float) -> list[Row]:
    case = f"a call beside {_PER_S} INVITE/s"
    refused, unanswered = flooder.answers["503"], flooder.sent - sum(flooder.answers.values()) + 1
    return [
        Row(case, "longest gap of RTP", 1e3 * max(during.gaps_s), "ms", "before", 1e3 * max(before.gaps_s), "<= 60"),
        Row(case, "packets heard", float(len(during.gaps_s)), "", "before", float(len(before.gaps_s)), ">= 0.99 x peer"),
        Row(case, "INVITEs", float(flooder.sent), ""),
        Row(case, "refused with 503", float(refused), ""),
        Row(case, "of these without Retry-After", float(flooder.mute), "", goal="<= 0"),
        Row(case, "not answered", float(unanswered), "", goal="<= 0"),
        Row(case, "memory grown in the second half", (during.bytes_last - during.bytes_first) / 1e6, "MB", goal="<= 5"),
        Row(case, "processor", during.cpu_s, "s", "before", before.cpu_s),
        Row(case, "OPTIONS answered after", 1e3 * options_s, "ms", goal="<= 1000"),
    ]
