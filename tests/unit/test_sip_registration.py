"""Registration in virtual time: refresh, back-off, refusals in words, NAT, keep-alive."""

import pytest

from pbx.message import Request, respond
from pbx.registration import granted_s
from pbx.trunk import StatusChanged, TrunkStatus
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip

CHALLENGE = (("Proxy-Authenticate", 'Digest realm="3CXPhoneSystem", nonce="n1", algorithm=MD5'),)


class Registering:
    def __init__(self, **settings: object) -> None:
        self.network = VirtualSip()
        self.peer = ScriptedPeer(self.network)
        chosen = {"register": True, "password": "secret", "auth_id": "xyz", **settings}
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, **chosen)
        self.accepting = True
        self.ana.agent.open(self.network.now)

    def run(self, seconds: float = 0.1) -> None:
        self.network.run(seconds)

    @property
    def status(self) -> TrunkStatus:
        return self.ana.agent.registration.status

    @property
    def registers(self) -> list[Request]:
        return self.peer.requests("REGISTER")

    def reply(self, status: int, *headers: tuple[str, str]) -> None:
        self.peer.reply(self.registers[-1], status, tag="r", headers=headers)
        self.run()


def test_a_407_is_answered_with_the_auth_id_and_cseq_grows() -> None:
    line = Registering()
    line.run()
    assert not line.status.ready
    line.reply(407, *CHALLENGE)
    first, second = line.registers
    assert 'username="xyz"' in (second.get("Proxy-Authorization") or "")
    assert second.cseq[0] == first.cseq[0] + 1 and second.call_id == first.call_id
    assert first.from_address.uri == first.to_address.uri == "sip:100@10.0.0.9" and first.uri == "sip:10.0.0.9"
    line.reply(200, ("Contact", "<sip:100@10.0.0.1:5060>;expires=60"))
    assert line.status.ready and "extension 100" in line.status.detail
    assert isinstance(line.ana.events[-1], StatusChanged)


def test_a_pbx_that_is_slow_to_answer_is_named_before_it_has_failed() -> None:
    line = Registering()
    line.run(2)
    assert "not answered" not in line.status.detail
    line.run(2)
    assert not line.status.ready and "has not answered yet" in line.status.detail
    line.reply(200, ("Contact", "<sip:100@10.0.0.1:5060>;expires=60"))
    assert line.status.ready
    line.run(5)
    assert line.status.ready


def test_it_is_refreshed_well_before_it_ends_and_cseq_keeps_growing() -> None:
    line = Registering()
    line.peer.on_request = lambda request: line.peer.reply(request, 200, headers=(("Contact", "<sip:100@10.0.0.1:5060>;expires=100"),))
    line.run(1000)
    assert 18 <= len(line.registers) <= 23
    numbers = [request.cseq[0] for request in line.registers]
    assert numbers == sorted(set(numbers)) and len({request.call_id for request in line.registers}) == 1


def test_a_silent_pbx_is_asked_ever_more_rarely() -> None:
    line = Registering(retry_first_s=5.0, retry_longest_s=300.0)
    line.run(33)
    assert "does not answer" in line.status.detail and "check that it runs" in line.status.detail
    line.run(3600)
    attempts = {request.top_via.branch for request in line.registers}
    assert 12 <= len(attempts) <= 20
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(400)
    assert line.status.ready


def test_a_refused_password_is_tried_rarely() -> None:
    line = Registering(password_retry_s=600.0)
    line.peer.on_request = lambda request: line.peer.reply(request, 407, headers=CHALLENGE)
    line.run(1)
    assert len(line.registers) == 2
    assert not line.status.ready and "refuses the user name or the password" in line.status.detail
    line.run(24 * 3600)
    # 10, 20, 40 min, then every hour.
    assert len(line.registers) / 2 <= 28


@pytest.mark.parametrize(
    ("status", "says"), [(403, "forbids extension 100"), (404, "does not know extension 100"), (500, "refuses to register us: 500")]
)
def test_refusals_say_whose_fault_it_is(status: int, says: str) -> None:
    line = Registering()
    line.run()
    line.reply(status)
    assert says in line.status.detail and "Next attempt in" in line.status.detail


def test_retry_after_is_honoured() -> None:
    line = Registering(retry_first_s=1.0)
    line.run()
    line.reply(503, ("Retry-After", "120"))
    line.run(118)
    assert len(line.registers) == 1
    line.run(5)
    assert len(line.registers) > 1


def test_an_interval_that_is_too_brief_is_raised_once() -> None:
    line = Registering(registration_s=30)
    line.run()
    line.reply(423, ("Min-Expires", "120"))
    assert [request.get("Expires") for request in line.registers] == ["30", "120"]
    line.reply(423, ("Min-Expires", "240"))
    assert len(line.registers) == 2 and not line.status.ready


def test_a_nat_address_seen_by_the_pbx_is_registered() -> None:
    line = Registering()
    line.run()
    first = line.registers[-1]
    via = str(first.top_via).replace(";rport", ";rport=40000;received=203.0.113.7")
    seen = Request(list(first.headers), b"", first.method, first.uri)
    seen.set("Via", via)
    line.peer.reply(seen, 200)
    line.run()
    assert line.registers[-1].get("Contact") == "<sip:100@203.0.113.7:40000>"


def test_a_public_host_is_not_overruled() -> None:
    line = Registering(public_host="198.51.100.1")
    line.ana.line.host = "198.51.100.1"
    line.run()
    line.reply(200)
    assert len(line.registers) == 1 and line.status.ready


def test_a_pbx_that_dies_is_noticed_by_the_keepalive() -> None:
    line = Registering(keepalive_s=30.0, registration_s=3600)
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(100)
    assert line.status.ready and len(line.peer.requests("OPTIONS")) == 3
    line.peer.on_request = None
    line.run(70)
    assert not line.status.ready and "does not answer" in line.status.detail
    line.peer.on_request = lambda request: line.peer.reply(request, 200)
    line.run(60)
    assert line.status.ready


def test_a_trunk_by_address_is_ready_when_the_pbx_answers_options() -> None:
    line = Registering(register=False, keepalive_s=30.0)
    line.run()
    assert not line.status.ready
    line.peer.reply(line.peer.requests("OPTIONS")[0], 404)
    line.run()
    assert line.status.ready and not line.registers


def test_closing_unregisters() -> None:
    line = Registering()
    line.run()
    line.reply(200)
    line.ana.agent.close(line.network.now)
    line.run()
    assert line.registers[-1].get("Expires") == "0"
    line.reply(407, *CHALLENGE)
    assert "Proxy-Authorization" in dict(line.registers[-1].headers)
    line.reply(200)
    line.run(7200)
    assert not line.status.ready and not line.ana.agent.busy
    assert len(line.registers) == 3


def test_what_the_pbx_grants() -> None:
    line = Registering()
    line.run()
    request = line.registers[0]
    contact = line.ana.line.contact_uri

    def granted(*headers: tuple[str, str]) -> int:
        return granted_s(respond(request, 200, headers=headers), contact, 300)

    assert granted(("Contact", "<sip:100@10.0.0.7>;expires=9, <sip:100@10.0.0.1:5060>;expires=77"), ("Expires", "55")) == 77
    assert granted(("Contact", "<sip:100@10.0.0.7>;expires=9"), ("Expires", "55")) == 55
    assert granted() == 300
    assert granted(("Contact", "<<<")) == 300
