"""Somebody is forgotten: files first, then keys and rows, with proof; a legal hold stands above it and above the passing of time."""

import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import msgspec
import pytest

from api.past_rooms import PastRooms
from api.privacy.asking import WhoAsked
from api.privacy.erasure import Erasure
from api.privacy.forgetting import Forgetting
from api.recording_shelf import RecordingShelf
from api.store import Store, StoredRecording
from api.store.acknowledged import AcknowledgedWrites
from api.store.appointments import Appointment
from api.store.legal_holds import LegalHold
from api.store.spool import Spool
from media.recording import manifest
from media.recording.file import ChunkWriter
from media.recording.keys import KeyRing
from signaling.refusal import Refusal
from tests.kit.vaults import VAULT
from tests.unit.test_sealing import NAME, NUMBER, put_all
from tests.unit.test_subject_access import copy_of

KEY = bytes(range(32))
ASKED = WhoAsked("they asked for it", contact_id="1")


class Desk:
    """Everything of a server that forgets."""

    def __init__(self, store: Store, folder: Path, shelf: RecordingShelf, forgetting: Forgetting) -> None:
        self.store, self.folder, self.shelf, self.forgetting = store, folder, shelf, forgetting
        self.noted: list[tuple[str, str, str]] = []
        self.dropped: list[Collection[str]] = []
        self.reached = True

    async def forget_said(self) -> bool:
        return self.reached

    async def drop(self, handles: Collection[str]) -> None:
        self.dropped.append(handles)

    async def hold(self) -> None:
        person = await self.store.part(Erasure).person("1", "ES")
        await self.store.legal_holds.place(LegalHold("h", "case 7/26", "eva", 3.0), person.handles, person.ids["call"])


def recorded(folder: Path, name: str, *, running: bool = False) -> str:
    file_id = name.encode().ljust(16, b"-")
    path = folder / f"{file_id.hex()}.rec"
    writer = ChunkWriter(path, KeyRing([KEY]), file_id=file_id, data_key=b"k" * 32)
    writer.write(b"a voice", last=not running)
    manifest.append(path, KeyRing([KEY]), "begun", at_unix_s=1.0)
    if not running:
        manifest.append(path, KeyRing([KEY]), "ended", at_unix_s=2.0, details={"chunks": writer.chunks, "digest": writer.digest.hex()})
    os.utime(path, (2.0, 2.0))
    return path.name


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    async with (
        Store.open(url, vault=VAULT) as store,
        RecordingShelf(store, tmp_path, (KEY,), keep_s=100.0, look_every_s=1e6, clock=lambda: 1_000.0) as shelf,
        AcknowledgedWrites(store.rooms, Spool(tmp_path / "chat.spool", VAULT)) as writes,
    ):
        past = PastRooms(store.past_rooms, store.rooms, writes, tmp_path, keep_s=None, note=lambda *_, **__: None, forget=lambda room: None)
        forgetting = Forgetting(
            store,
            VAULT,
            recordings=shelf,
            written=past,
            drop=lambda handles: made.drop(handles),
            forget_said=lambda: made.forget_said(),
            settle=store.settle,
            note=lambda kind, by, handle, detail: made.noted.append((kind, by, handle)),
            region="ES",
            now=lambda: 5.0,
        )
        made = Desk(store, tmp_path, shelf, forgetting)
        await shelf.look_after()
        await put_all(store)
        await store.flush()
        yield made


async def booked(store: Store) -> None:
    """The room of ``put_all`` is where the contact's appointment was held."""
    texts = dict.fromkeys(("appointment_id", "number", "service_id", "professional", "token_hash", "idem", "language", "zone"), "a")
    times = dict.fromkeys(("start_at", "end_at", "made_at", "set_at"), 1.0)
    said = {"state": "done", "consent": "", "made_by": "ana", "name": NAME, "e164": NUMBER, "email": "", "note": "", "token": ""}
    keys = {"person": VAULT.person("contact", "1"), "number_key": VAULT.number(NUMBER), "email_key": ""}
    await store.appointments.book(Appointment(**texts, **times, **said, **keys, contact_id="1", room_id="r"), [1])


async def test_files_go_then_keys_and_rows_and_again_nothing(desk: Desk) -> None:
    await booked(desk.store)
    for name in ("of the call", "left"):
        desk.store.put_recording(StoredRecording(name, "c", "ana", "given", recorded(desk.folder, name), started_at=1.0, ended_at=2.0))
    desk.store.put_recording(StoredRecording("other", "d", "ana", "given", recorded(desk.folder, "other"), started_at=1.0, ended_at=2.0))
    proof = await desk.forgetting.forget(ASKED, "eva")
    assert proof.recordings == 2 and proof.keys >= 5 and {"calls", "contact_numbers", "contact_words"} <= set(proof.rows)
    assert proof.messages == 1 and [message.text for message in await desk.store.rooms.history("r", limit=9)] == [""]
    assert [path.name for path in desk.folder.glob("*.rec")] == [recorded_name("other")]
    left = msgspec.json.encode(await copy_of(desk.store, ASKED)).decode()
    assert NUMBER not in left and NAME not in left and "Luzdivina" not in left
    assert desk.noted == [(kind, "eva", proof.person) for kind in ("person_forgetting", "person_forgotten")]
    assert desk.dropped and VAULT.number(NUMBER) in desk.dropped[0]
    assert not any("Redis" in told for told in proof.stays)
    desk.reached = False
    again = await desk.forgetting.forget(ASKED, "eva")
    assert any("Redis is away" in told for told in again.stays)
    assert (again.keys, again.rows, again.recordings, again.messages) == (0, {}, 0, 0)


def recorded_name(name: str) -> str:
    return f"{name.encode().ljust(16, b'-').hex()}.rec"


async def test_while_a_call_of_theirs_is_recorded_nothing_is_destroyed(desk: Desk) -> None:
    desk.store.put_recording(StoredRecording("now", "c", "ana", "given", recorded(desk.folder, "now", running=True), started_at=1.0))
    with pytest.raises(Refusal) as refused:
        await desk.forgetting.forget(ASKED, "eva")
    assert refused.value.code == "recording_running"
    found = await desk.store.call("c")
    assert found is not None and found.caller == NUMBER


async def test_whoever_is_held_is_not_forgotten_until_the_hold_is_lifted(desk: Desk) -> None:
    await desk.hold()
    with pytest.raises(Refusal) as refused:
        await desk.forgetting.forget(WhoAsked("they asked for it", numbers=("600 111 222",)), "eva")
    assert refused.value.code == "held" and "case 7/26" in refused.value.message
    assert await desk.store.legal_holds.lift("h", "adm", 9.0) and not await desk.store.legal_holds.lift("h", "adm", 10.0)
    assert [hold.lifted_at for hold in await desk.store.legal_holds.every()] == [9.0]
    assert (await desk.forgetting.forget(ASKED, "eva")).keys


async def test_recordings_of_whoever_is_held_outlive_their_time(desk: Desk) -> None:
    await desk.hold()
    for name, call_id in (("held", "c"), ("free", "d")):
        desk.store.put_recording(StoredRecording(name, call_id, "ana", "given", recorded(desk.folder, name), started_at=1.0, ended_at=2.0))
    await desk.store.flush()
    await desk.shelf.look_after()
    assert [path.name for path in desk.folder.glob("*.rec")] == [recorded_name("held")]
    await desk.store.legal_holds.lift("h", "adm", 9.0)
    await desk.shelf.look_after()
    assert list(desk.folder.glob("*.rec")) == []
