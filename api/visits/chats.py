"""Visitors who would rather write: a room with whoever of the queue is free, into which the visitor comes by a link like every guest.

The room is made as that agent would make it. Who does not come in time is joined by the next one who may take the queue, until somebody is
in; then all is the room's: history, reading, typing, its end, and how long it is kept.
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
from rooms.membership import MemberState, Role
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
        task.add_done_callback(lambda _: self._open.pop(room.room_id, None))
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
        asked: tuple[str, ...] = (host.identity,)
        while len(asked) < _MOST_ASKED:
            if await self._taken(room_id, self._settings.chat_answer_s):
                return
            found = await self._next(queue, asked)
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
            asked = (*asked, found.identity)
            self.counts["asked_again"] += 1
        await self._taken(room_id, _LIFE_S)

    async def _taken(self, room_id: str, within_s: float) -> bool:
        """Is somebody of the house in within that time, or is it over?"""
        until_s = asyncio.get_running_loop().time() + within_s
        while (left_s := until_s - asyncio.get_running_loop().time()) > 0:
            if self._settled(room_id):
                return True
            await asyncio.sleep(min(_LOOK_EVERY_S, left_s))
        return self._settled(room_id)

    def _settled(self, room_id: str) -> bool:
        return self._rooms.house.room(room_id) is None or bool(self._house_in(room_id))

    def _house_in(self, room_id: str) -> list[str]:
        room = self._rooms.house.room(room_id)
        members = room.members.values() if room is not None else ()
        return [member.identity for member in members if member.state is MemberState.IN and member.role is not Role.GUEST]

    def agent_of(self, link: str) -> str:
        """Who of the house has the chat of this link; empty where nobody does."""
        try:
            invitation = self._links.read(link)
        except Refusal:
            return ""
        room = self._rooms.house.room(invitation.room)
        if room is None or invitation.link_id not in room.links:
            return ""
        return next(iter(self._house_in(invitation.room)), "")

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
