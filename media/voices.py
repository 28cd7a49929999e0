"""The voices of all mixed legs of a worker, one row each: cleaned and mixed together at every tick, whatever room they are in.

    intake (playouts) and bridges: what each leg said ─▶ clean (dsp/chain) ─▶ mix (dsp/mix) ─▶ ears: what each leg is sent

What a leg was sent in the tick before is the far end from which its echo comes. The chain is 10 ms late; so that a leg which joins in
mid-speech is not cut, its first frame flows over into the late one. A leg to which nothing is ever to be done passes by the chain.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dsp.chain import Chain, Stages
from dsp.lanes import LANES
from dsp.levels import FLOOR_DBFS
from dsp.mix import ActiveSpeakers, Mix
from dsp.resample import Resampler
from dsp.slots import Slots
from dsp.suppress import Suppressor
from media.codec import Samples
from media.ears import Ears
from media.intake import Intake
from media.messages import MediaRefusal
from media.settings import FRAME_SAMPLES, RATE_HZ, TICK_S
from media.voice_care import Condition, VoiceCare, VoiceSettings

if TYPE_CHECKING:
    from media.leg import Leg

_SPEAKING_DBFS = -50.0
_UNKNOWN = Condition(has_echo=False, noise_dbfs=None, speech_dbfs=None)


@dataclass(frozen=True, slots=True)
class Measures:
    """What the chain knows of a voice at present; None while it does not. Names as in ``media.messages.LegSample``.

    ``speech``: the fraction of the time since the last look in which somebody spoke.
    """

    speech: float
    noise_dbfs: float | None
    echo_return_loss_db: float | None
    echo_return_loss_enhancement_db: float | None


class Voice:
    """One leg's row, all float32 of 20 ms at ``rate_hz``: its bridge writes ``said``, and adds to ``sent`` what is more than ``heard``."""

    def __init__(self, row: int, rate_hz: int, said: Samples, heard: Samples, sent: Samples) -> None:
        self.row, self.rate_hz = row, rate_hz
        self.said, self.heard, self.sent = said, heard, sent
        self.power = 0.0
        """Mean square of what was said in this tick, cleaned."""
        self._lowering = Resampler(RATE_HZ, rate_hz)

    def hear_too(self, sound: Samples) -> None:
        """A sound (FRAME_SAMPLES,) at RATE_HZ beside the mix."""
        self.sent += self._lowering.process(sound)


@dataclass(slots=True)
class _Cared:
    care: VoiceCare
    begins: bool = True
    ticks: int = 0
    spoken: float = 0.0


