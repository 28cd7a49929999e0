"""What a phone says reaches the other one alike along both packet paths, byte for byte; and the compiled one does it without Python."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable

import pytest

from media import messages as msg
from media import rtp
from media.intake import Intake
from media.playout import Playout
from media.settings import MediaSettings
from media.worker import MediaWorker
from rooms.audio import PCMA, RtpEndpoint
from tests.kit.media_desk import ROOM, UNTOUCHED
from tests.kit.rtp_phone import bound_socket

EVENTS = 101
END = b"the end of it".ljust(160)


class Ends:
    """Two phones of one call: one speaks, the other hears."""

    def __init__(self, worker: MediaWorker) -> None:
        self.worker = worker
        self.speaking, self.hearing = bound_socket(), bound_socket()
        self.heard: list[bytes] = []
        self._far: tuple[str, int] = ("", 0)

    async def connect(self) -> None:
        await self.worker.perform(msg.OpenRoom(room_id=ROOM))
        for leg_id, sock in (("speaks", self.speaking), ("hears", self.hearing)):
            opened = await self.worker.perform(msg.OpenRtpLeg(leg_id=leg_id, room_id=ROOM), bound_socket())
            assert isinstance(opened, msg.RtpOpened)
            self._far = self._far if leg_id == "hears" else (opened.host, opened.port)
            remote = RtpEndpoint(*sock.getsockname(), (PCMA,), EVENTS)
            await self.worker.perform(msg.ConnectRtpLeg(leg_id=leg_id, remote=remote))
            await self.worker.perform(msg.JoinBridge(room_id=ROOM, leg_id=leg_id))

    def say(self, packet: bytes) -> None:
        self.speaking.sendto(packet, self._far)

    def hear(self) -> None:
        """What has come by now; reports are passed over."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.hearing.recv(2_000)
                if not rtp.is_rtcp(packet):
                    self.heard.append(packet)

    async def hear_of(self, last: bytes) -> None:
        def came() -> bool:
            self.hear()
            return any(packet.endswith(last) for packet in self.heard)

        await until(came)

    def close(self) -> None:
        self.speaking.close()
        self.hearing.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 a counter has no event to wait for
            await asyncio.sleep(0)


def script() -> list[bytes]:
    """Loss, repetition, disorder, markers, padding, an extension, a contributor; a key in the middle; nonsense and comfort noise."""
    said: list[bytes] = []
    for number in range(400):
        payload = bytes([number % 256]) * 160
        packet = rtp.build(8, 1_000 + number, 160 * number, 7, payload, marker=number % 97 == 0)
        if number % 50 == 20:
            packet = bytes([packet[0] | 0x10]) + packet[1:12] + b"\xbe\xde\x00\x01\x10\x55\x00\x00" + packet[12:]
        elif number % 50 == 21:
            packet = bytes([packet[0] | 0x20]) + packet[1:] + b"\x00\x00\x03"
        elif number % 50 == 22:
            packet = bytes([packet[0] | 0x01]) + packet[1:12] + b"\x01\x02\x03\x04" + packet[12:]
        if number in (200, 201, 202):
            packet = rtp.build(EVENTS, 1_000 + number, 160 * 200, 7, rtp.build_event(rtp.TelephoneEvent("5", number == 202, 320)))
        elif number == 250:
            packet = rtp.build(rtp.COMFORT_NOISE, 1_000 + number, 160 * number, 7, b"\x40")
        if number % 60 == 30:
            continue
        said.append(packet)
        if number % 70 == 35:
            said.append(packet)
        if number % 40 == 25:
            said[-1], said[-2] = said[-2], said[-1]
        if number % 90 == 45:
            said.append(b"\x80\x08nonsense")
    said.append(rtp.build(8, 1_400, 160 * 400, 7, END))
    return said


async def forwarded(wire: str) -> tuple[list[tuple[int, bool, int, int, bytes]], dict[str, float], list[str]]:
    """What was heard of the script, with numbers and times from the first packet on; the worker's counters; the keys it noticed."""
    digits: list[str] = []

    def told(event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.DigitHeard):
            digits.append(event.digit)

    async with MediaWorker(MediaSettings(voice=UNTOUCHED, wire=wire, quality_interval_s=60.0), told) as worker:
        ends = Ends(worker)
        await ends.connect()
        said = script()
        for start in range(0, len(said), 20):
            for packet in said[start : start + 20]:
                ends.say(packet)
            await until(lambda upto=start + 20: worker.counters["packets_in"] >= min(upto, len(said)))  # type: ignore[misc]
            ends.hear()  # so that no socket's buffer overflows
        await ends.hear_of(END)
        counters = worker.counters
        ends.close()
    headers = [header for packet in ends.heard if (header := rtp.parse(packet)) is not None]
    first = headers[0]
    heard = [
        (
            header.payload_type,
            header.marker,
            header.sequence - first.sequence & 0xFFFF,
            header.timestamp - first.timestamp & 0xFFFFFFFF,
            packet[header.payload_start : header.payload_end],
        )
        for header, packet in zip(headers, ends.heard, strict=True)
    ]
    return heard, counters, digits


async def test_both_packet_paths_forward_the_same() -> None:
    plain, _, plain_digits = await forwarded("python")
    compiled, counters, digits = await forwarded("c")
    assert len(plain) > 380 and plain[-1][4] == END
    assert compiled == plain
    assert digits == plain_digits == ["5"]
    assert counters["packets_forwarded"] == len(compiled)
    assert counters["wire_packets_lost"] == counters["wire_datagrams_lost"] == 0


