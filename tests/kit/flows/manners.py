"""What cannot be done is refused as it should be, odd spelling is read, and what a PBX says of the caller is believed as far as it goes."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import PCMA, SENDRECV, Called, Caller, sdp

_LONG = "x" * 3000
ANSWERED = "Arrived Confirmed HungUp:completed"


def _outside(
    name: str, clause: str, proves: str, method: str, status: int, *headers: str, says: tuple[str, ...] = (), uri: str = ""
) -> Flow:
    return Flow(name, clause, proves, Caller("x").asks(method, *headers, uri=uri or Caller.outside).gets(status, *says))


_REFUSED = (
    _outside("method that is not for us", "RFC 3261 8.2.1", "405 with Allow", "PUBLISH", 405, says=("Allow: .*INVITE",)),
    _outside("method that nobody knows", "RFC 3261 21.5.2", "501", "FROBNICATE", 501, says=("Allow: .*INVITE",)),
    _outside("message", "RFC 3428 7, RFC 3261 8.2.1", "405: we read no text messages", "MESSAGE", 405),
    _outside("register at us", "RFC 3261 8.2.1", "405 where the PBX is no guest of ours", "REGISTER", 405),
    _outside("bye outside a call", "RFC 3261 15.1.2", "481", "BYE", 481),
    _outside(
        "extension that we lack",
        "RFC 3261 8.2.2.3",
        "420 names what is not supported",
        "OPTIONS",
        420,
        "Require: frobnication",
        says=("Unsupported: frobnication",),
    ),
    _outside(
        "extensions for proxies", "RFC 3261 20.29", "Proxy-Require is none of our business", "OPTIONS", 200, "Proxy-Require: frobnication"
    ),
    _outside("scheme that we lack", "RFC 3261 8.2.2.1", "416", "OPTIONS", 416, uri="urn:service:sos"),
    _outside("last hop", "RFC 3261 8.2.2, 20.22", "Max-Forwards 0 ends at us, whom it is for", "OPTIONS", 200),
    Flow(
        "extension that we lack, in a call",
        "RFC 3261 8.2.2.3",
        "420, and no call arrives",
        Caller("answer").invites("Require: frobnication").is_refused(420, "Unsupported: frobnication"),
    ),
    Flow(
        "body of an unknown kind",
        "RFC 3261 8.2.3",
        "415 says what is read",
        Caller("answer").invites("Content-Type: text/plain", body="hello\n").is_refused(415, "Accept: application/sdp"),
    ),
    Flow(
        "body in an unknown coding",
        "RFC 3261 8.2.3",
        "415 with Accept-Encoding",
        Caller("answer").invites("Content-Encoding: gzip").is_refused(415, "Accept-Encoding: identity"),
    ),
    Flow(
        "answer that nobody reads",
        "RFC 3261 21.4.7",
        "406 where Accept has no session description",
        Caller("answer").invites("Accept: text/plain").is_refused(406),
    ),
    Flow("caller without contact", "RFC 3261 8.1.1.8", "400", Caller("answer").invites("Contact: *").is_refused(400)),
    Flow(
        "expired",
        "RFC 3261 13.3.1",
        "an INVITE is given up when its Expires is over",
        Caller("ring").invites("Expires: 1").gets(180).gets(487, after=()).acks_refusal(Caller.outside),
    ),
    Flow(
        "line is full",
        "RFC 3261 21.5.4",
        "503 with Retry-After",
        Caller("answer").invites().is_refused(503, "Retry-After: [0-9]+"),
        settings={"max_calls": 0},
    ),
)

_SPELLED = (
    Flow(
        "compact names",
        "RFC 3261 7.3.3",
        "one letter for a name",
        Caller("answer")
        .invites("m: <sip:phone@[local_ip]:[cport];transport=[tp]>", "c: application/sdp", "k: timer", "x: 120;refresher=uac", "s: hello")
        .gets(200, "Session-Expires: 120;refresher=uac", after=(100, 180), keeps=True)
        .acks()
        .hangs_up(),
        ANSWERED,
        proxied=True,
        cut=True,
    ),
    Flow(
        "names in any case",
        "RFC 3261 7.3.1",
        "letters of both sizes",
        Caller("answer").calls("cOnTaCt: <sip:phone@[local_ip]:[cport];transport=[tp]>", "sUPPORTED: TIMER", "X-ODD: Y").hangs_up(),
        ANSWERED,
    ),
    Flow(
        "folded lines",
        "RFC 3261 7.3.1",
        "a line that begins with a blank goes on the one before",
        Caller("answer").calls("Subject: first\n[fold]second\n[fold]third", "Supported:\n[fold]timer,\n[fold]100rel").hangs_up(),
        ANSWERED,
        cut=True,
    ),
    Flow(
        "long header",
        "RFC 3261 7.3",
        "3,000 characters in a header that we do not know",
        Caller("answer").calls(f"X-Long: {_LONG}").hangs_up(),
        ANSWERED,
        over=("tcp", "tls"),
        cut=True,
    ),
    Flow(
        "many headers",
        "RFC 3261 7.3.1",
        "60 that we do not know",
        Caller("answer").calls(*(f"X-Header-{number}: {number}" for number in range(60))).hangs_up(),
        ANSWERED,
    ),
    Flow(
        "blanks around the colon",
        "RFC 3261 7.3.1",
        "any blanks, and none",
        Caller("answer").calls("Supported   :    timer", "Subject:none", "Priority :\turgent").hangs_up(),
        ANSWERED,
    ),
    Flow(
        "no content-length",
        "RFC 3261 18.3",
        "a datagram's body goes to its end",
        Caller("answer").calls(length=False).hangs_up(),
        ANSWERED,
        over=("udp",),
    ),
    Flow(
        "several via",
        "RFC 3261 8.2.6.2, 18.2.1",
        "all come back in their order, the first with received and rport",
        Caller("x")
        .asks("OPTIONS", "Via: SIP/2.0/UDP hop2.test;branch=z9hG4bKh2, SIP/2.0/TCP hop3.test:5070;branch=z9hG4bKh3", uri=Caller.outside)
        .gets(200, "branch=z9hG4bK-.*rport=[0-9]+.*hop2.test;branch=z9hG4bKh2.*hop3.test:5070;branch=z9hG4bKh3"),
    ),
    Flow(
        "name in any script",
        "RFC 3261 7.3.1, 25.1",
        "UTF-8 in a quoted name",
        Caller("answer").calls("Subject: ¿Qué tal? Привет", 'P-Asserted-Identity: "Ægir Ñandú" <sip:300@pbx.test>').hangs_up(),
        "Arrived:verified Confirmed HungUp:completed",
    ),
    Flow(
        "display names in the answer",
        "RFC 3261 8.1.1.3",
        "a quoted name with commas and brackets is read in Contact",
        Caller("answer").calls('Contact: "Phone, <the> \\"red\\" one" <sip:phone@[local_ip]:[cport];transport=[tp]>;q=0.7').hangs_up(),
        ANSWERED,
    ),
    Flow(
        "codec names in any case",
        "RFC 4855 3",
        "pcma is PCMA",
        Caller("answer").calls(body=sdp(SENDRECV, media=tuple(line.replace("PCMA", "pcma") for line in PCMA))).hangs_up(),
        ANSWERED,
    ),
)

_CALLERS = (
    Flow(
        "asserted caller",
        "RFC 3325 9.1",
        "P-Asserted-Identity of a PBX that we trust goes before From",
        Caller("answer").calls('P-Asserted-Identity: "Bea" <sip:301@pbx.test>').hangs_up(),
        "Arrived:301:verified Confirmed HungUp:completed",
    ),
    Flow(
        "caller who hides",
        "RFC 3323 4.2, RFC 3325 9.3",
        "Privacy: id is told with the number",
        Caller("answer").calls("P-Asserted-Identity: <sip:301@pbx.test>", "Privacy: id").hangs_up(),
        "Arrived:301:private:verified Confirmed HungUp:completed",
    ),
    Flow(
        "caller by telephone number",
        "RFC 3966 3, RFC 3325 9.1",
        "a tel URI beside the sip one",
        Caller("answer").calls("P-Asserted-Identity: <tel:+34600111222>, <sip:301@pbx.test>").hangs_up(),
        "Arrived:+34600111222:verified Confirmed HungUp:completed",
    ),
    Flow(
        "diverted call",
        "RFC 5806 4",
        "who diverted it, the last one first",
        Caller("answer")
        .calls("Diversion: <sip:302@pbx.test>;reason=no-answer;counter=1", "Diversion: <sip:303@pbx.test>;reason=user-busy")
        .hangs_up(),
        "Arrived:by-302:by-303 Confirmed HungUp:completed",
    ),
    Flow(
        "history of a call",
        "RFC 7044 10.3",
        "History-Info tells the same",
        Caller("answer")
        .calls("History-Info: <sip:302@pbx.test?Reason=SIP%3Bcause%3D302>;index=1, <sip:100@pbx.test;cause=302>;index=1.1;mp=1")
        .hangs_up(),
        "Arrived:by-302 Confirmed HungUp:completed",
    ),
    Flow(
        "claimed caller",
        "RFC 3325 4",
        "From alone is shown and not vouched for",
        Caller("answer").calls().hangs_up(),
        ANSWERED,
    ),
    Flow(
        "we say who calls",
        "RFC 3325 9.1, RFC 3261 8.1.1.3",
        "From with the extension and a tag, P-Asserted-Identity on a trunk by address",
        Called().is_invited('From: "Agent Ana" <sip:100@[^>]*>;tag=', "P-Asserted-Identity: .*sip:100@").answers().hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
)

FLOWS = _REFUSED + _SPELLED + _CALLERS
