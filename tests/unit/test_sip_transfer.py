"""Transfers by REFER both ways, and calls that take another's place (RFC 3515, 3891, 3892, 4488), in virtual time."""

import pytest

from pbx.address import BadValue
from pbx.message import Request, Response
from pbx.refer import NotReferable, read_refer, status_of_sipfrag
from pbx.replaces import Replaces, parse_replaces
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Refused, TransferAsked, TransferProgressed
from rooms.audio import G722
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint, sdp
from tests.unit.test_sip_called import Called
from tests.unit.test_sip_caller import CONTACT, Dialled
from tests.unit.test_sip_calls import BYE, Pair


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def call() -> Called:
    return Called()


def progress(phone: VirtualPhone) -> list[int]:
    return [event.status for event in phone.events if isinstance(event, TransferProgressed)]


def test_a_blind_transfer_is_asked_for_told_and_done(pair: Pair) -> None:
    leg_id = pair.talk()
    assert pair.ana.agent.can_refer("a")
    pair.ana.agent.refer("a", "300", "", pair.network.now)
    pair.run()
    assert pair.ben.last(TransferAsked) == TransferAsked(leg_id, "300", "", "100")
    refer = pair.network.requests("REFER")[0]
    assert refer.get("Refer-To") == "<sip:300@10.0.0.2>" and refer.get("Referred-By") == "<sip:100@10.0.0.2>"
    assert pair.network.responses(202, "REFER")[0].get("Contact")
    assert progress(pair.ana) == [100]
    for status in (180, 183, 200):
        pair.ben.agent.transfer_progress(leg_id, status, pair.network.now)
    pair.run()
    # What was not sent yet when a newer status came is left out.
    assert progress(pair.ana) == [100, 180, 200]
    first, *_, last = pair.network.requests("NOTIFY")
    assert (first.get("Event"), first.get("Content-Type"), first.body) == (
        f"refer;id={refer.cseq[0]}",
        "message/sipfrag",
        b"SIP/2.0 100 Trying\r\n",
    )
    assert (first.get("Subscription-State") or "").startswith("active;expires=")
    assert last.get("Subscription-State") == "terminated;reason=noresource" and last.body.startswith(b"SIP/2.0 200 OK")
    pair.ben.agent.transfer_progress(leg_id, 200, pair.network.now)
    pair.hang_up(pair.ana, "a")
    pair.assert_clean()
    assert len(pair.network.requests("NOTIFY")) == 3


def test_a_transfer_outlives_the_call_that_asked_for_it(pair: Pair) -> None:
    leg_id = pair.talk()
    pair.ana.agent.refer("a", "300", "", pair.network.now)
    pair.run()
    pair.hang_up(pair.ana, "a")
    pair.run()
    assert pair.ben.count(HungUp) == 1
    pair.ben.agent.transfer_progress(leg_id, 180, pair.network.now)
    pair.run()
    assert pair.network.responses(481, "NOTIFY"), "its call is over, and it does not listen any more"
    pair.ben.agent.dial("b", "300", "", endpoint(pair.ben.host), pair.network.now, referred=leg_id)
    pair.run(0.1)
    assert pair.network.requests("INVITE")[-1].get("Referred-By") == "<sip:100@10.0.0.2>"
    pair.ben.agent.transfer_progress(leg_id, 200, pair.network.now)
    assert not pair.ben.agent.legs.referrals


@pytest.mark.parametrize(("status", "told"), [(403, 403), (405, 405), (603, 603)])
def test_a_peer_that_refuses_to_transfer(status: int, told: int) -> None:
    call = Dialled()
    call.reply(200, "b1", CONTACT, ("Allow", "INVITE, ACK, BYE, REFER"), body=sdp())
    assert call.ana.agent.can_refer("a")
    call.ana.agent.refer("a", "300", "", call.network.now)
    call.run()
    call.peer.reply(call.peer.requests("REFER")[0], status)
    call.run()
    assert progress(call.ana) == [told] and call.ana.count(HungUp) == 0


