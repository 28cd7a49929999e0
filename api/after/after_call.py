"""What is written once somebody has called: the call at the CRMs, its note, the tickets that an agent makes of it, with a link to the
recording. All of it goes through the outbox; nothing here waits for a backend.

A note is kept here as it is typed. A CRM has it with the call, and is told again when it changes afterwards; which revision each has is
known, so that no change is lost and none is told twice.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from api.after.outbox import Outbox, Settled
from api.after.recording_links import RecordingLinks
from api.backends.guard import Guard
from api.backends.protocols import (
    BackendFault,
    CallerKey,
    CallLog,
    Capability,
    ContactRef,
    CrmBackend,
    RecordingLink,
    RemoteRef,
    TicketBackend,
    TicketDraft,
)
from api.backends.registry import Backends
from api.card_numbers import without_card_numbers
from api.happenings import Happening, Happenings, Kind
from api.privacy.vault import Vault
from api.settings.after_call import AfterCallSection
from api.store import Store, StoredCall
from api.store.outbox import OutboxEntry
from pbx.numbers import number_of_caller
from signaling.context_messages import CloseTicket, MakeTicket, NoteNow, TicketWritten, WriteNote
from signaling.refusal import Refusal

log = structlog.get_logger()
_DAY_S = 86_400.0


class LogBody(Struct, frozen=True):
    """A call to be told of. ``contact``: who the agent said it was, at this backend."""

    call_id: str
    contact: ContactRef | None = None


class NoteBody(Struct, frozen=True):
    call_id: str
    revision: int
    contact: ContactRef | None = None


class TicketBody(Struct, frozen=True):
    """``agent`` is told what becomes of it; empty: nobody. ``caused_by``: the rules that wanted it."""

    draft: TicketDraft
    agent: str = ""
    caused_by: tuple[str, ...] = ()


class OfTicketBody(Struct, frozen=True):
    """The note of this call, or the links to its recordings, for a ticket that was made of it."""

    call_id: str


class CloseBody(Struct, frozen=True):
    call_id: str
    ticket: RemoteRef
    agent: str = ""


class AfterCall:
    """``contact_of(call_id, backend)``: who is on the line, as that backend knows them. ``is_mine(call_id, who)``: has this person the
    call now? ``caller_of(call_id)``: the number at the other end of a call that goes on, as the line wrote it. ``now``: seconds since the
    epoch. ``look_again_s``: so soon what is not complete yet is looked at again. ``meet`` who tells pages."""

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        backends: Backends,
        vault: Vault,
        settings: AfterCallSection,
        links: RecordingLinks,
        happenings: Happenings,
        *,
        region: str,
        now: Callable[[], float],
        look_again_s: float = 5.0,
    ) -> None:
        self._outbox, self._store, self._backends, self._vault = outbox, store, backends, vault
        self._settings, self._links, self._happenings = settings, links, happenings
        self._region, self._now, self._look_again_s = region, now, look_again_s
        self._publish: Callable[[str, TicketWritten], None] = lambda identity, notice: None
        self._is_mine: Callable[[str, str], bool] = lambda call_id, who: False
        self._contact_of: Callable[[str, str], ContactRef | None] = lambda call_id, backend: None
        outbox.deliver_by("call.log", LogBody, self._deliver_log)
        outbox.deliver_by("call.note", NoteBody, self._deliver_note)
        outbox.deliver_by("ticket.make", TicketBody, self._deliver_ticket, self._ticket_settled)
        outbox.deliver_by("ticket.note", OfTicketBody, self._deliver_ticket_note)
        outbox.deliver_by("ticket.link", OfTicketBody, self._deliver_links)
        outbox.deliver_by("ticket.close", CloseBody, self._deliver_close, self._close_settled)

    def meet(
        self,
        publish: Callable[[str, TicketWritten], None],
        is_mine: Callable[[str, str], bool],
        contact_of: Callable[[str, str], ContactRef | None],
    ) -> None:
        """``publish(identity, notice)`` tells a person's pages."""
        self._publish, self._is_mine, self._contact_of = publish, is_mine, contact_of

    # ------------------------------------------------------------------ a call is over

    def hear(self, happening: Happening) -> None:
        """In the same breath as its record is kept."""
        if happening.kind != Kind.CALL_ENDED or self._settings.log == "none":
            return
        if self._settings.log == "answered" and not happening.facts.get("answered"):
            return
        number = happening.facts.get("caller" if happening.facts.get("direction") == "in" else "called", "")
        for guard in self._crms(Capability.LOG):
            backend, call_id = guard.backend.id, happening.call_id
            self._outbox.put(
                "call.log",
                backend,
                f"call:{call_id}",
                LogBody(call_id, self._contact_of(call_id, backend)),
                f"{call_id}-log-1-{backend}",
                self._person(call_id, str(number)),
                call_id=call_id,
                due_at=self._now() + self._settings.wait_s,
            )

    def _crms(self, *wanted: Capability) -> list[Guard[CrmBackend]]:
        said = self._settings.log_to
        return [
            guard
            for guard in self._backends.crm()
            if guard.backend.capabilities.issuperset(wanted) and ("*" in said or guard.backend.id in said)
        ]

    def _person(self, call_id: str, number: str) -> str:
        e164 = number_of_caller(number, self._region).e164
        return self._vault.number(e164) if e164 else self._vault.person("call", call_id)

    # ------------------------------------------------------------------ what agents ask

    async def write_note(self, agent: str, said: WriteNote) -> NoteNow:
        """Of a call of theirs, now or before. Raises ``Refusal``, ``StoreUnavailable``."""
        said = replace(said, text=without_card_numbers(said.text))
        call = await self._mine(said.call_id, agent)
        person = self._person(said.call_id, _other_side(call) if call is not None else "")
        at = self._now()
        if not await self._store.notes.write(said.call_id, said.text, said.revision, agent, at, person):
            theirs = await self._store.notes.note(said.call_id)
            if theirs is None:
                return NoteNow(said.call_id, taken=False)
            return NoteNow(said.call_id, theirs.text, theirs.revision, theirs.by, theirs.at, taken=theirs.text == said.text)
        if call is not None and call.ended_at is not None:
            self._tell_note(said.call_id, said.revision + 1, person)
        return NoteNow(said.call_id, said.text, said.revision + 1, agent, at)

    def _tell_note(self, call_id: str, revision: int, person: str) -> None:
        for guard in self._crms(Capability.WRITE_NOTE):
            backend = guard.backend.id
            self._outbox.put(
                "call.note",
                backend,
                f"call:{call_id}",
                NoteBody(call_id, revision, self._contact_of(call_id, backend)),
                f"{call_id}-note-{revision}-{backend}",
                person,
                call_id=call_id,
                due_at=self._now() + self._settings.note_s,
            )

    async def note(self, call_id: str, agent: str) -> NoteNow:
        """As it stands. Raises as ``write_note``."""
        await self._mine(call_id, agent)
        known = await self._store.notes.note(call_id)
        return NoteNow(call_id) if known is None else NoteNow(call_id, known.text, known.revision, known.by, known.at)

    async def make_ticket(self, agent: str, said: MakeTicket) -> None:
        """``ticket.written`` follows. Raises ``Refusal``, ``StoreUnavailable``."""
        call = await self._mine(said.call_id, agent)
        guard = self._ticketing(said.backend)
        number = _other_side(call) if call is not None else ""
        self.put_ticket(
            guard.backend.id, said.call_id, number, said.title, said.text, agent=agent, category=said.category, priority=said.priority
        )
        self._publish(agent, TicketWritten(said.call_id, "make", guard.backend.id, "", said.title, "waiting"))

    def put_ticket(
        self,
        backend: str,
        call_id: str,
        number: str,
        title: str,
        text: str,
        *,
        agent: str = "",
        category: str = "",
        priority: str = "normal",
        idem: str = "",
        caused_by: tuple[str, ...] = (),
    ) -> None:
        """A ticket of this call, with its note and the links to its recordings once it is over. Of two with the same ``idem`` one is made;
        without one, of two with the same words. ``caused_by``: the rules that want it."""
        contact = self._contact_of(call_id, backend)
        title, text = without_card_numbers(title), without_card_numbers(text)
        e164 = number_of_caller(number, self._region).e164 or number
        draft = TicketDraft(call_id, contact.id if contact is not None else None, e164, title, text, category, priority)
        mark = sha256(f"{title}\0{text}".encode()).hexdigest()[:12]
        idem, person, subject = idem or f"{call_id}-ticket-{mark}-{backend}", self._person(call_id, number), f"ticket:{call_id}:{mark}"
        self._outbox.put("ticket.make", backend, subject, TicketBody(draft, agent, caused_by), idem, person, call_id=call_id)
        if not call_id:
            return
        guard = self._backends.guards.get(backend)
        after: list[str] = ["ticket.note"] if self._settings.note_to_ticket else []
        if self._settings.link_recording and self._links.usable and guard is not None and Capability.ATTACH in guard.backend.capabilities:
            after.append("ticket.link")
        for kind in after:
            self._outbox.put(kind, backend, subject, OfTicketBody(call_id), f"{idem}-{kind}", person, call_id=call_id, needs=idem)

    async def close_ticket(self, agent: str, said: CloseTicket) -> None:
        """``ticket.written`` follows. Raises ``Refusal``, ``StoreUnavailable``."""
        call = await self._mine(said.call_id, agent)
        guard = self._ticketing(said.backend)
        body = CloseBody(said.call_id, RemoteRef(guard.backend.id, said.id), agent)
        mark = sha256(said.id.encode()).hexdigest()[:12]
        person = self._person(said.call_id, _other_side(call) if call is not None else "")
        idem = f"{said.call_id}-close-{mark}-{guard.backend.id}"
        self._outbox.put("ticket.close", guard.backend.id, f"close:{mark}", body, idem, person, call_id=said.call_id)
        self._publish(agent, TicketWritten(said.call_id, "close", guard.backend.id, said.id, "", "waiting"))

    def _ticketing(self, backend: str) -> Guard[TicketBackend]:
        for guard in self._backends.ticketing():
            if Capability.TICKET in guard.backend.capabilities and backend in ("", guard.backend.id):
                return guard
        raise Refusal("unknown_backend", "There is no such ticketing: see which the page shows.")

    async def refuse_others(self, call_id: str, agent: str) -> None:
        """Raises ``Refusal`` where this is no call of this person's, ``StoreUnavailable``."""
        await self._mine(call_id, agent)

    async def _mine(self, call_id: str, agent: str) -> StoredCall | None:
        """The call as it is on record, where it is already. Raises ``Refusal`` where this person never had it."""
        call = await self._store.call(call_id)
        if self._is_mine(call_id, agent):
            return call
        if call is None or all(leg.party != agent or leg.kind != "agent" or leg.answered_at is None for leg in call.legs):
            raise Refusal("unknown_call", "This is no call of yours.")
        return call

    # ------------------------------------------------------------------ handing over

    async def _deliver_log(self, entry: OutboxEntry, body: LogBody, former: RemoteRef | None) -> RemoteRef:
        guard: Guard[CrmBackend] = self._guard(entry.backend)
        call = await self._over(body.call_id)
        codes, working = await self._store.notes.wrap_up(call.call_id)
        if working and self._now() < (call.ended_at or 0.0) + self._settings.work_s:
            raise BackendFault("open", "An agent still works on the call.", retry_after_s=self._look_again_s)
        note = await self._store.notes.note(call.call_id)
        if note is not None:
            await self._store.notes.tell(call.call_id, entry.backend, note.revision, first=True)
        number = number_of_caller(_other_side(call), self._region)
        links = await self._links_of(call)
        told = CallLog(
            call_id=call.call_id,
            direction=call.direction,
            number=number.e164 or "",
            agent=call.agent,
            queue=await self._queue_of(call.call_id),
            started_at=call.started_at,
            answered_at=call.answered_at,
            ended_at=call.ended_at,
            wrap_up_code=", ".join(codes),
            note=note.text if note is not None else "",
            recording_url=links[0].url if links else "",
        )
        contact = body.contact or await self._found(guard, CallerKey(number.e164, number.raw))
        return await guard.write(lambda crm: crm.log_call(contact, told, idem=entry.idem))

    async def _deliver_note(self, entry: OutboxEntry, body: NoteBody, former: RemoteRef | None) -> RemoteRef | None:
        guard: Guard[CrmBackend] = self._guard(entry.backend)
        call, note = await self._over(body.call_id), await self._store.notes.note(body.call_id)
        if note is None or note.revision > body.revision or note.told.get(entry.backend, 0) >= body.revision:
            return None  # a newer one follows, or it is there already
        number = number_of_caller(_other_side(call), self._region)
        contact = body.contact or await self._found(guard, CallerKey(number.e164, number.raw))
        if contact is None:
            return None  # nobody there whose note it would be; the log of the call has what there was
        ref = await guard.write(lambda crm: crm.write_note(contact, note.text, idem=entry.idem))
        await self._store.notes.tell(body.call_id, entry.backend, body.revision)
        return ref

    async def _deliver_ticket(self, entry: OutboxEntry, body: TicketBody, former: RemoteRef | None) -> RemoteRef:
        guard: Guard[TicketBackend] = self._guard(entry.backend)
        draft = body.draft
        if not draft.number and draft.call_id and (call := await self._store.call(draft.call_id)) is not None:
            e164 = number_of_caller(_other_side(call), self._region).e164
            draft = TicketDraft(draft.call_id, draft.contact_id, e164 or "", draft.title, draft.text, draft.category, draft.priority)
        return await guard.write(lambda ticketing: ticketing.create_ticket(draft, idem=entry.idem))

    async def _deliver_ticket_note(self, entry: OutboxEntry, body: OfTicketBody, former: RemoteRef | None) -> RemoteRef | None:
        guard: Guard[TicketBackend] = self._guard(entry.backend)
        call = await self._over(body.call_id)
        _, working = await self._store.notes.wrap_up(call.call_id)
        if working and self._now() < (call.ended_at or 0.0) + self._settings.work_s:
            raise BackendFault("open", "An agent still works on the call.", retry_after_s=self._look_again_s)
        note = await self._store.notes.note(body.call_id)
        if former is not None and note is not None and note.text.strip():
            await guard.write(lambda ticketing: ticketing.add_note(former, note.text, internal=True, idem=entry.idem))
        return former

    async def _deliver_links(self, entry: OutboxEntry, body: OfTicketBody, former: RemoteRef | None) -> RemoteRef | None:
        guard: Guard[TicketBackend] = self._guard(entry.backend)
        call = await self._over(body.call_id)
        for at, link in enumerate(await self._links_of(call) if former is not None else ()):
            await guard.write(lambda ticketing, link=link, at=at: ticketing.attach(former, link, idem=f"{entry.idem}-{at}"))  # type: ignore[misc]
        return former

    async def _deliver_close(self, entry: OutboxEntry, body: CloseBody, former: RemoteRef | None) -> RemoteRef:
        guard: Guard[TicketBackend] = self._guard(entry.backend)
        await guard.write(lambda ticketing: ticketing.set_open(body.ticket, False, idem=entry.idem))
        return body.ticket

    def _guard(self, backend: str) -> Guard[Any]:
        guard = self._backends.guards.get(backend)
        if guard is None:
            raise BackendFault("refused", "The settings have no such backend any more.", retryable=True)
        return guard

    async def _over(self, call_id: str) -> StoredCall:
        """The call, once it is. Raises ``BackendFault``: look again later."""
        call = await self._store.call(call_id)
        if call is None or call.ended_at is None:
            raise BackendFault("open", "The call is not over yet.", retry_after_s=self._look_again_s)
        return call

    async def _queue_of(self, call_id: str) -> str:
        visits = (await self._store.records.visits_of([call_id])).get(call_id, [])
        return str(visits[-1]["queue"]) if visits else ""

    async def _found(self, guard: Guard[CrmBackend], key: CallerKey) -> ContactRef | None:
        """Whose number it is, where that is one person's: nobody is guessed."""
        if key.e164 is None or Capability.LOOKUP not in guard.backend.capabilities:
            return None
        found = await guard.read(lambda crm: crm.find_contacts(key, limit=2))
        return found[0] if len(found) == 1 else None

    async def _links_of(self, call: StoredCall) -> list[RecordingLink]:
        if not self._settings.link_recording or not self._links.usable:
            return []
        expires_at = (call.ended_at or self._now()) + self._settings.link_days * _DAY_S
        found = await self._store.recordings_of(call.call_id)
        if any(part.ended_at is None for part in found) and self._now() < (call.ended_at or 0.0) + self._settings.work_s:
            raise BackendFault("open", "A recording of the call is still being written.", retry_after_s=self._look_again_s)
        parts = [part for part in found if part.file and part.erased_at is None]
        return [
            RecordingLink(self._links.link(part.recording_id, expires_at), f"Recording {at}", expires_at)
            for at, part in enumerate(parts, 1)
        ]

    # ------------------------------------------------------------------ what became of it

    def _ticket_settled(self, entry: OutboxEntry, body: TicketBody, settled: Settled) -> None:
        ref = settled.result
        if ref is not None:
            facts = {"backend": entry.backend, "ticket": ref.id, "title": body.draft.title, "priority": body.draft.priority}
            self._happenings.tell(
                Happening(
                    Kind.TICKET_OPENED,
                    ref.id,
                    self._now(),
                    facts,
                    call_id=body.draft.call_id,
                    happening_id=f"{entry.idem}-{Kind.TICKET_OPENED}",
                    caused_by=body.caused_by,
                )
            )
        if body.agent:
            self._show(entry, body.agent, "make", ref.id if ref is not None else "", body.draft.title, settled)

    def _close_settled(self, entry: OutboxEntry, body: CloseBody, settled: Settled) -> None:
        if settled.result is not None:
            facts = {"backend": entry.backend, "ticket": body.ticket.id, "by": body.agent}
            told_as = f"{entry.idem}-{Kind.TICKET_CLOSED}"
            self._happenings.tell(
                Happening(Kind.TICKET_CLOSED, body.ticket.id, self._now(), facts, call_id=body.call_id, happening_id=told_as)
            )
        if body.agent:
            self._show(entry, body.agent, "close", body.ticket.id, "", settled)

    def _show(self, entry: OutboxEntry, agent: str, what: str, ticket_id: str, title: str, settled: Settled) -> None:
        state = {"done": "done", "waiting": "retrying"}.get(settled.state, "failed")
        url = settled.result.url if settled.result is not None else ""
        made = TicketWritten(
            entry.call_id, "make" if what == "make" else "close", entry.backend, ticket_id, title, state, settled.said, url
        )
        self._publish(agent, made)


def _other_side(call: StoredCall) -> str:
    return call.caller if call.direction == "in" else call.called
