"""Several PBXs as one trunk (``pbx.trunk.Trunk``): the core of ``pbx.failover`` with a clock, over one SIP trunk for each PBX."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from pbx.failover import Failover, Member
from pbx.ladder import Ladder
from pbx.numbers import is_emergency
from pbx.redirect import Follow, not_followed
from pbx.sip_settings import SipTrunkSettings
from pbx.sip_trunk import SipTrunk
from pbx.timers import Timers
from pbx.trunk import LineStatus, OnTrunkEvent, Trunk, TrunkEvent, TrunkStatus
from pbx.trunk_choice import Candidate
from pbx.trunk_health import FailoverSettings, TrunkHealth
from rooms.audio import RtpEndpoint
from rooms.causes import Cause

NOBODY = TrunkStatus(False, "None of the PBXs can be reached.")


@dataclass(frozen=True, slots=True)
class Place:
    """One PBX of several. A lower ``priority`` is asked first; of one priority each takes its ``weight``'s part of the calls."""

    settings: SipTrunkSettings
    priority: int = 1
    weight: int = 1


class TrunkGroup:
    """Satisfies ``pbx.trunk.Trunk``. Every PBX is registered at all the time, so that calls come in from all."""

    carries_rtp = True

    def __init__(
        self,
        name: str,
        places: Sequence[Place],
        failover: FailoverSettings,
        on_event: OnTrunkEvent,
        *,
        follow: Follow = not_followed,
        ladder: Ladder | None = None,
    ) -> None:
        self.name = name
        self._follow_to = follow
        self._ladder = ladder
        self._region = places[0].settings.region
        self._timers = Timers()
        self._counts: Counter[str] = Counter()
        self._trunks = {place.settings.name: self._trunk(place.settings) for place in places}
        members = [
            Member(trunk, Candidate(trunk.name, TrunkHealth(failover), place.priority, place.weight))
            for trunk, place in zip(self._trunks.values(), places, strict=True)
        ]
        self._core = Failover(name, failover, members, on_event, timers=self._timers, counts=self._counts)
        self._wake: asyncio.TimerHandle | None = None

    def _trunk(self, settings: SipTrunkSettings) -> SipTrunk:
        name = settings.name

        def on_event(event: TrunkEvent) -> None:
            self._advance()
            self._core.heard(name, event)
            self._follow()

        def on_seen() -> None:
            self._advance()
            self._core.seen(name)

        return SipTrunk(settings, on_event, on_seen=on_seen, follow=self._follow_to, ladder=self._ladder)

    @property
    def status(self) -> TrunkStatus:
        return next((line.status for line in self.lines() if line.status.ready), NOBODY)

    def lines(self) -> list[LineStatus]:
        return self._core.lines()

    def line_of(self, leg_id: str) -> str:
        trunk = self._core.trunk_of(leg_id)
        return trunk.name if trunk is not None else self.name

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """What was dropped, refused or repeated at each PBX, by its name; under our own what went from one to another."""
        return {self.name: self._counts, **{name: trunk.counts[name] for name, trunk in self._trunks.items()}}

    async def __aenter__(self) -> "TrunkGroup":
        async with AsyncExitStack() as opening:
            for trunk in self._trunks.values():
                await opening.enter_async_context(trunk)
            opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # All at once: each may wait for a PBX that is gone.
        await asyncio.gather(*(trunk.__aexit__(*exc_info) for trunk in self._trunks.values()))
        if self._wake is not None:
            self._wake.cancel()

    # -- commands --

    def dial(
        self,
        leg_id: str,
        number: str,
        caller: str,
        offer: RtpEndpoint,
        *,
        private: bool = False,
        caller_number: str = "",
        diverted_by: str = "",
        referred: str = "",
    ) -> None:
        def place(trunk: Trunk) -> None:
            trunk.dial(
                leg_id,
                number,
                caller,
                offer,
                private=private,
                caller_number=caller_number,
                diverted_by=diverted_by,
                referred=referred,
            )

        self._advance()
        self._core.dial(leg_id, place, beside=referred, urgent=is_emergency(number, self._region))
        self._follow()

    def hang_up(self, leg_id: str, cause: Cause) -> None:
        self._advance()
        self._core.hang_up(leg_id, cause)
        self._follow()

    def ring(self, leg_id: str) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.ring(leg_id)

    def progress(self, leg_id: str, early: RtpEndpoint) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.progress(leg_id, early)

    def answer(self, leg_id: str, answer: RtpEndpoint) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.answer(leg_id, answer)

    def hold(self, leg_id: str, held: bool) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.hold(leg_id, held)

    def send_digit(self, leg_id: str, digit: str) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.send_digit(leg_id, digit)

    def can_refer(self, leg_id: str) -> bool:
        trunk = self._core.trunk_of(leg_id)
        return trunk is not None and trunk.can_refer(leg_id)

    def refer(self, leg_id: str, target: str, *, replaces: str = "") -> None:
        self._advance()
        self._core.refer(leg_id, target, replaces)
        self._follow()

    def transfer_progress(self, leg_id: str, status: int) -> None:
        if trunk := self._core.trunk_of(leg_id):
            trunk.transfer_progress(leg_id, status)

    # -- the clock --

    def _advance(self) -> None:
        self._timers.advance(asyncio.get_running_loop().time())

    def _follow(self) -> None:
        """Set the clock for the next deadline."""
        if self._wake is not None:
            self._wake.cancel()
        deadline = self._timers.next_deadline()
        self._wake = asyncio.get_running_loop().call_at(deadline, self._expire) if deadline is not None else None

    def _expire(self) -> None:
        self._timers.expire(asyncio.get_running_loop().time())
        self._follow()
