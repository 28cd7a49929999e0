"""SIPp scenarios from small steps: what a caller or a called phone says, and what it must be told, in the order in which it happens.

A ``Caller`` calls the user agent under test, a ``Called`` phone is called by it, at a ``Registrar`` it registers. Each method adds a step
and returns the phone, so that a scenario reads from top to bottom. ``scenario(way)`` is SIPp's XML for one way to the agent: straight, or
through a proxy with digest. SIPp takes blanks off the beginning of lines: ``[fold]`` stands for them.
"""

from collections.abc import Callable
from enum import Enum
from typing import Self
from xml.sax.saxutils import escape


class Way(Enum):
    STRAIGHT = "straight"
    PROXIED = "through a record-routing proxy with digest"


Step = Callable[[Way], str]

PCMA = ("m=audio [media_port] RTP/AVP 8 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000")
SENDRECV = "a=sendrecv"
REGISTRAR = "sip:{domain}"


def sdp(*attributes: str, version: int = 1, media: tuple[str, ...] = PCMA, connection: str = "IN IP[local_ip_type] [media_ip]") -> str:
    """A session description of one PCMA line with DTMF, or of other ``media`` lines."""
    lines = ("v=0", f"o=phone 1 {version} IN IP[local_ip_type] [media_ip]", "s=-", f"c={connection}", "t=0 0", *media, *attributes)
    return "\n".join(lines) + "\n"


