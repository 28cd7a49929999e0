"""The emulated 3CX's calls under whatever is asked of them in whatever order: nothing breaks, nobody is left alone, all of it ends."""

import json
from random import Random

import pytest

from pbx.threecx.double.calls import Calls, Change, Rejected, Removed
from pbx.threecx.double.control import Control
from pbx.threecx.double.directory import Reaction, demo_directory
from pbx.threecx.double.legs import ACTIONS, Leg, Status
from pbx.threecx.double.manners import Manners
from pbx.threecx.double.reply import Reply

DNS = ("870", "200", "201", "202", "203", "800", "801")
NUMBERS = (*DNS, "+34600111222", "+34600000603", "+34600000604", "12")


class Chaos:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.directory = demo_directory()
        self.directory.dns["203"].voicemail = seed % 2 == 0
        self.directory.dns["201"].reaction = Reaction(answer_after_s=0.7, hang_up_after_s=4)
        self.alive: set[int] = set()
        self.calls = Calls(self.directory, Manners(), self.changed, random=self.random)
        self.control = Control(self.calls)
        self.client = self.directory.principals["870"]
        self.asked = self.replied = 0
        self.now = 0.0

    def changed(self, change: Change) -> None:
        """What is told is in order: nothing of a leg after its end."""
        leg = change.leg
        if isinstance(change, Removed):
            assert leg.id in self.alive, "removed what was never there, or twice"
            self.alive.discard(leg.id)
        else:
            assert leg.alive, "told of a leg that is over"
            self.alive.add(leg.id)

    def on_reply(self, reply: Reply) -> None:
        assert 200 <= reply.status < 500
        self.replied += 1

    def act(self) -> None:
        legs = list(self.calls.legs.values())
        what = self.random.randrange(10)
        if what < 2 or not legs:
            self.begin()
        elif what < 3:
            self.calls.press(self.random.choice(legs), "1")
        elif what < 5:
            self.calls.drop(self.random.choice(legs))
        elif what < 6:
            self.answer(self.random.choice(legs))
        else:
            self.ask(self.random.choice(legs))

    def begin(self) -> None:
        number = self.random.choice(NUMBERS)
        if self.random.random() < 0.5:
            try:
                self.calls.arrive("+34600999888", self.random.choice([*self.directory.dids, number]))
            except Rejected:
                return
        else:
            self.post([self.random.choice(("870", "200", "201", "202")), "makecall"], number)

    def answer(self, leg: Leg) -> None:
        if leg.status is Status.RINGING:
            self.calls.answer(leg)

    def ask(self, leg: Leg) -> None:
        self.post([leg.dn, "participants", str(leg.id), self.random.choice(list(ACTIONS))], self.random.choice(NUMBERS))

    def post(self, path: list[str], destination: str) -> None:
        self.asked += 1
        body = {"destination": destination, "timeout": self.random.choice([1, 5, 20])}
        self.control.handle(self.client, "POST", path, json.dumps(body).encode(), self.on_reply)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.calls.timers.next_deadline()) is not None and due <= end:
            self.calls.timers.expire(due)
        self.now = end
        self.calls.timers.expire(end)

    def check(self) -> None:
        legs = self.calls.legs.values()
        assert {leg.id for leg in legs} == self.alive
        for leg in legs:
            assert leg.alive
            if leg.status is Status.RINGING and leg.other is not None:
                assert leg.other.alive, "rings for somebody who is gone"
            if leg.status is Status.CONNECTED:
                assert not self.calls.is_alone(leg), "connected with nobody"
        for callid in {leg.callid for leg in legs}:
            legids = [leg.legid for leg in legs if leg.callid == callid]
            assert len(set(legids)) == len(legids)


@pytest.mark.parametrize("block", range(4))
def test_whatever_is_asked_nothing_breaks_and_all_ends(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        chaos = Chaos(seed)
        for _ in range(60):
            chaos.act()
            chaos.wait(chaos.random.choice([0.0, 0.1, 1.0, 3.0]))
            chaos.check()
        for leg in list(chaos.calls.legs.values()):
            chaos.calls.drop(leg)
        assert not chaos.calls.legs, f"seed {seed}"
        chaos.wait(200)
        assert chaos.calls.timers.next_deadline() is None and not chaos.alive
        assert chaos.replied == chaos.asked, "somebody still waits for an answer"
