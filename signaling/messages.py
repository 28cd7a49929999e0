"""Every message between page and server, as versioned msgspec structs: the one list of what may be said.

Requests (page to server) are Socket.IO events named by their ``tag`` and are acknowledged with ``{"ok": result}`` or
``{"error": {"code", "message", "retry_after"}}``. Notices (server to page) are sent as ``{"topic", "seq", "type", ...}`` under the one
Socket.IO event ``notice``; ``seq`` counts up by one per topic, so that a client that reconnects can say what it saw last. Unknown
fields, unknown events and values out of range are refused on the way in. Times are seconds since the epoch, fractions 0-1.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

# What others import from here is named here again.
from signaling.appointment_messages import AppointmentChanged as AppointmentChanged
from signaling.centre_messages import CallBackState as CallBackState
from signaling.centre_messages import CancelCallBack as CancelCallBack
from signaling.centre_messages import CentreCall as CentreCall
from signaling.centre_messages import ExtendWrapUp as ExtendWrapUp
from signaling.centre_messages import FinishWrapUp as FinishWrapUp
from signaling.centre_messages import QueueFigures as QueueFigures
from signaling.centre_messages import QueuesChanged as QueuesChanged
from signaling.centre_messages import QueuesNow as QueuesNow
from signaling.centre_messages import UndoWrapUp as UndoWrapUp
from signaling.centre_messages import VoicemailChanged as VoicemailChanged
from signaling.centre_messages import WatchQueues as WatchQueues
from signaling.centre_messages import WrapUpState as WrapUpState
from signaling.context_messages import ChooseContact as ChooseContact
from signaling.context_messages import CloseTicket as CloseTicket
from signaling.context_messages import ContextPartial as ContextPartial
from signaling.context_messages import GetContext as GetContext
from signaling.context_messages import GetNote as GetNote
from signaling.context_messages import MakeTicket as MakeTicket
from signaling.context_messages import NoteNow as NoteNow
from signaling.context_messages import TicketWritten as TicketWritten
from signaling.context_messages import WriteNote as WriteNote
from signaling.desk_messages import AskHelp as AskHelp
from signaling.desk_messages import CloseSoundCheck as CloseSoundCheck
from signaling.desk_messages import DayCall as DayCall
from signaling.desk_messages import HelpState as HelpState
from signaling.desk_messages import MyDay as MyDay
from signaling.desk_messages import OpenSoundCheck as OpenSoundCheck
from signaling.desk_messages import ReadDay as ReadDay
from signaling.desk_messages import ReportSound as ReportSound
from signaling.desk_messages import SoundChecked as SoundChecked
from signaling.desk_messages import SoundCheckOpened as SoundCheckOpened
from signaling.desk_messages import SoundWay as SoundWay
from signaling.house_messages import HouseTold as HouseTold
from signaling.itinerary_messages import FoundBooking as FoundBooking
from signaling.itinerary_messages import ItineraryBooking as ItineraryBooking
from signaling.itinerary_messages import ItineraryFound as ItineraryFound
from signaling.itinerary_messages import ItineraryStage as ItineraryStage
from signaling.itinerary_messages import LookUpItinerary as LookUpItinerary
from signaling.itinerary_messages import PointItinerary as PointItinerary
from signaling.itinerary_messages import ReadItinerary as ReadItinerary
from signaling.itinerary_messages import RoomItinerary as RoomItinerary
from signaling.itinerary_messages import SharedItinerary as SharedItinerary
from signaling.itinerary_messages import ShareItinerary as ShareItinerary
from signaling.itinerary_messages import UnshareItinerary as UnshareItinerary
from signaling.message_bases import Id as Id
from signaling.message_bases import Identity as Identity
from signaling.message_bases import Notice as Notice
from signaling.message_bases import Request as Request
from signaling.message_bases import RoomRequest as RoomRequest
from signaling.message_bases import Sdp as Sdp
from signaling.monitor_messages import CallMonitor as CallMonitor
from signaling.monitor_messages import Monitor as Monitor
from signaling.monitor_messages import TakeOver as TakeOver
from signaling.visit_messages import InviteVisitor as InviteVisitor
from signaling.visit_messages import Said as Said
from signaling.visit_messages import VisitCall as VisitCall
from signaling.visit_messages import VisitCalled as VisitCalled
from signaling.visit_messages import VisitDigits as VisitDigits
from signaling.visit_messages import VisitHangUp as VisitHangUp
from signaling.visit_messages import VisitInvited as VisitInvited
from signaling.visit_messages import VisitOffer as VisitOffer
from signaling.visit_messages import VisitorWaits as VisitorWaits
from signaling.visit_messages import VisitState as VisitState

PROTOCOL_VERSION = 1

CandidateType = Literal["host", "srflx", "prflx", "relay"]


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/sign-in``; the answer is a ``Session``."""

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
    reason: Annotated[str, Meta(max_length=64)] = ""
    """Of a break, for colleagues."""
    away: bool = False
    """I am not at my desk: nobody need wait for me, but calls ring all the same."""


class WatchPresence(Request, frozen=True, tag="presence.watch"):
    """Show me who is there, of my teams where I have any. Result: ``PresenceNow``, and ``presence.changed`` while I ask again in time."""


class Dial(Request, frozen=True, tag="call.dial"):
    """Call a number. Result: ``CallRef``; progress comes as ``call.state`` notices."""

    number: Annotated[str, Meta(min_length=1, max_length=64)]


class LookNumber(Request, frozen=True, tag="number.look"):
    """What is this number, and may I call it? Nothing is dialled or counted. Result: ``NumberSeen``."""

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


