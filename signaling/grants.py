"""Who may do what: roles, the permissions they give, and the resources these reach. Pure.

A role is a set of permissions; a key or a LiveKit-style claim narrows it and never widens it. What a permission reaches is said by the
``Resource`` it is used on: one's own things, a supervisor's teams, the one room of a guest. Every request of a page and every REST route
names its permission in one table (``REQUESTS`` here, ``api/guarded_routes.py`` for REST); what has no line there is refused.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from signaling import messages as wire
from signaling.refusal import Refusal


class Role(StrEnum):
    AGENT = "agent"
    PROFESSIONAL = "professional"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    SERVICE = "service"
    CUSTOMER = "customer"
    """A guest by link: no account, one room."""


GUEST_PREFIX = "guest."
"""Begins the identity of every guest and of nobody else, so that no token for a guest can name one of the house."""


class Permission(StrEnum):
    SESSION_RENEW = "session.renew"
    """Go on in the open connection."""
    SESSION_OWN = "session.own"
    """See and end my sessions; change my password and second factor."""
    SESSION_ANY = "session.any"
    PRESENCE_OWN = "presence.own"
    PRESENCE_WATCH = "presence.watch"
    CALL_DIAL = "call.dial"
    CALL_TAKE = "call.take"
    """Accept, decline, hold, mute, end a call of mine."""
    CALL_LIFT = "call.lift"
    """Let somebody call again whose calls to public numbers were stopped."""
    CALL_RECORD = "call.record"
    """Recording of a call of mine."""
    CALL_RECORD_ANY = "call.record.any"
    CALL_LISTEN = "call.listen"
    """Hear a colleague's call, heard by nobody."""
    CALL_WHISPER = "call.whisper"
    """... heard by the colleague alone."""
    CALL_BARGE = "call.barge"
    """... heard by all."""
    CALL_TAKE_OVER = "call.take_over"
    """Make a colleague's call mine."""
    BOARD_WATCH = "board.watch"
    QUEUE_WATCH = "queue.watch"
    """Who waits in the queues, and who is to be called back."""
    CENTRE_MANAGE = "centre.manage"
    """Change the contact centre's plan: flows, queues, numbers, calendars."""
    SKILLS_MANAGE = "skills.manage"
    """See and say what agents can, and of which queues they are."""
    QUEUE_MANAGE = "queue.manage"
    """Take somebody off the list of those who are to be called back."""
    RECORDING_LISTEN = "recording.listen"
    RECORDING_ERASE = "recording.erase"
    RECORDS_EXPORT = "records.export"
    """Call detail records, of one or of all."""
    VOICEMAIL_HEAR = "voicemail.hear"
    """Messages in a box of mine: hear, mark and erase them."""
    VOICEMAIL_ANY = "voicemail.any"
    APPOINTMENTS_OWN = "appointments.own"
    """My consultation appointments, my hours and absences; book for customers with whoever gives it."""
    APPOINTMENTS_ANY = "appointments.any"
    SERVICES_MANAGE = "services.manage"
    """What customers may book appointments for."""
    ROOM_CREATE = "room.create"
    ROOM_LIST = "room.list"
    ROOM_JOIN = "room.join"
    ROOM_PUBLISH = "room.publish"
    """Be heard and seen."""
    ROOM_MODERATE = "room.moderate"
    """Admit, mute, move and put out others, lock; who made a room may do so in it without this."""
    CHAT_READ = "chat.read"
    CHAT_WRITE = "chat.write"
    VISIT_CALL = "visit.call"
    """Call the queue that one's token names, as a visitor of somebody's site."""
    DEVICE_OWN = "device.own"
    """Read and write in encrypted rooms: register and remove the public keys of my devices, fetch and make keys."""
    TOKEN_ISSUE = "token.issue"
    """Make tokens for guests."""
    USERS_MANAGE = "users.manage"
    KEYS_MANAGE = "keys.manage"
    LOG_READ = "log.read"
    """The audit."""
    NODES_WATCH = "nodes.watch"
    """How each server is: what it runs, what it carries, what it waits for."""
    PRIVACY_MANAGE = "privacy.manage"
    """What is kept of a person: handed to them, held, corrected, forgotten."""
    WEBHOOKS_MANAGE = "webhooks.manage"
    BACKENDS_MANAGE = "backends.manage"
    """See how it stands with booking, CRM and ticketing, and try one out."""
    OUTBOX_MANAGE = "outbox.manage"
    """See what could not be written elsewhere, have it tried again, or drop it."""
    TASKS_OWN = "tasks.own"
    """What is to be done for customers: see it, add to it, and say that it is done."""
    CAMPAIGNS_MANAGE = "campaigns.manage"
    """Make campaigns, let them run, and take numbers off the list of who does not want to be called."""
    CONTACTS_READ = "contacts.read"
    CONTACTS_WRITE = "contacts.write"
    BOOKINGS_READ = "bookings.read"
    BOOKINGS_WRITE = "bookings.write"
    """Make bookings, note payments, move and cancel them."""
    BOOKINGS_MANAGE = "bookings.manage"
    """Tours and departures; confirm what is not paid, and note refunds."""
    TICKETS_READ = "tickets.read"
    TICKETS_WRITE = "tickets.write"
    """Make, change, comment and close tickets."""
    SURVEYS_READ = "surveys.read"
    """What customers answered, and the figures of it."""
    SCORES_OWN = "scores.own"
    """How calls of mine were judged, and by what."""
    SCORES_ANY = "scores.any"
    """Judge calls of colleagues, and read what was given."""
    ARTICLES_READ = "articles.read"
    ARTICLES_WRITE = "articles.write"
    """Write, publish and remove articles of the knowledge base; see those that are not published."""
    PBX_CONTEXT = "pbx.context"
    """Ask who calls, as a PBX does, and report calls that are over."""
    PBX_MANAGE = "pbx.manage"
    """See how it stands with the PBX and what was imported of it; import now."""


