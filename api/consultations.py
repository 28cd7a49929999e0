"""Consultations: who is in which, and their way to the media plane. Call control knows nothing of them: there is nobody to ring.

Each participant is a browser's leg of the consultation's room; what happens to it comes back as ``media.messages`` events and is told to
the page.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import structlog

from api.media_plane import MediaPlane
from media import messages as media
from signaling import consultations as wire
from signaling.messages import IceServer
from signaling.refusal import Refusal

log = structlog.get_logger()

_CODECS = ("opus",)


@dataclass(eq=False, slots=True)
class Participant:
    """``tell`` puts a message into their page's outbox and never blocks."""

    person_id: str
    name: str
    tell: Callable[[wire.AnyTold], None]
    microphone: bool = True
    tracks: list[str] = field(default_factory=list)

    def told(self) -> wire.Person:
        return wire.Person(self.person_id, self.name, self.microphone, self.tracks)


@dataclass(eq=False, slots=True)
class _Room:
    room_id: str
    people: dict[str, Participant] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Opening and closing wait for one another."""
    opened: bool = False


class Consultations:
    """``relays``: TURN servers for a participant; ``most_people``: of one consultation; ``most_rooms``: consultations at once."""

    def __init__(
        self,
        worker: MediaPlane,
        *,
        relays: Callable[[str], list[IceServer]] = lambda person_id: [],
        most_people: int = 8,
        most_rooms: int = 100,
    ) -> None:
        self._worker = worker
        self._relays = relays
        self._most_people, self._most_rooms = most_people, most_rooms
        self._rooms: dict[str, _Room] = {}
        self._of: dict[str, _Room] = {}

    @property
    def people(self) -> int:
        """Everybody in all consultations."""
        return len(self._of)

    async def join(self, invitation: wire.Invitation, name: str, tell: Callable[[wire.AnyTold], None]) -> Participant:
        """Somebody comes in. Raises ``Refusal`` or ``MediaRefusal``; then nothing is left of them."""
        room_id = f"consultation-{invitation.room}"
        room = self._rooms.get(room_id)
        if room is None:
            if len(self._rooms) >= self._most_rooms:
                raise Refusal("busy", "This server has as many consultations as it can hold: try again later.", 60.0)
            room = self._rooms[room_id] = _Room(room_id)
        if len(room.people) >= self._most_people:
            raise Refusal("consultation_full", f"There are {self._most_people} people in this consultation already, which is its limit.")
        someone = Participant(uuid4().hex, name, tell)
        room.people[someone.person_id] = someone
        self._of[someone.person_id] = room
        try:
            async with room.turn:
                if not room.opened:
                    await self._worker.perform(media.OpenRoom(room_id=room_id))
                    room.opened = True
                await self._worker.perform(media.OpenPeerLeg(leg_id=someone.person_id, room_id=room_id))
                await self._worker.perform(media.JoinBridge(room_id=room_id, leg_id=someone.person_id))
        except BaseException:
            await self.leave(someone)
            raise
        someone.tell(wire.Welcome(someone.person_id, self._relays(someone.person_id)))
        self._tell_people(room)
        return someone

    async def leave(self, someone: Participant) -> None:
        """Idempotent."""
        room = self._of.pop(someone.person_id, None)
        if room is None:
            return
        room.people.pop(someone.person_id, None)
        async with room.turn:
            await self._worker.perform(media.CloseLeg(leg_id=someone.person_id))
            if not room.people:
                self._rooms.pop(room.room_id, None)
                if room.opened:
                    await self._worker.perform(media.CloseRoom(room_id=room.room_id))
        self._tell_people(room)

    async def offer(self, someone: Participant, said: wire.Offer) -> wire.Answer:
        """Answer a page's offer. Raises ``MediaRefusal``."""
        command = media.OfferPeer(
            leg_id=someone.person_id,
            peer_id=said.peer_id,
            sdp=said.sdp,
            codecs=_CODECS,
            video={str(mid): track for mid, track in said.tracks.items()},
        )
        answered = await self._worker.perform(command)
        assert isinstance(answered, media.PeerAnswered)
        tracks = list(dict.fromkeys(said.tracks.values()))
        if tracks != someone.tracks:
            someone.tracks = [*tracks]
            self._tell_people(self._of[someone.person_id])
        return wire.Answer(said.peer_id, answered.sdp)

    async def watch(self, someone: Participant, said: wire.Watch) -> None:
        """What a page shows. Raises ``MediaRefusal``."""
        tiles = tuple(media.VideoTile(leg_id=tile.person, track=tile.track, height_px=tile.height) for tile in said.tiles)
        await self._worker.perform(media.WatchVideo(leg_id=someone.person_id, tiles=tiles))

    def microphone(self, someone: Participant, on: bool) -> None:
        someone.microphone = on
        if someone.person_id in self._of:
            self._tell_people(self._of[someone.person_id])

    def _tell_people(self, room: _Room) -> None:
        everybody = wire.People([someone.told() for someone in room.people.values()])
        for someone in room.people.values():
            someone.tell(everybody)

    def on_media_event(self, event: media.AnyMediaEvent) -> bool:
        """False when it is not about a consultation."""
        if isinstance(event, media.RoomLost | media.SpeakerChanged | media.QualitySampled):
            room = self._rooms.get(event.room_id)
            if room is not None:
                self._on_room_event(room, event)
            return room is not None
        leg_id: str = getattr(event, "leg_id", "")
        found = self._of.get(leg_id)
        if found is None or leg_id not in found.people:
            return False
        told = _told(event)
        if told is not None:
            found.people[leg_id].tell(told)
        return True

    def _on_room_event(self, room: _Room, event: media.AnyMediaEvent) -> None:
        if isinstance(event, media.SpeakerChanged):
            for someone in room.people.values():
                someone.tell(wire.Speaker(event.leg_id))
        elif isinstance(event, media.RoomLost):
            log.error("consultation.lost", room_id=room.room_id, detail=event.detail)
            room.opened = False
            for someone in room.people.values():
                someone.tell(wire.Closing("consultation_lost", "The server lost this consultation: open the link again."))


def _told(event: media.AnyMediaEvent) -> wire.AnyTold | None:
    match event:
        case media.VideoShown(places=places):
            return wire.Shown([wire.Place(place.mid, place.leg_id, place.track) for place in places])
        case media.VideoLinesWanted(lines=lines):
            return wire.OfferWanted(lines)
        case media.VideoWatched(track=track, height_px=height_px):
            return wire.Watched(track, height_px)
        case media.ReofferWanted():
            return wire.OfferWanted(0)
    return None
