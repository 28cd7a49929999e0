"""The PBX registers here, in virtual time: challenges, contacts, guessed passwords, strangers, and calls to where it registered."""

from collections.abc import Iterable
from contextlib import suppress
from random import Random

import pytest

from pbx.challenger import Challenger, Verdict
from pbx.digest import Credentials, answer_challenge, parse_challenge
from pbx.guesses import Guesses
from pbx.message import BadMessage, Request, Response
from pbx.sip_settings import RegistrarSettings
from pbx.transactions import Hop
from pbx.trunk import Answered, Arrived, HungUp, Refused, StatusChanged, TrunkStatus
from rooms.causes import Cause, EndReason
from tests.kit.sip_fuzz import Spoiler
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp

RINSTANCE = "sip:200@10.0.0.9:5060;rinstance=0a1b2c"
RIGHT = Credentials("auth-200", "secret")


class Registrarship:
    """Us at 10.0.0.1, and a PBX at 10.0.0.9 whose every word the test chooses."""

    def __init__(self, rules: RegistrarSettings | None = None, **settings: object) -> None:
        self.network = VirtualSip()
        chosen = {"auth_id": "auth-200", "password": "secret", "keepalive_s": 0.0, "domain": "us.test", **settings}
        self.us = VirtualPhone(self.network, "10.0.0.1", "", "200", 1, registrar=rules or RegistrarSettings(), **chosen)
        self.pbx = ScriptedPeer(self.network)
        self.us.agent.open(self.network.now)
        self._cseq = 0

    @property
    def status(self) -> TrunkStatus:
        return self.us.agent.registration.status

    def run(self, seconds: float = 0.1) -> None:
        self.network.run(seconds)

    def send(self, *headers: str, to: str = "200", call_id: str = "r1", cseq: int = 0, peer: ScriptedPeer | None = None) -> Response | None:
        """A REGISTER, and what was answered."""
        sender = peer or self.pbx
        self._cseq += 1
        number = cseq or self._cseq
        before = len(sender.got)
        sender.send(
            f"""REGISTER sip:us.test SIP/2.0
            Via: SIP/2.0/UDP {sender.here.host}:5060;branch=z9hG4bK{self._cseq};rport
            Max-Forwards: 70
            From: <sip:{to}@us.test>;tag=a
            To: <sip:{to}@us.test>
            Call-ID: {call_id}
            CSeq: {number} REGISTER"""
            + "".join("\n" + header for header in headers)
        )
        self.run()
        answers = [message for message in sender.got[before:] if isinstance(message, Response)]
        return answers[-1] if answers else None

    def answer(self, response: Response, credentials: Credentials = RIGHT, *, algorithm: str = "MD5", nc: int = 1, qop: bool = True) -> str:
        """An Authorization header to one of the challenges."""
        challenges = [parse_challenge(text) for text in response.lines("WWW-Authenticate")]
        chosen = next(each for each in challenges if each is not None and each.algorithm == algorithm)
        if not qop:
            chosen = type(chosen)(chosen.realm, chosen.nonce, chosen.algorithm, "", None, False)
        value = answer_challenge(chosen, credentials, method="REGISTER", uri="sip:us.test", cnonce="c0ffee", nonce_count=nc)
        return "Authorization: " + value

    def register(self, *headers: str, contact: str = f"Contact: <{RINSTANCE}>", cseq: int = 0, **options: str) -> Response:
        """The whole exchange: asked, challenged, answered."""
        challenged = self.send(*headers, contact, cseq=cseq, **options)  # type: ignore[arg-type]
        assert challenged is not None and challenged.status == 401
        answered = self.send(self.answer(challenged), *headers, contact, cseq=cseq and cseq + 1, **options)  # type: ignore[arg-type]
        assert answered is not None
        return answered


def test_a_pbx_registers_and_its_whole_contact_is_called() -> None:
    line = Registrarship()
    assert not line.status.ready and "has not registered here yet" in line.status.detail
    accepted = line.register("Expires: 120")
    assert accepted.status == 200 and accepted.lines("Contact") == [f"<{RINSTANCE}>;expires=120"]
    assert line.status.ready and "registered here as 200, from 10.0.0.9:5060" in line.status.detail
    line.us.dial("+34600111222")
    line.run()
    (invite,) = line.pbx.requests("INVITE")
    assert invite.uri == RINSTANCE
    assert invite.to_address.uri == "sip:+34600111222@us.test"


