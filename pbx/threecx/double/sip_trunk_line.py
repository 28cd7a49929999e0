"""One trunk of the emulated PBX in SIP: how it registers with its provider (us), and which INVITEs are its own (3CX's trunk rules)."""

from collections.abc import Callable
from random import Random

from pbx.address import BadValue, SipUri, parse_uri
from pbx.digest import Authentication, Credentials, Refused, split_challenges
from pbx.message import Request, Response
from pbx.sdes import SrtpMode
from pbx.threecx.double.odata import Row
from pbx.timers import Timer, Timers
from pbx.transactions import Hop, Transactions

USER_AGENT = "3CXPhoneSystem 20.0 (double)"
ALLOW = "INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, MESSAGE, UPDATE"
RETRY_S = 30.0
SRTP = {"SRTPDisabled": SrtpMode.OFF, "SRTPEnabled": SrtpMode.OFFERED, "SRTPEnforced": SrtpMode.REQUIRED}


class TrunkLine:
    """``row``: the trunk as XAPI has it, read anew at each use; ``here``: host and port of our own SIP."""

    def __init__(
        self,
        row: Row,
        password: Callable[[], str],
        here: Callable[[], tuple[str, int]],
        transactions: Transactions,
        timers: Timers,
        random: Random,
    ) -> None:
        self.row = row
        self.rinstance = random.randbytes(8).hex()
        self._password = password
        self._here = here
        self._transactions = transactions
        self._timers = timers
        self._random = random
        self._call_id = random.randbytes(16).hex()
        self._tag = random.randbytes(8).hex()
        self._cseq = 0
        self._timer: Timer | None = None
        self.realms: set[str] = set()
        self.opened_as: tuple[object, ...] = ()

    @property
    def number(self) -> str:
        return str(self.row["Number"])

    @property
    def hop(self) -> Hop:
        gateway = self.row["Gateway"]
        return Hop(
            "udp", gateway["ProxyHost"] or gateway["Host"], int((gateway["ProxyHost"] and gateway["ProxyPort"]) or gateway["Port"] or 5060)
        )

    @property
    def registers(self) -> bool:
        return bool(self.row["Gateway"]["RequireRegistrationFor"] != "Nothing")

    @property
    def online(self) -> bool:
        return bool(self.row["IsOnline"])

    @property
    def srtp(self) -> SrtpMode:
        return SRTP[self.row["Gateway"]["SRTPMode"]]

    @property
    def codecs(self) -> list[str]:
        return [str(name).lower() for name in self.row["Gateway"]["Codecs"]]

    @property
    def auth_id(self) -> str:
        return str((self.row["UseSeparateAuthId"] and self.row["SeparateAuthId"]) or self.row["AuthID"])

    @property
    def contact_uri(self) -> SipUri:
        host, port = self._here()
        return SipUri(host, str(self.row["AuthID"]), port, {"rinstance": self.rinstance})

    @property
    def identity(self) -> SipUri:
        return SipUri(str(self.row["Gateway"]["Host"]), str(self.row["AuthID"]))

    def authentication(self) -> Authentication:
        return Authentication(Credentials(self.auth_id, self._password()), self.realms)

    # -- registration: without credentials first, then with them once; kept alive before it ends

    def how(self) -> tuple[object, ...]:
        """What a registration hangs on: with another one it is made anew."""
        return self.hop, self.registers, self.row["Gateway"]["Host"], self.row["AuthID"], self.auth_id, self._password()

    def open(self) -> None:
        self.opened_as = self.how()
        if self.registers:
            self._register(None)
        else:
            self.row["IsOnline"] = True

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _register(self, authentication: Authentication | None, credentials: tuple[tuple[str, str], ...] = ()) -> None:
        self._cseq += 1
        uri = str(SipUri(str(self.row["Gateway"]["Host"])))
        request = Request(method="REGISTER", uri=uri)
        request.headers = [
            ("Max-Forwards", "70"),
            ("From", f"<{self.identity}>;tag={self._tag}"),
            ("To", f"<{self.identity}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<{self.contact_uri}>"),
            ("Expires", str(self.row["Gateway"]["TimeBetweenReg"] or 600)),
            ("Allow", ALLOW),
            ("Supported", "replaces, timer"),
            ("User-Agent", USER_AGENT),
            *credentials,
        ]
        self._transactions.request(request, self.hop, lambda response: self._registered(response, uri, authentication))

    def _registered(self, response: Response, uri: str, authentication: Authentication | None) -> None:
        if response.status < 200:
            return
        if response.status in (401, 407):
            asked = authentication or self.authentication()
            try:
                given = asked.answers(challenges_of(response), method="REGISTER", uri=uri, cnonce=self._random.randbytes(8).hex())
            except Refused:
                self._again(False, RETRY_S)
            else:
                self._register(asked, tuple(given))
        elif response.status < 300:
            self._again(True, max(1.0, self._granted_s(response) / 2))
        else:
            self._again(False, RETRY_S)

    def _granted_s(self, response: Response) -> int:
        try:
            contact = response.contact()
            text = (contact.params.get("expires") if contact is not None else None) or response.get("Expires") or ""
        except BadValue:
            text = ""
        return int(text) if text.isdecimal() and len(text) < 8 else int(self.row["Gateway"]["TimeBetweenReg"] or 600)

    def _again(self, online: bool, delay_s: float) -> None:
        self.row["IsOnline"] = online
        self.close()
        self._timer = self._timers.start(delay_s, lambda: self._register(None))

    # -- whose is an INVITE?

    def has_rinstance(self, request: Request) -> bool:
        return _uri(request.uri).params.get("rinstance") == self.rinstance

    def has_contact(self, request: Request) -> bool:
        contact = request.contact()
        return contact is not None and bool(self.auth_id) and _uri(contact.uri).user in (self.auth_id, str(self.row["AuthID"]))

    def has_source(self, request: Request, source: Hop) -> bool:
        """By address: the mode in which nobody registers, where the INVITE comes from the trunk's own host."""
        return not self.registers and source.host == self.hop.host

    def has_did(self, called: str) -> bool:
        return called in self.row["DidNumbers"]

    def has_main_number(self, called: str) -> bool:
        return bool(called) and called == self.row["ExternalNumber"]


def challenges_of(response: Response) -> list[tuple[str, str]]:
    return [pair for header in ("WWW-Authenticate", "Proxy-Authenticate") for pair in split_challenges(header, response.lines(header))]


def _uri(text: str) -> SipUri:
    try:
        return parse_uri(text)
    except BadValue:
        return SipUri("invalid.invalid")
