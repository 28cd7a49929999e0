"""The bus of several nodes, in Redis (7 or later). The only file that knows redis-py.

**Saying something** is one step in Redis (a Lua script): the topic's next number, the bounded log for replay, PUBLISH. Each node, the one
that said it too, tells its people what comes back by its subscription. What was said waits until it was heard: after a short break it is
said again, in order, and Redis does not take it twice.

**Deaf, alone.** Every node sends itself a heartbeat through Redis. One that does not come back in time ends the connections and makes new
ones, for a subscription can go deaf without a word (python-socketio #1581). A node that Redis answers but that hears nothing is no use and
says so (``is_fit``), so that it is taken out; one without Redis goes on alone: what is said reaches its own people, by a bus in its memory.

**Numbers.** A topic's first number is the time in ms, also of a bus in memory, so later ones are always above earlier ones. A node that
said something while it was alone begins a new generation of logs when it is back: all readers everywhere are then brought up to date by
a snapshot, for nobody can replay what was said on two sides.

**Memory.** A Redis at its memory limit still takes what is said and the leases (scripts may go over the limit, by little): then nothing is
kept for replay, which frees memory, and who reconnects gets a snapshot.

A node's name is a lease with a fencing token that grows with each life (SET with PX and a counter that also follows the clock, so that it
grows although Redis lost its data).

**Claims.** A room is held by the life of a node that claimed it first (``rooms/ownership.py``): the claim names that life and holds as long
as its lease, so one renewal a beat keeps all rooms of a node. On a room's topic nobody else is heard.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Self, TypeVar, cast
from uuid import uuid4

import msgspec
import structlog
from msgspec import Raw, Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from signaling.bus import BusAlone, BusState, Holder, MemoryBus, Said, said
from signaling.messages import Notice
from signaling.topics import is_of_node, is_volatile, superseding_key

log = structlog.get_logger()
T = TypeVar("T")

_SAY = """#!lua flags=allow-oom
local prefix, instance, number, topic, key = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local volatile, kept, ttl, said = ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7], ARGV[8]
local done = prefix .. ':said:' .. instance
if tonumber(redis.call('GET', done) or '0') >= tonumber(number) then return 0 end
redis.call('SET', done, number, 'PX', ttl)
local room = string.match(topic, '^room:(.+)$')
local claim = room and redis.call('GET', prefix .. ':claim:' .. room)
if claim and string.match(claim, '^%S+') ~= instance then return 0 end
local generation = redis.call('GET', prefix .. ':generation') or '0'
local base = prefix .. ':' .. generation .. ':' .. topic
local head, lines, keys = base .. ':head', base .. ':lines', base .. ':keys'
local last = redis.call('HGET', head, 'last')
if not last then
  local time = redis.call('TIME')
  last = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - 1)
  redis.call('HSET', head, 'floor', last)
end
local seq = string.format('%.0f', last + 1)
redis.call('HSET', head, 'last', seq)
if kept == 0 then
  redis.call('DEL', lines, keys)
  redis.call('HSET', head, 'floor', seq)
elseif not volatile then
  if key ~= '' then
    local before = redis.call('HGET', keys, key)
    if before then redis.call('ZREMRANGEBYSCORE', lines, before, before) end
    redis.call('HSET', keys, key, seq)
  end
  redis.call('ZADD', lines, seq, seq .. ' ' .. said)
  if redis.call('ZCARD', lines) > kept then
    local oldest = string.match(redis.call('ZPOPMIN', lines)[1], '^%d+')
    redis.call('HSET', head, 'floor', oldest)
  end
  if redis.call('HLEN', keys) > 4 * kept then
    local floor = tonumber(redis.call('HGET', head, 'floor'))
    local all = redis.call('HGETALL', keys)
    for i = 1, #all, 2 do
      if tonumber(all[i + 1]) <= floor then redis.call('HDEL', keys, all[i]) end
    end
  end
  redis.call('PEXPIRE', lines, ttl)
  redis.call('PEXPIRE', keys, ttl)
