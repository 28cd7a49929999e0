"""The loop of a small load, in Python: some hundred packets a second in and out. It counts as ``benchmarks/load/loop.c`` does."""

import asyncio
import select
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

import numpy as np
import pylibsrtp

from api.load.streams import BINS, LATE_S, Counts, Endpoint, Payloads, Tape, bin_of, first_frame, prepared
from media import rtp

_STAMP = struct.Struct("qq")
_FRAME_S, _PART_S = 0.02, 0.002
_REMEMBERED = 512
_LOOKED_BACK = 100
_SHORTEST_TELLING = 3
_DRAIN_S = 0.3
_AWAITED_S = 3.0
"""What comes later than this after its window counts as lost: on a busy machine much is late that is not."""
_SUMMED = ("frames_said", "sent", "heard", "altered", "disordered", "forged", "unsent", "others", "late")


class _Stream:
    """One far end. ``speaker``: whose packets it must hear untouched; ``shift``: its sequence numbers less the speaker's, once known."""

    def __init__(self, index: int, endpoint: Endpoint, voice: Payloads, speaker: "int | None", kept: int) -> None:
        self.endpoint, self.voice, self.speaker = endpoint, voice, speaker
        self.ssrc = endpoint.ssrc or 0x10000 + index
        self.frame, self.timestamp, self.number = first_frame(index, voice), 0, 0
        self.said: dict[int, tuple[bytes, float]] = {}
        self.kept = kept
        self.departures: list[float] = []
        self.heard_ssrc: int | None = None
        self.places = rtp.Unwrapper()
        self.times = rtp.Unwrapper(32)
        self.shift: int | None = None
        self.window = (0, 0)
        self.clear()

    def clear(self) -> None:
        self.frames_said = self.sent = self.heard = self.matched = self.late = 0
        self.altered = self.disordered = self.forged = self.unsent = self.others = 0
        self.places_heard: set[int] = set()
        self.newest = -1
        self.lowest_s = float("inf")
        self.heard_s = 0.0
        self.longest_gap_s = 0.0
        self.tape: list[tuple[float, bytes]] = []


