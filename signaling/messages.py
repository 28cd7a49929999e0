"""Every message between page and server, as versioned msgspec structs: the one list of what may be said.

Requests (page to server) are Socket.IO events named by their ``tag`` and are acknowledged with ``{"ok": result}`` or
``{"error": {"code", "message", "retry_after"}}``. Notices (server to page) are sent as ``{"topic", "seq", "type", ...}`` under the one
Socket.IO event ``notice``; ``seq`` counts up by one per topic, so that a client that reconnects can say what it saw last. Unknown
fields, unknown events and values out of range are refused on the way in. Times are seconds since the epoch, fractions 0-1.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

PROTOCOL_VERSION = 1

Identity = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._@-]+$")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Sdp = Annotated[str, Meta(min_length=1, max_length=61_440)]


class Request(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of what a page may ask."""


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/sign-in``; the answer is a ``Session``."""

    user: Identity
    password: Annotated[str, Meta(min_length=1, max_length=256)]
    code: Annotated[str, Meta(max_length=32)] = ""
    """Of the second factor, or a recovery code; where it is missing and needed, ``second_factor_required`` says so."""


class IceServer(Struct, frozen=True):
    """One entry of ``RTCConfiguration.iceServers``, as W3C names it: a TURN server, with credentials that expire by themselves."""

    urls: list[str]
    username: str
    credential: str


class Session(Struct, frozen=True):
    """A short-lived token to connect with; renewed in the open connection by ``session.refresh``."""

    token: str
    identity: str
    name: str
    role: str
    expires_at: float
    """On the server's clock."""
    expires_in: float
    """Seconds from now until then: a page whose clock differs counts these on its own."""
    ice_servers: list[IceServer] = []
    """Relays for pages whose network lets no UDP through."""


class RefreshSession(Request, frozen=True, tag="session.refresh"):
    """Result: ``Session``."""


class SetPresence(Request, frozen=True, tag="presence.set"):
    """May calls be offered to me? Result: ``{}``."""

    available: bool


class Dial(Request, frozen=True, tag="call.dial"):
    """Call a number. Result: ``CallRef``; progress comes as ``call.state`` notices."""

    number: Annotated[str, Meta(min_length=1, max_length=64)]


class Accept(Request, frozen=True, tag="call.accept"):
    call_id: Id


class Decline(Request, frozen=True, tag="call.decline"):
    call_id: Id


class HangUp(Request, frozen=True, tag="call.hang_up"):
    call_id: Id


class Mute(Request, frozen=True, tag="call.mute"):
    call_id: Id
    muted: bool


class Hold(Request, frozen=True, tag="call.hold"):
    call_id: Id
    held: bool


class Digits(Request, frozen=True, tag="call.digits"):
    """Keys of the pad, in order."""

    call_id: Id
    digits: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9*#A-D]+$")]


class Record(Request, frozen=True, tag="call.record"):
    """Begin, pause (nothing is kept: card data), go on with or end the recording of a call of mine; of any call for a supervisor.

    ``refuse``: the other side does not agree; what was kept of this call is erased, and it does not begin again by itself.
    """

    call_id: Id
    action: Literal["start", "pause", "resume", "stop", "refuse"]


class PeerOffer(Request, frozen=True, tag="peer.offer"):
    """The browser's SDP offer for its leg of this call; again after a reload, an ICE restart or ``peer.reoffer``. Result: ``PeerAnswer``.

    ``peer_id`` is drawn by the page for each new RTCPeerConnection: the same id again is a new offer of the same connection, another id
    takes the leg over (page reload).
    """

    call_id: Id
    peer_id: Id
    sdp: Sdp


class PeerCandidate(Request, frozen=True, tag="peer.candidate"):
    """A trickled ICE candidate. We are ICE-lite and learn addresses from checks, so it is validated, counted and otherwise unused."""

    call_id: Id
    peer_id: Id
    candidate: Annotated[str, Meta(max_length=512)]


class WatchBoard(Request, frozen=True, tag="board.watch"):
    """Show me the live board. Result: ``BoardNow``, and ``board.changed`` notices while the page asks again in time."""


class CallMe(Request, frozen=True, tag="demo.call_me"):
    """Let the demo line ring me. Refused outside the demo. Result: ``{}``."""


AnyRequest = (
    RefreshSession
    | SetPresence
    | Dial
    | Accept
    | Decline
    | HangUp
    | Mute
    | Hold
    | Digits
    | Record
    | PeerOffer
    | PeerCandidate
    | CallMe
    | WatchBoard
)


class CallRef(Struct, frozen=True):
    call_id: str


class PeerAnswer(Struct, frozen=True):
    sdp: str


class BoardLeg(Struct, frozen=True):
    """One leg's last second, both ways: what came from it (``loss`` ... ``cause``) and what it hears of us, as it says itself.

    ``side``: ``agent`` or ``phone``. ``far_loss`` is what gets lost on the way from us to it. Each MOS has its scale beside it.
    """

    side: str
    codec: str
    round_trip_ms: float | None
    loss: float | None
    jitter_ms: float | None
    mos: float | None
    scale: str
    cause: str
    far_loss: float | None
    far_jitter_ms: float | None
    far_mos: float | None
    far_scale: str
    far_cause: str


