"""The bridge of a room: who hears whom, forwarded packet by packet where that is possible, else mixed at every tick.

Mute, hold and monitoring are gains of one leg's voice in another's ear (``dsp/mix.py``) and nothing else.

A tick has two halves: ``collect`` takes 20 ms of every programme, ``hand_out`` tells who is to be sent what it hears. In between and after
that, the voices of all rooms are cleaned, mixed and encoded together (``media/voices.py``). Every leg's playout is pulled at every tick,
heard or not, so that what was said during a mute is gone when it ends. A leg that is joined is always sent something, silence at least or
a sign of life: that keeps address translators and watchdogs content.
"""

import time
from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from media.forward import Forwarding, routes
from media.leg import Leg
from media.messages import MediaRefusal
from media.resting import Resting
from media.settings import RATE_HZ
from media.sounds import Sound
from media.voices import Voices

Gains = NDArray[np.float32]
_MOST_GAIN = 2.0  # more is what automatic gain is for
_SETTLED_AFTER_TICKS = 100
_QUIET_POWER = 1e-5  # mean square: -50 dBFS


class Bridge:
    """One room. ``most_legs`` bounds it. ``replan()`` is the one place where forwarding or mixing is decided.

    ``voices`` are those of the worker, among which this room's legs have their place while they are mixed; ``narrow`` those at 8 kHz, where
    rooms have it in which nobody would hear more: all legs but one at most speak G.711. ``all_ticking``: the worker's rooms that have
    something to do at a tick, of which this one is or is not; ``resting`` those of its legs that need nothing but silence, None: none may.
    """

    def __init__(
        self,
        room_id: str,
        voices: Voices,
        *,
        narrow: Voices | None = None,
        concealment: bool = True,
        most_legs: int = 50,
        all_ticking: dict["Bridge", None] | None = None,
        resting: Resting | None = None,
    ) -> None:
        self.room_id = room_id
        self.legs: dict[str, Leg] = {}
        self.mixing = False
        self._all_ticking = all_ticking if all_ticking is not None else {}
        self.switches = 0
        """How often forwarding and mixing took turns."""
        self._concealment = concealment
        self._most_legs = most_legs
        self._wide, self._narrow = voices, narrow
        self.voices = voices
        self._gains: dict[tuple[str, str], float] = {}
        self._expected: set[str] = set()
        self._mixed: list[Leg] = []
        self._deaf: list[Leg] = []
        """Who is not mixed, and is forwarded nothing: hears nobody."""
        self._resting = resting
        self._asleep: set[str] = set()
        """Who of them is among the resting."""
        self._unsettled_ticks = 0
        """For so long the legs have been mixed at another rate than would do for them."""
        self._gains_mixed: Gains = np.zeros((0, 0), np.float32)

    @property
    def ticking(self) -> bool:
        """Is there anything to do at a tick?"""
        return self in self._all_ticking

    @ticking.setter
    def ticking(self, ticking: bool) -> None:
        if ticking:
            self._all_ticking[self] = None
        else:
            self._all_ticking.pop(self, None)

    def add(self, leg: Leg) -> None:
        """A leg of this room, not yet joined. Raises MediaRefusal when the room is full."""
        if len(self.legs) >= self._most_legs:
            raise MediaRefusal(
                "room_full", f"This room already has {self._most_legs} legs, which is its limit: somebody has to leave first."
            )
        self.legs[leg.leg_id] = leg
        if leg.leg_id in self._expected:
            self._expected.discard(leg.leg_id)
            leg.joined = True
        self.replan()

    def remove(self, leg_id: str) -> None:
        leg = self.legs.pop(leg_id)
        leg.joined, leg.route = False, None
        self._stop_mixing(leg)
        leg.offload()
        self._gains = {pair: gain for pair, gain in self._gains.items() if leg_id not in pair}
        self.replan()

    def join(self, leg_id: str) -> None:
        """From now on the leg speaks and hears; one that is not open yet (a browser that has still to offer) joins as it comes."""
        if leg_id in self.legs:
            self.legs[leg_id].joined = True
            self.replan()
        elif len(self._expected) < self._most_legs:
            self._expected.add(leg_id)

    def set_gains(self, gains: Iterable[tuple[str, str, float]]) -> None:
        """(listener, speaker, gain 0-2) entries; others stay, and those of a leg yet to come wait for it. Raises MediaRefusal."""
        entries = {(listener, speaker): gain for listener, speaker, gain in gains}
        if not all(0.0 <= gain <= _MOST_GAIN for gain in entries.values()):
            raise MediaRefusal("bad_gain", "A gain is a number between 0 (not heard), 1 (heard as it is) and 2 (6 dB louder).")
        if len(self._gains | entries) > self._most_legs**2:
            raise MediaRefusal("room_full", f"A room of at most {self._most_legs} legs has no more gains than {self._most_legs**2}.")
        self._gains |= entries
        self.replan()

    def send_digits(self, leg_id: str, digits: str) -> None:
        """Digits to the far end of a leg. Raises MediaRefusal for what is no digit, or where none were agreed."""
        leg = self.legs[leg_id]
        try:
            if leg.programme is not None:
                leg.programme.press(digits)
                return
            if leg.agreement is None or leg.agreement.event_out is None:
                raise MediaRefusal("no_events", "The far end agreed to no telephone events (RFC 4733): send the digits by SIP INFO.")
            taken = leg.digits.put(digits)
        except ValueError as error:
            raise MediaRefusal("bad_digits", f"Not sent: {error}.") from None
        self._wake()
        self.ticking = True
        self._offload()
        if taken < len(digits):
            raise MediaRefusal("digits_full", f"Only {taken} of {len(digits)} digits were taken, the queue is full: send the rest later.")

    def relay_digit(self, speaker: Leg, digit: str) -> None:
        """A key pressed at one phone goes on to the other phone of a mixed room of two; forwarding passes events on by itself.

        Keys heard as tones are in the voice already and are not sent a second time.
        """
        if speaker.agreement is None or speaker.agreement.event_out is None:
            return
        others = [leg for leg in self._mixed if leg is not speaker]
        if self.mixing and len(others) == 1 and others[0].kind == "phone":
            agreement = others[0].agreement
            if agreement is not None and agreement.event_out is not None and self._gain(others[0], speaker) > 0.0:
                others[0].digits.put(digit)

    def play(self, leg_id: str, sound: Sound | None) -> None:
        """What a leg hears beside the mix, for as long as this stands; behind a sound that is being played once."""
        leg = self.legs[leg_id]
        current = leg.sound
        if current is not None and current.on_end is not None:
            current.then = sound
            if sound is not None:
                sound.fade_out()
        elif current is not None and current.soft and sound is None:
            current.fade_out()
        else:
            leg.sound = sound
        self.replan()

    def play_once(self, leg_id: str, sound: Sound) -> None:
        """A sound with an end, beside the mix; what is played for as long as it stands goes on behind it."""
        leg = self.legs[leg_id]
        if leg.sound is not None:
            sound.then = leg.sound.then if leg.sound.has_end else leg.sound
        if sound.then is not None:
            sound.then.fade_out()
        leg.sound = sound
        self.replan()

    def hush(self, leg_id: str) -> None:
        """A sound with an end ends now, and nobody is told."""
        sound = self.legs[leg_id].sound
        if sound is not None and sound.on_end is not None:
            sound.on_end = None
            sound.fade_out()

    def _end_sounds(self) -> bool:
        ended = False
        for leg in self.legs.values():
            sound = leg.sound
            if sound is not None and sound.over:
                leg.sound = sound.then
                if leg.sound is not None:
                    leg.sound.go_on()
                self.replan()
                if sound.on_end is not None:
                    sound.on_end()
                ended = True
        return ended

    def replan(self) -> None:
        """Decide anew between forwarding and mixing, after any change of legs, codecs, connections, gains or sounds."""
        self._wake()
        joined = [leg for leg in self.legs.values() if leg.joined]
        pairs = routes(joined, self._gain)
        mixing = pairs is None and bool(joined)
        self.switches += mixing != self.mixing and len(joined) > 1
        self.mixing = mixing
        if pairs is not None:
            self._forward(joined, {source.leg_id: target for source, target in pairs})
        else:
            self._mix(joined)
        self.ticking = mixing or self._busy()
        self._offload()

    def _offload(self) -> None:
        for leg in self.legs.values():
            leg.offload()

    def _busy(self) -> bool:
        return len(self._deaf) > len(self._asleep) or any(leg.sound is not None or leg.digits.busy for leg in self.legs.values())

    def _wake(self) -> None:
        if self._resting is not None:
            for leg_id in self._asleep:
                self._resting.remove(leg_id)
            self._asleep.clear()

    def _rest(self, leg: Leg, tick_s: float) -> None:
        """The first silence as any other frame; what follows needs nobody's care."""
        leg.rest(tick_s)
        silence = leg.silence() if self._resting is not None else None
        if silence is not None and self._resting is not None:
            self._resting.put(leg.leg_id, silence)
            self._asleep.add(leg.leg_id)

    def _gain(self, listener: Leg, speaker: Leg) -> float:
        if listener is speaker:
            return 0.0
        return self._gains.get((listener.leg_id, speaker.leg_id), 1.0)

    def _forward(self, joined: list[Leg], targets: dict[str, Leg]) -> None:
        self._mixed, self._unsettled_ticks = [], 0
        self.voices.remove_room(self.room_id)
        hearing = list(targets.values())
        self._deaf = [leg for leg in joined if leg.programme is None and leg not in hearing]
        for leg in joined:
            self._stop_mixing(leg)
            target = targets.get(leg.leg_id)
            if target is None:
                self._mute(leg)
            elif leg.route is None or leg.route.target is not target or leg.route.agreement is not target.agreement:
                leg.route = Forwarding(target)
            if leg not in self._deaf:
                leg.stop_encoding()

    def _mute(self, leg: Leg) -> None:
        """Who heard it hears silence, from an encoder with a past like what was forwarded."""
        if leg.route is None:
            return
        target = leg.route.target
        payloads = leg.end_route()
        leg.forget_forwarded()
        if target in self._deaf:
            target.open_ear(RATE_HZ).take_over(payloads)

    def _mix(self, joined: list[Leg]) -> None:
        self._deaf = []
        moved = self._settle(joined)
        passed = [(leg.route.target, leg.end_route()) for leg in joined if leg.route is not None]
        for leg in joined:
            voice = leg.voice = leg.voice or self.voices.open(leg.kind, time.monotonic())
            if leg.programme is None:
                leg.start_playout(partial(self.voices.intake.open, voice.row, concealment=self._concealment), voice.rate_hz)
                if leg.playout is None:
                    self.voices.intake.close(voice.row)
        for target, payloads in passed:
            if target.voice is not None and target.agreement is not None:
                target.open_ear(target.voice.rate_hz).take_over(payloads)
        gains = np.array([[self._gain(listener, speaker) for speaker in joined] for listener in joined], np.float32)
        if moved or self._mixed != joined or not np.array_equal(gains, self._gains_mixed):
            # What was forwarded, or mixed elsewhere, until now is heard already: only what changes within the mix is ramped.
            voices = [leg.voice for leg in joined if leg.voice is not None]
            self.voices.set_room(self.room_id, voices, gains.reshape(len(joined), len(joined)), at_once=moved or not self._mixed)
        self._mixed, self._gains_mixed = joined, gains

    def _settle(self, joined: list[Leg]) -> bool:
        """The rate that does for these legs; True where they move for it. Who talks already moves when nobody does, or after two seconds:
        filters begin anew and are late by some milliseconds more or less."""
        programme = any(leg.programme is not None for leg in joined)
        does = sum(not leg.is_narrowband for leg in joined) <= 1 < len(joined) and not programme
        voices = self._narrow if self._narrow is not None and does else self._wide
        if voices is self.voices:
            self._unsettled_ticks = 0
            return False
        if self._mixed and self._unsettled_ticks < _SETTLED_AFTER_TICKS and not self._is_quiet():
            self._unsettled_ticks += 1
            return False
        self._unsettled_ticks = 0
        self.voices.remove_room(self.room_id)
        for leg in self._mixed:
            if leg.voice is not None:
                self.voices.close(leg.voice)
                leg.voice = None
        self.voices = voices
        return True

    def _is_quiet(self) -> bool:
        return all(leg.voice is None or leg.voice.power < _QUIET_POWER for leg in self._mixed)

    def _stop_mixing(self, leg: Leg) -> None:
        leg.playout = None
        if leg.voice is not None:
            self.voices.close(leg.voice)
            leg.voice = None

    # -- at each tick

    def collect(self) -> None:
        """20 ms of each mixed programme; playouts are pulled by their voices."""
        if self._unsettled_ticks:
            self.replan()
        for leg in self._mixed:
            voice, programme = leg.voice, leg.programme
            if programme is not None and voice is not None:
                voice.said[:] = voice.heard if programme.echoes else programme.frame()

    def hand_out(self, tick_s: float) -> list[Leg]:
        """The legs that are to be sent their voice's ``sent``; ``tick_s`` is the scheduled time."""
        listeners: list[Leg] = []
        for leg in self._mixed:
            voice = leg.voice
            assert voice is not None
            leg.power_sum += voice.power
            leg.power_ticks += 1
            if leg.programme is None:
                if leg.sound is not None:
                    voice.hear_too(leg.sound.frame())
                if leg.hears and not (leg.digits.busy and leg.send_digit(tick_s)):
                    if leg.ear is None or leg.ear.rate_hz != voice.rate_hz:
                        leg.open_ear(voice.rate_hz)
                    listeners.append(leg)
        for leg in self.legs.values():
            if self.mixing and leg.joined:
                continue
            if leg.sound is not None:
                leg.play(leg.sound.frame(), tick_s)
            elif leg in self._deaf:
                if leg.leg_id not in self._asleep:
                    self._rest(leg, tick_s)
            else:
                leg.send_digit(tick_s)
        ended = self._end_sounds()
        ticked, self.ticking = self.ticking, self.mixing or self._busy()
        if ticked and not self.ticking:
            self._offload()
        if ended:  # which may have changed who hears
            listeners = [leg for leg in listeners if leg.voice is not None and leg.ear is not None]
        return listeners
