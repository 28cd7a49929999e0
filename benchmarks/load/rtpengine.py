"""rtpengine (Debian: ``rtpengine-daemon``) in user space, told of calls by its ng protocol: SRTP with SDES on one side, RTP on the other.

Where the sides speak different codecs it transcodes, with its own settings. Its protocol: a cookie, a space, a bencoded dictionary.
"""

import asyncio
import base64
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pylibsrtp import Policy, Session

from api.demo_call.process import ChildProcess, free_port
from api.load.streams import Endpoint
from benchmarks.load import process
from benchmarks.load.servers import HOST, SERVER_CORE, Side, bound_socket
from benchmarks.report import CannotRun
from rooms.audio import AudioCodec

_SUITE = "AES_CM_128_HMAC_SHA1_80"
_ANSWERS_WITHIN_S = 1.0
_ATTEMPTS = 20


class Rtpengine:
    """A room is a browser's side (SDES in place of DTLS) and a phone's."""

    name = "rtpengine"

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._child: ChildProcess
        self._control: _Control

    async def __aenter__(self) -> Self:
        program = shutil.which("rtpengine")
        if program is None:
            raise CannotRun("--peer rtpengine: apt install rtpengine-daemon")
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = free_port()
            command = [program, "--foreground", "--log-stderr", "--log-level=3", "--table=-1", f"--interface={HOST}"]
            command += [f"--listen-ng={HOST}:{port}", "--port-min=30000", "--port-max=49999", "--config-file=none"]
            child = ChildProcess(self.name, command, log=folder / "log", directory=folder)
            self._child = await stack.enter_async_context(child)
            loop = asyncio.get_running_loop()
            transport, self._control = await loop.create_datagram_endpoint(_Control, remote_addr=(HOST, port))
            stack.callback(transport.close)
            await self._control.ask({"command": "ping"})
            process.pin(self._child.pid, SERVER_CORE)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    @property
    def pids(self) -> Sequence[int]:
        return [self._child.pid]

    async def room(self, sides: Sequence[Side]) -> list[Endpoint]:
        if [side.kind for side in sides] != ["browser", "phone"]:
            raise CannotRun("rtpengine is given calls of a browser and a phone")
        browser, phone = (bound_socket() for _ in sides)
        ours, call = secrets.token_bytes(30), {"call-id": secrets.token_hex(8), "from-tag": "browser"}
        here, there = (side.codec for side in sides)
        codecs = {} if here == there else {"codec": {"mask": [here.name], "transcode": [there.name.upper()]}}
        offer = _sdp(browser.getsockname()[1], here, "RTP/SAVP", ours)
        wishes = {"transport-protocol": "RTP/AVP", "ICE": "remove", **codecs}
        offered = await self._control.ask({"command": "offer", **call, "sdp": offer, **wishes})
        answer = _sdp(phone.getsockname()[1], there, "RTP/AVP", None)
        answered = await self._control.ask({"command": "answer", **call, "to-tag": "phone", "sdp": answer, "ICE": "remove"})
        phone.connect((HOST, _port(offered)))
        browser.connect((HOST, _port(answered)))
        found = re.search(f"a=crypto:\\d+ {_SUITE} inline:([A-Za-z0-9+/=]+)", answered)
        if found is None:
            raise CannotRun(f"rtpengine answered without {_SUITE}")
        tx = Session(Policy(ours, Policy.SSRC_ANY_OUTBOUND))
        rx = Session(Policy(base64.b64decode(found[1] + "=" * (-len(found[1]) % 4)), Policy.SSRC_ANY_INBOUND))
        return [Endpoint(browser, here.payload_type, tx, rx), Endpoint(phone, there.payload_type)]


class _Control(asyncio.DatagramProtocol):
    """Requests and their answers."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def error_received(self, exc: Exception) -> None:
        """It does not listen yet: the request is repeated."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        cookie, _, body = data.partition(b" ")
        waiting = self._waiting.get(cookie)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

    async def ask(self, request: dict[str, Any]) -> str:
        """The SDP of its answer, where there is one. Raises CannotRun with its own words."""
        cookie = secrets.token_hex(8).encode()
        answer = self._waiting[cookie] = asyncio.get_running_loop().create_future()
        for _ in range(_ATTEMPTS):
            self._transport.sendto(cookie + b" " + _bencoded(request))
            await asyncio.wait([answer], timeout=_ANSWERS_WITHIN_S)
            if answer.done():
                break
        else:
            raise CannotRun("rtpengine does not answer")
        told = _bdecoded(self._waiting.pop(cookie).result())
        if told.get("result") == "error":
            raise CannotRun(f"rtpengine refused: {told.get('error-reason')}")
        return str(told.get("sdp", ""))


def _sdp(port: int, codec: AudioCodec, protocol: str, key: bytes | None) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    name = codec.name if codec.name == "opus" else codec.name.upper()
    lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0", f"m=audio {port} {protocol} {codec.payload_type}"]
    lines += [f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}", "a=ptime:20", "a=sendrecv"]
    if key is not None:
        lines.append(f"a=crypto:1 {_SUITE} inline:{base64.b64encode(key).decode()}")
    return "\r\n".join(lines) + "\r\n"


def _port(sdp: str) -> int:
    found = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
    if found is None:
        raise CannotRun("rtpengine answered without a media line")
    return int(found[1])


def _bencoded(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"d" + b"".join(_bencoded(key) + _bencoded(value[key]) for key in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(_bencoded, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    data = value.encode()
    return b"%d:%b" % (len(data), data)


def _bdecoded(data: bytes) -> dict[str, Any]:
    value, _ = _value(data, 0)
    assert isinstance(value, dict)
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        at, items = at + 1, []
        while data[at : at + 1] != b"e":
            item, at = _value(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2], strict=True))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end].decode(), end