def test_a_call_without_a_registered_pbx_says_so() -> None:
    line = Registrarship()
    line.us.dial()
    line.run()
    cause = line.us.last(Refused).cause
    assert (cause.reason, cause.sip) == (EndReason.UNREACHABLE, 503) and "has not registered here yet" in cause.detail
    assert not line.pbx.got


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", [True, False])
def test_each_algorithm_with_and_without_qop(algorithm: str, qop: bool) -> None:
    line = Registrarship(RegistrarSettings(digests=("SHA-256", "MD5")))
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None
    offered = [parse_challenge(text) for text in challenged.lines("WWW-Authenticate")]
    assert [each.algorithm for each in offered if each] == ["SHA-256", "MD5"], "the preferred one first"
    accepted = line.send(line.answer(challenged, algorithm=algorithm, qop=qop), f"Contact: <{RINSTANCE}>")
    assert accepted is not None and accepted.status == 200


def test_only_what_was_offered_is_accepted() -> None:
    line = Registrarship(RegistrarSettings(digests=("SHA-256",)))
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None and len(challenged.lines("WWW-Authenticate")) == 1
    weaker = line.answer(challenged, algorithm="SHA-256").replace("algorithm=SHA-256", "algorithm=MD5")
    refused = line.send(weaker, f"Contact: <{RINSTANCE}>")
    assert refused is not None and refused.status == 401


def test_what_was_overheard_cannot_be_said_again() -> None:
    line = Registrarship()
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None
    said = line.answer(challenged)
    assert line.send(said, f"Contact: <{RINSTANCE}>").status == 200  # type: ignore[union-attr]
    again = line.send(said, "Contact: <sip:thief@10.0.0.66>", call_id="other")
    assert again is not None and again.status == 401 and "stale=true" in (again.get("WWW-Authenticate") or "")
    assert line.us.line.reach is not None and line.us.line.reach.uri == RINSTANCE
    later = line.send(line.answer(challenged, nc=2), f"Contact: <{RINSTANCE}>")
    assert later is not None and later.status == 200, "the nonce goes on with a higher count"
    assert line.us.line.counts["wrong_passwords"] == 0


def test_an_old_nonce_is_stale_and_nothing_worse() -> None:
    line = Registrarship(RegistrarSettings(nonce_s=300))
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None
    line.run(301)
    late = line.send(line.answer(challenged), f"Contact: <{RINSTANCE}>")
    assert late is not None and late.status == 401 and "stale=true" in (late.get("WWW-Authenticate") or "")
    accepted = line.send(line.answer(late), f"Contact: <{RINSTANCE}>")
    assert accepted is not None and accepted.status == 200


def test_a_wrong_name_and_a_wrong_password_look_alike() -> None:
    told = []
    for credentials in (Credentials("auth-200", "guess"), Credentials("nobody", "secret"), Credentials("nobody", "guess")):
        line = Registrarship()
        challenged = line.send(f"Contact: <{RINSTANCE}>")
        assert challenged is not None
        refused = line.send(line.answer(challenged, credentials), f"Contact: <{RINSTANCE}>")
        assert refused is not None and line.us.line.counts["wrong_passwords"] == 1
        told.append([name for name, _ in refused.headers] + [str(refused.status), refused.reason])
        assert "stale" not in (refused.get("WWW-Authenticate") or "")
        assert "wrong Auth ID or password" in line.status.detail and not line.status.ready
    assert told[0] == told[1] == told[2]
    assert Registrarship().send("Contact: <sip:x@10.0.0.9>", to="no-such-name").status == 401  # type: ignore[union-attr]


def test_who_guesses_is_not_heard_ever_longer() -> None:
    line = Registrarship()
    thief = ScriptedPeer(line.network, host="203.0.113.9")
    silences = []
    for number in range(6):
        waited = 0.0
        while (challenged := line.send("Contact: <sip:t@203.0.113.9>", peer=thief)) is None:
            line.run(0.9)
            waited += 1.0
        silences.append(waited)
        assert line.send(line.answer(challenged, Credentials("auth-200", f"{number}")), "Contact: <sip:t@203.0.113.9>", peer=thief)
    assert silences[0] == 0 and silences == sorted(silences) and silences[-1] >= 590
    assert line.us.line.counts["wrong_passwords"] == 6 and line.us.line.counts["sources_blocked"] == 2
    assert line.us.line.counts["dropped_untrusted"] > 500
    assert line.register("Expires: 120").status == 200, "others are heard all the while"


