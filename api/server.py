"""The wiring: one function, and its parts in the order in which it enters them. What is entered first is left last."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from api.exchange import Exchange
from api.first_start.wiring import make_first_start
from api.settings.tree import Settings
from api.wiring.calls import open_calls
from api.wiring.cluster import open_cluster
from api.wiring.ground import DEMO_AGENT, open_ground
from api.wiring.pages import open_pages
from api.wiring.site import open_site
from api.wiring.talk import open_talk

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves. ``demo_password`` is set where there is a demo agent."""

    url: str
    exchange: Exchange
    demo_password: str | None
    port: int = 0
    """Where it listens."""
    start_code: str = ""
    """What lets answer the questions of the first start, while they are open."""


@asynccontextmanager
async def running(
    settings: Settings, hurry: asyncio.Event | None = None, again: Callable[[], None] = lambda: None
) -> AsyncIterator[Running]:
    """Start everything. Leaving stops it in the opposite order: calls end with BYE, records are written. Raises ``StartFailure``.

    ``hurry``: set while live calls are let end by themselves, it ends them now. ``again`` is called when it is to be started anew, with
    settings that have changed. The parts follow below in this order.
    """
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(open_ground(settings))
        cluster = await stack.enter_async_context(open_cluster(settings, ground))
        calls = await stack.enter_async_context(open_calls(settings, ground, cluster))
        talk = await stack.enter_async_context(open_talk(settings, ground, cluster, calls))
        hub = await stack.enter_async_context(open_pages(settings, ground, cluster, calls, talk))
        start = make_first_start(settings, ground, calls, again)
        url, port = await stack.enter_async_context(open_site(settings, ground, cluster, calls, talk, hub, start))
        await stack.enter_async_context(cluster.nodes)
        await stack.enter_async_context(talk.owners)
        await stack.enter_async_context(hub)
        if talk.appointments is not None:
            appointments = talk.appointments
            ground.metrics.watch_appointments(lambda: appointments.counts)
            if settings.demo.enabled:
                await talk.appointments.seed([DEMO_AGENT])
            await stack.enter_async_context(talk.appointments.work)
        try:
            yield Running(url, calls.exchange, ground.demo_password, port, start.code() if await start.is_open() else "")
            await _drain(calls.exchange, settings.server.drain_s, hurry or asyncio.Event())
        finally:
            await calls.filmed.stop()
            # Pages hear how their calls end before their connections do.
            await calls.exchange.stop()


async def _drain(exchange: Exchange, drain_s: float, hurry: asyncio.Event) -> None:
    """Take no new calls and let live ones end by themselves, at most so long."""
    exchange.draining = True
    if drain_s > 0 and exchange.calls:
        log.info("server.draining", calls=exchange.calls, at_most_s=drain_s)
        ways = {asyncio.ensure_future(exchange.no_calls()), asyncio.ensure_future(hurry.wait())}
        try:
            await asyncio.wait(ways, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
        if exchange.calls:
            log.warning("server.drain_over", calls=exchange.calls)


@contextmanager
def orders(loop: asyncio.AbstractEventLoop, hurry: asyncio.Event) -> Iterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT (Ctrl+C) sets; the second one sets ``hurry``."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: (hurry if stop.is_set() else stop).set())
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
