"""Whether a consultation is being recorded, who agreed to it, and the table that says how that may change.

Theory. A consultation is recorded as calls are (``rooms/recording.py``), but each of its people has recordings of their own, with what they
say and show and nothing of the others. So nobody needs to be recorded for another one's sake: who was not asked yet, or does not agree, is
not, and the others are all the same.

    OFF --START--> RECORDING --PAUSE--> PAUSED --RESUME--> RECORDING; STOP leads from both to OFF

Of a person, while it is not OFF:

    ASKED --AGREE--> GIVEN --REFUSE--> REFUSED --AGREE--> GIVEN; whoever starts it has agreed thereby. REFUSE erases what was kept of them.
    What was agreed to is over with STOP: who agreed is asked anew

A person's part ends with their leg, with the worker that wrote it, or with a disk that refused. The next one begins by itself behind a
worker's death and with their next leg, and behind a disk's refusal when a host starts it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rooms.recording import RecordingAction
from rooms.refusals import NotPossible

_MOST_PARTS = 100


class Consent(StrEnum):
    """Of one person, as everybody is shown it."""

    ASKED = "asked"
    GIVEN = "given"
    REFUSED = "refused"


class ConsultationState(StrEnum):
    OFF = "off"
    RECORDING = "recording"
    PAUSED = "paused"


_S, _A = ConsultationState, RecordingAction
CONSULTATION_TABLE: dict[tuple[ConsultationState, RecordingAction], ConsultationState] = {
    (_S.OFF, _A.START): _S.RECORDING,
    (_S.RECORDING, _A.START): _S.RECORDING,
    (_S.RECORDING, _A.PAUSE): _S.PAUSED,
    (_S.PAUSED, _A.RESUME): _S.RECORDING,
    (_S.RECORDING, _A.STOP): _S.OFF,
    (_S.PAUSED, _A.STOP): _S.OFF,
}


@dataclass(frozen=True, slots=True)
class StartPart:
    """Record what this person says and shows. ``owner``: who began to record the consultation."""

    room_id: str
    recording_id: str
    leg_id: str
    identity: str
    owner: str


@dataclass(frozen=True, slots=True)
class PausePart:
    room_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class ResumePart:
    room_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class StopPart:
    room_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class ErasePart:
    """Behind its end. ``by``: who did not agree."""

    recording_id: str
    by: str


PartEffect = StartPart | PausePart | ResumePart | StopPart | ErasePart


@dataclass(slots=True)
class _Person:
    """``part``: how many were begun; ``open``: is the last one still open? ``erased``: how many are erased."""

    consent: Consent
    leg_id: str = ""
    part: int = 0
    open: bool = False
    erased: int = 0


@dataclass(slots=True)
class ConsultationRecording:
    """Of one room. ``name``: begins the ids of its recordings, never the same again. ``asks``: whoever did not begin it is asked first.

    Each function returns the effects of one step.
    """

    room_id: str
    name: str
    asks: bool
    state: ConsultationState = ConsultationState.OFF
    owner: str = ""
    _people: dict[str, _Person] = field(default_factory=dict)
    _legs: dict[str, str] = field(default_factory=dict)

    @property
    def consents(self) -> dict[str, Consent]:
        """Of everybody who is there, while it is being recorded."""
        if self.state is ConsultationState.OFF:
            return {}
        return {identity: person.consent for identity, person in self._people.items() if identity in self._legs}

    def request(self, action: RecordingAction, by: str, *, host: bool) -> list[PartEffect]:
        """What a host wants. Raises ``NotPossible``."""
        if action is RecordingAction.REFUSE:
            return self.answer(by, agrees=False)
        if not host:
            raise NotPossible("not_host", "Only a host of this consultation may do this.")
        to = CONSULTATION_TABLE.get((self.state, action))
        if to is None:
            raise NotPossible("wrong_state", f"This consultation's recording is {self.state.value}: {action.value} means nothing now.")
        was, self.state = self.state, to
        if action is RecordingAction.START:
            self.owner = self.owner or by
            self._person(by).consent = Consent.GIVEN
            return self._begin(self._legs)
        if action is RecordingAction.STOP:
            for person in self._people.values():
                person.consent = Consent.ASKED if self.asks and person.consent is Consent.GIVEN else person.consent
            return self._close(self._people)
        if was is to:
            return []
        kind = PausePart if action is RecordingAction.PAUSE else ResumePart
        changed: list[PartEffect] = [kind(self.room_id, self._name(who)) for who, person in self._people.items() if person.open]
        return changed + (self._begin(self._legs) if action is RecordingAction.RESUME else [])

    def answer(self, identity: str, *, agrees: bool) -> list[PartEffect]:
        """Somebody who is there agrees, or not: then what was kept of them is erased. Raises ``NotPossible``."""
        if self.state is ConsultationState.OFF and identity not in self._people:
            raise NotPossible("wrong_state", "This consultation is not being recorded.")
        person = self._person(identity)
        if agrees:
            person.consent = Consent.GIVEN
            return self._begin([identity])
        person.consent = Consent.REFUSED
        effects = self._close([identity])
        erased, person.erased = person.erased, person.part
        return effects + [ErasePart(self._name(identity, part), identity) for part in range(erased + 1, person.part + 1)]

    def seated(self, legs: Mapping[str, str]) -> list[PartEffect]:
        """Everybody's leg, complete each time. A leg that is closed has ended its recording by itself; with the last one all of it ends."""
        for identity, leg_id in self._legs.items():
            if legs.get(identity) != leg_id and identity in self._people:
                self._people[identity].open = False
        self._legs = dict(legs)
        if not legs and self.state is not ConsultationState.OFF:
            return self.request(RecordingAction.STOP, self.owner, host=True)
        return self._begin(self._legs)

    def broke(self, recording_id: str, *, again: bool) -> list[PartEffect]:
        """A part ended that was not to end. ``again``: another one can be begun at once, its worker has a successor."""
        for identity, person in self._people.items():
            if person.open and self._name(identity) == recording_id:
                person.open = False
                return self._begin([identity]) if again else []
        return []

    # -- steps

    def _person(self, identity: str) -> _Person:
        if identity not in self._people:
            self._people[identity] = _Person(Consent.ASKED if self.asks else Consent.GIVEN)
        return self._people[identity]

    def _begin(self, identities: Iterable[str]) -> list[PartEffect]:
        """Whoever is there and agreed and is not recorded yet; while it is paused nobody."""
        effects: list[PartEffect] = []
        if self.state is ConsultationState.OFF:
            return effects
        for identity in identities:
            person, leg_id = self._person(identity), self._legs.get(identity, "")
            wanted = self.state is ConsultationState.RECORDING and person.consent is Consent.GIVEN
            if leg_id and wanted and not person.open and person.part < _MOST_PARTS:
                person.part, person.open, person.leg_id = person.part + 1, True, leg_id
                effects.append(StartPart(self.room_id, self._name(identity), leg_id, identity, self.owner))
        return effects

    def _close(self, identities: Iterable[str]) -> list[PartEffect]:
        effects: list[PartEffect] = []
        for identity in identities:
            person = self._people[identity]
            if person.open:
                person.open = False
                effects.append(StopPart(self.room_id, self._name(identity)))
        return effects

    def _name(self, identity: str, part: int = 0) -> str:
        """Of a part, the latest by default; without any name of the person in it."""
        number = list(self._people).index(identity) + 1
        return f"{self.name}-{number}-{part or self._people[identity].part}"