def test_a_forged_source_cannot_have_the_pbx_silenced() -> None:
    """Who cannot read our challenge cannot answer it, so a wrong answer under the PBX's address is no guess of its."""
    line = Registrarship()
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None
    forged = line.answer(challenged, Credentials("auth-200", "guess")).replace('nonce="', 'nonce="0')
    for _ in range(4):
        line.run(1)
        assert line.send(forged, f"Contact: <{RINSTANCE}>") is not None
    assert line.us.line.counts["wrong_passwords"] == 0
    line.run(5)
    assert line.register().status == 200


def test_strangers_are_heard_only_when_they_register() -> None:
    line = Registrarship()
    stranger = ScriptedPeer(line.network, host="203.0.113.9")
    for method in ("INVITE", "OPTIONS", "BYE"):
        stranger.send(
            f"""{method} sip:200@10.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKs{method}
            From: <sip:+34900@us.test>;tag=s
            To: <sip:200@us.test>
            Call-ID: s{method}
            CSeq: 1 {method}
            Contact: <sip:s@203.0.113.9>"""
        )
    line.run(40)
    assert not stranger.got and not line.us.count(Arrived)
    assert line.us.line.counts["dropped_untrusted"] == 3


def test_an_address_that_the_settings_name_is_heard_before_it_registers() -> None:
    line = Registrarship(trusted=("10.0.0.0/24",))
    line.pbx.send(
        """OPTIONS sip:200@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKo
        From: <sip:x@us.test>;tag=s
        To: <sip:200@us.test>
        Call-ID: o
        CSeq: 1 OPTIONS"""
    )
    line.run()
    assert line.pbx.statuses() == [200]


def test_a_short_registration_is_told_the_shortest() -> None:
    line = Registrarship(RegistrarSettings(shortest_s=60))
    refused = line.register("Expires: 30")
    assert refused.status == 423 and refused.get("Min-Expires") == "60"
    assert line.register(contact=f"Contact: <{RINSTANCE}>;expires=999999").lines("Contact") == [f"<{RINSTANCE}>;expires=300"]


def test_it_is_over_when_its_time_is() -> None:
    line = Registrarship()
    line.register("Expires: 120")
    line.run(119)
    assert line.status.ready
    line.run(2)
    assert not line.status.ready and "no longer registered" in line.status.detail
    assert isinstance(line.us.events[-1], StatusChanged)


def test_one_contact_is_removed_or_all() -> None:
    line = Registrarship()
    line.register(contact=f"Contact: <{RINSTANCE}>, <sip:200@10.0.0.9:5070>;q=0.3")
    assert line.us.line.reach is not None and line.us.line.reach.uri == RINSTANCE, "the higher q is called"
    left = line.register(contact=f"Contact: <{RINSTANCE}>;expires=0")
    assert [text.split(">")[0] for text in left.lines("Contact")] == ["<sip:200@10.0.0.9:5070"]
    assert line.us.line.reach.uri == "sip:200@10.0.0.9:5070"
    assert line.register("Expires: 60", contact="Contact: *").status == 400
    assert line.register(contact="Contact: *").status == 400
    gone = line.register("Expires: 0", contact="Contact: *")
    assert gone.status == 200 and not gone.lines("Contact") and not line.status.ready


def test_contacts_can_be_asked_for() -> None:
    line = Registrarship()
    line.register("Expires: 120")
    challenged = line.send()
    assert challenged is not None
    told = line.send(line.answer(challenged))
    assert told is not None and told.status == 200 and len(told.lines("Contact")) == 1


def test_more_contacts_than_anybody_needs_are_forgotten() -> None:
    line = Registrarship()
    for number in range(12):
        line.register(contact=f"Contact: <sip:200@10.0.0.9:{5000 + number}>", call_id=f"c{number}")
    challenged = line.send()
    assert challenged is not None
    told = line.send(line.answer(challenged))
    assert told is not None and len(told.lines("Contact")) == 8


def test_an_older_register_of_the_same_call_id_changes_nothing() -> None:
    line = Registrarship()
    line.register("Expires: 120", cseq=50)
    refused = line.register("Expires: 0", contact=f"Contact: <{RINSTANCE}>", cseq=48)
    assert refused.status == 500 and line.status.ready
    assert line.register("Expires: 120", cseq=1, call_id="after-a-restart").status == 200


