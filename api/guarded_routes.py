"""What each REST route asks of its caller, in one table, and the middlewares that see to it before any handler runs.

A route without a line is a mistake of ours that keeps the server from starting: nothing is open by being forgotten. The token travels in
the ``Authorization`` header and nowhere else, so no form or address of another site can carry it along.
"""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.page_list import PAGES
from signaling.grants import Grant, Permission, demand
from signaling.refusal import Refusal

_P = Permission
ROUTES: Mapping[tuple[str, str], Permission | None] = {
    **{("GET", page.address): None for page in PAGES},
    ("GET", "/static/{hash}/{path}"): None,
    ("GET", "/api/v1/health/live"): None,
    ("GET", "/api/v1/health/ready"): None,
    ("GET", "/api/v1/sign-in"): None,
    ("POST", "/api/v1/sign-in"): None,
    ("GET", "/api/v1/oidc/start"): None,
    ("GET", "/api/v1/oidc/callback"): None,
    ("POST", "/api/v1/oidc/session"): None,
    ("GET", "/metrics"): None,  # open by address: the handler looks
    ("GET", "/socket.io/"): None,  # the hub signs in each connection by itself
    ("GET", "/api/v1/openapi.json"): _P.SESSION_OWN,
    ("POST", "/api/v1/sign-out"): _P.SESSION_OWN,
    ("GET", "/api/v1/account"): _P.SESSION_OWN,
    ("POST", "/api/v1/account/password"): _P.SESSION_OWN,
    ("GET", "/api/v1/account/events"): _P.SESSION_OWN,
    ("GET", "/api/v1/account/sessions"): _P.SESSION_OWN,
    ("DELETE", "/api/v1/account/sessions"): _P.SESSION_OWN,
    ("DELETE", "/api/v1/account/sessions/{session_id}"): _P.SESSION_OWN,
    ("POST", "/api/v1/account/second-factor"): _P.SESSION_OWN,
    ("POST", "/api/v1/account/second-factor/confirm"): _P.SESSION_OWN,
    ("POST", "/api/v1/account/second-factor/end"): _P.SESSION_OWN,
    ("GET", "/api/v1/users"): _P.USERS_MANAGE,
    ("PUT", "/api/v1/users/{identity}"): _P.USERS_MANAGE,
    ("DELETE", "/api/v1/users/{identity}/sessions"): _P.SESSION_ANY,
    ("DELETE", "/api/v1/users/{identity}/second-factor"): _P.USERS_MANAGE,
    ("GET", "/api/v1/keys"): _P.KEYS_MANAGE,
    ("POST", "/api/v1/keys"): _P.KEYS_MANAGE,
    ("DELETE", "/api/v1/keys/{key_id}"): _P.KEYS_MANAGE,
    ("POST", "/api/v1/tokens"): _P.TOKEN_ISSUE,
    ("GET", "/api/v1/audit"): _P.LOG_READ,
    ("GET", "/api/v1/audit/faults"): _P.LOG_READ,
    ("POST", "/api/v1/privacy/copies"): _P.PRIVACY_MANAGE,
    ("POST", "/api/v1/privacy/erasures"): _P.PRIVACY_MANAGE,
    ("GET", "/api/v1/privacy/holds"): _P.PRIVACY_MANAGE,
    ("POST", "/api/v1/privacy/holds"): _P.PRIVACY_MANAGE,
    ("DELETE", "/api/v1/privacy/holds/{hold_id}"): _P.PRIVACY_MANAGE,
    ("GET", "/api/v1/privacy/record"): _P.PRIVACY_MANAGE,
    ("POST", "/api/v1/guests"): None,  # let in by a link
    ("POST", "/api/v1/first-start"): None,  # by the code that the server printed
    ("POST", "/api/v1/first-start/answers"): None,
    ("POST", "/api/v1/first-start/end"): None,
    ("GET", "/widget.js"): None,
    ("GET", "/api/v1/visits/desk"): None,
    ("GET", "/api/v1/visits/number"): None,
    ("POST", "/api/v1/visits"): None,
    ("POST", "/api/v1/visits/chats"): None,
    ("POST", "/api/v1/visits/call-backs"): None,
    ("POST", "/api/v1/uploads/{ticket}"): None,  # the address itself is signed, and good for one file
    ("GET", "/api/v1/attachments/{attachment_id}"): _P.CHAT_READ,
    ("DELETE", "/api/v1/people/{identity}/chat"): _P.USERS_MANAGE,
    ("GET", "/api/v1/backends"): _P.BACKENDS_MANAGE,
    ("POST", "/api/v1/backends/{backend_id}/try"): _P.BACKENDS_MANAGE,
    ("POST", "/api/v1/backends/{backend_id}/events"): None,  # signed by the backend
    ("GET", "/api/v1/outbox"): _P.OUTBOX_MANAGE,
    ("GET", "/api/v1/lines"): _P.PBX_MANAGE,
    ("POST", "/api/v1/lines/{trunk}/try"): _P.PBX_MANAGE,
    ("GET", "/api/v1/nodes"): _P.NODES_WATCH,
    ("GET", "/api/v1/retention"): _P.PRIVACY_MANAGE,
    ("GET", "/api/v1/retention/due"): _P.PRIVACY_MANAGE,
    ("GET", "/api/v1/rules"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/rules/runs"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/rules/try"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/rules/hooks/{rule}"): None,  # signed by who calls it: the handler looks
    ("GET", "/api/v1/tasks"): _P.TASKS_OWN,
    ("POST", "/api/v1/tasks"): _P.TASKS_OWN,
    ("POST", "/api/v1/tasks/{task_id}/done"): _P.TASKS_OWN,
    ("POST", "/api/v1/outbox/{entry_id}/retry"): _P.OUTBOX_MANAGE,
    ("DELETE", "/api/v1/outbox/{entry_id}"): _P.OUTBOX_MANAGE,
    ("GET", "/api/v1/shared/recordings/{token}"): None,  # the address itself is signed, and good for one recording
    ("GET", "/api/v1/events"): _P.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/webhooks/replay"): _P.WEBHOOKS_MANAGE,
    ("GET", "/api/v1/webhooks"): _P.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/webhooks/resume"): _P.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/consultations"): _P.ROOM_CREATE,
    ("GET", "/api/v1/suspended-callers"): _P.CALL_LIFT,
    ("DELETE", "/api/v1/suspended-callers/{identity}"): _P.CALL_LIFT,
    ("GET", "/api/v1/contacts"): _P.CONTACTS_READ,
    ("POST", "/api/v1/contacts"): _P.CONTACTS_WRITE,
    ("GET", "/api/v1/contacts/{contact_id}"): _P.CONTACTS_READ,
    ("PUT", "/api/v1/contacts/{contact_id}/treatment"): _P.CONTACTS_WRITE,
    ("PUT", "/api/v1/contacts/{contact_id}"): _P.CONTACTS_WRITE,
    ("GET", "/api/v1/campaigns"): _P.CALL_DIAL,
    ("POST", "/api/v1/campaigns"): _P.CAMPAIGNS_MANAGE,
    ("PUT", "/api/v1/campaigns/{campaign_id}/running"): _P.CAMPAIGNS_MANAGE,
    ("POST", "/api/v1/campaigns/{campaign_id}/entries"): _P.CAMPAIGNS_MANAGE,
    ("POST", "/api/v1/campaigns/{campaign_id}/next"): _P.CALL_DIAL,
    ("POST", "/api/v1/campaign-entries/{entry_id}/outcome"): _P.CALL_DIAL,
    ("GET", "/api/v1/do-not-call"): _P.CAMPAIGNS_MANAGE,
    ("POST", "/api/v1/do-not-call"): _P.CONTACTS_WRITE,
    ("DELETE", "/api/v1/do-not-call/{number}"): _P.CAMPAIGNS_MANAGE,
    ("GET", "/api/v1/centre/documents"): _P.CENTRE_MANAGE,
    ("PUT", "/api/v1/centre/documents"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/centre/documents/{name}"): _P.CENTRE_MANAGE,
    ("PUT", "/api/v1/centre/documents/{name}"): _P.CENTRE_MANAGE,
    ("DELETE", "/api/v1/centre/documents/{name}"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/centre/versions"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/centre/versions/{version}"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/centre/versions/{version}/restore"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/centre/check"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/centre/picture"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/centre/try"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/centre/sounds"): _P.CENTRE_MANAGE,
    ("POST", "/api/v1/centre/sounds/speech"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/centre/sounds/{language}/{name}"): _P.CENTRE_MANAGE,
    ("PUT", "/api/v1/centre/sounds/{language}/{name}"): _P.CENTRE_MANAGE,
    ("DELETE", "/api/v1/centre/sounds/{language}/{name}"): _P.CENTRE_MANAGE,
    ("GET", "/api/v1/agents/{identity}/skills"): _P.SKILLS_MANAGE,
    ("PUT", "/api/v1/agents/{identity}/skills"): _P.SKILLS_MANAGE,
    ("GET", "/api/v1/tours"): _P.BOOKINGS_READ,
    ("PUT", "/api/v1/tours/{tour_id}"): _P.BOOKINGS_MANAGE,
    ("GET", "/api/v1/departures"): _P.BOOKINGS_READ,
    ("POST", "/api/v1/departures"): _P.BOOKINGS_MANAGE,
    ("GET", "/api/v1/departures/{departure_id}"): _P.BOOKINGS_READ,
    ("PUT", "/api/v1/departures/{departure_id}"): _P.BOOKINGS_MANAGE,
    ("GET", "/api/v1/bookings"): _P.BOOKINGS_READ,
    ("POST", "/api/v1/bookings"): _P.BOOKINGS_WRITE,
    ("GET", "/api/v1/bookings/{reference}"): _P.BOOKINGS_READ,
    ("POST", "/api/v1/bookings/{reference}/reserve"): _P.BOOKINGS_WRITE,
    ("POST", "/api/v1/bookings/{reference}/payments"): _P.BOOKINGS_WRITE,
    ("POST", "/api/v1/bookings/{reference}/refunds"): _P.BOOKINGS_MANAGE,
    ("POST", "/api/v1/bookings/{reference}/confirm"): _P.BOOKINGS_MANAGE,
    ("POST", "/api/v1/bookings/{reference}/cancel"): _P.BOOKINGS_WRITE,
    ("POST", "/api/v1/bookings/{reference}/fail"): _P.BOOKINGS_WRITE,
    ("POST", "/api/v1/bookings/{reference}/move"): _P.BOOKINGS_WRITE,
    ("POST", "/api/v1/bookings/{reference}/seats"): _P.BOOKINGS_WRITE,
    ("POST", "/pbx/lookup"): _P.PBX_CONTEXT,
    ("POST", "/pbx/lookup-email"): _P.PBX_CONTEXT,
    ("POST", "/pbx/search"): _P.PBX_CONTEXT,
    ("POST", "/pbx/contacts"): _P.PBX_CONTEXT,
    ("POST", "/pbx/calls"): _P.PBX_CONTEXT,
    ("POST", "/pbx/chats"): _P.PBX_CONTEXT,
    ("GET", "/api/v1/pbx"): _P.PBX_MANAGE,
    ("GET", "/api/v1/pbx/directory"): _P.PBX_MANAGE,
    ("POST", "/api/v1/pbx/import"): _P.PBX_MANAGE,
    ("GET", "/api/v1/pbx/extensions/{number}"): _P.CONTACTS_READ,
    ("GET", "/api/v1/pbx/calls"): _P.CONTACTS_READ,
    ("GET", "/api/v1/pbx/active-calls"): _P.PBX_MANAGE,
    ("GET", "/api/v1/calls"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/calls/records"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/calls/{call_id}"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/calls/{call_id}/quality"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/calls/{call_id}/signalling"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/queues/statistics"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/reports"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/reports/funnel"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/reports/staffing"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/reports/differences/calls"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/reports/differences"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/report-schedules"): _P.RECORDS_EXPORT,
    ("POST", "/api/v1/report-schedules"): _P.RECORDS_EXPORT,
    ("DELETE", "/api/v1/report-schedules/{schedule_id}"): _P.RECORDS_EXPORT,
    ("GET", "/api/v1/scorecard-forms"): _P.SCORES_OWN,
    ("PUT", "/api/v1/scorecard-forms/{form_id}"): _P.SCORES_ANY,
    ("GET", "/api/v1/scorecards"): _P.SCORES_OWN,
    ("POST", "/api/v1/scorecards"): _P.SCORES_ANY,
    ("GET", "/api/v1/scorecards/means"): _P.SCORES_OWN,
    ("POST", "/api/v1/scorecards/{card_id}/seen"): _P.SCORES_OWN,
    ("DELETE", "/api/v1/scorecards/{card_id}"): _P.SCORES_ANY,
    ("GET", "/api/v1/alerts"): _P.BOARD_WATCH,
    ("POST", "/api/v1/alerts/{alert_id}/acknowledgement"): _P.BOARD_WATCH,
    ("POST", "/api/v1/alerts/{alert_id}/snooze"): _P.BOARD_WATCH,
    ("GET", "/api/v1/alert-thresholds"): _P.BOARD_WATCH,
    ("PUT", "/api/v1/alert-thresholds"): _P.BOARD_WATCH,
    ("POST", "/api/v1/alert-thresholds/preview"): _P.BOARD_WATCH,
    ("GET", "/api/v1/calls/{call_id}/pbx"): _P.PBX_MANAGE,
    ("GET", "/api/v1/calls/{call_id}/recordings"): _P.RECORDING_LISTEN,
    ("GET", "/api/v1/calls/{call_id}/film"): _P.RECORDING_LISTEN,
    ("GET", "/api/v1/recordings/{recording_id}"): _P.RECORDING_LISTEN,
    ("DELETE", "/api/v1/recordings/{recording_id}"): _P.RECORDING_ERASE,
    ("GET", "/api/v1/voicemails"): _P.VOICEMAIL_HEAR,
    ("GET", "/api/v1/voicemails/{voicemail_id}/sound"): _P.VOICEMAIL_HEAR,
    ("PUT", "/api/v1/voicemails/{voicemail_id}"): _P.VOICEMAIL_HEAR,
    ("DELETE", "/api/v1/voicemails/{voicemail_id}"): _P.VOICEMAIL_HEAR,
    ("GET", "/api/v1/tickets"): _P.TICKETS_READ,
    ("POST", "/api/v1/tickets"): _P.TICKETS_WRITE,
    ("GET", "/api/v1/ticket-choices"): _P.TICKETS_READ,
    ("GET", "/api/v1/tickets/{ticket_id}"): _P.TICKETS_READ,
    ("PATCH", "/api/v1/tickets/{ticket_id}"): _P.TICKETS_WRITE,
    ("POST", "/api/v1/tickets/{ticket_id}/comments"): _P.TICKETS_WRITE,
    ("POST", "/api/v1/tickets/{ticket_id}/links"): _P.TICKETS_WRITE,
    ("POST", "/api/v1/surveys/open"): None,  # let in by the token of a link
    ("PUT", "/api/v1/surveys/answers"): None,  # likewise
    ("POST", "/api/v1/surveys/refusal"): None,  # likewise
    ("POST", "/api/v1/surveys/ratings"): None,  # by the link to a consultation
    ("GET", "/api/v1/contacts/{contact_id}/consents"): _P.CONTACTS_READ,
    ("PUT", "/api/v1/contacts/{contact_id}/consents/{purpose}"): _P.CONTACTS_WRITE,
    ("POST", "/api/v1/consents/search"): _P.CONTACTS_READ,
    ("POST", "/api/v1/consents"): _P.CONTACTS_WRITE,
    ("GET", "/api/v1/surveys/statistics"): _P.SURVEYS_READ,
    ("GET", "/api/v1/surveys/of/{subject}"): _P.SURVEYS_READ,
    ("GET", "/api/v1/articles"): _P.ARTICLES_READ,
    ("POST", "/api/v1/articles"): _P.ARTICLES_WRITE,
    ("GET", "/api/v1/articles/{article_id}"): _P.ARTICLES_READ,
    ("PUT", "/api/v1/articles/{article_id}"): _P.ARTICLES_WRITE,
    ("DELETE", "/api/v1/articles/{article_id}"): _P.ARTICLES_WRITE,
    ("GET", "/api/v1/articles/{article_id}/versions"): _P.ARTICLES_WRITE,
    ("GET", "/api/v1/booking/services"): None,
    ("GET", "/api/v1/booking/slots"): None,
    ("GET", "/api/v1/booking/alternatives"): None,
    ("POST", "/api/v1/booking/appointments"): None,
    ("POST", "/api/v1/booking/own"): None,  # these by the customer's token, in the body
    ("POST", "/api/v1/booking/own/move"): None,
    ("POST", "/api/v1/booking/own/cancel"): None,
    ("POST", "/api/v1/booking/own/confirm"): None,
    ("GET", "/api/v1/services"): _P.APPOINTMENTS_OWN,
    ("PUT", "/api/v1/services/{service_id}"): _P.SERVICES_MANAGE,
    # Whose they are: the handlers look.
    ("GET", "/api/v1/calendars"): _P.APPOINTMENTS_OWN,
    ("PUT", "/api/v1/calendars/{identity}"): _P.APPOINTMENTS_OWN,
    ("DELETE", "/api/v1/calendars/{identity}"): _P.APPOINTMENTS_OWN,
    ("GET", "/api/v1/absences"): _P.APPOINTMENTS_OWN,
    ("POST", "/api/v1/absences"): _P.APPOINTMENTS_OWN,
    ("DELETE", "/api/v1/absences/{absence_id}"): _P.APPOINTMENTS_OWN,
    ("GET", "/api/v1/appointments"): _P.APPOINTMENTS_OWN,
    ("POST", "/api/v1/appointments"): _P.APPOINTMENTS_OWN,
    ("GET", "/api/v1/appointments/{appointment_id}"): _P.APPOINTMENTS_OWN,
    ("POST", "/api/v1/appointments/{appointment_id}/steps"): _P.APPOINTMENTS_OWN,
}
"""By method and path; None: open to everybody. HEAD is GET."""

_GRANT = web.RequestKey("grant", Grant)
_REFUSAL = web.RequestKey("refusal", Refusal)
_WRITTEN_DOWN = ("forbidden", "key_invalid")


OnForbidden = Callable[[web.Request, str, str], None]
"""Hears of a request that is not for who made it: the request, who (empty where a key was wrong), the refusal's code."""


def identified(identify: Callable[[str], Awaitable[Grant]]) -> Middleware:
    """Finds out whose request it is, where its route asks for somebody. Nobody is refused here: that is the guard's.

    ``identify`` turns a token or key into what it grants or raises ``Refusal``.
    """

    @web.middleware
    async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _permission_for(request) is not None:
            try:
                request[_GRANT] = await identify(_bearer(request))
            except Refusal as refusal:
                request[_REFUSAL] = refusal
        return await handler(request)

    return identified


def guarded(on_forbidden: OnForbidden) -> Middleware:
    """Lets a request through to its handler where its line in ``ROUTES`` is met. To stand after ``identified``."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        permission = _permission_for(request)
        if permission is None:
            return await handler(request)
        try:
            unknown = refusal_of(request)
            if unknown is not None:
                raise unknown
            demand(request[_GRANT], permission)
            return await handler(request)
        except Refusal as refusal:
            if refusal.code in _WRITTEN_DOWN:
                caller = caller_of(request)
                on_forbidden(request, caller.identity if caller is not None else "", refusal.code)
            raise

    return guard


def _permission_for(request: web.Request) -> Permission | None:
    """None too for an answer of the router's, 404 or 405."""
    route = request.match_info.route
    return ROUTES[line_of(route)] if route.resource is not None else None


def refusal_of(request: web.Request) -> Refusal | None:
    """Why it is not known whose request this is, where its route asks for somebody."""
    return request.get(_REFUSAL)


def grant_of(request: web.Request) -> Grant:
    """Whose request this is, on a route that asks for a permission."""
    return request[_GRANT]


def caller_of(request: web.Request) -> Grant | None:
    """Whose request this is; None where the route asks for nobody."""
    return request.get(_GRANT)


def line_of(route: web.AbstractRoute) -> tuple[str, str]:
    """The key of a route in ``ROUTES``."""
    assert route.resource is not None
    return (hdrs.METH_GET if route.method == hdrs.METH_HEAD else route.method, route.resource.canonical)


async def refuse_unguarded(app: web.Application) -> None:
    """Raises ``LookupError`` when a route has no line in ``ROUTES``. Run when the application starts."""
    missing = sorted({line_of(route) for route in app.router.routes()} - set(ROUTES))
    if missing:
        raise LookupError(f"These routes name no permission in api/guarded_routes.py: {missing}")


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Refusal("token_invalid", "Sign in, and send the token as Authorization: Bearer.")
    return token.strip()
