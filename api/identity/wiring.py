"""Puts the parts of signing in together."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher

from api.audit.audit import Audit
from api.identity.accounts import Accounts
from api.identity.api_keys import ApiKeys
from api.identity.password_rules import PasswordRules
from api.identity.passwords import Passwords
from api.identity.second_factor import SecondFactors
from api.identity.sessions import Sessions
from api.identity.settings import IdentitySettings
from api.identity.users import Users
from api.store.people import PeopleStore
from signaling.messages import IceServer
from signaling.tokens import TokenIssuer


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts that others speak to."""

    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    users: Users
    log: Audit


@asynccontextmanager
async def open_identity(
    store: PeopleStore,
    tokens: TokenIssuer,
    settings: IdentitySettings,
    audit: Audit,
    *,
    hasher: PasswordHasher | None = None,
    on_sign_in: Callable[[bool], None] = lambda succeeded: None,
    relays: Callable[[str], list[IceServer]] = lambda identity: [],
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Identity]:
    """``clock`` is monotonic seconds, ``now`` seconds since the epoch."""
    async with AsyncExitStack() as stack:
        passwords = await stack.enter_async_context(Passwords(hasher, settings.sign_ins_at_once, PasswordRules(settings.refused_words)))
        sessions = await stack.enter_async_context(Sessions(store, tokens, idle_s=settings.idle_s, longest_s=settings.longest_s, clock=now))
        accounts = Accounts(
            store,
            tokens,
            passwords=passwords,
            sessions=sessions,
            factors=SecondFactors(store, settings.second_factor_key, now),
            keys=ApiKeys(store, now),
            audit=audit,
            ask_code=settings.ask_code,
            on_sign_in=on_sign_in,
            relays=relays,
            clock=clock,
            now=now,
        )
        yield Identity(accounts, passwords, sessions, Users(store, accounts, passwords, now), audit)