class Transfer(Request, frozen=True, tag="call.transfer"):
    """Give a call of mine to somebody else: to a ``number``, to a colleague (``agent``), or to whoever is free of a ``queue``. ``ask``: let
    me talk with them first, which with a queue is not possible.

    Without ``ask`` the call is no longer mine at once; it comes back to me where nobody answers. Result: ``{}``.
    """

    call_id: Id
    ask: bool
    number: Annotated[str, Meta(max_length=64)] = ""
    queue: Annotated[str, Meta(max_length=64)] = ""
    agent: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._@-]*$")] = ""


class TransferStep(Request, frozen=True, tag="call.transfer_step"):
    """With whom I asked first: ``swap`` whom I talk with, ``merge`` all three, ``complete`` (I leave it to the two), or ``cancel``."""

    call_id: Id
    action: Literal["swap", "merge", "complete", "cancel"]


class Park(Request, frozen=True, tag="call.park"):
    """Let a call of mine wait, with music, until somebody picks it up. ``slot``: where; 0: in the lowest place that is free."""

    call_id: Id
    slot: Annotated[int, Meta(ge=0, le=999)] = 0


class PickUp(Request, frozen=True, tag="call.pick_up"):
    """Take a parked call of my team."""

    call_id: Id


class ReadHandling(Request, frozen=True, tag="handling.read"):
    """What becomes of calls to me while I cannot or do not want to answer. Result: ``CallHandling``."""


ForwardTo = Annotated[str, Meta(max_length=64)]
"""A number as one dials it, or ``@`` and the identity of a colleague; empty: nowhere."""


class SetHandling(Request, frozen=True, tag="handling.set"):
    """Set all of it. Result: ``CallHandling``, with numbers as they were understood."""

    do_not_disturb: bool = False
    always: ForwardTo = ""
    busy: ForwardTo = ""
    no_answer: ForwardTo = ""
    offline: ForwardTo = ""
    no_answer_s: Annotated[float, Meta(ge=5, le=120)] = 20.0


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


class PeerPath(Request, frozen=True, tag="peer.path"):
    """Which pair of candidates my browser uses from now on for this call: of what kind and by what, never where it is.

    ``local``: my side's candidate, ``remote``: the server's as I see it. ``relay``: how I reach the relay; empty without one.
    ``network``: what the browser says that I am connected by.
    """

    call_id: Id
    peer_id: Id
    local: CandidateType
    remote: CandidateType
    protocol: Literal["udp", "tcp"]
    relay: Literal["", "udp", "tcp", "tls"] = ""
    family: Literal["ipv4", "ipv6", "unknown"] = "unknown"
    network: Literal["wifi", "cellular", "ethernet", "vpn", "unknown"] = "unknown"


class PeerHeadset(Request, frozen=True, tag="peer.headset"):
    """What my browser calls the microphone that I speak into in this call. Of it only make and model are kept, as far as they are known."""

    call_id: Id
    peer_id: Id
    label: Annotated[str, Meta(max_length=256)]


class WatchBoard(Request, frozen=True, tag="board.watch"):
    """Show me the live board. Result: ``BoardNow``, and ``board.changed`` notices while the page asks again in time."""


class CallMe(Request, frozen=True, tag="demo.call_me"):
    """Let the demo line ring me. Refused outside the demo. Result: ``{}``."""


# --- rooms that people come to -------------------------------------------------------------------------------------------------------

RoomName = Annotated[str, Meta(max_length=128)]
RoomMetadata = Annotated[str, Meta(max_length=4_096)]
RoomKind = Literal["meeting", "consultation", "group", "direct"]
RoomRole = Literal["host", "member", "guest"]
PersonName = Annotated[str, Meta(max_length=64)]
Emoji = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^\S+$")]
Capacity = Annotated[int, Meta(ge=2, le=1_000)]
EpochS = Annotated[float, Meta(ge=0, le=1e11)]