class _Phone:
    """``local`` and ``remote`` are From and To of what this phone asks."""

    local = remote = ""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._cseq = 0
        self._label = 0
        self._invite = (0, "")
        self._checks = 0
        self._variables: list[str] = []

    def scenario(self, way: Way = Way.STRAIGHT) -> str:
        steps = "\n".join(step(way) for step in self._steps)
        used = ",".join([*self._variables, *(f"c{number}" for number in range(self._checks))])
        reference = f'<Reference variables="{used}"/>' if used else ""
        return f'<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="flow">\n{steps}\n{reference}\n</scenario>\n'

    # -- what it says --

    def asks(
        self,
        method: str,
        *headers: str,
        body: str = "",
        kind: str = "application/sdp",
        uri: str = "[next_url]",
        cseq: int | None = None,
        label: str = "",
        repeats: bool = True,
        length: bool = True,
    ) -> Self:
        """A request. Inside the dialog unless ``uri`` says otherwise; ``label`` reuses the branch of another one."""
        self._label += 1
        label = label or str(self._label)
        if cseq is None:
            self._cseq += 1
            cseq = self._cseq
        if method == "INVITE":
            self._invite = cseq, label
        # A new call has no To tag, nor has the CANCEL of it (section 9.1).
        to = self.remote if uri == "[next_url]" or method == "ACK" else self.remote.removesuffix("[peer_tag_param]")
        lines = (
            *(f"Via: SIP/2.0/[tp] [local_ip]:[cport];branch=z9hG4bK-[pid]-[call_number]-{label};rport",),
            *(f"From: {self.local}", f"To: {to}", "Call-ID: [call_id]", f"CSeq: {cseq} {method}"),
            *(("[routes]",) if uri == "[next_url]" else ()),
            *(() if any(header.startswith(("Contact:", "m:")) for header in headers) else (self.contact,)),
            *("Max-Forwards: 70", *headers),
        )
        return self.says(f"{method} {uri} SIP/2.0", *lines, body=body, kind=kind, repeats=repeats, length=length)

    def says(self, *lines: str, body: str = "", kind: str = "application/sdp", repeats: bool = False, length: bool = True) -> Self:
        """These very lines. ``repeats``: again until an answer comes, over UDP."""
        typed = (f"Content-Type: {kind}",) if body and not any(line.lower().startswith(("content-type", "c:")) for line in lines) else ()
        text = "\n".join((*lines, *typed, *(("Content-Length: [len]",) if length else ()))) + "\n\n" + body
        again = ' retrans="500"' if repeats else ""
        return self._add(lambda way: f"<send{again}><![CDATA[\n\n{_for(way, text)}\n]]></send>")

    def waits(self, milliseconds: int) -> Self:
        return self._add(lambda way: f'<pause milliseconds="{milliseconds}"/>')

    def replies(self, status: int, *headers: str, body: str = "", reason: str = "Said So", repeats: bool = False) -> Self:
        """A response to the request that came last."""
        return self.says(f"SIP/2.0 {status} {reason}", *self._copied, *headers, body=body, repeats=repeats)

    @property
    def _copied(self) -> tuple[str, ...]:
        return ("[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]")

    contact = "Contact: <sip:phone@[local_ip]:[cport];transport=[tp]>"

    # -- what it must be told --

    def gets(self, status: int, *patterns: str, after: tuple[int, ...] = (100,), keeps: bool = False, never: str = "") -> Self:
        """A response. ``after``: what may come before; ``patterns`` must be found in it, ``never`` must not; ``keeps`` its route."""
        for earlier in after:
            if earlier < status:
                self._add(lambda way, earlier=earlier: f'<recv response="{earlier}" optional="true"/>')  # type: ignore[misc]
        return self._hears(f'response="{status}"', patterns, keeps, never)

    def gets_asked(self, method: str, *patterns: str, keeps: bool = False, never: str = "", optional: bool = False) -> Self:
        """A request."""
        may = ' optional="true"' if optional else ""
        return self._hears(f'request="{method}"{may}', patterns, keeps, never)

    def hears_nothing(self, milliseconds: int) -> Self:
        """Nothing may come for so long: SIPp fails at whatever does."""
        return self.waits(milliseconds)

    def _hears(self, what: str, patterns: tuple[str, ...], keeps: bool, never: str, first: str = "") -> Self:
        rules = [first]
        for pattern in (*patterns, *((never,) if never else ())):
            verdict = "check_it_inverse" if pattern == never else "check_it"
            regexp = escape(pattern, {'"': "&quot;"})
            rules.append(f'<ereg regexp="{regexp}" search_in="msg" {verdict}="true" assign_to="c{self._checks}"/>')
            self._checks += 1
        action = f"<action>{''.join(rules)}</action>" if any(rules) else ""
        route = ' rrs="true"' if keeps else ""
        return self._add(lambda way: f"<recv {what}{route}>{action}</recv>")

    def gets_reliably(self, status: int, *patterns: str) -> Self:
        """A provisional response that wants a PRACK; its number is kept for ``pracks``."""
        self._variables = [*self._variables, "rseq"]
        self._add(lambda way: '<recv response="100" optional="true"/>')
        rule = '<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="rseq"/>'
        return self._hears(f'response="{status}"', ("Require: 100rel", *patterns), True, "", rule)

    # -- what both do inside a call --

    def pracks(self, *headers: str, body: str = "") -> Self:
        return self.asks("PRACK", f"RAck: [$rseq] {self._invite[0]} INVITE", *headers, body=body).gets(200)

    def acks(self, *headers: str, body: str = "") -> Self:
        """ACK of a 2xx."""
        return self.asks("ACK", *headers, body=body, cseq=self._invite[0], repeats=False)

    def acks_refusal(self, uri: str = "[next_url]") -> Self:
        """ACK of a 300-699: under the INVITE's branch, in no route of its own."""
        return self.asks("ACK", uri=uri, cseq=self._invite[0], label=self._invite[1], repeats=False)

    def reinvites(self, *attributes: str, version: int = 2, answered: str = "m=audio [1-9]", **more: object) -> Self:
        """Another offer; it must be answered with ``answered``."""
        self.asks("INVITE", body=sdp(*attributes, version=version, **more))  # type: ignore[arg-type]
        return self.gets(200, answered).acks()

    def is_reinvited(self, *patterns: str, answer: str) -> Self:
        """The agent makes another offer."""
        self.gets_asked("INVITE", *patterns)
        return self.replies(200, self.contact, body=sdp(answer, version=3), repeats=True).gets_asked("ACK")

    def presses(self, digit: str, kind: str = "application/dtmf-relay") -> Self:
        body = f"Signal={digit}\nDuration=160\n" if kind == "application/dtmf-relay" else digit
        return self.asks("INFO", body=body, kind=kind).gets(200)

    def hangs_up(self) -> Self:
        return self.asks("BYE").gets(200)

    def is_hung_up(self) -> Self:
        return self.gets_asked("BYE").replies(200)

    def _add(self, step: Step) -> Self:
        self._steps.append(step)
        return self