class PythonLoop(AbstractContextManager["PythonLoop"]):
    """See ``api.load.streams.Loop``."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.thread_id = 0
        self._streams: list[_Stream] = []
        self._by_descriptor: dict[int, _Stream] = {}
        self._poll = select.epoll()
        self._wish = self._state = "run"
        self._delays, self._lateness = np.zeros(BINS, np.uint32), np.zeros(BINS, np.uint32)
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._wish = "stop"
        self._thread.join()
        self._poll.close()

    def add(
        self, endpoints: Sequence[Endpoint], voices: Sequence[Payloads], *, speakers: Sequence[int | None], listen_s: float = 0.0
    ) -> None:
        first = len(self._streams)
        for number, (endpoint, voice, speaker) in enumerate(zip(endpoints, voices, speakers, strict=True)):
            prepared(endpoint.sock)
            kept = int(50 * listen_s)
            stream = _Stream(first + number, endpoint, voice, first + speaker if speaker is not None else None, kept)
            self.endpoints.append(endpoint)
            self._streams.append(stream)
            self._by_descriptor[endpoint.sock.fileno()] = stream
            self._poll.register(endpoint.sock, select.EPOLLIN)

    async def open_window(self) -> None:
        await self._wished("open")

    async def close_window(self) -> None:
        await self._wished("closed")
        await asyncio.sleep(_DRAIN_S)
        until_s = time.monotonic() + _AWAITED_S
        while self.counts().lost and time.monotonic() < until_s:  # noqa: ASYNC110 - it is a thread that waits for nobody
            await asyncio.sleep(_DRAIN_S)

    async def _wished(self, wish: str) -> None:
        self._wish = wish
        async with asyncio.timeout(10):
            while self._state != wish:  # noqa: ASYNC110 - it is a thread that waits for nobody
                await asyncio.sleep(0.002)

    def counts(self) -> Counts:
        sums = {name: sum(getattr(stream, name) for stream in self._streams) for name in _SUMMED}
        return Counts(
            **sums,
            lost=sum(_lost(stream) for stream in self._streams),
            silent=sum(stream.heard == 0 for stream in self._streams),
            unlike=sum(stream.heard > 0 and stream.speaker is not None and not stream.matched for stream in self._streams),
            longest_gap_s=max(stream.longest_gap_s for stream in self._streams),
            delays=self._delays.copy(),
            lateness=self._lateness.copy(),
            tapes={index: _copied(stream.tape) for index, stream in enumerate(self._streams) if stream.kept},
            departures={index: list(stream.departures) for index, stream in enumerate(self._streams) if stream.kept},
        )

    # -- the thread

    def _run(self) -> None:
        self.thread_id = threading.get_native_id()
        begin_s = time.time()
        while self._wish != "stop":
            streams = self._streams[:]
            if self._wish != self._state:
                self._turn(streams)
            turn, part_s = 0, 0.0
            while part_s < _FRAME_S - _PART_S / 2:
                time.sleep(max(0.0, begin_s + part_s - time.time()))
                while turn < len(streams) and _FRAME_S * turn / len(streams) < part_s + _PART_S:
                    self._lateness[bin_of(time.time() - begin_s - part_s)] += 1
                    self._say(streams[turn])
                    turn += 1
                self._read()
                part_s += _PART_S
            begin_s = max(begin_s + _FRAME_S, time.time() - 0.2)

    def _turn(self, streams: list[_Stream]) -> None:
        """A window opens or closes."""
        opens = self._wish == "open"
        if opens:
            self._delays[:] = self._lateness[:] = 0
        for stream in streams:
            said = streams[stream.speaker].number if stream.speaker is not None else 0
            if opens:
                stream.clear()
            stream.window = (said, 1 << 62) if opens else (stream.window[0], said)
        self._state = self._wish

    def _say(self, stream: _Stream) -> None:
        endpoint, voice, number = stream.endpoint, stream.voice, stream.number
        payload = voice.packets[stream.frame]
        stream.frame = (stream.frame + 1) % len(voice.packets)
        timestamp = stream.timestamp
        stream.timestamp += voice.clock_hz // 50
        stream.frames_said += self._state == "open"
        if not payload:
            return
        packet = rtp.build(endpoint.payload_type, number & 0xFFFF, timestamp, stream.ssrc, payload, marker=number == 0)
        if endpoint.tx is not None:
            packet = endpoint.tx.protect(packet)
        now_s = time.time()
        stream.said[number] = (payload, now_s)
        stream.said.pop(number - _REMEMBERED, None)
        if len(stream.departures) < stream.kept:
            stream.departures.append(now_s)
        stream.number += 1
        stream.sent += self._state == "open"
        try:
            endpoint.sock.send(packet)
        except OSError:
            stream.unsent += 1

    def _read(self) -> None:
        for descriptor, _ in self._poll.poll(0):
            stream = self._by_descriptor[descriptor]
            while True:
                try:
                    datagram, ancillary, _, _ = stream.endpoint.sock.recvmsg(2_048, 64)
                except OSError:
                    break
                seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
                self._hear(stream, datagram, seconds + nanoseconds / 1e9)

    def _hear(self, stream: _Stream, datagram: bytes, at_s: float) -> None:
        endpoint = stream.endpoint
        if not datagram or not 127 < datagram[0] < 192:
            stream.others += 1
            answer = endpoint.answer(datagram) if endpoint.answer is not None else None
            if answer is not None:
                endpoint.sock.send(answer)
            return
        if rtp.is_rtcp(datagram):
            return
        try:
            packet = endpoint.rx.unprotect(datagram) if endpoint.rx is not None else datagram
        except (pylibsrtp.Error, ValueError):
            stream.forged += 1
            return
        header = rtp.parse(packet)
        if header is None or header.payload_type != endpoint.payload_type:
            stream.others += 1
            return
        if header.ssrc != stream.heard_ssrc:
            stream.heard_ssrc, stream.shift, stream.newest = header.ssrc, None, -1
            stream.places, stream.times, stream.places_heard = rtp.Unwrapper(), rtp.Unwrapper(32), set()
        place = stream.places.unwrap(header.sequence)
        stream.disordered += place <= stream.newest
        if place in stream.places_heard:
            return
        stream.places_heard.add(place)
        stream.newest = max(stream.newest, place)
        stream.heard += self._state == "open"
        if stream.heard_s:
            stream.longest_gap_s = max(stream.longest_gap_s, at_s - stream.heard_s)
        stream.heard_s = at_s
        if len(stream.tape) < stream.kept:
            stream.tape.append((at_s, packet))
        if stream.speaker is not None:
            self._compare(stream, self._streams[stream.speaker], packet[header.payload_start : header.payload_end], place, at_s)
            return
        behind_s = at_s - stream.times.unwrap(header.timestamp) / stream.voice.clock_hz
        stream.lowest_s = min(stream.lowest_s, behind_s)
        self._took(stream, behind_s - stream.lowest_s)

    def _compare(self, stream: _Stream, speaker: _Stream, payload: bytes, place: int, at_s: float) -> None:
        """Forwarding keeps the distance between sequence numbers: one packet whose payload was sent only once lately tells it."""
        if stream.shift is None:
            lately = range(max(0, speaker.number - _LOOKED_BACK), speaker.number)
            found = [number for number in lately if speaker.said[number][0] == payload]
            if len(found) != 1 or len(payload) < _SHORTEST_TELLING:
                return
            stream.shift = place - found[0]
        number = place - stream.shift
        said, left_s = speaker.said.get(number, (b"", 0.0))
        if said != payload:
            stream.altered += 1
            stream.shift = None
        elif stream.window[0] <= number < stream.window[1]:
            stream.matched += 1
            self._took(stream, at_s - left_s)

    def _took(self, stream: _Stream, seconds: float) -> None:
        stream.late += seconds > LATE_S
        self._delays[bin_of(seconds)] += 1


def _lost(stream: _Stream) -> int:
    if stream.speaker is not None:
        return stream.window[1] - stream.window[0] - stream.matched
    places = stream.places_heard
    return max(places) - min(places) + 1 - len(places) if places else 0


def _copied(tape: list[tuple[float, bytes]]) -> Tape:
    return tuple(tape)
