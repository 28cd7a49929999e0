"""The load generator's loop, in C (``loop.c``, compiled on first use), and what it counted.

SRTP is that of the pylibsrtp wheel: the sessions are made in Python and used by the loop, nobody else may touch them while it runs.
"""

import asyncio
import ctypes
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pylibsrtp
from numpy.typing import NDArray
from pylibsrtp._binding import ffi, lib

from api.load.streams import BINS, Counts, Endpoint, Payloads, first_frame, prepared

_RING = 512
_DRAIN_S = 0.3
_AWAITED_S = 3.0
"""What comes later than this after its window counts as lost: on a busy machine much is late that is not."""
_COUNTED = ("frames_said", "sent", "unsent", "heard", "matched", "lost", "altered", "disordered", "forged", "reports", "others", "late")


class _Sent(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int64), ("frame", ctypes.c_int32), ("at_s", ctypes.c_double))


class _Stream(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("fd", "speaker", "frames", "at_frame")),
        *((name, ctypes.c_void_p) for name in ("tx", "rx", "payloads", "ends", "tape", "departures")),
        *((name, ctypes.c_uint64) for name in ("tape_bytes", "taped", "most_departures")),
        *((name, ctypes.c_uint32) for name in ("ssrc", "timestamp", "step", "clock_hz")),
        *((name, ctypes.c_int32) for name in ("payload_type", "muted")),
        *((name, ctypes.c_uint64) for name in _COUNTED),
        ("longest_gap_s", ctypes.c_double),
        *((name, ctypes.c_uint64) for name in ("number", "from_number", "to_number")),
        *((name, ctypes.c_int64) for name in ("place", "offset", "lowest_us")),
        ("seen", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("heard_ssrc", "stamp")),
        *((name, ctypes.c_int32) for name in ("begun", "locked")),
        ("heard_s", ctypes.c_double),
        ("ring", _Sent * _RING),
    )


_Other = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(ctypes.c_uint8), ctypes.c_int)


class _Load(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("streams", "delays", "lateness", "protect", "unprotect")),
        ("other", _Other),
        *((name, ctypes.c_int32) for name in ("count", "wish", "state")),
    )


@lru_cache
def library() -> Any:
    """The loop, compiled on first use; None where no compiler is, or none that can."""
    source = Path(__file__).with_suffix(".c")
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "centralita"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / f"load-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.so"
    if not built.exists():
        fresh = built.with_suffix(f".{os.getpid()}")
        if subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", fresh, source]).returncode:
            return None
        fresh.replace(built)
    return ctypes.CDLL(str(built))


def _function(name: str) -> int:
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))


def _session(session: pylibsrtp.Session | None) -> int:
    return int(ffi.cast("uintptr_t", session._srtp[0])) if session is not None else 0


