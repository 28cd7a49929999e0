"""What every call of one trunk shares: its identity towards the PBX, its clock, its transactions, and requests that answer challenges."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from pbx.address import NameAddress, SipUri, Via, parse_address, parse_uri
from pbx.digest import Authentication, Credentials, PasswordRefused, Refused, split_challenges
from pbx.message import AnyMessage, Request, Response, copy_message
from pbx.redirect import Follow, not_followed
from pbx.sip_settings import SipTrunkSettings
from pbx.targets import Targets
from pbx.timers import Timers
from pbx.transactions import ClientTransaction, Hop, Transactions, TransactionUser
from pbx.trunk import OnTrunkEvent, TrunkStatus

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE")
ALLOW = ", ".join(METHODS)
LONGEST_DATAGRAM = 1300
"""Bytes (RFC 3261, section 18.1.1)."""

SUPPORTED = "100rel, timer, replaces, norefersub"

MAX_REFUSED_PASSWORDS = 2
"""PBXs block an address that goes on with a wrong password: 3CX after a few."""

OnAnswer = Callable[[Response, str], None]


@dataclass(slots=True)
class Asked:
    """A request that may be repeated with credentials. ``sent`` is its latest form; ``given_up`` stops repeating."""

    sent: ClientTransaction
    authentication: Authentication
    given_up: bool = False

    def give_up(self) -> None:
        """Repeat it no more, neither with credentials nor elsewhere."""
        self.given_up = True
        self.sent.further.clear()


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a PBX is that registered here: its Contact whole as Request-URI, the way its REGISTER came, and the proxies on it (Path)."""

    uri: str
    hop: Hop
    path: tuple[str, ...] = ()