_P = Permission
_GUEST = frozenset({_P.SESSION_RENEW, _P.ROOM_JOIN, _P.ROOM_PUBLISH, _P.CHAT_READ, _P.CHAT_WRITE})
_AGENT = _GUEST | {
    _P.SESSION_OWN, _P.PRESENCE_OWN, _P.PRESENCE_WATCH, _P.CALL_DIAL, _P.CALL_TAKE, _P.CALL_RECORD, _P.ROOM_CREATE, _P.ROOM_LIST,
    _P.DEVICE_OWN, _P.CONTACTS_READ, _P.CONTACTS_WRITE, _P.QUEUE_WATCH, _P.VOICEMAIL_HEAR, _P.BOOKINGS_READ, _P.BOOKINGS_WRITE,
    _P.TICKETS_READ, _P.TICKETS_WRITE, _P.ARTICLES_READ,
    _P.APPOINTMENTS_OWN, _P.TASKS_OWN, _P.SCORES_OWN,
}  # fmt: skip
_SUPERVISOR = _AGENT | {
    _P.CALL_LISTEN, _P.CALL_WHISPER, _P.CALL_BARGE, _P.CALL_TAKE_OVER,
    _P.ROOM_MODERATE, _P.CALL_RECORD_ANY, _P.CALL_LIFT, _P.BOARD_WATCH, _P.RECORDING_LISTEN, _P.RECORDING_ERASE, _P.QUEUE_MANAGE,
    _P.RECORDS_EXPORT, _P.CAMPAIGNS_MANAGE, _P.SKILLS_MANAGE, _P.VOICEMAIL_ANY, _P.BOOKINGS_MANAGE,
    _P.SURVEYS_READ, _P.SCORES_ANY,
    _P.APPOINTMENTS_ANY, _P.SERVICES_MANAGE,
}  # fmt: skip
_ADMIN = _SUPERVISOR | {
    _P.USERS_MANAGE, _P.KEYS_MANAGE, _P.LOG_READ, _P.SESSION_ANY, _P.TOKEN_ISSUE, _P.WEBHOOKS_MANAGE, _P.PBX_CONTEXT, _P.PBX_MANAGE,
    _P.CENTRE_MANAGE, _P.ARTICLES_WRITE, _P.OUTBOX_MANAGE, _P.BACKENDS_MANAGE, _P.PRIVACY_MANAGE,
    _P.NODES_WATCH,
}  # fmt: skip

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.CUSTOMER: _GUEST | {_P.VISIT_CALL},
    Role.AGENT: _AGENT,
    Role.PROFESSIONAL: _AGENT | {_P.ROOM_MODERATE},
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMIN: _ADMIN,
    Role.SERVICE: frozenset(
        {
            *(_P.ROOM_CREATE, _P.ROOM_LIST, _P.ROOM_JOIN, _P.ROOM_MODERATE, _P.CHAT_READ, _P.CHAT_WRITE, _P.PRESENCE_WATCH),
            *(_P.CALL_DIAL, _P.RECORDING_LISTEN, _P.RECORDS_EXPORT, _P.TOKEN_ISSUE, _P.WEBHOOKS_MANAGE),
            *(_P.CONTACTS_READ, _P.CONTACTS_WRITE, _P.PBX_CONTEXT, _P.CAMPAIGNS_MANAGE),
            *(_P.BOOKINGS_READ, _P.BOOKINGS_WRITE, _P.BOOKINGS_MANAGE),
            *(_P.TICKETS_READ, _P.TICKETS_WRITE, _P.SURVEYS_READ, _P.ARTICLES_READ, _P.ARTICLES_WRITE),
            *(_P.APPOINTMENTS_OWN, _P.APPOINTMENTS_ANY, _P.SERVICES_MANAGE, _P.OUTBOX_MANAGE, _P.TASKS_OWN),
        }
    ),
}
"""What each role may do. A role that is not here may do nothing."""

