"""What every backend has to do, whatever is behind it: one suite, which each adapter's tests inherit.

A test file makes a subclass of ``LookupContract``, ``BookingContract`` or ``TicketContract`` (or of several), named ``Test...``, and gives
it a fixture ``world``: somebody who puts people, bookings and tickets into the real backend, or into a server that speaks as it does, and
who can break the way there. What a backend cannot do (``capabilities``) is not asked of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any, Protocol, TypeVar

import pytest

from api.backends.breaker import BreakerLimits
from api.backends.context import about_caller
from api.backends.guard import BackendLimits, Guard
from api.backends.protocols import (
    Backend,
    BackendFault,
    BookingBackend,
    CallerKey,
    CallLog,
    ContactDraft,
    CrmBackend,
    FaultCause,
    RecordingLink,
    RemoteRef,
    TicketBackend,
    TicketDraft,
)

T = TypeVar("T")
ANA, LUIS, NOBODY = "+34600111222", "+34600333444", "+34600999888"
RIGHT_TO_LEFT = "يوسف‎ حداد"
PATIENCE_S = 30.0
"""A test ends at once where what it waits for has come."""
HASTY_S = 0.3
"""Of guards that are to lose their patience."""


class World(Protocol):
    """What a test file knows how to do with its backend."""

    async def person(self, name: str, *numbers: str, email: str = "", company: str = "") -> str:
        """There is somebody of this name with these numbers (E.164, kept as the backend likes to); their id there."""
        ...

    def breaks(self, how: str, times: int = 1_000) -> None:
        """So many of the next requests go wrong: ``hang``, ``drop`` (the connection, before anything is done), ``drop_after`` (when it is
        done, before that is said; of those that write), ``500``, ``429`` (Retry-After: 7), ``no_json``, ``wrong`` (JSON of another shape),
        ``huge`` (10 MB), ``denied`` (401), ``skew`` (its clock is hours wrong)."""
        ...

    @property
    def asked(self) -> int:
        """Requests so far, those that went wrong too."""
        ...


class HttpWorld(World, Protocol):
    """Of a backend that is asked by HTTP. ``breaks`` knows more: ``429_date`` (Retry-After as a date, 7 s from its own clock, which is
    years wrong), ``503`` (Retry-After: 7), ``html`` (a page to sign in), ``deep`` (5,000 lists in one another), ``elsewhere`` (a
    redirection to another server), and lets the first ``skip`` requests through."""

    def breaks(self, how: str, times: int = 1_000, *, skip: int = 0) -> None: ...

    async def notes(self, of: RemoteRef) -> list[str]:
        """What is written in this ticket, or about this contact, in any order."""
        ...


def key_of(number: str) -> CallerKey:
    return CallerKey(number, number)


def guarded(backend: Any, **limits: Any) -> Guard[Any]:
    return Guard(backend, BackendLimits(**{"hard_s": PATIENCE_S, "write_s": PATIENCE_S, "pause_s": 0.0, **limits}), random=Random(8))


async def fault_of(asking: Awaitable[object]) -> BackendFault:
    with pytest.raises(BackendFault) as caught:
        await asyncio.wait_for(asking, PATIENCE_S)
    return caught.value


FAULTS: list[tuple[str, FaultCause]] = [
    ("500", "unreachable"),
    ("429", "rate_limited"),
    ("no_json", "invalid"),
    ("wrong", "invalid"),
    ("huge", "too_large"),
    ("drop", "unreachable"),
    ("denied", "refused"),
]


class Contract:
    """Of every backend. ``look`` is one read of it by number."""

    async def look(self, backend: Any, number: str) -> list[Any]:
        raise NotImplementedError

    async def test_it_says_how_it_is(self, backend: Backend, world: World) -> None:
        health = await asyncio.wait_for(backend.health(), PATIENCE_S)
        assert health.ok
        world.breaks("500")
        assert not (await asyncio.wait_for(backend.health(), PATIENCE_S)).ok

    @pytest.mark.parametrize(("how", "cause"), FAULTS)
    async def test_what_goes_wrong_is_named(self, backend: Backend, world: World, how: str, cause: FaultCause) -> None:
        world.breaks(how)
        fault = await fault_of(guarded(backend, tries=1).read(lambda b: self.look(b, ANA)))
        assert fault.cause == cause
        assert ANA not in str(fault)

    async def test_who_hangs_is_given_up_and_then_let_alone(self, backend: Backend, world: World) -> None:
        world.breaks("hang")
        guard = guarded(backend, hard_s=HASTY_S, breaker=BreakerLimits(failures=2))
        for _ in range(2):
            assert (await fault_of(guard.read(lambda b: self.look(b, ANA)))).cause == "slow"
        asked = world.asked
        assert (await fault_of(guard.read(lambda b: self.look(b, ANA)))).cause == "open"
        assert world.asked == asked

    async def test_a_wish_to_be_let_alone_is_obeyed(self, backend: Backend, world: World) -> None:
        world.breaks("429")
        guard = guarded(backend, hard_s=6.0)
        assert (await fault_of(guard.read(lambda b: self.look(b, ANA)))).retry_after_s == 7.0
        asked = world.asked
        assert (await fault_of(guard.read(lambda b: self.look(b, ANA)))).cause == "rate_limited"
        assert world.asked == asked

    async def test_a_connection_that_drops_once_costs_a_read_nothing(self, backend: Backend, world: World) -> None:
        world.breaks("drop", 1)
        await asyncio.wait_for(guarded(backend).read(lambda b: self.look(b, NOBODY)), PATIENCE_S)

    async def test_a_clock_that_is_wrong_there_changes_nothing(self, backend: Backend, world: World) -> None:
        world.breaks("skew")
        assert await guarded(backend).read(lambda b: self.look(b, NOBODY)) == []


class _PeopleContract(Contract):
    async def test_nobody_one_and_many_are_found(self, backend: Any, world: World) -> None:
        ana = await world.person("Ana García", ANA, email="ana@example.com", company="Viajes Sol")
        assert await self.look(backend, NOBODY) == []
        (found,) = await self.look(backend, ANA)
        assert (found.backend, found.id, found.name) == (backend.id, ana, "Ana García")
        assert ANA in found.numbers
        luis = await world.person("Luis Pérez", LUIS, ANA)
        assert {one.id for one in await self.look(backend, ANA)} == {ana, luis}

    async def test_who_has_another_number_is_never_given_for_the_caller(self, backend: Any, world: World) -> None:
        await world.person("Ana García", ANA)
        await world.person("Somebody Else", ANA[:-1] + "9", "+1" + ANA[3:])
        found = await self.look(backend, ANA)
        assert [one.name for one in found] == ["Ana García"]
        about_caller(key_of(ANA), found)

    async def test_names_are_text_in_every_script(self, backend: Any, world: World) -> None:
        for number, name in ((ANA, RIGHT_TO_LEFT), (LUIS, "<img src=x onerror=alert(1)> O'Neil; --")):
            await world.person(name, number)
            (found,) = await self.look(backend, number)
            assert found.name == name

    async def test_who_withholds_the_number_is_not_looked_for(self, backend: Any, world: World) -> None:
        asked = world.asked
        found = await self.people(backend, CallerKey(None, "anonymous", withheld=True))
        assert (found, world.asked) == ([], asked)

    async def people(self, backend: Any, key: CallerKey) -> list[Any]:
        raise NotImplementedError

    async def look(self, backend: Any, number: str) -> list[Any]:
        return await self.people(backend, key_of(number))


class LookupContract(_PeopleContract):
    async def people(self, backend: CrmBackend, key: CallerKey) -> list[Any]:
        return list(await backend.find_contacts(key))


class BookingContract(_PeopleContract):
    async def people(self, backend: BookingBackend, key: CallerKey) -> list[Any]:
        return list(await backend.find_customers(key))


class TicketContract(Contract):
    async def look(self, backend: TicketBackend, number: str) -> list[Any]:
        return list(await backend.open_tickets(key_of(number)))

    async def make(self, backend: TicketBackend, number: str, idem: str, title: str = "Lost luggage") -> RemoteRef:
        draft = TicketDraft("call-1", None, number, title, "It never came.\n<b>Really</b>.")
        return await asyncio.wait_for(backend.create_ticket(draft, idem=idem), PATIENCE_S)

    async def test_nobodys_ones_and_several_tickets_are_found(self, backend: TicketBackend, world: World) -> None:
        await world.person("Ana García", ANA)
        assert await self.look(backend, ANA) == []
        first = await self.make(backend, ANA, "call-1:ticket:1")
        (found,) = await self.look(backend, ANA)
        assert (found.backend, found.id, found.title, found.open) == (backend.id, first.id, "Lost luggage", True)
        second = await self.make(backend, ANA, "call-2:ticket:1", "Refund")
        assert {card.id for card in await self.look(backend, ANA)} == {first.id, second.id}
        assert await self.look(backend, LUIS) == []

    async def test_the_same_ticket_is_made_once_though_the_answer_is_lost(self, backend: TicketBackend, world: World) -> None:
        await world.person("Ana García", ANA)
        world.breaks("drop_after", 1)
        await fault_of(self.make(backend, ANA, "call-1:ticket:1"))
        made = await self.make(backend, ANA, "call-1:ticket:1")
        assert await self.make(backend, ANA, "call-1:ticket:1") == made
        assert [card.id for card in await self.look(backend, ANA)] == [made.id]

    async def test_a_ticket_is_closed_and_opened_again(self, backend: TicketBackend, world: World) -> None:
        await world.person("Ana García", ANA)
        ticket = await self.make(backend, ANA, "call-1:ticket:1")
        for _ in range(2):
            await backend.set_open(ticket, False, idem="call-1:close:1")
        assert await self.look(backend, ANA) == []
        await backend.set_open(ticket, True, idem="call-1:open:1")
        assert [card.id for card in await self.look(backend, ANA)] == [ticket.id]


HTTP_FAULTS: list[tuple[str, FaultCause]] = [
    ("429_date", "rate_limited"),
    ("503", "rate_limited"),
    ("html", "invalid"),
    ("deep", "invalid"),
    ("elsewhere", "refused"),
]
_MOST_REQUESTS = 12
"""Of one write, with all that is asked before it."""


class HttpContract(Contract):
    """Beside another contract, for a backend that is asked by HTTP."""

    @pytest.mark.parametrize(("how", "cause"), HTTP_FAULTS)
    async def test_what_goes_wrong_by_http_is_named(self, backend: Backend, world: HttpWorld, how: str, cause: FaultCause) -> None:
        world.breaks(how)
        fault = await fault_of(guarded(backend, tries=1).read(lambda b: self.look(b, ANA)))
        assert fault.cause == cause
        assert cause != "rate_limited" or fault.retry_after_s == 7.0


async def broken_everywhere(world: HttpWorld, write: Callable[[str], Awaitable[T]]) -> AsyncIterator[tuple[str, T]]:
    """Write again and again, each time with another key and the connection cut after another of its requests that write, and then the same
    without a cut, twice; the key, and what the last one was told."""
    for skip in range(_MOST_REQUESTS):
        idem, broke = f"call-{skip}:write:1", False
        world.breaks("drop_after", 1, skip=skip)
        try:
            await asyncio.wait_for(write(idem), PATIENCE_S)
        except BackendFault as fault:
            assert fault.retryable
            broke = True
        world.breaks("")
        told = await asyncio.wait_for(write(idem), PATIENCE_S)
        assert await asyncio.wait_for(write(idem), PATIENCE_S) == told
        yield idem, told
        if not broke:
            return
    raise AssertionError(f"one write takes more than {_MOST_REQUESTS} requests")


class HttpCrmContract(LookupContract, HttpContract):
    async def test_a_call_is_logged_once_wherever_the_connection_breaks(self, backend: CrmBackend, world: HttpWorld) -> None:
        await world.person("Ana García", ANA)
        (ana,) = await backend.find_contacts(key_of(ANA))

        async def log(idem: str) -> RemoteRef:
            call = CallLog(
                f"of {idem}", "in", ANA, "luis", "sales", 1_800_000_000.0, 1_800_000_005.0, 1_800_000_065.0, note="<b>Hi</b> {e164}"
            )
            return await backend.log_call(ana, call, idem=idem)

        keys = [idem async for idem, _ in broken_everywhere(world, log)]
        logged = await world.notes(RemoteRef(backend.id, ana.id))
        assert len(logged) == len(keys)
        assert all(sum(f"of {idem}" in entry and "<b>Hi</b> {e164}" in entry for entry in logged) == 1 for idem in keys)

    async def test_a_note_is_written_once_wherever_the_connection_breaks(self, backend: CrmBackend, world: HttpWorld) -> None:
        await world.person("Ana García", ANA)
        (ana,) = await backend.find_contacts(key_of(ANA))
        keys = [idem async for idem, _ in broken_everywhere(world, lambda idem: backend.write_note(ana, f"note of {idem}", idem=idem))]
        notes = await world.notes(RemoteRef(backend.id, ana.id))
        assert sorted(notes) == sorted(f"note of {idem}" for idem in keys)

    async def test_a_contact_is_made_once_wherever_the_connection_breaks(self, backend: CrmBackend, world: HttpWorld) -> None:
        def draft(idem: str) -> ContactDraft:
            return ContactDraft(f"{RIGHT_TO_LEFT} {idem}", LUIS, "luis@example.com", "Viajes Sol", "es")

        made = [contact async for _, contact in broken_everywhere(world, lambda idem: backend.create_contact(draft(idem), idem=idem))]
        found = await backend.find_contacts(key_of(LUIS), limit=20)
        assert sorted((each.id, each.name) for each in found) == sorted((each.id, each.name) for each in made)


class HttpTicketContract(TicketContract, HttpContract):
    async def test_a_ticket_is_made_once_wherever_the_connection_breaks(self, backend: TicketBackend, world: HttpWorld) -> None:
        await world.person("Ana García", ANA)
        made = []
        async for idem, ticket in broken_everywhere(world, lambda idem: self.make(backend, ANA, idem, idem)):
            made.append((idem, ticket.id))
        assert len(made) > 1
        assert sorted((card.title, card.id) for card in await self.look(backend, ANA)) == sorted(made)

    async def test_a_note_is_written_once_wherever_the_connection_breaks(self, backend: TicketBackend, world: HttpWorld) -> None:
        ticket = await self.make(backend, ANA, "call-1:ticket:1")
        before = len(await world.notes(ticket))
        keys = [idem async for idem, _ in broken_everywhere(world, lambda idem: backend.add_note(ticket, f"note of {idem}", idem=idem))]
        notes = await world.notes(ticket)
        assert len(notes) == before + len(keys)
        assert all(sum(f"note of {idem}" in note for note in notes) == 1 for idem in keys)

    async def test_a_link_to_a_recording_is_attached_once(self, backend: TicketBackend, world: HttpWorld) -> None:
        ticket = await self.make(backend, ANA, "call-1:ticket:1")
        link = RecordingLink("https://phone.example/recordings/r1?s=%2B", "Recording", 1_800_000_000.0)
        for _ in range(2):
            await backend.attach(ticket, link, idem="call-1:recording:1")
        assert sum(link.url in note for note in await world.notes(ticket)) == 1

    async def test_a_ticket_that_is_not_there_is_refused(self, backend: TicketBackend, world: HttpWorld) -> None:
        ticket = RemoteRef(backend.id, "999999")
        for writing in (backend.add_note(ticket, "x", idem="call-1:note:1"), backend.set_open(ticket, False, idem="call-1:close:1")):
            assert (await fault_of(writing)).cause == "refused"
