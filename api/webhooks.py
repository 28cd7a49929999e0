"""Room and call events, posted to other programs: at least once, signed, with patience, and those of one room or call in order.

What is told is put into the store at once, and posted from there. Of each room or call one event is under way to a receiver, and the next
one waits until that was taken or given up; those of others do not wait for it. ``id`` is drawn once per event: who has had it already
leaves it out; ``ce-subject`` says what it is about and ``ce-sequence`` rises. One node at a time posts to a receiver, by a lease in the
store.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import structlog

from api.happenings import Happening, Kind
from api.outward import outward_session
from api.rooms import RoomEvent
from api.store import StoredVoicemail, StoreUnavailable
from api.store.room_rows import Row
from api.store.webhooks import WebhookStore
from api.webhook_bodies import Body, body_of_call, body_of_happening, body_of_line, body_of_room, body_of_suspension, body_of_voicemail
from api.webhook_endpoint import Endpoint
from api.webhook_post import WITHIN_S, CloudEvent, cloud_event, post
from api.webhook_settings import WebhookSettings
from pbx.trunk import StatusChanged
from rooms.record import CallRecord
from signaling.refusal import Refusal

log = structlog.get_logger()

_AT_ONCE = 8
"""Events under way to one receiver, each of another room or call."""
_BATCH = 256
_LOOK_AGAIN_S = 2.0
"""So soon an event that another node put into the store is seen."""
_HELD_S = 6 * WITHIN_S
_STORE_AGAIN_S = 5.0
_END_WITHIN_S = 3.0
_REMEMBERED = 4_000
_PRUNE_EVERY_S = 3_600.0
_GATHER_S, _GATHER_ALONE_S = 0.05, 0.25
"""What comes within this is one transaction; the other is for where nobody waits for it to be posted."""
_TOLD_OTHERWISE = frozenset({Kind.CALL_ENDED, Kind.VOICEMAIL_LEFT})


class Webhooks:
    """``async with``: owns the tasks that keep and post. ``counts``: events by what became of them. ``node``: who we are among several.
    ``now``: seconds since the epoch.
    """

    def __init__(self, store: WebhookStore, settings: WebhookSettings, *, now: Callable[[], float], node: str = "main") -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._node = node
        self._new: deque[Row] = deque()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._number = 0
        self._pruned_at = 0.0
        self._cut_off: frozenset[str] = frozenset()
        self._standings = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._due = {url: asyncio.Event() for url in settings.urls}
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> "Webhooks":
        if self._settings.urls or self._settings.keep_s:
            at_once = _AT_ONCE * max(1, len(self._settings.urls))
            self._http = outward_session(allow_private=self._settings.allow_private, at_once=at_once, within_s=WITHIN_S)
            self._tasks = [asyncio.create_task(self._serve(url), name="webhooks") for url in self._settings.urls]
            self._tasks.append(asyncio.create_task(self._keep_all(), name="webhooks-kept"))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if not self._tasks:
            return
        self._closing = True
        for event in (self._wanted, *self._due.values()):
            event.set()
        await asyncio.wait(self._tasks, timeout=_END_WITHIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()
        with suppress(StoreUnavailable):
            await self._store.release(self._node)

    # ------------------------------------------------------------------ what happens

    def tell_room(self, event: RoomEvent) -> None:
        self._tell(body_of_room(event), event.room.room_id)

    def tell_call(self, record: CallRecord, to_epoch: Callable[[float], float]) -> None:
        """A call as it was just recorded: each of its steps is told once."""
        body = body_of_call(record, to_epoch, self._now())
        if body.id in self._told:
            return
        self._told[body.id] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        self._tell(body, record.call_id, self._store.told.person_of(record.caller if record.direction == "in" else record.called))

    def tell_suspended(self, identity: str, why: str) -> None:
        self._tell(body_of_suspension(identity, why, self._now()), identity)

    def tell_line(self, event: StatusChanged) -> None:
        self._tell(body_of_line(event, self._now()), event.trunk)

    def tell_voicemail(self, left: StoredVoicemail) -> None:
        self._tell(body_of_voicemail(left, self._now()), left.box, self._store.told.person_of(left.caller))

    def hear(self, happening: Happening) -> None:
        """What is not told of already as a call's or a voicemail's event."""
        if happening.kind not in _TOLD_OTHERWISE:
            number = happening.facts.get("called" if happening.facts.get("direction") == "out" else "caller", "")
            person = happening.person or self._store.told.person_of(str(number))
            self._tell(body_of_happening(happening), happening.subject[:64], person)

    def _tell(self, body: Body, subject: str, person: str = "") -> None:
        if not self._settings.urls and not self._settings.keep_s:
            return
        if len(self._new) >= self._settings.most_waiting:
            self.counts["dropped"] += 1
            return
        now, text = self._now(), msgspec.json.encode(body).decode()
        self._number = max(self._number + 1, int(now * 1e6))
        row = {"event_id": body.id, "event": body.event, "subject": subject, "number": self._number, "body": text, "created_at": now}
        self._new.extend(row | {"url": url, "due_at": now, "attempts": 0} for url in self._settings.urls)
        if self._settings.keep_s:
            self._new.append(row | {"person": person})
        self._wanted.set()

    # ------------------------------------------------------------------ what administrators see and do

    async def endpoints(self) -> list[tuple[Endpoint, int]]:
        """Each receiver, and how many events wait for it. Raises ``StoreUnavailable``."""
        known = {endpoint.url: endpoint for endpoint in await self._store.endpoints()}
        waiting = await self._store.waiting()
        return [(known.get(url, Endpoint(url)), waiting.get(url, 0)) for url in self._settings.urls]

    async def resume(self, url: str) -> bool:
        """Post to it again. Is it a receiver of ours? Raises ``StoreUnavailable``."""
        if url not in self._due:
            return False
        async with self._standings:
            endpoint = next((one for one in await self._store.endpoints() if one.url == url), None)
            if endpoint is None:
                return False
            await self._store.keep_endpoint(endpoint.resumed())
            self._cut_off -= {url}
        self._due[url].set()
        return True

    async def told(self, after: int, limit: int) -> tuple[list[CloudEvent], int]:
        """Events behind this place, and the place of the last one. Raises ``Refusal`` where some behind it are not kept any more, and
        ``StoreUnavailable``."""
        found = await self._behind(after, limit)
        return [cloud_event(row, self._settings.source, row["seq"]) for row in found], found[-1]["seq"] if found else after

    async def replay(self, url: str, after: int, limit: int) -> tuple[int, int]:
        """Post events behind this place once more to this receiver, by their own ids, before what comes. How many, and the place of the
        last one. Raises as ``told``."""
        if url not in self._due:
            raise Refusal("unknown_receiver", "This address is not in webhooks.urls.")
        found, now = await self._behind(after, limit), self._now()
        names = ("event_id", "event", "subject", "number", "body", "created_at")
        rows = [{name: row[name] for name in names} | {"url": url, "due_at": now, "attempts": 0} for row in found]
        if rows:
            await self._store.add(rows)
            self._due[url].set()
        return len(rows), found[-1]["seq"] if found else after

    async def _behind(self, after: int, limit: int) -> list[Row]:
        found = await self._store.told.behind(after, limit)
        oldest = await self._store.told.oldest()
        if oldest > after + 1 and after:
            raise Refusal("cursor_gone", f"Events behind this cursor are no longer kept: begin at {oldest - 1}.")
        return found

    # ------------------------------------------------------------------ keeping

    async def _keep_all(self) -> None:
        """From memory into the store, the oldest first."""
        while not self._closing or self._new:
            await self._wanted.wait()
            if not self._closing:
                await asyncio.sleep(_GATHER_S if self._settings.urls else _GATHER_ALONE_S)
            self._wanted.clear()
            try:
                await self.settle()
            except StoreUnavailable as error:
                log.warning("webhooks.store_away", detail=str(error))
                if self._closing:
                    log.error("webhooks.lost", count=len(self._new))
                    return
                asyncio.get_running_loop().call_later(_STORE_AGAIN_S, self._wanted.set)

    async def settle(self) -> None:
        """What happened until now is in the store when this returns. Raises ``StoreUnavailable``."""
        async with self._keeping:
            await self._keep()

    async def _keep(self) -> None:
        while self._new:
            batch = [self._new[at] for at in range(min(_BATCH, len(self._new)))]
            waiting = await self._store.waiting() if self._settings.urls else {}
            kept, told = [], [row for row in batch if "url" not in row]
            for row in batch:
                if "url" not in row:
                    continue
                waiting[row["url"]] = waiting.get(row["url"], 0) + 1
                if waiting[row["url"]] <= self._settings.most_waiting and row["url"] not in self._cut_off:
                    kept.append(row)
            if kept or told:
                await self._store.add(kept, told)
            if dropped := len(batch) - len(kept) - len(told):
                self.counts["dropped"] += dropped
                log.error("webhooks.dropped", count=dropped)
            for row in batch:
                self._new.popleft()
                if "url" in row:
                    self._due[row["url"]].set()
        if self._settings.keep_s and self._now() - self._pruned_at > _PRUNE_EVERY_S:
            self._pruned_at = self._now()
            await self._store.told.prune(self._pruned_at - self._settings.keep_s)

    # ------------------------------------------------------------------ posting

    async def _serve(self, url: str) -> None:
        """One receiver; one that is slow or away keeps no other one waiting."""
        while not self._closing:
            self._due[url].clear()
            try:
                wait_s = await self._post_due(url) if await self._held(url) else _LOOK_AGAIN_S
            except StoreUnavailable as error:
                log.warning("webhooks.store_away", detail=str(error))
                wait_s = _STORE_AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._due[url].wait()

    async def _held(self, url: str) -> bool:
        now = self._now()
        return await self._store.hold(url, self._node, now, now + _HELD_S)

    async def _standing(self, url: str) -> Endpoint:
        """Where it stands. What waits for one that is cut off is given up here, beside no one who resumes it meanwhile."""
        async with self._standings:
            known = await self._store.endpoints()
            self._cut_off = frozenset(endpoint.url for endpoint in known if endpoint.cut_off_at is not None)
            if url in self._cut_off:
                await self._forget(url)
            return next(endpoint for endpoint in known if endpoint.url == url)

    async def _post_due(self, url: str) -> float:
        """All that may be posted now. How long nothing will be due, in seconds."""
        endpoint = await self._standing(url)
        while not self._closing and endpoint.cut_off_at is None and endpoint.retry_at <= self._now() and await self._held(url):
            due = await self._store.due(url, self._now(), _AT_ONCE if endpoint.failing_since is None else 1)
            if not due:
                break
            for row, (fault, reached) in zip(due, await asyncio.gather(*(self._post(row) for row in due)), strict=True):
                endpoint = await self._settle(endpoint, row, fault, reached)
            await self._store.keep_endpoint(endpoint)
            if endpoint.cut_off_at is not None:
                endpoint = await self._standing(url)
        if endpoint.cut_off_at is not None:
            return _LOOK_AGAIN_S
        next_due = await self._store.next_due(url)
        wanted_at = max(endpoint.retry_at, next_due) if next_due is not None else float("inf")
        return min(_LOOK_AGAIN_S, max(0.0, wanted_at - self._now()))

    async def _post(self, row: Row) -> tuple[str, bool]:
        return await post(self._http, self._settings, row, self._now())

    async def _settle(self, endpoint: Endpoint, row: Row, fault: str, reached: bool) -> Endpoint:
        now, settings = self._now(), self._settings
        if not fault:
            self.counts["taken"] += 1
            await self._store.drop(row["event_id"], row["url"])
            return endpoint.took(now)
        wait_s = settings.wait_s(row["attempts"])
        told = {"event_id": row["event_id"], "host": urlsplit(row["url"]).hostname, "fault": fault}
        if now - row["created_at"] >= settings.give_up_s:
            self.counts["given_up"] += 1
            log.error("webhook.given_up", **told, attempts=row["attempts"])
            await self._store.drop(row["event_id"], row["url"])
        else:
            self.counts["put_off"] += 1
            log.warning("webhook.put_off", **told, wait_s=round(wait_s, 1))
            await self._store.put_off(row["event_id"], row["url"], now + wait_s, row["attempts"] + 1)
        return endpoint.failed(now, fault, settings, reached=reached)

    async def _forget(self, url: str) -> None:
        """It is cut off: nothing waits for it."""
        if given_up := await self._store.drop_all(url):
            self.counts["given_up"] += given_up
            log.error("webhooks.cut_off", host=urlsplit(url).hostname, events=given_up, hint="POST /api/v1/webhooks/resume when it is well")
