"""Two PBXs that die, wake, refuse and ring, a network that loses, and people who dial and give up: every call has one outcome."""

from random import Random

import pytest

from pbx.message import AnyMessage
from pbx.trunk import Answered, Arrived, HungUp, Rang, Refused
from pbx.trunk_health import FailoverSettings
from rooms.causes import Cause, EndReason
from tests.kit.virtual_group import VirtualGroup

UNWELL = (Cause(EndReason.UNREACHABLE, 503), Cause(EndReason.UNREACHABLE, 408), Cause(EndReason.BUSY, 486))


class Weather:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        settings = FailoverSettings(rest_s=5, step_s=5)
        self.group = VirtualGroup(failover=settings, priorities=(1, 1, 2), max_calls=6, ring_longest_s=40.0)
        self.group.network.fate = self.fate
        self.dialled: list[str] = []
        self.left: set[str] = set()

    def fate(self, message: AnyMessage) -> list[float]:
        copies = self.random.choices([0, 1, 2], [0.15, 0.75, 0.1])[0]
        return [self.random.choice([0.01, 0.05, 0.7]) for _ in range(copies)]

    def act(self) -> None:
        group, random = self.group, self.random
        name = random.choice("abc")
        action = random.choice(["dial", "dial", "dial", "hang up", "kill", "revive", "refuse", "heal", "silent", "call us"])
        if action == "dial":
            self.dialled.append(f"call-{len(self.dialled)}")
            group.dial(self.dialled[-1])
        elif action == "hang up" and self.dialled:
            self.hang_up(random.choice(self.dialled))
        elif action == "kill":
            group.kill(name)
        elif action == "revive":
            group.revive(name)
        elif action == "refuse":
            group.refusal[name] = random.choice(UNWELL)
        elif action == "heal":
            group.refusal.pop(name, None)
            group.silent.discard(name)
        elif action == "silent":
            group.silent.add(name)
        elif action == "call us":
            group.pbx[name].dial("100", f"in-{group.network.now}-{name}")

    def hang_up(self, leg_id: str) -> None:
        self.left.add(leg_id)
        self.group.hang_up(leg_id, Cause(EndReason.COMPLETED))

    def end(self) -> None:
        for leg_id in [*self.dialled, *(event.leg_id for event in self.group.of(Arrived))]:
            self.hang_up(leg_id)
        self.group.run(400)


@pytest.mark.parametrize("seed", range(20))
def test_every_call_has_one_outcome_and_nothing_is_left(seed: int) -> None:
    weather = Weather(seed)
    for _ in range(60):
        weather.act()
        weather.group.run(weather.random.choice([0.0, 0.05, 0.5, 2.5, 8.0]))
    weather.end()
    group = weather.group
    assert not group.core._calls
    assert all(not near.agent.legs.by_id for near in group.near.values())
    assert all(candidate.health.share in (0.0, 0.05, 0.2, 0.5, 1.0) for candidate in group.core._choice._candidates)
    for leg_id in weather.dialled:
        told = [event for event in group.events if getattr(event, "leg_id", "") == leg_id]
        answered = [event for event in told if isinstance(event, Answered)]
        ends = [event for event in told if isinstance(event, Refused | HungUp)]
        assert len(answered) <= 1 and len(ends) <= 1, told
        assert answered or len(ends) == 1, "a call that nobody answered is refused, whoever gave up"
        assert not ends or told[-1] is ends[0], "nothing comes after the end"
        assert ends or leg_id in weather.left
        after = told[told.index(answered[0]) :] if answered else []
        assert not any(isinstance(event, Rang) for event in after)
