"""SIP agents that answer whoever calls, each a process of its own: ``python -m benchmarks.load.sip_agents NAME PORT``.

Each says ``ready`` once it listens, or ``cannot:`` and why, and on SIGTERM one line of JSON with what it counted.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import uvloop

from api.garbage import collect_seldom
from benchmarks.report import CannotRun
from pbx.pjsua2_messages import Open
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.trunk import Arrived, TrunkEvent
from rooms.audio import PCMU, RtpEndpoint

HOST = "127.0.0.1"
MEDIA_PORT = 4000
MOST_CALLS = 5_000
_AT_ONCE = 500
"""What the full load wants of an agent that carries only so many."""
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


@asynccontextmanager
async def _pjsua2(port: int) -> AsyncIterator[Counted]:
    """As our own process runs it: one thread, and media transports that are loops and open no socket. Ends the process when it is left."""
    pj: Any = importlib.import_module("pjsua2")
    runs: Any = importlib.import_module("pbx.pjsua2_process")
    how = Open("udp", HOST, port, f"{HOST}:9", HOST, "bench", "", "", "", False, 300, 1800, 90, runs.MOST_COUNTED, "")
    carried = runs.calls_carried(how)
    if carried < _AT_ONCE:
        raise CannotRun(f"this pjsua2 carries {carried} calls of {_AT_ONCE}: deploy/pjsua2/build.sh makes one that carries 512")
    calls: dict[int, Any] = {}
    gone: list[Any] = []

    class Call(pj.Call):  # type: ignore[misc]  # no types in the wrapper
        def onCallState(self, prm: Any) -> None:
            if self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED:
                gone.append(calls.pop(self.getId()))  # it may go only once this has returned

    class Account(pj.Account):  # type: ignore[misc]  # no types in the wrapper
        def onIncomingCall(self, prm: Any) -> None:
            call = calls[prm.callId] = Call(self, prm.callId)
            for status in (180, 200):
                answer = pj.CallOpParam()
                answer.statusCode = status
                call.answer(answer)

    endpoint = pj.Endpoint()
    runs.start(endpoint, how, pj.PJSIP_TRANSPORT_UDP, port)
    account = Account()
    config = pj.AccountConfig()
    config.idUri = f"sip:bench@{HOST}"
    config.mediaConfig.useLoopMedTp = True
    account.create(config)

    async def work() -> None:
        while True:
            while endpoint.libHandleEvents(runs.POLL_MS):
                gone.clear()
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    try:
        yield dict
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        sys.stdout.flush()
        os._exit(0)  # libDestroy aborts where an object is left


AGENTS: dict[str, Callable[[int], AbstractAsyncContextManager[Counted]]] = {"ours": _ours, "aiosipua": _aiosipua, "pjsua2": _pjsua2}


async def _serve(name: str, port: int) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    async with AGENTS[name](port) as counted:
        collect_seldom()  # as the server does, for all of them alike
        print("ready", flush=True)
        await done.wait()
        print(json.dumps(dict(counted())), flush=True)


if __name__ == "__main__":
    # aiosipua's transports want asyncio's own loop.
    runner = asyncio.run if sys.argv[1] == "aiosipua" else uvloop.run
    try:
        runner(_serve(sys.argv[1], int(sys.argv[2])))
    except CannotRun as error:
        print(f"cannot: {error}", flush=True)
