"""What receivers of webhooks are told: LiveKit's body (``event``, ``id``, ``createdAt``, ``room``, ``participant``), and calls of ours."""

from collections.abc import Callable

from msgspec import Struct

from api.happenings import Happening
from api.rooms import RoomEvent
from api.store import StoredVoicemail
from pbx.trunk import StatusChanged
from rooms.flows.conditions import FactValue
from rooms.record import CallRecord


class RoomNow(Struct, frozen=True, rename="camel"):
    """As in LiveKit's ``Room``. ``creation_time`` in whole seconds."""

    sid: str
    name: str
    metadata: str
    num_participants: int
    max_participants: int
    creation_time: int


class Participant(Struct, frozen=True):
    identity: str
    name: str


class Call(Struct, frozen=True, rename="camel"):
    call_id: str
    direction: str
    caller: str
    called: str
    agent: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    reason: str | None


class Voicemail(Struct, frozen=True, rename="camel"):
    voicemail_id: str
    box: str
    call_id: str
    caller: str
    caller_name: str
    left_at: float
    duration_s: float


class Body(Struct, frozen=True, rename="camel", omit_defaults=True):
    """At most one of ``room``, ``call``, ``line``, ``voicemail`` and ``facts`` is there."""

    event: str
    id: str
    created_at: int
    room: RoomNow | None = None
    participant: Participant | None = None
    call: Call | None = None
    reason: str = ""
    line: str = ""
    voicemail: Voicemail | None = None
    facts: dict[str, FactValue] | None = None


def body_of_happening(happening: Happening) -> Body:
    """By its kind, as in ``api/happenings.py``: ``call.missed``, ``ticket.opened``, ..."""
    return Body(event=happening.kind, id=happening.happening_id, created_at=int(happening.at), facts=dict(happening.facts))


def body_of_room(event: RoomEvent) -> Body:
    room = event.room
    return Body(
        event=event.event,
        id=event.event_id,
        created_at=int(event.at),
        room=RoomNow(
            sid=room.room_id,
            name=room.name,
            metadata=room.metadata,
            num_participants=sum(1 for _ in room.present()),
            max_participants=room.capacity,
            creation_time=int(room.created_s),
        ),
        participant=Participant(event.identity, event.name) if event.identity else None,
        reason=event.reason,
    )


def body_of_call(record: CallRecord, to_epoch: Callable[[float], float], now: float) -> Body:
    """A call as it was just recorded: ``call_started``, ``call_answered`` or ``call_ended``."""
    event = "call_ended" if record.ended_s is not None else "call_answered" if record.answered_s is not None else "call_started"
    call = Call(
        call_id=record.call_id,
        direction=record.direction,
        caller=record.caller,
        called=record.called,
        agent=record.agent,
        started_at=to_epoch(record.started_s),
        answered_at=None if record.answered_s is None else to_epoch(record.answered_s),
        ended_at=None if record.ended_s is None else to_epoch(record.ended_s),
        reason=record.cause.reason.value if record.cause else None,
    )
    return Body(event=event, id=f"{record.call_id}-{event}", created_at=int(now), call=call)


def body_of_suspension(identity: str, why: str, now: float) -> Body:
    """Somebody's calls to public numbers were stopped."""
    event = "calls_suspended"
    return Body(event=event, id=f"{identity}-{event}-{now:.3f}", created_at=int(now), participant=Participant(identity, ""), reason=why)


def body_of_line(event: StatusChanged, now: float) -> Body:
    """A telephone line went down, or is up again: ``line_down`` or ``line_up``."""
    what = "line_up" if event.status.ready else "line_down"
    return Body(event=what, id=f"{event.trunk}-{what}-{now:.3f}", created_at=int(now), reason=event.status.detail, line=event.trunk)


def body_of_voicemail(left: StoredVoicemail, now: float) -> Body:
    """A caller left a message: ``voicemail_left``."""
    event = "voicemail_left"
    voicemail = Voicemail(left.voicemail_id, left.box, left.call_id, left.caller, left.caller_name, left.left_at, left.duration_s)
    return Body(event=event, id=f"{left.voicemail_id}-{event}", created_at=int(now), voicemail=voicemail)
