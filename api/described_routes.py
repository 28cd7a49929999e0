"""Every REST route in words and types: the one registry from which ``docs/openapi.json`` is written (``centralita describe``).

Who may call what stands in ``api/guarded_routes.py``; a test holds both tables and the application's own routes equal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

from msgspec import Meta, Struct

from api.after.outbox_routes import STATES as OUTBOX_STATES
from api.after.outbox_routes import Limit as OutboxLimit
from api.after.outbox_routes import OutboxPage
from api.alert_routes import OpenAlerts, Snooze, Tried
from api.appointments import wire as booked
from api.audit.routes import AuditPage, AuditState
from api.backends.event_routes import BackendEvent
from api.backends.routes import BackendsStatus, TryBackend
from api.backends.trial import Trial
from api.call_history_routes import MOST_FOUND, HistoryDetail, HistoryPage, QualitySecond, Signalling
from api.centre.picture import PlanPicture
from api.centre.plan_routes import MOST_VERSIONS, DocumentChange, PlanChange, PlanCheck, PlanDocument, PlanNow, PlanTrial, Restored
from api.centre.plan_trial import TriedWay
from api.centre.skill_routes import WantedSkills
from api.centre.sound_routes import WAV, NewSound, SpokenText
from api.centre.sound_shelf import SoundKept, SoundRow
from api.contacts import Card, Correction, NewContact, Treatment
from api.first_start.wire import Coded, StartAnswer, StartNow
from api.identity import wire
from api.knowledge.articles import LONGEST_QUERY, ArticleHits, WrittenArticle
from api.knowledge.articles import MOST_SHOWN as MOST_ARTICLES
from api.line_routes import TRIAL_CONTENT, LinesNow, TryLine
from api.node_health import NodesSeen
from api.once import KEY_HEADER
from api.outbound.campaigns import Added, CampaignFigures, NewCampaign, NewEntries, Report
from api.outbound.do_not_call import NewUnwanted
from api.outbound.routes import Running
from api.page_list import PAGES
from api.pbx_context_routes import CallReport, ChatReport, Hit, LookUpEmail, LookUpNumber, SearchContacts
from api.privacy.access import SubjectCopy
from api.privacy.asking import WhoAsked
from api.privacy.consent_routes import ConsentsWanted, SaidByNumber
from api.privacy.consents import SaidConsent
from api.privacy.forgetting import ForgottenProof
from api.privacy.retention_routes import RetentionDue, RetentionNow
from api.privacy.routes import LegalHolds, ProcessingRecord
from api.quality_alerts import Thresholds
from api.queue_statistics_routes import SIZES
from api.record_lines import CONTENT_TYPE, Kind
from api.recording_shelf import FILMS, FORMS
from api.reports.differences import BadCall, Differences, Dimension
from api.reports.funnel import Funnel
from api.reports.period import PeriodName
from api.reports.report import PeriodReport, ReportBy
from api.reports.routes import FORMS as REPORT_FORMS
from api.reports.schedules import NewSchedule, ReportSchedule, ReportSchedules
from api.reports.scorecards import MOST_SHOWN as MOST_CARDS
from api.reports.scorecards import (
    PERS,
    NewForm,
    NewScorecard,
    Scorecard,
    ScorecardForm,
    ScorecardMean,
    ScorecardPage,
)
from api.reports.staffing import MOST_HOURS, StaffingAdvice
from api.routes import PartHealth
from api.rules.routes import HookCalled, NewTask, RulesNow, TriedRules
from api.rules.routes import Limit as RuleLimit
from api.rules.rules import WouldDo
from api.store import StoredRecording
from api.store.appointments import ServiceRow
from api.store.articles import Article
from api.store.centre import AgentSkills, PlanVersion
from api.store.consents import Consent
from api.store.contacts import Contact
from api.store.legal_holds import LegalHold
from api.store.outbound import CampaignRow, EntryRow, Unwanted
from api.store.pbx import PbxCall
from api.store.rules import RuleRun, Task
from api.store.tickets import StoredTicket
from api.store.travel import Tour
from api.surveys.surveys import By, ConsultationRating, SurveyAnswers, SurveyRecord, SurveyShown, SurveyStatistics, SurveyToken
from api.threecx import PbxDirectory, ThreeCxStatus
from api.threecx_routes import CallNow, Extension, Imported, PastCall
from api.tickets.routes import OF, STANDING, TicketChoices
from api.tickets.ticket import Priority, TicketState
from api.tickets.tickets import MOST_SHOWN as MOST_TICKETS
from api.tickets.tickets import NewComment, NewLink, NewTicket, TicketChange, TicketList, TicketView
from api.tolls import SuspendedCaller
from api.travel.wire import (
    Because,
    BookingHistory,
    BookingView,
    DepartureTerms,
    DepartureView,
    MovedTo,
    NewBooking,
    NewDeparture,
    Payment,
    Resized,
    TourText,
)
from api.visits.front_desk import DeskNow
from api.visits.wire import CallBackMade, CallBackWanted, ChatMade, ChatWanted, NumberRead, VisitWanted
from api.voicemail.boxes import MOST_SHOWN, Voicemail, VoicemailPage
from api.voicemail.routes import FORMS as MESSAGE_FORMS
from api.voicemail.routes import HeardMark
from api.webhook_post import CloudEvent
from api.webhook_routes import MOST_EVENTS, Receiver, Replay, Resumed
from signaling.messages import GuestEntry, GuestSession, NewConsultation, RoomLink, Session, SignIn
from signaling.refusal import TextFault

Whole = Annotated[int, Meta(ge=0, lt=10**15)]


SEEN = "If-Match"
HELD = "If-None-Match"


@dataclass(frozen=True, slots=True)
class Described:
    """``body``: the struct that is sent. ``answer``: the struct that comes back, or its fields by name; None where nothing does.

    ``content``: media types of an answer that is no JSON. ``query``: parameters by name. ``headers``: that it heeds. ``statuses``: of
    success.
    """

    summary: str
    body: type[Struct] | None = None
    answer: Any = None
    content: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200,)
    problems: tuple[int, ...] = ()


_DONE: Any = {"statuses": (204,)}
_HITS: Any = {"answer": {"hits": list[Hit]}, "problems": (503,)}
_KEPT: Any = {"statuses": (202,), "problems": (413, 503)}
_STEP: Any = {"answer": BookingView, "headers": (KEY_HEADER, SEEN), "problems": (404, 409, 412, 503)}
_ENDED: Any = {"answer": {"ended": int}}


def _one_of(words: Iterable[str]) -> Any:
    return Annotated[str, Meta(pattern="^(" + "|".join(words) + ")$")]


_FORM = _one_of(REPORT_FORMS)
_PERIOD: Any = {"period": _one_of(get_args(PeriodName)), "from": str, "to": str, "format": _FORM}

DESCRIBED: Mapping[tuple[str, str], Described] = {
    **{("GET", page.address): Described(page.about, query=dict.fromkeys(page.query, str), content=("text/html",)) for page in PAGES},
    ("GET", "/static/{hash}/{path}"): Described("A file of the pages, by the hash of all of them.", content=("*/*",)),
    ("GET", "/api/v1/openapi.json"): Described(
        "This description. Its `ETag` may come back as `If-None-Match`.",
        content=("application/json",),
        headers=(HELD,),
        statuses=(200, 304),
    ),
    ("GET", "/api/v1/health/live"): Described("The process answers.", answer={"live": bool}),
    ("GET", "/api/v1/health/ready"): Described(
        "May calls come here? Part by part, with what to do where not.",
        answer={"ready": bool, "parts": dict[str, PartHealth]},
        statuses=(200, 503),
    ),
    ("GET", "/metrics"): Described(
        "Figures for Prometheus, for the networks that may read them.", content=("text/plain",), problems=(403,)
    ),
    ("GET", "/socket.io/"): Described("Signalling: Socket.IO over WebSocket. See asyncapi.json.", statuses=(101,), problems=(400, 503)),
    ("GET", "/api/v1/sign-in"): Described("Does another issuer sign people in too?", answer={"issuer": bool}),
    ("POST", "/api/v1/sign-in"): Described("Exchange name and password for a session.", body=SignIn, answer=Session, problems=(401, 503)),
    ("GET", "/api/v1/oidc/start"): Described(
        "Away to the issuer that signs people in, where there is one.", statuses=(303,), problems=(404,)
    ),
    ("GET", "/api/v1/oidc/callback"): Described("Back from the issuer, and on to the page of accounts.", statuses=(303,), problems=(404,)),
    ("POST", "/api/v1/oidc/session"): Described(
        "The session of who came back from the issuer a moment ago; the body is {}.",
        answer=Session,
        problems=(400, 401, 403, 404, 408, 413),
    ),
    ("POST", "/api/v1/sign-out"): Described("End this session.", problems=(404,), **_DONE),
    ("GET", "/api/v1/account"): Described("Who I am and what I may do.", answer=wire.AccountNow),
    ("POST", "/api/v1/account/password"): Described("Change my password; my other sessions end.", body=wire.NewPassword, **_DONE),
    ("GET", "/api/v1/account/events"): Described(
        "Sign-ins, refused ones and changes of my account, the newest first.", answer={"events": list[wire.AccountEvent]}
    ),
    ("GET", "/api/v1/account/sessions"): Described("Where I am signed in.", answer={"sessions": list[wire.SessionRow]}),
    ("DELETE", "/api/v1/account/sessions"): Described("End my sessions but this one.", **_ENDED),
    ("DELETE", "/api/v1/account/sessions/{session_id}"): Described("End one of my sessions.", **_DONE),
    ("POST", "/api/v1/account/second-factor"): Described(
        "Begin with a second factor.", body=wire.Confirmed, answer=wire.Enrolment, problems=(409,)
    ),
    ("POST", "/api/v1/account/second-factor/confirm"): Described(
        "From now on the second factor is asked for. The recovery codes are shown this once.",
        body=wire.GivenCode,
        answer={"recovery_codes": list[str]},
        problems=(409,),
    ),
    ("POST", "/api/v1/account/second-factor/end"): Described(
        "No second factor any more.", body=wire.ConfirmedTwice, problems=(409,), **_DONE
    ),
    ("GET", "/api/v1/users"): Described("Everybody who may sign in.", answer={"users": list[wire.UserRow]}),
    ("PUT", "/api/v1/users/{identity}"): Described("Make a user (201) or change one (204).", body=wire.SavedUser, statuses=(201, 204)),
    ("DELETE", "/api/v1/users/{identity}/sessions"): Described("End everything that a user is signed in to.", **_ENDED),
    ("DELETE", "/api/v1/users/{identity}/second-factor"): Described("Take a lost second factor away.", problems=(409,), **_DONE),
    ("GET", "/api/v1/keys"): Described("Keys for programs.", answer={"keys": list[wire.KeyRow]}),
    ("POST", "/api/v1/keys"): Described(
        "Make a key; it is shown this once.", body=wire.NewKey, answer=wire.MadeKey, statuses=(201,), problems=(404,)
    ),
    ("DELETE", "/api/v1/keys/{key_id}"): Described("Revoke a key.", **_DONE),
    ("POST", "/api/v1/tokens"): Described(
        "A guest's token for one room, with LiveKit's claims.", body=wire.NewToken, answer=Session, statuses=(201,)
    ),
    ("GET", "/api/v1/audit"): Described(
        "Who did what, oldest first: sign-ins, refusals, and every look at, listen to, change and export of personal data.",
        answer=AuditPage,
        query={"cursor": Whole, "limit": Whole, "kind": str, "who": str, "what": str, "subject": str},
    ),
    ("POST", "/api/v1/privacy/copies"): Described(
        "Everything that is kept of a person, to be handed to them (GDPR 15 and 20).",
        body=WhoAsked,
        answer=SubjectCopy,
        problems=(400, 401, 403, 503),
    ),
    ("POST", "/api/v1/privacy/erasures"): Described(
        "Forget a person wherever something of theirs is (GDPR 17); the answer is the proof. Done again, it changes nothing.",
        body=WhoAsked,
        answer=ForgottenProof,
        problems=(400, 401, 403, 409, 503),
    ),
    ("GET", "/api/v1/privacy/holds"): Described("Whose data must not be erased, and why.", answer=LegalHolds, problems=(401, 403, 503)),
    ("POST", "/api/v1/privacy/holds"): Described(
        "Keep everything of a person until the hold is lifted, whatever is asked and however old it grows.",
        body=WhoAsked,
        answer=LegalHold,
        statuses=(201,),
        problems=(400, 401, 403, 503),
    ),
    ("DELETE", "/api/v1/privacy/holds/{hold_id}"): Described("Lift a legal hold.", problems=(401, 403, 404, 503), **_DONE),
    ("GET", "/api/v1/privacy/record"): Described(
        "What is kept of customers, why, and how it is kept (GDPR 30).", answer=ProcessingRecord, problems=(401, 403)
    ),
    ("GET", "/api/v1/audit/faults"): Described("What was done to the audit's chain, and where.", answer=AuditState),
    ("POST", "/api/v1/guests"): Described(
        "Come by a room's link: a session for that room alone.", body=GuestEntry, answer=GuestSession, statuses=(201,)
    ),
    ("POST", "/api/v1/uploads/{ticket}"): Described(
        "A file for a message, at the address that `chat.attach` gave, with the type and size that were agreed.",
        statuses=(201,),
        problems=(408, 503),
    ),
    ("GET", "/api/v1/attachments/{attachment_id}"): Described("A message's file, for members of its room.", content=("*/*",)),
    ("DELETE", "/api/v1/people/{identity}/chat"): Described(
        "Erase everything that a person, also a guest, wrote in rooms, sent there, and that they were there.",
        answer={"messages": int},
        problems=(503,),
    ),
    ("GET", "/api/v1/backends"): Described(
        "How booking, CRM and ticketing stand: who is asked, who is let alone and until when, what they took and why one failed last.",
        answer=BackendsStatus,
    ),
    ("POST", "/api/v1/backends/{backend_id}/try"): Described(
        "Ask one of them who has a number: what it answers, how long that takes, and what is wrong.",
        body=TryBackend,
        answer=Trial,
        problems=(404, 422),
    ),
    ("POST", "/api/v1/backends/{backend_id}/events"): Described(
        "A backend says that something changed about a person: what was kept is dropped, and calls with them see it anew. Signed "
        "(X-Centralita-Signature), once each.",
        body=BackendEvent,
        answer={},
        statuses=(202,),
        problems=(401, 404, 413),
    ),
    ("GET", "/api/v1/outbox"): Described(
        "What is to be written at other systems or to be sent, by its state (dead: a person has to look), or that of one call.",
        query={
            "state": Annotated[str, Meta(pattern="^(" + "|".join(OUTBOX_STATES) + ")$")],
            "call": str,
            "cursor": str,
            "limit": OutboxLimit,
        },
        answer=OutboxPage,
        problems=(503,),
    ),
    ("POST", "/api/v1/outbox/{entry_id}/retry"): Described(
        "Have a dead letter tried again, and what waited for its result.", problems=(404, 503), **_DONE
    ),
    ("DELETE", "/api/v1/outbox/{entry_id}"): Described("Give an entry up, and forget what was in it.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/lines"): Described("The lines to the outside, and how each stands.", answer=LinesNow),
    ("POST", "/api/v1/lines/{trunk}/try"): Described(
        "A test call: recorded sentences are said to who answers. One line of JSON (`LineTried`) whenever it stands differently; the last "
        "one says what was heard. Whoever goes away hangs up.",
        body=TryLine,
        content=(TRIAL_CONTENT,),
        problems=(400, 404, 422, 429, 503),
    ),
    ("GET", "/api/v1/nodes"): Described("How each server is, those too that do not answer.", answer=NodesSeen, problems=(503,)),
    ("GET", "/api/v1/retention"): Described("What is kept for how long.", answer=RetentionNow),
    ("GET", "/api/v1/retention/due"): Described("How much would be deleted now.", answer=RetentionDue, problems=(503,)),
    ("GET", "/api/v1/rules"): Described("The rules in force, and what they may be set off by.", answer=RulesNow),
    ("GET", "/api/v1/rules/runs"): Described(
        "What rules did, or were kept from by a bound, the newest first.",
        query={"rule": str, "cursor": str, "limit": RuleLimit},
        answer={"runs": list[RuleRun], "next": str | None},
        problems=(503,),
    ),
    ("POST", "/api/v1/rules/try"): Described(
        "What rules would do if this happened, and why not. Nothing is done.", body=TriedRules, answer={"rules": list[WouldDo]}
    ),
    ("POST", "/api/v1/rules/hooks/{rule}"): Described(
        "Another program says that something happened: its rule acts. Signed as backends sign (X-Centralita-Signature), once each.",
        body=HookCalled,
        answer={"rules": list[WouldDo]},
        statuses=(202,),
        problems=(401, 404, 413),
    ),
    ("GET", "/api/v1/tasks"): Described(
        "What is to be done by me and my teams, what is due first; with all=true by everybody, for who supervises.",
        query={"all": bool, "done": bool, "limit": RuleLimit},
        answer={"tasks": list[Task]},
        problems=(503,),
    ),
    ("POST", "/api/v1/tasks"): Described("Something new to be done.", body=NewTask, answer=Task, statuses=(201,)),
    ("POST", "/api/v1/tasks/{task_id}/done"): Described("It is done.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/shared/recordings/{token}"): Described(
        "A recording, for whoever has its signed address. Who listens so is noted with it.",
        content=(FORMS["mix"].content_type,),
        problems=(404, 409, 410),
    ),
    ("GET", "/api/v1/events"): Described(
        "What was told to receivers of webhooks, or would have been, behind a cursor, as CloudEvents; so long as they are kept.",
        query={"cursor": Annotated[int, Meta(ge=0)], "limit": Annotated[int, Meta(ge=1, le=MOST_EVENTS)]},
        answer={"events": list[CloudEvent], "next": str, "more": bool},
        problems=(410, 503),
    ),
    ("POST", "/api/v1/webhooks/replay"): Described(
        "Post events behind a cursor to a receiver once more, by their own ids.",
        body=Replay,
        answer={"posted": int, "cursor": int},
        statuses=(202,),
        problems=(404, 410, 503),
    ),
    ("GET", "/api/v1/webhooks"): Described("How it stands with each receiver of webhooks.", answer={"receivers": list[Receiver]}),
    ("POST", "/api/v1/webhooks/resume"): Described(
        "Post again to a receiver that was cut off, or sooner to one that fails.", body=Resumed, problems=(404, 503), **_DONE
    ),
    ("POST", "/api/v1/consultations"): Described(
        "A new consultation, and the fragment of a link to it.", body=NewConsultation, answer=RoomLink, statuses=(201,), problems=(503,)
    ),
    ("GET", "/api/v1/suspended-callers"): Described(
        "Whose calls to public numbers are stopped, and what they spent in 24 hours.", answer={"suspended": list[SuspendedCaller]}
    ),
    ("DELETE", "/api/v1/suspended-callers/{identity}"): Described("Let somebody call public numbers again.", **_DONE),
    ("GET", "/api/v1/contacts"): Described(
        "Contacts by words or by a number.", query={"q": str}, answer={"contacts": list[Contact]}, problems=(503,)
    ),
    ("POST", "/api/v1/contacts"): Described(
        "Make a contact; who is known under the number or the address is not made again.",
        body=NewContact,
        answer=Contact,
        problems=(503,),
    ),
    ("GET", "/api/v1/contacts/{contact_id}"): Described("A contact, with what was spoken.", answer=Card, problems=(404, 503)),
    ("PUT", "/api/v1/contacts/{contact_id}/treatment"): Described(
        "Is this an important customer, and in what language do we speak to them?", body=Treatment, answer=Contact, problems=(404, 503)
    ),
    ("PUT", "/api/v1/contacts/{contact_id}"): Described(
        "Correct names, company, address and numbers; `If-Match` is the `ETag` of the contact as it was seen.",
        body=Correction,
        answer=Contact,
        headers=(SEEN,),
        problems=(412, 428, 503),
    ),
    ("GET", "/api/v1/campaigns"): Described(
        "Campaigns that concern me, and how far they are.", answer={"campaigns": list[CampaignFigures]}, problems=(503,)
    ),
    ("POST", "/api/v1/campaigns"): Described(
        "Make a campaign; it rests.", body=NewCampaign, answer=CampaignRow, statuses=(201,), problems=(503,)
    ),
    ("PUT", "/api/v1/campaigns/{campaign_id}/running"): Described(
        "Let a campaign run, or rest.", body=Running, answer=CampaignRow, problems=(404, 503)
    ),
    ("POST", "/api/v1/campaigns/{campaign_id}/entries"): Described(
        "Add numbers with consent; of each that is not added it is said why.", body=NewEntries, answer=Added, problems=(404, 503)
    ),
    ("POST", "/api/v1/campaigns/{campaign_id}/next"): Described(
        "Whom to look at and call next; nobody else is given them for ten minutes.", answer=EntryRow, problems=(404, 409, 503)
    ),
    ("POST", "/api/v1/campaign-entries/{entry_id}/outcome"): Described("How it went.", body=Report, answer=EntryRow, problems=(409, 503)),
    ("GET", "/api/v1/do-not-call"): Described(
        "Who does not want to be called: the newest, and how many.", answer={"numbers": list[Unwanted], "entries": int}, problems=(503,)
    ),
    ("POST", "/api/v1/do-not-call"): Described(
        "Put a number on that list.", body=NewUnwanted, answer=Unwanted, statuses=(201,), problems=(422, 503)
    ),
    ("DELETE", "/api/v1/do-not-call/{number}"): Described("Take a number off that list.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/centre/documents"): Described("The contact centre's plan in force: what each of its documents says.", answer=PlanNow),
    ("PUT", "/api/v1/centre/documents"): Described(
        "Change some documents together. What is wrong with the plan then is told at once, and the plan in force goes on.",
        body=PlanChange,
        answer=PlanVersion,
        headers=(SEEN,),
        problems=(409, 412, 422),
    ),
    ("GET", "/api/v1/centre/documents/{name}"): Described("One document: `queues`, `flows/NAME`, ...", answer=PlanDocument),
    ("PUT", "/api/v1/centre/documents/{name}"): Described(
        "Make or change one document. `If-Match` is the `ETag` of the plan as it was seen.",
        body=DocumentChange,
        answer=PlanVersion,
        headers=(SEEN,),
        problems=(409, 412, 422),
    ),
    ("DELETE", "/api/v1/centre/documents/{name}"): Described(
        "Remove a document that nothing needs.", answer=PlanVersion, headers=(SEEN,), problems=(409, 412, 422)
    ),
    ("GET", "/api/v1/centre/versions"): Described(
        "The versions that the plan had, the newest first.",
        query={"cursor": Whole, "limit": Annotated[int, Meta(ge=1, le=MOST_VERSIONS)]},
        answer={"versions": list[PlanVersion], "next": str | None},
    ),
    ("GET", "/api/v1/centre/versions/{version}"): Described(
        "What each document said then.", answer={"version": int, "documents": dict[str, str]}
    ),
    ("POST", "/api/v1/centre/versions/{version}/restore"): Described(
        "Put an earlier version in force again, as a new one.", body=Restored, answer=PlanVersion, problems=(409, 422)
    ),
    ("POST", "/api/v1/centre/check"): Described(
        "What would be wrong with the plan, with these changes?", body=PlanCheck, answer={"faults": list[TextFault]}, problems=(422,)
    ),
    ("POST", "/api/v1/centre/picture"): Described(
        "The plan as it would be with these changes, to be drawn: its flows as steps and ways, its numbers, queues, calendars and boxes.",
        body=PlanCheck,
        answer=PlanPicture,
        problems=(422,),
    ),
    ("POST", "/api/v1/centre/try"): Described(
        "Which way would this call go, with these changes?", body=PlanTrial, answer=TriedWay, problems=(422,)
    ),
    ("GET", "/api/v1/centre/sounds"): Described(
        "What callers hear: sentences by language and music; recorded, spoken or missing, and where each is used.",
        answer={"sounds": list[SoundRow], "languages": list[str]},
    ),
    ("POST", "/api/v1/centre/sounds/speech"): Described(
        "These words, as the server's speech says them.", body=SpokenText, content=(WAV,), problems=(422,)
    ),
    ("GET", "/api/v1/centre/sounds/{language}/{name}"): Described(
        "A sentence as callers hear it; `music` in place of a language: a piece of music.", content=(WAV,), problems=(404, 422)
    ),
    ("PUT", "/api/v1/centre/sounds/{language}/{name}"): Described(
        "Record a sentence or a piece of music, in place of what it was. What cannot be played, is too long or silent is refused.",
        body=NewSound,
        answer=SoundKept,
        problems=(422,),
    ),
    ("DELETE", "/api/v1/centre/sounds/{language}/{name}"): Described(
        "Remove a recording. Refused where callers would hear nothing in its place.", problems=(404, 409), **_DONE
    ),
    ("GET", "/api/v1/agents/{identity}/skills"): Described("What an agent can, and of which queues they are.", answer=AgentSkills),
    ("PUT", "/api/v1/agents/{identity}/skills"): Described(
        "Say what an agent can, in place of what was said before.", body=WantedSkills, answer=AgentSkills
    ),
    ("GET", "/api/v1/tours"): Described("The tours on offer.", answer={"tours": list[Tour]}, problems=(503,)),
    ("PUT", "/api/v1/tours/{tour_id}"): Described("Make a tour, or change it.", body=TourText, answer=Tour, problems=(503,)),
    ("GET", "/api/v1/departures"): Described(
        "Departures with their free seats, the earliest first: those of a year from now on, or from `from` until `until`.",
        query={"tour": str, "from": float, "until": float},
        answer={"departures": list[DepartureView]},
        problems=(503,),
    ),
    ("POST", "/api/v1/departures"): Described(
        "Offer a tour on a date.", body=NewDeparture, answer=DepartureView, statuses=(201,), problems=(404, 503)
    ),
    ("GET", "/api/v1/departures/{departure_id}"): Described("One departure.", answer=DepartureView, problems=(404, 503)),
    ("PUT", "/api/v1/departures/{departure_id}"): Described(
        "Other seats or another price; those who have seats keep them.", body=DepartureTerms, answer=DepartureView, problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/bookings"): Described(
        "Bookings by reference, number or a customer's name (`q`), of one contact, or of one departure; else those changed last.",
        query={"q": str, "contact": str, "departure": str},
        answer={"bookings": list[BookingView]},
        problems=(503,),
    ),
    ("POST", "/api/v1/bookings"): Described(
        "Hold seats for fifteen minutes. Under an `Idempotency-Key` that was sent before nothing is done (200).",
        body=NewBooking,
        answer=BookingView,
        headers=(KEY_HEADER,),
        statuses=(201, 200),
        problems=(404, 409, 503),
    ),
    ("GET", "/api/v1/bookings/{reference}"): Described(
        "A booking and what was done to it; its `ETag` may come back as `If-Match`.", answer=BookingHistory, problems=(404, 503)
    ),
    ("POST", "/api/v1/bookings/{reference}/reserve"): Described(
        "Seats for a wish, or again for one whose hold is over.", body=Because, **_STEP
    ),
    ("POST", "/api/v1/bookings/{reference}/payments"): Described("Money came. The deposit confirms a booking.", body=Payment, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/refunds"): Described("Money that was owed went back.", body=Payment, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/confirm"): Described("Keep the seats though the deposit is not paid.", body=Because, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/cancel"): Described("The customer does not want it any more.", body=Because, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/fail"): Described("The sale came to nothing.", body=Because, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/move"): Described("To another departure, at its price.", body=MovedTo, **_STEP),
    ("POST", "/api/v1/bookings/{reference}/seats"): Described("More seats, or fewer.", body=Resized, **_STEP),
    ("POST", "/pbx/lookup"): Described("3CX: whose number is this?", body=LookUpNumber, **_HITS),
    ("POST", "/pbx/lookup-email"): Described("3CX: whose address is this?", body=LookUpEmail, **_HITS),
    ("POST", "/pbx/search"): Described("3CX: contacts with these words.", body=SearchContacts, **_HITS),
    ("POST", "/pbx/contacts"): Described("3CX: make a contact.", body=NewContact, **_HITS),
    ("POST", "/pbx/calls"): Described("3CX: a call is over; told twice it stands once.", body=CallReport, **_KEPT),
    ("POST", "/pbx/chats"): Described("3CX: a chat is over; told twice it stands once.", body=ChatReport, **_KEPT),
    ("GET", "/api/v1/pbx"): Described("How it stands with the attached 3CX.", answer=ThreeCxStatus, problems=(409,)),
    ("GET", "/api/v1/pbx/directory"): Described(
        "Extensions, queues and numbers as they were imported, and who here has which extension.",
        answer=PbxDirectory,
        problems=(409, 503),
    ),
    ("POST", "/api/v1/pbx/import"): Described("Import them now.", answer=Imported, problems=(409, 503)),
    ("GET", "/api/v1/pbx/extensions/{number}"): Described(
        "Whose extension of the 3CX this is, and how they are.", answer=Extension, problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/pbx/calls"): Described(
        "The last calls of the 3CX with a number, of thirty days.",
        query={"number": str},
        answer={"calls": list[PastCall]},
        problems=(409, 503),
    ),
    ("GET", "/api/v1/pbx/active-calls"): Described(
        "The calls that are on in the 3CX.", answer={"calls": list[CallNow]}, problems=(409, 503)
    ),
    ("GET", "/api/v1/calls/records"): Described(
        "Call detail records that are complete, of calls, of their legs, of all that happened in them, or what agents did. docs/records.md"
        " explains each field.",
        query={
            "kind": Annotated[str, Meta(pattern="^(" + "|".join(get_args(Kind)) + ")$")],
            "format": Annotated[str, Meta(pattern="^(" + "|".join(CONTENT_TYPE) + ")$")],
            "from": str,
            "to": str,
            "since": Whole,
            "agent": str,
            "queue": str,
        },
        content=tuple(sorted(CONTENT_TYPE.values())),
        problems=(503,),
    ),
    ("GET", "/api/v1/queues/statistics"): Described(
        "What each queue did, by intervals of 15, 30, 60 or 1440 minutes, computed from the records of those who waited; `from=today` is "
        "since midnight in the time zone of the house, as in reports.",
        query={
            "interval": Annotated[str, Meta(pattern="^(" + "|".join(SIZES) + ")$")],
            "format": Annotated[str, Meta(pattern="^(" + "|".join(CONTENT_TYPE) + ")$")],
            "from": str,
            "to": str,
            "queue": str,
        },
        content=tuple(sorted(CONTENT_TYPE.values())),
        problems=(503,),
    ),
    ("GET", "/api/v1/reports"): Described(
        "The figures of a period, of all together and of each queue, team, agent, hour or day of the house's time zone. Who leads some"
        " teams alone sees those of their people.",
        query={**_PERIOD, "by": _one_of(get_args(ReportBy)), **dict.fromkeys(("queue", "team", "agent"), str)},
        answer=PeriodReport,
        problems=(503,),
    ),
    ("GET", "/api/v1/reports/differences"): Described(
        "Which agent, queue, site, network, browser, system, codec or trunk had a share of bad calls that differs from the rest by more"
        " than chance: Fisher's exact test, no more than 5 % false discoveries (Benjamini and Hochberg).",
        query=_PERIOD,
        answer=Differences,
        problems=(503,),
    ),
    ("GET", "/api/v1/reports/differences/calls"): Described(
        "The newest bad calls behind one of them.",
        query={**_PERIOD, "dimension": _one_of(get_args(Dimension)), "value": str},
        answer={"calls": list[BadCall]},
        problems=(503,),
    ),
    ("GET", "/api/v1/reports/staffing"): Described(
        "How many agents each queue needs in the next hours, beside those who are there; or why that cannot be told.",
        query={"hours": Annotated[int, Meta(ge=1, le=MOST_HOURS)], "format": _one_of(REPORT_FORMS)},
        answer=StaffingAdvice,
        problems=(503,),
    ),
    ("GET", "/api/v1/reports/funnel"): Described(
        "How far consultations came from link to conversation, of those whose link was made in a period.",
        query=_PERIOD,
        answer=Funnel,
        problems=(503,),
    ),
    ("GET", "/api/v1/calls"): Described(
        "Calls, the newest first, by number, agent, queue, time and how they sounded; behind one of them (before).",
        query={
            **dict.fromkeys(("number", "agent", "queue", "from", "to", "cursor"), str),
            "bad": bool,
            "limit": Annotated[int, Meta(ge=1, le=MOST_FOUND)],
        },
        answer=HistoryPage,
        problems=(503,),
    ),
    ("GET", "/api/v1/calls/{call_id}"): Described(
        "A call that was, or runs: its legs, what happened, where it waited.", answer=HistoryDetail, problems=(404, 503)
    ),
    ("GET", "/api/v1/calls/{call_id}/quality"): Described(
        "The measured seconds of a call's legs, in order, behind an instant (after).",
        query={"after": float},
        answer={"samples": list[QualitySecond]},
        problems=(404, 503),
    ),
    ("GET", "/api/v1/calls/{call_id}/signalling"): Described(
        "The SIP messages of a call, and the way that its browsers' packets took.", answer=Signalling, problems=(404, 503)
    ),
    ("GET", "/api/v1/alerts"): Described("What is wrong now with calls and queues, at every node.", answer=OpenAlerts),
    ("POST", "/api/v1/alerts/{alert_id}/acknowledgement"): Described(
        "Somebody sees to it, whichever node has it: me.", problems=(404, 503), **_DONE
    ),
    ("POST", "/api/v1/alerts/{alert_id}/snooze"): Described("Nobody is told of it for a while.", body=Snooze, problems=(404, 503), **_DONE),
    ("GET", "/api/v1/report-schedules"): Described(
        "My reports that are sent by the day or the week.", answer=ReportSchedules, problems=(503,)
    ),
    ("POST", "/api/v1/report-schedules"): Described(
        "Have a report sent by e-mail, a short text with all figures as a file.",
        body=NewSchedule,
        answer=ReportSchedule,
        statuses=(201,),
        problems=(409, 503),
    ),
    ("DELETE", "/api/v1/report-schedules/{schedule_id}"): Described("It is not sent any more.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/scorecard-forms"): Described(
        "By what calls are judged, each form as it is now.", answer={"forms": list[ScorecardForm]}, problems=(503,)
    ),
    ("PUT", "/api/v1/scorecard-forms/{form_id}"): Described(
        "Make a form, or change it: cards that were given keep theirs.", body=NewForm, answer=ScorecardForm, problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/scorecards"): Described(
        "Scorecards, the newest first: one's own, and of who judges calls those of whom they judge.",
        query={**dict.fromkeys(("agent", "call", "cursor"), str), "limit": Annotated[int, Meta(ge=1, le=MOST_CARDS)], "format": _FORM},
        answer=ScorecardPage,
        problems=(503,),
    ),
    ("POST", "/api/v1/scorecards"): Described(
        "Judge a call by a form.", body=NewScorecard, answer=Scorecard, statuses=(201,), problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/scorecards/means"): Described(
        "What was given in a period, on the mean: by agent, week, form or criterion.",
        query={**_PERIOD, "by": _one_of(PERS), "agent": str},
        answer={"means": list[ScorecardMean]},
        problems=(503,),
    ),
    ("POST", "/api/v1/scorecards/{card_id}/seen"): Described("I have read how a call of mine was judged.", problems=(404, 503), **_DONE),
    ("DELETE", "/api/v1/scorecards/{card_id}"): Described("Take a scorecard back.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/alert-thresholds"): Described(
        "From where on supervisors are told.", answer={"thresholds": Thresholds}, problems=(503,)
    ),
    ("PUT", "/api/v1/alert-thresholds"): Described(
        "... from now on.", body=Thresholds, answer={"thresholds": Thresholds}, headers=(SEEN,), problems=(412, 503)
    ),
    ("POST", "/api/v1/alert-thresholds/preview"): Described(
        "What these would have told in the last day.", body=Thresholds, answer=Tried, problems=(503,)
    ),
    ("GET", "/api/v1/calls/{call_id}/pbx"): Described(
        "What the PBX's own log says of a call, its judgement of the quality too.", answer=PbxCall, problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/calls/{call_id}/recordings"): Described(
        "The parts of a call's recording.", answer={"recordings": list[StoredRecording]}
    ),
    ("GET", "/api/v1/calls/{call_id}/film"): Described(
        "All that is kept of a consultation, as one film. Who fetched it is noted with each part.",
        query={"as": Annotated[str, Meta(pattern="^(" + "|".join(FILMS) + ")$")]},
        content=tuple(sorted(FILMS.values())),
        problems=(409, 410),
    ),
    ("GET", "/api/v1/recordings/{recording_id}"): Described(
        "A recording, to listen to, or with the pictures of a consultation. Who did is noted with it.",
        query={"as": Annotated[str, Meta(pattern="^(" + "|".join((*FORMS, *FILMS)) + ")$")]},
        content=tuple(sorted({*(form.content_type for form in FORMS.values()), *FILMS.values()})),
        problems=(409, 410),
    ),
    ("DELETE", "/api/v1/recordings/{recording_id}"): Described(
        "Erase a recording; that it was there stays on record.", problems=(409, 410), **_DONE
    ),
    ("GET", "/api/v1/voicemails"): Described(
        "Messages in the boxes that one reaches, the newest first; behind one of them (before).",
        query={"box": str, "unheard": bool, "cursor": str, "limit": Annotated[int, Meta(ge=1, le=MOST_SHOWN)]},
        answer=VoicemailPage,
        problems=(404, 410, 503),
    ),
    ("GET", "/api/v1/voicemails/{voicemail_id}/sound"): Described(
        "A message, to listen to. Who did is noted with it.",
        query={"as": Annotated[str, Meta(pattern="^(" + "|".join(MESSAGE_FORMS) + ")$")]},
        content=tuple(sorted({FORMS[form].content_type for form in MESSAGE_FORMS})),
        problems=(409, 410, 503),
    ),
    ("PUT", "/api/v1/voicemails/{voicemail_id}"): Described(
        "It was heard, or counts as new again.", body=HeardMark, answer=Voicemail, problems=(410, 503)
    ),
    ("DELETE", "/api/v1/voicemails/{voicemail_id}"): Described(
        "Erase a message; that it was there stays on record.", problems=(409, 410, 503), **_DONE
    ),
    ("GET", "/api/v1/tickets"): Described(
        "Tickets: what is open by when it is due, what is over the newest first; behind one of them (before).",
        query={
            "of": Annotated[str, Meta(pattern="^(" + "|".join(OF) + ")$")],
            "standing": Annotated[str, Meta(pattern="^(" + "|".join(STANDING) + ")$")],
            "late": bool,
            "state": Annotated[str, Meta(pattern="^(" + "|".join(("", *TicketState)) + ")$")],
            "priority": Annotated[str, Meta(pattern="^(" + "|".join(("", *Priority)) + ")$")],
            **dict.fromkeys(("category", "agent", "number", "contact", "about", "cursor"), str),
            "limit": Annotated[int, Meta(ge=1, le=MOST_TICKETS)],
        },
        answer=TicketList,
        problems=(404, 503),
    ),
    ("POST", "/api/v1/tickets"): Described(
        "Make a ticket; the same key (idem) makes one.", body=NewTicket, answer=StoredTicket, problems=(404, 503)
    ),
    ("GET", "/api/v1/ticket-choices"): Described("What may stand in a ticket's fields.", answer=TicketChoices, problems=(503,)),
    ("GET", "/api/v1/tickets/{ticket_id}"): Described(
        "A ticket with its journal and what it is about. Who looked is noted.", answer=TicketView, problems=(404, 503)
    ),
    ("PATCH", "/api/v1/tickets/{ticket_id}"): Described(
        "Change a ticket, or lead it to another state. Where somebody else changed the same meanwhile: 409 with both (now, wanted).",
        body=TicketChange,
        answer=StoredTicket,
        problems=(404, 409, 503),
    ),
    ("POST", "/api/v1/tickets/{ticket_id}/comments"): Described(
        "Say something, to colleagues or to the customer; the same key (idem) says it once.",
        body=NewComment,
        answer=StoredTicket,
        problems=(404, 409, 503),
    ),
    ("POST", "/api/v1/tickets/{ticket_id}/links"): Described(
        "Say what it is about too: a call, recording, booking or appointment.", body=NewLink, answer=StoredTicket, problems=(404, 503)
    ),
    ("POST", "/api/v1/surveys/open"): Described(
        "What the link of a survey is for.", body=SurveyToken, answer=SurveyShown, problems=(404, 410, 503)
    ),
    ("PUT", "/api/v1/surveys/answers"): Described(
        "Answer, or change answers until they expire.", body=SurveyAnswers, answer=SurveyShown, problems=(404, 410, 503)
    ),
    ("POST", "/api/v1/surveys/refusal"): Described(
        "Whoever has this link does not want to be asked again.", body=SurveyToken, problems=(404, 410, 503), **_DONE
    ),
    ("POST", "/api/v1/surveys/ratings"): Described(
        "How a consultation was, by who came to it by a link.", body=ConsultationRating, problems=(403, 410, 503), **_DONE
    ),
    ("GET", "/api/v1/contacts/{contact_id}/consents"): Described(
        "What a contact agreed to, or took back, the newest first.", answer={"consents": list[Consent]}, problems=(503,)
    ),
    ("PUT", "/api/v1/contacts/{contact_id}/consents/{purpose}"): Described(
        "Note what a contact says to a purpose from now on, or that they take it back, and what they were asked.",
        body=SaidConsent,
        answer={"consents": list[Consent]},
        problems=(404, 503),
    ),
    ("POST", "/api/v1/consents/search"): Described(
        "What whoever has a number agreed to, or took back, the newest first.",
        body=ConsentsWanted,
        answer={"consents": list[Consent]},
        problems=(503,),
    ),
    ("POST", "/api/v1/consents"): Described(
        "Note what whoever has a number says to a purpose from now on, or that they take it back.",
        body=SaidByNumber,
        answer={"consents": list[Consent]},
        problems=(503,),
    ),
    ("GET", "/api/v1/surveys/statistics"): Described(
        "CSAT (share of 4 and 5), NPS (points) and mean effort, by the day of a time zone, by queue or by agent.",
        query={
            "by": Annotated[str, Meta(pattern="^(" + "|".join(get_args(By)) + ")$")],
            **dict.fromkeys(("from", "to", "zone", "queue", "agent"), str),
        },
        answer=SurveyStatistics,
        problems=(503,),
    ),
    ("GET", "/api/v1/surveys/of/{subject}"): Described(
        "Who was asked after a call or a consultation, and what they said. Who looked is noted.",
        answer={"surveys": list[SurveyRecord]},
        problems=(503,),
    ),
    ("GET", "/api/v1/articles"): Described(
        "Articles with these words (q), the best first, with pieces of their texts; without words the last that were changed.",
        query={
            "q": Annotated[str, Meta(max_length=LONGEST_QUERY)],
            "language": Annotated[str, Meta(pattern="^(|en|es)$")],
            "limit": Annotated[int, Meta(ge=1, le=MOST_ARTICLES)],
        },
        answer=ArticleHits,
        problems=(503,),
    ),
    ("POST", "/api/v1/articles"): Described("Write an article.", body=WrittenArticle, answer=Article, problems=(409, 503)),
    ("GET", "/api/v1/articles/{article_id}"): Described("An article.", answer=Article, problems=(404, 503)),
    ("PUT", "/api/v1/articles/{article_id}"): Described(
        "The next version of an article, written upon the one that its author saw.",
        body=WrittenArticle,
        answer=Article,
        problems=(404, 409, 503),
    ),
    ("DELETE", "/api/v1/articles/{article_id}"): Described("Remove an article, with all its versions.", problems=(404, 503), **_DONE),
    ("GET", "/api/v1/articles/{article_id}/versions"): Described(
        "An article as it was, the newest first.", answer={"versions": list[Article]}, problems=(404, 503)
    ),
    ("POST", "/api/v1/first-start"): Described(
        "How far the questions of the first start are answered.", body=Coded, answer=StartNow, problems=(409, 429)
    ),
    ("POST", "/api/v1/first-start/answers"): Described(
        "Answer one of the five questions: it is checked at once.", body=StartAnswer, answer=StartNow, problems=(409, 422, 429)
    ),
    ("POST", "/api/v1/first-start/end"): Described("All is answered: the server begins anew.", body=Coded, problems=(409, 429), **_DONE),
    ("GET", "/widget.js"): Described("Puts the visitors' button on a site that the settings name.", content=("text/javascript",)),
    ("GET", "/api/v1/visits/desk"): Described(
        "How a queue stands for visitors: open, somebody there, when to be called back.",
        query={"queue": str, "language": str},
        answer=DeskNow,
        problems=(404,),
    ),
    ("GET", "/api/v1/visits/number"): Described(
        "A number as it would be dialled, and whether anybody here can call it.", query={"number": str}, answer=NumberRead, problems=(404,)
    ),
    ("POST", "/api/v1/visits"): Described(
        "A visitor's session, for calls to this queue alone (visit.call).",
        body=VisitWanted,
        answer=Session,
        statuses=(201,),
        problems=(404, 429),
    ),
    ("POST", "/api/v1/visits/chats"): Described(
        "A room with somebody of this queue, and the visitor's link to it.",
        body=ChatWanted,
        answer=ChatMade,
        statuses=(201,),
        problems=(404, 409, 429, 503),
    ),
    ("POST", "/api/v1/visits/call-backs"): Described(
        "Be called back; sent twice under one idem it is one wish.",
        body=CallBackWanted,
        answer=CallBackMade,
        statuses=(201,),
        problems=(404, 409, 422, 429, 503),
    ),
    ("GET", "/api/v1/booking/services"): Described("What customers may book.", answer=booked.ServiceViews, problems=(503,)),
    ("GET", "/api/v1/booking/slots"): Described(
        "Free times of a service, of 45 days at most.",
        query={"service": str, "from": float, "until": float, "language": str, "professional": str},
        answer=booked.FreeTimes,
        problems=(404, 503),
    ),
    ("GET", "/api/v1/booking/alternatives"): Described(
        "What is free near a time that has gone.",
        query={"service": str, "start": float, "language": str, "professional": str, "zone": str},
        answer=booked.AlternativeViews,
        problems=(404, 503),
    ),
    ("POST", "/api/v1/booking/appointments"): Described(
        "Book an appointment; sent twice under one idem it is booked once.",
        body=booked.AppointmentWanted,
        answer=booked.OwnView,
        statuses=(201,),
        problems=(404, 409, 503),
    ),
    ("POST", "/api/v1/booking/own"): Described(
        "A customer's own appointment.", body=booked.OwnAppointment, answer=booked.OwnView, problems=(404, 503)
    ),
    ("POST", "/api/v1/booking/own/move"): Described(
        "... to another time.", body=booked.OwnMove, answer=booked.OwnView, problems=(404, 409, 503)
    ),
    ("POST", "/api/v1/booking/own/cancel"): Described(
        "... is not needed any more.", body=booked.OwnAppointment, answer=booked.OwnView, problems=(404, 409, 503)
    ),
    ("POST", "/api/v1/booking/own/confirm"): Described(
        "... will be kept.", body=booked.OwnAppointment, answer=booked.OwnView, problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/services"): Described("Every service, for the house.", answer=booked.ServiceRows, problems=(503,)),
    ("PUT", "/api/v1/services/{service_id}"): Described(
        "Make or change a service.", body=booked.ServiceWanted, answer=ServiceRow, problems=(503,)
    ),
    ("GET", "/api/v1/calendars"): Described("Hours of the professionals whom one reaches.", answer=booked.CalendarViews, problems=(503,)),
    ("PUT", "/api/v1/calendars/{identity}"): Described(
        "When somebody gives appointments.", body=booked.CalendarWanted, answer=booked.CalendarView, problems=(404, 503)
    ),
    ("DELETE", "/api/v1/calendars/{identity}"): Described("Somebody gives none any more.", problems=(503,), **_DONE),
    ("GET", "/api/v1/absences"): Described("Absences that are not over.", answer=booked.Absences, problems=(503,)),
    ("POST", "/api/v1/absences"): Described(
        "Somebody is away; what stands in that time comes back, to be moved.",
        body=booked.AbsenceWanted,
        answer=booked.AbsenceMade,
        statuses=(201,),
        problems=(503,),
    ),
    ("DELETE", "/api/v1/absences/{absence_id}"): Described("They are there after all.", problems=(503,), **_DONE),
    ("GET", "/api/v1/appointments"): Described(
        "Appointments that begin in a time of two months at most: one's own, for supervisors those of their teams.",
        query={"from": float, "until": float, "professional": str},
        answer=booked.StaffViews,
        problems=(503,),
    ),
    ("POST", "/api/v1/appointments"): Described(
        "Book for a customer.", body=booked.AppointmentWanted, answer=booked.StaffView, statuses=(201,), problems=(404, 409, 503)
    ),
    ("GET", "/api/v1/appointments/{appointment_id}"): Described(
        "One, with what became of it.", answer=booked.StaffView, problems=(404, 503)
    ),
    ("POST", "/api/v1/appointments/{appointment_id}/steps"): Described(
        "Confirm, move, cancel or end it, or note that its customer did not come.",
        body=booked.StepWanted,
        answer=booked.StaffView,
        problems=(404, 409, 503),
    ),
}
