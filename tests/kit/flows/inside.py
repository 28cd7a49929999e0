"""Digits, transfers and session timers: what happens inside a call (RFC 6086, 3515, 3891, 4488, 6665, 4028)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import SENDRECV, Called, Caller, sdp

BRIEF_S, SHORT_S = 2, 8
"""Intervals of a call that is to end, and of one that is to be refreshed, for which a busy SIPp may take the other half of it."""
BRIEF = {"session_expires_s": BRIEF_S, "min_session_expires_s": 1}
SHORT = {"session_expires_s": SHORT_S, "min_session_expires_s": 1}
MOVED = "TransferAsked:400"

_DIGITS = (
    Flow(
        "digits from them",
        "RFC 6086 4.2.1",
        "dtmf-relay, each told once",
        Caller("answer").calls().presses("7").presses("#").hangs_up(),
        "Arrived Confirmed DigitArrived:7 DigitArrived:# HungUp:completed",
        proxied=True,
        cut=True,
        six=True,
    ),
    Flow(
        "digit as plain text",
        "RFC 6086 4.2.1",
        "application/dtmf too",
        Caller("answer").calls().presses("5", "application/dtmf").hangs_up(),
        "Arrived Confirmed DigitArrived:5 HungUp:completed",
    ),
    Flow(
        "digits from us",
        "RFC 6086 4.2.1",
        "one INFO at a time: the next waits for the answer",
        Called("answered.digit5.digit#")
        .is_invited()
        .answers()
        .gets_asked("INFO", "application/dtmf-relay", "Signal=5")
        .waits(150)
        .replies(200)
        .gets_asked("INFO", "Signal=#")
        .replies(200)
        .hangs_up(),
        "Answered:pcma HungUp:completed",
        proxied=True,
    ),
    Flow(
        "info without body",
        "RFC 6086 4.2.2",
        "200, and nothing is told",
        Caller("answer").calls().asks("INFO").gets(200).hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "info of another kind",
        "RFC 3261 21.4.13",
        "415 says what is read",
        Caller("answer")
        .calls()
        .asks("INFO", body="<x/>", kind="application/media_control+xml")
        .gets(415, "Accept: .*dtmf-relay")
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
)

_TRANSFERS = (
    Flow(
        "they refer us",
        "RFC 3515 2.4.4, 2.4.5",
        "202, a NOTIFY with 100, and the last one with the outcome",
        Caller("answer.asked.done200")
        .calls()
        .asks("REFER", "Refer-To: <sip:400@pbx.test>", "Referred-By: <sip:300@pbx.test>")
        .gets(202)
        .gets_asked("NOTIFY", "Event: refer", "Subscription-State: active", "message/sipfrag", "SIP/2.0 100")
        .replies(200)
        .gets_asked("NOTIFY", "Subscription-State: terminated", "SIP/2.0 200")
        .replies(200)
        .hangs_up(),
        f"Arrived Confirmed {MOVED} HungUp:completed",
        proxied=True,
        cut=True,
        six=True,
    ),
    Flow(
        "their transfer fails",
        "RFC 3515 2.4.5",
        "the refusal of the other call is told, and this one goes on",
        Caller("answer.asked.done486")
        .calls()
        .asks("REFER", "Refer-To: <sip:400@pbx.test>")
        .gets(202)
        .gets_asked("NOTIFY", "SIP/2.0 100")
        .replies(200)
        .gets_asked("NOTIFY", "SIP/2.0 486", "Subscription-State: terminated")
        .replies(200)
        .hangs_up(),
        f"Arrived Confirmed {MOVED} HungUp:completed",
    ),
    Flow(
        "they want no notify",
        "RFC 4488 4",
        "Refer-Sub: false is agreed to, and nothing is told",
        Caller("answer.asked.done200")
        .calls()
        .asks("REFER", "Refer-To: <sip:400@pbx.test>", "Refer-Sub: false", "Supported: norefersub")
        .gets(202, "Refer-Sub: false")
        .hears_nothing(150)
        .hangs_up(),
        f"Arrived Confirmed {MOVED} HungUp:completed",
    ),
    Flow(
        "refer without target",
        "RFC 3515 2.4.2",
        "400 where Refer-To is missing, or there are two",
        Caller("answer").calls().asks("REFER").gets(400).asks("REFER", "Refer-To: <sip:1@a>", "Refer-To: <sip:2@a>").gets(400).hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "refer to a web page",
        "RFC 3515 2.4.2, RFC 3261 21.4.14",
        "416 for a target that no telephone can call",
        Caller("answer").calls().asks("REFER", "Refer-To: <http://www.pbx.test/>").gets(416).hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "refer outside a call",
        "RFC 3515 2.4.2",
        "603: nobody here makes calls for strangers",
        Caller("x").asks("REFER", "Refer-To: <sip:900@pbx.test>", uri=Caller.outside).gets(603),
    ),
    Flow(
        "we refer them",
        "RFC 3515 2.4.1",
        "REFER inside the dialog; 100 and 200 are told",
        Called("answered.refer400.progressed.progressed.bye")
        .is_invited()
        .answers("Allow: REFER")
        .gets_asked("REFER", "Refer-To: <sip:400@", "Referred-By: ")
        .replies(202)
        .notifies("SIP/2.0 100 Trying", "active;expires=60")
        .notifies("SIP/2.0 200 OK", "terminated;reason=noresource")
        .is_hung_up(),
        "Answered:pcma TransferProgressed:100 TransferProgressed:200",
        proxied=True,
    ),
    Flow(
        "our refer is declined",
        "RFC 3515 2.4.1",
        "603 is the outcome, and the call goes on",
        Called("answered.refer400").is_invited().answers("Allow: REFER").gets_asked("REFER").replies(603).hangs_up(),
        "Answered:pcma TransferProgressed:603 HungUp:completed",
    ),
    Flow(
        "notify before the 202",
        "RFC 3515 2.4.4",
        "a NOTIFY that overtakes the answer of the REFER is taken",
        Called("answered.refer400")
        .is_invited()
        .answers("Allow: REFER")
        .gets_asked("REFER")
        .notifies("SIP/2.0 503 Service Unavailable", "terminated")
        .hangs_up(),
        "Answered:pcma TransferProgressed:503 HungUp:completed",
    ),
    Flow(
        "subscription to nothing",
        "RFC 6665 4.2.1.1",
        "489 says which events there are",
        Caller("x").asks("SUBSCRIBE", "Event: presence", uri=Caller.outside).gets(489, "Allow-Events: refer"),
    ),
    Flow(
        "notify of nothing",
        "RFC 6665 4.1.3",
        "481 for a subscription that is not there",
        Caller("x").asks("NOTIFY", "Event: refer", "Subscription-State: active", uri=Caller.outside).gets(481),
    ),
    Flow(
        "replaces nothing",
        "RFC 3891 3",
        "481 where no call matches",
        Caller("answer").invites("Replaces: none@there;to-tag=1;from-tag=2").is_refused(481),
    ),
    Flow(
        "replaces twice",
        "RFC 3891 6.1",
        "400 for two of them",
        Caller("answer").invites("Replaces: a;to-tag=1;from-tag=2", "Replaces: b;to-tag=1;from-tag=2").is_refused(400),
    ),
    Flow(
        "replaces without tags",
        "RFC 3891 6.1",
        "400 where a tag is missing",
        Caller("answer").invites("Replaces: a;to-tag=1").is_refused(400),
    ),
    Flow(
        "replaces in another method",
        "RFC 3891 6.1",
        "400: it belongs to INVITE alone",
        Caller("x").asks("OPTIONS", "Replaces: a;to-tag=1;from-tag=2", uri=Caller.outside).gets(400),
    ),
)

_TIMERS = (
    Flow(
        "their timer",
        "RFC 4028 9",
        "the caller's interval and refresher are agreed to",
        Caller("answer")
        .invites("Supported: timer", "Session-Expires: 120;refresher=uac")
        .gets(200, "Session-Expires: 120;refresher=uac", "Require: timer", keeps=True)
        .acks()
        .asks("UPDATE", "Supported: timer", "Session-Expires: 120;refresher=uac")
        .gets(200, "Session-Expires: 120")
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        proxied=True,
        six=True,
    ),
    Flow(
        "timer too short",
        "RFC 4028 6, 9",
        "422 with our Min-SE",
        Caller("answer").invites("Supported: timer", "Session-Expires: 30").is_refused(422, "Min-SE: 90"),
    ),
    Flow(
        "caller without timers",
        "RFC 4028 9",
        "the refresh is ours, and nothing is required of it",
        Caller("answer").invites().gets(200, "refresher=uas", never="Require: timer", keeps=True).acks().hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "we are asked to refresh",
        "RFC 4028 7.4, 10",
        "refresher=uas: our UPDATE comes at half time",
        Caller("answer")
        .invites("Supported: timer", "Allow: INVITE, ACK, BYE, UPDATE", f"Session-Expires: {SHORT_S};refresher=uas")
        .gets(200, f"Session-Expires: {SHORT_S};refresher=uas", keeps=True)
        .acks()
        .gets_asked("UPDATE", f"Session-Expires: {SHORT_S}")
        .replies(200, f"Session-Expires: {SHORT_S};refresher=uac")
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        SHORT,
    ),
    Flow(
        "we refresh by re-invite",
        "RFC 4028 7.4",
        "with the session as it is, where the peer knows no UPDATE",
        Caller("answer")
        .invites("Supported: timer", "Allow: INVITE, ACK, BYE", f"Session-Expires: {SHORT_S};refresher=uas")
        .gets(200, keeps=True)
        .acks()
        .gets_asked("INVITE", f"Session-Expires: {SHORT_S}", "o=- [0-9]+ 1 IN")
        .replies(200, Caller.contact, f"Session-Expires: {SHORT_S};refresher=uac", body=sdp(SENDRECV), repeats=True)
        .gets_asked("ACK")
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        SHORT,
    ),
    Flow(
        "they stop refreshing",
        "RFC 4028 10",
        "a BYE shortly before the end",
        Caller("answer")
        .invites("Supported: timer", f"Session-Expires: {BRIEF_S};refresher=uac")
        .gets(200, keeps=True)
        .acks()
        .gets_asked("BYE")
        .replies(200),
        "Arrived Confirmed HungUp:media_lost",
        BRIEF,
    ),
    Flow(
        "our timer",
        "RFC 4028 7.1",
        "INVITE with Session-Expires, Min-SE and Supported: timer",
        Called()
        .is_invited("Session-Expires: 1800", "Min-SE: 90", "Supported: .*timer")
        .answers("Session-Expires: 1800;refresher=uac")
        .hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "our timer is too short",
        "RFC 4028 7.3",
        "after a 422 the INVITE comes again with the interval wanted",
        Called()
        .is_invited("Session-Expires: 1800")
        .refuses(422, "Min-SE: 3600")
        .is_invited("Session-Expires: 3600", "Min-SE: 3600")
        .answers()
        .hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "we refresh what we dialled",
        "RFC 4028 7.2, 10",
        "refresher=uac: our UPDATE at half time",
        Called()
        .is_invited()
        .answers(f"Session-Expires: {SHORT_S};refresher=uac", "Require: timer")
        .gets_asked("UPDATE", f"Session-Expires: {SHORT_S};refresher=uac")
        .replies(200, f"Session-Expires: {SHORT_S};refresher=uac")
        .hangs_up(),
        "Answered:pcma HungUp:completed",
        SHORT,
    ),
)

FLOWS = _DIGITS + _TRANSFERS + _TIMERS
