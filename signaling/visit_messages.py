"""What a visitor of somebody's site says in their call to a queue, and what is said to agents and visitors beside a chat.

A visitor has a guest's token that names one queue (``POST /api/v1/visits``) and reaches nothing but the calls begun with it. A chat is an
ordinary room, which the visitor enters as every guest does.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.message_bases import Id, Notice, Request

Digits = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9*#]+$")]


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """What a visitor says of themselves: shown as that, believed by nobody. ``page``: where the button is, without its query."""

    name: Annotated[str, Meta(max_length=80)] = ""
    reason: Annotated[str, Meta(max_length=300)] = ""
    page: Annotated[str, Meta(max_length=300)] = ""


class VisitCall(Request, frozen=True, tag="visit.call"):
    """Call the queue that my token names. ``chat``: the link of my chat, whose agent then has the call if they are free. Result:
    ``VisitCalled``; ``visit.state`` follows."""

    said: Said = Said()
    chat: Annotated[str, Meta(max_length=2048)] = ""


class VisitOffer(Request, frozen=True, tag="visit.offer"):
    """The browser's SDP offer for my call, as ``peer.offer``. Result: ``PeerAnswer``."""

    call_id: Id
    peer_id: Id
    sdp: Annotated[str, Meta(min_length=1, max_length=61_440)]


class VisitDigits(Request, frozen=True, tag="visit.digits"):
    """I press these keys. Result: ``{}``."""

    call_id: Id
    digits: Digits


class VisitHangUp(Request, frozen=True, tag="visit.hang_up"):
    """I end my call. Result: ``{}``, also when it is over."""

    call_id: Id


class InviteVisitor(Request, frozen=True, tag="visit.invite"):
    """Ask the visitors of this room, in which I write with them, to call me. Result: ``{}``."""

    room_id: Id


class VisitCalled(Struct, frozen=True):
    call_id: str


class VisitState(Notice, frozen=True, tag="visit.state"):
    """How a visitor's call stands, complete each time. ``position``: in the queue, from 1; 0 where it waits in none. ``wait_s``: how long
    that is likely to take, null where nobody knows. ``reason``: why it ended, as in ``call.state``."""

    call_id: str
    state: Literal["waiting", "ringing", "talking", "held", "ended"]
    position: int = 0
    wait_s: float | None = None
    reason: str = ""


class VisitorWaits(Notice, frozen=True, tag="visit.waits"):
    """Does the visitor of a chat into which I was asked still wait for somebody of the house? Until this says otherwise they do.
    ``by``: the name of who is with them; empty where the visitor went away, and where the chat is over."""

    room_id: str
    waits: bool
    by: str = ""


class VisitInvited(Notice, frozen=True, tag="visit.invited"):
    """Whom I write with would rather talk with me: I may call now."""

    room_id: str
    name: str
