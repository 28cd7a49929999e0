"""Show 6: somebody is erased, and no byte of any file tells of them, whoever reads it with whatever key is left.

The database, its write-ahead log, both spools, the recordings, and a copy of all of it that was made before: everything of them but the
books of keys.
"""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.privacy.erasure import Erased, Erasure
from api.privacy.key_book import KeyBook
from api.privacy.vault import Vault
from api.store import Store
from api.store.appointments import Appointment
from api.store.room_rows import message_entry
from api.store.rows import LegMeans, call_rows, entry_line
from api.store.rules import RuleRun, Task
from api.store.spool import RecordSpool, Spool
from api.store.surveys import StoredSurvey
from api.store.tickets import StoredTicket, TicketEntry
from api.tickets.ticket import Priority, TicketState
from media.recording.file import ChunkWriter, read_chunks
from media.recording.keys import KeyRing, PersonKey, UnknownKey
from rooms.chat import Message
from rooms.entries import Entry, What
from tests.kit.sealed_files import SEALED, opened
from tests.unit.test_sealing import NAME, NUMBER, call, epoch, put_all

MASTER, RING = bytes(range(32)), KeyRing([bytes(32)])
EMAIL, SPOKEN, OTHER = "luz@example.org", b"a voice that says who it is", "+34600555666"
THEIRS = (NUMBER, NUMBER[3:], *NAME.split(), EMAIL)
"""None so short that it may stand in sealed bytes by chance."""


def vault_in(folder: Path) -> Vault:
    return Vault(KeyBook(folder / "keys", "main", [MASTER]))


