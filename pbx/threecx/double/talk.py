"""RTP of one SIP call of the emulator: G.711 each 20 ms, digits by RFC 4733 both ways. No jitter buffer: it is for loopback and a LAN.

Encrypted where both sides agreed on keys and somebody who knows SRTP is given as ``guard``.
"""

import asyncio
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from pbx.threecx import g711
from pbx.threecx.double.audio import FRAME_MS, Pcm
from pbx.threecx.double.sip_call import DTMF_TYPE
from rooms.audio import RtpEndpoint, SrtpKeys

DIGITS = "0123456789*#ABCD"
EVENT_PACKETS = 5
END_PACKETS = 3
SAMPLES = 160
MAX_DIGITS = 64


class Guard(Protocol):
    """SRTP under the keys of one call. Both raise ``ValueError`` for what cannot be done."""

    def protect(self, packet: bytes) -> bytes: ...
    def unprotect(self, packet: bytes) -> bytes: ...


class RtpTalk:
    """Satisfies ``sip_call.Talk``. ``said``: gives the next 20 ms that the peer is to hear. ``on_digit``: the peer pressed one.

    ``voice`` is what the peer says.
    """

    def __init__(
        self,
        host: str,
        said: Callable[[], bytes],
        on_digit: Callable[[str], None],
        on_end: Callable[[], None],
        *,
        random: Random,
        guard: Callable[[SrtpKeys], Guard] | None = None,
    ) -> None:
        self.voice = Pcm()
        self.counts: Counter[str] = Counter()
        self._said = said
        self._on_digit = on_digit
        self._on_end = on_end
        self._make_guard = guard
        self._guard: Guard | None = None
        self._keys: SrtpKeys | None = None
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self._sock.setblocking(False)
        self._remote: RtpEndpoint | None = None
        self._ssrc, self._sequence, self._timestamp = random.getrandbits(32), random.getrandbits(15), random.getrandbits(31)
        self._digits: deque[str] = deque(maxlen=MAX_DIGITS)
        self._pressing: list[bytes] = []
        self._event_at, self._event_timestamp = 0, -1
        self._alarm: asyncio.TimerHandle | None = None
        self._next_s = 0.0

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._sock.getsockname()
        return str(host), int(port)

    def begin(self, remote: RtpEndpoint) -> None:
        """Speak to this place from now on; a later call changes it."""
        if remote.srtp is not None and self._make_guard is not None and remote.srtp != self._keys:
            self._guard, self._keys = self._make_guard(remote.srtp), remote.srtp
        began = self._remote is not None
        self._remote = remote
        if not began:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._sock.fileno(), self._readable)
            self._next_s = loop.time()
            self._tick()

    def end(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._remote is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()
        self._on_end()

    def press(self, digit: str) -> None:
        self._digits.append(digit)

    # -- what we say

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._remote is not None
        pcm = self._said()
        if not self._pressing and self._digits:
            self._pressing = self._event(self._digits.popleft())
        if self._remote.direction.receives:
            codec = self._remote.codecs[0]
            if self._pressing and self._remote.dtmf_payload_type is not None:
                self._send(self._remote.dtmf_payload_type, self._event_at, self._pressing.pop(0))
            elif codec.name in ("pcma", "pcmu"):
                self._send(codec.payload_type, self._timestamp, g711.encode(codec.name, pcm))
        self._timestamp = (self._timestamp + SAMPLES) % 2**32
        self._next_s = max(self._next_s + FRAME_MS / 1000, loop.time() - 0.2)
        self._alarm = loop.call_at(self._next_s, self._tick)

    def _event(self, digit: str) -> list[bytes]:
        """Payloads of one key press; none of its packets has the marker bit, as 3CX sends them."""
        self._event_at = self._timestamp
        code = DIGITS.index(digit)
        durations = [SAMPLES * (index + 1) for index in range(EVENT_PACKETS)]
        held = [struct.pack("!BBH", code, 10, duration) for duration in durations]
        return held + [struct.pack("!BBH", code, 0x80 | 10, durations[-1])] * END_PACKETS

    def _send(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        assert self._remote is not None
        self._sequence = (self._sequence + 1) % 2**16
        packet = struct.pack("!BBHII", 0x80, payload_type, self._sequence, timestamp, self._ssrc) + payload
        try:
            self._sock.sendto(packet if self._guard is None else self._guard.protect(packet), (self._remote.host, self._remote.port))
        except (OSError, ValueError):
            self.counts["unsent"] += 1

    # -- what the peer says

    def _readable(self) -> None:
        for _ in range(64):
            try:
                packet = self._sock.recv(2048)
            except OSError:
                return
            try:
                self._heard(packet if self._guard is None else self._guard.unprotect(packet))
            except (ValueError, struct.error):
                self.counts["unread"] += 1

    def _heard(self, packet: bytes) -> None:
        first, kind, _, timestamp, _ = struct.unpack_from("!BBHII", packet)
        if first >> 6 != 2 or 192 <= kind <= 223 or self._remote is None:
            return  # RTCP, or no RTP at all
        start = 12 + 4 * (first & 0x0F)
        if first & 0x10:
            start += 4 + 4 * struct.unpack_from("!H", packet, start + 2)[0]
        payload = packet[start : len(packet) - (packet[-1] if first & 0x20 else 0)]
        self.counts["packets"] += 1
        names = {codec.payload_type: codec.name for codec in self._remote.codecs}
        if kind & 0x7F in (self._remote.dtmf_payload_type, DTMF_TYPE):
            self._event_heard(timestamp, payload)
        elif names.get(kind & 0x7F) in ("pcma", "pcmu"):
            self.voice.push(g711.decode(names[kind & 0x7F], payload))

    def _event_heard(self, timestamp: int, payload: bytes) -> None:
        """A key press is one timestamp, whether or not its first packet has the marker bit."""
        if timestamp != self._event_timestamp and len(payload) >= 4 and payload[0] < len(DIGITS):
            self._event_timestamp = timestamp
            self._on_digit(DIGITS[payload[0]])
