"""SIP agents that answer whoever calls, each a process of its own: ``python -m benchmarks.load.sip_agents NAME PORT``.

Each says ``ready`` once it listens, and on SIGTERM one line of JSON with what it counted.
"""

import asyncio
import importlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvloop

from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Arrived, TrunkEvent
from rooms.audio import PCMU, RtpEndpoint

HOST = "127.0.0.1"
MEDIA_PORT = 4000
MOST_CALLS = 5_000
Counted = Callable[[], Mapping[str, int]]


@asynccontextmanager
async def _ours(port: int) -> AsyncIterator[Counted]:
    """A trunk by address with nobody behind it: each call rings and is answered."""

    def heard(event: TrunkEvent) -> None:
        if isinstance(event, Arrived):
            trunk.ring(event.leg_id)
            trunk.answer(event.leg_id, RtpEndpoint(HOST, MEDIA_PORT, (PCMU,), 101))

    quiet = {"register": False, "keepalive_s": 0.0}
    bounds = {"max_calls": MOST_CALLS, "invites_per_s": float(MOST_CALLS)}
    settings = SipTrunkSettings(HOST, "bench", bind_host=HOST, bind_port=port, **quiet, **bounds)  # type: ignore[arg-type]
    trunk = SipTrunk(settings, heard)
    async with trunk:
        yield lambda: trunk.counts[trunk.name]


@asynccontextmanager
async def _aiosipua(port: int) -> AsyncIterator[Counted]:
    package: Any = importlib.import_module("aiosipua")
    transport: Any = importlib.import_module("aiosipua.transport")

    def take(call: Any) -> None:
        call.ringing()
        answer, _ = package.negotiate_sdp(offer=call.sdp_offer, local_ip=HOST, rtp_port=MEDIA_PORT, supported_codecs=[0])
        call.accept(answer)

    agent = package.SipUAS(transport.UdpSipTransport(local_addr=(HOST, port)))
    agent.on_invite = take
    await agent.start()
    try:
        yield dict
    finally:
        await agent.stop()


AGENTS: dict[str, Callable[[int], AbstractAsyncContextManager[Counted]]] = {"ours": _ours, "aiosipua": _aiosipua}


async def _serve(name: str, port: int) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    async with AGENTS[name](port) as counted:
        print("ready", flush=True)
        await done.wait()
        print(json.dumps(dict(counted())), flush=True)


if __name__ == "__main__":
    # aiosipua's transports want asyncio's own loop.
    runner = asyncio.run if sys.argv[1] == "aiosipua" else uvloop.run
    runner(_serve(sys.argv[1], int(sys.argv[2])))