def test_only_our_own_name_has_contacts_here() -> None:
    line = Registrarship()
    assert line.register(to="201").status == 404
    assert line.register(to="auth-200").status == 200, "3CX may register under its Auth ID"


def test_the_way_back_is_the_way_it_came() -> None:
    """Behind a NAT the Contact means nothing here, and a proxy that wants to stay on the way says so (Path)."""
    line = Registrarship()
    nat = ScriptedPeer(line.network, host="198.51.100.7")
    for _ in range(2):
        contact = ("Contact: <sip:200@192.168.1.5:5060;rinstance=ff>", "Path: <sip:edge.test;lr>", "Supported: path")
        challenged = line.send(*contact, peer=nat)
        assert challenged is not None
        line.send(line.answer(challenged), *contact, peer=nat)
    line.us.dial("600")
    line.run()
    (invite,) = nat.requests("INVITE")
    assert invite.uri == "sip:200@192.168.1.5:5060;rinstance=ff" and invite.lines("Route") == ["<sip:edge.test;lr>"]


def test_requests_inside_a_call_go_there_too() -> None:
    line = Registrarship()
    line.register("Expires: 120", contact="Contact: <sip:200@192.168.1.5:5060;rinstance=ff>")
    line.us.dial("600")
    line.run()
    (invite,) = line.pbx.requests("INVITE")
    line.pbx.reply(invite, 200, tag="t", headers=(("Contact", "<sip:200@192.168.1.5:5060>"),), body=sdp())
    line.run()
    line.us.agent.hang_up("a", Cause(EndReason.COMPLETED), line.network.now)
    line.run()
    assert len(line.pbx.requests("ACK")) == 1 and len(line.pbx.requests("BYE")) == 1


def test_a_registered_pbx_is_watched() -> None:
    line = Registrarship(keepalive_s=30.0)
    line.register("Expires: 300")
    line.run(31)
    assert {options.uri for options in line.pbx.requests("OPTIONS")} == {RINSTANCE}
    line.run(33)
    assert not line.status.ready and "does not answer" in line.status.detail
    line.pbx.on_request = lambda request: line.pbx.reply(request, 200)
    line.run(61)
    assert line.status.ready


def test_its_calls_may_have_to_prove_the_password() -> None:
    line = Registrarship(RegistrarSettings(challenge_calls=True))
    line.register("Expires: 120")

    def invite(number: int, *headers: str) -> Response:
        line.pbx.send(
            f"""INVITE sip:200@10.0.0.1 SIP/2.0
            Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKi{number}
            From: <sip:+34600@us.test>;tag=i
            To: <sip:200@us.test>
            Call-ID: i
            CSeq: {number} INVITE
            Contact: <sip:pbx@10.0.0.9:5060>
            Content-Type: application/sdp"""
            + "".join("\n" + header for header in headers),
            sdp(),
        )
        line.run()
        return [message for message in line.pbx.got if isinstance(message, Response) and message.cseq == (number, "INVITE")][-1]

    challenged = invite(1)
    assert challenged.status == 401 and not line.us.count(Arrived)
    chosen = parse_challenge(challenged.lines("WWW-Authenticate")[-1])
    assert chosen is not None
    value = answer_challenge(chosen, RIGHT, method="INVITE", uri="sip:200@10.0.0.1", cnonce="c")
    assert invite(2, f"Authorization: {value}").status == 100 and line.us.count(Arrived) == 1


@pytest.mark.parametrize(
    "header",
    [
        "Contact: <<<",
        "Contact: <tel:+34600>",
        f"Contact: <{RINSTANCE}>;q=high",
        "Authorization: Digest realm=",
        'Authorization: Digest realm="x',
        "Contact: *, <sip:a@b>",
    ],
)
def test_a_register_that_cannot_be_read_changes_nothing(header: str) -> None:
    line = Registrarship()
    challenged = line.send(f"Contact: <{RINSTANCE}>")
    assert challenged is not None
    answered = line.send(*([] if header.startswith("Auth") else [line.answer(challenged)]), header)
    assert answered is not None and answered.status in (400, 401)
    assert not line.status.ready