OF_OTHERS: Mapping[Permission, Permission | None] = {
    _P.SESSION_OWN: _P.SESSION_ANY,
    _P.CALL_RECORD: _P.CALL_RECORD_ANY,
    _P.APPOINTMENTS_OWN: _P.APPOINTMENTS_ANY,
    _P.SCORES_OWN: _P.SCORES_ANY,
    _P.CALL_TAKE: None,
    _P.DEVICE_OWN: None,
    _P.PRESENCE_OWN: None,
}
"""Permissions about one's own things, and which one reaches other people's; None: none does."""

BY_TEAM = frozenset(
    {
        *(_P.CALL_RECORD_ANY, _P.CALL_LIFT, _P.BOARD_WATCH, _P.RECORDING_LISTEN, _P.RECORDING_ERASE),
        *(_P.CALL_LISTEN, _P.CALL_WHISPER, _P.CALL_BARGE, _P.CALL_TAKE_OVER, _P.RECORDS_EXPORT, _P.CAMPAIGNS_MANAGE),
        *(_P.SKILLS_MANAGE, _P.VOICEMAIL_ANY, _P.APPOINTMENTS_ANY, _P.SCORES_ANY),
    }
)
"""Permissions that reach only the bearer's teams, where the bearer has any. Nobody is limited who has none."""

