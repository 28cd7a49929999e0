"""Media before the answer, and provisional responses that must arrive (RFC 3262, 3960)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import SENDRECV, Called, Caller, sdp

FLOWS = (
    Flow(
        "early media from them",
        "RFC 3261 13.2.1, RFC 3960 3",
        "183 with SDP is told, and the 200 answers",
        Called().is_invited().rings(status=183, body=sdp(SENDRECV)).answers().hangs_up(),
        "Rang:pcma Answered:pcma HungUp:completed",
        six=True,
        proxied=True,
    ),
    Flow(
        "ringing, then early media",
        "RFC 3960 3.2",
        "180 without and 183 with SDP are told apart",
        Called().is_invited().rings().rings(status=183, body=sdp(SENDRECV)).answers().hangs_up(),
        "Rang Rang:pcma Answered:pcma HungUp:completed",
    ),
    Flow(
        "early media from us",
        "RFC 3261 13.3.1.1",
        "183 with our answer, the same in the 200",
        Caller("early.answer")
        .invites()
        .gets(183, "m=audio [1-9]", after=(100,))
        .gets(200, "o=- [0-9]+ 1 IN", after=(), keeps=True)
        .acks()
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        proxied=True,
        six=True,
    ),
    Flow(
        "their reliable ringing",
        "RFC 3262 4",
        "a 180 that requires 100rel gets a PRACK with its number",
        Called()
        .is_invited("Supported: .*100rel")
        .rings("Require: 100rel", "RSeq: 71")
        .gets_asked("PRACK", "RAck: 71 [0-9]+ INVITE")
        .replies(200)
        .ends_invite(200, body=sdp(SENDRECV))
        .hangs_up(),
        "Rang Answered:pcma HungUp:completed",
        cut=True,
        six=True,
    ),
    Flow(
        "their reliable early media",
        "RFC 3262 5",
        "a reliable 183 with SDP is the answer; the 200 needs none",
        Called()
        .is_invited()
        .rings("Require: 100rel", "RSeq: 1", status=183, body=sdp(SENDRECV))
        .gets_asked("PRACK", "RAck: 1 [0-9]+ INVITE")
        .replies(200)
        .ends_invite(200)
        .hangs_up(),
        "Rang:pcma Answered:pcma HungUp:completed",
    ),
    Flow(
        "their reliable responses in order",
        "RFC 3262 4",
        "two in a row get a PRACK each",
        Called()
        .is_invited()
        .rings("Require: 100rel", "RSeq: 5", status=183, body=sdp(SENDRECV))
        .gets_asked("PRACK", "RAck: 5 ")
        .replies(200)
        .says_to_invite(180, "Require: 100rel", "RSeq: 6")
        .gets_asked("PRACK", "RAck: 6 ")
        .replies(200)
        .ends_invite(200)
        .hangs_up(),
        "Rang:pcma Answered:pcma HungUp:completed",
    ),
    Flow(
        "our reliable early media",
        "RFC 3262 3",
        "183 with RSeq to a caller that supports 100rel; its PRACK is answered",
        Caller("early").invites("Supported: 100rel").gets_reliably(183, "m=audio [1-9]").pracks().cancels().gets(200).is_refused(487),
        "Arrived HungUp:gave_up",
        six=True,
    ),
    Flow(
        "reliability is demanded",
        "RFC 3262 3",
        "Require: 100rel makes every provisional response reliable",
        Caller("ring").invites("Require: 100rel").gets_reliably(180).pracks().cancels().gets(200).is_refused(487),
        "Arrived HungUp:gave_up",
    ),
    Flow(
        "prack and answer",
        "RFC 3262 3",
        "the 200 waits for the PRACK of the 183",
        Caller("early.answer")
        .invites("Supported: 100rel")
        .gets_reliably(183, "m=audio [1-9]")
        .pracks()
        .gets(200, "CSeq: [0-9]+ INVITE", after=(), keeps=True)
        .acks()
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        proxied=True,
    ),
    Flow(
        "prack of nothing",
        "RFC 3262 3",
        "481 to a RAck that matches no response of ours",
        Caller("early")
        .invites("Supported: 100rel")
        .gets_reliably(183)
        .asks("PRACK", "RAck: 1 1 INVITE")
        .gets(481)
        .pracks()
        .cancels()
        .gets(200)
        .is_refused(487),
        "Arrived HungUp:gave_up",
    ),
    Flow(
        "no reliability without support",
        "RFC 3262 3",
        "a caller that does not know 100rel is never asked for it",
        Caller("ring").invites("Supported: timer").gets(180, never="RSeq:").cancels().gets(200).is_refused(487),
        "Arrived HungUp:gave_up",
    ),
)