def test_two_of_ours_one_as_a_pbx_that_registers() -> None:
    network = VirtualSip()
    us = VirtualPhone(network, "10.0.0.1", "", "200", 1, registrar=RegistrarSettings(), password="secret", auth_id="auth", domain="us.test")
    pbx = VirtualPhone(
        network, "10.0.0.2", "10.0.0.1", "200", 2, register=True, password="secret", auth_id="auth", domain="us.test", registration_s=120
    )
    us.agent.open(network.now)
    pbx.agent.open(network.now)
    network.run(1000)
    assert us.agent.registration.status.ready and pbx.agent.registration.status.ready
    us.dial("600")
    network.run(0.1)
    arrived = pbx.last(Arrived)
    assert arrived.called == "600"
    pbx.agent.answer(arrived.leg_id, endpoint(), network.now)
    network.run(0.1)
    assert us.count(Answered) == 1
    pbx.dial("100", "b")
    network.run(0.1)
    assert us.last(Arrived).called == "100"
    pbx.agent.close(network.now)
    network.run(1)
    assert not us.agent.registration.status.ready and us.count(HungUp) == 2


def test_nonces_of_others_and_of_before_are_not_ours() -> None:
    def challenger() -> Challenger:
        random = Random(next(seeds))
        return Challenger("r", RIGHT, algorithms=("MD5",), lifetime_s=300, token=lambda octets: random.randbytes(octets).hex())

    seeds = iter(range(10))
    one, other = challenger(), challenger()

    def request(challenges: Iterable[tuple[str, str]]) -> Request:
        chosen = parse_challenge(next(iter(challenges))[1])
        assert chosen is not None
        value = answer_challenge(chosen, RIGHT, method="REGISTER", uri="sip:r", cnonce="c")
        return Request([("Authorization", value)], b"", "REGISTER", "sip:r")

    assert one.verdict(request(one.challenges("10.0.0.9", 0)), "10.0.0.9", 1) is Verdict.RIGHT
    assert one.verdict(request(other.challenges("10.0.0.9", 0)), "10.0.0.9", 1) is Verdict.STALE
    assert one.verdict(request(one.challenges("10.0.0.9", 0)), "10.0.0.8", 1) is Verdict.STALE, "given to another address"
    assert one.verdict(Request([], b"", "REGISTER", "sip:r"), "10.0.0.9", 1) is Verdict.NONE


def test_guessing_from_many_addresses_of_one_site_is_one_source() -> None:
    guesses = Guesses()
    for number in range(5):
        guesses.wrong(f"2001:db8:1:2::{number:x}", 0)
    assert not guesses.hears("2001:db8:1:2:ffff::1", 500) and guesses.hears("2001:db8:1:3::1", 500)


def test_the_table_of_sources_is_bounded() -> None:
    guesses = Guesses()
    guesses.wrong("203.0.113.1", 0)
    for number in range(5000):
        guesses.hears(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 0)
    assert len(guesses._sources) == 4096


def test_who_guesses_from_the_address_of_the_pbx_does_not_keep_it_out() -> None:
    """Behind one NAT they cannot be told apart: both wait, but never longer than half a minute, and calls go on."""
    line = Registrarship()
    line.register("Expires: 300")
    for number in range(8):
        while (challenged := line.send("Contact: <sip:t@10.0.0.9>")) is None:
            line.run(1)
        line.send(line.answer(challenged, Credentials("auth-200", f"{number}")), "Contact: <sip:t@10.0.0.9>")
    assert line.us.line.counts["sources_blocked"] == 4 and line.status.ready
    before = line.network.now
    while line.send() is None:
        line.run(1)
    assert 25 < line.network.now - before < 35
    assert line.register("Expires: 300").status == 200


def test_all_strangers_together_are_bounded() -> None:
    guesses = Guesses()
    heard = sum(guesses.hears(f"10.0.{number // 256}.{number % 256}", 100.0) for number in range(2000))
    assert heard == 100
    guesses.right("10.1.1.1")
    assert guesses.hears("10.1.1.1", 100.0, shared=True), "but a PBX that is registered is heard"


