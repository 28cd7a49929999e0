"""What lies on the disk: nothing of a customer that can be read without the keys, whenever it was written."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from api.privacy.personal import PERSONAL, open_row
from api.privacy.vault import Vault
from api.store import Store, StoredVoicemail, StoreUnavailable, room_rows
from api.store.contacts import Contact
from api.store.outbound import CampaignRow, EntryRow, Unwanted
from api.store.schema import metadata
from api.store.sealing import WRITE_ANEW, open_sealing, unsealed
from rooms.call_back import CallBack
from rooms.causes import Cause, EndReason
from rooms.chat import Message
from rooms.entries import Entry, What
from rooms.membership import Member, Role, Room, RoomKind
from rooms.record import CallRecord, CallState, LegRecord

NUMBER, NAME, COLLEAGUE = "+34600111222", "Luzdivina Marina", "+34600333444"
WORDS = (NUMBER, NAME, "600111222", "Luzdivina", "luz@", "LUZ@", "Viajes Sol")
BUSY = Cause(EndReason.BUSY, 486, f"Busy: {NUMBER}")


def epoch(at_s: float) -> float:
    return 1_000.0 + at_s


def traces(folder: Path, *words: str) -> dict[str, list[str]]:
    """In which files these words stand."""
    bodies = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = {word: [name for name, body in bodies.items() if word.encode() in body] for word in words}
    return {word: names for word, names in found.items() if names}


@pytest.fixture
def vault() -> Vault:
    return Vault.in_memory()


@pytest.fixture
async def store(tmp_path: Path, vault: Vault) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/calls.sqlite3", vault=vault) as store:
        yield store


def call(call_id: str = "c") -> CallRecord:
    phone = LegRecord(f"{call_id}-phone", "phone", NUMBER, "pbx", 0.0, 1.0, 9.0, BUSY, ended_by=NUMBER)
    other = LegRecord(f"{call_id}-other", "phone", COLLEAGUE, "pbx", 0.0, 1.0, 9.0, None)
    agent = LegRecord(f"{call_id}-ana", "agent", "ana", "", 0.0, 1.0, 9.0, None)
    return CallRecord(call_id, "in", NUMBER, NAME, "900", "ana", CallState.ENDED, 0.0, 1.0, 9.0, BUSY, (phone, other, agent))


async def put_all(store: Store) -> None:
    store.put_call(call(), epoch)
    store.put_entries([Entry("c", 1, 0.0, What.ARRIVED, NUMBER, "c-phone", "", "900"), Entry("c", 2, 1.0, What.ACCEPTED, "ana")], epoch)
    store.put_voicemail(StoredVoicemail("v", "sales", "c", NUMBER, NAME, "es", epoch(2.0), epoch(4.0), 2.0, "taken"))
    contact = Contact("1", "Luzdivina", "Marina", "Viajes Sol", "luz@example.org", (NUMBER,), lead_score=0.5, value=900.0)
    await store.contacts.add(contact, "eva", 1.0)
    await store.outbound.add_campaign(CampaignRow("k", "Summer", "", "", "1", 0, 1, "Europe/Madrid", 3, 60.0, True, "eva", 1.0))
    await store.outbound.add_entries([EntryRow("e", "k", NUMBER, NAME, f"a note on {NAME}", "Europe/Madrid", "said so", 1.0)])
    await store.outbound.add_unwanted(Unwanted(NUMBER, f"{NAME} asked", "eva", 1.0))
    told = {"direction": "in", "answered": True, "agent": "205", "queue": "", "duration_s": 3, "started_at": 1.0, "received_at": 1.0}
    report = {"report_key": "r", "number": "600111222", "person": NUMBER, "name": NAME, "contact_id": ""}
    await store.rooms.keep([room_rows.Entry("reported_calls", told | report)])
    guest = Member("guest.1", NAME, Role.GUEST, invited=True, admitted=True)
    room = Room("r", RoomKind.CONSULTATION, f"With {NAME}", "ana", 1.0, 9, members={"guest.1": guest}, metadata=f"for {NAME}")
    said = Message("r", "m", 1, "guest.1", NAME, 1.0, text=f"I am {NAME}")
    await store.rooms.keep([room_rows.room_entry(room), room_rows.message_entry(said)])
    await store.rooms.add_attachment(room_rows.Attachment("a", "r", "guest.1", f"{NAME}.pdf", "application/pdf", 1, "f", 1.0))
    event = {"event_id": "x", "url": "https://crm.test", "event": "call.ended", "subject": "c", "number": 1, "body": f"{NAME} called"}
    await store.webhooks.add([event | {"created_at": 1.0, "due_at": 1.0, "attempts": 0}])
    store.put_call_back(CallBack("b", "sales", NUMBER, NAME, "es", 1.0, 0, 0, None, 1), epoch)


async def read_all(store: Store) -> list[object]:
    found = await store.call("c")
    assert found is not None
    event = (await store.records.events_of(["c"]))["c"][0]
    return [
        (found.caller, found.caller_name, found.called, found.end_detail),
        [(leg.party, leg.ended_by, leg.end_detail) for leg in sorted(found.legs, key=lambda leg: leg.leg_id)],
        (event["party"], event["detail"]),
        [(message.caller, message.caller_name) for message in await store.voicemails.kept(["sales"], 9)],
        [(back.number, back.name) for back in await store.call_backs.open_ones("main")],
        [found.agent for found in await store.centre.calls_with([NUMBER], 0.0)],
        [await store.contacts.search(words, 9) == await store.contacts.by_number(NUMBER, 9) for words in ("luz mar", "600111", "VIAJ")],
        [(each.first, each.email, each.numbers, each.lead_score) for each in await store.contacts.by_email("LUZ@example.org", 9)],
        [each.number for each in await store.contacts.calls_of(Contact("1", numbers=(NUMBER,)), 9)],
        [(entry.e164, entry.name, entry.note) for entry in [await store.outbound.entry("e")] if entry],
        [(each.e164, each.reason) for each in await store.outbound.unwanted(9)],
        [(each.name, each.metadata, each.members["guest.1"].name) for each in await store.rooms.open_rooms()],
        [(each.sender_name, each.text) for each in await store.rooms.history("r", limit=9)],
        [each.name for each in await store.rooms.attachments(["a"])],
        [each["body"] for each in await store.webhooks.due("https://crm.test", 9.0, 9)],
        await store.outbound.every_unwanted() == [store.outbound.handle_of(NUMBER)],
    ]


AS_TOLD = [
    (NUMBER, NAME, "900", BUSY.detail),
    [("ana", "", None), (COLLEAGUE, "", None), (NUMBER, NUMBER, BUSY.detail)],
    (NUMBER, "900"),
    [(NUMBER, NAME)],
    [(NUMBER, NAME)],
    ["ana"],
    [True, True, True],
    [("Luzdivina", "luz@example.org", (NUMBER,), 0.5)],
    ["600111222"],
    [(NUMBER, NAME, f"a note on {NAME}")],
    [(NUMBER, f"{NAME} asked")],
    [(f"With {NAME}", f"for {NAME}", NAME)],
    [(NAME, f"I am {NAME}")],
    [f"{NAME}.pdf"],
    [f"{NAME} called"],
    True,
]


async def test_what_is_written_of_calls_shows_nobody_and_is_read_as_it_was(store: Store, tmp_path: Path) -> None:
    await put_all(store)
    await store.flush()
    assert await read_all(store) == AS_TOLD
    assert traces(tmp_path, *WORDS, COLLEAGUE) == {}
    assert traces(tmp_path, "ana", "900"), "the staff and numbers of ours stand there as they are"


async def test_what_was_destroyed_is_read_nowhere_and_the_rest_stays(store: Store, vault: Vault) -> None:
    await put_all(store)
    await store.flush()
    assert vault.erase([vault.number(NUMBER), vault.person("call", "c")]) >= 1
    found = await store.call("c")
    assert found is not None and (found.caller, found.caller_name, found.end_detail, found.agent) == ("", "", "", "ana")
    assert sorted(leg.party for leg in found.legs) == ["", COLLEAGUE, "ana"]
    assert await store.centre.calls_with([NUMBER], 0.0) != [], "its handle is emptied by who erases"


BY_NUMBER = ("contact_numbers", "campaign_entries", "do_not_call", "reported_calls", "reported_chats")
"""They had the number itself where their handle is now."""


async def in_the_clear(store: Store, vault: Vault) -> None:
    """As if all of it had been written before anything was sealed."""
    async with store._writing() as connection:
        for name, personal in ((name, personal) for name, personal in PERSONAL.items() if personal.seal is not None):
            table = metadata.tables[name]
            rows = [dict(row) for row in await store._rows(table.select())]
            await connection.execute(table.delete())
            if rows:
                clear = dict.fromkeys(personal.handles, NUMBER if name in BY_NUMBER else "")
                unknown = {"number": ""} if name in BY_NUMBER and not personal.told else {}
                rows = [open_row(vault, name, row) for row in rows]
                await connection.execute(insert(table), [row | clear | unknown for row in rows])
                await connection.execute(insert(unsealed), [{"name": name}])
        await connection.execute(insert(unsealed), [{"name": WRITE_ANEW}])


async def test_rows_of_before_are_sealed_while_the_server_runs_and_leave_nothing_behind(store: Store, vault: Vault, tmp_path: Path) -> None:
    await put_all(store)
    await store.flush()
    await in_the_clear(store, vault)
    assert traces(tmp_path, NUMBER, NAME)
    async with open_sealing(store.sealing) as sealing, asyncio.timeout(30):
        await sealing
    assert await read_all(store) == AS_TOLD
    assert traces(tmp_path, *WORDS, COLLEAGUE) == {}


async def test_sealing_goes_on_where_it_was_left(store: Store, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.store.sealing._AT_A_TIME", 2)
    for at in range(5):
        store.put_call(call(f"c{at}"), epoch)
    await store.flush()
    await in_the_clear(store, vault)
    assert await store.sealing.seal_some("calls") and await store.sealing.seal_some("calls")
    assert traces(tmp_path, NAME), "one is left"
    for name in ("calls", "legs"):
        while await store.sealing.seal_some(name):
            pass
    assert await store.sealing.left() == [WRITE_ANEW]
    await store.sealing.write_anew()
    assert await store.sealing.left() == [] and traces(tmp_path, NAME, NUMBER) == {}
    assert [(await store.call(f"c{at}")).caller_name for at in range(5)] == [NAME] * 5  # type: ignore[union-attr]


async def test_a_database_is_opened_with_the_keys_that_belong_to_it_or_not_at_all(tmp_path: Path, vault: Vault) -> None:
    url = f"sqlite:///{tmp_path}/calls.sqlite3"
    for _ in range(2):
        async with Store.open(url, vault=vault):
            pass
    with pytest.raises(StoreUnavailable, match=r"privacy\.folder"):
        async with Store.open(url, vault=Vault.in_memory()):
            pass


async def test_a_colleagues_call_needs_no_key(store: Store, vault: Vault) -> None:
    done = CallRecord("i", "in", "101", "Eva Staff", "102", "ana", CallState.ENDED, 0.0, 1.0, 9.0, Cause(EndReason.BUSY, 486, "Busy"), ())
    store.put_call(done, epoch)
    await store.flush()
    found = await store.call("i")
    assert found is not None and (found.caller, found.caller_name, found.end_detail) == ("101", "Eva Staff", "Busy")
    assert vault.gauges["keys"] == 0