class Caller(_Phone):
    """Calls the agent. ``does``: the called number, which tells the application behind it what to do (``tests.kit.scripted_app``)."""

    local = '"Clara Caller" <sip:300@{domain}>;tag=[pid]C[call_number]'
    remote = "<sip:[service]@{domain}>[peer_tag_param]"
    outside = "sip:{user}@{domain}"

    def __init__(self, does: str) -> None:
        super().__init__()
        self.does = does

    def invites(self, *headers: str, body: str = sdp(SENDRECV), **more: object) -> Self:
        """A new call; through a proxy that asks for a password it is asked for twice."""
        self._label += 1
        number, label = self._cseq + 1, str(self._label)
        first = _Copy(self)
        first.asks("INVITE", *headers, body=body, uri=self.outside, cseq=number, label=label, **more)  # type: ignore[arg-type]
        first.gets_challenged().asks("ACK", uri=self.outside, cseq=number, label=label, repeats=False)
        self._add(lambda way: first.text(way) if way is Way.PROXIED else "")
        self._cseq += 1
        return self.asks("INVITE", "{authentication}", *headers, body=body, uri=self.outside, **more)  # type: ignore[arg-type]

    def calls(self, *headers: str, body: str = sdp(SENDRECV), **more: object) -> Self:
        """A call that is answered."""
        return self.invites(*headers, body=body, **more).gets(200, after=(100, 180, 183), keeps=True).acks()

    def in_no_dialog(self) -> Self:
        """What it asks names a dialog that is not there."""
        self.remote = "<sip:[service]@{domain}>;tag=unknown"
        return self

    def cancels(self, *headers: str) -> Self:
        return self.asks("CANCEL", *headers, uri=self.outside, cseq=self._invite[0], label=self._invite[1])

    def is_refused(self, status: int, *patterns: str, after: tuple[int, ...] = (100, 180, 183)) -> Self:
        return self.gets(status, *patterns, after=after).acks_refusal(self.outside)


class Registrant(Caller):
    """Registers at the agent, as a PBX does that takes us for its provider. ``does``: nothing."""

    local = "<sip:100@{domain}>;tag=[pid]C[call_number]"
    remote = "<sip:100@{domain}>"

    def __init__(self) -> None:
        super().__init__("100")

    def registers(self, *headers: str, password: str = "secret") -> Self:
        """Once without, once with credentials."""
        self.asks("REGISTER", *headers, uri=REGISTRAR)
        self._add(lambda way: '<recv response="401" auth="true"/>')
        return self.asks("REGISTER", *headers, f"[authentication username=100 password={password}]", uri=REGISTRAR)


