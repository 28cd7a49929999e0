"""Erasure and holds at the console: the same work and the same proof as over REST, in the audit by whoever did it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.__main__ import app
from api.store.audit import AuditWanted
from api.store.contacts import Contact
from tests.kit.sealed_files import texts_in
from tests.kit.vaults import store_of, vault_of

NUMBER, SURNAME, EMAIL = "+34600111222", "Ruizvillalba", "clara@viajes-sol.example"


async def add_customer(folder: Path) -> None:
    async with store_of(folder) as store:
        await store.contacts.add(Contact("k1", "Clara", SURNAME, "", EMAIL, (NUMBER,)), "boss", 1.0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "centralita.toml"
    path.write_text(f'[server]\ndata_dir = "{tmp_path / "data"}"\n')
    (tmp_path / "data").mkdir()
    return path


def run(config: Path, *words: str) -> tuple[int, Any]:
    """Status, and what was printed: JSON, or the last line of what went wrong."""
    result = CliRunner().invoke(app, ["privacy", *words, "--config", str(config)])
    try:
        return result.exit_code, json.loads(result.stdout)
    except ValueError:
        return result.exit_code, result.output


async def audited(folder: Path) -> list[tuple[str, str]]:
    async with store_of(folder) as store:
        return [(entry.event.kind, entry.event.by) for entry in await store.audit.entries(AuditWanted(), 100)]


def test_a_person_is_held_and_then_forgotten_at_the_console(config: Path, tmp_path: Path) -> None:
    import asyncio

    data = tmp_path / "data"
    asyncio.run(add_customer(data))
    asked = ["--reason", "request 7", "--number", "600 111 222", "--contact", "k1"]
    status, hold = run(config, "hold", *asked, "--by", "ana")
    assert (status, hold["reason"], hold["placed_by"]) == (0, "request 7", "ana")
    status, said = run(config, "erase", *asked)
    assert status == 2 and "A legal hold is in force" in said
    status, known = run(config, "holds")
    assert (status, [each["hold_id"] for each in known]) == (0, [hold["hold_id"]])
    assert run(config, "lift", hold["hold_id"], "--by", "ana")[0] == 0
    status, said = run(config, "lift", hold["hold_id"])
    assert status == 2 and "No hold of this id is in force" in said

    assert any(SURNAME in text for text in texts_in(data, vault_of(data)))
    status, proof = run(config, "erase", *asked)
    assert status == 0 and proof["keys"] >= 1 and proof["rows"]["contact_numbers"] == 1
    assert any("told pages" in word for word in proof["stays"]), "what a running server says is not reached from here"
    assert not any(word in text for text in texts_in(data, vault_of(data)) for word in (SURNAME, EMAIL, NUMBER))
    status, again = run(config, "erase", *asked)
    assert (status, again["keys"], again["rows"], again["recordings"], again["messages"]) == (0, 0, {}, 0, 0)
    found = asyncio.run(audited(data))
    assert [kind for kind, _ in found] == ["person_held", "hold_lifted", *["person_forgetting", "person_forgotten"] * 2]
    assert {by for _, by in found[:2]} == {"ana"} and all(by.startswith("console:") for _, by in found[2:])


def test_nobody_named_or_no_reason_is_said_and_nothing_happens(config: Path) -> None:
    status, said = run(config, "erase", "--reason", "request 7")
    assert status == 2 and "Say who" in said
    assert run(config, "hold", "--number", "600 111 222", "--reason", "x")[0] == 2
    status, said = run(config, "erase", "--reason", "request 7", "--number", "hello")
    assert status == 2 and "no telephone number" in said
    assert run(config, "holds") == (0, [])