class Invited(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may come into a room without being asked again."""

    identity: Identity
    name: PersonName = ""
    role: RoomRole = "member"


class CreateRoom(RoomRequest, frozen=True, tag="room.create"):
    """A new room, of which I am the host. Result: ``RoomState``.

    ``direct``: with the one who is invited; asked for again it is the same room. ``starts_at`` and ``ends_at`` (both or none): an
    appointment, into which others come from ``early_s`` before until ``late_s`` after it. ``encrypted``: chat is ciphertext between pages;
    the server can neither search it nor make a ticket of it, and who joins later cannot read what was written before. Fixed for ever.
    """

    kind: RoomKind = "meeting"
    name: RoomName = ""
    metadata: RoomMetadata = ""
    capacity: Capacity | None = None
    waiting_room: bool = False
    encrypted: bool = False
    invited: Annotated[tuple[Invited, ...], Meta(max_length=200)] = ()
    starts_at: EpochS | None = None
    ends_at: EpochS | None = None
    early_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0
    late_s: Annotated[float, Meta(ge=0, le=86_400)] = 900.0
    expires_in: Annotated[float, Meta(gt=0, le=31 * 86_400)] | None = None
    """It is closed after so many seconds, whoever is in."""


class ListRooms(RoomRequest, frozen=True, tag="room.list"):
    """The rooms in which I am, those to which I am invited, and who waits for me to let them in. Result: ``RoomList``."""


class ListPeople(RoomRequest, frozen=True, tag="people.list"):
    """Everybody of the house, to whom I may write whether they are there or not. Result: ``Colleagues``."""


class ListPastRooms(RoomRequest, frozen=True, tag="room.past"):
    """The rooms that I was in and that are over, the last first; those that ended before a moment. Result: ``PastRoomList``.

    ``chat.history`` reads them until they are erased.
    """

    before: float | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class JoinRoom(RoomRequest, frozen=True, tag="room.join"):
    """Result: ``RoomJoined``. Who has to wait is told by ``room.state`` or ``room.exit`` how a host decided."""

    room_id: Id


class LeaveRoom(RoomRequest, frozen=True, tag="room.leave"):
    room_id: Id


class AdmitToRoom(RoomRequest, frozen=True, tag="room.admit"):
    """A host lets somebody in who waits, or sends them away."""

    room_id: Id
    identity: Identity
    admitted: bool = True


class InviteToRoom(RoomRequest, frozen=True, tag="room.invite"):
    """This person may come, with this role from now on."""

    room_id: Id
    identity: Identity
    name: PersonName = ""
    role: RoomRole = "member"


class LinkToRoom(RoomRequest, frozen=True, tag="room.link"):
    """A link by which guests come, with no name in it. Result: ``RoomLink``."""

    room_id: Id
    expires_in: Annotated[float, Meta(ge=60, le=31 * 86_400)] | None = None
    """Null: an appointment's until it is over, another's as long as the server's settings say."""


class ListLinks(RoomRequest, frozen=True, tag="room.links"):
    """By which links guests may still come. Result: ``RoomLinks``."""

    room_id: Id


class UnlinkRoom(RoomRequest, frozen=True, tag="room.unlink"):
    """Take a link back, or all of them: nobody comes by it any more, and who came by it is out."""

    room_id: Id
    link_id: Id | None = None


class KickFromRoom(RoomRequest, frozen=True, tag="room.kick"):
    """Out, and not in again unless invited."""

    room_id: Id
    identity: Identity


class LockRoom(RoomRequest, frozen=True, tag="room.lock"):
    room_id: Id
    locked: bool


class MoveToRoom(RoomRequest, frozen=True, tag="room.move"):
    """From one room into another; I am host of both."""

    room_id: Id
    identity: Identity
    to_room: Id


class UpdateRoom(RoomRequest, frozen=True, tag="room.update"):
    """What is not given stays as it is."""

    room_id: Id
    name: RoomName | None = None
    metadata: RoomMetadata | None = None
    capacity: Capacity | None = None
    waiting_room: bool | None = None


class EndRoom(RoomRequest, frozen=True, tag="room.end"):
    """For everybody; an appointment that has not begun is cancelled by it."""

    room_id: Id


class RaiseHand(RoomRequest, frozen=True, tag="hand.raise"):
    """Mine; a host lowers another's by naming them."""

    room_id: Id
    raised: bool
    identity: Annotated[str, Meta(max_length=64)] = ""


class React(RoomRequest, frozen=True, tag="reaction"):
    """Seen by everybody in the room for a moment."""

    room_id: Id
    emoji: Emoji


# --- sound and pictures of a consultation in which I am -------------------------------------------------------------------------------

Mid = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]
Track = Literal["camera", "screen"]


class MediaRequest(RoomRequest, frozen=True):
    """Base of what is asked about the sound and pictures of a consultation in which I am."""


class OfferToRoom(MediaRequest, frozen=True, tag="room.offer"):
    """My browser's SDP offer; again when tracks change, for an ICE restart, or after ``room.reoffer``. Result: ``PeerAnswer``.

    ``peer_id``: as in ``peer.offer``; another one takes my seat over (page reload). ``tracks``: what each sending video line shows, by mid.
    """

    room_id: Id
    peer_id: Id
    sdp: Sdp
    tracks: Annotated[dict[Mid, Track], Meta(max_length=2)] = msgspec.field(default_factory=dict)


