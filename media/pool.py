"""The media plane in several processes: to whoever commands it as one ``MediaWorker``, but each room lives in one of its workers.

A room is placed on the worker that has least to do, and stays there. Each worker has its own UDP port for browsers: the configured one,
the next one, and so on. A worker that dies takes its own rooms with it, of which everybody hears (``RoomLost``), and no others; another
one takes its seat at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from media import messages as msg
from media.settings import MediaSettings
from media.transport import Sockets
from media.worker_seat import WorkerSeat


@dataclass(slots=True)
class _Place:
    seat: WorkerSeat
    legs: set[str] = field(default_factory=set)


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
        self._seats = [
            WorkerSeat(
                number,
                replace(settings, port=settings.port + number if settings.port else 0),
                command,
                on_event,
                self._lost,
                count_every_s=count_every_s,
            )
            for number in range(workers)
        ]
        self._places: dict[str, _Place] = {}
        self._rooms: dict[str, str] = {}
        self._rooms_lost = 0

    async def __aenter__(self) -> Self:
        """Raises MediaRefusal when a port is taken, OSError when a worker cannot be started."""
        filled = await asyncio.gather(*(seat.fill() for seat in self._seats), return_exceptions=True)
        failed = next((result for result in filled if result is not None), None)
        if failed is not None:
            await self.__aexit__()
            raise failed
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*(seat.stop() for seat in self._seats))

    # -- how it is

    @property
    def processes(self) -> list[tuple[int, int]]:
        """Process id and the browsers' UDP port of each worker that is there."""
        return [(seat.process.pid, seat.process.port) for seat in self._seats if seat.process is not None]

    @property
    def ready(self) -> bool:
        """Is every worker there?"""
        return len(self.processes) == len(self._seats)

    @property
    def by_worker(self) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
        """Counters and gauges of each worker that is there, by its number; as old as ``count_every_s`` at most."""
        return {str(seat.number): (seat.counters, seat.gauges) for seat in self._seats if seat.process is not None}

    @property
    def counters(self) -> dict[str, float]:
        """Sums over all workers, also those that died."""
        sums: Counter[str] = Counter()
        for seat in self._seats:
            sums.update(seat.totals)
        own = {"workers_lost": sum(seat.deaths for seat in self._seats), "rooms_lost": self._rooms_lost}
        return {**sums, **own}

    @property
    def gauges(self) -> dict[str, float]:
        """Sums over all workers; of lateness the worst."""
        found: dict[str, float] = {"workers": len(self._seats), "workers_up": len(self.processes)}
        for seat in self._seats:
            for name, value in seat.gauges.items():
                before = found.get(name, 0.0)
                found[name] = max(before, value) if name.startswith("tick_late") else before + value
        return found

    # -- commands

    async def perform(self, command: msg.AnyCommand, sock: Sockets | None = None) -> msg.AnyResult:
        """As ``MediaWorker.perform``. Raises MediaRefusal."""
        if isinstance(command, msg.OpenRoom):
            return await self._open_room(command)
        leg_id: str = getattr(command, "leg_id", "")
        room_id: str = getattr(command, "room_id", "") or self._rooms.get(leg_id, "")
        place = self._places.get(room_id)
        if isinstance(command, msg.CloseRoom):
            self._forget(room_id)
        if place is None:
            if isinstance(command, msg.CloseRoom | msg.CloseLeg):  # closing twice is no fault
                return None
            raise _unknown(room_id)
        if place.seat.process is None:
            raise msg.MediaRefusal("no_worker", "The media worker of this call is gone.")
        result = await place.seat.process.perform(command, sock)
        if isinstance(command, msg.CloseLeg):
            self._leave(place, leg_id)
        elif leg_id and self._places.get(room_id) is place:
            self._enter(place, room_id, leg_id)
        for one in sock if isinstance(sock, tuple) else (sock,):
            if one is not None:  # the worker has it now
                one.close()
        return result

    async def _open_room(self, command: msg.OpenRoom) -> msg.AnyResult:
        if command.room_id in self._places:
            raise msg.MediaRefusal("room_exists", "A room of this name is open already.")
        there = [seat for seat in self._seats if seat.process is not None]
        if not there:
            raise msg.MediaRefusal("no_worker", "No media worker is there at this moment: try again in a few seconds.")
        seat = min(there, key=lambda each: each.load)
        assert seat.process is not None
        self._places[command.room_id] = _Place(seat)
        seat.load += 1
        try:
            return await seat.process.perform(command)
        except BaseException:
            self._forget(command.room_id)
            raise

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

    def _lost(self, seat: WorkerSeat, why: str) -> None:
        for room_id in [room_id for room_id, place in self._places.items() if place.seat is seat]:
            self._forget(room_id)
            self._rooms_lost += 1
            self._on_event(msg.RoomLost(room_id=room_id, detail=f"The media worker of this call is gone: {why}."))


def _unknown(room_id: str) -> msg.MediaRefusal:
    if room_id:
        return msg.MediaRefusal("unknown_room", "This room is not open: its call may just have ended.")
    return msg.MediaRefusal("unknown_leg", "This leg is not open: it may just have been closed.")
