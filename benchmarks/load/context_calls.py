"""Calls through the real exchange, media worker, store and loopback line, with backends asked over HTTP beside them, or none.

``python -m benchmarks.load.context_calls [URL]``: the line ``call`` on standard input is one call, by a number that nobody called from yet;
the line that answers it says how many milliseconds passed from the moment it arrived until it was answered (200 towards the caller), by an
agent who accepts as soon as the page is told that it rings. To ``page`` is answered what the page says of each backend in the end.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from api.backends.breaker import BreakerLimits
from api.backends.cache import AnswerCache, CacheTimes
from api.backends.context import CallContext
from api.backends.guard import BackendLimits
from api.backends.http import BackendHttp
from api.backends.lookup import ContextLookup
from api.backends.protocols import BookingCard, CallerKey, Capability, ContactRef, Health, Kind, TicketCard
from api.backends.registry import Backends
from api.backends.views import context_partial
from api.browser_legs import BrowserLegs
from api.exchange import Exchange
from api.garbage import collect_seldom
from api.metrics import Metrics
from api.phone_legs import PhoneLegs
from api.privacy.vault import Vault
from api.recording_book import RecordingBook
from api.rtp_ports import RtpPorts
from api.store import Store
from api.store.spool import RecordSpool
from media.messages import AnyMediaEvent
from media.settings import MediaSettings
from media.voice_care import VoiceSettings
from media.worker import MediaWorker
from pbx.loopback import LoopbackTrunk
from pbx.trunk import Arrived
from rooms.centre_plan import Arrival
from rooms.events import AgentConnected, CallAccepted, HangUpRequested
from rooms.record import CallView
from rooms.switchboard import Switchboard
from signaling.messages import CallState, Notice

_AGENT = "ana"
MARK = "said: "
"""Begins the lines that are answers: others are of the log."""
NEVER_OPEN = BreakerLimits(failures=1_000_000, of=1_000_000)
"""So that bad backends are asked at every call: the harder case."""
SAID = "hangs late, fails unreachable, huge too_large"
"""In the end. Before, whoever hangs is shown as slow, or at once as late where too many wait for it already."""
BAD = (("hangs", Kind.CRM), ("fails", Kind.TICKETING), ("huge", Kind.BOOKING))
GOOD = (("quick", Kind.CRM), ("quick", Kind.TICKETING), ("quick", Kind.BOOKING))


class _Person(Struct):
    id: str
    name: str
    numbers: tuple[str, ...]


class _Trip(Struct):
    ref: str
    title: str
    due: Decimal


class _Ticket(Struct):
    id: str
    title: str


class _Found(Struct):
    people: list[_Person]
    trips: list[_Trip] = []
    tickets: list[_Ticket] = []


class HttpBackend:
    """Of any kind, by one request for each caller. ``steps`` 2: trips are asked for anew, once it is known whose."""

    capabilities = frozenset({Capability.LOOKUP, Capability.TICKET})

    def __init__(self, http: BackendHttp, id: str, kind: Kind, steps: int = 1) -> None:
        self.id, self.kind = id, kind
        self._http = http
        self._steps = steps
        self._trips: dict[str, list[_Trip]] = {}

    async def health(self) -> Health:
        return Health(True)

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        found = await self._ask(str(key.e164))
        if self.kind is Kind.BOOKING and self._steps == 1:
            self._trips |= {person.id: found.trips for person in found.people}
        return [ContactRef(self.id, person.id, person.name, numbers=person.numbers) for person in found.people]

    find_customers = find_contacts

    async def bookings_for(self, customer: ContactRef, *, limit: int = 10) -> list[BookingCard]:
        trips = self._trips.pop(customer.id, None)
        if trips is None:
            trips = (await self._ask(customer.numbers[0])).trips
        return [
            BookingCard(self.id, trip.ref, trip.ref, trip.title, "confirmed", None, None, Decimal(0), trip.due, "EUR") for trip in trips
        ]

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        return [TicketCard(self.id, ticket.id, ticket.title, "open") for ticket in (await self._ask(str(key.e164))).tickets]

    async def _ask(self, number: str) -> _Found:
        found: _Found = (await self._http.ask("GET", "lookup", params={"number": number})).demand().json(_Found)
        return found


@asynccontextmanager
async def looked_up(address: str, which: Iterator[tuple[str, Kind]], *, steps: int = 1) -> AsyncIterator[ContextLookup]:
    """``address`` empty: nobody is asked."""
    async with AsyncExitStack() as stack:
        backends, vault = Backends(), Vault.in_memory()
        limits = BackendLimits(per_s=10_000.0, burst=10_000, breaker=NEVER_OPEN)
        for name, kind in which if address else ():
            http = await stack.enter_async_context(BackendHttp(f"{address}/{name}", allow_private=True))
            backends.add(HttpBackend(http, f"{name}-{kind.value}", kind, steps), limits)
        cache = await stack.enter_async_context(AnswerCache(vault, CacheTimes()))
        yield await stack.enter_async_context(ContextLookup(backends, cache, vault))


@dataclass(slots=True)
class _Page:
    """Where the hub would be: an agent who accepts what rings. What is told of callers is encoded, as it would be."""

    exchange: Exchange
    over: asyncio.Event
    answered_at: float = 0.0

    def publish(self, topic: str, notice: Notice) -> None:
        if not isinstance(notice, CallState):
            return
        loop = asyncio.get_running_loop()
        if notice.state == "ringing":
            loop.call_soon(self.exchange.feed, CallAccepted(notice.call_id, _AGENT))
        elif notice.state == "answering":
            self.answered_at = time.perf_counter()
            loop.call_soon(self.exchange.feed, HangUpRequested(notice.call_id, _AGENT))
        elif notice.state == "ended":
            self.over.set()

    def subscribe(self, identity: str, topic: str) -> None: ...

    def unsubscribe(self, identity: str, topic: str) -> None: ...


class Calls:
    """``one``: a call, and how many seconds it took until it was answered."""

    def __init__(self, line: LoopbackTrunk, page: _Page) -> None:
        self._line, self._page = line, page
        self._number = 600_000_000

    async def one(self) -> float:
        self._number += 1
        self._page.over.clear()
        began = time.perf_counter()
        self._line.call(f"+34{self._number}", "", _AGENT)
        await asyncio.wait_for(self._page.over.wait(), 30)
        return self._page.answered_at - began


@asynccontextmanager
async def calls_beside(context: ContextLookup) -> AsyncIterator[Calls]:
    """As a server has it: who calls is looked up as the call arrives, and who is shown the call is shown what is found."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        vault = Vault.in_memory()
        metrics = await stack.enter_async_context(Metrics())
        store = await stack.enter_async_context(
            Store.open(f"sqlite:///{folder / 'calls.sqlite3'}", vault=vault, spool=RecordSpool(folder / "calls.spool", vault))
        )

        def told(event: AnyMediaEvent) -> None:
            exchange.on_media_event(event)

        worker = await stack.enter_async_context(MediaWorker(MediaSettings(voice=VoiceSettings.untouched()), told))
        line = LoopbackTrunk(lambda event: exchange.on_trunk_event(event))
        phones = PhoneLegs(worker, {"demo": line}, RtpPorts("127.0.0.1", 0, 0), public_host="127.0.0.1")

        def receive(call_id: str, event: Arrived) -> Arrival:
            context.begin(call_id, CallerKey(event.caller, event.caller))
            return Arrival()

        def on_shown(agents: tuple[str, ...], view: CallView) -> None:
            context.seen(view.call_id, agents)

        exchange = Exchange(
            switchboard=Switchboard(),
            worker=worker,
            phones=phones,
            browsers=BrowserLegs(worker, phones),
            store=store,
            book=RecordingBook(store),
            metrics=metrics,
            trunks={"demo": line},
            receive=receive,
            on_shown=on_shown,
        )
        page: Any = _Page(exchange, asyncio.Event())
        exchange.meet(page)
        context.meet(lambda identities, known: page.publish("".join(identities), context_partial(known)))
        await stack.enter_async_context(line)
        await stack.enter_async_context(exchange)
        exchange.feed(AgentConnected(_AGENT))
        yield Calls(line, page)
        await asyncio.wait_for(exchange.no_calls(), 30)


async def _main(address: str) -> None:
    loop = asyncio.get_running_loop()
    async with looked_up(address, iter(BAD)) as context, calls_beside(context) as calls:
        collect_seldom()
        print(f"{MARK}ready", flush=True)
        while order := await loop.run_in_executor(None, sys.stdin.readline):
            said = await _page(context) if order == "page\n" else str(1_000 * await calls.one())
            print(f"{MARK}{said}", flush=True)


async def _page(context: ContextLookup) -> str:
    """What an agent's page says in the end: once each has answered or is given up."""
    said = asyncio.get_running_loop().create_future()

    def tell(identities: Iterable[str], known: CallContext) -> None:
        if known.whole and not said.done():
            said.set_result(", ".join(f"{part.backend.partition('-')[0]} {part.state}" for part in known.parts))

    context.meet(tell)
    context.begin("page", CallerKey("+34699999999", ""))
    context.seen("page", (_AGENT,))
    return str(await asyncio.wait_for(said, 30))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else ""))
