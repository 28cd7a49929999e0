"""Who calls and by way of whom, as headers say it and as we say it (RFC 3323, 3325, 5806, 7044; Remote-Party-ID)."""

import pytest

from pbx.identity import Caller, IdentityHeader, TrustedCaller, caller_of
from pbx.message import Request
from pbx.trunk import Arrived, Refused
from tests.kit.virtual_sip import endpoint
from tests.unit.test_sip_called import Called
from tests.unit.test_sip_calls import Pair

FROM = '"Clara" <sip:+34600111222@x>;tag=1'
HIDDEN = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'


def said(*lines: str, sender: str = FROM, trust: TrustedCaller = TrustedCaller.ASSERTED) -> Caller:
    headers = [("From", sender), *((name, value) for name, _, value in (line.partition(": ") for line in lines))]
    return caller_of(Request(headers), trust)


@pytest.mark.parametrize(
    ("lines", "sender", "caller"),
    [
        ((), FROM, Caller("+34600111222", "Clara", False, False)),
        (("P-Asserted-Identity: tel:+34600111222",), FROM, Caller("+34600111222", "Clara", False, True)),
        (("P-Asserted-Identity: tel:+34922",), FROM, Caller("+34922", "", False, True)),
        (('P-Asserted-Identity: "Real, Name" <sip:+34911@pbx>, <tel:+34922>',), FROM, Caller("+34911", "Real, Name", False, True)),
        (("P-Asserted-Identity: <sip:pbx.example>", "P-Asserted-Identity: <tel:+34922>"), FROM, Caller("+34922", "", False, True)),
        (('P-Asserted-Identity: "x', "P-Preferred-Identity: <sip:9@x>"), FROM, Caller("+34600111222", "Clara", False, False)),
        (
            ('Remote-Party-ID: "Called" <sip:1@x>;party=called', 'Remote-Party-ID: "RPID" <sip:933@x>;party=calling'),
            FROM,
            Caller("933", "RPID", False, False),
        ),
        (("Remote-Party-ID: <sip:933@x>;screen=yes;privacy=off",), FROM, Caller("933", "", False, True)),
        (("Remote-Party-ID: <sip:933@x>;screen=yes;privacy=full",), FROM, Caller("933", "", True, True)),
        (("Remote-Party-ID: <sip:933@x>;screen=no;privacy=name",), FROM, Caller("933", "", False, False)),
        (("P-Asserted-Identity: <sip:+34911@pbx>", "Privacy: id;critical"), FROM, Caller("+34911", "", True, True)),
        (("P-Asserted-Identity: <sip:+34911@pbx>", "Privacy: none"), FROM, Caller("+34911", "", False, True)),
        (("Privacy: user",), FROM, Caller("+34600111222", "Clara", True, False)),
        ((), HIDDEN, Caller("anonymous", "", True, False)),
        (("P-Asserted-Identity: <sip:+34911@pbx>",), HIDDEN, Caller("+34911", "", False, True)),
        ((), "<sip:x", Caller("anonymous", "", True, False)),
        ((), "<sip:+34911;verstat=TN-Validation-Passed@x>;tag=1", Caller("+34911", "", False, True)),
        (("P-Asserted-Identity: <tel:+34911;verstat=TN-Validation-Failed>",), FROM, Caller("+34911", "", False, False)),
    ],
)
def test_who_calls(lines: tuple[str, ...], sender: str, caller: Caller) -> None:
    assert said(*lines, sender=sender) == caller


def test_when_a_number_counts_as_verified_is_a_setting() -> None:
    assert said(trust=TrustedCaller.ALWAYS).verified
    assert not said(trust=TrustedCaller.ALWAYS, sender=HIDDEN).verified
    assert not said("P-Asserted-Identity: <sip:+34911@pbx>", trust=TrustedCaller.NEVER).verified


def arrived(*headers: str) -> Arrived:
    called = Called()
    called.arrive(*headers)
    return called.ana.last(Arrived)


def test_a_call_tells_its_caller_and_hides_nothing_from_us() -> None:
    event = arrived('P-Asserted-Identity: "Real" <sip:+34911@pbx>', "Privacy: id")
    assert (event.caller, event.caller_name, event.private, event.verified) == ("+34911", "Real", True, True)


