"""Sound and pictures of consultations: each person's seat and its leg in the media plane. Who may be in is for ``rooms.house`` alone.

A seat is made by a person's first word about their sound and pictures, its leg by their first offer; both end when the person is out of the
room. Another connection of theirs takes the seat over (page reload, another tab). Who leaves without a word, by closing the page while
another one of theirs is open, is out when nothing was heard of their connection for ``gone_s``.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

import structlog
from msgspec import Struct

from api.media_plane import MediaPlane
from api.rooms import RoomEvent
from media import messages as media
from rooms.refusals import NotPossible
from signaling import messages as wire
from signaling import topics
from signaling.grants import GUEST_PREFIX
from signaling.refusal import Refusal

log = structlog.get_logger()

_CODECS = ("opus",)


@dataclass(eq=False, slots=True)
class _Seat:
    """``former``: connections whose place another one took; they do not get it back by themselves. ``anchored``: the leg is open."""

    room_id: str
    identity: str
    leg_id: str = field(default_factory=lambda: uuid4().hex)
    anchored: bool = False
    peer_id: str = ""
    former: deque[str] = field(default_factory=lambda: deque(maxlen=16))
    microphone: bool = True
    tracks: list[str] = field(default_factory=list)
    gone: asyncio.TimerHandle | None = None
    muted: bool = False
    """By a host."""
    phone: bool = False

    def here(self) -> None:
        """Their connection is up, or they are out: nobody waits for it any more."""
        if self.gone is not None:
            self.gone.cancel()
            self.gone = None


@dataclass(eq=False, slots=True)
class _Bridge:
    room_id: str
    seats: dict[str, _Seat] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Opening and closing wait for one another."""
    opened: bool = False
    recording: str = "off"
    consents: dict[str, str] = field(default_factory=dict)


