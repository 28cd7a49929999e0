"""Every look at, listen to, change, export and erasure of personal data over HTTP is written into the audit: here, in one place.

A route is of customers' data unless its permission or its line says that it is not, so that nothing is left out by being forgotten.
"""

from collections.abc import Callable, Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.audit.audit import Audit
from api.guarded_routes import ROUTES, grant_of, line_of
from api.privacy.vault import Vault
from api.store import StoreUnavailable
from signaling.grants import Permission
from signaling.refusal import Refusal

_P = Permission
_NOT_PERSONAL = frozenset(
    {
        *(_P.SESSION_OWN, _P.SESSION_ANY, _P.DEVICE_OWN, _P.USERS_MANAGE, _P.KEYS_MANAGE, _P.LOG_READ, _P.TOKEN_ISSUE),
        *(_P.WEBHOOKS_MANAGE, _P.CENTRE_MANAGE, _P.SKILLS_MANAGE, _P.CALL_LIFT, _P.ROOM_CREATE, _P.SERVICES_MANAGE),
        _P.OUTBOX_MANAGE,
        _P.PRIVACY_MANAGE,
        _P.NODES_WATCH,
        _P.BOARD_WATCH,
    }
)
"""About people of the house and the machine; what of it belongs into the audit is written by whoever does it."""
_NOT_HERE = frozenset(
    {
        ("GET", "/api/v1/calls/records"),  # with what was asked for, by itself
        ("GET", "/api/v1/queues/statistics"),
        ("GET", "/api/v1/reports"),  # figures of the house's own people, with what was asked for, by itself
        ("GET", "/api/v1/reports/funnel"),
        ("GET", "/api/v1/reports/staffing"),
        ("GET", "/api/v1/reports/differences/calls"),
        ("GET", "/api/v1/reports/differences"),
        ("GET", "/api/v1/calls/{call_id}/quality"),  # seconds of legs, and of nobody
        ("GET", "/api/v1/report-schedules"),
        ("POST", "/api/v1/report-schedules"),  # these write their own lines
        ("DELETE", "/api/v1/report-schedules/{schedule_id}"),
        ("GET", "/api/v1/scorecard-forms"),
        ("PUT", "/api/v1/scorecard-forms/{form_id}"),  # writes its own line
        ("GET", "/api/v1/scorecards/means"),
        ("GET", "/api/v1/campaigns"),
        ("GET", "/api/v1/pbx"),
        ("GET", "/api/v1/backends"),
        ("GET", "/api/v1/pbx/directory"),
        ("GET", "/api/v1/pbx/extensions/{number}"),
        ("POST", "/api/v1/pbx/import"),
        ("GET", "/api/v1/lines"),
        ("POST", "/api/v1/lines/{trunk}/try"),  # writes its own line
        ("GET", "/api/v1/services"),  # hours and absences are of the house's own people
        ("GET", "/api/v1/calendars"),
        ("PUT", "/api/v1/calendars/{identity}"),
        ("DELETE", "/api/v1/calendars/{identity}"),
        ("GET", "/api/v1/absences"),
        ("DELETE", "/api/v1/absences/{absence_id}"),
    }
)
KINDS: Mapping[tuple[str, str], str] = {
    ("GET", "/api/v1/contacts"): "contacts_searched",
    ("POST", "/api/v1/contacts"): "contact_made",
    ("GET", "/api/v1/contacts/{contact_id}"): "contact_read",
    ("PUT", "/api/v1/contacts/{contact_id}/treatment"): "contact_changed",
    ("PUT", "/api/v1/contacts/{contact_id}"): "contact_corrected",
    ("POST", "/api/v1/backends/{backend_id}/try"): "contact_looked_up",
    ("POST", "/pbx/lookup"): "contact_looked_up",
    ("POST", "/pbx/lookup-email"): "contact_looked_up",
    ("POST", "/pbx/search"): "contacts_searched",
    ("POST", "/pbx/contacts"): "contact_made",
    ("GET", "/api/v1/calls"): "calls_searched",
    ("GET", "/api/v1/calls/{call_id}"): "call_read",
    ("GET", "/api/v1/calls/{call_id}/film"): "recording_watched",
    ("GET", "/api/v1/recordings/{recording_id}"): "recording_listened",
    ("DELETE", "/api/v1/recordings/{recording_id}"): "recording_erased",
    ("GET", "/api/v1/voicemails/{voicemail_id}/sound"): "voicemail_heard",
    ("DELETE", "/api/v1/voicemails/{voicemail_id}"): "voicemail_erased",
    ("GET", "/api/v1/appointments"): "appointments_read",
    ("POST", "/api/v1/appointments"): "appointment_booked",
    ("GET", "/api/v1/appointments/{appointment_id}"): "appointment_read",
    ("POST", "/api/v1/appointments/{appointment_id}/steps"): "appointment_changed",
    ("GET", "/api/v1/contacts/{contact_id}/consents"): "consents_read",
    ("POST", "/api/v1/consents/search"): "consents_read",
    ("PUT", "/api/v1/contacts/{contact_id}/consents/{purpose}"): "consents_changed",
    ("POST", "/api/v1/consents"): "consents_changed",
    ("GET", "/api/v1/scorecards"): "scorecards_read",
    ("POST", "/api/v1/scorecards"): "scorecard_given",
    ("POST", "/api/v1/scorecards/{card_id}/seen"): "scorecard_seen",
    ("DELETE", "/api/v1/scorecards/{card_id}"): "scorecard_erased",
    ("GET", "/api/v1/tasks"): "tasks_read",
    ("POST", "/api/v1/tasks"): "task_made",
    ("POST", "/api/v1/tasks/{task_id}/done"): "task_done",
}
_BY_METHOD = {hdrs.METH_GET: "personal_read", hdrs.METH_DELETE: "personal_erased"}
_OTHERWISE = "personal_changed"

OnLooked = Callable[[web.Request], None]
_SUBJECT = web.RequestKey("audit_subject", str)


def about(request: web.Request, handle: str) -> None:
    """For a route's handler: whose data this is, by the vault's handle; of ``{contact_id}`` in the address it is known."""
    request[_SUBJECT] = handle


def is_personal(line: tuple[str, str]) -> bool:
    """Does who uses this route reach personal data of customers?"""
    permission = ROUTES[line]
    return permission is not None and permission not in _NOT_PERSONAL and line not in _NOT_HERE


class Looks:
    def __init__(self, audit: Audit, vault: Vault) -> None:
        self._audit = audit
        self._vault = vault

    def note(self, request: web.Request) -> None:
        """Write down that its caller got what they asked for."""
        line, ids = line_of(request.match_info.route), request.match_info
        contact_id = ids.get("contact_id", "")
        subject = request.get(_SUBJECT) or (self._vault.person("contact", contact_id) if contact_id else "")
        what = " ".join(value for name, value in ids.items() if name.endswith("_id"))
        kind = KINDS.get(line) or _BY_METHOD.get(line[0], _OTHERWISE)
        self._audit.note(kind, grant_of(request).identity, what, subject, " ".join(line))


def looked(on_looked: OnLooked) -> Middleware:
    """Tells of each request about personal data that was not refused. To stand after the guard."""

    @web.middleware
    async def looked(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route
        if route.resource is None or not is_personal(line_of(route)):
            return await handler(request)
        try:
            response = await handler(request)
        except (Refusal, StoreUnavailable, web.HTTPException):
            raise
        except BaseException:  # who went away in the middle has had a part
            on_looked(request)
            raise
        if response.status < 400:
            on_looked(request)
        return response

    return looked
