"""Who is on the line: every backend is asked beside the ringing, and whoever sees the call is told as answers land. No call waits for it.

What was kept from before is there at once, and is asked for anew where it is old. First each backend says whom it knows by the number;
then, of whom that is, what they booked and what was spoken. A backend that is slow is shown as slow after its ``soft_s`` and given up by
its guard; what it takes, it takes from nobody else.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, TypeVar

import structlog
from msgspec import structs

from api.backends.cache import AnswerCache, Kept
from api.backends.context import (
    MOST_ACTIVITIES,
    MOST_CARDS,
    MOST_CONTACTS,
    CallContext,
    LinkHosts,
    Part,
    PartState,
    about_caller,
    put_together,
    shown,
)
from api.backends.guard import Guard
from api.backends.protocols import (
    Activity,
    BackendFault,
    BookingBackend,
    BookingCard,
    CallerKey,
    Capability,
    ContactRef,
    CrmBackend,
    Kind,
    TicketBackend,
    TicketCard,
)
from api.backends.registry import Backends
from api.privacy.vault import Vault
from rooms.flows.conditions import Facts
from signaling.refusal import Refusal

log = structlog.get_logger()
T = TypeVar("T")
_MOST_TASKS = 10_000
_KEPT_S = 900.0
"""So long after a call has ended what is known of who was on the line can be asked for: work on the call is done meanwhile."""
_WHO = "who"
_CONTACTS, _TICKETS = tuple[ContactRef, ...], tuple[TicketCard, ...]
_BOOKINGS, _ACTIVITIES = tuple[BookingCard, ...], tuple[Activity, ...]
_NONE: frozenset[str] = frozenset()
"""One for all calls: each new one is 216 bytes."""
_Changes = dict[str, Any]
"""Of a ``Part``."""
OnFacts = Callable[[Facts], None]
OnContext = Callable[[Set[str], CallContext], None]


def _nobody_hears(facts: Facts) -> None:
    """Of a call that is over."""


@dataclass(slots=True)
class _Seat:
    """What one backend has said so far. ``asking``: requests that are under way; ``asked``: the contacts whose cards were asked for."""

    guard: Guard[Any]
    part: Part
    asking: int = 0
    slow: bool = False
    asked: frozenset[str] = _NONE

    @property
    def shown(self) -> Part:
        return structs.replace(self.part, state="slow" if self.slow else "asked") if self.asking else self.part


@dataclass(slots=True)
class _Call:
    """``seen_by``: who sees the call; ``looked``: who saw something of who calls. ``told``: the facts that were told of last."""

    call_id: str
    key: CallerKey
    handle: str
    seats: dict[str, _Seat]
    on_facts: OnFacts
    asked_at: float
    chosen: tuple[str, str] | None = None
    seen_by: frozenset[str] = _NONE
    looked: frozenset[str] = _NONE
    told: Facts = field(default_factory=dict)
    unsaid: bool = False
    gone: bool = False


class ContextLookup:
    """``async with``: owns what is being asked. ``tell(identities, context)``: show these people what is known now of a call they see;
    ``looked(identity, call_id, handle)``: they see for the first time something of whoever it is.

    ``may_lead(backend, url)``: is a link of a backend shown? ``clock``: monotonic seconds. Of more than ``most_calls`` the oldest are let
    go. Nothing waits but ``forget``.
    """

    def __init__(
        self,
        backends: Backends,
        cache: AnswerCache,
        vault: Vault,
        *,
        may_lead: Callable[[str, str], bool] = LinkHosts(()),  # noqa: B008 - it has no state
        clock: Callable[[], float] = time.monotonic,
        most_calls: int = 5_000,
    ) -> None:
        self._backends = backends
        self._cache = cache
        self._vault = vault
        self._may_lead = may_lead
        self._clock = clock
        self._most_calls = most_calls
        self._tell: OnContext = lambda identities, context: None
        self._looked: Callable[[str, str, str], None] = lambda identity, call_id, handle: None
        self._calls: OrderedDict[str, _Call] = OrderedDict()
        self._ended: OrderedDict[str, float] = OrderedDict()
        """Of those, calls that are over, and when each is let go."""
        self._tidying: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.counts: Counter[str] = Counter()

    @property
    def cache_gauges(self) -> dict[str, float]:
        return self._cache.gauges

    def meet(
        self,
        tell: OnContext,
        looked: Callable[[str, str, str], None] = lambda identity, call_id, handle: None,
    ) -> None:
        self._tell, self._looked = tell, looked

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for timer in (*self._timers, *filter(None, [self._tidying])):
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ calls

    def begin(self, call_id: str, key: CallerKey, on_facts: OnFacts = _nobody_hears) -> None:
        """Somebody calls, or is called: find out who that is. ``on_facts`` hears what flows may know of them, whenever that changes."""
        if call_id in self._calls:
            return
        while len(self._calls) >= self._most_calls:
            self._drop(next(iter(self._ended or self._calls)))
        call = self._calls[call_id] = _Call(call_id, key, self._handle(key), dict(self._seats()), on_facts, 0.0)
        self.counts["begun"] += 1
        self._ask_who(call)

    def seen(self, call_id: str, identities: Iterable[str]) -> None:
        """These people are shown this call now: they are told what is known of it, and what comes."""
        call = self._calls.get(call_id)
        new = set(identities) - call.seen_by if call is not None else set()
        if call is None or not new:
            return
        if self._clock() - call.asked_at >= self._cache.times.fresh_s:  # they waited long
            self._ask_who(call)
        call.seen_by |= new
        self._show(call, new, self._context(call))

    def unseen(self, call_id: str, identities: Iterable[str]) -> None:
        """It rang for these people, and is nobody's or somebody else's now: they are told no more of it."""
        call = self._calls.get(call_id)
        if call is not None:
            call.seen_by = call.seen_by.difference(identities)

    def ended(self, call_id: str) -> None:
        """The call is over. For a while what is known can still be asked for: there is work to be done on it."""
        call = self._calls.get(call_id)
        if call is None or call_id in self._ended:
            return
        call.on_facts = _nobody_hears
        self._ended[call_id] = self._clock() + _KEPT_S
        self._let_go()

    def _let_go(self) -> None:
        """Of those whose time is over. One timer for all calls: one each would outlive those that are let go early."""
        now_s = self._clock()
        while self._ended and (first := next(iter(self._ended.items())))[1] <= now_s:
            self._drop(first[0])
        if self._ended and self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(first[1] - now_s, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        self._let_go()

    def context(self, call_id: str) -> CallContext | None:
        """What is known now; None of a call that is none, or over for long."""
        call = self._calls.get(call_id)
        return self._context(call) if call is not None else None

    def contact(self, call_id: str, backend: str) -> ContactRef | None:
        """Who is on the line, as this backend knows them; None where it does not, or nobody knows yet."""
        context = self.context(call_id)
        return next((one for one in context.refs if one.backend == backend), None) if context is not None else None

    def key(self, call_id: str) -> CallerKey | None:
        call = self._calls.get(call_id)
        return call.key if call is not None else None

    def handle(self, call_id: str) -> str:
        """Of whoever is on the line, by the vault; empty where nobody here knows."""
        call = self._calls.get(call_id)
        return call.handle if call is not None else ""

    def show(self, call_id: str, identity: str) -> None:
        """Tell this person again. Raises ``Refusal`` of a call that they do not see."""
        call = self._theirs(call_id, identity)
        self._show(call, {identity}, self._context(call))

    def choose(self, call_id: str, identity: str, backend: str, contact_id: str) -> None:
        """This one of the choices is on the line, as somebody says who hears them. Raises ``Refusal``."""
        call = self._theirs(call_id, identity)
        people = {(one.backend, one.id) for seat in call.seats.values() for one in seat.part.contacts}
        if (backend, contact_id) not in people:
            raise Refusal("unknown_contact", "This is none of those who may be meant: choose one that the page shows.")
        call.chosen = (backend, contact_id)
        self.counts["chosen"] += 1
        self._changed(call)

    def _theirs(self, call_id: str, identity: str) -> _Call:
        call = self._calls.get(call_id)
        if call is None or identity not in call.seen_by:
            raise Refusal("unknown_call", "This call is over, or was never yours.")
        return call

    def _drop(self, call_id: str) -> None:
        self._ended.pop(call_id, None)
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.gone = True

    # ------------------------------------------------------------------ callers

    def peek(self, e164: str) -> Facts:
        """What this server has at hand of somebody, for routing: a look into its own memory, and no waiting."""
        key = CallerKey(e164, e164)
        handle, parts = self._handle(key), []
        for name, seat in self._seats():
            if seat.part.kind is Kind.TICKETING:
                tickets = self._cache.peek(handle, f"{name}:{_WHO}", _TICKETS)
                parts.append(structs.replace(seat.part, state="here", tickets=tickets.value if tickets else ()))
                continue
            people = self._cache.peek(handle, f"{name}:{_WHO}", _CONTACTS)
            contacts = people.value if people else ()
            kept = {
                one.id: self._cache.peek(handle, self._cards_name(one), _BOOKINGS) for one in contacts if seat.part.kind is Kind.BOOKING
            }
            bookings = {contact_id: cards.value for contact_id, cards in kept.items() if cards}
            parts.append(structs.replace(seat.part, state="here", contacts=contacts, bookings=bookings))
        return put_together("", key, parts).facts

    async def forget(self, handles: Iterable[str]) -> None:
        """Drop all that is known of these: what is kept, and what calls show."""
        gone = set(handles)
        for call in self._calls.values():
            if call.handle in gone:
                call.seats = dict(self._seats("none"))
                call.chosen = None
                self._changed(call)
        await self._cache.forget(gone)

    def handles_of(self, key: CallerKey) -> set[str]:
        """All under which something may be kept of somebody with this number or address."""
        return ({self._vault.number(key.e164)} if key.e164 else set()) | ({self._vault.email(key.email)} if key.email else set())

    async def renew(self, backend: str, handles: Iterable[str], contact_id: str = "") -> None:
        """Something changed there about these people: what is kept of them is dropped, and in calls with them the backend is asked again.

        ``contact_id``: as the backend knows them; that finds those who are on the line.
        """
        gone = {*handles, *(call.handle for call in self._calls.values() if contact_id and _has(call, backend, contact_id))}
        await self._cache.forget(gone)
        for call in self._calls.values():
            seat = call.seats.get(backend)
            if seat is not None and call.handle in gone:
                seat.asked = _NONE
                ask = self._ask_tickets if seat.part.kind is Kind.TICKETING else self._ask_contacts
                self._start(call, seat, partial(ask, call, seat))

    # ------------------------------------------------------------------ asking

    def _seats(self, state: PartState = "asked") -> Iterator[tuple[str, _Seat]]:
        for guard in self._backends:
            backend, can = guard.backend, guard.backend.capabilities
            wanted = Capability.TICKET if backend.kind is Kind.TICKETING else Capability.LOOKUP
            if wanted in can or Capability.LOOKUP in can:
                title = self._backends.titles[backend.id]
                yield backend.id, _Seat(guard, Part(backend.id, backend.kind, title, frozenset(can), state))

    def _ask_who(self, call: _Call) -> None:
        call.asked_at = self._clock()
        for seat in call.seats.values():
            seat.asked = _NONE
            if not call.handle:
                seat.part = structs.replace(seat.part, state="unasked")
            elif seat.part.kind is Kind.TICKETING:
                self._start(call, seat, partial(self._ask_tickets, call, seat))
            else:
                self._start(call, seat, partial(self._ask_contacts, call, seat))

    async def _ask_contacts(self, call: _Call, seat: _Seat) -> None:
        key, booking = call.key, seat.part.kind is Kind.BOOKING

        async def ask(backend: Any) -> tuple[ContactRef, ...]:
            find = backend.find_customers if booking else backend.find_contacts
            found = await find(key, limit=MOST_CONTACTS)
            about_caller(key, found)
            return shown(found, backend.id, self._may_lead, MOST_CONTACTS)

        await self._land(call, seat, f"{seat.part.backend}:{_WHO}", _CONTACTS, ask, lambda contacts: {"contacts": contacts})

    async def _ask_tickets(self, call: _Call, seat: _Seat) -> None:
        async def ask(backend: TicketBackend) -> tuple[TicketCard, ...]:
            found = await backend.open_tickets(call.key, limit=MOST_CARDS)
            about_caller(call.key, found)
            return shown(found, backend.id, self._may_lead, MOST_CARDS)

        await self._land(call, seat, f"{seat.part.backend}:{_WHO}", _TICKETS, ask, lambda tickets: {"tickets": tickets})

    async def _ask_bookings(self, call: _Call, seat: _Seat, contact: ContactRef) -> None:
        async def ask(backend: BookingBackend) -> tuple[BookingCard, ...]:
            found = await backend.bookings_for(contact, limit=MOST_CARDS)
            about_caller(call.key, found, contact.numbers)
            return shown(found, backend.id, self._may_lead, MOST_CARDS)

        def take(bookings: tuple[BookingCard, ...]) -> _Changes:
            return {"bookings": {**seat.part.bookings, contact.id: bookings}}

        await self._land(call, seat, self._cards_name(contact), _BOOKINGS, ask, take)

    async def _ask_activities(self, call: _Call, seat: _Seat, contact: ContactRef) -> None:
        async def ask(backend: CrmBackend) -> tuple[Activity, ...]:
            found = await backend.timeline(contact, limit=MOST_ACTIVITIES)
            return shown(found, backend.id, self._may_lead, MOST_ACTIVITIES)

        def take(activities: tuple[Activity, ...]) -> _Changes:
            return {"activities": {**seat.part.activities, contact.id: activities}}

        await self._land(call, seat, self._cards_name(contact), _ACTIVITIES, ask, take)

    async def _land(
        self,
        call: _Call,
        seat: _Seat,
        name: str,
        shape: type[tuple[T, ...]],
        ask: Callable[[Any], Awaitable[tuple[T, ...]]],
        take: Callable[[tuple[T, ...]], _Changes],
    ) -> None:
        """Show what is kept, and ask for what is not or is old."""
        kept: Kept[tuple[T, ...]] | None = await self._cache.find(call.handle, name, shape)
        try:
            if kept is not None:
                self._took(call, seat, take(kept.value), round(kept.age_s, 1) if kept.value else None)
            if kept is None or kept.stale:
                found = await self._cache.ask(call.handle, name, shape, lambda: seat.guard.read(ask))
                self._took(call, seat, take(found), None)
        except BackendFault as fault:
            self.counts["faults"] += 1
            state: PartState = "late" if fault.cause == "slow" else fault.cause
            seat.part = structs.replace(seat.part, state=state, said=fault.said)
            self._changed(call)

    def _took(self, call: _Call, seat: _Seat, changes: _Changes, age_s: float | None) -> None:
        part = structs.replace(seat.part, **changes, age_s=age_s, said="")
        seat.part = structs.replace(part, state="here" if part.contacts or part.tickets else "none")
        self._changed(call)

    def _ask_cards(self, call: _Call, context: CallContext) -> None:
        """Of whom it is now known that they are on the line, and whose cards were not asked for yet."""
        for contact in context.refs:
            seat = call.seats[contact.backend]
            if contact.id in seat.asked:
                continue
            seat.asked |= {contact.id}
            if seat.part.kind is Kind.BOOKING:
                self._start(call, seat, partial(self._ask_bookings, call, seat, contact))
            elif Capability.HISTORY in seat.part.can:
                self._start(call, seat, partial(self._ask_activities, call, seat, contact))

    def _start(self, call: _Call, seat: _Seat, ask: Callable[[], Awaitable[None]]) -> None:
        if len(self._tasks) >= _MOST_TASKS:
            self.counts["refused"] += 1
            seat.part = structs.replace(seat.part, state="late", said="Too much is being looked up at once.")
            return
        seat.asking += 1
        timer = self._later(seat.guard.limits.soft_s, self._slow, call, seat)

        async def work() -> None:
            try:
                await ask()
            except Exception:  # a fault of ours costs this backend's answer and nothing else
                log.exception("context.lookup_failed", backend=seat.part.backend)
                seat.part = structs.replace(seat.part, state="invalid", said="Its answer could not be put together.")
            finally:
                timer.cancel()
                self._timers.discard(timer)
                seat.asking -= 1
                seat.slow = seat.slow and seat.asking > 0
                self._changed(call)

        task = asyncio.create_task(work(), name="look-up-context")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _later(self, after_s: float, act: Callable[..., None], *arguments: object) -> asyncio.TimerHandle:
        def due() -> None:
            self._timers.discard(timer)
            act(*arguments)

        timer = asyncio.get_running_loop().call_later(after_s, due)
        self._timers.add(timer)
        return timer

    def _slow(self, call: _Call, seat: _Seat) -> None:
        if seat.asking and not seat.slow:
            seat.slow = True
            self.counts["slow"] += 1
            self._changed(call)

    # ------------------------------------------------------------------ telling

    def _changed(self, call: _Call) -> None:
        """What came in one step of the loop is told together."""
        if not call.unsaid and not call.gone:
            call.unsaid = True
            asyncio.get_running_loop().call_soon(self._say, call)

    def _say(self, call: _Call) -> None:
        call.unsaid = False
        if call.gone:
            return
        context = self._context(call)
        self._ask_cards(call, context)
        if (facts := context.facts) != call.told:
            call.told = facts
            call.on_facts(facts)
        context = self._context(call)
        if call.seen_by:
            self._show(call, call.seen_by, context)

    def _show(self, call: _Call, identities: Set[str], context: CallContext) -> None:
        self._tell(identities, context)
        if context.contact is not None or context.choices or context.tickets:
            for identity in identities - call.looked:
                call.looked |= {identity}
                self._looked(identity, call.call_id, call.handle)

    def _context(self, call: _Call) -> CallContext:
        return put_together(call.call_id, call.key, [seat.shown for seat in call.seats.values()], call.chosen)

    # ------------------------------------------------------------------ names

    def _handle(self, key: CallerKey) -> str:
        """Under which what is known of them is kept; empty where there is nothing to look for them by."""
        if key.e164 and not key.withheld:
            return self._vault.number(key.e164)
        if key.email:
            return self._vault.email(key.email)
        return self._vault.person("booking", key.booking_ref) if key.booking_ref else ""

    def _cards_name(self, contact: ContactRef) -> str:
        return f"{contact.backend}:{self._vault.person(contact.backend, contact.id)}"


def _has(call: _Call, backend: str, contact_id: str) -> bool:
    """Is this one of those who may be on the line?"""
    seat = call.seats.get(backend)
    return seat is not None and any(one.id == contact_id for one in seat.part.contacts)
