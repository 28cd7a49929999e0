"""An exchange with a real media worker, a real demo line in a hurry and a real store; what pages would be told is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from api.browser_legs import BrowserLegs
from api.exchange import Exchange
from api.metrics import Metrics
from api.phone_legs import PhoneLegs
from api.recording_book import RecordingBook
from api.rtp_ports import RtpPorts
from api.store import Store
from api.store.spool import RecordSpool
from api.voicemail.taking import MessageTaking
from media.messages import AnyMediaEvent
from media.pool import WorkerPool
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from pbx.loopback import LoopbackTimes, LoopbackTrunk
from pbx.trunk import OnTrunkEvent, Trunk
from rooms.switchboard import CallPolicy, Switchboard
from signaling.messages import CallState, Notice
from tests.kit.media_desk import WORKER_COMMAND
from tests.kit.phone_trunk import PhoneTrunk
from tests.kit.rtp_phone import RtpPhone
from tests.kit.vaults import VAULT

WITHIN_S = 60.0
TIMES = LoopbackTimes(ring_s=0.01, answer_s=0.02, refuse_s=0.01, patience_s=4 * WITHIN_S, longest_s=4 * WITHIN_S)
POLICY = CallPolicy(no_answer_s=4 * WITHIN_S, ring_s=4 * WITHIN_S, agent_media_s=4 * WITHIN_S, agent_media_patience_s=0.1)
"""Nothing ends by itself while a busy machine does something else."""


class Told:
    """Stands where the hub does: everything published, in order."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, Notice]] = []
        self._came = asyncio.Event()

    def publish(self, topic: str, notice: Notice) -> None:
        self.notices.append((topic, notice))
        self._came.set()

    def subscribe(self, identity: str, topic: str) -> None:
        """Who hears what is the hub's affair: here everything is kept."""

    def unsubscribe(self, identity: str, topic: str) -> None: ...

    def states(self, call_id: str, identity: str) -> list[str]:
        """How this person was told that the call stands, one after another."""
        return [
            notice.state
            for topic, notice in self.notices
            if isinstance(notice, CallState) and notice.call_id == call_id and topic == f"person:{identity}"
        ]

    async def call(self, identity: str, *states: str, at_least: int = 1) -> CallState:
        """Waits until this person was told of so many calls that stand so; the newest."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                newest = {
                    notice.call_id: notice
                    for topic, notice in self.notices
                    if isinstance(notice, CallState) and topic == f"person:{identity}"
                }
                found = [notice for notice in newest.values() if notice.state in states]
                if len(found) >= at_least:
                    return found[-1]
                self._came.clear()
                await self._came.wait()

    async def picture(self, identity: str, matches: Callable[[CallState], bool]) -> CallState:
        """Waits until what this person was told last of any call matches."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                told = (
                    notice for topic, notice in reversed(self.notices) if isinstance(notice, CallState) and topic == f"person:{identity}"
                )
                newest = next(told, None)
                if newest is not None and matches(newest):
                    return newest
                self._came.clear()
                await self._came.wait()


class ExchangeBench:
    """``exchange`` and what it works with."""

    exchange: Exchange
    switchboard: Switchboard
    worker: MediaWorker
    """Or the pool of some, which is commanded alike."""
    phones: PhoneLegs
    browsers: BrowserLegs
    demo: LoopbackTrunk
    store: Store
    book: RecordingBook
    metrics: Metrics

    def __init__(self) -> None:
        self.told = Told()

    def dial(self, identity: str, number: str, trunk: str = "demo") -> str:
        """The call's id."""
        call_id = uuid4().hex
        self.exchange.dial(call_id, identity, number, trunk)
        return call_id

    async def ended(self, call_id: str) -> str:
        """Waits until every call has ended and its record is written; this one's end reason."""
        await asyncio.wait_for(self.exchange.no_calls(), WITHIN_S)
        await self.store.flush()
        call = await self.store.call(call_id)
        assert call is not None
        assert call.ended_at is not None
        assert call.end_reason is not None
        return call.end_reason

    def left_over(self) -> dict[str, object]:
        """What is remembered although no call lives, by its place. Who the trunks and the people are is no call's."""
        found: dict[str, object] = {}
        for part in (self.exchange, self.phones, self.browsers, self.demo):
            for name, value in vars(part).items():
                if isinstance(value, dict | set | list) and name not in ("_trunks", "_names") and value:
                    found[f"{type(part).__name__}.{name}"] = value
        now = self.worker.gauges if isinstance(self.worker, MediaWorker) else {}  # a pool's are those of a moment ago
        gauges = {name: count for name, count in now.items() if name in ("rooms", "legs", "peers") and count}
        if self.book.running:
            found["book"] = self.book.running
        return found | gauges | ({"switchboard": len(self.switchboard)} if len(self.switchboard) else {})