REQUESTS: Mapping[type[wire.Request], Permission] = {
    wire.RefreshSession: _P.SESSION_RENEW,
    wire.SetPresence: _P.PRESENCE_OWN,
    wire.WatchPresence: _P.PRESENCE_WATCH,
    wire.Dial: _P.CALL_DIAL,
    wire.Accept: _P.CALL_TAKE,
    wire.Decline: _P.CALL_TAKE,
    wire.HangUp: _P.CALL_TAKE,
    wire.Mute: _P.CALL_TAKE,
    wire.Hold: _P.CALL_TAKE,
    # How it is monitored needs a right of its own each: ``api/supervision.py`` looks.
    wire.Monitor: _P.CALL_LISTEN,
    wire.TakeOver: _P.CALL_TAKE_OVER,
    wire.Digits: _P.CALL_TAKE,
    wire.LookNumber: _P.CALL_DIAL,
    **dict.fromkeys((wire.Transfer, wire.TransferStep), _P.CALL_DIAL),
    **dict.fromkeys((wire.Park, wire.PickUp), _P.CALL_TAKE),
    **dict.fromkeys((wire.ReadHandling, wire.SetHandling), _P.PRESENCE_OWN),
    wire.Record: _P.CALL_RECORD,
    wire.PeerOffer: _P.CALL_TAKE,
    **dict.fromkeys((wire.PeerCandidate, wire.PeerPath, wire.PeerHeadset), _P.CALL_TAKE),
    wire.CallMe: _P.CALL_TAKE,
    **dict.fromkeys((wire.OpenSoundCheck, wire.CloseSoundCheck, wire.AskHelp, wire.ReportSound, wire.ReadDay), _P.CALL_TAKE),
    wire.WatchBoard: _P.BOARD_WATCH,
    wire.WatchQueues: _P.QUEUE_WATCH,
    wire.CancelCallBack: _P.QUEUE_MANAGE,
    **dict.fromkeys((wire.FinishWrapUp, wire.ExtendWrapUp, wire.UndoWrapUp, wire.GetContext, wire.ChooseContact), _P.CALL_TAKE),
    **dict.fromkeys((wire.GetNote, wire.WriteNote, wire.MakeTicket, wire.CloseTicket), _P.CALL_TAKE),
    wire.CreateRoom: _P.ROOM_CREATE,
    wire.ListRooms: _P.ROOM_JOIN,
    wire.ListPeople: _P.PRESENCE_WATCH,
    wire.ListPastRooms: _P.CHAT_READ,
    **dict.fromkeys((wire.JoinRoom, wire.LeaveRoom, wire.RaiseHand, wire.React), _P.ROOM_JOIN),
    **dict.fromkeys((wire.OfferToRoom, wire.MicrophoneInRoom, wire.CheckConnection, wire.FinishCheck), _P.ROOM_PUBLISH),
    **dict.fromkeys((wire.CallMeInRoom, wire.HangUpInRoom), _P.ROOM_PUBLISH),
    **dict.fromkeys((wire.WatchRoom, wire.RecordRoom, wire.MuteInRoom), _P.ROOM_JOIN),
    wire.SayCaption: _P.ROOM_PUBLISH,
    **dict.fromkeys((wire.LookUpItinerary, wire.ShareItinerary, wire.PointItinerary, wire.UnshareItinerary), _P.BOOKINGS_READ),
    wire.ReadItinerary: _P.ROOM_JOIN,
    # Also for a room's own host, who needs no more than to be in it: call control of rooms looks.
    **dict.fromkeys((wire.AdmitToRoom, wire.InviteToRoom, wire.KickFromRoom, wire.LockRoom), _P.ROOM_JOIN),
    **dict.fromkeys((wire.MoveToRoom, wire.UpdateRoom, wire.EndRoom, wire.LinkToRoom, wire.UnlinkRoom, wire.ListLinks), _P.ROOM_JOIN),
    **dict.fromkeys((wire.SendChat, wire.EditChat, wire.DeleteChat, wire.ReactToChat), _P.CHAT_WRITE),
    **dict.fromkeys((wire.Typing, wire.AttachToChat), _P.CHAT_WRITE),
    **dict.fromkeys((wire.AddDevice, wire.ListDevices, wire.RemoveDevice, wire.AskRoomKeys, wire.SetRoomKey), _P.DEVICE_OWN),
    **dict.fromkeys((wire.ReadChat, wire.ChatHistory, wire.ChatOverview), _P.CHAT_READ),
    **dict.fromkeys((wire.VisitCall, wire.VisitOffer, wire.VisitDigits, wire.VisitHangUp), _P.VISIT_CALL),
    wire.InviteVisitor: _P.CALL_TAKE,
}
"""What a page needs for each request. Whose call or room it is about is for who carries it out: see ``allows``."""