class Voices:
    """At most ``most`` legs. ``make_suppressor(rows)`` makes what tells voices from noise; None: the classical one.

    ``rate_hz``: what they are mixed at; where that is less than RATE_HZ nobody cleans them (``settings`` untouched). In rooms of more than
    twice ``most_heard`` legs only the loudest ``most_heard`` are heard.
    """

    def __init__(
        self,
        settings: VoiceSettings,
        most: int,
        make_suppressor: Callable[[int], Suppressor] | None = None,
        *,
        rate_hz: int = RATE_HZ,
        most_heard: int = 4,
    ) -> None:
        self.rate_hz, self._frame = rate_hz, rate_hz // 50
        self._settings = settings
        self._slots = Slots(most)
        capacity = self._slots.capacity
        self._chain = None
        if settings != VoiceSettings.untouched():
            self._chain = Chain(capacity, make_suppressor(capacity) if make_suppressor is not None else None)
        self._mix = Mix(capacity)
        self._speakers = ActiveSpeakers(capacity, most=most_heard)
        self._large: dict[str, NDArray[np.intp]] = {}
        """Rows of the rooms where not all are heard."""
        self.intake, self.ears = Intake(capacity, rate_hz), Ears(capacity, rate_hz)
        self._said, self._cleaned, self._heard, self._sent = np.zeros((4, capacity, self._frame), np.float32)
        self._selecting = False
        self._voices: dict[int, Voice] = {}
        self._cared: dict[int, _Cared] = {}

    def __len__(self) -> int:
        return len(self._voices)

    def rehearse(self) -> None:
        """Two ticks of noise, so that no call waits for kernels to be compiled, or loaded where an earlier start compiled them."""
        rows = np.arange(LANES)
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, (LANES, FRAME_SAMPLES)).astype(np.float32)
        mix = Mix(LANES)
        mix.set_room("", rows, 1.0 - np.eye(LANES, dtype=np.float32))
        mix.process(noise)
        if self._chain is None:
            return
        for _ in range(2):
            self._chain.process(noise, noise)
        self._chain.reset(rows)

    def open(self, kind: str, now_s: float) -> Voice:
        """A row for a leg of this kind that begins to be mixed. Raises MediaRefusal when all are taken."""
        row = self._slots.take()
        if row is None:
            raise MediaRefusal("worker_full", "This worker mixes as many legs as it can: try again later.")
        voice = Voice(row, self.rate_hz, self._said[row], self._heard[row], self._sent[row])
        self._voices[row] = voice
        self.ears.open(row)
        if self._chain is not None and kind != "demo":
            care = VoiceCare(self._settings, kind)
            self._cared[row] = _Cared(care)
            self._chain.reset(np.array([row]))
            self._chain.switch(row, care.stages(_UNKNOWN, now_s))
        return voice

    def close(self, voice: Voice) -> None:
        """The leg is mixed no longer."""
        del self._voices[voice.row]
        self.intake.close(voice.row)
        self._slots.free(voice.row)
        if self._chain is not None and self._cared.pop(voice.row, None) is not None:
            self._chain.switch(voice.row, Stages.none())
        self._speakers.reset(np.array([voice.row]))
        for samples in (voice.said, voice.heard, voice.sent, self._cleaned[voice.row]):
            samples[:] = 0.0

    def set_room(self, room_id: str, voices: Sequence[Voice], gains: Samples, *, at_once: bool) -> None:
        """Who hears whom in a room: gains (n, n), [listener, speaker], reached by a ramp over one frame or ``at_once``."""
        rows = np.array([voice.row for voice in voices], np.intp)
        self._large.pop(room_id, None)
        if len(rows) > 2 * self._speakers.most:
            self._large[room_id] = rows
        self._mix.set_room(room_id, rows, gains, at_once=at_once)

    def remove_room(self, room_id: str) -> None:
        """The room is mixed no longer. Does nothing for one that was not."""
        self._large.pop(room_id, None)
        self._mix.remove_room(room_id)

    # -- at each tick

    def pull(self, now_s: float) -> None:
        """20 ms of every playout; ``now_s`` is the true time."""
        self.intake.pull(self._said, now_s)

    def encode(self, rooms: Sequence[Sequence["Leg"]]) -> list[list[tuple["Leg", bytes]]]:
        """What these legs, room by room, are to be sent of what they were ``sent``; b"" for a pause."""
        return self.ears.encode(rooms, self._sent[: self._slots.used])

    def clean(self) -> None:
        """What was said in this tick through the chain; a leg of which nothing was put is silent."""
        used = self._slots.used
        said, cleaned = self._said[:used], self._cleaned[:used]
        cleaned[:] = said  # heard as it is, should the chain fail
        if self._chain is None or not self._cared:
            return
        processed = self._chain.process(said, self._sent[:used])
        cared = list(self._cared)
        cleaned[cared] = processed[cared]
        for row, leg in self._cared.items():
            leg.ticks += 1
            leg.spoken += float(self._chain.spoken[row])
            if leg.begins:
                leg.begins = False
                cleaned[row] = _flowing(said[row], processed[row], self._chain.delay_samples)

    def mix(self) -> None:
        """What each leg hears, of all rooms; it counts as sent to it unless its bridge says otherwise."""
        used = self._slots.used
        cleaned = self._cleaned[:used]
        powers = np.einsum("ij,ij->i", cleaned, cleaned) / self._frame
        self._select(powers)
        self._sent[:used] = self._mix.process(cleaned, self._heard[:used])
        for (_, voice), power in zip(self._voices.items(), powers[list(self._voices)].tolist(), strict=True):
            voice.power = power
        self._said[:used] = 0.0

    def _select(self, powers: NDArray[np.float32]) -> None:
        """Who is heard in large rooms."""
        if not self._large:
            if self._selecting:
                self._mix.select(np.ones(self._slots.capacity, np.bool_))
            self._selecting = False
            return
        self._selecting = True
        level_dbfs = np.full(self._slots.capacity, self._speakers.floor_dbfs)
        level_dbfs[: len(powers)] = 10 * np.log10(np.maximum(powers, 1e-10))
        speaking = level_dbfs > _SPEAKING_DBFS
        if self._chain is not None and self._cared:
            cared = list(self._cared)
            speaking[cared] &= self._chain.spoken[cared] > 0
        self._speakers.observe(level_dbfs, speaking, TICK_S)
        audible = np.ones(self._slots.capacity, np.bool_)
        for rows in self._large.values():
            self._speakers.choose(rows[None])
            audible[rows] = self._speakers.selected[rows]
        self._mix.select(audible)

    # -- from time to time

    def adapt(self, now_s: float) -> None:
        """Decide anew what is done to each voice; once a second will do."""
        if self._chain is not None:
            for row, leg in self._cared.items():
                self._chain.switch(row, leg.care.stages(self._condition(self._chain, row), now_s))

    def needs_care(self, voice: Voice, now_s: float) -> bool:
        """Is there anything to do for a voice, or was there lately?"""
        leg = self._cared.get(voice.row)
        return leg is not None and leg.care.is_needed(now_s)

    def measures(self, voice: Voice) -> Measures | None:
        """What is known of a voice; None when it passes by the chain, or has been in it for no tick yet."""
        leg = self._cared.get(voice.row)
        if self._chain is None or leg is None or not leg.ticks:
            return None
        speech, leg.ticks, leg.spoken = leg.spoken / leg.ticks, 0, 0.0
        condition = self._condition(self._chain, voice.row)
        losses = (self._chain.echo_return_loss_db[voice.row], self._chain.echo_return_loss_enhancement_db[voice.row])
        return Measures(speech, condition.noise_dbfs, *(None if math.isnan(loss) else float(loss) for loss in losses))

    def _condition(self, chain: Chain, row: int) -> Condition:
        levels = chain.levels
        speaks = levels.speech_dbfs[row] > FLOOR_DBFS
        return Condition(
            has_echo=not math.isnan(chain.echo_delay_s[row]),
            noise_dbfs=float(levels.noise_dbfs[row]) if speaks else None,
            speech_dbfs=float(levels.speech_dbfs[row]) if speaks else None,
        )


def _flowing(said: Samples, processed: Samples, delay: int) -> Samples:
    """The first frame as it is while the chain, ``delay`` samples late, has nothing yet, then over into what it made of the beginning."""
    ramp = np.concatenate((np.zeros(delay, np.float32), np.linspace(0.0, 1.0, len(said) - delay, dtype=np.float32)))
    flowing: Samples = said + (processed - said) * ramp
    return flowing