end
redis.call('PEXPIRE', head, ttl)
redis.call('PUBLISH', prefix .. ':notices', generation .. ' ' .. seq .. ' ' .. said)
return 1
"""
"""Number, keep and publish. 0 where this was done already, or is about a room that another node holds."""

_LAST = """#!lua flags=no-writes
local generation = redis.call('GET', KEYS[1] .. ':generation') or '0'
local time = redis.call('TIME')
local before = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - 1)
local found = {}
for i, topic in ipairs(ARGV) do
  found[i] = redis.call('HGET', KEYS[1] .. ':' .. generation .. ':' .. topic .. ':head', 'last') or before
end
return found
"""

_SINCE = """#!lua flags=no-writes
local base = KEYS[1] .. ':' .. (redis.call('GET', KEYS[1] .. ':generation') or '0') .. ':' .. ARGV[1]
local head = redis.call('HMGET', base .. ':head', 'last', 'floor')
local seen = tonumber(ARGV[2])
if not head[1] or seen < tonumber(head[2]) or seen > tonumber(head[1]) then return false end
return redis.call('ZRANGEBYSCORE', base .. ':lines', '(' .. ARGV[2], '+inf')
"""

_FORGET = """#!lua flags=allow-oom
local base = string.sub(ARGV[1], 1, -7)
redis.call('DEL', base .. ':lines', base .. ':keys')
local last = redis.call('HGET', base .. ':head', 'last')
if last then redis.call('HSET', base .. ':head', 'floor', last) end
return 1
"""
"""Of the topic whose lines these are (``base:lines``) nothing is kept; its numbers go on."""

_CLAIM = """#!lua flags=allow-oom
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%S+') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local token = (tonumber(redis.call('GET', KEYS[2])) or 0) + 1
token = string.format('%.0f', math.max(token, time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. token, 'PX', ARGV[2])
return tonumber(token)
"""
"""The lease of a name for an instance: its new fencing token, or 0 while another instance has it."""

_RENEW = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_RELEASE = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

_CLAIM_ROOMS = """#!lua flags=allow-oom
local prefix, instance, node, take, above, ttl = KEYS[1], ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5]
local found = {}
for i = 6, #ARGV do
  local key = prefix .. ':claim:' .. ARGV[i]
  local holding, holder, fence = string.match(redis.call('GET', key) or '', '^(%S+) (%S+) (%d+)$')
  local lease = holder and redis.call('GET', prefix .. ':node:' .. holder)
  if holding == instance then
    redis.call('PEXPIRE', key, ttl)
  elseif not lease or string.match(lease, '^%S+') ~= holding then
    holder, fence = '', '0'
    if take then
      local time = redis.call('TIME')
      local token = math.max((tonumber(redis.call('GET', prefix .. ':fence')) or 0), above) + 1
      token = math.max(token, time[1] * 1000 + math.floor(time[2] / 1000))
      holder, fence = node, string.format('%.0f', token)
      redis.call('SET', prefix .. ':fence', fence)
      redis.call('SET', key, instance .. ' ' .. node .. ' ' .. fence, 'PX', ttl)
    end
  end
  found[#found + 1] = holder
  found[#found + 1] = fence
end
return found
"""
"""Who holds each room, and its fence. A claim holds as long as the lease of the life that made it."""

_DISCLAIM = """#!lua flags=allow-oom
for i = 2, #ARGV do
  local key = KEYS[1] .. ':claim:' .. ARGV[i]
  if string.match(redis.call('GET', key) or '', '^%S+') == ARGV[1] then redis.call('DEL', key) end
end
return 1
"""

_GENERATION = """#!lua flags=allow-oom
if ARGV[1] == '0' then return tonumber(redis.call('GET', KEYS[1] .. ':generation') or '0') end
local generation = redis.call('INCR', KEYS[1] .. ':generation')
redis.call('PUBLISH', KEYS[1] .. ':notices', generation .. ' 0 ')
return generation
"""
"""The generation of the logs; with 1, a new one."""

_SCRIPTS = {
    "say": _SAY,
    "last": _LAST,
    "since": _SINCE,
    "forget": _FORGET,
    "claim": _CLAIM,
    "renew": _RENEW,
    "claim_rooms": _CLAIM_ROOMS,
    "disclaim": _DISCLAIM,
}
_BATCH = 64
_END_S = 1.0
_FORGET_WITHIN_S = 10.0
"""How long leaving may take: what it does then is a courtesy."""
_CONNECTIONS = 16
_ASKED_AT_ONCE = 12
"""The other connections are for what is said and for the heartbeat, which wait for nobody's questions."""
_FULL = 0.98
"""From this share of its memory limit on nothing is kept for replay."""


@dataclass(frozen=True, slots=True)
class RedisBusSettings:
    """``node``: this node's name, another for each; ``prefix``: of all keys and channels, the same for all nodes of one installation."""

    url: str
    node: str
    prefix: str = "centralita"
    topics: int = 20_000
    kept: int = 128
    kept_s: float = 3_600.0
    """How long a topic on which nothing is said is remembered."""
    beat_s: float = 0.4
    deaf_s: float = 1.5
    """Without a heartbeat for so long, connections are made anew."""
    alone_s: float = 2.0
    """And for so long, this node goes on alone."""
    lease_s: float = 3.0
    """After that nobody believes any more in a node that is not heard of."""
    claim_s: float = 600.0
    """So long a claim is remembered that nobody renews."""
    waiting: int = 10_000
    """Notices that wait for Redis; one more, and this node goes on alone at once."""
    words: int = 10_000


class _Deaf(Exception):
    """Our own heartbeat does not come back."""


class _NameTaken(Exception):
    """Another instance has our name."""


class _Saying(Struct, frozen=True, array_like=True):
    """What goes through Redis with each notice."""

    instance: str
    number: int
    topic: str
    key: str
    volatile: bool
    notice: Raw
    hearers: tuple[str, ...] | None = None


class _Word(Struct, frozen=True, array_like=True):
    sender: str
    instance: str
    word: Raw


class RedisBus:
    """``async with``: begins as soon as it is known whether Redis is there. See ``signaling.bus.Bus``.

    ``counts``: what happened, by name, for the metrics.
    """

    def __init__(self, settings: RedisBusSettings) -> None:
        self._settings = settings
        self._instance = uuid4().hex
        self._loop = asyncio.get_running_loop()
        self._deliver: Callable[[Said], None] = lambda said: None
        self._on_gap: Callable[[Mapping[str, int]], None] = lambda seen: None
        self._on_word: Callable[[str, bytes], None] = lambda node, word: None
        self._on_state: Callable[[], None] = lambda: None
        self._state = BusState.PARTED
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._settled = asyncio.Event()
        """Set while the state is together or alone."""
        self._of_node = self._memory()
        self._alone = self._memory()
        self._client: Any = None
        self._waiting: OrderedDict[int, tuple[str, Notice, tuple[str, ...] | None]] = OrderedDict()
        """Said and not heard yet, by number; up to ``_written`` it went to Redis."""
        self._number = self._written = 0
        self._words: deque[tuple[str, bytes]] = deque()
        self._wake = asyncio.Event()
        self._delivered: OrderedDict[str, int] = OrderedDict()
        self._generation = b""
        self._heard_at_s = self._loop.time()
        self._lease_until_s = 0.0
        self._full = False
        self._answers = False
        """Did Redis answer when it was last asked?"""
        self._name_taken = False
        self._leaving = False
        self._task: asyncio.Task[None] | None = None
        self.token = 0
        self.counts: dict[str, int] = dict.fromkeys(("partings", "times_alone", "words_lost", "waited_in_vain"), 0)

    def _memory(self) -> MemoryBus:
        bus = MemoryBus(topics=self._settings.topics, kept=self._settings.kept)
        bus.listen(lambda said: self._deliver(said))
        return bus

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        self._heard_at_s = self._loop.time()
        self._task = asyncio.create_task(self._live(), name="redis-bus")
        await self._settled.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leaving = True
        task, self._task = self._task, None
        while task is not None and not task.done():  # more than once: redis-py may make a time-out of a cancellation
            task.cancel()
            await asyncio.wait({task}, timeout=_END_S)

    @property
    def node(self) -> str:
        return self._settings.node

    @property
    def state(self) -> BusState:
        return self._state

    @property
    def memory_full(self) -> bool:
        return self._full

    @property
    def name_taken(self) -> bool:
        return self._name_taken

    @property
    def is_fit(self) -> bool:
        """False while Redis answers and yet nothing is heard: the fault is this node's, the others do well without it."""
        return self._state is BusState.TOGETHER or not self._answers

    async def _live(self) -> None:
        """Together as long as it goes, alone until it goes again."""
        while not self._leaving:
            watch = asyncio.create_task(self._part(), name="redis-bus-patience") if self._state is BusState.PARTED else None
            try:
                await asyncio.create_task(self._together(watch), name="redis-bus-together")
            except* (RedisError, OSError, TimeoutError) as errors:
                self._answers = False
                log.warning("bus.parted", error=_first(errors))
            except* _Deaf:
                self._answers = True
                log.warning("bus.deaf", detail="Redis answers, but this node does not hear what is said: it connects anew.")
            except* _NameTaken:
                self._answers = self._name_taken = True
                log.error("bus.name_taken", node=self.node, detail="Another node has this name: give each its own cluster.node.")
            except* Exception as errors:  # a fault of who listens is not to make this node deaf for good
                log.error("bus.failed", exc_info=errors)
            finally:
                if watch is not None:
                    watch.cancel()
            if self._state is BusState.TOGETHER:
                self.counts["partings"] += 1
                self._set(BusState.PARTED)
            if self._state is BusState.PARTED and self._loop.time() >= self._heard_at_s + self._settings.alone_s:
                self._go_alone()
            await asyncio.sleep(self._settings.beat_s / 2)

    async def _part(self) -> None:
        """While parted: waits until it has been for too long."""
        await asyncio.sleep(self._heard_at_s + self._settings.alone_s - self._loop.time())
        self._go_alone()

    async def _together(self, watch: "asyncio.Task[None] | None") -> None:
        """Connect, then hear, say and beat until one of them fails."""
        settings = self._settings
        client = cast(
            Any,
            Redis.from_url(
                settings.url,
                protocol=2,
                socket_timeout=settings.deaf_s,
                socket_connect_timeout=settings.deaf_s,
                retry=Retry(NoBackoff(), 0),
                max_connections=_CONNECTIONS,
            ),
        )
        ears = client.connection_pool.make_connection()
        try:
            self._scripts = {name: await _answer(client.script_load(text)) for name, text in _SCRIPTS.items()}
            await self._claim(client)
            channels = [self._channel("notices"), self._channel("words"), self._channel(f"words:{settings.node}")]
            await ears.connect()
            try:
                await ears.send_command("SUBSCRIBE", *channels)
                for _ in channels:
                    await ears.read_response()
            except ResponseError as error:
                raise _Deaf from error
            if watch is not None:
                watch.cancel()
            self._set(BusState.PARTED)  # what is said meanwhile waits
            self._generation = str(await _answer(client.eval(_GENERATION, 1, settings.prefix, int(len(self._alone) > 0)))).encode()
            self._alone = self._memory()
            self._answers, self._name_taken, self._heard_at_s = True, False, self._loop.time()
            self._client, self._written = client, 0
            self._set(BusState.TOGETHER)
            self._gap()
            async with asyncio.TaskGroup() as work:
                work.create_task(self._hear(ears))
                work.create_task(self._write(client))
                work.create_task(self._beat(client))
        finally:
            self._client = None
            await self._release(client)
            await ears.disconnect()
            await client.aclose()

    def _channel(self, name: str) -> str:
        return f"{self._settings.prefix}:{name}"

    @property
    def _lease(self) -> str:
        return f"{self._settings.prefix}:node:{self._settings.node}"

    async def _claim(self, client: Any) -> None:
        keys, asked_s = (self._lease, f"{self._settings.prefix}:fence"), self._loop.time()
        token = int(await _answer(client.evalsha(self._scripts["claim"], 2, *keys, self._instance, _ms(self._settings.lease_s))))
        if not token:
            raise _NameTaken
        self.token, self._lease_until_s = token, asked_s + self._settings.lease_s

    async def _release(self, client: Any) -> None:
        """When this node is stopped its name is free at once."""
        if self.token and self._leaving:
            try:
                async with asyncio.timeout(_END_S / 2):
                    await client.eval(_RELEASE, 1, self._lease, f"{self._instance} {self.token}")
            except (RedisError, OSError, TimeoutError):
                pass  # it runs out by itself

    def _set(self, state: BusState) -> None:
        if state is self._state:
            return
        self._state = state
        if state is BusState.PARTED:
            self._settled.clear()
            self.counts["words_lost"] += len(self._words)
            self._words.clear()
        else:
            self._settled.set()
        log.info("bus.state", state=state.value)
        self._on_state()

    def _go_alone(self) -> None:
        if self._state is BusState.ALONE:
            return
        self.counts["times_alone"] += 1
        self._set(BusState.ALONE)
        waiting, self._waiting = self._waiting, OrderedDict()
        for topic, notice, hearers in waiting.values():
            self._alone.publish(topic, notice, hearers)

    def _gap(self) -> None:
        self._on_gap(dict(self._delivered))

    # ------------------------------------------------------------------ Bus

    def listen(self, deliver: Callable[[Said], None], on_gap: Callable[[Mapping[str, int]], None]) -> None:
        self._deliver, self._on_gap = deliver, on_gap

    def join(self, on_word: Callable[[str, bytes], None], on_state: Callable[[], None]) -> None:
        self._on_word, self._on_state = on_word, on_state

    def publish(self, topic: str, notice: Notice, hearers: Sequence[str] | None = None) -> None:
        if is_of_node(topic):
            self._of_node.publish(topic, notice, hearers)
        elif self._state is BusState.ALONE:
            self._alone.publish(topic, notice, hearers)
        else:
            self._number += 1
            self._waiting[self._number] = (topic, notice, None if hearers is None else tuple(hearers))
            self._wake.set()
            if len(self._waiting) > self._settings.waiting:
                self.counts["waited_in_vain"] += len(self._waiting)
                self._go_alone()

    def send(self, word: bytes, to: str = "") -> None:
        if self._state is not BusState.TOGETHER or len(self._words) >= self._settings.words:
            self.counts["words_lost"] += 1
            return
        self._words.append((self._channel(f"words:{to}" if to else "words"), word))
        self._wake.set()

    async def last_seqs(self, topics: Iterable[str]) -> dict[str, int]:
        shared: list[str] = []
        own: list[str] = []
        for topic in topics:
            (own if is_of_node(topic) else shared).append(topic)
        found = await self._of_node.last_seqs(own)
        answer = await self._ask("last", *shared) if shared else []
        if answer is _ALONE:
            return found | await self._alone.last_seqs(shared)
        return found | {topic: int(seq) for topic, seq in zip(shared, answer, strict=True)}

    async def since(self, topic: str, seen: int) -> list[Said] | None:
        if is_of_node(topic):
            return await self._of_node.since(topic, seen)
        answer = await self._ask("since", topic, str(seen))
        if answer is _ALONE:
            return await self._alone.since(topic, seen)
        return None if answer is None else [_said(*line.split(b" ", 1))[0] for line in answer]

    @property
    def lease_holds(self) -> bool:
        return self._state is BusState.TOGETHER and self._loop.time() < self._lease_until_s

    async def claim(self, names: Sequence[str], *, take: bool, above: int = 0) -> list[Holder]:
        settings = self._settings
        given = (self._instance, settings.node, str(int(take)), str(above), str(_ms(settings.claim_s)))
        answer = await self._ask("claim_rooms", *given, *names)
        if answer is _ALONE:
            raise BusAlone
        return [Holder(node.decode(), int(fence)) for node, fence in zip(answer[::2], answer[1::2], strict=True)]

    async def disclaim(self, names: Sequence[str]) -> None:
        await self._ask("disclaim", self._instance, *names)

    async def forget_said(self) -> bool:
        client = self._client
        for bus in (self._of_node, self._alone):
            await bus.forget_said()
        if self._state is not BusState.TOGETHER or client is None:
            return False
        try:
            async with asyncio.timeout(_FORGET_WITHIN_S), self._asking:
                async for lines in client.scan_iter(match=self._channel("*:lines"), count=1_000):
                    await _answer(client.evalsha(self._scripts["forget"], 1, self._settings.prefix, lines))
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def _ask(self, script: str, *arguments: str) -> Any:
        """What Redis answers; ``_ALONE`` while this node is alone. Waits while that is not settled, at most ``alone_s``."""
        while True:
            await self._settled.wait()
            client = self._client
            if self._state is BusState.ALONE or client is None:
                return _ALONE
            try:
                async with self._asking:
                    return await client.evalsha(self._scripts[script], 1, self._settings.prefix, *arguments)
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(self._settings.beat_s / 2)  # the heartbeat finds out what that means

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[str], *, within_s: float) -> list[bytes] | None:
        """What a Lua script answers about these keys (below our prefix); None where Redis is away, refuses it or takes longer."""
        client, names = self._client, [self._channel(key) for key in keys]
        if self._state is not BusState.TOGETHER or client is None:
            return None
        try:
            async with asyncio.timeout(within_s), self._asking:
                try:
                    answer = await _answer(client.evalsha(sha1(script.encode()).hexdigest(), len(names), *names, *arguments))
                except NoScriptError:
                    answer = await _answer(client.eval(script, len(names), *names, *arguments))
        except (RedisError, OSError, TimeoutError):
            return None
        return cast(list[bytes], answer)

    # ------------------------------------------------------------------ with Redis

    async def _write(self, client: Any) -> None:
        """Say what waits, in order, as many at a time as have come together."""
        settings = self._settings
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._words or self._number > self._written:
                pipe, batch = client.pipeline(transaction=False), self._next_batch()
                for number, (topic, notice, hearers) in batch:
                    said, kept = self._saying(number, topic, notice, hearers), 0 if self._full else settings.kept
                    order = (self._instance, number, topic, said.key, int(said.volatile), kept, _ms(settings.kept_s))
                    pipe.evalsha(self._scripts["say"], 1, settings.prefix, *order, msgspec.json.encode(said))
                for channel, word in [self._words.popleft() for _ in range(min(_BATCH, len(self._words)))]:
                    pipe.publish(channel, msgspec.json.encode(_Word(settings.node, self._instance, Raw(word))))
                self._written = batch[-1][0] if batch else self._number
                done = await _answer(pipe.execute())
                for (number, _), taken in zip(batch, done, strict=False):
                    if not taken:  # taken before a break, in which it was not heard: our people get it by replay
                        self._waiting.pop(number, None)
                self._stay()

    def _stay(self) -> None:
        """Raises where this node has gone alone meanwhile, because too much waited."""
        if self._state is not BusState.TOGETHER:
            raise TimeoutError("Redis takes less than is said")

    def _next_batch(self) -> list[tuple[int, tuple[str, Notice, tuple[str, ...] | None]]]:
        """Of what waits, the next that was not written; numbers have no gaps but at the front, where they were heard."""
        first = max(self._written + 1, next(iter(self._waiting), self._number + 1))
        numbers = range(first, min(first + _BATCH, self._number + 1))
        return [(number, self._waiting[number]) for number in numbers if number in self._waiting]

    def _saying(self, number: int, topic: str, notice: Notice, hearers: tuple[str, ...] | None) -> _Saying:
        key, volatile = superseding_key(notice) or "", is_volatile(notice)
        return _Saying(self._instance, number, topic, key, volatile, Raw(msgspec.json.encode(notice)), hearers)

    async def _beat(self, client: Any) -> None:
        """Keep the lease, ask for the state of the memory, send ourselves a heartbeat, and see whether they come."""
        settings = self._settings
        held, own = f"{self._instance} {self.token}", self._channel(f"words:{settings.node}")
        while True:
            self._answers = False
            pipe = client.pipeline(transaction=False)
            pipe.evalsha(self._scripts["renew"], 1, self._lease, held, _ms(settings.lease_s))
            pipe.info("memory")
            pipe.publish(own, msgspec.json.encode(_Word(settings.node, self._instance, Raw(b"0"))))
            asked_s = self._loop.time()
            renewed, memory, _ = await _answer(pipe.execute())
            self._answers = True
            if not renewed:
                raise _Deaf  # it has run out, or Redis has lost it: join anew, with a new token
            self._lease_until_s = asked_s + settings.lease_s
            most = memory.get("maxmemory", 0)
            self._full = most > 0 and memory["used_memory"] >= _FULL * most
            slept_from_s = self._loop.time()
            await asyncio.sleep(settings.beat_s)
            self._stay()
            now = self._loop.time()
            # Whoever overslept, as a loaded machine does, has not read yet what came meanwhile.
            if now > self._heard_at_s + settings.deaf_s and now < slept_from_s + 2 * settings.beat_s:
                raise _Deaf

    async def _hear(self, ears: Any) -> None:
        notices = self._channel("notices").encode()
        while True:
            message = await ears.read_response(timeout=math.inf)
            if message[0] != b"message":
                continue
            if message[1] == notices:
                self._heard(message[2])
            else:
                self._heard_word(message[2])

    def _heard(self, data: bytes) -> None:
        generation, seq, rest = data.split(b" ", 2)
        if generation != self._generation:
            self._generation = generation
            self._gap()
        if not rest or self._state is not BusState.TOGETHER:
            return
        told, saying = _said(seq, rest)
        if saying.instance == self._instance:
            self._waiting.pop(saying.number, None)
        self._delivered[told.topic] = told.seq
        self._delivered.move_to_end(told.topic)
        if len(self._delivered) > self._settings.topics:
            self._delivered.popitem(last=False)
        self._deliver(told)

    def _heard_word(self, data: bytes) -> None:
        try:
            word = msgspec.json.decode(data, type=_Word)
        except msgspec.DecodeError:
            log.error("bus.unreadable", detail="Somebody else writes to this server's channels in Redis: give each its own database.")
            return
        if word.instance == self._instance:
            self._heard_at_s = self._loop.time()
        elif word.sender != self.node:
            self._on_word(word.sender, bytes(word.word))


_ALONE = object()


def _said(seq: bytes, data: bytes) -> tuple[Said, _Saying]:
    saying = msgspec.json.decode(data, type=_Saying)
    return said(saying.topic, int(seq), bytes(saying.notice), saying.key or None, saying.volatile, saying.hearers), saying


async def _answer(command: Awaitable[T]) -> T:
    """What Redis answers. A cancellation that came meanwhile counts: redis-py may take it for the end of a time limit of its own."""
    answer = await command
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return answer


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _first(errors: BaseExceptionGroup[BaseException]) -> str:
    """What went wrong first, without the address that the message may hold."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
