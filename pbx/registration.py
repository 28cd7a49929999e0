"""Registration at the PBX, and knowing whether it is there (RFC 3261, section 10).

    IDLE --start--> TRYING --200--> REGISTERED --half time, or no keep-alive--> TRYING
                      |  refused or unanswered --> WAITING --time--> TRYING
                      |  password refused twice --> LOCKED_OUT
    any --stop--> LEAVING --answer or nothing--> IDLE

Never hammer: after silence or a server error the waits double from ``retry_first_s`` to ``retry_longest_s`` with jitter; after a refusal
they begin at ``refused_retry_s`` and double up to an hour, because PBXes block addresses that keep trying. A password that was refused
twice is wrong: it is not given again, neither here nor with calls, until somebody has corrected it and starts the server anew.
"""

import re
from collections.abc import Callable
from enum import StrEnum, auto

import structlog

from pbx.address import BadValue, SipUri, is_same_host, join_host, parse_address, parse_uri
from pbx.heartbeat import Heartbeat
from pbx.line import ALLOW, Asked, Line
from pbx.message import Request, Response
from pbx.timers import Timer
from pbx.trunk import TrunkStatus

log = structlog.get_logger()

LONGEST_REFUSED_S = 3600.0
LONGEST_EXPIRES_S = 86_400
MAX_ADDRESS_CHANGES = 5

IMPATIENT_S = 3.0
"""After that long without an answer at the start, the status says so."""


class RegistrationState(StrEnum):
    IDLE = auto()
    TRYING = auto()
    REGISTERED = auto()
    WAITING = auto()
    LOCKED_OUT = auto()
    LEAVING = auto()