def test_a_peer_that_does_not_allow_refer_or_settings_that_forbid_it() -> None:
    call = Dialled()
    call.reply(200, "b1", CONTACT, ("Allow", "INVITE, ACK, BYE"), body=sdp())
    assert not call.ana.agent.can_refer("a") and not call.ana.agent.can_refer("nobody")
    call = Dialled(refer=False)
    call.reply(200, "b1", CONTACT, ("Allow", "INVITE, ACK, BYE, REFER"), body=sdp())
    assert not call.ana.agent.can_refer("a")


class Referred:
    """Ana asked her peer to transfer; the peer says what a test wants."""

    def __init__(self) -> None:
        self.call = Dialled()
        self.call.reply(200, "b1", CONTACT, ("Allow", "REFER"), body=sdp())
        self.call.ana.agent.refer("a", "300", "", self.call.network.now)
        self.call.run()
        self.refer = self.call.peer.requests("REFER")[0]
        self.cseq = 0

    def accept(self, *headers: tuple[str, str]) -> None:
        self.call.peer.reply(self.refer, 202, headers=headers)
        self.call.run()

    def notify(self, state: str, body: bytes = b"SIP/2.0 100 Trying", event: str = "refer", content: str = "message/sipfrag") -> Response:
        self.cseq += 1
        self.call.peer.send(
            f"""NOTIFY sip:100@10.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKn{self.cseq}
            From: {self.call.peer.requests("ACK")[0].get("To")}
            To: {self.refer.get("From")}
            Call-ID: {self.refer.call_id}
            CSeq: {self.cseq} NOTIFY
            Contact: <sip:200@10.0.0.9>
            Event: {event}
            Subscription-State: {state}
            Content-Type: {content}""",
            body,
        )
        self.call.run()
        answered = self.call.peer.got[-1]
        assert isinstance(answered, Response)
        return answered

    @property
    def told(self) -> list[int]:
        return progress(self.call.ana)


def test_a_notify_may_come_before_the_202() -> None:
    referred = Referred()
    assert referred.notify("active;expires=60").status == 200
    referred.accept()
    assert referred.notify("terminated;reason=noresource", b"SIP/2.0 486 Busy Here\r\n").status == 200
    assert referred.told == [100, 486]
    assert referred.notify("terminated;reason=noresource").status == 481, "the subscription is over"


@pytest.mark.parametrize(("reason", "status"), [("noresource", 500), ("timeout", 408), ("rejected", 603)])
def test_a_subscription_that_ends_without_an_outcome(reason: str, status: int) -> None:
    referred = Referred()
    referred.accept()
    referred.notify(f"terminated;reason={reason}")
    assert referred.told == [status]


def test_who_never_notifies_or_stops_doing_so_is_not_waited_for() -> None:
    silent = Referred()
    silent.accept()
    silent.call.run(33)
    assert silent.told == [408] and silent.call.ana.count(HungUp) == 0
    stops = Referred()
    stops.accept()
    stops.notify("active;expires=60", b"SIP/2.0 180 Ringing")
    stops.call.run(250)
    assert stops.told == [180, 408]


def test_a_peer_that_takes_a_refer_without_subscription() -> None:
    referred = Referred()
    referred.accept(("Refer-Sub", "false"))
    assert referred.told == [200]


@pytest.mark.parametrize(
    ("event", "content", "body", "status", "told"),
    [
        ("presence", "application/pidf+xml", b"<x/>", 489, []),
        ("refer;id=999", "message/sipfrag", b"SIP/2.0 200 OK", 481, []),
        ("refer", "text/plain", b"SIP/2.0 200 OK", 200, []),
        ("refer", "message/sipfrag", b"\xff\x00", 200, []),
        ("refer", "message/sipfrag;version=2.0", b"SIP/2.0 200 OK\r\nTo: x", 200, [200]),
    ],
)
def test_notifies_of_other_kinds(event: str, content: str, body: bytes, status: int, told: list[int]) -> None:
    referred = Referred()
    referred.accept()
    assert referred.notify("active", body, event, content).status == status
    assert referred.told == told


