"""Itineraries beside consultations: hosts see what the customer has booked, and show to all in the room what they choose, for as long as
they choose.

Bookings are looked up as those of callers are (``api/backends/lookup.py``): nothing of the talk waits for a backend. Nothing of a booking
leaves its host's page before it is shared; what is shared is ``booking_view`` of it, which whoever is in the room may read, and nobody
else. It ends with a host's word, when the host who showed it leaves, with the room, and when the customer's data is forgotten.

All of it is in the memory of the node that holds the room: when another node takes the room over, nothing is shown until a host shows it
again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from api.backends.context import CallContext
from api.backends.lookup import ContextLookup
from api.backends.protocols import BookingCard, CallerKey
from api.itinerary_view import booking_view, cards, found
from api.rooms import RoomEvent
from signaling import messages as wire
from signaling import topics
from signaling.refusal import Refusal

_PREFIX = "consultation-"
"""Begins the names of what is looked up for consultations, and of no call."""
_MOST_ROOMS = 500
_MOST_LOOKS = 4
"""Of one host in one room: by the appointment, and by the references that they looked for last."""
Publish = Callable[[str, wire.Notice], None]
Note = Callable[[str, str, str, str], None]


class Contacted(Protocol):
    """What is asked of an appointment: how to reach who booked it."""

    @property
    def e164(self) -> str: ...
    @property
    def email(self) -> str: ...


@dataclass(eq=False, slots=True)
class _Look:
    """What a host looked for: ``ref``, or empty: by the appointment."""

    room_id: str
    identity: str
    ref: str
    call_id: str


@dataclass(eq=False, slots=True)
class _Share:
    share_id: str
    by: str
    look: _Look
    card: BookingCard
    stage: int | None = None


@dataclass(eq=False, slots=True)
class _Beside:
    """One room. ``looks``: the newest last."""

    looks: list[_Look] = field(default_factory=list)
    share: _Share | None = None


class Itineraries:
    """``booked(room_id)``: the appointment of a room; it may raise ``StoreUnavailable``. ``apart``: backends whose bookings are no trips.

    ``meet`` who tells pages, the audit (kind, who, what, of whom by the vault's handle), and who raises ``NotPossible`` of somebody that is
    not in a room. Of more than ``most`` rooms the longest unused is forgotten. Everything a page asks may raise ``Refusal``.
    """

    def __init__(
        self,
        context: ContextLookup,
        booked: Callable[[str], Awaitable[Contacted | None]],
        *,
        apart: frozenset[str] = frozenset(),
        most: int = _MOST_ROOMS,
    ) -> None:
        self._context, self._booked, self._apart, self._most = context, booked, apart, most
        self._rooms: OrderedDict[str, _Beside] = OrderedDict()
        self._looks: dict[str, _Look] = {}
        """By the name of what is looked up."""
        self._publish: Publish = lambda topic, notice: None
        self._note: Note = lambda kind, who, what, subject: None
        self._demand_in: Callable[[str, str], object] = lambda room_id, identity: None

    def meet(self, publish: Publish, note: Note, demand_in: Callable[[str, str], object]) -> None:
        self._publish, self._note, self._demand_in = publish, note, demand_in

    def room_of(self, call_id: str) -> str:
        """For which room this is looked up; empty where it is for none."""
        look = self._looks.get(call_id)
        return look.room_id if look is not None else ""

    # ------------------------------------------------------------------ what hosts ask

    async def look(self, room_id: str, identity: str, said: wire.LookUpItinerary) -> None:
        """Of a host who is in the room; they are told by ``itinerary.found``. Raises also ``StoreUnavailable``."""
        ref = " ".join(said.ref.split())
        if said.contact:
            look = self._look_of(room_id, identity, ref)
            if look is None:
                raise Refusal("unknown_contact", "This is none of those who may be meant: look for them again.")
            self._context.choose(look.call_id, identity, said.backend, said.contact)
            return
        key = CallerKey(None, "", booking_ref=ref) if ref else await self._key_of(room_id)
        self._demand_in(room_id, identity)
        if key is None:
            self._publish(topics.person(identity), wire.ItineraryFound(room_id=room_id, known=False, whole=True))
            return
        beside, former = self._beside(room_id), self._look_of(room_id, identity, ref)
        if former is not None and self._is_shown(beside, former):
            self._context.show(former.call_id, identity)
            return
        look = _Look(room_id, identity, ref, f"{_PREFIX}{uuid4().hex}")
        others = [each for each in beside.looks if each.identity == identity and not self._is_shown(beside, each) and each is not former]
        for each in (*filter(None, [former]), *others[: 1 - _MOST_LOOKS]):
            self._drop(beside, each)
        beside.looks.append(look)
        self._looks[look.call_id] = look
        self._context.begin(look.call_id, key)
        self._context.seen(look.call_id, [identity])

    async def _key_of(self, room_id: str) -> CallerKey | None:
        """By what the appointment says of who booked it; None where that is nothing."""
        of = await self._booked(room_id)
        if of is None or not (of.e164 or of.email):
            return None
        return CallerKey(of.e164 or None, of.e164, of.email or None)

    def share(self, room_id: str, identity: str, said: wire.ShareItinerary) -> wire.SharedItinerary:
        """By a host, of what they were told of."""
        beside = self._rooms.get(room_id)
        for look in reversed(beside.looks if beside is not None else []):
            card = self._card(look, said.backend, said.id) if look.identity == identity else None
            if beside is not None and card is not None:
                beside.share = _Share(uuid4().hex, identity, look, card)
                self._note("itinerary_shared", identity, room_id, self._context.handle(look.call_id))
                self._tell(room_id)
                return self.read(room_id)
        raise Refusal("unknown_booking", "This booking is none of those that your page shows: look for it first.")

    def point(self, room_id: str, said: wire.PointItinerary) -> None:
        """By a host."""
        beside = self._rooms.get(room_id)
        share = beside.share if beside is not None else None
        if share is None or share.share_id != said.share_id or (said.stage is not None and said.stage >= len(share.card.stages)):
            raise Refusal("not_shared", "That is not what is shown in this room now: look again.")
        share.stage = said.stage
        self._tell(room_id)

    def unshare(self, room_id: str, identity: str) -> None:
        """By a host. Nothing is shown already: that is what was wanted."""
        beside = self._rooms.get(room_id)
        if beside is not None and beside.share is not None:
            self._note("itinerary_unshared", identity, room_id, self._context.handle(beside.share.look.call_id))
            self._stop(room_id, beside)

    def look_at(self, room_id: str, identity: str) -> wire.SharedItinerary:
        """The same as ``read``, by somebody of the house: written down where something is shown, but for whoever shows it."""
        beside = self._rooms.get(room_id)
        if beside is not None and beside.share is not None and beside.share.by != identity:
            self._note("itinerary_read", identity, room_id, self._context.handle(beside.share.look.call_id))
        return self.read(room_id)

    def read(self, room_id: str) -> wire.SharedItinerary:
        """What is shown in this room, for who is in it."""
        beside = self._rooms.get(room_id)
        if beside is None or beside.share is None:
            return wire.SharedItinerary(room_id)
        share = beside.share
        return wire.SharedItinerary(room_id, share.share_id, share.by, share.stage, booking_view(share.card))

    # ------------------------------------------------------------------ what the look-up tells

    def hear(self, identities: Iterable[str], context: CallContext) -> bool:
        """Is this about a consultation? Then its host is told, and what is shown follows."""
        look = self._looks.get(context.call_id)
        if look is None:
            return context.call_id.startswith(_PREFIX)
        notice = found(look.room_id, look.ref, context, self._apart)
        for identity in identities:
            self._publish(topics.person(identity), notice)
        beside = self._rooms[look.room_id]
        if beside.share is not None and beside.share.look is look:
            self._follow(beside, beside.share, notice.whole)
        return True

    def _follow(self, beside: _Beside, share: _Share, whole: bool) -> None:
        """What is shown has changed, or is no more: it was forgotten, or somebody else is meant."""
        card = self._card(share.look, share.card.backend, share.card.id)
        if card is None:
            if whole:
                self._stop(share.look.room_id, beside)
        elif booking_view(card) != booking_view(share.card):
            same = [stage.kind for stage in card.stages] == [stage.kind for stage in share.card.stages]
            share.card, share.share_id, share.stage = card, uuid4().hex, share.stage if same else None
            self._tell(share.look.room_id)

    def _card(self, look: _Look, backend: str, booking_id: str) -> BookingCard | None:
        context = self._context.context(look.call_id)
        known = cards(look.ref, context, self._apart) if context is not None else []
        return next((card for card in known if (card.backend, card.id) == (backend, booking_id)), None)

    # ------------------------------------------------------------------ what becomes of rooms

    def on_room_event(self, event: RoomEvent) -> None:
        """Who has left sees no more, and shows no more."""
        room_id = event.room.room_id
        beside = self._rooms.get(room_id)
        if beside is None:
            return
        if event.event == "room_finished":
            self.lose(room_id)
        elif event.event == "participant_left":
            if beside.share is not None and beside.share.by == event.identity:
                self._stop(room_id, beside)
            for look in [each for each in beside.looks if each.identity == event.identity]:
                self._drop(beside, look)

    def take(self, room_id: str) -> None:
        """The room was another node's: what that showed is gone with it."""
        self._tell(room_id)

    def lose(self, room_id: str) -> None:
        """The room is over, or another node's."""
        beside = self._rooms.pop(room_id, None)
        if beside is not None:
            beside.share = None
            for look in tuple(beside.looks):
                self._drop(beside, look)

    # ------------------------------------------------------------------ telling, keeping, forgetting

    def _tell(self, room_id: str) -> None:
        beside = self._rooms.get(room_id)
        share = beside.share if beside is not None else None
        shown = (share.share_id, share.by, share.stage) if share is not None else ("", "", None)
        self._publish(topics.room(room_id), wire.RoomItinerary(room_id, *shown))

    def _stop(self, room_id: str, beside: _Beside) -> None:
        if beside.share is not None:
            beside.share = None
            self._tell(room_id)

    def _beside(self, room_id: str) -> _Beside:
        beside = self._rooms.get(room_id)
        if beside is None:
            while len(self._rooms) >= self._most:
                oldest = next(iter(self._rooms))
                self._stop(oldest, self._rooms[oldest])
                self.lose(oldest)
            beside = self._rooms[room_id] = _Beside()
        self._rooms.move_to_end(room_id)
        return beside

    def _look_of(self, room_id: str, identity: str, ref: str) -> _Look | None:
        beside = self._rooms.get(room_id)
        looks = beside.looks if beside is not None else []
        return next((look for look in looks if (look.identity, look.ref) == (identity, ref)), None)

    @staticmethod
    def _is_shown(beside: _Beside, look: _Look) -> bool:
        """Is what is shown out of this? Then it stays known, so that it goes when that is forgotten."""
        return beside.share is not None and beside.share.look is look

    def _drop(self, beside: _Beside, look: _Look) -> None:
        beside.looks.remove(look)
        del self._looks[look.call_id]
        self._context.unseen(look.call_id, [look.identity])
        self._context.ended(look.call_id)
