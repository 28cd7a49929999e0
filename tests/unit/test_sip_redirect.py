"""Calls that are redirected: followed where that is allowed, a bounded number of times, and never to another host (RFC 3261, 8.1.3.4)."""

import pytest

from pbx.trunk import Answered, Refused
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import sdp
from tests.unit.test_sip_caller import CONTACT, Dialled


class Redirected(Dialled):
    """``allowed``: what the dial rules let through; ``asked``: what they were asked."""

    def __init__(self, max_redirects: int = 3, refused: str = "") -> None:
        super().__init__(max_redirects=max_redirects)
        self.asked: list[str] = []

        def follow(leg_id: str, number: str) -> str:
            assert leg_id == "a"
            self.asked.append(number)
            return "" if number == refused else f"0{number}"

        self.ana.line.follow = follow

    def to(self, *contacts: str, status: int = 302) -> None:
        self.reply(status, "b1", *(("Contact", contact) for contact in contacts))

    @property
    def called(self) -> list[str]:
        uris: list[str] = []
        for invite in self.peer.requests("INVITE"):
            if not uris or uris[-1] != invite.uri:
                uris.append(invite.uri)
        return uris


def test_a_redirected_call_goes_to_the_new_number_at_our_own_pbx() -> None:
    call = Redirected()
    first = call.invite
    call.to("<sip:300@evil.example;transport=tcp>")
    again = call.invite
    assert again.uri == "sip:0300@10.0.0.9"
    assert again.to_address.uri == first.to_address.uri and again.call_id == first.call_id
    assert again.from_address.tag == first.from_address.tag and again.cseq[0] == first.cseq[0] + 1
    assert again.get("Diversion") == "<sip:200@10.0.0.9>;reason=unknown;counter=1"
    call.reply(200, "b2", CONTACT, body=sdp())
    assert call.ana.count(Answered) == 1


def test_without_leave_a_redirection_is_a_refusal() -> None:
    call = Redirected(0)
    call.to("<sip:300@10.0.0.9>")
    assert call.asked == [] and "redirects" in call.ana.last(Refused).cause.detail


def test_numbers_that_may_not_be_dialled_are_passed_over() -> None:
    call = Redirected(refused="900")
    call.to("<sip:300@x>;q=0.5, <tel:900>;q=0.9, <sip:x>", "<sip:301@x>;q=wrong")
    assert call.asked == ["301"], "no q is the highest, and one that cannot be read is none"
    call.reply(486, "b1")
    assert call.called == ["sip:200@10.0.0.9", "sip:0301@10.0.0.9", "sip:0300@10.0.0.9"] and call.asked == ["301", "900", "300"]
    call.reply(486, "b1")
    assert call.ana.last(Refused).cause.reason is EndReason.BUSY


@pytest.mark.parametrize(("longest", "tried"), [(1, 2), (3, 4)])
def test_redirections_that_never_end_are_ended(longest: int, tried: int) -> None:
    call = Redirected(longest)
    for number in range(300, 310):
        call.to(f"<sip:{number}@x>")
    assert len(call.called) == tried and call.ana.count(Refused) == 1


def test_nobody_is_dialled_twice() -> None:
    call = Redirected()
    call.to("<sip:200@x>", "<sip:300@x>")
    call.to("<sip:300@x>", "<sip:200@x>")
    assert call.called == ["sip:200@10.0.0.9", "sip:0300@10.0.0.9"] and call.ana.count(Refused) == 1


@pytest.mark.parametrize("status", [305, 380, 399])
def test_other_redirections_are_refusals(status: int) -> None:
    call = Redirected()
    call.to("<sip:300@x>", status=status)
    assert call.asked == [] and call.ana.last(Refused).cause.sip == status


def test_a_refusal_from_everywhere_ends_the_search() -> None:
    call = Redirected()
    call.to("<sip:300@x>", "<sip:301@x>")
    call.reply(603, "b1")
    assert call.ana.last(Refused).cause.sip == 603 and len(call.called) == 2


def test_a_call_given_up_is_not_redirected() -> None:
    call = Redirected()
    call.reply(180, "b1", CONTACT)
    call.ana.agent.hang_up("a", Cause(EndReason.GAVE_UP), call.network.now)
    call.run()
    call.to("<sip:300@x>")
    assert call.asked == [] and call.ana.last(Refused).cause.reason is EndReason.GAVE_UP
