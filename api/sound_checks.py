"""Does somebody's sound get through? The media plane that carries calls sends a browser its own voice back and measures both ways.

It is no call: call control knows nothing of it, no record is written, nobody else hears it, and it ends by itself. Agents have one from
their desk (``open``, ``close``); customers have it before a consultation (``api/consultation_checks.py``, by ``begin`` and ``finish``).
"""

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Self

from api.media_plane import MediaPlane
from media import messages as media
from rooms.audio import DemoEndpoint
from signaling import messages as wire
from signaling.refusal import Refusal

PREFIX = "sound-"
"""Begins the names of its rooms and legs, and of no others."""
LONGEST_S = 20.0
_ECHO = "echo"


@dataclass(eq=False, slots=True)
class _Check:
    whose: Hashable
    check_id: str = field(default_factory=lambda: PREFIX + token_hex(8))
    samples: list[media.LegSample] = field(default_factory=list)
    end: asyncio.TimerHandle | None = None
    done: bool = False

    @property
    def leg_id(self) -> str:
        return f"{self.check_id}-voice"


class SoundChecks:
    """``async with``. ``codecs``: in which order browsers are asked to speak. At most ``most`` at once, each for ``longest_s``.

    ``hear_media`` is shown what happens in the media plane, and says whether it was about a check.
    """

    def __init__(self, worker: MediaPlane, codecs: tuple[str, ...], *, most: int = 64, longest_s: float = LONGEST_S) -> None:
        self._worker, self._codecs, self._most, self._longest_s = worker, codecs, most, longest_s
        self._of: dict[Hashable, _Check] = {}
        """By person."""
        self._checks: dict[str, _Check] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.made = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for check in tuple(self._checks.values()):
            await self._close(check)
        await asyncio.gather(*self._tasks)

    def __len__(self) -> int:
        return len(self._checks)

    def hear_media(self, event: media.AnyMediaEvent) -> bool:
        """Was this about a check?"""
        whose = getattr(event, "room_id", "") or getattr(event, "leg_id", "")
        if not whose.startswith(PREFIX):
            return False
        check = self._checks.get(whose)
        if check is not None and isinstance(event, media.QualitySampled):
            check.samples.extend(leg for leg in event.legs if leg.leg_id == check.leg_id)
        return True

    async def begin(self, whose: Hashable, peer_id: str, offer: str) -> tuple[str, str]:
        """In place of one of theirs: its name, and the answer to the browser's ``offer``. Raises ``Refusal``, ``MediaRefusal``."""
        if whose not in self._of and len(self._checks) >= self._most:
            raise Refusal("full", f"{self._most} people are trying their sound already: go on without, or try again in a moment.", 10.0)
        former, check = self._of.pop(whose, None), _Check(whose)
        self._of[whose] = self._checks[check.check_id] = check
        self.made += 1
        if former is not None:
            await self._close(former)
        try:
            answered = await self._connect(check, peer_id, offer)
        except BaseException:
            await self._close(check)
            raise
        check.end = asyncio.get_running_loop().call_later(self._longest_s, self._end, check)
        return check.check_id, answered.sdp

    async def finish(self, whose: Hashable) -> list[media.LegSample] | None:
        """The seconds that were measured; None where none of theirs goes on."""
        check = self._of.get(whose)
        if check is None:
            return None
        await self._close(check)
        return check.samples

    async def open(self, identity: str, request: wire.OpenSoundCheck) -> wire.SoundCheckOpened:
        """Raises ``Refusal`` and ``MediaRefusal``."""
        check_id, answer = await self.begin(identity, request.peer_id, request.sdp)
        return wire.SoundCheckOpened(check_id, answer, self._longest_s)

    async def close(self, identity: str, check_id: str) -> wire.SoundChecked:
        """What was measured. Raises ``Refusal``."""
        check = self._of.get(identity)
        if check is None or check.check_id != check_id:
            raise Refusal("unknown_check", "This sound check is over: make another one.")
        return measured(await self.finish(identity) or [])

    async def _connect(self, check: _Check, peer_id: str, sdp: str) -> media.PeerAnswered:
        room_id, leg_id, echo = check.check_id, check.leg_id, f"{check.check_id}-{_ECHO}"
        await self._worker.perform(media.OpenRoom(room_id=room_id))
        await self._worker.perform(media.OpenPeerLeg(leg_id=leg_id, room_id=room_id))
        offer = media.OfferPeer(leg_id=leg_id, peer_id=peer_id, sdp=sdp, codecs=self._codecs)
        answered = await self._worker.perform(offer)
        assert isinstance(answered, media.PeerAnswered)
        await self._worker.perform(media.OpenDemoLeg(leg_id=echo, room_id=room_id, programme=DemoEndpoint(_ECHO)))
        for each in (leg_id, echo):
            await self._worker.perform(media.JoinBridge(room_id=room_id, leg_id=each))
        return answered

    def _end(self, check: _Check) -> None:
        task = asyncio.create_task(self._close(check), name="sound-check-over")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, check: _Check) -> None:
        if check.end is not None:
            check.end.cancel()
        if self._of.get(check.whose) is check:
            del self._of[check.whose]
        if self._checks.pop(check.check_id, None) is None:
            return
        with suppress(media.MediaRefusal):  # it was lost, or never opened
            await self._worker.perform(media.CloseRoom(room_id=check.check_id))


def measured(samples: Sequence[media.LegSample]) -> wire.SoundChecked:
    """All seconds in one figure each: means, loss by packets; the loudest level."""
    packets = sum(sample.packets for sample in samples)
    lost = sum((sample.loss or 0.0) * sample.packets for sample in samples)
    up = wire.SoundWay(
        packets,
        lost / packets if packets else None,
        _mean(sample.jitter_ms for sample in samples),
        _mean(sample.mos for sample in samples),
        next((sample.scale for sample in reversed(samples) if sample.scale), ""),
        _worst(sample.cause for sample in samples),
    )
    down = wire.SoundWay(
        sum(sample.packets_sent for sample in samples),
        _mean(sample.hop_loss for sample in samples),
        _mean(sample.far_jitter_ms for sample in samples),
        _mean(sample.far_mos for sample in samples),
        next((sample.far_scale for sample in reversed(samples) if sample.far_scale), ""),
        _worst("good" if sample.far_cause == "upstream" else sample.far_cause for sample in samples),
    )
    levels = [sample.level_dbfs for sample in samples if sample.level_dbfs is not None]
    seconds = sum(sample.packets > 0 for sample in samples)
    return wire.SoundChecked(seconds, up, down, _mean(sample.round_trip_ms for sample in samples), max(levels, default=None))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _worst(causes: Iterable[str]) -> str:
    """What was wrong most often; ``good`` where nothing was, ``unclassified`` where nobody knows."""
    known = [cause for cause in causes if cause not in ("", "unclassified")]
    wrong = [cause for cause in known if cause != "good"]
    if wrong:
        return max(sorted(set(wrong)), key=wrong.count)
    return "good" if known else "unclassified"
