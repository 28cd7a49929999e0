"""Every room that people come to: events in, effects out. No clock, no network, no tasks: ``now`` is an argument, every effect is data.

The tables and the rules of admission stand in ``rooms/membership.py``. What is decided here:

- A room of which somebody may not know is answered for like one that does not exist. Into a lasting one only its own hosts invite,
  whatever else somebody may do.
- Coming twice, leaving twice, locking a locked room is what two hands do: no error, and no effect.
- A host is let in past lock and waiting room, never past the limit of a room.
- Who loses their connection keeps their seat for ``away_s``, and who waits their place. A room that is not lasting ends ``empty_s`` after
  the last one left, or after it was made, but not while a link leads to it; a planned one at the end of its time, once nobody is in.
- Who came by a link is out when it is taken back.
- The last effect of every room is its ``Finish``; after it the room is forgotten, but for how it ended.

Refusals: ``unknown_room``, ``room_over``, ``room_cancelled``, ``not_host``, ``not_member``, ``nobody_waits``, ``duplicate_room``,
``rooms_full``, ``members_full``, ``waiting_full``, ``last_host``, ``fixed_room``, ``links_full``, ``unknown_link``, ``link_revoked``,
``link_expired``, ``encrypted``, and those of ``Room.step_for``.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from rooms import membership_events as ev
from rooms.deadlines import Deadlines
from rooms.membership import Exit, Member, MemberState, MemberStep, Role, Room, RoomEnd, RoomKind, RoomState, RoomStep
from rooms.membership_effects import Begin, Finish, Invite, Keep, MembershipEffect, Seat, Show, ShowReaction, ShowWaiting, TurnAway, Unseat
from rooms.refusals import NotPossible

_MOST_PLACES = 2_000


@dataclass(frozen=True, slots=True)
class HousePolicy:
    """Times in seconds. ``most_members``: of whom one room remembers anything, ``most_rooms_of``: in which one person may be,
    ``most_made``: that stand and were made by one person. ``encrypted_capacity``: there a page wraps keys for each device of everybody.
    ``consultation_capacity``: how many see and hear one another."""

    most_rooms: int = 10_000
    most_made: int = 1_000
    most_rooms_of: int = 200
    capacity: int = 100
    encrypted_capacity: int = 50
    consultation_capacity: int = 8
    most_members: int = 500
    most_waiting: int = 50
    most_links: int = 50
    empty_s: float = 300.0
    away_s: float = 30.0
    remembered_ends: int = 2_000


class _Kind(StrEnum):
    EMPTY = "empty"
    EXPIRY = "expiry"
    LATE = "late"
    AWAY = "away"


class _Deadline(NamedTuple):
    room_id: str
    kind: _Kind
    identity: str = ""


class House:
    """Bounded by its policy. Raises ``NotPossible`` for what a person may not do now, before anything has changed."""

    def __init__(self, policy: HousePolicy | None = None) -> None:
        self._policy = policy or HousePolicy()
        self._rooms: dict[str, Room] = {}
        self._rooms_of: dict[str, dict[str, None]] = {}
        self._ended: OrderedDict[str, RoomEnd] = OrderedDict()
        self._places: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        """Of who lost their connection while they waited: since when they did, and until when they may go on there."""
        self._deadlines: Deadlines[_Deadline] = Deadlines()

    # ------------------------------------------------------------------ what others read

    def __len__(self) -> int:
        return len(self._rooms)

    def room(self, room_id: str) -> Room | None:
        return self._rooms.get(room_id)

    def rooms_of(self, identity: str) -> list[Room]:
        """Where this person is in, or waits."""
        return [self._rooms[room_id] for room_id in self._rooms_of.get(identity, ())]

    def invitations_of(self, identity: str) -> list[Room]:
        """Into which this person may come, and where they are not."""
        asked = ((room, room.members.get(identity)) for room in self._rooms.values())
        return [room for room, member in asked if member is not None and member in _invited(room)]

    def links_of(self, room_id: str, by: str, now: float, *, moderates: bool = False) -> dict[str, float]:
        """By which links guests may still come, and until when. Raises ``NotPossible`` for who decides nothing here."""
        return {link_id: until_s for link_id, until_s in self._hosted(room_id, by, moderates).links.items() if until_s > now}

    def member(self, room_id: str, identity: str) -> Member:
        """This person in this room, in which they are. Raises ``NotPossible``."""
        member = self._known(room_id).members.get(identity)
        if member is None or not member.is_in:
            raise _unknown()
        return member

    # ------------------------------------------------------------------ events and time

    def handle(self, event: ev.MembershipEvent, now: float) -> list[MembershipEffect]:
        effects: list[MembershipEffect] = self._ON[type(event)](self, event, now)
        return effects

    def expire(self, now: float) -> list[MembershipEffect]:
        """What follows from the deadlines that have come. After it ``next_deadline()`` is later than ``now``."""
        effects: list[MembershipEffect] = []
        while (due := self._deadlines.pop_due(now)) is not None:
            effects += self._came_due(self._rooms[due.room_id], due, now)
        return effects

    def next_deadline(self) -> float | None:
        return self._deadlines.next()

    def adopt(self, room: Room, now: float, there: Callable[[str], bool] = lambda identity: False) -> None:
        """A room that was kept over a restart, or that another node had. ``there``: is this person connected?

        Who was in it and is not there is away until they come back; who waited has to knock again.
        """
        self._rooms[room.room_id] = room
        for member in room.members.values():
            is_there = there(member.identity)
            if member.state is MemberState.WAITING and not is_there:
                member.take(MemberStep.EXIT, now)
            elif member.state is MemberState.AWAY and is_there:
                member.take(MemberStep.ENTER, now)
            elif not room.lasting and member.is_in and not is_there:
                member.take(MemberStep.LOSE, now)
                self._deadlines.set(_Deadline(room.room_id, _Kind.AWAY, member.identity), now + self._policy.away_s)
            if member.state is not MemberState.OUT:
                self._rooms_of.setdefault(member.identity, {})[room.room_id] = None
        self._set_deadlines(room, now)

    def drop(self, room_id: str) -> None:
        """Another node has this room now: nothing of it is decided here any more, and nothing is over."""
        room = self._rooms.pop(room_id, None)
        if room is None:
            return
        for kind in (_Kind.EMPTY, _Kind.EXPIRY, _Kind.LATE):
            self._deadlines.clear(_Deadline(room_id, kind))
        for member in room.members.values():
            if member.state is not MemberState.OUT:
                self._forget(room, member)

    def remember(self, ended: Mapping[str, RoomEnd]) -> None:
        """How rooms of before a restart, or of other nodes, ended."""
        self._ended.update(ended)
        while len(self._ended) > self._policy.remembered_ends:
            self._ended.popitem(last=False)

    def _came_due(self, room: Room, due: _Deadline, now: float) -> list[MembershipEffect]:
        if due.kind is _Kind.AWAY:
            return self._out(room, room.members[due.identity], Exit.LOST, now)
        if due.kind is _Kind.EXPIRY:
            return self._end(room, RoomEnd.EXPIRED, now)
        empty = not any(room.present())
        return self._end(room, RoomEnd.EMPTY if room.state is RoomState.PLANNED else RoomEnd.FINISHED, now) if empty else []

    # ------------------------------------------------------------------ rooms

    def _on_wanted(self, event: ev.RoomWanted, now: float) -> list[MembershipEffect]:
        if event.room_id in self._rooms or event.room_id in self._ended:
            raise NotPossible("duplicate_room", "There is a room of this name already.")
        if len(self._rooms) >= self._policy.most_rooms:
            raise NotPossible("rooms_full", "The server has as many rooms as it can hold: close some.", 60.0)
        if sum(room.created_by == event.by for room in self._rooms.values()) >= self._policy.most_made:
            raise NotPossible("rooms_full", f"One person keeps {self._policy.most_made} rooms at most: end those that nobody needs.")
        if len(event.invited) >= self._policy.most_members:
            raise NotPossible("members_full", f"A room has {self._policy.most_members} members at most.")
        room = Room(
            room_id=event.room_id,
            kind=event.kind,
            name=event.name,
            created_by=event.by,
            created_s=now,
            capacity=self._place_for(event.kind, event.capacity, event.encrypted),
            metadata=event.metadata,
            waiting_room=event.waiting_room,
            encrypted=event.encrypted,
            schedule=event.schedule,
            expires_s=event.expires_s,
        )
        for identity, name, role in ((event.by, event.by_name, Role.HOST), *event.invited):
            if identity not in room.members:
                room.members[identity] = Member(identity, name, role, invited=True)
        if room.lasting and len(room.members) > room.capacity:
            raise NotPossible("members_full", f"This room has place for {room.capacity}.")
        joining = list(room.members.values()) if room.lasting else []
        for member in joining:
            self._room_for_another(member.identity)
        self._rooms[room.room_id] = room
        self._set_deadlines(room, now)
        effects: list[MembershipEffect] = []
        for member in joining:
            effects += self._enter(room, member, now)
        if not room.lasting:
            effects = [
                Show(room.room_id),
                *(Invite(room.room_id, member.identity) for member in _invited(room) if member.identity != event.by),
            ]
        return effects

    def _place_for(self, kind: RoomKind, wanted: int, encrypted: bool) -> int:
        policy = self._policy
        most = policy.encrypted_capacity if encrypted else policy.capacity
        most = min(most, policy.consultation_capacity) if kind is RoomKind.CONSULTATION else most
        return min(wanted or most, most)

    def _on_change(self, event: ev.ChangeWanted, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        before = (room.name, room.metadata, room.capacity, room.locked, room.waiting_room)
        room.name = room.name if event.name is None else event.name
        room.metadata = room.metadata if event.metadata is None else event.metadata
        room.capacity = room.capacity if event.capacity is None else self._place_for(room.kind, event.capacity, room.encrypted)
        room.locked = room.locked if event.locked is None else event.locked
        room.waiting_room = room.waiting_room if event.waiting_room is None else event.waiting_room
        if before == (room.name, room.metadata, room.capacity, room.locked, room.waiting_room):
            return []
        effects: list[MembershipEffect] = [Show(room.room_id)]
        for member in room.waiting():
            if not room.waiting_room and not room.locked and not room.full:
                effects += self._enter(room, member, now)
        return effects

    def _on_end(self, event: ev.EndWanted, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        return self._end(room, RoomEnd.CANCELLED if room.state is RoomState.PLANNED else RoomEnd.FINISHED, now)

    def _end(self, room: Room, why: RoomEnd, now: float) -> list[MembershipEffect]:
        effects: list[MembershipEffect] = []
        for member in room.members.values():
            was = member.state
            if member.take(MemberStep.EXIT, now):
                self._forget(room, member)
                effects.append((TurnAway if was is MemberState.WAITING else Unseat)(room.room_id, member.identity, Exit.ENDED))
        room.take(RoomStep.END)
        for kind in (_Kind.EMPTY, _Kind.EXPIRY, _Kind.LATE):
            self._deadlines.clear(_Deadline(room.room_id, kind))
        del self._rooms[room.room_id]
        self._ended[room.room_id] = why
        if len(self._ended) > self._policy.remembered_ends:
            self._ended.popitem(last=False)
        return [*effects, Finish(room, why)]

    def _set_deadlines(self, room: Room, now: float) -> None:
        if room.expires_s is not None:
            self._deadlines.set(_Deadline(room.room_id, _Kind.EXPIRY), room.expires_s)
        if room.schedule is not None:
            self._deadlines.set(_Deadline(room.room_id, _Kind.LATE), room.schedule.closes_s)
        self._watch_emptiness(room, now)

    def _watch_emptiness(self, room: Room, now: float) -> None:
        """A room that is not lasting ends some time after it became empty; a planned one not before its time is over, one to which links
        lead not before the last of them has expired."""
        key = _Deadline(room.room_id, _Kind.EMPTY)
        if room.lasting or any(room.present()):
            self._deadlines.clear(key)
        elif room.schedule is None or now >= room.schedule.closes_s:
            self._deadlines.set(key, max(now + self._policy.empty_s, *room.links.values(), 0.0))

    # ------------------------------------------------------------------ coming and going

    def _on_join(self, event: ev.JoinWanted, now: float) -> list[MembershipEffect]:
        room = self._known(event.room_id)
        known = room.members.get(event.identity)
        if known is None and (event.granted is None or room.lasting):
            raise _unknown()
        if known is None and len(room.members) >= self._policy.most_members:
            raise NotPossible("room_full", "This room has seen as many people as it can remember.")
        if event.link_id:
            self.check_link(event.room_id, event.link_id, event.identity, now)
        member = replace(known) if known is not None else Member(event.identity, event.name, event.granted or Role.GUEST)
        member.name, member.link_id = event.name, event.link_id
        if event.granted is Role.HOST and not room.lasting:
            member.role = Role.HOST
        step = room.step_for(member, now)
        if not member.is_in and member.state is not MemberState.WAITING:
            self._room_for_another(event.identity)
            if step is MemberStep.KNOCK and len(room.waiting()) >= self._policy.most_waiting:
                raise NotPossible("waiting_full", "Too many people wait for this room already: try again later.", 60.0)
        room.members[event.identity] = member
        return self._enter(room, member, now) if step is MemberStep.ENTER else self._knock(room, member, now)

    def _knock(self, room: Room, member: Member, now: float) -> list[MembershipEffect]:
        if not member.take(MemberStep.KNOCK, now):
            return []
        since_s, until_s = self._places.pop((room.room_id, member.identity), (now, now))
        if now < until_s:
            member.since_s = since_s
        self._rooms_of.setdefault(member.identity, {})[room.room_id] = None
        return [ShowWaiting(room.room_id), Keep(room.room_id)]

    def _enter(self, room: Room, member: Member, now: float) -> list[MembershipEffect]:
        waited, was_away = member.state is MemberState.WAITING, member.state is MemberState.AWAY
        if not member.take(MemberStep.ENTER, now):
            return []
        if was_away:
            self._deadlines.clear(_Deadline(room.room_id, _Kind.AWAY, member.identity))
            return [Show(room.room_id)]
        self._rooms_of.setdefault(member.identity, {})[room.room_id] = None
        member.admitted = member.admitted or waited
        self._watch_emptiness(room, now)
        effects: list[MembershipEffect] = [Begin(room.room_id)] if room.take(RoomStep.BEGIN) else []
        effects += [Seat(room.room_id, member.identity), Show(room.room_id)]
        return [*effects, ShowWaiting(room.room_id)] if waited or (member.role is Role.HOST and room.waiting()) else effects

    def _keep_place(self, room: Room, member: Member, now: float) -> None:
        """Who reloads the page while they wait is where they were in the queue."""
        self._places[room.room_id, member.identity] = (member.since_s, now + self._policy.away_s)
        while len(self._places) > _MOST_PLACES:
            self._places.popitem(last=False)

    def _out(self, room: Room, member: Member, why: Exit, now: float) -> list[MembershipEffect]:
        """Out of the room or of its queue; no effect for who is out already."""
        was = member.state
        if not member.take(MemberStep.EXIT, now):
            return []
        self._forget(room, member)
        if not member.worth_keeping:
            del room.members[member.identity]
        if was is MemberState.WAITING:
            return [TurnAway(room.room_id, member.identity, why), ShowWaiting(room.room_id)]
        effects: list[MembershipEffect] = [Unseat(room.room_id, member.identity, why), Show(room.room_id)]
        if not any(room.present()) and (room.lasting or (room.schedule is not None and now >= room.schedule.closes_s)):
            return [*effects, *self._end(room, RoomEnd.FINISHED, now)]
        self._watch_emptiness(room, now)
        return effects

    def _forget(self, room: Room, member: Member) -> None:
        """This room is none of theirs any more."""
        self._deadlines.clear(_Deadline(room.room_id, _Kind.AWAY, member.identity))
        of = self._rooms_of[member.identity]
        del of[room.room_id]
        if not of:
            del self._rooms_of[member.identity]

    def _room_for_another(self, identity: str) -> None:
        if len(self._rooms_of.get(identity, ())) >= self._policy.most_rooms_of:
            raise NotPossible("rooms_full", f"One person is in {self._policy.most_rooms_of} rooms at most: leave some.")

    def _on_leave(self, event: ev.LeaveWanted, now: float) -> list[MembershipEffect]:
        room = self._known(event.room_id)
        member = room.members.get(event.identity)
        if member is None:
            raise _unknown()
        if room.kind is RoomKind.DIRECT:
            raise NotPossible("fixed_room", "A conversation of two has no way out: it is empty until somebody writes.")
        if room.lasting and room.hosts() == [member] and sum(1 for _ in room.present()) > 1:
            raise NotPossible("last_host", "You are this group's only host: make somebody else one first.")
        if room.lasting:
            member.invited = member.admitted = False
        return self._out(room, member, Exit.LEFT, now)

    def _on_lost(self, event: ev.PersonLost, now: float) -> list[MembershipEffect]:
        effects: list[MembershipEffect] = []
        for room in self.rooms_of(event.identity):
            member = room.members[event.identity]
            if member.state is MemberState.WAITING:
                self._keep_place(room, member, now)
                effects += self._out(room, member, Exit.LOST, now)
            elif not room.lasting and member.take(MemberStep.LOSE, now):
                self._deadlines.set(_Deadline(room.room_id, _Kind.AWAY, member.identity), now + self._policy.away_s)
                effects.append(Show(room.room_id))
        return effects

    def _on_back(self, event: ev.PersonBack, now: float) -> list[MembershipEffect]:
        effects: list[MembershipEffect] = []
        for room in self.rooms_of(event.identity):
            member = room.members[event.identity]
            if member.state is MemberState.AWAY:
                effects += self._enter(room, member, now)
        return effects

    # ------------------------------------------------------------------ what hosts do

    def _on_admission(self, event: ev.AdmissionDecided, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        member = room.members.get(event.identity)
        if member is None or member.state is not MemberState.WAITING:
            raise NotPossible("nobody_waits", "This person waits no more: they left, or another host has decided.")
        if not event.admitted:
            return self._out(room, member, Exit.DENIED, now)
        if room.full:
            raise NotPossible("room_full", f"There are {room.capacity} people in this room, which is its limit.")
        return self._enter(room, member, now)

    def _on_invitation(self, event: ev.InvitationWanted, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        if room.kind is RoomKind.DIRECT:
            raise NotPossible("fixed_room", "A conversation of two stays one: make a group instead.")
        member = room.members.get(event.identity)
        self._keep_a_host(room, member, event.role)
        if member is None and len(room.members) >= self._policy.most_members:
            raise NotPossible("members_full", f"A room has {self._policy.most_members} members at most.")
        joins = room.lasting and (member is None or not member.is_in)
        if joins:
            self._room_for_another(event.identity)
            if room.full:
                raise NotPossible("room_full", f"There are {room.capacity} people in this room, which is its limit.")
        if member is None:
            member = room.members[event.identity] = Member(event.identity, event.name, event.role)
        member.role, member.invited, member.removed = event.role, True, False
        if joins:
            return self._enter(room, member, now)
        return [Show(room.room_id)] if member.is_in else [Show(room.room_id), Invite(room.room_id, member.identity)]

    def _on_link(self, event: ev.LinkWanted, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        if room.lasting:
            raise NotPossible("fixed_room", "Into a group one is invited by name: links lead to meetings.")
        if room.encrypted:
            raise NotPossible(
                "encrypted", "Guests have no keys, and this room's messages are encrypted between its members: invite by name."
            )
        links = dict(room.links)
        if len(links) >= self._policy.most_links:
            links = {link_id: expires_s for link_id, expires_s in links.items() if expires_s > now}
        if len(links) >= self._policy.most_links:
            raise NotPossible("links_full", f"A room has {self._policy.most_links} links at most: take back those that nobody needs.")
        room.links = {**links, event.link_id: event.expires_s}
        self._watch_emptiness(room, now)
        return [Keep(room.room_id)]

    def _on_revoked(self, event: ev.LinkRevoked, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        revoked = [link_id for link_id in room.links if event.link_id in (None, link_id)]
        if not revoked:
            raise NotPossible("unknown_link", "There is no such link to this room, or it was taken back already.")
        room.links = {link_id: expires_s for link_id, expires_s in room.links.items() if link_id not in revoked}
        effects: list[MembershipEffect] = [Keep(room.room_id)]
        for member in [member for member in room.members.values() if member.link_id in revoked]:
            member.admitted = False
            effects += self._out(room, member, Exit.REVOKED, now)
        if room.state is not RoomState.ENDED:
            self._watch_emptiness(room, now)
        return effects

    def check_link(self, room_id: str, link_id: str, identity: str, now: float) -> Room:
        """The room, if this guest may come by this link: whoever is in already may stay beyond its time. Raises ``NotPossible``."""
        room = self._known(room_id)
        expires_s = room.links.get(link_id)
        if expires_s is None:
            raise NotPossible("link_revoked", "This link was taken back: ask who invited you for a new one.")
        if now >= expires_s and not room.has(identity):
            raise NotPossible("link_expired", "This link has expired: ask who invited you for a new one.")
        return room

    def _on_removal(self, event: ev.RemovalWanted, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        member = room.members.get(event.identity)
        if member is None:
            raise NotPossible("not_member", "This person is not in the room.")
        if room.kind is RoomKind.DIRECT:
            raise NotPossible("fixed_room", "A conversation of two stays one.")
        self._keep_a_host(room, member, None)
        member.removed, member.invited, member.admitted = True, False, False
        return self._out(room, member, Exit.REMOVED, now)

    def _keep_a_host(self, room: Room, member: Member | None, role: Role | None) -> None:
        if room.lasting and role is not Role.HOST and member is not None and room.hosts() == [member]:
            raise NotPossible("last_host", "This is the group's only host: make somebody else one first.")

    def decides(self, room_id: str, by: str, *, moderates: bool) -> None:
        """Raises ``NotPossible`` where this person is no host of it."""
        self._hosted(room_id, by, moderates)

    def mover(self, room_id: str, by: str, identity: str, *, moderates: bool) -> Member:
        """Whom ``by`` may move out of this room. Raises ``NotPossible``."""
        room = self._hosted(room_id, by, moderates)
        member = room.members.get(identity)
        if member is None or not member.is_in:
            raise NotPossible("not_member", "This person is not in the room.")
        if room.lasting:
            raise _fixed()
        return member

    def _on_moved_in(self, event: ev.MovedIn, now: float) -> list[MembershipEffect]:
        room = self._hosted(event.room_id, event.by, event.moderates)
        if room.lasting:
            raise _fixed()
        member = room.members.get(event.identity) or Member(event.identity, event.name, event.role)
        if not member.is_in and (room.full or len(room.members) >= self._policy.most_members):
            raise NotPossible("room_full", f"There are {room.capacity} people in the other room, which is its limit.")
        member.removed, member.admitted = False, True
        room.members[event.identity] = member
        effects = self._enter(room, member, now)
        return [*effects, *self._on_lost(ev.PersonLost(event.identity), now)] if event.away else effects

    def _on_moved_out(self, event: ev.MovedOut, now: float) -> list[MembershipEffect]:
        room = self._known(event.room_id)
        member = self.member(event.room_id, event.identity)
        if room.lasting:
            raise _fixed()
        return self._out(room, member, Exit.MOVED, now)

    # ------------------------------------------------------------------ in the room

    def _on_hand(self, event: ev.HandMoved, now: float) -> list[MembershipEffect]:
        room = self._known(event.room_id)
        if event.by != event.identity:
            room = self._hosted(event.room_id, event.by, event.moderates)
        member = self.member(event.room_id, event.identity)
        if event.raised and event.by != event.identity:
            raise NotPossible("not_host", "Nobody raises another one's hand.")
        if event.raised is (member.hand_s is not None):
            return []
        member.hand_s = now if event.raised else None
        return [Show(room.room_id)]

    def _on_reaction(self, event: ev.Reacted, now: float) -> list[MembershipEffect]:
        self.member(event.room_id, event.by)
        return [ShowReaction(event.room_id, event.by, event.emoji)]

    # ------------------------------------------------------------------ who may know, who may decide

    def _known(self, room_id: str) -> Room:
        room = self._rooms.get(room_id)
        if room is not None:
            return room
        ended = self._ended.get(room_id)
        if ended is RoomEnd.CANCELLED:
            raise NotPossible("room_cancelled", "This appointment was cancelled or moved: ask who invited you.")
        if ended is not None:
            raise NotPossible("room_over", "This room is over.")
        raise _unknown()

    def _hosted(self, room_id: str, by: str, moderates: bool) -> Room:
        """The room, of which ``by`` may decide: also its invited host who is not in just now."""
        room = self._known(room_id)
        member = room.members.get(by)
        if moderates and not room.lasting:
            return room
        if member is None or not member.worth_keeping or member.removed:
            raise _unknown()
        if member.role is not Role.HOST:
            raise NotPossible("not_host", "Only a host of this room can do this.")
        return room

    _ON: dict[type, Callable[..., Any]] = {  # noqa: RUF012
        ev.RoomWanted: _on_wanted,
        ev.JoinWanted: _on_join,
        ev.LeaveWanted: _on_leave,
        ev.AdmissionDecided: _on_admission,
        ev.InvitationWanted: _on_invitation,
        ev.LinkWanted: _on_link,
        ev.LinkRevoked: _on_revoked,
        ev.RemovalWanted: _on_removal,
        ev.MovedIn: _on_moved_in,
        ev.MovedOut: _on_moved_out,
        ev.ChangeWanted: _on_change,
        ev.EndWanted: _on_end,
        ev.HandMoved: _on_hand,
        ev.Reacted: _on_reaction,
        ev.PersonLost: _on_lost,
        ev.PersonBack: _on_back,
    }


def _invited(room: Room) -> list[Member]:
    """Who may come and is not in."""
    return [member for member in room.members.values() if member.invited and not member.removed and member.state is MemberState.OUT]


def _unknown() -> NotPossible:
    return NotPossible("unknown_room", "There is no such room, or you are not invited to it.")


def _fixed() -> NotPossible:
    return NotPossible("fixed_room", "One is moved from one meeting to another: into a group one is invited.")
