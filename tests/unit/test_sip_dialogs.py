"""Requests inside dialogs and around their ends: targets, reasons, refusals, refreshes, late messages (RFC 3261 12, 14, 15; 3326; 4028)."""

import pytest

from pbx.message import Message, Request, Response
from pbx.reason import cause_said, reason_headers
from pbx.trunk import Answered, HungUp, Refused
from rooms.audio import PCMA
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import endpoint, sdp
from tests.unit.test_sip_called import Called
from tests.unit.test_sip_caller import CONTACT, Dialled
from tests.unit.test_sip_calls import BYE, Pair

OTHERWISE = Cause(EndReason.GAVE_UP, 487, "as it was")


@pytest.fixture
def called() -> Called:
    return Called()


@pytest.fixture
def dialled() -> Dialled:
    return Dialled()


def talk(dialled: Dialled, *headers: tuple[str, str]) -> None:
    dialled.reply(200, "b1", CONTACT, *headers, body=sdp())
    assert dialled.ana.count(Answered) == 1


# -- why a call ends


@pytest.mark.parametrize(
    ("header", "reason", "detail"),
    [
        ("", EndReason.GAVE_UP, "as it was"),
        ('SIP ;cause=200 ;text="Call completed elsewhere"', EndReason.ANSWERED_ELSEWHERE, "Call completed elsewhere"),
        ("sip;cause=200", EndReason.ANSWERED_ELSEWHERE, "Call completed elsewhere"),
        ('Q.850;cause=17;text="User busy"', EndReason.BUSY, "User busy"),
        ("Q.850;cause=26", EndReason.ANSWERED_ELSEWHERE, "as it was"),
        ("Q.850;cause=16", EndReason.GAVE_UP, "as it was"),
        ("Q.850;cause=127", EndReason.GAVE_UP, "as it was"),
        ("Q.850;cause=34, SIP;cause=503", EndReason.UNREACHABLE, "as it was"),
        ('SIP;cause=600;text="Busy Everywhere"', EndReason.BUSY, "Busy Everywhere"),
        ("SIP;cause=487", EndReason.GAVE_UP, "as it was"),
        ("SIP;cause=x, preemption;cause=1", EndReason.GAVE_UP, "as it was"),
        ('SIP;cause=200;text="never closed', EndReason.GAVE_UP, "as it was"),
    ],
)
def test_what_a_reason_says(header: str, reason: EndReason, detail: str) -> None:
    cause = cause_said(Message([("Reason", header)] if header else []), OTHERWISE)
    assert (cause.reason, cause.sip, cause.detail) == (reason, 487, detail)


def test_our_reasons_are_read_back() -> None:
    for reason in (EndReason.BUSY, EndReason.NO_ANSWER, EndReason.DECLINED, EndReason.ANSWERED_ELSEWHERE, EndReason.INCOMPATIBLE):
        assert cause_said(Message(reason_headers(Cause(reason))), OTHERWISE).reason is reason
    assert not reason_headers(Cause(EndReason.GAVE_UP))


def test_a_call_that_another_phone_took_is_told_so_on_both_sides() -> None:
    pair = Pair()
    pair.ring()
    pair.hang_up(pair.ana, "a", Cause(EndReason.ANSWERED_ELSEWHERE))
    pair.run()
    assert pair.network.requests("CANCEL")[0].get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert pair.ben.last(HungUp).cause.reason is EndReason.ANSWERED_ELSEWHERE
    assert pair.ana.last(Refused).cause.reason is EndReason.ANSWERED_ELSEWHERE
    pair.assert_clean()


def test_a_bye_says_why(called: Called) -> None:
    leg_id = called.talk()
    called.ana.agent.hang_up(leg_id, BYE, called.network.now)
    called.run()
    assert called.peer.requests("BYE")[0].get("Reason") == 'Q.850;cause=16;text="Normal call clearing"'


def test_a_bye_of_the_peer_says_why(called: Called) -> None:
    called.talk()
    called.request("BYE", 2, 'Reason: Q.850;cause=41;text="Temporary failure"')
    cause = called.ana.last(HungUp).cause
    assert (cause.reason, cause.detail) == (EndReason.UNREACHABLE, "Temporary failure")


def test_a_refusal_says_more_than_its_status(dialled: Dialled) -> None:
    dialled.reply(480, "b1", ("Reason", 'Q.850;cause=17;text="User busy"'))
    cause = dialled.ana.last(Refused).cause
    assert (cause.reason, cause.sip) == (EndReason.BUSY, 480)


# -- messages that come late, twice, or by a wrong way


def test_a_cancel_after_the_answer_changes_nothing(called: Called) -> None:
    called.talk()
    called.tag = ""
    called.request("CANCEL", 1, branch="INVITE1")
    assert called.last.status == 200 and called.last.cseq == (1, "CANCEL")
    assert called.ana.count(HungUp) == 0
    called.run(33)
    called.request("CANCEL", 1, branch="INVITE1")
    assert called.last.status == 481, "the INVITE's transaction is over"


