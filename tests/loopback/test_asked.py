"""Looks and changes by Socket.IO are in the audit: every request has its place in a table, and what a page got is written down once."""

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec import Struct

from api.audit.asked import HOUSE, KINDS, LOOKS_ON_S, ONE_LOOK, OWN, Asked
from api.audit.audit import Audit
from api.store import AuditEvent, Store
from api.store.audit import AuditWanted
from signaling import messages as wire
from signaling.grants import REQUESTS, Grant
from signaling.refusal import Refusal
from tests.kit.hub import RunningHub, running_hub
from tests.kit.people import AUDIT_KEYS
from tests.kit.vaults import VAULT

CUSTOMERS = frozenset({"number", "caller", "caller_name", "text", "party", "title", "email"})
"""Fields in which something of a customer may stand."""
HANDLE = VAULT.number("+34600111222")


def structs_in(shape: Any) -> Iterator[type[Struct]]:
    if inspect.isclass(shape) and issubclass(shape, Struct):
        yield shape
        for inner in get_type_hints(shape).values():
            yield from structs_in(inner)
    for inner in get_args(shape):
        yield from structs_in(inner)


def result_of(request: type[wire.Request]) -> set[str]:
    """The fields of what the request's docstring says it results in."""
    named = re.search(r"Result: ``(\w+)``", request.__doc__ or "")
    shapes = structs_in(getattr(wire, named.group(1))) if named is not None else ()
    return {name for shape in shapes for name in shape.__struct_fields__}


def test_every_request_stands_in_one_table_and_what_shows_customers_is_written_down() -> None:
    tables = [set(KINDS), set(OWN), set(HOUSE)]
    assert set.union(*tables) == set(REQUESTS), "say of a new request whether it shows or changes data of customers (api/audit/asked.py)"
    assert sum(map(len, tables)) == len(REQUESTS), "one table each"
    assert set(KINDS) >= ONE_LOOK
    assert all(re.fullmatch(r"[a-z_]{1,32}", kind) for kind in KINDS.values())
    assert {request: found for request in HOUSE if (found := result_of(request) & CUSTOMERS)} == {}
    assert {"number", "caller_name"} & result_of(wire.WatchBoard) and "text" in result_of(wire.ChatHistory), "results are understood"


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[tuple[RunningHub, Asked, Audit, list[float]]]:
    """A hub whose requests are noted in a real audit; ``now[0]`` is its clock."""
    now = [1_000.0]
    async with (
        Store.open(f"sqlite:///{tmp_path}/asked.sqlite3", vault=VAULT) as store,
        Audit(store.audit, AUDIT_KEYS) as audit,
        running_hub() as hub,
    ):
        asked = Asked(audit, lambda call_id: HANDLE if call_id == "c1" else "", clock=lambda: now[0])
        perform = hub.line.perform

        async def refusing(grant: Grant, request: wire.AnyRequest) -> object:
            if getattr(request, "call_id", "") == "theirs":
                raise Refusal("unknown_call", "This call is over, or was never yours.")
            return await perform(grant, request)

        hub.line.perform = asked.told(refusing)
        yield hub, asked, audit, now


async def written(audit: Audit) -> list[AuditEvent]:
    await audit.written()
    return [entry.event for entry in await audit.entries(AuditWanted(), 100)]


async def test_what_a_page_got_of_a_customer_is_in_the_audit_and_what_it_was_refused_is_not(tmp_path: Path) -> None:
    async with house(tmp_path) as (hub, _, audit, _now):
        ana = await hub.client("ana")
        assert "ok" in await ana.ask("note.get", {"call_id": "c1"})
        assert "ok" in await ana.ask("note.write", {"call_id": "c1", "text": "her knee hurts", "revision": 0})
        assert "ok" in await ana.ask("chat.history", {"room_id": "r1"})
        assert "ok" in await ana.ask("call.record", {"call_id": "c1", "action": "refuse"})
        assert "ok" in await ana.ask("presence.set", {"available": True})
        assert (await ana.ask("note.get", {"call_id": "theirs"}))["error"]["code"] == "unknown_call"
        entries = await written(audit)
    assert [(entry.kind, entry.who, entry.what, entry.subject, entry.detail) for entry in entries] == [
        ("note_read", "ana", "c1", HANDLE, "note.get"),
        ("note_written", "ana", "c1", HANDLE, "note.write"),
        ("chat_read", "ana", "r1", "", "chat.history"),
        ("recording_asked", "ana", "c1", HANDLE, "call.record refuse"),
    ]
    assert "knee" not in repr(entries)


async def test_a_board_that_goes_on_being_watched_is_one_look_and_one_after_a_pause_another(tmp_path: Path) -> None:
    async with house(tmp_path) as (hub, _, audit, now):
        ana, eva = await hub.client("ana"), await hub.client("eva")
        for _ in range(5):
            assert "ok" in await ana.ask("queues.watch")
            now[0] += LOOKS_ON_S - 1.0
        assert "ok" in await eva.ask("queues.watch")
        now[0] += LOOKS_ON_S
        assert "ok" in await ana.ask("queues.watch")
        assert [(entry.kind, entry.who) for entry in await written(audit)] == [("queues_watched", who) for who in ("ana", "eva", "ana")]


async def test_a_change_is_written_down_each_time_and_a_guest_never(tmp_path: Path) -> None:
    async with house(tmp_path) as (hub, asked, audit, _now):
        guest = Grant("guest.1", "Luz", "customer", "1", 0.0, 0.0, 0.0, room="r1")
        asked.note(guest, wire.ChatHistory(room_id="r1"))
        agent = hub.tokens.verify(hub.token("ana"))
        for _ in range(2):
            asked.note(agent, wire.DeleteChat(room_id="r1", message_id="m1"))
        assert [(entry.kind, entry.what) for entry in await written(audit)] == [("chat_erased", "r1 m1")] * 2