class Consultations:
    """``async with``. ``most``: consultations with sound at once. ``meet`` the hub before anything happens."""

    def __init__(self, worker: MediaPlane, *, most: int = 100, gone_s: float = 30.0) -> None:
        self._worker = worker
        self._most = most
        self._gone_s = gone_s
        self._bridges: dict[str, _Bridge] = {}
        self._seats: dict[str, _Seat] = {}
        """By leg."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._publish: Callable[[str, wire.Notice], None] | None = None
        self._leave: Callable[[str, str], None] = lambda room_id, identity: None
        self._seated: Callable[[str], None] = lambda room_id: None
        self._consulting: Callable[[str, bool], None] = lambda identity, consulting: None

    def meet(
        self,
        publish: Callable[[str, wire.Notice], None],
        leave: Callable[[str, str], None],
        seated: Callable[[str], None],
        consulting: Callable[[str, bool], None] = lambda identity, consulting: None,
    ) -> None:
        """Who tells pages, who takes somebody out of a room (room, identity), and who is told of a room that its ``legs`` changed.

        ``consulting(identity, is it so)`` is told of each person of the house who is in a consultation, or in none any more.
        """
        self._publish, self._leave, self._seated, self._consulting = publish, leave, seated, consulting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for seat in self._seats.values():
            seat.here()
        await asyncio.gather(*self._tasks)

    @property
    def people(self) -> int:
        """Everybody in all consultations."""
        return len(self._seats)

    def has(self, identity: str) -> bool:
        """Is this person in one?"""
        return any(identity in bridge.seats for bridge in self._bridges.values())

    def legs(self, room_id: str) -> dict[str, str]:
        """The legs of pages that are open, by person: of who may be recorded."""
        bridge = self._bridges.get(room_id)
        seats = bridge.seats.values() if bridge is not None else ()
        return {seat.identity: seat.leg_id for seat in seats if seat.anchored and not seat.phone}

    # ------------------------------------------------------------------ what pages ask

    async def perform(self, identity: str, request: wire.MediaRequest) -> Struct | None:
        """Of somebody who is in the room. Raises ``Refusal`` and ``MediaRefusal``."""
        match request:
            case wire.OfferToRoom():
                return await self._offer(self._seat(request.room_id, identity), request)
            case wire.WatchRoom(room_id=room_id, tiles=tiles):
                await self._watch(self._seat(room_id, identity), tiles)
            case wire.MicrophoneInRoom(room_id=room_id, on=on):
                seat = self._seat(room_id, identity)
                if on and seat.muted:
                    await self._mute(seat, muted=False)
                return self._microphone(seat, on)
        return None

    async def mute(self, room_id: str, identity: str, *, muted: bool) -> None:
        """By a host. Raises ``Refusal``."""
        bridge = self._bridges.get(room_id)
        seat = bridge.seats.get(identity) if bridge is not None else None
        if bridge is None or seat is None:
            raise Refusal("not_member", "This person is not in the room.")
        await self._mute(seat, muted=muted)
        self._show(bridge)

    async def _mute(self, seat: _Seat, *, muted: bool) -> None:
        seat.muted = muted
        await self._set_gains(self._bridges[seat.room_id], [seat])

    async def _set_gains(self, bridge: _Bridge, speakers: list[_Seat]) -> None:
        """Nobody hears whom a host has muted, whoever came when."""
        there = [seat for seat in bridge.seats.values() if seat.anchored]
        gains = tuple(
            (ear.leg_id, seat.leg_id, float(not seat.muted)) for seat in speakers if seat.anchored for ear in there if ear is not seat
        )
        if gains and bridge.opened:
            await self._worker.perform(media.SetGains(room_id=bridge.room_id, gains=gains))

    def _muted(self, bridge: _Bridge) -> list[_Seat]:
        return [seat for seat in bridge.seats.values() if seat.muted]

    # ------------------------------------------------------------------ telephones

    async def open(self, room_id: str) -> None:
        """So that a telephone's leg can be opened in it. Raises ``Refusal`` and ``MediaRefusal``."""
        bridge = self._bridge(room_id)
        async with bridge.turn:
            await self._open(bridge)

    async def seat_phone(self, room_id: str, identity: str, leg_id: str) -> None:
        """A telephone whose leg is open takes part as this person. Raises ``Refusal`` and ``MediaRefusal``."""
        bridge = self._bridge(room_id)
        async with bridge.turn:
            await self._worker.perform(media.JoinBridge(room_id=room_id, leg_id=leg_id))
            seat = bridge.seats[identity] = _Seat(room_id, identity, leg_id, anchored=True, phone=True)
            self._seats[leg_id] = seat
            await self._set_gains(bridge, self._muted(bridge))
        self._show(bridge)

    async def drop_phone(self, room_id: str, leg_id: str) -> None:
        """Its leg is closed, seated or not, and the room's sound with it where nobody else is there."""
        bridge = self._bridges.get(room_id)
        if bridge is None or leg_id in self._seats:
            return
        async with bridge.turn:
            await self._perform_late(media.CloseLeg(leg_id=leg_id))
            await self._shut(bridge)

    def _bridge(self, room_id: str) -> _Bridge:
        bridge = self._bridges.get(room_id)
        if bridge is None:
            if len(self._bridges) >= self._most:
                raise Refusal("busy", "This server has as many consultations as it can hold: try again later.", 60.0)
            bridge = self._bridges[room_id] = _Bridge(room_id)
        return bridge

    def _seat(self, room_id: str, identity: str) -> _Seat:
        bridge = self._bridge(room_id)
        seat = bridge.seats.get(identity)
        if seat is None:
            seat = bridge.seats[identity] = _Seat(room_id, identity)
            self._seats[seat.leg_id] = seat
        return seat

    async def _offer(self, seat: _Seat, said: wire.OfferToRoom) -> wire.PeerAnswer:
        if said.peer_id in seat.former:
            raise Refusal("taken_over", "This consultation is open on another page of yours: take it back here if you like.")
        bridge = self._bridges[seat.room_id]
        async with bridge.turn:
            if bridge.seats.get(seat.identity) is not seat:
                raise Refusal("unknown_room", "You are not in this room any more.")
            await self._anchor(bridge, seat)
            before, seat.peer_id = seat.peer_id, said.peer_id
            command = media.OfferPeer(
                leg_id=seat.leg_id,
                peer_id=said.peer_id,
                sdp=said.sdp,
                codecs=_CODECS,
                video={str(mid): track for mid, track in said.tracks.items()},
            )
            try:
                answered = await self._worker.perform(command)
            except media.MediaRefusal as refusal:
                seat.peer_id = before
                if refusal.code in ("unknown_leg", "unknown_room"):  # its worker died this moment
                    bridge.opened = seat.anchored = False
                raise
        assert isinstance(answered, media.PeerAnswered)
        if before not in ("", said.peer_id):
            seat.former.append(before)
        tracks = list(dict.fromkeys(said.tracks.values()))
        if tracks != seat.tracks:
            seat.tracks = [*tracks]
            self._show(bridge)
        return wire.PeerAnswer(sdp=answered.sdp)

    async def _open(self, bridge: _Bridge) -> None:
        if not bridge.opened:
            await self._worker.perform(media.OpenRoom(room_id=bridge.room_id))
            bridge.opened = True

    async def _anchor(self, bridge: _Bridge, seat: _Seat) -> None:
        await self._open(bridge)
        if not seat.anchored:
            await self._worker.perform(media.OpenPeerLeg(leg_id=seat.leg_id, room_id=bridge.room_id))
            await self._worker.perform(media.JoinBridge(room_id=bridge.room_id, leg_id=seat.leg_id))
            seat.anchored = True
            await self._set_gains(bridge, self._muted(bridge))
            self._seated(bridge.room_id)
            self._tell_consulting(seat.identity)

    def _tell_consulting(self, identity: str) -> None:
        if not identity.startswith(GUEST_PREFIX):
            self._consulting(identity, self.has(identity))

    async def _watch(self, seat: _Seat, tiles: tuple[wire.Tile, ...]) -> None:
        if not seat.anchored:
            return  # said again after the offer
        seats = self._bridges[seat.room_id].seats
        seen = tuple(
            media.VideoTile(leg_id=seats[tile.identity].leg_id, track=tile.track, height_px=tile.height)
            for tile in tiles
            if tile.identity in seats
        )
        await self._worker.perform(media.WatchVideo(leg_id=seat.leg_id, tiles=seen))

    def _microphone(self, seat: _Seat, on: bool) -> wire.RoomMedia:
        bridge, seat.microphone = self._bridges[seat.room_id], on
        self._show(bridge)
        return _media_of(bridge)

    def show_recording(self, room_id: str, state: str, consents: Mapping[str, str]) -> None:
        """Is this consultation being recorded (``off``, ``recording`` or ``paused``), and did each person agree (``Heard.consent``)?"""
        bridge = self._bridges.get(room_id)
        if bridge is not None and (bridge.recording, bridge.consents) != (state, consents):
            bridge.recording, bridge.consents = state, dict(consents)
            self._show(bridge)

    # ------------------------------------------------------------------ what pages are told

    def _tell(self, topic: str, notice: wire.Notice) -> None:
        assert self._publish is not None
        self._publish(topic, notice)

    def _show(self, bridge: _Bridge) -> None:
        self._tell(topics.room(bridge.room_id), _media_of(bridge))

    # ------------------------------------------------------------------ who is out

    def on_room_event(self, event: RoomEvent) -> None:
        """Whoever is out of the room has no seat there; a room that is over has none."""
        bridge = self._bridges.get(event.room.room_id)
        if bridge is None:
            return
        if event.event == "participant_left":
            self._empty(bridge, event.identity)
        elif event.event == "room_finished":
            self.lose(event.room.room_id)

    def take(self, room_id: str) -> None:
        """The room was another node's, where its people's sound was: each page connects anew."""
        self._tell(topics.room(room_id), wire.RoomReoffer(room_id=room_id, peer_id="", lines=0, anew=True))

    def lose(self, room_id: str) -> None:
        """The room is over, or another node's: nobody has a seat here any more."""
        bridge = self._bridges.get(room_id)
        for identity in tuple(bridge.seats) if bridge is not None else ():
            self._empty(self._bridges[room_id], identity)

    def _empty(self, bridge: _Bridge, identity: str) -> None:
        seat = bridge.seats.pop(identity, None)
        if seat is None:
            return
        seat.here()
        del self._seats[seat.leg_id]
        self._seated(bridge.room_id)
        self._tell_consulting(identity)
        self._show(bridge)
        task = asyncio.get_running_loop().create_task(self._close(bridge, seat), name="consultation-seat")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, bridge: _Bridge, seat: _Seat) -> None:
        async with bridge.turn:
            if seat.anchored:
                await self._perform_late(media.CloseLeg(leg_id=seat.leg_id))
            await self._shut(bridge)

    async def _shut(self, bridge: _Bridge) -> None:
        """Where nobody is left."""
        if not bridge.seats and bridge.opened:
            bridge.opened = False
            await self._perform_late(media.CloseRoom(room_id=bridge.room_id))
        if not bridge.seats and self._bridges.get(bridge.room_id) is bridge:
            del self._bridges[bridge.room_id]

    async def _perform_late(self, command: media.AnyCommand) -> None:
        try:
            await self._worker.perform(command)
        except media.MediaRefusal as refusal:
            log.info("consultation.not_closed", code=refusal.code, detail=str(refusal))

    def _on_gone(self, seat: _Seat) -> None:
        seat.gone = None
        with suppress(NotPossible):
            self._leave(seat.room_id, seat.identity)

    # ------------------------------------------------------------------ what the media plane tells

    def on_media_event(self, event: media.AnyMediaEvent) -> bool:
        """False when it is not about a consultation."""
        if isinstance(event, media.RoomLost | media.SpeakerChanged | media.QualitySampled):
            bridge = self._bridges.get(event.room_id)
            if bridge is not None:
                self._on_room(bridge, event)
            return bridge is not None
        seat = self._seats.get(getattr(event, "leg_id", ""))
        if seat is None:
            return False
        self._on_leg(seat, event)
        return True

    def _on_room(self, bridge: _Bridge, event: media.AnyMediaEvent) -> None:
        if isinstance(event, media.SpeakerChanged):
            speaker = self._seats.get(event.leg_id)
            identity = speaker.identity if speaker is not None else ""
            self._tell(topics.room(bridge.room_id), wire.RoomSpeaker(room_id=bridge.room_id, identity=identity))
        elif isinstance(event, media.RoomLost):
            log.error("consultation.lost", room_id=bridge.room_id, detail=event.detail)
            bridge.opened = False
            for seat in bridge.seats.values():
                seat.anchored = False
                self._ask_again(seat, 0)
            self._seated(bridge.room_id)

    def _on_leg(self, seat: _Seat, event: media.AnyMediaEvent) -> None:
        match event:
            case media.PeerConnected(peer_id=peer_id) if peer_id == seat.peer_id:
                seat.here()
            case media.PeerLost(peer_id=peer_id) if peer_id == seat.peer_id:
                seat.here()
                seat.gone = asyncio.get_running_loop().call_later(self._gone_s, self._on_gone, seat)
            case media.VideoShown(places=places):
                told = [
                    wire.Place(place.mid, self._seats[place.leg_id].identity, place.track)
                    for place in places
                    if place.leg_id in self._seats
                ]
                self._tell(topics.person(seat.identity), wire.RoomShown(room_id=seat.room_id, peer_id=seat.peer_id, places=told))
            case media.VideoLinesWanted(lines=lines):
                self._ask_again(seat, lines)
            case media.VideoWatched(track=track, height_px=height_px):
                watched = wire.RoomWatched(room_id=seat.room_id, peer_id=seat.peer_id, track=track, height=height_px)
                self._tell(topics.person(seat.identity), watched)
            case media.ReofferWanted():
                self._ask_again(seat, 0)

    def _ask_again(self, seat: _Seat, lines: int) -> None:
        """For a new offer with so many receiving lines; 0: by a new connection."""
        asked = wire.RoomReoffer(room_id=seat.room_id, peer_id=seat.peer_id, lines=lines, anew=not lines)
        self._tell(topics.person(seat.identity), asked)


def _media_of(bridge: _Bridge) -> wire.RoomMedia:
    people = [
        wire.Heard(
            seat.identity,
            seat.microphone and not seat.muted,
            [*seat.tracks],
            bridge.consents.get(seat.identity, ""),
            muted=seat.muted,
            phone=seat.phone,
        )
        for seat in bridge.seats.values()
    ]
    return wire.RoomMedia(room_id=bridge.room_id, people=people, recording=bridge.recording)
