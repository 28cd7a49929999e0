"""A browser as far as its packets go: one UDP socket, an offer, connectivity checks, the DTLS handshake, then its SRTP sessions.

No microphone and no jitter buffer: what comes after the handshake is the load generator's. DTLS is aiortc's, by way of ``media.dtls``;
STUN is aioice's.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import Awaitable, Callable

from aioice import stun

from api.load.streams import Endpoint
from media.dtls import Certificate, DtlsLink
from rooms.audio import AudioCodec

_CHECK_EVERY_S = 0.1
_CHECKED_WITHIN_S = 10.0
_HANDSHAKE_WITHIN_S = 20.0


class NotConnected(Exception):
    """The server did not answer, or not what it should."""


class Browser:
    """``connect`` once. ``negotiate`` carries an offer to the server and returns its answer."""

    def __init__(self, codec: AudioCodec, certificate: Certificate, host: str) -> None:
        self._codec, self._certificate = codec, certificate
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self._sock.setblocking(False)
        self._ssrc = secrets.randbits(31) + 1
        self._fragment, self._password = secrets.token_hex(4), secrets.token_hex(16)
        self._remote = ("", "")
        self._datagrams: asyncio.Queue[bytes] = asyncio.Queue()
        self._checked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dtls: DtlsLink | None = None

    def offer(self) -> str:
        codec, (host, port) = self._codec, self._sock.getsockname()
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        lines = [
            "v=0",
            f"o=- {self._ssrc} 1 IN IP4 {host}",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            "a=msid-semantic: WMS *",
            f"m=audio {port} UDP/TLS/RTP/SAVPF {codec.payload_type}",
            f"c=IN IP4 {host}",
            "a=mid:0",
            "a=sendrecv",
            "a=rtcp-mux",
            f"a=ice-ufrag:{self._fragment}",
            f"a=ice-pwd:{self._password}",
            f"a=fingerprint:{self._certificate.fingerprint}",
            "a=setup:actpass",
            f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}",
            *([f"a=fmtp:{codec.payload_type} {codec.fmtp}"] if codec.fmtp else []),
            f"a=msid:load audio{self._ssrc}",
            f"a=ssrc:{self._ssrc} cname:load{self._ssrc}",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
            "a=end-of-candidates",
        ]
        return "\r\n".join(lines) + "\r\n"

    async def connect(self, negotiate: Callable[[str], Awaitable[str]]) -> Endpoint:
        """Raises NotConnected."""
        answer = await negotiate(self.offer())
        self._remote = _attribute(answer, "ice-ufrag:(.*)"), _attribute(answer, "ice-pwd:(.*)")
        candidate = _attribute(answer, r"candidate:\S+ 1 (?:udp|UDP) \d+ ([\d.]+ \d+) typ host.*").split()
        self._sock.connect((candidate[0], int(candidate[1])))
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock.fileno(), self._read)
        try:
            await self._check()
            fingerprint = _attribute(answer, "fingerprint:(.*)").split()
            role = "server" if _attribute(answer, "setup:(.*)") == "active" else "client"
            self._dtls = DtlsLink(self, self._certificate, role, ((fingerprint[0].lower(), fingerprint[1]),), lambda: None)
            await self._dtls.shake_hands(_HANDSHAKE_WITHIN_S)
        finally:
            loop.remove_reader(self._sock.fileno())
        sessions = self._dtls.sessions()
        sent, received = sessions.sent, sessions.received
        return Endpoint(self._sock, self._codec.payload_type, sent, received, self.answer, self._ssrc, self._dtls.close)

    async def _check(self) -> None:
        """Until the server answers."""
        try:
            async with asyncio.timeout(_CHECKED_WITHIN_S):
                while not self._checked.done():
                    self._sock.send(self._check_request())
                    await asyncio.wait([self._checked], timeout=_CHECK_EVERY_S)
        except TimeoutError:
            raise NotConnected("no connectivity check was answered") from None

    def _check_request(self) -> bytes:
        fragment, password = self._remote
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{fragment}:{self._fragment}"
        message.attributes["PRIORITY"] = 1_845_501_695
        message.attributes["ICE-CONTROLLING"] = self._ssrc
        message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(password.encode())
        return bytes(message)

    def _read(self) -> None:
        try:
            datagram = self._sock.recv(2_048)
        except OSError:
            return
        if datagram and datagram[0] < 4:
            answer = self.answer(datagram)
            if answer is not None:
                self._sock.send(answer)
        elif 19 < datagram[0] < 64:
            self._datagrams.put_nowait(datagram)

    def answer(self, datagram: bytes) -> bytes | None:
        """What a datagram that is no media deserves: checks of a full ICE agent are answered."""
        try:
            message = stun.parse_message(datagram)
        except ValueError:
            return None
        if message.message_class == stun.Class.RESPONSE and not self._checked.done():
            self._checked.set_result(None)
        if message.message_class != stun.Class.REQUEST:
            return None
        reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
        reply.attributes["XOR-MAPPED-ADDRESS"] = self._sock.getpeername()
        reply.add_message_integrity(self._password.encode())
        return bytes(reply)

    # -- what DTLS asks of its path

    async def receive(self) -> bytes:
        return await self._datagrams.get()

    def send(self, datagram: bytes) -> None:
        self._sock.send(datagram)


def _attribute(sdp: str, pattern: str) -> str:
    found = re.search(f"^a={pattern}$", sdp.replace("\r", ""), re.MULTILINE)
    if found is None:
        raise NotConnected(f"the answer names no {pattern.partition(':')[0]}")
    return found[1].strip()
