"""Every message is lost once, and the calls come about all the same (RFC 3261 sections 17, 13.3.1.4 and 13.2.2.4)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import Called, Caller, Registrar, sdp

LOSSY = ("lossy",)
SETTLED_MS = 6000
"""The 200 comes a second time, its ACK is lost, a third time, and the ACK arrives: after 1.5 s, or later where the machine is busy."""

FLOWS = (
    Flow(
        "lost: invite, answer, ack and bye of a caller",
        "RFC 3261 13.3.1.4, 17.1.3",
        "our 200 is repeated until the ACK",
        Caller("answer").calls().waits(SETTLED_MS).hangs_up(),
        "Arrived Confirmed HungUp:completed",
        over=LOSSY,
    ),
    Flow(
        "lost: our refusal",
        "RFC 3261 17.2.1",
        "486 is repeated until the ACK",
        Caller("busy").invites().is_refused(486),
        "Arrived",
        over=LOSSY,
    ),
    Flow(
        "lost: cancel",
        "RFC 3261 9.2, 17.2.1",
        "CANCEL and 487 are repeated",
        Caller("ring").invites().gets(180).cancels().is_refused(487, after=(100,)).waits(700),
        "Arrived HungUp:gave_up",
        over=LOSSY,
    ),
    Flow(
        "lost: their hold",
        "RFC 3261 14.2, 17.2.1",
        "a re-INVITE that comes twice changes the call once",
        Caller("answer").calls().waits(SETTLED_MS).reinvites("a=sendonly", answered="a=recvonly").hangs_up(),
        "Arrived Confirmed Reagreed:sendonly HungUp:completed",
        over=LOSSY,
    ),
    Flow(
        "lost: their update",
        "RFC 3311 5.2, RFC 3261 17.2.2",
        "so does an UPDATE",
        Caller("answer").calls().waits(SETTLED_MS).asks("UPDATE", body=sdp("a=sendonly", version=2)).gets(200, "a=recvonly").hangs_up(),
        "Arrived Confirmed Reagreed:sendonly HungUp:completed",
        over=LOSSY,
    ),
    Flow(
        "lost: their digit",
        "RFC 6086 4.2.2, RFC 3261 17.2.2",
        "an INFO that comes twice is one digit",
        Caller("answer").calls().waits(SETTLED_MS).presses("5").hangs_up(),
        "Arrived Confirmed DigitArrived:5 HungUp:completed",
        over=LOSSY,
    ),
    Flow(
        "lost: invite, answer and ack of ours",
        "RFC 3261 17.1.1.2, 13.2.2.4",
        "our INVITE is repeated, and our ACK with each 200",
        Called().is_invited().answers().hangs_up(),
        "Answered:pcma HungUp:completed",
        over=LOSSY,
    ),
    Flow(
        "lost: refusal of ours",
        "RFC 3261 17.1.1.3",
        "each repetition of a 404 gets its ACK",
        Called().is_invited().refuses(404),
        "Refused:not_found:404",
        over=LOSSY,
    ),
    Flow(
        "lost: registration",
        "RFC 3261 10.2.7, 17.1.2.1",
        "REGISTER is repeated, with and without credentials",
        Registrar()
        .is_registered_at()
        .challenges('WWW-Authenticate: Digest realm="pbx.test", nonce="n1", qop="auth"')
        .checks_password()
        .grants()
        .waits(700),
        over=LOSSY,
    ),
)
