"""Rooms and chat in the database, and what is acknowledged while that is away."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from api.store import Store, StoreUnavailable
from api.store.acknowledged import AcknowledgedWrites
from api.store.errors import StoreRefused
from api.store.room_rows import Attachment, mark_entry, message_entry, room_entry
from api.store.spool import Spool
from rooms.chat import Message, Reaction
from rooms.membership import Member, MemberState, Role, Room, RoomEnd, RoomKind, RoomState, Schedule
from tests.kit.vaults import vault_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/rooms.sqlite3", vault=vault_of(tmp_path)) as store:
        yield store


def said(message_id: str, position: int, **more: object) -> Message:
    return Message("r", message_id, position, "ana", "Ana", 100.0 + position, text="Hola", **more)  # type: ignore[arg-type]


async def test_rooms_and_messages_come_back_as_they_were(store: Store) -> None:
    eva = Member("eva", "Eva", Role.HOST, invited=True, state=MemberState.IN, since_s=5.0)
    room = Room("r", RoomKind.CONSULTATION, "Viaje", "eva", 1.0, 8, '{"a":1}', waiting_room=True, schedule=Schedule(10.0, 20.0))
    room.members["eva"], room.state, room.links = eva, RoomState.OPEN, {"l": 9.5}
    done = Room("d", RoomKind.MEETING, "", "eva", 2.0, 8)
    reacted = said("m2", 2, attachments=("f",), reactions=(Reaction("👍", ("tom", "lou")),))
    entries = [room_entry(room), room_entry(done), *(message_entry(message) for message in (said("m1", 1), reacted, said("m3", 3)))]
    await store.rooms.keep(entries)
    await store.rooms.keep([*entries, room_entry(done, why=RoomEnd.EMPTY, ended_at=9.0), room_entry(done)])
    assert await store.rooms.open_rooms() == [room]
    assert await store.rooms.ended_rooms(5) == {"d": RoomEnd.EMPTY}
    assert await store.rooms.message("r", "m2") == reacted and await store.rooms.message("x", "m2") is None
    assert [message.position for message in await store.rooms.history("r", limit=2)] == [2, 3]
    assert [message.position for message in await store.rooms.history("r", before=3, limit=9)] == [1, 2]
    assert [message.position for message in await store.rooms.history("r", after=1, limit=1)] == [2]
    assert (await store.rooms.last_position("r"), await store.rooms.last_position("x")) == (3, 0)


async def test_an_older_state_never_overwrites_a_newer_one(store: Store) -> None:
    newer, older = said("m", 1, revision=2), said("m", 1, revision=1)
    await store.rooms.keep([message_entry(newer), message_entry(older), mark_entry("r", "tom", 7), mark_entry("r", "tom", 3)])
    assert await store.rooms.message("r", "m") == newer
    assert await store.rooms.marks("r") == {"tom": 7}


async def test_attachments_are_found_again(store: Store) -> None:
    file = Attachment("f", "r", "ana", "plan.pdf", "application/pdf", 3, "a" * 32, 1.0)
    await store.rooms.add_attachment(file)
    assert await store.rooms.attachment("f") == file and await store.rooms.attachments(["f", "g"]) == [file]


async def _take_away(store: Store) -> None:
    async with store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE messages RENAME TO messages_away"))


async def _bring_back(store: Store) -> None:
    async with store.rooms._writing() as connection:
        await connection.execute(text("ALTER TABLE messages_away RENAME TO messages"))


async def _emptied(writes: AcknowledgedWrites, spool: Spool) -> None:
    async with asyncio.timeout(30):
        while writes.spooled or spool.read():
            await writes.keep(mark_entry("r", "tom", 1))


async def test_what_is_acknowledged_while_the_database_is_away_is_there_afterwards(store: Store, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "chat.spool", vault_of(tmp_path))
    async with AcknowledgedWrites(store.rooms, spool, first_retry_s=0.01, longest_retry_s=0.01) as writes:
        await writes.keep(message_entry(said("m1", 1)))
        await _take_away(store)
        for position in (2, 3):
            await writes.keep(message_entry(said(f"m{position}", position)))
        assert [entry.row["message_id"] for entry in spool.read()] == ["m2", "m3"] and writes.spooled == 2
        await _bring_back(store)
        await _emptied(writes, spool)
    assert [message.position for message in await store.rooms.history("r", limit=9)] == [1, 2, 3]


async def test_a_spool_outlives_the_process_and_a_line_cut_off(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "chat.spool"
    Spool(path, vault_of(tmp_path)).append([message_entry(said("m1", 1))])
    with path.open("ab") as file:
        file.write(b'{"table":"messages","row":{"room_id":"r"')
    async with AcknowledgedWrites(store.rooms, Spool(path, vault_of(tmp_path)), first_retry_s=0.01) as writes:
        await _emptied(writes, Spool(path, vault_of(tmp_path)))
    assert [message.message_id for message in await store.rooms.history("r", limit=9)] == ["m1"]


async def test_a_row_that_the_database_refuses_costs_only_itself(store: Store, tmp_path: Path) -> None:
    bad = message_entry(said("m2", 2))
    bad.row["text"] = None
    async with AcknowledgedWrites(store.rooms, Spool(tmp_path / "chat.spool", vault_of(tmp_path))) as writes:
        kept = [writes.keep(entry) for entry in (message_entry(said("m1", 1)), bad, message_entry(said("m3", 3)))]
        await asyncio.wait(kept)
    assert [type(each.exception()) for each in kept] == [type(None), StoreRefused, type(None)]
    assert [message.message_id for message in await store.rooms.history("r", limit=9)] == ["m1", "m3"]


async def test_a_full_spool_refuses(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "chat.spool", vault_of(tmp_path), largest=10)
    with pytest.raises(StoreUnavailable, match="full"):
        spool.append([message_entry(said("m", 1))])
    assert spool.read() == []


_WRITER = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import text
from api.store import Store
from api.store.acknowledged import AcknowledgedWrites
from api.store.room_rows import message_entry
from api.store.spool import Spool
from rooms.chat import Message
from tests.kit.vaults import vault_of

async def main(folder):
    vault = vault_of(Path(folder))
    async with Store.open(f"sqlite:///{folder}/rooms.sqlite3", vault=vault) as store:
        async with AcknowledgedWrites(store.rooms, Spool(Path(folder) / "chat.spool", vault), first_retry_s=60.0) as writes:
            for position in range(1, 100_000):
                if position == 20:
                    async with store.rooms._writing() as connection:
                        await connection.execute(text("ALTER TABLE messages RENAME TO messages_away"))
                await writes.keep(message_entry(Message("r", f"m{position}", position, "ana", "Ana", 1.0, text="Hola")))
                print(position, file=sys.stderr, flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_no_acknowledged_message_is_lost_by_a_process_that_is_killed(tmp_path: Path) -> None:
    quiet, heard = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", _WRITER, str(tmp_path), stdout=quiet, stderr=heard)
    assert writer.stderr is not None
    acknowledged = 0
    try:
        while acknowledged < 60:
            acknowledged = int(await asyncio.wait_for(writer.stderr.readline(), 120))  # it imports the whole program first
    finally:
        writer.kill()
        rest = await writer.stderr.read()
        await writer.wait()
    acknowledged = max(acknowledged, *map(int, rest.split()), 0)
    spool = Spool(tmp_path / "chat.spool", vault_of(tmp_path))
    assert spool.read(), "it was killed while the database was away"
    async with Store.open(f"sqlite:///{tmp_path}/rooms.sqlite3", vault=vault_of(tmp_path)) as store:
        await _bring_back(store)
        async with AcknowledgedWrites(store.rooms, spool, first_retry_s=0.01) as writes:
            await _emptied(writes, spool)
        kept = [message.position for message in await store.rooms.history("r", limit=100_000)]
    assert kept[:acknowledged] == list(range(1, acknowledged + 1)) and len(kept) <= acknowledged + 1
