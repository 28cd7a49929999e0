"""What pages ask about rooms and their chat: whose grant reaches which room, then one function for each."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import uuid4

from msgspec import Struct

from api.attachments import Attachments
from api.captions import caption
from api.card_numbers import without_card_numbers, without_cards_in
from api.chat import Chat, store_needed
from api.consultation_checks import ConsultationChecks
from api.consultation_phones import ConsultationPhones
from api.itineraries import Itineraries
from api.past_rooms import PastRooms
from api.room_keys import RoomKeys
from api.room_owners import RoomOwners
from api.room_questions import AnyRoomQuestion, CheckLink, CheckMember, MoveIn, OwnRooms, direct_id, linked
from api.rooms import Rooms, room_state
from rooms import membership_events as ev
from rooms.chat import Draft
from rooms.membership import MemberState, Role, Room, RoomKind, Schedule
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling import topics
from signaling.grants import REQUESTS, Grant, Permission, Resource, allows, demand, permissions_of
from signaling.grants import Role as Job
from signaling.invitations import Invitations
from signaling.refusal import Refusal

AnyItinerary = wire.LookUpItinerary | wire.ShareItinerary | wire.PointItinerary | wire.UnshareItinerary | wire.ReadItinerary
InMedia = Callable[[str, wire.MediaRequest], Awaitable[Struct | None]]
"""What is asked about sound and pictures by somebody who is in that consultation."""
Record = Callable[[str, str, str, bool], None]
"""What somebody (room, action, identity, are they a host?) wants of its recording."""


class Mute(Protocol):
    """Turn somebody's microphone off for all others, or on again."""

    def __call__(self, room_id: str, identity: str, *, muted: bool) -> Awaitable[None]: ...


async def _mute_nobody(room_id: str, identity: str, *, muted: bool) -> None:
    raise NotPossible("no_bridge", "In this room one writes: a consultation has sound and pictures.")


