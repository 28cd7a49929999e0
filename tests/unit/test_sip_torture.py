"""The torture messages of RFC 4475 and RFC 5118 against the whole user agent: the verdict of the table, and life goes on."""

from pathlib import Path

import pytest

from pbx.transactions import Hop
from pbx.trunk import Arrived, Confirmed
from rooms.audio import PCMU
from tests.kit.sip_torture import TORTURES, Fate, Torture, options
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint


@pytest.fixture
def originals(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """The RFCs' own messages by name, where a folder with them was given."""
    folder: Path | None = request.config.getoption("--torture")
    return {path.stem: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder else {}


class Victim:
    """One user agent, and what comes back from it as raw bytes: a refusal may quote headers that no parser reads."""

    def __init__(self) -> None:
        self.network = VirtualSip()
        self.here, self.there = Hop("udp", "10.0.0.9", 5060), Hop("udp", "10.0.0.1", 5060)
        self.got: list[bytes] = []
        self.network.attach("10.0.0.9", lambda data, source: self.got.append(data))
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, max_calls=1000, invites_per_s=1000.0)

    def take(self, data: bytes) -> list[int]:
        """Hand it these bytes; the statuses that came back."""
        self.got.clear()
        self.network.post_bytes(data, self.here, self.there)
        self.network.run(0.1)
        return [int(answer.split(b" ", 2)[1]) for answer in self.got]

    def endure(self, torture: Torture, data: bytes) -> None:
        arrived = self.ana.count(Arrived)
        statuses = self.take(data)
        final = [status for status in statuses if status >= 200]
        if torture.verdict is Fate.CALL:
            assert self.ana.count(Arrived) == arrived + 1 and final == []
            self.ana.agent.answer(self.ana.last(Arrived).leg_id, endpoint(codecs=(PCMU,)), self.network.now)
            self.network.run(0.1)
            assert self.got[-1].startswith(b"SIP/2.0 200 ") and b"m=audio 4000 RTP/AVP 0" in self.got[-1]
        else:
            assert self.ana.count(Arrived) == arrived
            assert final == ([] if torture.verdict is Fate.DROPPED else [torture.verdict]), self.got
        assert self.take(options(Call_ID=f"after-{torture.name}", Via=f"SIP/2.0/UDP host;branch=z9hG4bKafter{torture.name}")) == [200]


@pytest.mark.parametrize("torture", TORTURES, ids=lambda torture: f"{torture.clause} {torture.name}")
def test_each_gets_what_it_deserves_and_the_next_is_served(torture: Torture, originals: dict[str, bytes]) -> None:
    Victim().endure(torture, originals.get(torture.name, torture.data))


def test_one_agent_endures_them_all() -> None:
    victim = Victim()
    for torture in TORTURES:
        victim.endure(torture, torture.data)
        victim.network.run(70.0)
    assert not victim.ana.agent.busy


def test_the_table_is_whole() -> None:
    names = [torture.name for torture in TORTURES]
    assert len(set(names)) == len(names) == 50 + 12


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("insuf", b"SIP/2.0 400 Bad Request (no Call-ID)\r\nVia: SIP/2.0/UDP host.pbx.test;branch=z9hG4bKtorture;received=10.0.0.9\r\n"),
        ("intmeth", b"\r\nAllow: INVITE, "),
        ("bext01", b"\r\nUnsupported: norhere, nothinghere\r\n"),
        ("invut", b"\r\nAccept: application/sdp"),
        ("ipv6-in-sdp", b"\r\nWarning: 399 "),
        ("badvers", b"\r\nVia: SIP/7.0/UDP c.pbx.test;branch=z9hG4bKv\r\n"),
    ],
)
def test_refusals_name_the_fault_and_carry_what_the_sender_needs(name: str, said: bytes) -> None:
    victim = Victim()
    victim.take(next(torture.data for torture in TORTURES if torture.name == name))
    assert said in victim.got[-1]


def test_requests_whose_branch_is_the_cookie_alone_are_told_apart() -> None:
    victim = Victim()
    via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"
    assert victim.take(options(Via=via)) == [200]
    assert victim.take(options(Via=via, CSeq="9 OPTIONS", Require="nothing")) == [420]


def test_what_was_meant_is_read() -> None:
    victim = Victim()
    by_name = {torture.name: torture for torture in TORTURES}
    victim.take(by_name["esc01"].data)
    arrived = victim.ana.last(Arrived)
    assert (arrived.caller, arrived.called) == ("I have spaces", "sips:user@pbx.test")
    assert victim.ana.count(Confirmed) == 0
