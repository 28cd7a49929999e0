"""Offers and answers: what is agreed, changed, held and refused (RFC 3264, 3261 section 14, 3311, 4566)."""

from pbx.sdes import SrtpMode
from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import PCMA, SENDRECV, Called, Caller, sdp

OFFERED_TWICE = "Arrived Confirmed HungUp:completed"


def _secure(tag: int, suite: str = "AES_CM_128_HMAC_SHA1_80") -> tuple[str, ...]:
    return "m=audio [media_port] RTP/SAVP 8", "a=rtpmap:8 PCMA/8000", f"a=crypto:{tag} {suite} inline:{KEY}"


KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk"
SECURE = _secure(4)
VIDEO = ("m=video 5000 RTP/AVP 31", "a=rtpmap:31 H261/90000")


def _held(name: str, clause: str, offered: str, answered: str, told: str, connection: str = "") -> Flow:
    """The peer changes the direction, and takes the call back."""
    more = {"connection": connection} if connection else {}
    return Flow(
        f"held: {name}",
        clause,
        f"{name} is answered with {answered}, and the call comes back",
        Caller("answer")
        .calls()
        .reinvites(offered, answered=f"a={answered}", **more)
        .reinvites(SENDRECV, version=3, answered=SENDRECV)
        .hangs_up(),
        f"Arrived Confirmed Reagreed:{told} Reagreed:sendrecv HungUp:completed",
        proxied=name == "sendonly",
    )


