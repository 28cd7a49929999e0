"""What is asked beside calls, put together for a server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.backends.adapters import open_adapters
from api.backends.builtin_crm import BuiltinCrm
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import LinkHosts
from api.backends.lookup import ContextLookup
from api.backends.registry import Backends as Backends
from api.backends.shared_answers import SharedAnswers
from api.metrics import Metrics
from api.privacy.vault import Vault
from api.settings.tree import Settings
from api.store import Store
from api.store_beside import store_beside
from signaling.bus import Bus
from signaling.redis_bus import RedisBus


@asynccontextmanager
async def open_backends(settings: Settings, metrics: Metrics) -> AsyncIterator[Backends]:
    """To be entered early: those of the settings are there, and whoever brings one of this server's own adds it."""
    backends = Backends(on_asked=metrics.backend_asked)
    metrics.watch_backends(lambda: backends.figures)
    async with open_adapters(settings.backends, backends, settings.dialing.region):
        yield backends


@asynccontextmanager
async def backends_alone(settings: Settings) -> AsyncIterator[Backends]:
    """For a command that runs beside a server, or without one. Raises ``StoreUnavailable``."""
    async with (
        Metrics() as metrics,
        store_beside(settings, node="backends") as store,
        open_backends(settings, metrics) as backends,
    ):
        if settings.backends.builtin:
            backends.add(BuiltinCrm(store.contacts, store.centre, settings.dialing.region))
        yield backends


@asynccontextmanager
async def open_context(
    settings: Settings, backends: Backends, store: Store, vault: Vault, metrics: Metrics, bus: Bus
) -> AsyncIterator[ContextLookup]:
    """To be entered before the first call can arrive. Nodes share what they keep where they share a Redis."""
    section = settings.backends
    if section.builtin:
        backends.add(BuiltinCrm(store.contacts, store.centre, settings.dialing.region), title="Contacts")
    shelf = SharedAnswers(bus) if isinstance(bus, RedisBus) else None
    times = CacheTimes(section.fresh_s, section.stale_s, section.nobody_s, section.remembered)
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(AnswerCache(vault, times, shelf=shelf))
        lookup = ContextLookup(backends, cache, vault, may_lead=LinkHosts(section.link_hosts))
        metrics.watch_context(lambda: lookup.counts + cache.counts, lambda: cache.gauges)
        yield await stack.enter_async_context(lookup)