class Tile(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that the page shows, and how high it is there in device pixels; 0 where it cannot be seen now."""

    identity: Identity
    track: Track
    height: Annotated[int, Meta(ge=0, le=8_192)]


class WatchRoom(MediaRequest, frozen=True, tag="room.watch"):
    """All the pictures that my page shows from now on, the most important first."""

    room_id: Id
    tiles: Annotated[tuple[Tile, ...], Meta(max_length=16)]


class RecordRoom(MediaRequest, frozen=True, tag="room.record"):
    """Hosts begin, pause (nothing is kept), go on with and end the recording of a consultation; whoever is in it agrees to be recorded or

    refuses, at any time: what was kept of them is erased then. Of whom nothing is known nothing is kept.
    """

    room_id: Id
    action: Literal["start", "pause", "resume", "stop", "agree", "refuse"]


class MicrophoneInRoom(MediaRequest, frozen=True, tag="room.microphone"):
    """Is mine on? The others see it. Result: ``RoomMedia``: who is heard and seen now."""

    room_id: Id
    on: bool


class MuteInRoom(MediaRequest, frozen=True, tag="room.mute"):
    """A host turns somebody's microphone off, for everybody; who is at a page may turn it on again, who is at a telephone may not."""

    room_id: Id
    identity: Identity
    muted: bool = True


class CallMeInRoom(RoomRequest, frozen=True, tag="room.call_me"):
    """Ring my telephone, by which I take part then; while I wait, as soon as I am let in. ``room.phone`` tells how that goes. Result:
    ``RoomPhone``.

    ``number``: empty for the one that the appointment was booked with. A number that has to be confirmed is asked for again.
    """

    room_id: Id
    number: Annotated[str, Meta(max_length=64)] = ""


class HangUpInRoom(RoomRequest, frozen=True, tag="room.hang_up"):
    """My telephone takes part no more, or need not ring."""

    room_id: Id


class CheckConnection(RoomRequest, frozen=True, tag="room.check"):
    """Before one comes in: my browser's offer for a test with the media plane that has the consultation; what it says comes back to it.

    It ends with ``room.checked``, or by itself after a while. Result: ``PeerAnswer``.
    """

    room_id: Id
    peer_id: Id
    sdp: Sdp


class FinishCheck(RoomRequest, frozen=True, tag="room.checked"):
    """What my page found out about its devices: a microphone, a camera, was the chime heard (null: not asked)?

    Hosts see it. ``round_trip_ms``, ``loss``: of the way to my page, as that measured them. Result: ``Checked``.
    """

    room_id: Id
    microphone: bool
    camera: bool
    heard: bool | None = None
    loss: Annotated[float, Meta(ge=0, le=1)] | None = None
    round_trip_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None


# --- chat ----------------------------------------------------------------------------------------------------------------------------


class ChatRequest(Request, frozen=True):
    """Base of what is asked about the chat of a room in which I am."""


class SendChat(ChatRequest, frozen=True, tag="chat.message"):
    """Result: ``ChatMessage``, once it is safely kept. The page draws ``message_id``; sent again it is the same message.

    ``cipher`` (``1.EPOCH.DEVICE.NONCE.WORDS.SIGNATURE``) instead of ``text`` in an encrypted room. ``attachments``: ids of files of mine
    that were uploaded to this room.
    """

    room_id: Id
    message_id: Id
    text: Annotated[str, Meta(max_length=8_192)] = ""
    cipher: Annotated[str, Meta(max_length=32_768, pattern=r"^[A-Za-z0-9+/_=.-]*$")] = ""
    reply_to: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    attachments: Annotated[tuple[Id, ...], Meta(max_length=20)] = ()


class EditChat(ChatRequest, frozen=True, tag="chat.edit"):
    """Result: ``ChatMessage``."""

    room_id: Id
    message_id: Id
    text: Annotated[str, Meta(max_length=8_192)] = ""
    cipher: Annotated[str, Meta(max_length=32_768, pattern=r"^[A-Za-z0-9+/_=.-]*$")] = ""


class DeleteChat(ChatRequest, frozen=True, tag="chat.delete"):
    """Mine, in time; a host's word deletes any at any time."""

    room_id: Id
    message_id: Id


class ReactToChat(ChatRequest, frozen=True, tag="chat.react"):
    room_id: Id
    message_id: Id
    emoji: Emoji
    on: bool = True


class ReadChat(ChatRequest, frozen=True, tag="chat.read"):
    """I have read up to this position."""

    room_id: Id
    position: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ChatHistory(ChatRequest, frozen=True, tag="chat.history"):
    """Result: ``ChatPage``: the last messages, or those before or after a position."""

    room_id: Id
    before: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ChatOverview(ChatRequest, frozen=True, tag="chat.overview"):
    """Of each room in which I am: its last message, and what I have not read. Result: ``ChatGists``."""


class Typing(ChatRequest, frozen=True, tag="typing.indicator"):
    """Said again every few seconds while it is true; it ends by itself."""

    room_id: Id
    on: bool


class SayCaption(RoomRequest, frozen=True, tag="caption.say"):
    """What somebody in this consultation says, written: one line, told again as it grows. ``line_id``: drawn by who writes it; ``done``: it
    changes no more; one without ``text`` is taken back. ``speaker``: whose words they are, mine where it is empty; only hosts, and who
    moderates, write for others. ``lang``: its language (BCP 47), or empty. All in the room are told (``caption.said``); nothing of it is
    kept. Not in encrypted rooms.
    """

    room_id: Id
    line_id: Id
    text: Annotated[str, Meta(max_length=500)]
    lang: Annotated[str, Meta(max_length=35, pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$")] = ""
    speaker: Annotated[str, Meta(max_length=64)] = ""
    done: bool = False


class AttachToChat(ChatRequest, frozen=True, tag="chat.attach"):
    """May I upload this file to this room? Result: ``UploadTicket``."""

    room_id: Id
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    content_type: Annotated[str, Meta(min_length=3, max_length=128, pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$")]
    size: Annotated[int, Meta(ge=1, le=2**31)]


# --- keys of encrypted rooms ---------------------------------------------------------------------------------------------------------

DeviceId = Annotated[str, Meta(min_length=32, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]
PublicKey = Annotated[str, Meta(min_length=87, max_length=87, pattern=r"^[A-Za-z0-9_-]+$")]
Signature = Annotated[str, Meta(min_length=86, max_length=86, pattern=r"^[A-Za-z0-9_-]+$")]
Wrapped = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9_.-]+$")]


class KeyRequest(ChatRequest, frozen=True):
    """Base of what is asked about devices and the keys of encrypted rooms. The server can open none of these keys."""


class AddDevice(KeyRequest, frozen=True, tag="device.add"):
    """This page's public keys, with which others wrap the keys of rooms for it. ``device_id``: 24 bytes of the SHA-256 of both.

    ``sign_key``: ECDSA, ``wrap_key``: ECDH, both over P-256, uncompressed. ``signature``: by the former over both and my identity.
    """

    device_id: DeviceId
    label: Annotated[str, Meta(max_length=64)]
    sign_key: PublicKey
    wrap_key: PublicKey
    signature: Signature


class ListDevices(KeyRequest, frozen=True, tag="device.list"):
    """Mine. Result: ``Devices``."""


class RemoveDevice(KeyRequest, frozen=True, tag="device.remove"):
    """One of mine reads no more: the next word in each encrypted room of mine goes under a key that it does not get."""

    device_id: DeviceId


class AskRoomKeys(KeyRequest, frozen=True, tag="room.keys"):
    """What this device of mine needs to read and write in an encrypted room. Result: ``RoomKeyState``. ``after``: an epoch."""

    room_id: Id
    device_id: DeviceId
    after: Annotated[int, Meta(ge=0, le=10**9)] = 0


class SetRoomKey(KeyRequest, frozen=True, tag="room.key"):
    """The key of the room's next epoch, wrapped (HPKE, RFC 9180) for each device of everybody who is in, and for no other.

    ``announcement``: JSON in base64url, signed by ``device_id``: it binds the key to the room, the epoch and the devices.
    """

    room_id: Id
    epoch: Annotated[int, Meta(ge=1, le=10**9)]
    device_id: DeviceId
    announcement: Annotated[str, Meta(min_length=1, max_length=4_096, pattern=r"^[A-Za-z0-9_-]+$")]
    signature: Signature
    packages: Annotated[dict[DeviceId, Wrapped], Meta(max_length=250)]


AnyRequest = (
    RefreshSession
    | SetPresence
    | WatchPresence
    | Dial
    | Accept
    | Decline
    | HangUp
    | Mute
    | Hold
    | Digits
    | Monitor
    | TakeOver
    | Transfer
    | TransferStep
    | Park
    | PickUp
    | ReadHandling
    | SetHandling
    | Record
    | PeerOffer
    | PeerCandidate
    | PeerPath
    | PeerHeadset
    | CallMe
    | WatchBoard
    | CreateRoom
    | ListRooms
    | ListPeople
    | ListPastRooms
    | JoinRoom
    | LeaveRoom
    | AdmitToRoom
    | InviteToRoom
    | LinkToRoom
    | ListLinks
    | UnlinkRoom
    | KickFromRoom
    | LockRoom
    | MoveToRoom
    | UpdateRoom
    | EndRoom
    | RaiseHand
    | React
    | OfferToRoom
    | WatchRoom
    | RecordRoom
    | MicrophoneInRoom
    | MuteInRoom
    | CallMeInRoom
    | HangUpInRoom
    | CheckConnection
    | FinishCheck
    | LookUpItinerary
    | ShareItinerary
    | PointItinerary
    | UnshareItinerary
    | ReadItinerary
    | SendChat
    | EditChat
    | DeleteChat
    | ReactToChat
    | ReadChat
    | ChatHistory
    | ChatOverview
    | Typing
    | SayCaption
    | AttachToChat
    | AddDevice
    | ListDevices
    | RemoveDevice
    | AskRoomKeys
    | SetRoomKey
    | WatchQueues
    | CancelCallBack
    | FinishWrapUp
    | ExtendWrapUp
    | UndoWrapUp
    | GetContext
    | ChooseContact
    | GetNote
    | WriteNote
    | MakeTicket
    | CloseTicket
    | LookNumber
    | OpenSoundCheck
    | CloseSoundCheck
    | AskHelp
    | ReportSound
    | ReadDay
    | VisitCall
    | VisitOffer
    | VisitDigits
    | VisitHangUp
    | InviteVisitor
)


class CallRef(Struct, frozen=True):
    call_id: str


class NumberSeen(Struct, frozen=True):
    """A number as it would be dialled."""

    display: str
    e164: str = ""
    """Empty where it is no public number."""
    region: str = ""
    """Its country's ISO code; empty where nobody knows."""
    kind: str = ""
    """``fixed``, ``mobile``, ``premium``, ``extension``, ``emergency`` and so on; empty where it is no number."""
    zone: str = ""
    """Its time zone, where it can lie in one alone."""
    code: str = ""
    """Why it cannot be called, as dialling it would be refused; empty where it can."""
    message: str = ""
    """The same in English, with what to do."""


class CallHandling(Struct, frozen=True):
    """As in ``SetHandling``."""

    do_not_disturb: bool
    always: str
    busy: str
    no_answer: str
    offline: str
    no_answer_s: float


class PeerAnswer(Struct, frozen=True):
    sdp: str


class PresenceNow(Struct, frozen=True):
    """Everybody who is there."""

    people: list["PresenceState"]


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
    level_dbfs: float | None = None
    """Of what came from it, where that is decoded."""


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
    monitors: list[CallMonitor] = msgspec.field(default_factory=list)
    """Supervisors in it."""
    queue: str = ""
    """Through which it came, or in which it waits."""


class BoardNode(Struct, frozen=True):
    """``load``: how many of its machine's processors are wanted, of those that it has, over a minute: from 1 on calls wait for another."""

    name: str
    calls: int
    load: float


class BoardAlert(Struct, frozen=True):
    """Something that is wrong now. ``kind``: ``round_trip``, ``jitter``, ``mos``, ``loss``, ``silent`` (of the ``hop`` of a call), or
    ``service_level``, ``wait``, ``nobody`` (of the queue ``subject``). ``worst``: the value furthest beyond its bound. ``help``: the agent
    ``subject`` asks for some; ``report``: says of the sound of a call ``what`` ``ReportSound`` has. Of these ``teams``: the agent's.
    """

    alert_id: str
    kind: str
    subject: str
    call_id: str
    hop: str
    since: float
    worst: float
    acknowledged_by: str = ""
    snoozed_by: str = ""
    snoozed_until: float = 0.0
    what: str = ""
    teams: list[str] = msgspec.field(default_factory=list)


class BoardNow(Struct, frozen=True):
    """``total``: calls that run, also those for which the board has no room."""

    at: float
    total: int
    calls: list[BoardCall]
    nodes: list[BoardNode] = msgspec.field(default_factory=list)
    alerts: list[BoardAlert] = msgspec.field(default_factory=list)


class Error(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: ``code`` for the program, ``message`` (whose fault, what to do) for the person."""

    code: str
    message: str
    retry_after: float | None = None


class CallParty(Struct, frozen=True):
    """Somebody else in a call. ``kind``: ``phone`` (``party`` is its number) or ``agent`` (an identity). Who is not ``there`` is called."""

    kind: str
    party: str
    there: bool
    held: bool


class CallMove(Struct, frozen=True):
    """What is being done with a call. ``state``: ``calling`` (a transfer with asking first), ``consulting``, ``sent`` (blind),
    ``referred`` (the telephone system does it), ``obeyed`` (the other side's wish), ``forwarded``, ``parked``, ``returning``, ``guided``
    (by a flow), ``waiting`` (in a queue). ``why``: for what reason it came back; ``slot``: where it is parked, 0: nowhere.
    """

    state: str
    by: str
    target: str
    slot: int
    why: str | None
    since: float


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
    came: str = ""
    """How it came to me where a colleague brought it: ``transfer``, ``consultation``, ``return``, ``forward``, ``pick_up``; ``by`` whom.
    ``queue``: from a queue; ``call_back``: somebody asked to be called, whom accepting it calls."""
    by: str = ""
    owned: bool = False
    """Is it mine to hold, transfer and end? Else I only take part, or it rings."""
    parties: list[CallParty] = msgspec.field(default_factory=list)
    """Who else takes part, or is called for it."""
    move: CallMove | None = None
    note: str | None = None
    """Why the last transfer of it came to nothing, as an end reason."""
    private: bool = False
    """The caller does not want the number to be known."""
    verified: bool = True
    """Somebody trusted vouches for the caller's number."""
    centre: CentreCall | None = None
    """Where it came through a flow or a queue."""
    mode: str = ""
    """How I monitor it, which is somebody else's: ``listen``, ``whisper``, ``barge``; empty where I take part, or it rings."""
    monitors: list[CallMonitor] = msgspec.field(default_factory=list)
    """Supervisors in it, beside me, as far as the server's settings let me know."""


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


class ParkedCall(Struct, frozen=True):
    """A call that waits to be picked up. ``by``: who parked it; ``since``: when."""

    slot: int
    call_id: str
    number: str
    name: str
    by: str
    since: float


class ParkedCalls(Notice, frozen=True, tag="call.parked"):
    """The parked calls of one node that I may pick up, complete each time."""

    node: str
    calls: list[ParkedCall]


class CallDigit(Notice, frozen=True, tag="call.digit"):
    """The other side pressed a key. ``•``: which one is told to nobody, because the recording is paused."""

    call_id: str
    digit: str


class BoardChanged(Notice, frozen=True, tag="board.changed"):
    """What changed on the live board in the last second; every two seconds where nothing has, so that a board that stands still is known.
    Where ``seq`` shows that one was missed, ask for everything anew."""

    at: float
    total: int
    calls: list[BoardCall]
    gone: list[str]
    """Calls that ended."""
    nodes: list[BoardNode] = msgspec.field(default_factory=list)
    alerts: list[BoardAlert] | None = None
    """All that are open, where any is new, over, or looks otherwise."""


class PeerReoffer(Notice, frozen=True, tag="peer.reoffer"):
    """Please send a new offer: the server wants another codec or found the media path dead."""

    call_id: str
    ice_restart: bool


class PresenceState(Notice, frozen=True, tag="presence.state"):
    """A person as all nodes together see them. To oneself as soon as one said something else on another page."""

    identity: str
    name: str
    online: bool
    """Is a page open that calls ring at?"""
    available: bool
    """Do they take calls? Their own word."""
    presence: str = "offline"
    """``online``, ``away`` or ``offline``: are they there?"""
    state: str = "offline"
    """``available``, ``ringing``, ``on_call``, ``wrap_up``, ``consulting``, ``break`` or ``offline``: may calls be offered to them now?"""
    reason: str = ""
    """Of the break."""
    phones: int = 0
    """Open pages that calls ring at."""
    pages: int = 0
    """Other open pages."""


class PresenceChanged(Notice, frozen=True, tag="presence.changed"):
    """Who looks otherwise since the last one, at most one a second. Where ``seq`` shows that one was missed, ask for everything anew."""

    people: list[PresenceState]


class NodeState(Notice, frozen=True, tag="node.state"):
    """``alone``: this server does not hear the others now: it shows its own people and calls only, which go on."""

    node: str
    alone: bool


class LineState(Notice, frozen=True, tag="line.state"):
    """Is the telephone line up? ``detail`` says whose fault it is and what to do where not."""

    trunk: str
    ready: bool
    detail: str


# --- rooms and chat ------------------------------------------------------------------------------------------------------------------


class RoomMember(Struct, frozen=True):
    """``state``: in, away (their connection is lost, their seat is kept for a while). ``hand_at``: since when their hand is up."""

    identity: str
    name: str
    role: str
    state: str
    hand_at: float | None


class RoomState(Notice, frozen=True, tag="room.state"):
    """A room as it now stands, complete each time. ``state``: planned, open; how it ends is told to each by ``room.exit``."""

    room_id: str
    kind: str
    name: str
    metadata: str
    state: str
    capacity: int
    locked: bool
    waiting_room: bool
    encrypted: bool
    starts_at: float | None
    ends_at: float | None
    expires_at: float | None
    members: list[RoomMember]


class Checked(Struct, frozen=True):
    """What a test before coming in found. ``verdict``: ``good``, ``fair``, ``poor``; ``none``: nothing came through; empty: not tried.

    ``cause``: what costs most, ``loss``, ``delay``, ``jitter`` or ``silent`` (the microphone says nothing); empty where nothing does.
    Fractions are 0-1; None: not measured. ``microphone``, ``camera``: are there such; ``heard``: the chime.
    """

    verdict: str = ""
    cause: str = ""
    mos: float | None = None
    scale: str = ""
    loss: float | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    microphone: bool = False
    camera: bool = False
    heard: bool | None = None


class Waiting(Struct, frozen=True):
    """``checked``: what their test found, where they made one."""

    identity: str
    name: str
    since: float
    checked: Checked | None = None


class RoomWaiting(Notice, frozen=True, tag="room.waiting"):
    """For hosts: who waits to be let in, complete each time."""

    room_id: str
    waiting: list[Waiting]


class HostSeen(Struct, frozen=True):
    """``here``: in the room; ``told``: a page of theirs is open, and shows who waits."""

    name: str
    here: bool
    told: bool


class RoomQueue(Notice, frozen=True, tag="room.queue"):
    """For who waits: how many knocked before and are to be let in first, since when this person waits, and who may let them in."""

    room_id: str
    ahead: int
    since: float
    hosts: list[HostSeen]


class RoomInvited(Notice, frozen=True, tag="room.invited"):
    """I may come into this room, in which I am not."""

    room: RoomState


class RoomList(Struct, frozen=True):
    """``invitations``: rooms into which I may come and in which I am not. ``waiting``: of the rooms of which I am a host."""

    rooms: list[RoomState]
    invitations: list[RoomState] = []
    waiting: list[RoomWaiting] = []


class KnownPerson(Struct, frozen=True):
    identity: str
    name: str
    role: str


class Colleagues(Struct, frozen=True):
    """By name."""

    people: list[KnownPerson]


class PastRoom(Struct, frozen=True):
    """``reason``: ``finished``, ``cancelled``, ``empty`` or ``expired``."""

    room_id: str
    kind: str
    name: str
    encrypted: bool
    began_at: float
    ended_at: float
    reason: str


class PastRoomList(Struct, frozen=True):
    """``more``: there are others before."""

    rooms: list[PastRoom]
    more: bool


class RoomLink(Struct, frozen=True):
    """``token`` goes to ``POST /api/v1/guests``; carry it in the fragment of an address, which browsers send to nobody."""

    room_id: str
    link_id: str
    token: str
    expires_at: float


class KnownLink(Struct, frozen=True):
    link_id: str
    expires_at: float


class RoomLinks(Struct, frozen=True):
    """Their tokens are kept nowhere: whoever lost one makes another link."""

    links: list[KnownLink]


class NewConsultation(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/consultations``: a consultation, of which I am a host, and a link to it (``RoomLink``), as in
    ``room.create``."""

    name: RoomName = ""
    waiting_room: bool = True
    invited: Annotated[tuple[Invited, ...], Meta(max_length=200)] = ()
    starts_at: EpochS | None = None
    ends_at: EpochS | None = None
    early_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0
    late_s: Annotated[float, Meta(ge=0, le=86_400)] = 900.0


class GuestEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/guests``; the answer is a ``GuestSession`` for the link's room. ``device`` is drawn by the page and kept by
    it: the same one is the same guest."""

    link: Annotated[str, Meta(min_length=1, max_length=4_096)]
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    device: Annotated[str, Meta(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class GuestSession(Session, frozen=True):
    """A guest's session, and what they come to: the room's name and its hosts', its times where it has some (seconds since the epoch; it is
    open to guests from ``opens_at`` until ``closes_at``), and a calendar file of it (RFC 5545).

    ``called``: the name that it was booked by. ``rings``: can one be rung instead, by telephone; ``number``: the last digits of the number
    that it was booked with.
    """

    room_id: str = ""
    room_name: str = ""
    hosts: list[str] = []
    starts_at: float | None = None
    ends_at: float | None = None
    opens_at: float | None = None
    closes_at: float | None = None
    calendar: str = ""
    called: str = ""
    rings: bool = False
    number: str = ""


class RoomJoined(Struct, frozen=True):
    """``room`` is null while one waits; ``queue`` is then how that stands."""

    waiting: bool
    room: RoomState | None
    queue: RoomQueue | None = None


class RoomExit(Notice, frozen=True, tag="room.exit"):
    """I am not in this room any more, or did not get in. ``reason``: left, lost, removed, moved, denied, revoked (the link), ended."""

    room_id: str
    reason: str


class RoomReaction(Notice, frozen=True, tag="reaction"):
    room_id: str
    identity: str
    emoji: str


class Heard(Struct, frozen=True):
    """Somebody in a consultation: is their microphone on, and which pictures (``camera``, ``screen``) do they send?

    ``consent``: to being recorded, while the consultation is: ``asked``, ``given`` or ``refused``; else empty. ``muted``: by a host.
    ``phone``: they are at a telephone.
    """

    identity: str
    microphone: bool
    tracks: list[str]
    consent: str = ""
    muted: bool = False
    phone: bool = False


class RoomMedia(Notice, frozen=True, tag="room.media"):
    """Who is heard and seen in a consultation, complete each time.

    ``recording``: ``off``, ``recording`` or ``paused`` (nothing is kept).
    """

    room_id: str
    people: list[Heard]
    recording: str = "off"


class RoomPhone(Notice, frozen=True, tag="room.phone"):
    """How it stands with my telephone: ``waiting`` (until I am let in), ``dialling``, ``ringing``, ``answered``, ``ended``, ``refused``.

    ``cause``: why it is over, by our word for it: ``busy``, ``no_answer``, ``declined``, ``not_found``, ...
    """

    room_id: str
    state: str
    number: str
    cause: str = ""


class RoomSpeaker(Notice, frozen=True, tag="room.speaker"):
    """Who speaks now; "" while nobody does."""

    room_id: str
    identity: str


class Place(Struct, frozen=True):
    """The line ``mid`` shows this picture."""

    mid: str
    identity: str
    track: str


class RoomShown(Notice, frozen=True, tag="room.shown"):
    """Which pictures the receiving lines of my connection ``peer_id`` show, complete each time."""

    room_id: str
    peer_id: str
    places: list[Place]


class RoomReoffer(Notice, frozen=True, tag="room.reoffer"):
    """Please offer again, with ``lines`` receiving video lines; ``anew``: by a new connection, for this one is no more at the server.

    To the room, with an empty ``peer_id``: everybody, for the room is on another node now.
    """

    room_id: str
    peer_id: str
    lines: int
    anew: bool


class RoomWatched(Notice, frozen=True, tag="room.watched"):
    """How high this picture of mine is shown where it is largest: layers beyond that need not be sent. 0: nobody looks at it."""

    room_id: str
    peer_id: str
    track: str
    height: int


class ChatFile(Struct, frozen=True):
    """To be had at ``/api/v1/attachments/ID`` with the session's token. ``size`` in bytes."""

    attachment_id: str
    name: str
    content_type: str
    size: int


class ChatMessage(Notice, frozen=True, tag="chat.message"):
    """A message as it now stands, complete each time; the higher ``revision`` counts. Deleted ones have a ``deleted_at`` and no words."""

    room_id: str
    message_id: str
    position: int
    sender: str
    name: str
    sent_at: float
    text: str
    cipher: str
    reply_to: str
    attachments: list[ChatFile]
    reactions: dict[str, list[str]]
    edited_at: float | None
    deleted_at: float | None
    revision: int


class ChatPage(Struct, frozen=True):
    """In order. ``more``: there are others on the side that was asked for. ``read``: how far each member has read."""

    messages: list[ChatMessage]
    more: bool
    read: dict[str, int]


class ChatGist(Struct, frozen=True):
    """``read``: up to where I have; ``unread``: messages of others after it. ``last`` is null while nothing was written."""

    room_id: str
    last: ChatMessage | None
    read: int
    unread: int


class ChatGists(Struct, frozen=True):
    rooms: list[ChatGist]


class ChatRead(Notice, frozen=True, tag="chat.read"):
    room_id: str
    identity: str
    position: int


class TypingNow(Notice, frozen=True, tag="typing.indicator"):
    """Who types, complete each time."""

    room_id: str
    people: list[str]


class CaptionSaid(Notice, frozen=True, tag="caption.said"):
    """A line of captions, whole each time: what ``speaker`` says, written by ``by``. Its key is ``by`` and ``line_id``."""

    room_id: str
    line_id: str
    by: str
    speaker: str
    text: str
    lang: str
    done: bool


class UploadTicket(Struct, frozen=True):
    """POST the file, with its type, to ``url`` within ``expires_in`` seconds; then name ``attachment_id`` in a message."""

    attachment_id: str
    url: str
    expires_in: float


class Device(Struct, frozen=True):
    """``removed``: it reads nothing new; what it signed before is read on."""

    device_id: str
    identity: str
    label: str
    sign_key: str
    wrap_key: str
    signature: str
    added_at: float
    removed: bool


class Devices(Struct, frozen=True):
    devices: list[Device]


class EpochKey(Struct, frozen=True):
    """``package``: the key, wrapped for the device that asks. ``device_id`` made and signed it."""

    epoch: int
    identity: str
    device_id: str
    announcement: str
    signature: str
    package: str


class RoomKeyState(Struct, frozen=True):
    """``current``: the last epoch's key is wrapped for exactly the devices that are in the room now; where not, the next to write makes
    another. ``more``: ask again after the last of these epochs."""

    epoch: int
    current: bool
    devices: list[Device]
    epochs: list[EpochKey]
    more: bool


class RoomKeyMade(Notice, frozen=True, tag="room.key"):
    """There is a key of a new epoch: ask for it by ``room.keys``."""

    room_id: str
    epoch: int


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
    rooms: list[RoomState] = msgspec.field(default_factory=list)
    """In which this person is."""
    parked: ParkedCalls | None = None
    """Calls of the node that may be picked up."""
    wrap_up: WrapUpState | None = None
    """The work on my last call, where there is some to do."""
    records: bool = False
    """Can calls be recorded here?"""
    voicemail: bool = False
    """Can callers leave messages here, for me too?"""
    undo_s: float = 0.0
    """For so long may be taken back what I did with a call."""


class SessionClosing(Notice, frozen=True, tag="session.closing"):
    """Last notice before the server disconnects: why, and what to do. With ``retry_after`` connect again by yourself after that long."""

    code: str
    message: str
    retry_after: float | None = None


AnyNotice = (
    CallState
    | CallQuality
    | CallDigit
    | ParkedCalls
    | BoardChanged
    | PeerReoffer
    | PresenceState
    | PresenceChanged
    | NodeState
    | LineState
    | RoomState
    | RoomWaiting
    | RoomQueue
    | RoomInvited
    | RoomExit
    | RoomReaction
    | RoomMedia
    | RoomPhone
    | RoomItinerary
    | ItineraryFound
    | RoomSpeaker
    | RoomShown
    | RoomReoffer
    | RoomWatched
    | ChatMessage
    | ChatRead
    | TypingNow
    | CaptionSaid
    | RoomKeyMade
    | QueuesChanged
    | WrapUpState
    | ContextPartial
    | TicketWritten
    | HouseTold
    | HelpState
    | VoicemailChanged
    | AppointmentChanged
    | VisitState
    | VisitInvited
    | VisitorWaits
    | Snapshot
    | SessionClosing
)
