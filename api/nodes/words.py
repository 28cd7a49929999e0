"""What nodes say to one another, through the bus, as JSON."""

from msgspec import Raw, Struct

from api.board import BoardSummary
from api.identity.sessions import Ended
from api.room_questions import AnyRoomQuestion
from rooms.presence import Facts
from signaling import messages as wire
from signaling.grants import Grant


class Word(Struct, frozen=True, tag_field="word"):
    """Base of what nodes say to one another. ``token``: the fencing token of this life of the sender."""

    token: int


class Alive(Word, frozen=True, tag="alive"):
    number: int


class Changed(Word, frozen=True, tag="changed"):
    number: int
    people: dict[str, Facts]


class Everything(Word, frozen=True, tag="everything"):
    number: int
    people: dict[str, Facts]


class TellAll(Word, frozen=True, tag="tell_all"):
    """Please say everything that you know."""


class Leaving(Word, frozen=True, tag="leaving"):
    pass


class Ask(Word, frozen=True, tag="ask"):
    """``room_id``: it is about this room, which you hold."""

    ask_id: str
    grant: Grant
    request: wire.AnyRequest | AnyRoomQuestion
    room_id: str = ""


class AskCalls(Word, frozen=True, tag="ask_calls"):
    """Which calls do you have for this person?"""

    ask_id: str
    identity: str


class RoomOver(Word, frozen=True, tag="room_over"):
    room_id: str


class BoardWanted(Word, frozen=True, tag="board_wanted"):
    """Our live board is watched: tell us of your calls, of all of them now where ``whole``."""

    whole: bool


class BoardTold(Word, frozen=True, tag="board_told"):
    summary: BoardSummary


class Answer(Word, frozen=True, tag="answer"):
    ask_id: str
    result: Raw = Raw(b"null")
    error: wire.Error | None = None


class Revoked(Word, frozen=True, tag="revoked"):
    ended: list[Ended]


class Handled(Word, frozen=True, tag="handled"):
    """This person's calls are to be handled otherwise: read it anew."""

    identity: str


class Skilled(Word, frozen=True, tag="skilled"):
    """What this person can is another thing now: read it anew."""

    identity: str


class AskHealth(Word, frozen=True, tag="ask_health"):
    """How are you?"""

    ask_id: str


class AskAlerts(Word, frozen=True, tag="ask_alerts"):
    """Which alerts of yours is who has these teams told of?"""

    ask_id: str
    teams: list[str]


class SeeAlert(Word, frozen=True, tag="see_alert"):
    """Who has these teams sees to this alert, or puts it off until then (seconds since the epoch)."""

    ask_id: str
    teams: list[str]
    alert_id: str
    by: str
    until: float | None


class Renewed(Word, frozen=True, tag="renewed"):
    """A backend said that something changed about these people (handles), or about one whom it knows by this id."""

    backend: str
    handles: list[str]
    contact: str


class Planned(Word, frozen=True, tag="planned"):
    """The contact centre has a newer plan: read it."""


AboutPeople = Alive | Changed | Everything | TellAll | Leaving | Revoked | Handled | Skilled
OfCalls = Ask | AskCalls | RoomOver | BoardWanted | BoardTold | Planned | Renewed | AskAlerts | SeeAlert
AnyWord = AboutPeople | OfCalls | Answer | AskHealth