FLOWS = (
    _held("sendonly", "RFC 3264 8.4", "a=sendonly", "recvonly", "sendonly"),
    _held("inactive", "RFC 3264 8.4", "a=inactive", "inactive", "inactive"),
    _held("recvonly", "RFC 3264 6.1", "a=recvonly", "sendonly", "recvonly"),
    _held("address 0.0.0.0", "RFC 3264 8.4, RFC 2543 B.5", SENDRECV, "recvonly", "sendonly", "IN IP4 0.0.0.0"),
    Flow(
        "held from the beginning",
        "RFC 3264 6.1",
        "an INVITE with sendonly is answered with recvonly",
        Caller("answer").invites(body=sdp("a=sendonly")).gets(200, "a=recvonly", after=(100, 180), keeps=True).acks().hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "direction of the session",
        "RFC 4566 6, RFC 3264 8.4",
        "a direction before the first m= holds for it",
        Caller("answer").calls(body=sdp(media=("a=sendonly", *PCMA))).hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "we hold and take back",
        "RFC 3264 8.4",
        "sendonly, then sendrecv, under a version that grows by one",
        Caller("answer.confirmed.hold.reagreed.resume.reagreed.bye")
        .calls()
        .is_reinvited("a=sendonly", "o=- [0-9]+ 2 IN", answer="a=recvonly")
        .is_reinvited("a=sendrecv", "o=- [0-9]+ 3 IN", answer="a=sendrecv")
        .is_hung_up(),
        "Arrived Confirmed Reagreed:recvonly Reagreed:sendrecv",
        proxied=True,
        cut=True,
        six=True,
    ),
    Flow(
        "we dial, hold and take back",
        "RFC 3264 8.4",
        "the same from the side that called",
        Called("answered.hold.reagreed.resume.reagreed.bye")
        .is_invited()
        .answers()
        .is_reinvited("a=sendonly", answer="a=recvonly")
        .is_reinvited("a=sendrecv", answer="a=sendrecv")
        .is_hung_up(),
        "Answered:pcma Reagreed:recvonly Reagreed:sendrecv",
        proxied=True,
    ),
    Flow(
        "held from both sides",
        "RFC 3264 6.1",
        "who holds and is held is inactive",
        Caller("answer.confirmed.hold.reagreed")
        .calls()
        .is_reinvited("a=sendonly", answer="a=recvonly")
        .reinvites("a=sendonly", version=4, answered="a=inactive")
        .hangs_up(),
        "Arrived Confirmed Reagreed:recvonly Reagreed:sendonly HungUp:completed",
    ),
    Flow(
        "our hold is refused",
        "RFC 3261 14.1",
        "488 to a re-INVITE leaves the call as it was",
        Called("answered.hold").is_invited().answers().gets_asked("INVITE").refuses(488).hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "our hold finds no call",
        "RFC 3261 12.2.1.2",
        "481 to a re-INVITE ends the call, with a BYE",
        Called("answered.hold").is_invited().answers().gets_asked("INVITE").refuses(481).is_hung_up(),
        "Answered:pcma HungUp:media_lost",
    ),
    Flow(
        "no offer in the invite",
        "RFC 3261 13.2.1, RFC 3264 5",
        "our 200 makes the offer, the ACK answers it",
        Caller("answer")
        .invites(body="")
        .gets(200, "m=audio [1-9]", "a=rtpmap:9 G722/8000", "a=rtpmap:8 PCMA/8000", after=(100, 180), keeps=True)
        .acks(body=sdp(SENDRECV))
        .hangs_up(),
        "Arrived Confirmed:pcma HungUp:completed",
        proxied=True,
        six=True,
    ),
    Flow(
        "no offer in a re-invite",
        "RFC 3261 14.2",
        "the offer of our 200 is the session as it is",
        Caller("answer").calls().asks("INVITE").gets(200, "m=audio [1-9]", "o=- [0-9]+ 1 IN").acks(body=sdp(SENDRECV)).hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "nothing in common",
        "RFC 3261 21.4.26, RFC 3264 6",
        "488 with a Warning",
        Caller("answer").invites(body=sdp(media=("m=audio 9 RTP/AVP 3", "a=rtpmap:3 GSM/8000"))).is_refused(488, "Warning: 399 "),
    ),
    Flow(
        "re-invite with nothing in common",
        "RFC 3261 14.2",
        "488, and the call goes on as it was",
        Caller("answer")
        .calls()
        .asks("INVITE", body=sdp(version=2, media=("m=audio 9 RTP/AVP 3", "a=rtpmap:3 GSM/8000")))
        .gets(488)
        .acks_refusal()
        .reinvites("a=sendonly", version=3, answered="a=recvonly")
        .hangs_up(),
        "Arrived Confirmed Reagreed:sendonly HungUp:completed",
    ),
    Flow(
        "second line is refused",
        "RFC 3264 6",
        "video keeps its place with port 0",
        Caller("answer")
        .invites(body=sdp(media=(*PCMA, *VIDEO)))
        .gets(200, "m=audio [1-9].*m=video 0 RTP/AVP 31", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "first line is refused",
        "RFC 3264 6",
        "the order of the lines stays the offer's",
        Caller("answer")
        .invites(body=sdp(media=(*VIDEO, *PCMA)))
        .gets(200, "m=video 0 RTP/AVP 31.*m=audio [1-9]", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "numbers of the offer",
        "RFC 3264 6.1",
        "dynamic payload numbers are the caller's",
        Caller("answer")
        .invites(body=sdp(media=("m=audio 5004 RTP/AVP 8 97", "a=rtpmap:8 PCMA/8000", "a=rtpmap:97 telephone-event/8000")))
        .gets(200, "m=audio [0-9]+ RTP/AVP 8 97", "a=rtpmap:97 telephone-event/8000", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "no telephone events offered",
        "RFC 4733 2.5.1.1",
        "none in the answer",
        Caller("answer")
        .invites(body=sdp(media=("m=audio 5004 RTP/AVP 8",)))
        .gets(200, "m=audio [0-9]+ RTP/AVP 8", never="telephone-event", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "static payload without rtpmap",
        "RFC 3551 6",
        "0 is PCMU, though nothing says so",
        Caller("answer").invites(body=sdp(media=("m=audio 5004 RTP/AVP 0",))).gets(200, "RTP/AVP 0", keeps=True).acks().hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "address of the line",
        "RFC 4566 5.7",
        "c= of the media line goes before that of the session",
        Caller("answer").calls(body=sdp("c=IN IP4 127.0.0.1", SENDRECV, connection="IN IP4 192.0.2.9")).hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "hold by update",
        "RFC 3311 5.2",
        "UPDATE with an offer is answered in its 200",
        Caller("answer").calls().asks("UPDATE", body=sdp("a=sendonly", version=2)).gets(200, "a=recvonly").hangs_up(),
        "Arrived Confirmed Reagreed:sendonly HungUp:completed",
        proxied=True,
        six=True,
    ),
    Flow(
        "update without offer",
        "RFC 3311 5.1",
        "only the target changes, and nothing is said of media",
        Caller("answer").calls().asks("UPDATE").gets(200, never="application/sdp").hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "same offer again",
        "RFC 3264 8",
        "the same offer gets the same answer, and nobody is told",
        Caller("answer").calls().reinvites(SENDRECV, version=1, answered="o=- [0-9]+ 1 IN").hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "codec changes",
        "RFC 3264 8.3.2",
        "a re-INVITE with another codec is followed",
        Caller("answer")
        .calls()
        .asks("INVITE", body=sdp(version=2, media=("m=audio 5004 RTP/AVP 0",)))
        .gets(200, "RTP/AVP 0")
        .acks()
        .hangs_up(),
        "Arrived Confirmed Reagreed:sendrecv HungUp:completed",
    ),
    Flow(
        "offer during our offer",
        "RFC 3261 14.2",
        "491 while our own re-INVITE is under way",
        Called("answered.hold")
        .is_invited()
        .answers()
        .gets_asked("INVITE")
        .asks("INVITE", body=sdp("a=sendonly", version=2))
        .gets(491)
        .acks_refusal()
        .hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "update during our offer",
        "RFC 3311 5.2",
        "491 to an UPDATE with an offer as well",
        Called("answered.hold")
        .is_invited()
        .answers()
        .gets_asked("INVITE")
        .asks("UPDATE", body=sdp("a=sendonly", version=2))
        .gets(491)
        .hangs_up(),
        "Answered:pcma HungUp:completed",
    ),
    Flow(
        "our offer meets theirs",
        "RFC 3261 14.1",
        "after a 491 the offer comes again, later",
        Caller("answer.confirmed.hold.reagreed")
        .calls()
        .gets_asked("INVITE")
        .replies(491, repeats=True)
        .gets_asked("ACK")
        .is_reinvited("a=sendonly", answer="a=recvonly")
        .hangs_up(),
        "Arrived Confirmed Reagreed:recvonly HungUp:completed",
    ),
    Flow(
        "ipv6 in the description",
        "RFC 4566 5.7",
        "IN IP6 is read where the call is IPv4",
        Caller("answer").calls(body=sdp(SENDRECV, connection="IN IP6 ::1")).hangs_up(),
        OFFERED_TWICE,
    ),
    Flow(
        "description that is none",
        "RFC 3261 21.4.1",
        "400",
        Caller("answer").invites(body="v=nonsense\nx\n").is_refused(400),
    ),
    Flow(
        "answer that is none",
        "RFC 3261 13.2.2.4",
        "a 200 without a usable answer is acknowledged and hung up",
        Called().is_invited().answers(body="v=nonsense\nx\n").is_hung_up(),
        "Refused:incompatible:488",
    ),
    Flow(
        "encrypted offer to a plain trunk",
        "RFC 3264 6",
        "RTP/SAVP is refused where nothing may be encrypted",
        Caller("answer")
        .invites(body=sdp(media=("m=audio 9 RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40)))
        .is_refused(488),
    ),
    Flow(
        "encrypted offer",
        "RFC 4568 5.1.2, RFC 3711",
        "RTP/SAVP is answered with a key of ours under the offer's tag",
        Caller("answer")
        .invites(body=sdp(media=SECURE))
        .gets(200, "m=audio [1-9][0-9]* RTP/SAVP 8", "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
        {"srtp": SrtpMode.OFFERED},
    ),
    Flow(
        "offered plain and encrypted",
        "RFC 3264 6, RFC 4568 5.1.2",
        "of two audio lines, as 3CX sends them, the encrypted one is taken",
        Caller("answer")
        .invites(body=sdp(media=(*PCMA, *SECURE)))
        .gets(200, "m=audio 0 RTP/AVP.*m=audio [1-9][0-9]* RTP/SAVP 8", "a=crypto:4 ", keeps=True)
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
        {"srtp": SrtpMode.OFFERED},
    ),
    Flow(
        "plain offer where encryption is required",
        "RFC 3264 6",
        "488 before anything is heard",
        Caller("answer").invites().is_refused(488),
        settings={"srtp": SrtpMode.REQUIRED},
    ),
    Flow(
        "unknown cipher",
        "RFC 4568 5.1.2",
        "488 where no suite is ours",
        Caller("answer").invites(body=sdp(media=_secure(1, "ROT_13"))).is_refused(488),
        settings={"srtp": SrtpMode.OFFERED},
    ),
    Flow(
        "we offer encryption",
        "RFC 4568 5.1.1",
        "an audio line with a key, and the answer's key is taken",
        Called().is_invited("m=audio [1-9][0-9]* RTP/SAVP ", "a=crypto:1 ").answers(body=sdp(media=_secure(1))).hangs_up(),
        "Answered:pcma HungUp:completed",
        {"srtp": SrtpMode.REQUIRED},
    ),
    Flow(
        "description in a part",
        "RFC 5621 3, 6",
        "the session description is found in a multipart body",
        Caller("answer")
        .invites(
            "Content-Type: multipart/mixed;boundary=b7",
            body="--b7\nContent-Type: application/sdp\n\n" + sdp(SENDRECV) + "\n--b7\nContent-Type: text/plain\n\nhello\n--b7--\n",
        )
        .gets(200, "m=audio [1-9]", keeps=True, after=(100, 180))
        .acks()
        .hangs_up(),
        OFFERED_TWICE,
    ),
)
