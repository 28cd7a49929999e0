"""The media plane in several processes: to whoever commands it as one ``MediaWorker``, but each room lives in one of its workers.

A room is placed on the worker that has least to do, and stays there. Each worker has its own UDP port for browsers: the configured one,
the next one, and so on.

A worker that dies is replaced at once, by a spare that waits warm. Its rooms are made again there from their journals: phones go on at the
same address, because the hub kept their sockets; browsers are told lost (``PeerLost``) and asked for new offers (``ReofferWanted``), of
which one of the old connection is refused as ``peer_closed``. What was being recorded is told (``RecordingFailed``) and not begun again:
whoever wanted it knows whether it was paused. A sentence that was being said is said again. Where the successor dies too, its rooms are
given up (``RoomLost``): one of them may be what kills it. Rooms of other workers notice nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import structlog

from media import messages as msg
from media.known_sounds import KnownSounds
from media.room_journal import RoomJournal
from media.settings import MediaSettings
from media.transport import Sockets
from media.worker_process import WorkerLost, WorkerProcess
from media.worker_seat import WorkerSeat

log = structlog.get_logger()

_QUANTILES = ("_p50", "_p95", "_p99")


@dataclass(slots=True)
class _Place:
    seat: WorkerSeat
    journal: RoomJournal
    opened: bool = False
    legs: set[str] = field(default_factory=set)
    lost_peers: set[str] = field(default_factory=set)
    """Legs whose browsers are to be asked for a new offer."""
    recordings: dict[str, str] = field(default_factory=dict)
    """Files of the recordings that run, by their id; empty where none is there yet."""


class WorkerPool:
    """Used as ``async with``. ``command`` starts the program of a worker (``media.worker_process``); ``on_event`` must not block.

    ``count_every_s``: how often each worker tells its numbers.
    """

    def __init__(
        self,
        settings: MediaSettings,
        on_event: Callable[[msg.AnyMediaEvent], None],
        *,
        workers: int,
        command: Sequence[str],
        count_every_s: float = 1.0,
    ) -> None:
        self._on_event = on_event
        self._fullest_tick = settings.fullest_tick
        self._command = command
        self._seats = [
            WorkerSeat(
                number,
                replace(settings, port=settings.port + number if settings.port else 0),
                self._make,
                self._told,
                self._lost,
                self._taken,
                count_every_s=count_every_s,
            )
            for number in range(workers)
        ]
        self._spare: WorkerProcess | None = None
        self._places: dict[str, _Place] = {}
        self._rooms: dict[str, str] = {}
        self._rooms_lost = self._rooms_taken_over = 0
        self._sounds = KnownSounds()

    async def __aenter__(self) -> Self:
        """Raises MediaRefusal when a port is taken, OSError when a worker cannot be started."""
        try:
            filled = await asyncio.gather(*(seat.fill() for seat in self._seats), return_exceptions=True)
            failed = next((result for result in filled if result is not None), None)
            if failed is not None:
                raise failed
            await self._put_by()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(seat.stop() for seat in self._seats), *([self._spare.stop()] if self._spare is not None else []))
        for room_id in list(self._places):
            self._forget(room_id)

    # -- how it is

    @property
    def processes(self) -> list[tuple[int, int]]:
        """Process id and the browsers' UDP port of each worker that is there."""
        return [(seat.process.pid, seat.process.port) for seat in self._seats if seat.process is not None]

    @property
    def by_worker(self) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
        """Counters and gauges of each worker that is there, by its number; as old as ``count_every_s`` at most."""
        return {str(seat.number): (seat.counters, seat.gauges) for seat in self._seats if seat.process is not None}

    def pid_of(self, room_id: str) -> int:
        """The process that a room is in; 0 where there is none."""
        place = self._places.get(room_id)
        return place.seat.process.pid if place is not None and place.seat.process is not None else 0

    @property
    def counters(self) -> dict[str, float]:
        """Sums over all workers, also those that died."""
        sums: Counter[str] = Counter()
        for seat in self._seats:
            sums.update(seat.totals)
        own = {"rooms_taken_over": self._rooms_taken_over, "rooms_lost": self._rooms_lost}
        return {**sums, "workers_lost": sum(seat.deaths for seat in self._seats), **own}

    @property
    def gauges(self) -> dict[str, float]:
        """Sums over all workers; of lateness and fullness the worst."""
        found: dict[str, float] = {"workers": len(self._seats), "workers_up": len(self.processes)}
        found["workers_spare"] = self._spare is not None and not self._spare.lost
        for seat in self._seats:
            for name, value in seat.gauges.items():
                before = found.get(name, 0.0)
                found[name] = max(before, value) if name.endswith(_QUANTILES) else before + value
        return found

    # -- commands

    async def perform(self, command: msg.AnyCommand, sock: Sockets | None = None) -> msg.AnyResult:
        """As ``MediaWorker.perform``; while a worker is being replaced its rooms' commands wait. Raises MediaRefusal."""
        if isinstance(command, msg.OpenRoom):
            return await self._open_room(command)
        if isinstance(command, msg.PrepareSounds):
            return await self._prepare(command)
        leg_id: str = getattr(command, "leg_id", "")
        room_id: str = getattr(command, "room_id", "") or self._rooms.get(leg_id, "")
        place = self._places.get(room_id)
        if isinstance(command, msg.CloseRoom | msg.CloseLeg):
            return await self._close(place, command) if place is not None else None  # closing twice is no fault
        if place is None:
            raise _unknown(room_id)
        if isinstance(command, msg.OfferPeer) and place.journal.is_former(command.peer_id):
            raise msg.MediaRefusal("peer_closed", "This connection is over: the page must make a new RTCPeerConnection and offer again.")
        if isinstance(command, msg.PlayOnce):  # before its end can be told
            result = await self._say(room_id, place, command)
        else:
            result = await self._ask(room_id, place, command, sock)
            place.journal.note(command, sock)
        if isinstance(command, msg.StartRecording):
            place.recordings.setdefault(command.recording_id, "")
        if self._places.get(room_id) is not place:  # it was closed meanwhile
            place.journal.close()
        elif leg_id:
            self._enter(place, room_id, leg_id)
        return result

    async def _open_room(self, command: msg.OpenRoom) -> msg.AnyResult:
        if command.room_id in self._places:
            raise msg.MediaRefusal("room_exists", "A room of this name is open already.")
        there = [seat for seat in self._seats if seat.process is not None] or self._seats
        full: msg.MediaRefusal | None = None
        for seat in sorted(there, key=lambda each: (each.gauges.get("tick_share_p95", 0.0) > self._fullest_tick, each.load)):
            place = self._places[command.room_id] = _Place(seat, RoomJournal(command))
            seat.load += 1
            try:
                result = await self._ask(command.room_id, place, command, None)
            except msg.MediaRefusal as refusal:
                self._forget(command.room_id)
                if refusal.code != "worker_full":
                    raise
                full = refusal
            except BaseException:
                self._forget(command.room_id)
                raise
            else:
                place.opened = True
                return result
        assert full is not None
        raise full

    async def _ask(self, room_id: str, place: _Place, command: msg.AnyCommand, sock: Sockets | None) -> msg.AnyResult:
        """Of the worker that has the room; where that one dies over it, of its successor. Digits are not sent twice."""
        while True:
            process = await place.seat.worker()
            if self._places.get(room_id) is not place:
                raise _unknown(room_id)
            try:
                return await process.perform(command, sock)
            except WorkerLost:
                if isinstance(command, msg.SendDigits):
                    raise

    async def _say(self, room_id: str, place: _Place, command: msg.PlayOnce) -> msg.AnyResult:
        place.journal.note(command)
        try:
            return await self._ask(room_id, place, command, None)
        except msg.MediaRefusal:
            place.journal.heard(command.leg_id)
            raise

    async def _prepare(self, command: msg.PrepareSounds) -> msg.AnyResult:
        """By every worker, also by those that come later. Raises MediaRefusal where one refuses."""
        self._sounds.put(command)
        there = [seat.process for seat in self._seats if seat.process is not None]
        for result in await asyncio.gather(*(process.perform(command) for process in there), return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, WorkerLost):  # its successor is told of it
                raise result
        return None

    async def _close(self, place: _Place, command: msg.CloseRoom | msg.CloseLeg) -> msg.AnyResult:
        """Waits for nobody: a worker that is not there will not hear of what was closed."""
        process = place.seat.process
        if isinstance(command, msg.CloseRoom):
            self._forget(command.room_id)
        else:
            self._leave(place, command.leg_id)
            place.journal.note(command)
        try:
            return await process.perform(command) if process is not None else None
        except WorkerLost:
            return None

    def _enter(self, place: _Place, room_id: str, leg_id: str) -> None:
        if leg_id not in place.legs:
            place.legs.add(leg_id)
            place.seat.load += 1
            self._rooms[leg_id] = room_id

    def _leave(self, place: _Place, leg_id: str) -> None:
        if leg_id in place.legs:
            place.legs.discard(leg_id)
            place.seat.load -= 1
            del self._rooms[leg_id]

    def _forget(self, room_id: str) -> None:
        place = self._places.pop(room_id, None)
        if place is not None:
            place.seat.load -= 1
            for leg_id in list(place.legs):
                self._leave(place, leg_id)
            place.journal.close()

    # -- events

    def _told(self, event: msg.AnyMediaEvent) -> None:
        if isinstance(event, msg.SoundEnded):
            place = self._places.get(self._rooms.get(event.leg_id, ""))
            if place is not None:
                place.journal.heard(event.leg_id)
        elif isinstance(event, msg.RecordingStarted | msg.RecordingStopped | msg.RecordingFailed):
            place = self._places.get(event.room_id)
            if place is not None and isinstance(event, msg.RecordingStarted):
                place.recordings[event.recording_id] = event.file
            elif place is not None:
                place.recordings.pop(event.recording_id, None)
        self._on_event(event)

    # -- deaths

    async def _start(self) -> WorkerProcess:
        process = WorkerProcess(self._command)
        await process.start()
        return process

    async def _put_by(self) -> None:
        """A spare for the next death; without one the next successor takes seconds longer."""
        try:
            self._spare = await self._start()
        except OSError as error:
            log.error("worker.no_spare", detail=str(error))

    async def _make(self) -> WorkerProcess:
        """The spare, where there is one."""
        spare, self._spare = self._spare, None
        if spare is not None and not spare.lost:
            return spare
        return await self._start()

    def _of(self, seat: WorkerSeat) -> list[tuple[str, _Place]]:
        return [(room_id, place) for room_id, place in self._places.items() if place.seat is seat and place.opened]

    def _lost(self, seat: WorkerSeat, why: str) -> None:
        """The first time within a minute its rooms wait for the successor, the second time they are given up."""
        for room_id, place in self._of(seat):
            for recording_id, file in place.recordings.items():
                self._on_event(msg.RecordingFailed(room_id=room_id, recording_id=recording_id, file=file, detail=why, worker_died=True))
            place.recordings.clear()
            if seat.recent_deaths > 1:
                self._give_up(room_id, why)
                continue
            for leg_id, peer_id in place.journal.retire_peers().items():
                place.lost_peers.add(leg_id)
                self._on_event(msg.PeerLost(leg_id=leg_id, peer_id=peer_id, detail=why))

    def _give_up(self, room_id: str, why: str) -> None:
        self._forget(room_id)
        self._rooms_lost += 1
        self._on_event(msg.RoomLost(room_id=room_id, detail=why))

    async def _taken(self, seat: WorkerSeat, process: WorkerProcess) -> None:
        """Make the seat's rooms again on its new worker. Raises WorkerLost."""
        for known in self._sounds.commands():
            await process.perform(known)
        rooms = self._of(seat)
        for room_id, place in rooms:
            await self._take_over(room_id, place, process)
        await self._say_again([place for _, place in rooms], process)
        if rooms:
            for leg_id in [leg_id for _, place in rooms for leg_id in place.lost_peers & place.legs]:
                self._on_event(msg.ReofferWanted(leg_id=leg_id, codecs=()))
            for _, place in rooms:
                place.lost_peers.clear()
        if self._spare is None and seat.deaths:
            await self._put_by()

    async def _take_over(self, room_id: str, place: _Place, process: WorkerProcess) -> None:
        journal, made = place.journal, set[str]()
        for command in journal.commands():
            leg_id: str = getattr(command, "leg_id", "")
            if leg_id and leg_id not in journal.legs:  # closed since we began
                continue
            made.add(leg_id)
            try:
                await process.perform(command, journal.sockets_of(command))
            except WorkerLost:
                raise
            except msg.MediaRefusal as refusal:
                self._give_up(room_id, f"The media worker died, and its successor refuses: {refusal}")
            if self._places.get(room_id) is not place:
                await process.perform(msg.CloseRoom(room_id=room_id))
                return
        for leg_id in made - journal.legs - {""}:
            await process.perform(msg.CloseLeg(leg_id=leg_id))
        self._rooms_taken_over += 1

    async def _say_again(self, places: Sequence[_Place], process: WorkerProcess) -> None:
        """What can be said no more counts as said: whoever waits for its end goes on."""
        said = [(place, command) for place in places for command in place.journal.said]
        for (place, command), result in zip(
            said, await asyncio.gather(*(process.perform(command) for _, command in said), return_exceptions=True), strict=True
        ):
            if isinstance(result, WorkerLost):
                raise result
            if isinstance(result, msg.MediaRefusal):
                place.journal.heard(command.leg_id)
                self._on_event(msg.SoundEnded(leg_id=command.leg_id, sound=command.sound))


def _unknown(room_id: str) -> msg.MediaRefusal:
    if room_id:
        return msg.MediaRefusal("unknown_room", "This room is not open: its call may just have ended.")
    return msg.MediaRefusal("unknown_leg", "This leg is not open: it may just have been closed.")
