"""Telephones in consultations: whoever cannot be heard by their page is rung, and takes part by telephone.

The telephone is a guest of its own beside its owner's page: the page may be closed and the talk goes on. It is dialled on an account of the
room's, which the bounds of dialling hold for; nothing but public numbers is called, each room and each person only so often. Telephones are
never recorded: nobody at one can be asked, or see that it is.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self
from uuid import uuid4

import structlog

from api.allowance import Allowance
from api.consultations import Consultations
from api.phone_legs import PhoneFailure, PhoneLegs
from api.rooms import RoomEvent
from api.store import StoreUnavailable
from api.tolls import Tolls
from media.messages import AnyMediaEvent, MediaRefusal, RoomLost
from pbx import trunk as line
from pbx.routing import Route
from pbx.trunk import Trunk, TrunkEvent
from rooms import membership_events as ev
from rooms.audio import Endpoint
from rooms.causes import Cause, EndReason
from rooms.membership import Role, Room
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling import topics
from signaling.grants import GUEST_PREFIX, Grant
from signaling.grants import Role as Job
from signaling.refusal import Refusal

log = structlog.get_logger()

_PREFIX = "room-phone-"
"""Begins the names of its legs and of no others."""
_MOST = 200
_ALIVE = frozenset({"waiting", "dialling", "ringing", "answered"})


@dataclass(frozen=True, slots=True)
class PhoneBounds:
    """Calls that may be begun in an hour: for one person, and into one room. ``ring_s``: so long it rings."""

    person: int = 4
    room: int = 12
    ring_s: float = 45.0


class Booked(Protocol):
    """What is asked of an appointment."""

    @property
    def e164(self) -> str: ...


class InRooms(Protocol):
    """What ``api.rooms.Rooms`` does for us."""

    async def do(self, event: ev.MembershipEvent) -> None: ...

    def name_of(self, room_id: str, identity: str) -> str: ...


@dataclass(eq=False, slots=True)
class _Phone:
    room_id: str
    owner: str
    name: str
    route: Route
    payer: str
    state: str = "waiting"
    cause: str = ""
    leg_id: str = field(default_factory=lambda: f"{_PREFIX}{uuid4().hex}")
    give_up: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> str:
        """Of the guest that the telephone is."""
        return GUEST_PREFIX + hashlib.sha256(f"{self.owner}:telephone".encode()).hexdigest()[:40]

    @property
    def told(self) -> wire.RoomPhone:
        return wire.RoomPhone(room_id=self.room_id, state=self.state, number=self.route.number.display, cause=self.cause)


class ConsultationPhones:
    """``async with``: hangs up what goes on. What happens on trunks is shown to ``hear_trunk`` first, which says whether it was about one.

    ``route`` finds a number's line, ``ask_pbx`` raises ``Refusal`` where the PBX has no room for another call; ``booked``: the appointment
    of a room; ``inside``: the trunk whose numbers are programmes of ours, which cost nobody anything. ``meet`` the rooms before.
    """

    def __init__(
        self,
        consultations: Consultations,
        phones: PhoneLegs,
        trunks: Mapping[str, Trunk],
        route: Callable[[str], Route],
        *,
        booked: Callable[[str], Awaitable[Booked | None]],
        ask_pbx: Callable[[Route], None] = lambda route: None,
        inside: str = "",
        possible: bool = True,
        bounds: PhoneBounds | None = None,
    ) -> None:
        self._consultations, self._phones, self._trunks, self._route = consultations, phones, trunks, route
        self._booked, self._ask_pbx, self._inside = booked, ask_pbx, inside
        self.possible = possible and bool(trunks)
        """Does this server ring people?"""
        most = bounds or PhoneBounds()
        self._ring_s = most.ring_s
        self._of_person, self._of_room = Allowance(most.person, time.monotonic), Allowance(most.room, time.monotonic)
        self._calls: dict[tuple[str, str], _Phone] = {}
        """By room and owner."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._tolls: Tolls | None = None
        self._rooms: InRooms | None = None
        self._publish: Callable[[str, wire.Notice], None] = lambda topic, notice: None
        self._note: Callable[[str, str, str], None] = lambda kind, who, what: None

    def meet(
        self, rooms: InRooms, publish: Callable[[str, wire.Notice], None], tolls: Tolls, note: Callable[[str, str, str], None]
    ) -> None:
        """``note`` is the audit's: kind, who, what."""
        self._rooms, self._publish, self._tolls, self._note = rooms, publish, tolls, note

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for phone in tuple(self._calls.values()):
            self._end(phone, Cause(EndReason.SERVER_STOPPED))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ what pages ask

    async def ring(self, grant: Grant, room: Room, number: str) -> wire.RoomPhone:
        """This person, who is in the room or waits for it; who waits is rung when they are let in. Raises ``Refusal``."""
        if not self.possible or self._tolls is None:
            raise Refusal("no_telephone", "This server rings nobody: come by your browser.")
        member = room.members.get(grant.identity)
        key = (room.room_id, grant.identity)
        known = self._calls.get(key)
        if known is not None and known.state in _ALIVE:
            return known.told
        if member is None or len(self._calls) >= _MOST:
            raise Refusal("busy", "No more telephones can be rung at this moment: try again soon.", 30.0)
        route = self._route(number.strip() or await self._number_of(room.room_id))
        if route.number.e164 is None and route.trunk != self._inside:
            raise Refusal("not_a_number", "Write your number with its country, as in +34 600 111 222.")
        payer = f"consultation.{room.room_id}" if grant.role == Job.CUSTOMER else grant.identity
        if self._of_person.wait_s(grant.identity) or self._of_room.wait_s(room.room_id):  # who gives up numbers in turn rings no whole town
            raise Refusal("too_many_calls", "That were many calls: use the browser, or try again later.", 600.0)
        self._tolls.ask(payer, route.number)
        self._ask_pbx(route)
        self._of_person.take(grant.identity)
        self._of_room.take(room.room_id)
        phone = self._calls[key] = _Phone(room.room_id, grant.identity, member.name, route, payer)
        self._note("consultation_called", grant.identity, room.room_id)
        if member.is_in:
            self._ring(phone)
        return phone.told

    def hang_up(self, room_id: str, identity: str) -> None:
        """The telephone of this person."""
        phone = self._calls.get((room_id, identity))
        if phone is not None:
            self._end(phone, Cause(EndReason.COMPLETED))

    async def _number_of(self, room_id: str) -> str:
        try:
            booked = await self._booked(room_id)
        except StoreUnavailable:
            booked = None
        if booked is None or not booked.e164:
            raise Refusal("not_a_number", "Write the number that is to be rung.")
        return booked.e164

    # ------------------------------------------------------------------ the call

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, phone: _Phone, state: str) -> None:
        phone.state = state
        self._publish(topics.person(phone.owner), phone.told)

    def _ring(self, phone: _Phone) -> None:
        self._tell(phone, "dialling")
        self._start(self._dial(phone))

    async def _dial(self, phone: _Phone) -> None:
        try:
            await self._consultations.open(phone.room_id)
            if phone.state != "dialling":  # hung up meanwhile
                return
            self._phones.expect(phone.leg_id, phone.leg_id, phone.route.trunk)
            await self._phones.place(phone.leg_id, phone.route.dialled, room_id=phone.room_id)
        except PhoneFailure as failure:
            self._end(phone, failure.cause)
            return
        except MediaRefusal as refusal:
            self._end(phone, Cause(EndReason.FAILED, detail=str(refusal)))
            return
        assert self._tolls is not None
        self._tolls.began(phone.leg_id, phone.payer, phone.route.dialled)
        patience = Cause(EndReason.NO_ANSWER)
        phone.give_up = asyncio.get_running_loop().call_later(self._ring_s, self._end, phone, patience)

    def hear_trunk(self, event: TrunkEvent) -> bool:
        leg_id = getattr(event, "leg_id", "")
        if not leg_id.startswith(_PREFIX):
            return False
        phone = next((each for each in self._calls.values() if each.leg_id == leg_id), None)
        if phone is None:
            return True
        match event:
            case line.Rang() if phone.state == "dialling":
                self._tell(phone, "ringing")
            case line.Answered(remote=remote) if phone.state in ("dialling", "ringing"):
                self._start(self._join(phone, remote))
            case line.Reagreed(remote=remote):
                self._start(self._phones.connect(leg_id, remote))
            case line.Refused(cause=cause) | line.HungUp(cause=cause):
                self._end(phone, cause)
        return True

    async def _join(self, phone: _Phone, remote: Endpoint) -> None:
        """Its person is in the room: as a guest beside their page."""
        assert self._rooms is not None and self._tolls is not None
        if phone.give_up is not None:
            phone.give_up.cancel()
        self._tolls.answered(phone.leg_id)
        moved_in = ev.MovedIn(phone.room_id, phone.owner, phone.identity, f"{phone.name} ☎"[:64], Role.GUEST, moderates=True)
        try:
            await self._rooms.do(moved_in)
            await self._phones.connect(phone.leg_id, remote)
            await self._consultations.seat_phone(phone.room_id, phone.identity, phone.leg_id)
        except (NotPossible, MediaRefusal) as refusal:
            self._end(phone, Cause(EndReason.FAILED, detail=str(refusal)))
            return
        if phone.state in _ALIVE:
            self._tell(phone, "answered")

    def _end(self, phone: _Phone, cause: Cause) -> None:
        if phone.state not in _ALIVE:
            return
        before, phone.cause = phone.state, cause.reason.value
        if phone.give_up is not None:
            phone.give_up.cancel()
        self._tell(phone, "ended" if before in ("answered", "waiting") or cause.reason is EndReason.COMPLETED else "refused")
        del self._calls[phone.room_id, phone.owner]
        self._trunks[phone.route.trunk].hang_up(phone.leg_id, cause)
        if self._tolls is not None:
            self._tolls.over(phone.leg_id)
        self._start(self._out(phone))

    async def _out(self, phone: _Phone) -> None:
        assert self._rooms is not None
        try:
            await self._rooms.do(ev.LeaveWanted(phone.room_id, phone.identity))
        except NotPossible:
            """It was not in, or the room is over."""
        self._phones.forget_call(phone.leg_id)
        await self._consultations.drop_phone(phone.room_id, phone.leg_id)

    # ------------------------------------------------------------------ what becomes of rooms

    def on_room_event(self, event: RoomEvent) -> None:
        """Who was let in is rung; who was put out, or whose room is over, is on the telephone no more."""
        room_id = event.room.room_id
        for phone in [each for each in self._calls.values() if each.room_id == room_id]:
            if event.event == "room_finished":
                self._end(phone, Cause(EndReason.COMPLETED))
            elif event.event == "participant_joined" and event.identity == phone.owner and phone.state == "waiting":
                self._ring(phone)
            elif event.event == "participant_left" and event.identity == phone.identity:
                self._end(phone, Cause(EndReason.COMPLETED))
            elif event.event == "participant_left" and event.identity == phone.owner and phone.state != "answered":
                self._end(phone, Cause(EndReason.GAVE_UP))

    def hear_media(self, event: AnyMediaEvent) -> None:
        """A worker that died takes the telephones of its rooms with it."""
        if isinstance(event, RoomLost):
            for phone in [each for each in self._calls.values() if each.room_id == event.room_id]:
                self._end(phone, Cause(EndReason.MEDIA_LOST))
