"""Who may sign in: passwords (argon2id, RFC 9106), slowed guessing, sessions.

An unknown name and a wrong password take the same time and get the same answer, so names cannot be found out by trying.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec.structs import replace

from api.store.errors import StoreUnavailable
from signaling.grants import Grant
from signaling.limits import Backoff, network_of
from signaling.messages import IceServer, Session, SignIn
from signaling.refusal import Refusal
from signaling.tokens import TokenIssuer

log = structlog.get_logger()
T = TypeVar("T")
_WAITING_PER_THREAD = 16


class User(Protocol):
    """A person who may sign in, as the store has them."""

    @property
    def identity(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def password_hash(self) -> str: ...


class UserStore(Protocol):
    async def user(self, identity: str) -> User | None: ...

    async def set_password_hash(self, identity: str, password_hash: str) -> None: ...

    async def signed_in(self, identity: str, at: float) -> None:
        """Note when, in seconds since the epoch."""


class Accounts:
    """``async with``: owns the threads that check passwords, ``at_once`` of them; each check takes about 64 MB and 50 ms of a core.

    ``on_sign_in`` hears of each attempt whether it succeeded. ``clock`` is monotonic seconds.
    """

    def __init__(
        self,
        store: UserStore,
        tokens: TokenIssuer,
        *,
        hasher: PasswordHasher | None = None,
        at_once: int = 2,
        on_sign_in: Callable[[bool], None] = lambda succeeded: None,
        relays: Callable[[str], list[IceServer]] = lambda identity: [],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._most_waiting = at_once * _WAITING_PER_THREAD
        self._waiting = 0
        self._on_sign_in = on_sign_in
        self._relays = relays
        self._clock = clock
        self._guesses = Backoff(free=5)
        self._guesses_of_address = Backoff(free=30)
        self._nobody = self._hasher.hash("nobody has this password")

    async def __aenter__(self) -> "Accounts":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def sign_in(self, request: SignIn, address: str) -> Session:
        """A session for who knows the password. Raises ``Refusal``: ``wrong_password``, or ``too_many_requests`` with the time to wait.

        Guesses are counted per name and address, and per address over all names. Not per name alone: anybody could lock anybody out.
        """
        who = network_of(address)
        pair = f"{request.user.lower()} {who}"
        now = self._clock()
        wait = max(self._guesses.wait(pair, now), self._guesses_of_address.wait(who, now))
        if wait > 0.0:
            raise Refusal("too_many_requests", f"Too many wrong passwords: try again in {wait:.0f} s.", wait)
        # Counted before the check and forgiven after it, so that many guesses at once are as dear as one after another.
        self._guesses.failed(pair, now)
        self._guesses_of_address.failed(who, now)
        user = await self._user(request.user)
        known_hash = self._nobody if user is None else user.password_hash
        matches = await self._in_thread(lambda: self._matches(known_hash, request.password))
        if user is None or not matches:
            self._on_sign_in(False)
            raise Refusal("wrong_password", "User name or password is wrong.")
        self._guesses.succeeded(pair)
        self._guesses_of_address.forgiven(who)
        if self._hasher.check_needs_rehash(user.password_hash):
            await self._renew_hash(user.identity, request.password)
        await self._store.signed_in(user.identity, time.time())
        self._on_sign_in(True)
        return self._session(user)

    async def identify(self, token: str) -> Grant:
        """Whose token this is. Raises ``Refusal``."""
        return self._tokens.verify(token)

    async def renew(self, grant: Grant) -> Session:
        """The next token of a session; name and role as they are now. Raises ``Refusal`` for somebody who is no user any more."""
        user = await self._user(grant.identity)
        if user is None:
            raise Refusal("token_revoked", "This account is no more: please ask an administrator.")
        return self._session(user, grant.signed_in_at)

    def _session(self, user: User, signed_in_at: float | None = None) -> Session:
        session = self._tokens.issue(user.identity, user.name, user.role, signed_in_at=signed_in_at)
        return replace(session, ice_servers=self._relays(user.identity))

    async def hash(self, password: str) -> str:
        """What to keep in place of a password."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def _renew_hash(self, identity: str, password: str) -> None:
        """Our parameters have become stronger since: only now is the password known that the new hash needs."""
        try:
            await self._store.set_password_hash(identity, await self.hash(password))
        except StoreUnavailable as error:
            log.warning("sign_in.hash_not_renewed", detail=str(error))

    async def _user(self, identity: str) -> User | None:
        try:
            return await self._store.user(identity)
        except StoreUnavailable as error:
            log.error("sign_in.store_unavailable", detail=str(error))
            raise Refusal(
                "store_unavailable", "The server's database does not answer, so nobody can sign in: try again soon.", 5.0
            ) from None

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