class VideoGrant(Struct, frozen=True, rename="camel"):
    """LiveKit's ``video`` claim, the part of it that means something here. Names are LiveKit's (livekit/protocol, auth/grants.go)."""

    room: str = ""
    room_join: bool = False
    room_create: bool = False
    room_list: bool = False
    room_admin: bool = False
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True

    def permissions(self) -> frozenset[Permission]:
        given = {
            _P.ROOM_CREATE: self.room_create,
            _P.ROOM_LIST: self.room_list,
            _P.ROOM_MODERATE: self.room_admin,
            _P.ROOM_JOIN: self.room_join,
            _P.SESSION_RENEW: self.room_join,
            _P.ROOM_PUBLISH: self.room_join and self.can_publish,
            _P.CHAT_READ: self.room_join and self.can_subscribe,
            _P.CHAT_WRITE: self.room_join and self.can_publish_data,
        }
        return frozenset(permission for permission, granted in given.items() if granted)


class SipGrant(Struct, frozen=True):
    """LiveKit's ``sip`` claim: ``call`` lets its bearer dial. ``admin`` (of trunks) has no counterpart: lines are settings here."""

    admin: bool = False
    call: bool = False

    def permissions(self) -> frozenset[Permission]:
        return frozenset({_P.CALL_DIAL} if self.call else ())


class VisitGrant(Struct, frozen=True):
    """The ``visit`` claim of a visitor of somebody's site: which queue they may call, and the language they read."""

    queue: str
    language: str

    def permissions(self) -> frozenset[Permission]:
        return frozenset({_P.VISIT_CALL, _P.SESSION_RENEW})


class Grant(Struct, frozen=True):
    """What a valid token or key says about its bearer. Times are seconds since the epoch."""

    identity: str
    name: str
    role: str
    """A ``Role``."""
    token_id: str
    issued_at: float
    expires_at: float
    signed_in_at: float
    """When the password was last given; renewed tokens keep it."""
    session_id: str = ""
    """The sign-in that the token belongs to; empty for what is none: keys, guests."""
    teams: frozenset[str] = frozenset()
    narrowed_to: frozenset[Permission] | None = None
    """Of the role's permissions only these: a key's scopes, a guest's claims. None: all."""
    room: str = ""
    """The only room this grant is good for; empty: any."""
    visit: VisitGrant | None = None
    """Of a visitor of somebody's site."""


class Resource(Struct, frozen=True):
    """What a permission is used on: ``owner``, that person's ``teams``, the ``room`` it is in; empty where it has none."""

    owner: str = ""
    teams: frozenset[str] = frozenset()
    room: str = ""


def permissions_of(grant: Grant) -> frozenset[Permission]:
    try:
        of_role = PERMISSIONS[Role(grant.role)]
    except (ValueError, KeyError):
        return frozenset()
    return of_role if grant.narrowed_to is None else of_role & grant.narrowed_to


def allows(grant: Grant, permission: Permission, resource: Resource | None = None) -> bool:
    """May the bearer do this, to this? Without a resource: may they do it to anything at all?"""
    if permission not in permissions_of(grant):
        return False
    if resource is None:
        return True
    if grant.room and resource.room != grant.room:
        return False
    if resource.owner == grant.identity:
        return True
    if resource.owner and permission in OF_OTHERS:
        wider = OF_OTHERS[permission]
        return wider is not None and allows(grant, wider, resource)
    if permission in BY_TEAM and grant.teams:
        return bool(resource.teams & grant.teams)
    return True


def demand(grant: Grant, permission: Permission, resource: Resource | None = None) -> None:
    """Raises ``Refusal`` (``forbidden``) where ``allows`` says no."""
    if not allows(grant, permission, resource):
        raise Refusal("forbidden", f"Your role ({grant.role}) may not do this ({permission}): ask an administrator for it.")


def authorise(grant: Grant, request: wire.AnyRequest) -> None:
    """Raises ``Refusal`` where a page's request is not for this bearer, or has no line in ``REQUESTS``."""
    permission = REQUESTS.get(type(request))
    if permission is None:
        raise Refusal("forbidden", "This request is open to nobody: the server's table of permissions has no line for it.")
    demand(grant, permission)
