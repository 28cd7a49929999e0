"""The calls of ``centralita load``: connected, measured, ended; and the rows that tell of them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import numpy as np

from api.load.caller import Caller, CallFailed
from api.load.python_loop import PythonLoop
from api.load.streams import Counts, Endpoint, Payloads, percentile_s
from api.results import Row
from media.codec import make_encoder
from media.dtls import Certificate
from media.settings import FRAME_SAMPLES, RATE_HZ
from media.sounds import PROMPTS, load_prompt
from rooms.audio import AudioCodec
from signaling.tokens import TokenIssuer

ECHO = "600"
_AT_ONCE = 8
_WARM_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """``echoes``: the number gives back what it is told, packet by packet, so that each can be compared."""

    url: str
    number: str
    calls: int
    seconds: float
    codec: AudioCodec

    @property
    def echoes(self) -> bool:
        return self.number == ECHO


async def carried(plan: Plan, tokens: TokenIssuer) -> tuple[Counts | None, list[str]]:
    """What was counted, None where no call was connected, and why calls failed."""
    certificate, voice = Certificate.create(), voice_of(plan.codec)
    failures: list[str] = []
    gate = asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        callers = [
            Caller(http, plan.url, tokens.issue(name, name, "agent").token, plan.codec, certificate)
            for name in (f"load-{number}" for number in range(1, plan.calls + 1))
        ]
        stack.push_async_callback(_end, callers)
        loop = PythonLoop()
        stack.push_async_callback(_part, loop)
        stack.enter_context(loop)

        async def connect(caller: Caller) -> None:
            async with gate:
                try:
                    endpoint = await caller.call(plan.number)
                except CallFailed as failure:
                    failures.append(str(failure))
                    return
            loop.add([endpoint], [voice], speakers=[0 if plan.echoes else None])

        await asyncio.gather(*map(connect, callers))
        if not loop.endpoints:
            return None, failures
        await asyncio.sleep(_WARM_S)
        await loop.open_window()
        await asyncio.sleep(plan.seconds)
        await loop.close_window()
        return loop.counts(), failures


async def _end(callers: list[Caller]) -> None:
    await asyncio.gather(*(caller.end() for caller in callers))


async def _part(loop: PythonLoop) -> None:
    async def part(endpoint: Endpoint) -> None:
        if endpoint.close is not None:
            await endpoint.close()
        endpoint.sock.close()

    await asyncio.gather(*map(part, loop.endpoints))


def voice_of(codec: AudioCodec) -> Payloads:
    """Something to say: one of our own prompts, over and over."""
    said = load_prompt(PROMPTS[0])
    encoder = make_encoder(codec, rate_hz=RATE_HZ)
    frames = np.resize(said, len(said) // FRAME_SAMPLES * FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)
    return Payloads(codec.name, codec.payload_type, codec.clock_rate, tuple(encoder.encode(frame) for frame in frames))


def rows(plan: Plan, counts: Counts, connected: int) -> list[Row]:
    case = f"{plan.calls} calls to {plan.number}, {plan.codec.name}"
    took = "sound back after" if plan.echoes else "behind the fastest packet,"
    return [
        Row(case, "calls connected", float(connected), "", goal=f">= {plan.calls}"),
        Row(case, "packets sent", float(counts.sent), ""),
        Row(case, "packets lost", float(counts.lost), "", goal="<= 0"),
        Row(case, "packets altered, forged, out of order", float(counts.altered + counts.forged + counts.disordered), "", goal="<= 0"),
        *(Row(case, f"{took} p{percent}", 1000 * percentile_s(counts.delays, percent), "ms") for percent in (50, 95, 99)),
        Row(case, "longest gap", 1000 * counts.longest_gap_s, "ms"),
        Row(case, "this program late in sending, p99", 1000 * percentile_s(counts.lateness, 99), "ms"),
    ]
