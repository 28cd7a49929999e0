"""What the messages of RFC 4475 and RFC 5118 do to a user agent: for each its clause, its point, the verdict that we owe it, and a message
of our own with the same point.

The RFCs' own bytes are not here; ``pytest tests/unit/test_sip_torture.py --torture FOLDER`` holds them to the same verdicts.
"""

from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What becomes of a message that is not simply refused."""

    CALL = "rings, and can be answered"
    DROPPED = "dropped without a word"


Verdict = Fate | int
"""An integer is the final status that answers it."""

SDP = (
    "v=0\r\no=ana 29739 7272939 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    "m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
)


@dataclass(frozen=True, slots=True)
class Torture:
    """``name`` is the RFC's own. ``why``: the reason for the verdict, where the RFC leaves a choice the reason for ours."""

    name: str
    clause: str
    verdict: Verdict
    why: str
    data: bytes


def _message(first: str, changes: dict[str, str | None], body: str = "") -> bytes:
    """A message whose headers are ordinary but for ``changes``; None leaves a header out, "" as a name adds lines as they are."""
    method = first.split()[0] if not first.startswith("SIP/") else "INVITE"
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP host.pbx.test;branch=z9hG4bKtorture",
        "Max-Forwards": None if first.startswith("SIP/") else "70",
        "From": "<sip:ana@pbx.test>;tag=1",
        "To": "<sip:ben@pbx.test>",
        "Call-ID": "torture@pbx.test",
        "CSeq": f"8 {method}",
        "Contact": "<sip:ana@host.pbx.test>" if method == "INVITE" else None,
        "Content-Type": "application/sdp" if body else None,
        "Content-Length": str(len(body.encode())),
    }
    extra = changes.pop("", None)
    headers |= changes
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if value is not None), *([extra] if extra else [])]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def options(uri: str = "sip:ben@pbx.test", **changes: str | None) -> bytes:
    return _message(f"OPTIONS {uri} SIP/2.0", _named(changes))


def invite(uri: str = "sip:ben@pbx.test", body: str = SDP, **changes: str | None) -> bytes:
    return _message(f"INVITE {uri} SIP/2.0", _named(changes), body)


def register(uri: str = "sip:pbx.test", **changes: str | None) -> bytes:
    return _message(f"REGISTER {uri} SIP/2.0", _named(changes))


def _named(changes: dict[str, str | None]) -> dict[str, str | None]:
    return {("" if name == "more" else name.replace("_", "-")): value for name, value in changes.items()}


_STRANGE = "!odd-Method0123456789_*+`.%indeed'~"
_SPACED = f"""INVITE sip:ben@pbx.test;unknown SIP/2.0
TO :
 sip:ben@pbx.test ;   tag    = 1918n
from   : "A Caller \\\\\\""       <sip:ana@pbx.test>
  ;
  tag = 98a
MaX-fOrWaRdS: 0068
Call-ID: spaced@192.0.2.1
Content-Length   : {len(SDP)}
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390
s :
NewHeader:   new value
 continued new value
Odd: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.pbx.test;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     one.pbx.test   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted \\"\\"" <sip:ana@pbx.test> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
"""
_LONG_VIAS = "\r\n".join(f"{name}: SIP/2.0/TCP hop{n}.pbx.test" for n in range(9) for name in ("v", "V", "viA ", "Via  "))
_LONG = "".join(("very", "long" * 60))
_MIXED = (
    "--b7\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b7\r\nContent-Type: application/octet-stream\r\n\r\n0\x82\x01\x00\x00\r\n--b7--\r\n"
)
_NO_CODEC6 = (
    "v=0\r\no=ana 9 0 IN IP6 {0}\r\ns=A picture\r\nc=IN IP6 {0}\r\nt=3338481189 3370017201\r\n"
    "m=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\nm=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n"
)
_TWO_FAMILIES = (
    "v=0\r\no=ben 280744730 28977631 IN IP4 host.pbx.test\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
    "m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n"
)

