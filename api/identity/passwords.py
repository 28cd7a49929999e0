"""Passwords: argon2id (RFC 9106), off the event loop. The only file that knows argon2."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.identity.password_rules import PasswordRules
from signaling.refusal import Refusal

T = TypeVar("T")
_WAITING_PER_THREAD = 16
NO_PASSWORD = ""
"""Kept in place of a hash for who has none: keys and other issuers let them in."""


class Passwords:
    """``async with``: owns the threads that check, ``at_once`` of them; each check takes about 64 MB and 50 ms of a core.

    ``rules``: what a new password may not be.
    """

    def __init__(self, hasher: PasswordHasher | None = None, at_once: int = 2, rules: PasswordRules | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._rules = rules or PasswordRules()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._most_waiting = at_once * _WAITING_PER_THREAD
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody has this password")

    async def __aenter__(self) -> "Passwords":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def check_new(self, password: str, identity: str, name: str) -> None:
        """Raises ``Refusal`` where it may not be the password of ``identity``, who is called ``name``."""
        await self._in_thread(lambda: self._rules.check(password, identity, name))

    async def hash(self, password: str) -> str:
        """What to keep in place of a password."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, known_hash: str | None, password: str) -> bool:
        """None, for somebody who is not there, takes as long as a wrong password."""
        return await self._in_thread(lambda: self._matches(known_hash or self._nobody, password) and bool(known_hash))

    def is_outdated(self, known_hash: str) -> bool:
        """Our parameters have become stronger since."""
        return self._hasher.check_needs_rehash(known_hash)

    def _matches(self, known_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(known_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Off the event loop, which carries calls. Bounded: more at once than can be done in a second or two are refused."""
        if self._waiting >= self._most_waiting:
            raise Refusal("busy", "Many people are signing in right now: try again in a moment.", 2.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
