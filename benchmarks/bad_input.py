"""Claim: whoever sends nonsense, floods, replays or forges costs the calls of others nothing: their packets are neither lost nor altered,
and their delay's p99 stays within 5 ms of what it is without him.

A number of calls (browser and phone, G.711, forwarded) are measured before, and again while further far ends misbehave, each in a way of
its own and ten times as often as anybody speaks: malformed RTP, RTCP, STUN and DTLS from an authenticated browser; its packets again
(replay), and with a byte changed (forged); new sources with every packet; jumps of sequence and timestamp; and strangers who send RTP
to a phone's port.
"""

import asyncio
import random
import socket
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import uvloop

from api.load.streams import Endpoint
from benchmarks.load.bench import Bench, Measured
from benchmarks.load.servers import Ours, Side, bound_socket
from benchmarks.load.voices import spoken
from benchmarks.report import Options, Row
from media import rtp
from rooms.audio import PCMA

_CALL = [Side("browser", PCMA), Side("phone", PCMA)]
_PER_S, _PART_S = 500, 0.01
_SPEECH = bytes(160)
Chance = random.Random


def _packet(number: int, *, ssrc: int = 1, jump: int = 0) -> bytes:
    return rtp.build(PCMA.payload_type, number + jump, 160 * (number + 7 * jump), ssrc, _SPEECH)


def _padded_beyond_itself(browser: Endpoint, number: int, chance: Chance) -> bytes:
    packet = bytearray(_packet(number))
    packet[0] |= 0x20
    packet[-1] = 255
    return _protected(browser, bytes(packet))


def _flood(browser: Endpoint, number: int, chance: Chance) -> bytes:
    return _protected(browser, _packet(number))


def _replay(browser: Endpoint, number: int, chance: Chance) -> bytes:
    if number == 0:
        _KEPT[browser] = _flood(browser, 0, chance)
    return _KEPT[browser]


def _forged(browser: Endpoint, number: int, chance: Chance) -> bytes:
    packet = _flood(browser, number, chance)
    return packet[:-1] + bytes([packet[-1] ^ 1])


def _new_sources(browser: Endpoint, number: int, chance: Chance) -> bytes:
    return _protected(browser, _packet(number, ssrc=1 + chance.getrandbits(31)))


def _jumps(browser: Endpoint, number: int, chance: Chance) -> bytes:
    """Forth only, by up to a third of all sequence numbers: libsrtp sends nothing twice."""
    _JUMPED[browser] = _JUMPED.get(browser, 0) + chance.randrange(1, 20_000)
    return _protected(browser, _packet(_JUMPED[browser]))


def _reports(browser: Endpoint, number: int, chance: Chance) -> bytes:
    assert browser.tx is not None
    return browser.tx.protect_rtcp(bytes([0x80 + chance.randrange(32), 200 + chance.randrange(8)]) + chance.randbytes(62))


def _checks(browser: Endpoint, number: int, chance: Chance) -> bytes:
    return b"\x00\x01\x00\x40\x21\x12\xa4\x42" + chance.randbytes(76)


def _handshakes(browser: Endpoint, number: int, chance: Chance) -> bytes:
    return bytes([20 + chance.randrange(6), 254, 253]) + chance.randbytes(60)


_KEPT: dict[Endpoint, bytes] = {}
_JUMPED: dict[Endpoint, int] = {}
_MISDEEDS: tuple[Callable[[Endpoint, int, Chance], bytes], ...] = (
    _padded_beyond_itself,
    _flood,
    _replay,
    _forged,
    _new_sources,
    _jumps,
    _reports,
    _checks,
    _handshakes,
)


def _protected(browser: Endpoint, packet: bytes) -> bytes:
    assert browser.tx is not None
    return browser.tx.protect(packet)


def run(options: Options) -> list[Row]:
    return uvloop.run(_measure(options))


async def _measure(options: Options) -> list[Row]:
    calls, seconds = (2, 1.0) if options.quick else (50, 10.0)
    server = Ours(wire=options.wire)
    voices = spoken(PCMA, options)
    async with Bench(server, 2 * calls) as bench:
        await bench.add(calls, _CALL, [voices, voices], forwarded=True)
        before, dropped = await bench.measure(seconds, warm_s=2.0), _dropped()
        rooms = [await server.room(_CALL) for _ in _MISDEEDS]
        bad = [browser for browser, _ in rooms]
        stranger = bound_socket()
        enough = asyncio.Event()
        misbehaving = asyncio.create_task(_misbehave(bad, stranger, bench.loop.endpoints[1].sock.getpeername(), enough))
        during = await bench.measure(seconds, warm_s=1.0)
        enough.set()
        sent, dropped = await misbehaving, _dropped() - dropped
        bench.loop.endpoints += chain.from_iterable(rooms)
        stranger.close()
    return _rows(calls, before, during, sent, dropped)


def _dropped() -> int:
    """Datagrams for which this machine's sockets had no room so far: who does not get a processor for a second reads none."""
    names, counts = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:"))
    return int(dict(zip(names, counts, strict=True))["RcvbufErrors"])


async def _misbehave(bad: list[Endpoint], stranger: socket.socket, phone: tuple[str, int], enough: asyncio.Event) -> int:
    """Returns how many datagrams that were."""
    chance, number, due_s = Chance(1), 0, time.monotonic()
    while not enough.is_set():
        for _ in range(round(_PER_S * _PART_S)):
            for misdeed, browser in zip(_MISDEEDS, bad, strict=True):
                browser.sock.send(misdeed(browser, number, chance))
            stranger.sendto(_packet(number), phone)
            number += 1
        due_s = max(due_s + _PART_S, time.monotonic() - _PART_S)  # who was stopped makes up for nothing: ten times as often is enough
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    return number * (len(bad) + 1)


def _rows(calls: int, before: Measured, during: Measured, sent: int, dropped: int) -> list[Row]:
    case = f"{calls} calls beside {len(_MISDEEDS) + 1} who misbehave"
    rows = [
        Row(case, f"added delay, p{percent}", during.delay_ms(percent), "ms", "before", before.delay_ms(percent), goal)
        for percent, goal in ((50, ""), (99, "<= peer + 5"))
    ]
    counts, altered = during.counts, during.counts.altered + during.counts.forged + during.counts.disordered
    return [
        *rows,
        Row(case, "datagrams of theirs", float(sent), ""),
        Row(case, "datagrams that the kernel dropped", float(dropped), ""),
        Row(case, "packets lost", float(counts.lost), "", "before", float(before.counts.lost), "<= 0"),
        Row(case, "packets altered, forged, out of order", float(altered), "", goal="<= 0"),
        Row(case, "server's share", during.utilisation, "cores", "before", before.utilisation),
        Row(case, "memory", during.bytes_after / 1e6, "MB", "before", before.bytes_after / 1e6, "<= 1.1 x peer"),
        Row(case, "calls of ours ended", float(counts.silent), "", goal="<= 0"),
    ]
