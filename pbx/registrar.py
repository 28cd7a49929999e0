"""The PBX registers here: who may, where it is reached from then on, and whether it is there (RFC 3261 section 10.3, 3327, 3581).

    ABSENT --REGISTER with the password--> THERE --Contact removed, or its time over--> ABSENT
    THERE --no answer to OPTIONS--> SILENT --any answer, or REGISTER--> THERE

Every Contact is kept as the PBX wrote it and is the Request-URI of each request that opens something at the PBX (3CX finds its trunk by
the ``rinstance`` in it); the request itself goes back the way that the REGISTER came, so that a NAT between us needs no rules. The
newest Contact of the highest q is the one that is called; while it does not answer, the next one is.

Nothing is said about whether a name exists, wrong passwords silence their source (``pbx.guesses``), and before a registration succeeds,
nothing but REGISTER is heard from there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto

import structlog

from pbx.address import BadValue, NameAddress, join_host, parse_address, parse_uri
from pbx.challenger import Challenger, Verdict
from pbx.digest import Credentials
from pbx.guesses import BLOCK_S, Guesses
from pbx.heartbeat import Heartbeat
from pbx.line import Line, Reach
from pbx.message import Request, Response, respond
from pbx.sip_settings import RegistrarSettings
from pbx.timers import Timer
from pbx.transactions import Hop, ServerTransaction
from pbx.trunk import TrunkStatus

log = structlog.get_logger()

MAX_CONTACTS = 8
KNOWN_S = 3600.0
"""How long the address of a PBX whose registration is over may still end its calls."""


class RegistrarState(StrEnum):
    ABSENT = auto()
    THERE = auto()
    SILENT = auto()


@dataclass(frozen=True, slots=True)
class Binding:
    """One Contact of the PBX. ``uri`` as it wrote it, ``hop``: where its REGISTER came from, ``path``: the proxies between (RFC 3327)."""

    uri: str
    call_id: str
    cseq: int
    q: float
    hop: Hop
    path: tuple[str, ...]
    since: float
    until: float


class Registrar:
    """``on_status`` is told whenever the words change."""

    def __init__(self, line: Line, rules: RegistrarSettings, on_status: Callable[[TrunkStatus], None]) -> None:
        settings = line.settings
        self._line = line
        self._on_status = on_status
        self._rules = rules
        self._challenger = Challenger(
            settings.sip_domain,
            Credentials(settings.digest_name, settings.password),
            algorithms=self._rules.digests,
            lifetime_s=self._rules.nonce_s,
            token=line.token,
        )
        self._guesses = Guesses()
        self._bindings: dict[str, Binding] = {}
        self._unanswering: set[str] = set()
        self._known: dict[str, float] = {}
        self._expiry: Timer | None = None
        self._heartbeat = Heartbeat(line, due=lambda: bool(self._bindings), on_answer=self._beaten)
        self.state = RegistrarState.ABSENT
        self.status = TrunkStatus(False, "The line to the PBX is not open yet.")

    def start(self) -> None:
        self._heartbeat.start()
        self._tell(False, f"The PBX has not registered here yet: there it is a trunk to {self._here}, with registration as {self._name}.")

    def stop(self) -> None:
        """The PBX is not told: it notices at its next REGISTER."""
        self._heartbeat.stop()
        if self._expiry is not None:
            self._expiry.cancel()
        self._tell(False, "The line to the PBX is closed: the server stops.")

    def connection_lost(self) -> None:
        """The connection that the PBX registered on is over: it will open another one and register again."""
        if self._bindings:
            self._silent("The connection to the PBX was lost: it is reached again when it registers.")

    @property
    def _here(self) -> str:
        transport = self._line.settings.transport.upper()
        if self._line.host in ("0.0.0.0", "::"):
            return f"this machine, port {self._line.port} ({transport})"
        return f"{join_host(self._line.host, self._line.port)} ({transport})"

    @property
    def _name(self) -> str:
        return self._line.settings.extension

    # -- the door --

    def knows(self, host: str, now: float) -> bool:
        """Is a PBX registered from there, or was it a while ago; or do the settings name the address?"""
        return not self._line.settings.takes_strangers or now < self._known.get(host, 0.0)

    def hears(self, data: bytes, host: str, now: float) -> bool:
        """Is a message from there looked at? From strangers only REGISTER is, and not from those who guess."""
        if not data[:64].lstrip(b"\r\n").startswith(b"REGISTER "):
            return self.knows(host, now)
        return self._guesses.hears(host, now, shared=now < self._known.get(host, 0.0))

    def objection(self, call: Request, host: str) -> tuple[int, list[tuple[str, str]]] | None:
        """Why a new call may not pass, as status and headers: nobody is registered where it comes from, or it has not proved the password
        where it has to.
        """
        if self._line.settings.takes_strangers and host not in {binding.hop.host for binding in self._bindings.values()}:
            return 403, []
        challenges = self._asked(call, host) if self._rules.challenge_calls else None
        return (401, challenges) if challenges is not None else None

    def _asked(self, request: Request, host: str) -> list[tuple[str, str]] | None:
        """The challenge to a request that has not proved the password."""
        now = self._line.timers.now
        try:
            verdict = self._challenger.verdict(request, host, now)
        except BadValue:
            # What cannot be read proves nothing.
            verdict = Verdict.NONE
        if verdict is Verdict.RIGHT:
            self._guesses.right(host)
            return None
        if verdict is Verdict.WRONG:
            self._guessed(host, now)
        return self._challenger.challenges(host, now, stale=verdict is Verdict.STALE)

    def _guessed(self, host: str, now: float) -> None:
        self._line.counts["wrong_passwords"] += 1
        silence_s = self._guesses.wrong(host, now)
        log.warning("sip_wrong_password", trunk=self._line.settings.name, source=host, silenced_s=silence_s)
        if silence_s >= BLOCK_S:
            self._line.counts["sources_blocked"] += 1
        if not self._bindings:
            self._tell(
                False,
                f"A registration from {host} was refused: wrong Auth ID or password. If that is the PBX, correct them there; "
                f"it is not listened to for {silence_s:.0f} s.",
            )

    # -- REGISTER --

    def register(self, request: Request, server: ServerTransaction) -> None:
        """Answer a REGISTER."""
        challenges = self._asked(request, server.source.host)
        if challenges is not None:
            self._respond(server, 401, challenges)
            return
        try:
            name = parse_uri(request.to_address.uri).user
            contacts = request.values("Contact")
            wanted = [self._wanted(parse_address(text), request) for text in contacts if contacts != ["*"]]
        except BadValue:
            self._respond(server, 400)
            return
        if name not in (self._line.settings.extension, self._line.settings.digest_name):
            # Only somebody who knows the password learns this.
            self._respond(server, 404)
        elif contacts == ["*"]:
            self._remove_all(request, server)
        elif any(0 < expires_s < self._rules.shortest_s for _, expires_s in wanted):
            self._respond(server, 423, [("Min-Expires", str(self._rules.shortest_s))])
        elif any(self._is_older(request, address.uri) for address, _ in wanted):
            self._respond(server, 500)
        else:
            self._bind(request, server, wanted)

    def _wanted(self, contact: NameAddress, request: Request) -> tuple[NameAddress, int]:
        """A Contact and for how many seconds (section 10.3, item 7). Raises ``BadValue`` where nobody could be called there."""
        parse_uri(contact.uri)
        _q_of(contact)
        text = contact.params.get("expires") or request.get("Expires") or ""
        asked_s = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else self._rules.longest_s
        return contact, min(asked_s, self._rules.longest_s)

    def _is_older(self, request: Request, uri: str) -> bool:
        binding = self._bindings.get(uri)
        return binding is not None and binding.call_id == request.call_id and request.cseq[0] <= binding.cseq

    def _remove_all(self, request: Request, server: ServerTransaction) -> None:
        if (request.get("Expires") or "").strip() != "0":
            self._respond(server, 400)
        elif any(self._is_older(request, uri) for uri in self._bindings):
            self._respond(server, 500)
        else:
            self._bindings.clear()
            self._accept(request, server)

    def _bind(self, request: Request, server: ServerTransaction, wanted: list[tuple[NameAddress, int]]) -> None:
        now, path = self._line.timers.now, tuple(request.values("Path"))
        # Over a stream the way back is its connection, and a new one to the port where the PBX listens.
        hop = server.hop if server.source.reliable else server.source
        for contact, expires_s in wanted:
            self._bindings.pop(contact.uri, None)
            self._unanswering.discard(contact.uri)
            if expires_s > 0:
                self._bindings[contact.uri] = Binding(
                    contact.uri, request.call_id, request.cseq[0], _q_of(contact), hop, path, now, now + expires_s
                )
        while len(self._bindings) > MAX_CONTACTS:
            del self._bindings[min(self._bindings.values(), key=lambda binding: binding.since).uri]
        self._known = {host: until for host, until in self._known.items() if until > now}
        for binding in self._bindings.values():
            self._known[binding.hop.host] = max(self._known.get(binding.hop.host, 0.0), binding.until + KNOWN_S)
        self._accept(request, server)

    def _accept(self, request: Request, server: ServerTransaction) -> None:
        now = self._line.timers.now
        headers = [("Contact", f"<{each.uri}>;expires={round(each.until - now)}") for each in self._bindings.values()]
        headers += [("Path", value) for value in request.lines("Path")]
        self._respond(server, 200, headers)
        self._line.seen()
        self._follow()

    def _respond(self, server: ServerTransaction, status: int, headers: list[tuple[str, str]] | None = None) -> None:
        response = respond(server.request, status, to_tag=self._line.token(), headers=headers or ())
        self._line.transactions.respond(server, response)

    # -- what follows --

    def _follow(self) -> None:
        """Reach the PBX at its best Contact, and wake when the next one is over."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._unanswering &= self._bindings.keys()
        best = max(self._bindings.values(), key=self._rank, default=None)
        if best is None:
            self._line.reach = None
            self.state = RegistrarState.ABSENT
            self._tell(False, f"The PBX is no longer registered here: see whether it runs, and its trunk to {self._here}.")
            return
        self._line.reach = Reach(best.uri, best.hop, best.path)
        first_over = min(binding.until for binding in self._bindings.values())
        self._expiry = self._line.timers.start(first_over - self._line.timers.now, self._lapsed)
        self._there()

    def _rank(self, binding: Binding) -> tuple[bool, float, float]:
        return binding.uri not in self._unanswering, binding.q, binding.since

    def _there(self) -> None:
        self.state = RegistrarState.THERE
        reach = self._line.reach
        assert reach is not None
        self._tell(True, f"The PBX is registered here as {self._name}, from {join_host(reach.hop.host, reach.hop.port)}.")

    def _lapsed(self) -> None:
        now = self._line.timers.now
        self._bindings = {uri: binding for uri, binding in self._bindings.items() if binding.until > now}
        self._follow()

    def _beaten(self, response: Response) -> None:
        reach = self._line.reach
        if reach is None or response.to_address.uri != reach.uri:
            # It was asked at a Contact that has gone meanwhile.
            return
        if response.local or response.status == 503:
            self._unanswering.add(reach.uri)
            if self._unanswering != self._bindings.keys():
                self._follow()
                return
            self._unanswering.clear()
            self._silent("The PBX is registered here but does not answer: look at the network between us, or whether it is being stopped.")
            return
        self._line.seen()
        self._there()

    def _silent(self, words: str) -> None:
        self.state = RegistrarState.SILENT
        self._tell(False, words)

    def _tell(self, ready: bool, detail: str) -> None:
        status = self._line.told(ready, detail)
        if status != self.status:
            self.status = status
            self._on_status(status)


def _q_of(contact: NameAddress) -> float:
    """The preference of a Contact (section 20.10); 1 where it says none. Raises ``BadValue``."""
    text = contact.params.get("q")
    if text is None:
        return 1.0
    try:
        q = float(text)
    except ValueError:
        raise BadValue("no proper q") from None
    return min(max(q, 0.0), 1.0)