def test_two_transfers_at_once_are_refused(pair: Pair) -> None:
    pair.talk()
    for target in ("300", "400"):
        pair.ana.agent.refer("a", target, "", pair.network.now)
    pair.run()
    assert sorted(progress(pair.ana)) == [100, 491]
    assert pair.ben.count(TransferAsked) == 1


def test_numbers_that_cannot_be_asked_for(pair: Pair) -> None:
    pair.talk()
    for target, replaces in (("", ""), ("3\r\nX: 1", ""), ("300", "nobody")):
        pair.ana.agent.refer("a", target, replaces, pair.network.now)
    pair.run()
    assert progress(pair.ana) == [484, 484, 484] and not pair.network.requests("REFER")


REFER_TO = "Refer-To: <sip:300@10.0.0.9>"


def test_a_refer_is_answered_told_at_once_and_handed_up(call: Called) -> None:
    leg_id = call.talk()
    call.request("REFER", 2, REFER_TO, "Referred-By: <sip:boss@10.0.0.9>")
    assert 202 in call.peer.statuses()
    assert call.ana.last(TransferAsked) == TransferAsked(leg_id, "300", "", "boss")
    assert call.peer.requests("NOTIFY")[0].body == b"SIP/2.0 100 Trying\r\n"


def test_a_refer_without_subscription_gets_no_notify(call: Called) -> None:
    leg_id = call.talk()
    call.request("REFER", 2, REFER_TO, "Refer-Sub: false", "Require: norefersub")
    assert call.last.status == 202 and call.last.get("Refer-Sub") == "false"
    call.ana.agent.transfer_progress(leg_id, 200, call.network.now)
    call.run()
    assert not call.peer.requests("NOTIFY") and not call.ana.agent.legs.referrals


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 400),
        ((REFER_TO, REFER_TO), 400),
        (("Refer-To: <mailto:a@b>",), 416),
        (("Refer-To: <sip:300@x;method=BYE>",), 501),
        (("Refer-To: <sip:x",), 400),
        (("Refer-To: <sip:10.0.0.9>",), 400),
        (("Refer-To: <sip:300@x?Replaces=nonsense>",), 400),
        (("Refer-To: <sip:300@x?Replaces=a&Replaces=b>",), 400),
        (("Refer-To: <tel:+34911;phone-context=x>",), 202),
        (("Refer-To: sip:300@x",), 202),
        (("R: <sip:300@x;method=INVITE>",), 202),
    ],
)
def test_what_a_refer_may_ask(call: Called, headers: tuple[str, ...], status: int) -> None:
    call.talk()
    call.request("REFER", 2, *headers)
    assert status in call.peer.statuses()
    assert call.ana.count(TransferAsked) == (status == 202)


def test_a_second_refer_waits_for_the_first(call: Called) -> None:
    leg_id = call.talk()
    call.request("REFER", 2, REFER_TO)
    call.request("REFER", 3, REFER_TO)
    assert 491 in call.peer.statuses()
    call.peer.reply(call.peer.requests("NOTIFY")[0], 200)
    call.ana.agent.transfer_progress(leg_id, 486, call.network.now)
    call.run()
    call.request("REFER", 4, REFER_TO)
    assert call.peer.statuses().count(202) == 2
    assert [request.get("Event") for request in call.peer.requests("NOTIFY")] == ["refer;id=2", "refer;id=2", "refer;id=4"]


