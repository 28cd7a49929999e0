"""SIP that is almost right: valid messages spoiled where their structure is, and conversations of them with a whole user agent.

Everything is drawn from one ``Random``, so that a seed repeats a case exactly.
"""

import contextlib
from collections.abc import Callable
from random import Random

from pbx.message import BadMessage, Message, Request, Response, build, parse_message, respond
from pbx.sip_settings import SrtpMode
from pbx.transactions import Hop
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Refused
from rooms.audio import G722, OPUS, PCMA, PCMU
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint, sdp

METHODS = (
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "PRACK",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "REGISTER",
    "MESSAGE",
    "FOO",
)
URIS = (
    *("sip:100@10.0.0.1", "sips:a@b", "tel:+34600111222;phone-context=x", "sip:[2001:db8::9]:5062;lr;maddr=1.2.3.4", "sip:%00%zz@10.0.0.1"),
    *(
        "sip:a@b:99999",
        "sip:",
        "sip:@",
        "sip:a@[::",
        "urn:x",
        "sip:a:b;c=d@e;f=g;h?i=j&k=l",
        "<sip:a@b>",
        "sip:a b@c",
        "*",
        "sip:" + "x" * 300,
    ),
)
NUMBERS = ("0", "-1", "1", "65535", "65536", "2147483647", "2147483648", "4294967296", "9" * 40, "1e9", "0x10", "٣", "")
PARAMS = (
    *(
        ";tag=x",
        ";tag=",
        ";tag",
        ";branch=z9hG4bK",
        ";rport",
        ";rport=0",
        ";received=::1",
        ";lr",
        ";maddr=x",
        ";ttl=256",
        ";;",
        ";=",
        ";a=b=c",
    ),
    *(';q="', ';q="\\"', ";expires=-1", ";refresher=both", ";transport=tls", ";" + "p" * 500, ";%41=%", ";early-only;to-tag=a;from-tag=b"),
)
HEADERS = (
    *("Require: 100rel", "Require: nothing", "Supported: timer,100rel,replaces", "Session-Expires: 90;refresher=uac", "Session-Expires: 1"),
    *(
        "Min-SE: 999999999",
        "Replaces: c1;to-tag=a;from-tag=b",
        "Refer-To: <sip:2@b?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        "RAck: 1 1 INVITE",
    ),
    *(
        "Refer-To: x",
        "RSeq: 1",
        "RSeq: 0",
        "Event: refer",
        "Event: dialog",
        "Subscription-State: terminated",
        "Contact: *",
        "Contact: <",
        "Expires: x",
    ),
    *("Record-Route: <sip:10.0.0.9;lr>", "Record-Route: <sip:strict>", "Route: <sip:x;lr>", "Content-Encoding: gzip", "Accept: text/plain"),
    *("P-Asserted-Identity: <tel:1>, <sip:a@b>", "Privacy: id;header", "Diversion: <sip:a@b>;reason=x", "History-Info: <sip:a@b>;index=1"),
    *(
        'Authorization: Digest username="',
        "Proxy-Authenticate: Digest realm=x",
        "WWW-Authenticate: Digest",
        "Retry-After: 99999999999",
        "Allow: ",
    ),
    *(
        "Content-Disposition: session;handling=required",
        "Max-Forwards: 0",
        "Timestamp: 1e400",
        "X: \x00\x01",
        ":",
        "no header",
        "Via: x",
        " fold",
    ),
)
STATUSES = (100, 180, 183, 200, 200, 200, 202, 302, 401, 407, 404, 408, 415, 420, 422, 481, 486, 487, 491, 500, 503, 603)
COMPACT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Length": "l", "Content-Type": "c", "Supported": "k"}
SDP_LINES = (
    *(
        "m=audio 0 RTP/AVP 0",
        "m=audio 9 RTP/SAVP 0 8",
        "m=audio 70000 RTP/AVP 0",
        "m=video 9 RTP/AVP 31",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=",
    ),
    *(
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 ::1",
        "c=IN IP4 300.1.1.1",
        "c=IN IP4 224.2.1.1/127",
        "a=sendonly",
        "a=inactive",
        "a=rtpmap:999 x/1",
        "a=",
    ),
    *(
        "a=rtpmap:8 PCMA/0",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:0",
        "a=ptime:99999999999",
        "a=crypto:1 X inline:y",
    ),
    *(
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40,
        "a=rtcp-xr:voip-metrics",
        "v=1",
        "o=",
        "t=x",
        "=",
        "x",
        "m=audio " + "9 " * 999,
    ),
)
BODIES = (
    b"",
    b"Signal=5\r\nDuration=160\r\n",
    b"\xff\xfe\x00",
    b"SIP/2.0 200 OK\r\n",
    b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n",
)