@dataclass(slots=True)
class Line:
    """``host``/``ports``: our address as the PBX should see it, a port for each transport. ``realms``: those that may ask for the password.
    ``fault``: why the transport last failed, in words. ``on_seen`` is told of each sign of life that is not a call.
    ``follow`` says what to dial where the PBX redirects a call (``pbx.redirect``).
    ``refused_passwords``: how often in a row the PBX refused ours. From ``MAX_REFUSED_PASSWORDS`` on it is not given any more.
    ``home`` is the one of the PBX's addresses that we are registered at: calls go there, a registration tries the best one anew.
    ``reach`` is set while the PBX is registered here, ``service_route`` where it told us a way for our calls (RFC 3608).

    ``is_overrun(now)``: do messages come faster than they are read, and have for a while?
    ``wire(message, hop)`` puts a message on its way; ``random`` draws identifiers and jitter, and is given so that tests can repeat them.
    """

    settings: SipTrunkSettings
    emit: OnTrunkEvent
    wire: Callable[[AnyMessage, Hop], None]
    timers: Timers = field(default_factory=Timers)
    random: Random = field(default_factory=secrets.SystemRandom)
    counts: Counter[str] = field(default_factory=Counter)
    realms: set[str] = field(default_factory=set)
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    follow: Follow = not_followed
    on_seen: Callable[[], None] | None = None
    is_overrun: Callable[[float], bool] = lambda now: False
    refused_passwords: int = 0
    home: Hop | None = None
    reach: Reach | None = None
    service_route: tuple[str, ...] = ()
    targets: Targets = field(init=False)
    transactions: Transactions = field(init=False)
    _contact: tuple[tuple[str, int, str], str] = field(init=False, default=(("", 0, ""), ""))

    def __post_init__(self) -> None:
        self.targets = Targets(self.timers)

    def attach(self, user: TransactionUser) -> None:
        """Open the transaction layer under this user of it."""
        self.transactions = Transactions(
            self.timers,
            send=self.wire,
            user=user,
            via=self.via,
            new_branch=lambda: self.token(12),
            counts=self.counts,
            tell_health=lambda hop, well, at_least_s: self.targets.tell(hop, well=well, at_least_s=at_least_s),
            longest_datagram=LONGEST_DATAGRAM if self.settings.large_by_tcp else 0,
        )

    def token(self, octets: int = 8) -> str:
        """A random identifier in hexadecimal: tags, branches, Call-IDs."""
        return self.random.randbytes(octets).hex()

    def told(self, ready: bool, detail: str, *, stuck: bool = False) -> TrunkStatus:
        """What people read of the line, with what they should know besides."""
        if ready and self.settings.keys_in_clear:
            detail += " The keys of encrypted calls travel in clear: use TLS for signalling."
        return TrunkStatus(ready, detail, stuck)

    def seen(self) -> None:
        if self.on_seen is not None:
            self.on_seen()

    @property
    def transport(self) -> str:
        """What is spoken towards the PBX."""
        return self.server_hop.transport

    @property
    def port(self) -> int:
        return self.ports.get(self.transport, 5060)

    def via(self, transport: str) -> Via:
        return Via(transport.upper(), self.host, self.ports.get(transport, self.port))

    @property
    def identity(self) -> NameAddress:
        """Who we are in From: always the extension, whatever the Auth ID."""
        return NameAddress(str(SipUri(self.settings.sip_domain, self.settings.extension)), self.settings.display_name)

    @property
    def contact_uri(self) -> SipUri:
        params: dict[str, str | None] = {} if self.transport == "udp" else {"transport": str(self.transport)}
        return SipUri(self.host, self.settings.contact_user, self.port, params)

    @property
    def contact(self) -> str:
        where = (self.host, self.port, self.transport)
        if where != self._contact[0]:  # it stands in most that we say, and hardly ever changes
            self._contact = where, f"<{self.contact_uri}>"
        return self._contact[1]

    @property
    def secure_contact(self) -> str:
        """For a dialog of SIPS URIs, which say themselves that it is TLS (RFC 5630, section 3.1.4)."""
        return f"<{replace(self.contact_uri, scheme='sips', params={})}>"

    @property
    def server_hop(self) -> Hop:
        """Where a request to the PBX goes: the best of its addresses, or its name while they are not known yet."""
        if self.reach is not None:
            return self.reach.hop
        return self.targets.best or Hop(self.settings.transport, self.settings.server, self.settings.server_port)

    @property
    def call_hop(self) -> Hop:
        """Where a call goes: where we are registered, as long as that address is well."""
        if self.reach is None and self.home is not None and self.home in self.targets and not self.targets.rests(self.home):
            return self.home
        return self.server_hop

    def hop_of(self, uri: SipUri) -> Hop:
        """The next hop for a URI. One trunk speaks one transport, so that is the one taken, whatever the URI says. The PBX's own name,
        where no port was configured, stands for what was located under it (RFC 3263, section 4).
        """
        settings = self.settings
        if self.reach is not None:
            registered = parse_uri(self.reach.uri)
            if (uri.host.lower(), uri.port) == (registered.host.lower(), registered.port):
                # Behind a NAT that address means nothing here.
                return self.reach.hop
        elif not uri.port and not settings.port and uri.host.lower() in (settings.server.lower(), settings.sip_domain.lower()):
            return self.server_hop
        return Hop(settings.transport, uri.host, uri.port or settings.transport.default_port)

    @property
    def locked_out(self) -> bool:
        """Has the PBX refused our password so often that it is not given any more?"""
        return self.refused_passwords >= MAX_REFUSED_PASSWORDS

    def way_to(self, uri: str) -> tuple[str, list[tuple[str, str]], Hop]:
        """For a call to this number's URI: the Request-URI, the Route headers, and the next hop."""
        if self.reach is not None:
            return self.reach.uri, [("Route", route) for route in self.reach.path], self.reach.hop
        if self.service_route:
            return uri, [("Route", route) for route in self.service_route], self.hop_of(parse_uri(parse_address(self.service_route[0]).uri))
        return uri, [], self.call_hop

    def ask(self, request: Request, hop: Hop, next_cseq: Callable[[], int], on_answer: OnAnswer, *, theirs: bool = False) -> Asked:
        """Send a request and answer the challenges of the PBX to it, each once, under a new CSeq.

        ``on_answer(response, words)`` gets every other response; ``words`` say why a challenge was not answered. ``theirs``: it is inside a
        call that came to us. No PBX challenges there, but a caller who wants our digest does.
        """
        credentials = Credentials(self.settings.digest_name, self.settings.password)
        request.set("User-Agent", self.settings.user_agent)

        def answered(response: Response) -> None:
            if response.status not in (401, 407) or asked.given_up:
                if 200 <= response.status < 300 and asked.authentication.answered:
                    self.refused_passwords = 0
                on_answer(response, "")
                return
            try:
                if theirs:
                    raise Refused("a caller asks for our password; it was not given")
                if self.locked_out:
                    raise Refused("the PBX refused the password before, and it is not given again")
                repeated = self._with_credentials(asked, response, next_cseq)
            except Refused as refusal:
                self.refused_passwords += isinstance(refusal, PasswordRefused)
                self.counts["challenges_unanswered"] += 1
                on_answer(response, str(refusal))
                return
            # Where the challenge came from: another address may not know its nonce.
            asked.sent = send(repeated, asked.sent.hop)

        def send(wished: Request, first: Hop) -> ClientTransaction:
            return self.transactions.request(wished, first, answered, self._further(wished, first))

        authentication = Authentication(credentials, self.realms, learns=not request.to_address.tag)
        asked = Asked(send(request, hop), authentication)
        return asked

    def _further(self, request: Request, hop: Hop) -> list[Hop]:
        """Where a request may go instead. What belongs to a dialog is for who has the dialog."""
        return [] if request.to_address.tag or self.reach is not None else self.targets.others(hop)

    def _with_credentials(self, asked: Asked, response: Response, next_cseq: Callable[[], int]) -> Request:
        challenges = [pair for name in ("WWW-Authenticate", "Proxy-Authenticate") for pair in split_challenges(name, response.lines(name))]
        first = asked.sent.request
        headers = asked.authentication.answers(challenges, method=first.method, uri=first.uri, cnonce=self.token())
        repeated = copy_message(first)
        repeated.remove("Via")
        for name, _ in headers:
            repeated.remove(name)
        repeated.headers.extend(headers)
        repeated.set("CSeq", f"{next_cseq()} {first.method}")
        return repeated