VALID = (
    Torture(
        "wsinv",
        "4475 3.1.1.1",
        481,
        "white space and folds are read; its To tag names a dialog that is not ours",
        _SPACED.replace("\n", "\r\n").encode() + b"\r\n" + SDP.encode(),
    ),
    Torture(
        "intmeth",
        "4475 3.1.1.2",
        501,
        "every character that a token may have; nobody knows the method",
        _message(
            f"{_STRANGE} sip:1_u.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(no)@pbx.test SIP/2.0",
            {
                "To": '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_u.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@pbx.test>',
                "From": "token1~` token2'+_ token3*%!.- <sip:mundane@pbx.test>;fromParam''~+*_!.-%=\"работающий\";tag=_t~1'+`*%!-.",
                "Call-ID": "odd%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
                "": "header-!.%*+_`'~:\ufeff大停電",
            },
        ),
    ),
    Torture(
        "esc01",
        "4475 3.1.1.3",
        Fate.CALL,
        "escapes are read once: %40 in the user is no @ of the URI",
        invite(
            "sip:sips%3Auser%40pbx.test@pbx.test",
            To="sip:%75se%72@pbx.test",
            From="<sip:I%20have%20spaces@pbx.test>;tag=938",
            Contact="\r\n  <sip:cal%6Cer@host5.pbx.test;%6C%72;n%61me=v%61lue%25%34%31>",
        ),
    ),
    Torture(
        "escnull",
        "4475 3.1.1.4",
        405,
        "an escaped zero octet is a character like others; this agent is no registrar",
        register(
            To="sip:null-%00-null@pbx.test",
            From="sip:null-%00-null@pbx.test;tag=8",
            Contact="<sip:%00@host5.pbx.test>",
            more="Contact: <sip:%00%00@host5.pbx.test>",
        ),
    ),
    Torture(
        "esc02",
        "4475 3.1.1.5",
        501,
        "a % in a method or a header name is no escape: this is not REGISTER",
        _message(
            "RE%47IST%45R sip:pbx.test SIP/2.0",
            {"To": '"%Z%45" <sip:a@pbx.test>', "From": '"%Z%45" <sip:a@pbx.test>;tag=f2', "": "C%6Fntact: <sip:alias2@pbx.test>"},
        ),
    ),
    Torture(
        "lwsdisp", "4475 3.1.1.6", 200, "no blank is needed between a display name and <", options(From="ana<sip:ana@pbx.test>;tag=323")
    ),
    Torture(
        "longreq",
        "4475 3.1.1.7",
        Fate.CALL,
        "long values and 36 Via are within our bounds",
        invite(
            To=f'"I have a user name of {_LONG}"<sip:ben@pbx.test:6000;{_LONG}=x;y{_LONG}>',
            From=f"sip:{_LONG}@pbx.test;tag={_LONG}",
            Call_ID=f"{_LONG}@pbx.test",
            more=f"{_LONG}-Name: {_LONG}; {_LONG} = x\r\n{_LONG_VIAS}",
        ),
    ),
    Torture("dblreq", "4475 3.1.1.8", 405, "what follows the body in a datagram is no second request", register() + invite()),
    Torture(
        "semiuri",
        "4475 3.1.1.9",
        200,
        "a semicolon in the user part is part of the user",
        options("sip:user;par=u%40pbx.test@pbx.test", more="Accept: application/sdp, application/pkcs7-mime,\r\n        message/sip"),
    ),
    Torture(
        "transports",
        "4475 3.1.1.10",
        200,
        "Via may name transports that we do not know",
        options(more="Via: SIP/2.0/SCTP t2;branch=z9hG4bKk\r\nVia: SIP/2.0/UNKNOWN t4;branch=z9hG4bKm"),
    ),
    Torture(
        "mpart01",
        "4475 3.1.1.11",
        405,
        "a multipart body with binary in it; MESSAGE is not for us",
        _message(
            "MESSAGE sip:ben@pbx.test SIP/2.0",
            {"Content-Type": "multipart/mixed;boundary=b7", "Contact": "<sip:ana@host.pbx.test>"},
            _MIXED,
        ),
    ),
    Torture(
        "unreason",
        "4475 3.1.1.12",
        Fate.DROPPED,
        "a reason phrase in any script is read; nobody waits for this answer",
        _message(
            "SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое",
            {"To": "<sip:ben@pbx.test>;tag=2", "Contact": "<sip:x@y.test>"},
            SDP,
        ),
    ),
    Torture(
        "noreason",
        "4475 3.1.1.13",
        Fate.DROPPED,
        "an empty reason phrase is none; nobody waits for this answer",
        _message("SIP/2.0 100 ", {"To": "<sip:ben@pbx.test>;tag=2"}),
    ),
)

