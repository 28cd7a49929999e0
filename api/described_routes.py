"""Every REST route in words and types: the one registry from which ``docs/openapi.json`` is written (``centralita describe``).

Who may call what stands in ``api/guarded_routes.py``; a test holds both tables and the application's own routes equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta, Struct

from api.contacts import Card, NewContact
from api.identity import wire
from api.pbx_context_routes import CallReport, ChatReport, Hit, LookUpEmail, LookUpNumber, SearchContacts
from api.recording_shelf import FILMS, FORMS
from api.routes import PartHealth
from api.store import StoredRecording
from api.store.contacts import Contact
from api.store.pbx import PbxCall
from api.threecx import PbxDirectory, ThreeCxStatus
from api.threecx_routes import CallNow, Extension, Imported, PastCall
from api.tolls import SuspendedCaller
from api.webhook_routes import Receiver, Resumed
from signaling.messages import GuestEntry, GuestSession, NewConsultation, RoomLink, Session, SignIn

Whole = Annotated[int, Meta(ge=0, lt=10**15)]


@dataclass(frozen=True, slots=True)
class Described:
    """``body``: the struct that is sent. ``answer``: the struct that comes back, or its fields by name; None where nothing does.

    ``content``: media types of an answer that is no JSON. ``query``: parameters by name. ``statuses``: of success.
    """

    summary: str
    body: type[Struct] | None = None
    answer: Any = None
    content: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    statuses: tuple[int, ...] = (200,)
    problems: tuple[int, ...] = ()


_DONE: Any = {"statuses": (204,)}
_PAGE: Any = {"content": ("text/html",)}
_HITS: Any = {"answer": {"hits": list[Hit]}, "problems": (503,)}
_KEPT: Any = {"statuses": (202,), "problems": (413, 503)}
_ENDED: Any = {"answer": {"ended": int}}

DESCRIBED: Mapping[tuple[str, str], Described] = {
    ("GET", "/"): Described("The softphone.", **_PAGE),
    ("GET", "/consultation"): Described("The page of a video consultation; its link's fragment lets in.", **_PAGE),
    ("GET", "/board"): Described("The live board, for supervisors.", **_PAGE),
    ("GET", "/account"): Described("One's account; for administrators users and keys.", **_PAGE),
    ("GET", "/rooms"): Described("Rooms, chat and who is there; a link's fragment lets guests in.", **_PAGE),
    ("GET", "/contacts"): Described("A contact with the calls of the PBX, and the search for one.", **_PAGE),
    ("GET", "/static/{hash}/{path}"): Described("A file of the pages, by the hash of all of them.", content=("*/*",)),
    ("GET", "/api/health/live"): Described("The process answers.", answer={"live": bool}),
    ("GET", "/api/health/ready"): Described(
        "May calls come here? Part by part, with what to do where not.",
        answer={"ready": bool, "parts": dict[str, PartHealth]},
        statuses=(200, 503),
    ),
    ("GET", "/metrics"): Described(
        "Figures for Prometheus, for the networks that may read them.", content=("text/plain",), problems=(403,)
    ),
    ("GET", "/socket.io/"): Described("Signalling: Socket.IO over WebSocket. See asyncapi.json.", statuses=(101,), problems=(400, 503)),
    ("GET", "/api/sign-in"): Described("Does another issuer sign people in too?", answer={"issuer": bool}),
    ("POST", "/api/sign-in"): Described("Exchange name and password for a session.", body=SignIn, answer=Session, problems=(401, 503)),
    ("GET", "/api/oidc/start"): Described("Away to the issuer that signs people in, where there is one.", statuses=(303,), problems=(404,)),
    ("GET", "/api/oidc/callback"): Described("Back from the issuer, and on to the page of accounts.", statuses=(303,), problems=(404,)),
    ("POST", "/api/oidc/session"): Described(
        "The session of who came back from the issuer a moment ago; the body is {}.",
        answer=Session,
        problems=(400, 401, 403, 404, 408, 413),
    ),
    ("POST", "/api/sign-out"): Described("End this session.", problems=(404,), **_DONE),
    ("GET", "/api/account"): Described("Who I am and what I may do.", answer=wire.AccountNow),
    ("POST", "/api/account/password"): Described("Change my password; my other sessions end.", body=wire.NewPassword, **_DONE),
    ("GET", "/api/account/events"): Described(
        "Sign-ins, refused ones and changes of my account, the newest first.", answer={"events": list[wire.AccountEvent]}
    ),
    ("GET", "/api/account/sessions"): Described("Where I am signed in.", answer={"sessions": list[wire.SessionRow]}),
    ("DELETE", "/api/account/sessions"): Described("End my sessions but this one.", **_ENDED),
    ("DELETE", "/api/account/sessions/{session_id}"): Described("End one of my sessions.", **_DONE),
    ("POST", "/api/account/second-factor"): Described(
        "Begin with a second factor.", body=wire.Confirmed, answer=wire.Enrolment, problems=(409,)
    ),
    ("POST", "/api/account/second-factor/confirm"): Described(
        "From now on the second factor is asked for. The recovery codes are shown this once.",
        body=wire.GivenCode,
        answer={"recovery_codes": list[str]},
        problems=(409,),
    ),
    ("POST", "/api/account/second-factor/end"): Described("No second factor any more.", body=wire.ConfirmedTwice, problems=(409,), **_DONE),
    ("GET", "/api/users"): Described("Everybody who may sign in.", answer={"users": list[wire.UserRow]}),
    ("PUT", "/api/users/{identity}"): Described("Make a user (201) or change one (204).", body=wire.SavedUser, statuses=(201, 204)),
    ("DELETE", "/api/users/{identity}/sessions"): Described("End everything that a user is signed in to.", **_ENDED),
    ("DELETE", "/api/users/{identity}/second-factor"): Described("Take a lost second factor away.", problems=(409,), **_DONE),
    ("GET", "/api/keys"): Described("Keys for programs.", answer={"keys": list[wire.KeyRow]}),
    ("POST", "/api/keys"): Described(
        "Make a key; it is shown this once.", body=wire.NewKey, answer=wire.MadeKey, statuses=(201,), problems=(404,)
    ),
    ("DELETE", "/api/keys/{key_id}"): Described("Revoke a key.", **_DONE),
    ("POST", "/api/tokens"): Described(
        "A guest's token for one room, with LiveKit's claims.", body=wire.NewToken, answer=Session, statuses=(201,)
    ),
    ("GET", "/api/security-log"): Described(
        "Sign-ins, refusals and changes, oldest first.", answer=wire.LogPage, query={"after": Whole, "limit": Whole}
    ),
    ("GET", "/api/security-log/faults"): Described(
        "Where the log's chain is broken; empty where it is whole.", answer={"faults": list[str]}
    ),
    ("POST", "/api/guests"): Described(
        "Come by a room's link: a session for that room alone.", body=GuestEntry, answer=GuestSession, statuses=(201,)
    ),
    ("POST", "/api/uploads/{ticket}"): Described(
        "A file for a message, at the address that `chat.attach` gave, with the type and size that were agreed.",
        statuses=(201,),
        problems=(408, 503),
    ),
    ("GET", "/api/attachments/{attachment_id}"): Described("A message's file, for members of its room.", content=("*/*",)),
    ("DELETE", "/api/people/{identity}/chat"): Described(
        "Erase everything that a person, also a guest, wrote in rooms, sent there, and that they were there.",
        answer={"messages": int},
        problems=(503,),
    ),
    ("GET", "/api/webhooks"): Described("How it stands with each receiver of webhooks.", answer={"receivers": list[Receiver]}),
    ("POST", "/api/webhooks/resume"): Described(
        "Post again to a receiver that was cut off, or sooner to one that fails.", body=Resumed, problems=(404, 503), **_DONE
    ),
    ("POST", "/api/consultations"): Described(
        "A new consultation, and the fragment of a link to it.", body=NewConsultation, answer=RoomLink, statuses=(201,), problems=(503,)
    ),
    ("GET", "/api/suspended-callers"): Described(
        "Whose calls to public numbers are stopped, and what they spent in 24 hours.", answer={"suspended": list[SuspendedCaller]}
    ),
    ("DELETE", "/api/suspended-callers/{identity}"): Described("Let somebody call public numbers again.", **_DONE),
    ("GET", "/api/contacts"): Described(
        "Contacts by words or by a number.", query={"q": str}, answer={"contacts": list[Contact]}, problems=(503,)
    ),
    ("POST", "/api/contacts"): Described(
        "Make a contact; who is known under the number or the address is not made again.",
        body=NewContact,
        answer=Contact,
        problems=(503,),
    ),
    ("GET", "/api/contacts/{contact_id}"): Described("A contact, with what was spoken.", answer=Card, problems=(404, 503)),
    ("POST", "/pbx/lookup"): Described("3CX: whose number is this?", body=LookUpNumber, **_HITS),
    ("POST", "/pbx/lookup-email"): Described("3CX: whose address is this?", body=LookUpEmail, **_HITS),
    ("POST", "/pbx/search"): Described("3CX: contacts with these words.", body=SearchContacts, **_HITS),
    ("POST", "/pbx/contacts"): Described("3CX: make a contact.", body=NewContact, **_HITS),
    ("POST", "/pbx/calls"): Described("3CX: a call is over; told twice it stands once.", body=CallReport, **_KEPT),
    ("POST", "/pbx/chats"): Described("3CX: a chat is over; told twice it stands once.", body=ChatReport, **_KEPT),
    ("GET", "/api/pbx"): Described("How it stands with the attached 3CX.", answer=ThreeCxStatus, problems=(409,)),
    ("GET", "/api/pbx/directory"): Described(
        "Extensions, queues and numbers as they were imported, and who here has which extension.",
        answer=PbxDirectory,
        problems=(409, 503),
    ),
    ("POST", "/api/pbx/import"): Described("Import them now.", answer=Imported, problems=(409, 503)),
    ("GET", "/api/pbx/extensions/{number}"): Described(
        "Whose extension of the 3CX this is, and how they are.", answer=Extension, problems=(404, 409, 503)
    ),
    ("GET", "/api/pbx/calls"): Described(
        "The last calls of the 3CX with a number, of thirty days.",
        query={"number": str},
        answer={"calls": list[PastCall]},
        problems=(409, 503),
    ),
    ("GET", "/api/pbx/active-calls"): Described("The calls that are on in the 3CX.", answer={"calls": list[CallNow]}, problems=(409, 503)),
    ("GET", "/api/calls/{call_id}/pbx"): Described(
        "What the PBX's own log says of a call, its judgement of the quality too.", answer=PbxCall, problems=(404, 409, 503)
    ),
    ("GET", "/api/calls/{call_id}/recordings"): Described("The parts of a call's recording.", answer={"recordings": list[StoredRecording]}),
    ("GET", "/api/calls/{call_id}/film"): Described(
        "All that is kept of a consultation, as one film. Who fetched it is noted with each part.",
        query={"as": Annotated[str, Meta(pattern="^(" + "|".join(FILMS) + ")$")]},
        content=tuple(sorted(FILMS.values())),
        problems=(409, 410),
    ),
    ("GET", "/api/recordings/{recording_id}"): Described(
        "A recording, to listen to, or with the pictures of a consultation. Who did is noted with it.",
        query={"as": Annotated[str, Meta(pattern="^(" + "|".join((*FORMS, *FILMS)) + ")$")]},
        content=tuple(sorted({*(form.content_type for form in FORMS.values()), *FILMS.values()})),
        problems=(409, 410),
    ),
    ("DELETE", "/api/recordings/{recording_id}"): Described(
        "Erase a recording; that it was there stays on record.", problems=(409, 410), **_DONE
    ),
}
