"""Two user agents, a network that loses, doubles, delays and reorders, and people who press everything: in the end nothing is left."""

from random import Random

import pytest

from pbx.message import AnyMessage
from pbx.trunk import Answered, Arrived, Confirmed, HungUp, Rang, Refused, TrunkEvent
from rooms.audio import G722, PCMA
from rooms.causes import Cause, EndReason
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint


class Storm:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.network = VirtualSip()
        self.network.fate = self.fate
        self.phones = [
            VirtualPhone(self.network, f"10.0.0.{n}", f"10.0.0.{3 - n}", f"{n}00", seed + n, session_expires_s=100, ring_longest_s=60.0)
            for n in (1, 2)
        ]
        self.hung_up: set[str] = set()
        self.dialled: list[str] = []

    def fate(self, message: AnyMessage) -> list[float]:
        copies = self.random.choices([0, 1, 2], [0.25, 0.65, 0.1])[0]
        return [self.random.choice([0.01, 0.05, 0.7]) for _ in range(copies)]

    def act(self) -> None:
        """Something that people do, on a leg that somebody has."""
        phone = self.random.choice(self.phones)
        legs = [(phone, event.leg_id) for phone in self.phones for event in phone.events if isinstance(event, Arrived)]
        legs += [(self.phones[0 if leg[0] == "1" else 1], leg) for leg in self.dialled]
        now, action = (
            self.network.now,
            self.random.choice(["dial", "ring", "progress", "answer", "answer", "hold", "resume", "digit", "refer", "tell", "hang up"]),
        )
        if action == "dial" or not legs:
            if len(self.dialled) < 12:
                self.dialled.append(f"{self.phones.index(phone) + 1}-{len(self.dialled)}")
                phone.dial(leg_id=self.dialled[-1])
            return
        phone, leg = self.random.choice(legs)
        if action == "ring":
            phone.agent.ring(leg, now)
        elif action == "answer":
            phone.agent.answer(leg, endpoint(phone.host, codecs=(G722, PCMA)), now)
        elif action in ("hold", "resume"):
            phone.agent.hold(leg, action == "hold", now)
        elif action == "progress":
            phone.agent.progress(leg, endpoint(phone.host, codecs=(G722, PCMA)), now)
        elif action == "refer":
            phone.agent.refer(leg, "300", self.random.choice(["", self.random.choice(legs)[1]]), now)
        elif action == "tell":
            phone.agent.transfer_progress(leg, self.random.choice([180, 200, 486]), now)
        elif action == "digit":
            phone.agent.send_digit(leg, "5", now)
        else:
            self.hang_up(phone, leg)

    def hang_up(self, phone: VirtualPhone, leg: str) -> None:
        self.hung_up.add(leg)
        phone.agent.hang_up(leg, Cause(EndReason.COMPLETED), self.network.now)

    def ends(self, phone: VirtualPhone, leg: str) -> list[TrunkEvent]:
        return [event for event in phone.events if isinstance(event, Refused | HungUp) and event.leg_id == leg]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_left_and_every_leg_ends_once(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(80):
        storm.act()
        storm.network.run(storm.random.choice([0.0, 0.005, 0.3, 3.0]))
    for phone in storm.phones:
        for leg in list(phone.agent.legs.by_id):
            storm.hang_up(phone, leg)
    storm.network.run(400)
    for phone in storm.phones:
        assert not phone.agent.legs.by_id and not phone.agent.legs.referrals and not phone.agent.legs.by_dialog
        assert not phone.line.transactions._clients and not phone.line.transactions._servers
        legs = {event.leg_id for event in phone.events if isinstance(event, Rang | Answered | Arrived | Confirmed)}
        for leg in legs:
            ends = storm.ends(phone, leg)
            assert len(ends) == 1 or (leg in storm.hung_up and not ends), (leg, ends)
            of_leg = [event for event in phone.events if getattr(event, "leg_id", "") == leg]
            assert not ends or of_leg[-1] is ends[0], "nothing comes after the end"
    for leg in storm.dialled:
        assert len(storm.ends(storm.phones[0 if leg[0] == "1" else 1], leg)) <= 1
