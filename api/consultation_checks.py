"""Tests before a consultation: what a page says goes to the media plane and comes back, and what both ways cost is told in one word.

A test is a room of its own beside the consultation's, in the same plane: the page's leg, and a programme that says what it hears. It is no
call, nothing is kept of it but its verdict, and it ends by itself.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from statistics import fmean
from typing import Self
from uuid import uuid4

import structlog

from api.media_plane import MediaPlane
from media import messages as media
from rooms.audio import DemoEndpoint
from signaling import messages as wire
from signaling.refusal import Refusal

log = structlog.get_logger()

_CODECS = ("opus",)
_QUIETEST_DBFS = -60.0
"""A microphone that is never louder says nothing."""
_MOST_KEPT = 2_000
_PREFIX = "check-"
"""Begins the names of its rooms and of no others."""
FAIR_LOSS, POOR_LOSS = 0.02, 0.08
FAIR_MS, POOR_MS = 300.0, 600.0
FAIR_JITTER_MS, POOR_JITTER_MS = 50.0, 120.0
"""From these on it is noticed, or troubles: ITU-T G.114 has 400 ms one way as the limit, and of jitter a buffer takes some."""


@dataclass(eq=False, slots=True)
class _Check:
    """One test under way. ``samples``: of the page's leg, a second each."""

    whose: tuple[str, str]
    room_id: str = field(default_factory=lambda: f"{_PREFIX}{uuid4().hex}")
    samples: list[media.LegSample] = field(default_factory=list)
    end: asyncio.TimerHandle | None = None

    @property
    def leg_id(self) -> str:
        return f"{self.room_id}-page"


class ConsultationChecks:
    """``async with``: ends what is under way. ``most``: tests at once; ``lasts_s``: after which one ends by itself.

    ``hear_media`` is shown what happens in the media plane, and says whether it was about a test.
    """

    def __init__(self, worker: MediaPlane, *, most: int = 50, lasts_s: float = 20.0) -> None:
        self._worker = worker
        self._most = most
        self._lasts_s = lasts_s
        self._checks: dict[tuple[str, str], _Check] = {}
        self._results: OrderedDict[tuple[str, str], wire.Checked] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for check in tuple(self._checks.values()):
            self._drop(check)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def running(self) -> int:
        return len(self._checks)

    def of(self, room_id: str, identity: str) -> wire.Checked | None:
        """What the last test of this person found, in this room."""
        return self._results.get((room_id, identity))

    async def offer(self, identity: str, said: wire.CheckConnection) -> wire.PeerAnswer:
        """Begin, in place of one that goes on. Raises ``Refusal`` and ``MediaRefusal``."""
        whose = (said.room_id, identity)
        before = self._checks.get(whose)
        if before is not None:
            self._drop(before)
        elif len(self._checks) >= self._most:
            raise Refusal("busy", "Many try their connection at this moment: go on without, or try again.", 10.0)
        check = self._checks[whose] = _Check(whose)
        try:
            await self._worker.perform(media.OpenRoom(room_id=check.room_id))
            await self._worker.perform(media.OpenPeerLeg(leg_id=check.leg_id, room_id=check.room_id))
            says = f"{check.room_id}-says"
            await self._worker.perform(media.OpenDemoLeg(leg_id=says, room_id=check.room_id, programme=DemoEndpoint("echo")))
            for leg_id in (check.leg_id, says):
                await self._worker.perform(media.JoinBridge(room_id=check.room_id, leg_id=leg_id))
            answered = await self._worker.perform(
                media.OfferPeer(leg_id=check.leg_id, peer_id=said.peer_id, sdp=said.sdp, codecs=_CODECS, video={})
            )
        except media.MediaRefusal:
            self._drop(check)
            raise
        assert isinstance(answered, media.PeerAnswered)
        check.end = asyncio.get_running_loop().call_later(self._lasts_s, self._drop, check)
        return wire.PeerAnswer(sdp=answered.sdp)

    async def finish(self, identity: str, said: wire.FinishCheck) -> wire.Checked:
        """What came of it, with what the page says; without a test that goes on, what the last one found."""
        whose = (said.room_id, identity)
        check = self._checks.get(whose)
        before = self._results.pop(whose, wire.Checked())
        found = judged(check.samples, said) if check is not None else (before.verdict, before.cause, before.mos, before.scale)
        measured = _measured(check.samples, said) if check is not None else (before.loss, before.jitter_ms, before.round_trip_ms)
        checked = wire.Checked(*found, *measured, microphone=said.microphone, camera=said.camera, heard=said.heard)
        self._results[whose] = checked
        if len(self._results) > _MOST_KEPT:
            self._results.popitem(last=False)
        if check is not None:
            self._drop(check)
        return checked

    def hear_media(self, event: media.AnyMediaEvent) -> bool:
        about = getattr(event, "room_id", "") or getattr(event, "leg_id", "")
        if not about.startswith(_PREFIX):
            return False
        if isinstance(event, media.QualitySampled):
            for check in self._checks.values():
                if check.room_id == event.room_id:
                    check.samples.extend(leg for leg in event.legs if leg.leg_id == check.leg_id and leg.packets)
        return True

    def _drop(self, check: _Check) -> None:
        if check.end is not None:
            check.end.cancel()
        if self._checks.get(check.whose) is check:
            del self._checks[check.whose]
        task = asyncio.get_running_loop().create_task(self._close(check.room_id), name="consultation-check")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, room_id: str) -> None:
        try:
            await self._worker.perform(media.CloseRoom(room_id=room_id))
        except media.MediaRefusal as refusal:
            log.info("consultation_check.not_closed", code=refusal.code)


def _measured(samples: list[media.LegSample], said: wire.FinishCheck) -> tuple[float | None, float | None, float | None]:
    """Loss (of the worse way), jitter in ms and the round trip in ms; None where neither side measured it."""
    losses = [sample.loss for sample in samples if sample.loss is not None]
    both = [*([fmean(losses)] if losses else []), *([said.loss] if said.loss is not None else [])]
    jitters = [sample.jitter_ms for sample in samples if sample.jitter_ms is not None]
    trips = [sample.round_trip_ms for sample in samples if sample.round_trip_ms is not None]
    trip_ms = fmean(trips) if trips else said.round_trip_ms
    return max(both, default=None), fmean(jitters) if jitters else None, trip_ms


def judged(samples: list[media.LegSample], said: wire.FinishCheck) -> tuple[str, str, float | None, str]:
    """Verdict, cause, mean MOS and its scale. One cause, the worst: whoever is told five things does none of them."""
    if not samples:
        return "none", "", None, ""
    rated = [(sample.mos, sample.scale) for sample in samples if sample.mos is not None]
    mos, scale = (fmean(mos for mos, _ in rated), rated[-1][1]) if rated else (None, "")
    loss, jitter_ms, trip_ms = _measured(samples, said)
    bounds = {
        "loss": (loss, FAIR_LOSS, POOR_LOSS),
        "delay": (trip_ms, FAIR_MS, POOR_MS),
        "jitter": (jitter_ms, FAIR_JITTER_MS, POOR_JITTER_MS),
    }
    degrees = {cause: value / poor for cause, (value, fair, poor) in bounds.items() if value is not None and value >= fair}
    if degrees:
        worst = max(degrees, key=lambda cause: degrees[cause])
        return "poor" if degrees[worst] >= 1.0 else "fair", worst, mos, scale
    levels = [sample.level_dbfs for sample in samples if sample.level_dbfs is not None]
    if said.microphone and levels and max(levels) < _QUIETEST_DBFS:
        return "fair", "silent", mos, scale
    return "good", "", mos, scale
