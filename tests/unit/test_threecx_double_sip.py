"""The emulated 3CX in SIP, on a network without sockets: our own user agent as extension, a provider's registrar, raw INVITEs."""

import re
from random import Random

import pytest

from pbx.message import AnyMessage, BadMessage, Request, Response, build, parse_message, respond
from pbx.sdes import SrtpMode
from pbx.sip_settings import RegistrarSettings
from pbx.threecx import g711
from pbx.threecx.double.calls import Calls, Change, Digits
from pbx.threecx.double.directory import Reaction, demo_directory
from pbx.threecx.double.legs import Leg, Status
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.records import Records
from pbx.threecx.double.sip import Sip
from pbx.transaction import ack_of_refusal
from pbx.transactions import Hop
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Refused, StatusChanged, TransferProgressed
from rooms.audio import PCMA, RtpEndpoint
from rooms.causes import Cause, EndReason
from tests.kit.sip_fuzz import Spoiler
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint

PBX, PHONE, PROVIDER = "192.0.2.10", "192.0.2.20", "192.0.2.30"
OUTSIDE = "+34600111222"
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\n"
)


class QuietTalk:
    """RTP that only remembers what it was told."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.address = (PBX, 9000 + 2 * leg.id)
        self.remote: RtpEndpoint | None = None
        self.pressed = ""
        self.ended = False

    def begin(self, remote: RtpEndpoint) -> None:
        self.remote = remote

    def end(self) -> None:
        self.ended = True

    def press(self, digit: str) -> None:
        self.pressed += digit


class Pbx:
    """The emulator's calls and SIP, as one agent of the network."""

    def __init__(self, network: VirtualSip, *, can_encrypt: bool = False, **choices: str) -> None:
        self.network = network
        self.directory = demo_directory()
        self.changes: list[Change] = []
        self.talks: list[QuietTalk] = []
        self.calls = Calls(self.directory, Manners().with_(**choices), self.changed, random=Random(1))
        self.records = Records(self.directory, random=Random(2))
        self.sip = Sip(self.calls, self.records, self.send, self.talk, random=Random(3), can_encrypt=can_encrypt)
        self.sip.host = PBX
        self.calls.timers.advance(network.now)
        network.attach(PBX, self.receive)
        network.add(self)  # type: ignore[arg-type]  # it has what the network asks of an agent

    def changed(self, change: Change) -> None:
        self.changes.append(change)
        self.sip.changed(change)

    def talk(self, leg: Leg) -> QuietTalk:
        self.talks.append(QuietTalk(leg))
        return self.talks[-1]

    def send(self, message: AnyMessage, hop: Hop) -> None:
        self.network.post(message, Hop("udp", PBX, 5060), hop)

    def receive(self, data: bytes, source: Hop) -> None:
        try:
            message = parse_message(data)
        except BadMessage as error:
            self.sip.receive_bad(error, source, self.network.now)
        else:
            self.sip.receive(message, source, self.network.now)

    def next_deadline(self) -> float | None:
        return self.calls.timers.next_deadline()

    def expire(self, now: float) -> None:
        self.calls.timers.expire(now)

    def trunk(self, host: str = PROVIDER, **gateway: object) -> dict[str, object]:
        row = self.records.sets["Trunks"][0]
        row["Gateway"] |= {"Host": host, **gateway}
        row["AuthID"] = "centralita"
        self.records.trunk_secrets["10000"] = "trunk-secret"
        self.sip.follow_trunks()
        return row

    def only(self, dn: str) -> Leg:
        (leg,) = self.calls.of(dn)
        return leg