def test_a_response_that_went_astray_is_not_ours(dialled: Dialled) -> None:
    dialled.reply(486, "b1", ("Via", "SIP/2.0/UDP elsewhere;branch=z9hG4bKx"))
    assert dialled.ana.count(Refused) == 0 and dialled.ana.line.counts["stray_responses"] == 1


def test_a_timestamp_comes_back_with_the_100(called: Called) -> None:
    called.arrive("Timestamp: 54.3")
    assert called.last.status == 100 and called.last.get("Timestamp") == "54.3"


def test_a_lost_bye_is_repeated_until_it_is_heard_or_given_up() -> None:
    pair = Pair()
    leg_id = pair.talk()
    lost = [3]

    def lose_three_byes(message: Message) -> list[float]:
        if isinstance(message, Request) and message.method == "BYE" and lost[0]:
            lost[0] -= 1
            return []
        return [0.01]

    pair.network.fate = lose_three_byes
    pair.hang_up(pair.ben, leg_id)
    pair.run(4)
    assert len(pair.network.requests("BYE")) == 4 and pair.ana.count(HungUp) == 1
    pair.assert_clean()


# -- targets


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("<sip:clara@10.0.0.9;transport=udp;x=y>", "sip:clara@10.0.0.9;transport=udp;x=y"),
        ("<sip:clara@10.0.0.9;method=BYE?Subject=x>", "sip:clara@10.0.0.9"),
    ],
)
def test_a_contact_becomes_a_request_uri_without_what_that_may_not_have(called: Called, contact: str, uri: str) -> None:
    leg_id = called.talk(f"Contact: {contact}")
    called.ana.agent.hang_up(leg_id, BYE, called.network.now)
    called.run()
    assert called.peer.requests("BYE")[0].uri == uri


def test_the_route_stays_and_the_target_moves(called: Called) -> None:
    leg_id = called.talk("Record-Route: <sip:10.0.0.9;lr>")
    called.request("INVITE", 2, "Record-Route: <sip:10.9.9.9;lr>", "Contact: <sip:moved@10.0.0.9>", body=sdp())
    called.request("ACK", 2)
    called.ana.agent.hang_up(leg_id, BYE, called.network.now)
    called.run()
    bye = called.peer.requests("BYE")[0]
    assert bye.uri == "sip:moved@10.0.0.9" and bye.values("Route") == ["<sip:10.0.0.9;lr>"]


# -- our own requests refused


def invites(dialled: Dialled) -> int:
    """How many, repetitions left out."""
    return len({request.top_via.branch for request in dialled.peer.requests("INVITE")})


def refuse(dialled: Dialled, status: int, *headers: tuple[str, str]) -> None:
    dialled.reply(status, "b1", *headers)
    dialled.run(0)


@pytest.mark.parametrize("status", [500, 503, 480])
def test_an_offer_refused_for_now_is_made_again_when_the_peer_wants_it(dialled: Dialled, status: int) -> None:
    talk(dialled)
    dialled.ana.agent.hold("a", True, dialled.network.now)
    dialled.run()
    refuse(dialled, status, ("Retry-After", "7 (busy)"))
    dialled.run(6)
    assert invites(dialled) == 2
    dialled.run(1.5)
    assert invites(dialled) == 3 and b"a=sendonly" in dialled.invite.body
    dialled.reply(200, "b1", CONTACT, body=sdp("m=audio 7000 RTP/AVP 8", "a=recvonly"))
    assert dialled.ana.count(HungUp) == 0


def test_an_offer_refused_for_good_leaves_the_call_as_it_was(dialled: Dialled) -> None:
    talk(dialled)
    dialled.ana.agent.hold("a", True, dialled.network.now)
    dialled.run()
    refuse(dialled, 488)
    dialled.run(60)
    assert invites(dialled) == 2 and dialled.ana.count(HungUp) == 0


@pytest.mark.parametrize("status", [408, 481])
def test_an_offer_that_finds_no_call_any_more_ends_it(dialled: Dialled, status: int) -> None:
    talk(dialled)
    dialled.ana.agent.hold("a", True, dialled.network.now)
    dialled.run()
    refuse(dialled, status)
    assert dialled.ana.last(HungUp).cause.sip == status and dialled.peer.requests("BYE")


SESSION = ("Session-Expires", "100;refresher=uac")


def test_a_refresh_that_is_refused_is_tried_again_before_the_call_would_end(dialled: Dialled) -> None:
    talk(dialled, SESSION)
    dialled.run(50.1)
    refuse(dialled, 500)
    dialled.run(25.1)
    assert invites(dialled) == 3 and dialled.ana.count(HungUp) == 0
    dialled.reply(200, "b1", CONTACT, SESSION, body=sdp())
    dialled.run(40)
    assert dialled.ana.count(HungUp) == 0


