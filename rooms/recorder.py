"""What follows when a call's recording is to begin, to pause, to end, or breaks; the table stands in ``rooms/recording.py``.

What a paused recording does not keep is decided here alone: it is paused in the media plane before anybody is shown so, and a part that
broke meanwhile is not replaced before somebody resumes.
"""

from rooms.call import Call
from rooms.deadlines import DeadlineKind
from rooms.effects import (
    Effect,
    EraseRecording,
    Hush,
    KeepConsent,
    PauseRecording,
    PlayOnce,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from rooms.policy import RecordingMode, RecordingPolicy
from rooms.record import CallState
from rooms.recording import RecordingAction, RecordingState, RecordingStep
from rooms.refusals import NotPossible
from rooms.register import Register

BEEP = "recording"
"""The tone that says that a call is recorded."""


class Recorder:
    """Of all calls. Each function returns the effects of one step and changes the call accordingly."""

    def __init__(self, policy: RecordingPolicy, register: Register) -> None:
        self._policy = policy
        self._register = register

    def talking(self, call: Call, now: float) -> list[Effect]:
        """Something changed that may mean that both sides talk now: where every such call is recorded, this one is from here on."""
        recording, wanted = call.recording, self._policy.mode(call.direction) is RecordingMode.ALWAYS
        if wanted and recording.state is RecordingState.OFF and not recording.stopped and _talk(call):
            return self._begin(call, now)
        return []

    def request(self, call: Call, action: RecordingAction, by: str, now: float, *, supervisor: bool) -> list[Effect]:
        """What a person wants. Raises ``NotPossible``."""
        mode, state = self._policy.mode(call.direction), call.recording.state
        if mode is RecordingMode.NEVER:
            raise NotPossible("not_recorded", "Calls of this kind are not recorded on this server: its settings say so.")
        if action is RecordingAction.START:
            if not _talk(call):
                raise NotPossible("wrong_state", "Both sides have to be there before a recording can begin.")
            begins = state in (RecordingState.OFF, RecordingState.FAILED)
            return self._begin(call, now) if begins else []
        if action is RecordingAction.REFUSE:
            known, call.recording.refused = call.recording.refused, True
            return [*([] if known else [KeepConsent(call.call_id, "no", by)]), *self._refuse(call, by)]
        if action is RecordingAction.STOP:
            if mode is RecordingMode.ALWAYS and not supervisor:
                raise NotPossible("wrong_state", "Every call of this kind is recorded: pause it, or ask a supervisor to end it.")
            return self._stop(call)
        if state is RecordingState.OFF:
            raise NotPossible("wrong_state", "This call is not being recorded.")
        return self._pause(call) if action is RecordingAction.PAUSE else self._resume(call, now)

    def began(self, call: Call, recording_id: str, now: float) -> list[Effect]:
        """A part is there. Where it had been given up, because its worker took long, it counts all the same."""
        recording = call.recording
        if recording_id != _part_id(call):
            return []
        recording.failures = 0
        if recording.open:
            return []
        recording.open = True
        if recording.state is RecordingState.PAUSED:
            return [PauseRecording(call.call_id, recording_id)]
        if recording.state is RecordingState.FAILED:
            recording.take(RecordingStep.START)
            return self._on_air(call, now)
        return self._close(call)

    def broke(self, call: Call, recording_id: str, now: float, *, again: bool) -> list[Effect]:
        """A part ended that was not to end. ``again``: another one can be begun at once, its worker has a successor."""
        if recording_id != _part_id(call):
            return []
        recording = call.recording
        recording.open = False
        if not recording.take(RecordingStep.BREAK):
            return []
        if again:
            return self._begin(call, now)
        self._try_again(call, now)
        return []

    def refused(self, call: Call, effect: str, now: float) -> list[Effect]:
        """An effect of ours was not possible. What could not be announced, begun or resumed is tried again after a while; what could not be
        paused is ended, because it must not go on."""
        recording, state = call.recording, call.recording.state
        if effect == "StopRecording" or (effect == "PlayOnce" and state is not RecordingState.ANNOUNCING):
            return []
        effects = self._close(call) if recording.open and effect != "StartRecording" else []
        recording.open = False
        if recording.take(RecordingStep.BREAK):
            self._try_again(call, now)
        return effects

    def sound_ended(self, call: Call, leg_id: str, sound: str, now: float) -> list[Effect]:
        """Somebody has heard this sound to its end."""
        if sound != self._policy.announcement or call.phone is None or leg_id != call.phone.leg_id:
            return []
        told, call.recording.announced = call.recording.announced, True
        if self._policy.asks:
            if call.recording.state is RecordingState.ANNOUNCING:
                self._register.set(call, DeadlineKind.RECORDING, now + self._policy.answer_s)
            return []
        kept = [] if told else [KeepConsent(call.call_id, "told")]
        return [*kept, *self._begin(call, now)] if call.recording.state is RecordingState.ANNOUNCING else []

    def asks(self, call: Call, leg_id: str) -> bool:
        """Is whoever has this leg being asked now, so that a key is an answer?"""
        phone = call.phone
        return self._policy.asks and call.recording.state is RecordingState.ANNOUNCING and phone is not None and phone.leg_id == leg_id

    def digit(self, call: Call, key: str, now: float) -> list[Effect]:
        """A key of who is being asked, during the question or behind it. Keys that answer nothing are nobody's affair."""
        phone = call.phone
        if phone is None or key not in (self._policy.agree_key, self._policy.refuse_key):
            return []
        hush = Hush(phone.leg_id)
        if key == self._policy.refuse_key:
            return [hush, KeepConsent(call.call_id, "no"), *self._refuse(call, "")]
        call.recording.agreed = phone.leg_id
        return [hush, KeepConsent(call.call_id, "yes"), *self._begin(call, now)]

    def objected(self, call: Call, recording_id: str) -> list[Effect]:
        """This part was not begun, because the other side objects to it since before this call."""
        if recording_id != _part_id(call):
            return []
        call.recording.open, call.recording.erased = False, call.recording.part
        return self._refuse(call, "")

    def due(self, call: Call, now: float) -> list[Effect]:
        """The deadline has come: what it is for follows from the state."""
        match call.recording.state:
            case RecordingState.ANNOUNCING if self._policy.asks and call.recording.announced:
                return [KeepConsent(call.call_id, "no"), *self._refuse(call, "")]
            case RecordingState.ANNOUNCING:
                return self._announce(call, now)
            case RecordingState.FAILED:
                return self._begin(call, now)
            case RecordingState.RECORDING:
                return self._on_air(call, now)
        return []

    def leg_left(self, call: Call, leg_id: str, now: float) -> list[Effect]:
        """A leg has left a call that goes on. Where it was the one that is recorded, the recording goes on with whoever is there now."""
        recording = call.recording
        if leg_id != recording.leg_id or not recording.open:
            return []
        recording.open = False
        if recording.state is RecordingState.PAUSED:
            return []
        if call.phone is None or not call.phone.up:
            self._register.clear(call, DeadlineKind.RECORDING)
            recording.take(RecordingStep.STOP)
            return []
        recording.take(RecordingStep.BREAK)
        return self._begin(call, now)

    # -- steps

    def _begin(self, call: Call, now: float) -> list[Effect]:
        recording, phone = call.recording, call.phone
        if phone is None:
            return []
        if self._policy.announcement and not self._was_told(call, phone.leg_id):
            recording.announced = False
            recording.take(RecordingStep.ANNOUNCE)
            return self._announce(call, now)
        if recording.part >= self._policy.most_parts:
            return []
        recording.take(RecordingStep.START)
        recording.part += 1
        recording.open, recording.leg_id = True, phone.leg_id
        leg = call.own_leg
        start = StartRecording(
            call.call_id,
            _part_id(call),
            phone.leg_id,
            leg.leg_id if leg is not None and leg.audible else "",
            call.agent,
            self._policy.consent,
            answered=self._policy.asks,
        )
        return [start, *self._on_air(call, now)]

    def _was_told(self, call: Call, leg_id: str) -> bool:
        """A yes is that of who said it, and of nobody to whom the call is led on."""
        return call.recording.agreed == leg_id if self._policy.asks else call.recording.announced

    def _announce(self, call: Call, now: float) -> list[Effect]:
        """Also into waiting music, which gives way to it."""
        self._register.set(call, DeadlineKind.RECORDING, now + self._policy.announce_s)
        return [PlayOnce(call.phone.leg_id, self._policy.announcement)] if call.phone is not None else []

    def _on_air(self, call: Call, now: float) -> list[Effect]:
        """The tone, which the recording has too, and when it sounds next."""
        if self._policy.beep_every_s:
            self._register.set(call, DeadlineKind.RECORDING, now + self._policy.beep_every_s)
        else:
            self._register.clear(call, DeadlineKind.RECORDING)
        return [PlayOnce(leg_id, BEEP) for leg_id in self._register.idle_ears(call)] if self._policy.beep else []

    def _try_again(self, call: Call, now: float) -> None:
        wait_s = min(self._policy.longest_retry_s, self._policy.retry_s * 2**call.recording.failures)
        call.recording.failures = min(call.recording.failures + 1, 16)
        self._register.set(call, DeadlineKind.RECORDING, now + wait_s)

    def _pause(self, call: Call) -> list[Effect]:
        if not call.recording.take(RecordingStep.PAUSE):
            return []
        self._register.clear(call, DeadlineKind.RECORDING)
        return [PauseRecording(call.call_id, _part_id(call))] if call.recording.open else []

    def _resume(self, call: Call, now: float) -> list[Effect]:
        recording = call.recording
        if recording.state is not RecordingState.PAUSED:
            return []
        if not recording.open:
            return self._begin(call, now)
        recording.take(RecordingStep.RESUME)
        return [ResumeRecording(call.call_id, _part_id(call)), *self._on_air(call, now)]

    def _stop(self, call: Call) -> list[Effect]:
        if not call.recording.take(RecordingStep.STOP):
            return []
        call.recording.stopped = True
        self._register.clear(call, DeadlineKind.RECORDING)
        return self._close(call) if call.recording.open else []

    def _refuse(self, call: Call, by: str) -> list[Effect]:
        """Whoever may speak for the other side says no: that counts in every mode, and for what was kept already."""
        recording = call.recording
        effects = self._stop(call)
        recording.stopped, recording.announced, recording.agreed = True, False, ""
        erased, recording.erased = recording.erased, recording.part
        return [*effects, *(EraseRecording(call.call_id, _named(call, part), by) for part in range(erased + 1, recording.part + 1))]

    def _close(self, call: Call) -> list[Effect]:
        call.recording.open = False
        return [StopRecording(call.call_id, _part_id(call))]


def _talk(call: Call) -> bool:
    leg = call.own_leg
    return call.state is CallState.LIVE and call.phone is not None and call.phone.up and leg is not None and leg.up


def _part_id(call: Call) -> str:
    return _named(call, call.recording.part)


def _named(call: Call, part: int) -> str:
    return f"{call.call_id}-{part}"
