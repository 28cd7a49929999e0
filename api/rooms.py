"""Rooms that people come to: performs what ``rooms.house`` decides, tells the people, keeps the rooms."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import uuid4

import structlog
from msgspec.structs import replace

from api.deadline_timer import DeadlineTimer
from api.store import StoreUnavailable
from api.store.acknowledged import AcknowledgedWrites
from api.store.errors import StoreFenced
from api.store.room_rows import Entry, person_entry, room_entry
from api.store.rooms import RoomStore
from rooms import membership_effects as fx
from rooms import membership_events as ev
from rooms.house import House, HousePolicy
from rooms.membership import Exit, Member, MemberState, Role, Room, RoomEnd
from signaling import messages as wire
from signaling import topics
from signaling.hub import Hub

log = structlog.get_logger()

_DOUBT_S = 0.2
"""How soon what time brought is looked at again, while it is in doubt whether it is for this node to do."""


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """What others are told of a room, by LiveKit's names: ``room_started``, ``participant_joined``, ``participant_left``,
    ``room_finished``. ``identity`` and ``name`` are the participant's; ``reason`` why they left or it finished."""

    event_id: str
    event: str
    room: Room
    at: float
    identity: str = ""
    name: str = ""
    reason: str = ""


class Holding(Protocol):
    """Which rooms are decided about here: what is asked of ``api.room_owners.RoomOwners``."""

    shared: bool
    """Are there other nodes that may hold rooms?"""

    def is_sure(self) -> bool:
        """May what time brings be done now?"""

    def fence(self, room_id: str) -> int: ...

    def is_there(self, identity: str) -> bool:
        """Is this person connected, at any node?"""

    def lost(self, room_id: str) -> None:
        """The store refused our fence: another node has it."""

    def over(self, room_id: str, kept: "asyncio.Future[None]") -> None:
        """It has ended, and is so for everybody when that is kept."""


