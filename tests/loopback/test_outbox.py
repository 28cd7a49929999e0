"""The outbox against a database: in order, once, by one node at a time, until it is taken or a person has to look."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec import Struct
from sqlalchemy import create_engine, text
from typer.testing import CliRunner, Result

from api.__main__ import app
from api.after.delivery import OutboxSettings
from api.after.outbox import Outbox, Settled
from api.backends.protocols import BackendFault, RemoteRef
from api.privacy.vault import Vault
from api.privacy.wiring import open_vault
from api.settings.tree import Settings
from api.store import Store
from api.store.audit import AuditWanted
from api.store.outbox import OutboxEntry

QUICK = OutboxSettings(first_retry_s=0.01, longest_retry_s=0.05)


class Note(Struct, frozen=True):
    text: str


class Far:
    """The other side. ``faults``: what it answers first, by text; ``taken``: what it has, in order."""

    def __init__(self, **faults: Iterable[BackendFault]) -> None:
        self.faults = {name: list(of_it) for name, of_it in faults.items()}
        self.taken: list[str] = []
        self.formers: dict[str, RemoteRef | None] = {}
        self.settled: list[tuple[str, str]] = []
        self._news = asyncio.Condition()

    async def deliver(self, entry: OutboxEntry, body: Note, former: RemoteRef | None) -> RemoteRef:
        if self.faults.get(body.text):
            raise self.faults[body.text].pop(0)
        self.taken.append(body.text)
        self.formers[body.text] = former
        return RemoteRef("far", f"id-{body.text}")

    def hear(self, entry: OutboxEntry, body: Note, settled: Settled) -> None:
        self.settled.append((body.text, settled.state))
        self._told = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30.0), self._news:
            await self._news.wait_for(so)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as entered:
        yield entered


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/outbox.sqlite3"


VAULT = Vault.in_memory()
ANA, BEA = VAULT.person("contact", "ana"), VAULT.person("contact", "bea")


async def opened(stack: AsyncExitStack, folder: Path, far: Far, node: str = "a", vault: Vault = VAULT) -> tuple[Store, Outbox]:
    store = await stack.enter_async_context(Store.open(url(folder), vault=vault, node=node))
    outbox = Outbox(store.outbox, store.writer.put_lines, vault, now=lambda: asyncio.get_running_loop().time(), node=node, settings=QUICK)
    outbox.deliver_by("note", Note, far.deliver, far.hear)
    return store, outbox


def put(outbox: Outbox, words: str, subject: str = "c1", **more: str) -> None:
    outbox.put("note", "far", subject, Note(words), f"{words}-note-1", ANA, **more)


async def test_entries_of_a_subject_come_in_order_once_and_those_of_others_do_not_wait(stack: AsyncExitStack, tmp_path: Path) -> None:
    far = Far(one=[BackendFault("unreachable", "away.")] * 3)
    _, outbox = await opened(stack, tmp_path, far)
    await stack.enter_async_context(outbox)
    for words in ("one", "two", "one"):
        put(outbox, words)
    put(outbox, "other", "c2")
    await far.until(lambda: ("two", "done") in far.settled)
    assert far.taken == ["other", "one", "two"] and far.settled[-1] == ("two", "done")
    assert outbox.counts["put_off"] == 3


async def test_a_dead_letter_says_why_and_is_retried_or_dropped_by_a_person(stack: AsyncExitStack, tmp_path: Path) -> None:
    refused = BackendFault("refused", "it knows no such queue.")
    far = Far(one=[refused], two=[refused])
    _, outbox = await opened(stack, tmp_path, far)
    await stack.enter_async_context(outbox)
    put(outbox, "one", call_id="c1")
    put(outbox, "two", needs="one-note-1")
    put(outbox, "three")
    await far.until(lambda: len(far.settled) == 3)
    assert far.settled == [("one", "dead"), ("two", "dead"), ("three", "done")]
    first, second = await outbox.entries("dead", 10)
    assert (first.fault, first.attempts) == ("refused: it knows no such queue.", 1)
    assert second.fault == "refused: What it belongs to was not delivered."
    assert [entry.entry_id for entry in await outbox.entries("dead", 10, first.entry_id)] == [second.entry_id]
    assert [entry.idem for entry in await outbox.of_call("c1")] == ["one-note-1"]
    assert await outbox.retry(first.entry_id), "and what wanted its result is tried again too"
    await far.until(lambda: ("two", "dead") in far.settled[3:])
    assert await outbox.drop(second.entry_id) and not await outbox.drop(second.entry_id)
    assert not await outbox.retry(second.entry_id)
    assert await outbox.waiting() == {"done": 2, "dropped": 1}


async def test_an_entry_is_given_the_result_of_the_one_it_needs(stack: AsyncExitStack, tmp_path: Path) -> None:
    far = Far()
    _, outbox = await opened(stack, tmp_path, far)
    await stack.enter_async_context(outbox)
    put(outbox, "ticket")
    put(outbox, "link", needs="ticket-note-1")
    await far.until(lambda: len(far.taken) == 2)
    assert far.formers == {"ticket": None, "link": RemoteRef("far", "id-ticket")}


async def test_two_nodes_deliver_each_entry_once_and_what_one_left_the_other_takes(stack: AsyncExitStack, tmp_path: Path) -> None:
    far = Far()
    store, outbox = await opened(stack, tmp_path, far)
    _, other = await opened(stack, tmp_path, far, "b")
    for number in range(40):
        put(outbox, f"n{number}", f"c{number % 7}")
    await store.flush()
    claimed = await store.outbox.claim("a", 1e9, 2e9, 3, kinds=["note"])
    assert len(claimed) == 3 and await store.outbox.claim("b", 1e9, 2e9, 3, kinds=["note"]) != claimed, "one node each"
    await store.outbox.release("b")
    await stack.enter_async_context(other)  # a was killed while it held three
    await stack.enter_async_context(outbox)  # and starts again
    await far.until(lambda: len(far.taken) >= 40)
    assert sorted(far.taken) == sorted(f"n{number}" for number in range(40))
    for subject in range(7):
        mine = [words for words in far.taken if int(words[1:]) % 7 == subject]
        assert mine == [f"n{number}" for number in range(subject, 40, 7)]


async def test_bodies_are_sealed_and_gone_once_delivered_and_of_who_was_erased_nothing_is_sent(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    far = Far()
    store, outbox = await opened(stack, tmp_path, far)
    outbox.put("note", "far", "c1", Note("Ana calls again"), "x-1", ANA)
    outbox.put("note", "far", "c1", Note("Bea calls again"), "x-2", BEA)
    await store.flush()
    engine = create_engine(url(tmp_path))
    stack.callback(engine.dispose)

    def bodies() -> list[str]:
        with engine.connect() as connection:
            return [row[0] for row in connection.execute(text("SELECT body FROM outbox ORDER BY number"))]

    assert len(bodies()) == 2 and not any("calls again" in body for body in bodies())
    assert VAULT.erase([ANA]) == 1
    await stack.enter_async_context(outbox)
    await far.until(lambda: far.settled == [("Bea calls again", "done")])
    assert far.taken == ["Bea calls again"] and bodies() == ["", ""] and outbox.counts["erased"] == 1
    assert await outbox.waiting() == {"dropped": 1, "done": 1}


async def test_a_command_lists_retries_and_drops_dead_letters_and_the_audit_says_who(tmp_path: Path) -> None:
    def command(*words: str) -> Result:
        return CliRunner().invoke(app, ["outbox", *words, "--config", str(settings)])

    settings = tmp_path / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n[store]\nurl = "{url(tmp_path)}"\n')
    (tmp_path / "data").mkdir()

    far, vault = Far(one=[BackendFault("refused", "it knows no such queue.")]), open_vault(Settings.load(settings))
    async with AsyncExitStack() as stack:
        _, outbox = await opened(stack, tmp_path, far, vault=vault)
        await stack.enter_async_context(outbox)
        put(outbox, "one", call_id="c1")
        await far.until(lambda: far.settled == [("one", "dead")])
        [dead] = await outbox.entries("dead", 10)
    shown = await asyncio.to_thread(command, "list")
    assert shown.exit_code == 0, shown.output
    assert f"{dead.entry_id}  " in shown.output and "it knows no such queue" in shown.output
    for words, code in ((("retry", dead.entry_id), 0), (("retry", dead.entry_id), 2), (("drop", dead.entry_id), 0), (("drop", "none"), 2)):
        assert (await asyncio.to_thread(command, *words, "--by", "ana")).exit_code == code, words
    async with Store.open(url(tmp_path), vault=vault) as store:
        assert await store.outbox.counts() == {"dropped": 1}
        noted = await store.audit.entries(AuditWanted(), 10)
        assert sorted((entry.event.kind, entry.event.who) for entry in noted) == [("outbox_dropped", "ana"), ("outbox_retried", "ana")]
