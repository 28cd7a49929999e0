"""Floods during a call: who comes too much is told so and forgotten, and the call that is there goes on."""

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from pbx import transactions
from pbx.admission import Congestion
from pbx.message import Response, parse_message
from pbx.trunk import Arrived, Confirmed, HungUp, Reagreed
from rooms.audio import PCMA
from tests.kit.sip_torture import invite, options
from tests.kit.virtual_sip import ScriptedPeer, VirtualPhone, VirtualSip, endpoint, sdp

FLOOD_PER_S = 500


class Flooded:
    """A line with a call that talks, and a peer that floods it from another address that is trusted too."""

    def __init__(self) -> None:
        self.network = VirtualSip()
        self.ana = VirtualPhone(self.network, "10.0.0.1", "10.0.0.9", "100", 1, invites_per_s=20.0, trusted=("10.0.0.0/24",))
        self.peer = ScriptedPeer(self.network)
        self.statuses: list[int] = []
        self.headless = 0
        self._tag = ""
        self._sent = 0
        flooder = ScriptedPeer(self.network, "10.0.0.66")
        self.network.attach("10.0.0.66", self._take)
        self._flooder = flooder
        self.ask("INVITE", 1, sdp())
        self.ana.agent.answer(self.ana.last(Arrived).leg_id, endpoint(codecs=(PCMA,)), self.network.now)
        self.network.run(0.1)
        self._tag = self._last().to_address.tag or ""
        self.ask("ACK", 1)
        assert self.ana.count(Confirmed) == 1

    def _take(self, data: bytes, source: object) -> None:
        answer = parse_message(data)
        if isinstance(answer, Response):
            self.statuses.append(answer.status)
            self.headless += answer.status == 503 and answer.get("Retry-After") != "5"

    def _last(self) -> Response:
        return [message for message in self.peer.got if isinstance(message, Response)][-1]

    def ask(self, method: str, cseq: int, body: bytes = b"") -> int:
        """A request of the call that is there; the status that answers it."""
        tag = f";tag={self._tag}" if self._tag else ""
        kind = "\nContent-Type: application/sdp" if body else ""
        self.peer.send(
            f"{method} sip:100@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKlive{method}{cseq}\nFrom: <sip:c@10.0.0.9>;tag=p\n"
            f"To: <sip:100@10.0.0.1>{tag}\nCall-ID: live\nCSeq: {cseq} {method}\nContact: <sip:c@10.0.0.9>{kind}",
            body,
        )
        self.network.run(0.1)
        return self._last().status

    def flood(self, seconds: int, make: Callable[..., bytes] = invite) -> None:
        """No refusal is ever acknowledged, and everything is gone through in steps of 10 ms."""
        for _ in range(seconds * 100):
            for _ in range(FLOOD_PER_S // 100):
                self._sent += 1
                via = f"SIP/2.0/UDP 10.0.0.66;branch=z9hG4bKflood{self._sent}"
                data = make(Via=via, Call_ID=f"flood{self._sent}", Contact="<sip:f@10.0.0.66>")
                self.network.post_bytes(data, self._flooder.here, self._flooder.there)
            self.network.run(0.01)
        self.network.run(0.1)


@pytest.fixture
def line() -> Flooded:
    return Flooded()


def test_a_flood_of_invites_gets_503_and_the_call_goes_on(line: Flooded) -> None:
    line.flood(2)
    gc.collect()
    tracemalloc.start()
    line.flood(2)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    line.flood(4)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    asked, taken = 8 * FLOOD_PER_S, line.ana.count(Arrived) - 1
    assert 8 * 20 <= taken <= 8 * 20 + 40
    assert line.statuses.count(503) == asked - taken and line.headless == 0
    assert line.ana.line.counts["dropped_full"] == 0
    assert grown < 4 * 20 * 40_000, "only the calls that were taken cost memory"
    assert line.ask("INVITE", 2, sdp("m=audio 7000 RTP/AVP 8", "a=sendonly")) == 200
    line.ask("ACK", 2)
    assert line.ana.count(Reagreed) == 1
    assert line.ask("BYE", 3) == 200 and line.ana.count(HungUp) == 1


def test_a_flood_of_other_requests_leaves_room_for_the_call(line: Flooded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_TRANSACTIONS", 4000)
    line.flood(10, options)
    assert line.statuses.count(200) == 4000 - 1, "the live call's INVITE is one more"
    assert line.statuses.count(503) == 10 * FLOOD_PER_S - line.statuses.count(200) and line.headless == 0
    assert line.ask("BYE", 2) == 200 and line.ana.count(HungUp) == 1


def test_where_messages_come_faster_than_they_are_read_new_calls_come_back_later_and_the_call_goes_on(line: Flooded) -> None:
    line.ana.line.is_overrun = lambda now: True
    line.network.post_bytes(invite(Call_ID="new", Contact="<sip:f@10.0.0.66>"), line._flooder.here, line._flooder.there)
    line.network.run(0.1)
    assert line.statuses == [503] and line.headless == 0 and line.ana.count(Arrived) == 1
    assert line.ana.line.counts["calls_refused_overrun"] == 1 and not line.ana.line.counts["calls_refused_full"]
    assert line.ask("INVITE", 2, sdp("m=audio 7000 RTP/AVP 8", "a=sendonly")) == 200
    line.ask("ACK", 2)
    assert line.ask("BYE", 3) == 200 and line.ana.count(HungUp) == 1


def test_a_line_is_overrun_only_where_it_was_crowded_at_every_look_for_longer_than_callers_bear() -> None:
    congestion = Congestion(longest_s=2.0)
    looks = [(True, 0.0, False), (True, 1.9, False), (False, 1.95, False), (True, 2.0, False), (True, 4.0, False)]
    looks += [(True, 4.1, True), (True, 9.0, True), (False, 9.1, False), (True, 9.2, False)]
    for crowded, now, lasts in looks:
        assert congestion.lasts(crowded, now) is lasts


def test_who_comes_again_when_there_is_room_is_taken(line: Flooded) -> None:
    line.flood(1)
    arrived = line.ana.count(Arrived)
    line.network.run(1.0)
    line.flood(1)
    assert line.ana.count(Arrived) > arrived
