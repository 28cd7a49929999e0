"""A call ends: it is logged, noted and ticketed at backends that die in the middle, each exactly once, though the node is restarted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from api.after.after_call import AfterCall
from api.after.delivery import OutboxSettings
from api.after.outbox import Outbox
from api.after.recording_links import RecordingLinks
from api.backends.protocols import (
    Activity,
    BackendFault,
    CallerKey,
    CallLog,
    Capability,
    ContactDraft,
    ContactRef,
    Health,
    Kind,
    RecordingLink,
    RemoteRef,
    TicketCard,
    TicketDraft,
)
from api.backends.registry import Backends
from api.call_happenings import CallNews
from api.happenings import Happenings
from api.notify.message import Message
from api.notify.notifier import Notifier
from api.privacy.vault import Vault
from api.settings.after_call import AfterCallSection
from api.settings.email import EmailSection
from api.store import Store, StoredRecording
from rooms.causes import Cause, EndReason
from rooms.effects import KeepWrapUp
from rooms.entries import QueueVisit
from rooms.record import CallRecord, CallState, LegRecord
from signaling.context_messages import CloseTicket, MakeTicket, TicketWritten, WriteNote
from signaling.refusal import Refusal
from tests.kit.mail_server import DROP, MailServer

NOW = 1_800_000_000.0
ANA = ContactRef("crm", "ana", "Ana", numbers=("+34600111222",))
SETTINGS = AfterCallSection(wait_s=0.0, note_s=0.0)


class Office:
    """A CRM and a ticketing in one. Of each write the answer to the first try is lost. ``written``: by key, as often as it was done."""

    def __init__(self, id: str, kind: Kind) -> None:
        self.id, self.kind = id, kind
        self.capabilities = frozenset(Capability)
        self.written: dict[str, object] = {}
        self.asked: Counter[str] = Counter()
        self.away = False

    async def health(self) -> Health:
        return Health(True)

    def _write(self, idem: str, what: object) -> RemoteRef:
        self.asked[idem] += 1
        if self.away:
            raise BackendFault("unreachable", "away.")
        self.written.setdefault(idem, what)
        if self.asked[idem] == 1:
            raise BackendFault("unreachable", "The connection broke.")
        return RemoteRef(self.id, f"{self.id}-{len(self.written)}")

    async def find_contacts(self, key: CallerKey, *, limit: int = 5) -> list[ContactRef]:
        return [ANA] if key.e164 == "+34600111222" else []

    async def timeline(self, contact: ContactRef, *, limit: int = 10) -> list[Activity]:
        return []

    async def create_contact(self, draft: ContactDraft, *, idem: str) -> ContactRef:
        raise BackendFault("refused", "no.")

    async def log_call(self, contact: ContactRef | None, call: CallLog, *, idem: str) -> RemoteRef:
        return self._write(idem, (contact, call))

    async def write_note(self, contact: ContactRef, text: str, *, idem: str) -> RemoteRef:
        return self._write(idem, (contact, text))

    async def open_tickets(self, key: CallerKey, *, limit: int = 10) -> list[TicketCard]:
        return []

    async def create_ticket(self, draft: TicketDraft, *, idem: str) -> RemoteRef:
        return self._write(idem, draft)

    async def add_note(self, ticket: RemoteRef, text: str, *, internal: bool = True, idem: str) -> None:
        self._write(idem, (ticket.id, text))

    async def attach(self, ticket: RemoteRef, link: RecordingLink, *, idem: str) -> None:
        self._write(idem, (ticket.id, link))

    async def set_open(self, ticket: RemoteRef, open: bool, *, idem: str) -> None:
        self._write(idem, (ticket.id, open))


class Node:
    """What a server has of it. ``told``: what the pages of agents hear."""

    def __init__(self, store: Store, outbox: Outbox, notifier: Notifier, after: AfterCall, happenings: Happenings) -> None:
        self.store, self.outbox, self.notifier, self.after, self.happenings = store, outbox, notifier, after, happenings
        self.told: list[TicketWritten] = []
        self.news = CallNews((), lambda call_id: {}, lambda at_s: NOW + at_s)
        after.meet(lambda identity, notice: self.told.append(notice), lambda call_id, who: False, lambda call_id, backend: None)

    def record(self, ended_s: float | None = None) -> None:
        """A call as the exchange keeps it: its record and what follows in one breath."""
        state, cause = (CallState.LIVE, None) if ended_s is None else (CallState.ENDED, Cause(EndReason.COMPLETED))
        leg = LegRecord("l1", "agent", "eva", "", 0.0, 1.0, ended_s, cause)
        made = CallRecord("c1", "in", "600 111 222", "", "100", "eva", state, 0.0, 1.0, ended_s, cause, (leg,))
        self.store.put_call(made, lambda at_s: NOW + at_s)
        for happening in self.news.record(made, ended_s or 0.0):
            self.happenings.tell(happening)


@asynccontextmanager
async def node(folder: Path, vault: Vault, offices: list[Office], email: EmailSection) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(f"sqlite:///{folder}/calls.sqlite3", vault=vault))
        clock = asyncio.get_running_loop().time
        began = clock()

        def now() -> float:
            return NOW + 100.0 + clock() - began

        quick = OutboxSettings(first_retry_s=0.01, longest_retry_s=0.05)
        outbox = Outbox(store.outbox, store.writer.put_lines, vault, now=now, settings=quick)
        notifier = await stack.enter_async_context(Notifier(outbox, vault, email))
        backends, happenings = Backends(), Happenings()
        for office in offices:
            backends.add(office)
        links = RecordingLinks("secret" * 8, "https://calls.example", clock=now)
        after = AfterCall(outbox, store, backends, vault, SETTINGS, links, happenings, region="ES", now=now, look_again_s=0.02)
        happenings.listen(after.hear)
        made = Node(store, outbox, notifier, after, happenings)
        await stack.enter_async_context(outbox)
        yield made


async def done(outbox: Outbox, count: int) -> None:
    async with asyncio.timeout(30.0):
        while (await outbox.waiting()) != {"done": count}:  # noqa: ASYNC110 - the last word is the database's
            await asyncio.sleep(0.02)


@pytest.fixture
def vault() -> Vault:
    return Vault.in_memory()


async def test_each_is_written_once_though_the_backend_dies_in_the_middle_and_the_node_is_restarted(tmp_path: Path, vault: Vault) -> None:
    crm, desk, mail = Office("crm", Kind.CRM), Office("desk", Kind.TICKETING), MailServer()
    async with mail.serving():
        email = EmailSection(host="127.0.0.1", port=mail.port, tls="none", sender="calls@example.com")
        desk.away = True
        async with node(tmp_path, vault, [crm, desk], email) as first:
            first.record()
            await first.store.flush()
            assert (await first.after.write_note("eva", WriteNote("c1", "wants a window", 0))).revision == 1
            for _ in range(2):  # pressed twice
                await first.after.make_ticket("eva", MakeTicket("c1", "Window seat", "please"))
            first.store.put_recording(StoredRecording("r1", "c1", "eva", "said", file="a.rec", started_at=NOW, ended_at=NOW + 60.0))
            mail.answer((".", DROP))
            first.notifier.send(Message("email", "ana@example.org", "Your call", "Thank you", "c1-thanks", call_id="c1"))
            first.record(60.0)
            first.record(60.0)
            await mail.came(1)
        desk.away = False
        async with node(tmp_path, vault, [crm, desk], email) as again:
            again.record(60.0)
            await done(again.outbox, 5)
            assert [(notice.state, notice.id) for notice in again.told][-1] == ("done", "desk-1")
            [(contact, call)] = crm.written.values()  # type: ignore[misc]
            assert contact == ANA and (call.number, call.note, call.agent, call.ended_at) == (
                "+34600111222",
                "wants a window",
                "eva",
                NOW + 60,
            )
            draft, (ticket, text), (_, link) = desk.written.values()  # type: ignore[misc]
            assert (draft.title, draft.number, ticket, text) == ("Window seat", "+34600111222", "desk-1", "wants a window")
            assert RecordingLinks("secret" * 8, "", clock=lambda: NOW).read(link.url.rsplit("/", 1)[1]) == "r1"
            assert call.recording_url == link.url and link.expires_at == NOW + 60.0 + 14 * 86_400.0
            assert len({letter["Message-ID"] for letter in mail.letters}) == 1
            await again.after.close_ticket("eva", CloseTicket("c1", "desk", "desk-1"))
            await done(again.outbox, 6)
            assert list(desk.written.values())[-1] == ("desk-1", False)


async def test_two_who_edit_one_note_lose_nothing_and_a_crm_hears_of_each_change_once(tmp_path: Path, vault: Vault) -> None:
    crm = Office("crm", Kind.CRM)
    async with node(tmp_path, vault, [crm], EmailSection()) as here:
        here.record(60.0)
        await done(here.outbox, 1)
        mine = await here.after.write_note("eva", WriteNote("c1", "one", 0))
        late = await here.after.write_note("eva", WriteNote("c1", "uno", 0))
        assert (mine.taken, late.taken, late.text, late.by, late.revision) == (True, False, "one", "eva", 1)
        both = await here.after.write_note("eva", WriteNote("c1", "one, uno, paid by 4111 1111 1111 1111", late.revision))
        assert both.taken and both.text == (await here.after.note("c1", "eva")).text == "one, uno, paid by •••• 1111"
        await done(here.outbox, 3)
        assert [what for key, what in crm.written.items() if "-note-" in key][-1] == (ANA, "one, uno, paid by •••• 1111")
        with pytest.raises(Refusal, match="no call of yours"):
            await here.after.write_note("bob", WriteNote("c1", "mine", 2))
        assert not await asyncio.to_thread(lambda: any(b"one, uno" in file.read_bytes() for file in tmp_path.iterdir()))


async def test_a_call_is_told_when_the_agents_work_and_the_recording_are_done(tmp_path: Path, vault: Vault) -> None:
    crm = Office("crm", Kind.CRM)
    async with node(tmp_path, vault, [crm], EmailSection()) as here:
        visit = QueueVisit("c1", 1, "sales", 0.0, 0.0, 1.0, "served", "eva", "l1", wraps_up=True)
        here.store.put_visits([visit], lambda at_s: NOW + at_s)
        recording = StoredRecording("r1", "c1", "eva", "said", started_at=NOW)
        here.store.put_recording(recording)
        here.record(60.0)
        put_off = await waits(here.outbox, 0)
        here.store.put_wrap_up(KeepWrapUp("c1", "eva", "sales", "booked", 60.0, 70.0), lambda at_s: NOW + at_s)
        await here.store.flush()
        await waits(here.outbox, put_off + 1)
        assert crm.written == {}
        here.store.put_recording(replace(recording, file="a.rec", ended_at=NOW + 60.0))
        await done(here.outbox, 1)
        [(_, call)] = crm.written.values()  # type: ignore[misc]
        assert (call.wrap_up_code, call.queue, bool(call.recording_url)) == ("booked", "sales", True)


async def waits(outbox: Outbox, before: int) -> int:
    """It was looked at in vain since then. How often by now?"""
    async with asyncio.timeout(30.0):
        while outbox.counts["put_off"] <= before:  # noqa: ASYNC110 - what waits tells nobody
            await asyncio.sleep(0.02)
    return outbox.counts["put_off"]


@pytest.mark.parametrize("forged", ["", "a.b.c", "x" * 400])
def test_an_address_that_nobody_signed_opens_nothing(forged: str) -> None:
    links = RecordingLinks("secret" * 8, "https://calls.example", clock=lambda: NOW)
    with pytest.raises(Refusal) as refused:
        links.read(forged)
    assert refused.value.code == "unknown_recording"
    token = links.link("r1", NOW + 10.0).rsplit("/", 1)[1]
    assert links.read(token) == "r1"
    with pytest.raises(Refusal) as late:
        RecordingLinks("secret" * 8, "", clock=lambda: NOW + 11.0).read(token)
    assert late.value.code == "link_expired"
    with pytest.raises(Refusal):
        RecordingLinks("other" * 8, "", clock=lambda: NOW).read(token)
