"""Keys for programs: kept as hashes, narrowed to scopes, with an end. Given as ``Authorization: Bearer ck_...``."""

import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

from api.store import ApiKey, User
from signaling.grants import Grant, Permission
from signaling.refusal import Refusal

PREFIX = "ck_"
"""Every key begins so: people and scanners of leaked secrets know it."""
_USED_EVERY_S = 60.0
_MOST_REMEMBERED = 10_000


class KeyStore(Protocol):
    async def save_key(self, key: ApiKey) -> None: ...

    async def key(self, key_id: str) -> ApiKey | None: ...

    async def keys(self) -> list[ApiKey]: ...

    async def used_key(self, key_id: str, at: float) -> None: ...

    async def revoke_key(self, key_id: str, at: float) -> bool: ...

    async def user(self, identity: str) -> User | None: ...


class ApiKeys:
    """``clock``: seconds since the epoch."""

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._used: OrderedDict[str, float] = OrderedDict()

    async def make(
        self, identity: str, name: str, by: str, *, scopes: Iterable[Permission] = (), expires_in_s: float | None = None
    ) -> tuple[ApiKey, str]:
        """A key for this account, and the key itself, which nobody sees again. Without scopes it may do what the account's role may."""
        if await self._store.user(identity) is None:
            raise Refusal("unknown_user", "Nobody who may sign in has this name: make the account first.")
        key_id = secrets.token_hex(6)
        secret = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        now = self._clock()
        expires_at = None if expires_in_s is None else now + expires_in_s
        key = ApiKey(key_id, identity, name, _digest(secret), tuple(sorted(scopes)), now, by, expires_at)
        await self._store.save_key(key)
        return key, secret

    async def all(self) -> list[ApiKey]:
        """Those that were not revoked, newest first."""
        return await self._store.keys()

    async def revoke(self, key_id: str) -> bool:
        """From now on it opens nothing. False where there was none."""
        return await self._store.revoke_key(key_id, self._clock())

    async def identify(self, secret: str) -> Grant:
        """What a key grants: its account's role of today, no more than its scopes. Raises ``Refusal`` (``key_invalid``)."""
        now = self._clock()
        key_id = secret.removeprefix(PREFIX).partition("_")[0]
        key = await self._store.key(key_id)
        if key is None or not hmac.compare_digest(key.key_hash, _digest(secret)):
            raise Refusal("key_invalid", "This key is not one of this server's.")
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            raise Refusal("key_invalid", "This key has expired or was revoked: ask an administrator for a new one.")
        user = await self._store.user(key.identity)
        if user is None:
            raise Refusal("key_invalid", "The account of this key is no more: ask an administrator.")
        await self._note_use(key_id, now)
        return Grant(
            identity=user.identity,
            name=user.name,
            role=user.role,
            token_id=key_id,
            issued_at=key.created_at,
            expires_at=math.inf if key.expires_at is None else key.expires_at,
            signed_in_at=key.created_at,
            teams=user.teams,
            narrowed_to=frozenset(Permission(scope) for scope in key.scopes) if key.scopes else None,
        )

    async def _note_use(self, key_id: str, now: float) -> None:
        """Once a minute is enough to know when a key was last used."""
        if now - self._used.get(key_id, -math.inf) < _USED_EVERY_S:
            return
        self._used[key_id] = now
        self._used.move_to_end(key_id)
        while len(self._used) > _MOST_REMEMBERED:
            self._used.popitem(last=False)
        await self._store.used_key(key_id, now)


def _digest(secret: str) -> str:
    """A key has 256 bits of randomness: a fast hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