@pytest.mark.parametrize(
    ("headers", "diversions"),
    [
        ((), ()),
        (("Diversion: <sip:200@x>;reason=no-answer, <sip:201@x>;reason=user-busy", "Diversion: <tel:+34911>"), ("200", "201", "+34911")),
        (("Diversion: <sip:200@x>;privacy=full", "Diversion: <sip:x>"), ("anonymous",)),
        (('Diversion: "x', "Diversion: <sip:200@x>"), ()),
        (("History-Info: <sip:200@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:100@x;cause=302>;index=1.1",), ("200",)),
        (
            ("History-Info: <sip:200@x>;index=1", "History-Info: <sip:201@x>;index=1.1;mp=1", "History-Info: <sip:1@x>;index=1.2;rc=1.1"),
            ("201", "200"),
        ),
        (("History-Info: <sip:200@x>;index=1, <sip:100@x>;index=1.1",), ()),
        (("History-Info: <sip:200@x?Privacy=history&Reason=SIP>;index=1, <sip:100@x>;index=1.1",), ("anonymous",)),
        (("Diversion: <sip:200@x>", "History-Info: <sip:200@x?Reason=SIP>;index=1, <sip:100@x>;index=1.1"), ("200",)),
        (("Diversion: " + ", ".join(f"<sip:{number}@x>" for number in range(40)),), tuple(str(number) for number in range(10))),
    ],
)
def test_who_sent_the_call_on(headers: tuple[str, ...], diversions: tuple[str, ...]) -> None:
    assert arrived(*headers).diversions == diversions


def invite(*, private: bool = False, caller_number: str = "", diverted_by: str = "", **settings: object) -> Request:
    pair = Pair(display_name="House", **settings)
    pair.ana.agent.dial("a", "200", "", endpoint(), pair.network.now, private=private, caller_number=caller_number, diverted_by=diverted_by)
    pair.run(0.1)
    return pair.network.requests("INVITE")[0]


def test_a_trunk_by_address_asserts_and_a_phone_of_the_pbx_prefers() -> None:
    assert invite().get("P-Asserted-Identity") == '"House" <sip:100@10.0.0.2>'
    assert invite(identity_header=IdentityHeader.PREFERRED).get("P-Preferred-Identity") == '"House" <sip:100@10.0.0.2>'
    assert (
        invite(identity_header=IdentityHeader.REMOTE_PARTY).get("Remote-Party-ID")
        == '"House" <sip:100@10.0.0.2>;party=calling;privacy=off;screen=no'
    )
    bare = invite(identity_header=IdentityHeader.NONE)
    assert not [name for name, _ in bare.headers if name.startswith("P-") or name == "Remote-Party-ID"]
    assert invite().get("Privacy") is None


def test_a_team_calls_under_its_own_number_and_a_phone_of_the_pbx_still_says_which_one_it_is() -> None:
    ours = invite(caller_number="+34911222333")
    assert ours.from_address.uri == "sip:+34911222333@10.0.0.2"
    assert ours.get("P-Asserted-Identity") == '"House" <sip:+34911222333@10.0.0.2>'
    wished = invite(caller_number="+34911222333", identity_header=IdentityHeader.PREFERRED)
    assert wished.from_address.uri == "sip:100@10.0.0.2"
    assert wished.get("P-Preferred-Identity") == '"House" <sip:+34911222333@10.0.0.2>'
    hidden = invite(caller_number="+34911222333", private=True)
    assert hidden.from_address.uri == "sip:anonymous@anonymous.invalid" and "+34911222333" in (hidden.get("P-Asserted-Identity") or "")


def test_a_private_call_is_from_nobody_and_the_pbx_knows_who_it_is() -> None:
    request = invite(private=True)
    assert str(request.from_address).startswith('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
    assert request.get("Privacy") == "id" and "sip:100@" in (request.get("P-Asserted-Identity") or "")
    hidden = invite(private=True, identity_header=IdentityHeader.REMOTE_PARTY)
    assert "privacy=full" in (hidden.get("Remote-Party-ID") or "")


def test_a_call_sent_on_says_by_whom_in_both_forms_and_is_understood() -> None:
    request = invite(diverted_by="+34911")
    assert request.get("Diversion") == "<sip:+34911@10.0.0.2>;reason=unknown;counter=1"
    assert request.values("History-Info") == [
        "<sip:+34911@10.0.0.2?Reason=SIP%3Bcause%3D302>;index=1",
        "<sip:200@10.0.0.2;cause=302>;index=1.1;mp=1",
    ]
    assert arrived(f"History-Info: {request.get('History-Info')}").diversions == ("+34911",)


def test_a_diverter_that_would_break_a_header_is_refused() -> None:
    pair = Pair()
    pair.ana.agent.dial("a", "200", "", endpoint(), pair.network.now, diverted_by="1\r\nX: 1")
    pair.run(0.1)
    assert pair.ana.last(Refused).cause.sip == 484