class _Copy(Caller):
    """The first, unanswered INVITE of a caller whom the proxy does not know yet."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller.does)

    def gets_challenged(self) -> Self:
        return self._add(lambda way: '<recv response="100" optional="true"/><recv response="407" auth="true"/>')

    def text(self, way: Way) -> str:
        return "\n".join(step(way) for step in self._steps)


class Called(_Phone):
    """Is called by the agent. ``does``: what the application behind the agent does with that call."""

    local = "<sip:200@[local_ip]:[cport]>;tag=[pid]U[call_number]"
    remote = "[$from]"

    def __init__(self, does: str = "") -> None:
        super().__init__()
        self.does = does
        self._tagged = False

    def is_invited(self, *patterns: str, never: str = "") -> Self:
        self._tagged = False
        rules = '<ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="from"/>'
        rules += '<ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="to"/>'
        rules += '<ereg regexp=".*" search_in="hdr" header="Via:" check_it="true" assign_to="via"/>'
        rules += '<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" check_it="true" assign_to="cseq"/>'
        self._variables = ["from", "to", "via", "cseq"]
        return self._hears('request="INVITE"', patterns, True, never, rules)

    def gets_asked(self, method: str, *patterns: str, keeps: bool = False, never: str = "", optional: bool = False) -> Self:
        self._tagged = method != "CANCEL"
        return super().gets_asked(method, *patterns, keeps=keeps, never=never, optional=optional)

    @property
    def _copied(self) -> tuple[str, ...]:
        to = "[last_To:]" if self._tagged else "[last_To:];tag=[pid]U[call_number]"
        return ("[last_Via:]", "[last_From:]", to, "[last_Call-ID:]", "[last_CSeq:]", "[last_Record-Route:]")

    def rings(self, *headers: str, status: int = 180, body: str = "") -> Self:
        return self.replies(status, self.contact, *headers, body=body)

    def answers(self, *headers: str, body: str = sdp(SENDRECV), acked: bool = True) -> Self:
        self.replies(200, self.contact, "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO", *headers, body=body, repeats=True)
        return self.gets_asked("ACK") if acked else self

    def notifies(self, fragment: str, state: str) -> Self:
        """How the transfer goes that the agent asked for."""
        headers = "Event: refer", f"Subscription-State: {state}"
        return self.asks("NOTIFY", *headers, body=fragment + "\n", kind="message/sipfrag").gets(200)

    def refuses(self, status: int, *headers: str) -> Self:
        return self.replies(status, *headers, repeats=True).gets_asked("ACK")

    def says_to_invite(self, status: int, *headers: str, body: str = "", fork: str = "U", repeats: bool = False) -> Self:
        """A response to the INVITE after other requests came. ``fork`` tells apart phones that answer the same call."""
        copied = ("Via: [$via]", "From: [$from]", f"To: [$to];tag=[pid]{fork}[call_number]", "[last_Call-ID:]", "CSeq: [$cseq] INVITE")
        return self.says(f"SIP/2.0 {status} Said So", *copied, self.contact, *headers, body=body, repeats=repeats)

    def ends_invite(self, status: int, *headers: str, body: str = "", fork: str = "U") -> Self:
        """The final response to the INVITE after other requests came, and its ACK."""
        return self.says_to_invite(status, *headers, body=body, fork=fork, repeats=True).gets_asked("ACK")


class Registrar(_Phone):
    """Is registered at. ``does``: nothing, or ``leaves``: the line is closed once it is registered."""

    def __init__(self, does: str = "") -> None:
        super().__init__()
        self.does = does

    def is_registered_at(self, *patterns: str, never: str = "") -> Self:
        return self._hears('request="REGISTER"', patterns, False, never)

    def lets_go(self) -> Self:
        """It unregisters, as a line does that is closed."""
        return self.is_registered_at("Expires: 0").grants(0)

    def checks_password(self) -> Self:
        """The last REGISTER's digest must be right, as SIPp itself computes it."""
        right = '<recv request="REGISTER"><action><verifyauth assign_to="right" username="100" password="secret"/></action></recv>'
        wrong = '<nop><action><error message="a wrong digest"/></action></nop>'
        return self._add(lambda way: f'{right}<nop next="1" test="right"/>{wrong}<label id="1"/>')

    def challenges(self, *headers: str, status: int = 401) -> Self:
        return self.replies(status, *headers)

    def replies_over_nat(self, host: str, port: int) -> Self:
        """200 to a REGISTER that we see come from another address than its Via says."""
        branch = '<ereg regexp="branch=[^;]*" search_in="hdr" header="Via:" check_it="true" assign_to="branch"/>'
        self._steps[-1] = lambda way: f'<recv request="REGISTER"><action>{branch}</action></recv>'
        self._variables = ["branch"]
        seen = f"Via: SIP/2.0/[tp] [local_ip]:9;[$branch];received={host};rport={port}"
        return self.says("SIP/2.0 200 OK", seen, *self._copied[1:], "[last_Contact:]", "Expires: 300")

    def grants(self, expires_s: int = 300) -> Self:
        return self.replies(200, "[last_Contact:]", f"Expires: {expires_s}")

    @property
    def _copied(self) -> tuple[str, ...]:
        return ("[last_Via:]", "[last_From:]", "[last_To:];tag=[pid]R[call_number]", "[last_Call-ID:]", "[last_CSeq:]")


def _for(way: Way, text: str) -> str:
    proxied = way is Way.PROXIED
    for mark, straight, through in (
        ("{domain}", "[remote_ip]:[remote_port]", "pbx.test"),
        ("{user}", "[service]", "[extension]"),
        ("{authentication}\n", "", "[authentication username=300 password=pw300]\n"),
    ):
        text = text.replace(mark, through if proxied else straight)
    return text
