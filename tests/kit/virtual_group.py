"""PBXs and our one line to all, on the network of ``virtual_sip``: the failover core over real user agents, in time that tests move."""

from collections import Counter
from typing import TypeVar

from pbx.failover import Failover, Member
from pbx.timers import Timers
from pbx.trunk import Arrived, LineStatus, TrunkEvent, TrunkStatus
from pbx.trunk_choice import Candidate
from pbx.trunk_health import FailoverSettings, TrunkHealth
from rooms.audio import RtpEndpoint
from rooms.causes import Cause
from tests.kit.virtual_sip import VirtualPhone, VirtualSip, endpoint

E = TypeVar("E")


class VirtualTrunk:
    """Our user agent towards one PBX, as the trunk that the failover commands."""

    carries_rtp = True

    def __init__(self, phone: VirtualPhone) -> None:
        self.name = phone.settings.name
        self.phone = phone

    @property
    def status(self) -> TrunkStatus:
        return self.phone.agent.registration.status

    def lines(self) -> list[LineStatus]:
        return [LineStatus(self.name, self.status, self.phone.agent.calls, self.phone.settings.max_calls)]

    def proceeds(self, leg_id: str) -> bool:
        return self.phone.agent.proceeds(leg_id)

    def dial(self, leg_id: str, number: str, caller: str, offer: RtpEndpoint) -> None:
        self.phone.agent.dial(leg_id, number, caller, offer, self.phone.network.now)

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        self.phone.agent.answer(leg_id, answer, self.phone.network.now)

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        self.phone.agent.refer(leg_id, target, replaces, self.phone.network.now)

    def transfer_progress(self, leg_id: str, status: int) -> None:
        self.phone.agent.transfer_progress(leg_id, status, self.phone.network.now)

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        self.phone.agent.hang_up(leg_id, cause, self.phone.network.now)


class VirtualGroup:
    """``near`` are our ends and ``pbx`` the PBXs, by name. PBXs answer calls, but for those with a ``refusal`` and the ``silent``."""

    def __init__(self, *, failover: FailoverSettings | None = None, priorities: tuple[int, ...] = (1, 2), **settings: object) -> None:
        self.network = VirtualSip()
        self.events: list[TrunkEvent] = []
        self.refusal: dict[str, Cause] = {}
        self.silent: set[str] = set()
        self.timers = Timers(self.network.now)
        self.counts: Counter[str] = Counter()
        self.near: dict[str, VirtualPhone] = {}
        self.pbx: dict[str, VirtualPhone] = {}
        chosen = failover or FailoverSettings()
        self.health = {"abc"[number]: TrunkHealth(chosen) for number in range(len(priorities))}
        members = []
        for number, priority in enumerate(priorities):
            name = "abc"[number]
            near = VirtualPhone(
                self.network,
                f"10.0.0.{number + 1}",
                f"10.0.1.{number + 1}",
                "100",
                number + 1,
                name=name,
                **{"keepalive_s": 5.0, **settings},
            )
            far = VirtualPhone(self.network, f"10.0.1.{number + 1}", f"10.0.0.{number + 1}", "200", number + 11)
            self.near[name], self.pbx[name] = near, far
            members.append(Member(VirtualTrunk(near), Candidate(name, self.health[name], priority)))  # type: ignore[arg-type]
            self._wire(name)
        self.core = Failover("pbx", chosen, members, self.events.append, timers=self.timers, counts=self.counts)
        self.network.add(self.timers)  # type: ignore[arg-type]
        for near in self.near.values():
            near.agent.open(self.network.now)
        self.network.run(0.1)

    def _wire(self, name: str) -> None:
        far = self.pbx[name]

        def heard(event: TrunkEvent) -> None:
            self.near[name].events.append(event)
            self.timers.advance(self.network.now)
            self.core.heard(name, event)

        def seen() -> None:
            self.timers.advance(self.network.now)
            self.core.seen(name)

        def at_pbx(event: TrunkEvent) -> None:
            far.events.append(event)
            if isinstance(event, Arrived):
                far.line.timers.start(0.0, lambda: self._behave(name, event.leg_id))

        self.near[name].line.emit, self.near[name].line.on_seen = heard, seen
        far.line.emit = at_pbx

    def _behave(self, name: str, leg_id: str) -> None:
        agent = self.pbx[name].agent
        if name in self.refusal:
            agent.hang_up(leg_id, self.refusal[name], self.network.now)
        elif name not in self.silent:
            agent.ring(leg_id, self.network.now)
            agent.answer(leg_id, endpoint(self.pbx[name].host), self.network.now)

    def run(self, seconds: float) -> None:
        self.network.run(seconds)

    def dial(self, leg_id: str) -> None:
        self.timers.advance(self.network.now)
        self.core.dial(leg_id, lambda trunk: trunk.dial(leg_id, "600", "Ana", endpoint("192.0.2.1")))

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        self.timers.advance(self.network.now)
        self.core.hang_up(leg_id, cause)

    def of(self, kind: type[E], leg_id: str = "") -> list[E]:
        """Events of a kind, of one call or of all."""
        return [event for event in self.events if isinstance(event, kind) and (not leg_id or getattr(event, "leg_id", "") == leg_id)]

    def where(self, leg_id: str) -> str:
        trunk = self.core.trunk_of(leg_id)
        return trunk.name if trunk is not None else ""

    def kill(self, name: str) -> None:
        self.network.dead.add(self.pbx[name].host)

    def revive(self, name: str) -> None:
        self.network.dead.discard(self.pbx[name].host)
