"""Dialogs: their routes, targets, order and ends (RFC 3261 section 12)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import SENDRECV, Called, Caller, sdp

ROUTE = "<sip:127.0.0.1:[cport];lr;transport=[tp];hop={}>"

FLOWS = (
    Flow(
        "record-route is copied",
        "RFC 3261 12.1.1, 16.12.1.2",
        "into the 180 and the 200, in its order; our BYE takes that route",
        Caller("ring.answer.confirmed.bye")
        .invites(f"Record-Route: {ROUTE.format(1)}, {ROUTE.format(2)}", f"Record-Route: {ROUTE.format(3)}")
        .gets(180, "hop=1.*hop=2.*hop=3")
        .gets(200, "hop=1.*hop=2.*hop=3", keeps=True)
        .acks()
        .gets_asked("BYE", "BYE sip:phone@", "Route: .*hop=1.*Route: .*hop=2.*Route: .*hop=3")
        .replies(200),
        "Arrived Confirmed",
    ),
    Flow(
        "record-route is reversed",
        "RFC 3261 12.1.2",
        "the route of the 200 is ours from behind; ACK and BYE take it",
        Called("answered.bye")
        .is_invited()
        .answers(f"Record-Route: {ROUTE.format(1)}, {ROUTE.format(2)}", acked=False)
        .gets_asked("ACK", "Route: .*hop=2.*Route: .*hop=1")
        .gets_asked("BYE", "BYE sip:phone@", "Route: .*hop=2.*Route: .*hop=1")
        .replies(200),
        "Answered:pcma",
    ),
    Flow(
        "strict router",
        "RFC 3261 12.2.1.1, 16.12.1.2",
        "without lr the router is the Request-URI and the target the last Route",
        Caller("answer.confirmed.bye")
        .invites("Record-Route: <sip:127.0.0.1:[cport];transport=[tp];strict=1>")
        .gets(200, keeps=True)
        .acks()
        .gets_asked("BYE", "BYE sip:127.0.0.1:[0-9]+;transport=[A-Z]+;strict=1 SIP", "Route: <sip:phone@")
        .replies(200),
        "Arrived Confirmed",
    ),
    Flow(
        "target changes",
        "RFC 3261 12.2.2, 14.2",
        "the Contact of a re-INVITE is where our BYE goes",
        Caller("answer.confirmed.heard.bye")
        .calls()
        .asks("INVITE", "Contact: <sip:moved@[local_ip]:[cport];transport=[tp]>", body=sdp("a=sendonly", version=2))
        .gets(200)
        .acks()
        .presses("5")
        .gets_asked("BYE", "BYE sip:moved@")
        .replies(200),
        "Arrived Confirmed Reagreed:sendonly DigitArrived:5",
    ),
    Flow(
        "request out of order",
        "RFC 3261 12.2.2",
        "500 to a CSeq that is lower than the last, and the call goes on",
        Caller("answer").calls().asks("INFO", cseq=1).gets(500).hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "request that skips numbers",
        "RFC 3261 12.2.2",
        "a gap in CSeq is no fault",
        Caller("answer").calls().asks("OPTIONS", cseq=500).gets(200).asks("BYE", cseq=900).gets(200),
        "Arrived Confirmed HungUp:completed",
    ),
    *(
        Flow(
            f"{method.lower()} of no dialog",
            "RFC 3261 12.2.2",
            "481 to a To tag that is not ours",
            Caller("x").in_no_dialog().asks(method, *headers, uri=Caller.outside).gets(481),
        )
        for method, headers in (
            ("BYE", ()),
            ("INFO", ()),
            ("UPDATE", ()),
            ("OPTIONS", ()),
            ("PRACK", ("RAck: 1 1 INVITE",)),
            ("NOTIFY", ("Event: refer", "Subscription-State: active")),
        )
    ),
    Flow(
        "re-invite of no dialog",
        "RFC 3261 12.2.2, 14.2",
        "481 to an INVITE with a To tag that is not ours",
        Caller("x").in_no_dialog().asks("INVITE", uri=Caller.outside, body=sdp(SENDRECV)).is_refused(481),
    ),
    Flow(
        "request after the end",
        "RFC 3261 15.1.2",
        "481 once the call is over",
        Caller("answer").calls().hangs_up().asks("INFO").gets(481).asks("BYE").gets(481),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "ack of nothing",
        "RFC 3261 17.1.1.3, 8.2.6.1",
        "no ACK is ever answered",
        Caller("x")
        .in_no_dialog()
        .asks("ACK", uri=Caller.outside, repeats=False)
        .hears_nothing(150)
        .asks("OPTIONS", uri=Caller.outside)
        .gets(481),
    ),
    Flow(
        "our bye is refused",
        "RFC 3261 15.1.1",
        "whatever answers our BYE, the call is over",
        Called("answered.bye").is_invited().answers().gets_asked("BYE").replies(481),
        "Answered:pcma",
    ),
)