def test_the_subscription_is_asked_for_left_and_runs_out(call: Called) -> None:
    call.talk()
    call.request("REFER", 2, REFER_TO)
    call.peer.reply(call.peer.requests("NOTIFY")[0], 200)
    call.request("SUBSCRIBE", 3, "Event: refer;id=2", "Expires: 60")
    assert call.peer.requests("NOTIFY")[-1].body == b"SIP/2.0 100 Trying\r\n" and len(call.peer.requests("NOTIFY")) == 2
    call.peer.reply(call.peer.requests("NOTIFY")[-1], 200)
    call.request("SUBSCRIBE", 4, "Event: refer", "Expires: 0")
    assert call.peer.requests("NOTIFY")[-1].get("Subscription-State") == "terminated;reason=timeout"
    call.request("SUBSCRIBE", 5, "Event: refer", "Expires: 0")
    assert call.last.status == 481
    call.request("REFER", 6, REFER_TO)
    call.peer.reply(call.peer.requests("NOTIFY")[-1], 200)
    call.run(250)
    assert call.peer.requests("NOTIFY")[-1].get("Subscription-State") == "terminated;reason=timeout"
    assert not call.ana.agent.legs.referrals


class Twice:
    """Ana has two calls with Ben."""

    def __init__(self) -> None:
        self.network = VirtualSip()
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.2", "100", 1)
        self.ben = VirtualPhone(self.network, "10.0.0.2", "10.0.0.1", "200", 2)
        self.legs = [self.talk(name) for name in "ab"]

    def talk(self, name: str) -> str:
        self.ana.dial(leg_id=name)
        self.network.run(0.1)
        leg_id = self.ben.last(Arrived).leg_id
        self.ben.agent.answer(leg_id, endpoint(self.ben.host, 5000, (G722,)), self.network.now)
        self.network.run(0.1)
        return leg_id


def test_an_attended_transfer_names_the_other_call() -> None:
    twice = Twice()
    twice.ana.agent.refer("a", "", "b", twice.network.now)
    twice.network.run(0.1)
    asked = twice.ben.last(TransferAsked)
    assert (asked.leg_id, asked.replaces) == (twice.legs[0], twice.legs[1])
    assert "?Replaces=" in (twice.network.requests("REFER")[0].get("Refer-To") or "")


def test_a_refer_whose_replaces_names_a_call_elsewhere_is_dialled_with_it(call: Called) -> None:
    leg_id = call.talk()
    call.request("REFER", 2, "Refer-To: <sip:300@10.0.0.9?Replaces=x1%40h%3Bto-tag%3Dt%3Bfrom-tag%3Df>", "Referred-By: <sip:boss@x>;cid=1")
    assert call.ana.last(TransferAsked) == TransferAsked(leg_id, "300", "", "boss")
    call.ana.agent.dial("b", "300", "", endpoint(), call.network.now, referred=leg_id)
    call.run()
    invite = call.peer.requests("INVITE")[0]
    assert (invite.get("Replaces"), invite.get("Referred-By")) == ("x1@h;to-tag=t;from-tag=f", "<sip:boss@x>;cid=1")


def replacing(call: Called, value: str, *more: str) -> None:
    """Another INVITE of the same peer, with this Replaces."""
    call.peer.send(
        "\n".join(
            (
                "INVITE sip:100@10.0.0.1 SIP/2.0",
                "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKrepl",
                "From: <sip:cy@10.0.0.9>;tag=cy",
                "To: <sip:100@10.0.0.1>",
                "Call-ID: c2@10.0.0.9",
                "CSeq: 1 INVITE",
                "Contact: <sip:cy@10.0.0.9>",
                "Content-Type: application/sdp",
                f"Replaces: {value}",
                *more,
            )
        ),
        sdp(),
    )
    call.run()


def test_a_call_takes_the_place_of_one_that_talks(call: Called) -> None:
    leg_id = call.talk()
    replacing(call, f"c1@10.0.0.9;from-tag=p;to-tag={call.tag}", "Require: replaces")
    arrived = call.ana.last(Arrived)
    assert arrived.replaces == leg_id != arrived.leg_id
    call.ana.agent.answer(arrived.leg_id, endpoint(), call.network.now)
    call.ana.agent.hang_up(leg_id, BYE, call.network.now)
    call.run()
    assert call.last.status == 200 and call.peer.requests("BYE")[0].call_id == "c1@10.0.0.9"