@asynccontextmanager
async def exchange_bench(
    directory: Path,
    *,
    policy: CallPolicy = POLICY,
    times: LoopbackTimes = TIMES,
    media: MediaSettings | None = None,
    phone: RtpPhone | None = None,
    pbx: Callable[[OnTrunkEvent], Trunk] | None = None,
    workers: int = 0,
    database: str = "",
    voicemail: bool = False,
    **options: Any,
) -> AsyncIterator[ExchangeBench]:
    """Open and closed with the block; leaving ends every call. ``phone``: who answers on the trunk ``pbx``; or ``pbx`` makes it.

    ``workers``: 0 is the one in this process. ``database``: its URL; else a file in ``directory``. ``voicemail``: may
    callers leave messages? ``options``: of the exchange.
    """
    bench = ExchangeBench()
    async with AsyncExitStack() as stack:
        bench.metrics = await stack.enter_async_context(Metrics())
        url, spool = database or f"sqlite:///{directory / 'calls.sqlite3'}", RecordSpool(directory / "calls.spool", VAULT)
        bench.store = await stack.enter_async_context(Store.open(url, vault=VAULT, spool=spool))
        asked = media or MediaSettings()
        patient = replace(asked.prompts, within_s=WITHIN_S)
        untouched = replace(asked, voice=VoiceSettings.untouched(), prompts=patient)

        def told(event: AnyMediaEvent) -> None:
            bench.exchange.on_media_event(event)

        pool = WorkerPool(untouched, told, workers=workers, command=WORKER_COMMAND, count_every_s=0.05) if workers else None
        worker = await stack.enter_async_context(pool if pool is not None else MediaWorker(untouched, told))
        bench.worker = worker  # type: ignore[assignment]
        bench.demo = LoopbackTrunk(lambda event: bench.exchange.on_trunk_event(event), times=times)
        bench.switchboard = Switchboard(policy)
        trunks: dict[str, Trunk] = {"demo": bench.demo}
        if phone is not None:
            trunks["pbx"] = PhoneTrunk(phone, lambda event: bench.exchange.on_trunk_event(event))
        if pbx is not None:
            trunks["pbx"] = await stack.enter_async_context(pbx(lambda event: bench.exchange.on_trunk_event(event)))
        bench.phones = PhoneLegs(worker, trunks, RtpPorts("127.0.0.1", 0, 0), public_host="127.0.0.1")
        bench.browsers = BrowserLegs(worker, bench.phones)
        bench.book = RecordingBook(bench.store)
        if voicemail:
            options["messages"] = MessageTaking(
                worker, bench.book, bench.store, feed=lambda event: bench.exchange.hear(event), now=lambda: bench.exchange.now()
            )
            await stack.enter_async_context(options["messages"])
        bench.exchange = Exchange(
            switchboard=bench.switchboard,
            worker=worker,
            phones=bench.phones,
            browsers=bench.browsers,
            store=bench.store,
            book=bench.book,
            metrics=bench.metrics,
            trunks=trunks,
            job_s=WITHIN_S,
            **options,
        )
        bench.exchange.meet(bench.told)  # type: ignore[arg-type]
        await stack.enter_async_context(bench.demo)
        await stack.enter_async_context(bench.exchange)
        yield bench
