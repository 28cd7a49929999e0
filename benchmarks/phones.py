"""Plain RTP phones in pairs, all in one thread without an event loop, and what their packets tell about the relay between them.

Theory. A phone's packet holds 20 ms of sound and leaves when the last of it was spoken; it can be heard from its arrival on. So the
delay that a relay adds is arrival less departure of the same sound. Departures are taken right before the system call; arrivals are the
kernel's stamps (SO_TIMESTAMPNS), on loopback the moment in which the relay sent, so that it does not matter when the phones come to
read. In what is forwarded the same sound is the same payload, which carries its number. In what is mixed it is a beep: each phone hums
and beeps every 400 ms, and the beep's begin is looked for in what the other phone hears. Where it begins in the packets as they were
sent (after the speaker's own codec) is not the relay's doing and is taken off.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Self

import numpy as np

from benchmarks.relay import HOST, Pairs, bound_socket
from media import rtp
from media.codec import Samples, make_encoder, make_native_decoder
from rooms.audio import AudioCodec

_SO_TIMESTAMPNS = 35
"""Linux; the socket module has no name for it."""
_STAMP = struct.Struct("qq")
_ROOM_BYTES = 1 << 20
_RATE_HZ, _FRAME_S = 16_000, 0.02
_CYCLE, _BEEP_AT = 20, 10
_BEEP, _HUM, _LOUD = 0.5, 0.02, 0.2
DRAIN_S = 0.3

Heard = list[tuple[float, bytes]]
"""(arrival in Unix seconds, packet)."""


class Phones:
    """``with``: ``rooms`` pairs, side 0 speaks ``codecs[0]``, side 1 ``codecs[1]``. Phone ``2 * room + side`` is one entry of each list.

    ``sent``: departure of each packet, by its number. ``late_s``: how far behind its time each was, by no fault of the relay.
    """

    def __init__(self, rooms: int, codecs: Sequence[AudioCodec], *, numbered: bool) -> None:
        self.codecs = [codecs[index % 2] for index in range(2 * rooms)]
        self.sent: list[list[float]] = [[] for _ in self.codecs]
        self.heard: list[Heard] = [[] for _ in self.codecs]
        self.late_s: list[float] = []
        self._numbered = numbered
        self._payloads = {codec.name: beeping(codec) for codec in codecs}
        self._sockets = [bound_socket() for _ in self.codecs]
        self._index = {sock.fileno(): index for index, sock in enumerate(self._sockets)}
        self._poll = select.epoll()
        for sock in self._sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._poll.register(sock, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._poll.close()
        for sock in self._sockets:
            sock.close()

    @property
    def ports(self) -> Pairs:
        ports = [sock.getsockname()[1] for sock in self._sockets]
        return [ports[at : at + 2] for at in range(0, len(ports), 2)]

    def talk(self, relay_ports: Pairs, moments: Sequence[tuple[float, Callable[[], None]]], seconds: float) -> float:
        """All phones speak for ``seconds``, their packets spread evenly over each 20 ms. Returns the Unix time of the beginning.

        ``moments``: (seconds from the beginning, what to do then), in order.
        """
        targets = [(HOST, port) for pair in relay_ports for port in pair]
        waiting = list(moments)
        step_s = _FRAME_S / len(targets)
        start_s = time.time() + 0.05
        for turn in range(round(seconds / _FRAME_S) * len(targets)):
            due_s = start_s + turn * step_s
            if (left_s := due_s - time.time()) > 0:
                self._read()
                time.sleep(max(0.0, min(left_s, due_s - time.time())))
            while waiting and due_s >= start_s + waiting[0][0]:
                waiting.pop(0)[1]()
            self._send(turn % len(targets), targets[turn % len(targets)], due_s)
        while time.time() < start_s + seconds + DRAIN_S:
            self._read()
            time.sleep(_FRAME_S / 4)
        for _, act in waiting:
            act()
        return start_s

    def _send(self, index: int, target: tuple[str, int], due_s: float) -> None:
        codec, number = self.codecs[index], len(self.sent[index])
        packet = rtp.build(codec.payload_type, number, number * codec.clock_rate // 50, index + 1, self.payload(index, number))
        now_s = time.time()
        self.sent[index].append(now_s)
        self.late_s.append(now_s - due_s)
        self._sockets[index].sendto(packet, target)

    def payload(self, index: int, number: int) -> bytes:
        """What phone ``index`` says in its packet of this ``number``."""
        payload = self._payloads[self.codecs[index].name][number % _CYCLE]
        return number.to_bytes(4, "big") + payload[4:] if self._numbered else payload

    def _read(self) -> None:
        for fd, _ in self._poll.poll(0):
            index = self._index[fd]
            while True:
                try:
                    packet, ancillary, _, _ = self._sockets[index].recvmsg(2_048, 64)
                except BlockingIOError:
                    break
                if not rtp.is_rtcp(packet):
                    seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
                    self.heard[index].append((seconds + nanoseconds / 1e9, packet))

    # -- what it tells

    def numbered_delays_s(self, from_s: float, to_s: float) -> list[float]:
        """Delays of all packets that left in this time."""
        found = []
        for index, heard in enumerate(self.heard):
            sent = self.sent[index ^ 1]
            for arrival_s, packet in heard:
                number = _number(packet)
                if number < len(sent) and from_s <= sent[number] < to_s:
                    found.append(arrival_s - sent[number])
        return found

    def beep_delays_s(self, from_s: float, to_s: float) -> list[float]:
        """Delays of all beeps heard in this time. Delays beyond 400 ms would be taken for shorter ones: look at what gets concealed."""
        found = []
        for index, heard in enumerate(self.heard):
            speaker = index ^ 1
            begins_s = beep_begin_s(self.codecs[speaker], self._payloads[self.codecs[speaker].name])
            spoken = [sent_s + begins_s for number, sent_s in enumerate(self.sent[speaker]) if number % _CYCLE == _BEEP_AT]
            for at_s in _beeps(self.codecs[index], heard):
                before = [beep_s for beep_s in spoken if beep_s <= at_s]
                if before and from_s <= before[-1] < to_s:
                    found.append(at_s - before[-1])
        return found

    def unheard_packets(self) -> int:
        """Numbered packets whose payload never came to the other phone as it was sent."""
        unheard = 0
        for index, heard in enumerate(self.heard):
            payloads = {packet[rtp.HEADER_BYTES :] for _, packet in heard}
            unheard += sum(self.payload(index ^ 1, number) not in payloads for number in range(len(self.sent[index ^ 1])))
        return unheard

    def out_of_sequence(self) -> tuple[int, int]:
        """(sequence numbers that are missing, packets that came behind a later one or twice), by the numbers that the relay gave."""
        missing = disordered = 0
        for heard in self.heard:
            numbers = [int.from_bytes(packet[2:4], "big") for _, packet in heard]
            steps = [rtp.sequence_difference(after, before) for before, after in pairwise(numbers)]
            places = list(accumulate(steps, initial=0))
            disordered += sum(step <= 0 for step in steps)
            missing += max(places) - min(places) + 1 - len(set(places)) if heard else 0
        return missing, disordered


def _number(packet: bytes) -> int:
    return int.from_bytes(packet[rtp.HEADER_BYTES : rtp.HEADER_BYTES + 4], "big")


def beeping(codec: AudioCodec) -> list[bytes]:
    """The payloads of one cycle, to be sent over and over: the third one that the encoder made, so that it follows on itself."""
    t = np.arange(_CYCLE * 320) / _RATE_HZ
    sound = _HUM * np.sin(2 * np.pi * 200 * t)
    beep = slice(_BEEP_AT * 320, (_BEEP_AT + 1) * 320)
    sound[beep] = _BEEP * np.sin(2 * np.pi * 1_000 * t[beep])
    encoder = make_encoder(codec, rate_hz=_RATE_HZ)
    cycle = sound.astype(np.float32).reshape(_CYCLE, 320)
    return [encoder.encode(frame) for _ in range(3) for frame in cycle][2 * _CYCLE :]


def beep_begin_s(codec: AudioCodec, payloads: list[bytes]) -> float:
    """From the begin of the beep's packet to the begin of the beep, by the codec itself (Opus: its look-ahead)."""
    packets = [(number * _FRAME_S, bytes(rtp.HEADER_BYTES) + payload) for number, payload in enumerate(payloads * 3)]
    return _beeps(codec, packets)[-1] - (2 * _CYCLE + _BEEP_AT) * _FRAME_S


def _beeps(codec: AudioCodec, heard: Heard) -> list[float]:
    """When beeps began, in the time of the arrivals."""
    decoder = make_native_decoder(codec, rate_hz=_RATE_HZ)
    found: list[float] = []
    for arrival_s, packet in heard:
        sound: Samples = decoder.decode(packet[rtp.HEADER_BYTES :])
        loud = np.abs(sound) > _LOUD
        at_s = arrival_s + float(np.argmax(loud)) / decoder.rate_hz
        if loud.any() and (not found or at_s - found[-1] > _CYCLE * _FRAME_S / 2):
            found.append(at_s)
    return found