class BoardCall(Struct, frozen=True):
    """A running call, complete each time. ``hop``: where it is bad now (``browser_to_us``, ...), "" where it is not; ``cause``: why."""

    call_id: str
    direction: str
    state: str
    number: str
    name: str
    agent: str
    held: bool
    started_at: float
    answered_at: float | None
    legs: list[BoardLeg]
    hop: str
    cause: str
    recording: str = "off"
    """As in ``CallState``."""


class BoardNow(Struct, frozen=True):
    """``total``: calls that run, also those for which the board has no room."""

    at: float
    total: int
    calls: list[BoardCall]


class Error(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: ``code`` for the program, ``message`` (whose fault, what to do) for the person."""

    code: str
    message: str
    retry_after: float | None = None


class Notice(Struct, frozen=True, tag_field="type"):
    """Base of what the server tells. ``topic`` and ``seq`` are added by the hub."""


class CallState(Notice, frozen=True, tag="call.state"):
    """A call as it now stands, complete each time. ``state``: dialing, ringing, answering, live, ended."""

    call_id: str
    direction: str
    state: str
    number: str
    name: str
    agent: str
    muted: bool
    held: bool
    held_by_other: bool
    agent_connected: bool
    started_at: float
    answered_at: float | None
    ended_at: float | None
    reason: str | None
    """Our end reason (``busy``, ``no_answer``, ...) once ended."""
    detail: str | None
    """A sentence in English for the tooltip and the log; the page words the reason itself."""
    codecs: dict[str, str] = msgspec.field(default_factory=dict)
    """``{"agent": "opus", "phone": "g722"}`` once known."""
    recording: str = "off"
    """``off``, ``announcing``, ``recording``, ``paused`` (nothing is kept) or ``failed`` (it is tried again after a while)."""


class LegQuality(Struct, frozen=True):
    """One leg in the last second, as the server sees what it receives from that side. None where not measured."""

    side: str
    """``agent`` or ``phone``."""
    packets: int
    loss: float | None
    jitter_ms: float | None
    round_trip_ms: float | None
    discarded: int
    concealed_ms: float
    level_dbfs: float | None
    r: float | None
    mos: float | None
    scale: str
    """``nb``, ``wb`` or ``fb``: never compare across scales."""
    cause: str
    """``good``, ``loss``, ``jitter``, ``delay``, ``silent``, ``unclassified``."""
    speech: float | None = None
    """Fraction of the second in which somebody spoke."""
    noise_dbfs: float | None = None
    echo_return_loss_db: float | None = None
    """How much softer than what that side heard its echo comes back."""
    echo_return_loss_enhancement_db: float | None = None
    """How much of that echo the server takes away."""


class CallQuality(Notice, frozen=True, tag="call.quality"):
    call_id: str
    at: float
    legs: list[LegQuality]


class CallDigit(Notice, frozen=True, tag="call.digit"):
    """The other side pressed a key."""

    call_id: str
    digit: str


class BoardChanged(Notice, frozen=True, tag="board.changed"):
    """What changed on the live board in the last second. Where ``seq`` shows that one was missed, ask for everything anew."""

    at: float
    total: int
    calls: list[BoardCall]
    gone: list[str]
    """Calls that ended."""


class PeerReoffer(Notice, frozen=True, tag="peer.reoffer"):
    """Please send a new offer: the server wants another codec or found the media path dead."""

    call_id: str
    ice_restart: bool


class PresenceState(Notice, frozen=True, tag="presence.state"):
    identity: str
    name: str
    online: bool
    available: bool


class LineState(Notice, frozen=True, tag="line.state"):
    """Is the telephone line up? ``detail`` says whose fault it is and what to do where not."""

    trunk: str
    ready: bool
    detail: str


class Snapshot(Notice, frozen=True, tag="session.snapshot"):
    """First notice after each connect: everything the page needs to draw itself.

    The hub adds ``seen``, ``{topic: seq}``: what the snapshot already contains. Where the client's own ``seen`` (in the ``auth`` of its
    connect, ``{"token", "seen"}``) was recent enough, what it missed follows.
    """

    version: int
    server_version: str
    now: float
    identity: str
    name: str
    role: str
    available: bool
    demo: bool
    calls: list[CallState]
    lines: list[LineState]
    recent: list[CallState]
    """Last calls of this person, newest first."""


class SessionClosing(Notice, frozen=True, tag="session.closing"):
    """Last notice before the server disconnects: why, and what to do. With ``retry_after`` connect again by yourself after that long."""

    code: str
    message: str
    retry_after: float | None = None


AnyNotice = CallState | CallQuality | CallDigit | BoardChanged | PeerReoffer | PresenceState | LineState | Snapshot | SessionClosing