class Registration:
    """One registration. ``on_status`` is told whenever the words change."""

    def __init__(self, line: Line, on_status: Callable[[TrunkStatus], None]) -> None:
        self._line = line
        self._on_status = on_status
        self.state = RegistrationState.IDLE
        self.status = TrunkStatus(False, "The line to the PBX is not open yet.")
        self._call_id = line.token(16)
        self._tag = line.token()
        self._cseq = line.random.randint(1, 10_000)
        self._expires_s = line.settings.registration_s
        self._failures = 0
        self._refusals = 0
        self._address_changes = 0
        self._asked_twice = False
        self._asked: Asked | None = None
        self._bound = False
        self._timer: Timer | None = None
        self._heartbeat = Heartbeat(line, due=lambda: self.state is RegistrationState.REGISTERED, on_answer=self._pinged)

    @property
    def _where(self) -> str:
        settings = self._line.settings
        return f"{join_host(settings.server, settings.server_port)} ({self._line.transport.upper()})"

    def start(self) -> None:
        self._tell(False, f"Registering at the PBX {self._where}." if self._line.settings.register else f"Asking the PBX {self._where}.")
        self._try()
        # RFC 3261 lets half a minute pass before a request has failed; whoever installs the line should read it sooner.
        self._line.timers.start(IMPATIENT_S, self._say_waiting)
        self._heartbeat.start()

    def _say_waiting(self) -> None:
        if self.state is RegistrationState.TRYING:
            self._tell(
                False, f"The PBX {self._where} has not answered yet: check that it runs, and that address, port and transport are right."
            )

    def connection_lost(self) -> None:
        """The connection by which we are registered is over: the PBX can no longer reach us by it, so register anew at once."""
        if self.state is RegistrationState.REGISTERED:
            self._try()

    def stop(self) -> None:
        """Unregister. Whether the PBX confirms it is not waited for here."""
        self._heartbeat.stop()
        if self._timer is not None:
            self._timer.cancel()
        self.state = RegistrationState.LEAVING
        if self._bound:
            self._send(0)
        self._tell(False, "The line to the PBX is closed: the server stops.")

    def _try(self) -> None:
        self.state = RegistrationState.TRYING
        if self._line.settings.register:
            self._send(self._expires_s)
        elif self._line.settings.keepalive_s > 0:
            self._heartbeat.ask()
        else:
            self.state = RegistrationState.REGISTERED
            self._tell(True, f"Calls go to the PBX {self._where}, which is neither registered at nor watched.")

    def _send(self, expires_s: int) -> None:
        line = self._line
        request = Request(method="REGISTER", uri=str(SipUri(line.settings.sip_domain)))
        request.headers = [
            ("Max-Forwards", "70"),
            ("From", f"<{line.identity.uri}>;tag={self._tag}"),
            ("To", f"<{line.identity.uri}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._next_cseq()} REGISTER"),
            ("Contact", line.contact),
            ("Expires", str(expires_s)),
            ("Allow", ALLOW),
            ("Supported", "path"),
        ]
        self._asked = line.ask(request, line.server_hop, self._next_cseq, self._answered)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    def _answered(self, response: Response, words: str) -> None:
        if response.status < 200 or self.state is not RegistrationState.TRYING:
            return
        if response.status < 300:
            self._registered(response)
        elif response.status == 423 and not self._asked_twice:
            self._asked_twice = True
            self._expires_s = min(max(_number(response.get("Min-Expires")), self._expires_s), LONGEST_EXPIRES_S)
            self._try()
        elif response.status in (401, 403, 404, 407):
            self._refused(response, words)
        else:
            self._failed(response)

    def _registered(self, response: Response) -> None:
        if self._seen_elsewhere(response):
            self._try()
            return
        self._bound = True
        self._line.home = self._asked.sent.hop if self._asked is not None else None
        self._failures = self._refusals = 0
        self._asked_twice = False
        self.state = RegistrationState.REGISTERED
        self._line.fault = ""
        self._line.seen()
        self._line.service_route = _service_route(response)
        granted = granted_s(response, self._line.contact_uri, self._expires_s)
        # Well before the end, and not at the same moment for every server that started together.
        self._again_in(max(1.0, granted * self._line.random.uniform(0.45, 0.55)))
        self._tell(True, f"Registered at the PBX {self._where} as extension {self._line.settings.extension}.")

    def _seen_elsewhere(self, response: Response) -> bool:
        """Does the PBX see us at another address than we said (NAT)? Then register that one (RFC 3581, section 4)."""
        settings = self._line.settings
        via = response.top_via
        host, port = (via.params.get("received") or "").strip("[]"), _number(via.params.get("rport"))
        if settings.public_host or self._line.transport != "udp" or not host or not 0 < port < 65536:
            return False
        if (port == self._line.port and is_same_host(host, self._line.host)) or self._address_changes >= MAX_ADDRESS_CHANGES:
            return False
        self._address_changes += 1
        self._line.host, self._line.ports[self._line.transport] = host, port
        return True

    def _refused(self, response: Response, words: str) -> None:
        settings = self._line.settings
        self._bound = False
        if response.status == 403 and self._asked is not None and self._asked.authentication.answered:
            # Some say 403 to a wrong password.
            self._line.refused_passwords += 1
        if self._line.locked_out:
            self._lock_out()
            return
        doubled = min(settings.refused_retry_s * 2**self._refusals, max(LONGEST_REFUSED_S, settings.refused_retry_s))
        wait_s = max(doubled, self._retry_after_s(response))
        self._refusals += 1
        if response.status == 404:
            what = f"The PBX {self._where} does not know extension {settings.extension}: check the extension and the domain"
        elif response.status == 403:
            what = (
                f"The PBX {self._where} forbids extension {settings.extension} to register: allow it there, or check whether it blocks us"
            )
        else:
            why = words or "the PBX refuses the user name or the password"
            what = f"Registration of extension {settings.extension} failed: {why}. Check extension, Auth ID and password"
        self._wait(wait_s, f"{what}. Next attempt in {round(wait_s / 60) or 1} min, so that the PBX does not block this server.")

    def _lock_out(self) -> None:
        settings = self._line.settings
        self.state = RegistrationState.LOCKED_OUT
        self._line.counts["lockouts"] += 1
        log.error("sip_password_refused", trunk=settings.name, advice="correct extension, Auth ID and password, and start again")
        self._tell(
            False,
            f"Registration of extension {settings.extension} failed: the PBX {self._where} refuses the user name or the password. "
            "It is not tried any more, so that the PBX does not block this server: correct extension, Auth ID and password, "
            "and start it again.",
            stuck=True,
        )

    def _failed(self, response: Response, what: str = "") -> None:
        settings = self._line.settings
        self._bound = False
        doubled = min(settings.retry_first_s * 2 ** min(self._failures, 20), settings.retry_longest_s)
        wait_s = max(doubled * self._line.random.uniform(0.8, 1.2), self._retry_after_s(response))
        self._failures += 1
        if response.local and self._line.fault:
            what = f"The PBX {self._where} cannot be reached: {self._line.fault}"
        elif response.local:
            what = f"The PBX {self._where} does not answer: check that it runs, and that address, port and transport are right"
        else:
            what = what or f"The PBX {self._where} refuses to register us: {response.status} {response.reason[:60]}"
        self._wait(wait_s, f"{what}. Next attempt in {max(1, round(wait_s))} s.")

    @staticmethod
    def _retry_after_s(response: Response) -> float:
        """What the PBX wants us to wait, up to an hour (section 20.33)."""
        text = (response.get("Retry-After") or "").partition(";")[0].partition("(")[0]
        return float(min(_number(text), 3600))

    def _wait(self, wait_s: float, words: str) -> None:
        self.state = RegistrationState.WAITING
        self._again_in(wait_s)
        self._tell(False, words)

    def _again_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._line.timers.start(delay_s, self._try)

    # -- is the PBX there? --

    def _pinged(self, response: Response) -> None:
        if self.state is RegistrationState.LEAVING:
            return
        if response.local or response.status == 503:
            self._failed(response, f"The PBX {self._where} takes no calls now: {response.status} {response.reason[:60]}")
            return
        self._line.seen()
        if not self._line.settings.register and self.state is not RegistrationState.REGISTERED:
            self._failures = 0
            self.state = RegistrationState.REGISTERED
            self._tell(True, f"The PBX {self._where} answers.")

    def _tell(self, ready: bool, detail: str, *, stuck: bool = False) -> None:
        status = self._line.told(ready, detail, stuck=stuck)
        if status != self.status:
            self.status = status
            self._on_status(status)


def granted_s(response: Response, contact: SipUri, asked_s: int) -> int:
    """How long the registration holds: what stands at our Contact, else in Expires, else what we asked for (section 10.2.4)."""
    try:
        for value in response.values("Contact"):
            address = parse_address(value)
            uri = parse_uri(address.uri)
            if (
                (uri.user, uri.port) == (contact.user, contact.port)
                and is_same_host(uri.host, contact.host)
                and "expires" in address.params
            ):
                return _number(address.params["expires"]) or asked_s
    except BadValue:
        return asked_s
    return _number(response.get("Expires")) or asked_s


def _service_route(response: Response) -> tuple[str, ...]:
    """The way for what we begin, in the order of the Route headers (RFC 3608, section 5.1); none where it cannot be read."""
    try:
        routes = [parse_address(value) for value in response.values("Service-Route")]
        return tuple(str(route) for route in routes) if all("lr" in parse_uri(route.uri).params for route in routes) else ()
    except BadValue:
        return ()


def _number(text: str | None) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text.strip()) else 0