class Rooms:
    """``async with``: brings back the rooms of before a restart where they are not ``shared``, and owns the timer of all deadlines.

    ``now`` gives seconds since the epoch on a clock that never goes back. ``on_event`` hears what webhooks tell; ``on_over`` that a room
    is no more, ``on_taken`` that it was another node's and is ours now, ``on_lost`` that it was ours and is another node's: its people
    are told nothing then; ``on_waiting`` that others wait than before. ``checked(room_id, identity)``: what somebody's test before coming
    in found. ``meet`` the others before anything happens.
    """

    def __init__(
        self,
        store: RoomStore,
        writes: AcknowledgedWrites,
        *,
        now: Callable[[], float],
        policy: HousePolicy | None = None,
        on_event: Callable[[RoomEvent], None] = lambda event: None,
        on_over: Callable[[str], None] = lambda room_id: None,
        on_taken: Callable[[str], None] = lambda room_id: None,
        on_lost: Callable[[str], None] = lambda room_id: None,
        on_waiting: Callable[[Room], None] = lambda room: None,
        checked: Callable[[str, str], wire.Checked | None] = lambda room_id, identity: None,
    ) -> None:
        self._policy = policy or HousePolicy()
        self.house = House(self._policy)
        self.now = now
        self._store = store
        self._writes = writes
        self._on_event = on_event
        self._on_over = on_over
        self._on_taken, self._on_lost = on_taken, on_lost
        self._on_waiting = on_waiting
        self._checked = checked
        self._hub: Hub | None = None
        self._held: Holding | None = None
        self._kept: asyncio.Future[None] | None = None
        """What was written last."""
        self._timer = DeadlineTimer(self._next_deadline, now, self._expire)

    def meet(self, hub: Hub, holding: Holding) -> None:
        """Both need us to be made; so they are introduced after."""
        self._hub, self._held = hub, holding

    @property
    def _holding(self) -> Holding:
        assert self._held is not None
        return self._held

    @property
    def hub(self) -> Hub:
        assert self._hub is not None
        return self._hub

    async def __aenter__(self) -> "Rooms":
        try:
            self.house.remember(await self._store.ended_rooms(self._policy.remembered_ends))
            kept = [] if self._holding.shared else await self._store.open_rooms()
        except StoreUnavailable as error:
            log.error("rooms.not_brought_back", detail=str(error))
            return self
        for room in kept[: self._policy.most_rooms]:
            self.house.adopt(room, self.now())
            for member in room.present():
                self.hub.subscribe(member.identity, topics.room(room.room_id))
        self._timer.arm()
        return self

    # ------------------------------------------------------------------ rooms of other nodes

    @property
    def full(self) -> bool:
        return len(self.house) >= self._policy.most_rooms

    def take(self, room: Room) -> None:
        """It was another node's, or nobody's. Everybody is told how it stands."""
        self.house.adopt(room, self.now(), self._holding.is_there)
        self._perform([fx.Show(room.room_id), *([fx.ShowWaiting(room.room_id)] if room.waiting() else [])])
        self._on_taken(room.room_id)
        self._timer.arm()

    def lose(self, room_id: str) -> list[str]:
        """Another node has it now. Who was in it, as far as we knew."""
        room = self.house.room(room_id)
        self.house.drop(room_id)
        self._on_lost(room_id)
        self._timer.arm()
        return [] if room is None else [member.identity for member in room.members.values() if member.state is not MemberState.OUT]

    def keep(self, entry: Entry) -> "asyncio.Future[None]":
        """Done when it is safe. Fails with ``StoreFenced`` where another node holds the room, which is lost with it."""
        room_id = entry.row["room_id"]
        fence = self._holding.fence(room_id)
        if self._holding.shared and not fence:
            kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            kept.set_exception(StoreFenced("Another node holds this room now."))
        else:
            kept = self._writes.keep(replace(entry, fence=fence))
        kept.add_done_callback(partial(self._look_whether_lost, room_id))
        self._kept = kept
        return kept

    def written(self) -> "asyncio.Future[None]":
        """Done when all that was given to be kept before is safe."""
        return self._writes.written()

    def _look_whether_lost(self, room_id: str, kept: "asyncio.Future[None]") -> None:
        if not kept.cancelled() and isinstance(kept.exception(), StoreFenced):
            self._holding.lost(room_id)

    async def __aexit__(self, *exc_info: object) -> None:
        self._timer.close()

    # ------------------------------------------------------------------ events in

    def feed(self, event: ev.MembershipEvent) -> None:
        """Raises ``NotPossible`` for what a person may not do now."""
        try:
            self._perform(self.house.handle(event, self.now()))
        finally:
            self._timer.arm()

    async def do(self, event: ev.MembershipEvent) -> None:
        """The same, and where several nodes share the rooms it returns when that is kept: the next one goes on from there.

        Raises ``StoreFenced`` where another node had to decide it.
        """
        self._kept = None
        self.feed(event)
        kept = self._kept
        if kept is None or not self._holding.shared:
            return
        try:
            await asyncio.shield(kept)
        except StoreFenced:
            raise
        except StoreUnavailable:
            log.warning("room.not_kept", detail="The database takes nothing now: what happened in a room is in the memory of this node.")

    def name_of(self, room_id: str, identity: str) -> str:
        """What somebody is called in a room; empty where they are not of it."""
        room = self.house.room(room_id)
        member = room.members.get(identity) if room is not None else None
        return member.name if member is not None else ""

    def on_there(self, identity: str, there: bool) -> None:
        """A person's first connection is up, or their last one gone."""
        self.feed(ev.PersonBack(identity) if there else ev.PersonLost(identity))

    def _expire(self) -> None:
        if self._holding.is_sure():
            self._perform(self.house.expire(self.now()))

    def _next_deadline(self) -> float | None:
        """What time brings waits while it is in doubt whether it is for this node to do."""
        deadline = self.house.next_deadline()
        return deadline if deadline is None or self._holding.is_sure() else max(deadline, self.now() + _DOUBT_S)

    # ------------------------------------------------------------------ effects out

    def _perform(self, effects: list[fx.MembershipEffect]) -> None:
        ended = {effect.room_id: effect.room for effect in effects if isinstance(effect, fx.Finish)}
        for effect in effects:
            self._perform_one(effect, self.house.room(effect.room_id) or ended.get(effect.room_id))

    def _perform_one(self, effect: fx.MembershipEffect, room: Room | None) -> None:
        assert room is not None
        room_id = effect.room_id
        match effect:
            case fx.Begin():
                self._tell_others("room_started", room)
            case fx.Show():
                self.hub.publish(topics.room(room_id), room_state(room), [member.identity for member in room.present()])
                self.keep(room_entry(room))
                self._show_queue(room)
            case fx.Keep():
                self.keep(room_entry(room))
            case fx.Invite(identity=identity):
                self.hub.publish(topics.person(identity), wire.RoomInvited(room=room_state(room)))
            case fx.Seat(identity=identity):
                self.keep(person_entry(room_id, identity))
                self._tell_others("participant_joined", room, identity)
            case fx.Unseat(identity=identity, why=why):
                if why is Exit.REMOVED:
                    self.keep(person_entry(room_id, identity, may_read=False))
                self.hub.publish(topics.person(identity), wire.RoomExit(room_id=room_id, reason=why.value))
                self._tell_others("participant_left", room, identity, why.value)
            case fx.TurnAway(identity=identity, why=why):
                self.hub.publish(topics.person(identity), wire.RoomExit(room_id=room_id, reason=why.value))
            case fx.ShowWaiting():
                self._show_waiting(room)
                self._on_waiting(room)
            case fx.ShowReaction(identity=identity, emoji=emoji):
                self.hub.publish(topics.room(room_id), wire.RoomReaction(room_id=room_id, identity=identity, emoji=emoji))
            case fx.Finish(why=why):
                self._finish(room, why)

    def _show_waiting(self, room: Room) -> None:
        """To hosts, also those who are not in it: they are to know who waits for them."""
        waiting = self._room_waiting(room)
        for host in _deciding(room):
            self.hub.publish(topics.person(host.identity), waiting)
        self._show_queue(room)

    def show_waiting(self, room_id: str) -> None:
        """Anew, for something about those who wait is another."""
        room = self.house.room(room_id)
        if room is not None and room.waiting():
            self._show_waiting(room)

    def _show_queue(self, room: Room) -> None:
        for member in room.waiting():
            self.hub.publish(topics.person(member.identity), self.queue_of(room, member.identity))

    def queue_of(self, room: Room, identity: str) -> wire.RoomQueue:
        """How it stands for somebody who waits."""
        waiting = room.waiting()
        ahead = next((place for place, member in enumerate(waiting) if member.identity == identity), len(waiting))
        since_s = waiting[ahead].since_s if ahead < len(waiting) else self.now()
        hosts = [
            wire.HostSeen(host.name, here=host.state is MemberState.IN, told=self._holding.is_there(host.identity))
            for host in _deciding(room)
        ]
        return wire.RoomQueue(room_id=room.room_id, ahead=ahead, since=since_s, hosts=hosts)

    def _room_waiting(self, room: Room) -> wire.RoomWaiting:
        waiting = [
            wire.Waiting(member.identity, member.name, member.since_s, self._checked(room.room_id, member.identity))
            for member in room.waiting()
        ]
        return wire.RoomWaiting(room_id=room.room_id, waiting=waiting)

    def _finish(self, room: Room, why: RoomEnd) -> None:
        self._holding.over(room.room_id, self.keep(room_entry(room, why=why, ended_at=self.now())))
        self.hub.close_topic(topics.room(room.room_id))
        self._tell_others("room_finished", room, reason=why.value)
        self._on_over(room.room_id)

    def _tell_others(self, event: str, room: Room, identity: str = "", reason: str = "") -> None:
        member = room.members.get(identity)
        self._on_event(RoomEvent(uuid4().hex, event, room, self.now(), identity, member.name if member else "", reason))

    def states_for(self, identity: str) -> list[wire.RoomState]:
        """The rooms in which this person is."""
        return [room_state(room) for room in self.house.rooms_of(identity) if room.has(identity)]

    def list_for(self, identity: str) -> wire.RoomList:
        invited = self.house.invitations_of(identity)
        known = [*(room for room in self.house.rooms_of(identity) if room.has(identity)), *invited]
        hosted = [room for room in known if room.members[identity].role is Role.HOST and room.waiting()]
        return wire.RoomList(
            rooms=self.states_for(identity),
            invitations=[room_state(room) for room in invited],
            waiting=[self._room_waiting(room) for room in hosted],
        )


def _deciding(room: Room) -> list[Member]:
    """Its hosts, in it or not."""
    return [
        member for member in room.members.values() if member.role is Role.HOST and not member.removed and (member.invited or member.is_in)
    ]


def room_state(room: Room) -> wire.RoomState:
    """As its members see it. Who waits is for hosts alone."""
    plan = room.schedule
    return wire.RoomState(
        room_id=room.room_id,
        kind=room.kind.value,
        name=room.name,
        metadata=room.metadata,
        state=room.state.value,
        capacity=room.capacity,
        locked=room.locked,
        waiting_room=room.waiting_room,
        encrypted=room.encrypted,
        starts_at=plan.starts_s if plan else None,
        ends_at=plan.ends_s if plan else None,
        expires_at=room.expires_s,
        members=[
            wire.RoomMember(identity=one.identity, name=one.name, role=one.role.value, state=one.state.value, hand_at=one.hand_s)
            for one in room.present()
        ],
    )
