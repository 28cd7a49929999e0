"""Whether a call is being recorded, and the table that says how that may change.

Theory. A call's recording consists of parts, one file each: a part ends with the worker that wrote it or with a disk that refused, and the
next one goes on from there. The states are those that people are shown; whether a part is open at the moment is beside them, because a
pause may outlive its part.

    OFF --ANNOUNCE--> ANNOUNCING --START--> RECORDING: where consent is asked for by a sentence, nothing is kept before it was said whole
        Where the sentence is a question, START is taken when they press the key that agrees; the other key, and silence, is STOP
    OFF --START--> RECORDING: where it needs no sentence, or was said in this call already
    RECORDING --PAUSE--> PAUSED --RESUME--> RECORDING: card data; nothing is kept, and no part begins anew, until somebody resumes
    RECORDING --BREAK--> FAILED --START--> RECORDING: the call goes on unrecorded, and it is tried again after a while

STOP leads from every state to OFF. A step that the table does not know is not taken: for a person it is no fault to pause what is paused.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class RecordingState(StrEnum):
    """As people are shown it."""

    OFF = "off"
    ANNOUNCING = "announcing"
    RECORDING = "recording"
    PAUSED = "paused"
    FAILED = "failed"


class RecordingAction(StrEnum):
    """What a person may ask."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    REFUSE = "refuse"
    """The other side does not agree: what was kept is erased."""


class RecordingStep(Enum):
    ANNOUNCE = auto()
    START = auto()
    PAUSE = auto()
    RESUME = auto()
    BREAK = auto()
    STOP = auto()


_S, _T = RecordingState, RecordingStep
RECORDING_TABLE: dict[tuple[RecordingState, RecordingStep], RecordingState] = {
    (_S.OFF, _T.ANNOUNCE): _S.ANNOUNCING,
    (_S.OFF, _T.START): _S.RECORDING,
    (_S.ANNOUNCING, _T.START): _S.RECORDING,
    (_S.ANNOUNCING, _T.PAUSE): _S.PAUSED,
    (_S.ANNOUNCING, _T.BREAK): _S.FAILED,
    (_S.RECORDING, _T.PAUSE): _S.PAUSED,
    (_S.RECORDING, _T.BREAK): _S.FAILED,
    (_S.PAUSED, _T.RESUME): _S.RECORDING,
    (_S.PAUSED, _T.ANNOUNCE): _S.ANNOUNCING,
    (_S.PAUSED, _T.START): _S.RECORDING,
    (_S.FAILED, _T.ANNOUNCE): _S.ANNOUNCING,
    (_S.FAILED, _T.START): _S.RECORDING,
    (_S.FAILED, _T.PAUSE): _S.PAUSED,
    **{(state, _T.STOP): _S.OFF for state in RecordingState if state is not _S.OFF},
}


@dataclass(slots=True)
class CallRecording:
    """``part``: how many parts were begun; ``open``: is the last one still open? ``announced``: the sentence was said whole. ``agreed``:
    the leg of the other side that was asked and said yes.

    ``stopped``: somebody who may do so ended it, so that it does not begin again by itself. ``erased``: how many parts are erased, because
    the other side did not agree. ``failures``: attempts in a row that came to nothing.
    """

    state: RecordingState = RecordingState.OFF
    part: int = 0
    open: bool = False
    leg_id: str = ""
    """Whose leg it is that the last part keeps."""
    announced: bool = False
    agreed: str = ""
    refused: bool = False
    """Somebody who speaks for the other side said so."""
    stopped: bool = False
    erased: int = 0
    failures: int = 0

    def take(self, step: RecordingStep) -> bool:
        """Take a step; False where the table has none."""
        to = RECORDING_TABLE.get((self.state, step))
        self.state = to or self.state
        return to is not None
