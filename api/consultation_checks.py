"""What became of the tests of connection before consultations, in one word: the page's sound goes to the media plane and comes back
(``api/sound_checks.py``), and nothing is kept of it but its verdict.
"""

from collections import OrderedDict
from statistics import fmean

from api.sound_checks import SoundChecks
from media import messages as media
from signaling import messages as wire

_QUIETEST_DBFS = -60.0
"""A microphone that is never louder says nothing."""
_MOST_KEPT = 2_000
FAIR_LOSS, POOR_LOSS = 0.02, 0.08
FAIR_MS, POOR_MS = 300.0, 600.0
FAIR_JITTER_MS, POOR_JITTER_MS = 50.0, 120.0
"""From these on it is noticed, or troubles: ITU-T G.114 has 400 ms one way as the limit, and of jitter a buffer takes some."""


class ConsultationChecks:
    """The last results are kept, so that hosts see how the test of who waits went."""

    def __init__(self, sounds: SoundChecks) -> None:
        self._sounds = sounds
        self._results: OrderedDict[tuple[str, str], wire.Checked] = OrderedDict()

    def of(self, room_id: str, identity: str) -> wire.Checked | None:
        """What the last test of this person found, in this room."""
        return self._results.get((room_id, identity))

    async def offer(self, identity: str, said: wire.CheckConnection) -> wire.PeerAnswer:
        """Begin, in place of one that goes on. Raises ``Refusal`` and ``MediaRefusal``."""
        _, answer = await self._sounds.begin((said.room_id, identity), said.peer_id, said.sdp)
        return wire.PeerAnswer(sdp=answer)

    async def finish(self, identity: str, said: wire.FinishCheck) -> wire.Checked:
        """What came of it, with what the page says; without a test that goes on, what the last one found."""
        whose = (said.room_id, identity)
        seconds = await self._sounds.finish(whose)
        before = self._results.pop(whose, wire.Checked())
        if seconds is None:
            found = (before.verdict, before.cause, before.mos, before.scale)
            figures = (before.loss, before.jitter_ms, before.round_trip_ms)
        else:
            spoken = [second for second in seconds if second.packets]
            found, figures = judged(spoken, said), _measured(spoken, said)
        checked = wire.Checked(*found, *figures, microphone=said.microphone, camera=said.camera, heard=said.heard)
        self._results[whose] = checked
        if len(self._results) > _MOST_KEPT:
            self._results.popitem(last=False)
        return checked


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
