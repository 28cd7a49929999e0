"""HTTP: health, metrics, the softphone page and its files. Socket.IO is the hub's."""

import gzip
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from api.audit.looks import OnLooked, looked
from api.guarded_routes import OnForbidden, guarded, identified, refuse_unguarded
from api.metrics import CONTENT_TYPE, Metrics
from api.once import Once
from api.page_files import PageFiles
from api.page_list import PAGES, Page
from api.rest_limits import RestLimits, RestLimitSettings, limited_by_address, limited_by_caller, standing_headers
from api.seen import seen_before
from api.store import StoreUnavailable
from signaling.addresses import Network, is_within, origin_of
from signaling.grants import Grant
from signaling.problems import problem
from signaling.refusal import Refusal

log = structlog.get_logger()
LARGEST_BODY = 16_384
KEEP_ALIVE_S = 30.0
"""How long a client may take to send a request's head, or stay silent between two."""

_STATUS = {
    **dict.fromkeys(("wrong_password", "token_invalid", "token_expired", "token_revoked", "key_invalid", "sign_in_failed"), 401),
    **dict.fromkeys(("second_factor_required", "wrong_code", "issuer_factor_missing"), 401),
    **dict.fromkeys(
        ("unknown_recording", "unknown_call", "unknown_attachment", "unknown_user", "unknown_session", "unknown_key", "unknown_receiver"),
        404,
    ),
    **dict.fromkeys(("second_factor_on", "second_factor_off"), 409),
    **dict.fromkeys(("recording_running", "not_opus", "recording_damaged", "recording_too_long", "held"), 409),
    **dict.fromkeys(("timeout", "busy", "store_unavailable", "stopping", "issuer_away", "pbx_away"), 503),
    **dict.fromkeys(("not_suspended", "unknown_pbx_call", "unknown_extension", "unknown_campaign"), 404),
    **dict.fromkeys(("campaign_rests", "nobody_left", "outside_hours", "nobody_due", "not_reserved"), 409),
    **dict.fromkeys(
        ("unknown_version", "unknown_backend", "unknown_line", "unknown_alert", "unknown_form", "unknown_card", "unknown_schedule"), 404
    ),
    "too_large": 413,
    **dict.fromkeys(("unknown_tour", "unknown_departure", "unknown_booking", "unknown_contact"), 404),
    **dict.fromkeys(("booking_state", "hold_over", "sold_out", "departed", "not_on_sale", "same_departure", "seats_taken"), 409),
    **dict.fromkeys(("wrong_currency", "overpaid", "not_owed"), 409),
    **dict.fromkeys(("key_reused", "key_in_use", "outcome_unknown", "answer_gone"), 409),
    **dict.fromkeys(("booking_changed", "plan_changed", "thresholds_changed"), 412),
    "card_number": 400,
    "plan_overtaken": 409,
    **dict.fromkeys(("form_overtaken", "own_call", "schedules_full"), 409),
    "plan_broken": 422,
    **dict.fromkeys(("bad_sound", "no_speech", "not_a_number", "no_route"), 422),
    "sound_used": 409,
    "no_pbx": 409,
    **dict.fromkeys(
        (
            "unknown_voicemail",
            "unknown_box",
            "unknown_ticket",
            "unknown_contact",
            "unknown_survey",
            "unknown_article",
            "unknown_entry",
            "unknown_rule",
            "unknown_task",
        ),
        404,
    ),
    **dict.fromkeys(("ticket_conflict", "ticket_not_so", "ticket_too_old", "article_overtaken"), 409),
    **dict.fromkeys(("survey_expired", "link_expired", "cursor_gone"), 410),
    **dict.fromkeys(("recording_erased", "voicemail_erased"), 410),
    **dict.fromkeys(("unknown_service", "unknown_appointment"), 404),
    **dict.fromkeys(("slot_gone", "appointment_over", "appointment_changed", "idem_reused", "too_many_appointments"), 409),
    **dict.fromkeys(("consent_needed", "bad_contact", "bad_calendar"), 400),
    **dict.fromkeys(("start_zone", "start_region", "start_extension", "start_title", "start_name_taken"), 400),
    **dict.fromkeys(("start_over", "start_made", "start_unfinished", "start_line", "start_no_voice"), 409),
    **dict.fromkeys(("widget_off", "unknown_queue"), 404),
    **dict.fromkeys(("closed", "nobody_there"), 409),
    "visits_full": 503,
    "bad_time": 400,
    "too_many_requests": 429,
    **dict.fromkeys(("bad_message", "weak_password", "common_password", "password_names"), 400),
}
_FIXED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
_PARTS = frozenset({"text/javascript", "text/css", "application/json", "font/woff2"})
"""Files that pages are made of, seventy to a page: what only a page obeys is not sent with them."""
_DEVICES = "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), display-capture=()"
_CONSULTATION_DEVICES = "microphone=(self), speaker-selection=(self), camera=(self), geolocation=(), display-capture=(self)"
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part of the server. ``detail`` says whose fault it is and what to do where it is not ready."""

    ready: bool
    detail: str = ""


Health = Callable[[], Awaitable[Mapping[str, PartHealth]]]
"""How each part is, by name."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Who is who on the network: whose ``X-Forwarded-For`` is believed, who may read metrics, are we reached by https,
    which sites may hold the softphone in a frame."""

    trusted_proxies: tuple[Network, ...] = ()
    metrics_from: tuple[Network, ...] = ()
    https: bool = False
    embedded_in: tuple[str, ...] = ()
    buttons_on: tuple[str, ...] = ()
    """Sites whose pages may show the visitors' button, and hold what it opens."""

    def address_of(self, request: web.Request) -> str:
        """Where a request comes from."""
        return origin_of(request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", ())), self.trusted_proxies)


class Routes:
    """See ``make_app``."""

    def __init__(self, metrics: Metrics, health: Health, pages: PageFiles, network: Neighbours) -> None:
        self._metrics = metrics
        self._health = health
        self._pages = pages
        self._network = network

    def add_to(self, app: web.Application) -> None:
        for page in PAGES:
            app.router.add_get(page.address, self._serves(page))
        app.router.add_get("/static/{hash}/{path:.+}", self._static)
        app.router.add_get("/api/v1/health/live", self._live)
        app.router.add_get("/api/v1/health/ready", self._ready)
        app.router.add_get("/metrics", self._read_metrics)

    def _serves(self, page: Page) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            nonce = secrets.token_urlsafe(16)
            hosts = self._network.buttons_on if page.button else self._network.embedded_in if page.embeddable else ()
            policy = _page_policy(nonce, request.host, self._network.https, hosts)
            headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
            if page.camera:
                headers["Permissions-Policy"] = _CONSULTATION_DEVICES
            body = self._pages.page(page, nonce).encode()
            # Nothing in it is secret beside what is asked for: what a packed length tells is known to all.
            if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
                headers[hdrs.CONTENT_ENCODING] = "gzip"
                body = gzip.compress(body, 6, mtime=0)
            return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

        return serve

    async def _static(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        file = self._pages.get(path)
        if file is None or path.endswith(".html"):
            raise web.HTTPNotFound
        current = request.match_info["hash"] == self._pages.hash
        # A page of before an update still finds its files, but must not keep today's under yesterday's address.
        caching = "public, max-age=31536000, immutable" if current else "no-store"
        charset = "utf-8" if file.content_type.startswith(("text/", "application/json", "image/svg")) else None
        headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
        packed = self._pages.packed(path) if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "") else None
        if packed is not None:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=file.body if packed is None else packed, content_type=file.content_type, charset=charset, headers=headers)

    async def _live(self, _request: web.Request) -> web.Response:
        """The process answers: nothing more is said."""
        return _json({"live": True}, 200)

    async def _ready(self, _request: web.Request) -> web.Response:
        parts = await self._health()
        ready = all(part.ready for part in parts.values())
        return _json({"ready": ready, "parts": parts}, 200 if ready else 503)

    async def _read_metrics(self, request: web.Request) -> web.Response:
        if not is_within(self._network.address_of(request), self._network.metrics_from):
            raise web.HTTPForbidden
        response = web.Response(body=self._metrics.render())
        response.headers[hdrs.CONTENT_TYPE] = CONTENT_TYPE
        return response