@pytest.mark.parametrize("seed", range(6))
def test_spoiled_registrations_are_endured(seed: int) -> None:
    line, spoiler = Registrarship(), Spoiler(Random(seed))

    def tolerant(data: bytes, source: Hop) -> None:
        # An answer to what is broken may carry what is broken in it.
        with suppress(BadMessage):
            line.pbx._receive(data, source)

    line.network.attach("10.0.0.9", tolerant)
    line.register("Expires: 300", call_id="good")
    for number in range(150):
        if number % 10 == 0:
            line.run(31)
        challenged = line.send("Contact: <sip:x@10.0.0.9>") if number % 3 else None
        data = spoiler.request("REGISTER", f"f{number}", number + 1)
        if challenged is not None:
            head = data.decode().replace(
                "Contact: <sip:clara@10.0.0.9>", f"{line.answer(challenged)}\r\nContact: <{RINSTANCE}>;expires=200"
            )
            data = head.replace("sip:100@", "sip:200@").replace("REGISTER sip:200@10.0.0.1", "REGISTER sip:us.test").encode()
        line.network.post_bytes(spoiler.spoil(data), line.pbx.here, line.pbx.there)
        line.run(0.5)
    line.run(60)
    assert len(line.us.agent.registration._bindings) <= 8  # type: ignore[union-attr]
    assert line.register("Expires: 120", call_id="after").status == 200


def test_a_lost_connection_is_said_until_it_registers_again() -> None:
    line = Registrarship()
    line.register("Expires: 300")
    line.us.agent.connection_lost(line.pbx.here, line.network.now)
    assert not line.status.ready and "connection to the PBX was lost" in line.status.detail
    line.register("Expires: 300")
    assert line.status.ready


def test_a_line_break_before_a_register_hides_nothing() -> None:
    line = Registrarship()
    line.network.post_bytes(
        b"\r\n\r\nREGISTER sip:us.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx;rport\r\nFrom: <sip:200@us.test>;tag=a\r\n"
        b"To: <sip:200@us.test>\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n",
        line.pbx.here,
        line.pbx.there,
    )
    line.run()
    assert line.pbx.statuses() == [401]


def test_while_one_contact_does_not_answer_the_next_one_is_called() -> None:
    line = Registrarship(keepalive_s=30.0)
    other = ScriptedPeer(line.network, host="10.0.0.8")
    other.on_request = lambda request: other.reply(request, 200)
    line.register("Expires: 300")
    challenged = line.send("Contact: <sip:200@10.0.0.8>;q=0.5", peer=other, call_id="other")
    assert challenged is not None
    line.send(line.answer(challenged), "Contact: <sip:200@10.0.0.8>;q=0.5", "Expires: 300", peer=other, call_id="other")
    assert line.us.line.reach is not None and line.us.line.reach.uri == RINSTANCE
    line.run(63)
    assert line.us.line.reach.uri == "sip:200@10.0.0.8" and line.status.ready and "10.0.0.8" in line.status.detail
    line.register("Expires: 300")
    assert line.us.line.reach.uri == RINSTANCE, "it is there again"


def test_silence_at_a_contact_that_has_gone_says_nothing_of_the_new_one() -> None:
    line = Registrarship(keepalive_s=30.0)
    line.register("Expires: 300")
    line.run(31)
    line.register(contact=f"Contact: <{RINSTANCE}>;expires=0, <sip:200@10.0.0.9:5060;rinstance=ffff>")
    line.pbx.on_request = lambda request: line.pbx.reply(request, 200)
    line.run(25)
    assert line.status.ready
    line.run(20)
    assert line.status.ready and line.us.line.reach is not None and line.us.line.reach.uri.endswith("ffff")


def test_a_pbx_that_is_no_longer_registered_ends_its_calls_and_begins_none() -> None:
    line = Registrarship()
    line.register("Expires: 60")
    line.us.dial("600")
    line.run()
    (invite,) = line.pbx.requests("INVITE")
    line.pbx.reply(invite, 200, tag="t", headers=(("Contact", "<sip:200@10.0.0.9:5060>"),), body=sdp())
    line.run(70)
    assert not line.status.ready
    line.pbx.send(
        """INVITE sip:200@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKn
        From: <sip:+34600@us.test>;tag=n
        To: <sip:200@us.test>
        Call-ID: n
        CSeq: 1 INVITE
        Contact: <sip:pbx@10.0.0.9:5060>
        Content-Type: application/sdp""",
        sdp(),
    )
    line.run()
    assert line.pbx.statuses()[-1] == 403 and not line.us.count(Arrived)
    line.pbx.send(
        f"""BYE sip:200@10.0.0.1 SIP/2.0
        Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKb
        From: {invite.get("To")};tag=t
        To: {invite.get("From")}
        Call-ID: {invite.call_id}
        CSeq: 7 BYE"""
    )
    line.run()
    assert line.us.count(HungUp) == 1