class Known(Protocol):
    """Somebody of the house."""

    @property
    def identity(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


Directory = Callable[[], Awaitable[Sequence[Known]]]


class RoomRequests:
    """``directory``: everybody of the house. ``bar_link`` ends the sessions of who came by a link, on every node. ``link_lifetime_s``: of a
    link to no appointment. ``checks``: of connections, before consultations; ``phones`` and ``itineraries`` in them;
    ``mute`` turns somebody's sound off there, or on.
    ``linked`` hears of each room to which a link was made.

    Raises ``Refusal``, ``NotPossible`` and ``MediaRefusal``, and ``StoreFenced`` where a room is another node's by now.
    """

    def __init__(
        self,
        rooms: Rooms,
        chat: Chat,
        attachments: Attachments,
        invitations: Invitations,
        past: PastRooms,
        keys: RoomKeys,
        owners: RoomOwners,
        directory: Directory,
        in_media: InMedia,
        record: Record,
        bar_link: Callable[[str, str], Awaitable[None]],
        *,
        checks: ConsultationChecks | None = None,
        phones: ConsultationPhones | None = None,
        itineraries: Itineraries | None = None,
        mute: Mute = _mute_nobody,
        link_lifetime_s: float = 7_200.0,
        linked: Callable[[Room], None] = lambda room: None,
    ) -> None:
        self._keys = keys
        self._directory = directory
        self._in_media, self._record = in_media, record
        self._bar_link = bar_link
        self._checks, self._phones, self._mute = checks, phones, mute
        self._itineraries = itineraries
        self._link_lifetime_s = link_lifetime_s
        self._linked = linked
        self._rooms = rooms
        self._owners = owners
        self._chat = chat
        self._attachments = attachments
        self._invitations = invitations
        self._past = past

    async def perform(self, grant: Grant, request: wire.RoomRequest | wire.ChatRequest | AnyRoomQuestion) -> Struct | None:
        if isinstance(request, AnyRoomQuestion):
            return await self._answer(grant, request)
        room_id = getattr(request, "room_id", "")
        if room_id:
            demand(grant, REQUESTS[type(request)], Resource(room=room_id))
        if isinstance(request, wire.ListPeople):
            return wire.Colleagues(people=[wire.KnownPerson(one.identity, one.name, one.role) for one in await self._directory()])
        if isinstance(request, wire.ListPastRooms):
            with store_needed():
                return await self._past.listed(grant.identity, request.before, request.limit)
        if isinstance(request, wire.ChatRequest):
            return await self._in_chat(grant, request)
        if isinstance(request, wire.CheckConnection | wire.FinishCheck):
            return await self._check(grant, request)
        if isinstance(request, wire.CallMeInRoom | wire.HangUpInRoom):
            return await self._telephone(grant, request)
        if isinstance(request, AnyItinerary):
            return await self._itinerary(grant, request)
        if isinstance(request, wire.MediaRequest | wire.SayCaption):
            member = self._rooms.house.member(room_id, grant.identity)
            room = self._rooms.house.room(room_id)
            if room is None or room.kind is not RoomKind.CONSULTATION:
                raise NotPossible("no_bridge", "In this room one writes: a consultation has sound and pictures.")
            if isinstance(request, wire.MuteInRoom):
                self._rooms.house.decides(
                    room_id, grant.identity, moderates=allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id))
                )
                await self._mute(room_id, request.identity, muted=request.muted)
                return None
            if isinstance(request, wire.SayCaption):
                moderates = allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id))
                self._rooms.hub.publish(topics.room(room_id), caption(room, member, request, moderates=moderates))
                return None
            if isinstance(request, wire.RecordRoom):
                host = member.role is Role.HOST or allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id))
                return self._record(room_id, request.action, grant.identity, host)
            return await self._in_media(grant.identity, request)
        before = self._rooms.house.room(room_id)
        links = list(before.links) if before is not None and isinstance(request, wire.UnlinkRoom) else []
        result = await self._in_room(grant, request)
        for link_id in links:
            if before is not None and link_id not in before.links:
                await self._bar_link(link_id, grant.identity)
        return result

    async def _telephone(self, grant: Grant, request: wire.CallMeInRoom | wire.HangUpInRoom) -> Struct | None:
        room = self._rooms.house.room(request.room_id)
        member = room.members.get(grant.identity) if room is not None else None
        if (
            self._phones is None
            or room is None
            or room.kind is not RoomKind.CONSULTATION
            or member is None
            or member.state is MemberState.OUT
        ):
            raise NotPossible("unknown_room", "There is no such consultation, or you are not in it.")
        if isinstance(request, wire.CallMeInRoom):
            return await self._phones.ring(grant, room, request.number)
        self._phones.hang_up(request.room_id, grant.identity)
        return None

    async def _check(self, grant: Grant, request: wire.CheckConnection | wire.FinishCheck) -> Struct:
        """By whoever may come: also while it is too early, and while they wait."""
        if self._checks is None:
            raise NotPossible("no_bridge", "Connections are tried before consultations, and this server has none.")
        room = self._rooms.house.room(request.room_id)
        if room is None or room.kind is not RoomKind.CONSULTATION or not (grant.identity in room.members or _granted(grant, room.room_id)):
            raise NotPossible("unknown_room", "There is no such consultation, or you are not invited to it.")
        if isinstance(request, wire.CheckConnection):
            return await self._checks.offer(grant.identity, request)
        checked = await self._checks.finish(grant.identity, request)
        self._rooms.show_waiting(request.room_id)
        return checked

    async def _itinerary(self, grant: Grant, request: AnyItinerary) -> Struct | None:
        """Read by whoever is in the room; everything else is for its hosts, while they are in it."""
        room_id, me, house = request.room_id, grant.identity, self._rooms.house
        house.member(room_id, me)
        room = house.room(room_id)
        if self._itineraries is None or room is None or room.kind is not RoomKind.CONSULTATION:
            raise NotPossible("no_bridge", "Itineraries stand beside consultations: in this room one writes.")
        if isinstance(request, wire.ReadItinerary):
            return self._itineraries.read(room_id) if grant.role == Job.CUSTOMER else self._itineraries.look_at(room_id, me)
        house.decides(room_id, me, moderates=allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id)))
        match request:
            case wire.LookUpItinerary():
                with store_needed():
                    await self._itineraries.look(room_id, me, request)
            case wire.ShareItinerary():
                return self._itineraries.share(room_id, me, request)
            case wire.PointItinerary():
                self._itineraries.point(room_id, request)
            case wire.UnshareItinerary():
                self._itineraries.unshare(room_id, me)
        return None

    async def _answer(self, grant: Grant, question: AnyRoomQuestion) -> Struct | None:
        """What another room or another node asks, which has seen to it that it may be asked."""
        house = self._rooms.house
        match question:
            case OwnRooms(identity=identity):
                return self._rooms.list_for(identity)
            case CheckLink(room_id=room_id, identity=identity, link_id=link_id):
                return linked(house.check_link(room_id, link_id, identity, self._rooms.now()))
            case CheckMember(room_id=room_id, identity=identity):
                house.member(room_id, identity)
            case MoveIn(room_id=room_id, identity=identity, name=name, role=role, away=away):
                moderates = allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id))
                await self._rooms.do(ev.MovedIn(room_id, grant.identity, identity, name, role, away, moderates))
        return None

    # ------------------------------------------------------------------ rooms

    async def _in_room(self, grant: Grant, request: wire.RoomRequest) -> Struct | None:
        me, do = grant.identity, self._rooms.do
        if isinstance(request, wire.CreateRoom | wire.UpdateRoom):
            request = without_cards_in(request, "name", "metadata")
        if isinstance(request, wire.InviteToRoom):
            request = without_cards_in(request, "name")
        room_id = getattr(request, "room_id", "")
        moderates = allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id))
        match request:
            case wire.CreateRoom():
                return await self._create(grant, request)
            case wire.ListRooms():
                return await self._list(grant)
            case wire.JoinRoom():
                return await self._join(grant, room_id)
            case wire.LeaveRoom():
                await do(ev.LeaveWanted(room_id, me))
            case wire.AdmitToRoom(identity=identity, admitted=admitted):
                await do(ev.AdmissionDecided(room_id, me, identity, admitted, moderates))
            case wire.InviteToRoom(identity=identity, name=name, role=role):
                await do(ev.InvitationWanted(room_id, me, identity, name or identity, Role(role), moderates))
            case wire.LinkToRoom(expires_in=expires_in):
                return await self._link(me, room_id, expires_in, moderates)
            case wire.ListLinks():
                links = self._rooms.house.links_of(room_id, me, self._rooms.now(), moderates=moderates)
                return wire.RoomLinks(links=[wire.KnownLink(link_id, until) for link_id, until in links.items()])
            case wire.UnlinkRoom(link_id=link_id):
                await do(ev.LinkRevoked(room_id, me, link_id, moderates))
            case wire.KickFromRoom(identity=identity):
                await do(ev.RemovalWanted(room_id, me, identity, moderates))
            case wire.LockRoom(locked=locked):
                await do(ev.ChangeWanted(room_id, me, locked=locked, moderates=moderates))
            case wire.MoveToRoom(identity=identity, to_room=to_room):
                await self._move(grant, room_id, identity, to_room, moderates)
            case wire.UpdateRoom(name=new_name, metadata=metadata, capacity=capacity, waiting_room=waiting_room):
                await do(ev.ChangeWanted(room_id, me, new_name, metadata, capacity, None, waiting_room, moderates))
            case wire.EndRoom():
                await do(ev.EndWanted(room_id, me, moderates))
            case wire.RaiseHand(raised=raised, identity=identity):
                await do(ev.HandMoved(room_id, me, identity or me, raised, moderates))
            case wire.React(emoji=emoji):
                await do(ev.Reacted(room_id, me, emoji))
        return None

    async def _list(self, grant: Grant) -> wire.RoomList:
        elsewhere, own = await self._owners.elsewhere(grant), self._rooms.list_for(grant.identity)
        return wire.RoomList(
            rooms=own.rooms + elsewhere.rooms,
            invitations=own.invitations + elsewhere.invitations,
            waiting=own.waiting + elsewhere.waiting,
        )

    async def _create(self, grant: Grant, request: wire.CreateRoom) -> wire.RoomState:
        kind, plan = RoomKind(request.kind), _plan(request)
        room_id = uuid4().hex
        if kind is RoomKind.DIRECT:
            room_id = direct_id(grant.identity, request)
            known = self._rooms.house.room(room_id)
            if known is not None:
                return room_state(known)
        wanted = ev.RoomWanted(
            room_id=room_id,
            by=grant.identity,
            by_name=grant.name,
            kind=kind,
            name=request.name,
            metadata=request.metadata,
            capacity=request.capacity or 0,
            waiting_room=request.waiting_room,
            encrypted=request.encrypted,
            schedule=plan,
            invited=tuple((one.identity, without_card_numbers(one.name or one.identity), Role(one.role)) for one in request.invited),
            expires_s=None if request.expires_in is None else self._rooms.now() + request.expires_in,
        )
        await self._owners.make(room_id, lambda: self._rooms.do(wanted))
        made = self._rooms.house.room(room_id)
        assert made is not None
        return room_state(made)

    async def _join(self, grant: Grant, room_id: str) -> wire.RoomJoined:
        link_id = grant.session_id if grant.role == Job.CUSTOMER else ""
        await self._rooms.do(ev.JoinWanted(room_id, grant.identity, grant.name, _granted(grant, room_id), link_id))
        room = self._rooms.house.room(room_id)
        if room is None or grant.identity not in room.members:
            raise NotPossible("room_over", "This room is over.")
        waiting = room.members[grant.identity].state is MemberState.WAITING
        if waiting:
            return wire.RoomJoined(waiting=True, room=None, queue=self._rooms.queue_of(room, grant.identity))
        return wire.RoomJoined(waiting=False, room=room_state(room))

    async def _move(self, grant: Grant, room_id: str, identity: str, to_room: str, moderates: bool) -> None:
        """In there first, then out here: who cannot come in stays. The other room may be another node's."""
        if to_room == room_id:
            raise NotPossible("fixed_room", "This person is in this very room.")
        member = self._rooms.house.mover(room_id, grant.identity, identity, moderates=moderates)
        moved_in = MoveIn(to_room, identity, member.name, member.role, member.state is MemberState.AWAY)
        await self._owners.perform(to_room, grant, moved_in)
        await self._rooms.do(ev.MovedOut(room_id, identity))

    async def _link(self, me: str, room_id: str, lives_s: float | None, moderates: bool) -> wire.RoomLink:
        room = self._rooms.house.room(room_id)
        plan = room.schedule if room is not None else None
        expires_at = self._rooms.now() + (self._link_lifetime_s if lives_s is None else lives_s)
        if lives_s is None and plan is not None:
            expires_at = plan.closes_s
        times = {"starts_at": plan.starts_s, "ends_at": plan.ends_s} if plan is not None else {}
        link = self._invitations.issue(room_id, expires_at, **times)
        await self._rooms.do(ev.LinkWanted(room_id, me, link.link_id, expires_at, moderates))
        if room is not None:
            self._linked(room)
        return wire.RoomLink(room_id=room_id, link_id=link.link_id, token=link.token, expires_at=expires_at)

    # ------------------------------------------------------------------ chat

    async def _in_chat(self, grant: Grant, request: wire.ChatRequest) -> Struct | None:
        me, chat = grant.identity, self._chat
        match request:
            case wire.SendChat():
                await self._check_sealed(me, request)
                draft = Draft(request.message_id, me, grant.name, request.text, request.cipher, request.reply_to, request.attachments)
                return await chat.say(draft, request.room_id)
            case wire.EditChat(room_id=room_id, message_id=message_id, text=text, cipher=cipher):
                await self._check_sealed(me, request)
                return await chat.edit(room_id, message_id, me, text, cipher)
            case wire.DeleteChat(room_id=room_id, message_id=message_id):
                await chat.delete(room_id, message_id, me)
            case wire.ReactToChat(room_id=room_id, message_id=message_id, emoji=emoji, on=on):
                await chat.react(room_id, message_id, me, emoji, on)
            case wire.ReadChat(room_id=room_id, position=position):
                await chat.read(room_id, me, position)
            case wire.ChatHistory(room_id=room_id, before=before, after=after, limit=limit):
                if self._rooms.house.room(room_id) is None:
                    with store_needed():
                        return await self._past.history(room_id, me, before=before, after=after, limit=limit)
                return await chat.history(room_id, me, before=before, after=after, limit=limit)
            case wire.ChatOverview():
                elsewhere = await self._owners.elsewhere(grant)
                return await chat.overview(me, [state.room_id for state in elsewhere.rooms])
            case wire.Typing(room_id=room_id, on=on):
                chat.type(room_id, me, on)
            case wire.AttachToChat(room_id=room_id):
                return self._attachments.ticket(me, without_cards_in(request, "name"), encrypted=self._encrypted(room_id, me))
            case wire.KeyRequest():
                with store_needed():
                    return await self._keys.perform(grant, request)
        return None

    def _encrypted(self, room_id: str, me: str) -> bool:
        self._rooms.house.member(room_id, me)
        room = self._rooms.house.room(room_id)
        return room is not None and room.encrypted

    async def _check_sealed(self, me: str, request: wire.SendChat | wire.EditChat) -> None:
        """In an encrypted room: is it ciphertext, under the key of those who are in it now? Words in the clear get no further."""
        if self._encrypted(request.room_id, me):
            with store_needed():
                await self._keys.check(request.room_id, me, "" if request.text else request.cipher)


def _granted(grant: Grant, room_id: str) -> Role | None:
    """The role that somebody's token gives them in a room to which nobody invited them; None: none."""
    if allows(grant, Permission.ROOM_MODERATE, Resource(room=room_id)):
        return Role.HOST
    if grant.room != room_id or Permission.ROOM_JOIN not in permissions_of(grant):
        return None
    return Role.GUEST if grant.role == Job.CUSTOMER else Role.MEMBER


def _plan(request: wire.CreateRoom) -> Schedule | None:
    if request.starts_at is None and request.ends_at is None:
        return None
    if request.starts_at is None or request.ends_at is None or request.ends_at <= request.starts_at:
        raise Refusal("bad_message", "An appointment has a start and a later end.")
    return Schedule(request.starts_at, request.ends_at, request.early_s, request.late_s)
