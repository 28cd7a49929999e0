"""Room and call events, posted to other programs: at least once, signed, with patience.

The body is LiveKit's (``event``, ``id``, ``createdAt``, ``room``, ``participant``) and so is the signature: a JWT whose ``sha256`` claim is
the body's hash. Headers say the same by CloudEvents 1.0 (HTTP binding, binary mode). ``id`` is drawn once per event: who has had it
already leaves it out. What a receiver does not take waits in the store, and is tried again later and later.
"""

import asyncio
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from msgspec import Struct

from api.rooms import RoomEvent
from api.store import StoreUnavailable
from api.store.room_rows import Row
from api.store.rooms import RoomStore
from api.webhook_settings import WebhookSettings
from rooms.record import CallRecord
from signaling.tokens import body_token

log = structlog.get_logger()

_WITHIN_S = 10.0
_AT_ONCE = 8
_BATCH = 64
_LOOK_AGAIN_S = 30.0
_STORE_AGAIN_S = 5.0
_END_WITHIN_S = 3.0
_REMEMBERED = 4_000


class _Room(Struct, frozen=True, rename="camel"):
    """As in LiveKit's ``Room``. ``creation_time`` in whole seconds."""

    sid: str
    name: str
    metadata: str
    num_participants: int
    max_participants: int
    creation_time: int


class _Participant(Struct, frozen=True):
    identity: str
    name: str


class _Call(Struct, frozen=True, rename="camel"):
    call_id: str
    direction: str
    caller: str
    called: str
    agent: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    reason: str | None


