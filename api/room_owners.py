"""Rooms over several nodes: each is held by one of them, to which all others send what is asked about it.

Whose a room is, and what becomes of a request, is said by ``rooms/ownership.py``; here it is done. Claims stand in Redis, rooms in the
store, people on any node:

- A request comes to the node of its page. Where another node holds the room it goes there as a word, and the answer comes back; both
  together have ``within_s``. A node that does not answer is no reason to ask another one: what it was asked may have been done.
- A room that nobody holds is taken over by the node where somebody asks for it, and by those that look after strays: when a node is gone,
  when Redis is back, and every ``LOOK_S``. First the claim, then the fence in the store, then its rows are read: so everything that the
  former holder acknowledged is there, and nothing comes after.
- A node that loses a room, by its fence or by its claim, forgets it and brings those of its people up to date who were in it.
- Who hears a room is said with each of its states (``Said.hearers``). A page that connects asks all nodes in which rooms its person is.

With one node nobody is asked and nothing is claimed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import Self

import msgspec
import structlog

from api.nodes.nodes import Nodes
from api.nodes.questions import NodeSilent
from api.room_questions import AnyRoomQuestion, CheckLink, CheckMember, LinkedRoom
from api.rooms import Rooms
from api.store import StoreUnavailable
from api.store.errors import StoreFenced
from api.store.rooms import RoomStore
from rooms.ownership import Footing, Ownership, Way
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling import topics
from signaling.bus import Bus, BusAlone, BusState
from signaling.grants import Grant, Role
from signaling.hub import Hub
from signaling.refusal import Refusal

log = structlog.get_logger()

WITHIN_S = 5.0
GRACE_S = 3.0
"""So long after Redis came back nothing is taken over: its holder may not be back yet."""
LOOK_S = 30.0
AGAIN_S = 0.3
"""After that a room whose node is not there is looked up again, and strays that could not be taken yet."""
MOST_LOOKED_UP = 1_000
_BATCH = 200
_END_S = 1.0
"""How long leaving may take."""
_NOT_HELD = "room_not_held"
"""What a node answers that does not hold the room; told to no page."""
Perform = Callable[[Grant, "wire.AnyRequest | AnyRoomQuestion"], Awaitable[object]]


class _NotHeld(Exception):
    """The room is not this node's."""