class NativeLoop(AbstractContextManager["NativeLoop"]):
    """See ``api.load.streams.Loop``."""

    def __init__(self, most: int) -> None:
        self._library = library()
        self._streams = (_Stream * most)()
        self.endpoints: list[Endpoint] = []
        self._kept: dict[str, tuple[Any, Any]] = {}
        self._tapes: dict[int, tuple[Any, NDArray[np.float64]]] = {}
        self._delays, self._lateness = np.zeros(BINS, np.uint32), np.zeros(BINS, np.uint32)
        self._load = _Load(
            ctypes.addressof(self._streams),
            self._delays.ctypes.data,
            self._lateness.ctypes.data,
            _function("srtp_protect"),
            _function("srtp_unprotect"),
            _Other(self._other),
        )
        self._thread = threading.Thread(target=self._run, name="load")
        self.thread_id = 0

    def _run(self) -> None:
        self.thread_id = threading.get_native_id()
        self._library.load_run(ctypes.byref(self._load))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._load.wish = 3
        self._thread.join()

    def add(
        self, endpoints: Sequence[Endpoint], voices: Sequence[Payloads], *, speakers: Sequence[int | None], listen_s: float = 0.0
    ) -> None:
        first = len(self.endpoints)
        for number, (endpoint, voice, speaker) in enumerate(zip(endpoints, voices, speakers, strict=True)):
            index = first + number
            packets, ends = self._canned(voice)
            prepared(endpoint.sock)
            stream = self._streams[index]
            stream.fd, stream.speaker = endpoint.sock.fileno(), first + speaker if speaker is not None else -1
            stream.frames, stream.at_frame = len(voice.packets), first_frame(index, voice)
            stream.payloads, stream.ends = packets.ctypes.data, ends.ctypes.data
            stream.tx, stream.rx = _session(endpoint.tx), _session(endpoint.rx)
            stream.ssrc, stream.timestamp = endpoint.ssrc or 0x10000 + index, 1_000 * index
            stream.step, stream.clock_hz = voice.clock_hz // 50, voice.clock_hz
            stream.payload_type = endpoint.payload_type
            if listen_s:
                room, packets_said = int(listen_s * 50 * 300), int(listen_s * 50)
                tape, departures = ctypes.create_string_buffer(room), np.zeros(packets_said)
                self._tapes[index] = tape, departures
                stream.tape, stream.tape_bytes = ctypes.addressof(tape), room
                stream.departures, stream.most_departures = departures.ctypes.data, packets_said
        self.endpoints += endpoints
        self._load.count = len(self.endpoints)

    def _canned(self, voice: Payloads) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        key = hashlib.sha256(repr((voice.codec, voice.packets)).encode()).hexdigest()
        if key not in self._kept:
            joined = np.frombuffer(b"".join(voice.packets), np.uint8)
            self._kept[key] = (joined, np.cumsum([len(packet) for packet in voice.packets]).astype(np.uint32))
        return self._kept[key]

    def _other(self, index: int, datagram: Any, length: int) -> None:
        endpoint = self.endpoints[index]
        if endpoint.answer is not None:
            answer = endpoint.answer(ctypes.string_at(datagram, length))
            if answer is not None:
                endpoint.sock.send(answer)

    async def open_window(self) -> None:
        await self._wish(1)

    async def close_window(self) -> None:
        await self._wish(2)
        await asyncio.sleep(_DRAIN_S)
        until_s = time.monotonic() + _AWAITED_S
        while self.counts().lost and time.monotonic() < until_s:  # noqa: ASYNC110 - it is a thread that waits for nobody
            await asyncio.sleep(_DRAIN_S)

    async def _wish(self, wish: int) -> None:
        self._load.wish = wish
        async with asyncio.timeout(10):
            while self._load.state != wish:  # noqa: ASYNC110 - it is a thread that waits for nobody
                await asyncio.sleep(0.002)

    def counts(self) -> Counts:
        streams = [self._streams[index] for index in range(len(self.endpoints))]
        sums = {name: sum(getattr(stream, name) for stream in streams) for name in _COUNTED}
        lost = 0
        for stream in streams:
            if stream.speaker < 0:
                lost += stream.lost
            else:
                lost += stream.to_number - stream.from_number - stream.matched
        return Counts(
            **{
                name: sums[name] for name in ("frames_said", "sent", "heard", "altered", "disordered", "forged", "unsent", "others", "late")
            },
            lost=lost,
            silent=sum(stream.heard == 0 for stream in streams),
            unlike=sum(stream.heard > 0 and stream.speaker >= 0 and not stream.matched for stream in streams),
            longest_gap_s=max(stream.longest_gap_s for stream in streams),
            delays=self._delays.copy(),
            lateness=self._lateness.copy(),
            tapes={index: _played_back(tape, self._streams[index].taped) for index, (tape, _) in self._tapes.items()},
            departures={index: times[: self._streams[index].number].tolist() for index, (_, times) in self._tapes.items()},
        )


def _played_back(running: Any, taped: int) -> list[tuple[float, bytes]]:
    """``taped``: bytes that were on the tape before it is copied; the loop goes on recording meanwhile."""
    tape = running.raw[:taped]
    found, at = [], 0
    while at < len(tape):
        length = int.from_bytes(tape[at + 8 : at + 10], "little")
        found.append((float(np.frombuffer(tape, np.float64, 1, at)[0]), tape[at + 10 : at + 10 + length]))
        at += 10 + length
    return found