def make_app(
    identify: Callable[[str], Awaitable[Grant]],
    metrics: Metrics,
    health: Health,
    *,
    network: Neighbours | None = None,
    pages: PageFiles | None = None,
    limits: RestLimits | None = None,
    on_forbidden: OnForbidden = lambda request, who, code: None,
    on_looked: OnLooked = lambda request: None,
    once: Once | None = None,
) -> web.Application:
    """The HTTP application, to which the wiring adds further routes and the hub before it serves it by ``make_runner``.

    ``identify`` turns a token or key into what it grants or raises ``Refusal``; ``on_forbidden`` hears who asked for what is not for them,
    ``on_looked`` who got personal data. ``once``: what is sent under a key is done once; None: keys are not heeded.
    """
    who = network or Neighbours()
    bounds = limits or RestLimits(RestLimitSettings(), time.monotonic)
    middlewares = [
        _problems(metrics),
        limited_by_address(bounds, who.address_of),
        identified(identify),
        limited_by_caller(bounds, who.address_of),
        guarded(on_forbidden),
        looked(on_looked),
        *([once.middleware()] if once is not None else []),
        seen_before(),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=LARGEST_BODY)
    app.on_startup.append(refuse_unguarded)
    Routes(metrics, health, pages or PageFiles(), who).add_to(app)

    async def secure(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in _FIXED_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.update(standing_headers(request))
        if not request.path.startswith("/static/") or response.content_type not in _PARTS:
            response.headers.update(_PAGE_HEADERS)
            response.headers.setdefault("Content-Security-Policy", _NO_PAGE)
            response.headers.setdefault("Permissions-Policy", _DEVICES)
        response.headers.pop(hdrs.SERVER, None)
        if who.https:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    app.on_response_prepare.append(secure)
    return app


def make_runner(app: web.Application, *, patience_s: float = KEEP_ALIVE_S) -> web.AppRunner:
    """Serves the application. ``patience_s``: see ``KEEP_ALIVE_S``."""
    return web.AppRunner(app, access_log=None, keepalive_timeout=patience_s, lingering_time=min(2.0, patience_s), shutdown_timeout=2.0)


def _problems(metrics: Metrics) -> Middleware:
    """Every refusal as problem+json (RFC 9457), with our own ``error`` in it, the same as on the wire."""

    def told(refusal: Refusal) -> web.Response:
        metrics.refused(refusal.code)
        return problem(_STATUS.get(refusal.code, 403), refusal)

    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return told(refusal)
        except StoreUnavailable as error:
            log.error("http.store_unavailable", detail=str(error))
            return told(Refusal("store_unavailable", "The server's database does not answer: try again soon.", 5.0))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            code, message = _HTTP_FAULTS.get(error.status, ("refused", error.reason))
            metrics.refused(code)
            response = problem(error.status, Refusal(code, message))
            for name in (hdrs.ALLOW, hdrs.RETRY_AFTER):
                if name in error.headers:
                    response.headers[name] = error.headers[name]
            return response

    return problems


_HTTP_FAULTS = {
    403: ("forbidden", "This is not open to your address: the server's settings say to which."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method: see Allow."),
    408: ("request_timeout", "The request took too long to arrive."),
    413: ("too_large", f"The request is too large: {LARGEST_BODY} bytes are taken."),
}


def _json(body: object, status: int, content_type: str = "application/json") -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=content_type, headers=headers)


def _page_policy(nonce: str, host: str, https: bool, hosts: tuple[str, ...]) -> str:
    """What the page may do: run our own files and its one import map, talk to us, hear sound. Browsers that do not count WebSockets of
    our own host as ``'self'`` are told its address; a host that is no host name is left out. ``hosts``: sites that may hold it in a frame;
    browsers that know ``frame-ancestors`` look at no ``X-Frame-Options`` (CSP 3, section 6.4.2)."""
    named = all(character.isalnum() or character in ".:-[]" for character in host)
    socket = f" {'wss' if https else 'ws'}://{host}" if named and host else ""
    ancestors = " ".join(hosts) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self'{socket}",
            "media-src 'self' blob:",
            "worker-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {ancestors}",
            "object-src 'none'",
        )
    )