@pytest.mark.parametrize(
    ("value", "more", "status"),
    [
        ("c1@10.0.0.9;from-tag=p;to-tag=wrong", (), 481),
        ("c1@10.0.0.9;from-tag=wrong;to-tag={tag}", (), 481),
        ("other;from-tag=p;to-tag={tag}", (), 481),
        ("c1@10.0.0.9;from-tag=p;to-tag={tag};early-only", (), 486),
        ("c1@10.0.0.9;from-tag=p", (), 400),
        ("c1@10.0.0.9;from-tag=p;to-tag={tag}", ("Replaces: x;to-tag=1;from-tag=2",), 400),
        ("c1@10.0.0.9;from-tag=p;to-tag={tag}", ("Join: x;to-tag=1;from-tag=2",), 400),
    ],
)
def test_places_that_cannot_be_taken(call: Called, value: str, more: tuple[str, ...], status: int) -> None:
    call.talk()
    replacing(call, value.format(tag=call.tag), *more)
    assert call.last.status == status and call.ana.count(Arrived) == 1


def test_the_place_of_a_call_that_just_ended_is_declined(call: Called) -> None:
    call.talk()
    call.request("BYE", 2)
    replacing(call, f"c1@10.0.0.9;from-tag=p;to-tag={call.tag}")
    assert call.last.status == 603


def test_a_call_that_rings_here_cannot_be_taken(call: Called) -> None:
    leg_id = call.arrive()
    call.ana.agent.ring(leg_id, call.network.now)
    call.run()
    replacing(call, f"c1@10.0.0.9;from-tag=p;to-tag={call.last.to_address.tag}")
    assert call.last.status == 481


def test_a_call_that_we_dialled_and_that_still_rings_may_be_taken() -> None:
    call = Dialled()
    call.reply(180, "b1", CONTACT)
    own = call.invite
    call.peer.send(
        f"""INVITE sip:100@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKrepl
        From: <sip:cy@10.0.0.9>;tag=cy
        To: <sip:100@10.0.0.1>
        Call-ID: c2@10.0.0.9
        CSeq: 1 INVITE
        Contact: <sip:cy@10.0.0.9>
        Content-Type: application/sdp
        Replaces: {own.call_id};to-tag={own.from_address.tag};from-tag=b1;early-only""",
        sdp(),
    )
    call.run()
    assert call.ana.last(Arrived).replaces == "a"
    call.ana.agent.answer(call.ana.last(Arrived).leg_id, endpoint(), call.network.now)
    call.ana.agent.hang_up("a", Cause(EndReason.GAVE_UP), call.network.now)
    call.run()
    assert call.peer.requests("CANCEL") and call.peer.statuses()[-1] == 200
    call.peer.reply(own, 487, tag="b1")
    call.run()
    assert call.ana.last(Refused).leg_id == "a" and call.ana.count(Answered) == 0 and call.ana.count(Confirmed) == 0


def test_replaces_outside_an_invite_is_an_error(call: Called) -> None:
    call.talk()
    call.request("INFO", 2, "Replaces: x;to-tag=1;from-tag=2")
    assert call.last.status == 400


def test_what_replaces_says_and_how_it_is_written() -> None:
    place = parse_replaces("a;b@c ;to-tag=1".replace(";b", "b") + ";from-tag=2;early-only")
    assert place == Replaces("ab@c", "1", "2", True)
    assert Replaces("a@b", "1", "2").escaped == "Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2"
    for text in ("", ";to-tag=1;from-tag=2", "a;to-tag=1", "a b;to-tag=1;from-tag=2"):
        with pytest.raises(BadValue):
            parse_replaces(text)


def test_a_silly_referrer_is_nobody() -> None:
    request = Request(method="REFER", headers=[("Refer-To", "<sip:300@x>"), ("Referred-By", "<sip:>>")])
    assert read_refer(request).referrer == ""
    with pytest.raises(NotReferable):
        read_refer(Request(method="REFER", headers=[("Refer-To", "<sip:3%0D%0A0@x>")]))
    assert status_of_sipfrag(b"SIP/2.0 2000 x") is None