class Provider:
    """What the PBX's trunk registers with: asks for MD5 in the way it is told to, and keeps what it hears."""

    def __init__(self, network: VirtualSip, *, challenge: int = 401) -> None:
        self.network = network
        self.challenge = challenge
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.answer_invites = True
        self.invites: dict[tuple[str, int], Request] = {}
        network.attach(PROVIDER, self.receive)

    def receive(self, data: bytes, source: Hop) -> None:
        message = parse_message(data)
        if isinstance(message, Response):
            self.responses.append(message)
            invite = self.invites.get((message.call_id, message.cseq[0]))
            if invite is not None and message.status >= 300:
                self.send(ack_of_refusal(invite, message), source)
            return
        self.requests.append(message)
        if message.method == "REGISTER":
            given = message.get("Authorization") or message.get("Proxy-Authorization")
            self.send(respond(message, 200 if given else self.challenge, to_tag="t", headers=() if given else self._challenge()), source)
        elif message.method == "INVITE" and self.answer_invites:
            headers = [("Contact", f"<sip:{PROVIDER}>"), ("Content-Type", "application/sdp")]
            response = respond(message, 200, to_tag="called", headers=headers)
            response.body = OFFER
            self.send(response, source)
        elif message.method != "ACK":
            self.send(respond(message, 200, to_tag="called"), source)

    def _challenge(self) -> list[tuple[str, str]]:
        header = "WWW-Authenticate" if self.challenge == 401 else "Proxy-Authenticate"
        return [(header, 'Digest realm="provider", nonce="abc", algorithm=MD5')]

    def send(self, message: AnyMessage, to: Hop) -> None:
        self.network.post(message, Hop("udp", PROVIDER, 5060), to)

    @property
    def contact(self) -> str:
        """The Contact that the PBX registered."""
        contact = next(request for request in reversed(self.requests) if request.method == "REGISTER").contact()
        assert contact is not None
        return contact.uri

    def invite(self, uri: str, called: str, *, caller: str = OUTSIDE, contact: str = "", call_id: str = "c1", body: bytes = OFFER) -> None:
        request = Request(method="INVITE", uri=uri)
        request.headers = [
            ("Via", f"SIP/2.0/UDP {PROVIDER}:5060;branch=z9hG4bK{call_id}i;rport"),
            ("Max-Forwards", "70"),
            ("From", f'"Customer" <sip:{caller}@{PROVIDER}>;tag=f'),
            ("To", f"<sip:{called}@{PBX}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<{contact or f'sip:x@{PROVIDER}'}>"),
            ("Content-Type", "application/sdp"),
        ]
        request.body = body
        self.invites[call_id, 1] = request
        self.send(request, Hop("udp", PBX, 5060))

    def within(self, method: str, cseq: int, *, call_id: str = "c1", body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """A request in the dialog of our INVITE."""
        ok = next(response for response in self.responses if response.status == 200 and response.call_id == call_id)
        request = Request(method=method, uri=f"sip:{PBX}")
        request.headers = [
            ("Via", f"SIP/2.0/UDP {PROVIDER}:5060;branch=z9hG4bK{call_id}{method}{cseq};rport"),
            ("From", ok.get("From") or ""),
            ("To", ok.get("To") or ""),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<sip:x@{PROVIDER}>"),
            *headers,
        ]
        request.body = body
        if method == "INVITE":
            self.invites[call_id, cseq] = request
        self.send(request, Hop("udp", PBX, 5060))

    def statuses(self, call_id: str = "c1") -> list[int]:
        return [response.status for response in self.responses if response.call_id == call_id]


@pytest.fixture
def network() -> VirtualSip:
    return VirtualSip()


def phone_of(network: VirtualSip, *, extension: str = "203", seed: int = 5, **settings: object) -> VirtualPhone:
    chosen = {"register": True, "auth_id": f"demo{extension}", "password": f"secret{extension}", **settings}
    phone = VirtualPhone(network, PHONE, PBX, extension, seed, **chosen)
    phone.agent.open(network.now)
    return phone


# -- extensions: we register there


def test_an_extension_registers_with_its_auth_id_after_a_407(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    assert phone.last(StatusChanged).status.ready
    assert network.responses(407, "REGISTER") and not network.responses(401)
    assert pbx.directory.dns["203"].wired
    row = pbx.records.find("Users", "203")
    assert row is not None and row["IsRegistered"]
    numbers = [request.cseq[0] for request in network.requests("REGISTER")]
    assert numbers == sorted(set(numbers))


def test_the_extensions_number_is_no_auth_id(network: VirtualSip) -> None:
    Pbx(network)
    phone = phone_of(network, auth_id="203")
    network.run(1)
    assert not phone.last(StatusChanged).status.ready
    assert network.responses(403, "REGISTER")


@pytest.mark.parametrize(("choice", "answered"), [("silent", False), ("403", True)])
def test_who_guesses_passwords_is_no_longer_listened_to(network: VirtualSip, choice: str, answered: bool) -> None:
    pbx = Pbx(network, blocked_source=choice)
    for seed in range(3):
        phone_of(network, password="wrong", seed=seed)
        network.run(1)
    assert pbx.sip.checkpoint.blocked() == [PHONE]
    assert len(network.responses(407)) == 3
    phone = phone_of(network)
    seen = len(network.sent)
    network.run(60)
    later = [message for message in network.sent[seen:] if isinstance(message, Response)]
    assert bool(later) == answered and all(response.status == 403 for response in later)
    network.run(6000)
    assert phone.last(StatusChanged).status.ready  # half an hour later it is listened to again


def test_our_own_agent_stops_before_it_is_blocked(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone_of(network, password="wrong", refused_retry_s=1.0)
    network.run(6000)
    assert not pbx.sip.checkpoint.blocked() and network.responses(403)


def test_an_extension_made_by_xapi_registers_and_until_then_its_calls_go_elsewhere(network: VirtualSip) -> None:
    pbx = Pbx(network)
    route = {"AvailableRoute": {"NotRegisteredInternal": {"To": "Extension", "Number": "201"}}}
    row = {"Id": 99, "Number": "250", "AuthID": "secret-id", "AuthPassword": "word", "CurrentProfileName": "Available"}
    pbx.records.created("Users", row | {"ForwardingProfiles": [{"Id": 1, "Name": "Available", **route}]})
    leg = pbx.calls.dial("870", "250")
    assert pbx.calls.of("201") and not pbx.calls.of("250")
    pbx.calls.drop(leg)
    phone = phone_of(network, extension="250", auth_id="secret-id", password="word")
    network.run(1)
    pbx.calls.dial("870", "250")
    network.run(0.5)
    assert phone.last(Arrived) and not pbx.calls.of("201")
    phone.agent.close(network.now)
    network.run(1)
    assert not pbx.directory.dns["250"].wired and not pbx.directory.dns["250"].devices


def test_a_phones_call_is_the_same_call_in_call_control(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    phone.agent.dial("a", OUTSIDE, "", endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    leg = pbx.only("203")
    assert leg.status is Status.DIALING and leg.party.number == OUTSIDE and not leg.direct_control
    network.run(1)
    assert isinstance(phone.last(Answered), Answered) and leg.status is Status.CONNECTED
    assert [codec.name for codec in phone.last(Answered).remote.codecs] == ["pcma"]  # type: ignore[union-attr]
    phone.agent.hang_up("a", Cause(EndReason.COMPLETED), network.now)
    network.run(1)
    assert not pbx.calls.legs and all(talk.ended for talk in pbx.talks)


def test_a_call_rings_the_phone_and_ends_where_either_hangs_up(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    pbx.directory.dids["+34910000003"] = "203"
    trunk = pbx.calls.arrive(OUTSIDE, "+34910000003", name="Customer")
    network.run(0.5)
    arrived = phone.last(Arrived)
    assert arrived.caller == OUTSIDE
    phone.agent.ring(arrived.leg_id, network.now)
    phone.agent.answer(arrived.leg_id, endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    assert phone.last(Confirmed) and pbx.only("203").status is Status.CONNECTED
    assert pbx.talks[0].remote is not None and pbx.talks[0].remote.port == 4000
    pbx.sip.press(pbx.only("203"), "5")
    assert pbx.talks[0].pressed == "5"
    pbx.calls.drop(trunk)
    network.run(1)
    assert phone.last(HungUp).leg_id == arrived.leg_id


def test_a_phone_that_declines_or_is_given_up_on(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    leg = pbx.calls.dial("870", "203")
    network.run(0.5)
    phone.agent.hang_up(phone.last(Arrived).leg_id, Cause(EndReason.BUSY, 486), network.now)
    network.run(0.5)
    assert not leg.alive and leg.reason == "PhoneBusy"
    leg = pbx.calls.dial("870", "203")
    network.run(0.5)
    pbx.calls.drop(leg)
    network.run(0.5)
    assert phone.last(HungUp).cause.reason is EndReason.GAVE_UP and network.requests("CANCEL")


def test_makecall_of_an_extension_in_sip_rings_its_phone_first(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    leg = pbx.calls.dial("203", OUTSIDE)
    network.run(0.5)
    assert leg.status is Status.RINGING
    phone.agent.answer(phone.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), network.now)
    network.run(0.2)
    assert leg.status is Status.DIALING
    network.run(2)
    assert leg.status is Status.CONNECTED


def test_an_extension_holds_and_transfers_by_refer(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    pbx.directory.dns["201"].reaction = Reaction(answer_after_s=1.0)
    phone.agent.dial("a", OUTSIDE, "", endpoint(codecs=(PCMA,)), network.now)
    network.run(2)
    phone.agent.hold("a", True, network.now)
    network.run(0.5)
    assert pbx.talks[0].remote is not None and not pbx.talks[0].remote.direction.receives
    far = pbx.only("10000")
    phone.agent.refer("a", "201", "", network.now)
    network.run(2)
    progressed = [event.status for event in phone.events if isinstance(event, TransferProgressed)]
    assert progressed[-1] == 200 and far.alive and far.other is pbx.only("201")


def test_two_calls_of_an_extension_are_joined_by_a_refer_with_replaces(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone = phone_of(network)
    network.run(1)
    pbx.directory.dns["201"].reaction = Reaction(answer_after_s=0.5)
    phone.agent.dial("a", OUTSIDE, "", endpoint(codecs=(PCMA,)), network.now)
    phone.agent.dial("b", "201", "", endpoint(codecs=(PCMA,)), network.now)
    network.run(2)
    far, consulted = pbx.only("10000"), pbx.only("201")
    phone.agent.refer("a", "201", "b", network.now)
    network.run(2)
    assert far.other is consulted and consulted.other is far and not pbx.calls.of("203")


# -- trunks: the PBX registers with us


@pytest.mark.parametrize("challenge", [401, 407])
def test_a_trunk_registers_first_without_and_then_with_credentials(network: VirtualSip, challenge: int) -> None:
    provider = Provider(network, challenge=challenge)
    row = Pbx(network).trunk(TimeBetweenReg=120)
    network.run(1)
    first, second = provider.requests
    assert first.get("Authorization") is None and first.get("Proxy-Authorization") is None
    assert 'username="centralita"' in (second.get("Authorization") or second.get("Proxy-Authorization") or "")
    assert re.search(r";rinstance=[0-9a-f]{16}$", provider.contact)
    assert (first.get("User-Agent") or "").startswith("3CXPhoneSystem") and first.tokens("Supported") == {"replaces", "timer"}
    assert row["IsOnline"]
    network.run(61)
    assert len(provider.requests) == 4


def test_a_provider_that_is_away_is_tried_again(network: VirtualSip) -> None:
    row = Pbx(network).trunk()
    network.run(40)
    assert not row["IsOnline"]
    Provider(network)
    network.run(40)
    assert row["IsOnline"]


def inbound(network: VirtualSip, **gateway: object) -> tuple[Pbx, Provider, dict[str, object]]:
    provider = Provider(network)
    pbx = Pbx(network)
    row = pbx.trunk(**gateway)
    network.run(1)
    return pbx, provider, row


def test_an_invite_with_the_rinstance_is_the_trunks_and_the_first_codec_is_answered(network: VirtualSip) -> None:
    pbx, provider, _ = inbound(network)
    provider.invite(provider.contact, "+34910000000")
    network.run(0.3)
    ok = provider.responses[-1]
    assert provider.statuses() == [100, 200]
    assert re.findall(rb"m=audio \d+ RTP/AVP (.*)\r", ok.body) == [b"0 101"]  # PCMA stands first on the trunk, but PCMU in the offer
    leg = pbx.only("870")
    assert leg.status is Status.CONNECTED and leg.party.number == OUTSIDE and leg.party.name == "Customer"
    provider.within("ACK", 1)
    provider.within("INFO", 2, body=b"Signal=7\r\n", headers=(("Content-Type", "application/dtmf-relay"),))
    network.run(0.3)
    assert [change.digits for change in pbx.changes if isinstance(change, Digits)] == ["7"]
    provider.within("BYE", 3)
    network.run(0.3)
    assert not pbx.calls.legs


def test_without_ack_the_200_is_repeated_and_the_call_ends(network: VirtualSip) -> None:
    pbx, provider, _ = inbound(network)
    provider.invite(provider.contact, "+34910000000")
    network.run(40)
    assert provider.statuses().count(200) > 5
    assert not pbx.calls.legs


def test_which_invites_find_a_trunk(network: VirtualSip) -> None:
    pbx, provider, row = inbound(network)
    wrong = provider.contact.partition(";")[0]
    provider.invite(f"{wrong};rinstance=0000000000000000", "+34999999999", call_id="nothing")
    provider.invite(wrong, "+34999999999", contact=f"sip:centralita@{PROVIDER}", call_id="contact")
    provider.invite(wrong, "+34910000001", call_id="did")
    row["ExternalNumber"] = "870"
    provider.invite(wrong, "870", call_id="main")
    network.run(0.3)
    assert provider.statuses("nothing") == [404]  # no trunk
    assert provider.statuses("contact") == [404]  # a trunk, but no rule for that number
    assert provider.statuses("did") == [100, 180]
    assert provider.statuses("main") == [100, 200]
    assert pbx.only("200").status is Status.RINGING


def test_an_extension_that_calls_a_did_is_no_trunk(network: VirtualSip) -> None:
    pbx, _, _ = inbound(network)
    phone = phone_of(network)
    network.run(1)
    phone.agent.dial("a", "+34910000001", "", endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    assert pbx.only("203").party.number == "+34910000001" and not pbx.calls.of("200")


def test_a_trunk_registers_anew_when_it_is_changed_and_after_a_restart(network: VirtualSip) -> None:
    pbx, provider, row = inbound(network)
    phone_of(network)
    pbx.calls.arrive(OUTSIDE, "+34910000001", wired=True)
    network.run(1)
    before = len(provider.requests)
    pbx.sip.follow_trunks()
    network.run(1)
    assert len(provider.requests) == before
    row["AuthID"] = "another"
    pbx.sip.follow_trunks()
    network.run(1)
    assert "another" in provider.contact
    before = len(provider.requests)
    pbx.calls.restart()
    pbx.sip.restart()
    network.run(1)
    assert len(provider.requests) == before + 2 and not pbx.directory.dns["203"].wired


def test_an_invite_of_nobody_may_be_challenged_instead(network: VirtualSip) -> None:
    provider = Provider(network)
    Pbx(network, unmatched_invite="407")
    provider.invite(f"sip:{PBX}", "+34910000000")
    network.run(0.3)
    assert provider.statuses() == [407]


def test_a_trunk_by_address_takes_what_comes_from_there(network: VirtualSip) -> None:
    provider = Provider(network)
    row = Pbx(network).trunk(RequireRegistrationFor="Nothing")
    network.run(1)
    assert row["IsOnline"] and not provider.requests
    provider.invite(f"sip:{PBX}", "870")
    network.run(0.3)
    assert provider.statuses() == [100, 200]


def test_inbound_off_is_600_and_full_is_503(network: VirtualSip) -> None:
    pbx, provider, row = inbound(network)
    row["EnableInboundCalls"] = False
    provider.invite(provider.contact, "+34910000000", call_id="off")
    network.run(0.3)
    row["EnableInboundCalls"] = True
    pbx.directory.max_calls = 1
    provider.invite(provider.contact, "+34910000001", call_id="one")
    network.run(0.1)
    provider.invite(provider.contact, "+34910000001", call_id="two")
    network.run(0.3)
    pbx.directory.max_calls = 8
    row["SimultaneousCalls"] = 1
    provider.invite(provider.contact, "+34910000001", call_id="three")
    network.run(0.3)
    assert (provider.statuses("off"), provider.statuses("two"), provider.statuses("three")) == ([600], [503], [503])


def test_reinvite_refer_and_replaces_are_refused_where_the_switches_are_off(network: VirtualSip) -> None:
    pbx, provider, row = inbound(network)
    provider.invite(provider.contact, "+34910000000")
    network.run(0.3)
    provider.within("ACK", 1)
    provider.within("INVITE", 2, body=OFFER, headers=(("Content-Type", "application/sdp"),))
    provider.within("REFER", 3, headers=(("Refer-To", "<sip:201@pbx>"),))
    network.run(0.3)
    assert provider.statuses()[-2:] == [488, 403] and pbx.only("870").alive
    row["Gateway"] |= {"SupportReinvite": True, "SupportReplaces": True}  # type: ignore[operator]
    provider.within("INVITE", 4, body=OFFER.replace(b"t=0 0", b"t=0 0\r\na=sendonly"), headers=(("Content-Type", "application/sdp"),))
    network.run(0.3)
    assert provider.responses[-1].status == 200 and b"a=recvonly" in provider.responses[-1].body


def test_a_caller_may_give_up_before_anybody_answers(network: VirtualSip) -> None:
    pbx, provider, _ = inbound(network)
    provider.invite(provider.contact, "+34910000001")
    network.run(0.3)
    cancel = Request(method="CANCEL", uri=provider.contact)
    cancel.headers = [
        ("Via", f"SIP/2.0/UDP {PROVIDER}:5060;branch=z9hG4bKc1i;rport"),
        ("From", f"<sip:{OUTSIDE}@{PROVIDER}>;tag=f"),
        ("To", f"<sip:+34910000001@{PBX}>"),
        ("Call-ID", "c1"),
        ("CSeq", "1 CANCEL"),
    ]
    provider.send(cancel, Hop("udp", PBX, 5060))
    network.run(0.3)
    assert 487 in provider.statuses() and not pbx.calls.legs


def test_a_call_goes_out_by_the_trunk_and_the_peers_answer_is_the_calls(network: VirtualSip) -> None:
    pbx, provider, _ = inbound(network)
    leg = pbx.calls.dial("870", OUTSIDE)
    network.run(0.5)
    invite = next(request for request in provider.requests if request.method == "INVITE")
    assert invite.uri.startswith(f"sip:{OUTSIDE}@{PROVIDER}") and "+34910000000" in (invite.get("From") or "")
    assert leg.status is Status.CONNECTED
    pbx.calls.drop(leg)
    network.run(0.5)
    assert provider.requests[-1].method == "BYE"


def test_an_outbound_rule_chooses_the_trunk_and_what_is_dialled(network: VirtualSip) -> None:
    pbx, provider, row = inbound(network)
    rule = {"Name": "to us", "Prefix": "77", "Routes": [{"TrunkId": row["Id"], "StripDigits": 2, "Prepend": "+34"}]}
    pbx.records.created("OutboundRules", rule)
    pbx.calls.dial("200", "77600")
    network.run(0.5)
    invite = next(request for request in provider.requests if request.method == "INVITE")
    assert invite.uri.startswith("sip:+34600@")


def test_digits_go_out_by_info_where_the_switch_says_so(network: VirtualSip) -> None:
    provider = Provider(network)
    pbx = Pbx(network, dtmf_out="info", reinvite_off_code="405", replaces_off_code="405")
    pbx.trunk()
    network.run(1)
    pbx.calls.dial("870", OUTSIDE)
    network.run(0.5)
    pbx.sip.press(pbx.only("10000"), "4#")
    network.run(0.5)
    digits = [request.body.split(b"\r")[0] for request in provider.requests if request.method == "INFO"]
    assert digits == [b"Signal=4", b"Signal=#"]
    provider.invite(provider.contact, "+34910000000")
    network.run(0.3)
    provider.within("ACK", 1)
    provider.within("INVITE", 2, body=OFFER, headers=(("Content-Type", "application/sdp"),))
    provider.within("REFER", 3, headers=(("Refer-To", "<sip:201@pbx>"),))
    network.run(0.3)
    assert provider.statuses()[-2:] == [405, 405]


def test_options_is_answered(network: VirtualSip) -> None:
    provider = Provider(network)
    Pbx(network)
    request = Request(method="OPTIONS", uri=f"sip:{PBX}")
    request.headers = [
        ("Via", f"SIP/2.0/UDP {PROVIDER}:5060;branch=z9hG4bKo;rport"),
        ("From", f"<sip:x@{PROVIDER}>;tag=f"),
        ("To", f"<sip:{PBX}>"),
        ("Call-ID", "o"),
        ("CSeq", "1 OPTIONS"),
    ]
    provider.send(request, Hop("udp", PBX, 5060))
    network.run(0.3)
    assert provider.statuses("o") == [200]


def test_encryption_is_offered_on_two_audio_lines_and_one_is_taken(network: VirtualSip) -> None:
    pbx = Pbx(network, can_encrypt=True)
    row = pbx.records.find("Users", "203")
    assert row is not None
    row["SRTPMode"] = "SRTPEnabled"
    phone = phone_of(network, srtp=SrtpMode.OFFERED)
    network.run(1)
    pbx.calls.dial("870", "203")
    network.run(0.5)
    invite = network.requests("INVITE")[-1]
    assert re.findall(rb"m=audio \d+ (\S+)", invite.body) == [b"RTP/SAVP", b"RTP/AVP"] and b"a=crypto:1 " in invite.body
    phone.agent.answer(phone.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    assert pbx.talks[0].remote is not None and pbx.talks[0].remote.srtp is not None
    plain = phone_of(network, srtp=SrtpMode.OFF)
    network.run(1)
    pbx.calls.dial("870", "203")
    network.run(0.5)
    plain.agent.answer(plain.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    assert pbx.talks[1].remote is not None and pbx.talks[1].remote.srtp is None


def test_g711_tables_go_there_and_back() -> None:
    for name in ("pcma", "pcmu"):
        every = bytes(range(256))
        values = g711.decode(name, every)
        again = g711.decode(name, g711.encode(name, values))
        pairs = zip(memoryview(values).cast("h"), memoryview(again).cast("h"), strict=True)
        assert all(abs(one - other) <= max(16, abs(one) // 16) for one, other in pairs)


def test_messages_are_really_built(network: VirtualSip) -> None:
    pbx = Pbx(network)
    phone_of(network)
    network.run(1)
    pbx.calls.dial("870", "203")
    network.run(0.5)
    assert all(build(message) for message in network.sent)
    assert not [event for event in pbx.changes if isinstance(event, Refused)]


# -- trunks: it registers with us


@pytest.mark.parametrize("challenge_calls", [False, True])
def test_it_registers_with_our_own_registrar_and_calls_go_both_ways(network: VirtualSip, challenge_calls: bool) -> None:
    rules = RegistrarSettings(challenge_calls=challenge_calls)
    us = VirtualPhone(network, PROVIDER, "", "centralita", 7, registrar=rules, password="trunk-secret", domain="provider.test")
    us.agent.open(network.now)
    pbx = Pbx(network)
    row = pbx.trunk()
    network.run(1)
    assert row["IsOnline"] and us.last(StatusChanged).status.ready
    us.dial("+34910000000", "a", endpoint(codecs=(PCMA,)))
    network.run(1)
    (invite,) = [request for request in network.requests("INVITE") if request.uri.startswith("sip:centralita@")]
    assert re.search(r";rinstance=[0-9a-f]{16}$", invite.uri) and us.count(Answered) == 1
    us.agent.hang_up("a", Cause(EndReason.COMPLETED), network.now)
    network.run(1)
    assert not pbx.calls.legs
    leg = pbx.calls.dial("870", OUTSIDE)
    network.run(0.5)
    arrived = us.last(Arrived)
    assert arrived.called == OUTSIDE
    us.agent.answer(arrived.leg_id, endpoint(codecs=(PCMA,)), network.now)
    network.run(0.5)
    assert leg.status is Status.CONNECTED and us.count(Confirmed) == 1
    pbx.calls.drop(leg)
    network.run(0.5)
    assert us.count(HungUp) == 1
    network.run(2000)
    assert row["IsOnline"] and us.agent.registration.status.ready


def test_with_a_wrong_password_it_is_told_nothing_and_heard_ever_more_rarely(network: VirtualSip) -> None:
    us = VirtualPhone(network, PROVIDER, "", "centralita", 7, registrar=RegistrarSettings(), password="another", domain="provider.test")
    us.agent.open(network.now)
    row = Pbx(network).trunk()
    network.run(3600)
    assert not row["IsOnline"] and not us.agent.registration.status.ready
    assert "wrong Auth ID or password" in us.agent.registration.status.detail
    assert us.line.counts["wrong_passwords"] < 15 and us.line.counts["dropped_untrusted"] > 20


@pytest.mark.parametrize("seed", range(12))
def test_a_malicious_peer_breaks_nothing_and_leaves_nothing_behind(seed: int) -> None:
    network, spoiler = VirtualSip(), Spoiler(Random(seed))
    chance, peer = spoiler.chance, Hop("udp", "10.0.0.9", 5060)
    pbx = Pbx(network)
    row = pbx.trunk("10.0.0.9", RequireRegistrationFor="Nothing")
    pbx.directory.dids["100"] = ("870", "200", "800")[seed % 3]
    row["ExternalNumber"] = "100"
    tags: dict[str, str] = {}

    def heard(data: bytes, source: Hop) -> None:
        try:
            message = parse_message(data)
        except BadMessage:
            return
        if isinstance(message, Response) and message.status < 300:
            tags[message.call_id] = message.to_address.tag or ""
        elif isinstance(message, Request) and message.method != "ACK" and chance.random() < 0.7:
            status = chance.choice((180, 200, 200, 486, 401, 500))
            network.post_bytes(spoiled(spoiler.response(message, status, body=OFFER)), peer, Hop("udp", PBX, 5060))

    def spoiled(data: bytes) -> bytes:
        return spoiler.spoil(data) if chance.random() < 0.4 else data

    network.attach("10.0.0.9", heard)
    for number in range(80):
        if chance.random() < 0.1 and pbx.calls.active() < 8:
            pbx.calls.dial("870", OUTSIDE)
        call_id = f"c{chance.randrange(4)}"
        method = chance.choice(("INVITE", "INVITE", "ACK", "BYE", "INFO", "REFER", "UPDATE", "CANCEL", "REGISTER", "OPTIONS", "NOTIFY"))
        tag = tags.get(call_id, "") if chance.random() < 0.7 else ""
        data = spoiled(spoiler.request(method, call_id, number + 1, to_tag=tag, body=OFFER if method in ("INVITE", "UPDATE") else b""))
        pbx.receive(data, peer)
        network.run(chance.choice((0.05, 0.3, 2.0)))
    network.attach("10.0.0.9", lambda data, source: None)
    for leg in list(pbx.calls.legs.values()):
        pbx.calls.drop(leg)
    network.run(120)
    assert not pbx.calls.legs and all(talk.ended for talk in pbx.talks)
    assert pbx.next_deadline() is None
