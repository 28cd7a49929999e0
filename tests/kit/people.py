"""People who may sign in, on a real database."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from api.audit.audit import Audit
from api.audit.keys import AuditKeys
from api.identity.settings import IdentitySettings
from api.identity.wiring import Identity, open_identity
from api.store import Store
from signaling.grants import Grant
from signaling.tokens import TokenIssuer
from tests.kit.vaults import VAULT

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
KEY = "5e" * 32
AUDIT_KEYS = AuditKeys([bytes.fromhex(KEY)])


@dataclass(frozen=True)
class Person:
    identity: str
    name: str
    role: str
    password_hash: str


def ana(hasher: PasswordHasher = QUICK) -> Person:
    return Person("ana", "Ana García", "agent", hasher.hash("correct horse"))


@dataclass(frozen=True)
class Signing:
    """Signing in, and the database behind it."""

    identity: Identity
    store: Store


_template: list[bytes] = []
"""A database with every table, as a file: to copy it is quicker than to migrate a new one for each test."""


async def _tables(path: Path) -> None:
    if not _template:
        async with Store.open(f"sqlite:///{path}", vault=VAULT):
            pass
        _template.append(await asyncio.to_thread(path.read_bytes))
    await asyncio.to_thread(path.write_bytes, _template[0])


@asynccontextmanager
async def signing(
    directory: Path, tokens: TokenIssuer, *people: Person, hasher: PasswordHasher = QUICK, settings: Any = (), **more: Any
) -> AsyncIterator[Signing]:
    """In a database of its own. ``settings`` override ``IdentitySettings``; ``more`` goes to ``open_identity``."""
    await _tables(directory / "people.sqlite3")
    async with Store.open(f"sqlite:///{directory}/people.sqlite3", vault=VAULT) as store:
        for person in people:
            await store.people.save_user(person.identity, name=person.name, role=person.role, password_hash=person.password_hash)
        wanted = IdentitySettings(**({"second_factor_key": KEY} | dict(settings)))
        audit = Audit(store.audit, AUDIT_KEYS, clock=more.get("now", time.time))
        async with audit, open_identity(store.people, tokens, wanted, audit, hasher=hasher, **more) as identity:
            yield Signing(identity, store)


def known_by(tokens: TokenIssuer) -> Callable[[str], Awaitable[Grant]]:
    """What ``make_app`` asks for, where nobody signs in."""

    async def identify(token: str) -> Grant:
        return tokens.verify(token)

    return identify
