"""Tickets of this server itself as a ticketing backend, beside those of others (``api/backends/protocols.py``)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.backends.protocols import (
    BackendFault,
    CallerKey,
    Capability,
    Health,
    Kind,
    RecordingLink,
    RemoteRef,
    TicketCard,
    TicketDraft,
)
from api.store import StoreUnavailable
from api.store.tickets import StoredTicket
from api.tickets.ticket import OVER, Act, Priority
from api.tickets.tickets import OUTBOX, NewComment, NewLink, NewTicket, TicketChange, Tickets
from signaling.refusal import Refusal

BUILTIN_TICKETS = "builtin-tickets"
_LONGEST_TITLE, _LONGEST_TEXT = 200, 20_000


class BuiltinTickets:
    """``TicketBackend``. ``idem`` holds for as long as the ticket is there."""

    id = BUILTIN_TICKETS
    kind = Kind.TICKETING
    capabilities = frozenset({Capability.LOOKUP, Capability.TICKET, Capability.ATTACH, Capability.WRITE_NOTE})

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets

    async def health(self) -> Health:
        try:
            await self._tickets.answers()
        except StoreUnavailable as error:
            return Health(False, str(error))
        return Health(True, "Tickets of this server.")

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        """Those of the number, and of the one contact whose number it is."""
        if key.withheld or not key.e164:
            return []
        async with _in_backends_words():
            return [_card(ticket, key.e164) for ticket in await self._tickets.open_of_caller(key.e164, limit)]

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef:
        links = [NewLink("call", draft.call_id)] if draft.call_id else []
        new = NewTicket(
            draft.title[:_LONGEST_TITLE] or draft.call_id,
            draft.text[:_LONGEST_TEXT],
            draft.category[:64],
            _priority(draft.priority),
            contact_id=draft.contact_id or "",
            number=draft.number,
            links=links,
            idem=idem,
        )
        async with _in_backends_words():
            return _ref(await self._tickets.open(new, OUTBOX))

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None:
        async with _in_backends_words():
            await self._tickets.comment(ticket.id, NewComment(text[:_LONGEST_TEXT], internal, idem=idem), OUTBOX)

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None:
        made = NewLink("recording", idem[:128], link.title[:_LONGEST_TITLE], link.url, link.expires_at)
        async with _in_backends_words():
            await self._tickets.link(ticket.id, made, OUTBOX, idem=idem)

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None:
        """Solved where it is to be open no more; who is as wished already stays so."""
        async with _in_backends_words():
            row = await self._tickets.ticket(ticket.id)
            if (row.state not in OVER) == open:
                return
            change = TicketChange(row.revision, act=Act.REOPEN if open else Act.SOLVE)
            await self._tickets.change(ticket.id, change, OUTBOX, idem=idem)


def _card(ticket: StoredTicket, number: str) -> TicketCard:
    """``number``: the caller's, who is whose ticket it is, by this number or another of theirs."""
    return TicketCard(
        BUILTIN_TICKETS,
        ticket.ticket_id,
        ticket.title,
        ticket.state.value,
        ticket.priority.value,
        ticket.due_at,
        ticket.changed_at,
        _url(ticket),
        ticket.state not in OVER,
        number,
    )


def _ref(ticket: StoredTicket) -> RemoteRef:
    return RemoteRef(BUILTIN_TICKETS, ticket.ticket_id, _url(ticket))


def _url(ticket: StoredTicket) -> str:
    return f"/tickets#{ticket.ticket_id}"


def _priority(word: str) -> Priority:
    """What is none of ours is nothing special."""
    return Priority(word) if word in [*Priority] else Priority.NORMAL


@asynccontextmanager
async def _in_backends_words() -> AsyncIterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise BackendFault("unreachable", "The database of this server does not answer.") from error
    except Refusal as refusal:
        raise BackendFault("refused", f"{refusal.code}: {refusal.message}", retryable=refusal.retry_after is not None) from refusal
