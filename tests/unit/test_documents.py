"""What stands in docs/ is what the code does, and the pages say and hear only what exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields

from api import page_list
from api.described_routes import DESCRIBED, SEEN
from api.documents import documents, openapi
from api.guarded_routes import ROUTES
from signaling import messages as wire
from signaling.bus import notice_line
from signaling.description import NOTICE_TYPES, REQUEST_TYPES, asyncapi, result_of, tag

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "api" / "pages"


def scripts(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((PAGES / folder).rglob("*.js")))


@pytest.mark.parametrize("name", documents())
def test_the_documents_are_those_of_the_code(name: str) -> None:
    written, wanted = (ROOT / "docs" / name).read_text(), documents()[name]
    assert written == wanted, "run `centralita describe`"


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for part in document.values():
            yield from references(part)
    elif isinstance(document, list):
        for part in document:
            yield from references(part)


@pytest.mark.parametrize("document", [asyncapi(), openapi()], ids=["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


def test_every_route_of_the_application_is_described_and_guarded() -> None:
    routes = {("GET", page.address) for page in page_list.PAGES}
    for path in (*(ROOT / "api").rglob("*.py"), *(ROOT / "signaling").glob("*.py")):
        for method, route in re.findall(r"\.add_(get|post|put|patch|delete)\(\s*\"(/[^\"]*)\"", path.read_text()):
            routes.add((method.upper(), re.sub(r":[^}]+\}", "}", route)))
    assert ("DELETE", "/api/v1/recordings/{recording_id}") in routes
    assert routes == set(DESCRIBED) == set(ROUTES)


REVISED_BY = {
    ("PATCH", "/api/v1/tickets/{ticket_id}"): "revision",
    ("PUT", "/api/v1/articles/{article_id}"): "version",
}
"""What says in its body which state its author saw: 409 where that is none any more."""
LAST_COUNTS = {
    ("PUT", "/api/v1/centre/sounds/{language}/{name}"): "a file takes the place of another, whole",
    ("PUT", "/api/v1/agents/{identity}/skills"): "one supervisor's word on one person, whole",
    ("PUT", "/api/v1/departures/{departure_id}"): "seats that are sold are kept by the store, whoever speaks last of the others",
}
"""Of two who write at once the later counts, and why that is so."""


def test_what_is_read_and_written_at_one_address_is_not_overwritten_unseen() -> None:
    written = {key for key in DESCRIBED if key[0] in ("PUT", "PATCH") and ("GET", key[1]) in DESCRIBED}
    heeding = {key for key, route in DESCRIBED.items() if SEEN in route.headers}
    assert written - heeding == {*REVISED_BY, *LAST_COUNTS}
    assert {key: name for key, name in REVISED_BY.items() if name in {field.name for field in fields(DESCRIBED[key].body)}} == REVISED_BY
    assert [key for key in sorted(heeding) if 412 not in DESCRIBED[key].problems] == []
    assert [key for key in REVISED_BY if 409 not in DESCRIBED[key].problems] == []


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for path in openapi()["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names)) == len(DESCRIBED)


def test_a_notice_on_the_wire_has_the_fields_that_are_described() -> None:
    notice = wire.LineState(trunk="pbx", ready=True, detail="")
    sent = json.loads(notice_line("lines", 7, msgspec.json.encode(notice)).frame[2:].decode("utf-8", "ignore")[2:])
    event, payload = sent
    schema = asyncapi()["components"]["schemas"]["LineState"]
    assert event == asyncapi()["components"]["messages"]["notice.line.state"]["name"]
    assert set(payload) == set(schema["properties"]) == set(schema["required"])


def test_every_answer_that_is_named_exists() -> None:
    named = {tag(request): result_of(request) for request in REQUEST_TYPES}
    assert (named["call.dial"], named["session.refresh"], named["call.mute"]) == (wire.CallRef, wire.Session, None)


def test_pages_ask_only_what_exists_and_listen_only_to_what_is_told() -> None:
    source = scripts("js") + scripts("board") + scripts("rooms") + scripts("consultation")
    asked = set(re.findall(r"\b(?:ask|aboutRoom|this\.do)\('([a-z][^']+)'", source))  # REST's begin with a method
    some = {"call.dial", "board.watch", "room.join", "room.offer", "room.admit", "chat.message"}
    assert some <= asked <= {tag(struct) for struct in REQUEST_TYPES}
    heard = set(re.findall(r"(?:notice|told)\.type [!=]== '([^']+)'", source)) | set(
        re.findall(r"^  '([a-z_]+\.[a-z_]+)':", source, re.MULTILINE)
    )
    some = {"session.snapshot", "call.state", "board.changed", "room.state", "room.exit", "room.shown"}
    assert some <= heard <= {tag(struct) for struct in NOTICE_TYPES}