async def played(wire: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[int, int, bytes, int]], dict[str, float], list[str]]:
    """What comes to the jitter buffer of who is mixed, by itself or together, and what the worker counts and notices meanwhile."""
    put, put_many, came, digits = Playout.put, Intake.put, list[tuple[int, int, bytes, int]](), list[str]()
    inside = []

    def noted(
        self: Playout, sequence: int, timestamp: int, marker: bool, payload: bytes, arrival_s: float, *, ssrc: int | None = None
    ) -> None:
        if ssrc is not None and not inside:  # else it is the worker's rehearsal, or was noted
            came.append((sequence, timestamp, payload, ssrc))
        put(self, sequence, timestamp, marker, payload, arrival_s, ssrc=ssrc)

    def noted_together(self: Intake, heads: bytes, arrivals_s: bytes, data: bytes) -> None:
        rest = data
        for _, sequence, timestamp, ssrc, size in struct.iter_unpack("=5q", heads):
            came.append((sequence, timestamp, rest[:size], ssrc))
            rest = rest[size:]
        assert not rest and len(arrivals_s) // 8 == len(heads) // 40
        inside.append(len(heads))
        put_many(self, heads, arrivals_s, data)
        inside.clear()

    def told(event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.DigitHeard):
            digits.append(event.digit)

    monkeypatch.setattr(Playout, "put", noted)
    monkeypatch.setattr(Intake, "put", noted_together)
    async with MediaWorker(MediaSettings(voice=UNTOUCHED, wire=wire, quality_interval_s=60.0), told) as worker:
        ends = Ends(worker)
        await ends.connect()
        await worker.perform(msg.SetGains(room_id=ROOM, gains=(("hears", "speaks", 0.5),)))
        said = script()
        for start in range(0, len(said), 20):
            for packet in said[start : start + 20]:
                ends.say(packet)
            await until(lambda upto=start + 20: worker.counters["packets_in"] >= min(upto, len(said)))  # type: ignore[misc]
            ends.hear()
        await until(lambda: bool(came) and came[-1][2] == END)
        counters = worker.counters
        ends.close()
    monkeypatch.setattr(Playout, "put", put)
    monkeypatch.setattr(Intake, "put", put_many)
    return came, counters, digits


async def test_both_packet_paths_play_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, plain_counters, plain_digits = await played("python", monkeypatch)
    compiled, counters, digits = await played("c", monkeypatch)
    assert len(plain) > 380
    assert compiled == plain
    assert digits == plain_digits == ["5"]
    for name in ("packets_in", "dropped_implausible", "dropped_malformed", "dropped_unknown_type"):
        assert counters[name] == plain_counters[name]


@pytest.mark.parametrize("wire", ["python", "c"])
async def test_a_sender_at_ten_times_its_rate_is_cut(wire: str) -> None:
    async with MediaWorker(MediaSettings(voice=UNTOUCHED, wire=wire, quality_interval_s=60.0), lambda event: None) as worker:
        ends = Ends(worker)
        await ends.connect()
        begun_s, said = time.monotonic(), 0

        def all_told() -> bool:
            counters = worker.counters
            return counters["packets_forwarded"] + counters["dropped_flood"] == said

        async with asyncio.timeout(60):
            while worker.counters["dropped_flood"] < 150:  # a machine that stops for a moment takes longer than a second for 700 of them
                for _ in range(20):
                    said += 1
                    ends.say(rtp.build(8, said & 0xFFFF, 160 * said, 7, bytes(160)))
                await until(all_told)
        seconds = 1 + int(time.monotonic() - begun_s)
        assert worker.counters["packets_forwarded"] <= 500 * seconds + 20, "the first ones go the other path's way, which counts by itself"
        ends.close()


async def test_a_worker_without_the_compiled_path_says_why_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import media.wire

    def missing() -> type:
        raise ImportError("No module named 'media.wire._wire'")

    monkeypatch.setattr(media.wire, "_compiled", missing)
    assert media.wire.choose("auto") == ("python", "the compiled packet path was not built here (No module named 'media.wire._wire')")
    with pytest.raises(media.wire.WireUnavailable, match="install a C compiler"):
        media.wire.choose("c")
    with pytest.raises(msg.MediaRefusal, match="install a C compiler"):
        MediaWorker(MediaSettings(wire="c"), lambda event: None)
    async with MediaWorker(MediaSettings(wire="auto"), lambda event: None) as worker:
        assert worker.port


def test_datagrams_of_a_closed_socket_go_nowhere() -> None:
    """The descriptor may already be another's when the thread looks."""

    async def open_and_close() -> None:
        from media.wire import make_wire

        async with make_wire("c") as wire:
            for _ in range(50):
                sock = bound_socket()
                address = sock.getsockname()
                opened = await wire.open(sock, lambda datagram, source: None)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(b"late", address)
                opened.close()
                assert not opened.send(b"x", address)

    asyncio.run(open_and_close())


@pytest.mark.parametrize("name", ["python", "c"])
async def test_a_fault_with_one_packet_is_told_and_the_next_packet_comes(name: str) -> None:
    from media.wire import make_wire

    told: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context.get("exception")))
    came: list[bytes] = []

    def on_datagram(datagram: bytes, source: object) -> None:
        came.append(datagram)
        if datagram == b"bad":
            raise LookupError("nobody knows what to do with it")

    async with make_wire(name) as wire:
        sock = bound_socket()
        opened = await wire.open(sock, on_datagram)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in (b"bad", b"good"):
                sender.sendto(datagram, sock.getsockname())
        await until(lambda: came == [b"bad", b"good"])
        opened.close()
        await opened.wait_closed()
    assert [type(fault) for fault in told] == [LookupError]