INVALID = (
    Torture(
        "badinv01",
        "4475 3.1.2.1",
        400,
        "separators with nothing between them in Via and Contact",
        invite(Via="SIP/2.0/UDP 192.0.2.15;;,;,,", Contact='"Joe" <sip:joe@pbx.test>;;;;'),
    ),
    Torture("clerr", "4475 3.1.2.2", 400, "a datagram with less than its Content-Length", invite(Content_Length="9999")),
    Torture("ncl", "4475 3.1.2.3", 400, "a negative Content-Length", invite(Content_Length="-999", CSeq="0 INVITE")),
    Torture(
        "scalar02",
        "4475 3.1.2.4",
        400,
        "a CSeq of 66 bits; Max-Forwards and expiry too large beside it",
        register(
            CSeq="36893488147419103232 REGISTER",
            Max_Forwards="300",
            Expires="1" + "0" * 100,
            Contact="<sip:ana@host.pbx.test>\r\n  ;expires=280297596632815",
        ),
    ),
    Torture(
        "scalarlg",
        "4475 3.1.2.5",
        Fate.DROPPED,
        "a response whose CSeq is out of range belongs to nothing",
        _message(
            "SIP/2.0 503 Service Unavailable",
            {"CSeq": "9292394834772304023312 OPTIONS", "Retry-After": "949302838503028349304023988", "Warning": '1812 x "In Progress"'},
        ),
    ),
    Torture(
        "quotbal",
        "4475 3.1.2.6",
        400,
        "a quote that never closes: what was meant is not guessed",
        invite(To='"Mr. J. User <sip:ben@pbx.test>'),
    ),
    Torture("ltgtruri", "4475 3.1.2.7", 400, "angle brackets around the Request-URI", invite("<sip:ben@pbx.test>")),
    Torture("lwsruri", "4475 3.1.2.8", 400, "a blank in the Request-URI", invite("sip:ben@pbx.test; lr", To="<sip:ben@pbx.test>;tag=3")),
    Torture("lwsstart", "4475 3.1.2.9", 400, "two blanks in the start line", _message("INVITE  sip:ben@pbx.test  SIP/2.0", {}, SDP)),
    Torture("trws", "4475 3.1.2.10", 400, "blanks after the version", _message("OPTIONS sip:ben@pbx.test SIP/2.0  ", {})),
    Torture("escruri", "4475 3.1.2.11", 400, "header fields in the Request-URI", invite("sip:ben@pbx.test?Route=%3Csip:pbx.test%3E")),
    Torture(
        "baddate",
        "4475 3.1.2.12",
        Fate.CALL,
        "a Date that is not GMT: we need no Date, so it is as good as absent",
        invite(Date="Fri, 01 Jan 2010 16:00:00 EST"),
    ),
    Torture(
        "regbadct",
        "4475 3.1.2.13",
        400,
        "a Contact with ? and without <>: whose the headers are is ambiguous",
        register(Contact="sip:ben@pbx.test?Route=%3Csip:sip.pbx.test%3E"),
    ),
    Torture("badaspec", "4475 3.1.2.14", 400, "blanks inside <>", options(To='"Watson, T." < sip:t.watson@pbx.test >')),
    Torture("baddn", "4475 3.1.2.15", 400, "a comma in a display name without quotes", options(From="Bell, A <sip:ana@pbx.test>;tag=43")),
    Torture(
        "badvers",
        "4475 3.1.2.16",
        505,
        "another version, in Via too: answered where it came from",
        _message("OPTIONS sip:ben@pbx.test SIP/7.0", {"Via": "SIP/7.0/UDP c.pbx.test;branch=z9hG4bKv"}),
    ),
    Torture("mismatch01", "4475 3.1.2.17", 400, "CSeq names another method", options(CSeq="8 INVITE")),
    Torture(
        "mismatch02",
        "4475 3.1.2.18",
        400,
        "CSeq names another method than one that nobody knows",
        _message("NEWMETHOD sip:ben@pbx.test SIP/2.0", {"CSeq": "8 INVITE"}, SDP),
    ),
    Torture(
        "bigcode",
        "4475 3.1.2.19",
        Fate.DROPPED,
        "a status of ten digits is no response",
        _message("SIP/2.0 4294967301 better not break the receiver", {}),
    ),
)

