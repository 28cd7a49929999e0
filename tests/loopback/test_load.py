"""The load generator's loops: what they say and hear is counted right, whole or harmed on the way."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from pylibsrtp import Policy, Session

from api.load.python_loop import PythonLoop
from api.load.streams import Counts, Endpoint, Payloads, percentile_s
from benchmarks.load.loop import NativeLoop, library
from benchmarks.load.servers import bound_socket

Harm = Callable[[int, bytes], list[bytes]]
VOICE = Payloads("pcma", 8, 8_000, tuple(secrets.token_bytes(160) for _ in range(40)))
PAUSING = Payloads("pcma", 8, 8_000, (*VOICE.packets[:10], *[b""] * 10))
LOOPS = [PythonLoop, *([lambda: NativeLoop(8)] if library() is not None else [])]
MADE = pytest.mark.parametrize("make_loop", LOOPS, ids=["python", "c"][: len(LOOPS)])
_DELAY_S = 0.03


def whole(number: int, packet: bytes) -> list[bytes]:
    return [packet]


class Far(asyncio.DatagramProtocol):
    """A server that gives back what came 30 ms later, under another sequence number, ``harm`` done to the n-th packet after ``begin``."""

    def __init__(self, harm: Harm, keys: tuple[bytes, bytes] | None, *, always: bool) -> None:
        self._harm, self._count = harm if always else whole, 0
        self._waiting_harm = harm
        self._came = asyncio.Event()
        self._sessions = None
        if keys is not None:
            self._sessions = Session(Policy(keys[0], Policy.SSRC_ANY_INBOUND)), Session(Policy(keys[1], Policy.SSRC_ANY_OUTBOUND))

    def begin(self) -> None:
        self._harm, self._count = self._waiting_harm, 0

    async def received(self, packets: int) -> None:
        """Until so many came."""
        async with asyncio.timeout(30):
            while self._count < packets:
                self._came.clear()
                await self._came.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = self._sessions[0].unprotect(data) if self._sessions is not None else data
        self._count += 1
        self._came.set()
        sequence = int.from_bytes(packet[2:4], "big") + 65_500 & 0xFFFF
        for part in self._harm(self._count, packet[:2] + sequence.to_bytes(2, "big") + packet[4:]):
            sent = self._sessions[1].protect(part) if self._sessions is not None else part
            asyncio.get_running_loop().call_later(_DELAY_S, self._transport.sendto, sent, addr)  # type: ignore[attr-defined]


async def counted(
    make_loop: Callable[[], AbstractContextManager[NativeLoop | PythonLoop]],
    harm: Harm = whole,
    *,
    srtp: bool = False,
    wrong_key: bool = False,
    voice: Payloads = VOICE,
    speaker: int | None = 0,
    always: bool = False,
) -> Counts:
    """About a second of one far end that is to hear itself. ``always``: the harm is done before the window, too."""
    keys = (secrets.token_bytes(30), secrets.token_bytes(30)) if srtp else None
    transport, far = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Far(harm, keys, always=always), local_addr=("127.0.0.1", 0)
    )
    sock = bound_socket()
    sock.connect(transport.get_extra_info("sockname"))
    tx = rx = None
    if keys is not None:
        tx = Session(Policy(keys[0], Policy.SSRC_ANY_OUTBOUND))
        rx = Session(Policy(secrets.token_bytes(30) if wrong_key else keys[1], Policy.SSRC_ANY_INBOUND))
    with make_loop() as loop:
        loop.add([Endpoint(sock, 8, tx, rx)], [voice], speakers=[speaker], listen_s=10.0)
        await far.received(10)
        await loop.open_window()
        far.begin()
        await far.received(50)
        await loop.close_window()
        counts = loop.counts()
    sock.close()
    transport.close()
    return counts


@MADE
@pytest.mark.parametrize("srtp", [False, True])
async def test_what_comes_whole_is_counted_whole(make_loop: Callable[[], PythonLoop], srtp: bool) -> None:
    counts = await counted(make_loop, srtp=srtp)
    assert counts.sent > 10 and counts.heard > 10
    assert (counts.lost, counts.altered, counts.disordered, counts.forged, counts.unsent, counts.silent) == (0, 0, 0, 0, 0, 0)
    assert percentile_s(counts.delays, 5) >= _DELAY_S and counts.late == counts.delays.sum()
    assert len(counts.tapes[0]) >= counts.heard and len(counts.departures[0]) >= counts.sent


@MADE
async def test_a_pause_is_no_loss(make_loop: Callable[[], PythonLoop]) -> None:
    counts = await counted(make_loop, voice=PAUSING)
    assert counts.sent > 0 and (counts.lost, counts.altered) == (0, 0)


@MADE
async def test_a_lost_packet_is_missed_whether_its_sound_is_known_or_not(make_loop: Callable[[], PythonLoop]) -> None:
    def lose(number: int, packet: bytes) -> list[bytes]:
        return [] if number in (5, 6, 20) else [packet]

    known = await counted(make_loop, lose)
    assert known.lost == 3 and known.altered == 0
    assert (await counted(make_loop, lose, speaker=None)).lost == 3


@MADE
async def test_an_altered_packet_is_seen(make_loop: Callable[[], PythonLoop]) -> None:
    counts = await counted(make_loop, lambda number, packet: [packet[:-1] + bytes([packet[-1] ^ 1]) if number == 20 else packet])
    assert counts.altered == 1 and counts.lost == 1


@MADE
async def test_who_hears_another_sound_than_was_said_is_told(make_loop: Callable[[], PythonLoop]) -> None:
    counts = await counted(make_loop, lambda number, packet: [packet[:12] + bytes(160)], always=True)
    assert counts.unlike == 1 and counts.silent == 0 and counts.lost == counts.sent


@MADE
async def test_packets_out_of_order_are_seen_and_no_loss(make_loop: Callable[[], PythonLoop]) -> None:
    held: list[bytes] = []

    def swap(number: int, packet: bytes) -> list[bytes]:
        if number == 20:
            held.append(packet)
            return []
        return [packet, held.pop()] if held else [packet]

    counts = await counted(make_loop, swap)
    assert counts.disordered == 1 and (counts.lost, counts.altered) == (0, 0)


@MADE
async def test_what_the_wrong_key_protected_is_forged(make_loop: Callable[[], PythonLoop]) -> None:
    counts = await counted(make_loop, srtp=True, wrong_key=True)
    assert counts.forged > 10 and counts.heard == 0 and counts.silent == 1
