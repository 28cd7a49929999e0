"""Visitors who would rather write: a room with whoever of the queue is free, into which the visitor comes by a link like every guest.

The room is made as that agent would make it. Who does not come in time is joined by the next one who may take the queue, until somebody is
in; then all is the room's: history, reading, typing, its end, and how long it is kept. Everybody who was asked is told when the visitor
waits no more, because somebody took the chat or because they went away, and when they are back: it rings at none of them for nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self

import msgspec
import structlog

from api.rooms import Rooms
from api.store.people import PeopleStore
from api.visits.front_desk import FrontDesk
from api.visits.settings import VisitSettings
from api.visits.visits import plain
from api.visits.wire import ChatMade, ChatWanted
from rooms.membership import Member, MemberState, Role
from rooms.refusals import NotPossible
from rooms.switchboard import Switchboard
from signaling import messages as wire
from signaling.grants import GUEST_PREFIX, Grant
from signaling.invitations import Invitations
from signaling.refusal import Refusal
from signaling.topics import person

log = structlog.get_logger()

Perform = Callable[[Grant, wire.AnyRequest], Awaitable[object]]
_AS_LONG_S = 60.0
_LIFE_S = 86_400.0
_MOST_ASKED = 8
_LOOK_EVERY_S = 1.0


class VisitorChats:
    """``async with``: owns the tasks that find somebody for each chat. ``perform`` does what pages ask, wherever the room is."""

    def __init__(
        self,
        settings: VisitSettings,
        desk: FrontDesk,
        switchboard: Switchboard,
        rooms: Rooms,
        people: PeopleStore,
        links: Invitations,
        perform: Perform,
        publish: Callable[[str, wire.Notice], None],
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._switchboard = switchboard
        self._rooms = rooms
        self._people = people
        self._links = links
        self._perform = perform
        self._publish = publish
        self._open: dict[str, asyncio.Task[None]] = {}
        self._came: set[str] = set()
        self._away: set[str] = set()
        """Of those open: whose visitor has been in, and of which those who were asked were told that the visitor went away."""
        self.counts = {"chats": 0, "asked_again": 0}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin(self, wanted: ChatWanted) -> ChatMade:
        """A room with somebody of this queue, and the visitor's link. Raises ``Refusal``."""
        self._desk.queue(wanted.queue)
        if not self._desk.is_open():
            raise Refusal("closed", "It is closed now: ask to be called back.")
        if len(self._open) >= self._settings.most_at_once:
            raise Refusal("visits_full", "As many visitors write as there may be: try again soon, or ask to be called back.", 30.0)
        host = await self._next(wanted.queue, ())
        if host is None:
            raise Refusal("nobody_there", "Nobody is there just now: ask to be called back.")
        name, reason, page = (plain(text) for text in (wanted.said.name, wanted.said.reason, wanted.said.page))
        about = {"visitor": {"name": name, "reason": reason, "page": page}, "queue": wanted.queue, "language": wanted.language}
        create = wire.CreateRoom(
            kind="meeting",
            name=" · ".join(part for part in ("Web", wanted.queue, f"«{name}»" if name else "") if part)[:120],
            metadata=msgspec.json.encode(about).decode(),
            capacity=2 + _MOST_ASKED,
            expires_in=_LIFE_S,
        )
        room = await self._perform(host, create)
        assert isinstance(room, wire.RoomState)
        made = await self._perform(host, wire.LinkToRoom(room_id=room.room_id, expires_in=_LIFE_S))
        assert isinstance(made, wire.RoomLink)
        # Who makes a room is not told of it, and this one did not make it.
        await self._perform(host, wire.InviteToRoom(room_id=room.room_id, identity=host.identity, name=host.name, role="host"))
        self.counts["chats"] += 1
        task = self._open[room.room_id] = asyncio.create_task(self._find(room.room_id, wanted.queue, host))
        task.add_done_callback(lambda _: self._forget(room.room_id))
        return ChatMade(room.room_id, made.token)

    async def _next(self, queue: str, asked: tuple[str, ...]) -> Grant | None:
        """Who is to be asked now, as themselves."""
        for identity in self._switchboard.able(queue):
            user = await self._people.user(identity) if identity not in asked else None
            if user is not None:
                now = time.time()
                return Grant(user.identity, user.name, user.role, "visits", now, now + _AS_LONG_S, now, teams=frozenset(user.teams))
        return None

    async def _find(self, room_id: str, queue: str, host: Grant) -> None:
        """Ask one after another until somebody of the house is in, or the room is over."""
        asked = [host.identity]
        while not await self._taken(room_id, asked, self._settings.chat_answer_s if len(asked) < _MOST_ASKED else _LIFE_S):
            if len(asked) >= _MOST_ASKED:
                return
            found = await self._next(queue, tuple(asked)) if not self._went(room_id) else None
            if found is None:
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            try:
                now = time.time()
                by = msgspec.structs.replace(host, issued_at=now, expires_at=now + _AS_LONG_S)
                invited = wire.InviteToRoom(room_id=room_id, identity=found.identity, name=found.name, role="host")
                await self._perform(by, invited)
            except (Refusal, NotPossible) as refusal:
                log.info("visit.not_asked", code=refusal.code)
                return
            asked.append(found.identity)
            self.counts["asked_again"] += 1

    async def _taken(self, room_id: str, asked: list[str], within_s: float) -> bool:
        """Is somebody of the house in within that time, or is it over? Who was asked is told how it stands meanwhile."""
        until_s = asyncio.get_running_loop().time() + within_s
        while True:
            settled, went, left_s = self._settled(room_id), self._went(room_id), until_s - asyncio.get_running_loop().time()
            if settled or went != (room_id in self._away):
                (self._away.add if went else self._away.discard)(room_id)
                self._tell(room_id, asked, waits=not settled and not went)
            if settled or left_s <= 0:
                return settled
            await asyncio.sleep(min(_LOOK_EVERY_S, left_s))

    def _tell(self, room_id: str, asked: list[str], *, waits: bool) -> None:
        inside = self._house_in(room_id)
        by = inside[0].name if inside else ""
        for identity in set(asked) - {member.identity for member in inside}:
            self._publish(person(identity), wire.VisitorWaits(room_id=room_id, waits=waits, by=by))

    def _went(self, room_id: str) -> bool:
        """Was the visitor in, and is not any more? One who reloads the page has their seat meanwhile."""
        room = self._rooms.house.room(room_id)
        if room is not None and any(member.role is Role.GUEST for member in room.present()):
            self._came.add(room_id)
            return False
        return room_id in self._came

    def _forget(self, room_id: str) -> None:
        self._open.pop(room_id, None)
        self._came.discard(room_id)
        self._away.discard(room_id)

    def _settled(self, room_id: str) -> bool:
        return self._rooms.house.room(room_id) is None or bool(self._house_in(room_id))

    def _house_in(self, room_id: str) -> list[Member]:
        room = self._rooms.house.room(room_id)
        members = room.members.values() if room is not None else ()
        return [member for member in members if member.state is MemberState.IN and member.role is not Role.GUEST]

    def agent_of(self, link: str) -> str:
        """Who of the house has the chat of this link; empty where nobody does."""
        try:
            invitation = self._links.read(link)
        except Refusal:
            return ""
        room = self._rooms.house.room(invitation.room)
        if room is None or invitation.link_id not in room.links:
            return ""
        return next((member.identity for member in self._house_in(invitation.room)), "")

    def invite(self, grant: Grant, request: wire.InviteVisitor) -> None:
        """Ask the visitors of this room to call. Raises ``NotPossible``, ``Refusal``."""
        self._rooms.house.member(request.room_id, grant.identity)
        room = self._rooms.house.room(request.room_id)
        present = list(room.present()) if room is not None else []
        guests = [member.identity for member in present if member.identity.startswith(GUEST_PREFIX)]
        if not guests:
            raise Refusal("nobody_there", "No visitor is in this room.")
        for identity in guests:
            self._publish(person(identity), wire.VisitInvited(room_id=request.room_id, name=grant.name))