def readable(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file's bytes as they are, and all that can still be opened in them by a process that has just begun."""
    vault = vault_in(folder.parent)
    ring = KeyRing([bytes(32)], vault.open)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        body = path.read_bytes()
        yield path.name, body.decode("latin-1")
        for found in SEALED.findall(body):
            yield path.name, opened(vault, found.decode())
        if path.suffix == ".rec":
            try:
                yield path.name, b"".join(read_chunks(path, ring).contents).decode()
            except UnknownKey:
                continue


def where(folder: Path, *words: str) -> set[str]:
    """Files that tell any of these."""
    return {name for name, text in readable(folder) if any(word in text for word in words)}


def record(folder: Path, vault: Vault, number: str) -> None:
    file_id = secrets.token_bytes(16)
    half, sealed = vault.half(vault.number(number))
    person = PersonKey(bytes.fromhex(half), sealed)
    writer = ChunkWriter(folder / f"{file_id.hex()}.rec", RING, file_id=file_id, data_key=secrets.token_bytes(32), person=person)
    writer.write(number.encode() + b": " + SPOKEN, last=True)


def spool(folder: Path, vault: Vault) -> None:
    """As it is while the database is away."""
    rows = call_rows(call("late"), "boot", epoch, lambda leg: None, lambda leg_id: LegMeans())
    lines = [entry_line(Entry("late", 1, 0.0, What.ARRIVED, NUMBER), epoch)]
    RecordSpool(folder / "calls.spool", vault).append([rows, *lines])
    Spool(folder / "chat.spool", vault).append([message_entry(Message("r", "m2", 2, "guest.1", NAME, 1.0, text=f"{NAME} again"))])


async def fill(store: Store, vault: Vault, folder: Path) -> None:
    await put_all(store)
    store.put_call(call("other"), epoch)
    contact = vault.person("contact", "1")
    ticket = StoredTicket(
        **{"ticket_id": "t", "title": f"{NAME} lost a bag", "number": NUMBER, "contact_id": "1", "opened_by": "ana"},
        **dict.fromkeys(("language", "category", "team", "agent"), ""),
        **dict.fromkeys(("opened_at", "changed_at", "used_s"), 1.0),
        **dict.fromkeys(("running_since", "ended_at", "due_at", "step_at")),
        **{"priority": Priority.NORMAL, "state": TicketState.OPEN, "taken": (), "revision": 1},
    )
    await store.tickets.add(ticket, TicketEntry(1, 1.0, "ana", "opened", text=f"call {NAME} at {NUMBER}"), (), "i")
    await store.appointments.book(
        Appointment(
            **dict.fromkeys(("appointment_id", "number", "service_id", "professional", "token_hash", "idem"), "a"),
            **{"start_at": 1.0, "end_at": 2.0, "made_at": 1.0, "set_at": 1.0},
            **{"state": "booked", "language": "es", "zone": "UTC", "consent": "", "made_by": "ana"},
            **{"person": contact, "number_key": vault.number(NUMBER), "email_key": vault.email(EMAIL)},
            **{
                "name": NAME,
                "e164": NUMBER,
                "email": EMAIL,
                "note": f"{NAME} comes alone",
                "token": "secret",
                "contact_id": "1",
                "room_id": "r",
            },
        ),
        [1],
    )
    asked = StoredSurvey(
        **{"survey_id": "s", "rule": "after_call", "after": "call", "subject": "c", "questions": (), "channel": "link"},
        **dict.fromkeys(("language", "queue", "agent", "appointment"), ""),
        **{"person_key": vault.number(NUMBER), "contact_id": "1", "asked_at": 1.0, "expires_at": 9.0},
    )
    assert await store.surveys.add(asked, "k")
    await store.surveys.answer(asked, {}, f"ask for {NAME}", 2.0)
    task = Task("t", f"Call {NAME} back", f"{NAME} is in until six", NUMBER, "c", "ana", "", None, 1.0, "ana")
    run = RuleRun("u", "vip", 1, "call.ended", "c", 1.0, "done", f"{NAME} rang", [], {"caller": NUMBER})
    store.writer.put_lines([store.rules.task_line(task, "i", vault.number(NUMBER)), store.rules.run_line(run, "h", vault.number(NUMBER))])
    await store.notes.write("c", f"{NAME} wants a window", 0, "ana", 1.0, vault.number(NUMBER))
    await store.flush()
    record(folder, vault, NUMBER)
    record(folder, vault, OTHER)
    spool(folder, vault)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


async def test_who_is_erased_is_in_no_byte_of_any_file_nor_of_any_copy(folder: Path, tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    with capture_logs() as logs:
        async with Store.open(f"sqlite:///{folder}/calls.sqlite3", vault=vault) as store:
            await fill(store, vault, folder)
            shutil.copytree(folder, tmp_path / "backup")
            told = where(folder, *THEIRS)
            assert {"calls.sqlite3-wal", "calls.spool", "chat.spool"} <= told and sum(name.endswith(".rec") for name in told) == 1
            for phrase in (
                "lost a bag",
                "comes alone",
                "wants a window",
                "a note on",
                "I am",
                f"{NAME} asked",
                f"With {NAME}",
                "again",
                "ask for",
                "is in until",
                "rang",
                EMAIL,
            ):
                assert where(folder, phrase), phrase
            assert where(tmp_path / "backup", *THEIRS) == told, "with the keys it can be read there too"
            eraser = Erasure(store._engine, vault)
            person = await eraser.person("1", "ES")
            assert (await eraser.erase(person)).keys >= 5
            assert where(folder, *THEIRS) == where(tmp_path / "backup", *THEIRS) == set()
            assert await eraser.erase(await eraser.person("1", "ES")) == Erased(0, {})
            assert [name for name in where(folder, OTHER) if name.endswith(".rec")], "somebody else's is as it was"
    assert not any(word in str(logs) for word in THEIRS)
    assert where(folder, *THEIRS) == set(), "nor when the log was written into the database"
    assert where(tmp_path / "keys", *THEIRS) == set()
    again = vault_in(tmp_path)
    async with Store.open(f"sqlite:///{tmp_path}/backup/calls.sqlite3", vault=again) as restored:
        found = await restored.call("c")
        assert found is not None and (found.caller, found.caller_name, found.agent) == ("", "", "ana")
        assert (await restored.contacts.contact("1")) is not None and where(tmp_path / "backup", *THEIRS) == set()
