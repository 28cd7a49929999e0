"""A test call through a line: it is dialled, says recorded sentences to whoever answers, and tells what came back.

It is no call of anybody's: call control knows nothing of it, no record is written, and it ends by itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from api.media_plane import MediaPlane
from api.phone_legs import PhoneFailure, PhoneLegs
from media import messages as media
from pbx import trunk as line
from pbx.trunk import Trunk, TrunkEvent
from rooms.audio import DemoEndpoint, RtpEndpoint
from rooms.causes import Cause, EndReason
from signaling.refusal import Refusal

_HEARD_DBFS = -50.0
"""A second louder than this is one in which something was heard."""
INSIDE = "This line's far end is a programme inside the server: that it answered is all there is to hear."
_PROGRAMME: Literal["speech"] = "speech"
_MOST_EVENTS = 64
_PREFIX = "trial-"
"""Begins the names of its rooms and legs, and of no others."""


class TrialState(StrEnum):
    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    HEARD = "heard"
    """Over: it was answered, and something was heard."""
    SILENT = "silent"
    """Over: it was answered, and nothing was heard."""
    REFUSED = "refused"
    """Over: it was not answered. ``cause`` says why."""


OVER = frozenset({TrialState.HEARD, TrialState.SILENT, TrialState.REFUSED})


class LineTried(Struct, frozen=True):
    """How a test call stands. Seconds count from the dialling. ``line``: the PBX that has it; ``cause``: our word for why it ended, with
    the ``sip`` status where there was one; ``heard_s``: seconds in which something was heard; fractions are 0-1, None: not measured."""

    state: TrialState
    trunk: str
    line: str
    number: str
    after_s: float
    rang_s: float | None = None
    answered_s: float | None = None
    codec: str = ""
    heard_s: int = 0
    packets: int = 0
    loss: float | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    loudest_dbfs: float | None = None
    mos: float | None = None
    scale: str = ""
    cause: str = ""
    sip: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrialTimes:
    """Seconds. ``enough``: when so many were heard, no more are listened to."""

    ring_s: float = 30.0
    listen_s: float = 10.0
    enough: int = 3


class LineTrial:
    """One at a time. ``trunks`` by name. What happens on trunks and in the media plane is shown to it first: ``hear_trunk`` and
    ``hear_media`` say whether it was about its own call."""

    def __init__(self, worker: MediaPlane, phones: PhoneLegs, trunks: Mapping[str, Trunk], times: TrialTimes | None = None) -> None:
        self._worker, self._phones, self._trunks = worker, phones, trunks
        self._times = times or TrialTimes()
        self._leg = self._room = ""
        self._events: asyncio.Queue[TrunkEvent | media.AnyMediaEvent] = asyncio.Queue(_MOST_EVENTS)

    def hear_trunk(self, event: TrunkEvent) -> bool:
        return self._mine(getattr(event, "leg_id", ""), event)

    def hear_media(self, event: media.AnyMediaEvent) -> bool:
        return self._mine(getattr(event, "leg_id", "") or getattr(event, "room_id", ""), event)

    def _mine(self, whose: str, event: TrunkEvent | media.AnyMediaEvent) -> bool:
        """Also what comes after its call is over."""
        if not whose.startswith(_PREFIX):
            return False
        if whose in (self._leg, self._room) and not self._events.full():
            self._events.put_nowait(event)
        return True

    async def call(self, trunk: str, number: str) -> AsyncGenerator[LineTried, None]:
        """How it stands, whenever that changes; the last one is over. Whoever stops listening hangs up. Raises ``Refusal``."""
        if trunk not in self._trunks:
            raise Refusal("unknown_line", "There is no line of this name: GET /api/v1/lines shows which there are.")
        if self._leg:
            raise Refusal("busy", "Another test call is being made: try again when it is over.", 10.0)
        self._room, self._events = f"{_PREFIX}{token_hex(8)}", asyncio.Queue(_MOST_EVENTS)
        self._leg = f"{self._room}-line"
        try:
            async for tried in self._run(self._trunks[trunk], LineTried(TrialState.DIALLING, trunk, trunk, number, 0.0)):
                yield tried
        finally:
            await self._close(self._trunks[trunk])

    async def _run(self, trunk: Trunk, tried: LineTried) -> AsyncGenerator[LineTried, None]:
        loop = asyncio.get_running_loop()
        began_s = until_s = loop.time()
        until_s += self._times.ring_s
        yield tried
        try:
            await self._worker.perform(media.OpenRoom(room_id=self._room))
            self._phones.expect(self._leg, self._room, tried.trunk)
            await self._phones.place(self._leg, tried.number)
            tried = replace(tried, line=trunk.line_of(self._leg) or tried.trunk)
            while tried.state not in OVER:
                event = await self._next(until_s)
                before, after_s = tried, round(loop.time() - began_s, 2)
                tried = replace(await self._heard(tried, event, after_s), after_s=after_s)
                if tried.state is TrialState.ANSWERED and before.state is not TrialState.ANSWERED:
                    until_s = loop.time() + self._times.listen_s
                if replace(tried, after_s=before.after_s) != before:
                    yield tried
        except PhoneFailure as failure:
            yield replace(_over(tried, failure.cause), after_s=round(loop.time() - began_s, 2))
        except media.MediaRefusal as refusal:
            cause = Cause(EndReason.FAILED, detail=str(refusal))
            yield replace(_over(tried, cause), after_s=round(loop.time() - began_s, 2))

    async def _next(self, until_s: float) -> TrunkEvent | media.AnyMediaEvent | None:
        try:
            async with asyncio.timeout_at(until_s):
                return await self._events.get()
        except TimeoutError:
            return None

    async def _heard(self, tried: LineTried, event: TrunkEvent | media.AnyMediaEvent | None, after_s: float) -> LineTried:
        match event:
            case None if tried.state is TrialState.ANSWERED:
                return _over(tried, Cause(EndReason.COMPLETED))
            case None:
                return _over(tried, Cause(EndReason.NO_ANSWER, detail=f"Nobody answered within {self._times.ring_s:.0f} s."))
            case line.Rang() if tried.state is TrialState.DIALLING:
                return replace(tried, state=TrialState.RINGING, rang_s=after_s)
            case line.Answered(remote=remote) if tried.answered_s is None:
                if not isinstance(remote, RtpEndpoint):
                    return replace(tried, state=TrialState.HEARD, answered_s=after_s, cause=EndReason.COMPLETED.value, detail=INSIDE)
                await self._talk(remote)
                return replace(tried, state=TrialState.ANSWERED, answered_s=after_s, codec=_codec(remote))
            case line.Reagreed(remote=remote):
                await self._phones.connect(self._leg, remote)
            case line.Refused(cause=cause) | line.HungUp(cause=cause):
                return _over(tried, cause)
            case media.RoomLost(detail=detail):
                return _over(tried, Cause(EndReason.MEDIA_LOST, detail=detail))
            case media.QualitySampled(legs=legs) if tried.state is TrialState.ANSWERED:
                tried = _with(tried, next((leg for leg in legs if leg.leg_id == self._leg), None))
                return _over(tried, Cause(EndReason.COMPLETED)) if tried.heard_s >= self._times.enough else tried
        return tried

    async def _talk(self, remote: RtpEndpoint) -> None:
        await self._phones.connect(self._leg, remote)
        says = f"{self._room}-says"
        await self._worker.perform(media.OpenDemoLeg(leg_id=says, room_id=self._room, programme=DemoEndpoint(_PROGRAMME)))
        for leg_id in (self._leg, says):
            await self._worker.perform(media.JoinBridge(room_id=self._room, leg_id=leg_id))

    async def _close(self, trunk: Trunk) -> None:
        trunk.hang_up(self._leg, Cause(EndReason.COMPLETED))
        room, self._room, self._leg = self._room, "", ""
        self._phones.forget_call(room)
        try:
            await self._worker.perform(media.CloseRoom(room_id=room))
        except media.MediaRefusal:
            """It was lost, or never opened."""


def _codec(remote: RtpEndpoint) -> str:
    return remote.codecs[0].name if remote.codecs else ""


def _with(tried: LineTried, sample: media.LegSample | None) -> LineTried:
    if sample is None:
        return tried
    level = sample.level_dbfs
    louder = level is not None and (tried.loudest_dbfs is None or level > tried.loudest_dbfs)
    return replace(
        tried,
        heard_s=tried.heard_s + int(level is not None and level > _HEARD_DBFS),
        packets=tried.packets + sample.packets,
        loss=sample.loss if sample.loss is not None else tried.loss,
        jitter_ms=sample.jitter_ms if sample.jitter_ms is not None else tried.jitter_ms,
        round_trip_ms=sample.round_trip_ms if sample.round_trip_ms is not None else tried.round_trip_ms,
        loudest_dbfs=level if louder else tried.loudest_dbfs,
        mos=sample.mos if sample.mos is not None else tried.mos,
        scale=sample.scale or tried.scale,
        codec=sample.codec or tried.codec,
    )


def _over(tried: LineTried, cause: Cause) -> LineTried:
    state = TrialState.REFUSED
    if tried.answered_s is not None:
        state = TrialState.HEARD if tried.heard_s else TrialState.SILENT
    return replace(tried, state=state, cause=cause.reason.value, sip=cause.sip, detail=cause.detail)
