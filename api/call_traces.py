"""What went over the wire of each leg, kept with the call's record: its SIP messages, and the way that a browser's packets take.

Messages come from the ladder in the memory of this node (``pbx/ladder.py``) a portion at a time, so that a node that dies takes seconds of
them with it and any node can show the rest. A browser says itself which pair of candidates it uses (``peer.path``): how, never from
where, so that nobody's address is kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import msgspec
from msgspec import Struct

from api.store.rows import Line, Row, ToEpoch
from pbx.ladder import Ladder, Portion, Rung
from rooms.record import CallRecord
from signaling.messages import PeerPath

MOST_LEGS = 20_000
"""Whose calls are remembered; of more the oldest give way."""
MOST_PATHS = 32
"""Of one browser leg: one that changes more often has told enough."""
_EVERY_S = 2.0


class Lines(Protocol):
    """What this asks of ``api.store.Writer``."""

    def put_lines(self, lines: list[Line]) -> None: ...


class TracedRung(Struct, frozen=True):
    """A SIP message of a leg. ``line``: its first one. ``status``: of a response, else 0. ``peer``: with whom, as ``udp host:port``.
    ``headers``: names and values; ``described``: lines of its session description, without keys. ``at``: seconds since the epoch."""

    at: float
    sent: bool
    peer: str
    line: str
    status: int
    cseq: str
    sdp: bool
    headers: tuple[tuple[str, str], ...] = ()
    described: tuple[str, ...] = ()


class TracedPath(Struct, frozen=True):
    """The pair of candidates that a browser uses from ``at`` on. ``local``: what its own is: ``host``, ``srflx`` (behind an address
    translator), ``prflx`` or ``relay``; ``relay``: how it reaches the relay. ``connection``: counted from 1, another after a reload."""

    at: float
    connection: int
    local: str
    remote: str
    protocol: str
    relay: str
    family: str
    network: str


class _Leg(Struct):
    peers: list[str] = []
    paths: int = 0
    last: tuple[str, ...] = ()


class CallTraces:
    """``async with``: writes every two seconds what the ladder has. ``to_epoch``: of the ladder's times. ``now()``: as these."""

    def __init__(self, lines: Lines, ladder: Ladder, to_epoch: ToEpoch, now: Callable[[], float]) -> None:
        self._lines, self._ladder, self._to_epoch, self._now = lines, ladder, to_epoch, now
        self._calls: OrderedDict[str, str] = OrderedDict()
        self._legs: OrderedDict[str, _Leg] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_on(), name="call-traces")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.write(all_of_it=True)

    def hear_record(self, record: CallRecord) -> None:
        """Whose legs these are."""
        for leg in record.legs:
            if leg.kind == "phone":
                self._calls[leg.leg_id] = record.call_id
                self._calls.move_to_end(leg.leg_id)
        while len(self._calls) > MOST_LEGS:
            self._calls.popitem(last=False)

    def hear_path(self, call_id: str, leg_id: str, said: PeerPath) -> None:
        """Which way a browser's packets go from now on; what is known already is not kept again."""
        leg = self._legs.setdefault(leg_id, _Leg([]))
        self._legs.move_to_end(leg_id)
        if len(self._legs) > MOST_LEGS:
            self._legs.popitem(last=False)
        way = (said.peer_id, said.local, said.remote, said.protocol, said.relay, said.family, said.network)
        if way == leg.last or leg.paths >= MOST_PATHS:
            return
        if said.peer_id not in leg.peers:
            leg.peers.append(said.peer_id)
        at, connection = self._to_epoch(self._now()), leg.peers.index(said.peer_id) + 1
        path = TracedPath(at, connection, said.local, said.remote, said.protocol, said.relay, said.family, said.network)
        self._lines.put_lines([_line(call_id, leg_id, "ice", leg.paths, at, 0, path)])
        leg.last, leg.paths = way, leg.paths + 1

    def write(self, *, all_of_it: bool = False) -> None:
        """What was said since it was written before."""
        portions = list(self._ladder.take(self._now(), self._calls, all_of_it=all_of_it))
        if portions:
            self._lines.put_lines([self._of(portion) for portion in portions])

    def _of(self, portion: Portion) -> Line:
        rungs = [traced(rung, self._to_epoch) for rung in portion.rungs]
        at = rungs[0].at if rungs else self._to_epoch(self._now())
        return _line(self._calls[portion.leg_id], portion.leg_id, "sip", portion.number, at, portion.left_out, rungs)

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self.write()


def traced(rung: Rung, to_epoch: ToEpoch) -> TracedRung:
    """As it is kept and told."""
    return TracedRung(to_epoch(rung.at), *rung[1:])


def read_traces(rows: Sequence[Row]) -> tuple[Mapping[str, list[TracedRung]], Mapping[str, list[TracedPath]], int]:
    """What was kept of a call: messages by leg, ways by leg, and how many messages more there were. What was erased is not there."""
    rungs: dict[str, list[TracedRung]] = {}
    paths: dict[str, list[TracedPath]] = {}
    for row in rows:
        if row["body"].startswith(("[", "{")):
            if row["kind"] == "sip":
                rungs.setdefault(row["leg_id"], []).extend(msgspec.json.decode(row["body"], type=list[TracedRung]))
            else:
                paths.setdefault(row["leg_id"], []).append(msgspec.json.decode(row["body"], type=TracedPath))
    return rungs, paths, sum(row["left_out"] for row in rows)


def _line(call_id: str, leg_id: str, kind: str, number: int, at: float, left_out: int, body: Any) -> Line:
    row = {"leg_id": leg_id, "kind": kind, "number": number, "call_id": call_id, "at": at, "left_out": left_out}
    return Line("call_traces", row | {"body": msgspec.json.encode(body).decode()})
