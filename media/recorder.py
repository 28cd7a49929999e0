"""A log of the packets of each leg, in rtpdump format (Schulzrinne's rtptools), and its reader.

What is logged is decrypted RTP with its arrival or departure time. Writing happens in one thread behind a bounded queue: the packet path
only appends, and when the disk cannot follow, packets are left out of the log and counted, never delayed.

Format: the line ``#!rtpplay1.0 host/port``, then start seconds, start microseconds, source address, port and two bytes of padding
(16 bytes); then per packet its record length (with these 8 bytes), its own length, and milliseconds since the start. Times are rounded
to milliseconds by the format.
"""

import queue
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct, error
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from media import rtp
from media.codec import Samples, make_decoder
from rooms.audio import AudioCodec

_FIRST_LINE = b"#!rtpplay1.0 0.0.0.0/0\n"
_START = Struct("!IIIHH")
_RECORD = Struct("!HHI")
_QUEUED_PACKETS = 20_000
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")

PacketLog = Callable[[bytes, float], None]
"""Called with (packet, monotonic time in s)."""


class Recorder:
    """Logs of all legs of a worker in ``folder``: ``LEG-in.rtpdump`` for what came from the leg, ``LEG-out.rtpdump`` for what went to it.

    Used as ``with Recorder(...)``; leaving writes what is queued and closes the files. Raises OSError when the folder cannot be made.
    """

    def __init__(self, folder: Path, *, queued_packets: int = _QUEUED_PACKETS) -> None:
        self.folder = folder
        self.dropped = 0
        self.failed = 0
        self._queue: queue.Queue[tuple[str, float, bytes | None] | None] = queue.Queue(queued_packets)
        self._thread = threading.Thread(target=self._write, name="packet-log", daemon=True)
        self._start_s = time.monotonic()
        self._start_unix_s = time.time()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._queue.put(None)
        self._thread.join()

    def log(self, leg_id: str, direction: str) -> PacketLog:
        """The log of one direction (``in`` or ``out``) of a leg."""
        name = _file_name(leg_id, direction)

        def put(packet: bytes, now_s: float) -> None:
            try:
                self._queue.put_nowait((name, now_s, packet))
            except queue.Full:
                self.dropped += 1

        return put

    def close_leg(self, leg_id: str) -> None:
        """The leg is gone: its files are complete once the queue has been written."""
        for direction in ("in", "out"):
            try:
                self._queue.put_nowait((_file_name(leg_id, direction), 0.0, None))
            except queue.Full:
                return  # the files stay open until the recorder itself ends

    def _write(self) -> None:
        files: dict[str, BinaryIO] = {}
        try:
            while (item := self._queue.get()) is not None:
                name, now_s, packet = item
                try:
                    if packet is None:
                        if name in files:
                            files.pop(name).close()
                        continue
                    file = files.get(name) or files.setdefault(name, self._open(name))
                    file.write(_RECORD.pack(len(packet) + _RECORD.size, len(packet), max(0, round((now_s - self._start_s) * 1000))))
                    file.write(packet)
                except OSError:
                    self.failed += 1
        finally:
            for file in files.values():
                file.close()

    def _open(self, name: str) -> BinaryIO:
        file = (self.folder / name).open("wb")
        microseconds = int(self._start_unix_s % 1 * 1_000_000)
        file.write(_FIRST_LINE + _START.pack(int(self._start_unix_s), microseconds, 0, 0, 0))
        return file


def _file_name(leg_id: str, direction: str) -> str:
    return f"{_UNSAFE.sub('_', leg_id)}-{direction}.rtpdump"


def read_capture(path: Path) -> list[tuple[float, bytes]]:
    """(seconds since the recorder's start, packet) in order. A file cut short by a crash ends early; ValueError for another format."""
    data = path.read_bytes()
    end_of_line = data.find(b"\n") + 1
    if not data.startswith(b"#!rtpplay1.0 ") or end_of_line == 0:
        raise ValueError(f"{path} is no rtpdump file: it must begin with #!rtpplay1.0")
    packets: list[tuple[float, bytes]] = []
    position = end_of_line + _START.size
    while position < len(data):
        try:
            length, size, offset_ms = _RECORD.unpack_from(data, position)
        except error:
            break
        packet = data[position + _RECORD.size : position + length]
        if length < _RECORD.size or len(packet) < size:
            break
        packets.append((offset_ms / 1000, packet[:size]))
        position += length
    return packets


def decode_capture(path: Path, codec: AudioCodec, *, rate_hz: int = 16_000) -> Samples:
    """The speech of a log, float32 at ``rate_hz``: packets in order of sequence, each once, gaps as silence.

    Only packets of ``codec.payload_type`` count. A plain decoder without jitter buffer or concealment, so that two logs of the same
    payloads decode to the same samples.
    """
    order = rtp.Unwrapper()
    clock = rtp.Unwrapper(32)
    frames: dict[int, tuple[int, bytes]] = {}
    for _, packet in read_capture(path):
        header = rtp.parse(packet)
        if header is not None and header.payload_type == codec.payload_type and header.payload_end > header.payload_start:
            payload = packet[header.payload_start : header.payload_end]
            frames.setdefault(order.unwrap(header.sequence), (clock.unwrap(header.timestamp), payload))
    decoder = make_decoder(codec, rate_hz=rate_hz)
    pieces: list[Samples] = []
    position: int | None = None
    for _, (timestamp, payload) in sorted(frames.items()):
        samples = decoder.decode(payload)
        if position is not None and timestamp > position:
            gap = (timestamp - position) * rate_hz // codec.clock_rate
            pieces.append(np.zeros(min(gap, 10 * rate_hz), np.float32))
        pieces.append(samples)
        position = timestamp + len(samples) * codec.clock_rate // rate_hz
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