class RoomOwners:
    """``async with``, inside rooms, nodes and bus. ``perform`` does what is asked about rooms that are held here.

    Everything that is asked raises ``Refusal``: ``room_unreachable`` where the node that holds the room does not answer, or this one is
    alone and does not know.
    """

    def __init__(
        self,
        bus: Bus,
        nodes: Nodes,
        rooms: Rooms,
        store: RoomStore,
        *,
        grace_s: float = GRACE_S,
        look_s: float = LOOK_S,
        within_s: float = WITHIN_S,
    ) -> None:
        self._bus, self._nodes, self._rooms, self._store = bus, nodes, rooms, store
        self._within_s = within_s
        self._look_s = look_s
        self._loop = asyncio.get_running_loop()
        self._ownership = Ownership(grace_s=grace_s)
        self._perform: Perform | None = None
        self._hub: Hub | None = None
        self._looking_up: dict[str, asyncio.Task[bool]] = {}
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._leaving = False
        self._work: set[asyncio.Task[None]] = set()
        self.shared = bool(bus.node)
        """Are there other nodes that may hold rooms?"""
        self.counts: dict[str, int] = dict.fromkeys(("taken", "lost", "sent", "unreachable"), 0)

    def meet(self, hub: Hub, perform: Perform) -> None:
        """The hub and what pages ask need this to be made; so they are introduced after."""
        self._hub, self._perform = hub, perform

    async def __aenter__(self) -> Self:
        if self.shared:
            self.on_state()
            self._start(self._look_after())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """What is under way in the database comes to its end."""
        self._leaving = True
        self._wanted.set()
        work = {*self._work, *self._looking_up.values()}
        if work:
            _, slow = await asyncio.wait(work, timeout=_END_S)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    @property
    def held(self) -> int:
        """Rooms of this node."""
        return len(self._ownership.held)

    # ------------------------------------------------------------------ what is asked here

    async def perform(self, room_id: str, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> object:
        """Have it done where the room is held; by us where nobody does, or where there is no such room. Raises ``Refusal``."""
        assert self._perform is not None
        if not self.shared:
            return await self._perform(grant, request)
        until_s = self._loop.time() + self._within_s
        for attempt in count():
            if attempt:
                await self._pause(until_s)
            node = await self._holder(room_id, until_s)
            try:
                if not node:
                    return await self._here(grant, request)
                self.counts["sent"] += 1
                return await self._nodes.ask(node, grant, request, room_id)
            except _NotHeld:
                continue
            except Refusal as refusal:
                if refusal.code != _NOT_HELD:
                    raise
                self._ownership.lost(room_id)
            except NodeSilent as silence:
                self._ownership.lost(room_id)
                if not silence.unheard:
                    raise self._unreachable() from None
        raise AssertionError("there is always another attempt, or a refusal")

    async def check_link(self, room_id: str, link_id: str, identity: str) -> LinkedRoom:
        """Where this link leads, by which this guest may come. Raises ``Refusal``."""
        answer = await self.perform(room_id, _guest(identity, room_id), CheckLink(room_id, link_id, identity))
        return msgspec.convert(answer, LinkedRoom, from_attributes=True)

    async def is_member(self, grant: Grant, room_id: str) -> bool:
        """Is the bearer in this room? Raises ``Refusal`` where that cannot be known now."""
        try:
            await self.perform(room_id, grant, CheckMember(room_id, grant.identity))
        except Refusal as refusal:
            if refusal.code in ("unknown_room", "room_over", "room_cancelled"):
                return False
            raise
        return True

    async def answer(self, room_id: str, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> object:
        """What another node asks of us, who hold the room as far as it knows. Raises ``Refusal``."""
        await self._known(self._loop.time() + self._within_s)
        try:
            if self._ownership.way(room_id) is Way.HERE:
                return await self._here(grant, request)
        except _NotHeld:
            pass
        raise Refusal(_NOT_HELD, "This node does not hold the room.")

    async def _here(self, grant: Grant, request: wire.AnyRequest | AnyRoomQuestion) -> object:
        assert self._perform is not None
        try:
            return await self._perform(grant, request)
        except StoreFenced:
            raise _NotHeld from None

    async def make(self, room_id: str, make: Callable[[], Awaitable[None]]) -> None:
        """Make a new room here: claimed first. Raises ``StoreFenced`` where another node makes it in the same moment, and ``Refusal``."""
        if self.shared:
            await self._begin(room_id)
        try:
            await make()
        except NotPossible:
            if self.shared:
                self._ownership.lost(room_id)
                await self._bus.disclaim([room_id])
            raise

    async def _begin(self, room_id: str) -> None:
        await self._known(self._loop.time() + self._within_s)
        try:
            (holder,) = await self._bus.claim([room_id], take=True)
        except BusAlone:
            self._ownership.granted(room_id, self._bus.token)
            return
        if holder.node != self._bus.node:
            self._ownership.found(room_id, holder.node)
            raise StoreFenced("Another node makes this very room in the same moment.")
        self._ownership.granted(room_id, holder.fence)

    # ------------------------------------------------------------------ whose a room is

    async def _holder(self, room_id: str, until_s: float) -> str:
        """The node to send to; empty: us. Raises ``Refusal``."""
        while True:
            await self._known(until_s)
            way = self._ownership.way(room_id)
            if way is Way.HERE:
                return ""
            if way is Way.SEND:
                return self._ownership.node_of(room_id)
            if way is Way.REFUSE:
                raise self._unreachable()
            if way is Way.ASK and not await self._looked_up(room_id, until_s):
                return ""

    async def _looked_up(self, room_id: str, until_s: float) -> bool:
        """As ``_look_up``, once for all who wait for it, and to its end though they do not. Raises ``Refusal``."""
        task = self._looking_up.get(room_id)
        if task is None:
            if len(self._looking_up) >= MOST_LOOKED_UP:
                raise Refusal("busy", "Many rooms are being looked for right now: try again in a moment.", 1.0)
            task = self._looking_up[room_id] = asyncio.create_task(self._look_up(room_id), name="room-look-up")
            task.add_done_callback(partial(self._found, room_id))
        try:
            async with asyncio.timeout_at(until_s):
                return await asyncio.shield(task)
        except TimeoutError:
            raise self._unreachable() from None
        except BusAlone:
            return True
        except StoreUnavailable:
            raise Refusal("store_unavailable", "The database does not answer: try again in a moment.", 2.0) from None

    def _found(self, room_id: str, task: "asyncio.Task[bool]") -> None:
        del self._looking_up[room_id]
        if not task.cancelled():
            task.exception()  # told to who waits, where anybody does

    async def _look_up(self, room_id: str) -> bool:
        """Ask whose it is, and take it where it is nobody's. False: there is no such room (any more)."""
        (holder,) = await self._bus.claim([room_id], take=False)
        if holder.node and holder.node != self._bus.node:
            self._ownership.found(room_id, holder.node)
            return True
        fate = await self._store.fate(room_id)
        if fate is None:
            return False
        fence, ended = fate
        if ended is not None:
            self._rooms.house.remember({room_id: ended})
            return False
        await asyncio.sleep(self._ownership.grace_left_s(self._loop.time()))
        if self._ownership.way(room_id) is Way.ASK and room_id not in await self._take([room_id], {room_id: fence}):
            await asyncio.sleep(AGAIN_S)
        return True

    async def _take(self, room_ids: list[str], standing: Mapping[str, int]) -> set[str]:
        """Claim these rooms and take over those that were free. Which of them are ours now."""
        holders = dict(zip(room_ids, await self._bus.claim(room_ids, take=True, above=max(standing.values())), strict=True))
        fences = {room_id: holder.fence for room_id, holder in holders.items() if holder.node == self._bus.node}
        for room_id, holder in holders.items():
            if room_id not in fences:
                self._ownership.found(room_id, holder.node)
        taken = await self._store.take_over(fences) if fences else []
        for room in taken:
            if self._ownership.fence(room.room_id):
                continue  # somebody asked for it meanwhile
            self._ownership.granted(room.room_id, fences[room.room_id])
            self._rooms.take(room)
            self.counts["taken"] += 1
        if unwanted := fences.keys() - {room.room_id for room in taken}:
            await self._bus.disclaim(list(unwanted))
        return {room.room_id for room in taken}

    async def _known(self, until_s: float) -> None:
        """Waits until it is known how this node stands. Raises ``Refusal``."""
        while not self.is_sure():
            if self._loop.time() >= until_s:
                raise self._unreachable()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._changed.wait()

    async def _pause(self, until_s: float) -> None:
        if self._loop.time() + AGAIN_S >= until_s:
            raise self._unreachable()
        await asyncio.sleep(AGAIN_S)

    def _unreachable(self) -> Refusal:
        self.counts["unreachable"] += 1
        if self._ownership.footing is Footing.ALONE:
            return Refusal("room_unreachable", "This server is alone right now and does not hold this room: try again in a moment.", 5.0)
        return Refusal("room_unreachable", "The server that holds this room does not answer: try again in a moment.", 1.0)

    # ------------------------------------------------------------------ api.rooms.Holding

    def is_sure(self) -> bool:
        """Our lease may have run out by our own clock: then it is not known any more what is ours."""
        if not self.shared:
            return True
        if self._ownership.footing is Footing.SURE and not self._bus.lease_holds:
            self._ownership.stand(Footing.DOUBT, self._loop.time())
            self._wanted.set()
        return self._ownership.footing is not Footing.DOUBT

    def fence(self, room_id: str) -> int:
        return self._ownership.fence(room_id)

    def is_there(self, identity: str) -> bool:
        return self._nodes.attendance.person(identity).there

    def lost(self, room_id: str) -> None:
        if self._ownership.lost(room_id):
            self._drop(room_id)

    def over(self, room_id: str, kept: "asyncio.Future[None]") -> None:
        if not self.shared:
            return
        self._ownership.over(room_id)
        self._nodes.tell_over(room_id)
        self._start(self._free(room_id, kept))

    async def _free(self, room_id: str, kept: "asyncio.Future[None]") -> None:
        """Not before its end is kept, or somebody would take it over as one that stands."""
        with suppress(StoreUnavailable):
            await asyncio.shield(kept)
            await self._bus.disclaim([room_id])

    def _drop(self, room_id: str) -> None:
        """It is another node's: our people who were in it are shown how it stands there."""
        log.warning("room.lost", room_id=room_id, detail="Another node has taken this room over.")
        self.counts["lost"] += 1
        people = self._rooms.lose(room_id)
        for identity in people:
            if self._hub is not None and self._hub.is_online(identity):
                self._hub.bring_up_to_date({}, identity)

    # ------------------------------------------------------------------ api.nodes.nodes.RoomHolder

    async def elsewhere(self, grant: Grant) -> wire.RoomList:
        """The rooms of other nodes that concern somebody. From now on they hear here those in which they are."""
        lists, whole = await self._nodes.rooms_elsewhere(grant) if self.shared else ([], True)
        if self._hub is not None:
            for each in lists:
                for state in each.rooms:
                    self._hub.subscribe(grant.identity, topics.room(state.room_id))
            if not whole:
                self._loop.call_later(2 * AGAIN_S, self._hub.bring_up_to_date, {}, grant.identity)
        return wire.RoomList(
            rooms=[state for each in lists for state in each.rooms if not self._ownership.fence(state.room_id)],
            invitations=[state for each in lists for state in each.invitations if not self._ownership.fence(state.room_id)],
            waiting=[waiting for each in lists for waiting in each.waiting if not self._ownership.fence(waiting.room_id)],
        )

    def on_there(self, identity: str, there: bool) -> None:
        self._rooms.on_there(identity, there)

    def on_over(self, room_id: str) -> None:
        """A room of another node has ended."""
        self._ownership.over(room_id)
        if self._hub is not None:
            self._hub.close_topic(topics.room(room_id))

    def on_gone(self, node: str) -> None:
        self._ownership.gone(node)
        self._wanted.set()

    def on_state(self) -> None:
        """The bus came or went."""
        if self.shared:
            self._ownership.stand(Footing.ALONE if self._bus.state is BusState.ALONE else Footing.DOUBT, self._loop.time())
            if self._bus.state is BusState.TOGETHER and self._hub is not None:
                # Who hears rooms of others may be otherwise by now: every page is brought up to date next, and asks for them anew.
                self._hub.retain(lambda topic: (room_id := topics.room_of(topic)) is None or bool(self._ownership.fence(room_id)))
            self._changed.set()
            self._wanted.set()

    # ------------------------------------------------------------------ looking after rooms

    async def _look_after(self) -> None:
        """Renew what is held here, and take over what nobody holds."""
        wait_s = 0.0
        while not self._leaving:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()
            self._wanted.clear()
            if self._leaving:
                return
            try:
                wait_s = await self._look()
            except (BusAlone, StoreUnavailable):
                wait_s = AGAIN_S if self._bus.state is not BusState.ALONE else self._look_s
            except Exception as error:  # a fault of ours must not leave every room to nobody
                log.error("rooms.not_looked_after", exc_info=error)
                wait_s = self._look_s

    async def _look(self) -> float:
        """When to look again, in seconds."""
        if self._bus.state is not BusState.TOGETHER:
            return AGAIN_S if self._bus.state is BusState.PARTED else self._look_s
        await self._renew()
        if not self._bus.lease_holds:
            return AGAIN_S
        if self._ownership.footing is not Footing.SURE:
            self._ownership.stand(Footing.SURE, self._loop.time())
            self._changed.set()
        if (left_s := self._ownership.grace_left_s(self._loop.time())) > 0:
            return left_s
        return self._look_s if await self._take_strays() else AGAIN_S

    async def _renew(self) -> None:
        """What we hold we claim again. What another node has taken meanwhile is lost, also where that one is dead by now."""
        for room_ids in _batches(self._ownership.held):
            holders = await self._bus.claim(room_ids, take=True)
            anew: dict[str, int] = {}
            for room_id, holder in zip(room_ids, holders, strict=True):
                if not self._ownership.fence(room_id):
                    continue  # it ended meanwhile
                if holder.node != self._bus.node:
                    self._ownership.found(room_id, holder.node)
                    self._drop(room_id)
                elif holder.fence != self._ownership.fence(room_id):
                    anew[room_id] = holder.fence
            stored = await self._store.fences(anew) if anew else {}
            for room_id, fence in anew.items():
                if stored.get(room_id, 0) > self._ownership.fence(room_id):
                    self.lost(room_id)
                else:
                    self._ownership.granted(room_id, fence)

    async def _take_strays(self) -> bool:
        """Take over the rooms that nobody holds. False where some belong to a node that is not there, but not for long enough.

        Each node goes through them in an order of its own, so that several share them.
        """
        standing = await self._store.standing()
        strays = sorted(self._ownership.strays(standing), key=self._order)
        all_known = True
        for room_ids in _batches(strays):
            holders = dict(zip(room_ids, await self._bus.claim(room_ids, take=False), strict=True))
            free = [room_id for room_id, holder in holders.items() if not holder.node]
            free = [room_id for room_id in free if not self._ownership.fence(room_id)]
            if free and not self._rooms.full and self._bus.lease_holds:
                await self._take(free, standing)
            there = {"", self._bus.node, *self._nodes.others}
            all_known = all_known and all(holder.node in there for holder in holders.values())
        return all_known

    def _order(self, room_id: str) -> bytes:
        return blake2b(f"{self._bus.node} {room_id}".encode(), digest_size=8).digest()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="room-owners")
        self._work.add(task)
        task.add_done_callback(self._work.discard)


def _guest(identity: str, room_id: str) -> Grant:
    """Somebody who has no session yet."""
    now = time.time()
    return Grant(identity, "", Role.CUSTOMER, "", issued_at=now, expires_at=now, signed_in_at=now, room=room_id)


def _batches(room_ids: Iterable[str]) -> list[list[str]]:
    every = list(room_ids)
    return [every[start : start + _BATCH] for start in range(0, len(every), _BATCH)]
