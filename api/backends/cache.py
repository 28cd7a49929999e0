"""What backends said, kept for a while: in this server's memory, and in Redis where the nodes share one.

An answer counts as it stands for ``fresh_s``; for ``stale_s`` it is shown while it is asked for anew; that nobody is known counts for
``nobody_s``. Who asks the same in the same moment waits for one request.

Everything is kept under a handle of whom it is about, sealed with their key (``api/privacy/vault.py``): neither Redis nor a dump of this
memory holds anything in clear, and who is forgotten is forgotten here too, even where an answer about them is on its way. That a number is
nobody's is no secret of anybody's, and needs no key.
"""

import asyncio
import base64
import binascii
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import msgspec
import structlog

from api.backends.protocols import BackendFault
from api.privacy.key_book import KeysUnavailable
from api.privacy.vault import Vault

log = structlog.get_logger()
T = TypeVar("T")
_COMPRESS_FROM = 1_024
_MOST_BYTES = 64 * 1_048_576
_MOST_FLIGHTS = 2_000


@dataclass(frozen=True, slots=True)
class CacheTimes:
    fresh_s: float = 300.0
    stale_s: float = 86_400.0
    nobody_s: float = 30.0
    remembered: int = 20_000


class Shelf(Protocol):
    """Where nodes share what they keep. Nothing raises: what is away is not there."""

    async def fetch(self, handle: str, name: str) -> str | None: ...

    async def keep(self, handle: str, name: str, text: str, ttl_s: float) -> None: ...

    async def drop(self, handles: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """``stale``: it is to be asked for anew."""

    value: T
    age_s: float
    stale: bool


class _Entry(NamedTuple):
    """``at``: seconds since the epoch. ``sealed``: empty where nobody is known."""

    at: float
    sealed: str


class AnswerCache:
    """``async with``: owns the requests under way. Values are of types that msgspec turns into JSON and back; what is empty is nobody.

    ``counts``: ``fresh``, ``stale`` and ``nobody`` are answers that nobody had to wait for, ``shared`` those of them that came from the
    other nodes, ``missed`` what had to be asked for, ``joined`` who waited for a request that was under way.
    """

    def __init__(self, vault: Vault, times: CacheTimes, *, shelf: Shelf | None = None, now: Callable[[], float] = time.time) -> None:
        self._vault = vault
        self.times = times
        self._shelf = shelf
        self._now = now
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._names: dict[str, set[str]] = {}
        self._nobody: OrderedDict[tuple[str, str], float] = OrderedDict()
        """When it was said that nobody is known, the oldest first; let go when it no longer counts: new numbers would fill the memory."""
        self._bytes = 0
        self._flights: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def gauges(self) -> dict[str, float]:
        """``hit_ratio``: of what was looked for, how much was there."""
        hits = sum(self.counts[name] for name in ("fresh", "stale", "nobody"))
        asked = hits + self.counts["missed"]
        return {
            "entries": len(self._entries) + len(self._nobody),
            "bytes": self._bytes,
            "asking": len(self._flights),
            "hit_ratio": hits / asked if asked else 0.0,
        }

    # ------------------------------------------------------------------ reading

    def peek(self, handle: str, name: str, shape: type[T]) -> Kept[T] | None:
        """What this server itself has at hand. Takes microseconds, and counts nothing."""
        entry = self._entries.get((handle, name))
        if entry is None and (said_at := self._nobody.get((handle, name))) is not None:
            entry = _Entry(said_at, "")
        return None if entry is None else self._read(entry, shape)

    async def find(self, handle: str, name: str, shape: type[T]) -> Kept[T] | None:
        """What is kept here or by the other nodes."""
        kept = self.peek(handle, name, shape)
        if kept is not None:
            if kept.value:
                self._entries.move_to_end((handle, name))
        elif self._shelf is not None and (text := await self._shelf.fetch(handle, name)) is not None:
            kept = self._taken(handle, name, text, shape)
        self.counts["missed" if kept is None else "stale" if kept.stale else "fresh" if kept.value else "nobody"] += 1
        return kept

    async def ask(self, handle: str, name: str, shape: type[T], ask: Callable[[], Awaitable[T]]) -> T:
        """Ask for it and keep it. Raises as ``ask`` does, and ``BackendFault`` where too much is asked for at once."""
        flight = self._flights.get((handle, name))
        if flight is not None:
            self.counts["joined"] += 1
        elif len(self._flights) >= _MOST_FLIGHTS:
            self.counts["refused"] += 1
            raise BackendFault("slow", "Too much is being looked up at once.")
        else:
            flight = asyncio.create_task(self._fly(handle, name, ask), name="ask-backend")
            self._flights[handle, name] = flight
            self._tasks.add(flight)
            flight.add_done_callback(self._landed)
        found: T = await asyncio.shield(flight)
        return found

    # ------------------------------------------------------------------ forgetting

    async def forget(self, handles: Iterable[str]) -> None:
        """Drop all that is about these, here and on the shelf, and what is being asked for meanwhile."""
        gone = set(handles)
        for handle in gone:
            for name in self._names.pop(handle, ()):
                self._bytes -= len(self._entries.pop((handle, name)).sealed)
        for key in [key for key in self._nobody if key[0] in gone]:
            del self._nobody[key]
        for key in [key for key in self._flights if key[0] in gone]:
            del self._flights[key]
        if self._shelf is not None and gone:
            await self._shelf.drop(gone)

    # ------------------------------------------------------------------ one answer

    async def _fly(self, handle: str, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        key, me = (handle, name), asyncio.current_task()
        try:
            found = await ask()
            if self._flights.get(key) is me:  # else they were forgotten meanwhile
                await self._keep(handle, name, found)
            return found
        finally:
            if self._flights.get(key) is me:
                del self._flights[key]

    def _landed(self, flight: "asyncio.Task[Any]") -> None:
        self._tasks.discard(flight)
        if not flight.cancelled():
            flight.exception()  # whoever still waits has it too

    async def _keep(self, handle: str, name: str, value: object) -> None:
        try:
            sealed = self._vault.seal(handle, _packed(msgspec.json.encode(value))) if value else ""
        except KeysUnavailable as error:
            log.warning("context.not_kept", why=str(error))
            return
        entry = _Entry(self._now(), sealed)
        self._put(handle, name, entry)
        if self._shelf is not None:
            ttl_s = self.times.stale_s if sealed else self.times.nobody_s
            await self._shelf.keep(handle, name, f"{entry.at:.3f} {sealed}", ttl_s)

    def _taken(self, handle: str, name: str, text: str, shape: type[T]) -> Kept[T] | None:
        at, _, sealed = text.partition(" ")
        try:
            entry = _Entry(float(at), sealed)
        except ValueError:
            return None
        kept = self._read(entry, shape)
        if kept is not None:
            self._put(handle, name, entry)
            self.counts["shared"] += 1
        return kept

    def _read(self, entry: _Entry, shape: type[T]) -> Kept[T] | None:
        age_s, times = max(0.0, self._now() - entry.at), self.times
        if not entry.sealed:
            return Kept(shape(), age_s, False) if age_s < times.nobody_s else None
        if age_s >= max(times.stale_s, times.fresh_s):
            return None
        try:
            return Kept(msgspec.json.decode(_unpacked(self._vault.open(entry.sealed)), type=shape), age_s, age_s >= times.fresh_s)
        except (KeysUnavailable, msgspec.MsgspecError, zlib.error, binascii.Error):
            return None  # forgotten, or kept by another version

    def _put(self, handle: str, name: str, entry: _Entry) -> None:
        self._nobody.pop((handle, name), None)
        if not entry.sealed:
            self._let_go(handle, name)
            self._nobody[handle, name] = entry.at
        else:
            former = self._entries.pop((handle, name), None)
            self._bytes += len(entry.sealed) - (len(former.sealed) if former is not None else 0)
            self._entries[handle, name] = entry
            self._names.setdefault(handle, set()).add(name)
        self._bound()

    def _bound(self) -> None:
        too_old = self._now() - self.times.nobody_s
        while self._nobody and (len(self._nobody) > self.times.remembered or next(iter(self._nobody.values())) <= too_old):
            self._nobody.popitem(last=False)
        while len(self._entries) > self.times.remembered or self._bytes > _MOST_BYTES:
            self._let_go(*next(iter(self._entries)))

    def _let_go(self, handle: str, name: str) -> None:
        entry = self._entries.pop((handle, name), None)
        if entry is not None:
            self._bytes -= len(entry.sealed)
            self._names[handle].discard(name)
            if not self._names[handle]:
                del self._names[handle]


def _packed(body: bytes) -> str:
    """What is long is compressed, before it is sealed: afterwards it cannot be."""
    return body.decode() if len(body) < _COMPRESS_FROM else "z" + base64.b85encode(zlib.compress(body, 1)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text[1:])) if text.startswith("z") else text.encode()