class Spoiler:
    """Draws messages. ``request`` and ``response`` are right; ``spoil`` does one to four wrongs to a message, where its structure is."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self._drawn = 0
        self._wrongs: tuple[Callable[[list[str]], None], ...] = (
            *(self._drop, self._double, self._swap, self._shorten, self._recase, self._fold, self._pad, self._add, self._uri, self._number),
            *(self._parameter, self._quote, self._lengthen, self._start),
        )

    def request(self, method: str, call_id: str, cseq: int, *, to_tag: str = "", body: bytes = b"", more: tuple[str, ...] = ()) -> bytes:
        self._drawn += 1
        lines = [
            f"{method} sip:100@10.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKf{self._drawn}x{self.chance.getrandbits(32):x};rport",
            'From: "Clara" <sip:+34600111222@10.0.0.9>;tag=peer',
            "To: <sip:100@10.0.0.1>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
            "Contact: <sip:clara@10.0.0.9>",
        ]
        if body and not any(line.startswith("Content-Type") for line in more):
            lines.append("Content-Type: application/sdp")
        return _joined([*lines, *more, f"Content-Length: {len(body)}"], body)

    def response(self, request: Request, status: int, *, tag: str = "peer", body: bytes = b"") -> bytes:
        lines = [f"SIP/2.0 {status} Whatever"]
        for name in ("Via", "From", "Call-ID", "CSeq"):
            lines += [f"{name}: {value}" for value in request.lines(name)]
        to = request.get("To") or ""
        lines.append(f"To: {to}" + ("" if ";tag=" in to else f";tag={tag}"))
        lines.append("Contact: <sip:clara@10.0.0.9>")
        if status in (401, 407):
            lines.append(f'{"WWW" if status == 401 else "Proxy"}-Authenticate: Digest realm="x",nonce="{self.chance.random()}",qop="auth"')
        if status < 200 and self.chance.random() < 0.5:
            lines += ["Require: 100rel", f"RSeq: {self.chance.randrange(1, 4)}"]
        if body:
            lines.append("Content-Type: application/sdp")
        return _joined([*lines, f"Content-Length: {len(body)}"], body)

    def spoil(self, data: bytes) -> bytes:
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        for _ in range(self.chance.randint(1, 4)):
            self.chance.choice(self._wrongs)(lines)
        if self.chance.random() < 0.3:
            body = self.spoil_body(body)
            if self.chance.random() < 0.7:
                lines = [f"Content-Length: {len(body)}" if line.lower().startswith("content-length") else line for line in lines]
        whole = _joined(lines, body)
        return self._spoil_bytes(whole) if self.chance.random() < 0.15 else whole

    def spoil_body(self, body: bytes) -> bytes:
        if not body or self.chance.random() < 0.2:
            return self.chance.choice(BODIES)
        lines = body.decode("utf-8", "replace").split("\r\n")
        for _ in range(self.chance.randint(1, 3)):
            at = self.chance.randrange(len(lines))
            kind = self.chance.random()
            if kind < 0.4:
                lines.insert(at, self.chance.choice(SDP_LINES))
            elif kind < 0.7:
                lines[at] = self.chance.choice(SDP_LINES)
            elif len(lines) > 1:
                del lines[at]
        return "\r\n".join(lines).encode()

    def cuts(self, stream: bytes) -> list[bytes]:
        """A stream in pieces, from single octets to several messages in one."""
        pieces = []
        while stream:
            size = self.chance.choice((1, 2, 3, 7, 60, 400, 5000))
            pieces.append(stream[:size])
            stream = stream[size:]
        return pieces

    def _at(self, lines: list[str]) -> int:
        return self.chance.randrange(1, len(lines)) if len(lines) > 1 else 0

    def _drop(self, lines: list[str]) -> None:
        if len(lines) > 1:
            del lines[self._at(lines)]

    def _double(self, lines: list[str]) -> None:
        lines.insert(self._at(lines), lines[self._at(lines)])

    def _swap(self, lines: list[str]) -> None:
        a, b = self._at(lines), self._at(lines)
        lines[a], lines[b] = lines[b], lines[a]

    def _shorten(self, lines: list[str]) -> None:
        for at, line in enumerate(lines):
            name, colon, value = line.partition(":")
            if colon and name in COMPACT and self.chance.random() < 0.5:
                lines[at] = f"{COMPACT[name]}:{value}"

    def _recase(self, lines: list[str]) -> None:
        at = self._at(lines)
        name, colon, value = lines[at].partition(":")
        lines[at] = "".join(self.chance.choice((c.lower(), c.upper())) for c in name) + colon + value

    def _fold(self, lines: list[str]) -> None:
        at = self._at(lines)
        lines[at] = lines[at].replace(" ", "\r\n ", 2)

    def _pad(self, lines: list[str]) -> None:
        at = self._at(lines)
        lines[at] = lines[at].replace(":", self.chance.choice((" : ", "\t:\t", ":", ":  \t ")), 1) + self.chance.choice(("", "  ", "\t"))

    def _add(self, lines: list[str]) -> None:
        lines.insert(self._at(lines), self.chance.choice(HEADERS))

    def _uri(self, lines: list[str]) -> None:
        at = self.chance.randrange(len(lines))
        start = lines[at].find("sip:")
        end = min((found for mark in "> ;" if (found := lines[at].find(mark, start)) > 0), default=len(lines[at]))
        if start >= 0:
            lines[at] = lines[at][:start] + self.chance.choice(URIS) + lines[at][end:]

    def _number(self, lines: list[str]) -> None:
        at = self.chance.randrange(len(lines))
        digits = [position for position, character in enumerate(lines[at]) if character.isdigit()]
        if digits:
            position = self.chance.choice(digits)
            lines[at] = lines[at][:position] + self.chance.choice(NUMBERS) + lines[at][position + 1 :]

    def _parameter(self, lines: list[str]) -> None:
        lines[self._at(lines)] += self.chance.choice(PARAMS)

    def _quote(self, lines: list[str]) -> None:
        at = self.chance.randrange(len(lines))
        position = self.chance.randrange(len(lines[at]) + 1)
        wrong = self.chance.choice(('"', "\\", "<", ">", ",", "\r", "\n", "\x00", "\u202e", "é"))
        lines[at] = lines[at][:position] + wrong + lines[at][position:]

    def _lengthen(self, lines: list[str]) -> None:
        lines[self._at(lines)] += self.chance.choice(("x", ",", ";", '"', "<", "\\", " \t", "é")) * self.chance.choice((100, 3000, 9000))

    def _start(self, lines: list[str]) -> None:
        lines[0] = self.chance.choice(
            (
                lines[0].replace("SIP/2.0", self.chance.choice(("SIP/3.0", "sip/2.0", "HTTP/1.1", ""))),
                lines[0].replace(" ", "  "),
                self.chance.choice(METHODS) + " " + self.chance.choice(URIS) + " SIP/2.0",
                "SIP/2.0 " + self.chance.choice(("200 OK", "100", "999 x", "4294967301 x", "486 Busy", "")),
            )
        )

    def _spoil_bytes(self, data: bytes) -> bytes:
        kind, at = self.chance.random(), self.chance.randrange(len(data))
        if kind < 0.4:
            return data[:at] + bytes([self.chance.randrange(256)]) + data[at + 1 :]
        if kind < 0.7:
            return data[:at]
        return data[:at] + self.chance.randbytes(self.chance.randrange(20)) + data[at:]


def _joined(lines: list[str], body: bytes) -> bytes:
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body


class FuzzedCalls:
    """A user agent with a careless user and a malicious peer. ``act`` does one thing of either; ``check_end`` lets time settle it all."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.spoiler = Spoiler(self.chance)
        self.network = VirtualSip()
        self.here, self.there = Hop("udp", "10.0.0.9", 5060), Hop("udp", "10.0.0.1", 5060)
        srtp = self.chance.choice((SrtpMode.OFF, SrtpMode.OFFERED))
        settings = {"register": self.chance.random() < 0.3, "srtp": srtp, "invites_per_s": 1000.0, "max_calls": 12}
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", seed, password="secret", **settings)
        self.network.attach("10.0.0.9", self._take)
        self.finals: dict[tuple[str, str], set[bytes]] = {}
        self._tags: dict[str, str] = {}
        self._asked: list[Request] = []
        self._sent: list[tuple[float, bytes]] = []
        self._rseq = ""
        self._cseq = 1
        self._dialled = 0
        self.ana.agent.open(self.network.now)

    def _take(self, data: bytes, source: Hop) -> None:
        try:
            message: Message = parse_message(data)
        except BadMessage:
            return  # a refusal that quotes headers which nobody can read
        if isinstance(message, Request):
            self._asked = [*self._asked[-20:], message]
        elif isinstance(message, Response):
            self._rseq = message.get("RSeq") or self._rseq
            if message.to_address.tag and len(self._tags) < 30:
                self._tags[message.call_id] = message.to_address.tag
            if message.status >= 200 and "(" not in message.reason:
                self.finals.setdefault((message.top_via.branch, message.cseq[1]), set()).add(data.split(b"\r\n", 1)[0])

    def act(self) -> None:
        self.chance.choice(
            (self._invite, self._inside, self._inside, self._answer, self._answer, self._again, self._command, self._command)
        )()
        self.network.run(self.chance.choice((0.0, 0.02, 0.02, 0.02, 0.6, 5.0, 40.0)))

    def _post(self, data: bytes) -> None:
        if self.chance.random() < 0.6:
            data = self.spoiler.spoil(data)
        self._sent = [*self._sent[-20:], (self.network.now, data)]
        self.network.post_bytes(data, self.here, self.there)

    def _invite(self) -> None:
        self._cseq += 1
        body = self.chance.choice((sdp(), sdp(), b""))
        self._post(self.spoiler.request("INVITE", f"call{self.chance.randrange(1000)}", self._cseq, body=body))

    def _inside(self) -> None:
        self._cseq += 1
        call_id = self.chance.choice([*self._tags, "unknown"])
        method = self.chance.choice(METHODS)
        body = sdp() if method in ("INVITE", "UPDATE", "ACK", "PRACK") and self.chance.random() < 0.6 else b""
        more: tuple[str, ...] = ()
        if method == "PRACK":
            more = (f"RAck: {self._rseq} {self.chance.randrange(1, self._cseq + 1)} INVITE",)
        elif method == "REFER":
            more = (f"Refer-To: <{self.chance.choice(URIS)}>",)
        elif method == "NOTIFY":
            body = b"SIP/2.0 %d x\r\n" % self.chance.choice(STATUSES)
            more = (
                "Event: refer",
                "Content-Type: message/sipfrag",
                f"Subscription-State: {self.chance.choice(('active', 'terminated'))}",
            )
        cseq = self._cseq if self.chance.random() < 0.8 else self.chance.randrange(1, self._cseq + 1)
        self._post(self.spoiler.request(method, call_id, cseq, to_tag=self._tags.get(call_id, "x"), body=body, more=more))

    def _answer(self) -> None:
        """Answer something that the agent asked, or end an INVITE of its that we answered."""
        if self._asked:
            request = self.chance.choice(self._asked)
            status = self.chance.choice(
                (100, 180, 183, 200, 200, 200, 202, 302, 401, 407, 404, 408, 415, 420, 422, 481, 486, 487, 491, 500, 503, 603)
            )
            body = sdp() if self.chance.random() < 0.6 else b""
            self._post(self.spoiler.response(request, status, tag=self.chance.choice(("peer", "fork1", "fork2")), body=body))

    def _again(self) -> None:
        """A retransmission, while its transaction must still know it: it is no new request then."""
        late = [data for sent_at, data in self._sent if self.network.now - sent_at < 30.0]
        if late:
            self.network.post_bytes(self.chance.choice(late), self.here, self.there)

    def _command(self) -> None:
        arrived = [event.leg_id for event in self.ana.events if isinstance(event, Arrived)]
        leg_id = self.chance.choice([*arrived[-8:], *(f"out{n}" for n in range(max(0, self._dialled - 4), self._dialled)), "nobody"])
        agent, now = self.ana.agent, self.network.now
        what = self.chance.randrange(12)
        if what == 0:
            offer, hidden = endpoint("10.0.0.1"), self.chance.random() < 0.3
            agent.dial(f"out{self._dialled}", "200", "Ana", offer, now, private=hidden, diverted_by="300" * hidden, referred=leg_id)
            self._dialled += 1
        elif what == 1:
            agent.ring(leg_id, now)
        elif what in (2, 3, 4):
            agent.answer(leg_id, endpoint(codecs=self.chance.choice(((PCMA,), (PCMU, PCMA), (OPUS, G722)))), now)
        elif what == 5:
            agent.hold(leg_id, self.chance.random() < 0.5, now)
        elif what == 6:
            agent.send_digit(leg_id, self.chance.choice("0123456789*#AD"), now)
        elif what == 7:
            agent.progress(leg_id, endpoint(codecs=(PCMA,)), now)
        elif what == 8:
            agent.refer(leg_id, "400", self.chance.choice(("", *arrived[-2:])), now)
        elif what == 9:
            agent.transfer_progress(leg_id, self.chance.choice((180, 200, 486)), now)
        else:
            agent.hang_up(leg_id, Cause(self.chance.choice((EndReason.COMPLETED, EndReason.BUSY, EndReason.GAVE_UP))), now)

    def check_end(self) -> None:
        """Everything comes to its end, every request had one final answer at most, and the next call is like any other."""
        doubly = {key: found for key, found in self.finals.items() if len(found) > 1}
        assert not doubly, doubly
        for event in list(self.ana.events):
            if isinstance(event, Arrived):
                self.ana.agent.hang_up(event.leg_id, Cause(EndReason.COMPLETED), self.network.now)
        for number in range(self._dialled):
            self.ana.agent.hang_up(f"out{number}", Cause(EndReason.GAVE_UP), self.network.now)
        self.network.run(400.0)
        assert self.ana.agent.calls == 0 and self.ana.line.transactions.waiting <= 1  # a REGISTER or OPTIONS
        ended = {event.leg_id for event in self.ana.events if isinstance(event, HungUp | Refused)}
        ended |= {event.leg_id for event in self.ana.events if isinstance(event, Answered)}
        assert {f"out{number}" for number in range(self._dialled)} <= ended
        self._call_once_more()

    def _call_once_more(self) -> None:
        confirmed, hung_up = self.ana.count(Confirmed), self.ana.count(HungUp)

        def ask(method: str, cseq: int, body: bytes = b"") -> None:
            data = self.spoiler.request(method, "last", cseq, to_tag=self._tags.get("last", ""), body=body)
            self.network.post_bytes(data, self.here, self.there)
            self.network.run(0.1)

        self._tags.clear()
        ask("INVITE", 1, sdp())
        self.ana.agent.answer(self.ana.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), self.network.now)
        self.network.run(0.1)
        ask("ACK", 1)
        ask("BYE", 2)
        assert (self.ana.count(Confirmed), self.ana.count(HungUp)) == (confirmed + 1, hung_up + 1)


def check_parser(data: bytes) -> None:
    """Nothing but ``BadMessage`` leaves the parser, and what it read is read again the same."""
    try:
        message = parse_message(data)
    except BadMessage as error:
        if error.request is not None:
            build(respond(error.request, error.status, to_tag="x"))
        return
    written = build(message)
    assert build(parse_message(written)) == written
    if isinstance(message, Request):
        with contextlib.suppress(BadMessage):
            parse_message(build(respond(message, 200, to_tag="x")))