class _Body(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One of ``room`` and ``call`` is there."""

    event: str
    id: str
    created_at: int
    room: _Room | None = None
    participant: _Participant | None = None
    call: _Call | None = None
    reason: str = ""


class Webhooks:
    """``async with``: owns the task that posts. ``counts``: events by what became of them. ``now``: seconds since the epoch."""

    def __init__(self, store: RoomStore, settings: WebhookSettings, *, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._new: deque[Row] = deque()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._wanted = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> "Webhooks":
        if self._settings.urls:
            self._task = asyncio.create_task(self._run(), name="webhooks")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is None:
            return
        self._closing = True
        self._wanted.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._task, _END_WITHIN_S)

    # ------------------------------------------------------------------ what happens

    def tell_room(self, event: RoomEvent) -> None:
        room = event.room
        self._tell(
            _Body(
                event=event.event,
                id=event.event_id,
                created_at=int(event.at),
                room=_Room(
                    sid=room.room_id,
                    name=room.name,
                    metadata=room.metadata,
                    num_participants=sum(1 for _ in room.present()),
                    max_participants=room.capacity,
                    creation_time=int(room.created_s),
                ),
                participant=_Participant(event.identity, event.name) if event.identity else None,
                reason=event.reason,
            )
        )

    def tell_call(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        """A call as it was just recorded: each of ``call_started``, ``call_answered`` and ``call_ended`` is told once."""
        event = "call_ended" if record.ended_s is not None else "call_answered" if record.answered_s is not None else "call_started"
        event_id = f"{record.call_id}-{event}"
        if event_id in self._told:
            return
        self._told[event_id] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        at = {name: None if when is None else to_epoch(when) for name, when in (("a", record.answered_s), ("e", record.ended_s))}
        call = _Call(
            call_id=record.call_id,
            direction=record.direction,
            caller=record.caller,
            called=record.called,
            agent=record.agent,
            started_at=to_epoch(record.started_s),
            answered_at=at["a"],
            ended_at=at["e"],
            reason=record.cause.reason.value if record.cause else None,
        )
        self._tell(_Body(event=event, id=event_id, created_at=int(self._now()), call=call))

    def _tell(self, body: _Body) -> None:
        if not self._settings.urls:
            return
        if len(self._new) >= self._settings.most_waiting:
            self.counts["dropped"] += 1
            return
        now, text = self._now(), msgspec.json.encode(body).decode()
        for url in self._settings.urls:
            self._new.append(
                {"event_id": body.id, "url": url, "event": body.event, "body": text, "created_at": now, "due_at": now, "attempts": 0}
            )
        self._wanted.set()

    # ------------------------------------------------------------------ posting

    async def _run(self) -> None:
        resolver = _Resolver(self._settings.allow_private)
        connector = TCPConnector(resolver=resolver, limit=_AT_ONCE, use_dns_cache=False)
        async with ClientSession(connector=connector, timeout=ClientTimeout(total=_WITHIN_S), trust_env=False) as http:
            wait_s = 0.0
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wanted.wait()
                self._wanted.clear()
                try:
                    await self._keep()
                    if self._closing:
                        return
                    await self._post_due(http)
                    wait_s = await self._until_next()
                except StoreUnavailable as error:
                    log.warning("webhooks.store_away", detail=str(error))
                    wait_s = _STORE_AGAIN_S
                    if self._closing:
                        log.error("webhooks.lost", count=len(self._new))
                        return

    async def _keep(self) -> None:
        """From memory into the store, the oldest first; bounded."""
        while self._new:
            batch = [self._new[at] for at in range(min(_BATCH, len(self._new)))]
            if await self._store.waiting_webhooks() + len(batch) > self._settings.most_waiting:
                self.counts["dropped"] += len(batch)
                log.error("webhooks.dropped", count=len(batch))
            else:
                await self._store.add_webhooks(batch)
            for _ in batch:
                self._new.popleft()

    async def _until_next(self) -> float:
        due = await self._store.next_webhook()
        return _LOOK_AGAIN_S if due is None else min(_LOOK_AGAIN_S, max(0.0, due - self._now()))

    async def _post_due(self, http: ClientSession) -> None:
        """To each receiver one after another; one that is slow keeps no other one waiting."""
        while due := await self._store.due_webhooks(self._now(), _BATCH):
            by_url: dict[str, list[Row]] = {}
            for row in due:
                by_url.setdefault(row["url"], []).append(row)
            await asyncio.gather(*(self._post_all(http, rows) for rows in by_url.values()))
            if self._closing:
                return

    async def _post_all(self, http: ClientSession, rows: Sequence[Row]) -> None:
        """One event that its receiver does not like holds up no other one; a receiver that is not there is tried once."""
        there = True
        for row in rows:
            fault, there = await self._post(http, row) if there else ("it was not there for the event before", False)
            if not fault:
                self.counts["taken"] += 1
                await self._store.drop_webhook(row["event_id"], row["url"])
            else:
                await self._put_off(row, fault)

    async def _put_off(self, row: Row, fault: str) -> None:
        now, settings = self._now(), self._settings
        host = urlsplit(row["url"]).hostname
        if now - row["created_at"] >= settings.give_up_s or row["url"] not in settings.urls:
            self.counts["given_up"] += 1
            log.error("webhook.given_up", event_id=row["event_id"], host=host, fault=fault, attempts=row["attempts"])
            await self._store.drop_webhook(row["event_id"], row["url"])
            return
        self.counts["put_off"] += 1
        wait_s = min(settings.longest_retry_s, settings.first_retry_s * 2.0 ** min(row["attempts"], 30))
        log.warning("webhook.put_off", event_id=row["event_id"], host=host, fault=fault, wait_s=round(wait_s, 1))
        await self._store.put_off_webhook(row["event_id"], row["url"], now + wait_s, row["attempts"] + 1)

    async def _post(self, http: ClientSession, row: Row) -> tuple[str, bool]:
        """Why it was not taken, empty where it was; and whether anybody answered."""
        host = urlsplit(row["url"]).hostname or ""
        if not self._settings.allow_private and _is_inside(host):
            return "its address is of a private network", False
        body = row["body"].encode()
        headers = {
            "Content-Type": "application/webhook+json",
            "Authorization": body_token(self._settings.key, self._settings.secret, body, self._now()),
            "ce-id": row["event_id"],
            "ce-source": self._settings.source,
            "ce-type": f"centralita.{row['event']}",
            "ce-specversion": "1.0",
            "ce-time": datetime.fromtimestamp(row["created_at"], UTC).isoformat(),
        }
        try:
            async with http.post(row["url"], data=body, headers=headers, allow_redirects=False) as response:
                return ("" if 200 <= response.status < 300 else f"it answered {response.status}"), True
        except (ClientError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__, False


class _Resolver(AbstractResolver):
    """Looks where a name leads before anything is sent there, at each connection: a name may lead elsewhere every time."""

    def __init__(self, allow_private: bool) -> None:
        self._inner = ThreadedResolver()
        self._allow_private = allow_private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private and any(_is_inside(each["host"]) for each in found):
            raise OSError("its address is of a private network")
        return found

    async def close(self) -> None:
        await self._inner.close()


def _is_inside(host: str) -> bool:
    """Is this an address that is not of the public network? A name is none yet."""
    try:
        address: Any = ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return not address.is_global or address.is_multicast or (mapped is not None and not mapped.is_global)
