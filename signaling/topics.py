"""Names of topics, and which notices make others superfluous."""

from signaling.messages import (
    BoardChanged,
    CallQuality,
    CallState,
    CaptionSaid,
    ChatMessage,
    ChatRead,
    ContextPartial,
    HelpState,
    ItineraryFound,
    LineState,
    NodeState,
    Notice,
    ParkedCalls,
    PresenceChanged,
    PresenceState,
    QueuesChanged,
    RoomItinerary,
    RoomMedia,
    RoomPhone,
    RoomQueue,
    RoomReaction,
    RoomReoffer,
    RoomShown,
    RoomSpeaker,
    RoomState,
    RoomWaiting,
    RoomWatched,
    TicketWritten,
    TypingNow,
    VisitorWaits,
    WrapUpState,
)

LINES = "lines"
QUEUES = "queues"
"""The queues of this node, for those who look at them."""
BOARD = "board"
"""Every running call, for supervisors who look at the live board."""


def board_of(teams: frozenset[str]) -> str:
    """The calls of these teams alone; of none: every one."""
    return f"{BOARD}:{'+'.join(sorted(teams))}" if teams else BOARD


def person(identity: str) -> str:
    """What concerns one person: their calls, their presence, their session."""
    return f"person:{identity}"


def team(name: str) -> str:
    """Who of this team is there, for those who watch it; of everybody where ``name`` is empty."""
    return f"team:{name}"


def is_of_node(topic: str) -> bool:
    """Is it about a node, and for its own people only? Its lines to telephones, its board, and what it makes itself of all it hears."""
    return topic in (LINES, QUEUES) or topic.startswith(("team:", BOARD))


def room(room_id: str) -> str:
    """What concerns everybody in a room."""
    return f"room:{room_id}"


def room_of(topic: str) -> str | None:
    """Which room's topic it is, where it is one's."""
    return topic.removeprefix("room:") if topic.startswith("room:") else None


def owner_of(topic: str) -> str | None:
    """Whose topic it is, where it is a person's."""
    return topic.removeprefix("person:") if topic.startswith("person:") else None


def superseding_key(notice: Notice) -> str | None:
    """Of two notices with the same key only the later one counts, because each is complete or its reader asks anew for what it missed.

    None where every one counts.
    """
    match notice:
        case CallState(call_id=call_id):
            return f"call:{call_id}"
        case CallQuality(call_id=call_id):
            return f"quality:{call_id}"
        case ContextPartial(call_id=call_id):
            return f"context:{call_id}"
        case TicketWritten(call_id=call_id, what=what, backend=backend, id=ticket_id, title=title):
            return f"ticket:{call_id}:{what}:{backend}:{title or ticket_id}"
        case ParkedCalls(node=node):
            return f"parked:{node}"
        case BoardChanged():
            return "board"
        case QueuesChanged():
            return "queues"
        case WrapUpState():
            return "wrap_up"
        case HelpState():
            return "help"
        case PresenceState(identity=identity):
            return f"presence:{identity}"
        case LineState(trunk=trunk):
            return f"line:{trunk}"
        case RoomState(room_id=room_id):
            return f"room:{room_id}"
        case RoomWaiting(room_id=room_id):
            return f"waiting:{room_id}"
        case RoomQueue(room_id=room_id):
            return f"queue:{room_id}"
        case RoomMedia(room_id=room_id):
            return f"media:{room_id}"
        case RoomPhone(room_id=room_id):
            return f"phone:{room_id}"
        case RoomItinerary(room_id=room_id):
            return f"itinerary:{room_id}"
        case ItineraryFound(room_id=room_id, ref=ref):
            return f"itinerary_found:{room_id}:{ref}"
        case RoomSpeaker(room_id=room_id):
            return f"speaker:{room_id}"
        case RoomShown(room_id=room_id):
            return f"shown:{room_id}"
        case RoomReoffer(room_id=room_id):
            return f"reoffer:{room_id}"
        case RoomWatched(room_id=room_id, track=track):
            return f"watched:{room_id}:{track}"
        case VisitorWaits(room_id=room_id):
            return f"visitor:{room_id}"
        case ChatMessage(room_id=room_id, message_id=message_id):
            return f"chat:{room_id}:{message_id}"
        case ChatRead(room_id=room_id, identity=identity):
            return f"read:{room_id}:{identity}"
        case TypingNow(room_id=room_id):
            return f"typing:{room_id}"
        case CaptionSaid(room_id=room_id, by=by, line_id=line_id):
            return f"caption:{room_id}:{by}:{line_id}"
        case NodeState():
            return "node"
        case PresenceChanged():
            return None
    return None


def is_volatile(notice: Notice) -> bool:
    """May it be left out for a slow reader, and is it worthless after a reconnect? What is known of a caller, or of who is consulted, is
    asked for anew then, and nothing of it is kept for replay."""
    return isinstance(
        notice,
        CallQuality
        | ContextPartial
        | ItineraryFound
        | BoardChanged
        | QueuesChanged
        | PresenceChanged
        | RoomReaction
        | RoomSpeaker
        | TypingNow
        | CaptionSaid,
    )
