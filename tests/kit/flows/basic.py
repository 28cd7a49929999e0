"""Calls both ways, how they end, and how they are refused (RFC 3261)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import SENDRECV, Called, Caller, sdp

_REFUSALS = (
    (302, "failed"),
    (404, "not_found"),
    (408, "unreachable"),
    (480, "no_answer"),
    (486, "busy"),
    (488, "incompatible"),
    (503, "unreachable"),
    (600, "busy"),
    (603, "declined"),
    (699, "failed"),
)

FLOWS = (
    Flow(
        "caller hangs up",
        "RFC 3261 13.3.1.4, 15.1.2",
        "100, 180 and 200 in this order, with a tag and a Contact; BYE is answered",
        Caller("ring.answer")
        .invites()
        .gets(180, ";tag=", "Contact: ", after=(100,))
        .gets(200, "Contact: <sip:", "Allow: .*INVITE", "m=audio [0-9]+ RTP/AVP 8 101", keeps=True)
        .acks()
        .hangs_up(),
        "Arrived Confirmed HungUp:completed",
        proxied=True,
        six=True,
        cut=True,
    ),
    Flow(
        "we hang up",
        "RFC 3261 15.1.1",
        "our BYE goes to the Contact of the caller, inside the dialog",
        Caller("answer.confirmed.bye").calls().gets_asked("BYE", "BYE sip:phone@").replies(200),
        "Arrived Confirmed",
        proxied=True,
        six=True,
        cut=True,
    ),
    Flow(
        "we are busy",
        "RFC 3261 21.4.24, 17.2.1",
        "486 with a tag, and its ACK ends it",
        Caller("busy").invites().is_refused(486, ";tag="),
        "Arrived",
        proxied=True,
    ),
    Flow("we decline", "RFC 3261 21.6.2", "603 after ringing", Caller("ring.decline").invites().is_refused(603), "Arrived", proxied=True),
    Flow(
        "caller gives up",
        "RFC 3261 9.2, 15.1.2",
        "200 to the CANCEL, 487 to the INVITE",
        Caller("ring").invites().gets(180).cancels().gets(200, "CSeq: [0-9]+ CANCEL").is_refused(487, "CSeq: [0-9]+ INVITE"),
        "Arrived HungUp:gave_up",
        proxied=True,
        six=True,
    ),
    Flow(
        "cancel comes too late",
        "RFC 3261 9.2",
        "a CANCEL after the 200 changes nothing",
        Caller("answer").invites().gets(200, keeps=True).cancels().gets(200, "CSeq: [0-9]+ CANCEL").acks().hangs_up(),
        "Arrived Confirmed HungUp:completed",
    ),
    Flow(
        "cancel of nothing",
        "RFC 3261 9.2",
        "481 where no INVITE matches",
        Caller("none").asks("CANCEL", uri=Caller.outside).gets(481),
    ),
    Flow(
        "we dial and they hang up",
        "RFC 3261 13.2.2.4, 15.1.2",
        "INVITE with an offer, ACK to the Contact of the 200, BYE answered",
        Called()
        .is_invited("INVITE sip:[0-9]+@", "Contact: <sip:[0-9]+@", "Max-Forwards: [67]", "Supported: .*timer", "m=audio [1-9]")
        .rings()
        .answers()
        .hangs_up(),
        "Rang Answered:pcma HungUp:completed",
        six=True,
        cut=True,
        proxied=True,
    ),
    Flow(
        "we dial and hang up",
        "RFC 3261 15.1.1",
        "BYE after the ACK",
        Called("answered.bye").is_invited().answers().is_hung_up(),
        "Answered:pcma",
        proxied=True,
    ),
    Flow(
        "we give up",
        "RFC 3261 9.1",
        "CANCEL with the INVITE's branch and CSeq number, after a provisional response",
        Called("rang.bye")
        .is_invited()
        .rings()
        .gets_asked("CANCEL", "CANCEL sip:200@", "CSeq: [0-9]+ CANCEL", never="Record-Route")
        .replies(200)
        .ends_invite(487),
        "Rang Refused:gave_up:487",
        six=True,
    ),
    Flow(
        "we give up before anything came",
        "RFC 3261 9.1",
        "the CANCEL waits for a provisional response",
        Called("bye").is_invited().waits(200).rings().gets_asked("CANCEL").replies(200).ends_invite(487),
        "Refused:gave_up:487",
    ),
    Flow(
        "our cancel crosses the answer",
        "RFC 3261 9.1, 15",
        "a 200 after our CANCEL is acknowledged and hung up",
        Called("rang.bye").is_invited().rings().gets_asked("CANCEL").replies(200).ends_invite(200, body=sdp(SENDRECV)).is_hung_up(),
        "Rang Refused:gave_up:487",
    ),
    *(
        Flow(
            f"we are refused with {status}",
            f"RFC 3261 21.{status // 100}, 17.1.1.3",
            "ACK under the INVITE's branch, and the reason told",
            Called().is_invited().refuses(status, *(("Contact: <sip:300@elsewhere.test>",) if status == 302 else ())),
            f"Refused:{reason}:{status}",
            proxied=status == 486,
        )
        for status, reason in _REFUSALS
    ),
    Flow(
        "unknown provisional response",
        "RFC 3261 8.1.3.2",
        "199 counts as 183: the call goes on",
        Called().is_invited().rings(status=199).answers().hangs_up(),
        "Rang Answered:pcma HungUp:completed",
    ),
    Flow(
        "unknown success",
        "RFC 3261 8.1.3.2",
        "a 299 counts as 200",
        Called().is_invited().replies(299, Called.contact, body=sdp(SENDRECV), repeats=True).gets_asked("ACK").hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "answer without provisional response",
        "RFC 3261 13.2.2.4",
        "200 right away",
        Called().is_invited().answers().hangs_up(),
        "Answered:pcma HungUp:completed",
        proxied=True,
    ),
    Flow(
        "two phones answer",
        "RFC 3261 13.2.2.4",
        "the first 200 is the call; the second is acknowledged and hung up",
        Called().is_invited().answers().ends_invite(200, body=sdp(SENDRECV), fork="V").is_hung_up().hangs_up(),
        "Answered:pcma HungUp:completed",
        six=True,
    ),
    Flow(
        "answer is repeated",
        "RFC 3261 13.2.2.4",
        "each repetition of the 200 gets the same ACK",
        Called()
        .is_invited()
        .replies(200, Called.contact, body=sdp(SENDRECV))
        .gets_asked("ACK")
        .ends_invite(200, body=sdp(SENDRECV))
        .hangs_up(),
        "Answered:pcma HungUp:completed",
        over=("tcp", "tls"),
        repeats=True,
    ),
    Flow(
        "late ack",
        "RFC 3261 13.3.1.4",
        "an ACK that comes late confirms the call all the same",
        Caller("answer").invites().gets(200, keeps=True).waits(700).acks().hangs_up(),
        "Arrived Confirmed HungUp:completed",
        over=("udp",),
    ),
    Flow(
        "late ack over a stream",
        "RFC 3261 13.3.1.4",
        "the 200 is repeated until the ACK, over a reliable transport too",
        Caller("answer").invites().gets(200, keeps=True).gets(200, after=()).acks().hangs_up(),
        "Arrived Confirmed HungUp:completed",
        over=("tcp", "tls"),
        repeats=True,
    ),
    Flow(
        "invite is repeated",
        "RFC 3261 17.2.1",
        "a repetition gets the last answer again, and is no second call",
        Caller("ring")
        .invites()
        .gets(180)
        .asks("INVITE", uri=Caller.outside, cseq=2, label="2", body=sdp(SENDRECV))
        .gets(180, after=())
        .cancels()
        .gets(200)
        .is_refused(487),
        "Arrived HungUp:gave_up",
        over=("tcp", "tls"),
        repeats=True,
    ),
    Flow(
        "same request by two ways",
        "RFC 3261 8.2.2.2",
        "482 to the second, which has another branch",
        Caller("ring")
        .invites()
        .gets(180)
        .asks("INVITE", uri=Caller.outside, cseq=2, label="other", body=sdp(SENDRECV))
        .is_refused(482)
        .asks("CANCEL", uri=Caller.outside, cseq=2, label="2")
        .gets(200)
        .gets(487)
        .asks("ACK", uri=Caller.outside, cseq=2, label="2", repeats=False),
        "Arrived HungUp:gave_up",
    ),
    Flow(
        "options",
        "RFC 3261 11.2",
        "Allow, Accept and Supported, outside of any call",
        Caller("x").asks("OPTIONS", uri=Caller.outside).gets(200, "Allow: .*INVITE", "Accept: application/sdp", "Supported: .*timer"),
        six=True,
        cut=True,
    ),
    Flow(
        "options inside a call",
        "RFC 3261 11.2",
        "answered like outside, and the call goes on",
        Caller("answer").calls().asks("OPTIONS").gets(200, "Allow: .*INVITE").hangs_up(),
        "Arrived Confirmed HungUp:completed",
        proxied=True,
    ),
)