def test_a_peer_that_promised_update_and_knows_none_is_refreshed_by_invite(dialled: Dialled) -> None:
    talk(dialled, SESSION, ("Allow", "INVITE, ACK, BYE, UPDATE"))
    dialled.run(50.1)
    dialled.peer.reply(dialled.peer.requests("UPDATE")[0], 405)
    dialled.run()
    assert invites(dialled) == 2


def test_intervals_that_are_never_long_enough_are_given_up(dialled: Dialled) -> None:
    for number in range(1, 9):
        dialled.reply(422, "b1", ("Min-SE", str(1800 + number)))
    assert invites(dialled) == 5 and dialled.ana.last(Refused).cause.sip == 422
    quiet = Dialled()
    quiet.reply(422, "b1", ("Min-SE", "90"))
    assert invites(quiet) == 1, "it is not longer than what we asked"


def test_a_refresh_whose_interval_is_never_long_enough_goes_on_as_it_was(dialled: Dialled) -> None:
    talk(dialled, SESSION)
    dialled.run(50.1)
    for number in range(1, 20):
        if dialled.peer.requests("BYE"):
            break
        refuse(dialled, 422, ("Min-SE", str(200 + number)))
        dialled.run(1)
    assert invites(dialled) == 6, "the first, its refresh, and four longer ones"


@pytest.mark.parametrize(("said", "kept"), [("uas", "uas"), ("uac", "uac")])
def test_who_refreshes_goes_on_doing_so(dialled: Dialled, said: str, kept: str) -> None:
    talk(dialled, ("Session-Expires", f"100;refresher={said}"))
    dialled.ana.agent.hold("a", True, dialled.network.now)
    dialled.run()
    assert dialled.invite.get("Session-Expires") == f"100;refresher={kept}"


def test_a_refused_offer_of_the_peer_leaves_the_session_timer_alone(called: Called) -> None:
    called.talk("Session-Expires: 100;refresher=uac", "Supported: timer")
    called.run(60)
    called.request("INVITE", 2, "Session-Expires: 1800;refresher=uac", "Supported: timer", body=sdp("m=audio 7000 RTP/AVP 18"))
    assert called.last.status == 488
    called.run(10)
    assert "nothing refreshed" in called.ana.last(HungUp).cause.detail


# -- offers that cross, seen from both owners of the Call-ID


def test_after_491_the_owner_of_the_call_id_waits_longer(dialled: Dialled, called: Called) -> None:
    talk(dialled)
    dialled.ana.agent.hold("a", True, dialled.network.now)
    dialled.run()
    refuse(dialled, 491)
    dialled.run(1.9)
    assert invites(dialled) == 2
    dialled.run(2.2)
    assert invites(dialled) == 3
    leg_id = called.talk()
    called.ana.agent.hold(leg_id, True, called.network.now)
    called.run()
    called.peer.reply(called.peer.requests("INVITE")[0], 491)
    called.run(2.2)
    assert len({request.cseq for request in called.peer.requests("INVITE")}) == 2


def test_an_update_that_crosses_our_offer_gets_491_and_one_without_offer_is_answered(called: Called) -> None:
    leg_id = called.talk()
    called.ana.agent.hold(leg_id, True, called.network.now)
    called.request("UPDATE", 2)
    assert called.last.status == 200
    called.request("UPDATE", 3, body=sdp())
    assert called.last.status == 491


def test_an_update_between_the_answer_and_its_ack(called: Called) -> None:
    leg_id = called.arrive()
    called.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), called.network.now)
    called.run()
    called.tag = called.last.to_address.tag or ""
    called.request("UPDATE", 2, body=sdp("m=audio 7000 RTP/AVP 8", "a=sendonly"))
    assert called.last.status == 200 and b"a=recvonly" in called.last.body
    late = Called()
    leg_id = late.arrive(body=b"")
    late.ana.agent.answer(leg_id, endpoint(codecs=(PCMA,)), late.network.now)
    late.run()
    late.tag = late.last.to_address.tag or ""
    late.request("UPDATE", 2, body=sdp())
    assert late.last.status == 491, "our offer in the 200 has no answer yet"


def test_events_and_messages_have_their_refusals(called: Called) -> None:
    called.talk()
    for cseq, (method, header, status) in enumerate(
        [
            ("SUBSCRIBE", "Event: dialog", 489),
            ("NOTIFY", "Event: message-summary", 489),
            ("NOTIFY", "Event: refer", 481),
            ("MESSAGE", "X: 1", 405),
            ("PUBLISH", "Event: presence", 405),
            ("PRACK", "RAck: 1 1 INVITE", 481),
        ],
        2,
    ):
        called.request(method, cseq, header)
        assert (method, called.last.status) == (method, status)
    assert isinstance(called.last, Response) and called.ana.count(HungUp) == 0