LATER = (
    Torture(
        "badbranch",
        "4475 3.2.1",
        200,
        "the cookie alone is no branch: matched as RFC 2543 does",
        options(Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
    ),
    Torture(
        "insuf",
        "4475 3.3.1",
        400,
        "no Call-ID, From and To: answered with what it has",
        invite(From=None, To=None, Call_ID=None, Contact=None, Max_Forwards=None),
    ),
    Torture("unkscm", "4475 3.3.2", 416, "a Request-URI of a scheme that nobody knows", options("nobodyKnows:totallyopaque")),
    Torture("novelsc", "4475 3.3.3", 416, "a Request-URI of a scheme that others know", options("soap.beep://192.0.2.103:3002")),
    Torture(
        "unksm2",
        "4475 3.3.4",
        405,
        "To, From and Contact may be of any scheme; REGISTER is refused for itself",
        register(To="isbn:2983792873", From="<http://www.pbx.test>;tag=3", Contact="<name:John_Smith>"),
    ),
    Torture(
        "bext01",
        "4475 3.3.5",
        420,
        "Require names what we lack; Proxy-Require is for proxies",
        options(Require="nothingHere, norHere", Proxy_Require="noProxy, norAnother"),
    ),
    Torture(
        "invut",
        "4475 3.3.6",
        415,
        "an INVITE with a body that is no session description",
        invite(body='<audio>\n <pcmu port="443"/>\n</audio>', Content_Type="application/unknownformat"),
    ),
    Torture(
        "regaut01",
        "4475 3.3.7",
        405,
        "an Authorization of an unknown scheme counts as none",
        register(Authorization="NoOneKnowsThisScheme opaque-data=here"),
    ),
    Torture(
        "multi01",
        "4475 3.3.8",
        400,
        "two of what there may be one of",
        invite(more="CSeq: 59 INVITE\r\nCall-ID: other@192.0.2.2\r\nTo: sip:other@pbx.test\r\nFrom: sip:ana@pbx.test;tag=29"),
    ),
    Torture(
        "mcl01", "4475 3.3.9", 400, "two lengths: where the body ends is unknown", options(Content_Length="13", more="Content-Length: 5")
    ),
    Torture(
        "bcast",
        "4475 3.3.10",
        Fate.DROPPED,
        "a response with a second Via, to everybody: it went astray",
        _message("SIP/2.0 200 OK", {"To": "<sip:ben@pbx.test>;tag=2", "": "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1s"}, SDP),
    ),
    Torture("zeromf", "4475 3.3.11", 200, "Max-Forwards 0 ends at us, whom it is for", options(Max_Forwards="0")),
    Torture(
        "cparam01", "4475 3.3.12", 405, "a parameter of Contact that nobody knows", register(Contact="sip:+1972@gw1.pbx.test;unknownparam")
    ),
    Torture(
        "cparam02",
        "4475 3.3.13",
        405,
        "a parameter of the Contact's URI that nobody knows",
        register(Contact="<sip:+1972@gw1.pbx.test;unknownparam>"),
    ),
    Torture(
        "regescrt",
        "4475 3.3.14",
        405,
        "header fields in a Contact's URI, inside <>",
        register(Contact="<sip:ana@pbx.test?Route=%3Csip:sip.pbx.test%3E>"),
    ),
    Torture("sdp01", "4475 3.3.15", 406, "an Accept without SDP: our answer could not be read", invite(Accept="text/nobodyKnowsThis")),
    Torture(
        "inv2543",
        "4475 3.4.1",
        400,
        "an INVITE of RFC 2543 without Contact: nowhere to send what follows, and no such peers are left",
        invite(
            Via="SIP/2.0/UDP gw.pbx.test",
            From="<sip:+1303@pbx.test;user=phone>",
            Contact=None,
            Max_Forwards=None,
            Content_Length=None,
            Record_Route="<sip:UserB@pbx.test;maddr=ss1.pbx.test>",
        ),
    ),
    Torture("test", "4475 (sample)", Fate.DROPPED, "no version in the start line: no SIP", _message("INVITE sip:ben@pbx.test", {}, SDP)),
)

IPV6 = (
    Torture("ipv6-good", "5118 4.1", 405, "an IPv6 reference as a Request-URI; this agent is no registrar", register("sip:[2001:db8::10]")),
    Torture("ipv6-bad", "5118 4.2", 400, "an IPv6 address without brackets", register("sip:2001:db8::10")),
    Torture("port-ambiguous", "5118 4.3", 405, "5070 inside the brackets is part of the address", register("sip:[2001:db8::10:5070]")),
    Torture("port-unambiguous", "5118 4.4", 405, "5070 behind the brackets is the port", register("sip:[2001:db8::10]:5070")),
    Torture(
        "via-received-param-with-delim",
        "5118 4.5",
        481,
        "received with brackets is read; the dialog is not ours",
        _message(
            "BYE sip:[2001:db8::10] SIP/2.0",
            {"Via": "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKw", "To": "<sip:ben@pbx.test>;tag=9"},
        ),
    ),
    Torture(
        "via-received-param-no-delim",
        "5118 4.5",
        200,
        "received without brackets, as RFC 3261's grammar has it",
        options("sip:[2001:db8::10]", Via="SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKn"),
    ),
    Torture(
        "ipv6-in-sdp",
        "5118 4.6",
        488,
        "IPv6 in the session description is read; we lack its codec",
        invite("sip:ben@[2001:db8::10]", _NO_CODEC6.format("2001:db8::20")),
    ),
    Torture(
        "mult-ip-in-header",
        "5118 4.7",
        481,
        "IPv4 and IPv6 in one message's Via; the dialog is not ours",
        _message(
            "BYE sip:ben@pbx.test SIP/2.0",
            {
                "Via": "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKa",
                "To": "<sip:ben@pbx.test>;tag=9",
                "": "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb\r\nVia: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bKc;received=192.0.2.200",
            },
        ),
    ),
    Torture(
        "mult-ip-in-sdp",
        "5118 4.8",
        Fate.CALL,
        "each line of the session description has an address of its own family",
        invite("sip:ben@[2001:db8::10]", _TWO_FAMILIES),
    ),
    Torture(
        "ipv4-mapped-ipv6",
        "5118 4.9",
        488,
        "IPv4-mapped addresses are read; we lack the codec",
        invite(
            body=_NO_CODEC6.format("::ffff:192.0.2.2"),
            Via="SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKd",
            Contact='"T. desk" <sip:ana@[::ffff:192.0.2.2]>',
        ),
    ),
    Torture(
        "ipv6-bug-abnf-3-colons",
        "5118 4.10",
        200,
        "three colons, after an error in RFC 3261's grammar, are suffered",
        options("sip:ben@[2001:db8:::192.0.2.1]"),
    ),
    Torture("ipv6-correct-abnf-2-colons", "5118 4.10", 200, "two colons, as it was meant", options("sip:ben@[2001:db8::192.0.2.1]")),
)

TORTURES = VALID + INVALID + LATER + IPV6
